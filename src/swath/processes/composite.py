"""The process ``composite``: one image for each calendar period, its gaps filled on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from swath import kernels
from swath.kernels import REDUCERS
from swath.model import parse_period
from swath.processes.columns import over_columns, stored_bytes
from swath.processes.filling import FillOptions, Stack, fill_gaps, period_rasters
from swath.processes.inputs import Period, one_of
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

_REDUCERS = (*REDUCERS, "medoid")
_RESULT = {"count": "count", "sum": "sum"}
"""Reducers that give another quantity than they are given."""


class CompositeInputs(FillOptions):
    """Inputs of ``composite``."""

    period: Period = Field(
        default="P1M",
        description="Length of a period, aligned to the calendar: P1M, P3M, P1Y, P16D (ISO 8601).",
    )
    reducer: Annotated[str, one_of("reducer", _REDUCERS)] = Field(
        default="median",
        description="What becomes of a period's clear observations: " + ", ".join(_REDUCERS) + ".",
    )
    percentile: float = Field(default=50.0, ge=0, le=100, description="For the reducer percentile.")


def _plan(inputs: CompositeInputs, items: Sequence[dict[str, Any]], limits: PlanLimits) -> WorkPlan:
    variables = Variables(inputs, items)
    context = time_span(items, inputs.datetime)
    periods, count = len(periods_of(context, inputs.period)), len(variables.names)

    def bytes_per_pixel(_times: int) -> float:
        return periods * stored_bytes(_stored_names(inputs, variables.names)) + 64

    def column_bytes(times: int) -> float:
        return 4.0 * (count * (times + 3 * periods) + times + 2 * periods) + 24 * len(variables.bands) + 64

    return plan_tiles(
        inputs, items, variables.bands, limits=limits, bytes_per_pixel=bytes_per_pixel,
        column_bytes=column_bytes, context=context,
    )  # fmt: skip


@process("composite", title="Composites for each period", inputs=CompositeInputs, plan=_plan)
def composite(inputs: CompositeInputs, work: UnitWork) -> list[Raster]:
    """Make one image for each calendar period from all clear observations in it, gaps filled on request.

    The images of a day are mosaicked, scaled and masked; indices are computed from each image; then each
    pixel's clear observations of a period are reduced. With ``fill`` a quality layer tells how well each
    value is supported, 100 where it was observed.
    """
    variables = Variables(inputs, work.items)
    cube = unit_cube(inputs, work, variables.bands)
    periods = periods_of(work.context, inputs.period)
    groups = groups_of(cube, periods)
    count, filling = len(variables.names), inputs.fill != "none"

    def compute(series: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        clear = _count_clear(series, groups, len(periods))
        layers = _reduced(inputs, series, groups, len(periods))
        if not filling:
            return [clear, *layers]
        layers, quality = fill_gaps(inputs, layers, parse_period(inputs.period).per_year())
        return [clear, *layers, quality]

    quantities = [quantity_of(each) for each in _stored_names(inputs, variables.names)]
    clear, *rest = over_columns(cube, variables, work, compute, quantities)
    layers, quality = rest[:count], rest[count] if filling else None
    stacks = [Stack(*each) for each in zip(variables.names, layers, strict=True)]
    about = f"{', '.join(variables.names)}, {inputs.reducer}"
    images = [int((groups == at).sum()) for at in range(len(periods))]
    return period_rasters(
        work, cube.geobox, periods, stacks, quality, clear=clear, images=images, about=about
    )


def _stored_names(inputs: CompositeInputs, variables: Sequence[str]) -> list[str]:
    """Name the quantities that a composite is made of: the count, the variables, and the quality."""
    names = [_RESULT.get(inputs.reducer, each) for each in variables]
    return ["count", *names, *(["quality"] if inputs.fill != "none" else [])]


def _reduced(
    inputs: CompositeInputs, series: NDArray[np.float32], groups: NDArray[np.int64], count: int
) -> list[NDArray[np.float32]]:
    """Reduce each variable of (variable, time, y, x) to (period, y, x)."""
    if inputs.reducer == "medoid":
        return list(kernels.medoid(series, groups, count))
    return [
        kernels.composite(each, groups, count, reducer=inputs.reducer, percentile=inputs.percentile)
        for each in series
    ]


def _count_clear(series: NDArray[np.float32], groups: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    """Count the images of each period in which all variables are clear: (period, y, x)."""
    together = series[0]
    if len(series) > 1:
        together = np.where(np.isfinite(series).all(axis=0), np.float32(1), np.float32(np.nan))
    return kernels.composite(together, groups, count, reducer="count")
