"""An HTTP server on the loopback for tests: it serves ranges, counts, and misbehaves as it is told."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Manners:
    """How requests are answered; each counter says for how many GET requests it lasts (HEAD answers well)."""

    status: int = 0
    """Answer with this, and no content."""
    times: int = 1 << 30
    """How many requests ``status`` or ``cut`` spoil."""
    also_head: bool = False
    """Spoil HEAD requests too."""
    cut: int = -1
    """Close the connection after so many bytes of the content."""
    wait_s: float = 0.0
    """Seconds before an answer."""
    pause_s: float = 0.0
    """Seconds between pieces of 1 kB of the content."""
    ranges: bool = True
    """Keep to Range; else send the whole with status 200."""
    longer: int = 0
    """Bytes that Content-Length says too many."""
    shorter: int = 0
    """Bytes that are left out of a range, with a Content-Length that fits."""


@dataclass
class Seen:
    """What a server saw."""

    requests: list[tuple[str, str, tuple[int, int] | None]] = field(default_factory=list)
    """Method, path, and first and last byte asked for."""
    sent: int = 0
    """Bytes of content, counted before they leave: who has received them finds them counted."""
    in_flight: int = 0
    """Requests whose answer has not begun."""
    most_in_flight: int = 0
    """The most at once."""

    secrets: list[str] = field(default_factory=list)
    """Values of the header Authorization."""

    def count(self, method: str) -> int:
        """Count requests of a method."""
        return sum(each[0] == method for each in self.requests)


class RangeServer:
    """Serves what is put into ``files``, from a thread; to be used in a ``with`` statement."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}
        self.manners = Manners()
        self.seen = Seen()
        self.before: Callable[[str], None] | None = None
        self.lock = threading.Lock()
        server = self

        class Handler(_Handler):
            owner = server

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, name: str, content: bytes) -> str:
        """Serve a file; give its address."""
        self.files["/" + name] = content
        return f"{self.address}/{name}"

    def forget(self) -> None:
        """Count from nothing, and behave."""
        self.manners, self.seen = Manners(), Seen()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that clients break."""


class _Handler(BaseHTTPRequestHandler):
    owner: RangeServer
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answered(self._head)

    def do_GET(self) -> None:
        self._answered(self._get)

    def _answered(self, answer: Callable[[], None]) -> None:
        if "Authorization" in self.headers:
            self.owner.seen.secrets.append(self.headers["Authorization"])
        seen, asked = self.owner.seen, re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        span = (int(asked[1]), int(asked[2])) if asked else None
        with self.owner.lock:
            seen.requests.append((self.command, self.path, span))
            seen.in_flight += 1
            seen.most_in_flight = max(seen.most_in_flight, seen.in_flight)
        try:
            time.sleep(self.owner.manners.wait_s)
            with self.owner.lock:
                seen.in_flight -= 1
            answer()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _spoiled(self) -> bool:
        """Tell whether this request is one of those that go wrong."""
        manners = self.owner.manners
        if not (manners.status or manners.cut >= 0) or (self.command == "HEAD" and not manners.also_head):
            return False
        with self.owner.lock:
            manners.times -= 1
            return manners.times >= 0

    def _start(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _content(self) -> bytes | None:
        content = self.owner.files.get(self.path)
        if content is None:
            self._start(404, 0)
        return content

    def _head(self) -> None:
        if self._spoiled() and self.owner.manners.status:
            self._start(self.owner.manners.status, 0)
        elif (content := self._content()) is not None:
            self._start(200, len(content), **self._facts())

    def _facts(self) -> dict[str, str]:
        return {
            "ETag": self.owner.tags.get(self.path, '"1"'),
            "Last_Modified": "Tue, 01 Sep 2020 10:00:00 GMT",
            "Accept_Ranges": "bytes",
        }

    def _get(self) -> None:
        manners = self.owner.manners
        spoiled = self._spoiled()
        if spoiled and manners.status:
            self._start(manners.status, 0)
            return
        content = self._content()
        if content is None:
            return
        status, headers = 200, self._facts()
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and manners.ranges:
            first, last = int(asked[1]), min(int(asked[2] or len(content)), len(content) - 1)
            if first > last:
                self._start(416, 0, Content_Range=f"bytes */{len(content)}")
                return
            headers["Content_Range"] = f"bytes {first}-{last}/{len(content)}"
            status, content = 206, content[first : last + 1]
        content = content[: len(content) - manners.shorter]
        self._start(status, len(content) + manners.longer, **headers)
        if spoiled and manners.cut >= 0:
            content = content[: manners.cut]
        for at in range(0, len(content), 1024) if manners.pause_s else (0,):
            piece = content[at : at + 1024] if manners.pause_s else content
            with self.owner.lock:
                self.owner.seen.sent += len(piece)
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(manners.pause_s)
        if manners.longer or (spoiled and manners.cut >= 0):
            self.close_connection = True
