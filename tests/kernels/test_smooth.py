"""Smoothers against fits of numpy to each window, and to each whole series."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels.smooth import savitzky_golay, whittaker, whittaker_auto

NAN = np.nan


def gappy(times, pixels, seed=0):
    """Random walks, of which each pixel lacks its own share; the first pixel lacks all, the second none."""
    rng = np.random.default_rng(seed)
    series = rng.normal(size=(times, pixels)).cumsum(axis=0).astype("f4")
    share = rng.random(pixels)
    share[:2] = 1, 0
    series[rng.random(series.shape) < share] = NAN
    return series


def local_polynomials(series, window, order):
    """The definition: one fit for each pixel and time, of the order that the observations allow."""
    times = len(series)
    size = min(window, times)
    out = np.full(series.shape, NAN)
    for i in range(times):
        start = min(max(i - window // 2, 0), times - size)
        index = np.arange(start, start + size)
        for pixel, column in enumerate(series.T.astype("f8")):
            seen = index[np.isfinite(column[index])]
            if len(seen):
                powers = np.vander(seen - i, min(order, len(seen) - 1) + 1, increasing=True).astype("f8")
                out[i, pixel] = np.linalg.lstsq(powers, column[seen])[0][0]
    return out


def penalised(column, smoothness, order, weights):
    """The definition: the normal equations of one pixel, as a full matrix."""
    differences = np.diff(np.eye(len(column)), n=order, axis=0)
    clear = np.isfinite(column) & (weights > 0) & np.isfinite(weights)
    if clear.sum() < order:
        return np.full(len(column), NAN), clear
    share = np.where(clear, weights, 0)
    right = share * np.where(clear, column, 0)
    return np.linalg.solve(np.diag(share) + smoothness * differences.T @ differences, right), clear


@pytest.mark.parametrize(
    ("times", "window", "order"),
    [
        *[(30, 7, 2), (30, 11, 2), (30, 5, 1), (30, 9, 3), (30, 9, 4), (30, 5, 0), (30, 3, 2), (9, 9, 2)],
        *[(4, 31, 2), (1, 5, 2), (2, 5, 1), (3, 1, 0)],
    ],
)
def test_each_value_is_that_of_a_polynomial_fitted_to_its_window(times, window, order):
    series = gappy(times, 40, seed=times * window)
    got = savitzky_golay(series, window=window, order=order)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, local_polynomials(series, window, order), rtol=1e-5, atol=1e-5)


def test_a_pixel_without_gaps_does_not_know_those_beside_it():
    series = gappy(25, 300)
    alone = savitzky_golay(np.ascontiguousarray(series[:, 1]), window=7)
    np.testing.assert_array_equal(savitzky_golay(series, window=7)[:, 1], alone)


def test_an_outlier_matters_only_within_its_window():
    series = np.ones(40, "f4")
    series[[3, 20]] = NAN, 1e30
    got = savitzky_golay(series, window=5)
    np.testing.assert_array_equal(got[:18], 1)
    np.testing.assert_array_equal(got[23:], 1)


def test_kept_observations_are_the_same_bits():
    series = gappy(20, 30)
    got = savitzky_golay(series, window=7, keep_observed=True)
    seen = np.isfinite(series)
    np.testing.assert_array_equal(got[seen], series[seen])
    np.testing.assert_array_equal(got[~seen], savitzky_golay(series, window=7)[~seen])


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(
    ("times", "smoothness"), [(40, 10.0), (40, 0.01), (40, 1e5), (5, 3.0), (4, 3.0), (3, 3.0)]
)
def test_whittaker_solves_the_penalised_least_squares(times, smoothness, order):
    series = gappy(times, 40, seed=times)
    weights = np.random.default_rng(1).uniform(0.1, 3, series.shape).astype("f4")
    weights[0, ::5], weights[1, ::7], weights[2, ::9] = 0, NAN, -1
    got = whittaker(series, smoothness=smoothness, order=order, weights=weights)
    for pixel, column in enumerate(series.T.astype("f8")):
        expected, _ = penalised(column, smoothness, order, weights[:, pixel].astype("f8"))
        np.testing.assert_allclose(got[:, pixel], expected, rtol=2e-4, atol=1e-5)


def test_no_weights_count_as_ones():
    series = gappy(30, 20)
    with_ones = whittaker(series, weights=np.ones_like(series))
    np.testing.assert_array_equal(whittaker(series), with_ones)
    cut = whittaker(series.reshape(30, 4, 5)[:, 1:], weights=np.ones((30, 3, 5), "f4"))
    np.testing.assert_array_equal(cut, with_ones.reshape(30, 4, 5)[:, 1:])


def test_a_line_is_not_penalised_nor_a_parabola():
    times = np.arange(20, dtype="f4")
    series = np.stack([3 + 2 * times, times**2], axis=1)
    series[[0, 5, 6, 19]] = NAN
    np.testing.assert_allclose(whittaker(series, smoothness=1e6)[:, 0], 3 + 2 * times, rtol=1e-5)
    np.testing.assert_allclose(
        whittaker(series, smoothness=1e6, order=3)[:, 1], times**2, rtol=1e-4, atol=1e-3
    )


def test_too_few_observations_give_nan():
    series = np.full((10, 3), NAN, "f4")
    series[[2, 7], 1] = 1, 2
    series[4, 2] = 1
    assert np.isnan(whittaker(series)[:, [0, 2]]).all()
    np.testing.assert_allclose(whittaker(series)[:, 1], 0.6 + 0.2 * np.arange(10), rtol=1e-5)
    assert np.isnan(whittaker(series, order=3)).all()
    smoothed, smoothness = whittaker_auto(series)
    assert np.isnan(smoothed[:, [0, 2]]).all()
    np.testing.assert_array_equal(np.isnan(smoothness), [True, False, True])


def test_what_float64_cannot_hold_is_nan_and_not_wrong():
    series = np.full(2000, NAN, "f4")
    series[:2] = 0, 1
    assert np.isnan(whittaker(series, smoothness=1e8)).all()


@pytest.mark.parametrize("order", [2, 3])
def test_the_v_curve_chooses_where_the_l_curve_moves_least(order):
    series = gappy(40, 30, seed=5)
    weights = np.random.default_rng(1).uniform(0.5, 2, series.shape).astype("f4")
    exponents = np.linspace(-1, 3, 9)
    smoothed, smoothness = whittaker_auto(series, exponents=exponents, order=order, weights=weights)
    differences = np.diff(np.eye(40), n=order, axis=0)
    chosen = 0
    for pixel, column in enumerate(series.T.astype("f8")):
        weight = weights[:, pixel].astype("f8")
        if np.isfinite(column).sum() < 8:
            continue
        curve = []
        for exponent in exponents:
            line, clear = penalised(column, 10**exponent, order, weight)
            fit = np.sum(weight[clear] * (column - line)[clear] ** 2)
            curve.append(np.log([fit, np.sum((differences @ line) ** 2)]))
        least = np.argmin(np.linalg.norm(np.diff(curve, axis=0), axis=1) / np.diff(exponents))
        best = 10 ** ((exponents[least] + exponents[least + 1]) / 2)
        np.testing.assert_allclose(smoothness[pixel], best, rtol=1e-6)
        expected, _ = penalised(column, best, order, weight)
        np.testing.assert_allclose(smoothed[:, pixel], expected, rtol=1e-4, atol=1e-4)
        chosen += 1
    assert chosen > 15


CALLS = {
    "savitzky_golay": lambda x, **given: savitzky_golay(x, window=5, **given),
    "whittaker": whittaker,
    "whittaker_auto": lambda x, **given: whittaker_auto(x, **given)[0],
}


@pytest.mark.parametrize("name", CALLS)
def test_integers_layouts_and_threads_give_the_same(name):
    call = CALLS[name]
    stored = np.random.default_rng(3).integers(1, 200, (12, 5, 120)).astype("i2")
    stored[stored < 60] = -1
    series = np.where(stored == -1, NAN, stored * np.float64(0.5) + 2).astype("f4")
    expected = call(series)
    np.testing.assert_array_equal(call(stored, scale=0.5, offset=2, nodata=-1), expected)
    np.testing.assert_array_equal(call(np.asfortranarray(series), threads=3), expected)
    series[np.isnan(series)] = np.inf
    series.flags.writeable = False
    np.testing.assert_array_equal(call(series), expected)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (3, 2, 0), (0,)])
def test_nothing_gives_nothing(name, shape):
    series = np.empty(shape, "f4")
    weights = {} if name == "savitzky_golay" else {"weights": series}
    assert CALLS[name](series, **weights).shape == shape


@pytest.mark.parametrize("name", CALLS)
def test_a_constant_series_stays_constant_and_one_without_a_value_empty(name):
    series = np.full((15, 2), 7.25, "f4")
    series[[0, 4, 5, 14], 0] = NAN
    series[:, 1] = NAN
    got = CALLS[name](series)
    np.testing.assert_allclose(got[:, 0], 7.25, rtol=1e-5)
    assert np.isnan(got[:, 1]).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: savitzky_golay([1.0], window=4), "window.*got 4"),
        (lambda: savitzky_golay([1.0], window=-1), "window.*got -1"),
        (lambda: savitzky_golay([1.0], window=3, order=3), "order.*0 to 2.*got 3"),
        (lambda: savitzky_golay([1.0], window=9, order=5), "order.*0 to 4.*got 5"),
        (lambda: whittaker([1.0], smoothness=0), "smoothness.*got 0"),
        (lambda: whittaker([1.0], smoothness=NAN), "smoothness.*got nan"),
        (lambda: whittaker([1.0], smoothness=1e10), "smoothness.*got 1"),
        (lambda: whittaker([1.0], order=1), "order.*got 1"),
        (lambda: whittaker([1.0, 2.0], weights=[1.0]), r"weights.*\(2,\).*got \(1,\)"),
        (lambda: whittaker_auto([1.0], exponents=[1.0]), "exponents"),
        (lambda: whittaker_auto([1.0], exponents=[2.0, 1.0]), "exponents"),
        (lambda: whittaker_auto([1.0], exponents=[2.0, 12.0]), "exponents"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
