"""Cubes and results of jobs into a dCache (emulated), by a macaroon that allows that and no more."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import numpy as np
import pytest
from dcaches import ROOT
from products.test_saving import check_whole, cube
from runs import SMALL, TWO

import swath
from swath.catalog import open_catalog
from swath.config import StoreSettings
from swath.jobs import Request, submit
from swath.model import JobState, NotAllowedError
from swath.storage import make_store, parse_root, stores, use_stores
from swath.storage.dcache.macaroon import restrict
from swath.testing.dcache import DCache


@pytest.fixture
def dcache(tmp_path):
    """An emulated dCache, with stores for whoever may write, and may only read."""
    with DCache(tmp_path / "dcache", users={"alice": "hush-password"}) as made:
        made.mkdir(ROOT)
        url = made.webdav_url + ROOT
        told = {"url": url, "kind": "dcache"}
        own = StoreSettings.model_validate({**told, "user": "alice", "password": "hush-password"})
        source = make_store("own", parse_root(url), own)
        allowed = ("DOWNLOAD", "UPLOAD", "DELETE", "LIST", "MANAGE")
        token = source.macaroon(activities=allowed, lifetime=dt.timedelta(hours=1))
        tokens = {"box": token, "reader": restrict(token, "activity:DOWNLOAD,LIST")}
        use_stores(
            {key: StoreSettings.model_validate({**told, "token": each}) for key, each in tokens.items()}
        )
        yield made
        use_stores({})


@pytest.mark.parametrize("form", ["cog", "zarr"])
def test_what_was_saved_is_whole_and_loaded_again(dcache, settings, form):
    items = swath.save(cube(), "box:out/ü b", name="ndvi", collection="mine", format=form)
    assert len(check_whole("box:out/ü b")) == (2 if form == "cog" else 1)
    assert all(
        each["href"].startswith(f"{dcache.webdav_url}{ROOT}/out/%C3%BC%20b/")
        for item in items
        for each in item["assets"].values()
    )
    loaded = swath.load(items, bands=["NDVI"]).compute()
    assert float(np.nanmax(np.abs(loaded.NDVI.values - cube().NDVI.values))) < 5.1e-5
    before = dcache.requests(method="PUT")
    swath.save(cube(), "box:out/ü b", name="ndvi", format=form)
    again = {each.path for each in dcache.requests(method="PUT")[len(before) :] if each.path.endswith(".tif")}
    assert again == set()  # files that are there are not sent again
    swath.save(cube(seed=1), "box:out/ü b", name="ndvi", format=form)
    assert len(check_whole("box:out/ü b")) == (2 if form == "cog" else 1)


@pytest.mark.parametrize("form", ["cog", "zarr"])
def test_a_macaroon_that_may_not_write_is_refused_in_a_sentence(dcache, form):
    with pytest.raises(NotAllowedError, match="storage 'reader': 403"):
        swath.save(cube(), "reader:out", name="ndvi", format=form)
    assert list(stores().store("box").list("out")) == []


def test_results_of_a_job(dcache, settings, demo):
    job = submit(Request("composite", {**SMALL, "items": demo[58:62]}, to="box:jobs"), settings)
    assert job.run(TWO).state is JobState.SUCCESSFUL
    store = stores().store("box")
    at = f"jobs/{job.id}/results"
    assert json.loads(store.get(f"{at}/catalog.json"))["id"] == job.id
    found = swath.search(f"box:{at}/catalog.json")
    items = list(found.items_as_dicts())
    assert len(items) == 9
    for item in items:
        for asset in item["assets"].values():
            key = stores().locate(asset["href"])[1]
            assert asset["file:checksum"] == "1220" + hashlib.sha256(store.get(key)).hexdigest()
    with open_catalog(settings.catalog_path) as catalog:
        assert catalog.search(collections=["small"]).matched() == 9
    one = swath.load(found, "NDVI", valid=False, chunks=None).NDVI.values
    assert np.isfinite(one).any()
