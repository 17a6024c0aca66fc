"""The SQLite file under the embedded catalog: opening, schema, transactions, and errors as sentences."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from swath.catalog.embedded.mounts import journal_mode_for
from swath.catalog.searching.functions import register_functions
from swath.model import CatalogError, InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x73777468
"""``swth``: tells a catalog from any other SQLite file."""
SCHEMA_VERSION = 1
JOURNALS = ("wal", "delete")

_COVERED = "end_us, instant_us, west, south, east, north, cloud_cover"
_SCHEMA = f"""
CREATE TABLE collections (id TEXT PRIMARY KEY, made INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE items (
  pk INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL,
  start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, instant_us INTEGER,
  west REAL, south REAL, east REAL, north REAL,
  cloud_cover REAL, created_us INTEGER, updated_us INTEGER);
CREATE UNIQUE INDEX items_key ON items (collection, id);
CREATE INDEX items_id ON items (id, collection);
CREATE INDEX items_time ON items (start_us DESC, collection, id, {_COVERED});
CREATE INDEX items_collection_time ON items (collection, start_us DESC, id, {_COVERED});
CREATE INDEX items_cloud ON items (cloud_cover, collection, id, start_us, end_us, west, south, east, north);
CREATE INDEX items_created ON items (created_us, collection, id);
CREATE INDEX items_updated ON items (updated_us, collection, id);
CREATE INDEX items_lasting ON items (end_us - start_us) WHERE end_us > start_us;
CREATE VIRTUAL TABLE boxes USING rtree (id, west, east, south, north, first_day, last_day);
CREATE TABLE documents (pk INTEGER PRIMARY KEY, properties TEXT NOT NULL, geometry BLOB, rest BLOB NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class Database:
    """One SQLite file, with one connection for each thread that uses it.

    Parameters
    ----------
    path : Path
        The file.
    create : bool
        Make it, and the folders above it, where it is missing.
    journal : str
        ``wal`` or ``delete``; empty: chosen by the file system.
    timeout_s : float
        How long to wait for another process that writes.
    """

    def __init__(
        self, path: Path, *, create: bool = False, journal: str = "", timeout_s: float = 60.0
    ) -> None:
        if journal and journal not in JOURNALS:
            raise InputError(f"catalog: the journal {journal!r} is not known", known=JOURNALS)
        self.path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 -- no symlink is resolved
        self._timeout_s = timeout_s
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._readonly = self.path.exists() and not os.access(self.path, os.W_OK)
        with self.errors():
            self._prepare(create=create, journal=journal)

    def _prepare(self, *, create: bool, journal: str) -> None:
        if self.path.is_dir():
            raise InputError(f"catalog: {self.path} is a folder, not a catalog file", fix="name a file in it")
        if not self.path.exists() or self.path.stat().st_size == 0:
            if not create:
                raise self._nothing()
            self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self.connection()
        if create and self._is_blank(connection):
            self._set_journal(connection, journal or journal_mode_for(self.path))
            with self.writing() as connection:
                if self._is_blank(connection):  # another process may have been faster
                    for statement in _SCHEMA.strip().split(";\n"):
                        connection.execute(statement)
        elif not create and self._is_blank(connection):
            raise self._nothing()  # somebody was stopped, or still is, between making the file and its tables
        self._check(connection)
        if not self._readonly:
            self._set_journal(connection, journal or journal_mode_for(self.path))

    def _nothing(self) -> NotFoundError:
        return NotFoundError(
            f"catalog: there is none at {self.path}",
            fix="make one with `swath catalog init` or `swath catalog ingest SOURCE`",
        )

    def _is_blank(self, connection: sqlite3.Connection) -> bool:
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return bool(tables == 0 and self._version(connection) == 0)

    def _version(self, connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise CatalogError(
                f"catalog: {self.path} is a SQLite file of another program", fix="name another file"
            )
        version = self._version(connection)
        if version != SCHEMA_VERSION:
            raise CatalogError(
                f"catalog: {self.path} has schema version {version}, this swath reads {SCHEMA_VERSION}",
                fix="use the swath that wrote it, or ingest again into a new file",
            )

    def _set_journal(self, connection: sqlite3.Connection, journal: str) -> None:
        """Switch the journal; that needs the file alone, and SQLite does not wait for it by itself."""
        deadline = time.monotonic() + self._timeout_s
        while connection.execute("PRAGMA journal_mode").fetchone()[0] != journal:
            try:
                connection.execute(f"PRAGMA journal_mode = {journal}")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if journal == 'wal' else 'FULL'}")

    @property
    def journal(self) -> str:
        """The journal in use: ``wal`` or ``delete``."""
        return str(self.connection().execute("PRAGMA journal_mode").fetchone()[0])

    def connection(self) -> sqlite3.Connection:
        """Give this thread's connection; a process that was forked off opens its own."""
        state = (os.getpid(), self._file_state() if self._readonly else None)
        held = getattr(self._local, "held", None)
        if held is not None and (held[0] == state or held[1].in_transaction):
            connection: sqlite3.Connection = held[1]
            return connection
        if held is not None and held[0][0] == os.getpid():
            self._open.remove(held[1])
            held[1].close()
        connection = self._connect()
        self._local.held = (state, connection)
        self._open.append(connection)
        return connection

    def _file_state(self) -> tuple[int, int, bool]:
        """Tell one state of a file that is only read from the next: there is no other sign of a writer."""
        stat = self.path.stat()
        return stat.st_mtime_ns, stat.st_size, self._has_log()

    def _has_log(self) -> bool:
        log = self.path.with_name(self.path.name + "-wal")
        return log.exists() and log.stat().st_size > 0

    def _connect(self) -> sqlite3.Connection:
        uri = self.path.as_uri()
        if self._readonly:
            # Without its log and with no right to make one, a WAL file opens only as one that never changes.
            alone = not self._has_log() and not os.access(self.path.parent, os.W_OK)
            uri += "?mode=ro&immutable=1" if alone else "?mode=ro"
        connection = sqlite3.connect(
            uri, timeout=self._timeout_s, isolation_level=None, check_same_thread=False, uri=True
        )
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA mmap_size = 1073741824" if self._is_local() else "PRAGMA mmap_size = 0")
        connection.execute("PRAGMA temp_store = MEMORY")
        register_functions(connection)
        return connection

    def _is_local(self) -> bool:
        return journal_mode_for(self.path) == "wal"

    def close(self) -> None:
        """Close every connection that this process opened."""
        for connection in self._open:
            connection.close()
        self._open.clear()
        self._local = threading.local()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold one state of the file for several statements, whatever others write meanwhile."""
        with self.errors():
            connection = self.connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the only right to write; all that is written goes in together, or nothing."""
        with self.errors():
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Tell SQLite's errors in sentences."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _sentence(error, self.path) from error


def _sentence(error: sqlite3.DatabaseError, path: Path) -> CatalogError:
    text = str(error)
    if "not a database" in text or "malformed" in text:
        return CatalogError(
            f"catalog: {path} is damaged or is no SQLite file ({text})",
            fix="move it away and ingest again, or bring back a copy",
        )
    if "locked" in text or "busy" in text:
        return CatalogError(f"catalog: {path} is being written by another process ({text})", fix="try again")
    if "readonly" in text:
        return CatalogError(
            f"catalog: {path} may only be read by you ({text})", fix="name a file of your own"
        )
    if "disk" in text or "full" in text:
        return CatalogError(f"catalog: {path} cannot be written ({text})", fix="make room on that disk")
    if "unable to open" in text:
        return CatalogError(
            f"catalog: {path} cannot be opened ({text})", fix="check its folder's permissions"
        )
    return CatalogError(f"catalog: {path}: {text}")
