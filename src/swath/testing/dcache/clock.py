"""A clock that can be put forward, so that hours of waiting for tape pass at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_EVERY_S = 0.05


class Clock:
    """The time in an emulated dCache: the computer's, and what it was put forward by.

    Parameters
    ----------
    frozen : bool
        True: time passes by `advance` only.

    Examples
    --------
    >>> clock = Clock(frozen=True)
    >>> before = clock.now()
    >>> clock.advance(hours=3)
    >>> clock.now() - before
    10800.0
    """

    def __init__(self, *, frozen: bool = False) -> None:
        self.changed = threading.Condition(threading.RLock())
        """The one lock of the emulator; told when the time or the tape has changed."""
        self._frozen_at = float(int(time.time())) if frozen else None
        self._ahead_s = 0.0

    def now(self) -> float:
        """Tell the time, seconds since 1970."""
        with self.changed:
            base = time.time() if self._frozen_at is None else self._frozen_at
            return base + self._ahead_s

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Put the clock forward, and wake all who wait for it."""
        with self.changed:
            self._ahead_s += ((days * 24 + hours) * 60 + minutes) * 60 + seconds
            self.changed.notify_all()

    def wait_for(self, come: Callable[[], bool], *, timeout_s: float) -> bool:
        """Wait until something holds; False where the clock has gone on by so much before."""
        end = self.now() + timeout_s
        with self.changed:
            while not come():
                if self.now() >= end:
                    return False
                self.changed.wait(_LOOK_EVERY_S)
            return True
