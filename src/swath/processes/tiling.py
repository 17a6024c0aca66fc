"""Cuts the area of a raster process into tiles that fit into memory, and finds the items of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import shapely
from odc.geo.geobox import GeoBox, geobox_union_conservative

from swath.cube import format_bytes, parse_rule, rule_for
from swath.cube.footprints import pixel_bounds
from swath.cube.grid import target_geobox
from swath.cube.sources import item_steps
from swath.cube.tiles import cut, named_grid
from swath.model import InputError, TooLargeError
from swath.processes.work import Unit, WorkPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from swath.processes.inputs import CubeInputs, RasterInputs
    from swath.processes.registry import PlanLimits

_LARGEST = 2048
_LARGEST_COLUMN = 1024 * 1024
_LEAST_COLUMN = 256
_MAX_UNITS = 1_000_000


def plan_tiles(
    inputs: RasterInputs,
    items: Sequence[dict[str, Any]],
    bands: Sequence[str],
    *,
    limits: PlanLimits,
    bytes_per_pixel: Callable[[int], float],
    column_bytes: Callable[[int], float] | None = None,
    context: Mapping[str, Any],
) -> WorkPlan:
    """Cut the work into units.

    Parameters
    ----------
    inputs : RasterInputs
        Area, grid and tile size.
    items : sequence of dict
        Pinned items.
    bands : sequence of str
        Bands that are read: they decide CRS and pixel size where the inputs do not.
    limits : PlanLimits
        Memory of a unit.
    bytes_per_pixel : callable of number of dates
        Memory that a unit holds for each pixel of its tile.
    column_bytes : callable of number of dates, optional
        Memory more for each pixel of a column, for processes that go through a tile column by column
        (`swath.processes.columns.over_columns`).
    context : mapping
        What all units must agree on; the longitude that days are counted by, and the number of pixels of a
        column, are added.

    Raises
    ------
    TooLargeError
        Even a small tile, or the tile that was asked for, does not fit; both numbers are given.
    """
    area = shapely.geometry.shape(inputs.geometry) if inputs.geometry else None
    grid = named_grid(inputs.grid, inputs.resolution) if inputs.grid else None
    whole = target_geobox(
        items, bands, crs=str(grid.crs) if grid else inputs.crs,
        resolution=abs(grid.resolution.x) if grid else inputs.resolution, bbox=inputs.box, geometry=area,
    )  # fmt: skip
    images = _image_count(items)
    column = _column_pixels(limits.unit_memory_bytes, column_bytes(images)) if column_bytes else 0
    left = limits.unit_memory_bytes - (column * column_bytes(images) if column_bytes else 0)
    side = _tile_size(inputs, left / bytes_per_pixel(images), max(whole.shape))
    if grid is None and whole.shape.y * whole.shape.x / side**2 > _MAX_UNITS:
        raise TooLargeError(
            f"area: {whole.shape.y} x {whole.shape.x} pixels make more than {_MAX_UNITS} tiles of {side}",
            fix="take a smaller area, a coarser resolution, or larger tiles with more unit_memory",
        )
    tiles = list(cut(whole, tile_size=side, grid=grid, area=area))
    units = _with_items(items, tiles)
    if not units:
        raise InputError(
            "area: no tile of it touches any item", fix="look where the items are: swath catalog search"
        )
    longitude = float(whole.extent.to_crs("EPSG:4326").centroid.coords[0][0])
    largest = max(each.geobox.shape.y * each.geobox.shape.x for each in units if each.geobox)
    most = max(_image_count([items[at] for at in each.items]) for each in units)
    needed = int(
        largest * bytes_per_pixel(most) + (min(column, largest) * column_bytes(most) if column_bytes else 0)
    )
    if (inputs.tile_size or grid) and needed > limits.unit_memory_bytes:
        raise TooLargeError(
            f"tile_size: one tile needs {format_bytes(needed)}, and a unit may use "
            f"{format_bytes(limits.unit_memory_bytes)}",
            fix="choose smaller tiles, or raise unit_memory in the settings",
        )
    return WorkPlan(
        units,
        {**context, "longitude": longitude, "column_pixels": column},
        needed,
        bands_read(inputs, items, bands, limits),
    )


def bands_read(
    inputs: CubeInputs, items: Sequence[dict[str, Any]], bands: Sequence[str], limits: PlanLimits
) -> tuple[str, ...]:
    """Name the bands that a process reads, with those by which good pixels are told."""
    if inputs.valid is False:
        return tuple(bands)
    said = parse_rule(inputs.valid) if inputs.valid and not isinstance(inputs.valid, bool) else None
    rules = [said] if said else [rule_for(each, limits.rules) for each in items]
    return tuple(dict.fromkeys((*bands, *(each.band for each in rules if each))))


def _column_pixels(memory_bytes: int, column_bytes: float) -> int:
    """Choose how many pixels have all their dates in memory at a time: half of the memory is theirs."""
    pixels = min(int(memory_bytes / 2 / column_bytes), _LARGEST_COLUMN)
    if pixels < _LEAST_COLUMN:
        raise TooLargeError(
            f"unit_memory: only {pixels} pixels of all dates fit into half of it, and {_LEAST_COLUMN} must",
            fix="raise unit_memory in the settings, or take fewer dates",
        )
    return pixels


def _image_count(items: Sequence[dict[str, Any]]) -> int:
    return sum(len(item_steps(each)) for each in items)


def _tile_size(inputs: RasterInputs, pixels: float, longest: int) -> int:
    """Choose the side of a tile: whole file blocks where that fits, never larger than the area."""
    if inputs.tile_size:
        return inputs.tile_size
    side = math.isqrt(int(pixels))
    if side < 16:
        raise TooLargeError(
            f"unit_memory: only {int(pixels)} pixels of all dates fit into it, and a tile has 256 or more",
            fix="raise unit_memory in the settings, or take fewer dates",
        )
    for step in (256, 64, 16):
        if side >= step:
            return min(side // step * step, _LARGEST, -(-longest // 16) * 16)
    return 16


def _with_items(items: Sequence[dict[str, Any]], tiles: Sequence[tuple[str, GeoBox]]) -> tuple[Unit, ...]:
    """Give each tile the items whose boxes touch it; tiles without any are left out."""
    if not tiles:
        return ()
    around = geobox_union_conservative([geobox for _, geobox in tiles])
    inverse = ~around.transform
    bounds = pixel_bounds(items, around)
    height, width = around.shape
    boxes = [each or (0, 0, height, width) for each in bounds]
    tree = shapely.STRtree([shapely.box(left, top, right, bottom) for top, left, bottom, right in boxes])
    units = []
    for name, geobox in tiles:
        column, row = inverse @ (geobox.transform.c, geobox.transform.f)
        rows, columns = geobox.shape
        window = shapely.box(column, row, column + columns, row + rows)
        # Touching edges do not count: the boxes were widened by some pixels already.
        found = sorted(int(each) for each in tree.query(window))
        touching = [at for at in found if boxes[at][3] > boxes[at][1] and boxes[at][2] > boxes[at][0]]
        if touching:
            units.append(Unit(name, tuple(touching), geobox))
    return tuple(units)
