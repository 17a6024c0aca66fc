"""The one port of a session: TLS, then a secret of 256 bits, then the bytes of the app.

Who does not send the secret gets no byte but those of the TLS handshake. Requests are not looked into: what
comes is carried to the app, so that WebSockets and whatever else apps speak pass.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model import SiteError
from swath.sites.session.certificate import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

SECRET_BYTES = 32
_PATIENCE_S = 10.0
"""How long somebody may take to handshake and to say the secret."""
_MOST_STRANGERS = 200
"""Connections that have not said it yet; more are closed at once."""
_WELCOME, _APP_AWAY = b"+", b"-"
_PIECE = 65536

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AppAwayError(SiteError):
    """The gate is there, and the app behind it does not answer."""


@dataclass(frozen=True, slots=True)
class Key:
    """What opens a gate."""

    certificate: str
    """The gate's certificate, PEM."""
    secret: bytes
    """Its secret, 32 bytes."""

    def __repr__(self) -> str:
        return "Key(...)"

    def context(self) -> ssl.SSLContext:
        """Give the TLS settings that believe this gate only."""
        return client_context(self.certificate)

    @property
    def password(self) -> str:
        """The password of apps that take one: made of the secret, which it does not tell."""
        return password_of(self.secret)


def password_of(secret: bytes) -> str:
    """Make the password of an app of a session's secret.

    Examples
    --------
    >>> len(password_of(bytes(32)))
    64
    """
    return hmac.new(secret, b"swath session: password of the app", hashlib.sha256).hexdigest()


def listen() -> socket.socket:
    """Take a free port on all addresses of this node."""
    if socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # an IPv6 that was switched off
            return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


async def serve_gate(
    listener: socket.socket, context: ssl.SSLContext, secret: bytes, connect: Callable[[], Awaitable[Streams]]
) -> asyncio.Server:
    """Begin to let those in who know the secret.

    Parameters
    ----------
    listener : socket
        Where they come.
    context : SSLContext
        The node's end of TLS.
    secret : bytes
        What they have to say first.
    connect : callable
        Connects to the app.
    """
    strangers = 0

    async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal strangers
        strangers += 1
        try:
            known = strangers <= _MOST_STRANGERS and await _knows(reader, secret)
        finally:
            strangers -= 1
        try:
            if known:
                await _lead(reader, writer, connect)
        except (OSError, asyncio.CancelledError):
            pass  # one of the two has gone; the session ends
        finally:
            await hang_up(writer)

    return await asyncio.start_server(welcome, sock=listener, ssl=context, ssl_handshake_timeout=_PATIENCE_S)


async def _knows(reader: asyncio.StreamReader, secret: bytes) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            given = await reader.readexactly(SECRET_BYTES)
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return False
    return hmac.compare_digest(given, secret)


async def _lead(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connect: Callable[[], Awaitable[Streams]]
) -> None:
    try:
        app_reader, app_writer = await connect()
    except OSError:
        writer.write(_APP_AWAY)
        await writer.drain()
        return
    try:
        writer.write(_WELCOME)
        await join((reader, writer), (app_reader, app_writer))
    finally:
        await hang_up(app_writer)


async def enter_gate(
    port: int, key: Key, context: ssl.SSLContext, *, patience_s: float = _PATIENCE_S
) -> Streams:
    """Come through a gate to the app behind it.

    Parameters
    ----------
    port : int
        Port of this machine's loopback that leads to the gate.
    key : Key
        What opens it.
    context : SSLContext
        What `Key.context` gives, which is worth keeping.
    patience_s : float
        When to give it up.

    Raises
    ------
    AppAwayError
        The app does not answer.
    OSError
        The gate does not: it is gone, or another one, or does not know the key.
    """
    writer = None
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="session"
            )
            writer.write(key.secret)
            answer = await reader.readexactly(1)
    except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
        if writer is not None:
            writer.transport.abort()
        if isinstance(error, OSError) and not isinstance(error, TimeoutError):
            raise
        raise ConnectionError("the gate does not answer") from error
    if answer != _WELCOME:
        await hang_up(writer)
        raise AppAwayError("session: the app does not answer", fix="look into its log: swath sessions logs")
    return reader, writer


async def join(one: Streams, other: Streams) -> None:
    """Carry bytes both ways until one end has said all."""
    ways = {
        asyncio.ensure_future(pump(one[0], other[1])),
        asyncio.ensure_future(pump(other[0], one[1])),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until there are no more."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection when all that was written has gone."""
    writer.close()
    try:
        async with asyncio.timeout(5):
            await writer.wait_closed()
    except OSError:  # the other end was quicker, or is slow: the loop goes on closing it
        return
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
