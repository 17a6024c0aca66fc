"""The Python face of swath; with the command line the only place that reads settings and wires the rooms.

Everything here is also a name of the package itself: ``import swath; swath.load(...)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings
from swath.model import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from swath.jobs import Job, Request


def run(
    process: str,
    inputs: Mapping[str, Any],
    *,
    on: str = "local",
    workers: int = 0,
    output: str | Path | None = None,
    skip_bad: bool = False,
    detach: bool = False,
    **asked: Any,
) -> Job:
    """Run a process as a job.

    Parameters
    ----------
    process : str
        Its name; see ``swath processes``.
    inputs : mapping
        Its inputs; items may also be pystac objects, or a search.
    on : str
        Where to run: ``local``, or a Slurm site of the settings.
    workers : int
        Worker processes of a Dask cluster; 0: threads in this process.
    output : path, optional
        The job folder; one under the settings' home unless given.
    skip_bad : bool
        True to go on without files that cannot be read.
    detach : bool
        True to return at once; ``job.wait()`` waits.
    **asked
        At a Slurm site, for each task: ``partition``, ``account``, ``qos``, ``time``, ``cpus``, ``memory``,
        ``gpus``, ``nodes``, ``slurm`` (options of sbatch); for all: ``tasks``, ``at_once``, ``retries``,
        ``after``.

    Returns
    -------
    Job
        ``job.results()`` gives its items, ``job.folder.path`` its folder.

    Raises
    ------
    SwathError
        A wrong input (before anything is written), or what made the job fail.
    """
    from swath.cube import item_dicts
    from swath.jobs import Request, raise_failure, resources_of, submit

    given = dict(inputs)
    if given.get("items") is not None and not isinstance(given["items"], (str, Path)):
        given["items"] = item_dicts(given["items"])
    settings = Settings.read()
    request = Request(process, given, Path(output) if output else None, skip_bad)
    if on != "local":
        return _run_at(on, request, settings, asked, detach=detach)
    if asked:
        raise InputError(f"run: {', '.join(asked)} are for Slurm sites", fix="leave them out, or say on=SITE")
    job = submit(request, settings)
    resources = resources_of(settings, workers)
    if detach:
        job.detach(resources)
    else:
        raise_failure(job.run(resources))
    return job


def _run_at(site: str, request: Request, settings: Settings, asked: dict[str, Any], *, detach: bool) -> Job:
    from dataclasses import fields

    from swath.jobs import raise_failure
    from swath.jobs.slurm_order import order
    from swath.sites.slurm import SlurmResources

    names = {each.name for each in fields(SlurmResources)}
    resources = SlurmResources(**{key: value for key, value in asked.items() if key in names})
    wanted = {key: value for key, value in asked.items() if key not in names}
    for key in wanted:
        if key not in ("tasks", "at_once", "retries", "after"):
            raise unknown(
                f"run: {key!r} is no resource", key, (*names, "tasks", "at_once", "retries", "after")
            )
    job = order(request, settings, on=site, asked=resources, **wanted)
    job.submit()
    if not detach:
        raise_failure(job.wait(poll_s=1.0))
    return job


def save(
    array: xr.Dataset | xr.DataArray,
    folder: str | Path,
    *,
    name: str,
    collection: str | None = None,
    format: str = "cog",
) -> list[dict[str, Any]]:
    """Write a cube as products: files, STAC items and thumbnails.

    Parameters
    ----------
    array : Dataset or DataArray, (time, y, x) or (y, x)
        With a CRS, as `load` gives it; lazy or not. Names decide how values are stored.
    folder : path
        Where the files go; made when it does not exist.
    name : str
        Stem of the items' ids.
    collection : str, optional
        Collection that the items go into, in the settings' catalog; none unless given.
    format : {"cog", "zarr"}
        One item for each time, or one Zarr store of all.

    Returns
    -------
    list of dict
        The items, with absolute hrefs.
    """
    from swath.products.saving import save_cube

    path = Settings.read().catalog_path
    return save_cube(array, Path(folder), name=name, collection=collection, form=format, catalog_path=path)
