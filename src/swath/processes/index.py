"""The process ``index``: spectral indices of each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.model import format_instant
from swath.processes.inputs import RasterInputs
from swath.processes.periods import time_span
from swath.processes.registry import PlanLimits, process
from swath.processes.series import Variables, read_series, unit_cube
from swath.processes.tiling import plan_tiles
from swath.products import Layer, Raster, quantity_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.processes.work import UnitWork, WorkPlan


def _plan(inputs: RasterInputs, items: Sequence[dict[str, Any]], limits: PlanLimits) -> WorkPlan:
    variables = Variables(inputs, items)

    def bytes_per_pixel(times: int) -> float:
        return 4.0 * len(variables.names) * times + 24 * len(variables.bands) + 64

    return plan_tiles(
        inputs, items, variables.bands, limits=limits, bytes_per_pixel=bytes_per_pixel,
        context=time_span(items, inputs.datetime),
    )  # fmt: skip


@process("index", title="Spectral indices of each image", inputs=RasterInputs, plan=_plan)
def index(inputs: RasterInputs, work: UnitWork) -> list[Raster]:
    """Compute spectral indices (and take bands) of each image: mosaicked by day, scaled and masked.

    Images without a single clear pixel in the unit's tile are left out.
    """
    variables = Variables(inputs, work.items)
    cube = unit_cube(inputs, work, variables.bands)
    series = read_series(cube, variables, work)
    rasters = []
    for at, group in enumerate(cube.groups):
        clear = np.isfinite(series[:, at]).any(axis=0)
        if not clear.any():
            continue
        stamp = format_instant(group.time).replace("-", "").replace(":", "")
        percent = round(100 * float(clear.mean()), 2)
        layers = [Layer(name, series[n, at], quantity_of(name)) for n, name in enumerate(variables.names)]
        rasters.append(
            Raster(
                id=f"{work.name}_{stamp}", start=group.time, end=group.time, layers=tuple(layers),
                geobox=cube.geobox, properties={"swath:observed_percent": percent},
                title=f"{', '.join(variables.names)} of {group.time:%Y-%m-%d}",
            )
        )  # fmt: skip
    return rasters
