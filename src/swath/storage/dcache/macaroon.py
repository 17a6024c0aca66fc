"""Macaroons: tokens that whoever holds one can weaken, but not strengthen.

A macaroon is an identifier, a list of caveats and a signature: an HMAC-SHA256 over the identifier with the
issuer's key, then one over each caveat with the signature before it as key. So everybody can add a caveat
without the key, and only the issuer can check the chain. Written as dCache writes them (version 1 of
libmacaroons: packets, then base64url without padding); version 2 in binary is read and written too.
Third-party caveats, which dCache does not know, are refused.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import hmac
from typing import TYPE_CHECKING

from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCATION, _IDENTIFIER, _CHALLENGE, _SIGNATURE = 1, 2, 4, 6
"""Types of the fields of version 2; 0 ends a section."""


@dataclasses.dataclass(frozen=True)
class Macaroon:
    """A macaroon that has been taken apart."""

    identifier: str
    """By which the issuer finds the key; not secret."""
    caveats: tuple[str, ...]
    """Each a limit or a fact; dCache writes ``key:value``."""
    signature: bytes = dataclasses.field(repr=False)
    """32 bytes; who has them has the macaroon."""
    location: str = ""
    """A hint of where it is good for; not signed."""
    version: int = 1
    """How it is written: 1 or 2."""


def derive_key(secret: bytes) -> bytes:
    """Make a key of the right length of any secret, as libmacaroons does.

    Examples
    --------
    >>> len(derive_key(b"a secret"))
    32
    """
    return _sign(b"macaroons-key-generator", secret)


def create(key: bytes, identifier: str, *, location: str = "", caveats: tuple[str, ...] = ()) -> Macaroon:
    """Make a macaroon.

    Parameters
    ----------
    key : bytes
        The issuer's secret of 32 bytes; see `derive_key`.
    identifier : str
        By which the issuer will know the key.
    location : str
        A hint that is not signed.
    caveats : tuple of str
        The first caveats, in order.

    Examples
    --------
    >>> made = create(derive_key(b"a secret"), "key 1", caveats=("path:/data",))
    >>> verify(made, derive_key(b"a secret")), verify(made, derive_key(b"another"))
    (True, False)
    """
    bare = Macaroon(identifier, (), _sign(key, identifier.encode()), location)
    return add_caveats(bare, *caveats)


def add_caveats(macaroon: Macaroon, *caveats: str) -> Macaroon:
    """Weaken a macaroon; needs no key.

    Examples
    --------
    >>> whole = create(derive_key(b"a secret"), "key 1")
    >>> add_caveats(whole, "activity:DOWNLOAD,LIST").caveats
    ('activity:DOWNLOAD,LIST',)
    """
    signature = macaroon.signature
    for caveat in caveats:
        signature = _sign(signature, caveat.encode())
    return dataclasses.replace(macaroon, caveats=(*macaroon.caveats, *caveats), signature=signature)


def verify(macaroon: Macaroon, key: bytes) -> bool:
    """Tell whether the chain of signatures begins with the key; what caveats say is for the caller."""
    right = create(key, macaroon.identifier, caveats=macaroon.caveats)
    return hmac.compare_digest(right.signature, macaroon.signature)


def restrict(token: str, *caveats: str) -> str:
    """Weaken a macaroon as it is written.

    Examples
    --------
    >>> token = format_macaroon(create(derive_key(b"a secret"), "key 1", caveats=("path:/data",)))
    >>> parse_macaroon(restrict(token, "ip:10.0.0.0/8")).caveats
    ('path:/data', 'ip:10.0.0.0/8')
    """
    return format_macaroon(add_caveats(parse_macaroon(token), *caveats))


def expires(macaroon: Macaroon) -> dt.datetime | None:
    """Tell when its caveats ``before:`` end it; None without one, or where none can be read.

    Examples
    --------
    >>> expires(create(bytes(32), "key 1", caveats=("before:2026-01-02T00:00:00Z",)))
    datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    found = []
    for caveat in macaroon.caveats:
        name, _, value = caveat.partition(":")
        if name == "before":
            try:
                found.append(dt.datetime.fromisoformat(value).astimezone(dt.UTC))
            except ValueError:
                continue
    return min(found, default=None)


