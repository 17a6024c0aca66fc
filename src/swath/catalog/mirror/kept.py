"""What is on a mirror, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kept:
    """An object of the mirror."""

    key: str
    """Relative to the mirror."""
    size: int
    """Bytes."""
    digest: str
    """SHA-256 of its bytes, in hexadecimal; empty: it is a document."""
    etag: str = ""
    """As the store told it when it was written; empty: not told."""
    tag: str = ""
    """What the source's store calls these bytes wherever they lie, such as their MD5; empty: nothing."""


@dataclass(frozen=True, slots=True)
class AssetKept:
    """Where an asset came from when it was copied, and where it is."""

    href: str
    """Absolute href of the source."""
    stamp: str
    """What changes when the source does."""
    key: str
    """Key of the object."""
