"""What a job knows of its life at a Slurm site: ``slurm.json`` in its folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from swath.sites.slurm.resources import SlurmResources
from swath.storage.whole import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.jobs.folder import JobFolder


@dataclass(frozen=True, slots=True)
class Submission:
    """One batch job of Slurm."""

    name: str
    """Its name there, by which it is found when its id was not heard."""
    tasks: tuple[int, ...]
    """Numbers of the job's tasks that it does."""
    time: str
    """When it was submitted, RFC 3339."""
    job: str = ""
    """Its id; empty until Slurm has answered."""


@dataclass(frozen=True, slots=True)
class SlurmRecord:
    """How a job was submitted, and how often."""

    site: str
    """Name of the site."""
    folder: str
    """The job folder, as the site sees it."""
    resources: SlurmResources
    """What each task asks for."""
    tasks: int = 1
    """Into how many tasks the units are dealt."""
    workers: int = 0
    """Workers of a Dask cluster that do the units; 0: the tasks do them themselves."""
    at_once: int = 0
    """Tasks that may run at once; 0: all."""
    retries: int = 0
    """How often what is missing may be submitted again."""
    after: str = ""
    """Id of the Slurm job that has to succeed first."""
    follows: str = ""
    """Id of the job that has to succeed first, where that was not submitted yet."""
    waits: bool = False
    """True while it is not submitted since its files are on tape, or since the job that it follows waits."""
    submitter: str = ""
    """Handle of the process that submits just now."""
    submissions: tuple[Submission, ...] = field(default=())
    """The batch jobs, the newest last."""

    @property
    def jobs(self) -> list[str]:
        """Ids of all its batch jobs, the newest last."""
        return [each.job for each in self.submissions if each.job]

    @property
    def last(self) -> Submission | None:
        """The newest batch job."""
        return self.submissions[-1] if self.submissions else None

    def with_last(self, **changes: Any) -> SlurmRecord:
        """Change the newest batch job."""
        newest = replace(self.submissions[-1], **changes)
        return replace(self, submissions=(*self.submissions[:-1], newest))


def read_record(folder: JobFolder) -> SlurmRecord:
    """Read ``slurm.json``."""
    tree = json.loads(folder.slurm_file.read_text(encoding="utf-8"))
    resources = SlurmResources(**{**tree["resources"], "slurm": tuple(tree["resources"]["slurm"])})
    submissions = tuple(Submission(**{**each, "tasks": tuple(each["tasks"])}) for each in tree["submissions"])
    return SlurmRecord(**{**tree, "resources": resources, "submissions": submissions})


def write_record(folder: JobFolder, record: SlurmRecord) -> None:
    """Write ``slurm.json``."""
    write_json(folder.slurm_file, asdict(record))


@contextlib.contextmanager
def locked(folder: JobFolder) -> Iterator[None]:
    """Let nobody else submit this job meanwhile."""
    with folder.slurm_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
