"""What the settings say of a site: ``[sites.NAME]``, which ``swath sites add`` writes."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from swath.config.sizes import parse_size, parse_slurm_time
from swath.model import InputError

_KINDS = ("own", "venv", "conda", "module", "charliecloud", "apptainer")


class PartitionSettings(BaseModel):
    """What one of a Slurm site's partitions has; found by ``swath sites add``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: str = Field(default="UNLIMITED", description="Longest time of a job, as Slurm writes it.")
    nodes: int = Field(default=0, ge=0, description="Number of nodes.")
    cpus: int = Field(default=0, ge=0, description="CPUs of its largest node.")
    memory: str = Field(default="", description="Memory of its largest node.")
    gpus: int = Field(default=0, ge=0, description="GPUs of its largest node.")
    default: bool = Field(default=False, description="True when Slurm takes it for jobs that name none.")

    @field_validator("time")
    @classmethod
    def _check_time(cls, text: str) -> str:
        parse_slurm_time(text)
        return text


class SiteSettings(BaseModel):
    """A Slurm cluster: how it is reached, where jobs lie, and what they ask for unless told otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ssh: str = Field(
        default="",
        description="Login node as `user@host`, `host:port` or a name of ~/.ssh/config; empty: this machine.",
    )
    folder: str = Field(
        default="",
        description="Folder that login and compute nodes share; jobs and environments lie in it.",
    )
    scratch: str = Field(default="", description="Folder of a node's own disk, such as /tmp or $TMPDIR.")
    interface: str = Field(
        default="",
        description="Network interface of the nodes for Dask, such as `ib0`; empty: the one that leads from "
        "each to the others.",
    )
    environment: str = Field(
        default="own",
        description="What jobs run in: `own` (the Python of whoever submits), `venv:FOLDER`, `conda:PREFIX`, "
        "`module:NAME`, `charliecloud:IMAGE` or `apptainer:IMAGE.sif`.",
    )
    prepare: str = Field(
        default="", description="Shell lines that come first in each job, such as `module load gcc`."
    )
    login_shell: bool = Field(
        default=False, description="True where Slurm's commands are found by a login shell only."
    )
    cluster: str = Field(
        default="", description="Name of the cluster, where one login node serves several (sbatch -M)."
    )
    partition: str = Field(default="", description="Partition of jobs that name none; empty: Slurm's own.")
    account: str = Field(default="", description="Account of jobs that name none; empty: Slurm's own.")
    qos: str = Field(default="", description="QOS of jobs that name none; empty: Slurm's own.")
    time: str = Field(default="01:00:00", description="Longest time of a task that says none.")
    cpus: int = Field(default=4, ge=1, description="CPUs of a task that says none.")
    memory: str = Field(
        default="", description="Memory of a task that says none; empty: what its units need."
    )
    at_once: int = Field(default=0, ge=0, description="Tasks of a job that may run at once; 0: all.")
    retries: int = Field(
        default=2, ge=0, description="How often a job is submitted again after losing nodes or time."
    )
    fetch: str = Field(
        default="1GB",
        description="Results up to this size are copied here when a job over SSH has succeeded; 0: all.",
    )
    slurm: tuple[str, ...] = Field(
        default=(), description="More options of sbatch, such as `--constraint=rome`."
    )
    version: str = Field(default="", description="Version of Slurm; found by `swath sites add`.")
    accounts: tuple[str, ...] = Field(default=(), description="Accounts that the user has; found.")
    qoses: tuple[str, ...] = Field(default=(), description="QOS that the user has; found.")
    partitions: dict[str, PartitionSettings] = Field(default_factory=dict, description="Partitions; found.")

    @field_validator("time")
    @classmethod
    def _check_time(cls, text: str) -> str:
        parse_slurm_time(text)
        return text

    @field_validator("memory", "fetch")
    @classmethod
    def _check_size(cls, text: str) -> str:
        if text:
            parse_size(text)
        return text

    @property
    def fetch_bytes(self) -> int:
        """Results up to so many bytes are copied; 0: all."""
        return parse_size(self.fetch)

    @field_validator("environment")
    @classmethod
    def _check_environment(cls, text: str) -> str:
        kind, colon, place = text.partition(":")
        if kind not in _KINDS or (kind == "own") == bool(colon) or (colon and not place):
            raise InputError(
                f"settings: {text!r} is no environment",
                fix="write own, or KIND:PLACE with venv, conda, module, charliecloud or apptainer",
            )
        return text


def check_site_name(name: str) -> str:
    """Check the name of a site: it becomes a key of the settings and part of folders.

    Raises
    ------
    InputError
        It has other characters than letters, digits, `-` and `_`, or is `local`.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name) or name == "local":
        raise InputError(
            f"sites: {name!r} cannot be a site's name",
            fix="use letters, digits, - and _, beginning with a letter; local is this machine",
        )
    return name


def first_unknown(tree: dict[str, Any], model: type[BaseModel]) -> str | None:
    """Give the first key of a tree that a model does not have."""
    return next((key for key in tree if key not in model.model_fields), None)