def parse_macaroon(token: str) -> Macaroon:
    """Read a macaroon of version 1 or 2.

    Raises
    ------
    InputError
        Where the text is no macaroon; the text itself, a secret, is not told.
    """
    try:
        text = token.strip() + "=" * (-len(token.strip()) % 4)
        content = base64.b64decode(text, altchars=b"-_", validate=True)
        return _read_2(content) if content[:1] == b"\x02" else _read_1(content)
    except (binascii.Error, ValueError, IndexError) as error:
        raise InputError(
            f"macaroon: the token of {len(token)} characters is none: {error}",
            fix="give the whole value of `macaroon` that dCache answered, and nothing else",
        ) from error


def format_macaroon(macaroon: Macaroon) -> str:
    """Write a macaroon as it is sent."""
    content = _write_2(macaroon) if macaroon.version == 2 else _write_1(macaroon)
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _sign(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)


def _packets(content: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at < len(content):
        length = int(content[at : at + 4], 16)
        packet = content[at + 4 : at + length]
        name, space, value = packet.partition(b" ")
        if len(packet) != length - 4 or not space or value[-1:] != b"\n":
            raise ValueError(f"a packet at byte {at} is broken")
        yield name.decode(), value[:-1]
        at += length


def _read_1(content: bytes) -> Macaroon:
    packets = list(_packets(content))
    names = [name for name, _ in packets]
    if names[:2] != ["location", "identifier"] or names[-1] != "signature":
        raise ValueError("location, identifier or signature is missing")
    if set(names[2:-1]) - {"cid"}:
        raise ValueError("it has a third-party caveat, which dCache does not know")
    signature = packets[-1][1]
    if len(signature) != 32:
        raise ValueError("its signature has not 32 bytes")
    values = [value.decode() for _, value in packets[:-1]]
    return Macaroon(values[1], tuple(values[2:]), signature, values[0])


def _write_1(macaroon: Macaroon) -> bytes:
    fields = [("location", macaroon.location), ("identifier", macaroon.identifier)]
    fields += [("cid", each) for each in macaroon.caveats]
    parts = [(name.encode(), value.encode()) for name, value in fields] + [(b"signature", macaroon.signature)]
    return b"".join(b"%04x%s %s\n" % (len(name) + len(value) + 6, name, value) for name, value in parts)


def _read_2(content: bytes) -> Macaroon:
    head, at = _section(content, 1)
    caveats: list[str] = []
    while content[at] != 0:
        caveat, at = _section(content, at)
        if _CHALLENGE in caveat:
            raise ValueError("it has a third-party caveat, which dCache does not know")
        caveats.append(caveat[_IDENTIFIER].decode())
    signature, end = _field(content, at + 1)[1:]
    whole = content[at + 1] == _SIGNATURE and len(signature) == 32 and end == len(content)
    if not whole or _IDENTIFIER not in head:
        raise ValueError("its identifier or its signature is broken")
    return Macaroon(
        head[_IDENTIFIER].decode(), tuple(caveats), signature, head.get(_LOCATION, b"").decode(), version=2
    )


def _section(content: bytes, at: int) -> tuple[dict[int, bytes], int]:
    """Read fields up to the 0 that ends them; give them and where the next thing begins."""
    found: dict[int, bytes] = {}
    while content[at] != 0:
        kind, value, at = _field(content, at)
        found[kind] = value
    return found, at + 1


def _field(content: bytes, at: int) -> tuple[int, bytes, int]:
    kind, at = _number(content, at)
    length, at = _number(content, at)
    if at + length > len(content):
        raise ValueError("it ends too early")
    return kind, content[at : at + length], at + length


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Read a number of base 128, the least first."""
    value = shift = 0
    while True:
        value |= (content[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if content[at - 1] < 0x80:
            return value, at


def _write_2(macaroon: Macaroon) -> bytes:
    def field(kind: int, value: bytes) -> bytes:
        length, left = bytearray(), len(value)
        while left >= 0x80:
            length.append(left & 0x7F | 0x80)
            left >>= 7
        return bytes([kind, *length, left]) + value

    location = field(_LOCATION, macaroon.location.encode()) if macaroon.location else b""
    head = b"\x02" + location + field(_IDENTIFIER, macaroon.identifier.encode()) + b"\0"
    caveats = b"".join(field(_IDENTIFIER, each.encode()) + b"\0" for each in macaroon.caveats)
    return head + caveats + b"\0" + field(_SIGNATURE, macaroon.signature)
