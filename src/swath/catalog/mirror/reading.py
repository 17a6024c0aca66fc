"""The bytes of one source file on their way to the mirror, and what they must prove before they are shown."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from typing import TYPE_CHECKING

from swath.model import ConflictError, UnreadableAssetError
from swath.storage.checksum import parse_multihash
from swath.storage.s3 import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.catalog.mirror.kept import Kept
    from swath.storage import ObjectStore, Stat


class StoppedError(Exception):
    """Somebody asked to stop."""


class ChangedError(Exception):
    """The source changes while it is read."""


class TwinError(Exception):
    """The same bytes are there already."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept.key)
        self.kept = kept


def stamp_of(stat: Stat) -> str:
    """Write what changes when an object does; Apache calls a tag weak for a second, and then no more."""
    etag = stat.etag.removeprefix("W/").strip('"')
    return "|".join((etag, *stat.stamp[1:]))


class Reading:
    """The bytes of a source on their way: summed, counted, and compared at the end.

    Parameters
    ----------
    source : ObjectStore
        Where they come from.
    key : str
        Their key there.
    stat : Stat
        What the source said of them before.
    pieces : iterator of memoryview
        Themselves.
    checksum : str
        Multihash that they should have; empty: whatever they have.
    take : callable
        Lets a number of bytes through; may wait, or raise.
    claim : callable
        Is given their SHA-256 when all is well; raises where they are there already.
    """

    def __init__(
        self,
        source: ObjectStore,
        key: str,
        stat: Stat,
        pieces: Iterator[memoryview],
        *,
        checksum: str,
        take: Callable[[int], None],
        claim: Callable[[str, contextlib.ExitStack], None],
    ) -> None:
        self.source, self.key, self._stat, self._pieces = source, key, stat, pieces
        self._take, self._claim = take, claim
        self._sum = hashlib.sha256()
        stated = parse_multihash(checksum)
        self._stated = stated[1] if stated else ""
        self._other = hashlib.new(stated[0]) if stated and stated[0] != "sha256" else None
        self._count = 0
        self.error: BaseException | None = None

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of what has come, in hexadecimal; asked for when all has."""
        return self._sum.hexdigest()

    def __iter__(self) -> Iterator[memoryview]:
        for piece in self._unchanged():
            self._take(len(piece))
            self._sum.update(piece)
            if self._other:
                self._other.update(piece)
            self._count += len(piece)
            yield piece

    def _unchanged(self) -> Iterator[memoryview]:
        try:
            yield from self._pieces
        except ConflictError as error:  # a later part is of another object
            raise ChangedError from error

    def to_the_end(self, held: contextlib.ExitStack) -> Iterator[memoryview]:
        """Give all pieces, and raise at the end what says that they must not be shown."""
        try:
            yield from self
            self.finish(held)
        except BaseException as error:
            self.error = error
            raise

    def finish(self, held: contextlib.ExitStack) -> None:
        """Compare: with what the server said, what the item says, and what is there already."""
        if self._count != self._stat.size or self._has_changed():
            raise ChangedError
        found = self._other.hexdigest() if self._other else self.digest
        if self._stated and found != self._stated:
            raise UnreadableAssetError(
                f"mirror: {self.source.root.href(self.key)} has another checksum than its item says "
                f"(file:checksum {self._stated[:12]}…, its bytes {found[:12]}…)",
                fix="it is damaged, or its item is out of date: ask who publishes it",
            )
        self._claim(self.digest, held)

    def _has_changed(self) -> bool:
        if isinstance(self.source, S3Store):
            return False  # an answer of S3 is of one object, whatever is put there meanwhile
        return stamp_of(self.source.stat(self.key)) != stamp_of(self._stat)

    def close(self) -> None:
        """Let go of the source."""
        close = getattr(self._pieces, "close", None)
        if close:
            with contextlib.suppress(ValueError):  # a thread is still in it
                close()
