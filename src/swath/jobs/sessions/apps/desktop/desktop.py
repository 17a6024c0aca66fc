"""A desktop in the browser: Xvnc, a window manager, and noVNC's page on a socket."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado import httpserver, netutil, web, websocket

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGES = ("/usr/share/novnc", "/usr/share/noVNC", f"{sys.prefix}/share/novnc")
"""Where Debian, Fedora and environments have noVNC."""
MANAGERS = ("xfce4-session", "mate-session", "startplasma-x11", "openbox", "icewm", "fluxbox", "twm")
"""Programs that draw frames around windows; the first that is there."""
TERMINALS = ("xfce4-terminal", "mate-terminal", "konsole", "xterm")


class Wire(websocket.WebSocketHandler):  # type: ignore[misc,unused-ignore]
    """Carries what noVNC and Xvnc say to each other."""

    def initialize(self, vnc: Path) -> None:
        """Take the socket of Xvnc."""
        self.vnc = vnc

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Take the protocol of noVNC."""
        return "binary" if "binary" in subprotocols else None

    async def open(self, *_: str, **__: str) -> None:
        """Connect to Xvnc."""
        self.reader, self.writer = await asyncio.open_unix_connection(str(self.vnc))
        self.carrying = asyncio.ensure_future(self._carry())

    async def _carry(self) -> None:
        try:
            while data := await self.reader.read(65536):
                await self.write_message(data, binary=True)
        except websocket.WebSocketClosedError:
            return
        self.close()

    def on_message(self, message: str | bytes) -> None:
        """Pass on what noVNC says."""
        self.writer.write(message.encode() if isinstance(message, str) else message)

    def on_close(self) -> None:
        """Hang up."""
        if hasattr(self, "writer"):
            self.writer.close()


def write_cookie(path: Path) -> None:
    """Write what X asks its programs for: other users of the node have no business on this screen."""

    def counted(text: bytes) -> bytes:
        return struct.pack(">H", len(text)) + text

    parts = (b"", b"", b"MIT-MAGIC-COOKIE-1", secrets.token_bytes(16))
    path.touch(mode=0o600)
    path.write_bytes(struct.pack(">H", 0xFFFF) + b"".join(map(counted, parts)))  # for any host, any display


def start_screen(private: Path) -> tuple[subprocess.Popen[bytes], Path, dict[str, str]]:
    """Start Xvnc; give it, its socket, and the variables of programs that are to be seen on it."""
    cookie, vnc = private / "Xauthority", private / "vnc.sock"
    write_cookie(cookie)
    reading, telling = os.pipe()
    screen = subprocess.Popen(
        (
            "Xvnc", "-displayfd", str(telling), "-auth", cookie, "-nolisten", "tcp", "-nolisten", "local",
            "-rfbport", "-1", "-rfbunixpath", vnc, "-rfbunixmode", str(0o600), "-SecurityTypes", "None",
            "-AlwaysShared", "-geometry", "1280x800", "-depth", "24",
        ),
        pass_fds=(telling,),
    )  # fmt: skip
    os.close(telling)
    with os.fdopen(reading) as told:
        number = told.readline().strip()
    if not number:
        raise SystemExit("Xvnc does not start; what it says is above")
    return screen, vnc, {**os.environ, "DISPLAY": f":{number}", "XAUTHORITY": str(cookie)}


def first(names: Iterable[str]) -> str:
    """Give the first program that is there; empty where none is."""
    return next((each for each in names if shutil.which(each)), "")


async def serve(pages: str) -> None:
    """Show a desktop until its screen ends."""
    screen, vnc, environ = start_screen(Path(os.environ["SESSION_PRIVATE"]))
    program = os.environ.get("SESSION_INPUT_PROGRAM") or first(TERMINALS)
    for line in filter(None, (first(MANAGERS), program)):
        subprocess.Popen(shlex.split(line), env=environ)
    static: dict[str, Any] = {"path": pages}
    server = httpserver.HTTPServer(
        web.Application([("/websockify", Wire, {"vnc": vnc}), ("/(.*)", web.StaticFileHandler, static)])
    )
    server.add_socket(netutil.bind_unix_socket(os.environ["SESSION_SOCKET"], 0o600))
    raise SystemExit(await asyncio.to_thread(screen.wait))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    found = next((each for each in PAGES if Path(each, "vnc.html").exists()), "")
    if not found:
        raise SystemExit(f"noVNC is not installed on this node (looked for {', '.join(PAGES)})")
    asyncio.run(serve(found))
