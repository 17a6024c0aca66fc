"""The scheduler of a cluster and its keeper, in a process that a batch script or a caller starts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import SiteSettings
from swath.model import SwathError
from swath.sites.cluster.certificates import read_security
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.lasting import LastingServer
from swath.sites.cluster.start import FOLLOW
from swath.sites.slurm.site import SlurmSite
from swath.sites.transport.here import Here

if TYPE_CHECKING:
    from swath.sites.cluster.keeper import Keeper
    from swath.sites.cluster.record import Order
    from swath.sites.slurm.commands import Slurm

log = logging.getLogger("swath")
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 10,  # of workers: that is what clusters do
    "distributed.scheduler.worker-ttl": "60 s",
    "distributed.comm.timeouts.tcp": "15 s",  # nodes that lose power close no connection
}


def address_towards(nodes: list[str]) -> str:
    """Give the address of this host that other nodes see: the one by which it would send to them.

    Parameters
    ----------
    nodes : list of str
        Addresses or names of nodes.
    """
    own = socket.gethostname().partition(".")[0]
    for node in nodes:
        if node.partition(".")[0] == own:
            continue
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((node, 9))  # nothing is sent
            found = str(probe.getsockname()[0])
            if not found.startswith("127."):
                return found
    from distributed.utils import get_ip

    return str(get_ip())


def own_address(order: Order, slurm: Slurm) -> str:
    """Give the address at which the scheduler listens."""
    if order.interface:
        from distributed.utils import get_ip_interface

        return str(get_ip_interface(order.interface))
    try:
        nodes = slurm.call("sinfo", "--noheader", "-o", "%o").split()
    except SwathError as error:
        log.warning("%s", error)
        nodes = []
    return address_towards([each for each in dict.fromkeys(nodes) if "[" not in each])


async def serve(folder: ClusterFolder, *, with_caller: bool) -> int:
    """Be the scheduler until the cluster is to end; give the exit code."""
    import dask
    import distributed

    from swath.sites.cluster.guarded import GuardedScheduler
    from swath.sites.cluster.keeper import Keeper

    order = folder.read_order()
    # Slurm is at hand here, however far it was for whoever ordered this.
    slurm = SlurmSite(order.site, SiteSettings(**{**order.settings, "ssh": ""})).slurm
    host = own_address(order, slurm)
    security = read_security(Path(folder.path) / "tls")
    with dask.config.set(_SETTINGS):
        async with GuardedScheduler(
            security=security, protocol="tls", host=host, port=0,
            dashboard_address=f"{host}:0", dashboard=True,
        ) as scheduler:  # fmt: skip
            server = LastingServer(host, scheduler.port)
            door = await server.start(host, security.get_listen_args("scheduler")["ssl_context"])
            standing = replace(
                folder.read_standing(), address=scheduler.address, door=f"{host}:{door}",
                dashboard=f"{host}:{scheduler.http_server.port}",
                scheduler_job=os.environ.get("SLURM_JOB_ID", "") if order.where == "job" else "",
            )  # fmt: skip
            keeper = Keeper(scheduler, folder, slurm, standing)
            scheduler.add_plugin(_plugin(distributed.SchedulerPlugin, keeper), name="swath-keeper")
            left = _stop_on(keeper, with_caller=with_caller)
            closed = asyncio.ensure_future(scheduler.finished())
            closed.add_done_callback(lambda _: keeper.stop())
            log.info("scheduler of %s at %s", order.name, scheduler.address)
            try:
                await keeper.run()
            finally:
                await keeper.end()
                server.close()
    log.info("ended%s", f": {keeper.failure}" if keeper.failure else "")
    if left.is_set() and not keeper.failure:  # a caller that was killed could not do it
        folder.remove()
    return 1 if keeper.failure else 0


def _plugin(kind: Any, keeper: Keeper) -> Any:
    class Waker(kind):  # type: ignore[misc]
        """Tells the keeper when workers come and go."""

        def add_worker(self, *_: Any, **__: Any) -> None:
            keeper.wake()

        def remove_worker(self, *_: Any, **__: Any) -> None:
            keeper.wake()

    return Waker()


def _stop_on(keeper: Keeper, *, with_caller: bool) -> threading.Event:
    """End on a signal, and with the caller where asked; give what is set when that has left."""
    left = threading.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, keeper.stop)
    if with_caller:

        def wait() -> None:
            while sys.stdin.buffer.read(4096):
                pass
            left.set()
            loop.call_soon_threadsafe(keeper.stop)

        threading.Thread(target=wait, daemon=True).start()
    return left


def main(words: list[str]) -> int:
    """Run the scheduler of a cluster's folder."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return asyncio.run(serve(ClusterFolder(Here(), words[0]), with_caller=FOLLOW in words))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
