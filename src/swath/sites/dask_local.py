"""Runs calls on the workers of a Dask cluster on this machine; a call whose worker dies is done again."""

from __future__ import annotations

import contextlib
import logging
import time
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
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    size = max(1, -(-len(names) // _MOST_TASKS))
    with local_client(workers, memory_bytes) as client:
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
                seen = _last_seen(client, seen)
                time.sleep(_POLL_S)
                continue
            try:
                yield from next(done).result()
            except KilledWorker as error:
                raise JobFailedError(
                    f"workers: {_ALLOWED_FAILURES} workers died over the same units",
                    fix="look whether they have enough memory: fewer --workers or a smaller tile_size",
                ) from error


def _last_seen(client: Any, before: float) -> float:
    """Tell when a worker was there last; raise when that is too long ago: nobody would ever do the work."""
    if client.scheduler_info()["workers"]:
        return time.monotonic()
    if time.monotonic() - before > _PATIENCE_S:
        raise JobFailedError(
            "workers: all of them have ended", fix="look into log.txt, or do without --workers"
        )
    return before
