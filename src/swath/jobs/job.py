"""A job's life for those who ask for it: submit, follow, cancel, take into the catalog, look at."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.catalog import open_catalog
from swath.jobs.carry import carry, forget_secrets
from swath.jobs.execute import Resources, execute, new_status, now
from swath.jobs.publish import is_being_sent, read_sent, send, sent_words, was_sent
from swath.jobs.staging import HELD, has_recall, keep_files, let_files_go, look_for_files
from swath.jobs.store import JobStore
from swath.model import (
    InputError,
    JobDismissedError,
    JobFailedError,
    JobState,
    JobStatus,
    NotAllowedError,
    NotFoundError,
    SwathError,
)
from swath.sites import end, is_alive, own_handle, start, swath_command, wait_for

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from swath.config import Settings
    from swath.jobs.folder import JobFolder

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
        if is_being_sent(self.folder):
            return row
        told = self.folder.read_status() or row  # one that was killed before it began has a row only
        if not row.state.is_final:
            # The process writes its status last of all things: look for it before reading once more.
            if not told.state.is_final and not is_alive(told.handle):
                told = self.folder.read_status() or told
                if not told.state.is_final and told.state is JobState.ACCEPTED and has_recall(self.folder):
                    told = self._left_waiting(told)
                elif not told.state.is_final:
                    told = replace(
                        told, state=JobState.FAILED, exit_code=5, updated=now(),
                        units_done=len(self.folder.published()),
                        message="its process ended without a word (killed, or out of memory?); "
                        "what is done is kept: `swath jobs rerun` goes on from there",
                    )  # fmt: skip
                    self.folder.write_status(told)
            if not told.state.is_final:
                keep_files(self.folder)
            return self._settle(told) if told != row else told
        return self._let_go_again(row)

    def _let_go_again(self, row: JobStatus) -> JobStatus:
        """Let files go that a store did not take when the job ended."""
        words, held, _ = row.message.partition(f"; {HELD}")
        if not held:
            return row
        status = replace(row, message=f"{words}{let_files_go(self.folder)}")
        if status != row:
            self.store.put(status, self.folder.job["inputs"])
        return status

    def _left_waiting(self, told: JobStatus) -> JobStatus:
        """Tell how far the files of a job are that nobody waits for: its request goes on without."""
        try:
            words = look_for_files(self.folder).words()
        except NotAllowedError as error:
            words = error.what
        words += f"; `swath jobs rerun {self.id}` goes on"
        return replace(told, message=words) if words != told.message else told

    def _settle(self, status: JobStatus) -> JobStatus:
        """Put results into store and catalog, then the job's state into the job store: in this order."""
        if status.state is JobState.SUCCESSFUL:
            status = self._deliver(status)
        if status.state is JobState.SUCCESSFUL and self.folder.job.get("listed", True):
            self.publish()
        self.store.put(status, self.folder.job["inputs"])
        if status.state.is_final:
            if held := let_files_go(self.folder):
                status = replace(status, message=f"{status.message}{held}")
                self.store.put(status, self.folder.job["inputs"])
            forget_secrets(self.folder)  # last: a process of its own knows no others
        return status

    def _deliver(self, status: JobStatus) -> JobStatus:
        """Put the results into the store that was asked for; where that fails, so has the job."""
        to = self.folder.job.get("to", "")
        if not to or was_sent(self.folder, status):
            return status
        if not self.folder.catalog_file.exists():
            return replace(status, message=f"{status.message}, and then puts them into {to}")
        under_way = replace(status, state=JobState.RUNNING, message=f"its results are being put into {to}")
        self.store.put(under_way, self.folder.job["inputs"])
        try:
            send(self.folder)
        except SwathError as error:
            goes_on = f"`swath jobs rerun {self.id}` then sends what is missing"
            fix = f"{error.fix.rstrip('.')}; {goes_on}" if error.fix else goes_on
            what = f"{error.what.rstrip('.')}; all results are kept in {self.folder.results}"
            return replace(status, state=JobState.FAILED, exit_code=5, message=f"{what}\n  fix: {fix}")
        return replace(status, message=f"{status.message}{sent_words(self.folder)}")

    def deliver_again(self) -> JobStatus | None:
        """Put results that are whole into their store, where that has failed; None for all other jobs."""
        told = self.folder.read_status()
        is_whole = (
            told is not None and told.state is JobState.SUCCESSFUL and self.folder.catalog_file.exists()
        )
        if told is None or not is_whole or self.store.get(self.id).state is not JobState.FAILED:
            return None
        return self._settle(told)

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
        collection, items = read_sent(self.folder)
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
        carry(self.folder, elsewhere=False)
        self.store.put(new_status(self.folder, "local", handle=own_handle()), self.folder.job["inputs"])
        status = execute(self.folder, resources, handle=own_handle(), watch=watch, stop=stop)
        return self._settle(status)

    def detach(self, resources: Resources) -> JobStatus:
        """Do the job in a process of its own, which outlives this one and its terminal."""
        self.folder.cancel_file.unlink(missing_ok=True)
        carry(self.folder, elsewhere=False)
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
        return self._settle(status)

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
        """Give the items, with absolute hrefs; those of the store, where the job was run ``to`` one.

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
        return read_sent(self.folder)[1]

    def read_log(self, at: dict[str, int]) -> list[tuple[str, str]]:
        """Read what the logs have got since the last time.

        Parameters
        ----------
        at : dict of str to int
            How far each was read, in bytes; is brought up to date.

        Returns
        -------
        list of (str, str)
            Name of the task, empty where there is one alone, and text.
        """
        if not self.folder.log_file.exists():
            return []
        with self.folder.log_file.open("rb") as file:
            file.seek(at.get("", 0))
            text = file.read()
            at[""] = file.tell()
        return [("", text.decode("utf-8", errors="replace"))] if text else []

    def discard(self) -> None:
        """Delete the folder and forget the job."""
        let_files_go(self.folder)
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
