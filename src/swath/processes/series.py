"""Reads the bands and indices of a unit as time series, image by image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import SpectralIndex, bands_for, plan_cube, spectral_index
from swath.model import InputError
from swath.processes.inputs import CubeInputs
from swath.processes.registry import PlanLimits
from swath.processes.tiling import bands_read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from swath.cube import CubePlan
    from swath.processes.work import UnitWork


class Variables:
    """The bands and indices that a process works on, and the bands of files that they need."""

    def __init__(self, inputs: CubeInputs, items: Sequence[dict[str, Any]]) -> None:
        self.indices: dict[str, tuple[SpectralIndex, dict[str, str]]] = {}
        for name in inputs.index:
            index = spectral_index(name)
            self.indices[index.name] = (index, bands_for(index, items))
        self.own = tuple(dict.fromkeys(inputs.bands))
        needed = [each for _, chosen in self.indices.values() for each in chosen.values()]
        self.bands = tuple(dict.fromkeys((*self.own, *needed)))
        self.names = (*self.own, *self.indices)
        if not self.names:
            raise InputError("inputs: bands or an index are needed", fix="-i index=NDVI or -i bands=red,nir")

    def compute(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn the bands of one image into the variables.

        Parameters
        ----------
        data : (band, y, x) float32
            In the order of ``bands``.

        Returns
        -------
        (variable, y, x) float32
            In the order of ``names``.
        """
        out = np.empty((len(self.names), *data.shape[1:]), np.float32)
        self.compute_into(data, out)
        return out

    def compute_into(self, data: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Turn the bands of one image into the variables: (variable, y, x), written to ``out``."""
        layer = {name: data[at] for at, name in enumerate(self.bands)}
        for at, name in enumerate(self.own):
            out[at] = layer[name]
        for at, (index, chosen) in enumerate(self.indices.values(), len(self.own)):
            out[at] = index.compute({letter: layer[band] for letter, band in chosen.items()})


def bands_asked(
    inputs: Any, items: Sequence[dict[str, Any]], rules: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """Name the bands that a process will read of items, those that tell good pixels among them.

    Parameters
    ----------
    inputs : model of inputs
        Of any process; one that takes no `CubeInputs` names its bands in ``bands``, or they are not known.
    items : sequence of dict
        STAC items.
    rules : mapping
        The user's own rules for valid pixels, by collection.
    """
    if not isinstance(inputs, CubeInputs):
        return tuple(getattr(inputs, "bands", ()) or ())
    return bands_read(inputs, items, Variables(inputs, items).bands, PlanLimits(0, rules))


def unit_cube(inputs: CubeInputs, work: UnitWork, bands: Sequence[str]) -> CubePlan:
    """Plan the cube of one unit."""
    return plan_cube(
        work.items, bands, geobox=work.unit.geobox, valid=inputs.valid, own_rules=work.rules,
        resampling=inputs.resampling, longitude=work.context.get("longitude"),
    )  # fmt: skip


def read_series(cube: CubePlan, variables: Variables, work: UnitWork) -> NDArray[np.float32]:
    """Read all images of a unit, holding no more of them at once than there are threads.

    Returns
    -------
    (variable, time, y, x) float32
        NaN where no pixel is good.
    """
    _, times, height, width = cube.shape
    series = np.empty((len(variables.names), times, height, width), np.float32)

    def put(at: int) -> None:
        data, _ = cube.read(at, on_bad=work.leave_out)
        variables.compute_into(data, series[:, at])

    if work.threads == 1:
        for at in range(times):
            put(at)
    else:
        with ThreadPoolExecutor(work.threads) as pool:
            list(pool.map(put, range(times)))
    return series
