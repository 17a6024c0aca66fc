"""Trend kernels against scipy and pymannkendall, on 2000 random series with ties and gaps."""

from __future__ import annotations

import numpy as np
import pymannkendall
import pytest
from scipy import stats

from swath.kernels import mann_kendall, theil_sen, theil_sen_interval


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


def assert_is_tested_so(z, p_value, expected):
    np.testing.assert_allclose(z, [each.z for each in expected], rtol=1e-6)
    np.testing.assert_allclose(p_value, [each.p for each in expected], rtol=1e-5, atol=1e-12)


def assert_is_the_line(slope, intercept, expected):
    np.testing.assert_allclose(slope, [each.slope for each in expected], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(intercept, [each.intercept for each in expected], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("times", "count"), [(4, 300), (7, 300), (15, 300), (30, 200), (75, 50)])
def test_trends_are_pymannkendalls(times, count):
    series = random_series(count, times, seed=times)
    columns = list(series.T.astype("f8"))
    tested = [pymannkendall.original_test(each[np.isfinite(each)]) for each in columns]
    assert_is_tested_so(*mann_kendall(series), tested)
    lines = [pymannkendall.sens_slope(each) for each in columns]
    assert_is_the_line(*theil_sen(series, np.arange(times)), lines)


@pytest.mark.parametrize(("years", "season", "count"), [(3, 4, 400), (5, 2, 300), (4, 6, 200), (6, 12, 50)])
def test_seasonal_trends_are_pymannkendalls(years, season, count):
    series = random_series(count, years * season, seed=years)
    series[: 2 * season] = np.nan_to_num(series[: 2 * season])
    columns = list(series.T.astype("f8"))
    tested = [pymannkendall.seasonal_test(each, period=season) for each in columns]
    assert_is_tested_so(*mann_kendall(series, season=season), tested)
    lines = [pymannkendall.seasonal_sens_slope(each, period=season) for each in columns]
    assert_is_the_line(*theil_sen(series, np.arange(len(series)) / season, season=season), lines)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("times", [4, 9, 20, 60])
def test_intervals_are_scipys(times, confidence):
    series = random_series(80, times, seed=times + 1)
    when = np.sort(np.random.default_rng(times).integers(0, 2 * times, times)).astype("f8")
    when[:2] = [-2, -1]  # so that two differ in each series
    got = np.array(theil_sen_interval(series, when, confidence=confidence))
    for pixel, column in enumerate(series.T.astype("f8")):
        seen = np.isfinite(column)
        line = stats.theilslopes(column[seen], when[seen], alpha=confidence)
        if np.isnan(line.low_slope):  # ties of both kinds make the variance negative: 0 here
            assert (got[:, pixel] == got[1, pixel]).all()
            continue
        expected = line.low_slope, line.slope, line.high_slope
        np.testing.assert_allclose(got[:, pixel], expected, rtol=1e-6, atol=1e-12)
