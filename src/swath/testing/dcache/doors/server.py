"""What every door does with a request: bodies, logins, faults and the log."""

from __future__ import annotations

import contextlib
import json
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote

from swath.testing.dcache.doors.door import Answer, Door
from swath.testing.dcache.faults import Request, query_without_secrets, without_secrets
from swath.testing.dcache.login import DeniedError, Login

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swath.testing.dcache.emulator import DCache
    from swath.testing.dcache.faults import Fault

_PIECE = 1 << 16


class Handler(BaseHTTPRequestHandler):
    """One connection; a door says in `answer` what becomes of each request."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    fault: Fault | None = None
    awaits_100 = False
    body_read = False
    logged = False
    whole: bytes | None = None
    """The body of the request, once `read_whole` has read it."""

    def answer(self) -> Answer:
        """Answer one request."""
        raise NotImplementedError

    def refuse(self, answer: Answer) -> Answer:
        """Give a refusal the looks that it has at this door."""
        return answer

    def version_string(self) -> str:
        """Tell what answers."""
        return "dCache/emulator"

    @property
    def dcache(self) -> DCache:
        """The emulator."""
        return cast("Door", self.server).dcache

    @property
    def client(self) -> str:
        """The address of the client."""
        return str(self.client_address[0])

    def log_message(self, *_: object) -> None:
        """Write nothing: see ``DCache.requests``."""

    def handle_expect_100(self) -> bool:
        """Do not ask for the body before it is wanted."""
        self.awaits_100 = True
        return True

    def parse_request(self) -> bool:
        """Read a head, and forget what was of the request before."""
        self.awaits_100 = self.body_read = self.logged = False
        self.whole = None
        return super().parse_request()

    def serve(self) -> None:
        """Answer one request, well or with the fault that waits for it."""
        raw, _, self.query = self.path.partition("?")
        self.target = unquote(raw)
        self.params = dict(parse_qsl(self.query, keep_blank_values=True))
        self.fault = self.dcache.faults.take(cast("Door", self.server).name, self.command, self.target)
        try:
            self._send(self._answered())
        except (BrokenPipeError, ConnectionError, TimeoutError):
            self.close_connection = True
        finally:
            self._log(0)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_PATCH = serve
    do_MKCOL = do_MOVE = do_COPY = do_PROPFIND = do_PROPPATCH = do_LOCK = do_UNLOCK = serve

    def login(self) -> Login:
        """Tell who asks; bad credentials are refused."""
        try:
            header = self.headers.get("Authorization", "")
            if header and self.dcache.tls is None and not self.dcache.options.plain_credentials:
                raise DeniedError("credentials over an unencrypted channel")
            who = self.dcache.logins.login(header, self.params.get("authz", ""), client=self.client)
        except DeniedError as error:
            raise Answer(401, reason=str(error).split(":")[0], body=f"{error}\n".encode()) from error
        return who

    def enter(self) -> Login:
        """Tell who asks; nobody in particular may only do what the options let anybody do."""
        who, options = self.login(), self.dcache.options
        reads = self.command in ("GET", "HEAD", "OPTIONS", "PROPFIND")
        if who.user is None and (
            options.anonymous == "NONE" or (options.anonymous == "READONLY" and not reads)
        ):
            raise Answer(401, b"Authentication required\n")
        return who

    def may(self, who: Login, activity: str, path: str) -> None:
        """Refuse what a login does not allow."""
        if not who.restriction.allows(activity, path):
            body = f"Permission denied for {self.command} on path {self.target}\n".encode()
            raise Answer(401 if who.user is None else 403, body)

    def body(self) -> Iterator[bytes]:
        """Read the body of the request in pieces."""
        self.body_read = True
        if self.awaits_100:
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            yield from self._chunks()
            return
        left = self._announced()
        while left:
            piece = self.rfile.read(min(left, _PIECE))
            if not piece:
                raise ConnectionResetError("the body ended too early")
            left -= len(piece)
            yield piece

    def read_whole(self) -> bytes:
        """Read the body at once, or give what was read."""
        if self.whole is None:
            self.whole = b"".join(self.body())
        return self.whole

    def json(self) -> dict[str, Any]:
        """Read a body that is a JSON object."""
        try:
            found = json.loads(self.read_whole())
        except ValueError as error:
            raise Answer(400, f"Supplied JSON is invalid: {error}".encode()) from error
        if not isinstance(found, dict):
            raise Answer(400, b"Supplied JSON is invalid: not an object")
        return found

    def _announced(self) -> int:
        text = self.headers.get("Content-Length", "0")
        if not text.isdigit():
            self.close_connection = True
            raise Answer(400, b"Bad Content-Length header\n")
        return int(text)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(100).split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline(3)
        while self.rfile.readline(_PIECE).strip():
            pass

    def _answered(self) -> Answer:
        fault = self.fault
        if fault and fault.wait_s:
            time.sleep(fault.wait_s)
        try:
            if fault and (fault.status or fault.redirect):
                return self._failed(fault)
            return self.answer()
        except Answer as early:
            return self.refuse(early) if early.status >= 400 else early
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours, told to the client
            return self.refuse(Answer(500, f"Internal problem: {error!r}\n".encode()))

    def _failed(self, fault: Fault) -> Answer:
        headers = {}
        if fault.retry_after_s is not None:
            headers["Retry-After"] = f"{fault.retry_after_s:g}"
        if fault.redirect:
            return Answer(307, headers=headers | {"Location": fault.redirect.rstrip("/") + self.path})
        return self.refuse(
            Answer(fault.status, f"{fault.message}\n".encode(), headers, reason=fault.message or None)
        )

    def _send(self, answer: Answer) -> None:
        pieces = [answer.body] if answer.pieces is None else answer.pieces
        length = len(answer.body) if answer.pieces is None else answer.length
        if not self._drained():
            self.close_connection = True
        fault = self.fault
        if fault and fault.shorter_by and length and answer.status < 300:
            length = max(length - fault.shorter_by, 0)
        self._log(answer.status)
        self.send_response_only(answer.status, answer.reason)
        self.send_header("Server", self.version_string())
        self.send_header("Date", formatdate(usegmt=True))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        elif answer.status not in (204, 304) and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(pieces, length, spoil=fault if answer.status < 300 else None)

    def _send_body(self, pieces: Iterable[bytes], length: int | None, *, spoil: Fault | None) -> None:
        sent = 0
        for piece in self._paced(pieces, spoil):
            part = piece if length is None else piece[: length - sent]
            if spoil and spoil.corrupt and part:
                part, spoil = bytes([part[0] ^ 1]) + part[1:], None
            cut = spoil.cut_after if spoil else -1
            ends = 0 <= cut <= sent + len(part)
            self._write(part[: cut - sent] if ends else part, chunked=length is None)
            sent += len(part)
            if ends:
                self.close_connection = True
                raise ConnectionAbortedError("cut on purpose")
        if length is None:
            self.wfile.write(b"0\r\n\r\n")

    def _paced(self, pieces: Iterable[bytes], spoil: Fault | None) -> Iterator[bytes]:
        if not spoil or not spoil.bytes_per_s:
            yield from pieces
            return
        step = max(int(spoil.bytes_per_s / 20), 1)
        for piece in pieces:
            for at in range(0, len(piece), step):
                time.sleep(step / spoil.bytes_per_s)
                yield piece[at : at + step]

    def _write(self, part: bytes, *, chunked: bool) -> None:
        if chunked and part:
            part = b"%x\r\n%s\r\n" % (len(part), part)
        self.wfile.write(part)
        self.wfile.flush()

    def _drained(self) -> bool:
        """Read a small body that nobody has read, so that the next request is found behind it."""
        if self.body_read:
            return True
        if self.awaits_100 or "Transfer-Encoding" in self.headers:
            return False
        text = self.headers.get("Content-Length", "0")
        if not text.isdigit() or int(text) > _PIECE:
            return False
        with contextlib.suppress(OSError):
            self.rfile.read(int(text))
        return True

    def _log(self, status: int) -> None:
        if not self.logged:
            self.logged = True
            headers = without_secrets(self.headers.items())
            query = query_without_secrets(self.query)
            name = cast("Door", self.server).name
            self.dcache.note(Request(name, self.command, self.target, query, status, headers))
