"""A job at a Slurm site: submitted, looked at, submitted again after a loss, cancelled, brought home."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from swath.jobs.carry import carry_there
from swath.jobs.execute import now
from swath.jobs.folder import JobFolder
from swath.jobs.publish import is_being_sent
from swath.jobs.slurm_batch import Batch, deal, write_script
from swath.jobs.slurm_folder import JobAtSite
from swath.jobs.slurm_record import Submission, locked, read_record, write_record
from swath.jobs.slurm_results import bring_home
from swath.jobs.slurm_words import describe_end, describe_work
from swath.jobs.staging import has_recall, keep_files, look_for_files, may_begin
from swath.model import InputError, JobFailedError, JobState, JobStatus, SiteError, SwathError
from swath.sites import is_alive, own_handle
from swath.sites.slurm import FolderSeen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.jobs.job import Job
    from swath.sites.slurm import Task
    from swath.storage.recall import Recall

_ACCOUNTING_S = 60.0
"""How long a batch job may be unknown to Slurm's accounting before it counts as lost."""


_EXIT_S = 30.0
"""How long to wait for the exit code of a job that has failed."""


class SlurmJob(JobAtSite):
    """A job that runs, or ran, at a Slurm site.

    Parameters
    ----------
    folder : JobFolder
        Where it lies here; at a site that is reached over SSH it has a copy, and the results come back.
    settings : Settings
        Where job store and catalog are, and how sites are reached.
    """

    # -- submitting -----------------------------------------------------------------------------------

    def submit(self, *, waiting: bool = False) -> JobStatus:
        """Submit what is missing, once its files are there: while some are on tape nothing is submitted.

        Parameters
        ----------
        waiting : bool
            True when it is only to go on with waiting for its files, if nobody else has done so.

        Raises
        ------
        InputError
            It asks for something that the site has not.
        SiteError
            The site does not answer, or Slurm refuses it.
        """
        with locked(self.folder):
            self.record = read_record(self.folder)
            if waiting and not self.record.waits:
                return self.store.get(self.id)
            if waits := self._bring_files(fresh=not waiting) or self._follow():
                return waits
            self.folder.cancel_file.unlink(missing_ok=True)
            self._clear()
            names = self.site.look_into([self.record.folder])[self.record.folder].names
            return self._submit(deal(list(self.folder.units), names, self.record.tasks) or (0,))

    def _bring_files(self, *, fresh: bool = True) -> JobStatus | None:
        """Ask for files that are on tape; None when all are there, else tell how far they are."""
        if not has_recall(self.folder):
            return None
        recall = look_for_files(self.folder, fresh=fresh)
        try:
            waits = not may_begin(self.folder, recall)
        except JobFailedError as error:
            self._wait(waits=False)
            return self._failed(str(error), self._folder_seen(), prefix=False)
        self._wait(waits=waits)
        row = self.store.get(self.id)
        if waits and (row.state, row.message) == (JobState.ACCEPTED, recall.words()):
            return row
        return self._tell(JobState.ACCEPTED, recall.words()) if waits else None

    def _follow(self) -> JobStatus | None:
        """Wait for the job that comes first where that waits itself; None when Slurm can be told of it."""
        if not self.record.follows:
            return None
        first = SlurmJob(JobFolder(Path(self.store.get(self.record.follows).folder)), self.settings)
        status = first.status()
        if status.state in (JobState.FAILED, JobState.DISMISSED):
            self._wait(waits=False)
            what = f"job {self.id}: the job that it follows, {first.id}, is {status.state}"
            return self._failed(what, FolderSeen(), prefix=False)
        if first.record.waits:
            self._wait(waits=True)
            return self._tell(JobState.ACCEPTED, f"waiting for {first.id}: {status.message}")
        ids = first.record.jobs[-1:] if status.state is not JobState.SUCCESSFUL else []
        self.record = replace(self.record, after="".join(ids), follows="", waits=False)
        write_record(self.folder, self.record)
        return None

    def _wait(self, *, waits: bool) -> None:
        if self.record.waits != waits:
            self.record = replace(self.record, waits=waits)
            write_record(self.folder, self.record)

    def _clear(self) -> None:
        """Put the folder where the site sees it, without what an earlier attempt has said of its end."""
        site, folder = self.site, self.record.folder
        stale = [f"{folder}/{each}" for each in ("status.json", "cancel", "tasks")]
        site.transport.run(("rm", "-rf", *stale))
        if site.is_remote:
            for each in (self.folder.items_file, self.folder.units_file, self.folder.job_file):
                site.transport.put(each, f"{folder}/{each.name}")
        carry_there(self.folder, site, folder)

    def _submit(self, tasks: Sequence[int], *, message: str = "submitted") -> JobStatus:
        """Submit some tasks; who is killed on the way has left the name under which Slurm has them."""
        site, number = self.site, len(self.record.submissions) + 1
        batch = Batch(self.record, tuple(tasks), self.folder.job, site.settings, self.folder.items)
        name = f"{self.id}.{number}"
        self.record = replace(
            self.record, submitter=own_handle(),
            submissions=(*self.record.submissions, Submission(name, tuple(tasks), now())),
        )  # fmt: skip
        write_record(self.folder, self.record)
        self._tell(JobState.ACCEPTED, "being submitted")
        try:
            script = write_script(batch, self.folder, site)
            job = site.submit(name, script, self.record.folder)
        except SwathError:
            self.record = replace(self.record, submitter="", submissions=self.record.submissions[:-1])
            write_record(self.folder, self.record)
            raise
        self.record = replace(self.record.with_last(job=job), submitter="")
        write_record(self.folder, self.record)
        return self._tell(JobState.ACCEPTED, f"{message} as {job}")

    # -- looking --------------------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """Tell where the job stands; what was lost by no fault of its own is submitted again on the way."""
        row = self.store.get(self.id)
        if row.state.is_final:
            return self._let_go_again(row)
        if is_being_sent(self.folder):
            return row
        self.record = read_record(self.folder)
        try:
            return self._look(row)
        except SiteError as error:
            waits = f"{self.record.site} does not answer now; jobs there go on ({error.what})"
            return replace(row, message=waits, updated=now())

    def _go_on(self) -> JobStatus:
        """Go on with a job that waits for its files: who looks submits it when they are there."""
        try:
            return self.submit(waiting=True)
        except SiteError:
            raise
        except SwathError as error:
            self._wait(waits=False)
            return self._tell(JobState.FAILED, str(error), exit_code=error.exit_code)

    def _look(self, row: JobStatus) -> JobStatus:
        if self.record.waits:
            return self._go_on()
        last = self.record.last
        if last is None or not last.job:
            return self._look_for(row, last)
        seen = self._folder_seen()
        if not seen.exists:
            return self._failed(f"its folder {self.record.folder!r} at {self.record.site} is gone", seen)
        if told := self._told_by(seen):
            return told
        jobs = self.record.jobs
        found = self.site.look(jobs)
        tasks = [each for job in jobs for each in found.get(job, ())]
        active = [each for each in tasks if not each.has_ended]
        done = len(seen.names & self.folder.units.keys())
        if active or (last.job not in found and _age_s(last.time) < _ACCOUNTING_S):
            carry_there(self.folder, self.site, self.record.folder, renew=True)
            gone = keep_files(self.folder)
            if gone is not None and not any(each.runs for each in active):
                return self._back_to_waiting(gone)
            state = JobState.RUNNING if any(each.runs for each in active) or done else JobState.ACCEPTED
            message = describe_work(active, done, row.units_total)
            status = replace(row, state=state, message=message, units_done=done, updated=now())
            if replace(status, updated=row.updated) != row:
                self.store.put(status, self.folder.job["inputs"])
            return status
        return self._ended(self._told_in_full(last.job, found.get(last.job, [])))

    def _back_to_waiting(self, recall: Recall) -> JobStatus:
        """Take a job out of the queue whose files have gone from disk since nobody looked for long."""
        with locked(self.folder):
            self.site.cancel(self.record.jobs)
            self.record = read_record(self.folder)
            self._wait(waits=True)
            return self._tell(JobState.ACCEPTED, recall.words())

    def _told_by(self, seen: FolderSeen) -> JobStatus | None:
        """Take the end that the folder tells of; None where it tells of none."""
        if seen.status and seen.status.get("state") == JobState.SUCCESSFUL:
            return self._succeeded(seen)
        return self._failed_itself(seen) if seen.notes else None

    def _told_in_full(self, job: str, tasks: list[Task]) -> list[Task]:
        """Give the accounting some seconds to say how a job failed: the queue tells that alone."""
        until = time.monotonic() + _EXIT_S
        while time.monotonic() < until and not all(each.is_told for each in tasks):
            time.sleep(0.5)
            tasks = self.site.look([job]).get(job, tasks)
        return tasks

    def _look_for(self, row: JobStatus, last: Submission | None) -> JobStatus:
        """Look for a batch job whose submission was not seen to end."""
        if self.record.submitter and is_alive(self.record.submitter):
            return row
        job = self.site.slurm.find(last.name) if last else None
        if job is None:
            return self._failed("its submission was broken off, and Slurm does not have it", FolderSeen())
        self.record = replace(self.record.with_last(job=job), submitter="")
        write_record(self.folder, self.record)
        return self._tell(JobState.ACCEPTED, f"submitted as {job}")

    def _folder_seen(self) -> FolderSeen:
        return self.site.look_into([self.record.folder])[self.record.folder]

    def _succeeded(self, seen: FolderSeen) -> JobStatus:
        total = len(self.folder.units)
        message = str((seen.status or {}).get("message", ""))
        if self.site.is_remote:
            message += f"; {bring_home(self.folder, self.site, self.record.folder)}"
        return self._tell(JobState.SUCCESSFUL, message, units_done=total)

    def _failed_itself(self, seen: FolderSeen) -> JobStatus:
        """Take what a task has said of its failure, and end the others: they would only meet the same."""
        first = min(seen.notes, key=lambda note: str(note.get("time", "")))
        self._cancel_quietly()
        again = len(self.record.submissions) - 1
        if first.get("refused") and again < self.record.retries and self._renewed():
            missing = deal(list(self.folder.units), seen.names, self.record.tasks) or (0,)
            return self._submit_again(missing, "was left without credentials", again + 1)
        what, advice = str(first.get("message", "")).strip(), int(first.get("exit_code", 5))
        return self._failed(what, seen, exit_code=advice, prefix=False)

    def _renewed(self) -> bool:
        """Give the job fresh credentials; False where there are none but those that it had."""
        with contextlib.suppress(SwathError):
            if carry_there(self.folder, self.site, self.record.folder, renew=True):
                self._clear()
                return True
        return False

    def _ended(self, tasks: Sequence[Task]) -> JobStatus:
        """Tell why a batch job ended without its results, or submit again what it has lost."""
        seen = self._folder_seen()  # the last task may have finished the job between the two looks
        if told := self._told_by(seen):
            return told
        missing = deal(list(self.folder.units), seen.names, self.record.tasks)
        lost = [each for each in tasks if each.lost]
        broken = [each for each in tasks if not each.lost and each.state != "COMPLETED"]
        again = len(self.record.submissions) - 1
        if (lost or not missing) and not broken and again < self.record.retries:
            why = lost[0].words() if lost else "ended before it was finished"
            return self._submit_again(missing or (0,), why, again + 1)
        return self._failed(describe_end(broken or lost or list(tasks), self.record), seen)

    def _submit_again(self, tasks: Sequence[int], why: str, again: int) -> JobStatus:
        with locked(self.folder):
            newer = read_record(self.folder)
            if len(newer.submissions) > len(self.record.submissions):  # somebody else was first
                self.record = newer
                return self.store.get(self.id)
            if waits := self._bring_files():
                return waits
            message = f"it {why}: what is missing was submitted again ({again} of {self.record.retries})"
            return self._submit(tasks, message=message)

    def _failed(self, why: str, seen: FolderSeen, *, exit_code: int = 5, prefix: bool = True) -> JobStatus:
        done, total = len(seen.names & self.folder.units.keys()), len(self.folder.units)
        if prefix:
            why = f"at {self.record.site} {why}; {done} of {total} units are kept: `swath jobs rerun` goes on"
        return self._tell(JobState.FAILED, why, units_done=done, exit_code=exit_code)

    # -- ending ---------------------------------------------------------------------------------------

    def cancel(self) -> JobStatus:
        """End the job; units that are published are kept.

        Raises
        ------
        InputError
            It has ended already.
        SiteError
            The site does not answer: the job may go on.
        """
        status = self.status()
        if status.state.is_final:
            raise InputError(f"job {self.id}: it is {status.state} already", fix="nothing is left to cancel")
        self.record = read_record(self.folder)
        if self.record.jobs:
            self.site.cancel(self.record.jobs)
            self._end_workers()
        done, total = len(self._folder_seen().names & self.folder.units.keys()), status.units_total
        kept = f"{done} of {total} units are kept: `swath jobs rerun` goes on from there"
        return self._tell(JobState.DISMISSED, f"cancelled; {kept}", units_done=done, exit_code=5)

    def _cancel_quietly(self) -> None:
        try:
            self.site.slurm.cancel(self.record.jobs)
            self._end_workers()
        except SiteError:
            return

    def _end_workers(self) -> None:
        if self.record.workers:
            from swath.jobs.on_cluster import end_workers

            end_workers(self.record, self.site)

    def require_idle(self) -> None:
        """Refuse to run a job that runs already."""
        status = self.status()
        if not status.state.is_final and not self.record.waits:
            raise InputError(
                f"job {self.id}: it is {status.state} already", fix=f"swath jobs logs -f {self.id}"
            )


def look_at_once(jobs: Sequence[Job]) -> None:
    """Ask each site once for all its jobs; a site that is away is told of by each job itself."""
    sites: dict[str, list[SlurmJob]] = defaultdict(list)
    for each in jobs:
        if isinstance(each, SlurmJob):
            sites[each.record.site].append(each)
    for several in sites.values():
        with contextlib.suppress(SwathError):
            site = several[0].site
            site.look([job for each in several for job in each.record.jobs])
            site.prefetch([each.record.folder for each in several])


def _age_s(time: str) -> float:
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time)).total_seconds()
