"""The process ``trend``: slope and significance of each pixel's series."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from swath import kernels
from swath.model import parse_instant
from swath.processes.columns import over_columns, stored_bytes
from swath.processes.inputs import RasterInputs
from swath.processes.periods import time_span, years_since
from swath.processes.registry import PlanLimits, process
from swath.processes.series import Variables, unit_cube
from swath.processes.tiling import plan_tiles
from swath.products import Layer, Raster, quantity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from swath.processes.work import UnitWork, WorkPlan


_MADE = ("slope", "p_value", "count")
"""Layers that each variable gives."""


class TrendInputs(RasterInputs):
    """Inputs of ``trend``."""

    seasonal: bool = Field(
        default=True,
        description="Compare only observations of the same calendar month, so that the season is no trend.",
    )


def _plan(inputs: TrendInputs, items: Sequence[dict[str, Any]], limits: PlanLimits) -> WorkPlan:
    variables = Variables(inputs, items)

    def bytes_per_pixel(_times: int) -> float:
        return len(variables.names) * stored_bytes(_MADE) + 64

    def column_bytes(times: int) -> float:
        return len(variables.names) * (5.0 * times + 32) + 24 * len(variables.bands) + 64

    return plan_tiles(
        inputs, items, variables.bands, limits=limits, bytes_per_pixel=bytes_per_pixel,
        column_bytes=column_bytes, context=time_span(items, inputs.datetime),
    )  # fmt: skip


@process("trend", title="Trend of each pixel", inputs=TrendInputs, plan=_plan)
def trend(inputs: TrendInputs, work: UnitWork) -> list[Raster]:
    """Estimate each pixel's change per year (Theil-Sen slope) and its significance (Mann-Kendall test).

    Both in their seasonal forms unless ``seasonal`` is false: only observations of the same month are
    compared (Hirsch, Slack and Smith 1982).
    """
    variables = Variables(inputs, work.items)
    cube = unit_cube(inputs, work, variables.bands)
    years = years_since(cube.times, work.context["start"])
    count = len(variables.names)
    season = np.array([each.time.month - 1 for each in cube.groups]) if inputs.seasonal else None

    def compute(series: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        found = []
        for each in series:
            slope, _ = kernels.theil_sen(each, years, season=season)
            _, p_value = kernels.mann_kendall(each, season=season)
            found += [slope, p_value, np.isfinite(each).sum(axis=0).astype(np.float32)]
        return found

    made = over_columns(cube, variables, work, compute, [quantity_of(each) for each in _MADE] * count)
    layers = []
    for name, found in zip(variables.names, itertools.batched(made, len(_MADE)), strict=True):
        prefix = "" if count == 1 else f"{name}_"
        layers += [
            Layer(f"{prefix}{what}", each.numbers, each.quantity, saturated=int(each.clipped))
            for what, each in zip(_MADE, found, strict=True)
        ]
    start, end = parse_instant(work.context["start"]), parse_instant(work.context["end"])
    return [
        Raster(
            id=f"{work.name}_trend", start=start, end=end, layers=tuple(layers), geobox=cube.geobox,
            properties={"swath:images": len(cube.groups), "swath:seasonal": inputs.seasonal},
            title=f"Change of {', '.join(variables.names)} per year, {start:%Y-%m-%d} to {end:%Y-%m-%d}",
        )
    ]  # fmt: skip
