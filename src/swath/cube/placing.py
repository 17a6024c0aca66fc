"""Brings layers of a file onto a geobox: pasted or picked where grids allow, else warped exactly.

Nothing here depends on how a target is cut into pieces: nearest neighbours are picked by the file's own
pixel numbers, and warping uses GDAL's exact transformer (``tolerance=0``; its usual approximation is
fitted to each piece anew).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.warp import reproject

from swath.kernels.values import holds
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.cube.sources import BandSource

    Window = tuple[int, int, int, int]

# rasterio silences this of its own arrays in memory, but in a way that fails when two threads warp at once.
warnings.filterwarnings("ignore", message="Dataset has no geotransform", category=NotGeoreferencedWarning)

RESAMPLING = ("nearest", "bilinear", "cubic", "average", "mode", "min", "max", "med", "q1", "q3", "lanczos")
_SAME = 1e-6
"""Relative difference of pixel sizes, and share of a pixel, below which two grids count as one."""
_STRIPE = 64_000_000
"""Bytes of a file that are held when pixels are picked out of it for a coarser grid."""
_PLACE = repr(2.0**-20)
"""Share of a file pixel that places are rounded to when warping: a power of 2, so that halves, quarters and
the like, which are many, are not themselves on the edge of two roundings."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Stored numbers of some layers on a geobox, and where there are any."""

    data: NDArray[Any]
    """(layer, y, x), stored numbers, of the file's own type."""
    covered: NDArray[np.bool_] | None
    """(layer, y, x) True where the file has a number, nodata or not; None: everywhere."""
    nodata: tuple[float | None, ...] = ()
    """For each layer the number that marks a missing pixel; none where gaps are not covered already."""

    def present(self, layer: int) -> NDArray[np.bool_]:
        """Tell where a layer has a number that is not nodata: (y, x)."""
        shape = self.data.shape[1:]
        present = np.ones(shape, bool) if self.covered is None else self.covered[layer]
        number = self.nodata[layer] if self.nodata else None
        return present if number is None else present & ~_equals(self.data[layer], number)


def same_crs(said: str, found: Any) -> bool:
    """Tell whether a code or WKT means the CRS of a file."""
    return said == found.to_string() or _equal_crs(said, found.to_wkt())


@lru_cache(maxsize=1000)
def _equal_crs(said: str, wkt: str) -> bool:
    try:
        return bool(rasterio.crs.CRS.from_user_input(said) == rasterio.crs.CRS.from_wkt(wkt))
    except (RasterioError, CRSError, ValueError) as error:
        raise InputError(f"item: {said!r} is no coordinate reference system") from error


class Stored(Protocol):
    """An open file: its grid, its numbers, and GDAL's view of it for what must be warped."""

    crs: Any
    transform: Any
    height: int
    width: int

    def dtype_of(self, layer: int) -> np.dtype[Any]:
        """Give the type of a layer's numbers; layers count from 1."""

    def nodata_of(self, layer: int) -> float | None:
        """Give the number that marks a missing pixel."""

    def has_mask(self) -> bool:
        """Tell whether the file has a mask or an alpha layer."""

    def has_points(self) -> bool:
        """Tell whether control points place the file, and no transform."""

    def overviews(self) -> tuple[tuple[int, int], ...]:
        """Give height and width of the overviews."""

    def read(self, layers: list[int], window: Window, level: int | None = None) -> NDArray[Any]:
        """Read stored numbers, of the file or of an overview: (layer, y, x)."""

    def read_mask(self, layers: list[int], window: Window, level: int | None = None) -> NDArray[np.bool_]:
        """Read where pixels are present: (layer, y, x)."""

    def gdal(self) -> Any:
        """Open the file with rasterio."""


def place(file: Stored, sources: Sequence[BandSource], geobox: GeoBox, resampling: str) -> Pixels:
    """Bring layers of an open file onto a geobox.

    Parameters
    ----------
    file : Stored
        The file.
    sources : sequence of BandSource
        Its layers.
    geobox : GeoBox
        Target grid.
    resampling : str
        One of `RESAMPLING`.

    Returns
    -------
    Pixels
        (layer, y, x), in the order of ``sources``.
    """
    indexes = [each.index for each in sources]
    nodata = [each.nodata if each.nodata is not None else file.nodata_of(each.index) for each in sources]
    lattice = lattice_of(file, geobox)
    if picks(lattice, resampling):
        pixels = _pick(file, indexes, nodata, geobox, lattice)
    else:
        pixels = _warp(file.gdal(), indexes, nodata, geobox, resampling)
    marked = pixels.data.dtype == file.dtype_of(indexes[0])  # else gaps became NaN on the way
    return replace(pixels, nodata=tuple(nodata)) if marked else pixels


