"""Requests for bytes by obstore: with the secret that holds now, and failures in our words."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import InputError, StoreError, SwathError
from swath.storage.address import join_key
from swath.storage.ahead import fetch_ahead
from swath.storage.failures import Told, failure, parse_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from swath.storage.address import Root
    from swath.storage.credentials import Credentials, Secret

COALESCE = 256 * 1024
"""Bytes between two ranges that are fetched as one: less than what a request costs on the way."""
_PIECE = 4 << 20
_RANGE = 8 << 20
"""Bytes of a range of a large object."""
_RANGES_AT_ONCE = 4
"""Ranges of it that are on their way: one connection does not fill a line that is long."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for."""

    connect_s: float = 10.0
    """Seconds until there is a connection."""
    silence_s: float = 20.0
    """Seconds without a byte."""
    request_s: float = 120.0
    """Seconds for one request that is answered at once or not at all."""
    retries: int = 4
    """Requests after the first, with pauses that double."""
    retries_s: float = 120.0
    """Seconds after which no further one begins."""


PATIENCE = Patience()


def retry_options() -> Any:
    """Give how often obstore asks again."""
    return {
        "max_retries": PATIENCE.retries,
        "retry_timeout": dt.timedelta(seconds=PATIENCE.retries_s),
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=100),
            "max_backoff": dt.timedelta(seconds=5),
            "base": 2,
        },
    }


def client_options(ca: str = "") -> Any:
    """Give how obstore connects.

    Parameters
    ----------
    ca : str
        File of certificates to trust besides the usual; empty: none.

    Raises
    ------
    InputError
        There is no such file.
    """
    options: Any = {
        "connect_timeout": dt.timedelta(seconds=PATIENCE.connect_s),
        "read_timeout": dt.timedelta(seconds=PATIENCE.silence_s),
        "timeout": dt.timedelta(seconds=PATIENCE.request_s),
        "allow_http": True,
    }
    if ca:
        options["root_certificate"] = read_ca(ca).read_text(encoding="ascii", errors="replace")
    return options


def read_ca(path: str) -> Path:
    """Give the file of certificates that the settings name.

    Raises
    ------
    InputError
        It is not there.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"stores: ca: {path!r} is no file", fix="name a file with certificates (PEM)")
    return file


class Client:
    """A client of a server, made anew when the secret changes.

    Parameters
    ----------
    name : str
        The store's name.
    root : Root
        Its root; keys are relative to it.
    credentials : Credentials, optional
        Who asks; None: the client finds that out itself.
    make : callable
        Makes obstore's store of a secret; it is rooted at the host or bucket.
    """

    def __init__(
        self,
        name: str,
        root: Root,
        credentials: Credentials | None,
        make: Callable[[Secret | None], Any],
    ) -> None:
        self.name, self.root, self.credentials = name, root, credentials
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[Secret | None, Any] | None = None

    def secret(self) -> Secret | None:
        """Give the secret that holds now."""
        return self.credentials.secret() if self.credentials else None

    def store(self) -> Any:
        """Give obstore's store with the secret that holds now."""
        return self._store_for(self.secret())

    def _store_for(self, secret: Secret | None) -> Any:
        with self._lock:
            if self._made is None or self._made[0] != secret:
                self._made = (secret, self._make(secret))
            return self._made[1]

    def call(self, function: str, key: str, *more: Any, **arguments: Any) -> Any:
        """Call a function of obstore for a key; errors are its own; a refused secret is renewed once."""
        import obstore

        path, secret = self.path(key), self.secret()
        try:
            return getattr(obstore, function)(self._store_for(secret), path, *more, **arguments)
        except (obstore.exceptions.BaseError, OSError) as error:
            refused = parse_told(str(error)).status in (401, 403)
            if not (refused and self.credentials and secret and self.credentials.renew(secret)):
                raise
        return getattr(obstore, function)(self.store(), path, *more, **arguments)

    def ask(self, function: str, key: str, *more: Any, **arguments: Any) -> Any:
        """Call a function of obstore for a key.

        Raises
        ------
        SwathError
            The server refuses, has no such object, or does not answer.
        """
        with self.failures(key):
            return self.call(function, key, *more, **arguments)

    @contextlib.contextmanager
    def failures(self, key: str) -> Iterator[None]:
        """Turn what obstore raises into our errors."""
        from obstore.exceptions import BaseError

        try:
            yield
        except SwathError:
            raise
        except (BaseError, OSError) as error:
            told = _told(error)
            raise failure(self.name, self.root.href(key), told.status, told.what) from error

    def path(self, key: str) -> str:
        """Give the path of a key below the host or bucket."""
        return join_key(self.root.prefix, key)

    def get(self, key: str) -> bytes:
        """Give all of an object."""
        with self.failures(key):
            return bytes(self.call("get", key).bytes())

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Give several (offset, count) parts, near ones by one request, all requests in flight at once."""
        starts, lengths = [each for each, _ in ranges], [each for _, each in ranges]
        found = self.ask("get_ranges", key, starts=starts, lengths=lengths, coalesce=COALESCE)
        if any(len(each) != length for each, length in zip(found, lengths, strict=True)):
            raise StoreError(
                f"storage {self.name!r}: {self.root.href(key)}: the server gives fewer bytes than asked for"
            )
        return [memoryview(each) for each in found]

    def stream(self, key: str) -> Iterator[memoryview]:
        """Give an object in pieces."""
        return self._pieces(key, self.ask("get", key))

    def opened(self, key: str) -> tuple[Mapping[str, Any], Iterator[memoryview]]:
        """Ask for an object once: what obstore tells of it, and its pieces."""
        found = self.ask("get", key)
        return found.meta, self._pieces(key, found)

    def in_ranges(self, key: str, size: int, etag: str) -> Iterator[memoryview]:
        """Give an object in pieces, by several requests at once; ConflictError when it is another by then."""

        def fetch(start: int, count: int) -> memoryview:
            options = {"range": (start, start + count), "if_match": etag}
            with self.failures(key):
                got = memoryview(self.call("get", key, options=options).bytes())
            if len(got) != count:
                raise self._short(key, start + len(got), size)
            return got

        return fetch_ahead(fetch, size, piece=_RANGE, at_once=_RANGES_AT_ONCE)

    def _pieces(self, key: str, found: Any) -> Iterator[memoryview]:
        size, got = int(found.meta["size"]), 0
        if size <= _PIECE:  # at once: each piece is a wait for another thread
            with self.failures(key):
                whole = memoryview(found.bytes())
            if len(whole) != size:
                raise self._short(key, len(whole), size)
            if size:
                yield whole
            return
        pieces = found.stream(min_chunk_size=_PIECE)
        while True:
            with self.failures(key):
                piece = next(pieces, None)
            if piece is None:
                break
            got += len(piece)
            yield memoryview(piece)
        if got != size:
            raise self._short(key, got, size)

    def _short(self, key: str, got: int, size: int) -> StoreError:
        return StoreError(
            f"storage {self.name!r}: {self.root.href(key)}: it broke off at {got} of {size} bytes"
        )


def _told(error: Exception) -> Told:
    """Understand what obstore raises: by the status, else by the class."""
    from obstore import exceptions

    told = parse_told(str(error))
    kinds = {
        exceptions.NotFoundError: 404,
        exceptions.UnauthenticatedError: 401,
        exceptions.PermissionDeniedError: 403,
        exceptions.AlreadyExistsError: 412,
        exceptions.PreconditionError: 412,
        FileNotFoundError: 404,
    }
    if not told.status:
        for kind, status in kinds.items():
            if isinstance(error, kind):
                return Told(status, "")
    return told
