"""Stays with an open session: mends the way to it, warns before its time is over, tells its end."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from swath.model import NotFoundError, SiteError
from swath.sites.session import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.jobs.sessions.session import Session, SessionStatus
    from swath.jobs.sessions.tunnel import Tunnel

WARN_S = (600.0, 120.0)
"""How long before the end of its time a session's user is warned."""
_TRY_S, _LOOK_S = 5.0, 15.0
_LONGEST_PAUSE_S = 5.0
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


def wait_ready(
    session: Session, tell: Callable[[SessionStatus], None], *, pause_s: float = 1.0
) -> SessionStatus:
    """Wait until a session is ready or has ended, as long as it takes, and tell how it stands.

    A site that does not answer is waited for too.
    """
    while True:
        try:
            status = session.status()
        except SiteError as error:
            told = f"{session.place.name} does not answer now; the session stays there ({error.what})"
            status = session.told(SessionState.QUEUED, told)
        tell(status)
        if status.state is SessionState.READY or status.state.is_final:
            return status
        time.sleep(pause_s)
        pause_s = min(1.1 * pause_s, _LONGEST_PAUSE_S)


def stay(session: Session, tunnel: Tunnel, tell: Callable[[str], None]) -> SessionStatus:
    """Keep the way to a session open until the session ends.

    Parameters
    ----------
    session : Session
        The session.
    tunnel : Tunnel
        The way to it, open.
    tell : callable
        Gets each sentence that the user should read.

    Returns
    -------
    SessionStatus
        How it ended.
    """
    warned: set[float] = set()
    status = session.judge()
    looked = tried = time.monotonic()
    while True:
        if tunnel.broken.wait(1.0):
            tell("the connection is broken; it is being made again")
            if (ended := mend(session, tunnel, tell)) is not None:
                return ended
            tell("connected again")
        if time.monotonic() - tried > _TRY_S:
            tunnel.works()
            tried = time.monotonic()
        if time.monotonic() - looked > _LOOK_S:
            status = _look(session) or status
            looked = time.monotonic()
        if status.state.is_final:
            return status
        left = status.left_s(dt.datetime.now(dt.UTC))
        for sentence in due_warnings(left, warned):
            tell(sentence)


def mend(session: Session, tunnel: Tunnel, tell: Callable[[str], None]) -> SessionStatus | None:
    """Make the way to a session, as long as it takes; give how the session ended where it has meanwhile."""
    attempt, said = 0, ""
    while True:
        status = _look(session)
        if status is not None and status.state.is_final:
            return status
        try:
            tunnel.mend()
        except SiteError as error:
            if attempt and error.what != said:  # one that fails once is nothing to tell of
                said = error.what
                tell(f"{error.what}; {error.fix}; trying again")
            time.sleep(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])
            attempt += 1
        else:
            return None


def _look(session: Session) -> SessionStatus | None:
    try:
        return session.status()
    except NotFoundError as error:
        return session.told(SessionState.ENDED, error.what)
    except SiteError:  # it is away just now; the session goes on
        return None


def due_warnings(left_s: float | None, warned: set[float]) -> list[str]:
    """Give the warnings that are due now; each is given once.

    Examples
    --------
    >>> warned = set()
    >>> due_warnings(3600, warned), due_warnings(599, warned)
    ([], ['its time is over in 10 minutes: save your work'])
    >>> due_warnings(500, warned), due_warnings(90, warned)
    ([], ['its time is over in 90 seconds: save your work'])
    """
    if left_s is None or left_s <= 0:
        return []
    due = [each for each in WARN_S if left_s <= each and each not in warned]
    warned.update(due)
    if not due:
        return []
    seconds = round(left_s)
    told = f"{round(seconds / 60)} minutes" if seconds > 110 else f"{seconds} seconds"
    return [f"its time is over in {told}: save your work"]
