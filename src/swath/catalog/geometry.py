"""Geometries as the catalog's index keeps them: parsed, mended, cut at the antimeridian; and their boxes."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west larger than east across the antimeridian."""


def parse_geometries(geometries: Sequence[dict[str, Any] | None]) -> NDArray[np.object_]:
    """Parse GeoJSON geometries together.

    Parameters
    ----------
    geometries : sequence of dict or None
        GeoJSON; None stays None.

    Returns
    -------
    (n,) object
        Shapely geometries, in two dimensions; None where there is none or it cannot be read (an open
        ring, a line of one point). Invalid ones (a bow tie) are mended.
    """
    import shapely

    texts = [json.dumps(each) if each else None for each in geometries]
    parsed = shapely.force_2d(shapely.from_geojson(texts, on_invalid="ignore"))
    broken = ~shapely.is_valid(parsed) & ~shapely.is_missing(parsed)
    if broken.any():
        parsed[broken] = shapely.make_valid(parsed[broken])
    return parsed


def cut_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """Bring a geometry that goes on beyond 180 degrees, or jumps from 179 to -179, into -180 to 180.

    Parameters
    ----------
    geometry : shapely geometry, degrees
        One that crosses the antimeridian: its longitudes go beyond 180, or jump over it.

    Returns
    -------
    shapely geometry
        The same place, cut at 180.
    """
    import shapely

    if is_in_world(geometry):
        if not _jumps(geometry):
            return geometry
        geometry = shapely.transform(geometry, _unrolled)
        geometry = geometry if shapely.is_valid(geometry) else shapely.make_valid(geometry)
    pieces = []
    for turn in (-360.0, 0.0, 360.0):
        moved = shapely.transform(geometry, functools.partial(_shifted, by=turn))
        piece = shapely.intersection(moved, shapely.box(-180, -90, 180, 90))
        if not piece.is_empty:
            pieces.append(piece)
    return shapely.union_all(pieces) if pieces else geometry


def _jumps(geometry: BaseGeometry) -> bool:
    """Tell whether some part of it is wider than half the world: a side that goes the wrong way round."""
    import shapely

    return any(
        part.bounds[2] - part.bounds[0] > 180 for part in shapely.get_parts(geometry) if not part.is_empty
    )


def is_in_world(geometry: BaseGeometry) -> bool:
    """Tell whether all longitudes lie in -180 to 180."""
    west, _, east, _ = geometry.bounds
    return bool(west >= -180 and east <= 180)


def _shifted(points: NDArray[np.float64], *, by: float) -> NDArray[np.float64]:
    moved = points.copy()
    moved[:, 0] += by
    return moved


def _unrolled(points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved = points.copy()
    moved[moved[:, 0] < 0, 0] += 360.0
    return moved


def box_of(geometry: BaseGeometry) -> Box:
    """Give the bounding box of a geometry; one that touches 180 from both sides crosses it (RFC 7946).

    Examples
    --------
    >>> import shapely
    >>> both = shapely.union(shapely.box(170, 0, 180, 5), shapely.box(-180, 0, -175, 5))
    >>> box_of(both)
    (170.0, 0.0, -175.0, 5.0)
    """
    import shapely

    west, south, east, north = geometry.bounds
    parts = [each.bounds for each in shapely.get_parts(geometry)]
    if west == -180 and east == 180 and len(parts) > 1:
        left = [each for each in parts if each[2] <= 0]
        right = [each for each in parts if each[0] >= 0]
        if left and right and len(left) + len(right) == len(parts):
            return (min(each[0] for each in right), south, max(each[2] for each in left), north)
    return (west, south, east, north)


def wrapped_box(box: Box) -> Box:
    """Bring the longitudes of a box into -180 to 180: what goes on beyond crosses the antimeridian.

    Examples
    --------
    >>> wrapped_box((172.5, -19.0, 180.5, -9.0)), wrapped_box((-180.5, -80.0, 180.0, -71.0))
    ((172.5, -19.0, -179.5, -9.0), (-180.0, -80.0, 180.0, -71.0))
    """
    west, south, east, north = box
    if west <= east and east - west >= 360:
        return (-180.0, south, 180.0, north)
    return (west + 360 if west < -180 else west, south, east - 360 if east > 180 else east, north)


def joined_boxes(box: Box, geometry: BaseGeometry | None) -> tuple[Box, ...]:
    """Give the one or two plain boxes that cover an item: its bbox, and its geometry where it sticks out.

    Examples
    --------
    >>> joined_boxes((170, -5, -170, 5), None)
    ((170, -5, 180.0, 5), (-180.0, -5, -170, 5))
    """
    import shapely

    west, south, east, north = box
    crosses = west > east
    plain = [(west, south, 180.0, north), (-180.0, south, east, north)] if crosses else [box]
    if geometry is None or geometry.is_empty:
        return tuple(plain)
    for part in shapely.get_parts(geometry):
        bounds = part.bounds
        at = 1 if crosses and bounds[0] + bounds[2] < 0 else 0
        held = plain[at]
        plain[at] = (
            min(held[0], bounds[0]), min(held[1], bounds[1]), max(held[2], bounds[2]), max(held[3], bounds[3])
        )  # fmt: skip
    return tuple(plain)


def parse_geometry(value: Any) -> BaseGeometry:
    """Read a geometry that a user asks for.

    Parameters
    ----------
    value : dict, str or object
        A GeoJSON geometry or Feature (as a dict or text), or anything with ``__geo_interface__``.

    Raises
    ------
    InputError
        It is no GeoJSON geometry.
    """
    import shapely

    fix = "give a GeoJSON geometry with closed rings, longitude first"
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise InputError(f"intersects: the text is no JSON ({error})", fix=fix) from error
    value = getattr(value, "__geo_interface__", value)
    if isinstance(value, dict) and value.get("type") == "Feature":
        value = value.get("geometry")
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        parts = [each.get("geometry") for each in value.get("features", [])]
        value = {"type": "GeometryCollection", "geometries": [each for each in parts if each]}
    if not isinstance(value, dict) or "type" not in value:
        raise InputError(f"intersects: {value!r} is no GeoJSON geometry", fix=fix)
    geometry: BaseGeometry | None = shapely.from_geojson(json.dumps(value), on_invalid="ignore")
    if geometry is None or geometry.is_empty:
        shown = json.dumps(value)[:120]
        raise InputError(f"intersects: the geometry cannot be read, got {shown}", fix=fix)
    geometry = shapely.force_2d(geometry)
    geometry = geometry if geometry.is_valid else shapely.make_valid(geometry)
    return geometry if is_in_world(geometry) else cut_at_antimeridian(geometry)
