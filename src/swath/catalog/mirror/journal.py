"""What is known of a mirror between runs: its objects, and which of them each asset is."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from swath.catalog.embedded.mounts import journal_mode_for
from swath.catalog.mirror.kept import AssetKept, Kept
from swath.catalog.mirror.pending import Pending, Seen
from swath.model import OutputError, SwathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from swath.storage import Stat

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  key TEXT PRIMARY KEY, size INTEGER NOT NULL, digest TEXT NOT NULL, etag TEXT NOT NULL, tag TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_digest ON objects (digest);
CREATE INDEX IF NOT EXISTS objects_tag ON objects (tag);
CREATE TABLE IF NOT EXISTS assets (
  item TEXT NOT NULL, asset TEXT NOT NULL, href TEXT NOT NULL, stamp TEXT NOT NULL, key TEXT NOT NULL,
  PRIMARY KEY (item, asset)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS assets_href ON assets (href, stamp);
CREATE TABLE IF NOT EXISTS runs (pid INTEGER, host TEXT, began REAL);
"""
_TOGETHER_S = 0.03
"""Seconds whose lines are written together: one by one they cost more than the small files themselves."""


class Journal:
    """The memory of one mirror; safe with several threads and processes.

    Each line is in the file when it has been noted; while a run is under way, within `_TOGETHER_S`. Then it
    stays there when the process is killed. Nothing is lost with the whole of it: what is complete is known
    from the items on the mirror itself too.

    Parameters
    ----------
    path : Path
        SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._fresh, self._written = Pending(), Pending()
        self._swap = threading.Lock()
        self._seen: Seen | None = None
        self._version = 0
        self._wake: threading.Event | None = None
        self._error: SwathError | None = None
        self._any_listed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._opened(path)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"mirror: the journal {path} cannot be written ({error})",
                fix="free some room there, or set SWATH_HOME to another folder",
            ) from error

    def _opened(self, path: Path) -> sqlite3.Connection:
        try:
            return self._connected(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            path.replace(path.with_suffix(".damaged"))  # after a power cut; the mirror itself knows the rest
            return self._connected(path)

    def _connected(self, path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA journal_mode = {journal_mode_for(path)}")
        db.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing by it, only a power cut does
        db.executescript(_SCHEMA)
        db.execute("CREATE TEMP TABLE listed (key TEXT PRIMARY KEY, size INTEGER, etag TEXT) WITHOUT ROWID")
        return db

    def _rows(self, sql: str, *values: object) -> list[tuple[str, ...]]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise OutputError(f"mirror: the journal cannot be written ({error})") from error

    @contextlib.contextmanager
    def running(self) -> Iterator[bool]:
        """Note that a mirror runs; tells whether the last one of this machine was killed, and none runs."""
        host, now = socket.gethostname(), time.time()
        others = self._rows("SELECT pid, began FROM runs WHERE host = ?", host)
        dead = [each for each in others if not _lives(int(each[0]))]
        for pid, began in dead:
            self._rows("DELETE FROM runs WHERE host = ? AND pid = ? AND began = ?", host, pid, began)
        self._rows("INSERT INTO runs VALUES (?, ?, ?)", os.getpid(), host, now)
        try:
            with self._writing(alone=len(dead) == len(others)):
                yield bool(dead) and len(dead) == len(others)
        finally:
            self._rows("DELETE FROM runs WHERE host = ? AND pid = ? AND began = ?", host, os.getpid(), now)

    @contextlib.contextmanager
    def _writing(self, *, alone: bool) -> Iterator[None]:
        """Write lines together, by a thread, while the block runs."""
        if self._wake is not None:  # a run within a run
            yield
            return
        self._wake, ended = threading.Event(), threading.Event()
        if alone:
            self._see()
        thread = threading.Thread(target=self._write_on, args=(self._wake, ended), name="swath-journal")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            self._wake.set()
            thread.join()
            self._wake = self._seen = None
            self._flush()

    def _see(self) -> None:
        """Learn which lines the file has, so that most questions are answered without it."""
        self._version = int(self._rows("PRAGMA data_version")[0][0])
        self._seen = Seen()
        with self._lock:
            for row in self._db.execute("SELECT key, digest, tag FROM objects"):
                self._add(*row)
            for item, asset, href in self._db.execute("SELECT item, asset, href FROM assets"):
                self._add(f"{item} {asset}", href)

    def _add(self, *texts: str) -> None:
        if self._seen is not None:
            for each in texts:
                self._seen.add(each)

    def _write_on(self, wake: threading.Event, ended: threading.Event) -> None:
        while not ended.is_set() and self._error is None:
            wake.wait()
            ended.wait(_TOGETHER_S)
            wake.clear()
            try:
                self._flush()
            except SwathError as error:
                self._error = error

    def _flush(self) -> None:
        """Write the lines that are not in the file yet."""
        with self._lock:
            with self._swap:
                self._written, self._fresh = self._fresh, Pending()
            some = self._written
            if not some:
                return
            objects = [(o.key, o.size, o.digest, o.etag, o.tag) for o in some.objects.values()]
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", objects)
                    self._db.executemany(
                        "INSERT OR REPLACE INTO assets VALUES (?, ?, ?, ?, ?)",
                        [(*at, to.href, to.stamp, to.key) for at, to in some.assets.items()],
                    )
                    self._db.executemany(
                        "INSERT OR REPLACE INTO listed VALUES (?, ?, ?)",
                        [(o.key, o.size, o.etag) for o in some.objects.values()],
                    )
                finally:
                    self._db.execute("COMMIT")
            except sqlite3.Error as error:
                raise OutputError(f"mirror: the journal cannot be written ({error})") from error
            self._see_more(some)
            with self._swap:
                self._written = Pending()

    def _see_more(self, some: Pending) -> None:
        """Note what the file has more; where another process has written too, it is asked each time."""
        if self._seen is None:
            return
        if int(self._rows("PRAGMA data_version")[0][0]) != self._version:
            self._seen = None
            return
        for each in some.objects.values():
            self._add(each.key, each.digest, each.tag)
        for (item, asset), value in some.assets.items():
            self._add(f"{item} {asset}", value.href)

    def _noted(self) -> None:
        if self._wake is None:
            self._flush()
        elif self._error is not None:
            raise self._error
        else:
            self._wake.set()

    def _may_have(self, text: str) -> bool:
        seen = self._seen
        return seen is None or text in seen

    def _pending(self, table: str, key: Any) -> Any:
        """Find a line that is not in the file yet."""
        with self._swap:
            found = getattr(self._fresh, table).get(key)
            return found or getattr(self._written, table).get(key)

    def list_objects(self, found: Iterable[Stat], prefix: str) -> int:
        """Note what the store says is there; gives how many objects."""
        cut = len(prefix) + 1 if prefix else 0
        rows = ((each.key[cut:], each.size, each.etag) for each in found)
        with self._lock:
            self._db.execute("BEGIN")
            try:
                self._db.execute("DELETE FROM listed")
                self._db.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", rows)
            finally:
                self._db.execute("COMMIT")
        count = int(self._rows("SELECT count(*) FROM listed")[0][0])
        self._any_listed = count > 0
        return count

    def listed(self, key: str) -> tuple[int, str] | None:
        """Give size and etag of an object as the store told them, at the beginning or since."""
        if pending := self._pending("objects", key):
            return pending.size, pending.etag
        if not self._any_listed and not self._may_have(key):
            return None
        for size, etag in self._rows("SELECT size, etag FROM listed WHERE key = ?", key):
            return int(size), etag
        return None

    def listed_below(self, folder: str) -> int | None:
        """Give the bytes of all that is in a folder; None where nothing is."""
        self._flush()
        sql = "SELECT sum(size) FROM listed WHERE key >= ? AND key < ?"  # the sign after a slash is a zero
        found: Any = self._rows(sql, f"{folder}/", f"{folder}0")[0][0]
        return None if found is None else int(found)

    def forget_below(self, folder: str) -> None:
        """Forget all that is in a folder."""
        self._flush()
        for table in ("objects", "listed"):
            self._rows(f"DELETE FROM {table} WHERE key >= ? AND key < ?", f"{folder}/", f"{folder}0")

    def listed_keys(self, ending: str = "") -> list[str]:
        """Give the keys that were there at the beginning."""
        found = self._rows("SELECT key FROM listed WHERE substr(key, -length(?)) = ?", ending, ending)
        return [each[0] for each in (found if ending else self._rows("SELECT key FROM listed"))]

    def keep(self, kept: Kept) -> None:
        """Note an object that is whole."""
        with self._swap:
            self._fresh.keep(kept)
        self._noted()

    def forget(self, key: str) -> None:
        """Forget an object that is wrong or gone, so that it is copied again."""
        self._flush()
        self._rows("DELETE FROM objects WHERE key = ?", key)
        self._rows("DELETE FROM listed WHERE key = ?", key)

    def kept(self, key: str) -> Kept | None:
        """Give what was noted of an object."""
        return self._pending("objects", key) or self._object("key", key)

    def twin(self, *, digest: str = "", tag: str = "") -> Kept | None:
        """Find an object with the same bytes."""
        if digest:
            return self._pending("digests", digest) or self._object("digest", digest)
        return (self._pending("tags", tag) or self._object("tag", tag)) if tag else None

    def _object(self, column: str, value: str) -> Kept | None:
        if not self._may_have(value):
            return None
        sql = f"SELECT key, size, digest, etag, tag FROM objects WHERE {column} = ? LIMIT 1"
        found = self._rows(sql, value)
        return Kept(found[0][0], int(found[0][1]), *found[0][2:]) if found else None

    def settle(self, item: str, asset: str, value: AssetKept) -> None:
        """Note which object an asset is."""
        with self._swap:
            self._fresh.settle(item, asset, value)
        self._noted()

    def asset(self, item: str, asset: str) -> AssetKept | None:
        """Give which object an asset was."""
        if pending := self._pending("assets", (item, asset)):
            return pending  # type: ignore[no-any-return]
        if not self._may_have(f"{item} {asset}"):
            return None
        found = self._rows("SELECT href, stamp, key FROM assets WHERE item = ? AND asset = ?", item, asset)
        return AssetKept(*found[0]) if found else None

    def of_href(self, href: str) -> list[AssetKept]:
        """Give what other assets with an href are."""
        with self._swap:
            found = {**self._fresh.hrefs.get(href, {}), **self._written.hrefs.get(href, {})}
        if self._may_have(href):
            sql = "SELECT DISTINCT href, stamp, key FROM assets WHERE href = ? LIMIT 8"
            found |= dict.fromkeys(AssetKept(*each) for each in self._rows(sql, href))
        return list(found)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
