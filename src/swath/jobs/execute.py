"""Does the units of a job that are missing: on threads here, or on the workers of a Dask cluster."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import shutil
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from swath.jobs.carry import take_stores
from swath.jobs.finish import finish
from swath.jobs.folder import JobFolder, refusals
from swath.jobs.refusal import describe_error
from swath.jobs.staging import bring_files
from swath.jobs.units import run_unit
from swath.model import JobState, JobStatus, OutputError, SwathError, TooLargeError, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Watch = Callable[[JobStatus], None]

log = logging.getLogger(__name__)
_STATUS_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job may use."""

    threads: int = 1
    """Threads, all in all."""
    workers: int = 0
    """Worker processes of a Dask cluster; 0: threads in this process."""
    memory_bytes: int = 2_000_000_000
    """Memory, all in all."""


def now() -> str:
    """Give the time, as RFC 3339."""
    return format_instant(dt.datetime.now(dt.UTC).replace(microsecond=0))


def new_status(folder: JobFolder, site: str, *, handle: str = "") -> JobStatus:
    """Give the status of a job that has not begun."""
    job = folder.job
    return JobStatus(
        id=job["id"], process=job["process"], site=site, state=JobState.ACCEPTED, folder=str(folder.path),
        created=job["created"], updated=now(), message="waiting to start", units_total=len(folder.units),
        units_done=len(folder.published()), handle=handle,
    )  # fmt: skip


class _Reporter:
    """Writes the status, not more often than people look."""

    def __init__(self, folder: JobFolder, status: JobStatus, watch: Watch | None) -> None:
        self.folder, self.status, self.watch = folder, status, watch
        self.written = 0.0

    def update(self, *, now_: bool = False, **changes: Any) -> JobStatus:
        self.status = replace(self.status, **changes, updated=now())
        if now_ or self.status.state.is_final or time.monotonic() - self.written > _STATUS_EVERY_S:
            try:
                self.folder.write_status(self.status)
            except OutputError:  # a full disk: the job says so by what it returns
                if self.status.state is not JobState.FAILED:
                    raise
            self.written = time.monotonic()
        if self.watch:
            self.watch(self.status)
        return self.status


