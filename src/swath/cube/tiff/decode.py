"""Blocks of a TIFF file: decompressed by imagecodecs, then undifferenced and placed in one pass."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from swath.cube.tiff.header import (
    JPEG_TABLES,
    LERC_PARAMETERS,
    CorruptError,
    MalformedError,
    Unsupported,
)
from swath.kernels.native import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from swath.cube.tiff.header import TiffImage

NONE, LZW, JPEG, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 7, 8, 32946, 32773
LERC, LZMA, ZSTD, WEBP = 34887, 34925, 50000, 50001
_BYTES: dict[int, Any] = {
    LZW: imagecodecs.lzw_decode, DEFLATE: imagecodecs.deflate_decode, OLD_DEFLATE: imagecodecs.deflate_decode,
    PACKBITS: imagecodecs.packbits_decode, LZMA: imagecodecs.lzma_decode, ZSTD: imagecodecs.zstd_decode,
}  # fmt: skip
"""Codecs that give back bytes, whatever these mean."""
_CHECKED = {DEFLATE, OLD_DEFLATE, LZMA}
_IMAGES = {JPEG, LERC, WEBP}
_LERC_PACKED = {0: None, 1: imagecodecs.deflate_decode, 2: imagecodecs.zstd_decode}
_LERC_HEADERS = 1 << 16
_RGB, _YCBCR = 2, 6
_JPEG_END = b"\xff\xd9"
_scratch = threading.local()


def check_supported(image: TiffImage) -> None:
    """Refuse what cannot be decoded here.

    Raises
    ------
    Unsupported
        The message says what.
    """
    if image.compression not in _BYTES and image.compression not in _IMAGES and image.compression != NONE:
        raise Unsupported(f"compression {image.compression}")
    if image.predictor not in (1, 2, 3):
        raise Unsupported(f"predictor {image.predictor}")
    kind, size = image.dtype.kind, image.dtype.itemsize
    if image.predictor == 3 and kind != "f":
        raise Unsupported("a predictor for floats on whole numbers")
    if image.predictor != 1 and (kind == "b" or image.compression in (NONE, *_IMAGES)):
        raise Unsupported("a predictor that does not belong here")
    if image.compression == JPEG and (size != 1 or kind != "u" or image.photometric == _YCBCR):
        raise Unsupported("JPEG of more than 8 bits, or in YCbCr")
    if image.compression == WEBP and (size != 1 or image.separate or image.samples not in (3, 4)):
        raise Unsupported("WebP of other than RGB")
    if image.compression == LERC and image.dtype.byteorder == ">":
        raise Unsupported("LERC in big-endian files")
    if kind == "b" and image.compression in _IMAGES:
        raise Unsupported("bits in a codec for images")


def place_block(
    image: TiffImage,
    row: int,
    content: Any,
    placements: list[tuple[int, NDArray[Any]]],
    window: tuple[int, int, int, int],
) -> None:
    """Decode one block, and copy a part of it into arrays.

    Parameters
    ----------
    image : TiffImage
        Whose block it is.
    row : int
        Its row among the blocks: the last strip may be short.
    content : buffer
        The block as it is stored.
    placements : list of (int, (y, x))
        Layers within the block, and where the part goes; of the file's type in native byte order.
    window : (first_row, last_row, first, last)
        The part of the block.

    Raises
    ------
    MalformedError
        The block does not decode to what the header says.
    """
    rows = image.rows_of(row)
    numbers = _unpacked(image, rows, content)
    if image.dtype.kind == "b":
        _place_bits(image, rows, numbers, placements, window)
        return
    found = native()
    swapped = not image.dtype.isnative
    for number, (sample, target) in enumerate(placements):
        # Predictor 3 is undone where the block lies: each further layer needs it anew.
        block = numbers if image.predictor != 3 or number + 1 == len(placements) else numbers.copy()
        if found is None or swapped or target.strides[1] != target.itemsize:
            _place_slowly(image, rows, block, sample, target, window)
        else:
            found.place(
                block, image.block_width, image.block_samples, sample, image.predictor, window, target
            )


def _unpacked(image: TiffImage, rows: int, content: Any) -> NDArray[np.uint8]:
    """Decompress a block into the memory that this thread keeps for it."""
    line = image.block_width * image.block_samples
    length = rows * (-(-line // 8) if image.dtype.kind == "b" else line * image.dtype.itemsize)
    if image.compression == NONE:
        if len(content) < length:
            raise MalformedError(f"a block has {len(content)} bytes of {length}")
        return np.frombuffer(content, np.uint8, length)
    checked = image.compression in _CHECKED
    try:
        if image.compression in _IMAGES:
            return _decoded_image(image, rows, content)
        # Codecs may pad a block, so one that is longer is no mistake; one that is shorter is.
        found = _BYTES[image.compression](content, out=memoryview(_memory(length)))
    except (MalformedError, MemoryError):
        raise
    except Exception as error:  # each codec has an exception of its own
        kind = CorruptError if checked and "INSUFFICIENT_SPACE" not in str(error) else MalformedError
        raise kind(f"a block cannot be unpacked ({error})") from error
    if len(found) < length:
        raise (CorruptError if checked else MalformedError)(f"a block has {len(found)} bytes of {length}")
    return np.frombuffer(found, np.uint8, length)


def _memory(length: int) -> NDArray[np.uint8]:
    kept = getattr(_scratch, "memory", None)
    if kept is None or len(kept) < length or len(kept) > 4 * length:
        kept = _scratch.memory = np.empty(length, np.uint8)
    return kept[:length]


def _decoded_image(image: TiffImage, rows: int, content: Any) -> NDArray[np.uint8]:
    shape: tuple[int, ...] = (rows, image.block_width)
    if image.block_samples > 1:
        shape = (*shape, image.block_samples)
    # A few bytes may claim to be an image of many GB: codecs refuse one that is not of the form of ``out``.
    out = _memory(math.prod(shape) * image.dtype.itemsize).view(image.dtype.newbyteorder("=")).reshape(shape)
    if image.compression == JPEG:
        if not bytes(content[-16:]).rstrip(b"\0").endswith(_JPEG_END):  # else grey is put for what is cut off
            raise CorruptError("a JPEG block that is cut short")
        tables = image.tags.get(JPEG_TABLES)
        tables = None if tables is None else bytes(tables)
        space = "RGB" if image.photometric == _RGB and image.block_samples == 3 else None
        imagecodecs.jpeg8_decode(content, tables=tables, colorspace=space, outcolorspace=space, out=out)
    elif image.compression == WEBP:
        imagecodecs.webp_decode(content, hasalpha=image.samples == 4, out=out)
    else:
        packed = image.tags.get(LERC_PARAMETERS)
        unpack = _LERC_PACKED.get(0 if packed is None or len(packed) < 2 else int(packed[1]))
        if unpack is not None:
            content = unpack(content, out=2 * out.nbytes + _LERC_HEADERS)
        there: Any = imagecodecs.lerc_decode(content, masks=True, out=out)[1]
        if there is not None and image.dtype.kind == "f":  # NaN goes into LERC's own mask
            out[~np.reshape(there, shape)] = np.nan
    return out.reshape(-1).view(np.uint8)


def _place_bits(
    image: TiffImage,
    rows: int,
    packed: NDArray[np.uint8],
    placements: list[tuple[int, NDArray[Any]]],
    window: tuple[int, int, int, int],
) -> None:
    first_row, last_row, first, last = window
    lines = packed.reshape(rows, -1)[first_row:last_row]
    placements[0][1][...] = np.unpackbits(lines, axis=1, count=image.block_width)[:, first:last]


def _place_slowly(
    image: TiffImage,
    rows: int,
    block: NDArray[np.uint8],
    sample: int,
    target: NDArray[Any],
    window: tuple[int, int, int, int],
) -> None:
    """Do what the C function ``place`` does, without it, and for numbers in the other byte order."""
    first_row, last_row, first, last = window
    shape = (rows, image.block_width, image.block_samples)
    if image.predictor == 3:
        numbers = imagecodecs.floatpred_decode(
            block.view(image.dtype.newbyteorder("=")).reshape(shape), axis=-2, dist=1
        )
    else:
        numbers = block.view(image.dtype).reshape(shape)
    part = numbers[first_row:last_row, :last, sample]
    if image.predictor == 2:
        whole = np.dtype(f"u{image.dtype.itemsize}")
        sums = part.astype(image.dtype.newbyteorder("=")).view(whole).cumsum(axis=1, dtype=whole)
        target[...] = sums.view(target.dtype)[:, first:]
    else:
        target[...] = part[:, first:]
