"""Cubes that keep their versions: commits, appended times, conflicts, and what cannot be one."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from products.test_saving import cube, files
from storage.conftest import authority  # noqa: F401 -- a fixture
from storage.servers import nginx, s3_settings, webdav_settings

import swath
from swath.config import StoreSettings
from swath.model import ConflictError, InputError, NotFoundError
from swath.products.versioned import open_versioned
from swath.storage import use_stores


@pytest.fixture
def places(s3_server, rclone_server, tmp_path):
    """Stores that can, and one that cannot, keep versions."""
    own = f"v/{tmp_path.name}"
    use_stores(
        {
            "bucket": s3_settings(s3_server, own),
            "dav": webdav_settings(rclone_server, own),
            "disk": StoreSettings(url=str(tmp_path / "disk")),
        }
    )
    yield
    use_stores({})


def read(item):
    """Read the version that an item names."""
    asset = item["assets"]["data"]
    session = open_versioned(asset["href"]).readonly_session(snapshot_id=asset["icechunk:snapshot_id"])
    return xr.open_zarr(session.store, consolidated=False, chunks=None)


@pytest.mark.parametrize("where", ["bucket:ü", "disk:ü b"])
def test_each_save_is_a_version_and_old_ones_stay(places, where):
    (first,) = swath.save(cube(1), where, name="ndvi", format="icechunk", message="begin")
    (second,) = swath.save(cube(2, times=3, first="2020-01-11"), where, name="ndvi", format="icechunk")
    asset = second["assets"]["data"]
    assert asset["type"] == "application/vnd.zarr+icechunk"
    assert asset["icechunk:snapshot_id"] != first["assets"]["data"]["icechunk:snapshot_id"]
    old, new = read(first), read(second)
    assert (old.sizes["time"], new.sizes["time"]) == (2, 4)
    days = ["2020-01-01", "2020-01-11", "2020-01-21", "2020-01-31"]
    assert [str(each)[:10] for each in new.time.values] == days
    assert [str(each)[:10] for each in new.time_bnds.values[:, 0]] == days
    assert float(abs(old.NDVI - cube(1).NDVI).max()) < 5.1e-5
    assert float(abs(new.NDVI[0] - cube(1).NDVI[0]).max()) < 5.1e-5
    wanted = cube(2, times=3, first="2020-01-11").NDVI
    assert float(abs(new.NDVI[1:].values - wanted.values)[:, :, 1:].max()) < 5.1e-5
    assert np.isnan(new.NDVI.values[:, :, 0]).all()
    assert second["properties"]["cube:dimensions"]["time"]["values"] == [f"{each}T00:00:00Z" for each in days]
    assert second["properties"]["end_datetime"] == "2020-01-31T00:00:00Z"
    messages = [each.message for each in open_versioned(asset["href"]).ancestry(branch="main")]
    assert messages == ["swath: ndvi, 3 times", "begin", "Repository initialized"]
    assert [each for each in files(where) if each.endswith(".json")] == [
        f"{where.partition(':')[2]}/ndvi.json"
    ]


def test_what_is_there_may_be_kept(places):
    swath.save(cube(1), "disk:a", name="ndvi", format="icechunk")
    with pytest.raises(ConflictError, match="has the time 2020-01-01T00:00:00Z already"):
        swath.save(cube(2), "disk:a", name="ndvi", format="icechunk", overwrite=False)
    later = cube(2, first="2020-02-01")
    (item,) = swath.save(later, "disk:a", name="ndvi", format="icechunk", overwrite=False)
    assert read(item).sizes["time"] == 4


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (cube(times=1, first="2019-01-01"), "2019-01-01T00:00:00Z is before that"),
        (cube(side=64), "is on another grid"),
        (cube().rename(NDVI="EVI"), "has NDVI, .* and not EVI"),
    ],
)
def test_what_does_not_fit_is_told_and_changes_nothing(places, other, said):
    (item,) = swath.save(cube(1), "disk:b", name="ndvi", format="icechunk")
    with pytest.raises(InputError, match=said):
        swath.save(other, "disk:b", name="ndvi", format="icechunk")
    (head, *_) = open_versioned(item["assets"]["data"]["href"]).ancestry(branch="main")
    assert head.id == item["assets"]["data"]["icechunk:snapshot_id"]


def test_a_commit_of_somebody_else_meanwhile_is_a_conflict(places, monkeypatch):
    """Between beginning and commit of one save another one ends."""
    from swath.products import versioned

    swath.save(cube(1), "bucket:c", name="ndvi", format="icechunk")
    write = versioned._write

    def late(*words, **more):
        monkeypatch.setattr(versioned, "_write", write)
        swath.save(cube(2), "bucket:c", name="ndvi", format="icechunk", message="the other")
        return write(*words, **more)

    monkeypatch.setattr(versioned, "_write", late)
    with pytest.raises(ConflictError, match="somebody else has committed meanwhile") as error:
        swath.save(cube(3), "bucket:c", name="ndvi", format="icechunk", message="mine")
    assert "save again" in error.value.fix
    (item,) = swath.save(cube(3), "bucket:c", name="ndvi", format="icechunk", message="mine")
    heads = [each.message for each in open_versioned(item["assets"]["data"]["href"]).ancestry(branch="main")]
    assert heads[:2] == ["mine", "the other"]


def test_webdav_cannot_keep_versions(places):
    with pytest.raises(InputError, match="cannot keep versions in 'dav'"):
        swath.save(cube(), "dav:a", name="ndvi", format="icechunk")


def test_what_is_not_there_is_told(places, tmp_path):
    with pytest.raises(NotFoundError, match="there is no repository"):
        open_versioned("bucket:nothing.icechunk")


def test_without_icechunk_its_name_is_told(places, monkeypatch):
    monkeypatch.setitem(sys.modules, "icechunk", None)
    with pytest.raises(InputError, match="it is not installed") as error:
        swath.save(cube(), "disk:a", name="ndvi", format="icechunk")
    assert error.value.fix == "pip install swath[icechunk]"


OPENS = """
import sys
from swath.config import StoreSettings
from swath.model import NotFoundError
from swath.products.versioned import open_versioned
from swath.storage import use_stores
told = {"url": "s3://eo/x", "endpoint": sys.argv[1], "key": "k", "secret": "s", "ca": sys.argv[2]}
use_stores({"own": StoreSettings.model_validate(told)})
try:
    open_versioned("own:nothing.icechunk")
except NotFoundError as error:
    print(error.what)
"""


def test_the_authority_of_a_store_is_trusted(authority, tmp_path):  # noqa: F811
    """A process of its own: Icechunk reads certificates when it first connects, and never again."""
    with nginx(tmp_path / "web", certificate=authority[1]) as server:
        words = [sys.executable, "-c", OPENS, server.url, str(authority[0])]
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "icechunk: there is no repository 'own:nothing.icechunk'\n"
