"""Zarr stores as assets: copied as folders, shown only whole, verified and repaired."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from catalog.mirror.conftest import Place, item

import swath
from swath.catalog.mirror.folders import Listing
from swath.storage.checksum import folder_checksum, parse_multihash

DESCRIBING = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")


def make_cube(path: Path, *, version: int = 3, side: int = 64, seed: int = 1) -> xr.Dataset:
    """Write 2 bands of noise in chunks of 16 x 16."""
    rng = np.random.default_rng(seed)
    bands = {name: (("y", "x"), rng.integers(0, 9999, (side, side), "uint16")) for name in ("red", "nir")}
    cube = xr.Dataset(bands, {"x": np.arange(side), "y": np.arange(side)})
    encoding = {name: {"chunks": (16, 16)} for name in bands}
    cube.to_zarr(path, mode="w", zarr_format=version, consolidated=version == 2, encoding=encoding)
    return cube


def zarr_item(href: str, **fields: object):
    return item("x", {"cube": href}, type="application/vnd.zarr; version=3", **fields)


def open_mirrored(place: Place) -> xr.Dataset:
    """Open the cube of a mirror in a folder."""
    href = place.json("c/x/x.json")["assets"]["cube"]["href"]
    with xr.open_zarr(Path(place.address, "c/x", href), consolidated=False) as cube:
        return cube.load()


@pytest.mark.parametrize("version", [2, 3])
def test_to_a_bucket_and_back(maker, bucket, folder, tmp_path, version):
    cube = make_cube(tmp_path / "cube.zarr", version=version)
    report = maker.mirror([zarr_item(str(tmp_path / "cube.zarr"))], bucket)
    assert (report.copied, report.files, report.failures) == (1, 1, [])
    asset = bucket.json("c/x/x.json")["assets"]["cube"]
    assert asset["href"].startswith("./cube-")
    assert asset["href"].endswith(".zarr")
    assert asset["alternate"]["origin"]["href"] == str(tmp_path / "cube.zarr")
    assert (asset["file:checksum"], asset["file:size"]) == folder_checksum(tmp_path / "cube.zarr")
    assert report.copied_bytes == asset["file:size"]

    report = swath.mirror(f"{bucket.address}/catalog.json", folder.address)
    assert (report.copied, report.failures) == (1, [])
    again = folder.json("c/x/x.json")["assets"]["cube"]
    assert again["file:checksum"] == asset["file:checksum"]
    xr.testing.assert_identical(open_mirrored(folder), cube)
    assert swath.mirror("none", folder.address, verify=True).to_dict()["failures"] == []
    assert swath.mirror("none", bucket.address, verify=True).to_dict()["failures"] == []


def test_what_describes_the_chunks_comes_after_them(maker, folder, tmp_path):
    make_cube(tmp_path / "cube.zarr")
    maker.mirror([zarr_item(str(tmp_path / "cube.zarr"))], folder)
    written = {each: each.stat().st_mtime_ns for each in Path(folder.address).rglob("*") if each.is_file()}
    in_cube = {each: at for each, at in written.items() if ".zarr" in str(each)}
    describing = {each: at for each, at in in_cube.items() if each.name in DESCRIBING}
    assert len(in_cube) - len(describing) == 2 * 16 + 2
    assert max(at for each, at in in_cube.items() if each not in describing) <= min(describing.values())
    assert max(describing, key=describing.__getitem__).parent.suffix == ".zarr", "the root comes last"
    assert max(in_cube.values()) <= written[Path(folder.address, "c/x/x.json")]


def test_the_order_of_both_versions():
    names = [".zmetadata", ".zgroup", "a/.zarray", "a/0.0", "b/zarr.json", "b/c/d/zarr.json"]
    assert Listing(dict.fromkeys(names, 1), "").names() == [
        ["a/0.0"], ["b/c/d/zarr.json"], ["a/.zarray", "b/zarr.json"], [".zgroup", ".zmetadata"],
    ]  # fmt: skip


def test_the_next_run_copies_nothing_and_a_change_takes_another_place(maker, folder, tmp_path, monkeypatch):
    make_cube(tmp_path / "cube.zarr")
    items = [zarr_item(str(tmp_path / "cube.zarr"))]
    maker.mirror(items, folder)
    before = folder.listed()
    again = maker.mirror(items, folder)
    assert (again.kept, again.copied, again.items_written, again.moved_bytes) == (1, 0, 0, 0)
    monkeypatch.setenv("SWATH_HOME", str(tmp_path / "elsewhere"))
    other = maker.mirror(items, folder)
    assert (other.kept, other.copied, other.items_written, other.moved_bytes) == (1, 0, 0, 0)

    changed = make_cube(tmp_path / "cube.zarr", seed=2)
    third = maker.mirror(items, folder)
    assert (third.copied, third.items_written, third.failures) == (1, 1, [])
    assert set(before) < set(folder.listed()), "somebody may be reading what was there"
    xr.testing.assert_identical(open_mirrored(folder), changed)


def test_a_dry_run_adds_up_what_is_in_it(maker, folder, bucket, tmp_path):
    make_cube(tmp_path / "cube.zarr")
    size = sum(each.stat().st_size for each in (tmp_path / "cube.zarr").rglob("*") if each.is_file())
    items = [item("x", {"cube": str(tmp_path / "cube.zarr"), "gone": str(tmp_path / "gone.zarr")})]
    report = maker.mirror(items, folder, dry_run=True)
    assert (report.files, report.total_bytes, report.unknown_sizes) == (2, size, 1)
    assert not Path(folder.address).exists()


def test_a_wrong_chunk_is_named_and_repaired(maker, folder, tmp_path):
    cube = make_cube(tmp_path / "cube.zarr")
    items = [zarr_item(str(tmp_path / "cube.zarr"))]
    maker.mirror(items, folder)
    for spoil in ("other", "gone", "more"):
        chunk = next(each for each in folder.listed() if each.endswith("red/c/1/1"))
        if spoil == "other":
            folder.put(chunk, folder.get(chunk)[::-1])
        elif spoil == "gone":
            Path(folder.address, chunk).unlink()
        else:
            folder.put(f"{chunk}0", b"nobody's")
        report = swath.mirror("none", folder.address, verify=True)
        assert [(each.item, each.asset) for each in report.failures] == [("x", "cube")], spoil
        if spoil == "more":
            (failure,) = maker.mirror(items, folder, repair=True).failures
            assert "objects that the source has not" in failure.reason
            Path(folder.address, f"{chunk}0").unlink()
        repaired = maker.mirror(items, folder, repair=True)
        assert (repaired.copied, repaired.failures) == (1, []), spoil
        xr.testing.assert_identical(open_mirrored(folder), cube)
        assert swath.mirror("none", folder.address, verify=True).failures == []


def test_an_empty_folder_and_a_wrong_checksum_are_told(maker, folder, tmp_path):
    (tmp_path / "empty.zarr").mkdir()
    make_cube(tmp_path / "cube.zarr")
    right = folder_checksum(tmp_path / "cube.zarr")[0]
    wrong = item("wrong", {"cube": str(tmp_path / "cube.zarr")}, **{"file:checksum": "1220" + "0" * 64})
    fine = item("fine", {"cube": str(tmp_path / "cube.zarr/")}, **{"file:checksum": right})
    report = maker.mirror([wrong, item("empty", {"cube": str(tmp_path / "empty.zarr")}), fine], folder)
    reasons = {each.item: each.reason for each in report.failures}
    assert set(reasons) == {"wrong", "empty"}
    assert "another checksum than its item says" in reasons["wrong"]
    assert "is a folder" in reasons["empty"]
    assert folder.json("c/wrong/wrong.json")["assets"]["cube"]["href"] == str(tmp_path / "cube.zarr")
    shown = folder.json("c/fine/fine.json")["assets"]["cube"]
    assert parse_multihash(shown["file:checksum"]) == parse_multihash(right)


def test_killed_on_the_way_it_shows_nothing_and_goes_on(maker, folder, tmp_path):
    cube = make_cube(tmp_path / "cube.zarr", side=256)
    items = [zarr_item(str(tmp_path / "cube.zarr"))]
    words = [sys.executable, "-m", "swath", "catalog", "mirror", str(maker.write(*items)), folder.address]
    for goal in (20, 60, 120):
        process = subprocess.Popen([*words, "--bandwidth", "50kB"], stderr=subprocess.DEVNULL)
        while len(chunks(folder)) < goal and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert not [each for each in folder.listed() if each.rpartition("/")[2] in DESCRIBING]
        assert not Path(folder.address, "c/x/x.json").exists()
    done = len(chunks(folder))
    report = maker.mirror(items, folder)
    size = sum(each.stat().st_size for each in (tmp_path / "cube.zarr").rglob("*") if each.is_file())
    assert (report.copied, report.failures) == (1, [])
    assert report.moved_bytes < size * (1 - 0.5 * done / 514), "what was there is not copied again"
    xr.testing.assert_identical(open_mirrored(folder), cube)
    assert not list(Path(folder.address).rglob(".part-*"))
    assert os.environ["SWATH_HOME"] not in json.dumps(folder.json("c/x/x.json"))


def chunks(place: Place) -> list[Path]:
    """Chunks that are in their places."""
    top = Path(place.address)
    return [each for each in top.rglob("[0-9]*") if each.is_file() and each.name.isdigit()]
