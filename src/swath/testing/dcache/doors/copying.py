"""Third-party copies: dCache fetches from, or sends to, another server, and reports on the way."""

from __future__ import annotations

import contextlib
import http.client
import posixpath
import ssl
import threading
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from swath.testing.dcache.doors.data import claimed_sums
from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.namespace import KINDS, compute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swath.testing.dcache.doors.data import DataHandler
    from swath.testing.dcache.emulator import DCache
    from swath.testing.dcache.login import Login

_PIECE = 1 << 16
_MOST_REDIRECTS = 5


class _FailedError(Exception):
    """Why a copy failed: what the last line says."""


def copy(handler: DataHandler, who: Login, path: str) -> Answer:
    """Begin a third-party copy; the answer lasts until it ends."""
    source, to = handler.headers.get("Source"), handler.headers.get("Destination")
    if (source is None) == (to is None):
        words = "is missing both" if source is None else "contains both"
        raise Answer(400, reason=f"COPY request {words} Destination and Source request headers")
    remote = str(source or to)
    if urlsplit(remote).scheme not in ("http", "https") or not urlsplit(remote).hostname:
        raise Answer(405, b"Method COPY is not allowed.\n")
    if handler.headers.get("Credential", "none") not in ("none", "oidc"):
        raise Answer(400, reason="Delegation is not emulated; send Credential: none")
    _check(handler, who, path, pull=source is not None)
    prefix = "transferheader"
    headers = {k[len(prefix) :]: v for k, v in handler.headers.items() if k.lower().startswith(prefix)}
    verify = handler.headers.get("RequireChecksumVerification", "true").lower() == "true"
    work = _Copy(handler.dcache, path, remote, headers, strict=verify)
    pieces = work.report(handler.dcache.options.marker_s, pull=source is not None)
    return Answer(202, headers={"Content-Type": "text/perf-marker-stream"}, pieces=pieces)


def _check(handler: DataHandler, who: Login, path: str, *, pull: bool) -> None:
    names = handler.dcache.namespace
    activity = "UPLOAD" if pull else "DOWNLOAD"
    if not who.restriction.allows(activity, path):
        raise Answer(401, reason="Permission denied")
    if not pull:
        if not names.exists(path):
            raise Answer(404, reason="no such file")
        if names.is_folder(path):
            raise Answer(400, reason="Not a file")
        handler.dcache.make_readable(path, who)
    elif not names.is_folder(posixpath.dirname(path)):
        raise Answer(400, reason=f"No such file or directory {posixpath.dirname(path)}")
    elif names.exists(path) and handler.headers.get("Overwrite", "T").upper() == "F":
        raise Answer(500, reason="Internal problem with server")
    elif names.exists(path) and not who.restriction.allows("DELETE", path):
        raise Answer(401, reason="Permission denied")


class _Copy:
    """One copy at work in a thread of its own."""

    def __init__(
        self, dcache: DCache, path: str, remote: str, headers: dict[str, str], *, strict: bool
    ) -> None:
        self.dcache = dcache
        self.path = path
        self.remote = remote
        self.headers = headers
        self.strict = strict
        self.moved = 0
        self.result = ""
        self.upload: Path | None = None

    def report(self, every_s: float, *, pull: bool) -> Iterator[bytes]:
        """Work, and tell how it goes."""
        thread = threading.Thread(target=self._work, args=(pull,), daemon=True)
        begun = int(self.dcache.clock.now())
        thread.start()
        while True:
            thread.join(every_s)
            if not thread.is_alive():
                break
            yield self._marker(begun)
        yield f"{self.result}\n".encode()

    def _marker(self, begun: int) -> bytes:
        now = int(self.dcache.clock.now())
        lines = [
            "Perf Marker",
            f"    Timestamp: {now}",
            "    State: 10",
            "    State description: transfer has started",
            "    Stripe Index: 0",
            f"    Stripe Start Time: {begun}",
            f"    Stripe Last Transferred: {now}",
            f"    Stripe Transfer Time: {now - begun}",
            f"    Stripe Bytes Transferred: {self.moved}",
            "    Stripe Status: RUNNING",
            "    Total Stripe Count: 1",
            "End",
        ]
        return ("\n".join(lines) + "\n").encode()

    def _work(self, pull: bool) -> None:  # noqa: FBT001 - the argument of a thread
        try:
            self._pull() if pull else self._push()
        except (_FailedError, OSError, http.client.HTTPException) as error:
            self.result = f"failure: {error}"
        else:
            self.result = "success: Created"
        finally:
            if self.upload is not None:
                self.upload.unlink(missing_ok=True)

    def _pull(self) -> None:
        names = self.dcache.namespace
        connection, answer = self._ask("GET", {"Want-Digest": "adler32,md5"})
        with contextlib.closing(connection):
            self.upload = names.upload()
            size = answer.getheader("Content-Length")
            with self.upload.open("wb") as file:
                while piece := answer.read(_PIECE):
                    file.write(piece)
                    self.moved += len(piece)
            if size is not None and int(size) != self.moved:
                raise _FailedError(f"partial transfer: received {self.moved} bytes of {size}")
        self._compare(self.upload, answer.getheader("Digest"))
        with self.dcache.clock.changed:
            entry = names.keep(self.upload, self.path)
            if entry.custodial:
                self.dcache.tape.flush(entry)

    def _push(self) -> None:
        place = self.dcache.namespace.where(self.path)
        size = place.stat().st_size
        connection, answer = self._ask("PUT", {"Content-Length": str(size)}, send=place)
        with contextlib.closing(connection):
            answer.read()
        self.moved = size
        connection, answer = self._ask("HEAD", {"Want-Digest": "adler32,md5"})
        with contextlib.closing(connection):
            answer.read()
        length = answer.getheader("Content-Length")
        if length is not None and int(length) != size:
            raise _FailedError(f"HEAD Content-Length ({length}) does not match file size ({size})")
        self._compare(place, answer.getheader("Digest"))

    def _compare(self, place: Path, header: str | None) -> None:
        claimed = claimed_sums(None, header)
        if not claimed and self.strict:
            raise _FailedError("no checksums in response")
        found = compute(place, [kind for kind in KINDS if kind in claimed])
        for kind, value in claimed.items():
            if found[kind] != value:
                raise _FailedError(f"checksum mismatch: {kind} is {found[kind]} here and {value} there")

    def _ask(
        self, method: str, headers: dict[str, str], *, send: Path | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a request after redirects; a refusal is a failure."""
        url = self.remote
        for _ in range(_MOST_REDIRECTS):
            parts = urlsplit(url)
            connection = _connect(self.dcache, parts.scheme, parts.netloc)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            own = self.headers if parts.netloc == urlsplit(self.remote).netloc else {}
            try:
                if send is None:
                    connection.request(method, target, headers=own | headers)
                else:
                    with send.open("rb") as file:
                        connection.request(method, target, body=file, headers=own | headers)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException):
                connection.close()
                raise
            if answer.status not in (301, 302, 303, 307, 308):
                if answer.status >= 300:
                    connection.close()
                    raise _FailedError(f"rejected {method}: {answer.status} {answer.reason}")
                return connection, answer
            connection.close()
            url = urljoin(url, answer.getheader("Location", ""))
        raise _FailedError(f"rejected {method}: too many redirections")


def _connect(dcache: DCache, scheme: str, netloc: str) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(netloc, timeout=30)
    context = ssl.create_default_context()
    if dcache.tls_files is not None:
        context.load_verify_locations(dcache.tls_files[0])
    return http.client.HTTPSConnection(netloc, timeout=30, context=context)