def picks(lattice: Lattice | None, resampling: str) -> TypeGuard[Lattice]:
    """Tell whether pixels are taken as they are: from parallel axes, by the nearest or onto the same grid."""
    return lattice is not None and (resampling == "nearest" or lattice.is_shift)


def _equals(data: NDArray[Any], number: float) -> NDArray[np.bool_]:
    if math.isnan(number) and data.dtype.kind == "f":
        return np.isnan(data)
    if not holds(data.dtype, number):
        return np.zeros(data.shape, bool)
    return np.asarray(data == data.dtype.type(number))


@dataclass(frozen=True, slots=True)
class Lattice:
    """How a target grid lies on a file's grid, in the file's pixels, when their axes are parallel."""

    x: float
    """File column of the target's left edge."""
    y: float
    """File row of the target's upper edge."""
    step_x: float
    """File columns in one target pixel."""
    step_y: float
    """File rows in one target pixel."""

    @property
    def is_shift(self) -> bool:
        """True when both have the same pixels, apart from where they start."""
        return all(abs(each - 1) < _SAME for each in (self.step_x, self.step_y)) and all(
            abs(each - round(each)) < 0.01 for each in (self.x, self.y)
        )


def lattice_of(stored: Stored, geobox: GeoBox) -> Lattice | None:
    """Lay the target on the file's grid; None when the CRS differs or either is rotated."""
    lattice = lattice_between(stored.transform, geobox.transform)
    if lattice is None or stored.has_points() or not same_crs(str(geobox.crs), stored.crs):
        return None
    return lattice


def lattice_between(file: Any, target: Any) -> Lattice | None:
    """Lay one transform on another of the same CRS; None when either is rotated."""
    if file.b or file.d or target.b or target.d:
        return None
    return Lattice(
        (target.c - file.c) / file.a, (target.f - file.f) / file.e, target.a / file.a, target.e / file.e
    )


def _centres(start: float, step: float, count: int) -> NDArray[np.int64]:
    """Find the file pixels under the centres of target pixels.

    A centre on the edge of two file pixels belongs to the later one; a millionth of a pixel keeps rounding
    errors, which differ from piece to piece of a target, from deciding.
    """
    return np.floor(start + step * (np.arange(count) + 0.5) + _SAME).astype(np.int64)


def _pick(
    file: Stored, indexes: list[int], nodata: list[float | None], geobox: GeoBox, lattice: Lattice
) -> Pixels:
    """Take the nearest pixel for each target pixel: of the file, or of an overview for a coarser target."""
    level = _finest_needed(file, lattice)
    tall, wide = (file.height, file.width) if level is None else file.overviews()[level]
    height, width = geobox.shape
    y, x = tall / file.height, wide / file.width
    rows = _centres(lattice.y * y, lattice.step_y * y, height)
    columns = _centres(lattice.x * x, lattice.step_x * x, width)
    in_rows, in_columns = ((rows >= 0) & (rows < tall)), ((columns >= 0) & (columns < wide))
    masked = all(each is None for each in nodata) and file.has_mask()
    if lattice.is_shift and in_rows.all() and in_columns.all() and rows.size and columns.size:
        window = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
        data = file.read(indexes, window)
        return Pixels(data, file.read_mask(indexes, window) if masked else None)
    data = np.zeros((len(indexes), height, width), file.dtype_of(indexes[0]))
    present = np.zeros(data.shape, bool)
    if in_rows.any() and in_columns.any():
        across = columns[in_columns]
        left, right = int(across.min()), int(across.max()) + 1
        line = len(indexes) * (right - left) * data.itemsize
        for some in _stripes(np.flatnonzero(in_rows), rows, line):
            top = int(rows[some].min())
            window = top, int(rows[some].max()) + 1, left, right
            target = np.ix_(range(len(indexes)), some, np.flatnonzero(in_columns))
            taken = np.ix_(range(len(indexes)), rows[some] - top, across - left)
            data[target] = file.read(indexes, window, level)[taken]
            present[target] = file.read_mask(indexes, window, level)[taken] if masked else True
    return Pixels(data, present)


