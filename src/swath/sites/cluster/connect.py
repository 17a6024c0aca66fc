"""Connects to a cluster: a `distributed.Client`, through a tunnel where the site is reached over SSH."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import SiteError, SwathError
from swath.sites.cluster.certificates import read_security
from swath.sites.cluster.dashboard import show_dashboard
from swath.sites.cluster.lasting import lasting
from swath.sites.cluster.record import Wanted, parse_workers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterator

    from swath.sites.cluster.record import Standing
    from swath.sites.cluster.start import Running

_ANSWER_S = 20.0
"""How long a scheduler may take to answer; where a firewall is in between, nobody says no."""


class Cluster:
    """A cluster as ``client.cluster`` shows it.

    Parameters
    ----------
    running : Running
        The cluster.
    scheduler_address : str
        Where this machine reaches its scheduler.
    security : distributed.Security
        Its certificate.
    dashboard_link : str
        Where a browser on this machine finds its dashboard.
    """

    def __init__(
        self, running: Running, *, scheduler_address: str, security: Any, dashboard_link: str
    ) -> None:
        self.running, self.name = running, running.order.name
        self.scheduler_address, self.security = scheduler_address, security
        self.dashboard_link = dashboard_link

    @property
    def status(self) -> Any:
        """What Dask asks for before it connects."""
        from distributed import Status

        return Status.running

    def standing(self) -> Standing:
        """Tell how it stands."""
        return self.running.standing()

    def scale(self, workers: int) -> None:
        """Keep so many workers."""
        self.running.scale(parse_workers(workers))

    def adapt(self, minimum: int = 0, maximum: int = 40) -> None:
        """Keep as many workers as there is work for, between two bounds."""
        self.running.scale(parse_workers((minimum, maximum)))

    async def close(self) -> None:
        """End it; Dask calls this for ``client.shutdown()``."""
        wanted = self.running.folder.read_wanted()
        self.running.scale(Wanted(wanted.minimum, wanted.maximum, stop=True))

    def __await__(self) -> Generator[Any, None, Cluster]:
        async def ready() -> Cluster:
            return self

        return ready().__await__()

    def __repr__(self) -> str:
        return f"<swath cluster {self.name} at {self.running.site.name}>"

    def _repr_html_(self) -> str:
        return (
            f"<p>{self.name} at {self.running.site.name}: <a href='{self.dashboard_link}'>dashboard</a></p>"
        )


@contextlib.contextmanager
def reached(running: Running, standing: Standing) -> Iterator[Cluster]:
    """Make the way to a cluster that runs, dashboard included; leaving it closes the way, not the cluster."""
    import dask
    from distributed.utils import format_dashboard_link

    site = running.site
    with contextlib.ExitStack() as stack:
        address, dashboard = standing.address, standing.dashboard
        folder = Path(running.folder.path) / "tls"
        security = None
        if site.is_remote:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swath-cluster-")))
            running.folder.fetch_certificate(folder)
            forward, security = site.transport.forward, read_security(folder)
            context = security.get_connection_args("client")["ssl_context"]
            far = stack.enter_context(forward(standing.door))
            _prove(far, context, standing.door, site.name)
            door = stack.enter_context(lasting(far, context))
            address = f"tls://127.0.0.1:{door}"
            dashboard = f"127.0.0.1:{stack.enter_context(forward(dashboard))}"
        security = security or read_security(folder)
        host, _, port = dashboard.rpartition(":")
        context = security.get_connection_args("client")["ssl_context"]
        shown = stack.enter_context(show_dashboard(host, int(port), context))
        link = format_dashboard_link("127.0.0.1", shown)
        stack.enter_context(dask.config.set({"distributed.dashboard.link": link}))
        yield Cluster(running, scheduler_address=address, security=security, dashboard_link=link)


def _prove(port: int, context: ssl.SSLContext, door: str, site: str) -> None:
    """Refuse a scheduler that the login node does not reach; Dask would only say that it took too long."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), _ANSWER_S) as plain,
            context.wrap_socket(plain),
        ):
            return
    except OSError as error:
        raise SiteError(
            f"cluster: the login node of {site} does not reach {door}, where the scheduler runs",
            fix="where login nodes may not connect to compute nodes, run the program at the site: "
            'on the login node with where="here", or in a job',
        ) from error


@contextlib.contextmanager
def connected(running: Running, *, stop: bool, told: Callable[[str], None] | None = None) -> Iterator[Any]:
    """Connect to a cluster, once its scheduler answers.

    Parameters
    ----------
    running : Running
        The cluster.
    stop : bool
        True to end it at the end, whatever happens.
    told : callable of str, optional
        Called with what it waits for.

    Yields
    ------
    distributed.Client
        ``client.cluster`` is a `Cluster`.

    Raises
    ------
    SiteError
        The cluster could not be kept.
    """
    from distributed import Client

    try:
        standing = running.wait(told)
        with reached(running, standing) as cluster, Client(cluster) as client:
            try:
                yield client
            except Exception as error:
                if reason := _failure(running):
                    raise SiteError(reason) from error
                raise
    finally:
        if stop:
            running.stop()


def _failure(running: Running) -> str:
    """Say why a cluster has failed: it may lie behind an error of Dask; empty where it has not."""
    with contextlib.suppress(SwathError):
        return running.failure()
    return ""
