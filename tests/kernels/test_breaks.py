"""Breaks against the definitions written out for one series, and against what R's packages publish."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from swath.kernels import breakpoints, breaks, stability_test

NAN = np.nan

# R's datasets Nile (annual flow at Aswan, 1871-1970) and nhtemp (mean temperature in New Haven, 1912-1971).
NILE = """
1120 1160  963 1210 1160 1160  813 1230 1370 1140  995  935 1110  994 1020  960 1180  799  958 1140 1100 1210
1150 1250 1260 1220 1030 1100  774  840  874  694  940  833  701  916  692 1020 1050  969  831  726  456  824
 702 1120 1100  832  764  821  768  845  864  862  698  845  744  796 1040  759  781  865  845  944  984  897
 822 1010  771  676  649  846  812  742  801 1040  860  874  848  890  744  749  838 1050  918  986  797  923
 975  815 1020  906  901 1170  912  746  919  718  714  740"""
NEW_HAVEN = """
49.9 52.3 49.4 51.1 49.4 47.9 49.8 50.9 49.3 51.9 50.8 49.6 49.3 50.6 48.4 50.7 50.9 50.6 51.5 52.8 51.8 51.1
49.8 50.2 50.4 51.6 51.8 50.9 48.8 51.7 51.0 50.6 51.7 51.5 52.1 51.3 51.0 54.0 51.4 52.7 53.1 54.6 52.0 52.0
50.9 52.6 50.2 52.6 51.6 51.9 50.5 50.9 51.7 51.4 51.7 50.8 51.9 51.8 51.9 53.0"""


def numbers(text):
    return np.array([float(each) for each in text.split()], "f4")


def test_published_tests_of_stability():
    """Printed in strucchange 1.5, help pages efp (S0 = 2.9518, p-value = 5.409e-08) and sctest.efp.

    There the ME process of a level alone, bandwidth 0.2, is 1.5627; it is the moving sum of the residuals.
    The flow of the Nile fell after 1898, when the dam at Aswan was begun.
    """
    nile = stability_test(numbers(NILE), period=None)
    assert round(nile.statistic.item(), 4) == 2.9518
    assert nile.p_value.item() == pytest.approx(5.409e-08, rel=2e-4)
    assert 1871 + nile.image.item() == 1898
    haven = stability_test(numbers(NEW_HAVEN), period=None)
    assert round(haven.statistic.item(), 4) == 2.0728
    assert haven.p_value.item() == pytest.approx(0.0003709, rel=2e-4)
    moving = stability_test(numbers(NEW_HAVEN), period=None, method="ols-mosum", bandwidth=0.2)
    assert round(moving.statistic.item(), 4) == 1.5627
    assert moving.p_value.item() < 0.01


@pytest.mark.parametrize(
    ("bandwidth", "published"),
    [
        (0.1, (0.9809, 1.0483, 1.1119, 1.1888)),
        (0.25, (1.2811, 1.3920, 1.4917, 1.6118)),
        (0.5, (1.3751, 1.5115, 1.6341, 1.7808)),
    ],
)
def test_levels_of_the_test_are_near_those_published(bandwidth, published):
    """Chu, Hornik and Kuan (1995), as in strucchange 1.5, sc.me: levels 10, 5, 2.5 and 1 %."""
    row = breaks._at_bandwidth(breaks._TEST, breaks._TEST_BANDWIDTHS, bandwidth)
    assert breaks._TEST_LEVELS[7:11] == (0.1, 0.05, 0.025, 0.01)
    np.testing.assert_allclose(row[7:11], published, rtol=0.02)


@pytest.mark.parametrize(
    ("bandwidth", "published"),
    [(0.25, (1.3418, 1.4238, 1.5216)), (0.5, (1.9020, 2.0444, 2.2091)), (1.0, (2.7459, 2.9800, 3.2769))],
)
def test_levels_of_monitoring_are_near_those_published(bandwidth, published):
    """strucchange 1.5, monitorMECritvalTable, period 10, "max": levels 5, 2.5 and 1 %."""
    got = [breaks._critical_mosum(bandwidth, level) for level in (0.05, 0.025, 0.01)]
    np.testing.assert_allclose(got, published, rtol=0.007)


def test_the_levels_of_cumulative_sums_are_those_of_the_boundary():
    """Chu, Stinchcombe and White (1996): a^2 is 6.25 for 10 %."""
    assert breaks._solve(breaks._chance_outside, 0.1) ** 2 == pytest.approx(6.25, abs=0.005)


def test_the_levels_of_recursive_residuals_are_those_published():
    """Brown, Durbin and Evans (1975): 0.850, 0.948 and 1.143 for 10, 5 and 1 %."""
    got = [breaks._solve(breaks._chance_recursive, level) for level in (0.1, 0.05, 0.01)]
    np.testing.assert_allclose(got, [0.850, 0.948, 1.143], atol=5e-4)


def test_bandwidths_between_those_simulated_are_smooth():
    fine = [breaks._critical_mosum(each, 0.05) for each in np.linspace(0.05, 1, 96)]
    assert (np.diff(fine) > 0).all()
    levels = [breaks._critical_mosum(0.25, each) for each in (0.5, 0.3, 0.1, 0.07, 0.05, 0.01, 0.001)]
    assert (np.diff(levels) > 0).all()


def regressors(at, *, period, harmonics, trend):
    terms = [np.ones(at.size), *([at - at.mean()] if trend else [])]
    for wave in range(1, harmonics + 1):
        terms += [np.cos(2 * np.pi * wave * at / period), np.sin(2 * np.pi * wave * at / period)]
    return np.stack(terms, axis=1)


def fitted(column, at, chosen, **model):
    """Residuals and sigma by numpy's least squares."""
    design = regressors(at, **model)
    used = chosen & np.isfinite(column)
    solution = np.linalg.lstsq(design[used], column[used])[0]
    residuals = column - design @ solution
    return residuals, math.sqrt((residuals[used] ** 2).sum() / (used.sum() - design.shape[1])), used.sum()


