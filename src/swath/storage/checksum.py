"""Checksums as the STAC file extension writes them: multihashes of SHA-256 in hexadecimal."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SHA2_256 = "1220"
"""Multihash prefix: function 0x12 (sha2-256), length 0x20 (32 bytes)."""


_KNOWN = {"d50110": ("md5", 32), "1114": ("sha1", 40), _SHA2_256: ("sha256", 64), "1340": ("sha512", 128)}
"""Multihash prefixes, each with hashlib's name for the function and its digits."""


def format_multihash(digest: str) -> str:
    """Write a SHA-256 in hexadecimal as a multihash.

    Examples
    --------
    >>> format_multihash("e3b0")
    '1220e3b0'
    """
    return _SHA2_256 + digest


def parse_multihash(text: str) -> tuple[str, str] | None:
    """Understand a multihash in hexadecimal.

    Returns
    -------
    (str, str) or None
        hashlib's name of the function, and the digits; None where it is of a function that is not known.

    Examples
    --------
    >>> parse_multihash("1114" + 40 * "a")[0]
    'sha1'
    """
    text = text.lower()
    for prefix, (name, digits) in _KNOWN.items():
        value = text.removeprefix(prefix)
        if value != text and len(value) == digits and not value.strip("0123456789abcdef"):
            return name, value
    return None


def bytes_checksum(data: bytes) -> str:
    """Give the multihash of some bytes.

    Examples
    --------
    >>> bytes_checksum(b"")[:20]
    '1220e3b0c44298fc1c14'
    """
    return _SHA2_256 + hashlib.sha256(data).hexdigest()


def file_checksum(path: Path) -> str:
    """Give the multihash of a file, which is read in pieces."""
    with path.open("rb") as file:
        return _SHA2_256 + hashlib.file_digest(file, "sha256").hexdigest()


def folder_checksum(folder: Path) -> tuple[str, int]:
    """Give the multihash of a folder, such as a Zarr store, and the bytes in it.

    It is the hash of the lines ``<sha256 of the file>  <name relative to the folder>``, sorted by name: what
    ``sha256sum`` prints for the files, so that it can be checked without swath.
    """
    files = sorted(
        (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
    )
    whole = hashlib.sha256()
    for name, path in files:
        whole.update(f"{file_checksum(path)[len(_SHA2_256) :]}  {name}\n".encode())
    return _SHA2_256 + whole.hexdigest(), sum(path.stat().st_size for _, path in files)
