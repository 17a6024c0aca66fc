"""Runs jobs at Slurm sites from the command line: submit, follow, and leave them there on Ctrl-C."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from swath.cli.edge import emit_json, program, say
from swath.jobs import raise_failure
from swath.model import JobFailedError, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swath.jobs import Job
    from swath.jobs.slurm_job import SlurmJob
    from swath.model import JobStatus

_POLL_S = 1.0


def start_at_site(jobs: Sequence[SlurmJob], *, detach: bool, as_json: bool) -> None:
    """Submit jobs, and wait for them unless they are to be left alone."""
    statuses = [submit_or_discard(each) for each in jobs]
    if detach:
        if len(statuses) == 1:
            raise_failure(statuses[0])
        if as_json:
            told: list[dict[str, object]] = [
                {"id": each.id, "state": each.status().state, "folder": str(each.folder.path)}
                for each in jobs
            ]
            emit_json(told if len(told) > 1 else told[0])
            return
        for each in jobs:
            print(each.id)
        state = next((each.message for each in statuses if not each.handle), "submitted")
        say(f"{state}; `{program()} jobs logs -f {jobs[0].id}` follows, `{program()} jobs show` tells more")
        return
    follow(jobs)
    failed = [each for each in jobs if each.status().state is not JobState.SUCCESSFUL]
    if len(failed) == len(jobs) == 1:
        raise_failure(failed[0].status())
    if failed:
        reasons = "; ".join(f"{each.id}: {each.status().message}" for each in failed)
        raise JobFailedError(f"jobs: {len(failed)} of {len(jobs)} have failed: {reasons}")
    if as_json:
        told = [describe(each) for each in jobs]
        emit_json(told if len(told) > 1 else told[0])


def submit_or_discard(job: SlurmJob) -> JobStatus:
    """Submit a job, or have it wait for its files; one that the site refuses leaves nothing behind."""
    fresh = not job.record.submissions
    try:
        return job.submit()
    except BaseException:
        if fresh and not job.record.submissions:
            with contextlib.suppress(Exception):
                job.discard()
        raise


def describe(job: Job) -> dict[str, object]:
    """Give what machines want to know of a job that has succeeded."""
    from swath.jobs.publish import has_results

    status = job.status()
    brought = has_results(job.folder)
    return {
        "id": job.id, "state": status.state, "folder": status.folder,
        "collection": job.folder.job["collection"], "message": status.message,
        "items": [each["id"] for each in job.results()] if brought else None,
    }  # fmt: skip


def follow(jobs: Sequence[Job]) -> None:
    """Wait until jobs have ended, and tell each change of what they say of themselves.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C: the jobs stay where they are.
    """
    from swath.jobs.slurm_job import look_at_once

    waiting = list(jobs)
    with _line() as show:
        try:
            while waiting:
                look_at_once(waiting)
                statuses = [each.status() for each in waiting]
                waiting = [
                    job for job, each in zip(waiting, statuses, strict=True) if not each.state.is_final
                ]
                show(statuses)
                if waiting:
                    time.sleep(_POLL_S)
        except KeyboardInterrupt:
            names = ", ".join(each.id for each in waiting)
            say(f"\nswath: left there: {names}; `{program()} jobs show JOB` tells how it stands, "
                f"`{program()} jobs cancel JOB` ends it")  # fmt: skip
            raise


@contextlib.contextmanager
def _line() -> Iterator[Callable[[Sequence[JobStatus]], None]]:
    """Show where jobs stand: one line that changes on a terminal, a line for each change elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("submitted") as line:

            def redraw(statuses: Sequence[JobStatus]) -> None:
                line.update("\n".join(_told(each, len(statuses) > 1) for each in statuses[:20]))

            yield redraw
        return
    said: dict[str, str] = {}

    def tell(statuses: Sequence[JobStatus]) -> None:
        for each in statuses:
            told = _told(each, len(statuses) > 1)
            if said.get(each.id) != told:
                said[each.id] = told
                say(f"swath: {told}")

    yield tell


def _told(status: JobStatus, named: bool) -> str:
    name = f"{status.id}: " if named else ""
    return f"{name}{status.state}: {status.message.splitlines()[0] if status.message else ''}"
