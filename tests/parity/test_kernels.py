"""Trend kernels against pymannkendall, on hundreds of random series with ties and gaps."""

from __future__ import annotations

import numpy as np
import pymannkendall
import pytest

from swath.kernels import mann_kendall, theil_sen


def random_series(count, times, seed):
    """Noise, trends, ties (rounded values) and gaps; at least four observations each."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(times, count)) + np.outer(np.arange(times), rng.normal(0, 0.1, count))
    decimals = rng.integers(0, 3, count)
    for pixel in range(count):
        series[:, pixel] = series[:, pixel].round(decimals[pixel])
    gaps = rng.random(series.shape) < rng.uniform(0, 0.7, count)
    gaps[:4] = False
    return np.where(gaps, np.nan, series).astype("f4")


@pytest.mark.parametrize("times", [4, 15, 36, 75])
def test_trends_are_pymannkendalls(times):
    series = random_series(60, times, seed=times)
    z, p_value = mann_kendall(series)
    slope, intercept = theil_sen(series, np.arange(times))
    for pixel, column in enumerate(series.T.astype("f8")):
        expected = pymannkendall.original_test(column[np.isfinite(column)])
        np.testing.assert_allclose(z[pixel], expected.z, rtol=1e-6)
        np.testing.assert_allclose(p_value[pixel], expected.p, rtol=1e-5, atol=1e-12)
        line = pymannkendall.sens_slope(column)
        np.testing.assert_allclose(slope[pixel], line.slope, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(intercept[pixel], line.intercept, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("years", "season"), [(3, 4), (6, 12), (20, 2)])
def test_seasonal_trends_are_pymannkendalls(years, season):
    series = random_series(50, years * season, seed=years)
    series[: 2 * season] = np.nan_to_num(series[: 2 * season])
    z, p_value = mann_kendall(series, season=season)
    slope, intercept = theil_sen(series, np.arange(len(series)) / season, season=season)
    for pixel, column in enumerate(series.T.astype("f8")):
        expected = pymannkendall.seasonal_test(column, period=season)
        np.testing.assert_allclose(z[pixel], expected.z, rtol=1e-6)
        np.testing.assert_allclose(p_value[pixel], expected.p, rtol=1e-5, atol=1e-12)
        line = pymannkendall.seasonal_sens_slope(column, period=season)
        np.testing.assert_allclose(slope[pixel], line.slope, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(intercept[pixel], line.intercept, rtol=1e-5, atol=1e-5)
