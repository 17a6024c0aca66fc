"""Brings the results of a job home from its site."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swath.jobs.folder import JobFolder
    from swath.sites.slurm import SlurmSite


def bring_home(folder: JobFolder, site: SlurmSite, there: str, *, limit: int | None = None) -> str:
    """Copy the results of a job from its site, where they are not too many; tell where they are.

    Parameters
    ----------
    folder : JobFolder
        The job folder here.
    site : SlurmSite
        Where it ran.
    there : str
        The job folder, as the site sees it.
    limit : int, bytes, optional
        More than that stays there; 0: all is copied. As the site's settings say unless given.
    """
    told = site.transport.run(("du", "-sk", f"{there}/results")).output
    size = int(told.split()[0]) * 1024 if told.split() else 0
    most = site.settings.fetch_bytes if limit is None else limit
    if most and size > most:
        from swath.cube import format_bytes

        return (
            f"its results ({format_bytes(size)}) stay at {site.name}:{there}/results; "
            f"`swath jobs fetch {folder.job['id']}` copies them here"
        )
    beside = folder.path / f".results.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        site.transport.get(f"{there}/results", beside)
        site.transport.get(f"{there}/provenance", folder.path / "provenance")
        shutil.rmtree(folder.results, ignore_errors=True)
        beside.rename(folder.results)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return f"results copied from {site.name}"
