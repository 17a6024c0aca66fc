"""A session: how it stands, its log, its end. All that is known of it lies at the site, in its folder."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.jobs.sessions.place import open_place, place_names
from swath.model import InputError, NotFoundError, SiteError, SwathError
from swath.sites.session import Key, SessionOrder, SessionReport, SessionState, parse_report
from swath.sites.slurm import SlurmAwayError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from swath.config import Settings
    from swath.jobs.sessions.place import Place
    from swath.sites.slurm import Task

_LOOK = r"""
for folder; do
  [ -f "$folder/order.json" ] || continue
  printf 'folder %s\n' "$folder"
  for name in order submitted session; do
    [ -f "$folder/$name.json" ] && { printf '%s ' "$name"; tr -d '\n' <"$folder/$name.json"; echo; }
  done
done
:
"""
_TAIL = 'tail -c +"$2" "$1/log.txt" 2>/dev/null; :'
_GONE_S = 60.0
"""How long a script may be unknown to Slurm before it counts as gone."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """How a session stands."""

    id: str
    """Its name."""
    app: str
    """What runs in it."""
    site: str
    """Where."""
    state: SessionState
    """How far it is."""
    message: str = ""
    """What there is to say: the place in the queue, how it ended."""
    node: str = ""
    """The node it runs on."""
    created: str = ""
    """When it was asked for, RFC 3339."""
    ends: str = ""
    """When its time is over, RFC 3339; empty where nothing ends it."""
    job: str = ""
    """By what Slurm, or this machine, knows it."""
    folder: str = ""
    """Its folder at the site."""

    def words(self) -> str:
        """Tell it in one line."""
        where = f" on {self.node}" if self.node and self.state is SessionState.READY else ""
        return f"{self.state}{where}" + (f": {self.message}" if self.message else "")

    def left_s(self, now: dt.datetime) -> float | None:
        """Tell how many seconds are left; None where nothing ends it."""
        return (dt.datetime.fromisoformat(self.ends) - now).total_seconds() if self.ends else None


class Session:
    """A session at a site.

    Parameters
    ----------
    order : SessionOrder
        What was asked for.
    folder : str
        Its folder there.
    place : Place
        The site.
    handle : str
        By what the site knows its script; empty where nobody heard.
    report : SessionReport, optional
        What its node has told so far.
    """

    def __init__(
        self, order: SessionOrder, folder: str, place: Place, handle: str = "",
        report: SessionReport | None = None,
    ) -> None:  # fmt: skip
        self.order, self.folder, self.place, self.handle, self.report = order, folder, place, handle, report

    @property
    def id(self) -> str:
        """Its name."""
        return self.order.id

    def remember(self) -> None:
        """Write down at the site by what it is known there."""
        text = json.dumps({"job": self.handle})
        self.place.transport.write(f"{self.folder}/submitted.json", text.encode(), mode=0o600)

    # -- looking ------------------------------------------------------------------------------------

    def status(self) -> SessionStatus:
        """Tell how it stands.

        Raises
        ------
        SiteError, NotAllowedError
            The site does not answer. Slurm may be away: then what the node has told counts.
        NotFoundError
            Its folder is gone.
        """
        fresh = dict(look_at(self.place, [self.folder]))
        if self.folder not in fresh:
            raise NotFoundError(f"session {self.id}: its folder {self.folder!r} at {self.place.name} is gone")
        self.report = fresh[self.folder].report or self.report
        return self.judge()

    def judge(self) -> SessionStatus:
        """Tell how it stands by what the node has told, and by what Slurm says of its script."""
        report = self.report
        if report is not None and report.state.is_final:
            return self.told(report.state, self._end_words(report))
        try:
            if not self.handle:
                self.handle = self.place.find(self.id) or ""
                if not self.handle:
                    return self.told(SessionState.FAILED, "its submission was broken off")
                self.remember()
            tasks = self.place.look([self.handle]).get(self.handle, [])
        except SlurmAwayError as error:
            state = report.state if report else SessionState.QUEUED
            return self.told(state, f"Slurm does not answer now ({error.what})" if not report else "")
        task = tasks[-1] if tasks else None
        if task is None:
            return self._unknown(report)
        if task.has_ended:
            return self._ended(task)
        if task.waits and report is None:  # what the node tells is newer than the last look at the queue
            return self.told(SessionState.QUEUED, self._queue_words(task))
        if report is None:
            return self.told(SessionState.STARTING, f"on {task.nodes}" if task.nodes else "")
        if report.state is SessionState.STARTING:
            return self.told(SessionState.STARTING, f"{self.order.title} starts on {report.node}")
        return self.told(report.state, report.message)

    def _unknown(self, report: SessionReport | None) -> SessionStatus:
        if report is not None or _age_s(self.order.created) > _GONE_S:
            return self.told(SessionState.ENDED, "it ended, and Slurm does not know any more how")
        return self.told(SessionState.QUEUED, "Slurm does not list it yet")

    def _ended(self, task: Task) -> SessionStatus:
        if self.report is None and task.state in ("COMPLETED", "FAILED"):
            last = next((each.strip() for each in reversed(self.read_log().splitlines()) if each.strip()), "")
            return self.told(SessionState.FAILED, f"it ended before it began ({last[:200] or task.words()})")
        if task.state in ("COMPLETED", "TIMEOUT", "CANCELLED", "DEADLINE", "PREEMPTED"):
            told = "it ended" if task.state == "COMPLETED" else f"it {task.words()}"
            return self.told(SessionState.ENDED, told)
        where = f" {task.nodes}" if task.nodes and task.state == "NODE_FAIL" else ""
        told = f"it {task.words()}{where}; what was not saved is lost: start another with `swath lab`"
        return self.told(SessionState.FAILED, told)

    def _end_words(self, report: SessionReport) -> str:
        """Prefer Slurm's reason for an end that came from outside."""
        if report.state is SessionState.ENDED and self.handle and report.job:
            with contextlib.suppress(SiteError):
                tasks = self.place.look([self.handle]).get(self.handle, [])
                if tasks and tasks[-1].has_ended and tasks[-1].state != "COMPLETED":
                    return f"it {tasks[-1].words()}"
        return report.message

    def _queue_words(self, task: Task) -> str:
        parts = [task.words().removeprefix("queued: ")]
        with contextlib.suppress(SiteError):
            ahead = self.place.ahead(self.handle)
            if ahead is not None:
                parts.append(f"{ahead} job{'s' * (ahead != 1)} before it" if ahead else "first in the queue")
        if task.start:
            parts.append(f"expected to start {task.start.replace('T', ' ')} (cluster time)")
        return "; ".join(parts)

    def told(self, state: SessionState, message: str) -> SessionStatus:
        """Give a status of it, with a state and a message."""
        report = self.report
        return SessionStatus(
            self.id, self.order.app, self.place.name, state, message, report.node if report else "",
            self.order.created, report.ends if report else "", self.handle, self.folder,
        )  # fmt: skip

    # -- the way to it ------------------------------------------------------------------------------

    def key(self) -> Key:
        """Fetch what opens its gate.

        Raises
        ------
        SiteError
            There is none: it is not ready, or has ended.
        """
        try:
            secret = self.place.transport.read(f"{self.folder}/secret")
        except FileNotFoundError:
            secret = b""
        if self.report is None or not self.report.certificate or len(secret) != 32:
            raise SiteError(f"session {self.id}: it is not ready")
        return Key(self.report.certificate, secret)

    def target(self) -> str:
        """Give node and port of its gate."""
        if self.report is None or not self.report.port:
            raise SiteError(f"session {self.id}: it is not ready")
        node = "127.0.0.1" if self.place.name == "local" else self.report.node
        return f"{node}:{self.report.port}"

    # -- the rest -----------------------------------------------------------------------------------

    def stop(self) -> SessionStatus:
        """End it; where it waits, it leaves the queue.

        Raises
        ------
        InputError
            It has ended already.
        """
        status = self.status()
        if status.state.is_final:
            raise InputError(f"session {self.id}: it has {status.state} already ({status.message})")
        if self.handle:
            self.place.stop([self.handle])
        self.place.transport.run(("rm", "-f", f"{self.folder}/secret"))
        return self.status()

    def remove(self) -> None:
        """Delete its folder.

        Raises
        ------
        InputError
            It has not ended.
        """
        if not self.status().state.is_final:
            raise InputError(f"session {self.id}: it has not ended", fix=f"swath sessions stop {self.id}")
        self.place.transport.run(("rm", "-rf", self.folder))

    def read_log(self, at: int = 0) -> str:
        """Read its log from a byte on."""
        return self.place.transport.run(("sh", "-c", _TAIL, "sh", self.folder, str(at + 1))).output


