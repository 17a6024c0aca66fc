"""Tells beforehand where a scheduler that runs on a compute node could not submit its workers."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from swath.model import InputError, SiteError
from swath.sites.slurm.commands import SlurmRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.sites.slurm.commands import Slurm

_CONTAINERS = ("charliecloud", "apptainer")


def refuse_container(environment: str) -> None:
    """Refuse an environment in which a scheduler cannot submit workers.

    Raises
    ------
    InputError
        It is a container, where Slurm's commands are not to be had.
    """
    kind = environment.partition(":")[0]
    if kind in _CONTAINERS:
        raise InputError(
            f"workers: a scheduler in a {kind} image has no Slurm commands to submit its workers with",
            fix='start it on the login node with where="here", or use an environment of another kind',
        )


def refuse_closed_nodes(slurm: Slurm, partition: str) -> None:
    """Refuse a partition whose own nodes may not submit jobs to it.

    Parameters
    ----------
    slurm : Slurm
        Slurm's commands at the site.
    partition : str
        Name of the partition; the default one unless given.

    Raises
    ------
    InputError
        Slurm says that its jobs come from other machines only.
    """
    with contextlib.suppress(SlurmRefusedError):  # a site may hide it; then the node is told
        for each in parse_partitions(slurm.call("scontrol", "--oneliner", "show", "partition")):
            if (each["PartitionName"] == partition) if partition else (each.get("Default") == "YES"):
                _refuse_closed(slurm, each)


def _refuse_closed(slurm: Slurm, partition: dict[str, str]) -> None:
    open_to = partition.get("AllocNodes", "ALL")
    if open_to in ("ALL", ""):
        return
    names = [set(slurm.call("scontrol", "show", "hostnames", each).split())
             for each in (partition.get("Nodes", ""), open_to)]  # fmt: skip
    if names[0] <= names[1]:
        return
    raise InputError(
        f"workers: the nodes of the partition {partition['PartitionName']} may not submit jobs to it, only "
        f"{open_to} may, and workers are submitted by a job",
        fix=_INSTEAD,
    )


_INSTEAD = (
    "leave workers out (tasks of an array do the units then), or start a cluster on the login node: "
    'swath cluster start, or swath.cluster(..., where="here")'
)


@contextlib.contextmanager
def explained_refusals() -> Iterator[None]:
    """Say what to do where Slurm refuses the workers that this node submits."""
    try:
        yield
    except SlurmRefusedError as error:
        told = error.what.removeprefix("site: ")
        raise SiteError(
            f"workers: {socket.gethostname()} cannot submit them: {told}", fix=_INSTEAD
        ) from error


def parse_partitions(text: str) -> list[dict[str, str]]:
    r"""Read what ``scontrol --oneliner show partition`` prints.

    Examples
    --------
    >>> parse_partitions("PartitionName=a AllocNodes=login1 Nodes=n[1-3] State=UP\n")[0]["AllocNodes"]
    'login1'
    """
    lines = (line.split() for line in text.splitlines())
    found = [dict(word.split("=", 1) for word in words if "=" in word) for words in lines]
    return [each for each in found if "PartitionName" in each]
