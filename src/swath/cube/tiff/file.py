"""An open TIFF file, with the questions that placing asks; and reading windows of many files together."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.tiff.decode import check_supported, place_block
from swath.cube.tiff.georeference import georeference
from swath.cube.tiff.header import (
    MalformedError,
    TiffHeader,
    TiffImage,
    Unsupported,
    parse_header,
    parse_nodata,
)
from swath.cube.tiff.origin import Origin, open_origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Window = tuple[int, int, int, int]

_PREFIX = 16 * 1024
"""Bytes that are read first of a local file: the whole header of most COGs."""
_REMOTE_PREFIX = 64 * 1024
_KEPT = 8192
"""Headers that are kept."""
_IN_FLIGHT = 64 * 1024 * 1024
"""Bytes of a remote file that are fetched before they are decoded."""


class TiffFile:
    """An open TIFF file.

    Parameters
    ----------
    href : str
        Path or address.
    origin : Origin
        Gives its bytes.
    header : TiffHeader
        What it says.
    """

    def __init__(self, href: str, origin: Origin, header: TiffHeader) -> None:
        self.href, self.origin, self.header = href, origin, header
        self.image = header.main
        check_supported(self.image)
        if header.mask is not None:
            check_supported(header.mask)
            if header.mask.dtype.kind != "b" or header.mask.samples != 1:
                raise Unsupported("a mask of more than one bit")
            if (header.mask.height, header.mask.width) != (self.image.height, self.image.width):
                raise Unsupported("a mask of another size than the image")
        self.crs, self.transform = georeference(self.image)
        self.nodata = parse_nodata(self.image)
        self.height, self.width, self.count = self.image.height, self.image.width, self.image.samples
        self.dtype = self.image.dtype.newbyteorder("=")

    def close(self) -> None:
        """Let go of the file."""
        self.origin.close()

    @property
    def has_mask(self) -> bool:
        """True where the file itself says which pixels are there, by a mask or an alpha layer."""
        return self.header.mask is not None or self.alpha is not None

    @property
    def alpha(self) -> int | None:
        """Number of the alpha layer, from 0."""
        first = self.image.samples - len(self.image.extra)
        return next((first + at for at, kind in enumerate(self.image.extra) if kind in (1, 2)), None)

    @property
    def overviews(self) -> tuple[TiffImage, ...]:
        """The overviews, the finest first; none unless all of them can be read here, as the main image is."""
        found = self.header.overviews
        return found if all(self._is_like_main(each) for each in found) else ()

    def _is_like_main(self, image: TiffImage) -> bool:
        mask = self.header.mask_of(image)
        try:
            check_supported(image)
            if mask is not None:
                check_supported(mask)
        except Unsupported:
            return False
        masked = mask is not None and mask.dtype.kind == "b"
        return (image.samples, image.dtype, masked) == (
            self.image.samples, self.image.dtype, self.header.mask is not None
        )  # fmt: skip

    def _image_at(self, level: int | None) -> TiffImage:
        return self.image if level is None else self.overviews[level]

    def read(
        self, layers: Sequence[int], window: Window, *, level: int | None = None, threads: int = 1
    ) -> NDArray[Any]:
        """Read part of some layers.

        Parameters
        ----------
        layers : sequence of int
            From 0.
        window : (first_row, last_row, first, last)
            Within the image.
        level : int, optional
            Number of the overview; the full resolution unless given.
        threads : int
            For decoding.

        Returns
        -------
        (layer, y, x) of the file's type
        """
        out = np.empty((len(layers), window[1] - window[0], window[3] - window[2]), self.dtype)
        read_together([Part(self, self._image_at(level), tuple(layers), window, out)], threads=threads)
        return out

    def read_mask(self, window: Window, *, level: int | None = None, threads: int = 1) -> NDArray[np.bool_]:
        """Read part of the mask: (y, x), True where a pixel is there."""
        mask = self.header.mask_of(self._image_at(level))
        if mask is not None:
            out = np.empty((1, window[1] - window[0], window[3] - window[2]), bool)
            read_together([Part(self, mask, (0,), window, out)], threads=threads)
            return np.asarray(out[0])
        return np.asarray(self.read([self.alpha or 0], window, level=level, threads=threads)[0] > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What is to be read of one file."""

    file: TiffFile
    """The file."""
    image: TiffImage
    """Which of its images."""
    layers: tuple[int, ...]
    """From 0."""
    window: Window
    """(first_row, last_row, first, last)."""
    out: NDArray[Any]
    """(layer, y, x), where it goes."""


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """One block that a part needs."""

    part: Part
    row: int
    """Row of the block."""
    number: int
    """Place in the lists of offsets and counts."""
    inside: Window
    """What is taken of the block."""
    placements: list[tuple[int, NDArray[Any]]]
    """Layer within the block, and where it goes."""

    @property
    def span(self) -> tuple[int, int]:
        """Offset and number of bytes."""
        image = self.part.image
        return int(image.offsets[self.number]), int(image.counts[self.number])


def read_together(parts: Sequence[Part], *, threads: int = 1) -> None:
    """Read parts of files: one list of all their blocks, decoded on threads.

    Memory: beside the arrays that are given, one block for each thread; and of files behind a server 64 MB.

    Raises
    ------
    MalformedError, OSError
        A block is not what the header says; a file cannot be read.
    """
    blocks = [each for part in parts for each in _blocks(part)]
    local = [each for each in blocks if not each.part.file.origin.remote]
    remote = [each for each in blocks if each.part.file.origin.remote]
    if threads == 1 or len(blocks) == 1:
        for each in local:
            _place(each, None)
        for batch in _batches(remote):
            for block, content in _fetched(batch):
                _place(block, content)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda each: _place(each, None), local):
            pass
        for found in _ahead(_batches(remote)):
            list(pool.map(lambda pair: _place(*pair), found))


