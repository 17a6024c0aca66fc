"""What happens when files cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import sys

import pandas as pd
import pytest

from swath.model import OutputError
from swath.products import merge_cog, mosaic, write_mosaic, write_raster, write_table, write_zarr
from swath.storage.whole import file_name, write_bytes, write_json, writing


@contextlib.contextmanager
def room_for(size):
    """Let files grow to so many bytes only: writing more fails, as it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    sys.dont_write_bytecode, written = (
        True,
        sys.dont_write_bytecode,
    )  # Python would leave half a .pyc for good
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.fixture
def calls(make_raster, make_geobox, lineage, tmp_path):
    """Everything that writes, on a folder; each writes a file of more than 5000 bytes."""
    raster = make_raster()
    tiles = [write_raster(tmp_path / "tiles", make_raster(), lineage)]
    table = pd.DataFrame({"a": range(20_000)})
    fields = {"start": raster.start, "end": raster.end, "geometry": None, "lineage": lineage}
    for item in tiles:
        item["links"].append({"rel": "self", "href": str(tmp_path / "tiles" / "x.json")})
    return {
        "raster": lambda folder: write_raster(folder, raster, lineage),
        "zarr": lambda folder: write_zarr(folder, [raster], lineage),
        "csv": lambda folder: write_table(folder, table, id="t", formats=["csv"], **fields),
        "parquet": lambda folder: write_table(folder, table, id="t", formats=["parquet"], **fields),
        "cog": lambda folder: merge_cog(folder, tiles, name="all"),
        "index": lambda folder: write_mosaic(folder, tiles, name="all"),
    }


@pytest.mark.parametrize("name", ["raster", "zarr", "csv", "parquet", "cog", "index"])
def test_no_room_is_said_and_leaves_nothing(tmp_path, calls, name, monkeypatch):
    monkeypatch.setattr(mosaic, "MANY", 0)
    folder = tmp_path / "out"
    with room_for(3000), pytest.raises(OutputError, match=f"cannot write {folder}"):
        calls[name](folder)
    assert list(folder.iterdir()) == []
    calls[name](folder)
    assert list(folder.iterdir()) != []


def test_the_reason_and_what_to_do_are_said(tmp_path):
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)) as caught, writing(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "whatever")
    assert "free some room" in str(caught.value)
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="taken"):
        write_bytes(tmp_path / "taken" / "file", b"")


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with room_for(10), pytest.raises(OutputError):
        write_bytes(path, b"new" * 100)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_does_not_depend_on_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c", float("nan"))


@pytest.mark.parametrize("text", ["a/b", "..", "", "x" * 300, "ü:?*"])
def test_names_are_safe_for_files(text, tmp_path):
    name = file_name(text)
    assert "/" not in name
    (tmp_path / name).write_text("")
    assert [each.name for each in tmp_path.iterdir()] == [name]
