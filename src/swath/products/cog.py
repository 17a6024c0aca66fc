"""One layer as a Cloud-Optimised GeoTIFF: stored numbers, their statistics, and the bytes of the file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels.stored import tally, to_stored
from swath.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.products.quantity import Quantity

_GDAL = {"COG_TMP_COMPRESSION": "NONE"}
"""Overviews lie in memory until they are in the file: GDAL would compress them there, for nothing."""


@dataclass(frozen=True)
class Statistics:
    """Of the valid pixels of a layer, in stored numbers, as GDAL means them."""

    minimum: float
    """Smallest stored number."""
    maximum: float
    """Largest stored number."""
    mean: float
    """Mean of the stored numbers."""
    stddev: float
    """Standard deviation of the stored numbers, divided by their count."""
    valid_percent: float
    """Share of the pixels that are valid, %."""


def pack(array: NDArray[Any], quantity: Quantity) -> tuple[NDArray[Any], int]:
    """Turn values into the numbers that are stored.

    Parameters
    ----------
    array : (y, x) float, in the quantity's unit, NaN where missing; or in its integer dtype: as it is
    quantity : Quantity
        How they are stored.

    Returns
    -------
    tuple of (y, x) in the quantity's dtype, and int
        The stored numbers, and how many values were outside of what can be stored; those are clipped.

    Examples
    --------
    >>> from swath.products.quantity import quantity_of
    >>> pack(np.array([[0.5, np.nan, 9.0]]), quantity_of("NDVI"))
    (array([[  5000, -32768,  32767]], dtype=int16), 1)
    """
    dtype = np.dtype(quantity.dtype)
    if array.dtype == dtype or dtype.kind == "f":
        return np.ascontiguousarray(array, dtype), 0
    stored = np.empty(array.shape, dtype)
    return stored, pack_into(array, quantity, stored)


def pack_into(array: NDArray[Any], quantity: Quantity, out: NDArray[Any]) -> int:
    """Write the numbers that are stored of values to a part of an array.

    Parameters
    ----------
    array : (y, x), as `pack` takes it
    quantity : Quantity
        How they are stored.
    out : (y, x) in the quantity's dtype
        Written.

    Returns
    -------
    int
        How many values were outside of what can be stored.
    """
    dtype = out.dtype
    if array.dtype == dtype or dtype.kind == "f":
        out[...] = array
        return 0
    info, nodata = np.iinfo(dtype), int(quantity.nodata)
    limits = int(info.min) + (nodata == info.min), int(info.max) - (nodata == info.max)
    return to_stored(array, out, scale=quantity.scale, offset=quantity.offset, limits=limits, nodata=nodata)


def is_stored(stored: NDArray[Any], quantity: Quantity) -> NDArray[np.bool_]:
    """Tell where stored numbers stand for a value."""
    return np.isfinite(stored) if quantity.is_float else np.asarray(stored != quantity.nodata)


def unpack(stored: NDArray[Any], quantity: Quantity) -> NDArray[np.float32]:
    """Turn stored numbers into values, NaN where missing: what a reader of the file gets."""
    if quantity.is_float:
        return stored.astype(np.float32, copy=False)
    values = stored.astype(np.float32) * np.float32(quantity.scale) + np.float32(quantity.offset)
    values[stored == quantity.nodata] = np.nan
    return values


def statistics_of(stored: NDArray[Any], nodata: float) -> Statistics | None:
    """Compute the statistics of stored numbers; None where none is valid.

    Integers are summed exactly, so that the bytes do not depend on the processor.
    """
    if stored.dtype.kind == "f":
        return _float_statistics(stored)
    found = tally(stored, int(nodata))
    count, total = found.count, found.total
    if not count:
        return None
    variance = (count * found.squares - total * total) / count**2
    return Statistics(
        float(found.minimum), float(found.maximum), total / count, math.sqrt(variance),
        100 * count / stored.size,
    )  # fmt: skip


def _float_statistics(stored: NDArray[Any]) -> Statistics | None:
    values = stored[np.isfinite(stored)]
    if not values.size:
        return None
    mean = float(values.mean(dtype=np.float64))
    deviation = math.sqrt(float(np.square(values - mean, dtype=np.float64).mean()))
    share = 100 * values.size / stored.size
    return Statistics(float(values.min()), float(values.max()), mean, deviation, share)


def cog_bytes(
    stored: NDArray[Any], quantity: Quantity, geobox: GeoBox, statistics: Statistics | None
) -> bytes:
    """Write a layer as a COG in memory; the same bytes for the same layer.

    Parameters
    ----------
    stored : (y, x) in the quantity's dtype
    quantity : Quantity
        Its scale, offset, nodata, unit and description go into the file.
    geobox : GeoBox
        Grid of the layer.
    statistics : Statistics or None
        Go into the file as GDAL's ``STATISTICS_*``.

    Notes
    -----
    Memory: about twice the stored numbers, in GDAL.
    """
    import rasterio
    from rasterio.io import MemoryFile

    from swath.products.footprint import crs_of

    height, width = stored.shape
    with rasterio.Env(**_GDAL), MemoryFile(ext=".tif") as file:
        with rasterio.open(
            file.name, "w", width=width, height=height, count=1, dtype=stored.dtype.name,
            crs=rasterio.CRS.from_wkt(crs_of(geobox).to_wkt()), transform=geobox.transform,
            nodata=quantity.nodata, **cog_options(max(stored.shape), quantity),
        ) as target:  # fmt: skip
            target.write(stored, 1)
            target.scales, target.offsets = (quantity.scale,), (quantity.offset,)
            target.units, target.descriptions = (quantity.unit,), (quantity.name,)
            target.update_tags(TIFFTAG_SOFTWARE=f"swath {__version__}")
            target.update_tags(1, LONG_NAME=quantity.description, **_statistics_tags(statistics))
        return bytes(file.getbuffer())


def cog_options(side: int, quantity: Quantity) -> dict[str, Any]:
    """Give the options of GDAL's COG driver for an image of this longest side.

    The differences of packed values are mostly noise. libdeflate's fastest level makes composites of NDVI 3 %
    smaller than level 6 does, and smoothed ones 1 % larger; counts would be half as large again.
    """
    return {
        "driver": "COG",
        "blocksize": 512 if side > 512 else 256,
        "compress": "DEFLATE",
        "level": 1 if quantity.dtype == "int16" else 6,
        "predictor": "YES",
        "overview_resampling": "NEAREST" if quantity.name.endswith("count") else "AVERAGE",
        "bigtiff": "IF_SAFER",
        "num_threads": 1,  # callers write several files at a time
    }


def _statistics_tags(statistics: Statistics | None) -> dict[str, str]:
    if statistics is None:
        return {"STATISTICS_VALID_PERCENT": "0"}
    return {
        "STATISTICS_MINIMUM": repr(statistics.minimum),
        "STATISTICS_MAXIMUM": repr(statistics.maximum),
        "STATISTICS_MEAN": repr(statistics.mean),
        "STATISTICS_STDDEV": repr(statistics.stddev),
        "STATISTICS_VALID_PERCENT": f"{statistics.valid_percent:.4g}",
    }
