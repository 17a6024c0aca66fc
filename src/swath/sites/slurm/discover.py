"""Finds out what a Slurm cluster has: partitions, accounts, limits, file systems, tools."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.config import format_slurm_time, parse_slurm_time
from swath.model import InputError, SiteError
from swath.sites.slurm.commands import Slurm, SlurmRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.sites.transport import Transport

TOOLS = (
    "python3", "python3.12", "python3.13", "python3.14", "uv", "conda", "mamba", "micromamba", "module",
    "apptainer", "singularity", "ch-run", "mksquashfs",
)  # fmt: skip
_SHARED_TYPES = (
    "nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "afs", "panfs", "smb2", "fuseblk", "fhgfs", "wekafs",
)  # fmt: skip
_ABOUT = r"""
VERSION='import sys; print("%d.%d.%d" % sys.version_info[:3])'
echo "user $(id -un)"
echo "host $(hostname)"
for name in SCRATCH WORK PROJECT PSCRATCH TMPDIR HOME; do
  eval "path=\${$name:-}"
  [ -n "$path" ] && [ -d "$path" ] && [ -w "$path" ] &&
    printf 'folder %s %s %s\n' "$name" "$(stat -f -c %T "$path" 2>/dev/null || echo unknown)" "$path"
done
for tool in "$@"; do
  if command -v "$tool" >/dev/null 2>&1; then
    told=
    case $tool in python*) told=$("$tool" -c "$VERSION" 2>/dev/null) ;; esac
    printf 'tool %s %s\n' "$tool" "$told"
  fi
done
"""


@dataclass
class Found:
    """What was found at a site."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Keys and values of `swath.config.SiteSettings`."""
    tools: dict[str, str] = field(default_factory=dict)
    """Programs that are there, and the versions of Pythons."""
    folders: list[tuple[str, str, str]] = field(default_factory=list)
    """Folders of the user: variable, type of the file system, path."""
    user: str = ""
    """Name of the user there."""
    host: str = ""
    """Name of the login node."""
    notes: list[str] = field(default_factory=list)
    """What could not be found out, and why."""


def discover(transport: Transport, *, cluster: str = "") -> Found:
    """Ask a login node for what there is.

    Parameters
    ----------
    transport : Transport
        The way there.
    cluster : str
        Name of the cluster, where the login node serves several.

    Returns
    -------
    Found

    Raises
    ------
    SiteError
        There is no Slurm, or it does not answer.
    """
    found = Found()
    slurm, version = _find_slurm(transport, cluster)
    found.settings |= {"login_shell": slurm.login, "version": version}
    told = slurm.call("sinfo", "--noheader", "-o", "%P|%l|%D|%c|%m|%G|%a")
    found.settings["partitions"] = parse_partitions(told)
    done = transport.run(("sh", "-c", _ABOUT, "sh", *TOOLS), login=slurm.login)
    _read_about(done.output, found)
    _ask_accounting(slurm, found)
    _ask_configuration(slurm, found)
    shared = [each for each in found.folders if each[1] in _SHARED_TYPES and each[0] != "TMPDIR"]
    other = [each for each in found.folders if each[0] not in ("TMPDIR",)]
    for _, kind, path in (*shared, *other):
        found.settings["folder"] = f"{path.rstrip('/')}/swath"
        if kind not in _SHARED_TYPES:
            found.notes.append(
                f"folder: {path} is on a file system of type {kind}; `swath sites check` tells whether "
                "compute nodes see it"
            )
        break
    return found


def _find_slurm(transport: Transport, cluster: str) -> tuple[Slurm, str]:
    """Find Slurm's commands, in a login shell where they are not there without."""
    for login in (False, True):
        slurm = Slurm(transport, login=login, cluster=cluster)
        try:
            told = slurm.call("sbatch", "--version")
        except SlurmRefusedError:
            continue
        match = re.search(r"(\d+\.\d+(?:\.\d+)?)", told)
        return slurm, match[1] if match else ""
    raise SiteError(
        f"site: there is no Slurm on {transport.name} (sbatch is not found)",
        fix="name a login node of a Slurm cluster with --ssh user@host",
    )


