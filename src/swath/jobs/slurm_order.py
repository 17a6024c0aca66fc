"""Plans a job for a Slurm site: checked whole before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.jobs.execute import new_status
from swath.jobs.lifecycle import get_job
from swath.jobs.prepare import local_files, plan, refuse_missing, write_planned
from swath.jobs.slurm_batch import Batch, count_tasks_for, fill_resources, script_of
from swath.jobs.slurm_job import SlurmJob
from swath.jobs.slurm_record import SlurmRecord, write_record
from swath.model import InputError
from swath.sites.environments import launch
from swath.sites.slurm import check_resources, open_site

if TYPE_CHECKING:
    from swath.config import Settings
    from swath.jobs.prepare import Planned, Request
    from swath.sites.slurm import SlurmResources


def order(request: Request, settings: Settings, **wanted: Any) -> SlurmJob:
    """Prepare a job for a Slurm site, and check what it asks for; it is not submitted yet.

    Parameters
    ----------
    request, settings, wanted
        See `outline`.

    Raises
    ------
    InputError, NotFoundError
        A mistake in the request, or something that the site has not; nothing is left behind.
    """
    planned, record = outline(request, settings, **wanted)
    site = open_site(record.site, settings)
    if not site.is_remote:
        request = replace(request, output=Path(record.folder))
    folder = write_planned(request, planned, settings)
    write_record(folder, record)
    job = SlurmJob(folder, settings)
    job.store.put(new_status(folder, record.site), folder.job["inputs"])
    return job


def draft(request: Request, settings: Settings, **wanted: Any) -> tuple[Planned, str]:
    """Tell what would be done at a Slurm site, and by which script; nothing is written.

    Parameters
    ----------
    request, settings, wanted
        See `outline`.
    """
    planned, record = outline(request, settings, **wanted)
    site = open_site(record.site, settings)
    batch = Batch(record, tuple(range(record.tasks)), planned.job, site.settings, planned.items)
    return planned, script_of(batch, remote=site.is_remote)


def outline(
    request: Request,
    settings: Settings,
    *,
    on: str,
    asked: SlurmResources,
    tasks: int = 0,
    at_once: int | None = None,
    retries: int | None = None,
    after: str = "",
    workers: int = 0,
) -> tuple[Planned, SlurmRecord]:
    """Plan a job for a Slurm site, and check what it asks for; nothing is written.

    Parameters
    ----------
    request : Request
        What is to be run.
    settings : Settings
        Catalog, home, and the site.
    on : str
        Name of the site.
    asked : SlurmResources
        What each task may use.
    tasks, at_once, retries : int
        See `SlurmRecord`; by the number of units and the site's settings unless given.
    after : str
        Id of a job at the same site that has to succeed first.
    workers : int
        Workers of a Dask cluster that do the units; 0: array tasks do them.

    Raises
    ------
    InputError, NotFoundError
        A mistake in the request, or something that the site has not.
    """
    site = open_site(on, settings)
    if workers:
        from swath.sites.cluster.closed import refuse_container

        refuse_container(site.settings.environment)
        if tasks:
            raise InputError("tasks: units go to tasks or to workers", fix="leave --tasks or --workers out")
    launch(site.settings.environment, remote=site.is_remote)
    planned = plan(replace(request, files_here=not site.is_remote), settings)
    planned.job["environment"] = {**planned.job["environment"], "environment": site.settings.environment}
    if site.is_remote:
        refuse_missing(site.missing(local_files(planned.items)), skip_bad=request.skip_bad)
    units = len(planned.work.units)
    resources = fill_resources(asked, site.settings, planned.job["unit_bytes"], units)
    check_resources(resources, site.settings, on)
    if workers:
        from swath.sites.cluster.closed import refuse_closed_nodes

        refuse_closed_nodes(site.slurm, resources.partition)
    if site.is_remote or request.output is None:
        path = site.folder("jobs", planned.job["id"])
    else:
        path = str(request.output.absolute())
    first, waiting = _followed(after, settings, on) if after else ("", "")
    return planned, SlurmRecord(
        site=on, folder=path, resources=resources,
        tasks=_count_tasks(tasks, units, resources.cpus) if not workers else 1, workers=workers,
        at_once=site.settings.at_once if at_once is None else at_once,
        retries=site.settings.retries if retries is None else retries,
        after=first, follows=waiting,
    )  # fmt: skip


def _count_tasks(asked: int, units: int, cpus: int) -> int:
    return min(asked, units) if asked else count_tasks_for(units, cpus)


def _followed(job: str, settings: Settings, site: str) -> tuple[str, str]:
    """Name the job that comes first: by its id of Slurm, or by ours where it waits for its own files."""
    found = get_job(job, settings)
    if isinstance(found, SlurmJob) and found.record.site == site:
        if found.record.waits:
            return "", found.id
        if found.record.jobs:
            return found.record.jobs[-1], ""
    raise InputError(f"after: {job!r} is no job at {site}", fix="name one of `swath jobs list`")
