"""Composites against numpy's own nan-functions, on series with gaps."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from swath.kernels import REDUCERS, aggregate, composite, medoid, weighted_median
from swath.kernels.composite import batcher_network

NAN = np.nan


def gappy(shape, seed=0, share=0.4):
    rng = np.random.default_rng(seed)
    series = rng.normal(0, 100, shape).astype("f4")
    series[rng.random(shape) < share] = NAN
    return series


def by_numpy(series, groups, count, function):
    out = np.full((count, *series.shape[1:]), NAN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for group in range(count):
            chosen = series[groups == group].astype("f8")
            if len(chosen):
                out[group] = function(chosen)
    return out


GROUPS = np.array(
    [2, 0, 0, -1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 0, -1]
)


@pytest.mark.parametrize("percentile", [0, 12.5, 50, 90, 99.9, 100])
def test_ranks_are_numpys(percentile):
    series = gappy((30, 9, 17))
    expected = by_numpy(series, GROUPS, 5, lambda x: np.nanpercentile(x, percentile, axis=0))
    got = composite(series, GROUPS, 5, reducer="percentile", percentile=percentile)
    np.testing.assert_allclose(got, expected, rtol=3e-7)
    if percentile == 50:
        np.testing.assert_array_equal(got, composite(series, GROUPS, 5))


@pytest.mark.parametrize("name", ["mean", "min", "max", "sum"])
def test_reductions_are_numpys(name):
    series = gappy((30, 150))
    expected = by_numpy(series, GROUPS, 5, lambda x: getattr(np, f"nan{name}")(x, axis=0))
    if name == "sum":
        expected[composite(series, GROUPS, 5, reducer="count") == 0] = NAN
    np.testing.assert_allclose(composite(series, GROUPS, 5, reducer=name), expected, rtol=2e-7)


def test_count_is_zero_where_nothing_is_clear():
    series = gappy((30, 70))
    expected = [np.isfinite(series[group == GROUPS]).sum(axis=0) for group in range(5)]
    np.testing.assert_array_equal(composite(series, GROUPS, 5, reducer="count"), expected)


def test_first_and_last_follow_the_time_axis():
    series = np.array([[NAN, 1], [2, 3], [4, NAN], [NAN, NAN]], "f4")
    groups = [0, 0, 0, 1]
    np.testing.assert_array_equal(composite(series, groups, 2, reducer="first"), [[2, 1], [NAN, NAN]])
    np.testing.assert_array_equal(composite(series, groups, 2, reducer="last"), [[4, 3], [NAN, NAN]])


def test_infinite_values_count_as_gaps():
    series = np.array([[np.inf], [3], [-np.inf]], "f4")
    for reducer in REDUCERS:
        assert composite(series, [0, 0, 0], 1, reducer=reducer).item() == (1 if reducer == "count" else 3)


def test_mean_of_many_close_values_keeps_its_digits():
    series = np.full((100_000, 1), 0.1, "f4")
    assert composite(series, np.zeros(100_000, int), 1, reducer="mean").item() == np.float32(0.1)


def test_no_images_and_no_pixels_give_empty_periods():
    assert np.isnan(composite(np.empty((0, 3), "f4"), np.empty(0, int), 2)).all()
    assert composite(np.empty((4, 0), "f4"), [0, 0, 1, 1], 2).shape == (2, 0)
    assert composite(np.empty((4, 2), "f4"), [-1, -1, -1, -1], 0).shape == (0, 2)


@pytest.mark.parametrize("size", [*range(12), 16, 17, 63, 100])
def test_the_network_sorts(size):
    rng = np.random.default_rng(size)
    values = rng.integers(0, 5, (size, 200))
    network = batcher_network(size)
    for low, high in network:
        assert low < high
        values[[low, high]] = np.sort(values[[low, high]], axis=0)
    assert (np.diff(values, axis=0) >= 0).all()


def test_medoid_is_the_nearest_to_all_others():
    rng = np.random.default_rng(3)
    series = rng.normal(size=(4, 14, 90)).astype("f4")
    series[rng.random(series.shape) < 0.1] = NAN
    groups = np.array([0] * 6 + [1] * 7 + [-1])
    got = medoid(series, groups, 3)
    assert np.isnan(got[:, 2]).all()
    for group in range(2):
        for pixel in range(series.shape[2]):
            spectra = series[:, groups == group, pixel].T.astype("f8")
            clear = spectra[np.isfinite(spectra).all(axis=1)]
            if not len(clear):
                assert np.isnan(got[:, group, pixel]).all()
                continue
            far = np.linalg.norm(clear[:, None] - clear[None], axis=2).sum(axis=1)
            np.testing.assert_array_equal(got[:, group, pixel], clear[far.argmin()].astype("f4"))


def test_medoid_takes_the_first_on_a_tie():
    series = np.array([[[5], [1], [1], [5]]], "f4")
    assert medoid(series, [0, 0, 0, 0], 1).item() == 5
    assert medoid(series, [-1, 0, -1, 0], 1).item() == 1


@pytest.mark.parametrize("dtype", ["f4", "i2"])
def test_statistics_together_are_those_one_by_one(dtype):
    series = gappy((30, 45, 60))  # more pixels than are taken at once
    options = {"percentile": 80.0}
    if dtype == "i2":
        series = np.nan_to_num(series, nan=-999).astype("i2")
        options |= {"scale": 0.1, "offset": 3.0, "nodata": -999}
    found = aggregate(series, GROUPS, 5, reducers=REDUCERS, threads=2, **options)
    assert list(found) == list(REDUCERS)
    for reducer in REDUCERS:
        expected = composite(series, GROUPS, 5, reducer=reducer, **options)
        np.testing.assert_array_equal(found[reducer], expected)


def test_statistics_of_nothing_are_none():
    assert aggregate(np.ones((2, 3), "f4"), [0, 0], 1, reducers=()) == {}
    assert aggregate(np.ones((2, 0), "f4"), [0, 0], 1)["mean"].shape == (1, 0)
    assert np.isnan(aggregate(np.ones((0, 2), "f4"), np.empty(0, int), 1)["max"]).all()


def half_way(values, weights):
    """The weighted median by sorting, in whole numbers of weight."""
    counts = (values < np.inf) & np.isfinite(values) & (weights > 0) & np.isfinite(weights)
    values, weights = values[counts], weights[counts]
    if not values.size:
        return NAN
    order = np.argsort(values)
    values, sums = values[order], np.cumsum(weights[order])
    reached = np.searchsorted(2 * sums, sums[-1], side="left")
    exceeded = np.searchsorted(2 * sums, sums[-1], side="right")
    return (values[reached] + values[exceeded]) / 2


@pytest.mark.parametrize("each_its_own", [True, False])
def test_weighted_medians_part_the_weight_in_half(each_its_own):
    rng = np.random.default_rng(7)
    series = gappy((30, 5, 27)).round(-1)
    weights = rng.integers(-1, 5, series.shape if each_its_own else 30).astype("f4")
    weights[weights == -1] = NAN
    weights[3] = np.inf
    got = weighted_median(series, weights, GROUPS, 5)
    every = np.broadcast_to(weights if each_its_own else weights[:, None, None], series.shape)
    for group, y, x in np.ndindex(5, 5, 27):
        chosen = group == GROUPS
        expected = half_way(series[chosen, y, x].astype("f8"), every[chosen, y, x].astype("f8"))
        np.testing.assert_equal(got[group, y, x], np.float32(expected))


def test_whole_weights_are_repetitions():
    series = gappy((9, 80), share=0.2)
    weights = np.array([1, 3, 2, 1, 1, 4, 2, 1, 2])
    repeated = np.repeat(series, weights, axis=0)
    one = weighted_median(series, weights, np.zeros(9, int), 1)
    np.testing.assert_array_equal(one, composite(repeated, np.zeros(weights.sum(), int), 1))


@pytest.mark.parametrize("weight", [1, 0.1, 1e-30, 3e38])
def test_equal_weights_give_the_median(weight):
    series = gappy((30, 90))
    np.testing.assert_array_equal(
        weighted_median(series, np.full(30, weight), GROUPS, 5), composite(series, GROUPS, 5)
    )


def test_any_layout_and_threads_give_the_same_weighted_median():
    series = gappy((30, 30, 40))
    weights = np.random.default_rng(1).random(series.shape).astype("f4")
    expected = weighted_median(series, weights, GROUPS, 5)
    frozen = weights.copy()
    frozen.flags.writeable = False
    stored = np.nan_to_num(series, nan=-32768).round().astype("i2")
    rounded = np.where(stored == -32768, NAN, stored).astype("f4")
    for other in (
        weighted_median(series, weights, GROUPS, 5, threads=2),
        weighted_median(np.asfortranarray(series), np.asfortranarray(weights), GROUPS, 5),
        weighted_median(series, frozen, GROUPS, 5),
        weighted_median(series, weights.astype("f8"), GROUPS, 5),
    ):
        np.testing.assert_array_equal(other, expected)
    np.testing.assert_array_equal(
        weighted_median(stored, weights, GROUPS, 5, nodata=-32768),
        weighted_median(rounded, weights, GROUPS, 5),
    )
    assert weighted_median(series[:, :0], weights[:, :0], GROUPS, 5).shape == (5, 0, 40)
    assert np.isnan(weighted_median(series[:0], weights[:0], np.empty(0, int), 2)).all()


def test_weights_of_another_shape_are_refused():
    for shape in [(), (2,), (3, 2), (3, 4, 1)]:
        with pytest.raises(ValueError, match=r"weights: the shape \(3,\) or \(3, 4\) is needed"):
            weighted_median(np.ones((3, 4), "f4"), np.ones(shape), [0, 0, 0], 1)


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (([1.0], [0], 1), {"reducer": "medain"}, "'medain'"),
        (([1.0], [0], 1), {"percentile": 101}, "101"),
        (([1.0], [0, 1], 2), {}, "one for each of the 1 times"),
        (([1.0], [0.5], 1), {}, "float64"),
        (([1.0], [3], 2), {}, "below 2, got 3"),
        (([1.0], [0], -1), {}, "got -1"),
        ((1.0, [0], 1), {}, "time"),
        (([1j], [0], 1), {}, "complex"),
    ],
)
def test_wrong_arguments_are_named(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        composite(*arguments, **options)
    together = (
        {"reducers": [options.pop("reducer")]} if "reducer" in options else {"reducers": ["percentile"]}
    )
    with pytest.raises(ValueError, match=sentence):
        aggregate(*arguments, **together, **options)
