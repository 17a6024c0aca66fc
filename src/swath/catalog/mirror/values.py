"""What mirroring is asked, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Choice:
    """Which items and assets are mirrored."""

    collections: tuple[str, ...] | None = None
    """Ids; None: all."""
    bbox: Any = None
    """West, south, east, north in degrees; None: everywhere."""
    datetime: Any = None
    """As searches take it; None: always."""
    assets: tuple[str, ...] | None = None
    """Keys of assets, or common names of their bands; None: all."""
    max_items: int | None = None
    """Items in all; None: no limit."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once."""

    concurrency: int = 16
    """Files on their way at once, each with a connection to its source; large ones have four to S3."""
    bandwidth: int = 0
    """Bytes in a second, of all together; 0: no limit."""
    in_flight: int = 512 << 20
    """Bytes in memory, of all together."""
    tries: int = 3
    """How often a file is begun that breaks off, or changes meanwhile."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "tries"):
            if getattr(self, name) < 1:
                raise InputError(f"mirror: {name} must be 1 or more, got {getattr(self, name)}")
        if self.bandwidth < 0:
            raise InputError(f"mirror: bandwidth must not be negative, got {self.bandwidth}")


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that is not there now, and why."""

    item: str
    """Id of the item, or what else it is about."""
    asset: str
    """Key of the asset; empty: the item as a whole."""
    href: str
    """Where it should have come from, or where it is wrong."""
    reason: str
    """One sentence."""


@dataclass(slots=True)
class MirrorReport:
    """What became of a mirror, or of the part of it that is done."""

    items: int = 0
    """Items that were chosen."""
    items_written: int = 0
    """Items whose JSON is new or has changed."""
    files: int = 0
    """Assets that were chosen."""
    copied: int = 0
    """Assets whose bytes were copied."""
    copied_bytes: int = 0
    """Bytes that were copied."""
    moved_bytes: int = 0
    """Bytes that came in, also of files that had to be begun again."""
    shared: int = 0
    """Assets that have the same bytes as another, which is there once."""
    kept: int = 0
    """Assets that were there already."""
    total_bytes: int = 0
    """Bytes of all assets, where known: of a dry run."""
    unknown_sizes: int = 0
    """Assets whose size nobody tells: of a dry run."""
    verified: int = 0
    """Objects that were read back."""
    strays: list[str] = field(default_factory=list)
    """Keys of files that no item refers to: of a verification."""
    failures: list[Failure] = field(default_factory=list)
    """What is not there, or wrong."""

    @property
    def done(self) -> int:
        """How many assets are settled."""
        return self.copied + self.shared + self.kept + len(self.failures)

    def to_dict(self) -> dict[str, Any]:
        """Write it for machines."""
        told = {name: getattr(self, name) for name in self.__slots__ if name != "failures"}
        told["failures"] = [
            {"item": each.item, "asset": each.asset, "href": each.href, "reason": each.reason}
            for each in self.failures
        ]
        return told


type Watch = Callable[[MirrorReport], None]
"""Is told how far it is, now and then, by any thread."""
