"""Recalls on disk: gone on with by whoever comes next, one process at a time, asked for once."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model import OutputError, StoreError
from swath.storage.recall import Recall, advance, let_go, renewed
from swath.storage.whole import write_json

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from swath.storage.staging import TapeFile


@dataclass(frozen=True, slots=True)
class Pace:
    """How often stores are asked."""

    least_s: float = 1.0
    """Seconds between two looks in the beginning."""
    most_s: float = 120.0
    """Seconds between two looks at what takes hours."""
    share: float = 0.05
    """In between: this part of the time that was waited already."""
    away_s: float = 3600.0
    """How long a store may give no answer before a waiting process gives up."""

    def pause_s(self, waited_s: float) -> float:
        """Tell how long to wait until the next look.

        Examples
        --------
        >>> Pace().pause_s(0), Pace().pause_s(600), Pace().pause_s(86400)
        (1.0, 30.0, 120.0)
        """
        return max(self.least_s, min(self.most_s, self.share * waited_s))


PACE = Pace()


class RecallFile:
    """A recall on disk, which several processes go on with, one at a time.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock_file = path.with_name(f".{path.name}.lock")

    def exists(self) -> bool:
        """Tell whether there is one."""
        return self.path.exists()

    def read(self) -> Recall:
        """Read it."""
        try:
            return Recall.from_dict(json.loads(self.path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(f"staging: {str(self.path)!r} is damaged ({error})", fix="delete it") from error

    def _write(self, recall: Recall) -> None:
        write_json(self.path, recall.to_dict())

    @contextlib.contextmanager
    def _locked(self, *, waits: bool = True) -> Iterator[bool]:
        """Keep others out; gives False where somebody is in, who may be waiting for a store."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.lock_file.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
            else:
                yield True

    def begin(self, files: Sequence[TapeFile], lifetime: dt.timedelta, *, holds: bool = False) -> Recall:
        """Write down what is needed; what is on its way already is gone on with, and not asked for twice."""
        with self._locked():
            if self.exists():
                found = self.read()
                if {*found.files} == {*files}:
                    return self._fresh(found, retry_bad=True)
            recall = Recall(tuple(files), lifetime.total_seconds(), time.time(), holds=holds)
            self._write(recall)
            return recall

    def begin_again(self, *, retry_bad: bool) -> Recall:
        """Let what was released, or has grown too old, be asked for anew; also what could not be had."""
        with self._locked():
            return self._fresh(self.read(), retry_bad=retry_bad)

    def _fresh(self, recall: Recall, *, retry_bad: bool) -> Recall:
        if recall.is_stale(time.time()) or (recall.bad and retry_bad):
            recall = recall.again()
            self._write(recall)
        return recall

    def advance(self, *, skip_bad: bool = True, force: bool = False) -> Recall:
        """Look how far it is, not more often than makes sense, unless somebody does so just now.

        Parameters
        ----------
        skip_bad : bool
            See `swath.storage.recall.advance`.
        force : bool
            True to look now, however short the last look is ago.
        """
        with self._locked(waits=False) as is_mine:
            recall = self.read()
            pause = PACE.pause_s(recall.looked - recall.began)
            too_soon = not force and time.time() < recall.looked + pause
            if recall.is_over or recall.is_released or too_soon or not is_mine:
                return recall
            moved = advance(recall, skip_bad=skip_bad, save=self._write)
            self._write(moved)
            return moved

    def keep(self) -> Recall:
        """Keep files on disk that somebody needs: asked for again in time, or anew where they have gone.

        Raises
        ------
        StoreError, NotAllowedError
            A store does not take the request.
        """
        recall = self.read()
        if recall.is_released or not recall.orders:
            return recall
        with self._locked(waits=False) as is_mine:
            if not is_mine:
                return recall
            recall = self.read()
            if recall.is_over and recall.is_stale(time.time()):
                recall = recall.again()
                self._write(recall)
            if recall.is_over:
                return renewed(recall, save=self._write)
            if time.time() >= recall.looked + PACE.pause_s(recall.looked - recall.began):
                recall = advance(recall, save=self._write)
                self._write(recall)
            return recall

    def let_go(self) -> Recall:
        """Cancel what has not come, and let the rest go; see `let_go`."""
        with self._locked():
            recall = self.read()
            if not recall.is_released:
                recall = let_go(recall)
                self._write(recall)
            return recall

    def remove(self) -> None:
        """Delete it."""
        self.path.unlink(missing_ok=True)
        self.lock_file.unlink(missing_ok=True)


def wait_for(
    file: RecallFile,
    tell: Callable[[Recall], object],
    *,
    skip_bad: bool = True,
    stop: threading.Event | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Recall:
    """Wait until files are there, or cannot be had, or somebody says stop.

    Parameters
    ----------
    file : RecallFile
        What is waited for.
    tell : callable of Recall
        Called after each look.
    skip_bad : bool
        False: ends as soon as one cannot be had.
    stop, stopped
        Say when to stop waiting; the request goes on.

    Raises
    ------
    NotAllowedError
        A store refuses the request.
    StoreError
        A store has given no answer for an hour; the request goes on, as far as anybody knows.
    """
    stop = stop or threading.Event()
    while True:
        recall = file.advance(skip_bad=skip_bad)
        tell(recall)
        if recall.is_over or recall.is_released or (recall.bad and not skip_bad):
            return recall
        if recall.away and time.time() - max(recall.answered, recall.began) > PACE.away_s:
            raise StoreError(f"staging: {recall.words()}", fix="try again later: the request goes on")
        until = recall.looked + PACE.pause_s(recall.looked - recall.began)
        while True:
            if stop.wait(max(0.01, min(0.5, until - time.time()))) or stopped():
                return recall
            if time.time() >= until:
                break


def recall_id(files: Sequence[TapeFile]) -> str:
    """Name a recall after its files, so that who asks for the same again finds it.

    Examples
    --------
    >>> from swath.storage.staging import TapeFile
    >>> recall_id([TapeFile("https://host/a", "archive", "a")])
    '7c10ae69'
    """
    import hashlib

    text = "\n".join(sorted(each.href for each in files))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def recall_file(home: Path, files: Sequence[TapeFile]) -> RecallFile:
    """Give where the recall of some files lies in swath's home."""
    return RecallFile(home / "staging" / f"{recall_id(files)}.json")


def stage_path(home: Path, name: str) -> Path | None:
    """Find the file of a recall by its id, or by what the store calls a request of it."""
    folder = home / "staging"
    path = folder / f"{os.path.basename(name)}.json"  # noqa: PTH119 -- only its last part, whatever it is
    if path.is_file():
        return path
    for each in sorted(folder.glob("*.json")):
        orders = RecallFile(each).read().orders
        if any(name in (order.request, *order.request.split(",")) for order in orders):
            return each
    return None