def stable_since(column, at, *, start, level, **model):
    """The time of the first image that a reverse-ordered CUSUM keeps."""
    places = np.flatnonzero(np.isfinite(column) & (at < start))[::-1]
    x, y = regressors(at, **model)[places], column[places]
    w, before = [], []
    for j in range(1, y.size):
        inverse = np.linalg.pinv(x[:j], rcond=1e-9)
        if np.allclose(x[j], x[j] @ inverse @ x[:j], rtol=0, atol=1e-8):  # the images before determine it
            spread = ((x[j] @ inverse) ** 2).sum()
            w.append((y[j] - x[j] @ inverse @ y[:j]) / math.sqrt(1 + spread))
            before.append(at[places[j - 1]])
    process = np.abs(np.cumsum(w)) / (np.std(w, ddof=1) * math.sqrt(len(w)))
    c = breaks._solve(breaks._chance_recursive, level)
    beyond = np.flatnonzero(process > c * (1 + 2 * np.arange(1, len(w) + 1) / len(w)))
    return before[beyond[0]] if beyond.size else at[places[-1]]


def watched(column, at, *, first, start, method, bandwidth, level, **model):
    """The monitoring of one series, step by step."""
    residuals, sigma, n = fitted(column, at, (at >= first) & (at < start), **model)
    places = np.flatnonzero(np.isfinite(column) & (at >= first))
    e = residuals[places]
    a = optimize.brentq(lambda a: 2 - 2 * (stats.norm.cdf(a) - a * stats.norm.pdf(a)) - level, 0, 10)
    ratios = []
    for i in range(n + 1, e.size + 1):
        x = i / n
        if method == "ols-mosum":
            process = e[i - math.floor(bandwidth * n) : i].sum()
            boundary = breaks._critical_mosum(bandwidth, level) * math.sqrt(2 * max(1, math.log(x)))
        else:
            process = e[:i].sum()
            boundary = math.sqrt(x * (x - 1) * (a**2 + math.log(x / (x - 1))))
        ratios.append(abs(process) / (sigma * math.sqrt(n)) / boundary)
    beyond = np.flatnonzero(np.array(ratios) > 1)
    index = places[n + beyond[0]] if beyond.size else -1
    return index, np.median(e[n:]), max(ratios)


def seasonal(pixels, seed, times=120):
    """Monthly series with noise, gaps, and a step in half of them; (time, pixel)."""
    rng = np.random.default_rng(seed)
    at = 2010 + np.sort(rng.choice(12 * 14, times, replace=False)) / 12
    series = 0.5 + 0.2 * np.sin(2 * np.pi * at)[:, None] + rng.normal(0, 0.05, (times, pixels))
    series[80:] -= np.where(np.arange(pixels) % 2, 0.08, 0)
    series[rng.random(series.shape) < rng.uniform(0, 0.6, pixels)] = NAN
    return series.astype("f4"), at


