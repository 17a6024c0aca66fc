"""Trends on series that can be done by hand; tests/parity compares many with pymannkendall."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from swath.kernels import mann_kendall, theil_sen, theil_sen_interval

NAN = np.nan


def test_a_line_with_an_outlier_keeps_its_slope():
    series = (2 + 0.5 * np.arange(11)).astype("f4")
    series[10] = 1000
    slope, intercept = theil_sen(series, np.arange(11))
    assert (slope.item(), intercept.item()) == (0.5, 2.0)


def test_a_constant_series_has_no_trend():
    series = np.full((20, 3), 7, "f4")
    slope, intercept = theil_sen(series, np.arange(20))
    z, p_value = mann_kendall(series)
    assert (slope == 0).all()
    assert (intercept == 7).all()
    assert (z == 0).all()
    assert (p_value == 1).all()


def test_slopes_are_scipys_for_uneven_times():
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 30, 60))
    series = rng.normal(size=(60, 40)).astype("f4").cumsum(axis=0)
    series[rng.random(series.shape) < 0.3] = NAN
    slope, intercept = theil_sen(series, times)
    for pixel, column in enumerate(series.T.astype("f8")):
        seen = np.isfinite(column)
        expected = stats.theilslopes(column[seen], times[seen], method="separate")
        np.testing.assert_allclose(slope[pixel], expected.slope, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(intercept[pixel], expected.intercept, rtol=1e-5, atol=1e-5)


def test_the_interval_is_between_the_ranks_of_gilbert():
    # 5 values: 10 slopes, V = 5 * 4 * 15 / 18; at 80 % z = 1.2816, so M = (10 - 5.23) / 2 = 2.4, about 2.
    series = np.array([0, 1, 4, 3, 9], "f4")
    slopes = np.sort([(series[j] - series[i]) / (j - i) for i in range(5) for j in range(i + 1, 5)])
    lower, slope, upper = theil_sen_interval(series, np.arange(5), confidence=0.8)
    assert (lower, upper) == (slopes[1].astype("f4"), slopes[8].astype("f4"))
    assert slope == theil_sen(series, np.arange(5))[0]


def bounds_by_sorting(column, years, *, seasons, confidence):
    """The interval as Gilbert (1987) has it, from all slopes in order."""
    slopes, variance = [], 0.0
    for first in range(seasons):
        seen = np.flatnonzero(np.isfinite(column[first::seasons])) * seasons + first
        tied = np.append(seen.size, np.unique(column[seen], return_counts=True)[1])
        parts = tied * (tied - 1) * (2 * tied + 5) / 18
        variance += parts[0] - parts[1:].sum()
        i, j = np.triu_indices(seen.size, 1)
        slopes += ((column[seen[j]] - column[seen[i]]) / (years[seen[j]] - years[seen[i]])).tolist()
    reach = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance)
    ranks = round((len(slopes) - reach) / 2) - 1, round((len(slopes) + reach) / 2)
    return np.sort(slopes)[np.clip(ranks, 0, len(slopes) - 1)].astype("f4")


@pytest.mark.parametrize(("times", "seasons", "decimals"), [(24, 3, 1), (90, 1, 5), (90, 1, 0), (60, 2, 0)])
@pytest.mark.parametrize("confidence", [0.3, 0.95, 0.9999])
def test_intervals_are_exact_ranks(times, seasons, decimals, confidence):
    rng = np.random.default_rng(times)
    series = rng.normal(size=(times, 20)).round(decimals).astype("f4")
    series[rng.random(series.shape) < 0.2] = NAN
    years = np.arange(times) / seasons
    lower, slope, upper = theil_sen_interval(series, years, season=seasons, confidence=confidence)
    np.testing.assert_array_equal(slope, theil_sen(series, years, season=seasons)[0])
    for pixel, column in enumerate(series.T.astype("f8")):
        expected = bounds_by_sorting(column, years, seasons=seasons, confidence=confidence)
        np.testing.assert_array_equal([lower[pixel], upper[pixel]], expected)


def test_a_constant_series_has_an_interval_without_width():
    for times in (np.arange(7.0), np.array([0, 0, 0, 1, 1, 1, 1.0])):
        assert [each.item() for each in theil_sen_interval(np.full(7, 3, "f4"), times)] == [0, 0, 0]


def test_stored_integers_and_any_layout_give_the_same():
    rng = np.random.default_rng(6)
    stored = rng.integers(-5, 9, (15, 4, 6)).astype("i2")
    values = np.where(stored == -5, NAN, stored * 0.5 + 2).astype("f4")
    frozen = values.copy()
    frozen.flags.writeable = False
    expected = np.stack(theil_sen_interval(values, np.arange(15)))
    packed = theil_sen_interval(stored, np.arange(15), scale=0.5, offset=2.0, nodata=-5)
    np.testing.assert_array_equal(packed, expected)
    np.testing.assert_array_equal(theil_sen_interval(np.asfortranarray(values), np.arange(15)), expected)
    np.testing.assert_array_equal(theil_sen_interval(frozen, np.arange(15), threads=3), expected)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (5, 0)])
def test_no_time_and_no_pixel_give_nothing(shape):
    empty = np.ones(shape, "f4")
    for each in theil_sen_interval(empty, np.arange(shape[0])):
        assert each.shape == shape[1:]
        assert np.isnan(each).all()


def test_images_of_the_same_time_are_not_compared():
    series = np.array([1, 9, 2, 3], "f4")
    expected = stats.theilslopes(series, [0, 0, 1, 2]).slope
    assert theil_sen(series, [0, 0, 1, 2])[0].item() == pytest.approx(expected)
    assert np.isnan(theil_sen(series, [5, 5, 5, 5])[0])


@pytest.mark.parametrize("kind", ["random", "rounded", "two values", "rising"])
def test_the_median_of_many_slopes_is_exact(kind):
    rng = np.random.default_rng(8)
    series = {
        "random": rng.normal(size=(150, 6)),
        "rounded": rng.integers(0, 4, (150, 6)),
        "two values": rng.random((150, 6)) < 0.02,
        "rising": np.arange(150)[:, None] ** np.linspace(0.5, 3, 6),
    }[kind].astype("f4")
    pairs = np.triu_indices(150, 1)
    slopes = (series[pairs[1]].astype("f8") - series[pairs[0]]) / (pairs[1] - pairs[0])[:, None]
    got = theil_sen(series, np.arange(150))[0]
    np.testing.assert_array_equal(got, np.median(slopes, axis=0).astype("f4"))


def test_fewer_than_three_observations_give_nan():
    series = np.array([[1, 1], [NAN, NAN], [2, 2], [NAN, 3]], "f4")
    times = np.arange(4)
    for result in (*theil_sen(series, times), *mann_kendall(series), *theil_sen_interval(series, times)):
        assert np.isnan(result[0])
        assert np.isfinite(result[1])


def test_seasons_without_a_pair_give_nan():
    series = np.array([1, 2, 3], "f4")
    assert np.isnan(mann_kendall(series, season=3)[0])
    assert np.isnan(theil_sen(series, np.arange(3), season=[0, 1, 2])[0])


def test_left_out_images_do_not_count():
    series = np.array([1, 50, 2, 3, 4, -80], "f4")
    season = [0, -1, 0, 0, 0, -1]
    keep = [0, 2, 3, 4]
    np.testing.assert_array_equal(mann_kendall(series, season=season), mann_kendall(series[keep]))
    np.testing.assert_array_equal(
        theil_sen(series, np.arange(6), season=season), theil_sen(series[keep], np.arange(6)[keep])
    )


def test_a_season_does_not_hide_the_trend():
    years = np.repeat(np.arange(8), 4)
    series = (years + np.tile([0, 40, 10, 30], 8)).astype("f4")
    slope, _ = theil_sen(series, years, season=4)
    assert slope.item() == 1.0
    assert mann_kendall(series, season=4)[1].item() < 1e-6 < mann_kendall(series)[1].item()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: theil_sen([1.0, 2.0], [0.0]), "one for each of the 2 images"),
        (lambda: theil_sen([1.0, 2.0], [0.0, NAN]), "finite"),
        (lambda: theil_sen_interval([1.0, 2.0], [0.0, 1.0], confidence=95), "between 0 and 1, got 95"),
        (lambda: mann_kendall([1.0, 2.0], season=0), "got 0"),
        (lambda: mann_kendall([1.0, 2.0], season=[0]), "one for each of the 2 times"),
        (lambda: mann_kendall([1.0, 2.0], season=[0.0, 1.0]), "float64"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
