"""Connections that outlast what carries them: a broken carrier is replaced, and no byte is lost or doubled.

Dask takes the end of a client's connection for the client's own end, and cancels what was computed for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    _Carrier = tuple[asyncio.StreamReader, asyncio.StreamWriter]

log = logging.getLogger("swath")
KEPT_S = 600.0
"""How long either end waits for a new carrier."""
_HELLO = struct.Struct(">16s?Q")
"""Which connection; whether it has been carried before; how many bytes of the other end have come."""
_GONE = 2**64 - 1
_FRAME = struct.Struct(">QI")
"""How many bytes of the other end have come, and how many follow."""
_LAST = 2**32 - 1
_PIECE, _MOST = 2**16, 2**24
_PAUSES_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_BROKEN = (OSError, EOFError, asyncio.IncompleteReadError)


class Lasting:
    """One end of a lasting connection: a socket, and the bytes from it that have not arrived yet.

    Parameters
    ----------
    reader, writer
        The socket at this end.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.received = 0
        """Bytes of the other end that have come."""
        self.over = asyncio.Event()
        """Set when one of both ends has said all."""
        self.carrier: asyncio.Task[None] | None = None
        """What carries it now."""
        self._kept: deque[bytes] = deque()
        self._begin = self._end = 0
        """Where the kept bytes begin and end, counted from the first one ever."""
        self._ended = False
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._filling = asyncio.ensure_future(self._fill())

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, arrived: int) -> None:
        """Carry bytes both ways until it breaks or all is said.

        Parameters
        ----------
        reader, writer
            The carrier.
        arrived : int
            Bytes of this end that have come to the other one.
        """
        self._forget(arrived)
        self._news.set()
        both = [asyncio.ensure_future(each) for each in (self._send(writer, arrived), self._receive(reader))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await _leave(writer)

    def close(self) -> None:
        """Leave this end's socket."""
        self.over.set()
        self._filling.cancel()
        self.writer.close()

    async def _fill(self) -> None:
        """Read what this end has to say, not more than is to be kept."""
        with contextlib.suppress(OSError):
            while data := await self.reader.read(_PIECE):
                self._kept.append(data)
                self._end += len(data)
                self._news.set()
                while self._end - self._begin > _MOST:
                    self._room.clear()
                    await self._room.wait()
        self._ended = True
        self._news.set()

    def _forget(self, arrived: int) -> None:
        while self._kept and self._begin + len(self._kept[0]) <= arrived:
            self._begin += len(self._kept.popleft())
        self._room.set()

    async def _send(self, writer: asyncio.StreamWriter, sent: int) -> None:
        told = -1
        while True:
            await self._news.wait()
            self._news.clear()
            for data in self._after(sent):
                writer.write(_FRAME.pack(self.received, len(data)) + data)
                sent, told = sent + len(data), self.received
            if told != self.received:
                writer.write(_FRAME.pack(self.received, 0))
                told = self.received
            if self._ended:
                writer.write(_FRAME.pack(self.received, _LAST))
            await writer.drain()
            if self._ended:
                self.over.set()
                return

    def _after(self, sent: int) -> list[bytes]:
        """Give the kept bytes that come after the first ``sent`` ones."""
        at, found = self._begin, []
        for each in self._kept:
            if at + len(each) > sent:
                found.append(each[max(0, sent - at) :])
            at += len(each)
        return found

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        while True:
            arrived, size = _FRAME.unpack(await reader.readexactly(_FRAME.size))
            self._forget(arrived)
            if size == _LAST:
                self.over.set()
                return
            if size:
                data = await reader.readexactly(size)
                self.writer.write(data)
                self.received += size
                self._news.set()
                await self.writer.drain()


class LastingServer:
    """The far end: leads lasting connections to a port, for who has the certificate.

    Parameters
    ----------
    host, port
        Where connections lead to.
    kept_s : float
        How long one without a carrier is kept.
    """

    def __init__(self, host: str, port: int, *, kept_s: float = KEPT_S) -> None:
        self.host, self.port, self.kept_s = host, port, kept_s
        self._open: dict[bytes, Lasting] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str, context: ssl.SSLContext) -> int:
        """Listen; give the port."""
        self._server = await asyncio.start_server(self._joined, host, 0, ssl=context)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Listen no more, and end what is open."""
        if self._server is not None:
            self._server.close()
        for each in list(self._open.values()):
            each.close()

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_BROKEN):
            name, carried, arrived = _HELLO.unpack(await reader.readexactly(_HELLO.size))
            end = self._open.get(name)
            if end is None and not carried:
                end = self._open[name] = Lasting(*await asyncio.open_connection(self.host, self.port))
            if end is None:
                writer.write(struct.pack(">Q", _GONE))
                await writer.drain()
            else:
                await self._carried(name, end, (reader, writer), arrived)
        await _leave(writer)

    async def _carried(
        self,
        name: bytes,
        end: Lasting,
        carrier: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        arrived: int,
    ) -> None:
        own = asyncio.current_task()
        if end.carrier is not None:  # one that has broken, and has not heard of it yet
            end.carrier.cancel()
            await asyncio.wait([end.carrier])
        end.carrier = own
        reader, writer = carrier
        try:
            writer.write(struct.pack(">Q", end.received))
            await end.carry(reader, writer, arrived)
        finally:
            if end.carrier is own:
                end.carrier = None
                left = 0.0 if end.over.is_set() else self.kept_s
                asyncio.get_running_loop().call_later(left, self._expire, name, end)

    def _expire(self, name: bytes, end: Lasting) -> None:
        if end.carrier is None and self._open.get(name) is end:
            del self._open[name]
            end.close()


@contextlib.contextmanager
def lasting(port: int, context: ssl.SSLContext, *, kept_s: float = KEPT_S) -> Iterator[int]:
    """Lead a port of the loopback to a `LastingServer`, over whatever breaks in between.

    Parameters
    ----------
    port : int
        Port of the loopback that leads to it, whenever there is a way.
    context : ssl.SSLContext
        With the certificate.
    kept_s : float
        How long to look for a new carrier.

    Yields
    ------
    int
        The port.
    """
    loop = asyncio.new_event_loop()
    open_: set[asyncio.Task[None]] = set()

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None  # noqa: S101 -- this is a coroutine
        open_.add(own)
        try:
            await _carry_on(Lasting(reader, writer), port, context, kept_s)
        finally:
            open_.discard(own)

    async def leave() -> None:
        server.close()
        if open_:
            await asyncio.wait(set(open_), timeout=2)
        own = asyncio.current_task()
        rest = [each for each in asyncio.all_tasks() if each is not own]
        for each in rest:
            each.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(joined, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, name="lasting", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(leave(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _carry_on(end: Lasting, port: int, context: ssl.SSLContext, kept_s: float) -> None:
    """Carry a connection, by one carrier after the other."""
    name, carried, count = secrets.token_bytes(16), False, 0
    until = time.monotonic() + kept_s
    try:
        while not end.over.is_set() and time.monotonic() < until:
            with contextlib.suppress(*_BROKEN):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                try:
                    writer.write(_HELLO.pack(name, carried, end.received))
                    (arrived,) = struct.unpack(">Q", await reader.readexactly(8))
                except BaseException:
                    await _leave(writer)
                    raise
                if arrived == _GONE:
                    await _leave(writer)
                    return
                if carried:
                    log.info("the connection to the cluster was broken, and is there again")
                carried, count = True, 0
                await end.carry(reader, writer, arrived)
                until = time.monotonic() + kept_s
            if not end.over.is_set():
                await asyncio.sleep(_PAUSES_S[min(count, len(_PAUSES_S) - 1)])
                count += 1
    finally:
        end.close()
        await _leave(end.writer)


async def _leave(writer: asyncio.StreamWriter) -> None:
    """Close a connection; one whose other end does not hear that is cut off."""
    writer.close()
    with contextlib.suppress(*_BROKEN):
        async with asyncio.timeout(1):
            await writer.wait_closed()
    writer.transport.abort()
