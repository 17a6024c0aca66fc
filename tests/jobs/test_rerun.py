"""Products made again, and compared with what is there."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import rasterio
from runs import TWO, submit_small

from swath.jobs import rerun_item
from swath.model import InputError, MissingAssetError, NotFoundError, SwathWarning


@pytest.fixture
def job(demo, settings, tmp_path):
    made = submit_small(settings, demo[60:64], tmp_path / "job")
    made.run(TWO)
    return made


def item_of(job):
    return next(job.folder.unit_folder("x001y001").glob("*.json"))


def test_a_product_is_made_again_byte_by_byte(job):
    found = rerun_item(item_of(job), threads=2)
    assert {each.asset for each in found} >= {"NDVI", "count"}
    assert all(each.identical for each in found)


def test_a_changed_pixel_is_counted(job):
    path = item_of(job)
    item = json.loads(path.read_text())
    cog = path.parent / item["assets"]["NDVI"]["href"]
    with rasterio.open(cog) as file:
        stored, profile = file.read(), file.profile
    changed = stored.copy()
    changed[0, 3, 4] += 7
    changed[0, 5, 6] -= 2
    with rasterio.open(cog, "w", **profile) as file:
        file.write(changed)
    item["assets"]["NDVI"]["file:checksum"] = "1220" + "00" * 32
    path.write_text(json.dumps(item))
    found = {each.asset: each for each in rerun_item(path)}
    ndvi = found.pop("NDVI")
    assert (ndvi.identical, ndvi.pixels, ndvi.different, ndvi.largest) == (False, stored.size, 2, 7.0)
    assert all(each.identical for each in found.values())
    assert np.array_equal(stored[0, 0], changed[0, 0])


@pytest.mark.parametrize("whole", [True, False], ids=["a byte more", "cut short"])
def test_a_file_that_is_not_what_its_item_says_is_found(job, whole):
    path = item_of(job)
    cog = path.parent / json.loads(path.read_text())["assets"]["NDVI"]["href"]
    cog.write_bytes(cog.read_bytes() + b"x" if whole else cog.read_bytes()[:10])
    found = {each.asset: each for each in rerun_item(path)}
    assert not found.pop("NDVI").identical
    assert all(each.identical for each in found.values())
    cog.unlink()  # a product whose files are elsewhere is compared with its checksums alone
    assert all(each.identical for each in rerun_item(path))


def test_new_files_are_kept_on_request(job, tmp_path):
    rerun_item(item_of(job), keep=tmp_path / "kept")
    mine = {each.name: each.read_bytes() for each in item_of(job).parent.iterdir()}
    assert {each.name: each.read_bytes() for each in (tmp_path / "kept").iterdir()} == mine


def test_another_version_is_a_warning(job):
    tree = json.loads(job.folder.job_file.read_text())
    job.folder.job_file.write_text(json.dumps({**tree, "swath_version": "0.0.1"}))
    with pytest.warns(SwathWarning, match=r"made by swath 0\.0\.1"):
        rerun_item(item_of(job))


def test_what_is_no_product_is_told(job, tmp_path, demo):
    with pytest.raises(NotFoundError, match="there is no file"):
        rerun_item(tmp_path / "none.json")
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(InputError, match="is not JSON"):
        rerun_item(tmp_path / "text.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="is no STAC item"):
        rerun_item(tmp_path / "list.json")
    (tmp_path / "foreign.json").write_text(json.dumps(demo[0]))
    with pytest.raises(InputError, match="swath did not make it"):
        rerun_item(tmp_path / "foreign.json")
    shutil.rmtree(job.folder.path / "provenance")
    with pytest.raises(NotFoundError, match=r"its provenance record .* is not there"):
        rerun_item(item_of(job))


def test_an_input_that_is_gone_is_named(job, demo, tmp_path):
    lines = job.folder.items_file.read_text().replace("S2_L2A_20180", "S2_L2A_gone_20180")
    job.folder.items_file.write_text(lines)
    with pytest.raises(MissingAssetError, match="S2_L2A_gone"):
        rerun_item(item_of(job))
