"""Fills the gaps of evenly spaced series, and makes the rasters of their periods."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from swath import kernels
from swath.processes.inputs import Fill, RasterInputs
from swath.products import Layer, Raster
from swath.products.cog import is_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.model import Bin
    from swath.processes.columns import Stored
    from swath.processes.work import UnitWork


class FillOptions(RasterInputs):
    """How gaps are filled."""

    fill: Fill = Field(
        default="none",
        description="How gaps are filled: none; linear in time; swag, the seasonally weighted mean of all "
        "observations of the pixel.",
    )
    seasonal_attenuation_db: float = Field(
        default=60.0, ge=0, le=400, description="swag: how much less the opposite season counts, in decibel."
    )
    trend_attenuation_db: float = Field(
        default=20.0,
        ge=0,
        le=400,
        description="swag: how much less the other end of the series counts, in decibel.",
    )
    future_weight: float = Field(default=1.0, ge=0, le=1, description="swag: weight of later observations.")


def fill_gaps(
    inputs: FillOptions, layers: Sequence[NDArray[np.float32]], per_year: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Fill the gaps of evenly spaced series.

    Parameters
    ----------
    inputs : FillOptions
        Method and its numbers.
    layers : sequence of (time, y, x) float32
        Variables.
    per_year : int
        Images a year.

    Returns
    -------
    filled : list of (time, y, x) float32
    quality : (time, y, x) float32, %
        The lowest of all variables; NaN where one has no value.
    """
    filled, grades = [], []
    for each in layers:
        if inputs.fill == "linear":
            values, quality = kernels.linear(each)
        else:
            values, quality = kernels.swag(
                each, images_per_year=per_year, seasonal_attenuation_db=inputs.seasonal_attenuation_db,
                trend_attenuation_db=inputs.trend_attenuation_db, future_weight=inputs.future_weight,
            )  # fmt: skip
        # The file holds whole numbers, and 100 must go on to mean that the value was observed.
        np.minimum(quality, 99, out=quality, where=quality < 100)
        filled.append(values)
        grades.append(quality)
    return filled, functools.reduce(np.minimum, grades)


@dataclass(frozen=True, slots=True)
class Stack:
    """One variable over all periods."""

    name: str
    """Name of the variable."""
    made: Stored
    """(time, y, x), and how it is stored."""

    def layer(self, at: int) -> Layer:
        """Give the layer of one period."""
        made = self.made
        return Layer(self.name, made.numbers[at], made.quantity, saturated=int(made.clipped[at]))


def period_rasters(
    work: UnitWork,
    geobox: GeoBox,
    periods: Sequence[Bin],
    stacks: Sequence[Stack],
    quality: Stored | None,
    *,
    about: str,
    clear: Stored | None = None,
    images: Sequence[int] | None = None,
) -> list[Raster]:
    """Make one raster for each period, and say how much of it was observed and how much filled.

    Parameters
    ----------
    work : UnitWork
        Names the rasters.
    geobox : GeoBox
        Their grid.
    periods : sequence of Bin
        Their times.
    stacks : sequence of Stack
        Variables.
    quality : Stored (time, y, x), %, optional
        100 where observed; a layer of its own.
    about : str
        What the variables are, for the titles.
    clear : Stored (time, y, x), optional
        Number of clear observations; a layer of its own.
    images : sequence of int, optional
        Number of images that each period has.
    """
    rasters = []
    for at, period in enumerate(periods):
        layers = [each.layer(at) for each in stacks]
        properties: dict[str, Any] = {}
        if quality is None:
            observed = is_stored(layers[0].array, layers[0].quantity)
        else:
            observed = quality.numbers[at] == 100
            filled = ~observed & is_stored(quality.numbers[at], quality.quantity)
            properties["swath:filled_percent"] = _percent(filled)
            layers.append(Stack("quality", quality).layer(at))
        properties["swath:observed_percent"] = _percent(observed)
        if images is not None:
            properties["swath:images"] = images[at]
        if clear is not None:
            layers.append(Stack("count", clear).layer(at))
        rasters.append(
            Raster(
                id=f"{work.name}_{period.label}", start=period.start, end=period.end, layers=tuple(layers),
                geobox=geobox, properties=properties,
                title=f"{about}, {period.start:%Y-%m-%d} to {period.end:%Y-%m-%d}",
            )
        )  # fmt: skip
    return rasters


def _percent(share: NDArray[np.bool_]) -> float:
    return round(100 * float(np.count_nonzero(share)) / share.size, 2)
