"""Connections whose carriers break: no byte is lost, none comes twice, and nobody else gets in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import ssl

import pytest

from swath.sites.cluster.certificates import make_certificate, read_security
from swath.sites.cluster.lasting import LastingServer, lasting


@pytest.fixture
def security(tmp_path):
    """A certificate's settings."""
    return security_in(tmp_path)


def security_in(folder):
    for name, content in make_certificate().items():
        (folder / name).write_bytes(content)
    return read_security(folder)


class Carrier:
    """A port that leads on, and breaks as often as it is told, in the middle of whatever it carries."""

    def __init__(self, port, *, breaks, seed=1):
        self.port, self.breaks, self.random = port, breaks, random.Random(seed)
        self.came = 0

    async def joined(self, reader, writer):
        self.came += 1
        left = self.random.randrange(1, 900_000) if self.came <= self.breaks else 2**60
        far, far_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def pump(source, sink):
            nonlocal left
            while data := await source.read(10_000):
                left -= len(data)
                if left < 0:
                    raise ConnectionResetError
                sink.write(data)
                await sink.drain()
            sink.close()

        with contextlib.suppress(OSError):
            await asyncio.gather(pump(reader, far_writer), pump(far, writer))
        for each in (writer, far_writer):
            each.transport.abort()


@contextlib.asynccontextmanager
async def way(security, served, *, breaks=0, kept_s=30.0):
    """Have a server behind a lasting connection; gives the near port, and the carrier between."""
    async with await asyncio.start_server(served, "127.0.0.1", 0) as target:
        server = LastingServer("127.0.0.1", target.sockets[0].getsockname()[1], kept_s=kept_s)
        port = await server.start("127.0.0.1", security.get_listen_args("scheduler")["ssl_context"])
        carrier = Carrier(port, breaks=breaks)
        async with await asyncio.start_server(carrier.joined, "127.0.0.1", 0) as between:
            context = security.get_connection_args("client")["ssl_context"]
            near = lasting(between.sockets[0].getsockname()[1], context, kept_s=kept_s)
            own = await asyncio.to_thread(near.__enter__)
            try:
                yield own, carrier
            finally:
                await asyncio.to_thread(near.__exit__, None, None, None)
                server.close()
                await asyncio.sleep(0.1)


def digest(data):
    return hashlib.sha256(data).digest()


def test_every_byte_comes_once_both_ways_over_carriers_that_break(security):
    there, here = random.Random(2).randbytes(6_000_000), random.Random(3).randbytes(3_000_000)

    async def served(reader, writer):
        writer.write(there)
        writer.write(digest(await reader.readexactly(len(here))))
        await writer.drain()
        writer.close()

    async def run():
        async with way(security, served, breaks=12) as (port, carrier):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(here)
            assert digest(await reader.readexactly(len(there))) == digest(there)
            assert await reader.read() == digest(here)
            writer.close()
            assert carrier.came == 13

    asyncio.run(asyncio.wait_for(run(), 60))


def test_one_that_is_not_carried_for_too_long_ends_at_both_ends(security):
    ended = []

    async def served(reader, writer):
        writer.write(b"hello")
        ended.append(await reader.read())
        writer.close()

    async def run():
        async with way(security, served, breaks=10**6, kept_s=1.0) as (port, carrier):
            carrier.random.randrange = lambda *_: 4000  # the greeting comes; nothing after it
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.readexactly(5) == b"hello"
            carrier.random.randrange = lambda *_: 0
            writer.write(bytes(8000))
            assert await reader.read() == b""
            writer.close()
            while not ended:
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_who_has_another_certificate_is_not_let_in(security, tmp_path):
    asked = []

    async def served(reader, writer):
        asked.append(await reader.read())
        writer.close()

    async def run():
        (tmp_path / "other").mkdir()
        other = security_in(tmp_path / "other").get_connection_args("client")["ssl_context"]
        async with way(security, served) as (_, carrier):
            with pytest.raises((ssl.SSLError, OSError)):
                await asyncio.open_connection("127.0.0.1", carrier.port, ssl=other)
            with socket.create_connection(("127.0.0.1", carrier.port)) as plain:
                plain.sendall(bytes(25))
                plain.settimeout(10)
                with contextlib.suppress(ConnectionError):
                    assert len(await asyncio.to_thread(plain.recv, 100)) < 8  # an alert of TLS, at most
        assert asked == []

    asyncio.run(asyncio.wait_for(run(), 60))
