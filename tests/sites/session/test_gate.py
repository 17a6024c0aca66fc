"""The gate of a session: who knows the secret comes through, nobody else gets a byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest

from swath.sites.session.certificate import make_certificate, server_context
from swath.sites.session.gate import AppAwayError, Key, enter_gate, listen, password_of, serve_gate

SECRET = bytes(range(32))
CERTIFICATE = make_certificate("test")


@contextlib.asynccontextmanager
async def gate(folder, *, app=True):
    """A gate before an app that says back, in capitals, what it is told; gives its port."""

    async def say_back(reader, writer):
        while data := await reader.read(100):
            writer.write(data.upper())
        writer.close()

    path = folder / "app.sock"
    server = await asyncio.start_unix_server(say_back, path) if app else contextlib.nullcontext()
    listener = listen()
    context = server_context(CERTIFICATE, folder)
    assert list(folder.glob("*.pem")) == []
    served = await serve_gate(listener, context, SECRET, lambda: asyncio.open_unix_connection(path))
    async with server, served:
        yield listener.getsockname()[1]
        served.close()
        if app:
            server.close()


async def knock(port, said, certificate=CERTIFICATE):
    """Say something to a gate; give all that comes back."""
    context = Key(certificate.public, SECRET).context()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="x")
    try:
        writer.write(said)
        return await reader.read()
    finally:
        writer.transport.abort()


def test_who_knows_the_secret_talks_to_the_app(tmp_path):
    async def talk():
        async with gate(tmp_path) as port:
            key = Key(CERTIFICATE.public, SECRET)
            reader, writer = await enter_gate(port, key, key.context())
            for word in (b"hello", b"again"):
                writer.write(word)
                assert await reader.readexactly(5) == word.upper()
            writer.close()
            await writer.wait_closed()

    asyncio.run(talk())


@pytest.mark.parametrize("said", [bytes(32), SECRET[:31] + b"\0", b"GET / HTTP/1.1\r\n\r\n" + SECRET])
def test_who_says_something_else_gets_no_byte(tmp_path, said):
    async def talk():
        async with gate(tmp_path) as port:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert await knock(port, said) == b""
            key = Key(CERTIFICATE.public, bytes(32))
            with pytest.raises(OSError, match=r"does not answer|reset"):
                await enter_gate(port, key, key.context())

    asyncio.run(talk())


def test_a_gate_with_another_certificate_does_not_get_the_secret(tmp_path):
    async def talk():
        async with gate(tmp_path) as port:
            other = Key(make_certificate("test").public, SECRET)
            with pytest.raises(ssl.SSLCertVerificationError):
                await enter_gate(port, other, other.context())

    asyncio.run(talk())


def test_an_app_that_is_away_is_told(tmp_path):
    async def talk():
        async with gate(tmp_path, app=False) as port:
            key = Key(CERTIFICATE.public, SECRET)
            with pytest.raises(AppAwayError, match="the app does not answer"):
                await enter_gate(port, key, key.context())

    asyncio.run(talk())


def test_the_secret_shows_neither_in_words_nor_in_the_password_made_of_it():
    key = Key(CERTIFICATE.public, SECRET)
    assert repr(key) == "Key(...)"
    assert SECRET.hex() not in key.password
    assert key.password == password_of(SECRET) != password_of(bytes(32))
