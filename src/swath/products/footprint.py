"""The outline of a grid on the Earth, as GeoJSON wants it: WGS 84, and cut at the antimeridian."""

from __future__ import annotations

import copy
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.lonlat import to_lonlat
from swath.model import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.crs import CRS
    from odc.geo.geobox import GeoBox
    from shapely.geometry import Polygon
    from shapely.geometry.base import BaseGeometry

_POINTS = 33
"""Points on each edge of the grid: more than enough for an edge of 1000 km in UTM (0.1 pixel of 30 m)."""
_DIGITS = 7
"""Digits of a degree: 1 cm on the ground."""


def footprint_of(geobox: GeoBox) -> tuple[dict[str, Any], list[float]]:
    """Outline a grid in longitude and latitude.

    Parameters
    ----------
    geobox : GeoBox
        A grid in any CRS.

    Returns
    -------
    geometry : dict
        GeoJSON Polygon, or MultiPolygon where it crosses the antimeridian; anticlockwise.
    bbox : list of float
        West, south, east, north in degrees; west is larger than east across the antimeridian (RFC 7946,
        section 5).
    """
    return copy.deepcopy(_footprint(geobox))


@functools.lru_cache(maxsize=64)  # a job writes many periods of the same tile, and PROJ takes 50 ms to start
def _footprint(geobox: GeoBox) -> tuple[dict[str, Any], list[float]]:
    from shapely.geometry import Polygon

    x, y = _edge(geobox)
    longitude, latitude = to_lonlat(crs_of(geobox).to_wkt(), x, y)
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return geometry_and_bbox(Polygon([(-180, -90), (180, -90), (180, 90), (-180, 90)]))
    # A step of more than half the world is a jump over the antimeridian: go on beyond 180 instead.
    turns = np.round(np.diff(longitude, prepend=longitude[0]) / 360)
    unwrapped = longitude - 360 * np.cumsum(turns)
    ring = list(zip(unwrapped, latitude, strict=True))
    if abs(unwrapped[-1] - unwrapped[0]) > 180:  # once around: the pole is inside
        pole = 90.0 if latitude.mean() > 0 else -90.0
        ring += [(unwrapped[-1], pole), (unwrapped[0], pole)]
    pixel = max(unwrapped.max() - unwrapped.min(), np.ptp(latitude)) / max(geobox.shape)
    return geometry_and_bbox(Polygon(ring).simplify(pixel / 10))


def crs_of(geobox: GeoBox) -> CRS:
    """Give the CRS of a grid, which it must have."""
    if geobox.crs is None:
        raise InputError("product: its grid has no CRS", fix="give the grid one: GeoBox(..., crs=...)")
    return geobox.crs


def _edge(geobox: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Walk around a grid, closed, in its CRS."""
    height, width = geobox.shape
    run = np.linspace(0, 1, _POINTS)[:-1]
    column = np.concatenate([run, np.ones(_POINTS - 1), 1 - run, np.zeros(_POINTS - 1), [0]]) * width
    row = np.concatenate([np.zeros(_POINTS - 1), run, np.ones(_POINTS - 1), 1 - run, [0]]) * height
    a, b, c, d, e, f = tuple(geobox.transform)[:6]
    return a * column + b * row + c, d * column + e * row + f


def geometry_and_bbox(outline: Polygon | BaseGeometry) -> tuple[dict[str, Any], list[float]]:
    """Cut an outline whose longitudes may go beyond 180, and give its GeoJSON and bounding box."""
    from shapely import affinity, box, set_precision, union_all
    from shapely.geometry import mapping
    from shapely.geometry.polygon import orient

    west, south, east, north = outline.bounds
    parts = []
    for turn in range(int((west + 180) // 360), int((east + 180) // 360) + 1):
        world = box(-180 + 360 * turn, -90, 180 + 360 * turn, 90)
        piece = affinity.translate(outline.intersection(world), -360 * turn)
        parts += [each for each in getattr(piece, "geoms", [piece]) if each.area > 0 or outline.area == 0]
    if len(parts) == 1:
        whole = set_precision(parts[0], 10.0**-_DIGITS)
    else:
        whole = set_precision(union_all(parts), 10.0**-_DIGITS)
    if whole.geom_type == "Polygon":
        whole = orient(whole)
    elif whole.geom_type == "MultiPolygon":
        whole = type(whole)([orient(each) for each in whole.geoms])
    crosses = len(parts) > 1 and east - west < 360
    ends = (_wrapped(west), _wrapped(east)) if crosses else (whole.bounds[0], whole.bounds[2])
    bbox = [round(float(each), _DIGITS) for each in (ends[0], south, ends[1], north)]
    return _as_lists(mapping(whole)), bbox


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180


def _as_lists(geometry: dict[str, Any]) -> dict[str, Any]:
    def lists(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [lists(each) for each in value]
        return round(float(value), _DIGITS)

    return {"type": geometry["type"], "coordinates": lists(geometry["coordinates"])}
