"""Slurm clusters as sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swath.sites.slurm.commands import Slurm, SlurmAwayError, SlurmRefusedError
from swath.sites.slurm.resources import SlurmResources, check_resources
from swath.sites.slurm.script import batch_script
from swath.sites.slurm.site import FolderSeen, SlurmSite
from swath.sites.slurm.states import Task, count_tasks

if TYPE_CHECKING:
    from swath.config import Settings

__all__ = [
    "FolderSeen",
    "Slurm",
    "SlurmAwayError",
    "SlurmRefusedError",
    "SlurmResources",
    "SlurmSite",
    "Task",
    "batch_script",
    "check_resources",
    "close_sites",
    "count_tasks",
    "open_site",
]

_OPEN: dict[tuple[str, str], SlurmSite] = {}


def open_site(name: str, settings: Settings) -> SlurmSite:
    """Open a site of the settings; one and the same, with one connection, for all who ask in this process.

    Raises
    ------
    NotFoundError
        The settings have no such site.
    """
    site = settings.site(name)
    key = (name, site.model_dump_json())
    if key not in _OPEN:
        _OPEN[key] = SlurmSite(name, site)
    return _OPEN[key]


def close_sites() -> None:
    """End all connections."""
    while _OPEN:
        _OPEN.popitem()[1].close()
