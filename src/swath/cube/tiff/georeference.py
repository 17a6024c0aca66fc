"""Where an image lies, as GDAL understands its geographic fields: asked once for each distinct set."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.tiff.header import GEO_TAGS, Unsupported

if TYPE_CHECKING:
    from swath.cube.tiff.header import TiffImage

_LONGEST = 1 << 16
_CODES = {"f8": 12, "u2": 3, "S1": 2}


def georeference(image: TiffImage) -> tuple[Any, Any]:
    """Give CRS and transform of an image.

    Returns
    -------
    tuple of rasterio.crs.CRS or None, and affine.Affine

    Raises
    ------
    Unsupported
        It has control points, or none of this at all.
    """
    fields = []
    for tag in GEO_TAGS:
        if (value := image.tags.get(tag)) is not None:
            if isinstance(value, bytes):
                fields.append((tag, "S1", value))
            elif (kind := value.dtype.str[1:]) in _CODES:
                fields.append((tag, kind, value.astype(kind).tobytes()))
            else:
                raise Unsupported("geographic fields of another type")
    if sum(len(content) for _, _, content in fields) > _LONGEST:
        raise Unsupported("geographic fields of more than 64 kB")
    if not fields:
        raise Unsupported("no georeference")
    return _ask_gdal(tuple(fields))


@lru_cache(maxsize=4096)
def _ask_gdal(fields: tuple[tuple[int, str, bytes], ...]) -> tuple[Any, Any]:
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    try:
        with MemoryFile(_tiny_tiff(fields)) as file, file.open(driver="GTiff") as dataset:
            if dataset.gcps[0]:
                raise Unsupported("ground control points")
            if dataset.crs is None:
                raise Unsupported("no coordinate reference system")
            return dataset.crs, dataset.transform
    except (RasterioError, ValueError) as error:  # rasterio's CRSError is a ValueError; names may be no UTF-8
        raise Unsupported(f"its georeference ({error})") from error


def _tiny_tiff(fields: tuple[tuple[int, str, bytes], ...]) -> bytes:
    """Write an image of one pixel with these fields."""
    plain = {256: 1, 257: 1, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1, 279: 1}
    entries = [(tag, 3, 1, struct.pack("<HH", value, 0)) for tag, value in plain.items()]
    start = 10 + 12 * (len(plain) + len(fields)) + 2 + 4
    rest = b""
    for tag, kind, content in fields:
        count = len(content) // np.dtype(kind).itemsize
        if len(content) <= 4:
            place = content.ljust(4, b"\0")
        else:
            rest += b"\0" * (len(rest) % 2)
            place = struct.pack("<I", start + len(rest))
            rest += content
        entries.append((tag, _CODES[kind], count, place))
    head = struct.pack("<2sHI2xH", b"II", 42, 10, len(entries))
    table = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    return head + table + struct.pack("<I", 0) + rest
