"""What a cube will read: dates, files, grid and rules, known before a single pixel is; and the reading."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio import Affine

from swath.cube.cost import CubeCost
from swath.cube.footprints import pixel_bounds
from swath.cube.grid import crs_code, target_geobox
from swath.cube.own_file import is_own
from swath.cube.placing import RESAMPLING, lattice_between, picks
from swath.cube.reader import RasterFile, open_raster
from swath.cube.sources import (
    BandSource,
    Item,
    band_sources,
    find_band,
    item_datetime,
    item_steps,
    unknown_band,
)
from swath.cube.valid import ValidRule, parse_rule, rule_for
from swath.kernels.values import to_values
from swath.model import (
    InputError,
    MissingAssetError,
    UnreadableAssetError,
    nearest,
    parse_instant,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox
    from shapely.geometry.base import BaseGeometry

    from swath.model import BBox, SwathError

    OnBad = Callable[[str, SwathError], None]

GROUPINGS = ("solar_day", "item")


@dataclass(frozen=True, slots=True)
class ItemLayers:
    """What one item gives to a cube."""

    id: str
    """Id of the item."""
    bands: tuple[BandSource | None, ...]
    """Layer for each band of the plan; None where the item has none."""
    quality: BandSource | None
    """Layer of the quality band."""
    rule: ValidRule | None
    """Which pixels are good; None: all that have data."""
    bounds: tuple[int, int, int, int] | None
    """Target rows and columns (top, left, bottom, right) that it may touch; None: not known, so all."""


@dataclass(frozen=True, slots=True)
class Group:
    """Items that become one image: those of one day, or one alone."""

    time: dt.datetime
    """Instant of the first of them, UTC."""
    items: tuple[ItemLayers, ...]
    """In the order in which they fill the image: the earlier wins, then the lower id."""


@dataclass(frozen=True, slots=True)
class CubePlan:
    """A cube before it is read; small, and the same on every machine."""

    bands: tuple[str, ...]
    """Names of the bands, as asked for."""
    geobox: GeoBox
    """Target grid."""
    groups: tuple[Group, ...]
    """Images, in the order of time."""
    resampling: str = "nearest"
    """How bands come to the target grid; quality bands always take the nearest pixel."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(band, time, y, x)."""
        height, width = self.geobox.shape
        return len(self.bands), len(self.groups), height, width

    @property
    def times(self) -> NDArray[np.datetime64]:
        """(time,) datetime64[ns], UTC."""
        return np.array([each.time.replace(tzinfo=None) for each in self.groups], "datetime64[ns]")

    @property
    def is_remote(self) -> bool:
        """True where a file lies behind a server."""
        used = (each for group in self.groups for item in group.items for each in item.bands if each)
        return any("://" in each.href or each.href.startswith("/vsi") for each in used)

    def unbounded(self) -> CubePlan:
        """Give the plan with items looked for everywhere, and not only where their boxes say they are.

        Then what a pixel gets does not depend on the piece that it is read with, though a box be wrong.
        """
        groups = (
            Group(each.time, tuple(replace(item, bounds=None) for item in each.items)) for each in self.groups
        )
        return replace(self, groups=tuple(groups))

    def without(self, ids: Collection[str]) -> CubePlan:
        """Give the plan without some items; images stay, and may be empty."""
        groups = (
            Group(each.time, tuple(item for item in each.items if item.id not in ids)) for each in self.groups
        )
        return replace(self, groups=tuple(groups))

    def explain(self, chunks: tuple[int, int] | None = None) -> CubeCost:
        """Say what reading takes, before anything is read.

        Parameters
        ----------
        chunks : (y, x), pixels, optional
            Size of a chunk; the whole image unless given.
        """
        count, times, height, width = self.shape
        rows, columns = chunks or (height, width)
        rows, columns = min(rows, height), min(columns, width)
        layers = count + 1
        files, by_gdal = set[str](), set[str]()
        bytes_read = 0
        for item in (each for group in self.groups for each in group.items):
            top, left, bottom, right = item.bounds or (0, 0, height, width)
            used = [each for each in (*item.bands, item.quality) if each is not None]
            files.update(each.href for each in used)
            by_gdal.update(each.href for each in item.bands if each and self._by_gdal(each, self.resampling))
            if item.quality is not None and self._by_gdal(item.quality, "nearest"):
                by_gdal.add(item.quality.href)
            pixels = max(0, bottom - top) * max(0, right - left)
            bytes_read += int(sum(2 * pixels * self._density(each) for each in used))
        return CubeCost(
            shape=self.shape, files=len(files), gdal_files=len(by_gdal), bytes_read=bytes_read,
            bytes_held=(4 * count + 1) * times * height * width,
            chunks=times * -(-height // rows) * -(-width // columns),
            bytes_chunk=(4 * layers + 12) * rows * columns,
        )  # fmt: skip

    def _by_gdal(self, source: BandSource, resampling: str) -> bool:
        """Tell whether GDAL will read a file, as far as its item tells: by its address, format and grid."""
        if not is_own(source.href):
            return True
        if source.crs is None or source.transform is None:
            return False
        if not self._shares_crs(source.crs):
            return True
        file, target = Affine(*source.transform), self.geobox.transform
        return not picks(lattice_between(file, target), resampling)

    def _shares_crs(self, crs: str) -> bool:
        target = str(self.geobox.crs)
        return crs == target or crs_code(crs) == crs_code(target)

    def _density(self, source: BandSource) -> float:
        """Estimate file pixels in one target pixel, at least 1, where the item says its pixel size."""
        if source.transform is None or source.crs is None or not self._shares_crs(source.crs):
            return 1.0
        return max(1.0, (abs(self.geobox.resolution.x) / source.gsd) ** 2)

    def read(
        self,
        at: int,
        window: tuple[slice, slice] | None = None,
        *,
        on_bad: OnBad | None = None,
        thorough: bool = False,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read one image: mosaic, scale and mask.

        Parameters
        ----------
        at : int
            Number of the group.
        window : (rows, columns), slices, optional
            Part of the target grid.
        on_bad : callable of (item id, error), optional
            Called for a file that cannot be read, and the image goes on without that item; without it
            the error is raised.
        thorough : bool
            Read all files of each item that touches the window, also where earlier items or its quality
            band leave nothing to them: then whether an item is bad does not depend on the windows.

        Returns
        -------
        data : (band, y, x) float32
            Scaled; NaN where no item has a good pixel.
        valid : (y, x) bool
            True where some item has a good pixel.
        """
        geobox = self.geobox if window is None else self.geobox[window]
        data = np.full((len(self.bands), *geobox.shape), np.nan, np.float32)
        valid = np.zeros(geobox.shape, bool)
        for item in self.groups[at].items:
            if _touches(item, window) and (thorough or not valid.all()):
                try:
                    _paint(item, geobox, self.resampling, data, valid, thorough=thorough)
                except (MissingAssetError, UnreadableAssetError) as error:
                    if on_bad is None:
                        raise
                    on_bad(item.id, error)
                    np.copyto(data, np.nan, where=~valid)  # bands that it put there before one was bad
        return data, valid


def _touches(item: ItemLayers, window: tuple[slice, slice] | None) -> bool:
    if item.bounds is None or window is None:
        return True
    top, left, bottom, right = item.bounds
    rows, columns = window
    return bool(rows.start < bottom and rows.stop > top and columns.start < right and columns.stop > left)


def _paint(
    item: ItemLayers,
    geobox: GeoBox,
    resampling: str,
    data: NDArray[np.float32],
    valid: NDArray[np.bool_],
    *,
    thorough: bool,
) -> None:
    """Put an item's good pixels where no earlier item has any."""
    with contextlib.ExitStack() as files:
        opened: dict[str, RasterFile] = {}

        def file_of(source: BandSource) -> RasterFile:
            if source.href not in opened:
                opened[source.href] = files.enter_context(open_raster(source.href))
            return opened[source.href]

        good = ~valid
        if item.quality is not None and item.rule is not None:
            quality = file_of(item.quality).place([item.quality], geobox)
            good &= quality.present(0)
            good &= item.rule.apply(quality.data[0])
            if not (thorough or good.any()):
                return
        first = not valid.any()  # then values go to their place at once, else only where there are none yet
        values = data if first else np.full(data.shape, np.nan, np.float32)
        seen = np.zeros(valid.shape, bool)
        for numbers, sources in _by_file(item.bands):
            pixels = file_of(sources[0]).place(sources, geobox, resampling=resampling)
            for layer, (number, source) in enumerate(zip(numbers, sources, strict=True)):
                wanted = good if pixels.covered is None else good & pixels.covered[layer]
                nodata = pixels.nodata[layer] if pixels.nodata else None
                to_values(
                    pixels.data[layer], wanted, values[number], seen,
                    scale=source.scale, offset=source.offset, nodata=nodata,
                )  # fmt: skip
    np.copyto(data, np.nan if first else values, where=~seen if first else seen)
    valid |= seen


def _by_file(bands: Sequence[BandSource | None]) -> list[tuple[list[int], list[BandSource]]]:
    """Gather layers that are read at once: those of one file, and of one nodata."""
    files: dict[tuple[str, float | None], tuple[list[int], list[BandSource]]] = {}
    for number, source in enumerate(bands):
        if source is not None:
            numbers, sources = files.setdefault((source.href, source.nodata), ([], []))
            numbers.append(number)
            sources.append(source)
    return list(files.values())


def block_edges(plan: CubePlan, side: int) -> tuple[list[int], list[int]]:
    """Find where to cut a cube's grid so that a block of its files lies in few pieces.

    Parameters
    ----------
    plan : CubePlan
        The cube.
    side : int, pixels
        Where to cut when the files have no blocks on this grid, and the least that is worth a cut.

    Returns
    -------
    tuple of (list of int, list of int)
        Rows and columns, from 0 to the end of the grid: along the blocks of the first file that can be read.
    """
    height, width = plan.geobox.shape
    for source in (each for group in plan.groups for item in group.items for each in item.bands if each):
        try:
            with open_raster(source.href) as file:
                if file.crs is None:
                    continue
                found = file.blocks_on(plan.geobox)
        except (MissingAssetError, UnreadableAssetError):
            continue
        if found is None:
            break
        (top, tall), (left, wide) = found
        return _edges(height, top, tall, side), _edges(width, left, wide, side)
    return _edges(height, 0, side, side), _edges(width, 0, side, side)


def _edges(length: int, first: int, step: int, least: int) -> list[int]:
    """List 0, the cuts at first + n step (fewer where steps are small), and the end."""
    step *= max(1, least // step)
    inner = range(first % step or step, length, step)
    return [0, *inner, length]


def plan_cube(
    items: Sequence[Item],
    bands: Sequence[str],
    *,
    geobox: GeoBox | None = None,
    crs: Any = None,
    resolution: float | None = None,
    bbox: BBox | None = None,
    geometry: BaseGeometry | None = None,
    valid: Mapping[str, Any] | ValidRule | bool | None = None,
    own_rules: Mapping[str, Mapping[str, Any]] | None = None,
    groupby: str = "solar_day",
    resampling: str = "nearest",
    longitude: float | None = None,
) -> CubePlan:
    """Decide what a cube reads.

    Parameters
    ----------
    items : sequence of dict
        STAC items with absolute hrefs, of any collections, CRS and resolutions.
    bands : sequence of str
        Band names, common names, asset keys, or ``asset:band``.
    geobox, crs, resolution, bbox, geometry
        Target grid; see `swath.cube.grid.target_geobox`.
    valid : rule, bool or None
        Which pixels are good: a rule; None for the collection's own rule (`rule_for`); False for all.
    own_rules : mapping of collection id to rule, optional
        The user's rules, over the built-in ones.
    groupby : {"solar_day", "item"}
        Items of one solar day become one image, or each item is an image.
    resampling : str
        How bands come to another grid.
    longitude : float, degrees, optional
        Where solar days are counted; the middle of the grid unless given. Pieces of one cube share it.

    Raises
    ------
    InputError
        No items, an unknown band, rule, grouping, or resampling.
    """
    if resampling not in RESAMPLING:
        raise InputError(f"resampling: {resampling!r} is not known", known=nearest(resampling, RESAMPLING))
    if groupby not in GROUPINGS:
        raise InputError(f"groupby: {groupby!r} is not known", known=GROUPINGS)
    ordered = sorted(items, key=lambda each: (parse_instant(item_datetime(each)), str(each["id"])))
    if geobox is None:
        geobox = target_geobox(ordered, bands, crs=crs, resolution=resolution, bbox=bbox, geometry=geometry)
    said = parse_rule(valid) if valid is not None and not isinstance(valid, bool) else None
    rules = [said or (rule_for(each, own_rules) if valid is not False else None) for each in ordered]
    layers = _layers(ordered, tuple(bands), geobox, rules)
    if longitude is None:
        longitude = float(geobox.extent.to_crs("EPSG:4326").centroid.coords[0][0])
    grouped: dict[Any, list[tuple[dt.datetime, ItemLayers]]] = {}
    for number, (instant, layer) in enumerate(layers):
        key = number if groupby == "item" else (instant + dt.timedelta(hours=longitude / 15)).date()
        grouped.setdefault(key, []).append((instant, layer))
    groups = tuple(Group(each[0][0], tuple(layer for _, layer in each)) for each in grouped.values())
    return CubePlan(tuple(bands), geobox, groups, resampling)


def _layers(
    items: Sequence[Item], bands: tuple[str, ...], geobox: GeoBox, rules: Sequence[ValidRule | None]
) -> list[tuple[dt.datetime, ItemLayers]]:
    """List the images of items by time: one of each item, or those on the time axis of its Zarr stores."""
    layers, met = [], set[str]()
    for item, rule, bounds in zip(items, rules, pixel_bounds(items, geobox), strict=True):
        for step, datetime in enumerate(item_steps(item)):
            sources = band_sources(item, step)
            found = tuple(find_band(sources, each) for each in bands)
            met.update(name for name, source in zip(bands, found, strict=True) if source)
            quality = find_band(sources, rule.band) if rule else None
            if rule and quality is None:
                raise unknown_band(rule.band, [item])
            layer = ItemLayers(str(item["id"]), found, quality, rule, bounds)
            layers.append((parse_instant(datetime), layer))
    for name in bands:
        if name not in met:
            raise unknown_band(name, items)
    return sorted(layers, key=lambda each: each[0])
