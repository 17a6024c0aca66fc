"""A port that listens, and what is said at it."""

from __future__ import annotations

import dataclasses
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterable
    from http.server import BaseHTTPRequestHandler

    from swath.testing.dcache.emulator import DCache
    from swath.testing.dcache.faults import DoorName


@dataclasses.dataclass
class Answer(Exception):
    """What a door says; raised or returned."""

    status: int
    """The status code."""
    body: bytes = b""
    """The body, where it is small."""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    """Headers beside Date, Server and Content-Length."""
    pieces: Iterable[bytes] | None = None
    """The body in pieces, where it is large or comes slowly; None: ``body``."""
    length: int | None = None
    """Bytes of all pieces; None: sent in chunks."""
    reason: str | None = None
    """The words after the status; None: the usual ones."""


class Door(ThreadingHTTPServer):
    """One listening port.

    Parameters
    ----------
    dcache : DCache
        Whose door it is.
    name : str
        Which door it is.
    handler : type
        What answers.
    host : str
        The address it listens at.
    port : int
        The port; 0: any free one.
    tls : ssl.SSLContext, optional
        The certificate and its key.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        dcache: DCache,
        name: DoorName,
        handler: type[BaseHTTPRequestHandler],
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.dcache = dcache
        self.name = name
        self.tls = tls
        super().__init__((host, port), handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Take a connection; who does not finish the handshake holds up only itself."""
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that clients break."""

    def url(self, host: str) -> str:
        """Give the address of the door under a name of its host."""
        return f"{'https' if self.tls else 'http'}://{host}:{self.server_port}"
