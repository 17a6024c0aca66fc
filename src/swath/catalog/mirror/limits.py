"""How much may be under way: bytes in a second, bytes in memory, and one at a time of the same."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BURST_S = 0.25
"""Seconds whose worth of bytes may go at once."""


class Bandwidth:
    """A bucket of tokens that all threads take from.

    Parameters
    ----------
    rate : int
        Bytes in a second; 0: no limit.
    stopped : threading.Event
        Ends all waiting.
    """

    def __init__(self, rate: int, stopped: threading.Event) -> None:
        self._rate, self._stopped = rate, stopped
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def take(self, count: int) -> None:
        """Wait until so many bytes may go."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _BURST_S) + count / self._rate
            wait_s = self._free_at - now
        if wait_s > 0:
            self._stopped.wait(wait_s)


class Memory:
    """Bytes that may be in memory at once.

    Parameters
    ----------
    limit : int
        Bytes; one that wants more than all gets all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = self._free = limit
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def held(self, count: int) -> Iterator[None]:
        """Hold some bytes while the block runs; waits until they are free."""
        count = min(count, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= count)
            self._free -= count
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()


class Turns:
    """One at a time for each name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[threading.Lock, int]] = {}

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Wait for a name's turn, and have it while the block runs."""
        with self._lock:
            lock, count = self._held.get(name) or (threading.Lock(), 0)
            self._held[name] = (lock, count + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                count = self._held[name][1] - 1
                if count:
                    self._held[name] = (lock, count)
                else:
                    del self._held[name]
