"""The Python face: ``import swath`` and its names."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import rasterio

import swath
from swath.catalog import open_catalog
from swath.config import Settings
from swath.model import InputError, NotFoundError


def test_each_public_name_is_there_and_has_a_docstring():
    for name in swath.__all__:
        value = getattr(swath, name)
        assert name.startswith("__") or value.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        _ = swath.laod


def test_import_alone_loads_nothing_else():
    script = "import sys; before = set(sys.modules); import swath; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {each.split(".")[0] for each in ended.stdout.split()} - set(sys.stdlib_module_names)
    assert loaded == {"swath"}


def test_from_catalog_to_product_and_back(demo_catalog, tmp_path):
    """Search, load, compute, save; then load what was saved."""
    with open_catalog(demo_catalog.catalog_path) as catalog:
        found = catalog.search(collections=["sentinel-2-l2a-romania"], datetime="2018-04/2018-06")
        ds = swath.load(found, ["red", "nir"], chunks=50)
    monthly = ds.swath.index("NDVI").swath.composite("P1M")
    items = swath.save(monthly, tmp_path / "out", name="ndvi", collection="mine")
    assert len(items) == 3
    again = swath.load(items, "NDVI", chunks=None)
    np.testing.assert_allclose(again.NDVI.values, monthly.NDVI.values, atol=5.1e-5)
    with rasterio.open(items[0]["assets"]["NDVI"]["href"]) as file:
        assert file.crs.to_epsg() == 3035
    with open_catalog(Settings.read().catalog_path) as catalog:
        assert catalog.count("mine") == 3


def test_zarr_holds_all_times_in_one_item(demo, tmp_path):
    ds = swath.load(demo[58:62], "red", valid=False, chunks=None)
    (item,) = swath.save(ds, tmp_path / "out", name="red", format="zarr")
    again = swath.load([item], "red", valid=False, chunks=None)
    assert again.red.shape == (4, 100, 100)
    np.testing.assert_allclose(again.red.values, ds.red.values, atol=5.1e-5)


def test_what_cannot_be_saved_is_told(demo, tmp_path):
    ds = swath.load(demo[:1], "red", chunks=None)
    with pytest.raises(InputError, match="'tiff' is not known"):
        swath.save(ds, tmp_path / "out", name="red", format="tiff")
    with pytest.raises(InputError, match="the cube has no CRS"):
        swath.save(ds.drop_vars("spatial_ref").drop_attrs(), tmp_path / "out", name="red")
    assert not (tmp_path / "out").exists()


def test_run_takes_objects_and_tells_what_is_wrong(demo, tmp_path):
    import pystac

    objects = [pystac.Item.from_dict(each) for each in demo[60:62]]
    job = swath.run("index", {"items": objects, "index": "NDVI"}, output=tmp_path / "job")
    assert 1 <= len(job.results()) <= 2
    assert "successful" in repr(job)
    with pytest.raises(NotFoundError, match="no site 'mars'"):
        swath.run("index", {"items": objects, "index": "NDVI"}, on="mars")
    with pytest.raises(InputError, match="no input 'idnex'"):
        swath.run("index", {"items": objects, "idnex": "NDVI"})
