"""Where sessions run: a Slurm site, or this machine; both take a script, and tell how it stands."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from swath.config import parse_slurm_time
from swath.model import InputError
from swath.sites import end, is_alive, start
from swath.sites.environments import Launch, launch
from swath.sites.slurm import SlurmAwayError, Task, check_resources, open_site
from swath.sites.transport import Here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.config import Settings
    from swath.sites.slurm import SlurmResources, SlurmSite
    from swath.sites.transport import Transport

_AHEAD_S = 15.0
"""How long a place in the queue holds: it costs Slurm two questions."""
_AWAY_S = 10.0
_AHEAD = "squeue --noheader --states=PENDING --partition={partition} --format=%Q|%F"


class Place(Protocol):
    """A site, as far as sessions need it."""

    name: str
    """What the settings call it."""

    @property
    def transport(self) -> Transport:
        """The way there."""

    @property
    def prepare(self) -> str:
        """Shell lines that come first in each job."""

    def folder(self, *names: str) -> str:
        """Give a folder under the one that is for jobs."""

    def launch(self) -> Launch:
        """Tell how Python is started there."""

    def options(self, asked: SlurmResources, defaults: dict[str, object]) -> list[str]:
        """Check what is asked for, and write it as options of a batch script."""

    def submit(self, name: str, script: str, folder: str) -> str:
        """Start a script; give the handle by which it is known."""

    def find(self, name: str) -> str | None:
        """Find the handle of a script that was submitted while nobody heard the answer."""

    def look(self, handles: Sequence[str]) -> dict[str, list[Task]]:
        """Tell how scripts stand; those that nobody knows any more are left out."""

    def ahead(self, handle: str) -> int | None:
        """Count the jobs that come first in the queue; None where that is not to be seen."""

    def stop(self, handles: Sequence[str]) -> None:
        """End scripts."""


class LocalPlace:
    """The machine at hand: a session is a process of its own, which outlives the terminal."""

    name = "local"
    prepare = ""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.transport: Transport = Here()

    def folder(self, *names: str) -> str:
        """See `Place.folder`."""
        return str(Path(self.settings.home.absolute(), *names))

    def launch(self) -> Launch:
        """See `Place.launch`."""
        return launch("own", remote=False)

    def options(self, asked: SlurmResources, defaults: dict[str, object]) -> list[str]:  # noqa: ARG002
        """See `Place.options`; there is nothing to ask for here."""
        if asked.options():
            raise InputError(
                f"{asked.options()[0]}: this machine has no Slurm", fix="name a site: swath lab --on SITE"
            )
        return []

    def submit(self, name: str, script: str, folder: str) -> str:  # noqa: ARG002 -- Slurm wants a name
        """See `Place.submit`."""
        return start(["/bin/bash", script], Path(folder) / "log.txt")

    def find(self, name: str) -> str | None:  # noqa: ARG002
        """See `Place.find`."""
        return None

    def look(self, handles: Sequence[str]) -> dict[str, list[Task]]:
        """See `Place.look`."""
        return {each: [Task("", "RUNNING" if is_alive(each) else "COMPLETED")] for each in handles}

    def ahead(self, handle: str) -> int | None:  # noqa: ARG002
        """See `Place.ahead`."""
        return None

    def stop(self, handles: Sequence[str]) -> None:
        """See `Place.stop`."""
        for each in handles:
            end(each)


class SlurmPlace:
    """A Slurm site."""

    def __init__(self, site: SlurmSite) -> None:
        self.site, self.name = site, site.name
        self._ahead: dict[str, tuple[float, int | None]] = {}
        self._away: tuple[float, SlurmAwayError] | None = None

    @property
    def transport(self) -> Transport:
        """See `Place.transport`."""
        return self.site.transport

    @property
    def prepare(self) -> str:
        """See `Place.prepare`."""
        return self.site.settings.prepare

    def folder(self, *names: str) -> str:
        """See `Place.folder`."""
        return self.site.folder(*names)

    def launch(self) -> Launch:
        """See `Place.launch`."""
        settings = self.site.settings
        binds = (self.site.folder(),)
        return launch(settings.environment, remote=self.site.is_remote, binds=binds, scratch=settings.scratch)

    def options(self, asked: SlurmResources, defaults: dict[str, object]) -> list[str]:
        """See `Place.options`."""
        settings = self.site.settings
        filled = with_defaults(asked, defaults, self.site).filled(settings)
        check_resources(filled, settings, self.name)
        # Not --requeue: what a notebook held in memory is lost with its node, and the user has to know.
        return [*filled.options(), "--output=log.txt", "--open-mode=append", "--no-requeue"]

    def submit(self, name: str, script: str, folder: str) -> str:
        """See `Place.submit`."""
        return self.site.submit(name, script, folder)

    def find(self, name: str) -> str | None:
        """See `Place.find`."""
        return self.site.slurm.find(name)

    def look(self, handles: Sequence[str]) -> dict[str, list[Task]]:
        """See `Place.look`; a Slurm that does not answer lets one wait, and is not asked again at once."""
        if self._away is not None and time.monotonic() - self._away[0] < _AWAY_S:
            raise self._away[1]
        self._away = None
        try:
            return self.site.look(handles)
        except SlurmAwayError as error:
            self._away = time.monotonic(), error
            raise

    def ahead(self, handle: str) -> int | None:
        """See `Place.ahead`."""
        when, known = self._ahead.get(handle, (-_AHEAD_S, None))
        if time.monotonic() - when < _AHEAD_S:
            return known
        slurm = self.site.slurm
        partition = slurm.call("squeue", "--noheader", f"--jobs={handle}", "--format=%P").strip()
        told = slurm.call(*_AHEAD.format(partition=partition).split()) if partition else ""
        known = count_ahead(told, handle)
        self._ahead[handle] = time.monotonic(), known
        return known

    def stop(self, handles: Sequence[str]) -> None:
        """See `Place.stop`."""
        self.site.cancel(handles)


def with_defaults(asked: SlurmResources, defaults: dict[str, object], site: SlurmSite) -> SlurmResources:
    """Fill in what an app would like where the user has said nothing, as far as the partition gives it."""
    settings = site.settings
    open_ = {key: value for key, value in defaults.items() if not getattr(asked, key)}
    chosen = asked.partition or settings.partition
    has = settings.partitions.get(chosen) or next(
        (each for each in settings.partitions.values() if each.default), None
    )
    limit = parse_slurm_time(has.time) if has else None
    wanted = parse_slurm_time(str(open_["time"])) if "time" in open_ else None
    if has and limit is not None and wanted is not None and wanted > limit:
        open_["time"] = has.time
    return replace(asked, **open_)  # type: ignore[arg-type]


def count_ahead(told: str, job: str) -> int | None:
    r"""Count the jobs that come before one, in lines of priority and id; None where it is not among them.

    Examples
    --------
    >>> count_ahead("10|5\n30|6\n10|7\n20|8\n", "7")
    3
    """
    rows = [line.split("|") for line in told.split()]
    jobs = {number: int(priority) for priority, number in rows if priority.isdecimal()}
    if job not in jobs:
        return None
    mine = (-jobs[job], int(job))
    return sum(1 for number, priority in jobs.items() if (-priority, int(number)) < mine)


def open_place(name: str, settings: Settings) -> Place:
    """Open a site by its name.

    Raises
    ------
    NotFoundError
        The settings have no such site.
    """
    return LocalPlace(settings) if name == "local" else SlurmPlace(open_site(name, settings))


def place_names(settings: Settings) -> list[str]:
    """List the sites that there are."""
    return ["local", *settings.sites]
