"""Which grid a cube lies on."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import rasterio
from pyproj.exceptions import ProjError

from swath.cube.lonlat import from_lonlat
from swath.cube.odc_geo import GeoBox
from swath.cube.reader import open_raster
from swath.cube.sources import BandSource, Item, band_sources, find_band, unknown_band
from swath.model import BBox, InputError
from swath.storage.staging import refuse_tape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shapely.geometry.base import BaseGeometry

Bounds = tuple[float, float, float, float]
"""(left, bottom, right, top), or (west, south, east, north) in degrees."""
_EDGE_POINTS = 21
"""Points along each edge of a box when it is brought to another CRS: a box's edges become curves."""


def parse_crs(crs: Any) -> pyproj.CRS:
    """Read a coordinate reference system.

    Raises
    ------
    InputError
        PROJ does not know it.
    """
    try:
        return pyproj.CRS.from_user_input(crs)
    except ProjError as error:
        fix = "write it like EPSG:32635 or EPSG:3035"
        raise InputError(f"crs: {crs!r} is no coordinate reference system", fix=fix) from error


def crs_code(crs: Any) -> str:
    """Write a coordinate reference system as ``EPSG:n`` where it has a code, else as WKT.

    Examples
    --------
    >>> crs_code(32635)
    'EPSG:32635'
    """
    return _code_of_text(crs) if isinstance(crs, str) else _code_of(parse_crs(crs))


@cache
def _code_of_text(crs: str) -> str:
    return _code_of(parse_crs(crs))


def _code_of(crs: pyproj.CRS) -> str:
    authority = crs.to_authority(min_confidence=90)
    return ":".join(authority) if authority else crs.to_wkt()


def check_resolution(resolution: float, crs: Any) -> float:
    """Refuse a pixel size that cannot be meant.

    Raises
    ------
    InputError
        Zero, negative, not finite; degrees for a projected CRS, or metres for a geographic one.
    """
    if not math.isfinite(resolution) or resolution <= 0:
        raise InputError(f"resolution: it must be larger than 0, got {resolution!r}")
    parsed = parse_crs(crs)
    unit = parsed.axis_info[0].unit_name if parsed.axis_info else "unit"
    if parsed.is_projected and resolution < 0.05:
        raise InputError(
            f"resolution: {resolution!r} looks like degrees, but {crs_code(crs)[:40]} is in {unit}",
            fix=f"give it in {unit}, for example 10",
        )
    if parsed.is_geographic and resolution > 5:
        raise InputError(
            f"resolution: {resolution!r} looks like metres, but {crs_code(crs)[:40]} is in degrees",
            fix="give it in degrees, for example 0.0001, or choose a projected crs",
        )
    return float(resolution)


def sources_of(items: Sequence[Item], bands: Sequence[str]) -> list[BandSource]:
    """List the layers that items have for some bands.

    Raises
    ------
    InputError
        No item has one of the bands; the nearest names are given.
    """
    layers = [band_sources(item) for item in items]
    found = []
    for name in bands:
        mine = [source for source in (find_band(each, name) for each in layers) if source]
        if not mine:
            raise unknown_band(name, items)
        found += mine
    return found


def _with_grid(source: BandSource) -> BandSource:
    """Complete what an item does not say of its grid by the file itself."""
    if source.crs and source.transform:
        return source
    from dataclasses import replace

    refuse_tape({source.href: 0})  # a server would keep whoever only asks for the grid waiting for hours
    with open_raster(source.href) as file:
        crs = source.crs or (file.crs.to_string() if file.crs else None)
        return replace(source, crs=crs, transform=tuple(file.transform[:6]), shape=(file.height, file.width))


def target_geobox(
    items: Sequence[Item],
    bands: Sequence[str],
    *,
    crs: Any = None,
    resolution: float | None = None,
    bbox: BBox | None = None,
    geometry: BaseGeometry | None = None,
) -> GeoBox:
    """Choose the grid of a cube.

    Parameters
    ----------
    items : sequence of dict
        STAC items, at least one.
    bands : sequence of str
        Bands that are asked for.
    crs : optional
        Target CRS; the most frequent one of the bands' files unless given.
    resolution : float, > 0, units of ``crs``, optional
        Pixel size; the finest of the bands' files unless given.
    bbox : BBox, degrees, optional
        Area; all that the items cover unless it or ``geometry`` is given.
    geometry : shapely geometry, degrees, optional
        Area; its bounding box counts for the grid.

    Returns
    -------
    GeoBox
        Pixels fall on the files' own pixels where CRS and pixel size are theirs; else on multiples of
        the pixel size.
    """
    if not items:
        raise InputError("items: none are left to load", fix="widen the search")
    sources = sources_of(items, bands)
    # Items of one collection say all or nothing of their grids: one file answers for those that say nothing.
    told = [each for each in sources if each.crs and each.transform] or [_with_grid(sources[0])]
    native = Counter(str(each.crs) for each in told).most_common(1)[0][0]
    if bbox is not None and bbox.crosses_antimeridian and crs is None and parse_crs(native).is_geographic:
        crs = _utm_of(bbox)
    target = crs_code(crs if crs is not None else native)
    same = [each for each in told if crs_code(each.crs) == target]
    asked = resolution is not None
    if resolution is None:
        resolution = min(each.gsd for each in same) if same else _converted_gsd(told[0], target)
    resolution = check_resolution(float(resolution), target)
    fitting = [each for each in same if abs(each.gsd / resolution - 1) < 1e-6]
    origin = fitting[0].transform if fitting else None
    # Pixels that are no squares stay so where nobody asks for a size.
    height = abs(origin[4]) if origin and not asked else resolution
    bounds = (
        _area(items, target, bbox, geometry)
        if bbox or geometry is not None
        else _covered(told, items, target)
    )
    return _snapped(bounds, target, (resolution, height), origin)


