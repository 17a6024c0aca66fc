"""Runs calls on the workers of a Dask cluster, such as one on this machine; what is lost is done again."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from swath.model import JobFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)
_MOST_TASKS = 2000
"""Names are bundled, so that the scheduler never holds more tasks than this."""
_ALLOWED_FAILURES = 5
_POLL_S = 0.02
_PATIENCE_S = 60.0
"""How long there may be no worker at all: one that dies is replaced within seconds."""


@contextlib.contextmanager
def local_client(workers: int, memory_bytes: int) -> Iterator[Any]:
    """Start a Dask cluster of single-threaded processes on the loopback, and end it.

    Parameters
    ----------
    workers : int
        Processes.
    memory_bytes : int
        Memory of all of them together.
    """
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": _ALLOWED_FAILURES,
        "distributed.worker.memory.spill": False,  # units are made to fit into memory
        "logging.distributed": "error",
    }
    with dask.config.set(settings):
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1",
            # No dashboard, and any port: None would mean 8787, which another job may have.
            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
            memory_limit=memory_bytes // workers, silence_logs=50,
        )  # fmt: skip
        try:
            with Client(cluster) as client:
                yield client
        finally:
            try:
                cluster.close()
            except Exception:  # it may be replacing a worker just then; what the job says must not be lost
                log.warning("the Dask cluster did not close in peace", exc_info=True)


@contextlib.contextmanager
def open_local(workers: int | tuple[int, int], *, cpus: int = 1, memory_bytes: int = 0) -> Iterator[Any]:
    """Start a Dask cluster on this machine for work by hand, with a dashboard, and end it.

    Parameters
    ----------
    workers : int or (int, int)
        Processes; or the least and the most of them.
    cpus : int
        Threads of each.
    memory_bytes : int
        Memory of each; 0: what the machine has, shared among them.

    Yields
    ------
    distributed.Client
        Other users of the machine do not get in: it has a certificate of its own.
    """
    from distributed import Client, LocalCluster

    from swath.sites.cluster.record import parse_workers

    wanted = parse_workers(workers)
    with (
        LocalCluster(
            n_workers=wanted.minimum, threads_per_worker=cpus, host="127.0.0.1", protocol="tls://",
            security=True, dashboard_address="127.0.0.1:0", memory_limit=memory_bytes or "auto",
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        if wanted.minimum < wanted.maximum:
            cluster.adapt(minimum=wanted.minimum, maximum=wanted.maximum)
        yield client


def run_on_workers(
    function: Callable[[str, Sequence[str]], list[str]],
    path: str,
    names: Sequence[str],
    *,
    workers: int,
    memory_bytes: int,
    stopped: Callable[[], bool],
) -> Iterator[str]:
    """Call a function with a path and bundles of names on workers.

    Parameters
    ----------
    function : callable
        Importable by the workers.
    path : str
        First argument.
    names : sequence of str
        Second argument, in bundles.
    workers, memory_bytes : int
        Size of the cluster.
    stopped : callable
        True when no more is wanted.

    Yields
    ------
    str
        Each name that is done.

    Raises
    ------
    SwathError
        What a call raised; JobFailedError when workers die again and again.
    """
    with local_client(workers, memory_bytes) as client:
        yield from call_on_workers(client, function, path, names, stopped=stopped, patience_s=_PATIENCE_S)


def call_on_workers(
    client: Any,
    function: Callable[[str, Sequence[str]], list[str]],
    path: str,
    names: Sequence[str],
    *,
    stopped: Callable[[], bool],
    patience_s: float = math.inf,
) -> Iterator[str]:
    """Call a function with a path and bundles of names on the workers of a client.

    Parameters
    ----------
    client : distributed.Client
        With workers, now or soon.
    function, path, names, stopped
        See `run_on_workers`.
    patience_s : float
        How long there may be no worker at all.

    Yields
    ------
    str
        Each name that is done.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    size = max(1, -(-len(names) // _MOST_TASKS))
    futures = [
        client.submit(function, path, list(names[at : at + size]), pure=False)
        for at in range(0, len(names), size)
    ]
    done = as_completed(futures)
    seen = time.monotonic()
    while not done.is_empty():
        if stopped():
            client.cancel(futures)
            return
        if not done.has_ready():
            if patience_s < math.inf:
                seen = _last_seen(client, seen, patience_s)
            time.sleep(_POLL_S)
            continue
        try:
            yield from next(done).result()
        except KilledWorker as error:
            raise JobFailedError(
                f"workers: {_ALLOWED_FAILURES} workers died over the same units",
                fix="look whether they have enough memory: fewer --workers or a smaller tile_size",
            ) from error
        except CancelledError as error:
            raise JobFailedError("workers: their scheduler has ended", fix="look into its log") from error


def _last_seen(client: Any, before: float, patience_s: float) -> float:
    """Tell when a worker was there last; raise when that is too long ago: nobody would ever do the work."""
    if client.scheduler_info()["workers"]:
        return time.monotonic()
    if time.monotonic() - before > patience_s:
        raise JobFailedError(
            "workers: all of them have ended", fix="look into log.txt, or do without --workers"
        )
    return before
