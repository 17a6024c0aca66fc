"""Shows a cluster's dashboard on this machine's loopback, to this user only.

The dashboard itself asks for the cluster's certificate, which no browser has: what stands between shows it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@contextlib.contextmanager
def show_dashboard(host: str, port: int, context: ssl.SSLContext) -> Iterator[int]:
    """Lead a port of the loopback to a dashboard.

    Parameters
    ----------
    host, port
        The dashboard, as this machine reaches it.
    context : ssl.SSLContext
        With the cluster's certificate.

    Yields
    ------
    int
        The port.
    """
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(serve_dashboard(host, port, context))
    thread = threading.Thread(target=loop.run_forever, name="dashboard", daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def serve_dashboard(host: str, port: int, context: ssl.SSLContext) -> asyncio.Server:
    """Begin to lead a port of the loopback to a dashboard; see `show_dashboard`.

    The same port where it is free: links that Dask makes of the dashboard's own port are right then.
    """
    kept: set[asyncio.Task[None] | None] = set()
    """The loop itself would let a task go whose browser has left, before it has left the dashboard."""

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        kept.add(own)
        try:
            await led(reader, writer)
        finally:
            kept.discard(own)

    async def led(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_own(writer.get_extra_info("peername"), writer.get_extra_info("sockname")):
            writer.close()
            return
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(host, port, ssl=context)
            await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))
        writer.close()

    try:
        return await asyncio.start_server(joined, "127.0.0.1", port)
    except OSError:
        return await asyncio.start_server(joined, "127.0.0.1", 0)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    own = asyncio.current_task()
    others = [each for each in asyncio.all_tasks() if each is not own]
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def is_own(peer: tuple[str, int], own: tuple[str, int], table: Path = Path("/proc/net/tcp")) -> bool:
    """Tell whether a connection over the loopback comes from a process of this user, or of root.

    A login node's loopback is everybody's. Where the system has no table of connections (macOS), a machine
    is taken for its user's own.

    Parameters
    ----------
    peer, own : (str, int)
        Address and port of both ends.
    """
    try:
        lines = table.read_text().splitlines()[1:]
    except FileNotFoundError:
        return True
    for line in lines:
        words = line.split()
        if len(words) > 7 and (words[1], words[2]) == (_hex(peer), _hex(own)):
            return int(words[7]) in (os.getuid(), 0)
    return False


def _hex(end: tuple[str, int]) -> str:
    """Write address and port as the kernel does.

    Examples
    --------
    >>> _hex(("127.0.0.1", 8787))
    '0100007F:2253'
    """
    import socket
    import sys

    number = int.from_bytes(socket.inet_aton(end[0]), sys.byteorder)
    return f"{number:08X}:{end[1]:04X}"
