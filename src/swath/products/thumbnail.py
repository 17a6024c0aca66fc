"""Small pictures of a product: one layer in colours, or red, green and blue as the eye sees them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels.stored import add_squares
from swath.products._colormaps import colours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from swath.products.quantity import Quantity

SIDE = 256
"""Longest side of a picture, pixels."""


def thumbnail(layers: Sequence[tuple[Quantity, NDArray[Any]]]) -> bytes:
    """Draw the first layer, or red, green and blue where all three are there.

    Parameters
    ----------
    layers : sequence of (Quantity, (y, x))
        Stored numbers, or values in their units as float32; what is missing is drawn transparent.

    Returns
    -------
    bytes
        PNG of at most 256 x 256 pixels; the same bytes for the same values.
    """
    from PIL import Image

    named = {quantity.name: (quantity, array) for quantity, array in layers}
    if {"red", "green", "blue"} <= named.keys():
        chosen = [_small(*named[each]) for each in ("red", "green", "blue")]
        low, high = _span(named["red"][0], np.stack(chosen))
        levels = np.stack([_levels(each, low, high, 256) for each in chosen], axis=-1)
        alpha = np.isfinite(np.stack(chosen)).all(axis=0)
        picture = Image.fromarray(np.dstack([levels, np.where(alpha, 255, 0).astype(np.uint8)]), "RGBA")
    else:
        quantity, array = layers[0]
        small = _small(quantity, array)
        palette = np.vstack([np.zeros((1, 3), np.uint8), colours(quantity.colormap, 255)])
        index = np.where(np.isfinite(small), 1 + _levels(small, *_span(quantity, small), 255), 0)
        picture = Image.fromarray(index.astype(np.uint8))
        picture.putpalette(palette.tobytes())
    target = io.BytesIO()
    options = {"transparency": 0} if picture.mode == "P" else {}
    picture.save(target, "PNG", **options)
    return target.getvalue()


def _small(quantity: Quantity, array: NDArray[Any]) -> NDArray[np.float64]:
    """Average stored numbers as integers, which is exact, and turn the means into values."""
    if array.dtype.kind == "f":
        return shrink(array)
    total, count = add_squares(array, int(quantity.nodata), -(-max(array.shape) // SIDE))
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = total / count * quantity.scale + quantity.offset
    return mean


def shrink(array: NDArray[np.float32]) -> NDArray[np.float64]:
    """Average whole blocks of pixels until a picture is small enough; NaN where a block has no value.

    Examples
    --------
    >>> shrink(np.full((512, 3), 7, np.float32)).shape
    (256, 2)
    """
    step = -(-max(array.shape) // SIDE)
    rows, columns = (np.arange(0, size, step) for size in array.shape)
    seen = np.isfinite(array)
    total = np.add.reduceat(np.where(seen, array, 0).astype(np.float64), rows, axis=0)
    count = np.add.reduceat(seen.astype(np.int64), rows, axis=0)
    total, count = np.add.reduceat(total, columns, axis=1), np.add.reduceat(count, columns, axis=1)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = total / count
    return mean


def _span(quantity: Quantity, small: NDArray[np.float64]) -> tuple[float, float]:
    """Take the quantity's range, and where it is open that of the data without its extremes."""
    values = small[np.isfinite(small)]
    if (quantity.vmin is not None and quantity.vmax is not None) or not values.size:
        return quantity.vmin or 0.0, quantity.vmax if quantity.vmax is not None else 1.0
    low, high = np.percentile(values, [2, 98])
    if quantity.colormap == "RdBu" and quantity.vmin is None:  # two colours that meet at 0
        high = max(abs(low), abs(high))
        low = -high
    low = low if quantity.vmin is None else quantity.vmin
    high = high if quantity.vmax is None else quantity.vmax
    return float(low), float(high)


def _levels(values: NDArray[np.float64], low: float, high: float, count: int) -> NDArray[np.uint8]:
    share = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-30), 0, 1)
    return np.rint(share * (count - 1)).astype(np.uint8)
