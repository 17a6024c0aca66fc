"""Seasons of series whose dates and areas are known, and of random ones against the definition in full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from swath.kernels import Seasons, phenology

NAN = np.nan


def triangle(times, centre, half, height):
    """A peak at ``centre`` that is 0 from ``half`` away."""
    return height * np.clip(1 - np.abs(np.asarray(times) - centre) / half, 0, None)


def test_triangles_are_measured_exactly():
    times = np.arange(37)
    series = sum(triangle(times, centre, 6, height) for centre, height in [(6, 6), (18, 12), (30, 3)])
    found = phenology(series.astype("f4"), period=12, seasons=1)
    expected = {
        "start": [1.2, 13.2, 25.2, NAN],
        "peak": [6, 18, 30, NAN],
        "end": [10.8, 22.8, 34.8, NAN],
        "length": [9.6, 9.6, 9.6, NAN],
        "base": [0, 0, 0, NAN],
        "amplitude": [6, 12, 3, NAN],
        "integral": [36 - 1.44, 72 - 2.88, 18 - 0.72, NAN],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name), values, rtol=2e-7, err_msg=name)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.9])
def test_flanks_are_cut_at_their_threshold(threshold):
    # 2 at the left, 10 at the peak, 4 at the right: each flank has a level of its own.
    series = np.array([2, 4, 6, 8, 10, 7, 4], "f4")
    found = phenology(series, period=7, seasons=1, threshold=threshold)
    assert found.start.item() == pytest.approx(4 * threshold)
    assert found.end.item() == pytest.approx(6 - 2 * threshold)
    assert (found.base.item(), found.amplitude.item()) == (3, 7)
    rise, fall = 2 + 8 * threshold, 4 + 6 * threshold
    wide, narrow = 4 - 4 * threshold, 2 - 2 * threshold
    area = wide * (rise + 10) / 2 + narrow * (fall + 10) / 2 - 3 * (wide + narrow)
    assert found.integral.item() == pytest.approx(area)


def test_half_sines_cross_at_the_arc_sine():
    years = np.linspace(2015, 2018, 3 * 400 + 1)
    series = np.abs(np.sin(np.pi * (years - 2015))).astype("f4")
    found = phenology(series, years - 2015, period=1.0, seasons=1, threshold=0.3)
    edge = np.arcsin(0.3) / np.pi
    np.testing.assert_allclose(found.start[:3], np.arange(3) + edge, atol=1e-5)
    np.testing.assert_allclose(found.end[:3], np.arange(3) + 1 - edge, atol=1e-5)
    np.testing.assert_allclose(found.peak[:3], [0.5, 1.5, 2.5], atol=1e-6)
    np.testing.assert_allclose(found.integral[:3], 2 / np.pi * np.cos(np.pi * edge), rtol=1e-4)


def test_two_seasons_a_year_keep_their_order():
    times = np.arange(72)
    centres = [(year * 24 + at, height) for year in range(3) for at, height in [(6, 4), (17, 8)]]
    series = sum(triangle(times, centre, 5, height) for centre, height in centres).astype("f4")
    found = phenology(series, period=24, seasons=2)
    np.testing.assert_array_equal(found.peak, [6, 17, 30, 41, 54, 65])
    np.testing.assert_array_equal(found.amplitude, [4, 8] * 3)
    np.testing.assert_allclose(found.start, np.array([6, 17, 30, 41, 54, 65]) - 4, rtol=1e-6)
    one = phenology(series, period=24, seasons=1)
    np.testing.assert_array_equal(one.peak, [17, 41, 65])
    three = phenology(series, period=24, seasons=3)
    np.testing.assert_array_equal(three.peak, [6, 17, NAN, 30, 41, NAN, 54, 65, NAN])
    deep = phenology(series, period=24, seasons=2, depth=0.6)
    np.testing.assert_array_equal(deep.peak, [17, NAN, 41, NAN, 65, NAN])


def test_a_small_dip_does_not_part_a_season():
    series = np.array([0, 5, 10, 8, 9.5, 4, 0], "f4")
    shallow, deep = (phenology(series, period=7, depth=depth) for depth in (0.25, 0.1))
    assert np.isfinite(shallow.peak).tolist() == [True, False]
    assert deep.peak.tolist() == [2, 4]
    assert deep.end[0] == pytest.approx(2 + (10 - (8 + 0.2 * 2)) / 2)


def test_a_gap_between_the_minima_leaves_the_season_out():
    times = np.arange(36)
    series = sum(triangle(times, centre, 5, 10) for centre in (6, 18, 30)).astype("f4")
    whole = phenology(series, period=12, seasons=1)
    for gap, lost in [(4, 0), (16, 1), (21, 1), (33, 2), (12, None), (0, None)]:
        holed = series.copy()
        holed[gap] = (NAN, np.inf)[gap % 2]
        found = phenology(holed, period=12, seasons=1)
        for before, after in zip(whole, found, strict=True):
            wanted = before.copy()
            if lost is not None:
                wanted[lost] = NAN
            np.testing.assert_array_equal(after, wanted)


def test_a_season_with_a_gap_keeps_its_place():
    times = np.arange(24)
    series = (triangle(times, 6, 5, 10) + triangle(times, 17, 5, 8)).astype("f4")
    series[4] = NAN
    assert phenology(series, period=24).peak.tolist() == pytest.approx([NAN, 17], nan_ok=True)
    assert np.isnan(phenology(series, period=24, seasons=1).peak).all()


def test_the_first_year_begins_where_it_is_told_to():
    times = np.arange(36) + 100.0
    series = sum(triangle(times, 100 + centre, 5, 10) for centre in (6, 18, 30)).astype("f4")
    shifted = phenology(series, times, period=12, seasons=1, year_start=107)
    np.testing.assert_array_equal(shifted.peak, [118, 130, NAN])
    early = phenology(series, times, period=12, seasons=1, year_start=94.5)
    np.testing.assert_array_equal(early.peak, [106, 118, 130, NAN])
    assert phenology(series, times, period=12, year_start=500).peak.shape == (0,)


def test_half_a_season_at_an_end_is_none():
    for series in ([0, 1, 2, 3], [3, 2, 1, 0], [5, 0, 0, 5], [2, 2, 2, 2], [NAN, NAN, NAN, NAN]):
        assert np.isnan(np.array(phenology(series, period=2))).all()


def by_definition(column, times, *, threshold, depth):
    """The seasons of one series without gaps: (start, peak, end, base, amplitude, integral) of each."""
    swing = depth * (column.max() - column.min())
    turns, high, low, seeking = [], 0, 0, ""
    for i, value in enumerate(column):
        high, low = (i if value > column[high] else high), (i if value < column[low] else low)
        if seeking != "low" and value <= column[high] - swing:
            turns += [("high", high)]
            seeking, low = "low", i
        elif seeking != "high" and value >= column[low] + swing:
            turns += [("low", low)]
            seeking, high = "high", i
    if seeking == "low":
        turns += [("low", low)]
    found = []
    for at in range(1, len(turns) - 1):
        kind, peak = turns[at]
        if kind == "high":
            left, right = column[turns[at - 1][1]], column[turns[at + 1][1]]
            rise, fall = (each + threshold * (column[peak] - each) for each in (left, right))
            i = max(k for k in range(peak) if column[k] <= rise)
            j = min(k for k in range(peak, len(column)) if column[k] <= fall)
            start = np.interp(rise, column[i : i + 2], times[i : i + 2])
            end = np.interp(fall, column[[j, j - 1]], times[[j, j - 1]])
            knots = np.concatenate([[start], times[i + 1 : j], [end]])
            base = (left + right) / 2
            area = np.trapezoid(np.interp(knots, times, column) - base, knots)
            found.append((start, times[peak], end, end - start, base, column[peak] - base, area))
    return np.array(found).reshape(-1, 7)


@pytest.mark.parametrize(("threshold", "depth"), [(0.2, 0.25), (0.5, 0.05), (0.0, 0.6)])
def test_random_series_follow_the_definition(threshold, depth):
    rng = np.random.default_rng(11)
    times = np.cumsum(rng.uniform(0.2, 2, 60))
    series = rng.normal(size=(60, 80)).cumsum(axis=0).astype("f4")
    found = phenology(series, times, period=200, seasons=40, threshold=threshold, depth=depth)
    for pixel, column in enumerate(series.T.astype("f8")):
        expected = by_definition(column, times, threshold=threshold, depth=depth)
        got = np.array(found)[:, :, pixel].T
        np.testing.assert_allclose(got[: len(expected)], expected, rtol=2e-5, atol=2e-5)
        assert np.isnan(got[len(expected) :]).all()


@given(
    series=hnp.arrays(np.float32, st.integers(0, 25), elements=st.sampled_from([0, 1, 2, 5, 9, NAN])),
    period=st.integers(1, 30),
)
def test_seasons_are_in_order_whatever_the_series(series, period):
    found = phenology(series, period=period, seasons=2, threshold=0.3)
    assert isinstance(found, Seasons)
    seen = np.isfinite(found.start)
    start, peak, end = found.start[seen], found.peak[seen], found.end[seen]
    assert (start < peak).all()
    assert (peak < end).all()
    assert (np.diff(peak) > 0).all()
    assert (found.amplitude[seen] > 0).all()
    years = np.repeat(np.arange(len(found.peak) // 2), 2)[seen]
    np.testing.assert_array_equal(peak // period, years)
    doubled = phenology(series * 2 + 1, period=period, seasons=2, threshold=0.3)
    np.testing.assert_allclose(doubled.start, found.start, rtol=1e-6)
    np.testing.assert_allclose(doubled.integral, found.integral * 2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (9, 0), (9, 2, 0)])
def test_no_time_and_no_pixel_give_nothing(shape):
    found = phenology(np.ones(shape, "f4"), period=4)
    for each in found:
        assert each.shape == (2 * -(-shape[0] // 4), *shape[1:])
        assert np.isnan(each).all()


def test_stored_integers_layouts_and_threads_give_the_same():
    rng = np.random.default_rng(2)
    stored = (
        (1000 * np.sin(np.arange(40)[:, None] * 0.6 + rng.uniform(0, 6, 600)))
        .astype("i2")
        .reshape(40, 20, 30)
    )
    stored[rng.random(stored.shape) < 0.01] = -999
    values = np.where(stored == -999, NAN, stored * 0.001 + 0.5).astype("f4")
    frozen = values.copy()
    frozen.flags.writeable = False
    expected = phenology(values, period=10)
    assert np.isfinite(expected.start).any()
    for other in (
        phenology(stored, period=10, scale=0.001, offset=0.5, nodata=-999),
        phenology(np.asfortranarray(values), period=10),
        phenology(frozen, period=10),
        phenology(values, period=10, threads=2),
    ):
        np.testing.assert_array_equal(np.array(other), np.array(expected))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"threshold": 1.0}, "threshold: must be 0 or more and below 1, got 1.0"),
        ({"depth": 0}, "depth: must be between 0.01 and 1, got 0"),
        ({"period": 0}, "period: must be above 0, got 0"),
        ({"seasons": 0}, "seasons: .* got 0"),
        ({"year_start": NAN}, "year_start: must be finite, got nan"),
        ({"times": [0, 0, 1]}, "times: each must be later"),
    ],
)
def test_wrong_arguments_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        phenology(np.ones(3, "f4"), **({"period": 2} | options))
