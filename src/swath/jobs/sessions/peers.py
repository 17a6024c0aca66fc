"""Who is at the other end of a connection over the loopback."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path


def is_stranger(peer: tuple[str, int], own: tuple[str, int]) -> bool:
    """Tell whether a connection on the loopback comes from another user of this machine.

    Linux says whose each socket is; where nobody says, the answer is False, and the cookie alone decides.

    Parameters
    ----------
    peer, own : tuple of str and int
        Address and port of the other end, and of this one.
    """
    owner = owner_of(peer, own)
    return owner is not None and owner not in (0, os.getuid())


def owner_of(peer: tuple[str, int], own: tuple[str, int]) -> int | None:
    """Give the number of the user who has the other end of a connection; None where nobody says."""
    for name, mapped in (("tcp", False), ("tcp6", True)):
        try:
            text = Path("/proc/net", name).read_text(encoding="ascii")
        except OSError:
            continue
        if (
            owner := find_owner(text, format_end(*peer, mapped=mapped), format_end(*own, mapped=mapped))
        ) is not None:
            return owner
    return None


def find_owner(text: str, near: str, far: str) -> int | None:
    """Find the owner of a socket in the kernel's table.

    Parameters
    ----------
    text : str
        ``/proc/net/tcp`` or ``tcp6``.
    near, far : str
        Both ends, as the socket sees them and as the table writes them.

    Examples
    --------
    >>> row = "   0: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 1"
    >>> find_owner(row, "0100007F:D431", "0100007F:1F90")
    1000
    """
    for line in text.splitlines():
        words = line.split()
        if len(words) > 7 and words[1] == near and words[2] == far:
            return int(words[7])
    return None


def format_end(host: str, port: int, *, mapped: bool = False) -> str:
    """Write an end of a connection as the kernel's table does: words of 32 bits in the machine's order.

    Examples
    --------
    >>> format_end("127.0.0.1", 8080)[-4:]
    '1F90'
    """
    address = socket.inet_aton(host)
    if mapped:  # a socket of IPv6 that speaks to an IPv4 address
        address = bytes(10) + b"\xff\xff" + address
    words = struct.unpack(f"={len(address) // 4}I", address)
    return "".join(f"{each:08X}" for each in words) + f":{port:04X}"
