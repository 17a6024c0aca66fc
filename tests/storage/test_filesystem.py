"""Everything that opens files by fsspec finds them in the stores."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import fsspec
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from storage.servers import KEY, SECRET, s3_settings, webdav_settings

import swath
from swath.storage import stores, use_stores
from swath.storage.filesystem import StoreFileSystem, filesystem

if TYPE_CHECKING:
    from storage.servers import Server


@pytest.fixture(params=["s3", "dav", "folder"])
def address(request, tmp_path):
    """A store by its name, with the rest of the settings' stores."""
    settings = {"box": {"url": str(tmp_path / "box")}}
    if request.param == "s3":
        server: Server = request.getfixturevalue("s3_server")
        settings["box"] = s3_settings(server, secrets.token_hex(6))
    elif request.param == "dav":
        settings["box"] = webdav_settings(request.getfixturevalue("rclone_server"), secrets.token_hex(6))
    before = stores().named
    from swath.config import Settings

    use_stores(Settings.model_validate({"stores": settings}).stores)
    yield "box:folder"
    use_stores(before)


def test_files_are_copied_listed_moved_and_removed(address, tmp_path):
    files = filesystem(address)
    files.pipe_file("a/b.txt", b"0123456789")
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "c.txt").write_bytes(b"c" * 100)
    files.put(str(tmp_path / "local" / "c.txt"), "a/c.txt")
    assert files.ls("a", detail=False) == ["a/b.txt", "a/c.txt"]
    assert files.find("") == ["a/b.txt", "a/c.txt"]
    assert files.info("a")["type"] == "directory"
    assert files.info("a/c.txt")["size"] == 100
    assert files.exists("a/b.txt")
    assert not files.exists("a/d.txt")
    assert files.glob("a/*.txt") == ["a/b.txt", "a/c.txt"]
    assert (files.cat_file("a/b.txt", 2, 5), files.cat_file("a/b.txt", -3)) == (b"234", b"789")
    assert files.cat_ranges(["a/b.txt", "a/c.txt", "a/b.txt"], [0, 1, 8], [2, 2, 10]) == [b"01", b"c", b"89"]
    with files.open("a/b.txt") as file:
        file.seek(4)
        assert file.read(3) == b"456"
    with files.open("a/written.txt", "w") as file:
        file.write("text")
    assert files.cat("a/written.txt") == b"text"
    files.cp_file("a/b.txt", "copy/b.txt")
    files.mv("a/written.txt", "moved.txt")
    files.get("moved.txt", str(tmp_path / "back.txt"))
    assert (tmp_path / "back.txt").read_text() == "text"
    files.rm("a", recursive=True)
    left = files.find("")
    assert {"copy/b.txt", "moved.txt"} <= set(left)
    assert [
        each for each in left if each.startswith("a/")
    ] == []  # SeaweedFS shows the empty folder for a while
    with pytest.raises(FileNotFoundError, match="absent"):
        files.cat_file("absent")


def test_a_failing_writer_leaves_nothing(address):
    files = filesystem(address)
    with pytest.raises(RuntimeError, match="half"):
        _write_half(files)
    assert files.find("") == []


def _write_half(files):
    with files.transaction, files.open("a.bin", "wb") as file:
        file.write(b"x" * 10)
        raise RuntimeError("half")


def test_libraries_open_them_by_url(address, tmp_path):
    name = f"swath://{address.replace(':', '/')}"
    assert isinstance(fsspec.filesystem("swath"), StoreFileSystem)
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "ü"]})
    table.to_parquet(f"{name}/t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(f"{name}/t.parquet"), table)
    table.to_csv(f"{name}/t.csv", index=False)
    assert pd.read_csv(f"{name}/t.csv").shape == (2, 2)
    cube = xr.Dataset({"red": (("y", "x"), np.arange(12, dtype="i2").reshape(3, 4))})
    cube.to_zarr(f"{name}/c.zarr", zarr_format=3, consolidated=False)
    xr.testing.assert_equal(xr.open_zarr(f"{name}/c.zarr", consolidated=False).load(), cube)
    pixels = np.arange(600, dtype="u1").reshape(1, 20, 30)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", width=30, height=20, count=1, dtype="uint8"
    ) as file:
        file.write(pixels)
    files = filesystem(address)
    files.put(str(tmp_path / "a.tif"), "a.tif")
    with rasterio.open("a.tif", opener=files) as file:
        np.testing.assert_array_equal(file.read(), pixels)


def test_gdal_reads_with_the_same_credentials(address, tmp_path, monkeypatch):
    from swath.storage.gdal import gdal_env, store_place

    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    pixels = np.arange(600, dtype="u1").reshape(1, 20, 30)
    with rasterio.open(
        tmp_path / "a.png", "w", driver="PNG", width=30, height=20, count=1, dtype="uint8"
    ) as file:
        file.write(pixels)
    store, key = stores().locate(f"{address}/a.png")
    store.put(key, tmp_path / "a.png")
    place, options = store_place(store, key)
    with gdal_env(options), rasterio.open(place) as file:
        np.testing.assert_array_equal(file.read(), pixels)
    if options:
        store.put(f"{key}.again", tmp_path / "a.png")  # GDAL remembers what it has seen
        wrong = {**options, "AWS_SECRET_ACCESS_KEY": "wrong", "GDAL_HTTP_USERPWD": "a:b"}
        with gdal_env(wrong), pytest.raises(rasterio.RasterioIOError):
            rasterio.open(f"{place}.again")
    assert KEY not in str(place)
    assert SECRET not in str(place)


def test_the_package_has_it(tmp_path):
    files = swath.filesystem(str(tmp_path))
    files.pipe_file("a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
