"""The Python face of swath; with the command line the only place that reads settings and wires the rooms.

Everything here is also a name of the package itself: ``import swath; swath.load(...)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings, parse_size
from swath.model import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    import xarray as xr
    from distributed import Client

    from swath.catalog import Search
    from swath.catalog.mirror import MirrorReport
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
    to: str = "",
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
    to : str
        Where the results are put when they are whole, besides the job folder: ``"NAME:folder"``,
        ``"s3://bucket/prefix"``. The catalog gets the items as they are there.
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
    request = Request(process, given, Path(output) if output else None, skip_bad, to=to)
    if on != "local":
        return _run_at(on, request, settings, {**asked, "workers": workers}, detach=detach)
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
        if key not in ("tasks", "at_once", "retries", "after", "workers"):
            raise unknown(
                f"run: {key!r} is no resource", key, (*names, "tasks", "at_once", "retries", "after")
            )
    job = order(request, settings, on=site, asked=resources, **wanted)
    job.submit()
    if not detach:
        raise_failure(job.wait(poll_s=1.0))
    return job


def cluster(
    site: str = "local",
    *,
    workers: int | tuple[int, int] = 4,
    cpus: int = 0,
    memory: str = "",
    time: str = "",
    partition: str = "",
    account: str = "",
    qos: str = "",
    slurm: Sequence[str] = (),
    name: str = "",
    where: str = "",
    interface: str = "",
    scheduler: Sequence[str] = (),
) -> AbstractContextManager[Client]:
    """Start a Dask cluster and connect to it; it ends with the ``with`` statement.

    Parameters
    ----------
    site : str
        A Slurm site of the settings, or ``local`` for this machine.
    workers : int or (int, int)
        How many; or the least and the most: then as many as there is work for. Each one that is lost,
        whatever the reason, is replaced.
    cpus, memory, time, partition, account, qos, slurm
        What each worker's Slurm job asks for, such as 4, ``"8GB"`` and ``"00:30:00"``; as the site's settings
        say unless given. On this machine only ``cpus`` (threads of a worker) and ``memory`` (of each) count.
    name : str
        Name of the cluster. Of one that ``swath cluster start`` has started: connects to that, and leaves it
        running at the end.
    where : {"", "job", "here"}
        Where the scheduler runs: in a Slurm job of its own, or beside this process, on a login node or in a
        job. By default a job where the site is reached over SSH, else here.
    interface : str
        Network interface of the nodes, such as ``ib0``; by default the one that leads to the other nodes.
    scheduler : sequence of str
        Options of sbatch for the scheduler's job only, such as ``"--time=2-00:00:00"``.

    Returns
    -------
    context manager of distributed.Client
        ``client.dashboard_link`` is the dashboard's address here; ``client.cluster.scale(8)`` and
        ``client.cluster.adapt(2, 40)`` change the size.

    Raises
    ------
    SwathError
        The site has not what is asked for, or does not answer.

    Examples
    --------
    >>> with cluster("local", workers=1) as client:  # doctest: +SKIP
    ...     client.submit(sum, [1, 2]).result()
    3
    """
    settings = Settings.read()
    if site == "local":
        from swath.sites.dask_local import open_local

        return open_local(workers, cpus=cpus or 1, memory_bytes=parse_size(memory) if memory else 0)
    from swath.sites.cluster import open_cluster
    from swath.sites.slurm import SlurmResources, open_site

    asked = SlurmResources(partition, account, qos, time, cpus, memory, slurm=tuple(slurm))
    place = open_site(site, settings)
    return open_cluster(
        place, workers, asked=asked, name=name, where=where, interface=interface, scheduler=tuple(scheduler)
    )


def mirror(
    source: str | Path,
    target: str | Path,
    *,
    collections: Sequence[str] | str | None = None,
    bbox: Any = None,
    datetime: Any = None,
    assets: Sequence[str] | str | None = None,
    max_items: int | None = None,
    concurrency: int = 16,
    bandwidth: int | str = 0,
    dry_run: bool = False,
    verify: bool = False,
    repair: bool = False,
    into: str | Path | None = None,
    watch: Callable[[MirrorReport], None] | None = None,
) -> MirrorReport:
    """Copy items with their files to a place of one's own, as a static STAC catalog.

    What is there already is not copied again; after a stop, the same call goes on.

    Parameters
    ----------
    source : str or Path
        A catalog file, a static catalog or collection (path or URL), or the address of a STAC API.
    target : str or Path
        A folder, ``NAME:path`` with a store of the settings, or an address such as ``s3://bucket/path``.
    collections : sequence of str or str, optional
        Only these; a text is cut at its commas.
    bbox, datetime : optional
        Only items that touch them, as in ``Catalog.search``.
    assets : sequence of str or str, optional
        Only these, by their keys or the common names of their bands. Others keep their href.
    max_items : int, optional
        Items in all.
    concurrency : int
        Files at once.
    bandwidth : int or str
        Bytes in a second, such as ``"50MB"``; 0: no limit.
    dry_run : bool
        Count files and bytes, and write nothing.
    verify : bool
        Copy nothing; read back what is there, and compare it with its checksums.
    repair : bool
        The same, and then copy again what is wrong, and remove what no item refers to.
    into : str or Path, optional
        Catalog file that takes the items in as they are there; none unless given.
    watch : callable, optional
        Is told the report so far, now and then, by any thread.

    Returns
    -------
    MirrorReport
        What was done; ``failures`` names what is not there or wrong.

    Raises
    ------
    SwathError
        The source cannot be read, or the target takes nothing.
    """
    from swath.catalog.mirror import Choice, Pace
    from swath.catalog.mirror import mirror as copy
    from swath.storage import use_stores

    settings = Settings.read()
    use_stores(settings.stores)
    choice = Choice(_names(collections), bbox, datetime, _names(assets), max_items)
    pace = Pace(concurrency, parse_size(bandwidth))
    return copy(
        source, target, home=Path(settings.home), choice=choice, pace=pace, dry_run=dry_run, verify=verify,
        repair=repair, into=into, watch=watch,
    )  # fmt: skip


def search(where: str | Path | None = None, **options: Any) -> Search:
    """Search the items of a catalog, wherever it is.

    Parameters
    ----------
    where : str or Path, optional
        A catalog file, the address of a STAC API, or a static catalog: its ``catalog.json`` as a path,
        ``https://...``, ``s3://...``, or ``NAME:folder/catalog.json`` in a store of the settings. That of
        the settings unless given.
    **options
        ``collections``, ``bbox``, ``intersects``, ``datetime``, ``ids``, ``filter``, ``sortby`` and the like;
        see `swath.catalog.Catalog.search`.

    Returns
    -------
    Search
        `swath.load` takes it.
    """
    from swath.catalog import open_catalog

    return open_catalog(where or Settings.read().catalog_path).search(**options)


def _names(given: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = given.split(",") if isinstance(given, str) else given
    return tuple(each.strip() for each in names if each.strip())


def save(
    array: xr.Dataset | xr.DataArray,
    folder: str | Path,
    *,
    name: str,
    collection: str | None = None,
    format: str = "cog",
    overwrite: bool = True,
    message: str = "",
) -> list[dict[str, Any]]:
    """Write a cube as products: files, STAC items and thumbnails.

    In a store, the files of an item are all there before the item is; a call that was broken off leaves no
    item that names a file that is not there, and the same call again goes on.

    Parameters
    ----------
    array : Dataset or DataArray, (time, y, x) or (y, x)
        With a CRS, as `load` gives it; lazy or not. Names decide how values are stored.
    folder : path or address
        Where the files go; made when it does not exist. A folder of this machine, or one of a store:
        ``"NAME:folder"`` with a name of the settings, or ``"s3://bucket/prefix"``.
    name : str
        Stem of the items' ids.
    collection : str, optional
        Collection that the items go into, in the settings' catalog; none unless given.
    format : {"cog", "zarr", "icechunk"}
        One item for each time, or one Zarr store of all, or one versioned Zarr store: an Icechunk repository,
        where each call is a commit, and new times are appended.
    overwrite : bool
        False: what is there already stays, and is an error.
    message : str
        What the commit says; for ``format="icechunk"`` alone.

    Returns
    -------
    list of dict
        The items, with absolute hrefs.

    Raises
    ------
    ConflictError
        It is there already and may not be replaced, or somebody else has committed meanwhile.
    SwathError
        The store refuses or does not answer.
    """
    from swath.products.saving import save_cube

    path = Settings.read().catalog_path
    return save_cube(
        array, folder, name=name, collection=collection, form=format, catalog_path=path,
        overwrite=overwrite, message=message,
    )  # fmt: skip
