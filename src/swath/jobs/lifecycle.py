"""A job's life for those who ask for it: submit, follow, cancel, take into the catalog, look at."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.catalog import open_catalog
from swath.jobs.execute import Resources, execute, new_status, now
from swath.jobs.finish import read_results
from swath.jobs.folder import JobFolder
from swath.jobs.prepare import Request, prepare
from swath.jobs.store import JobStore
from swath.model import (
    InputError,
    JobDismissedError,
    JobFailedError,
    JobState,
    JobStatus,
    NotFoundError,
    SwathError,
)
from swath.sites import end, is_alive, own_handle, start, swath_command, wait_for

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from swath.config import Settings

_ERRORS: dict[int, type[SwathError]] = {2: InputError, 3: NotFoundError}


class Job:
    """A job that was submitted.

    Parameters
    ----------
    folder : JobFolder
        Where it lies.
    settings : Settings
        Where the job store and the catalog are.
    """

    def __init__(self, folder: JobFolder, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self.store = job_store(settings)
        self.id: str = folder.job["id"]

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.status().state}>"

    def status(self) -> JobStatus:
        """Tell where the job stands; one whose process is gone without a word has failed."""
        row = self.store.get(self.id)
        told = self.folder.read_status() or row  # one that was killed before it began has a row only
        if not row.state.is_final:
            # The process writes its status last of all things: look for it before reading once more.
            if not told.state.is_final and not is_alive(told.handle):
                told = self.folder.read_status() or told
                if not told.state.is_final:
                    told = replace(
                        told, state=JobState.FAILED, exit_code=5, updated=now(),
                        units_done=len(self.folder.published()),
                        message="its process ended without a word (killed, or out of memory?); "
                        "what is done is kept: `swath jobs rerun` goes on from there",
                    )  # fmt: skip
                    self.folder.write_status(told)
            if told != row:
                self._settle(told)
            return told
        return row

    def _settle(self, status: JobStatus) -> None:
        """Take a job's results into the catalog, then its state into the store: in this order."""
        if status.state is JobState.SUCCESSFUL:
            self.publish()
        self.store.put(status, self.folder.job["inputs"])

    def publish(self) -> int:
        """Take the results into the catalog; once more does no harm.

        Raises
        ------
        JobFailedError
            The catalog finds an item that is not valid.

        Returns
        -------
        int
            How many items there are.
        """
        collection, items = read_results(self.folder)
        with open_catalog(self.settings.catalog_path, create=True) as catalog:
            catalog.upsert_collection(collection)
            report = catalog.upsert_items(items)
        if report.rejected:
            first = report.rejected[0]
            raise JobFailedError(f"job {self.id}: the catalog refuses its item {first.id!r}: {first.reason}")
        return len(items)

    def run(
        self,
        resources: Resources,
        *,
        watch: Callable[[JobStatus], None] | None = None,
        stop: threading.Event | None = None,
    ) -> JobStatus:
        """Do the job in this process."""
        self.store.put(new_status(self.folder, "local", handle=own_handle()), self.folder.job["inputs"])
        status = execute(self.folder, resources, handle=own_handle(), watch=watch, stop=stop)
        self._settle(status)
        return status

    def detach(self, resources: Resources) -> JobStatus:
        """Do the job in a process of its own, which outlives this one and its terminal."""
        self.folder.cancel_file.unlink(missing_ok=True)
        status = new_status(self.folder, "local", handle=own_handle())  # until the other has one
        self.folder.write_status(status)
        self.store.put(status, self.folder.job["inputs"])
        options = ["--threads", str(resources.threads), "--workers", str(resources.workers)]
        handle = start(
            swath_command("jobs", "exec", str(self.folder.path), "--settle", *options), self.folder.log_file
        )
        status = replace(status, handle=handle)
        told = self.folder.read_status()
        if told is None or told.handle == own_handle():  # it may have begun, and told more, meanwhile
            self.folder.write_status(status)
        self.store.put(status, self.folder.job["inputs"])
        return status

    def wait(self, timeout_s: float | None = None, poll_s: float = 0.5) -> JobStatus:
        """Wait until the job has ended.

        Raises
        ------
        TimeoutError
            It has not, in that time.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not (status := self.status()).state.is_final:
            if until is not None and time.monotonic() > until:
                msg = f"job {self.id}: still {status.state} after {timeout_s} s"
                raise TimeoutError(msg)
            time.sleep(poll_s)
        return status

    def cancel(self) -> JobStatus:
        """End the job; units that are published are kept.

        Raises
        ------
        InputError
            It has ended already.
        """
        status = self.status()
        if status.state.is_final:
            raise InputError(f"job {self.id}: it is {status.state} already", fix="nothing is left to cancel")
        self.folder.cancel_file.touch()
        if not wait_for(status.handle, 2.0):
            end(status.handle)
        status = self.folder.read_status() or status
        if not status.state.is_final:
            done = len(self.folder.published())
            kept = f"{done} of {status.units_total} units are kept: `swath jobs rerun` goes on from there"
            status = replace(
                status,
                state=JobState.DISMISSED,
                units_done=done,
                exit_code=5,
                updated=now(),
                message=f"cancelled; {kept}",
            )
            self.folder.write_status(status)
        self.folder.cancel_file.unlink(missing_ok=True)
        self._settle(status)
        return status

    def require_idle(self) -> None:
        """Refuse to run a job that runs already.

        Raises
        ------
        InputError
            It runs.
        """
        status = self.status()
        if not status.state.is_final and status.handle and is_alive(status.handle):
            raise InputError(
                f"job {self.id}: it is {status.state} already", fix=f"swath jobs logs -f {self.id}"
            )

    def results(self) -> list[dict[str, Any]]:
        """Give the items, with absolute hrefs.

        Raises
        ------
        JobFailedError
            The job has failed or was cancelled.
        InputError
            It has not ended yet.
        """
        status = self.status()
        if status.state is not JobState.SUCCESSFUL:
            raise_failure(status)
            raise InputError(
                f"job {self.id}: it is {status.state}", fix=f"wait for it: swath jobs show {self.id}"
            )
        return read_results(self.folder)[1]

    def discard(self) -> None:
        """Delete the folder and forget the job."""
        self.folder.remove()
        self.store.remove(self.id)


def raise_failure(status: JobStatus) -> None:
    """Raise what a job that failed or was cancelled has said."""
    if status.state is JobState.DISMISSED:
        raise JobDismissedError(f"job {status.id}: {status.message}")
    if status.state is JobState.FAILED:
        kind = _ERRORS.get(status.exit_code, JobFailedError)
        what, _, advice = status.message.partition("\n  ")
        raise kind(what, fix=advice.removeprefix("fix: ").rstrip("."))


def job_store(settings: Settings) -> JobStore:
    """Give the job store of these settings."""
    return JobStore(settings.home / "jobs.sqlite")


def submit(request: Request, settings: Settings) -> Job:
    """Prepare a job and enter it into the store; it does not run yet."""
    job = Job(prepare(request, settings), settings)
    job.store.put(new_status(job.folder, "local", handle=own_handle()), job.folder.job["inputs"])
    return job


def get_job(job_id: str, settings: Settings) -> Job:
    """Find a job by its id, or the beginning of it, or its folder."""
    from pathlib import Path

    if (Path(job_id) / "job.json").is_file():
        return open_job(Path(job_id), settings)
    return Job(JobFolder(Path(job_store(settings).get(job_id).folder)), settings)


def open_job(path: Path, settings: Settings) -> Job:
    """Open a job folder, and enter it into the store where it is not there yet."""
    job = Job(JobFolder(path), settings)
    try:
        job.store.get(job.id)
    except NotFoundError:
        job.store.put(job.folder.read_status() or new_status(job.folder, "local"), job.folder.job["inputs"])
    return job


def list_jobs(settings: Settings, limit: int = 100) -> Sequence[JobStatus]:
    """List the jobs of the store, each as it stands now, the newest first."""
    from pathlib import Path

    found = []
    for row in job_store(settings).list(limit):
        path = Path(row.folder)
        if row.state.is_final or not (path / "job.json").exists():
            found.append(row)
        else:
            found.append(Job(JobFolder(path), settings).status())
    return found


def resources_of(settings: Settings, workers: int = 0) -> Resources:
    """Give what a job may use on this machine."""
    return Resources(threads=settings.thread_count(), workers=workers, memory_bytes=settings.memory_bytes())
