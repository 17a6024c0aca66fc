"""What a job is: its states and what the job store keeps of it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class JobState(enum.StrEnum):
    """The states of OGC API Processes (OGC 18-062r2, table 15)."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"

    @property
    def is_final(self) -> bool:
        """True when the job will not change any more by itself."""
        return self in (JobState.SUCCESSFUL, JobState.FAILED, JobState.DISMISSED)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What a job tells of itself; the job store's row and ``status.json`` hold the same."""

    id: str
    """Name of the job, unique in its store."""
    process: str
    """Name of the process that it runs."""
    site: str
    """Where it runs."""
    state: JobState
    """Where it stands."""
    folder: str
    """Absolute path of the job folder."""
    created: str
    """When it was made, RFC 3339."""
    updated: str
    """When this status was written, RFC 3339."""
    message: str = ""
    """One sentence for people: what it does now, or why it ended."""
    units_total: int = 0
    """Units of work in all."""
    units_done: int = 0
    """Units that are published."""
    handle: str = ""
    """What the site calls it: process id and start time here, the Slurm job id on a cluster."""
    exit_code: int = 0
    """What the command line exits with; 0 unless the job failed."""

    @property
    def progress_percent(self) -> int:
        """Share of the units that are published, 0 to 100."""
        return 100 * self.units_done // self.units_total if self.units_total else 0
