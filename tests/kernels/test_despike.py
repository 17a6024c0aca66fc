"""Spikes against numpy's percentiles of each window, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels.despike import hampel, percentile_band

NAN = np.nan


def gappy(times, pixels, seed=0):
    """Noise with spikes and ties; each pixel lacks its own share, the first all and the second none."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(times, pixels)).round(rng.integers(0, 3))
    series += np.where(rng.random(series.shape) < 0.1, 8, 0)
    share = rng.random(pixels)
    share[:2] = 1, 0
    series[rng.random(series.shape) < share] = NAN
    return series.astype("f4")


def each_window(series, window, decide):
    """Ask for each observation whether it is a spike among the observations of its window."""
    spikes = np.zeros(series.shape, bool)
    for i, p in zip(*np.isfinite(series).nonzero(), strict=True):
        around = series[max(i - window // 2, 0) : i + window // 2 + 1, p].astype("f8")
        spikes[i, p] = decide(float(series[i, p]), around[np.isfinite(around)])
    return spikes


SIZES = [(30, 7), (30, 3), (40, 15), (5, 31), (4, 7), (1, 3), (2, 3)]


@pytest.mark.parametrize("margin", [0.0, 0.7])
@pytest.mark.parametrize(("times", "window"), SIZES)
def test_hampel_is_median_and_deviation_of_each_window(times, window, margin):
    def decide(value, around):
        middle = np.percentile(around, 50)
        deviation = np.percentile(np.abs(around - middle), 50)
        return len(around) >= 3 and abs(value - middle) > max(2.5 * 1.4826 * deviation, margin)

    series = gappy(times, 140, seed=times)
    despiked, spikes = hampel(series, window=window, threshold=2.5, margin=margin)
    expected = each_window(series, window, decide)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_array_equal(despiked, np.where(expected, NAN, series))
    assert spikes.any() == (times > 2)


@pytest.mark.parametrize(
    ("lower", "upper", "threshold"), [(25, 75, 1.5), (10, 90, 0), (40, 70, 0.5), (50, 50, 0)]
)
@pytest.mark.parametrize(("times", "window"), SIZES)
def test_the_band_is_numpys_percentiles_of_each_window(times, window, lower, upper, threshold):
    def decide(value, around):
        low, high = np.percentile(around, [lower, upper])
        reach = max(threshold * (high - low), 0.3)
        return len(around) >= 4 and (low - value > reach or value - high > reach)

    series = gappy(times, 70, seed=times)
    band = {"lower": lower, "upper": upper, "threshold": threshold, "margin": 0.3}
    despiked, spikes = percentile_band(series, window=window, **band)
    expected = each_window(series, window, decide)
    np.testing.assert_array_equal(spikes, expected)
    np.testing.assert_array_equal(despiked, np.where(expected, NAN, series))


def test_a_cloud_that_was_missed_is_found_in_a_season_and_nothing_else():
    times = np.arange(60)
    series = (0.5 + 0.3 * np.sin(times / 8)).astype("f4")
    clouded = series.copy()
    clouded[[10, 20, 55]] = 0.05
    clouded[[11, 22, 40]] = NAN
    for find in (hampel, percentile_band):
        despiked, spikes = find(clouded, window=9, margin=0.1)
        np.testing.assert_array_equal(spikes.nonzero()[0], [10, 20, 55])
        seen = np.isfinite(despiked)
        np.testing.assert_array_equal(despiked[seen], series[seen])
        assert not find(series, window=9, margin=0.1)[1].any()


def test_few_observations_are_no_spikes():
    series = np.array([1, NAN, 1, 1, 90, NAN, NAN], "f4")
    assert hampel(series, window=9, min_observations=4)[1].nonzero()[0].tolist() == [4]
    assert not hampel(series, window=9, min_observations=5)[1].any()


def test_infinite_values_are_gaps_and_no_spikes():
    series = np.array([1, np.inf, 1, 1, -np.inf, 1, 1], "f4")
    for find in (hampel, percentile_band):
        despiked, spikes = find(series, window=5)
        np.testing.assert_array_equal(despiked, np.where(np.isfinite(series), series, NAN))
        assert not spikes.any()


@pytest.mark.parametrize("find", [hampel, percentile_band])
def test_integers_layouts_and_threads_give_the_same(find):
    stored = np.random.default_rng(3).integers(1, 200, (14, 5, 120)).astype("i2")
    stored[stored < 60] = -1
    series = np.where(stored == -1, NAN, stored * np.float64(0.5) + 2).astype("f4")
    expected, spikes = find(series, window=7, threshold=1)
    assert spikes.dtype == np.bool_
    assert spikes.any()
    frozen = np.asfortranarray(series)
    frozen.flags.writeable = False
    for got in (
        find(stored, window=7, threshold=1, scale=0.5, offset=2, nodata=-1),
        find(frozen, window=7, threshold=1, threads=3),
    ):
        np.testing.assert_array_equal(got[0], expected)
        np.testing.assert_array_equal(got[1], spikes)
    alone = find(np.ascontiguousarray(series[:, 2, 7]), window=7, threshold=1)
    np.testing.assert_array_equal(alone[0], expected[:, 2, 7])


@pytest.mark.parametrize("find", [hampel, percentile_band])
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0,)])
def test_nothing_gives_nothing(find, shape):
    for result in find(np.empty(shape, "f4"), window=5):
        assert result.shape == shape


@pytest.mark.parametrize("find", [hampel, percentile_band])
def test_constant_and_empty_series_have_no_spikes(find):
    series = np.full((12, 2), 7, "f4")
    series[3:5, 0] = NAN
    series[:, 1] = NAN
    despiked, spikes = find(series, window=5, threshold=0)
    np.testing.assert_array_equal(despiked, series)
    assert not spikes.any()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: hampel([1.0], window=4), "window.*got 4"),
        (lambda: hampel([1.0], window=1), "window.*got 1"),
        (lambda: hampel([1.0], window=3, threshold=-1), "threshold.*got -1"),
        (lambda: hampel([1.0], window=3, margin=NAN), "margin.*got nan"),
        (lambda: hampel([1.0], window=3, min_observations=0), "min_observations.*got 0"),
        (lambda: percentile_band([1.0], window=3, lower=60, upper=40), "lower, upper.*got 60 and 40"),
        (lambda: percentile_band([1.0], window=3, upper=101), "lower, upper.*101"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
