"""Brings one asset to the mirror: read once, summed on the way, shown only when it is whole and right."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.catalog.mirror.folders import FolderCopier
from swath.catalog.mirror.kept import AssetKept, Kept
from swath.catalog.mirror.limits import Turns
from swath.catalog.mirror.names import changed_name
from swath.catalog.mirror.reading import ChangedError, Reading, StoppedError, TwinError, stamp_of
from swath.model import (
    MissingObjectError,
    NotAllowedError,
    OutputError,
    StoreError,
    SwathError,
)
from swath.storage import join_key, stores
from swath.storage.checksum import parse_multihash
from swath.storage.s3 import S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.catalog.mirror.journal import Journal
    from swath.catalog.mirror.limits import Bandwidth, Memory
    from swath.storage import ObjectStore, Stat

_SMALL = 8 << 20
"""Bytes up to which a file is summed before any of it is sent."""
_STREAM = 128 << 20
"""Bytes in memory while a larger file goes through: parts on their way, and pieces read ahead."""
_READ = 48 << 20
"""Bytes in memory while a larger file is read only."""
_MD5 = re.compile(r"[0-9a-f]{32}(-\d+)?")
"""ETags of S3 that are made of MD5: of the bytes, or of the sums of their parts."""
_REFUSALS = 20
"""Files that the mirror's store does not take, one after the other, before it counts as gone."""
_PAUSE_S = 0.5
"""Seconds before a file that broke off is begun again; twice as many each time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An asset that should be on the mirror."""

    item: str
    """Key of the item's document."""
    asset: str
    """Its key in the item."""
    href: str
    """Where it is."""
    key: str
    """Where it goes, unless the same bytes are there already."""
    checksum: str = ""
    """``file:checksum`` of the source; empty: it has none."""
    is_folder: bool = False
    """True for a folder of objects, such as a Zarr store."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An asset that is on the mirror."""

    origin: AssetKept
    """Where it came from."""
    kept: Kept
    """What it is."""
    how: str
    """``copied``, ``shared`` (the same bytes were there for another) or ``kept``."""


class RefusedError(Exception):
    """The mirror's store takes nothing: going on makes no sense."""

    def __init__(self, error: SwathError) -> None:
        super().__init__(str(error))
        self.error = error


class NoCopyError(Exception):
    """The server's copy is none, or nobody knows whether it is right: the bytes have to be sent."""


