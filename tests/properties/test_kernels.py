"""Laws that hold for every series: a split changes nothing, nor does the order where it must not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.kernels import (
    REDUCERS,
    aggregate,
    composite,
    convolve,
    hampel,
    harmonic,
    linear,
    mann_kendall,
    medoid,
    percentile_band,
    phenology,
    savitzky_golay,
    swag,
    theil_sen,
    theil_sen_interval,
    weighted_median,
    whittaker,
    whittaker_auto,
)

VALUES = st.one_of(st.just(np.nan), st.floats(-1000, 1000, width=32), st.sampled_from([0.0, 1.0, 2.0]))
SERIES = hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 5)), elements=VALUES)
bounded = settings(max_examples=40, deadline=None)


def split(function, series, width):
    parts = [function(series[:, at : at + width]) for at in range(0, series.shape[1], width)]
    return np.concatenate(parts, axis=-1)


CALLS = {
    **{name: lambda x, name=name: composite(x, np.arange(len(x)) % 2, 2, reducer=name) for name in REDUCERS},
    "medoid": lambda x: medoid(x[None], np.arange(len(x)) % 2, 2)[0],
    "swag": lambda x: np.stack(swag(x, images_per_year=3)),
    "linear": lambda x: np.stack(linear(x)),
    "mann_kendall": lambda x: np.stack(mann_kendall(x)),
    "aggregate": lambda x: np.stack(list(aggregate(x, np.arange(len(x)) % 2, 2).values())),
    "weighted_median": lambda x: weighted_median(x, np.arange(1, len(x) + 1), np.arange(len(x)) % 2, 2),
    "convolve": lambda x: np.stack(convolve(x, 0.5 ** np.arange(len(x)))),
    "savitzky_golay": lambda x: savitzky_golay(x, window=5),
    "whittaker": whittaker,
    "whittaker_auto": lambda x: whittaker_auto(x)[0],
    "harmonic": lambda x: harmonic(x, period=4).fitted,
    "phenology": lambda x: phenology(x, period=4).peak,
    "hampel": lambda x: hampel(x, window=5)[0],
    "percentile_band": lambda x: percentile_band(x, window=5)[0],
    "theil_sen_interval": lambda x: np.stack(theil_sen_interval(x, np.arange(len(x)))),
    "theil_sen": lambda x: np.stack(theil_sen(x, np.arange(len(x)), season=2)),
}


@pytest.mark.parametrize("name", CALLS)
@given(series=SERIES)
@settings(max_examples=15, deadline=None)
def test_pixels_do_not_know_their_neighbours(name, series):
    wide = np.concatenate([series] * 70, axis=1)  # more than one block of pixels
    expected = CALLS[name](wide)
    width = series.shape[1]
    np.testing.assert_array_equal(expected, split(CALLS[name], wide, width))
    np.testing.assert_array_equal(expected, split(CALLS[name], wide, 3 * width + 1))


@pytest.mark.parametrize("name", CALLS)
def test_any_layout_gives_the_same(name):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(8, 6, 5)).astype("f4")
    series[rng.random(series.shape) < 0.3] = np.nan
    expected = CALLS[name](series.reshape(8, 30))
    frozen = series.copy()
    frozen.flags.writeable = False
    for other in (series, np.asfortranarray(series), series.astype("f8"), frozen):
        got = CALLS[name](other)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)
    np.testing.assert_array_equal(frozen, series)


@given(series=SERIES, seed=st.integers(0, 99))
@bounded
def test_the_order_of_images_does_not_change_a_composite(series, seed):
    order = np.random.default_rng(seed).permutation(len(series))
    groups = np.arange(len(series)) % 3 - 1
    for reducer in ("median", "min", "max", "count", "percentile"):
        one = composite(series, groups, 2, reducer=reducer, percentile=30)
        two = composite(series[order], groups[order], 2, reducer=reducer, percentile=30)
        np.testing.assert_array_equal(one, two)


@given(series=SERIES, season=st.integers(1, 5))
@bounded
def test_filling_keeps_observations_and_stays_between_them(series, season):
    for filled, quality in (swag(series, images_per_year=season), linear(series)):
        seen = np.isfinite(series)
        np.testing.assert_array_equal(filled[seen], series[seen])
        observed = seen.any(axis=0)
        assert np.isnan(filled[:, ~observed]).all()
        assert np.isfinite(filled[:, observed]).all()
        assert ((quality[:, observed] > 0) & (quality[:, observed] <= 100)).all()
        known, inner = series[:, observed], filled[:, observed]
        slack = 1e-5 * np.nanmax(np.abs(known), axis=0, initial=0)
        assert (inner <= np.nanmax(known, axis=0, initial=-np.inf) + slack).all()
        assert (inner >= np.nanmin(known, axis=0, initial=np.inf) - slack).all()


@given(value=st.floats(-1e6, 1e6, width=32), gaps=hnp.arrays(bool, st.integers(1, 20)))
@bounded
def test_a_constant_series_stays_constant(value, gaps):
    series = np.where(gaps, np.nan, np.float32(value)).astype("f4")
    for filled, _ in (swag(series, images_per_year=4), linear(series)):
        if not gaps.all():
            np.testing.assert_allclose(filled, np.float32(value), rtol=1e-6)
    if (~gaps).sum() >= 3:
        slope, _ = theil_sen(series, np.arange(len(gaps)))
        assert (slope.item(), mann_kendall(series)[1].item()) == (0.0, 1.0)


@given(series=SERIES)
@bounded
def test_turning_time_round_turns_the_trend_round(series):
    times = np.arange(len(series), dtype=float)
    there, back = theil_sen(series, times), theil_sen(series[::-1], -times[::-1])
    np.testing.assert_array_equal(there[0], -back[0])
    np.testing.assert_array_equal(mann_kendall(series)[0], -mann_kendall(series[::-1])[0])
    z, p_value = mann_kendall(-series)
    np.testing.assert_array_equal(z, -mann_kendall(series)[0])
    np.testing.assert_array_equal(p_value, mann_kendall(series)[1])
