"""Trends beside scipy and pymannkendall, from the files to the product."""

from __future__ import annotations

import numpy as np
import pymannkendall
import pytest
import rasterio
import scipy.stats
from runs import TWO

from swath.jobs import Request, submit

PIXELS = [(3, 4), (50, 60), (99, 0), (20, 80), (77, 33)]


@pytest.fixture
def series(demo):
    """Days and NDVI of some pixels, read with rasterio alone."""
    found, days = {each: [] for each in PIXELS}, []
    for item in demo:
        with rasterio.open(item["assets"]["b10m"]["href"]) as file:
            _, _, red, nir, scl = file.read().astype("f8")
        days.append(np.datetime64(item["properties"]["datetime"][:10]))
        for row, column in PIXELS:
            r, n = red[row, column], nir[row, column]
            clear = scl[row, column] in (4, 5, 7) and r > 0 and n > 0
            # The same float32 that the reflectance is held in: a tie in it is a tie in the test.
            r32, n32 = np.float32(r * 1e-4), np.float32(n * 1e-4)
            found[row, column].append((n32 - r32) / (n32 + r32) if clear else np.nan)
    return np.array(days), {key: np.array(each, "f4") for key, each in found.items()}


def layers(demo, settings, folder, **inputs):
    valid = {"band": "SCL", "values": [4, 5, 7]}
    job = submit(
        Request("trend", {"items": demo, "index": "NDVI", "valid": valid, **inputs}, folder), settings
    )
    assert job.run(TWO).state == "successful"
    (item,) = job.results()
    found = {}
    for name in ("slope", "p_value", "count"):
        with rasterio.open(item["assets"][name]["href"]) as file:
            found[name] = file.read(1)
    return found, item


def test_slope_and_significance_without_season(demo, settings, tmp_path, series):
    days, values = series
    found, _ = layers(demo, settings, tmp_path / "job", seasonal=False)
    years = (days - days[0]).astype(float) / 365.2425
    for pixel, each in values.items():
        seen = np.isfinite(each)
        assert found["count"][pixel] == seen.sum()
        expected = scipy.stats.theilslopes(each[seen].astype("f8"), years[seen])
        np.testing.assert_allclose(found["slope"][pixel], expected.slope, rtol=1e-4, atol=1e-7)
        test = pymannkendall.original_test(each[seen])
        np.testing.assert_allclose(found["p_value"][pixel], test.p, rtol=1e-4, atol=1e-6)


def test_the_seasonal_slope_compares_only_the_same_month(demo, settings, tmp_path, series):
    days, values = series
    found, item = layers(demo, settings, tmp_path / "job")
    assert item["properties"]["swath:seasonal"] is True
    years = (days - days[0]).astype(float) / 365.2425
    months = days.astype("datetime64[M]").astype(int) % 12
    for pixel, each in values.items():
        slopes = [
            (each[b] - each[a]) / (years[b] - years[a])
            for a in range(len(each))
            for b in range(a + 1, len(each))
            if months[a] == months[b] and np.isfinite(each[a]) and np.isfinite(each[b])
        ]
        np.testing.assert_allclose(found["slope"][pixel], np.median(slopes), rtol=1e-4, atol=1e-7)
