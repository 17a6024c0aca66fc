"""Cubes saved straight into stores: real servers, broken connections, two at once, and a killed call."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from full_disk import room_for
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from storage.servers import READ_KEY, READ_SECRET, WRITE_KEY, WRITE_SECRET, s3_settings, webdav_settings

import swath
from swath.catalog import open_catalog
from swath.config import StoreSettings
from swath.model import (
    ConflictError,
    InputError,
    MissingObjectError,
    NotAllowedError,
    OutputError,
    StoreError,
)
from swath.storage import stores, use_stores


def cube(seed=0, *, times=2, first="2020-01-01", side=96):
    """NDVI of noise, a column of it missing."""
    box = GeoBox((side, side), Affine(10, 0, 5e6, 0, -10, 3e6), "EPSG:3035")
    time = np.datetime64(first, "ns") + np.arange(times) * np.timedelta64(10, "D")
    values = np.random.default_rng(seed).uniform(-0.2, 0.9, (times, side, side)).astype("f4")
    values[:, :, 0] = np.nan
    return xr.Dataset(
        {"NDVI": (("time", "y", "x"), values, {"grid_mapping": "spatial_ref"})},
        coords={**xr_coords(box), "time": time},
    )


@pytest.fixture
def places(s3_server, rclone_server, tmp_path):
    """One store of each kind, in a folder of this test."""
    own = f"t/{tmp_path.name}"
    use_stores(
        {
            "bucket": s3_settings(s3_server, own),
            "reader": s3_settings(s3_server, own, key=READ_KEY, secret=READ_SECRET),
            "nowhere": s3_settings(s3_server, url="s3://no-such-bucket", key=WRITE_KEY, secret=WRITE_SECRET),
            "dav": webdav_settings(rclone_server, f"{own} b"),
            "disk": StoreSettings(url=str(tmp_path / "disk")),
        }
    )
    yield s3_server
    use_stores({})


def check_whole(address):
    """Each item that is there names assets that are there, with its checksums; gives their ids."""
    store, prefix = stores().locate(address)
    ids = []
    for each in list(store.list(prefix)):
        if not each.key.endswith(".json") or each.key.endswith("zarr.json"):
            continue
        item = json.loads(store.get(each.key))
        ids.append(item["id"])
        for asset in item["assets"].values():
            if asset["href"].endswith(".zarr"):
                check_zarr(asset)
                continue
            found, key = stores().locate(asset["href"])
            data = found.get(key)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
            assert asset["file:size"] == len(data)
    return sorted(ids)


def check_zarr(asset):
    store, key = stores().locate(asset["href"])
    names = sorted(each.key.removeprefix(f"{key}/") for each in store.list(key))
    data = {name: store.get(f"{key}/{name}") for name in names}
    lines = "".join(f"{hashlib.sha256(data[name]).hexdigest()}  {name}\n" for name in names)
    assert asset["swath:checksum"] == "1220" + hashlib.sha256(lines.encode()).hexdigest()
    assert asset["file:size"] == sum(map(len, data.values()))


def files(address):
    store, prefix = stores().locate(address)
    return {each.key for each in store.list(prefix)}


@pytest.mark.parametrize("form", ["cog", "zarr"])
@pytest.mark.parametrize("where", ["bucket:out/ü'b%20", "bucket:out/a b", "dav:out/ü b", "disk:out/ü b"])
def test_what_was_saved_is_loaded_again(places, settings, where, form):
    items = swath.save(cube(), where, name="ndvi", collection="mine", format=form)
    assert check_whole(where) == (
        ["ndvi_20200101T000000", "ndvi_20200111T000000"] if form == "cog" else ["ndvi"]
    )
    with open_catalog(settings.catalog_path) as catalog:
        found = sorted(
            (each.to_dict() for each in catalog.search(collections=["mine"])), key=lambda e: e["id"]
        )
    assert [each["assets"] for each in found] == [each["assets"] for each in items]
    loaded = swath.load(found, bands=["NDVI"]).compute()
    assert float(np.nanmax(np.abs(loaded.NDVI.values - cube().NDVI.values))) < 5.1e-5
    assert np.isnan(loaded.NDVI.values[:, :, 0]).all()


def test_a_zarr_store_has_the_bytes_of_a_local_one(places, tmp_path):
    (there,) = swath.save(cube(), "bucket:z", name="ndvi", format="zarr")
    (here,) = swath.save(cube(), tmp_path / "z", name="ndvi", format="zarr")
    for field in ("swath:checksum", "file:size"):
        assert there["assets"]["data"][field] == here["assets"]["data"][field]


def test_the_endpoint_is_told_and_no_secret(places):
    (item,) = swath.save(cube(times=1), "bucket:e", name="ndvi")
    scheme = {
        "type": "custom-s3",
        "platform": f"{places.url}/{{bucket}}",
        "bucket": "eo-data",
        "region": "us-east-1",
    }
    assert item["properties"]["storage:schemes"] == {"eo-data": scheme}
    assert all(each["storage:refs"] == ["eo-data"] for each in item["assets"].values())
    assert "https://stac-extensions.github.io/storage/v2.0.0/schema.json" in item["stac_extensions"]
    assert not any(word in json.dumps(item) for word in ("alice-key", "alice-secret"))


@pytest.mark.parametrize("form", ["cog", "zarr"])
def test_saving_again_replaces_and_leaves_nothing_behind(places, form):
    swath.save(cube(), "bucket:again", name="ndvi", format=form)
    before = files("bucket:again")
    swath.save(cube(), "bucket:again", name="ndvi", format=form)
    assert files("bucket:again") == before
    items = swath.save(cube(1), "bucket:again", name="ndvi", format=form)
    assert len(files("bucket:again")) == len(before)
    assert check_whole("bucket:again") == sorted(each["id"] for each in items)
    with pytest.raises(ConflictError, match="there is an item 'ndvi") as error:
        swath.save(cube(2), "bucket:again", name="ndvi", format=form, overwrite=False)
    assert "overwrite=True" in error.value.fix
    assert (
        json.loads(
            stores()
            .locate(items[0]["links"][0]["href"])[0]
            .get(stores().locate(items[0]["links"][0]["href"])[1])
        )
        == items[0]
    )


def test_a_local_item_is_kept_too(tmp_path):
    (item,) = swath.save(cube(times=1), tmp_path / "out", name="ndvi")
    with pytest.raises(ConflictError, match="there is an item 'ndvi'"):
        swath.save(cube(1, times=1), tmp_path / "out", name="ndvi", overwrite=False)
    assert json.loads((tmp_path / "out/ndvi.json").read_text())["assets"].keys() == item["assets"].keys()


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("form", ["cog", "zarr"])
def test_two_at_once_leave_one_that_is_whole(places, form, overwrite):
    started = threading.Barrier(2)

    def save(seed):
        data = cube(seed, times=1)
        started.wait()
        try:
            return swath.save(data, "bucket:two", name="ndvi", format=form, overwrite=overwrite)[0]
        except ConflictError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(save, (1, 2)))
    lost = [each for each in ended if isinstance(each, ConflictError)]
    assert len(lost) == (0 if overwrite else 1)
    assert check_whole("bucket:two") == ["ndvi"]
    kept = json.loads(stores().locate("bucket:two/ndvi.json")[0].get("two/ndvi.json"))
    assert kept in ended


@pytest.mark.parametrize(
    ("where", "kind", "said"),
    [
        ("reader:x", NotAllowedError, "storage 'reader': 403"),
        ("nowhere:x", (MissingObjectError, NotAllowedError), "s3://no-such-bucket"),
        ("bucket:a<b", InputError, "has '<', which no address of an asset may have"),
        ("gone:x", InputError, "there is no store 'gone'"),
    ],
)
@pytest.mark.parametrize("form", ["cog", "zarr", "icechunk"])
def test_a_store_that_refuses_is_told_in_a_sentence(places, where, kind, said, form):
    with pytest.raises(kind, match=said):
        swath.save(cube(times=1), where, name="ndvi", format=form)


def test_a_full_disk_for_temporary_files(places):
    with room_for(4096), pytest.raises(OutputError, match="cannot write") as error:
        swath.save(cube(times=1), "bucket:full", name="ndvi")
    assert "TMPDIR" in error.value.fix
    assert files("bucket:full") == set()


@contextlib.contextmanager
def cutting(url, after):
    """Pass connections on to a server, and cut all off when so many bytes have gone to it."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    gone, left = [0], threading.Lock()
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source, target, *, counted):
        with contextlib.suppress(OSError):
            while piece := source.recv(16384):
                if counted:
                    with left:
                        gone[0] += len(piece)
                    if gone[0] > after:
                        break
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()  # each of two is the source of one pump

    def accept():
        with contextlib.suppress(OSError):
            while True:
                mine, _ = listening.accept()
                if gone[0] > after:
                    mine.close()
                    continue
                other = socket.create_connection((host, port))
                threading.Thread(
                    target=pump, args=(mine, other), kwargs={"counted": True}, daemon=True
                ).start()
                threading.Thread(
                    target=pump, args=(other, mine), kwargs={"counted": False}, daemon=True
                ).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        listening.close()


