"""Files from tape that somebody needs for long: asked for again in time, without a gap; and Zarr stores."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from dcaches import ROOT
from runs import ONE
from zarr_stores import noise, write_store

import swath
from swath.jobs import Request, submit
from swath.jobs.staging import look_for_files, without_unstaged
from swath.model import JobState, OnTapeError
from swath.storage import client, web
from swath.storage.recall_file import Pace, RecallFile
from swath.storage.staging import tape_files

TWO_DAYS = dt.timedelta(days=2)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.0, most_s=0.0))
    monkeypatch.setattr(web, "PATIENCE", client.Patience(retries=0, retries_s=1))


@pytest.fixture
def file(archive, tmp_path):
    """A recall whose files have all come."""
    made = RecallFile(tmp_path / "stage.json")
    made.begin(tape_files(archive.hrefs), TWO_DAYS)
    made.advance(force=True)
    archive.come()
    assert made.advance(force=True).is_over
    return made


def pass_days(archive, file, days):
    """Let time pass for the store, and for what stands in the recall."""
    archive.dcache.clock.advance(days=days)
    tree = json.loads(file.path.read_text())
    for order in tree["orders"]:
        asked = dt.datetime.fromisoformat(order["asked"]) - dt.timedelta(days=days)
        order["asked"] = asked.isoformat()
    file.path.write_text(json.dumps(tree))


def test_they_are_asked_for_again_when_half_of_their_time_is_over(archive, file):
    (first,) = file.read().orders
    assert file.keep().orders == (first,)  # not yet
    for count in range(2, 5):
        pass_days(archive, file, 1.5)
        kept = file.keep()
        assert kept.is_over
        assert (archive.asked(), kept.former) == (count, ())
        assert archive.held() == [True] * 5
    assert file.let_go().is_released
    assert archive.held() == [False] * 4 + [True]


def test_those_that_have_come_are_kept_while_others_are_waited_for(archive, tmp_path):
    archive.dcache.tape.recall_s = 10 * 86400
    file = RecallFile(tmp_path / "stage.json")
    file.begin(tape_files(archive.hrefs), TWO_DAYS)
    assert len(file.advance(force=True).waiting) == 3
    assert len(file.advance(force=True).there) == 2
    pass_days(archive, file, 1.5)
    file.advance(force=True)
    pass_days(archive, file, 1.5)
    file.advance(force=True)
    assert archive.held()[3]
    assert len(file.read().orders) == 1


def test_a_store_that_is_away_loses_nothing_and_is_asked_by_the_next(archive, file):
    pass_days(archive, file, 1.5)
    archive.dcache.fail(status=503, method="POST", path="*/tape/stage")
    with pytest.raises(Exception, match="503"):
        file.keep()
    assert len(file.read().orders) == 1
    archive.dcache.fail(status=503, method="DELETE", path="*", next=3)
    archive.dcache.fail(status=503, method="POST", path="*/tape/release/*", next=3)
    assert file.keep().is_over
    assert archive.held() == [True] * 5
    archive.dcache.behave()
    assert file.let_go().is_released
    assert archive.held() == [False] * 4 + [True]


def test_what_has_gone_since_nobody_looked_is_asked_for_anew(archive, file):
    pass_days(archive, file, 3)
    assert archive.held() == [False] * 4 + [True]
    assert not file.keep().is_over
    archive.come()
    assert file.keep().is_over
    assert archive.held() == [True] * 5


@pytest.fixture
def zarr_item(archive, tmp_path):
    """An item of a Zarr store all of whose objects are on tape."""
    path = write_store(tmp_path / "cube.zarr", noise((1, 32, 32)))
    for each in path.rglob("*"):
        if each.is_file():
            where = f"{ROOT}/tape/cube.zarr/{each.relative_to(path).as_posix()}"
            archive.dcache.put(where, each.read_bytes(), locality="NEARLINE")
    item = json.loads(json.dumps(archive.items[0]))
    href = f"{archive.dcache.webdav_url}{ROOT}/tape/cube.zarr"
    item["assets"] = {
        "cube": {
            **item["assets"]["red"], "href": href, "type": "application/vnd+zarr", "bands": [{"name": "red"}],
        }
    }  # fmt: skip
    return item, path


def test_each_object_of_a_zarr_store_is_a_file(archive, zarr_item, settings):
    item, path = zarr_item
    names = {each.relative_to(path).as_posix() for each in path.rglob("*") if each.is_file()}
    found = tape_files({f'ZARR:"{item["assets"]["cube"]["href"]}":/red:0': 0})
    assert {each.key.removeprefix("tape/cube.zarr/") for each in found} == names
    assert all(each.size for each in found)
    with pytest.raises(OnTapeError, match=rf"{len(names)} of \d+ files are on tape \("):
        swath.load([item], "red", valid=False, chunks=None)
    for name in ("code", "transform", "shape"):
        del item["assets"]["cube"][f"proj:{name}"]
    with pytest.raises(OnTapeError, match="are on tape"):  # though it has to be opened to be planned
        swath.load([item], "red", valid=False, chunks=None)


def test_a_job_asks_for_the_objects_of_a_zarr_store(archive, zarr_item, settings):
    item, path = zarr_item
    job = submit(Request("index", {"items": [item], "bands": ["red"]}), settings)
    count = sum(each.is_file() for each in path.rglob("*"))
    assert len(look_for_files(job.folder).waiting) == count
    archive.dcache.clock.advance(days=3)
    status = job.run(ONE)
    assert status.state is JobState.SUCCESSFUL, status.message
    assert len(job.results()) == 1


def test_a_zarr_store_that_lacks_an_object_is_left_out_as_a_whole(archive, zarr_item, settings):
    item, _ = zarr_item
    href = item["assets"]["cube"]["href"]
    left = without_unstaged(item, {"unstaged": {f"{href}/red/c/0/0/0": "lost"}})
    assert left["assets"]["cube"]["href"].endswith(f"lost\n{href}")
    assert without_unstaged(item, {"unstaged": {f"{href}2/zarr.json": "lost"}})["assets"] == item["assets"]
