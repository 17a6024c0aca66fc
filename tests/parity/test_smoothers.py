"""Smoothers against scipy, for series without gaps, and vam.whittaker, for series with gaps."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
import scipy.signal
from vam import whittaker as peer

from swath.kernels.smooth import savitzky_golay, whittaker, whittaker_auto


def series(gaps):
    rng = np.random.default_rng(4)
    season = 0.5 + 0.3 * np.sin(np.arange(60) / 3)[:, np.newaxis]
    made = (season + rng.normal(0, 0.05, (60, 50))).astype("f4")
    made[rng.random(made.shape) < gaps] = np.nan
    return made


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("window", [5, 7, 13, 59])
def test_without_gaps_the_polynomials_are_scipys(window, order):
    full = series(0)
    expected = scipy.signal.savgol_filter(full.astype("f8"), window, order, axis=0, mode="interp")
    np.testing.assert_allclose(savitzky_golay(full, window=window, order=order), expected, rtol=2e-7)


@pytest.mark.parametrize("smoothness", [0.1, 10.0, 3000.0])
def test_whittaker_is_vam_whittakers(smoothness):
    gappy = series(0.5)
    weights = np.random.default_rng(5).uniform(0.1, 1, gappy.shape).astype("f4")
    got = whittaker(gappy, smoothness=smoothness, weights=weights)
    for pixel, column in enumerate(gappy.T.astype("f8")):
        weight = np.where(np.isfinite(column), weights[:, pixel].astype("f8"), 0)
        expected = peer.ws2d(np.nan_to_num(column), smoothness, weight)
        np.testing.assert_allclose(got[:, pixel], expected, rtol=1e-6)


def test_the_v_curve_is_vam_whittakers():
    """Without weights: that package squares them where it adds up the residuals."""
    gappy = series(0.4)
    exponents = np.arange(-2, 4, 0.2)
    smoothed, smoothness = whittaker_auto(gappy, exponents=exponents)
    for pixel, column in enumerate(gappy.T.astype("f8")):
        seen = np.isfinite(column).astype("f8")
        expected, chosen = peer.ws2doptv(np.nan_to_num(column), seen, array("d", exponents))
        np.testing.assert_allclose(smoothness[pixel], chosen, rtol=1e-6)
        np.testing.assert_allclose(smoothed[:, pixel], expected, rtol=1e-6)
