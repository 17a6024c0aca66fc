"""The emulator: two doors and a pool before one folder, and the switches of everything that can go wrong."""

from __future__ import annotations

import contextlib
import fnmatch
import posixpath
import ssl
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from swath.testing.dcache.clock import Clock
from swath.testing.dcache.doors.door import Answer, Door
from swath.testing.dcache.doors.pool import PoolHandler, Transfers
from swath.testing.dcache.doors.rest import RestHandler
from swath.testing.dcache.doors.webdav import WebDavHandler
from swath.testing.dcache.faults import DoorName, Fault, Faults, Request
from swath.testing.dcache.login import Login, Logins, User
from swath.testing.dcache.namespace import Entry, Kind, Namespace, clean
from swath.testing.dcache.options import Options
from swath.testing.dcache.tape.activities import Failure
from swath.testing.dcache.tape.bulk import Bulk
from swath.testing.dcache.tape.system import Tape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swath.testing.dcache.doors.server import Handler

_HOST = "127.0.0.1"
Locality = Literal["ONLINE", "NEARLINE", "ONLINE_AND_NEARLINE", "LOST", "UNAVAILABLE"]
"""Where the bytes of a file are."""


class DCache:
    """An emulated dCache on this machine; to be used in a ``with`` statement.

    Parameters
    ----------
    folder : path, optional
        Where the files lie; None: in a folder that goes with the emulator.
    users : mapping or iterable of User
        Passwords by login names, or whole users.
    tls : (path, path), optional
        Files of the certificate and its key, PEM; None: http.
    clock : Clock, optional
        Its time.
    checksums : tuple of str
        What is computed of every file, as RFC 3230 names it.
    options : Options, optional
        How it is set up; can be changed at any time.
    host, pool_host : str
        The names under which doors and pool are told to clients; all listen at 127.0.0.1.
    webdav_port, api_port : int
        Their ports; 0: free ones.

    Examples
    --------
    >>> with DCache(users={"demo": "secret"}, clock=Clock(frozen=True)) as dcache:
    ...     dcache.put("/pnfs/example.org/data/a.txt", b"abc", locality="NEARLINE")
    ...     address = dcache.webdav_url + "/pnfs/example.org/data/a.txt"
    ...     dcache.locality("/pnfs/example.org/data/a.txt")
    'NEARLINE'
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        users: Mapping[str, str] | Iterable[User] = (),
        tls: tuple[str | Path, str | Path] | None = None,
        clock: Clock | None = None,
        checksums: tuple[Kind, ...] = ("adler32",),
        options: Options | None = None,
        host: str = _HOST,
        pool_host: str = _HOST,
        webdav_port: int = 0,
        api_port: int = 0,
    ) -> None:
        self._stack = contextlib.ExitStack()
        place = folder or self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dcache-"))
        given = [User(*each) for each in users.items()] if hasattr(users, "items") else list(users)
        self.clock = clock or Clock()
        self.options = options or Options()
        self.namespace = Namespace(Path(place), checksums=checksums)
        self.tape = Tape(self.clock, self.namespace)
        self.bulk = Bulk(self)
        self.logins = Logins(given, self.clock)
        self.faults = Faults()
        self.tls_files = tls
        self.tls = _context(tls)
        self._host, self._pool_host = host, pool_host
        self._requests: list[Request] = []
        self._closed = False
        self.transfers = Transfers(lambda: self.pool_url)
        self._doors = [
            Door(self, "webdav", WebDavHandler, host=_HOST, port=webdav_port, tls=self.tls),
            Door(self, "api", RestHandler, host=_HOST, port=api_port, tls=self.tls),
            Door(self, "pool", PoolHandler, host=_HOST, port=0, tls=self.tls),
        ]

    def __enter__(self) -> Self:
        for door in self._doors:
            threading.Thread(target=door.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for door in self._doors:
            door.shutdown()
            door.server_close()
        self._stack.close()

    @property
    def webdav_url(self) -> str:
        """The address of the WebDAV door, without a slash at its end."""
        return self._doors[0].url(self._host)

    @property
    def webdav_port(self) -> int:
        """The port of the WebDAV door."""
        return self._doors[0].server_port

    @property
    def api_url(self) -> str:
        """The address of the REST frontend, ``.../api/v1``."""
        return self._doors[1].url(self._host) + "/api/v1"

    @property
    def pool_url(self) -> str:
        """The address of the pool, without a slash at its end."""
        return self._doors[2].url(self._pool_host)

    # Files

    def put(self, path: str, content: bytes = b"", *, locality: Locality = "ONLINE") -> None:
        """Put a file into dCache, and the folders above it."""
        path = clean(path)
        self.namespace.make_folders(posixpath.dirname(path))
        self.namespace.where(path).write_bytes(content)
        self.set_locality(path, locality)

    def mkdir(self, path: str, *, tape: bool = False) -> None:
        """Make a folder; ``tape``: files that are written into it go to tape."""
        self.namespace.make_folders(clean(path))
        entry = self.namespace.entry(clean(path))
        entry.custodial, entry.online = tape, not tape

    def read(self, path: str) -> bytes:
        """Give the bytes of a file, wherever dCache says that they are."""
        return self.namespace.where(clean(path)).read_bytes()

    def entry(self, path: str) -> Entry:
        """Give what dCache knows of a file or folder."""
        return self.namespace.entry(clean(path))

    def locality(self, path: str) -> str:
        """Tell where the bytes of a file are now."""
        with self.clock.changed:
            self.settle()
            return self.entry(path).locality()

    def set_locality(self, path: str, locality: Locality) -> None:
        """Say where the bytes of a file are."""
        with self.clock.changed:
            entry = self.entry(path)
            entry.trouble = locality if locality in ("LOST", "UNAVAILABLE") else ""
            entry.on_tape = locality in ("NEARLINE", "ONLINE_AND_NEARLINE")
            entry.on_disk = locality in ("ONLINE", "ONLINE_AND_NEARLINE")
            entry.custodial, entry.online = entry.on_tape, not entry.on_tape
            self.clock.changed.notify_all()

    def sweep(self) -> int:
        """Take copies off disk that are on tape and not pinned, as a full pool does; tell how many."""
        with self.clock.changed:
            self.settle()
            return self.tape.sweep()

    # What goes wrong

    def fail(
        self,
        *,
        status: int,
        next: int = 1,
        door: DoorName | None = None,
        method: str | None = None,
        path: str | None = None,
        message: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        """Answer the next requests with a status; ``path`` may have ``*``."""
        self.faults.add(
            Fault(next, door, method, path, status=status, message=message, retry_after_s=retry_after_s)
        )

    def spoil(
        self,
        *,
        next: int = 1,
        door: DoorName | None = None,
        method: str | None = None,
        path: str | None = None,
        wait_s: float = 0.0,
        bytes_per_s: float = 0.0,
        cut_after: int = -1,
        shorter_by: int = 0,
        corrupt: bool = False,
        redirect: str = "",
    ) -> None:
        """Answer the next requests late, slowly, in part, with other bytes, or elsewhere; see `Fault`."""
        self.faults.add(
            Fault(
                next,
                door,
                method,
                path,
                redirect=redirect,
                wait_s=wait_s,
                bytes_per_s=bytes_per_s,
                cut_after=cut_after,
                shorter_by=shorter_by,
                corrupt=corrupt,
            )
        )

    def fail_target(self, path: str, message: str, *, kind: str = Failure.kind) -> None:
        """Let a file fail in every bulk request; one on tape when its drive is done."""
        self.bulk.failures[clean(path)] = Failure(message, kind)

    def wrong_checksum(self, path: str, *, wrong: bool = True) -> None:
        """Tell checksums of a file that do not fit its bytes."""
        self.entry(path).wrong = wrong

    def expire_tokens(self) -> None:
        """Let no token and no macaroon that was given until now be good any more."""
        self.logins.expire_all()

    def behave(self) -> None:
        """Let everything go well again."""
        self.faults.clear()
        self.bulk.failures.clear()
        for entry in self.namespace.entries():
            entry.wrong = False

    # What was asked

    def note(self, request: Request) -> None:
        """Write a request into the log."""
        with self.clock.changed:
            self._requests.append(request)

    def requests(
        self, *, door: DoorName | None = None, method: str | None = None, path: str | None = None
    ) -> list[Request]:
        """List the requests so far; ``path`` may have ``*``."""
        with self.clock.changed:
            return [
                each
                for each in self._requests
                if door in (None, each.door)
                and method in (None, each.method)
                and (path is None or fnmatch.fnmatchcase(each.path, path))
            ]

    def forget(self) -> None:
        """Begin the log anew."""
        with self.clock.changed:
            self._requests.clear()

    # What doors need

    def settle(self) -> None:
        """Let happen what should have happened by now."""
        self.tape.settle()
        self.bulk.settle()

    def visible(self, who: Login, path: str) -> list[str]:
        """List the names in a folder that somebody may see."""
        names = self.namespace.children(path)
        return [each for each in names if who.restriction.allows("READ_METADATA", posixpath.join(path, each))]

    def may_make_folder(self, handler: Handler, who: Login, path: str) -> None:
        """Refuse a folder to whoever may neither manage nor upload there."""
        above = posixpath.dirname(path)
        if not any(who.restriction.allows("UPLOAD", each) for each in (path, above)):
            handler.may(who, "MANAGE", above)

    def make_readable(self, path: str, who: Login) -> None:
        """Wait until a file is on disk, or refuse."""
        with self.clock.changed:
            self.settle()
            entry = self.namespace.entry(path)
            if entry.trouble:
                raise Answer(500, b"Internal problem: File is unavailable.\n")
            if entry.on_disk:
                return
            if self.options.on_nearline == "refuse" or not who.restriction.allows("STAGE", path):
                raise Answer(401 if who.user is None else 403, b"File not online. Staging not allowed.\n")
            recall = self.tape.recall(entry)

            def come() -> bool:
                self.settle()
                return recall.over or self._closed

            came = self.clock.wait_for(come, timeout_s=self.options.mover_timeout_s)
            if not came or not entry.on_disk:
                raise Answer(500, b"Internal problem: Server is busy (internal timeout)\n")


def _context(files: tuple[str | Path, str | Path] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context