def _read_about(text: str, found: Found) -> None:
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "user":
            found.user = rest
        elif kind == "host":
            found.host = rest
        elif kind == "folder":
            name, type_, path = rest.split(" ", 2)
            found.folders.append((name, type_, path))
        elif kind == "tool":
            name, _, version = rest.partition(" ")
            found.tools[name] = version


def _ask_accounting(slurm: Slurm, found: Found) -> None:
    """Ask for accounts and QOS; sites may run without accounting, or hide it."""
    try:
        told = slurm.call(
            "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={found.user}",
            "format=account,qos",
        )  # fmt: skip
        default = slurm.call(
            "sacctmgr", "--noheader", "--parsable2", "show", "user", found.user, "format=defaultaccount"
        ).strip()
    except SiteError as error:
        found.notes.append(f"accounts: not found out ({error.what})")
        return
    accounts, qoses = parse_associations(told)
    found.settings |= {"accounts": accounts, "qoses": qoses}
    if len(accounts) > 1 and default not in accounts:
        found.notes.append(
            f"account: you have {', '.join(accounts)} and none is the default: choose --account"
        )


def _ask_configuration(slurm: Slurm, found: Found) -> None:
    try:
        told = slurm.call("scontrol", "show", "config")
    except SiteError as error:
        found.notes.append(f"scratch: not found out ({error.what})")
        return
    match = re.search(r"^TmpFS\s*=\s*(\S+)", told, re.MULTILINE)
    found.settings["scratch"] = match[1] if match else "/tmp"  # noqa: S108 -- a name, not a file of ours


def parse_partitions(text: str) -> dict[str, dict[str, Any]]:
    """Read what ``sinfo -o %P|%l|%D|%c|%m|%G|%a`` prints; groups of unlike nodes come line by line.

    Examples
    --------
    >>> parse_partitions("normal*|1-00:00:00|2|48+|192000+|gpu:a100:4(S:0-1)|up")["normal"]["gpus"]
    4
    """
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        name, limit, nodes, cpus, memory, gres, state = line.strip().split("|")
        if not state.startswith("up"):
            continue
        key = name.rstrip("*")
        entry = found.setdefault(
            key, {"time": "UNLIMITED", "nodes": 0, "cpus": 0, "memory_mib": 0, "gpus": 0, "default": False}
        )
        seconds = _seconds(limit)
        entry["time"] = "UNLIMITED" if seconds is None else format_slurm_time(seconds)
        entry["nodes"] += _number(nodes)
        entry["cpus"] = max(entry["cpus"], _number(cpus))
        entry["memory_mib"] = max(entry["memory_mib"], _number(memory))
        entry["gpus"] = max(entry["gpus"], count_gpus(gres))
        entry["default"] = entry["default"] or name.endswith("*")
    for entry in found.values():
        entry["memory"] = f"{entry.pop('memory_mib')}MiB"
    return found


def count_gpus(gres: str) -> int:
    """Count the GPUs that a node's generic resources name.

    Examples
    --------
    >>> count_gpus("gpu:a100:4(S:0-1),nvme:1"), count_gpus("(null)"), count_gpus("gpu:2,gpu:v100:1")
    (4, 0, 3)
    """
    count = 0
    for each in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = each.split(":")
        if kind == "gpu":
            count += int(rest[-1]) if rest and rest[-1].isdecimal() else 1
    return count


def parse_associations(text: str) -> tuple[list[str], list[str]]:
    r"""Read accounts and QOS, each once, from what sacctmgr prints.

    Examples
    --------
    >>> parse_associations("eo|high,normal\nother|normal\n")
    (['eo', 'other'], ['high', 'normal'])
    """
    lines = [line.split("|") for line in text.splitlines() if "|" in line]
    accounts = _unique(line[0] for line in lines)
    return accounts, _unique(each for line in lines for each in line[1].split(","))


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in names if each.strip()))


def _number(text: str) -> int:
    match = re.match(r"(\d+)([KMG]?)", text)
    if match is None:
        return 0
    return int(match[1]) * {"": 1, "K": 1000, "M": 10**6, "G": 10**9}[match[2]]


def _seconds(text: str) -> int | None:
    """Read a limit; what Slurm says that is none, such as ``n/a``, is none."""
    try:
        return parse_slurm_time(text)
    except InputError:
        return None