@pytest.mark.parametrize("method", breaks.METHODS)
@pytest.mark.parametrize(
    ("trend", "harmonics", "bandwidth"), [(True, 1, 0.25), (False, 3, 0.6), (True, 0, 1.0)]
)
def test_monitoring_follows_its_definition(method, trend, harmonics, bandwidth):
    series, at = seasonal(70, seed=harmonics)
    model = {"period": 1.0, "harmonics": harmonics, "trend": trend}
    options = {"method": method, "bandwidth": bandwidth, "level": 0.02}
    got = breakpoints(series, at, monitor_start=at[70], history_start=at[5], **model, **options)
    expected = [
        watched(each, at, first=at[5], start=at[70], **options, **model) for each in series.T.astype("f8")
    ]
    index, magnitude, strength = np.array(expected).T
    np.testing.assert_array_equal(got.image, index)
    np.testing.assert_allclose(got.magnitude, magnitude, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(got.strength, strength, rtol=1e-6)
    assert got.image.dtype == np.int32
    assert 5 < (index >= 0).sum() < 65


@pytest.mark.parametrize(("trend", "harmonics"), [(True, 1), (False, 1), (False, 2)])
def test_a_history_that_is_not_stable_is_cut(trend, harmonics):
    series, at = seasonal(70, seed=4)
    series[:30, ::3] += 0.2
    model = {"period": 1.0, "harmonics": harmonics, "trend": trend}
    got = breakpoints(series, at, monitor_start=at[85], history="roc", **model)
    kept = []
    for pixel, column in enumerate(series.T.astype("f8")):
        since = stable_since(column, at, start=at[85], level=0.05, **model)
        assert at[got.history[pixel]] == since
        alone = breakpoints(series[:, [pixel]], at, monitor_start=at[85], history_start=since, **model)
        np.testing.assert_array_equal([each[[pixel]] for each in got], alone)
        kept.append(since)
    assert 5 < (np.array(kept) > at[20]).sum() < 65


@pytest.mark.parametrize("method", breaks.METHODS)
@pytest.mark.parametrize(("trend", "harmonics"), [(True, 2), (False, 0)])
def test_stability_follows_its_definition(method, trend, harmonics):
    series, at = seasonal(70, seed=3)
    model = {"period": 1.0, "harmonics": harmonics, "trend": trend}
    got = stability_test(series, at, method=method, bandwidth=0.3, **model)
    for pixel, column in enumerate(series.T.astype("f8")):
        residuals, sigma, n = fitted(column, at, at > 0, **model)
        places = np.flatnonzero(np.isfinite(column))
        sums = np.append(0, residuals[places].cumsum())
        window = math.floor(0.3 * n)
        process = np.abs(sums[1:] if method == "ols-cusum" else sums[window:] - sums[:-window])
        assert got.statistic[pixel] == pytest.approx(process.max() / (sigma * math.sqrt(n)), rel=1e-6)
        last = process.argmax() + (0 if method == "ols-cusum" else window - 1)
        assert got.image[pixel] == places[last]
        if method == "ols-cusum":
            chance = stats.kstwobign.sf(float(got.statistic[pixel]))
            assert got.p_value[pixel] == pytest.approx(chance, rel=1e-5)
    assert ((got.p_value > 0) & (got.p_value <= 1)).all()


def test_p_values_of_moving_sums_are_the_table():
    series = np.random.default_rng(5).normal(size=(400, 3000)).astype("f4")
    got = stability_test(series, period=None, method="ols-mosum", bandwidth=0.25)
    # A finite series stays a little below the limit that the table is for.
    for level in (0.05, 0.2, 0.6):
        share = (got.p_value <= level).mean()
        assert 0.55 * level < share < 1.05 * level
    order = np.argsort(got.statistic)
    assert (np.diff(got.p_value[order]) <= 0).all()


def test_monitoring_keeps_about_its_level():
    series = np.random.default_rng(6).normal(size=(600, 2000)).astype("f4")
    for method in breaks.METHODS:
        found = breakpoints(series, monitor_start=200, period=None, trend=False, method=method)
        assert 0.01 < (found.image >= 0).mean() < 0.06


def test_no_noise_and_no_change_is_no_break():
    for value in (0.0, 0.1, -3e5):
        still = np.full((40, 2), value, "f4")
        for method in breaks.METHODS:
            for history in breaks.HISTORIES:
                found = breakpoints(still, monitor_start=20, period=6.0, method=method, history=history)
                assert (found.image == -1).all()
                assert (found.strength < 1).all()
                assert (found.history == 0).all()
            tested = stability_test(still, period=None, method=method)
            assert (tested.p_value > 0.9).all()
    step = np.where(np.arange(40) < 30, 5, 6).astype("f4")
    found = breakpoints(step, monitor_start=20, period=None, trend=False)
    assert (found.image.item(), found.magnitude.item()) == (30, 0.5)


def test_what_cannot_be_fitted_gives_nothing():
    rng = np.random.default_rng(1)
    series = rng.normal(size=(30, 5)).astype("f4")
    series[:, 0] = NAN
    series[4:15, 1] = NAN  # four observations for four regressors
    series[15:, 2] = np.inf  # nothing to monitor
    series[:15:2, 3] = NAN  # every second image, where the season has a period of two
    found = breakpoints(series, monitor_start=15, period=5, bandwidth=0.5)
    np.testing.assert_array_equal(np.isnan(found.magnitude), [True, True, True, False, False])
    np.testing.assert_array_equal(np.isnan(found.strength), np.isnan(found.magnitude))
    assert (found.image[:3] == -1).all()
    two = breakpoints(series, monitor_start=15, period=2, bandwidth=0.5)
    np.testing.assert_array_equal(np.isnan(two.magnitude), [True, False, True, True, False])
    few = breakpoints(series, monitor_start=7, period=None, trend=False, bandwidth=0.25)
    assert np.isnan(few.strength).all()  # moving sums of one
    tested = stability_test(series[:, :2], period=None, method="ols-mosum", bandwidth=0.05)
    assert np.isnan(tested.p_value).all()
    assert (tested.image == -1).all()


def test_waves_that_the_times_cannot_tell_apart_are_left_out():
    series = np.random.default_rng(2).normal(size=(60, 4)).astype("f4")
    one = breakpoints(series, monitor_start=40, period=4, harmonics=2)
    six = breakpoints(series, monitor_start=40, period=4, harmonics=6)
    np.testing.assert_array_equal(one.image, six.image)
    np.testing.assert_allclose(one.strength, six.strength, rtol=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (9, 0), (9, 2, 0)])
