"""The port of this machine's loopback that the browser opens: one browser comes in, and nobody else.

Each connection carries one request, whose head is looked at: so every request is checked. A WebSocket is a
connection of its own anyhow.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import secrets
import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from swath.jobs.sessions.pages import answer, entrance, note
from swath.jobs.sessions.peers import is_stranger
from swath.jobs.sessions.request import BadRequestError, Request
from swath.model import InputError
from swath.sites.session import AppAwayError
from swath.sites.session.gate import hang_up, join, pump

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.jobs.sessions.tunnel import Tunnel
    from swath.sites.session.gate import Streams

ENTRANCE = "/.swath/enter"
_HEAD_BYTES, _HEAD_S, _AWAY_S = 65536, 60.0, 20.0
_MOST_FORM = 4096


class Door:
    """A port that leads the user's browser to a session.

    Parameters
    ----------
    tunnel : Tunnel
        The way to the session.
    port : int
        Port wanted; 0: any.
    cookie : str
        What the browser of an earlier door has, so that its page goes on; a new one unless given.
    tell : callable, optional
        Gets a sentence when something is wrong that the user should know.

    Raises
    ------
    InputError
        The port is taken.
    """

    def __init__(
        self, tunnel: Tunnel, *, port: int = 0, cookie: str = "", tell: Callable[[str], None] | None = None
    ) -> None:
        self.tunnel, self.order = tunnel, tunnel.session.order
        self.cookie = cookie or secrets.token_urlsafe(32)
        self.cookie_name = f"swath-{self.order.id}"
        self.tell = tell or (lambda _: None)
        self._codes: set[str] = set()
        self._used: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        self._thread.start()
        opened = asyncio.run_coroutine_threadsafe(self._open(port), self._loop)
        try:
            self._server = opened.result()
        except OSError as error:
            self._end_loop()
            raise InputError(
                f"--port: {port} is taken on this machine ({error.strerror})", fix="choose another, or none"
            ) from error
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _open(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=_HEAD_BYTES)

    def invite(self) -> str:
        """Give an address that lets one browser in, once."""
        code = secrets.token_urlsafe(32)
        self._codes.add(code)
        return f"http://127.0.0.1:{self.port}{ENTRANCE}#{code}"

    def close(self) -> None:
        """Close the port, and what is open through it."""

        async def close() -> None:
            self._server.close()
            others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.05)  # connections that were cut close one turn of the loop later

        if not self._loop.is_closed():
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)
            self._end_loop()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # -- one connection -----------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            peer, own = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
            if peer is None or is_stranger(peer, own):
                return
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the browser has gone, or is none
        except (TimeoutError, asyncio.CancelledError):
            pass  # it says nothing; the door is being closed
        finally:
            await hang_up(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HEAD_S):
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            request = Request.parse(head)
            request.check_origin()
            length = 0 if request.upgrades else request.body_bytes()
            if request.path == ENTRANCE:
                writer.write(await self._enter(request, reader, length))
            elif not self._has_cookie(request):
                writer.write(answer(403, self._refusal(*_CLOSED)))
            else:
                await self._lead(request, reader, writer, length)
                return
        except BadRequestError as error:
            told = str(error)
            page = note(self.order.id, "Refused", f"{told[:1].upper()}{told[1:]}.")
            writer.write(answer(error.status, page))
        await writer.drain()

    def _has_cookie(self, request: Request) -> bool:
        return hmac.compare_digest(request.cookie(self.cookie_name).encode(), self.cookie.encode())

    def _refusal(self, heading: str, sentence: str) -> str:
        command = f"swath sessions open {self.order.id}"
        return note(
            self.order.id, heading, sentence, f"To open {self.order.title} here, type:", command=command
        )

    def _away(self, error: Exception) -> str:
        name = self.order.id
        if isinstance(error, AppAwayError):
            heading, command = f"{self.order.title} does not answer", f"swath sessions logs {name}"
            return note(name, heading, _APP_AWAY, "What it says:", command=command, waits=True)
        return note(name, "The connection is being made again", _AWAY, waits=True)

    async def _enter(self, request: Request, reader: asyncio.StreamReader, length: int) -> bytes:
        """Exchange the code of an address for the cookie."""
        if request.method == "GET" and self._has_cookie(request):
            return answer(303, "", f"Location: {self.order.open}")
        if request.method == "GET":
            return answer(200, entrance(self.order.title, self.order.id))
        if request.method != "POST" or length > _MOST_FORM:
            raise BadRequestError(405 if request.method != "POST" else 413, "only a code is taken here")
        form = parse_qs((await reader.readexactly(length)).decode("ascii", errors="replace"))
        code = form.get("code", [""])[0].strip()
        if code in self._used:
            self.tell("an address that was used already was tried again; it does not let anybody in")
        if code not in self._codes:
            return answer(403, self._refusal(*_USED))
        self._codes.remove(code)
        self._used.add(code)
        cookie = f"{self.cookie_name}={self.cookie}; Path=/; HttpOnly; SameSite=Strict"
        return answer(303, "", f"Location: {self.order.open}", f"Set-Cookie: {cookie}")

    async def _lead(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int
    ) -> None:
        """Pass a request on, and its answer back."""
        try:
            app = await self.tunnel.enter(_AWAY_S)
        except (AppAwayError, TimeoutError) as error:
            writer.write(answer(503, self._away(error), "Refresh: 5"))
            await writer.drain()
            return
        basic = base64.b64encode(f"session:{self.tunnel.password}".encode()).decode()
        passed = request.passed_on(
            without_cookie=self.cookie_name, authorization=f"Basic {basic}" if self.order.password else ""
        )
        try:
            app[1].write(passed.format())
            if request.upgrades:
                await join((reader, writer), app)
            else:
                await _one_exchange((reader, writer), app, length)
        finally:
            await hang_up(app[1])


async def _one_exchange(browser: Streams, app: Streams, length: int) -> None:
    """Carry the body of one request there, and its answer back; end both when the browser goes."""

    async def ask() -> None:
        left = length
        while left and (data := await browser[0].read(min(left, 65536))):
            left -= len(data)
            app[1].write(data)
            await app[1].drain()
        await browser[0].read(1)  # nothing may come any more; what comes is the end

    asking, answering = asyncio.ensure_future(ask()), asyncio.ensure_future(pump(app[0], browser[1]))
    try:
        await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (asking, answering):
            each.cancel()
        await asyncio.gather(asking, answering, return_exceptions=True)


_CLOSED = "This browser is not the one", "Only the browser that swath has opened this address with is let in."
_USED = (
    "This address opens nothing any more",
    "Each address lets one browser in, once: this one has been used already, or was not copied whole.",
)
_AWAY = (
    "The way to the site is broken, and is being mended. What runs there goes on. "
    "This page tries again every 5 seconds."
)
_APP_AWAY = "It has not started yet, or has ended. This page tries again every 5 seconds."
