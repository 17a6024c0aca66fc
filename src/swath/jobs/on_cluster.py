"""Does a job's units on a Dask cluster whose workers are Slurm jobs; whoever runs this feeds them."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from swath.jobs.execute import run_named_units
from swath.model import NotFoundError
from swath.sites.cluster import Order, Wanted, connected, start
from swath.sites.cluster.closed import explained_refusals
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.record import parse_order
from swath.sites.cluster.start import clear
from swath.sites.dask_local import call_on_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swath.jobs.folder import JobFolder
    from swath.jobs.slurm_record import SlurmRecord
    from swath.sites.slurm import SlurmSite

log = logging.getLogger("swath")
FILE = "workers.json"


def write_order(record: SlurmRecord, site: SlurmSite, job: str) -> None:
    """Write what each worker is to be into the job folder at the site: a node does not know our settings.

    Parameters
    ----------
    record : SlurmRecord
        What the job asks for.
    site : SlurmSite
        Where.
    job : str
        Id of the job.
    """
    order = Order(
        name=f"job-{job[-30:]}", mark="", site=record.site, folder=f"{record.folder}/cluster", where="here",
        resources=record.resources, settings=site.settings.model_dump(mode="json"),
        interface=site.settings.interface,
    )  # fmt: skip
    site.transport.write(f"{record.folder}/{FILE}", (json.dumps(asdict(order), indent=2) + "\n").encode())


def end_workers(record: SlurmRecord, site: SlurmSite) -> None:
    """Take the workers of a job out of the queue, where it was killed before it could.

    Parameters
    ----------
    record : SlurmRecord
        The job, whose own tasks have ended.
    site : SlurmSite
        Where.
    """
    folder = ClusterFolder(site.transport, f"{record.folder}/cluster")
    with contextlib.suppress(NotFoundError):  # it has tidied up itself
        clear(site, folder.read_order())
    folder.remove()


def run_on_cluster(
    folder: JobFolder, missing: Sequence[str], workers: int, stopped: Callable[[], bool]
) -> Iterator[str]:
    """Start a cluster beside this process, do units on it, and end it.

    Parameters
    ----------
    folder : JobFolder
        The job.
    missing : sequence of str
        Ids of the units.
    workers : int
        How many workers, at most.
    stopped : callable
        True when no more is wanted.

    Yields
    ------
    str
        Each unit that is done.
    """
    from swath.config import SiteSettings
    from swath.sites.slurm import SlurmSite

    order = replace(parse_order((folder.path / FILE).read_bytes()), mark=secrets.token_hex(4))
    order = replace(order, folder=str(folder.path / "cluster"))
    count = min(workers, len(missing))
    with SlurmSite(order.site, SiteSettings(**{**order.settings, "ssh": ""})) as site:
        with explained_refusals():
            running = start(site, order, Wanted(count, count), anew=True)
        with connected(running, stop=True) as client:
            log.info(
                "%d workers for %d units; scheduler at %s",
                count,
                len(missing),
                client.cluster.scheduler_address,
            )
            yield from call_on_workers(client, run_named_units, str(folder.path), missing, stopped=stopped)
