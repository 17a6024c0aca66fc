"""Composites beside plain numpy over the demonstration's files."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import rasterio
from runs import TWO

from swath.jobs import Request, submit
from swath.kernels import REDUCERS

CLEAR = (4, 5, 7)
VALID = {"band": "SCL", "values": list(CLEAR)}


def read_by_hand(items):
    """NDVI (time, y, x), NaN where it is not clear, with nothing but rasterio and numpy."""
    series = []
    for item in items:
        with rasterio.open(item["assets"]["b10m"]["href"]) as file:
            _, _, red, nir, scl = file.read().astype("f8")
        good = np.isin(scl, CLEAR) & (red != 0) & (nir != 0)
        with np.errstate(all="ignore"):
            series.append(np.where(good, (nir - red) / (nir + red), np.nan))
    return np.stack(series)


def read_products(job, asset):
    """Stored values of an asset, scaled, by the start of their period."""
    found = {}
    for item in job.results():
        with rasterio.open(item["assets"][asset]["href"]) as file:
            stored = file.read(1, masked=True)
            values = np.where(stored.mask, np.nan, stored.data * file.scales[0] + file.offsets[0])
        found[item["properties"]["start_datetime"][:10]] = values
    return found


def run(settings, items, folder, process="composite", **inputs):
    given = {"items": items, "index": "NDVI", "valid": VALID, **inputs}
    job = submit(Request(process, given, folder), settings)
    status = job.run(TWO)
    assert status.state == "successful", status.message
    return job


BY_HAND = {
    "median": np.nanmedian, "mean": np.nanmean, "min": np.nanmin, "max": np.nanmax, "std": np.nanstd,
    "sum": np.nansum, "count": lambda x, axis: np.isfinite(x).sum(axis=axis).astype("f8"),
    "percentile": lambda x, axis: np.nanpercentile(x, 30, axis=axis),
    "first": lambda x, axis: pick(x, 0), "last": lambda x, axis: pick(x, -1),
}  # fmt: skip


def pick(series, which):
    found = np.full(series.shape[1:], np.nan)
    for index in np.ndindex(*found.shape):
        clear = series[(slice(None), *index)]
        clear = clear[np.isfinite(clear)]
        if clear.size:
            found[index] = clear[which]
    return found


@pytest.mark.parametrize("reducer", REDUCERS)
def test_each_reducer_is_numpys(demo, settings, tmp_path, reducer):
    items = demo[60:72]
    job = run(settings, items, tmp_path / "job", period="P1M", reducer=reducer, percentile=30)
    asset = {"count": "count"}.get(reducer, "NDVI")
    found = read_products(job, asset)
    months = [each["properties"]["datetime"][:7] for each in items]
    series = read_by_hand(items)
    assert list(found) == [f"{each}-01" for each in sorted(set(months))]
    for start, values in found.items():
        inside = series[[month == start[:7] for month in months]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy speaks of all-NaN slices
            expected = BY_HAND[reducer](inside, axis=0)
        seen = np.isfinite(inside).any(axis=0)
        if reducer not in ("count",):
            expected = np.where(seen, expected, np.nan)
            np.testing.assert_array_equal(np.isfinite(values), seen)
        # NDVI is stored in steps of 0.0001; a sum goes as float32.
        np.testing.assert_allclose(values[seen], expected[seen], atol=5.1e-5 if reducer != "sum" else 1e-5)


@pytest.mark.parametrize(("period", "alias"), [("P1M", "MS"), ("P3M", "QS"), ("P1Y", "YS")])
def test_each_period_is_the_calendars(demo, settings, tmp_path, period, alias):
    items = demo[55:80]
    found = read_products(run(settings, items, tmp_path / "job", period=period), "NDVI")
    times = pd.DatetimeIndex([each["properties"]["datetime"][:10] for each in items])
    groups = pd.Series(range(len(items)), index=times).resample(alias)
    series = read_by_hand(items)
    assert [str(each.date()) for each, _ in groups] == list(found)
    for start, members in groups:
        values = found[str(start.date())]
        inside = series[members.to_numpy()]
        seen = np.isfinite(inside).any(axis=0)
        np.testing.assert_array_equal(np.isfinite(values), seen)
        if seen.any():
            np.testing.assert_allclose(values[seen], np.nanmedian(inside[:, seen], axis=0), atol=5.1e-5)


def test_sixteen_days_begin_anew_each_year(demo, settings, tmp_path):
    items = demo[52:62]
    found = read_products(run(settings, items, tmp_path / "job", period="P16D"), "NDVI")
    starts = pd.DatetimeIndex(list(found))
    assert ((starts.day_of_year - 1) % 16 == 0).all()
    times = pd.DatetimeIndex([each["properties"]["datetime"][:10] for each in items])
    assert starts[0] <= times[0] < starts[0] + pd.Timedelta(days=16)
    assert starts[-1] <= times[-1] < starts[-1] + pd.Timedelta(days=16)


def test_items_tell_how_much_was_seen(demo, settings, tmp_path):
    items = demo[60:72]
    job = run(settings, items, tmp_path / "job", period="P1M")
    series = read_by_hand(items)
    months = [each["properties"]["datetime"][:7] for each in items]
    for item in job.results():
        said = item["properties"]
        inside = series[[month == said["start_datetime"][:7] for month in months]]
        assert said["swath:images"] == len(inside)
        assert said["swath:observed_percent"] == round(100 * np.isfinite(inside).any(axis=0).mean(), 2)
        with rasterio.open(item["assets"]["count"]["href"]) as file:
            np.testing.assert_array_equal(file.read(1), np.isfinite(inside).sum(axis=0))


@pytest.mark.parametrize("method", ["swag", "linear"])
def test_filled_composites_keep_what_was_observed(demo, settings, tmp_path, method):
    items = demo[50:80]
    plain = read_products(run(settings, items, tmp_path / "plain", period="P1M"), "NDVI")
    job = run(settings, items, tmp_path / "filled", period="P1M", fill=method)
    filled, quality = read_products(job, "NDVI"), read_products(job, "quality")
    gaps = 0
    for start, values in plain.items():
        observed = np.isfinite(values)
        np.testing.assert_array_equal(filled[start][observed], values[observed])
        np.testing.assert_array_equal(quality[start] == 100, observed)
        gaps += (np.isfinite(filled[start]) & ~observed).sum()
        np.testing.assert_array_equal(np.isfinite(quality[start]), np.isfinite(filled[start]))
    assert gaps > 0


def test_linear_filling_is_numpys_interpolation(demo, settings, tmp_path):
    items = demo[50:80]
    plain = np.stack(list(read_products(run(settings, items, tmp_path / "a", period="P1M"), "NDVI").values()))
    filled = np.stack(
        list(
            read_products(run(settings, items, tmp_path / "b", period="P1M", fill="linear"), "NDVI").values()
        )
    )
    months = np.arange(len(plain))
    for row, column in ((3, 4), (50, 60), (99, 0), (20, 80)):
        series = plain[:, row, column]
        seen = np.isfinite(series)
        inside = slice(*(np.flatnonzero(seen)[[0, -1]] + (0, 1)))
        expected = np.interp(months, months[seen], series[seen])
        np.testing.assert_allclose(filled[inside, row, column], expected[inside], atol=1.1e-4)


def test_medoid_gives_an_observation_that_was_made(demo, settings, tmp_path):
    items = demo[60:66]
    job = submit(
        Request(
            "composite",
            {"items": items, "bands": "red,nir", "reducer": "medoid", "period": "P1Y", "valid": VALID},
            tmp_path / "j",
        ),
        settings,
    )
    job.run(TWO)
    (item,) = job.results()
    found = []
    for name in ("red", "nir"):
        with rasterio.open(item["assets"][name]["href"]) as file:
            found.append(np.where(file.read(1) == file.nodata, -1, file.read(1)))
    seen = np.zeros(found[0].shape, bool)
    for each in items:
        with rasterio.open(each["assets"]["b10m"]["href"]) as file:
            _, _, red, nir, scl = file.read().astype(int)
        seen |= (red == found[0]) & (nir == found[1]) & np.isin(scl, CLEAR)
    assert seen[found[0] >= 0].all()
    assert (found[0] >= 0).any()
