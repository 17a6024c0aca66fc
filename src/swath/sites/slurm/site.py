"""A Slurm cluster as a site: one look at its queue for all jobs, not more often than it makes sense."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from swath.model import InputError, SiteError
from swath.sites.slurm.commands import Slurm, SlurmAwayError, SlurmRefusedError
from swath.sites.transport import open_transport

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swath.config import SiteSettings
    from swath.sites.slurm.states import Task
    from swath.sites.transport import Transport

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_LOOK = r"""
for folder; do
  printf 'folder %s\n' "$folder"
  [ -d "$folder" ] || { echo gone; continue; }
  if [ -f "$folder/status.json" ]; then printf 'status '; tr -d '\n' <"$folder/status.json"; echo; fi
  for note in "$folder"/tasks/*.json; do
    [ -f "$note" ] && { printf 'note '; tr -d '\n' <"$note"; echo; }
  done
  ls -1 "$folder/results" 2>/dev/null | sed 's/^/unit /'
done
"""


@dataclass
class FolderSeen:
    """What a job folder at a site tells."""

    exists: bool = True
    """False where it is gone."""
    status: dict[str, Any] | None = None
    """Its ``status.json``."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    """What tasks have noted down, such as why they failed."""
    names: set[str] = field(default_factory=set)
    """Names in its results, those of the published units among them."""


class SlurmSite:
    """A Slurm cluster; its connection is made when it is first needed, and kept.

    Parameters
    ----------
    name : str
        Its name in the settings.
    settings : SiteSettings
        How it is reached, and what jobs ask for.
    """

    def __init__(self, name: str, settings: SiteSettings) -> None:
        self.name, self.settings = name, settings
        self._transport: Transport | None = None
        self._queue: dict[str, list[Task]] = {}
        self._ended: dict[str, list[Task]] = {}
        self._kept: dict[str, FolderSeen] = {}
        self._asked, self._pause = -_LONGEST_PAUSE_S, _FIRST_PAUSE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.__exit__(None, None, None)
            self._transport = None

    @property
    def is_remote(self) -> bool:
        """True where it is reached over SSH, and its files are not to be seen from here."""
        return bool(self.settings.ssh)

    @property
    def transport(self) -> Transport:
        """The way there."""
        if self._transport is None:
            self._transport = open_transport(self.settings.ssh)
        return self._transport

    @property
    def slurm(self) -> Slurm:
        """Slurm's commands there."""
        return Slurm(self.transport, login=self.settings.login_shell, cluster=self.settings.cluster)

    def folder(self, *names: str) -> str:
        """Give a folder under the one that the settings name for this site.

        Raises
        ------
        InputError
            They name none.
        """
        base = self.settings.folder.rstrip("/")
        if not base:
            raise InputError(
                f"sites: {self.name} has no folder for jobs",
                fix=f'set folder = "..." in [sites.{self.name}], on a file system that all nodes share',
            )
        return "/".join((base, *names))

    # -- looking ------------------------------------------------------------------------------------

    def look(self, jobs: Collection[str], *, fresh: bool = False) -> dict[str, list[Task]]:
        """Tell where Slurm jobs stand; one ``squeue`` serves all questions until the next pause is over.

        Parameters
        ----------
        jobs : collection of str
            Ids of Slurm jobs.
        fresh : bool
            True to ask Slurm in any case.

        Returns
        -------
        dict of job id to list of Task
            Jobs that neither queue nor accounting know are left out.

        Raises
        ------
        SlurmAwayError
            Slurm does not answer.
        """
        if fresh or time.monotonic() - self._asked >= self._pause:
            found = self.slurm.queue()
            self._pause = _FIRST_PAUSE_S if found != self._queue else min(self._pause * 1.5, _LONGEST_PAUSE_S)
            self._queue, self._asked = found, time.monotonic()
        unknown = [
            each
            for each in jobs
            if each not in self._ended and all(task.has_ended for task in self._queue.get(each, ()))
        ]
        if unknown:
            try:
                told = self.slurm.account(unknown)
            except SlurmAwayError:
                if any(each not in self._queue for each in unknown):
                    raise
                told = {}  # the queue still knows how they ended, but for the exit code
            self._ended |= {
                job: tasks
                for job, tasks in told.items()
                if all(each.has_ended and each.is_told for each in tasks)
            }
        return {
            each: self._ended.get(each) or self._queue[each]
            for each in jobs
            if each in self._ended or each in self._queue
        }

    def forget(self) -> None:
        """Look anew the next time: something was submitted, or cancelled."""
        self._asked, self._pause = -_LONGEST_PAUSE_S, _FIRST_PAUSE_S

    def look_into(self, folders: Sequence[str]) -> dict[str, FolderSeen]:
        """Tell what job folders hold, with one command for all of them."""
        if len(folders) == 1 and (kept := self._kept.pop(folders[0], None)):
            return {folders[0]: kept}
        told = self.transport.run(("sh", "-c", _LOOK, "sh", *folders)).output
        found: dict[str, FolderSeen] = {}
        names = iter(folders)
        seen = FolderSeen()
        for line in told.splitlines():
            kind, _, text = line.partition(" ")
            if kind == "folder":
                seen = found[next(names)] = FolderSeen()
            elif kind == "gone":
                seen.exists = False
            elif kind == "unit":
                seen.names.add(text)
            elif kind == "status":
                seen.status = _parsed(text)
            elif kind == "note" and (note := _parsed(text)):
                seen.notes.append(note)
        return found

    def prefetch(self, folders: Sequence[str]) -> None:
        """Look into folders now, for the next question after each of them."""
        self._kept = {}
        self._kept = self.look_into(folders) if len(folders) > 1 else {}

    def missing(self, paths: Sequence[str]) -> list[str]:
        """Name the files that are not there."""
        if not paths:
            return []
        script = 'while IFS= read -r path; do [ -e "$path" ] || printf "%s\\n" "$path"; done'
        given = "".join(f"{each}\n" for each in paths)
        return self.transport.run(("sh", "-c", script), input=given).output.splitlines()

    # -- doing --------------------------------------------------------------------------------------

    def submit(self, name: str, script: str, folder: str, *options: str) -> str:
        """Submit a script; give the id of the Slurm job.

        A connection that breaks leaves open whether Slurm has it: then it is looked for by its name.

        Raises
        ------
        SiteError
            Slurm refuses it, or does not answer.
        """
        try:
            job = self.slurm.submit(script, folder, f"--job-name={name}", *options)
        except (SlurmRefusedError, SlurmAwayError):
            raise
        except SiteError:
            found = self.slurm.find(name)
            if found is None:
                raise
            job = found
        self.forget()
        return job

    def cancel(self, jobs: Sequence[str]) -> None:
        """End Slurm jobs, and wait until they have ended, for 10 s at most."""
        self.slurm.cancel(jobs)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            seen = self.look(jobs, fresh=True)
            if all(each.has_ended for tasks in seen.values() for each in tasks):
                return
            time.sleep(0.1)

    def show_command(self, *command: str) -> str:
        """Write a command line as a person would type it from here."""
        line = shlex.join(command)
        return f"ssh {self.settings.ssh} {shlex.quote(line)}" if self.is_remote else line


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError:  # being written just now, on a file system without atomic renames
        return None
    return tree if isinstance(tree, dict) else None
