"""Chunks of a Zarr array: unpacked by imagecodecs, and brought into the order of the array."""

from __future__ import annotations

import bz2
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np

from swath.cube.tiff import CorruptError, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

_BETWEEN = 1 << 16
"""Bytes that a chunk may be longer between two codecs than it is in the end."""
_NAMES = {"numcodecs.zlib": "zlib", "numcodecs.lz4": "lz4", "numcodecs.bz2": "bz2"}


def _zstd(content: Any, most: int) -> Any:
    return imagecodecs.zstd_decode(content, out=most)


def _gzip(content: Any, most: int) -> Any:
    return imagecodecs.gzip_decode(content, out=most)


def _zlib(content: Any, most: int) -> Any:
    return imagecodecs.zlib_decode(content, out=most)


def _blosc(content: Any, most: int) -> Any:
    # The library believes the header, and would read beyond the end of what is cut short.
    if len(content) < 16 or int.from_bytes(content[12:16], "little") != len(content):
        raise CorruptError("its length is not what its header says")
    return imagecodecs.blosc_decode(content, numthreads=1, out=most)


def _lz4(content: Any, most: int) -> Any:
    return imagecodecs.lz4_decode(content, header=True, out=most)


def _bz2(content: Any, most: int) -> Any:
    unpacking = bz2.BZ2Decompressor()  # imagecodecs' own does not say when something is cut off
    found = unpacking.decompress(content, most + 1)
    if len(found) <= most and not unpacking.eof:
        raise CorruptError("it is cut short")
    return found


def check_crc32c(content: Any) -> memoryview:
    """Take off the checksum that stands behind bytes.

    Raises
    ------
    CorruptError
        It is not theirs.
    """
    import google_crc32c

    view = memoryview(content)
    if len(view) < 4 or google_crc32c.value(bytes(view[:-4])) != int.from_bytes(view[-4:], "little"):
        raise CorruptError("its checksum is wrong")
    return view[:-4]


def _crc32c(content: Any, most: int) -> Any:  # noqa: ARG001 - as the others
    return check_crc32c(content)


_CODECS: dict[str, Callable[[Any, int], Any]] = {
    "zstd": _zstd, "gzip": _gzip, "zlib": _zlib, "blosc": _blosc, "lz4": _lz4, "bz2": _bz2, "crc32c": _crc32c,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packing:
    """How the numbers of a chunk become bytes."""

    dtype: np.dtype[Any]
    """Type of the stored numbers, with their byte order."""
    order: tuple[int, ...] | None
    """Axes in the order in which they are stored, the slowest first; None: as in the array."""
    steps: tuple[str, ...]
    """Codecs of bytes, in the order of decoding."""

    def unpack(self, content: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """Decode a chunk.

        Parameters
        ----------
        content : buffer
            The chunk as it is stored.
        shape : tuple of int
            Of the chunk.

        Raises
        ------
        CorruptError
            It does not decode to that.
        """
        length = math.prod(shape) * self.dtype.itemsize
        try:
            for at, name in enumerate(self.steps, start=1):
                last = at == len(self.steps)
                content = _CODECS[name](content, length if last else length + length // 8 + _BETWEEN)
        except (CorruptError, MemoryError):
            raise
        except Exception as error:  # each codec has an exception of its own
            raise CorruptError(f"it cannot be unpacked ({error})") from error
        if len(content) != length:
            raise CorruptError(f"it has {len(content)} bytes of {length}")
        numbers = np.frombuffer(content, self.dtype)
        if self.order is None:
            return numbers.reshape(shape)
        return numbers.reshape([shape[each] for each in self.order]).transpose(np.argsort(self.order))

    def longest(self, shape: tuple[int, ...]) -> int:
        """Give the most bytes that a chunk of this shape takes when it is packed."""
        length = math.prod(shape) * self.dtype.itemsize
        return length + length // 8 + _BETWEEN


def packing_v3(codecs: Sequence[Mapping[str, Any]], dtype: np.dtype[Any], axes: int) -> Packing:
    """Read the codecs of an array, or of the chunks in a shard, of Zarr version 3.

    Raises
    ------
    Unsupported
        Some cannot be decoded here.
    """
    order: tuple[int, ...] | None = None
    steps: list[str] = []
    serialized = False
    for each in codecs:
        name, options = str(each["name"]), each.get("configuration") or {}
        if name == "transpose" and order is None and not serialized:
            order = tuple(options["order"]) if isinstance(options["order"], list) else ()
            if sorted(order) != list(range(axes)):
                raise Unsupported(f"codec transpose with order {options['order']!r}")
        elif name == "bytes" and not serialized:
            serialized = True
            dtype = dtype.newbyteorder(">" if options.get("endian") == "big" else "<")
        elif serialized and (step := _NAMES.get(name, name)) in _CODECS:
            steps.insert(0, step)
        else:
            raise Unsupported(f"codec {name}")
    if not serialized:
        raise Unsupported("an array without the codec bytes")
    return Packing(dtype, order, tuple(steps))


def packing_v2(node: Mapping[str, Any], dtype: np.dtype[Any], axes: int) -> Packing:
    """Read compressor and order of an array of Zarr version 2.

    Raises
    ------
    Unsupported
        It cannot be decoded here.
    """
    if node.get("filters"):
        raise Unsupported(f"filter {node['filters'][0].get('id')}")
    compressor = node.get("compressor")
    name = compressor.get("id") if compressor else None
    if name is not None and (name not in _CODECS or name == "crc32c"):
        raise Unsupported(f"compressor {name}")
    order = tuple(reversed(range(axes))) if node.get("order") == "F" and axes > 1 else None
    return Packing(dtype, order, (name,) if name else ())
