"""A WebDAV server as a store: Apache, nginx, rclone, Nextcloud."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from swath.model import ConflictError, MissingObjectError, NotAllowedError
from swath.storage.address import check_key, join_key, quote_key
from swath.storage.failures import failure
from swath.storage.protocol import Stat
from swath.storage.web import WebStore
from swath.storage.webdav.multistatus import WANTED, Entry, read_multistatus
from swath.storage.whole import PART

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from swath.config import StoreSettings
    from swath.storage.address import Root
    from swath.storage.credentials import Credentials
    from swath.storage.protocol import ObjectStore

_LOCKED_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses while a file is locked by who moves something onto it."""
_SMALL = 8 << 20
"""Bytes up to which a file is held in memory to be sent."""


class WebdavStore(WebStore):
    """Files and folders behind WebDAV.

    Parameters
    ----------
    root : Root
        Where it begins.
    settings : StoreSettings
        Certificates.
    credentials : Credentials, optional
        Who asks.
    name : str
        What errors call it.
    """

    writes_whole = False
    """True where the server shows no half-written file under its name."""
    wanted = WANTED
    """What is asked of a folder's entries."""

    def __init__(
        self, root: Root, settings: StoreSettings, credentials: Credentials | None, *, name: str
    ) -> None:
        super().__init__(root, settings, credentials, name=name)
        self._made: set[str] = set()
        self._making = threading.Lock()

    def stat(self, key: str) -> Stat:
        """Tell what a file or a folder is."""
        for each in self._entries(check_key(key), depth=0):
            return self._stat(each)
        raise MissingObjectError(f"storage {self.name!r}: {self.root.href(key)}: there is nothing")

    def put(self, key: str, data: bytes | Path | Iterable[bytes], *, overwrite: bool = True) -> Stat:
        """Write a file, whole or not at all: under another name first, where the server shows half ones."""
        folder, _, name = check_key(key).rpartition("/")
        self.make_folder(folder)
        if self.writes_whole and overwrite:
            return self._send(key, data) or self.stat(key)
        part = join_key(folder, f"{PART}{secrets.token_hex(4)}-{name}"[:240])
        try:
            self._send(part, data)
            self.move(part, key, overwrite=overwrite)
        except BaseException:
            with contextlib.suppress(Exception):
                self.delete([part])
            raise
        return self.stat(key)

    def _send(self, key: str, data: bytes | Path | Iterable[bytes]) -> Stat | None:
        """Send a file's bytes; gives its stat where the answer tells it."""
        if isinstance(data, Path) and data.stat().st_size <= _SMALL:
            data = data.read_bytes()
        if isinstance(data, Path):
            with data.open("rb") as file:
                self.door.ask("PUT", self._path(key), data=file)
        elif isinstance(data, (bytes, bytearray, memoryview)):
            self.client.ask("put", key, bytes(data), use_multipart=False)
        else:
            self.door.ask("PUT", self._path(key), data=iter(data))
        return None

    def make_folder(self, folder: str) -> None:
        """Make a folder and those that it lies in, the store's own too; asks once for each."""
        path = self.client.path(folder)
        if path in self._made:
            return
        with self._making:  # a server may refuse one of two that make the same folder at once
            self._make_path(path)

    def _make_path(self, path: str) -> None:
        if not path or path in self._made:
            return
        # 403: the folder may be there, and its own folder not ours; what is then put into it tells.
        there = (301, 403, 405)
        answer = self.door.ask("MKCOL", f"/{quote_key(path)}/", accept=(*there, 409))
        if answer.status_code == 409:
            self._make_path(path.rpartition("/")[0])
            self.door.ask("MKCOL", f"/{quote_key(path)}/", accept=there)
        self._made.add(path)

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Give all files under a folder; those that are being written are left out."""
        waiting = [check_key(prefix) if prefix else ""]
        while waiting:
            folder = waiting.pop()
            with contextlib.suppress(MissingObjectError):
                for each in self._inside(folder):
                    if each.is_folder:
                        waiting.append(each.key)
                    else:
                        yield each

    def folder(self, prefix: str = "") -> Sequence[Stat]:
        """Give what lies directly in a folder; a file has nothing in it."""
        try:
            found = list(self._inside(check_key(prefix) if prefix else ""))
        except MissingObjectError:
            return []
        return sorted(found, key=lambda each: each.key)

    def leftovers(self, prefix: str = "") -> Iterator[Stat]:
        """Give the files under a folder that are being written, or that somebody was stopped over."""
        waiting = [check_key(prefix) if prefix else ""]
        while waiting:
            folder = waiting.pop()
            own = self.client.path(folder)
            with contextlib.suppress(MissingObjectError):
                for each in self._entries(folder, depth=1):
                    if each.is_folder and each.path != own:
                        waiting.append(self._stat(each).key)
                    elif each.path.rpartition("/")[2].startswith(PART):
                        yield self._stat(each)

    def _inside(self, folder: str) -> Iterator[Stat]:
        own = self.client.path(folder)
        for each in self._entries(folder, depth=1):
            if each.path != own and not each.path.rpartition("/")[2].startswith(PART):
                yield self._stat(each)

    def _entries(self, key: str, *, depth: int) -> Iterator[Entry]:
        path = self._path(key) if self.client.path(key) else "/"
        if depth and not path.endswith("/"):
            path += "/"
        headers = {"Depth": str(depth), "Content-Type": "application/xml"}
        answer = self.door.ask("PROPFIND", path, headers=headers, data=self.wanted, stream=True)
        try:
            answer.raw.decode_content = True
            yield from read_multistatus(answer.raw, store=self.name)
        finally:
            answer.close()

    def _stat(self, entry: Entry) -> Stat:
        """Make what a server tells a `Stat`; what it tells of places outside is not believed."""
        prefix = self.root.prefix
        if prefix and not f"{entry.path}/".startswith(f"{prefix}/"):
            raise NotAllowedError(
                f"storage {self.name!r}: the server lists {entry.path!r}, which is outside of it"
            )
        key = entry.path[len(prefix) + 1 :] if prefix else entry.path
        return Stat(key, 0 if entry.is_folder else entry.size, entry.modified, entry.etag, entry.is_folder)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files."""
        for key in keys:
            self.door.ask("DELETE", self._path(check_key(key)), accept=(404, 410))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it."""
        self.door.ask("DELETE", self._path(check_key(folder)) + "/", accept=(404, 410))
        with self._making:
            gone = self.client.path(folder) + "/"
            self._made = {each for each in self._made if not f"{each}/".startswith(gone)}

    def move(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Give a file another key, on the server."""
        self.make_folder(check_key(target).rpartition("/")[0])
        self._relocate("MOVE", source, self.root.href(target), overwrite=overwrite)

    def copy(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy a file on the server."""
        self.make_folder(check_key(target).rpartition("/")[0])
        self._relocate("COPY", source, self.root.href(check_key(target)), overwrite=overwrite)

    def copy_from(self, other: ObjectStore, source: str, target: str) -> Stat | None:
        """Copy a file on the server, where both are on one for one user."""
        check_key(target)
        if not isinstance(other, WebdavStore) or other._server() != self._server():
            return None
        self.make_folder(target.rpartition("/")[0])
        folder, _, name = target.rpartition("/")
        part = target if self.writes_whole else join_key(folder, f"{PART}{secrets.token_hex(4)}-{name}"[:240])
        try:
            other._relocate("COPY", source, self.root.href(part), overwrite=True)
            if part != target:
                self.move(part, target)
        except BaseException:
            if part != target:
                with contextlib.suppress(Exception):
                    self.delete([part])
            raise
        return self.stat(target)

    def _server(self) -> tuple[object, ...]:
        return type(self), self.root.scheme, self.root.host, self.client.secret()

    def _relocate(self, method: str, source: str, target: str, *, overwrite: bool) -> None:
        headers = {
            "Destination": target,
            "Overwrite": "T" if overwrite else "F",
        }
        path = self._path(check_key(source))
        for pause_s in _LOCKED_S:
            answer = self.door.ask(method, path, headers=headers, accept=(403, 412, 423))
            if answer.status_code != 423:
                break
            time.sleep(pause_s)  # somebody else moves something there just now
        else:
            raise failure(self.name, target, 423)
        if answer.status_code == 403:  # what Go's server says of a source that is not there
            self.stat(source)
            raise failure(self.name, self.root.href(source), 403)
        if answer.status_code == 412:
            raise ConflictError(f"storage {self.name!r}: {target}: it is there already")
