"""A port on the loopback that leads to another port, or to a socket in the file system."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def relay(target: str) -> Iterator[int]:
    """Lead connections to a port of the loopback on to a target.

    Parameters
    ----------
    target : str
        ``host:port``, or the path of a unix socket.

    Yields
    ------
    int
        The port.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, target: str) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = connect(target)
        except OSError:
            near.close()
            continue
        threading.Thread(target=_join, args=(near, far), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    """Carry bytes both ways until both ends have said all."""
    with near, far:
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join()


def connect(target: str) -> socket.socket:
    """Connect to ``host:port`` or to a unix socket."""
    if target.startswith("/"):
        made = socket.socket(socket.AF_UNIX)
        made.connect(target)
        return made
    host, _, port = target.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sink.settimeout(None)
        source.settimeout(None)
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
