"""The batch scripts of a cluster: one for its workers, which are tasks of arrays, one for its scheduler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from swath.config import SiteSettings, format_slurm_time, parse_slurm_time
from swath.sites.environments import launch
from swath.sites.slurm.script import batch_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.sites.cluster.record import Order
    from swath.sites.slurm.resources import SlurmResources

_SCHEDULER_S = 24 * 3600
"""How long a scheduler's job may last, where its partition gives that."""
_SCHEDULER_MEMORY = "2GB"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a worker ends by itself, so that its data and tasks go to others before Slurm ends it."""

    seconds: int
    """How long it lives, on average."""
    stagger_s: int
    """Up to how much earlier or later, so that not all of them end at once."""


def lifetime_of(time_s: int) -> Lifetime:
    """Tell when workers end whose jobs may last so many seconds.

    A tenth of the time, and never more than five minutes, stays for handing over what a worker holds.

    Examples
    --------
    >>> lifetime_of(3600)
    Lifetime(seconds=3000, stagger_s=300)
    >>> lifetime_of(60)
    Lifetime(seconds=48, stagger_s=6)
    """
    margin = min(300, max(5, time_s // 10))
    return Lifetime(max(1, time_s - 2 * margin), margin)


def worker_script(order: Order, *, remote: bool) -> str:
    """Write the script of workers; how many is said when it is submitted.

    Parameters
    ----------
    order : Order
        The cluster.
    remote : bool
        True where the site does not see the environment of whoever writes it.
    """
    site = SiteSettings(**order.settings)
    started = launch(site.environment, remote=remote, binds=(order.folder,), scratch=site.scratch)
    return batch_script(
        about=(f"A worker of the Dask cluster {order.name}; ends when its scheduler has gone.",),
        options=[*order.resources.options(), "--no-requeue", "--output=logs/%A_%a.txt"],
        folder=order.folder, prepare="\n".join((site.prepare, *started.lines)),
        command=(*started.python, "-m", "swath.sites.cluster.worker", order.folder), name="worker.sh",
    )  # fmt: skip


def scheduler_script(order: Order, asked: SlurmResources, *, remote: bool) -> str:
    """Write the script of a scheduler that is a job of its own."""
    site = SiteSettings(**order.settings)
    started = launch(site.environment, remote=remote, binds=(order.folder,), scratch=site.scratch)
    return batch_script(
        about=(f"The scheduler of the Dask cluster {order.name}; submits its workers.",),
        options=[*asked.options(), "--no-requeue", "--output=logs/scheduler.txt"],
        folder=order.folder, prepare="\n".join((site.prepare, *started.lines)),
        command=(*started.python, "-m", "swath.sites.cluster.serve", order.folder), name="scheduler.sh",
    )  # fmt: skip


def scheduler_resources(
    workers: SlurmResources, site: SiteSettings, *, options: Sequence[str] = ()
) -> SlurmResources:
    """Tell what the scheduler's job asks for: little, and as long as its partition gives, a day at most.

    Parameters
    ----------
    workers : SlurmResources
        What the workers ask for.
    site : SiteSettings
        Its QOS is the scheduler's: workers may have one in which they are preempted, and are replaced then.
    options : sequence of str
        Options of sbatch that win over all this.
    """
    default = next((key for key, each in site.partitions.items() if each.default), "")
    partition = site.partitions.get(workers.partition or default)
    time = site.time
    if partition is not None:
        most = parse_slurm_time(partition.time)
        time = format_slurm_time(min(_SCHEDULER_S, most or _SCHEDULER_S))
    return replace(
        workers, time=time, qos=site.qos, cpus=1, memory=_SCHEDULER_MEMORY, gpus=0, nodes=0,
        slurm=(*workers.slurm, *options),
    )  # fmt: skip
