"""What a job at a Slurm site says and leaves: its status, logs and results, wherever these are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.jobs.carry import forget_there, has_secrets
from swath.jobs.execute import new_status, now
from swath.jobs.job import Job
from swath.jobs.publish import has_results
from swath.jobs.slurm_record import read_record
from swath.jobs.slurm_results import bring_home, read_logs
from swath.model import InputError, JobState, JobStatus, OutputError
from swath.sites.slurm import open_site

if TYPE_CHECKING:
    from swath.config import Settings
    from swath.jobs.folder import JobFolder
    from swath.sites.slurm import SlurmSite


class JobAtSite(Job):
    """A job whose folder a Slurm site sees; how it is submitted and looked at is `SlurmJob`'s.

    Parameters
    ----------
    folder : JobFolder
        Where it lies here.
    settings : Settings
        Where job store and catalog are, and how sites are reached.
    """

    def __init__(self, folder: JobFolder, settings: Settings) -> None:
        super().__init__(folder, settings)
        self.record = read_record(folder)

    @property
    def site(self) -> SlurmSite:
        """Where it runs."""
        return open_site(self.record.site, self.settings)

    def _settle(self, status: JobStatus) -> JobStatus:
        if status.state.is_final and has_secrets(self.folder):
            forget_there(self.folder, self.site, self.record.folder)
        return super()._settle(status)

    def _tell(self, state: JobState, message: str, **changes: Any) -> JobStatus:
        """Write the status into the store; into the folder only where nobody there can be writing it."""
        status = replace(
            new_status(self.folder, self.record.site, handle=",".join(self.record.jobs)),
            state=state, message=message, updated=now(), **changes,
        )  # fmt: skip
        if state.is_final or not self.record.jobs:
            try:
                self.folder.write_status(status)
            except OutputError:  # a full disk, which this may be the news of
                if state is not JobState.FAILED:
                    raise
        return self._settle(status)

    def discard(self) -> None:
        """Delete the folder, also at the site, and forget the job."""
        if self.site.is_remote:
            self.site.transport.run(("rm", "-rf", self.record.folder))
        super().discard()

    def read_log(self, at: dict[str, int]) -> list[tuple[str, str]]:
        """Read what the logs of its tasks have got since the last time; see `Job.read_log`."""
        return read_logs(self.site, self.record.folder, at)

    # -- bringing home --------------------------------------------------------------------------------

    def fetch(self) -> JobStatus:
        """Copy the results here, however large, and take them into the catalog.

        Raises
        ------
        InputError
            The job has not succeeded, or its results are here already.
        """
        status = self.status()
        if status.state is not JobState.SUCCESSFUL:
            raise InputError(f"job {self.id}: it is {status.state}, there is nothing to fetch")
        if self.folder.catalog_file.exists():
            raise InputError(f"job {self.id}: its results are here already, in {self.folder.results}")
        total = len(self.folder.units)
        brought = bring_home(self.folder, self.site, self.record.folder, limit=0)
        message = f"{total} of {total} units done; {brought}"
        return self._tell(JobState.SUCCESSFUL, message, units_done=total)

    def results(self) -> list[dict[str, Any]]:
        """Give the items, with absolute hrefs; see `Job.results`.

        Raises
        ------
        InputError
            They are still at the site.
        """
        if self.status().state is JobState.SUCCESSFUL and not has_results(self.folder):
            raise InputError(
                f"job {self.id}: its results are at {self.record.site}:{self.record.folder}/results",
                fix=f"copy them here: swath jobs fetch {self.id}",
            )
        return super().results()

    def publish(self) -> int:
        """Take the results into the catalog, where they are here or in their store."""
        return super().publish() if has_results(self.folder) else 0
