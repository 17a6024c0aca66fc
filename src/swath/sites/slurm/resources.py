"""What a job asks Slurm for: checked against what the site has before anything is submitted."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from swath.config import format_slurm_time, parse_size, parse_slurm_time
from swath.model import InputError

if TYPE_CHECKING:
    from swath.config import PartitionSettings, SiteSettings

_MB = 1_000_000
_WORD = re.compile(r"[\w.,:+@%/=\[\]-]*")


@dataclass(frozen=True, slots=True)
class SlurmResources:
    """What each task of a job asks for; empty and 0 leave it to the site's settings, or to Slurm."""

    partition: str = ""
    """Partition."""
    account: str = ""
    """Account that is charged."""
    qos: str = ""
    """Quality of service."""
    time: str = ""
    """Longest time, as Slurm writes it."""
    cpus: int = 0
    """CPUs of a task."""
    memory: str = ""
    """Memory of a task, such as 8GB."""
    gpus: int = 0
    """GPUs of a task."""
    nodes: int = 0
    """Nodes of a task."""
    slurm: tuple[str, ...] = ()
    """More options of sbatch."""

    def filled(self, site: SiteSettings, *, need_bytes: int = 0) -> SlurmResources:
        """Fill what is left open with what the site's settings say.

        Parameters
        ----------
        site : SiteSettings
            The site.
        need_bytes : int
            Memory that a task needs, where neither says how much.
        """
        memory = self.memory or site.memory or (f"{-(-need_bytes // _MB)}MB" if need_bytes else "")
        return replace(
            self, partition=self.partition or site.partition, account=self.account or site.account,
            qos=self.qos or site.qos, time=self.time or site.time, cpus=self.cpus or site.cpus,
            memory=memory, slurm=(*site.slurm, *self.slurm),
        )  # fmt: skip

    @property
    def memory_mib(self) -> int:
        """Memory of a task in MiB, which Slurm counts in; 0 where nothing is said."""
        return -(-parse_size(self.memory) // 2**20) if self.memory else 0

    @property
    def time_s(self) -> int | None:
        """Longest time in seconds; None without end."""
        return parse_slurm_time(self.time) if self.time else None

    def options(self) -> list[str]:
        """Write them as options of sbatch."""
        said = {
            "--partition": self.partition, "--account": self.account, "--qos": self.qos, "--time": self.time,
            "--cpus-per-task": str(self.cpus or ""), "--mem": f"{self.memory_mib}M" if self.memory else "",
            "--gpus": str(self.gpus or ""), "--nodes": str(self.nodes or ""),
        }  # fmt: skip
        return [f"{name}={value}" for name, value in said.items() if value] + list(self.slurm)


def check_resources(asked: SlurmResources, site: SiteSettings, name: str) -> None:
    """Refuse what the site cannot give; what is not known of it is left for Slurm to say.

    Raises
    ------
    InputError
        With what is asked for, and what there is.
    """
    for each in fields(asked):
        value = getattr(asked, each.name)
        for word in value if isinstance(value, tuple) else (str(value),):
            if not _WORD.fullmatch(word):
                raise InputError(f"{each.name}: {word!r} has characters that no name or option of Slurm has")
    for word in asked.slurm:
        if not word.startswith("-"):
            raise InputError(f"--slurm: {word!r} is no option", fix="write it like --slurm=--constraint=rome")
    _check_known("account", asked.account, site.accounts, name)
    _check_known("qos", asked.qos, site.qoses, name)
    _check_known("partition", asked.partition, tuple(site.partitions), name)
    default = next((key for key, each in site.partitions.items() if each.default), "")
    chosen = asked.partition or default
    if chosen in site.partitions:
        _check_limits(asked, site.partitions[chosen], chosen, site)


def _check_known(what: str, value: str, known: tuple[str, ...], site: str) -> None:
    if value and known and value not in known:
        raise InputError(f"{what}: there is no {what} {value!r} for you at {site}", known=known)


def _check_limits(asked: SlurmResources, has: PartitionSettings, name: str, site: SiteSettings) -> None:
    limit = parse_slurm_time(has.time)
    others = site.partitions
    if limit is not None and (asked.time_s is None or asked.time_s > limit):
        enough = [
            key
            for key, each in others.items()
            if (most := parse_slurm_time(each.time)) is None
            or (asked.time_s is not None and most >= asked.time_s)
        ]
        raise InputError(
            f"time: {asked.time} is longer than the partition {name} gives, {format_slurm_time(limit)}",
            fix=_advise("a shorter --time", enough),
        )
    most = parse_size(has.memory) if has.memory else 0
    memory = asked.memory_mib * 2**20
    if most and memory > most:
        enough = [key for key, each in others.items() if each.memory and parse_size(each.memory) >= memory]
        raise InputError(
            f"mem: {asked.memory} is more than a node of the partition {name} has, {has.memory}",
            fix=_advise("a smaller tile_size, or fewer --cpus", enough),
        )
    for what, value, limit_ in (
        ("cpus", asked.cpus, has.cpus), ("gpus", asked.gpus, has.gpus), ("nodes", asked.nodes, has.nodes)
    ):  # fmt: skip
        if value and (limit_ or (what == "gpus" and has.nodes)) and value > limit_:
            whose = "there are in" if what == "nodes" else "a node has in"
            enough = [key for key, each in others.items() if getattr(each, what) >= value]
            raise InputError(
                f"{what}: {value} is more than {whose} the partition {name}, {limit_}",
                fix=_advise(f"fewer --{what}", enough),
            )


def _advise(what: str, partitions: list[str]) -> str:
    other = f", or --partition {partitions[0]}" if partitions else ""
    return f"ask for {what}{other}"
