"""Reads boxes of Zarr arrays: files are fetched, and the chunks in them decoded, on threads."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.tiff import CorruptError
from swath.cube.zarrs.codecs import check_crc32c
from swath.cube.zarrs.kept import kept_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from swath.cube.tiff.origin import Origin
    from swath.cube.zarrs.header import ZarrArray
    from swath.cube.zarrs.store import ZarrStore

    Box = tuple[tuple[int, int], ...]

_AT_ONCE = 8
"""Files of a store behind a server that are fetched at once."""
_IN_FLIGHT = 8 * 1024 * 1024
"""Bytes of chunks, unpacked, that are fetched by one of them at a time."""
_LEFT_OUT = (1 << 64) - 1
"""What an index says of a chunk that is not in the shard."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """An array in its store."""

    store: ZarrStore
    """The store."""
    path: str
    """Path of the array in it."""
    array: ZarrArray
    """What its metadata says."""
    stamp: tuple[Any, ...]
    """Changes when that does."""


@dataclass(slots=True, eq=False)
class _Chunk:
    """One chunk that is needed."""

    number: tuple[int, ...]
    """Place among the chunks of the array."""
    inside: tuple[slice, ...]
    """What is taken of it."""
    target: NDArray[Any]
    """Where that goes."""


@dataclass(slots=True, eq=False)
class _File:
    """A file of an array: a chunk, or a shard that is opened when it is needed and once."""

    source: Source
    key: str
    """Its name."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    opened: bool = False
    origin: Origin | None = None
    """The shard; None where it is not there."""
    index: NDArray[np.uint64] | None = None
    """Offset and number of bytes of each of its chunks: (..., 2)."""

    def open(self) -> Origin | None:
        """Open a shard, and read its index."""
        with self.lock:
            if not self.opened:
                with contextlib.suppress(FileNotFoundError):
                    self._open()
                self.opened = True
            return self.origin

    def _open(self) -> None:
        origin = self.source.store.open(self.key)
        try:
            self.index = self._index(origin)
        except BaseException:
            origin.close()
            raise
        self.origin = origin

    def _index(self, origin: Origin) -> NDArray[np.uint64]:
        array = self.source.array
        length = 16 * math.prod(array.per_file) + 4 * array.index_checked
        if origin.size < length:
            raise CorruptError(f"shard {self.key} has {origin.size} bytes, fewer than its index")
        content: Any = origin.read(0 if array.index_first else origin.size - length, length)
        if array.index_checked:
            try:
                content = check_crc32c(content)
            except CorruptError as error:
                raise CorruptError(f"shard {self.key} is cut short or damaged: its index is wrong") from error
        return np.frombuffer(content, "<u8").reshape((*array.per_file, 2))

    def fetch(self, chunks: Sequence[_Chunk]) -> list[Any]:
        """Give the bytes of chunks; None for those that are left out."""
        store, array = self.source.store, self.source.array
        if not array.sharded:
            try:
                return [store.read(self.key, array.packing.longest(array.chunk)) for _ in chunks]
            except FileNotFoundError:
                return [None for _ in chunks]
        origin = self.open()
        if origin is None or self.index is None:
            return [None for _ in chunks]
        spans = [self._span(each, origin, self.index) for each in chunks]
        wanted = [each for each in spans if each is not None]
        found = iter(origin.read_many(wanted) if wanted else [])
        return [None if each is None else next(found) for each in spans]

    def _span(self, chunk: _Chunk, origin: Origin, index: NDArray[np.uint64]) -> tuple[int, int] | None:
        place = tuple(a % b for a, b in zip(chunk.number, self.source.array.per_file, strict=True))
        offset, count = (int(each) for each in index[place])
        if offset == count == _LEFT_OUT:
            return None
        if offset + count > origin.size:
            raise CorruptError(f"shard {self.key} ends at {origin.size} bytes, before the end of a chunk")
        if count > self.source.array.packing.longest(self.source.array.chunk):
            raise CorruptError(f"shard {self.key} has a chunk of {count} bytes, more than it can take")
        return offset, count

    def stamp(self) -> tuple[Any, ...]:
        """Give what changes when the file does, where that is known without a request for it alone."""
        if self.source.array.sharded:
            origin = self.open()
            return () if origin is None else origin.stamp
        return () if self.source.store.remote else self.source.store.stamp_of_file(self.key)

    def close(self) -> None:
        """Let go of the file."""
        if self.origin is not None:
            self.origin.close()


