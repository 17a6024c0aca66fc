"""How a large grid is cut into tiles: evenly, or along a standing grid with a name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import shapely
from odc.geo.geobox import GeoBox, GeoboxTiles
from odc.geo.gridspec import GridSpec
from odc.geo.types import xy_

from swath.cube.grid import check_resolution, crs_code
from swath.cube.lonlat import from_lonlat
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shapely.geometry.base import BaseGeometry

_GRIDS: dict[str, tuple[str, float]] = {
    "eea-10km": ("EPSG:3035", 10_000.0),
    "eea-100km": ("EPSG:3035", 100_000.0),
    "ease2-96km": ("EPSG:6933", 96_000.0),
}
"""Named grids: CRS and tile side in metres, from the origin of the CRS. EEA reference grids of Europe; the
equal-area grid of Digital Earth Africa."""
NAMED_GRIDS = (*_GRIDS, "web-z0 … web-z22")


def named_grid(grid: str | Mapping[str, Any], resolution: float | None = None) -> GridSpec:
    """Make the grid that a name or a description means.

    Parameters
    ----------
    grid : str or mapping
        ``eea-10km``, ``eea-100km``, ``ease2-96km``, ``web-z12`` (web Mercator tiles of 256 pixels), or
        ``{"crs": ..., "tile_size": side in units of the CRS, "origin": [x, y]}``.
    resolution : float, units of the grid's CRS
        Pixel size; must divide the tile side.

    Raises
    ------
    InputError
        The name is not known, or the tile side is no multiple of the pixel size.
    """
    if isinstance(grid, str):
        web = re.fullmatch(r"web-z(\d{1,2})", grid)
        if web and int(web[1]) <= 22:
            return GridSpec.web_tiles(int(web[1]))
        if grid not in _GRIDS:
            raise InputError(f"grid: {grid!r} is not known", known=NAMED_GRIDS)
        crs, side = _GRIDS[grid]
        origin = (0.0, 0.0)
    else:
        try:
            crs, side = crs_code(grid["crs"]), float(grid["tile_size"])
            origin = tuple(float(each) for each in grid.get("origin", (0.0, 0.0)))  # type: ignore[assignment]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"grid: {grid!r} needs crs and tile_size") from error
    if resolution is None:
        raise InputError(f"grid: {grid!r} needs a resolution", fix="-i resolution=10")
    count = round(side / check_resolution(resolution, crs))
    if count < 1 or abs(count * resolution - side) > 1e-6 * side:
        raise InputError(
            f"grid: tiles of {side:g} are no whole number of pixels of {resolution:g}",
            fix="choose a resolution that divides the tile",
        )
    return GridSpec(crs, (count, count), resolution=resolution, origin=xy_(*origin))


def cut(
    whole: GeoBox, *, tile_size: int, grid: GridSpec | None = None, area: BaseGeometry | None = None
) -> Iterator[tuple[str, GeoBox]]:
    """Cut a grid into tiles, row by row from the upper left.

    Parameters
    ----------
    whole : GeoBox
        The grid.
    tile_size : int, pixels
        Side of a tile, when ``grid`` is None; tiles at the right and lower edge are smaller.
    grid : GridSpec, optional
        Tiles of a standing grid, whole, so that products of different jobs fit together.
    area : shapely geometry, degrees, optional
        Tiles that do not touch it are left out.

    Yields
    ------
    (str, GeoBox)
        Name and grid of each tile.
    """
    if grid is None:
        tiles = GeoboxTiles(whole, (tile_size, tile_size))
        pieces: Iterable[tuple[str, GeoBox]] = (
            (f"x{column:03d}y{row:03d}", cast("GeoBox", tiles[row, column]))
            for row in range(tiles.shape.y)
            for column in range(tiles.shape.x)
        )
    else:
        found = sorted(grid.tiles(whole.boundingbox), key=lambda each: (-each[1].boundingbox.top, each[0]))
        pieces = ((_tile_name(index), geobox) for index, geobox in found)
    if area is None:
        yield from pieces
        return
    shapely.prepare(there := project_geometry(area, str(whole.crs)))
    for name, geobox in pieces:
        if there.intersects(geobox.extent.geom):
            yield name, geobox


def _tile_name(index: tuple[int, int]) -> str:
    return "".join(
        f"{axis}{'m' if at < 0 else ''}{abs(at):03d}" for axis, at in zip("xy", index, strict=True)
    )


def project_geometry(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Bring a geometry in degrees to a CRS, its long edges bent as they are there."""
    dense = shapely.segmentize(geometry, 0.05)
    return shapely.transform(dense, lambda xy: np.column_stack(from_lonlat(crs, xy[:, 0], xy[:, 1])))
