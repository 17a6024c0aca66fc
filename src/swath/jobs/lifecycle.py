"""Jobs for those who ask for them: submit, find, list; here or at a Slurm site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swath.jobs.execute import Resources, new_status
from swath.jobs.folder import JobFolder
from swath.jobs.job import Job, job_store
from swath.jobs.prepare import Request, prepare
from swath.jobs.staging import HELD
from swath.model import JobStatus, NotFoundError
from swath.sites import own_handle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.config import Settings


def submit(request: Request, settings: Settings) -> Job:
    """Prepare a job and enter it into the store; it does not run yet."""
    job = Job(prepare(request, settings), settings)
    job.store.put(new_status(job.folder, "local", handle=own_handle()), job.folder.job["inputs"])
    return job


def job_in(folder: JobFolder, settings: Settings) -> Job:
    """Give the job in a folder: one of this machine, or of a Slurm site."""
    if folder.slurm_file.exists():
        from swath.jobs.slurm_job import SlurmJob

        return SlurmJob(folder, settings)
    return Job(folder, settings)


def get_job(job_id: str, settings: Settings) -> Job:
    """Find a job by its id, or the beginning of it, or its folder."""
    if (Path(job_id) / "job.json").is_file():
        return open_job(Path(job_id), settings)
    return job_in(JobFolder(Path(job_store(settings).get(job_id).folder)), settings)


def open_job(path: Path, settings: Settings) -> Job:
    """Open a job folder, and enter it into the store where it is not there yet."""
    job = job_in(JobFolder(path), settings)
    try:
        job.store.get(job.id)
    except NotFoundError:
        job.store.put(job.folder.read_status() or new_status(job.folder, "local"), job.folder.job["inputs"])
    return job


def list_jobs(settings: Settings, limit: int = 100) -> Sequence[JobStatus]:
    """List the jobs of the store, each as it stands now, the newest first."""
    rows = job_store(settings).list(limit)
    unsettled = [each for each in rows if not each.state.is_final or HELD in each.message]
    open_ = [each for each in unsettled if (Path(each.folder) / "job.json").exists()]
    jobs = {each.id: job_in(JobFolder(Path(each.folder)), settings) for each in open_}
    _look_at_once(list(jobs.values()))
    return [jobs[each.id].status() if each.id in jobs else each for each in rows]


def _look_at_once(jobs: Sequence[Job]) -> None:
    """Ask each site once for all its jobs, so that each has its answer at hand."""
    if any((each.folder.slurm_file).exists() for each in jobs):
        from swath.jobs.slurm_job import look_at_once

        look_at_once(jobs)


def resources_of(settings: Settings, workers: int = 0) -> Resources:
    """Give what a job may use on this machine."""
    return Resources(threads=settings.thread_count(), workers=workers, memory_bytes=settings.memory_bytes())