def _finest_needed(file: Stored, lattice: Lattice) -> int | None:
    """Choose the coarsest overview that is still at least as fine as the target; None: the file itself.

    Pixel sizes alone decide, so that it is the same one for each piece of a target.
    """
    if min(lattice.step_x, lattice.step_y) < 2 - _SAME:
        return None
    best, most = None, 1.0
    for at, (tall, wide) in enumerate(file.overviews()):
        y, x = file.height / tall, file.width / wide
        if y <= lattice.step_y * (1 + _SAME) and x <= lattice.step_x * (1 + _SAME) and x * y > most:
            best, most = at, x * y
    return best


def _stripes(targets: NDArray[np.int64], rows: NDArray[np.int64], line: int) -> Iterator[NDArray[np.int64]]:
    """Cut target rows into parts whose file rows, and all between them, take 64 MB at most, or are one."""
    first = 0
    for at in range(1, len(targets) + 1):
        if at == len(targets) or abs(int(rows[targets[at]] - rows[targets[first]])) * line > _STRIPE:
            yield targets[first:at]
            first = at


def _warp(
    dataset: Any, indexes: list[int], nodata: list[float | None], geobox: GeoBox, resampling: str
) -> Pixels:
    """Resample through GDAL, exactly, from the overview that is just fine enough."""
    level = _overview(dataset, geobox)
    if level is None:
        return _warped(dataset, indexes, nodata, geobox, resampling)
    with rasterio.open(dataset.name, sharing=False, overview_level=level) as coarse:
        return _warped(coarse, indexes, nodata, geobox, resampling)


def _warped(
    dataset: Any, indexes: list[int], nodata: list[float | None], geobox: GeoBox, resampling: str
) -> Pixels:
    """Warp layers, and tell which target pixels any file pixel went into."""
    missing = next((each for each in nodata if each is not None), None)
    stored = np.dtype(dataset.dtypes[indexes[0] - 1])
    # GDAL would measure the scale of each piece anew, and so widen or narrow its filter from piece to piece;
    # a place that falls on the edge of two file pixels would go to one or the other by a rounding error; and
    # what it reads of the file around a small piece would be cut too short.
    scale = repr(1 / _shrink(dataset, geobox))
    options: dict[str, Any] = {
        "UNIFIED_SRC_NODATA": "NO", "XSCALE": scale, "YSCALE": scale, "SRC_COORD_PRECISION": _PLACE,
        "SOURCE_EXTRA": "8", "tolerance": 0.0, "num_threads": 1, "src_nodata": missing,
    }  # fmt: skip
    if resampling != "nearest":
        # As numbers with a fraction: rounding means of integers would decide ties by rounding errors.
        data = np.full((len(indexes), *geobox.shape), np.nan, _fraction_of(stored))
        options["dst_nodata"] = np.nan
    elif missing is not None:
        data = np.zeros((len(indexes), *geobox.shape), stored)
        options["dst_nodata"] = missing
    else:
        data = np.zeros((len(indexes) + 1, *geobox.shape), stored)
        options["dst_alpha"] = len(indexes) + 1
    reproject(
        rasterio.band(dataset, indexes), data, dst_transform=geobox.transform, dst_crs=str(geobox.crs),
        resampling=Resampling[resampling], init_dest_nodata=True, **options,
    )  # fmt: skip
    if resampling != "nearest":
        return Pixels(data, np.isfinite(data))
    if missing is not None:
        return Pixels(data, None)
    covered = np.repeat(data[-1:] != 0, len(indexes), axis=0)
    return Pixels(data[:-1], covered)


def _fraction_of(dtype: np.dtype[Any]) -> type[np.floating[Any]]:
    """Give the float type that holds all numbers of a type exactly, or float64."""
    return np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64


def _overview(dataset: Any, geobox: GeoBox) -> int | None:
    """Choose the coarsest overview that is still at least as fine as the target."""
    shrink = _shrink(dataset, geobox)
    fits = [at for at, factor in enumerate(dataset.overviews(1)) if factor <= shrink * (1 + _SAME)]
    return max(fits, default=None)


def _shrink(dataset: Any, geobox: GeoBox) -> float:
    """Count file pixels in one target pixel, along a side, measured at the file's centre.

    The whole target is not asked, only its pixel size: the answer must be the same for each piece of it.
    """
    file_size = abs(dataset.transform.a)
    size = abs(geobox.resolution.x)
    if not same_crs(str(geobox.crs), dataset.crs):
        from odc.geo.geobox import GeoBox

        here = GeoBox(dataset.shape, dataset.transform, str(dataset.crs)).center_pixel
        there = here.extent.to_crs(str(geobox.crs)).boundingbox
        file_size = (there.span_x + there.span_y) / 2
    return float(size / file_size)
