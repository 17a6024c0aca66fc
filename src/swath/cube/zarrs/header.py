"""What the metadata of a Zarr array says: its shape, how it is cut, and how chunks are packed and named.

Written from the Zarr specifications of version 2 and 3, and that of the codec sharding_indexed.
"""

from __future__ import annotations

import base64
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.tiff import MalformedError, Unsupported
from swath.cube.zarrs.codecs import Packing, packing_v2, packing_v3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TYPES = frozenset({"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"})
_LARGEST_CHUNK = 1 << 28
"""Bytes of one chunk, unpacked."""
_MOST_IN_SHARD = 1 << 20
_KNOWN_KEYS = frozenset({
    "zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value",
    "codecs", "attributes", "storage_transformers", "dimension_names", "consolidated_metadata",
})  # fmt: skip
_SENSELESS = (KeyError, TypeError, ValueError, AttributeError, IndexError, struct.error, OverflowError)
_SPELLED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class ZarrArray:
    """An array of a Zarr store, as its metadata describes it."""

    shape: tuple[int, ...]
    """Of the array."""
    chunk: tuple[int, ...]
    """Shape of what is decoded at once."""
    file: tuple[int, ...]
    """Shape of what lies in one file: a chunk, or a shard of many."""
    sharded: bool
    """True where files are shards."""
    index_first: bool
    """True where the index of a shard stands at its beginning, else at its end."""
    index_checked: bool
    """True where a checksum stands behind the index of a shard."""
    packing: Packing
    """How chunks are packed."""
    fill: Any
    """What pixels of chunks are that are left out."""
    nodata: float | None
    """Number that marks a missing pixel."""
    prefix: str
    """What names of files begin with."""
    separator: str
    """What stands between the numbers in names of files."""
    dims: tuple[str | None, ...]
    """Names of the axes."""
    attributes: Mapping[str, Any]
    """What else is said of it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers, in native byte order."""
        return self.packing.dtype.newbyteorder("=")

    @property
    def height(self) -> int:
        """Rows of an image."""
        return self.shape[-2]

    @property
    def width(self) -> int:
        """Columns of an image."""
        return self.shape[-1]

    @property
    def block_height(self) -> int:
        """Rows of a chunk."""
        return self.chunk[-2]

    @property
    def block_width(self) -> int:
        """Columns of a chunk."""
        return self.chunk[-1]

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk, unpacked."""
        return math.prod(self.chunk) * self.packing.dtype.itemsize

    @property
    def per_file(self) -> tuple[int, ...]:
        """Chunks in one file, along each axis."""
        return tuple(a // b for a, b in zip(self.file, self.chunk, strict=True))

    def key(self, at: Sequence[int]) -> str:
        """Give the name of a file by its place.

        Examples
        --------
        >>> import numpy as np
        >>> packing = Packing(np.dtype("u1"), None, ())
        >>> options = dict(sharded=False, index_first=False, index_checked=False, packing=packing, fill=0)
        >>> ZarrArray(
        ...     shape=(4, 4),
        ...     chunk=(2, 2),
        ...     file=(2, 2),
        ...     **options,
        ...     nodata=None,
        ...     prefix="c",
        ...     separator="/",
        ...     dims=("y", "x"),
        ...     attributes={},
        ... ).key((1, 0))
        'c/1/0'
        """
        numbers = [str(each) for each in at]
        return self.separator.join([self.prefix, *numbers] if self.prefix else numbers or ["0"])


def parse_array(node: Mapping[str, Any]) -> ZarrArray:
    """Understand the metadata of an array.

    Parameters
    ----------
    node : dict
        ``zarr.json`` of version 3; ``.zarray`` of version 2 with ``.zattrs`` as ``attributes``.

    Raises
    ------
    Unsupported
        Something that GDAL may know.
    MalformedError
        It contradicts itself.
    """
    try:
        array = _parse_v2(node) if node.get("zarr_format") == 2 else _parse_v3(node)
    except _SENSELESS as error:
        raise MalformedError(f"its metadata makes no sense ({type(error).__name__}: {error})") from error
    sides = (*array.chunk, *array.file)
    same = len(array.shape) == len(array.chunk) == len(array.file) == len(array.dims)
    if not same or min(array.shape, default=1) < 0 or min(sides, default=1) < 1:
        raise MalformedError(f"its metadata makes no sense (shape {array.shape}, chunks {array.chunk})")
    if any(a % b for a, b in zip(array.file, array.chunk, strict=True)):
        raise MalformedError(f"shards of {array.file} are no whole number of chunks of {array.chunk}")
    if array.chunk_bytes > _LARGEST_CHUNK or math.prod(array.per_file) > _MOST_IN_SHARD:
        raise Unsupported(f"chunks of {array.chunk_bytes} bytes, {math.prod(array.per_file)} in a file")
    return array


def _parse_v3(node: Mapping[str, Any]) -> ZarrArray:
    strange = [key for key in node if key not in _KNOWN_KEYS and _must_understand(node[key])]
    if strange or node.get("storage_transformers") or node["chunk_grid"]["name"] != "regular":
        raise Unsupported(f"an extension of Zarr ({', '.join(strange) or 'chunk grid or transformers'})")
    shape = _sizes(node["shape"])
    dtype = _dtype(np.dtype(node["data_type"]) if _is_plain(node["data_type"]) else None, node["data_type"])
    file = chunk = _sizes(node["chunk_grid"]["configuration"]["chunk_shape"])
    codecs = node["codecs"]
    shard = codecs[0].get("configuration", {}) if codecs[0]["name"] == "sharding_indexed" else None
    if shard is not None:
        if len(codecs) > 1:
            raise Unsupported("codecs around shards")
        chunk, codecs = _sizes(shard["chunk_shape"]), shard["codecs"]
    encoding = node["chunk_key_encoding"]
    is_default = encoding["name"] == "default"
    if not is_default and encoding["name"] != "v2":
        raise Unsupported(f"chunk names in {encoding['name']}")
    separator = (encoding.get("configuration") or {}).get("separator", "/" if is_default else ".")
    attributes = dict(node.get("attributes") or {})
    fill = _number(node["fill_value"], dtype)
    return ZarrArray(
        shape=shape, chunk=chunk, file=file, sharded=shard is not None,
        index_first=shard is not None and shard.get("index_location") == "start",
        index_checked=shard is not None and _index_is_checked(shard),
        packing=packing_v3(codecs, dtype, len(shape)), fill=fill, nodata=_nodata(attributes, fill),
        prefix="c" if is_default else "", separator=str(separator),
        dims=tuple(node.get("dimension_names") or (None,) * len(shape)), attributes=attributes,
    )  # fmt: skip


def _parse_v2(node: Mapping[str, Any]) -> ZarrArray:
    shape, chunk = _sizes(node["shape"]), _sizes(node["chunks"])
    said = node["dtype"]
    dtype = _dtype(np.dtype(said) if isinstance(said, str) and said[:1] in "<>|" else None, said)
    attributes = dict(node.get("attributes") or {})
    stored = node.get("fill_value")
    fill = _number(0 if stored is None else stored, dtype)
    return ZarrArray(
        shape=shape, chunk=chunk, file=chunk, sharded=False, index_first=False, index_checked=False,
        packing=packing_v2(node, dtype, len(shape)), fill=fill,
        nodata=_nodata(attributes, None if stored is None else fill), prefix="",
        separator=str(node.get("dimension_separator", ".")),
        dims=tuple(attributes.get("_ARRAY_DIMENSIONS") or (None,) * len(shape)), attributes=attributes,
    )  # fmt: skip


def _must_understand(extension: Any) -> bool:
    return not (isinstance(extension, dict) and extension.get("must_understand") is False)


def _is_plain(said: Any) -> bool:
    return isinstance(said, str) and said.rstrip("0123456789") in ("int", "uint", "float")


def _dtype(dtype: np.dtype[Any] | None, said: Any) -> np.dtype[Any]:
    if dtype is None or dtype.str[1:] not in _TYPES:
        raise Unsupported(f"numbers of type {said!r}")
    return dtype


def _sizes(numbers: Sequence[Any]) -> tuple[int, ...]:
    if not all(isinstance(each, int) for each in numbers):
        raise Unsupported("sizes that are no whole numbers")
    return tuple(numbers)


def _index_is_checked(shard: Mapping[str, Any]) -> bool:
    names = [each["name"] for each in shard["index_codecs"]]
    endian = (shard["index_codecs"][0].get("configuration") or {}).get("endian", "little")
    if names not in (["bytes"], ["bytes", "crc32c"]) or endian != "little":
        raise Unsupported(f"an index of shards in {', '.join(names)}")
    if shard.get("index_location", "end") not in ("start", "end"):
        raise Unsupported(f"an index of shards at {shard['index_location']!r}")
    return len(names) == 2


def _number(said: Any, dtype: np.dtype[Any]) -> Any:
    """Give a fill value: a number, the name of one, or the bits of a float in hexadecimal digits."""
    if isinstance(said, str):
        if said.startswith("0x"):
            return np.frombuffer(bytes.fromhex(said[2:])[::-1], dtype.newbyteorder("<"))[0]
        said = _SPELLED[said]
    return dtype.newbyteorder("=").type(said)


def _nodata(attributes: Mapping[str, Any], fill: Any) -> float | None:
    """Give the number that marks a missing pixel: as CF says it, else as GDAL takes it, the fill value."""
    said = attributes.get("_FillValue", attributes.get("missing_value"))
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    if said is None:
        return None if fill is None else float(fill)
    if isinstance(said, str):  # xarray writes floats of version 3 as the bytes of a double
        value = _SPELLED.get(said)
        return struct.unpack("<d", base64.b64decode(said))[0] if value is None else value
    return float(said)
