"""Bytes in and out: ranges, checksums, uploads; used by the WebDAV door and by the pool."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import posixpath
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.doors.server import Handler
from swath.testing.dcache.namespace import KINDS, compute, digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from swath.testing.dcache.namespace import Kind

BOUNDARY = "__AAAAAAAAAAAAAAAA__"
"""Between the parts of several ranges."""
_PIECE = 1 << 18


def wanted_digest(header: str, among: tuple[Kind, ...]) -> Kind | None:
    """Choose the checksum that a header Want-Digest likes best; of equal ones the strongest.

    Examples
    --------
    >>> wanted_digest("adler32;q=0.5, MD5", ("md5", "adler32")), wanted_digest("md5", ("adler32",))
    ('md5', None)
    """
    liked: list[tuple[float, int]] = []
    for part in header.split(","):
        name, _, weight = (each.strip() for each in part.partition(";"))
        quality = (
            float(weight.removeprefix("q=") or 1)
            if weight.removeprefix("q=").replace(".", "").isdigit()
            else 1.0
        )
        if name.lower() in among and quality > 0:
            liked.append((-quality, KINDS.index(cast("Kind", name.lower()))))
    return KINDS[min(liked)[1]] if liked else None


def claimed_sums(md5: str | None, header: str | None) -> dict[Kind, str]:
    """Read the checksums that a client claims in Content-MD5 and Digest, hexadecimal.

    Examples
    --------
    >>> claimed_sums("1B2M2Y8AsgTpgAmY7PhCfg==", "adler32=00000001")
    {'md5': 'd41d8cd98f00b204e9800998ecf8427e', 'adler32': '00000001'}
    """
    found: dict[Kind, str] = {}
    if md5 is not None:
        try:
            found["md5"] = base64.b64decode(md5, validate=True).hex()
        except binascii.Error as error:
            raise Answer(400, reason=f"Bad Content-MD5 header: {error}") from error
    for part in (header or "").split(","):
        name, equals, value = part.strip().partition("=")
        kind = cast("Kind", name.lower())
        if equals and kind in KINDS:
            try:
                plain = (
                    value.lower().zfill(8)
                    if kind == "adler32"
                    else base64.b64decode(value, validate=True).hex()
                )
            except binascii.Error:
                continue
            found[kind] = plain
    return found


def parse_ranges(header: str, size: int) -> list[tuple[int, int]]:
    """Read a header Range as dCache's pools do: first and last byte of each; bad ones are left out.

    Examples
    --------
    >>> parse_ranges("bytes=0-1, 8-99, -2", 10)
    [(0, 1), (8, 9), (8, 9)]
    """
    unit, equals, text = header.partition("=")
    if not equals or unit.strip() != "bytes":
        raise Answer(400, reason="Invalid definition of ranges")
    found = []
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        if not dash or not (first + last).isdigit() or not (first + last).isascii():
            continue
        begin = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if begin <= end:
            found.append((begin, end))
    if not found:
        raise Answer(
            416, headers={"Content-Range": f"bytes */{size}"}, reason="Invalid (empty) list of valid ranges"
        )
    return found


def _read(place: Path, spans: list[tuple[int, int]], heads: list[bytes]) -> Iterator[bytes]:
    with place.open("rb") as file:
        for head, (first, last) in zip(heads, spans, strict=True):
            if head:
                yield head
            file.seek(first)
            left = last - first + 1
            while left and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
    if len(spans) > 1:
        yield f"\r\n--{BOUNDARY}--\r\n".encode()


class DataHandler(Handler):
    """What a door does with bytes."""

    def facts(self, path: str) -> dict[str, str]:
        """Give the headers of a file at the door: type, ETag, time of change, the wanted checksum."""
        names = self.dcache.namespace
        status = names.where(path).stat()
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": f'"{names.entry(path).pnfsid}_{int(status.st_mtime * 1000)}"',
            "Last-Modified": formatdate(status.st_mtime, usegmt=True),
        }
        kind = mimetypes.guess_type(path)[0]
        return headers | ({"Content-Type": kind} if kind else {}) | self.digest_header(path)

    def digest_header(self, path: str) -> dict[str, str]:
        """Give the header Digest that the client wants, where dCache has the checksum."""
        header = self.headers.get("Want-Digest")
        if header is None:
            return {}
        sums = self.dcache.namespace.sums(path)
        kind = wanted_digest(header, tuple(sums))
        return {"Digest": digest(kind, sums[kind])} if kind else {}

    def content(self, path: str, headers: dict[str, str]) -> Answer:
        """Answer with a file or the ranges of it that are asked for."""
        place = self.dcache.namespace.where(path)
        size = place.stat().st_size
        disposition = {
            "Content-Disposition": f'attachment;filename="{posixpath.basename(path)}"'.encode().decode(
                "latin-1"
            )
        }
        asked = self.headers.get("Range")
        if asked is None or not size:
            if asked is not None:
                parse_ranges(asked, size)
            spans = [(0, size - 1)]
            return Answer(200, headers=headers | disposition, pieces=_read(place, spans, [b""]), length=size)
        spans = parse_ranges(asked, size)
        if len(spans) == 1:
            headers = headers | {"Content-Range": f"bytes {spans[0][0]}-{spans[0][1]}/{size}"}
            heads = [b""]
        else:
            headers = headers | {"Content-Type": f'multipart/byteranges; boundary="{BOUNDARY}"'}
            heads = [
                f"\r\n--{BOUNDARY}\r\nContent-Range: bytes {a}-{b}/{size}\r\n\r\n".encode() for a, b in spans
            ]
        length = sum(map(len, heads)) + sum(last - first + 1 for first, last in spans)
        length += len(f"\r\n--{BOUNDARY}--\r\n") if len(spans) > 1 else 0
        return Answer(206, headers=headers, pieces=_read(place, spans, heads), length=length)

    def receive(self, path: str, *, largest: int | None) -> None:
        """Take a file in; one that is not what the client claims it to be is not kept."""
        names = self.dcache.namespace
        claimed = claimed_sums(self.headers.get("Content-MD5"), self.headers.get("Digest"))
        upload, size = names.upload(), 0
        try:
            with upload.open("wb") as file:
                for piece in self.body():
                    size += len(piece)
                    if largest is not None and size > largest:
                        self.close_connection = True
                        raise Answer(413, reason="Upload exceeds maximum allowed size")
                    file.write(piece)
            self.settle(upload, path, claimed)
        finally:
            upload.unlink(missing_ok=True)

    def settle(self, upload: Path, path: str, claimed: dict[Kind, str]) -> None:
        """Give an upload its name where its checksums are the claimed ones."""
        names = self.dcache.namespace
        found = compute(upload, claimed)
        for kind, value in claimed.items():
            if found[kind] != value:
                message = f"Checksum mismatch (expected=[{kind}:{value}], actual=[{kind}:{found[kind]}])"
                raise Answer(400, f"{message}\n".encode(), reason=message)
        with self.dcache.clock.changed:
            entry = names.keep(upload, path)
            entry.known |= set(claimed)
            if kind_wanted := wanted_digest(self.headers.get("Want-Digest", ""), KINDS):
                entry.known.add(kind_wanted)
            if entry.custodial:
                self.dcache.tape.flush(entry)
