"""Lines of a journal that are not in its file yet, and a quick no to questions about what never was there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.catalog.mirror.kept import AssetKept, Kept

_BITS = 1 << 27
"""16 MiB: of a million lines, four questions of a thousand go to the file in vain."""


@dataclass(slots=True)
class Pending:
    """Lines that are written together, and can be asked for meanwhile."""

    objects: dict[str, Kept] = field(default_factory=dict)
    """By key."""
    digests: dict[str, Kept] = field(default_factory=dict)
    """By SHA-256."""
    tags: dict[str, Kept] = field(default_factory=dict)
    """By tag."""
    assets: dict[tuple[str, str], AssetKept] = field(default_factory=dict)
    """By item and asset."""
    hrefs: dict[str, dict[AssetKept, None]] = field(default_factory=dict)
    """By href."""

    def __bool__(self) -> bool:
        return bool(self.objects or self.assets)

    def keep(self, kept: Kept) -> None:
        """Add an object."""
        self.objects[kept.key] = kept
        if kept.digest:
            self.digests[kept.digest] = kept
        if kept.tag:
            self.tags[kept.tag] = kept

    def settle(self, item: str, asset: str, value: AssetKept) -> None:
        """Add an asset."""
        self.assets[item, asset] = value
        self.hrefs.setdefault(value.href, {})[value] = None


class Seen:
    """Tells of texts that were never added that they were not; of few that they may have been (Bloom)."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)

    def add(self, text: str) -> None:
        """Add a text; with several threads, only one may add."""
        bits = self._bits
        for at in _places(text):
            bits[at >> 3] |= 1 << (at & 7)

    def __contains__(self, text: str) -> bool:
        bits = self._bits
        return all(bits[at >> 3] & (1 << (at & 7)) for at in _places(text))


def _places(text: str) -> Iterable[int]:
    value = hash(text)
    return value & (_BITS - 1), (value >> 20) & (_BITS - 1), (value >> 36) & (_BITS - 1)
