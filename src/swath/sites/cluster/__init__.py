"""Dask clusters at Slurm sites, kept at their size whatever happens to their workers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from swath.sites.cluster.connect import Cluster, connected
from swath.sites.cluster.listing import Listed, list_clusters
from swath.sites.cluster.record import Order, Standing, Wanted, parse_workers
from swath.sites.cluster.start import Running, find_cluster, new_order, start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from swath.sites.slurm import SlurmResources, SlurmSite

__all__ = [
    "Cluster",
    "Listed",
    "Order",
    "Running",
    "Standing",
    "Wanted",
    "connected",
    "find_cluster",
    "list_clusters",
    "new_order",
    "open_cluster",
    "parse_workers",
    "start",
]


@contextlib.contextmanager
def open_cluster(
    site: SlurmSite,
    workers: int | str | tuple[int, int],
    *,
    asked: SlurmResources,
    name: str = "",
    where: str = "",
    interface: str = "",
    scheduler: Sequence[str] = (),
) -> Iterator[Any]:
    """Start a cluster and connect to it; it ends with the ``with`` statement, whatever happens there.

    Parameters
    ----------
    site : SlurmSite
        Where.
    workers : int or (int, int)
        How many, or the least and the most.
    asked, name, where, interface
        See `new_order`; of a cluster that runs already, its name: then that one is used, and left running.

    scheduler : sequence of str
        Options of sbatch for the scheduler's job.

    Yields
    ------
    distributed.Client
        ``client.cluster`` is a `Cluster`.
    """
    wanted = parse_workers(workers)
    if name and any(each.order.name == name and each.state == "running" for each in list_clusters(site)):
        with connected(find_cluster(site, name), stop=False) as client:
            yield client
        return
    order = new_order(site, asked, name=name, where=where, interface=interface, attended=True)
    with connected(start(site, order, wanted, scheduler=scheduler), stop=True) as client:
        yield client
