"""One task's share of a job, on a compute node; the task that finds all units there finishes the job."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.jobs.carry import forget_secrets
from swath.jobs.execute import Resources, new_status, now, run_here
from swath.jobs.finish import finish
from swath.jobs.folder import refusals
from swath.jobs.publish import send_from_site, was_sent
from swath.jobs.refusal import describe_error, is_refusal
from swath.model import JobState, SwathError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from swath.jobs.folder import JobFolder

log = logging.getLogger("swath")
_NOTE_BYTES = 4000
_RESERVE_BYTES = 1_000_000_000
"""What Python and its libraries take of a task's memory before the first unit."""


def memory_for(unit_bytes: int, at_once: int) -> int:
    """Give the memory that a task needs which does so many units at a time."""
    return _RESERVE_BYTES + int(1.1 * unit_bytes * max(1, at_once))


def node_resources(threads: int, environ: Mapping[str, str] | None = None) -> Resources:
    """Give what a task may use on a node, as Slurm tells it.

    Parameters
    ----------
    threads : int
        Threads; 0: the CPUs that Slurm has given.
    environ : mapping, optional
        The environment; this process's unless given.
    """
    environ = os.environ if environ is None else environ
    cpus = int(environ.get("SLURM_CPUS_PER_TASK") or environ.get("SLURM_CPUS_ON_NODE") or 1)
    per_node = int(environ.get("SLURM_MEM_PER_NODE") or 0)
    per_cpu = int(environ.get("SLURM_MEM_PER_CPU") or 0)
    mib = per_node or per_cpu * cpus
    if mib:
        memory = max(mib * 2**20 - _RESERVE_BYTES, mib * 2**20 // 2)
    else:
        import psutil

        memory = int(psutil.virtual_memory().available * 0.8)
    return Resources(threads=threads or cpus, memory_bytes=memory)


def work(folder: JobFolder, task: int, tasks: int, resources: Resources, *, workers: int = 0) -> int:
    """Do the units of one task that are missing.

    Parameters
    ----------
    folder : JobFolder
        The job.
    task, tasks : int
        Which task this is, from 0, of how many; unit number i belongs to the task i modulo ``tasks``.
    resources : Resources
        What it may use.
    workers : int
        Workers of a Dask cluster that this task submits and that do its units; 0: it does them itself.

    Returns
    -------
    int
        Exit code. What went wrong is also written to ``tasks/TASK.json``, for who asks from afar.
    """
    names = list(folder.units)
    note = folder.tasks / f"{task}.json"
    _reserve(note)
    log.info("task %d of %d on %s", task + 1, tasks, socket.gethostname())
    try:
        published = folder.published()
        share = [each for each in names[task::tasks] if each not in published]
        for count, name in enumerate(_run(folder, share, resources, workers), 1):
            log.info("unit %s is done (%d of %d of this task)", name, count, len(share))
        if len(folder.published()) == len(names) and not folder.cancel_file.exists():
            _finish(folder)
    except SwathError as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence says it all
        told = describe_error(folder, error)
        return _noted(note, task, told, error.exit_code, is_refused=is_refusal(error))
    except Exception as error:
        log.exception("task %d failed", task)
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _noted(note, task, f"job {folder.job['id']}: unforeseen: {what} (see its log)", 5)
    note.unlink(missing_ok=True)
    return 0


def _reserve(note: Path) -> None:
    """Make room for what may have to be said: of a full disk, when nothing more can be written."""
    try:
        note.parent.mkdir(exist_ok=True)
        note.write_bytes(b" " * _NOTE_BYTES)
    except OSError:
        log.exception("%s cannot be written", note)


def _run(folder: JobFolder, share: Sequence[str], resources: Resources, workers: int) -> Iterator[str]:
    if not workers or not share:
        return run_here(folder, share, resources, folder.cancel_file.exists)
    from swath.jobs.on_cluster import run_on_cluster

    return run_on_cluster(folder, share, workers, folder.cancel_file.exists)


def _finish(folder: JobFolder) -> None:
    """Make the results whole; two tasks that both find all units there may both do it."""
    log.info("all units are there: finishing")
    with refusals(folder.results):
        finish(folder)
    shutil.rmtree(folder.attempts, ignore_errors=True)
    total = len(folder.units)
    sent = send_from_site(folder)
    told = folder.read_status()
    if sent or told is None or not was_sent(folder, told):  # else the other task has sent them, and said so
        done = new_status(folder, "")
        message = f"{total} of {total} units done{sent}"
        folder.write_status(
            replace(done, state=JobState.SUCCESSFUL, units_done=total, updated=now(), message=message)
        )
    forget_secrets(folder)  # nobody may look at the job for long, and nothing needs them any more
    log.info("finished")


def _noted(path: Path, task: int, message: str, exit_code: int, *, is_refused: bool = False) -> int:
    code = exit_code if exit_code in (2, 3, 4) else 5
    told: dict[str, Any] = {
        "task": task, "message": message, "exit_code": code, "host": socket.gethostname(),
        "refused": is_refused, "slurm_job": os.environ.get("SLURM_JOB_ID", ""), "time": now(),
    }  # fmt: skip
    text = json.dumps(told, ensure_ascii=False).encode()
    try:
        with path.open("r+b") as file:  # over the room that was reserved; who reads half of it reads it again
            file.write(text.ljust(_NOTE_BYTES))
    except OSError:
        log.exception("%s cannot be written", path)
    return code


def requeue_in_time(retries: int) -> None:
    """Go back into the queue when Slurm warns that the time is nearly over, as often as that is allowed.

    Slurm sends SIGUSR1 to the script some time before its end (``--signal=B:USR1@60``), and a script that is
    put back keeps its id, so that nobody outside has to do anything.

    Parameters
    ----------
    retries : int
        How often it may have been started again.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)

    def leave(_number: int, _frame: Any) -> None:
        if restarts >= retries or not job:
            log.warning("the time is nearly over, and it was started again %d times already", restarts)
            return
        log.warning("the time is nearly over: going back into the queue; units that are done are kept")
        threading.Thread(target=_requeue, args=(job,), daemon=True).start()

    signal.signal(signal.SIGUSR1, leave)


def _requeue(job: str) -> None:
    done = subprocess.run(("scontrol", "requeue", job), capture_output=True, text=True, check=False)
    if done.returncode:
        log.warning("Slurm does not take it back (%s)", " ".join(done.stderr.split()))