def execute(
    folder: JobFolder,
    resources: Resources,
    *,
    site: str = "local",
    handle: str = "",
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> JobStatus:
    """Do what a job lacks, then finish it.

    Parameters
    ----------
    folder : JobFolder
        The job.
    resources : Resources
        What it may use; results do not depend on it.
    site, handle : str
        Where it runs, and as what.
    watch : callable of JobStatus, optional
        Called whenever something happened.
    stop : threading.Event, optional
        Set by somebody who wants the job to end; so does a file ``cancel`` in the job folder.

    Returns
    -------
    JobStatus
        Final, unless it was stopped while it waited for files from tape. An error of ours becomes the state
        ``failed`` and its sentence the message.
    """
    reporter = _Reporter(folder, new_status(folder, site, handle=handle), watch)
    stop = stop or threading.Event()
    stopped = _stopper(folder, stop)
    try:
        total = len(folder.units)
        published = folder.published()
        missing = [each for each in folder.units if each not in published]
        if missing and not _brought(folder, reporter, stop):
            return _left(folder, reporter)
        reporter.update(now_=True, state=JobState.RUNNING, message="working")
        done = total - len(missing)
        for _ in _run(folder, missing, resources, stopped):
            done += 1
            reporter.update(units_done=done, message=f"{done} of {total} units done")
        if stopped():
            return _dismissed(folder, reporter)
        reporter.update(now_=True, units_done=total, message="finishing")
        with refusals(folder.results):
            finish(folder)
        shutil.rmtree(folder.attempts, ignore_errors=True)
        return reporter.update(state=JobState.SUCCESSFUL, message=f"{total} of {total} units done")
    except SwathError as error:
        log.error("job %s failed: %s", folder.job["id"], error)  # noqa: TRY400 -- the sentence says it all
        return _failed(folder, reporter, describe_error(folder, error), error.exit_code)
    except Exception as error:
        log.exception("job %s failed", folder.job["id"])
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _failed(folder, reporter, f"job {folder.job['id']}: unforeseen: {what} (see log.txt)", 5)


def _failed(folder: JobFolder, reporter: _Reporter, message: str, exit_code: int) -> JobStatus:
    done = len(folder.published())
    if folder.catalog_file.exists() and done == len(folder.units):
        # Another copy of this job has finished it, and cleared what this one was working on away.
        return reporter.update(
            state=JobState.SUCCESSFUL, message=f"{done} of {done} units done", units_done=done
        )
    code = exit_code if exit_code in (2, 3, 4) else 5
    return reporter.update(state=JobState.FAILED, message=message, units_done=done, exit_code=code)


def _left(folder: JobFolder, reporter: _Reporter) -> JobStatus:
    """Leave a job whose files are on their way from tape: they go on coming, unless it was cancelled."""
    if folder.cancel_file.exists():
        return _dismissed(folder, reporter)
    return reporter.update(now_=True, handle="")


def _brought(folder: JobFolder, reporter: _Reporter, stop: threading.Event) -> bool:
    try:
        return bring_files(folder, lambda words: reporter.update(message=words), stop)
    except KeyboardInterrupt:
        _left(folder, reporter)
        raise


def _dismissed(folder: JobFolder, reporter: _Reporter) -> JobStatus:
    done, total = len(folder.published()), len(folder.units)
    folder.cancel_file.unlink(missing_ok=True)
    kept = f"{done} of {total} units are kept: `swath jobs rerun` goes on from there"
    return reporter.update(
        state=JobState.DISMISSED, message=f"cancelled; {kept}", units_done=done, exit_code=5
    )


def _stopper(folder: JobFolder, stop: threading.Event) -> Callable[[], bool]:
    return lambda: stop.is_set() or folder.cancel_file.exists()


def _run(
    folder: JobFolder, missing: Sequence[str], resources: Resources, stopped: Callable[[], bool]
) -> Iterator[str]:
    if missing and resources.workers:
        from swath.sites.dask_local import run_on_workers

        return run_on_workers(
            run_named_units, str(folder.path), missing, workers=resources.workers,
            memory_bytes=resources.memory_bytes, stopped=stopped,
        )  # fmt: skip
    return run_here(folder, missing, resources, stopped)


def run_named_units(path: str, names: Sequence[str]) -> list[str]:
    """Do some units of a job, on a worker.

    Parameters
    ----------
    path : str
        The job folder.
    names : sequence of str
        Ids of the units.
    """
    from pathlib import Path

    folder = _folder_of(Path(path))
    for each in names:
        run_unit(folder, each)
    return list(names)


_FOLDERS: dict[str, JobFolder] = {}


def _folder_of(path: Any) -> JobFolder:
    """Keep the folder that a worker reads, with its parsed items and units, between tasks."""
    if str(path) not in _FOLDERS:
        _FOLDERS.clear()
        _FOLDERS[str(path)] = JobFolder(path)
        take_stores(_FOLDERS[str(path)])
    return _FOLDERS[str(path)]


def run_here(
    folder: JobFolder, missing: Sequence[str], resources: Resources, stopped: Callable[[], bool]
) -> Iterator[str]:
    """Do units on threads: several at a time where there are several, else one with all threads.

    Yields
    ------
    str
        Each unit that is done.

    Raises
    ------
    TooLargeError
        A unit needs more memory than there is.
    SwathError
        What a unit raised.
    """
    if not missing:
        return
    need = folder.job["unit_bytes"]
    if need > resources.memory_bytes:
        from swath.cube import format_bytes

        raise TooLargeError(
            f"memory: a unit needs {format_bytes(need)}, "
            f"and {format_bytes(resources.memory_bytes)} may be used",
            fix="choose a smaller tile_size, or raise memory in the settings",
        )
    at_once = min(resources.threads, len(missing), max(1, resources.memory_bytes // max(need, 1)))
    each = max(1, resources.threads // at_once)
    with ThreadPoolExecutor(at_once) as pool:
        done: SimpleQueue[tuple[str, Future[bool]]] = SimpleQueue()
        waiting = iter(missing)
        running: set[Future[bool]] = set()

        def start_next() -> None:
            for name in itertools.islice(waiting, 1):
                future = pool.submit(run_unit, folder, name, threads=each)
                running.add(future)
                future.add_done_callback(lambda ended, name=name: done.put((name, ended)))  # type: ignore[misc]

        try:
            for _ in range(2 * at_once):  # one more for each thread, so that none waits for the next
                start_next()
            while running and not stopped():
                name, future = done.get()
                running.remove(future)
                future.result()
                start_next()
                yield name
        finally:
            for future in running:
                future.cancel()
