"""The process ``composite``: one image for each calendar period, its gaps filled on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from swath import kernels
from swath.kernels import REDUCERS
from swath.model import parse_period
from swath.processes.filling import FillOptions, Stack, fill_gaps, period_rasters
from swath.processes.inputs import Period, one_of
from swath.processes.periods import groups_of, periods_of, time_span
from swath.processes.registry import PlanLimits, process
from swath.processes.series import Variables, over_rows, read_series, unit_cube
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

    def bytes_per_pixel(times: int) -> float:
        scratch = 24 * len(variables.bands) + 64
        return 4.0 * (count * (2 * times + 4 * periods) + 2 * periods) + scratch

    return plan_tiles(
        inputs, items, variables.bands, limits=limits, bytes_per_pixel=bytes_per_pixel, context=context
    )


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
    series = read_series(cube, variables, work)
    layers, clear = _reduced(inputs, series, groups, len(periods), work.threads)
    del series
    quality = None
    if inputs.fill != "none":
        layers, quality = fill_gaps(inputs, layers, parse_period(inputs.period).per_year(), work.threads)
    quantities = [quantity_of(_RESULT.get(inputs.reducer, name)) for name in variables.names]
    stacks = [Stack(*each) for each in zip(variables.names, layers, quantities, strict=True)]
    about = f"{', '.join(variables.names)}, {inputs.reducer}"
    images = [int((groups == at).sum()) for at in range(len(periods))]
    return period_rasters(
        work, cube.geobox, periods, stacks, quality, clear=clear, images=images, about=about
    )


def _reduced(
    inputs: CompositeInputs, series: NDArray[np.float32], groups: NDArray[np.int64], count: int, threads: int
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Reduce each variable; and count the images in which all variables are clear."""

    def counted(stripe: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        together = np.where(np.isfinite(stripe).all(axis=0), np.float32(1), np.float32(np.nan))
        return (kernels.composite(together, groups, count, reducer="count"),)

    def medoid(stripe: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return tuple(kernels.medoid(stripe, groups, count))

    def reduced(stripe: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return (
            kernels.composite(stripe, groups, count, reducer=inputs.reducer, percentile=inputs.percentile),
        )

    (clear,) = over_rows(counted, series, threads)
    if inputs.reducer == "medoid":
        return list(over_rows(medoid, series, threads)), clear
    return [over_rows(reduced, each, threads)[0] for each in series], clear
