"""What every store can do, and what some can do besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from swath.storage.address import Root


@dataclass(frozen=True, slots=True)
class Stat:
    """What a store says of an object, or of a folder of them."""

    key: str
    """Its key in the store."""
    size: int
    """Bytes; 0 for a folder."""
    modified: dt.datetime | None = None
    """When it was last written, where the store tells."""
    etag: str = ""
    """Changes when the object does, where the store tells."""
    is_folder: bool = False
    """True for a folder."""

    @property
    def stamp(self) -> tuple[str, ...]:
        """What changes when the object does."""
        return (self.etag, self.modified.isoformat() if self.modified else "", str(self.size))


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum that a store knows of an object."""

    algorithm: str
    """``md5``, ``adler32``, ``sha256`` or ``crc32c``."""
    value: str
    """In lower-case hexadecimal."""


@runtime_checkable
class ObjectStore(Protocol):
    """Bytes under keys. Safe with several threads.

    All methods raise MissingObjectError where there is nothing, NotAllowedError where the store refuses,
    ConflictError where something else is there, and StoreError where it breaks off or does not answer.
    """

    @property
    def root(self) -> Root:
        """Where it begins."""

    @property
    def name(self) -> str:
        """What errors call it."""

    def stat(self, key: str) -> Stat:
        """Tell what an object is; folders are told where the store has such."""

    def get(self, key: str) -> bytes:
        """Give all of an object."""

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Give several (offset, count) parts, near ones by one request; each whole, or StoreError."""

    def stream(self, key: str) -> Iterator[memoryview]:
        """Give an object in pieces of some MB; breaks off with StoreError, never short."""

    def put(self, key: str, data: bytes | Path | Iterable[bytes], *, overwrite: bool = True) -> Stat:
        """Write an object, whole or not at all; ConflictError where one is there and may not be replaced."""

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Give all objects whose key is under a prefix (a folder's name), in memory that does not grow."""

    def folder(self, prefix: str = "") -> Sequence[Stat]:
        """Give what lies directly under a prefix, folders included."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there count as removed."""

    def move(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Give an object another key."""

    def checksum(self, key: str) -> Checksum | None:
        """Give the checksum that the store knows, without reading the object; None where it knows none."""

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class CopyingStore(Protocol):
    """A store whose server copies objects without sending them to and fro."""

    def copy_from(self, other: ObjectStore, source: str, target: str) -> Stat | None:
        """Copy an object of a store to a key of this one, replacing what is there, whole or not at all.

        None where the two are not on one server for the same user; nothing was done then.
        """


@dataclass(frozen=True, slots=True)
class Residence:
    """Where a store keeps an object."""

    locality: str
    """As dCache writes it: ``ONLINE``, ``NEARLINE`` (on tape), ``ONLINE_AND_NEARLINE``, ``LOST``, ``NONE``,
    ``UNAVAILABLE``."""
    error: str = ""
    """Why the store cannot tell of it, where ``locality`` is ``NONE``."""

    @property
    def is_online(self) -> bool:
        """True where it can be read at once."""
        return self.locality in ("ONLINE", "ONLINE_AND_NEARLINE")

    @property
    def is_on_tape(self) -> bool:
        """True where it must be staged first."""
        return self.locality == "NEARLINE"

    @property
    def has_copy_on_tape(self) -> bool:
        """True where it may have to be staged, now or later."""
        return self.locality in ("NEARLINE", "ONLINE_AND_NEARLINE")


@dataclass(frozen=True, slots=True)
class StageState:
    """How far the recall of one object is."""

    key: str
    """Its key."""
    state: str
    """``SUBMITTED``, ``STARTED``, ``COMPLETED``, ``FAILED`` or ``CANCELLED``."""
    error: str = ""
    """What the store says of a failure."""

    @property
    def is_final(self) -> bool:
        """True where it will not change any more."""
        return self.state in ("COMPLETED", "FAILED", "CANCELLED")


@runtime_checkable
class TapeStore(Protocol):
    """A store that has tape behind it."""

    @property
    def can_stage(self) -> bool:
        """True where it can be asked about many objects at once, and for them."""

    def residences(self, keys: Sequence[str], *, missing_ok: bool = False) -> dict[str, Residence]:
        """Tell where objects are kept; what cannot be told of is an error, or ``NONE`` with the reason."""

    def stage(self, keys: Sequence[str], *, lifetime: dt.timedelta) -> str:
        """Ask by one request for objects to be brought from tape and kept for a time; gives its id."""

    def stage_states(self, request: str) -> Sequence[StageState]:
        """Tell how far a request is."""

    def cancel_stage(self, request: str) -> None:
        """Ask no more for what has not been brought yet."""

    def release(self, keys: Sequence[str], *, request: str = "") -> None:
        """Let objects go from disk again."""
