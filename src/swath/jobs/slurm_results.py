"""Brings the results and logs of a job home from its site."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swath.jobs.folder import JobFolder
    from swath.sites.slurm import SlurmSite

_SIZES = 'cd "$1" && for f in log*.txt; do [ -f "$f" ] && echo $(wc -c <"$f") "$f"; done; :'
_TAILS = 'cd "$1" && shift && while [ $# -gt 0 ]; do tail -c +"$2" "$1"; printf "\\0"; shift 2; done'


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


def read_logs(site: SlurmSite, there: str, at: dict[str, int]) -> list[tuple[str, str]]:
    """Read what the logs of a job's tasks have got since the last time.

    Parameters
    ----------
    site : SlurmSite
        Where it runs.
    there : str
        The job folder, as the site sees it.
    at : dict of str to int
        How many bytes of each log were read, which is brought up to date.

    Returns
    -------
    list of (str, str)
        Name of the task and text of each log that has grown.
    """
    run = site.transport.run
    sizes = run(("sh", "-c", _SIZES, "sh", there)).output
    grown = []
    for line in sizes.splitlines():
        size, _, name = line.partition(" ")
        if int(size) > at.get(name, 0):
            grown += [name, str(at.get(name, 0) + 1)]
    if not grown:
        return []
    texts = run(("sh", "-c", _TAILS, "sh", there, *grown)).output.split("\0")
    read = []
    for name, text in zip(grown[::2], texts, strict=False):
        at[name] = at.get(name, 0) + len(text.encode())
        read.append((name.removeprefix("log").strip("-").removesuffix(".txt"), text))
    return read
