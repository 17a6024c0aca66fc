"""Where the bytes of a file come from: local files by pread, HTTP and S3 by ranges fetched together."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

from swath.cube.tiff.header import MalformedError, Unsupported
from swath.model import NotAllowedError
from swath.storage import stores
from swath.storage.client import COALESCE
from swath.storage.failures import parse_told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.storage.web import WebStore


class ServerError(OSError):
    """A server that does not give a file; the message is what it said, or how it stayed silent.

    Parameters
    ----------
    what : str
        One clause.
    final : bool
        True where asking again, by GDAL with credentials of its own, would only be more waiting.
    """

    def __init__(self, what: str, *, final: bool) -> None:
        super().__init__(what)
        self.final = final


class Origin(Protocol):
    """Something that gives bytes of a file; safe with several threads."""

    size: int
    """Bytes of the file."""
    stamp: tuple[Any, ...]
    """Changes when the file does."""
    remote: bool
    """True where each call is a request."""

    def read(self, offset: int, count: int) -> bytes:
        """Give ``count`` bytes, fewer at the end of the file."""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Give several (offset, count) ranges, as buffers."""

    def close(self) -> None:
        """Let go of the file."""


_REMOTE = ("http", "https", "s3", "dav", "davs", "dcache")


def is_known_address(href: str) -> bool:
    """Tell whether an address is of a kind that is read here."""
    if href.startswith("/vsi") or re.match(r"[A-Z0-9]+:", href):
        return False
    parts = urlsplit(href)
    if "://" not in href or parts.scheme == "file":
        return True
    return parts.scheme in _REMOTE and not (parts.query or parts.fragment or parts.username)


def open_origin(href: str) -> Origin:
    """Open a file where it lies.

    Raises
    ------
    OSError
        There is no such file, or the server does not give it.
    Unsupported
        No address that is read here.
    """
    if not is_known_address(href):
        raise Unsupported("an address for GDAL")
    if "://" not in href:
        return LocalFile(href)
    return LocalFile(urlsplit(href).path) if href.startswith("file:") else RemoteFile(href)


class LocalFile:
    """A file of this machine.

    Parameters
    ----------
    path : str
        Where it lies.
    """

    remote = False

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        told = os.fstat(self._file)
        self.size = told.st_size
        self.stamp = (told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns)

    def read(self, offset: int, count: int) -> bytes:
        """Give ``count`` bytes, fewer at the end of the file."""
        return os.pread(self._file, count, offset)

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Give several (offset, count) ranges."""
        return [os.pread(self._file, count, offset) for offset, count in ranges]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


class RemoteFile:
    """A file behind HTTP or S3. Requests that fail by 5xx or the connection are repeated, with back-off.

    Parameters
    ----------
    href : str
        Its address: ``http://``, ``https://``, ``s3://bucket/key`` and the like; who asks there is found as
        for all stores.
    """

    remote = True

    def __init__(self, href: str) -> None:
        try:
            store, self._path = stores().locate(href)
        except NotAllowedError as error:  # GDAL may know of others, such as those of a cloud's machines
            raise Unsupported(str(error)) from error
        self._client = cast("WebStore", store).client  # as all that is remote has
        told = self._ask("head")
        self.size = int(told["size"])
        self.stamp = (told.get("e_tag"), str(told.get("last_modified")), self.size)

    def read(self, offset: int, count: int) -> bytes:
        """Give ``count`` bytes, fewer at the end of the file."""
        count = min(count, self.size - offset)
        return bytes(self._ask("get_range", start=offset, length=count)) if count > 0 else b""

    def read_many(self, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Give several (offset, count) ranges: near ones in one request, all requests in flight at once."""
        starts, lengths = [each for each, _ in ranges], [each for _, each in ranges]
        if any(start + length > self.size for start, length in ranges):
            raise MalformedError(f"it ends at {self.size} bytes, before the end of a block")
        found = self._ask("get_ranges", starts=starts, lengths=lengths, coalesce=COALESCE)
        if any(len(each) != length for each, length in zip(found, lengths, strict=True)):
            raise MalformedError("the server gives fewer bytes than asked for")
        return [memoryview(each) for each in found]

    def _ask(self, function: str, **arguments: Any) -> Any:
        from obstore.exceptions import BaseError, NotSupportedError

        try:
            return self._client.call(function, self._path, **arguments)
        except NotSupportedError as error:
            raise Unsupported("a server that gives no parts of files") from error
        except (BaseError, FileNotFoundError) as error:  # the latter also for other answers than 404
            raise _failure(str(error)) from error

    def close(self) -> None:
        """Do nothing: connections belong to the store, which is kept."""


def _failure(message: str) -> OSError:
    """Make our error of what the client tells in many lines."""
    told = parse_told(message)
    if told.status in (404, 410):
        return FileNotFoundError(told.what)
    if told.status:
        return ServerError(told.what, final=told.status >= 500 or told.status == 429)
    return ServerError(told.what, final=told.is_broken)