def _covered(sources: Sequence[BandSource], items: Sequence[Item], crs: str) -> Bounds:
    """Bound what files cover: by their own corners where all are in the CRS, else by their items' boxes."""
    if all(each.shape and crs_code(str(each.crs)) == crs for each in sources):
        corners = []
        for transform, shape in {(each.transform, each.shape) for each in sources}:
            affine = rasterio.Affine(*(transform or ()))
            height, width = shape or (0, 0)
            corners += [affine @ at for at in ((0, 0), (width, 0), (0, height), (width, height))]
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])
    return _area(items, crs, None, None)


def _utm_of(bbox: BBox) -> str:
    middle = (bbox.west + (bbox.east - bbox.west) % 360 / 2 + 180) % 360 - 180
    zone = int((middle + 180) // 6) % 60 + 1
    return f"EPSG:{32600 + zone if bbox.south + bbox.north >= 0 else 32700 + zone}"


def _converted_gsd(source: BandSource, target: str) -> float:
    """Bring a pixel size to another CRS, rounded to two digits so that it can be read."""
    here = GeoBox((1, 1), rasterio.Affine(*(source.transform or ())), str(source.crs))
    size = max(abs(here.to_crs(target).resolution.x), 1e-12)
    digits = 1 - math.floor(math.log10(size))
    return round(size, digits)


def _area(items: Sequence[Item], crs: str, bbox: BBox | None, geometry: BaseGeometry | None) -> Bounds:
    if geometry is not None:
        west, south, east, north = geometry.bounds
        boxes = list(BBox(west, south, east, north).parts())
    elif bbox is not None:
        boxes = list(bbox.parts())
    else:
        boxes = [part for each in items if each.get("bbox") for part in _item_parts(each)]
    bounds = np.array([project_bounds(each, crs) for each in boxes])
    if not np.isfinite(bounds).all():
        raise InputError(f"crs: {crs[:40]} cannot hold the area {boxes[0]}", fix="choose another crs")
    low, high = bounds.min(axis=0), bounds.max(axis=0)
    return low[0], low[1], high[2], high[3]


def _item_parts(item: Item) -> tuple[Bounds, ...]:
    box = item["bbox"]
    west, south, east, north = box if len(box) == 4 else (box[0], box[1], box[3], box[4])
    return BBox(west, south, east, north).parts()


def project_bounds(box: Bounds, crs: str) -> Bounds:
    """Bring a box in degrees to a CRS: the bounds of its densified outline there."""
    west, south, east, north = box
    along = np.linspace(0, 1, _EDGE_POINTS)
    x, y = west + (east - west) * along, south + (north - south) * along
    edge_x = np.concatenate([x, x, np.full_like(y, west), np.full_like(y, east)])
    edge_y = np.concatenate([np.full_like(x, south), np.full_like(x, north), y, y])
    there_x, there_y = from_lonlat(crs, edge_x, edge_y)
    return float(there_x.min()), float(there_y.min()), float(there_x.max()), float(there_y.max())


def _snapped(
    bounds: Bounds, crs: str, pixel: tuple[float, float], origin: tuple[float, ...] | None
) -> GeoBox:
    """Widen bounds to whole pixels (width, height) of a lattice; a hair outside does not cost a pixel."""
    hair = 1e-3
    across, down = pixel
    x0, y0 = (origin[2], origin[5]) if origin else (0.0, 0.0)
    left = math.floor((bounds[0] - x0) / across + hair)
    right = math.ceil((bounds[2] - x0) / across - hair)
    bottom = math.floor((bounds[1] - y0) / down + hair)
    top = math.ceil((bounds[3] - y0) / down - hair)
    shape = (max(1, top - bottom), max(1, right - left))
    transform = rasterio.Affine(across, 0.0, x0 + left * across, 0.0, -down, y0 + top * down)
    return GeoBox(shape, transform, crs)
