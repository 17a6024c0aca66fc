"""Where the bytes of a file come from: local files by pread, HTTP and S3 by ranges fetched together."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from swath.cube.tiff.header import MalformedError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COALESCE = 256 * 1024
"""Bytes between two ranges that are fetched as one: less than what a request costs on the way."""


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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for."""

    connect_s: float = 10.0
    """Seconds until there is a connection."""
    silence_s: float = 20.0
    """Seconds without a byte."""
    request_s: float = 120.0
    """Seconds for one request."""
    retries: int = 4
    """Requests after the first, with pauses that double."""
    retries_s: float = 120.0
    """Seconds after which no further one begins."""


PATIENCE = Patience()


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
        from obstore.exceptions import BaseError, NotSupportedError

        try:
            return getattr(obstore, function)(self._store, self._path, **arguments)
        except NotSupportedError as error:
            raise Unsupported("a server that gives no parts of files") from error
        except (BaseError, FileNotFoundError) as error:  # the latter also for other answers than 404
            raise _failure(str(error)) from error

    def close(self) -> None:
        """Do nothing: connections belong to the store, which is kept."""


def _failure(told: str) -> OSError:
    """Make our error of what the client tells in many lines: the status, or what broke."""
    told = " ".join(told.split())
    if status := re.search(r"status code: (\d{3})([\w ]*)", told):
        said = f"the server says {status[1]}{status[2]}".rstrip()
        if status[1] in ("404", "410"):
            return FileNotFoundError(said)
        return ServerError(said, final=status[1] >= "500" or status[1] == "429")
    for sign, what in _BROKEN.items():
        if sign in told:
            cause = re.search(r'message: "([^"]*)"', told)
            return ServerError(what + (f" ({cause[1]})" if cause else ""), final=True)
    return ServerError(told.partition(" Debug source")[0][:300], final=False)


_BROKEN = {
    "TimedOut": "the server does not answer in time",
    "kind: Timeout": "the server does not answer in time",
    "kind: Interrupted": "the server breaks off",
    "error sending request": "there is no connection to the server",
}


@lru_cache(maxsize=64)
def _store(scheme: str, netloc: str) -> Any:
    """Keep connections to a host."""
    import datetime as dt

    from obstore.store import HTTPStore, S3Store

    retry: Any = {
        "max_retries": PATIENCE.retries,
        "retry_timeout": dt.timedelta(seconds=PATIENCE.retries_s),
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=100),
            "max_backoff": dt.timedelta(seconds=5),
            "base": 2,
        },
    }
    options: Any = {
        "connect_timeout": dt.timedelta(seconds=PATIENCE.connect_s),
        "read_timeout": dt.timedelta(seconds=PATIENCE.silence_s),
        "timeout": dt.timedelta(seconds=PATIENCE.request_s),
        "allow_http": True,
    }
    if scheme == "s3":
        unsigned = _check_credentials(os.environ)
        return S3Store(netloc, client_options=options, retry_config=retry, skip_signature=unsigned)
    return HTTPStore.from_url(f"{scheme}://{netloc}", client_options=options, retry_config=retry)


def _check_credentials(environment: Mapping[str, str]) -> bool:
    """Tell whether S3 is asked without a signature.

    Profiles, the address of another server as GDAL knows it, and credentials of a cloud's machines are left
    to GDAL, which finds them without waiting for an address that is none here.
    """
    if "AWS_PROFILE" in environment or (
        "AWS_S3_ENDPOINT" in environment and "AWS_ENDPOINT_URL" not in environment
    ):
        raise Unsupported("S3 as only GDAL's settings describe it")
    if any(environment.get(name, "").upper() in ("YES", "TRUE", "ON", "1") for name in _UNSIGNED):
        return True
    if not any(name in environment for name in _CREDENTIALS):
        raise Unsupported("no credentials for S3 in the environment")
    return False


_UNSIGNED = ("AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # fmt: skip
