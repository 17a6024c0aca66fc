"""What is known of a mirror between runs: its objects, and which of them each asset is."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.catalog.embedded.mounts import journal_mode_for
from swath.model import OutputError

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


@dataclass(frozen=True, slots=True)
class Kept:
    """An object of the mirror."""

    key: str
    """Relative to the mirror."""
    size: int
    """Bytes."""
    digest: str
    """SHA-256 of its bytes, in hexadecimal; empty: it is a document."""
    etag: str = ""
    """As the store told it when it was written; empty: not told."""
    tag: str = ""
    """What the source's store calls these bytes wherever they lie, such as their MD5; empty: nothing."""


@dataclass(frozen=True, slots=True)
class AssetKept:
    """Where an asset came from when it was copied, and where it is."""

    href: str
    """Absolute href of the source."""
    stamp: str
    """What changes when the source does."""
    key: str
    """Key of the object."""


class Journal:
    """The memory of one mirror; safe with several threads and processes.

    Each line is there when it has been written, also when the process is killed then. Nothing is lost with
    the whole of it: what is complete is known from the items on the mirror itself too.

    Parameters
    ----------
    path : Path
        SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
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
            yield bool(dead) and len(dead) == len(others)
        finally:
            self._rows("DELETE FROM runs WHERE host = ? AND pid = ? AND began = ?", host, os.getpid(), now)

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
        return int(self._rows("SELECT count(*) FROM listed")[0][0])

    def listed(self, key: str) -> tuple[int, str] | None:
        """Give size and etag of an object as the store told them at the beginning."""
        for size, etag in self._rows("SELECT size, etag FROM listed WHERE key = ?", key):
            return int(size), etag
        return None

    def listed_keys(self, ending: str = "") -> list[str]:
        """Give the keys that were there at the beginning."""
        found = self._rows("SELECT key FROM listed WHERE substr(key, -length(?)) = ?", ending, ending)
        return [each[0] for each in (found if ending else self._rows("SELECT key FROM listed"))]

    def note_listed(self, kept: Kept) -> None:
        """Note that an object is there now."""
        self._rows("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", kept.key, kept.size, kept.etag)

    def keep(self, kept: Kept) -> None:
        """Note an object that is whole."""
        self._rows(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)",
            kept.key, kept.size, kept.digest, kept.etag, kept.tag,
        )  # fmt: skip
        self.note_listed(kept)

    def forget(self, key: str) -> None:
        """Forget an object that is wrong or gone, so that it is copied again."""
        self._rows("DELETE FROM objects WHERE key = ?", key)
        self._rows("DELETE FROM listed WHERE key = ?", key)

    def kept(self, key: str) -> Kept | None:
        """Give what was noted of an object."""
        return self._object("key = ?", key)

    def twin(self, *, digest: str = "", tag: str = "") -> Kept | None:
        """Find an object with the same bytes."""
        if digest:
            return self._object("digest = ?", digest)
        return self._object("tag = ?", tag) if tag else None

    def _object(self, where: str, value: str) -> Kept | None:
        found = self._rows(f"SELECT key, size, digest, etag, tag FROM objects WHERE {where} LIMIT 1", value)
        return Kept(found[0][0], int(found[0][1]), *found[0][2:]) if found else None

    def settle(self, item: str, asset: str, value: AssetKept) -> None:
        """Note which object an asset is."""
        self._rows(
            "INSERT OR REPLACE INTO assets VALUES (?, ?, ?, ?, ?)",
            item, asset, value.href, value.stamp, value.key,
        )  # fmt: skip

    def asset(self, item: str, asset: str) -> AssetKept | None:
        """Give which object an asset was."""
        found = self._rows("SELECT href, stamp, key FROM assets WHERE item = ? AND asset = ?", item, asset)
        return AssetKept(*found[0]) if found else None

    def of_href(self, href: str) -> list[AssetKept]:
        """Give what other assets with an href are."""
        sql = "SELECT DISTINCT href, stamp, key FROM assets WHERE href = ? LIMIT 8"
        return [AssetKept(*each) for each in self._rows(sql, href)]

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
