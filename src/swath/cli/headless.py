"""Runs a job where nobody watches: in a process of its own, with its output in the log."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from typing import TYPE_CHECKING

from swath.cli.edge import read_settings
from swath.jobs import JobFolder, execute, open_job, resources_of
from swath.jobs.carry import take_stores
from swath.model import JobState
from swath.sites import own_handle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swath.model import JobStatus

log = logging.getLogger("swath")


def run_headless(path: Path, *, threads: int = 0, workers: int = 0, settle: bool = False) -> int:
    """Do what a job folder lacks.

    Parameters
    ----------
    path : Path
        The job folder.
    threads, workers : int
        What it may use; 0 threads: as the settings say.
    settle : bool
        True to enter the results into the catalog and the state into the job store too. A compute node
        leaves that to whoever submitted.

    Returns
    -------
    int
        Exit code.
    """
    _log_to_output()
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    settings = read_settings()
    if threads:
        settings = settings.model_copy(update={"threads": threads})
    resources = resources_of(settings, workers)
    log.info("begin %s", path)
    take_stores(JobFolder(path))
    if settle:
        status = open_job(path, settings).run(resources, watch=_told(), stop=stop)
    else:
        status = execute(JobFolder(path), resources, handle=own_handle(), watch=_told(), stop=stop)
    log.info("end %s: %s", status.state, status.message)
    return 0 if status.state is JobState.SUCCESSFUL else status.exit_code or 5


def _told() -> Callable[[JobStatus], None]:
    said = ""

    def watch(status: JobStatus) -> None:
        nonlocal said
        if status.message != said and (status.units_total <= 100 or status.units_done % 100 == 0):
            said = status.message
            log.info(said)

    return watch


def run_task(path: Path, task: int, tasks: int, *, threads: int, retries: int, workers: int = 0) -> int:
    """Do one task's share of a job, as Slurm's batch script asks.

    Parameters
    ----------
    path : Path
        The job folder.
    task, tasks : int
        Which task this is, from 0, of how many.
    threads : int
        Threads; 0: the CPUs that Slurm has given.
    retries : int
        How often the task may go back into the queue when its time is over.
    workers : int
        Workers of a Dask cluster that do the units; 0: threads here.

    Returns
    -------
    int
        Exit code.
    """
    from swath.jobs.work import node_resources, requeue_in_time, work

    requeue_in_time(retries)
    _log_to_output()
    take_stores(JobFolder(path))
    return work(JobFolder(path), task, tasks, node_resources(threads), workers=workers)


def _log_to_output() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