def look_at(place: Place, folders: Sequence[str]) -> Iterator[tuple[str, Session]]:
    """Read what lies in the folders of sessions, with one command."""
    told = place.transport.run(("sh", "-c", _LOOK, "sh", *folders)).output
    found: list[tuple[str, dict[str, str]]] = []
    for line in told.splitlines():
        kind, _, text = line.partition(" ")
        if kind == "folder":
            found.append((text, {}))
        elif found:
            found[-1][1][kind] = text
    for folder, texts in found:
        try:
            order = SessionOrder.parse(texts["order"])
        except (ValueError, TypeError, KeyError):
            continue  # of a version that says other things
        handle = ""
        with contextlib.suppress(ValueError, AttributeError):
            handle = str(json.loads(texts.get("submitted", "{}")).get("job", ""))
        yield folder, Session(order, folder, place, handle, parse_report(texts.get("session", "")))


def sessions_at(place: Place) -> list[Session]:
    """Give the sessions of a site, the newest first."""
    base = place.folder("sessions")
    listed = place.transport.run(("sh", "-c", 'ls -1 "$1" 2>/dev/null; :', "sh", base)).output
    folders = [f"{base}/{each}" for each in listed.splitlines() if each]
    found = [session for _, session in look_at(place, folders)] if folders else []
    return sorted(found, key=lambda each: each.order.created, reverse=True)


