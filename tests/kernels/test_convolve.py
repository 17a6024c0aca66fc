"""Normalised convolution against its definition as a matrix product, and against `swag`."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels import swag
from swath.kernels.convolve import convolve

NAN = np.nan


def gappy(times, pixels, seed=0):
    """Positive values; each pixel lacks its own share, the first all and the second none."""
    rng = np.random.default_rng(seed)
    series = rng.uniform(0.1, 1, (times, pixels)).astype("f4")
    share = rng.random(pixels)
    share[:2] = 1, 0
    series[rng.random(series.shape) < share] = NAN
    return series


def weighted_means(series, matrix, keep):
    """The definition: weighted sums over observations, divided by the sums of the weights."""
    seen = np.isfinite(series)
    used = matrix @ seen
    possible = (matrix - np.diag(np.diag(matrix))).sum(axis=1)[:, np.newaxis]
    with np.errstate(divide="ignore", invalid="ignore"):
        filled = matrix @ np.where(seen, series, 0).astype("f8") / used
        quality = np.where(used > 0, 100 * used / possible, NAN)
    return np.where(seen & keep, series, filled), np.where(seen, 100, quality)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("times", [1, 2, 4, 30, 33])
def test_each_gap_is_the_weighted_mean(times, keep):
    rng = np.random.default_rng(times)
    series = gappy(times, 150)
    matrix = rng.uniform(0, 1, (times, times)) * (rng.random((times, times)) < 0.3)
    filled, quality = convolve(series, matrix, keep_observed=keep)
    expected, grade = weighted_means(series, matrix, keep)
    np.testing.assert_allclose(filled, expected, rtol=1e-6)
    np.testing.assert_allclose(quality, grade, rtol=1e-6)


def test_weights_by_lag_are_those_of_a_matrix():
    series = gappy(12, 60)
    lags = np.random.default_rng(1).uniform(0, 1, 23)
    by_lag = np.array([[lags[i - j + 11] for j in range(12)] for i in range(12)])
    np.testing.assert_array_equal(convolve(series, lags), convolve(series, by_lag))
    either_side = np.concatenate([lags[:11:-1], lags[11:]])
    np.testing.assert_array_equal(convolve(series, lags[11:]), convolve(series, either_side))
    past = np.where(np.triu(np.ones((12, 12)), 1) > 0, 0.25 * by_lag, by_lag)
    np.testing.assert_array_equal(convolve(series, lags, future_weight=0.25), convolve(series, past))


@pytest.mark.parametrize(("season", "future"), [(6, 1.0), (4, 0.1), (23, 0.0)])
def test_the_weights_of_swag_give_what_swag_gives(season, future):
    series = gappy(138, 300, seed=season)
    lag = np.arange(138)
    turn = lag % season
    decibel = -(2 * 60 / (10 * season)) * np.minimum(turn, season - turn) - 20 / 10 * lag / 138
    got = convolve(series, 10**decibel, future_weight=future)
    expected = swag(series, images_per_year=season, future_weight=future)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-6)  # swag may sum in float32


def test_observations_are_kept_bit_for_bit():
    series = gappy(20, 40)
    filled, quality = convolve(series, np.ones(20))
    seen = np.isfinite(series)
    np.testing.assert_array_equal(filled[seen].view("u4"), series[seen].view("u4"))
    assert (quality[seen] == 100).all()
    assert np.nanmax(quality) <= 100


def test_no_weight_gives_nan():
    series = np.array([NAN, 4, NAN, NAN], "f4")
    filled, quality = convolve(series, [1, 1, 0, 0])
    np.testing.assert_array_equal(filled, np.array([4, 4, 4, NAN], "f4"))
    np.testing.assert_array_equal(quality, np.array([100, 100, 50, NAN], "f4"))
    for result in convolve(series, np.zeros(4), keep_observed=False):
        assert np.isnan(result[[0, 2, 3]]).all()


def test_integers_layouts_and_threads_give_the_same():
    stored = np.random.default_rng(3).integers(1, 200, (13, 5, 120)).astype("i2")
    stored[stored < 60] = -1
    series = np.where(stored == -1, NAN, stored * np.float64(0.5) + 2).astype("f4")
    weights = np.exp(-np.arange(13))
    expected = convolve(series, weights)
    infinite = np.where(np.isnan(series), -np.inf, series).astype("f4")
    infinite.flags.writeable = False
    np.testing.assert_array_equal(convolve(stored, weights, scale=0.5, offset=2, nodata=-1), expected)
    np.testing.assert_array_equal(convolve(np.asfortranarray(series), weights, threads=3), expected)
    np.testing.assert_array_equal(convolve(infinite, weights), expected)
    alone = convolve(np.ascontiguousarray(series[:, 2, 7]), weights)
    np.testing.assert_array_equal(alone, np.array(expected)[:, :, 2, 7])


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0,)])
def test_nothing_gives_nothing(shape):
    for result in convolve(np.empty(shape, "f4"), np.ones((shape[0], shape[0]))):
        assert result.shape == shape


def test_a_constant_series_stays_constant_and_one_without_a_value_empty():
    series = np.full((9, 2), 3.5, "f4")
    series[[0, 4], 0] = NAN
    series[:, 1] = NAN
    filled, quality = convolve(series, 0.3 ** np.arange(9), keep_observed=False)
    np.testing.assert_allclose(filled[:, 0], 3.5, rtol=1e-6)
    assert np.isnan(filled[:, 1]).all()
    assert np.isnan(quality[:, 1]).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: convolve([1.0, 2.0, 3.0], [1.0, 2.0]), r"weights.*\(3,\), \(5,\) or \(3, 3\).*got \(2,\)"),
        (lambda: convolve([1.0], [-1.0]), "weights.*got -1"),
        (lambda: convolve([1.0, 2.0], [1.0, np.inf]), "weights.*finite"),
        (lambda: convolve([1.0, 2.0], [1.0, NAN]), "weights.*finite"),
        (lambda: convolve([1.0], [1.0], future_weight=-1), "future_weight.*got -1"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