class Copier:
    """Brings assets to one mirror; safe with several threads.

    Parameters
    ----------
    target : ObjectStore
        Where the mirror is.
    prefix : str
        Key that it begins at.
    journal : Journal
        What is known of it.
    bandwidth, memory
        Limits.
    tries : int
        How often a file is begun.
    concurrency : int
        Files at once.
    stopped : threading.Event
        Ends what is under way.
    moved : callable
        Is told the bytes that come in.
    """

    def __init__(
        self,
        target: ObjectStore,
        prefix: str,
        journal: Journal,
        *,
        bandwidth: Bandwidth,
        memory: Memory,
        tries: int,
        concurrency: int,
        stopped: threading.Event,
        moved: Callable[[int], None],
    ) -> None:
        self._target, self._prefix, self._journal = target, prefix, journal
        self._bandwidth, self._memory, self._tries = bandwidth, memory, tries
        self._stopped, self._moved = stopped, moved
        self._hrefs = Turns()
        self._digests = Turns()
        self._refusals = 0
        self._server_copies = True
        self._slots = threading.BoundedSemaphore(concurrency)
        self._folders = FolderCopier(target, prefix, journal, self, concurrency)

    def settle(self, wanted: Wanted) -> Settled:
        """Bring an asset to the mirror, unless it is there.

        Raises
        ------
        SwathError
            It cannot be had, or is not what its item says.
        RefusedError
            The mirror cannot be written.
        StoppedError
            Somebody asked to stop.
        """
        with self._hrefs.turn(wanted.href):
            settled = self._folder(wanted) if wanted.is_folder else None
            if settled is None:
                with self._slots:
                    settled = self._again(wanted.href, lambda: self._once(wanted))
            self._journal.settle(wanted.item, wanted.asset, settled.origin)
            return settled

    def _folder(self, wanted: Wanted) -> Settled | None:
        found = self._again(wanted.href, lambda: self._folders.copy(wanted))
        return Settled(*found) if found else None

    def copy_object(self, href: str, source: ObjectStore, key: str, place: str) -> Kept:
        """Bring one object of a folder to its place; one with the same bytes elsewhere does not do."""

        def once() -> Kept:
            stat, pieces = _opened(source, key)
            reading = Reading(
                source, key, stat, pieces, checksum="", take=self._take, claim=lambda *_: None
            )  # fmt: skip
            try:
                return self._write(reading, place, stat, "")
            except NoCopyError:
                return once()

        with self._slots:
            return self._again(href, once)

    def _again[T](self, href: str, once: Callable[[], T]) -> T:
        """Try until it is done, or makes no sense."""
        last: SwathError | None = None
        for attempt in range(self._tries):
            if attempt and self._stopped.wait(_PAUSE_S * 2 ** (attempt - 1)):
                raise StoppedError
            try:
                return once()
            except StoreError as error:
                last = error
            except ChangedError:
                last = StoreError(
                    f"mirror: {href} changes while it is copied, {self._tries} times now",
                    fix="try again when nobody writes there",
                )
        raise last or StoppedError

    def _once(self, wanted: Wanted) -> Settled:
        stated = parse_multihash(wanted.checksum)
        digest = stated[1] if stated and stated[0] == "sha256" else ""
        before = self._journal.asset(wanted.item, wanted.asset)
        own = self.whole(before.key) if before and before.href == wanted.href else None
        if before and own and digest == own.digest:
            return Settled(before, own, "kept")
        source, key = stores().locate(wanted.href)
        if before and own and not digest and stamp_of(source.stat(key)) == before.stamp:
            return Settled(before, own, "kept")
        if digest and (twin := self._whole_twin(digest=digest)):
            return Settled(AssetKept(wanted.href, "", twin.key), twin, "shared")
        if fetched := self._fetched(wanted, source, key):
            return fetched
        return self._copy(wanted, source, key)

    def _fetched(self, wanted: Wanted, source: ObjectStore, key: str) -> Settled | None:
        """Find what another item has of the same href."""
        for other in self._journal.of_href(wanted.href):
            kept = self.whole(other.key)
            if kept and other.stamp and stamp_of(source.stat(key)) == other.stamp:
                return Settled(other, kept, "shared")
        return None

    def _copy(self, wanted: Wanted, source: ObjectStore, key: str) -> Settled:
        stat, pieces = _opened(source, key)
        if stat.is_folder:
            raise MissingObjectError(
                f"mirror: {wanted.href} is a folder, not a file", fix="leave that asset out with --assets"
            )
        stamp, tag = stamp_of(stat), _tag_of(source, stat)
        if tag and (twin := self._whole_twin(tag=tag)):
            return Settled(AssetKept(wanted.href, stamp, twin.key), twin, "shared")
        place = wanted.key
        if self.whole(place):  # other bytes are there, which somebody may be reading
            place = changed_name(place, f"{wanted.href} {stamp}")
        reading = Reading(
            source, key, stat, pieces, checksum=wanted.checksum, take=self._take, claim=self._claim
        )
        try:
            kept = self._write(reading, place, stat, tag)
        except NoCopyError:
            return self._copy(wanted, source, key)
        except TwinError as same:
            how = "kept" if same.kept.key in (place, wanted.key) else "shared"
            return Settled(AssetKept(wanted.href, stamp, same.kept.key), same.kept, how)
        return Settled(AssetKept(wanted.href, stamp, place), kept, "copied")

    def _write(self, reading: Reading, place: str, stat: Stat, tag: str) -> Kept:
        with contextlib.ExitStack() as held:
            held.callback(reading.close)
            if stat.size <= _SMALL:
                held.enter_context(self._memory.held(stat.size))
                pieces = list(reading)
                data: Any = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                reading.finish(held)
            elif told := self._copied(reading, place, stat, held):
                kept = Kept(place, stat.size, reading.digest, told.etag, tag)
                self._journal.keep(kept)
                return kept
            else:
                held.enter_context(self._memory.held(_STREAM))
                data = reading.to_the_end(held)
            told = self._put(reading, place, data)
            kept = Kept(place, stat.size, reading.digest, told.etag, tag)
            self._journal.keep(kept)
            return kept

    def _copied(self, reading: Reading, place: str, stat: Stat, held: contextlib.ExitStack) -> Stat | None:
        """Let the server copy a large file that was read and summed; None where it cannot, or nobody knows.

        The bytes are those that were read where the copy has their ETag, which S3 makes of their MD5.
        """
        source = reading.source
        if not self._server_copies or not _same_server(source, self._target) or not _MD5.fullmatch(stat.etag):
            return None
        with self._memory.held(_READ):
            for _ in reading:
                pass
            reading.finish(held)
        with contextlib.suppress(SwathError):
            told = self._target.copy_from(source, reading.key, join_key(self._prefix, place))  # type: ignore[attr-defined]
            if told is not None and (told.size, _plain(told.etag)) == (stat.size, _plain(stat.etag)):
                return told  # type: ignore[no-any-return]
        self._server_copies = False
        raise NoCopyError  # what may lie there, no item refers to: it is written again

    def _put(self, reading: Reading, place: str, data: Any) -> Stat:
        try:
            told = self._target.put(join_key(self._prefix, place), data)
        except Exception as error:
            if reading.error is not None:  # it came from the other side, however the client wraps it
                raise reading.error from error
            self._refusals += 1
            if isinstance(error, (OutputError, NotAllowedError)) or (
                isinstance(error, StoreError) and self._refusals >= _REFUSALS
            ):
                raise RefusedError(error) from error
            raise
        self._refusals = 0
        return told

    def whole(self, key: str) -> Kept | None:
        """Give an object that is on the mirror as it was written; None where it is not."""
        kept = self._journal.kept(key)
        if kept is None:
            return None
        found = self._journal.listed(key)
        if found is None:  # it is newer than the list
            try:
                stat = self._target.stat(join_key(self._prefix, key))
            except MissingObjectError:
                return None
            found = stat.size, stat.etag
        same = not kept.etag or not found[1] or _plain(kept.etag) == _plain(found[1])
        return kept if found[0] == kept.size and same else None

    def whole_folder(self, key: str) -> Kept | None:
        """Give what `whole` gives, of a folder."""
        return self._folders.whole(key)

    def close(self) -> None:
        """Let go of threads."""
        self._folders.close()

    def _whole_twin(self, **known: str) -> Kept | None:
        twin = self._journal.twin(**known)
        return self.whole(twin.key) if twin else None

    def _claim(self, digest: str, held: contextlib.ExitStack) -> None:
        """Take the turn to write some bytes; raises what says where they are, if they are there."""
        held.enter_context(self._digests.turn(digest))
        if twin := self._whole_twin(digest=digest):
            raise TwinError(twin)

    def _take(self, count: int) -> None:
        """Let bytes through."""
        if self._stopped.is_set():
            raise StoppedError
        self._bandwidth.take(count)
        self._moved(count)


def _opened(source: ObjectStore, key: str) -> tuple[Stat, Iterator[memoryview]]:
    """Ask for an object once, where its store can do that."""
    opened = getattr(source, "opened", None)
    if opened is not None:
        stat, pieces = opened(key)
        return stat, pieces
    return source.stat(key), source.stream(key)


def _tag_of(source: ObjectStore, stat: Stat) -> str:
    """Name the bytes by the MD5 that S3 gives those that were written by one request; else not at all."""
    is_md5 = isinstance(source, S3Store) and len(stat.etag) == 32 and "-" not in stat.etag
    return f"{stat.etag}-{stat.size}" if is_md5 else ""


def _same_server(source: ObjectStore, target: ObjectStore) -> bool:
    return isinstance(source, S3Store) and isinstance(target, S3Store) and target.is_beside(source)


def _plain(etag: str) -> str:
    return etag.removeprefix("W/").strip('"')
