"""Runs a job in front of the user: a progress bar, Ctrl-C, and a terminal that may go away."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from swath.cli.edge import say
from swath.jobs import raise_failure
from swath.model import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.jobs import Job, Resources
    from swath.model import JobStatus

_PLAIN_EVERY_S = 10.0


def run_in_front(job: Job, resources: Resources, *, fresh: bool) -> None:
    """Run a job and raise what went wrong.

    Parameters
    ----------
    job : Job
        The job.
    resources : Resources
        What it may use.
    fresh : bool
        True when the job was made for this call: one that fails over a mistake of the user before any
        unit is done is then deleted, and leaves nothing behind.
    """
    stop = threading.Event()
    with _logged(job), stopping(stop), _progress() as watch:
        status = job.run(resources, watch=watch, stop=stop)
    if status.state is JobState.SUCCESSFUL:
        return
    if status.state is JobState.ACCEPTED:  # stopped while its files were on their way from tape
        say(f"swath: the request for its files goes on: `swath jobs rerun {job.id}` goes on with the job, "
            f"`swath jobs cancel {job.id}` ends both")  # fmt: skip
        raise KeyboardInterrupt
    if fresh and status.exit_code in (2, 3) and not status.units_done:
        job.discard()
    elif status.state is JobState.FAILED:
        say(f"swath: {status.units_done} of {status.units_total} units are kept in {status.folder}")
        say(f"swath: `swath jobs rerun {job.id}` goes on from there")
    raise_failure(status)


@contextlib.contextmanager
def _logged(job: Job) -> Iterator[None]:
    """Keep a log in the job folder."""
    handler = logging.FileHandler(job.folder.log_file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("swath")
    logger.addHandler(handler)
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False  # the sentence is printed once, by the command line
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        handler.close()


@contextlib.contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C end the job after the units under way, and a lost terminal not at all."""

    def ask(number: int, _frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        if number == signal.SIGINT:
            say("\nswath: stopping after the units under way; press Ctrl-C again to stop now")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[JobStatus], None]]:
    """Show units done, rate and time left: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_watch()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("units"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("working", total=None, rate="")
        began = time.monotonic()
        first: list[int] = []

        def watch(status: JobStatus) -> None:
            first.append(status.units_done)
            done = status.units_done - first[0]
            rate = done / max(time.monotonic() - began, 1e-6)
            shown = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
            with contextlib.suppress(OSError):  # a terminal that is gone does not end the job
                bar.update(
                    task, total=status.units_total, completed=status.units_done,
                    description=status.message if status.state is JobState.ACCEPTED else str(status.state),
                    rate=shown if done else "",
                )  # fmt: skip

        yield watch


def _plain_watch() -> Callable[[JobStatus], None]:
    last, said = time.monotonic(), ""

    def watch(status: JobStatus) -> None:
        nonlocal last, said
        if status.state is JobState.ACCEPTED and status.message != said:
            said = status.message
            with contextlib.suppress(OSError):
                say(f"swath: {said}")
        if status.state is JobState.ACCEPTED:
            return
        if time.monotonic() - last > _PLAIN_EVERY_S:
            last = time.monotonic()
            with contextlib.suppress(OSError):
                say(f"swath: {status.units_done} of {status.units_total} units done")

    return watch
