"""Kernels on a graphics card: their steps give what the loops give, and CuPy's arrays take the same calls."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels import REDUCERS, _device, composite, fill, swag
from swath.kernels.composite import sort_times


def gappy(shape=(30, 7, 41), seed=0):
    rng = np.random.default_rng(seed)
    series = rng.normal(0.3, 0.2, shape).astype("f4")
    series[rng.random(shape) < 0.5] = np.nan
    series[:, 0, :3] = np.nan
    series[4, 1, 1] = np.inf
    return series


@pytest.fixture
def cupy():
    module = pytest.importorskip("cupy", reason="needs CuPy")
    try:
        module.cuda.runtime.getDeviceCount()
    except module.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"needs a CUDA device: {error}")
    return module


@pytest.mark.parametrize("season", [1, 2, 4, 6, 40])
@pytest.mark.parametrize("future", [0.0, 0.1, 1.0])
def test_the_steps_of_swag_give_the_bits_of_the_loops(season, future):
    series = gappy()
    filled, quality = swag(series, images_per_year=season, future_weight=future)
    weights, rho, largest = fill._weights(len(series), season, 60.0, 20.0, future)
    real = np.float32
    made = _device.swag(
        series.reshape(30, -1), weights.astype(real), real(rho), real(future), largest.astype(real)
    )
    np.testing.assert_array_equal(made[0].reshape(series.shape), filled)
    np.testing.assert_array_equal(made[1].reshape(series.shape), quality)


@pytest.mark.parametrize("reducer", REDUCERS)
def test_the_steps_of_composite_give_what_the_loops_give(reducer):
    series = gappy()
    groups = np.arange(30) // 7 - 1  # the first are left out; period 3 has two images, period 4 none
    expected = composite(series, groups, 5, reducer=reducer, percentile=30)
    order, starts = sort_times(groups, 5, 30, name="groups")
    fraction = 0.5 if reducer == "median" else 0.3
    made = _device.composite(series.reshape(30, -1), order, starts, reducer, fraction)
    np.testing.assert_allclose(made.reshape(expected.shape), expected, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(made.reshape(expected.shape)), np.isnan(expected))


def test_stored_numbers_become_values():
    stored = np.array([[0, 100], [-32768, 300]], "i2")
    made = _device.values_of(stored, scale=0.01, offset=1.0, nodata=-32768)
    np.testing.assert_array_equal(made, np.array([[1, 2], [np.nan, 4]], "f4"))


def test_arrays_on_a_card_go_through_the_same_calls(cupy):
    series = gappy((60, 50, 41))
    there = cupy.asarray(series)
    for here, device in (
        (swag(series, images_per_year=6), swag(there, images_per_year=6)),
        *(
            ((composite(series, np.arange(60) // 6, 10, reducer=each),),
             (composite(there, np.arange(60) // 6, 10, reducer=each),))
            for each in REDUCERS
        ),
    ):  # fmt: skip
        for ours, theirs in zip(here, device, strict=True):
            assert isinstance(theirs, cupy.ndarray)
            np.testing.assert_allclose(cupy.asnumpy(theirs), ours, rtol=1e-5)
