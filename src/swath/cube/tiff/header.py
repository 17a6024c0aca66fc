"""The header of a TIFF file: which images it holds, how their numbers are packed, and where their blocks lie.

Written from the TIFF 6.0 specification (1992), the BigTIFF design, and GDAL's notes on its private tags.
A header is not trusted: no number in it makes us read beyond the file, or take more memory than the file
is long.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Read = Callable[[int, int], bytes]


class Unsupported(Exception):
    """Something that this reader leaves to GDAL; the message says what."""


class MalformedError(Exception):
    """A file that contradicts itself or ends too early."""


class CorruptError(MalformedError):
    """A block that is corrupt by its own checksum or end mark, at which GDAL does not always look."""


_TYPES = {
    1: "u1", 2: "S1", 3: "u2", 4: "u4", 5: "u8", 6: "i1", 7: "u1", 8: "i2", 9: "i4", 10: "i8", 11: "f4",
    12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
"""numpy's name for each TIFF field type; rationals are kept as 8 bytes, nobody reads them here."""
_MOST_IMAGES = 64
_MOST_FIELDS = 1000
_LARGEST_FIELD = 1 << 28
_LARGEST_BLOCK = 1 << 28
"""Bytes of one block, unpacked: GDAL reads larger ones piece by piece."""
_LARGEST_SIDE = 1 << 30
_MOST_SAMPLES = 65535
_TOO_LARGE_FOR_FLOAT32 = 2.0**128 - 2.0**103
"""What is as large is rounded to infinity."""

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR = 273, 277, 278, 279, 284
PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 317, 322, 323, 324, 325
SUBFILE, FILL_ORDER, EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 254, 266, 338, 339, 347
GDAL_NODATA, LERC_PARAMETERS = 42113, 50674
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
"""Pixel scale, tie points, transformation, GeoKeys and their numbers and texts."""
_KEPT = (JPEG_TABLES, GDAL_NODATA, LERC_PARAMETERS, *GEO_TAGS)
_USED = {
    WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS,
    PLANAR, PREDICTOR, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, SUBFILE, FILL_ORDER,
    EXTRA_SAMPLES, SAMPLE_FORMAT, *_KEPT,
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class TiffImage:
    """One image of a file: the main one, an overview, or a mask."""

    width: int
    """Pixels in a line."""
    height: int
    """Lines."""
    samples: int
    """Layers."""
    dtype: np.dtype[Any]
    """Of the stored numbers, with the byte order of the file; bool for a mask of single bits."""
    compression: int
    """TIFF's number for how blocks are compressed."""
    predictor: int
    """1 none, 2 differences of numbers, 3 differences of the bytes of floats."""
    photometric: int
    """TIFF's number for what the numbers mean: 2 RGB, 4 mask, 6 YCbCr."""
    separate: bool
    """True where each layer has blocks of its own, False where the layers of a pixel are side by side."""
    block_width: int
    """Pixels in a line of a block."""
    block_height: int
    """Lines of a block; the last strip may have fewer."""
    tiled: bool
    """True for tiles, whose blocks all have the same size."""
    offsets: NDArray[np.uint64]
    """Where each block begins; 0 where it is left out (all nodata)."""
    counts: NDArray[np.uint64]
    """Bytes of each block; 0 where it is left out."""
    reduced: bool
    """True for an overview."""
    mask: bool
    """True for a mask."""
    extra: tuple[int, ...]
    """What the layers beyond the photometric ones are: 1 and 2 for alpha."""
    tags: dict[int, Any]
    """Other fields that matter: JPEG tables, nodata, LERC parameters, georeference."""

    @property
    def across(self) -> int:
        """Blocks in a row."""
        return -(-self.width // self.block_width)

    @property
    def down(self) -> int:
        """Blocks in a column."""
        return -(-self.height // self.block_height)

    @property
    def block_samples(self) -> int:
        """Layers in a block."""
        return 1 if self.separate else self.samples

    def rows_of(self, row: int) -> int:
        """Give the lines that are stored in the blocks of a row of blocks."""
        if self.tiled:
            return self.block_height
        return min(self.block_height, self.height - row * self.block_height)


@dataclass(frozen=True, slots=True, eq=False)
class TiffHeader:
    """All that a file says of its images."""

    images: tuple[TiffImage, ...]
    """In the order of the file."""

    @property
    def main(self) -> TiffImage:
        """The first image, which is the one at full resolution."""
        return self.images[0]

    @property
    def mask(self) -> TiffImage | None:
        """The mask of the main image."""
        return self.mask_of(self.main)

    def mask_of(self, image: TiffImage) -> TiffImage | None:
        """Find the mask of the main image, or of an overview."""
        shape, reduced = (image.height, image.width), image.reduced
        found = (
            each
            for each in self.images[1:]
            if each.mask and each.reduced == reduced and (not reduced or (each.height, each.width) == shape)
        )
        return next(found, None)

    @property
    def overviews(self) -> tuple[TiffImage, ...]:
        """The main image at coarser resolutions, the finest first."""
        return tuple(each for each in self.images[1:] if each.reduced and not each.mask)


def parse_header(read: Read, size: int) -> TiffHeader:
    """Read the header of a file.

    Parameters
    ----------
    read : callable of (offset, count)
        Gives bytes of the file.
    size : int
        Bytes of the file.

    Raises
    ------
    MalformedError
        It contradicts itself, or ends too early.
    Unsupported
        It is no TIFF file, or has no image that this reader reads.
    """
    fields = _Fields(read, size)
    images: list[TiffImage] = []
    offset = fields.first
    met: set[int] = set()
    while offset and len(images) < _MOST_IMAGES:
        if offset in met:
            raise MalformedError("its list of images runs in a circle")
        met.add(offset)
        tags, offset = fields.directory(offset)
        try:
            images.append(_image(tags, fields.order))
        except Unsupported:
            if not images:
                raise
    if not images:
        raise MalformedError("it holds no image")
    return TiffHeader(tuple(images))


class _Fields:
    """Reads the directories of a file, classic or BigTIFF, in either byte order."""

    def __init__(self, read: Read, size: int) -> None:
        self.source, self.size = read, size
        self.left = size
        """Bytes that fields may still take: those of a sane file do not overlap."""
        start = self.read(0, 8)
        if start[:2] not in (b"II", b"MM"):
            raise Unsupported("no TIFF file")
        self.order = "<" if start[:2] == b"II" else ">"
        (version,) = struct.unpack(self.order + "H", start[2:4])
        self.big = version == 43
        if self.big:
            start = self.read(0, 16)
            width, zero, self.first = struct.unpack(self.order + "HHQ", start[4:])
            if (width, zero) != (8, 0):
                raise MalformedError(f"its BigTIFF header says offsets of {width} bytes")
        elif version == 42:
            (self.first,) = struct.unpack(self.order + "I", start[4:8])
        else:
            raise Unsupported(f"TIFF version {version}")

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise MalformedError(f"it ends at {self.size} bytes, before what lies at {offset}")
        found = self.source(offset, count)
        if len(found) != count:
            raise MalformedError(f"it ends before {offset + count} bytes")
        return found

    def directory(self, offset: int) -> tuple[dict[int, Any], int]:
        """Read the fields of one image, and where the next one's are."""
        head, entry, inline = (8, 20, 8) if self.big else (2, 12, 4)
        (count,) = struct.unpack(self.order + ("Q" if self.big else "H"), self.read(offset, head))
        if count > _MOST_FIELDS:
            raise MalformedError(f"an image has {count} fields")
        table = self.read(offset + head, count * entry + inline)
        form = self.order + ("HHQ" if self.big else "HHI")
        tags: dict[int, Any] = {}
        for at in range(0, count * entry, entry):
            tag, kind, number = struct.unpack_from(form, table, at)
            if tag in _USED and kind in _TYPES:
                place = table[at + entry - inline : at + entry]
                tags[tag] = self._values(np.dtype(_TYPES[kind]), number, place)
        (following,) = struct.unpack(self.order + ("Q" if self.big else "I"), table[count * entry :])
        return tags, following

    def _values(self, dtype: np.dtype[Any], count: int, place: bytes) -> Any:
        length = count * dtype.itemsize
        if length > _LARGEST_FIELD:
            raise MalformedError(f"a field has {length} bytes")
        if length > len(place):
            self.left -= length
            if self.left < 0:
                raise MalformedError("its fields are longer together than the file")
            (offset,) = struct.unpack(self.order + ("Q" if self.big else "I"), place)
            place = self.read(offset, length)
        if dtype.kind == "S":
            return place[:length]
        return np.frombuffer(place, np.dtype(self.order + dtype.str[1:]), count)


def _image(tags: dict[int, Any], order: str) -> TiffImage:
    width, height = _one(tags, WIDTH, 0), _one(tags, HEIGHT, 0)
    samples = _one(tags, SAMPLES, 1)
    if not (0 < width <= _LARGEST_SIDE and 0 < height <= _LARGEST_SIDE and 0 < samples <= _MOST_SAMPLES):
        raise MalformedError(f"an image has {width} x {height} pixels and {samples} layers")
    photometric, subfile = _one(tags, PHOTOMETRIC, 1), _one(tags, SUBFILE, 0)
    dtype = _dtype(tags, samples, order, mask=bool(subfile & 4))
    tiled = TILE_WIDTH in tags
    if tiled:
        block = _one(tags, TILE_WIDTH, 0), _one(tags, TILE_HEIGHT, 0)
    else:
        block = width, min(_one(tags, ROWS_PER_STRIP, height), height)
    if not (0 < block[0] <= _LARGEST_SIDE and 0 < block[1] <= _LARGEST_SIDE):
        raise MalformedError(f"an image has blocks of {block[0]} x {block[1]} pixels")
    separate = samples > 1 and _one(tags, PLANAR, 1) == 2
    if block[0] * block[1] * (1 if separate else samples) * dtype.itemsize > _LARGEST_BLOCK:
        raise Unsupported("blocks of more than 256 MB")
    offsets, counts = _blocks(tags, tiled=tiled)
    wanted = -(-width // block[0]) * -(-height // block[1]) * (samples if separate else 1)
    if len(offsets) != wanted or len(counts) != wanted:
        raise MalformedError(
            f"an image has {len(offsets)} offsets and {len(counts)} sizes of {wanted} blocks"
        )
    if _one(tags, FILL_ORDER, 1) != 1:
        raise Unsupported("bits in reverse order")
    return TiffImage(
        width=width, height=height, samples=samples, dtype=dtype, compression=_one(tags, COMPRESSION, 1),
        predictor=_one(tags, PREDICTOR, 1), photometric=photometric, separate=separate,
        block_width=block[0], block_height=block[1], tiled=tiled, offsets=offsets, counts=counts,
        reduced=bool(subfile & 1), mask=bool(subfile & 4),
        extra=tuple(_all(tags, EXTRA_SAMPLES, ())[:samples]),
        tags={key: tags[key] for key in _KEPT if key in tags},
    )  # fmt: skip


def _one(tags: dict[int, Any], tag: int, default: int) -> int:
    found = _all(tags, tag, (default,))
    if not len(found):
        raise MalformedError(f"its field {tag} is empty")
    return int(found[0])


def _all(tags: dict[int, Any], tag: int, default: Sequence[int]) -> Sequence[int]:
    found = tags.get(tag)
    if found is None:
        return default
    if isinstance(found, bytes) or found.dtype.kind not in "iu":
        raise MalformedError(f"its field {tag} is no whole number")
    return [int(each) for each in found[:_MOST_SAMPLES]]


def _dtype(tags: dict[int, Any], samples: int, order: str, *, mask: bool) -> np.dtype[Any]:
    bits = set(_all(tags, BITS, (1,))[:samples])
    kinds = set(_all(tags, SAMPLE_FORMAT, (1,))[:samples])
    if len(bits) != 1 or len(kinds) != 1:
        raise Unsupported("layers of different types")
    width, kind = bits.pop(), kinds.pop()
    if mask and (width, kind, samples) == (1, 1, 1):
        return np.dtype(bool)
    letter = {1: "u", 2: "i", 3: "f"}.get(kind)
    if letter is None or width not in ((32, 64) if letter == "f" else (8, 16, 32, 64)):
        raise Unsupported(f"numbers of {width} bits in format {kind}")
    return np.dtype(order + letter + str(width // 8))


def _blocks(tags: dict[int, Any], *, tiled: bool) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    names = (TILE_OFFSETS, TILE_COUNTS) if tiled else (STRIP_OFFSETS, STRIP_COUNTS)
    found = []
    for name in names:
        values = tags.get(name)
        if values is None:
            raise Unsupported("no sizes of blocks" if name in (TILE_COUNTS, STRIP_COUNTS) else "no blocks")
        if isinstance(values, bytes) or values.dtype.kind != "u":
            raise MalformedError(f"its field {name} is no list of whole numbers")
        found.append(values.astype(np.uint64))
    return found[0], found[1]


def parse_nodata(image: TiffImage) -> float | None:
    """Read GDAL's nodata number of a file, which is the same for all layers.

    Raises
    ------
    Unsupported
        It is no number.
    """
    text = image.tags.get(GDAL_NODATA)
    if text is None:
        return None
    try:
        value = float(bytes(text).split(b"\0")[0].strip())
    except ValueError:
        raise Unsupported("a nodata that is no number") from None
    if image.dtype.kind in "iu" and abs(value) > 2**53 and math.isfinite(value):
        raise Unsupported("a nodata that float64 does not hold")
    if image.dtype == np.float32 and math.isfinite(value) and abs(value) >= _TOO_LARGE_FOR_FLOAT32:
        raise Unsupported("a nodata that float32 does not hold")
    return value