@pytest.mark.parametrize("form", ["cog", "zarr"])
def test_a_connection_that_breaks_leaves_nothing_half(places, form):
    data = cube(times=1, side=512)
    with cutting(places.url, 200_000) as url:
        use_stores({"broken": s3_settings(places, "broken", endpoint=url)})
        with pytest.raises(StoreError, match="storage 'broken'"):
            swath.save(data, f"broken:{form}", name="ndvi", format=form)
    use_stores({"broken": s3_settings(places, "broken")})
    left = files(f"broken:{form}")
    assert not any(each.endswith((".json", ".tif")) and each.count("/") < 2 for each in left)
    assert not any(each.endswith(".zarr/zarr.json") for each in left)
    swath.save(data, f"broken:{form}", name="ndvi", format=form)
    assert check_whole(f"broken:{form}") == ["ndvi"]
    assert left <= files(f"broken:{form}")


KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from products.test_saving import Path, cube, use_stores, webdav_settings
from storage.servers import Server
import swath
use_stores({"dav": webdav_settings(Server(sys.argv[2], Path()), sys.argv[3])})
swath.save(cube(times=200, side=32), "dav:killed", name="ndvi")
"""


def test_a_call_that_is_killed_leaves_whole_items(places, rclone_server, tmp_path):
    words = [
        sys.executable,
        "-c",
        KILLED,
        str(Path(__file__).parents[1]),
        rclone_server.url,
        f"t/{tmp_path.name} b",
    ]
    process = subprocess.Popen(words, env={**os.environ})
    folder = rclone_server.folder / f"t/{tmp_path.name} b" / "killed"
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until and len(list(folder.glob("*.json"))) < 3:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= len(check_whole("dav:killed")) < 200


def test_messages_are_of_versions(tmp_path):
    with pytest.raises(InputError, match="'cog' has no versions"):
        swath.save(cube(times=1), tmp_path, name="ndvi", message="why")
