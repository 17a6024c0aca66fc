"""Where the bytes of a file come from: local files by pread, HTTP and S3 by ranges fetched together."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from swath.cube.tiff.header import MalformedError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Sequence

_COALESCE = 256 * 1024
"""Bytes between two ranges that are fetched as one: less than what a request costs on the way."""
_TRIES = 4
_TIMEOUT = "60s"


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


def is_known_address(href: str) -> bool:
    """Tell whether an address is of a kind that is read here."""
    if href.startswith("/vsi") or re.match(r"[A-Z0-9]+:", href):
        return False
    parts = urlsplit(href)
    if "://" not in href or parts.scheme == "file":
        return True
    return parts.scheme in ("http", "https", "s3") and not (parts.query or parts.fragment or parts.username)


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
        Its address: ``http://``, ``https://`` or ``s3://bucket/key``; for S3 the usual environment variables
        say who asks and where.
    """

    remote = True

    def __init__(self, href: str) -> None:
        parts = urlsplit(href)
        self._store = _store(parts.scheme, parts.netloc)
        self._path = parts.path.lstrip("/")
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
        found = self._ask("get_ranges", starts=starts, lengths=lengths, coalesce=_COALESCE)
        if any(len(each) != length for each, length in zip(found, lengths, strict=True)):
            raise MalformedError("the server gives fewer bytes than asked for")
        return [memoryview(each) for each in found]

    def _ask(self, function: str, **arguments: Any) -> Any:
        import obstore
        from obstore.exceptions import BaseError

        try:
            return getattr(obstore, function)(self._store, self._path, **arguments)
        except FileNotFoundError:
            raise
        except BaseError as error:
            raise OSError(" ".join(str(error).split())[:300]) from error

    def close(self) -> None:
        """Do nothing: connections belong to the store, which is kept."""


@lru_cache(maxsize=64)
def _store(scheme: str, netloc: str) -> Any:
    """Keep connections to a host."""
    import datetime as dt

    from obstore.store import HTTPStore, S3Store

    retry: Any = {
        "max_retries": _TRIES,
        "retry_timeout": dt.timedelta(seconds=120),
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=100),
            "max_backoff": dt.timedelta(seconds=5),
            "base": 2,
        },
    }
    options: Any = {"timeout": _TIMEOUT, "connect_timeout": "10s", "allow_http": True}
    if scheme == "s3":
        return S3Store(netloc, client_options=options, retry_config=retry)
    return HTTPStore.from_url(f"{scheme}://{netloc}", client_options=options, retry_config=retry)
