"""Gap filling against the T x T product that it stands for, and against scikit-map's own result."""

from __future__ import annotations

import numpy as np
import pytest

from swath.kernels import linear, swag

NAN = np.nan


def dense_swag(series, season, seasonal_db=60.0, trend_db=20.0, future=1.0):
    """The definition, as a matrix: weights of every observation at every time."""
    times = len(series)
    lag = np.subtract.outer(np.arange(times), np.arange(times))
    turn = np.abs(lag) % season
    exponent = -(2 * seasonal_db / (10 * season)) * np.minimum(turn, season - turn)
    exponent = exponent - trend_db / 10 * np.abs(lag) / times
    weights = 10.0**exponent * np.where(lag < 0, future, 1.0)
    seen = np.isfinite(series)
    with np.errstate(divide="ignore", invalid="ignore"):
        used = weights @ seen
        filled = weights @ np.where(seen, series, 0).astype("f8") / used
        possible = np.where(lag == 0, 0, weights).sum(axis=1)
        quality = 100 * used / possible.reshape(-1, *[1] * (series.ndim - 1))
    filled[used == 0] = quality[used == 0] = NAN
    return np.where(seen, series, filled), np.where(seen, 100, quality)


@pytest.mark.parametrize(
    ("times", "season", "options"),
    [
        (138, 6, {}),
        (168, 6, {"seasonal_db": 40.0, "future": 0.1}),
        (100, 23, {"trend_db": 0.0}),
        (40, 5, {"future": 0.0}),
        (5, 12, {}),
        (30, 1, {}),
        (24, 2, {"seasonal_db": 0.0, "trend_db": 300.0}),
        (60, 12, {"seasonal_db": 900.0, "trend_db": 900.0}),
        (2, 2, {}),
        (1, 6, {}),
    ],
)
def test_swag_is_the_weighted_mean_of_all_observations(times, season, options):
    rng = np.random.default_rng(times)
    series = rng.uniform(0.1, 1, (times, 300)).astype("f4")
    series[rng.random(series.shape) < rng.random(300)] = NAN
    series[:, 0] = NAN
    names = {"seasonal_db": "seasonal_attenuation_db", "trend_db": "trend_attenuation_db"}
    names["future"] = "future_weight"
    filled, quality = swag(series, images_per_year=season, **{names[k]: v for k, v in options.items()})
    expected, grade = dense_swag(series, season, **options)
    np.testing.assert_allclose(filled, expected, rtol=1e-6)
    np.testing.assert_allclose(quality, grade, rtol=1e-6, atol=1e-37)
    seen = np.isfinite(series)
    assert (filled[seen].view("u4") == series[seen].view("u4")).all()
    assert np.nanmax(quality) <= 100


def test_swag_of_nothing_is_nothing():
    filled, quality = swag(np.full((6, 2), NAN, "f4"), images_per_year=3)
    assert np.isnan(filled).all()
    assert np.isnan(quality).all()
    assert swag(np.empty((0, 4), "f4"), images_per_year=3)[0].shape == (0, 4)


def test_swag_with_the_past_alone_cannot_fill_the_start():
    filled, quality = swag(np.array([NAN, 4, NAN], "f4"), images_per_year=2, future_weight=0)
    np.testing.assert_array_equal(filled, np.array([NAN, 4, 4], "f4"))
    assert np.isnan(quality[0])


def test_swag_takes_an_infinite_value_for_a_gap():
    filled, _ = swag(np.array([2, np.inf, 2], "f4"), images_per_year=3)
    np.testing.assert_array_equal(filled, np.array([2, 2, 2], "f4"))


def test_linear_is_numpys_interpolation():
    rng = np.random.default_rng(5)
    series = rng.normal(size=(25, 300)).astype("f4")
    series[rng.random(series.shape) < 0.6] = NAN
    series[:, 7] = NAN
    times = np.cumsum(rng.uniform(0.5, 20, 25))
    filled, quality = linear(series, times)
    for pixel, column in enumerate(series.T):
        seen = np.flatnonzero(np.isfinite(column))
        if not len(seen):
            assert np.isnan(filled[:, pixel]).all()
            assert np.isnan(quality[:, pixel]).all()
            continue
        expected = np.interp(times, times[seen], column[seen].astype("f8"))
        np.testing.assert_allclose(filled[:, pixel], expected, rtol=1e-5, atol=1e-6)
        steps = np.abs(np.subtract.outer(np.arange(25), seen)).min(axis=1)
        np.testing.assert_allclose(quality[:, pixel], 100 / (1 + steps), rtol=1e-6)
        assert (filled[seen, pixel].view("u4") == column[seen].view("u4")).all()


@pytest.mark.parametrize("method", ["swag", "linear"])
def test_scikit_maps_series_keeps_what_was_observed(shared_data, method):
    rasterio = pytest.importorskip("rasterio")
    folder = shared_data / "02_landsat_ard_nl_scikitmap" / "ndvi"
    stacks = {}
    for kind in ("gappy", "filled"):
        layers = []
        for path in sorted((folder / kind).glob("*.tif")):
            with rasterio.open(path) as source:
                layers.append(source.read(1, masked=True).astype("f4").filled(NAN))
        stacks[kind] = np.stack(layers)
    gappy, published = stacks["gappy"], stacks["filled"]
    filled, quality = swag(gappy, images_per_year=4) if method == "swag" else linear(gappy)
    seen = np.isfinite(gappy)
    assert not seen.all()
    np.testing.assert_array_equal(filled[seen], published[seen])
    assert (quality[seen] == 100).all()
    gaps = ~seen & np.isfinite(published) & seen.any(axis=0)
    assert np.isfinite(filled[gaps]).all()
    # Another method filled these; a seasonal mean must still be near it, on a scale of 0 to 100.
    assert np.median(np.abs(filled[gaps] - published[gaps])) < 8


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: swag([1.0], images_per_year=0), "images_per_year.*got 0"),
        (lambda: swag([1.0], images_per_year=2.5), "2.5"),
        (lambda: swag([1.0], images_per_year=2, seasonal_attenuation_db=-1), "seasonal_attenuation_db.*-1"),
        (lambda: swag([1.0], images_per_year=2, trend_attenuation_db=NAN), "trend_attenuation_db.*nan"),
        (lambda: swag([1.0], images_per_year=2, future_weight=-0.1), "future_weight.*-0.1"),
        (lambda: linear([1.0, 2.0], [1.0]), "one for each of the 2 images"),
        (lambda: linear([1.0, 2.0], [1.0, 1.0]), "each must be later"),
    ],
)
def test_wrong_arguments_are_named(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
