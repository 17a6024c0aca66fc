"""The process ``fill``: fills the gaps of a collection of evenly spaced images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from swath.model import InputError, parse_period
from swath.processes.columns import over_columns, stored_bytes
from swath.processes.filling import FillOptions, Stack, fill_gaps, period_rasters
from swath.processes.inputs import Fill, Period
from swath.processes.periods import groups_of, periods_of, time_span
from swath.processes.registry import PlanLimits, process
from swath.processes.series import Variables, unit_cube
from swath.processes.tiling import plan_tiles
from swath.products import quantity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from swath.processes.work import UnitWork, WorkPlan
    from swath.products import Raster


class FillInputs(FillOptions):
    """Inputs of ``fill``."""

    fill: Fill = Field(default="swag", description="How gaps are filled: swag or linear.")
    period: Period = Field(
        default="P1M",
        description="Spacing of the images (ISO 8601, aligned to the calendar): P1M, P16D, P1Y.",
    )

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        if self.fill == "none":
            raise InputError("fill: 'none' fills nothing", known=("swag", "linear"))
        return self


def _plan(inputs: FillInputs, items: Sequence[dict[str, Any]], limits: PlanLimits) -> WorkPlan:
    variables = Variables(inputs, items)
    context = time_span(items, inputs.datetime)
    periods, count = len(periods_of(context, inputs.period)), len(variables.names)

    def bytes_per_pixel(_times: int) -> float:
        return periods * stored_bytes(("quality", *variables.names)) + 64

    def column_bytes(times: int) -> float:
        return 4.0 * count * (times + 5 * periods) + 24 * len(variables.bands) + 64

    return plan_tiles(
        inputs, items, variables.bands, limits=limits, bytes_per_pixel=bytes_per_pixel,
        column_bytes=column_bytes, context=context,
    )  # fmt: skip


@process("fill", title="Gaps of a time series filled", inputs=FillInputs, plan=_plan)
def fill(inputs: FillInputs, work: UnitWork) -> list[Raster]:
    """Fill the gaps of a collection of images that are evenly spaced in time, such as composites.

    Each period has one image; where there are several the first clear observation counts. Observed
    values are kept exactly; a quality layer tells how well each value is supported.
    """
    variables = Variables(inputs, work.items)
    cube = unit_cube(inputs, work, variables.bands)
    periods = periods_of(work.context, inputs.period)
    groups = groups_of(cube, periods)

    def compute(images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        series = np.full((len(images), len(periods), *images.shape[2:]), np.nan, np.float32)
        for at, group in reversed(list(enumerate(groups))):  # the earliest is written last, and wins
            if group >= 0:
                np.copyto(series[:, group], images[:, at], where=np.isfinite(images[:, at]))
        filled, quality = fill_gaps(inputs, list(series), parse_period(inputs.period).per_year())
        return [quality, *filled]

    quantities = [quantity_of(each) for each in ("quality", *variables.names)]
    quality, *filled = over_columns(cube, variables, work, compute, quantities)
    stacks = [Stack(*each) for each in zip(variables.names, filled, strict=True)]
    about = f"{', '.join(variables.names)}, gaps filled"
    return period_rasters(work, cube.geobox, periods, stacks, quality, about=about)
