"""Harmonic regression against numpy's least squares, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels.harmonic import harmonic

NAN = np.nan


def gappy(times, pixels, seed=0):
    """A season, a line and noise; each pixel lacks its own share, the first all and the second none."""
    rng = np.random.default_rng(seed)
    at = np.arange(times)[:, np.newaxis]
    series = rng.normal(size=pixels) + 0.02 * at + np.sin(at / 2) + rng.normal(0, 0.2, (times, pixels))
    share = rng.random(pixels)
    share[:2] = 1, 0
    series[rng.random(series.shape) < share] = NAN
    return series.astype("f4")


def design(times, period, harmonics, trend):
    """The formula of the docstring, term by term."""
    terms = [np.ones(len(times))] + ([times] if trend else [])
    for h in range(1, harmonics + 1):
        terms += [np.cos(2 * np.pi * h * times / period), np.sin(2 * np.pi * h * times / period)]
    return np.stack(terms, axis=1)


@pytest.mark.parametrize(("harmonics", "trend"), [(1, True), (2, True), (3, False), (1, False), (4, True)])
def test_the_curve_is_that_of_least_squares(harmonics, trend):
    series = gappy(50, 150, seed=harmonics)
    times = 3 + np.sort(np.random.default_rng(2).uniform(0, 50, 50))
    matrix = design(times, 12.5, harmonics, trend)
    found = harmonic(series, times, period=12.5, harmonics=harmonics, trend=trend)
    assert found.coefficients.shape == (matrix.shape[1], 150)
    fitted = 0
    for pixel, column in enumerate(series.T.astype("f8")):
        seen = np.isfinite(column)
        assert found.observations[pixel] == seen.sum()
        if seen.sum() < matrix.shape[1]:
            assert np.isnan(found.coefficients[:, pixel]).all()
            assert np.isnan(found.fitted[:, pixel]).all()
            assert np.isnan(found.rmse[pixel])
            continue
        if np.linalg.cond(matrix[seen]) > 300:
            continue
        expected = np.linalg.lstsq(matrix[seen], column[seen])[0]
        np.testing.assert_allclose(found.coefficients[:, pixel], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.fitted[:, pixel], matrix @ expected, rtol=1e-5, atol=1e-5)
        rmse = np.sqrt(np.mean((column - matrix @ expected)[seen] ** 2))
        np.testing.assert_allclose(found.rmse[pixel], rmse, rtol=1e-4, atol=1e-5)
        fitted += 1
    assert fitted > 70


def test_the_order_of_the_images_does_not_matter():
    series, times = gappy(40, 20), np.arange(40.0)
    turned = harmonic(series[::-1], times[::-1], period=12)
    np.testing.assert_allclose(
        turned.coefficients, harmonic(series, times, period=12).coefficients, rtol=1e-5
    )


def test_times_far_from_zero_keep_slope_and_waves():
    series, times = gappy(60, 20), np.arange(60.0) / 12
    near, far = (harmonic(series, start + times, period=1) for start in (0, 2000))
    np.testing.assert_allclose(far.coefficients[1:], near.coefficients[1:], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(far.fitted, near.fitted, rtol=1e-5, atol=1e-5)


def test_as_many_observations_as_coefficients_are_met_exactly():
    series = np.array([1, NAN, 5, 2, NAN, 9], "f4")
    found = harmonic(series, period=7.3)
    np.testing.assert_allclose(found.fitted[np.isfinite(series)], [1, 5, 2, 9], rtol=1e-5)
    assert found.rmse < 1e-5


def test_terms_that_cannot_be_told_apart_give_nan():
    series = gappy(48, 10)
    # Six images a season: the sine of the third wave is 0 at each of them.
    found = harmonic(series, period=6, harmonics=3)
    assert np.isnan(found.coefficients).all()
    assert np.isfinite(harmonic(series, period=6, harmonics=2).coefficients[:, 1]).all()
    assert np.isnan(harmonic(series, np.ones(48), period=6, trend=False).fitted).all()
    # One of the pixels was observed only in two months of the year.
    series[np.arange(48) % 12 > 1, 1] = NAN
    found = harmonic(series, period=12)
    assert np.isnan(found.coefficients[:, 1]).all()
    assert found.observations[1] == 8


def test_integers_layouts_and_threads_give_the_same():
    stored = np.random.default_rng(3).integers(1, 200, (30, 5, 120)).astype("i2")
    stored[stored < 60] = -1
    series = np.where(stored == -1, NAN, stored * np.float64(0.5) + 2).astype("f4")
    expected = harmonic(series, period=12)
    infinite = np.where(np.isnan(series), -np.inf, series).astype("f4")
    infinite.flags.writeable = False
    for other in (
        harmonic(stored, period=12, scale=0.5, offset=2, nodata=-1),
        harmonic(np.asfortranarray(series), period=12, threads=3),
        harmonic(infinite, period=12),
    ):
        for got, name in zip(other, expected._fields, strict=True):
            np.testing.assert_array_equal(got, getattr(expected, name))


def test_a_pixel_does_not_know_its_neighbours():
    series = gappy(31, 300)
    whole = harmonic(series, period=9, harmonics=2)
    for first, last in ((0, 1), (1, 130), (130, 300)):
        part = harmonic(series[:, first:last], period=9, harmonics=2)
        np.testing.assert_array_equal(whole.fitted[:, first:last], part.fitted)
        np.testing.assert_array_equal(whole.rmse[first:last], part.rmse)


def test_a_constant_series_has_neither_slope_nor_waves():
    found = harmonic(np.full(20, 4, "f4"), period=6)
    np.testing.assert_allclose(found.coefficients, [4, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found.fitted, 4, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0,), (1, 2, 3), (1,)])
def test_next_to_nothing_gives_nan(shape):
    series = np.ones(shape, "f4")
    found = harmonic(series, period=3)
    assert found.coefficients.shape == (4, *shape[1:])
    assert found.fitted.shape == shape
    assert np.isnan(found.fitted).all()
    assert np.isnan(found.rmse).all()
    assert (found.observations == shape[0]).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: harmonic([1.0], period=0), "period.*got 0"),
        (lambda: harmonic([1.0], period=NAN), "period.*got nan"),
        (lambda: harmonic([1.0], period=2, harmonics=0), "harmonics.*got 0"),
        (lambda: harmonic([1.0], period=2, harmonics=1.5), "harmonics.*got 1.5"),
        (lambda: harmonic([1.0, 2.0], [1.0], period=2), "one for each of the 2 images"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