def read_box(source: Source, box: Box, *, threads: int = 1) -> NDArray[Any]:
    """Read part of an array.

    Memory: beside what is given, a chunk for each thread, and up to 8 MB of chunks for each file in flight;
    and what `swath.cube.zarrs.kept` holds.

    Parameters
    ----------
    source : Source
        The array.
    box : tuple of (first, last)
        For each axis.
    threads : int
        For decoding; behind a server 8 files are fetched at once at least.

    Raises
    ------
    CorruptError, OSError
        A chunk is not what the metadata says; a file cannot be read.
    """
    array = source.array
    out = np.empty([last - first for first, last in box], array.dtype)
    if not out.size:
        return out
    files: dict[str, _File] = {}
    tasks = list(_tasks(source, box, out, files))
    gaps: list[bool] = []
    try:
        workers = min(max(threads, _AT_ONCE) if source.store.remote else threads, len(tasks))
        if workers == 1:
            gaps = [_put(*task) for task in tasks]
        else:
            with ThreadPoolExecutor(workers) as pool:
                gaps = list(pool.map(lambda task: _put(*task), tasks))
    finally:
        for each in files.values():
            each.close()
    if any(gaps):
        source.store.check()  # chunks may be left out; but none is there when the store has gone
    return out


def _tasks(
    source: Source, box: Box, out: NDArray[Any], files: dict[str, _File]
) -> Iterator[tuple[_File, list[_Chunk]]]:
    """List the chunks that a box needs, by files, and no more at once than may be in flight."""
    array = source.array
    most = max(1, _IN_FLIGHT // array.chunk_bytes)
    folder = f"{source.path}/" if source.path else ""
    for at in itertools.product(
        *(range(a // s, -(-b // s)) for (a, b), s in zip(box, array.file, strict=True))
    ):
        key = folder + array.key(at)
        file = files.setdefault(key, _File(source, key))
        chunks = list(_chunks(array, at, box, out))
        for first in range(0, len(chunks), most):
            yield file, chunks[first : first + most]


def _chunks(array: ZarrArray, at: tuple[int, ...], box: Box, out: NDArray[Any]) -> Iterator[_Chunk]:
    """List the chunks of one file that a box needs."""
    ranges = []
    for place, (first, last), side, chunk in zip(at, box, array.file, array.chunk, strict=True):
        low, high = max(first, place * side), min(last, (place + 1) * side)
        ranges.append(range(low // chunk, -(-high // chunk)))
    for number in itertools.product(*ranges):
        inside, target = [], []
        for n, (first, last), chunk in zip(number, box, array.chunk, strict=True):
            low, high = max(first, n * chunk), min(last, (n + 1) * chunk)
            inside.append(slice(low - n * chunk, high - n * chunk))
            target.append(slice(low - first, high - first))
        yield _Chunk(number, tuple(inside), out[tuple(target)])


def _put(file: _File, chunks: list[_Chunk]) -> bool:
    """Read chunks and put them where they go; tell whether one was left out."""
    array = file.source.array
    if _is_deep(array, chunks[0]):
        stamp = (file.source.stamp, file.stamp())
        found = (_kept(file, each, stamp) for each in chunks)
    else:
        contents = zip(chunks, file.fetch(chunks), strict=True)
        found = (_decoded(file, each, content) for each, content in contents)
    gaps = False
    for each, numbers in zip(chunks, found, strict=True):
        each.target[...] = array.fill if numbers is None else numbers[each.inside]
        gaps |= numbers is None
    return gaps


def _is_deep(array: ZarrArray, chunk: _Chunk) -> bool:
    """Tell whether a chunk holds images beside the one that is read, which will be asked for next."""
    axes = zip(array.chunk[:-2], chunk.inside[:-2], strict=True)
    return any(side > taken.stop - taken.start for side, taken in axes)


def _kept(file: _File, chunk: _Chunk, stamp: tuple[Any, ...]) -> NDArray[Any] | None:
    key = (file.source.store.root, file.key, chunk.number, stamp)
    return kept_chunk(key, lambda: _decoded(file, chunk, file.fetch([chunk])[0]))


def _decoded(file: _File, chunk: _Chunk, content: Any) -> NDArray[Any] | None:
    if content is None:
        return None
    array = file.source.array
    try:
        return array.packing.unpack(content, array.chunk)
    except CorruptError as error:
        raise CorruptError(f"chunk {chunk.number} in {file.key}: {error}") from error
