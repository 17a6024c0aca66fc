"""JupyterLab's Dask menu: the caller's clusters at the site, as they come and go, with their dashboards."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.sites.cluster.certificates import read_security
from swath.sites.cluster.dashboard import serve_dashboard
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.listing import list_folder
from swath.sites.cluster.record import Wanted, parse_workers
from swath.sites.transport import Here

if TYPE_CHECKING:
    from swath.sites.cluster.listing import Listed

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many workers a cluster is kept, as dask-labextension wants to see it."""

    minimum: int
    """The least."""
    maximum: int
    """The most."""


class KnownCluster:
    """A cluster that runs already, as dask-labextension wants to see one.

    Parameters
    ----------
    listed : Listed
        The cluster.
    dashboard : asyncio.Server
        Port of this node's loopback that leads to its dashboard, for this user only.
    """

    def __init__(self, listed: Listed, dashboard: asyncio.Server) -> None:
        self.listed, self.dashboard = listed, dashboard
        self.gone = False
        self.dashboard_link = f"/proxy/{dashboard.sockets[0].getsockname()[1]}/status"

    @property
    def scheduler_address(self) -> str:
        """Address of its scheduler."""
        return self.listed.standing.address

    @property
    def scheduler_info(self) -> dict[str, Any]:
        """Its workers, by what each has asked for."""
        asked = self.listed.order.resources
        worker = {"nthreads": asked.cpus or 1, "memory_limit": asked.memory_mib * _MIB}
        return {"workers": dict.fromkeys(map(str, range(self.listed.standing.workers)), worker)}

    def scale(self, workers: int) -> None:
        """Keep so many workers."""
        self._want(parse_workers(workers))

    def adapt(self, minimum: int = 0, maximum: int = 40) -> Bounds:
        """Keep as many workers as there is work for, between two bounds."""
        self._want(parse_workers((minimum, maximum)))
        return Bounds(minimum, maximum)

    async def close(self) -> None:
        """End it; one that has gone leaves the menu only."""
        self.dashboard.close()
        if not self.gone:
            wanted = self.listed.wanted
            self._want(Wanted(wanted.minimum, wanted.maximum, stop=True))

    def _want(self, wanted: Wanted) -> None:
        ClusterFolder(Here(), self.listed.order.folder).write_wanted(wanted)


class Menu:
    """Keeps the menu as the site's folder of clusters is.

    Parameters
    ----------
    manager : dask_labextension.manager.DaskClusterManager
        What the menu shows.
    folder : str
        Where the files of clusters are.
    """

    def __init__(self, manager: Any, folder: str) -> None:
        self.manager, self.folder = manager, folder
        self._shown: dict[str, KnownCluster] = {}

    async def refresh(self) -> None:
        """Take in what has started, take out what has ended."""
        there = {each.order.mark: each for each in await asyncio.to_thread(running, self.folder)}
        for key, shown in list(self._shown.items()):
            if now := there.pop(shown.listed.order.mark, None):
                shown.listed = now
                continue
            shown.gone = True
            del self._shown[key]
            await self.manager.close_cluster(key)  # does nothing where the user has closed it
        for each in there.values():
            await self._add(each)

    async def _add(self, listed: Listed) -> None:
        import dask

        host, _, port = listed.standing.dashboard.rpartition(":")
        security = read_security(Path(listed.order.folder) / "tls")
        context = security.get_connection_args("client")["ssl_context"]
        shown = KnownCluster(listed, await serve_dashboard(host, int(port), context))
        # The manager asks its factory for a cluster, and scales it as the user's defaults say: neither the
        # user's factory nor his defaults are for this one. It comes back before anybody else's turn.
        ours = {
            "labextension.factory.module": __name__, "labextension.factory.class": "known",
            "labextension.factory.args": [shown], "labextension.factory.kwargs": {},
            "labextension.default": {"workers": None, "adapt": None},
        }  # fmt: skip
        with dask.config.set(ours):
            model = await self.manager.start_cluster(configuration={"name": listed.order.name})
        self._shown[model["id"]] = shown


async def known(shown: KnownCluster, **_: Any) -> KnownCluster:
    """Give a cluster to the manager, as its factory."""
    return shown


def running(folder: str) -> list[Listed]:
    """List the clusters of a folder that can be used now."""
    listed = list_folder(Here(), folder) if folder else []
    return [each for each in listed if each.state == "running" and each.standing.dashboard]


def security_of(folder: str, address: str) -> Any:
    """Give the `distributed.Security` of the cluster at an address; None where it is none of ours."""
    for each in running(folder):
        if each.standing.address == address:
            with contextlib.suppress(OSError):
                return read_security(Path(each.order.folder) / "tls")
    return None