def test_no_time_and_no_pixel_give_nothing(shape):
    found = breakpoints(np.ones(shape, "f4"), monitor_start=5, period=3)
    tested = stability_test(np.ones(shape, "f4"), period=3)
    assert found.image.shape == tested.p_value.shape == shape[1:]
    assert (found.image == -1).all()
    assert np.isnan(found.strength).all()


def test_stored_integers_layouts_and_threads_give_the_same():
    series, at = seasonal(600, seed=9)
    stored = np.where(np.isnan(series), -999, np.round(series * 1000)).astype("i2").reshape(-1, 20, 30)
    values = np.where(stored == -999, NAN, stored * 0.001).astype("f4")
    frozen = values.copy()
    frozen.flags.writeable = False
    for call in (
        lambda x, **more: breakpoints(x, at, monitor_start=at[70], period=1.0, history="roc", **more),
        lambda x, **more: stability_test(x, at, period=1.0, **more),
    ):
        expected = call(values)
        for other in (
            call(stored, scale=0.001, nodata=-999),
            call(np.asfortranarray(values)),
            call(frozen),
            call(values, threads=2),
        ):
            for got, wanted in zip(other, expected, strict=True):
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"level": 0.0}, "level: must be between 0.001 and 0.5, got 0.0"),
        ({"bandwidth": 1.5}, "bandwidth: must be between 0.05 and 1, got 1.5"),
        ({"method": "mosum"}, "method: 'mosum' is not known"),
        ({"history": "bp"}, "history: 'bp' is not known, take one of all, roc"),
        ({"period": 0}, "period: must be above 0, or None, got 0"),
        ({"harmonics": -1}, "harmonics: .* got -1"),
        ({"harmonics": 1.5}, "harmonics: .* got 1.5"),
        ({"times": [0.0, 2.0, 1.0]}, "times: each must be later"),
    ],
)
def test_wrong_arguments_are_named(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        breakpoints(np.ones(3, "f4"), **({"monitor_start": 2, "period": 3} | options))
    if not {"level", "history"} & set(options):
        with pytest.raises(ValueError, match=sentence.replace("and 1,", "and 0.5,")):
            stability_test(np.ones(3, "f4"), **({"period": 3} | options))