def list_sessions(
    settings: Settings, *, on: str = "", away: Callable[[str, SwathError], None] | None = None
) -> list[tuple[Session, SessionStatus]]:
    """List sessions of all sites.

    Parameters
    ----------
    settings : Settings
        With the sites.
    on : str
        One site only.
    away : callable, optional
        Is told of a site that does not answer; without it that is an error.
    """
    found: dict[tuple[str, str], tuple[Session, SessionStatus]] = {}
    for name in [on] if on else place_names(settings):
        try:
            for each in sessions_at(open_place(name, settings)):
                # Two names of one site show the same folders: the name that it was ordered by counts.
                if (each.id, each.folder) not in found or each.order.site == name:
                    found[each.id, each.folder] = each, each.judge()
        except SwathError as error:
            if away is None or on:
                raise
            away(name, error)
    return list(found.values())


def find_session(name: str, settings: Settings, *, on: str = "") -> Session:
    """Find a session by its id or the beginning of it; the only one that runs where no name is given.

    Raises
    ------
    NotFoundError
        There is none.
    InputError
        There are several.
    """
    failed: list[str] = []
    listed = list_sessions(settings, on=on, away=lambda site, error: failed.append(f"{site}: {error.what}"))
    if name:
        found = [each for each, _ in listed if each.id.startswith(name)]
        found = [each for each in found if each.id == name] or found
    else:
        found = [each for each, status in listed if not status.state.is_final]
    if not found:
        what = f"there is no session {name!r}" if name else "none is running"
        missing = f" (not asked: {'; '.join(failed)})" if failed else ""
        raise NotFoundError(
            f"session: {what}{missing}", fix="see `swath sessions list --all`, or start one: swath lab"
        )
    if len(found) > 1:
        raise InputError(
            f"session: {name!r} may be one of several", known=tuple(each.id for each in found),
            fix="write more of its name",
        )  # fmt: skip
    return found[0]


def _age_s(time: str) -> float:
    return (dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(time)).total_seconds()
