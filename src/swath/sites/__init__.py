"""Where jobs run: this machine, alone or with a Dask cluster on it."""

from swath.sites.dask_local import local_client, run_on_workers
from swath.sites.local import end, is_alive, own_handle, start, swath_command, wait_for

__all__ = [
    "end",
    "is_alive",
    "local_client",
    "own_handle",
    "run_on_workers",
    "start",
    "swath_command",
    "wait_for",
]
