"""Zarr stores behind HTTP: a server on the loopback that serves, breaks off and refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from http_server import Manners, RangeServer
from zarr_stores import consolidate, noise, serve, write_store, zarr_item

import swath
from swath.cube.reader import open_raster
from swath.cube.tiff import Unsupported
from swath.cube.zarrs import ZarrPlace, open_zarr, parse_place
from swath.model import MissingAssetError, UnreadableAssetError
from swath.storage import client as client_module
from swath.storage import forget_stores

SHAPE = (2, 64, 96)
FORMS = {
    "chunks": {"chunks": (1, 32, 32)},
    "shards": {"chunks": (1, 16, 16), "shards": (1, 64, 64)},
    "deep shards": {"chunks": (2, 16, 16), "shards": (2, 32, 96)},
}


@pytest.fixture
def server(monkeypatch):
    """A server that answers, with less patience of ours than by default and no connections kept."""
    quick = replace(client_module.PATIENCE, connect_s=1, silence_s=10, request_s=20, retries=2, retries_s=1)
    monkeypatch.setattr(client_module, "PATIENCE", quick)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    forget_stores()
    with RangeServer() as started:
        yield started
    forget_stores()


@pytest.fixture(params=FORMS)
def store(request, tmp_path, server):
    """A store, its address and its numbers."""
    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers, **FORMS[request.param])
    consolidate(path)
    return path, serve(server, path), numbers


def load(address, numbers):
    return swath.load([zarr_item(address, numbers)], "red", chunks=None).red.values


@pytest.mark.parametrize(
    ("href", "place"),
    [
        ('ZARR:"/data/a.zarr":/red:3', ZarrPlace("/data/a.zarr", "red", (3,))),
        ('ZARR:"https://host/a.zarr/":/r10m/red:0', ZarrPlace("https://host/a.zarr", "r10m/red", (0,))),
        ('ZARR:"s3://bucket/a.zarr":red', ZarrPlace("s3://bucket/a.zarr", "red", ())),
        ('ZARR:"/data/a.zarr":/:2', ZarrPlace("/data/a.zarr", "", (2,))),
        ('ZARR:"/data/a.zarr":/red:1:2', ZarrPlace("/data/a.zarr", "red", (1, 2))),
        ('ZARR:"/data/a.zarr"', ZarrPlace("/data/a.zarr", "", ())),
        ("ZARR:/data/a.zarr:/red", None), ("/data/a.zarr", None), ('NETCDF:"/data/a.nc":red', None),
    ],
)  # fmt: skip
def test_places_are_named_as_gdal_names_them(href, place):
    assert parse_place(href) == place


def test_pixels_are_those_of_the_local_store(store):
    path, address, numbers = store
    np.testing.assert_array_equal(load(address, numbers), load(path, numbers))
    with open_raster(f'ZARR:"{address}":/red:1') as file:
        assert not file.by_gdal
        np.testing.assert_array_equal(file.read([1], (5, 40, 7, 90))[0], numbers[1, 5:40, 7:90])


def test_metadata_is_asked_for_once_and_chunks_by_one_request_each(store, server):
    path, address, numbers = store
    load(address, numbers)
    asked = [each[1] for each in server.seen.requests if each[1].endswith("zarr.json") and each[0] == "GET"]
    assert asked == ["/a.zarr/zarr.json"]
    server.forget()
    file = open_zarr(f'ZARR:"{address}":/red:1')
    assert [each[:2] for each in server.seen.requests] == [("HEAD", "/a.zarr/zarr.json")]
    server.forget()
    file.read([0], (0, 16, 0, 16))
    # Of a shard the size and the index come before the chunk; a chunk of both dates is held since ``load``.
    expected = (0, 1) if not file.image.sharded else (1, 2) if file.image.chunk[0] == 1 else (1, 1)
    assert (server.seen.count("HEAD"), server.seen.count("GET")) == expected
    assert server.seen.sent < sum(each.stat().st_size for each in (path / "red").rglob("*") if each.is_file())


def test_files_are_fetched_at_once_but_not_all(tmp_path, server):
    numbers = noise((1, 160, 160))
    address = serve(server, write_store(tmp_path / "a.zarr", numbers, chunks=(1, 16, 16)))
    file = open_zarr(f'ZARR:"{address}":/red:0')
    server.forget()
    server.manners.wait_s = 0.05
    np.testing.assert_array_equal(file.read([0], (0, 160, 0, 160)), numbers)
    assert server.seen.count("GET") == 100
    assert 2 <= server.seen.most_in_flight <= 10


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("consolidated", [False, True])
def test_all_forms_of_metadata_are_found(tmp_path, server, zarr_format, consolidated):
    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers, zarr_format=zarr_format)
    if consolidated:
        consolidate(path, zarr_format)
    address = serve(server, path)
    np.testing.assert_array_equal(load(address, numbers), numbers)
    np.testing.assert_array_equal(load(f"{address}/red", numbers), numbers)


def test_a_store_that_changes_is_read_anew(store, server, tmp_path):
    _, address, numbers = store
    load(address, numbers)
    other = write_store(tmp_path / "b" / "a.zarr", numbers[:, ::-1], chunks=(1, 32, 48))
    consolidate(other)
    server.files.clear()
    serve(server, other)
    server.tags["/a.zarr/zarr.json"] = '"2"'
    np.testing.assert_array_equal(load(address, numbers), numbers[:, ::-1])


@pytest.mark.parametrize(
    "manners", [Manners(status=503, times=2, also_head=True), Manners(cut=10, times=2)], ids=str
)
def test_what_passes_is_tried_again(store, server, manners):
    _, address, numbers = store
    server.manners = manners
    np.testing.assert_array_equal(load(address, numbers), numbers)
    assert manners.times <= 0


@pytest.mark.parametrize("after", ["before", "after the metadata"])
@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_what_lasts_is_told_with_the_asset(store, server, status, after):
    _, address, numbers = store
    href = f'ZARR:"{address}":/red:0'
    said = "no file" if status == 404 else f"the server says {status}"
    if after == "before":
        server.manners = Manners(status=status, also_head=True)
        with pytest.raises((MissingAssetError, UnreadableAssetError), match=said) as error:
            open_raster(href).__enter__()
    else:
        item = zarr_item(address, numbers)
        with open_raster(href) as file:
            server.manners = Manners(status=status, also_head=True)
            from swath.cube import plan_cube

            (source,) = plan_cube([item], ["red"]).groups[0].items[0].bands
            with pytest.raises((MissingAssetError, UnreadableAssetError), match=said) as error:
                file.place([source], swath.cube.plan_cube([item], ["red"]).geobox)
    assert address in error.value.what
    assert "\n" not in error.value.what


def test_a_chunk_that_is_not_there_is_fill_value(store, server):
    _, address, numbers = store
    gone = sorted(each for each in server.files if "/red/c/" in each)[0]
    del server.files[gone]
    found = load(address, numbers)
    assert np.isnan(found[0, 0, 0])
    assert np.isfinite(found).any()
    there = np.isfinite(found)
    np.testing.assert_array_equal(found[there], numbers[there])


def test_chunks_that_a_shard_leaves_out_are_fill_value(tmp_path, server):
    numbers = noise(SHAPE)
    numbers[:, :32] = -100
    path = write_store(tmp_path / "a.zarr", numbers, chunks=(1, 16, 16), shards=(1, 64, 96))
    file = open_zarr(f'ZARR:"{serve(server, path)}":/red:1')
    assert (file.read([0], (0, 20, 10, 90)) == -100).all()
    np.testing.assert_array_equal(file.read([0], (20, 50, 10, 90))[0], numbers[1, 20:50, 10:90])


def test_a_chunk_that_is_cut_short_is_told(store, server):
    _, address, numbers = store
    for key, content in server.files.items():
        if "/red/c/" in key:
            server.files[key] = content[: len(content) // 2]
    with pytest.raises(UnreadableAssetError, match=r"unpacked|index|bytes") as error:
        load(address, numbers)
    assert address in error.value.what


def test_addresses_of_gdal_are_left_to_it():
    for root in ("/vsicurl/https://host/a.zarr", "https://host/a.zarr?token=1", "gs://bucket/a.zarr"):
        with pytest.raises(Unsupported):
            open_zarr(f'ZARR:"{root}":/red:0')
