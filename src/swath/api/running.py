"""Processes as jobs, and clusters to compute on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings, parse_size
from swath.model import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from distributed import Client

    from swath.jobs import Job, Request
    from swath.sites.slurm import SlurmResources


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
    from swath.jobs.orders import order_missing

    given = dict(inputs)
    if given.get("items") is not None and not isinstance(given["items"], (str, Path)):
        given["items"] = item_dicts(given["items"])
    settings = Settings.read()
    request = Request(process, given, Path(output) if output else None, skip_bad, to=to)
    if on != "local":
        return _run_at(on, request, settings, {**asked, "workers": workers}, detach=detach)
    if asked:
        raise InputError(f"run: {', '.join(asked)} are for Slurm sites", fix="leave them out, or say on=SITE")
    request, _ = order_missing(request, settings)
    job = submit(request, settings)
    resources = resources_of(settings, workers)
    if detach:
        job.detach(resources)
    else:
        raise_failure(job.run(resources))
    return job


def _run_at(site: str, request: Request, settings: Settings, asked: dict[str, Any], *, detach: bool) -> Job:
    from swath.jobs import raise_failure
    from swath.jobs.orders import order_missing
    from swath.jobs.slurm_order import order

    resources, wanted = split_resources("run", asked, ("tasks", "at_once", "retries", "after", "workers"))
    request, _ = order_missing(request, settings, on=site, resources=resources)
    job = order(request, settings, on=site, asked=resources, **wanted)
    job.submit()
    if not detach:
        raise_failure(job.wait(poll_s=1.0))
    return job


def split_resources(
    function: str, asked: Mapping[str, Any], others: Sequence[str] = ()
) -> tuple[SlurmResources, dict[str, Any]]:
    """Part what tasks ask for from what else was given.

    Raises
    ------
    InputError
        A name is neither; the nearest is named.
    """
    from dataclasses import fields

    from swath.sites.slurm import SlurmResources

    names = [each.name for each in fields(SlurmResources)]
    for key in asked:
        if key not in names and key not in others:
            raise unknown(f"{function}: {key!r} is no resource", key, (*names, *others))
    resources = SlurmResources(**{key: value for key, value in asked.items() if key in names})
    return resources, {key: value for key, value in asked.items() if key not in names}


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
