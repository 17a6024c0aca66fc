"""Indices of each image beside numpy."""

from __future__ import annotations

import numpy as np
import rasterio
from runs import TWO

from swath.jobs import Request, submit


def test_each_image_is_computed_as_numpy_does(demo, settings, tmp_path):
    items = demo[58:64]
    job = submit(
        Request("index", {"items": items, "index": "NDVI,EVI2", "bands": "red"}, tmp_path / "job"), settings
    )
    assert job.run(TWO).state == "successful"
    products = {each["properties"]["datetime"][:10]: each for each in job.results()}
    made = 0
    for item in items:
        with rasterio.open(item["assets"]["b10m"]["href"]) as file:
            stored = file.read().astype("f8")
        _, _, red, nir, _ = stored * 1e-4
        good = np.isin(stored[4], (4, 5, 6, 7, 11)) & (stored[0] > 0)
        day = item["properties"]["datetime"][:10]
        assert (day in products) == good.any()
        if not good.any():
            continue
        expected = {
            "NDVI": (nir - red) / (nir + red),
            "EVI2": 2.5 * (nir - red) / (nir + 2.4 * red + 1),
            "red": red,
        }
        product = products[day]
        assert product["properties"]["swath:observed_percent"] == round(100 * good.mean(), 2)
        for name, values in expected.items():
            with rasterio.open(product["assets"][name]["href"]) as file:
                found = file.read(1, masked=True)
                scale = file.scales[0]
            there = ~np.ma.getmaskarray(found) & np.isfinite(found.filled(0))
            np.testing.assert_array_equal(there, good & np.isfinite(values))
            atol = 5.1e-5 if scale != 1 else 1e-5
            np.testing.assert_allclose(found.data[there] * scale, values[there], atol=atol, rtol=1e-4)
            made += 1
    assert made >= 3


def test_the_title_and_the_sources_are_told(demo, settings, tmp_path):
    job = submit(Request("index", {"items": demo[61:62], "index": "NDVI"}, tmp_path / "job"), settings)
    job.run(TWO)
    (item,) = job.results()
    sources = [each for each in item["links"] if each["rel"] == "derived_from"]
    assert [each["href"].rsplit("#")[-1] for each in sources] == [demo[61]["id"]]
    assert item["properties"]["processing:expression"]["expression"]["inputs"]["index"] == ["NDVI"]
