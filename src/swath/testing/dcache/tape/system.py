"""Tape: drives that bring files one after the other, pins that keep them, a sweeper that takes them off."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swath.testing.dcache.clock import Clock
    from swath.testing.dcache.namespace import Entry, Namespace


@dataclasses.dataclass
class Recall:
    """One file on its way from tape to disk."""

    entry: Entry
    """The file."""
    asked: float
    """When somebody wanted it first, seconds since 1970."""
    seconds: float
    """How long a drive takes for it."""
    started: float | None = None
    """When a drive began; None while it waits."""
    ended: float | None = None
    """When the drive is or was done; known from when it began."""
    error: str = ""
    """Why it will fail; empty: it will not."""
    over: bool = False
    """True when it is done, failed or was given up."""


@dataclasses.dataclass
class Flush:
    """One file on its way from disk to tape."""

    entry: Entry
    """The file."""
    ends: float
    """When it will be there, seconds since 1970."""


class Tape:
    """The tape system; what has happened by now is worked out whenever somebody looks.

    Parameters
    ----------
    clock : Clock
        Its time.
    namespace : Namespace
        Its files.
    """

    def __init__(self, clock: Clock, namespace: Namespace) -> None:
        self.recall_s = 60.0
        """How long one drive takes for one file, seconds."""
        self.flush_s = 0.0
        """How long it takes until a file that belongs on tape is there, seconds."""
        self._clock = clock
        self._namespace = namespace
        self._free_at = [0.0, 0.0]
        self._recalls: list[Recall] = []
        self._flushes: list[Flush] = []

    @property
    def drives(self) -> int:
        """How many files come from tape at once."""
        return len(self._free_at)

    @drives.setter
    def drives(self, count: int) -> None:
        """Change their number; what a drive has begun with goes on."""
        kept = sorted(self._free_at)[-count:]
        self._free_at = kept + [0.0] * (count - len(kept))

    def recall(self, entry: Entry, *, error: str = "") -> Recall:
        """Ask for a file; who asks for one that is coming already gets the same recall."""
        self.settle()
        for each in self._recalls:
            if each.entry is entry and not error:
                return each
        asked = Recall(entry, self._clock.now(), self.recall_s, error=error)
        self._recalls.append(asked)
        self.settle()
        return asked

    def give_up(self, recall: Recall) -> None:
        """Do not bring a file that no drive has begun with."""
        if recall in self._recalls and recall.started is None:
            recall.over = True
            self._recalls.remove(recall)

    def flush(self, entry: Entry) -> None:
        """Write a file to tape."""
        if not entry.on_tape and not any(each.entry is entry for each in self._flushes):
            self._flushes.append(Flush(entry, self._clock.now() + self.flush_s))
        self.settle()

    def coming(self) -> list[Recall]:
        """List the recalls that are waiting or running."""
        self.settle()
        return list(self._recalls)

    def settle(self) -> None:
        """Let happen what should have happened by now."""
        now = self._clock.now()
        for recall in self._recalls:
            if recall.started is None:
                drive = min(range(self.drives), key=self._free_at.__getitem__)
                start = max(self._free_at[drive], recall.asked)
                if start <= now:
                    recall.started, recall.ended = start, start + recall.seconds
                    self._free_at[drive] = recall.ended
        for recall in [each for each in self._recalls if each.ended is not None and each.ended <= now]:
            recall.entry.on_disk = recall.entry.on_disk or not recall.error
            recall.over = True
            self._recalls.remove(recall)
        for flush in [each for each in self._flushes if each.ends <= now]:
            flush.entry.on_tape = True
            self._flushes.remove(flush)

    def pinned(self, entry: Entry) -> bool:
        """Tell whether somebody keeps a file on disk."""
        now = self._clock.now()
        entry.pins = {name: until for name, until in entry.pins.items() if until > now}
        return bool(entry.pins)

    def sweep(self) -> int:
        """Take the copies off disk that are on tape too and that nothing keeps; tell how many."""
        self.settle()
        gone = 0
        for entry in self._namespace.entries():
            if entry.on_disk and entry.on_tape and not entry.online and not self.pinned(entry):
                entry.on_disk, gone = False, gone + 1
        return gone
