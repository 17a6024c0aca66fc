"""Files behind HTTP: a server on the loopback that serves, breaks off, stays silent and refuses."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from http_server import Manners, RangeServer
from odc.geo.geobox import GeoBox
from scenes import CRS, grid, make_item, write_tiff

import swath
from swath.cube.reader import open_raster
from swath.cube.sources import band_sources
from swath.cube.tiff import MalformedError, ServerError, Unsupported, is_known_address, open_tiff
from swath.cube.tiff import file as file_module
from swath.model import MissingAssetError, UnreadableAssetError
from swath.storage import client as client_module
from swath.storage import forget_stores

SIDE = 256
QUICK = client_module.Patience(connect_s=1, silence_s=0.3, request_s=1, retries=2, retries_s=1)
FEW_RETRIES = replace(QUICK, silence_s=10, request_s=20)


@pytest.fixture
def server(monkeypatch):
    """A server that answers, with less patience of ours than by default and no connections kept."""
    monkeypatch.setattr(client_module, "PATIENCE", FEW_RETRIES)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    forget_stores()
    with RangeServer() as started:
        yield started
    forget_stores()


@pytest.fixture
def scene(tmp_path, server):
    """A file, its address and its pixels."""
    noise = np.random.default_rng(3).integers(1, 9999, (SIDE, SIDE)).astype("u2")
    path = write_tiff(tmp_path / "red.tif", noise, blockxsize=32, blockysize=32)
    return path, server.put("red.tif", path.read_bytes()), noise


def read_whole(address, *, threads=2):
    file = open_tiff(address)
    try:
        return file.read(range(file.count), (0, file.height, 0, file.width), threads=threads)
    finally:
        file.close()


def item_at(path, address):
    item = make_item("one", {"red": path})
    item["assets"]["red"]["href"] = address
    return json.loads(json.dumps(item))


def place(path, address):
    """Read it as products do; tell whether GDAL had to."""
    with open_raster(address) as file:
        pixels = file.place(band_sources(item_at(path, address)), GeoBox((SIDE, SIDE), grid(), CRS))
        return pixels.data, file.by_gdal


@pytest.mark.parametrize("threads", [1, 2])
def test_pixels_are_those_of_the_local_file(scene, threads):
    path, address, noise = scene
    np.testing.assert_array_equal(read_whole(address, threads=threads)[0], noise)
    data, by_gdal = place(path, address)
    np.testing.assert_array_equal(data[0], noise)
    assert not by_gdal
    loaded = swath.load([item_at(path, address)], "red", chunks=None)
    np.testing.assert_array_equal(loaded.red.values[0], noise.astype("f4"))


def test_near_blocks_come_in_one_request_and_headers_are_kept(scene, server):
    path, address, _ = scene
    read_whole(address)
    assert (server.seen.count("HEAD"), server.seen.count("GET")) == (1, 2)  # the header, then 64 blocks
    server.forget()
    read_whole(address)
    assert (server.seen.count("HEAD"), server.seen.count("GET")) == (1, 1)
    assert server.seen.sent < path.stat().st_size
    server.forget()
    file = open_tiff(address)
    file.read([0], (0, 32, 0, 32))
    assert server.seen.sent == file.image.counts[0]


def test_far_blocks_come_in_requests_that_are_in_flight_together_but_not_all(tmp_path, server):
    layers = np.random.default_rng(0).integers(0, 9999, (44, 400, 400)).astype("u2")
    path = write_tiff(
        tmp_path / "deep.tif",
        layers,
        tiled=False,
        blockxsize=400,
        blockysize=400,
        interleave="band",
        compress="none",
    )
    address = server.put("deep.tif", path.read_bytes())
    file = open_tiff(address)
    server.forget()
    server.manners.wait_s = 0.25
    wanted = list(range(0, 44, 2))
    found = file.read(wanted, (0, 400, 0, 400), threads=2)
    np.testing.assert_array_equal(found, layers[wanted])
    assert server.seen.count("GET") == len(wanted)
    assert 4 <= server.seen.most_in_flight <= 10


def test_a_header_longer_than_what_is_read_first(scene, server, monkeypatch):
    _, address, noise = scene
    monkeypatch.setattr(file_module, "_REMOTE_PREFIX", 64)
    np.testing.assert_array_equal(read_whole(address)[0], noise)
    assert 3 < server.seen.count("GET") < 30


def test_a_file_that_changes_is_read_anew(scene, server):
    _, address, noise = scene
    read_whole(address)
    other = noise[::-1]
    server.put("red.tif", write_tiff(scene[0], other, blockxsize=64, blockysize=64).read_bytes())
    server.tags["/red.tif"] = '"2"'
    np.testing.assert_array_equal(read_whole(address)[0], other)


@pytest.mark.parametrize(
    "manners",
    [
        Manners(status=500, times=2), Manners(status=503, times=1), Manners(status=429, times=2),
        Manners(status=503, times=2, also_head=True), Manners(cut=1000, times=2), Manners(cut=0, times=1),
    ],
    ids=str,
)  # fmt: skip
def test_what_passes_is_tried_again(scene, server, manners):
    _, address, noise = scene
    server.manners = manners
    np.testing.assert_array_equal(read_whole(address)[0], noise)
    assert manners.times <= 0


REFUSED = {
    401: (ServerError, "the server says 401 Unauthorized"),
    403: (ServerError, "the server says 403 Forbidden"),
    404: (FileNotFoundError, "the server says 404 Not Found"),
    405: (ServerError, "the server says 405 Method Not Allowed"),
    410: (FileNotFoundError, "the server says 410 Gone"),
    416: (ServerError, "the server says 416"),
    429: (ServerError, "the server says 429 Too Many Requests"),
    500: (ServerError, "the server says 500 Internal Server Error"),
    503: (ServerError, "the server says 503 Service Unavailable"),
}


@pytest.mark.parametrize("also_head", [False, True], ids=["parts", "all"])
@pytest.mark.parametrize("status", REFUSED)
def test_what_lasts_is_said_as_the_server_said_it(scene, server, status, also_head):
    """And at once: GDAL is asked once more only where it may have other credentials."""
    path, address, _ = scene
    kind, said = REFUSED[status]
    began = time.monotonic()
    server.manners = Manners(status=status, also_head=also_head)
    with pytest.raises(kind, match=said) as error:
        read_whole(address)
    assert "\n" not in str(error.value)
    ours = len(server.seen.requests)
    server.forget()
    server.manners = Manners(status=status, also_head=also_head)
    expected = MissingAssetError if status in (404, 410) else UnreadableAssetError
    with pytest.raises(expected) as error:
        place(path, address)
    assert address in error.value.what
    if expected is UnreadableAssetError:
        assert said in error.value.what
    again = len(server.seen.requests) - ours
    assert again == 0 if status in (404, 410, 429, 500, 503) else again <= 2
    server.forget()
    server.manners = Manners(status=status, also_head=also_head)
    with pytest.raises(expected) as error:
        swath.load([item_at(path, address)], "red", chunks=None)
    assert address in error.value.what
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("manners", "said"),
    [
        (Manners(wait_s=1.5), "does not answer in time"),
        (Manners(pause_s=0.1), "does not answer in time"),
        (Manners(cut=1000), "breaks off"),
    ],
    ids=["silent", "slow", "cut"],
)
def test_lasting_failures_end(scene, server, monkeypatch, manners, said):
    path, address, _ = scene
    monkeypatch.setattr(client_module, "PATIENCE", QUICK)
    forget_stores()
    server.manners = manners
    began = time.monotonic()
    with pytest.raises(UnreadableAssetError, match=said) as error:
        place(path, address)
    assert address in error.value.what
    # Retries begin within retries_s, and each takes no longer than request_s; nobody asks GDAL then.
    assert time.monotonic() - began < 10 * (QUICK.retries_s + QUICK.request_s)


def test_the_default_patience_ends_too():
    given = client_module.Patience()
    assert given.retries_s + given.request_s <= 300
    assert given.silence_s < given.request_s


def test_a_slow_server_that_keeps_sending_is_waited_for(scene, server, monkeypatch):
    _, address, noise = scene
    monkeypatch.setattr(client_module, "PATIENCE", replace(QUICK, silence_s=2, request_s=60))
    forget_stores()
    read_whole(address)
    server.manners = Manners(pause_s=0.025)
    began = time.monotonic()
    np.testing.assert_array_equal(read_whole(address)[0], noise)
    assert time.monotonic() - began > 2


def test_a_server_that_is_gone(scene, server):
    path, address, _ = scene
    server.__exit__()
    try:
        with pytest.raises(UnreadableAssetError, match="no connection to the server") as error:
            place(path, address)
        assert address in error.value.what
    finally:
        server.__init__()
        server.__enter__()


def test_a_server_that_gives_no_parts_is_left_to_gdal(scene, server):
    """Which reads a file of one piece, and refuses a larger one."""
    path, address, noise = scene
    server.manners = Manners(ranges=False)
    with pytest.raises(Unsupported, match="no parts of files"):
        read_whole(address)
    data, by_gdal = place(path, address)
    np.testing.assert_array_equal(data[0], noise)
    assert by_gdal
    write_tiff(path, np.tile(noise, (4, 4)), compress="none")
    address = server.put("large.tif", path.read_bytes())
    with pytest.raises(UnreadableAssetError, match="Range downloading not supported") as error:
        place(path, address)
    assert address in error.value.what


def test_a_wrong_length_is_no_pixels(scene, server):
    _, address, _ = scene
    server.manners = Manners(shorter=100)
    with pytest.raises(MalformedError, match=r"ends before|fewer bytes"):
        read_whole(address)
    server.manners = Manners(longer=100)
    with pytest.raises(ServerError):
        read_whole(address)


def test_other_formats_behind_http_are_left_to_gdal(tmp_path, server):
    path = tmp_path / "red.png"
    with rasterio.open(path, "w", driver="PNG", width=9, height=9, count=1, dtype="uint8") as file:
        file.write(np.ones((1, 9, 9), "u1"))
    address = server.put("red.png", path.read_bytes())
    with open_raster(address) as file:
        assert file.by_gdal
        assert (file.height, file.width) == (9, 9)


@pytest.mark.parametrize(
    ("href", "known"),
    [
        ("/data/a.tif", True), ("file:///data/a.tif", True), ("s3://bucket/a.tif", True),
        ("https://host/a.tif", True), ("https://host/a.tif?token=1", False),
        ("https://user@host/a.tif", False), ("/vsicurl/https://host/a", False),
        ("gs://bucket/a.tif", False), ('HDF5:"a.h5"://x', False),
    ],
)  # fmt: skip
def test_which_addresses_are_read_here(href, known):
    assert is_known_address(href) is known