def _blocks(part: Part) -> Iterator[_Block]:
    """List the blocks that a part needs; nodata is put where the file leaves blocks out."""
    image = part.image
    first_row, last_row, first, last = part.window
    if last_row <= first_row or last <= first:
        return
    tall, wide = image.block_height, image.block_width
    plane = image.across * image.down
    for row, column in itertools.product(
        range(first_row // tall, -(-last_row // tall)), range(first // wide, -(-last // wide))
    ):
        top, left = row * tall, column * wide
        inside = (
            max(first_row - top, 0), min(last_row - top, tall), max(first - left, 0), min(last - left, wide)
        )  # fmt: skip
        rows = slice(top + inside[0] - first_row, top + inside[1] - first_row)
        columns = slice(left + inside[2] - first, left + inside[3] - first)
        targets = [part.out[at, rows, columns] for at in range(len(part.layers))]
        here = row * image.across + column
        if image.separate:
            groups = [
                (layer * plane + here, [(0, to)]) for layer, to in zip(part.layers, targets, strict=True)
            ]
        else:
            groups = [(here, list(zip(part.layers, targets, strict=True)))]
        for number, placements in groups:
            if image.counts[number] == 0:
                for _, target in placements:
                    target[...] = _left_out(part)
            else:
                yield _Block(part, row, number, inside, placements)


def _left_out(part: Part) -> Any:
    """Give the number that pixels have in blocks that are left out: nodata, or 0."""
    nodata = part.file.nodata
    if nodata is None or part.image.dtype.kind == "b":
        return 0
    if part.image.dtype.kind == "f":
        return nodata
    limits = np.iinfo(part.image.dtype)
    return int(nodata) if np.isfinite(nodata) and limits.min <= nodata <= limits.max else 0


def _place(block: _Block, content: Any) -> None:
    part = block.part
    if content is None:
        offset, count = block.span
        origin = part.file.origin
        if offset + count > origin.size:
            raise MalformedError(f"it ends at {origin.size} bytes, before the end of a block")
        content = origin.read(offset, count)
        if len(content) != count:
            raise MalformedError("it was cut short after it was opened")
    try:
        place_block(part.image, block.row, content, block.placements, block.inside)
    except MalformedError as error:
        column = block.number % part.image.across
        raise type(error)(f"{error}, in row {block.row} and column {column} of its blocks") from error


def _place_of(block: _Block) -> tuple[str, int, tuple[int, int]]:
    return block.part.file.href, id(block.part.file.origin), block.span


def _batches(blocks: Sequence[_Block]) -> Iterator[list[_Block]]:
    """Cut a list of blocks of remote files into what is fetched at once."""
    held: list[_Block] = []
    size = 0
    for each in sorted(blocks, key=_place_of):
        if held and size + each.span[1] > _IN_FLIGHT // 2:
            yield held
            held, size = [], 0
        held.append(each)
        size += each.span[1]
    if held:
        yield held


def _ahead(batches: Iterator[list[_Block]]) -> Iterator[list[tuple[_Block, Any]]]:
    """Fetch batches, the next one while one is decoded, and none further ahead."""
    with ThreadPoolExecutor(1) as fetching:
        ready = None
        for batch in batches:
            coming = fetching.submit(_fetched, batch)
            if ready is not None:
                yield ready.result()
            ready = coming
        if ready is not None:
            yield ready.result()


def _fetched(batch: Sequence[_Block]) -> list[tuple[_Block, Any]]:
    """Fetch blocks: those of one file by requests that are in flight together, and files side by side."""
    files = [list(each) for _, each in itertools.groupby(batch, key=lambda block: block.part.file.origin)]

    def fetch(blocks: list[_Block]) -> list[tuple[_Block, Any]]:
        return list(zip(blocks, blocks[0].part.file.origin.read_many([b.span for b in blocks]), strict=True))

    if len(files) == 1:
        return fetch(files[0])
    with ThreadPoolExecutor(min(len(files), 16)) as pool:
        return [pair for found in pool.map(fetch, files) for pair in found]


_headers: OrderedDict[tuple[Any, ...], TiffHeader] = OrderedDict()
_lock = threading.Lock()


def open_tiff(href: str) -> TiffFile:
    """Open a TIFF file; its header is read once, and kept as long as the file stays the same.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    MalformedError
        Its header contradicts itself.
    Unsupported
        It is no TIFF file, or one that GDAL must read.
    """
    origin = open_origin(href)
    try:
        key = (href, *origin.stamp)
        with _lock:
            header = _headers.get(key)
            if header is not None:
                _headers.move_to_end(key)
        if header is None:
            header = parse_header(_Buffered(origin).read, origin.size)
            with _lock:
                _headers[key] = header
                while len(_headers) > _KEPT:
                    _headers.popitem(last=False)
        return TiffFile(href, origin, header)
    except BaseException:
        origin.close()
        raise


class _Buffered:
    """Reads the beginning of a file at once, since a header asks for many small pieces of it."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.prefix = origin.read(0, min(_REMOTE_PREFIX if origin.remote else _PREFIX, origin.size))

    def read(self, offset: int, count: int) -> bytes:
        if offset + count <= len(self.prefix):
            return self.prefix[offset : offset + count]
        return self.origin.read(offset, count)
