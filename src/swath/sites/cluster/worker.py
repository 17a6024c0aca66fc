"""One worker of a cluster, on a compute node; this is what the workers' batch script runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.sites.cluster.certificates import read_security
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.script import lifetime_of
from swath.sites.transport.here import Here

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.sites.cluster.record import Order

log = logging.getLogger("swath")
DEATH_S = 60.0
"""How long a worker that had a scheduler waits for it to come back."""
_ADDRESS_S, _ANSWER_S = 30.0, 5.0
"""How long one that begins waits for its scheduler to say where it is, and then for it to answer there."""
_HAND_OVER_S = 20.0
"""What a worker may take to hand over what it holds when Slurm ends it; sites give 30 s before they kill."""
_NANNY_BYTES = 250_000_000
"""What the process that watches over the worker takes of the job's memory."""


def name_of(environ: Mapping[str, str]) -> str:
    """Give the name by which Slurm knows this worker.

    Examples
    --------
    >>> name_of({"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_ID": "21"})
    '17_3'
    """
    if "SLURM_ARRAY_JOB_ID" in environ:
        return f"{environ['SLURM_ARRAY_JOB_ID']}_{environ['SLURM_ARRAY_TASK_ID']}"
    return environ.get("SLURM_JOB_ID", str(os.getpid()))


def memory_of(environ: Mapping[str, str], cpus: int) -> int:
    """Give the memory in bytes that the worker may hold, of what Slurm has given to its job; 0: unknown.

    Examples
    --------
    >>> memory_of({"SLURM_MEM_PER_NODE": "4000"}, 4)
    3944304000
    """
    mib = int(environ.get("SLURM_MEM_PER_NODE") or 0) or int(environ.get("SLURM_MEM_PER_CPU") or 0) * cpus
    return max(mib * 2**20 - _NANNY_BYTES, mib * 2**20 * 7 // 10)


def spill_folder(scratch: str) -> Path:
    """Make the folder of the node's own disk into which workers of this user spill; closed to others.

    Workers that were killed leave files there, which the next worker on the node deletes.

    Parameters
    ----------
    scratch : str
        What the site's settings say, such as ``$TMPDIR``; empty: where temporary files go.
    """
    base = os.path.expandvars(scratch)
    if not base or "$" in base:
        base = tempfile.gettempdir()
    folder = Path(base) / f"swath-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700, parents=True)
    seen = folder.lstat()
    if folder.is_symlink() or seen.st_uid != os.getuid() or seen.st_mode & 0o077:
        return Path(tempfile.mkdtemp(prefix="swath-", dir=base))  # somebody else was first
    return folder


async def wait_for_address(folder: ClusterFolder, seconds: float = _ADDRESS_S) -> str:
    """Wait until the scheduler has said where it is; empty when it has not, or has ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(Exception):
            os.listdir(folder.path)  # noqa: PTH208 -- asks a network file system anew
            standing = folder.read_standing()
            if standing.state in ("ended", "failed"):
                return ""
            if standing.address:
                return standing.address
        await asyncio.sleep(0.1)
    return ""


async def answers(address: str, security: Any, seconds: float = _ANSWER_S) -> bool:
    """Tell whether somebody listens at a scheduler's address; one that was killed has left it behind."""
    context = security.get_connection_args("worker")["ssl_context"]
    host, _, port = address.removeprefix("tls://").rpartition(":")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(host, int(port), ssl=context)
                writer.close()
                return True
        await asyncio.sleep(0.5)
    return False


async def work(folder: ClusterFolder) -> int:
    """Be a worker until its time is over, it is sent home, or its scheduler has gone; give the exit code."""
    import distributed

    from swath.sites.cluster.guarded import GuardedWorker

    order, name = folder.read_order(), name_of(os.environ)
    address = await wait_for_address(folder)
    security = read_security(Path(folder.path) / "tls")
    if not address or not await answers(address, security):
        log.error("the scheduler of %s is not there (%s)", order.name, address or "it says no address")
        return 1
    log.info("worker %s on %s for %s", name, socket.gethostname(), address)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    try:
        async with distributed.Nanny(
            address, **_options(order, folder, name), worker_class=GuardedWorker
        ) as nanny:
            finished = asyncio.ensure_future(nanny.finished())
            asked = asyncio.ensure_future(ended.wait())
            await asyncio.wait({finished, asked}, return_when=asyncio.FIRST_COMPLETED)
            if ended.is_set():
                log.info("Slurm ends this job: handing over")
                await _hand_over(nanny, name)
            asked.cancel()
    except (OSError, RuntimeError) as error:  # Dask's own for a nanny whose worker did not start
        log.error("%s does not answer from %s (%s)", address, socket.gethostname(), error)  # noqa: TRY400
        return 1
    return 0


def _options(order: Order, folder: ClusterFolder, name: str) -> dict[str, Any]:
    cpus = int(os.environ.get("SLURM_CPUS_PER_TASK") or order.resources.cpus or 1)
    options: dict[str, Any] = {
        "name": name, "nthreads": cpus, "death_timeout": DEATH_S, "dashboard": False,
        "memory_limit": memory_of(os.environ, cpus) or "auto",
        "local_directory": str(spill_folder(str(order.settings.get("scratch", "")))),
        "security": read_security(Path(folder.path) / "tls"), "protocol": "tls",
    }  # fmt: skip
    if order.interface:
        options["interface"] = order.interface
    if time_s := order.resources.time_s:
        lifetime = lifetime_of(time_s)
        options |= {
            "lifetime": f"{lifetime.seconds} s", "lifetime_stagger": f"{lifetime.stagger_s} s",
            "lifetime_restart": False,
        }  # fmt: skip
    return options


async def _hand_over(nanny: Any, name: str) -> None:
    """Let others take what this worker holds; its tasks are not to blame for its end."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_HAND_OVER_S):
            await nanny.scheduler.retire_workers(names=[name], close_workers=False, remove=True)


def main(words: list[str]) -> int:
    """Run the worker of a cluster's folder."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return asyncio.run(work(ClusterFolder(Here(), words[0])))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
