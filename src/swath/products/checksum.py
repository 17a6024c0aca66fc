"""Checksums as the STAC file extension writes them: multihashes of SHA-256 in hexadecimal."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SHA2_256 = "1220"
"""Multihash prefix: function 0x12 (sha2-256), length 0x20 (32 bytes)."""


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
