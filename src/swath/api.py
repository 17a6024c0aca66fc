"""The Python face of swath; with the command line the only place that reads settings and wires the rooms.

Everything here is also a name of the package itself: ``import swath; swath.load(...)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from swath.jobs import Job


def run(
    process: str,
    inputs: Mapping[str, Any],
    *,
    on: str = "local",
    workers: int = 0,
    output: str | Path | None = None,
    skip_bad: bool = False,
    detach: bool = False,
) -> Job:
    """Run a process as a job.

    Parameters
    ----------
    process : str
        Its name; see ``swath processes``.
    inputs : mapping
        Its inputs; items may also be pystac objects, or a search.
    on : str
        Where to run; so far ``local``.
    workers : int
        Worker processes of a Dask cluster; 0: threads in this process.
    output : path, optional
        The job folder; one under the settings' home unless given.
    skip_bad : bool
        True to go on without files that cannot be read.
    detach : bool
        True to return at once; ``job.wait()`` waits.

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
    from swath.model import NotFoundError

    if on != "local":
        raise NotFoundError(f"sites: there is no site {on!r}", known=("local",))
    given = dict(inputs)
    if given.get("items") is not None and not isinstance(given["items"], (str, Path)):
        given["items"] = item_dicts(given["items"])
    settings = Settings.read()
    job = submit(Request(process, given, Path(output) if output else None, skip_bad), settings)
    resources = resources_of(settings, workers)
    if detach:
        job.detach(resources)
    else:
        raise_failure(job.run(resources))
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
