"""A file in memory for GDAL to warp, where GDAL cannot read the true one: only the part that is needed."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile
from rasterio.warp import transform_bounds
from rasterio.windows import Window as GdalWindow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odc.geo.geobox import GeoBox

    from swath.cube.own_file import OwnFile

    Window = tuple[int, int, int, int]

_BLOCK = 256
_AROUND = 64
"""File pixels around the target that filters may ask for, at least; beside 8 target pixels."""


@contextlib.contextmanager
def sketch(file: OwnFile, geobox: GeoBox) -> Iterator[Any]:
    """Copy what a target needs of a file, for GDAL.

    The copy has the size, grid, type and nodata of the whole file, so that GDAL warps from it as from the
    file itself; blocks far from the target are left out, and take no memory.

    Parameters
    ----------
    file : OwnFile
        The file, of one layer.
    geobox : GeoBox
        Target grid.

    Yields
    ------
    rasterio dataset

    Notes
    -----
    Memory: the file's pixels under the target, uncompressed.
    """
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=file.height, width=file.width, count=1, dtype=file.dtype.name,
            crs=file.crs, transform=file.transform, nodata=file.nodata,
            tiled=True, blockxsize=_BLOCK, blockysize=_BLOCK, sparse_ok=True, bigtiff="yes",
        ) as out:  # fmt: skip
            top, bottom, left, right = _needed(file, geobox)
            for row in range(top, bottom, _BLOCK):
                last = min(row + _BLOCK, bottom)
                if right > left:
                    part = file.read([0], (row, last, left, right))
                    out.write(part, window=GdalWindow(left, row, right - left, last - row))
        with memory.open() as dataset:
            yield dataset


def _needed(file: OwnFile, geobox: GeoBox) -> Window:
    """Find the pixels under a target, and generously around them, in whole blocks."""
    whole = (0, file.height, 0, file.width)
    box = geobox.boundingbox
    margin = 8 * max(abs(geobox.resolution.x), abs(geobox.resolution.y))
    bounds = box.left - margin, box.bottom - margin, box.right + margin, box.top + margin
    try:
        there = transform_bounds(str(geobox.crs), file.crs, *bounds, densify_pts=101)
    except (RasterioError, CRSError, ValueError):
        return whole
    if not all(map(math.isfinite, there)) or there[0] > there[2]:  # the latter over the date line
        return whole
    back = ~file.transform
    corners = [back * (x, y) for x in (there[0], there[2]) for y in (there[1], there[3])]
    spans = []
    for places, size in (([y for _, y in corners], file.height), ([x for x, _ in corners], file.width)):
        first, last = math.floor(min(places)) - _AROUND, math.ceil(max(places)) + _AROUND
        spans.append(np.clip([first // _BLOCK * _BLOCK, -(-last // _BLOCK) * _BLOCK], 0, size).tolist())
    return (spans[0][0], spans[0][1], spans[1][0], spans[1][1])
