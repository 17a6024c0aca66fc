"""The ``.swath`` accessor of cubes: index, composite, fill and trend, lazy as the cube is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from swath import kernels
from swath.cube.indices import spectral_index
from swath.model import InputError, bins_of, parse_instant, parse_period, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_LETTERS = {
    "A": ("coastal",), "B": ("blue",), "G": ("green",), "R": ("red",), "RE1": ("rededge071", "rededge"),
    "N": ("nir", "nir08"), "N2": ("nir08",), "S1": ("swir16",), "S2": ("swir22",),
}  # fmt: skip


@xr.register_dataset_accessor("swath")
class SwathAccessor:
    """What can be done with a cube; each method gives a new Dataset and computes nothing yet.

    Parameters
    ----------
    dataset : xarray.Dataset, variables (time, y, x)
        As `swath.load` gives it.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def index(self, *names: str) -> xr.Dataset:
        """Compute spectral indices.

        Parameters
        ----------
        names : str
            As spyndex spells them: ``NDVI``, ``EVI``.

        Returns
        -------
        xarray.Dataset
            One variable (time, y, x), float32, for each index.

        Raises
        ------
        InputError
            An index is not known, or the cube lacks a band of it.
        """
        found = {}
        for name in names:
            index = spectral_index(name)
            bands = {letter: self._band(letter, index.name) for letter in index.letters}
            found[index.name] = index.compute(bands).astype(np.float32)
        return xr.Dataset(found, coords=self._dataset.coords)

    def _band(self, letter: str, index: str) -> Any:
        names = (*_LETTERS.get(letter, ()), letter)
        for name in names:
            if name in self._dataset:
                return self._dataset[name]
        raise InputError(
            f"index: {index} needs the band {' or '.join(names)}, which the cube lacks",
            fix="load it too", known=[str(each) for each in self._dataset.data_vars],
        )  # fmt: skip

    def composite(
        self, period: str = "P1M", reducer: str = "median", *, percentile: float = 50.0
    ) -> xr.Dataset:
        """Reduce the clear observations of each calendar period to one image.

        Parameters
        ----------
        period : str
            ISO 8601: ``P1M``, ``P16D``, ``P1Y``.
        reducer : str
            One of `swath.kernels.REDUCERS`.
        percentile : float, 0 to 100, %
            For the reducer ``percentile``.

        Returns
        -------
        xarray.Dataset
            Variables (time, y, x), ``time`` the start of each period, without holes.
        """
        if reducer not in kernels.REDUCERS:
            raise unknown(f"reducer: {reducer!r} is not known", reducer, kernels.REDUCERS)
        times = [parse_instant(str(np.datetime64(each, "s"))) for each in self._dataset.time.values]
        bins = bins_of(parse_period(period), min(times), max(times))
        groups = np.array([sum(each.start <= time for each in bins) - 1 for time in times])

        def reduce(series: NDArray[np.float32]) -> NDArray[np.float32]:
            return kernels.composite(series, groups, len(bins), reducer=reducer, percentile=percentile)

        starts = np.array([each.start.replace(tzinfo=None) for each in bins], "datetime64[ns]")
        return self._over_time(lambda array: _map_time(reduce, array, len(bins)), starts)

    def fill(self, method: str = "swag", *, images_per_year: int | None = None) -> xr.Dataset:
        """Fill the gaps of evenly spaced series, such as composites.

        Parameters
        ----------
        method : {"swag", "linear"}
            See `swath.kernels.swag` and `swath.kernels.linear`.
        images_per_year : int, optional
            For swag; seen from the time axis unless given.

        Returns
        -------
        xarray.Dataset
            Variables (time, y, x).
        """
        if method not in ("swag", "linear"):
            raise InputError(f"fill: {method!r} is not known", known=("swag", "linear"))
        times = self._dataset.time.values
        if images_per_year is None:
            step = np.median(np.diff(times)) / np.timedelta64(1, "D") if len(times) > 1 else 365.25
            images_per_year = max(1, round(365.25 / float(step)))

        def filled(series: NDArray[np.float32]) -> NDArray[np.float32]:
            if method == "linear":
                return kernels.linear(series)[0]
            return kernels.swag(series, images_per_year=images_per_year)[0]

        return self._over_time(lambda array: _map_time(filled, array, len(times)), times)

    def trend(self, *, seasonal: bool = True) -> xr.Dataset:
        """Estimate each pixel's change per year and its significance.

        Parameters
        ----------
        seasonal : bool
            Compare only observations of the same calendar month.

        Returns
        -------
        xarray.Dataset
            ``slope`` (unit of the variable per year) and ``p_value``, (y, x); with the variable's name
            before them where there are several.
        """
        times = self._dataset.time.values
        years = (times - times[0]) / np.timedelta64(1, "D") / 365.2425
        season = self._dataset.time.dt.month.values - 1 if seasonal else None

        def tested(series: NDArray[np.float32]) -> NDArray[np.float32]:
            slope, _ = kernels.theil_sen(series, years, season=season)
            _, p_value = kernels.mann_kendall(series, season=season)
            return np.stack([slope, p_value])

        found = {}
        for name, array in self._variables().items():
            both = _map_time(tested, array, 2)
            prefix = "" if len(self._variables()) == 1 else f"{name}_"
            dims = array.dims[1:]
            found[f"{prefix}slope"] = (dims, both[0])
            found[f"{prefix}p_value"] = (dims, both[1])
        coords = {key: value for key, value in self._dataset.coords.items() if "time" not in value.dims}
        return xr.Dataset(found, coords=coords)

    def _variables(self) -> dict[str, Any]:
        return {str(name): each for name, each in self._dataset.data_vars.items() if name != "valid"}

    def _over_time(self, function: Callable[[Any], Any], times: NDArray[Any]) -> xr.Dataset:
        variables = {
            name: (array.dims, function(array), array.attrs) for name, array in self._variables().items()
        }
        coords = {key: value for key, value in self._dataset.coords.items() if "time" not in value.dims}
        return xr.Dataset(variables, coords={**coords, "time": times})


def _map_time(function: Callable[[Any], Any], array: xr.DataArray, count: int) -> Any:
    """Apply a kernel to whole series, chunk by chunk of space where the array is lazy."""
    data = array.data
    if not hasattr(data, "dask"):
        return function(np.asarray(data, np.float32))
    whole = data.rechunk({0: -1})
    return whole.map_blocks(
        function, chunks=((count,), *whole.chunks[1:]), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
