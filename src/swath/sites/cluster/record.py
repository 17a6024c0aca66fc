"""What is written down of a Dask cluster: what was ordered, how large it is to be, and how it stands."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any

from swath.model import InputError
from swath.sites.slurm.resources import SlurmResources

STATES = ("starting", "running", "ended", "failed")
_MOST_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """How large a cluster is to be."""

    minimum: int
    """Workers that are always there."""
    maximum: int
    """Workers that there may be when there is much to do; as many as ``minimum``: a cluster of fixed size."""
    stop: bool = False
    """True when it is to end."""

    def __str__(self) -> str:
        return str(self.minimum) if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"


@dataclass(frozen=True, slots=True)
class Order:
    """What was ordered; does not change during a cluster's life."""

    name: str
    """Name of the cluster."""
    mark: str
    """Tells it from an earlier one of the same name."""
    site: str
    """Name of the site."""
    folder: str
    """Where its files lie, as the site sees it."""
    where: str
    """``job``: its scheduler is a Slurm job; ``here``: a process beside whoever started it."""
    resources: SlurmResources
    """What each worker asks for."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the settings say of the site."""
    interface: str = ""
    """Network interface of the nodes; empty: the one that leads from each to the others."""
    attended: bool = False
    """True for one that ends when its client has gone."""
    created: str = ""
    """When it was started, RFC 3339."""

    @property
    def job_name(self) -> str:
        """Slurm's name of the workers' jobs."""
        return f"swath.{self.name}.{self.mark}"

    @property
    def scheduler_name(self) -> str:
        """Slurm's name of the scheduler's job."""
        return f"{self.job_name}.scheduler"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a cluster stands."""

    state: str = "starting"
    """One of `STATES`."""
    address: str = ""
    """Address of its scheduler, as the site's hosts see it."""
    door: str = ""
    """``host:port`` where connections to the scheduler outlast what carries them, see `lasting`."""
    dashboard: str = ""
    """``host:port`` of its dashboard, which asks for the cluster's certificate."""
    workers: int = 0
    """Workers that are connected."""
    waiting: int = 0
    """Workers that wait in Slurm's queue."""
    wanted: int = 0
    """Workers that there should be now."""
    lost: int = 0
    """Workers that ended before their time, and were replaced."""
    scheduler_job: str = ""
    """Id of the scheduler's Slurm job; empty where it has none."""
    message: str = ""
    """What people should know."""
    updated: float = 0.0
    """When this was written, seconds of the clock there."""


def parse_workers(value: int | str | tuple[int, int] | list[int]) -> Wanted:
    """Read a number of workers, or the least and the most.

    Raises
    ------
    InputError
        It is neither.

    Examples
    --------
    >>> parse_workers(8), parse_workers("2:40")
    (Wanted(minimum=8, maximum=8, stop=False), Wanted(minimum=2, maximum=40, stop=False))
    """
    ends = (
        value.split(":") if isinstance(value, str) else value if isinstance(value, (tuple, list)) else [value]
    )
    try:
        least, most = int(ends[0]), int(ends[-1])
    except (ValueError, TypeError, IndexError):
        least = most = -1
    if (
        len(ends) not in (1, 2)
        or isinstance(value, bool)
        or not 0 <= least <= most <= _MOST_WORKERS
        or not most
    ):
        raise InputError(
            f"workers: {value!r} is no number of workers",
            fix="write a number such as 8, or the least and the most: (2, 40), 2:40 on the command line",
        )
    return Wanted(least, most)


def check_cluster_name(name: str) -> str:
    """Check the name of a cluster: it becomes part of folders and of the names of Slurm jobs.

    Raises
    ------
    InputError
        It has other characters than letters, digits, `-` and `_`.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name):
        raise InputError(
            f"cluster: {name!r} cannot be a cluster's name",
            fix="use letters, digits, - and _, beginning with a letter",
        )
    return name


def format_record(record: Order | Wanted | Standing) -> bytes:
    """Write a record as JSON."""
    return (json.dumps(asdict(record), indent=2) + "\n").encode()


def parse_order(text: bytes) -> Order:
    """Read what was ordered."""
    tree = json.loads(text)
    resources = SlurmResources(**{**tree["resources"], "slurm": tuple(tree["resources"]["slurm"])})
    return Order(**{**tree, "resources": resources})


def parse_wanted(text: bytes) -> Wanted:
    """Read how large it is to be."""
    return Wanted(**json.loads(text))


def parse_standing(text: bytes) -> Standing:
    """Read how it stands."""
    return Standing(**json.loads(text))
