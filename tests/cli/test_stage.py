"""``swath catalog stage``: what it tells, asks, waits for, and how it ends."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from tapes import open_archive

from swath.catalog import open_catalog
from swath.cli.main import run
from swath.config.sizes import parse_lifetime
from swath.model import InputError
from swath.storage.recall_file import Pace, RecallFile

PATIENCE_S = 60
ALL = ("--collections", "tiny")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.0, most_s=0.0))


@pytest.fixture
def archive(tmp_path, own_home):
    with open_archive(tmp_path) as made:
        with open_catalog(str(own_home / "catalog.sqlite"), create=True) as catalog:
            catalog.upsert_items(made.items, "tiny")
        yield made


@pytest.fixture
def stage(capsys):
    def call(*words, code=0):
        assert run(["catalog", "stage", *words]) == code
        return capsys.readouterr()

    return call


def test_it_tells_asks_once_and_tells_again(archive, stage):
    said = stage(*ALL)
    counts, asked = said.out.splitlines()
    assert counts == "5 files: 2 online, 3 on tape (5.5 kB), 0 lost"
    name, _, rest = asked.partition("  ")
    (request,) = archive.dcache.bulk.all()
    assert rest == f"asked archive for 4 files, request {request.uid}"
    assert f"swath catalog stage --status {name}" in said.err
    stage(*ALL)
    assert archive.asked() == 1
    assert stage("--status", name).out.startswith("waiting for 3 of 5 files from tape (5.5 kB); asked ")
    archive.come()
    assert stage("--status", request.uid).out == "all 5 files are there\n"
    assert stage(*ALL).out == "5 files: 5 online, 0 on tape, 0 lost\n"
    archive.dcache.clock.advance(days=1)
    assert archive.held() == [True] * 5
    archive.dcache.clock.advance(days=2)
    assert archive.held() == [False] * 4 + [True]


def test_a_part_of_a_search_and_nothing_but_told(archive, stage, own_home):
    told = json.loads(stage(*ALL, "--datetime", "2020-06-02/2020-06-04", "--dry-run", "--json").out)
    assert (told["files"], told["online"], told["on_tape"], told["lost"]) == (3, 1, 2, [])
    assert archive.asked() == 0
    assert not (own_home / "staging").exists()
    assert json.loads(stage(*ALL, "--assets", "blue", "--json").out)["files"] == 0
    assert json.loads(stage(*ALL, "--assets", "Red", "--ids", "scene1", "--json").out)["waiting"] == 1


def test_it_waits_with_progress(archive, stage):
    def come():
        while not archive.asked():
            time.sleep(0.01)
        archive.come()

    helper = threading.Thread(target=come)
    helper.start()
    said = stage(*ALL, "--wait", "--lifetime", "1d")
    helper.join()
    assert said.err.endswith("swath: all 5 files are there\n")
    assert archive.held() == [True] * 5
    archive.dcache.clock.advance(hours=25)
    assert archive.held() == [False] * 4 + [True]


def test_files_that_cannot_be_had_are_named_and_hide_no_others(archive, stage):
    archive.dcache.set_locality(archive.path(0), "LOST")
    archive.dcache.fail_target(archive.path(1), "tape 17 is broken")
    said = stage(*ALL, code=5)
    assert said.out.startswith("5 files: 2 online, 2 on tape (3.7 kB), 1 lost\n")
    assert "scene0.tif: lost: the store has no copy of it any more\n" in said.err
    archive.come()
    name = said.out.splitlines()[1].split()[0]
    said = stage("--status", name, "--json", code=5)
    told = json.loads(said.out)
    assert (told["there"], told["waiting"]) == (3, 0)
    assert sorted(told["failed"].values()) == [
        "lost: the store has no copy of it any more",
        "tape 17 is broken",
    ]
    assert "scene1.tif: tape 17 is broken\n" in said.err


def test_it_is_cancelled(archive, stage):
    name = json.loads(stage(*ALL, "--json").out)["id"]
    assert stage("--cancel", name).out == f"{name} cancelled and let go\n"
    archive.come()
    assert archive.held() == [False] * 4 + [True]
    assert f"nothing was asked for as '{name}'" in stage("--status", name, code=3).err


def test_ctrl_c_leaves_the_request(archive, own_home, tmp_path):
    words = [sys.executable, "-m", "swath", "catalog", "stage", *ALL, "--wait"]
    environ = {**os.environ, **archive.environ}
    process = subprocess.Popen(
        words, env=environ, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + PATIENCE_S
    while not any(each.orders for each in map(_read, (own_home / "staging").glob("*.json"))):
        assert time.monotonic() < until
        assert process.poll() is None
        time.sleep(0.05)
    assert "waiting for 3 of 5 files" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "the request goes on" in err
    assert {each.status for each in archive.dcache.bulk.all()} == {"STARTED"}


def _read(path):
    return RecallFile(path).read()


def test_what_items_say_is_told_where_a_store_cannot_tell(archive, stage, own_home):
    items = []
    for number, more in enumerate(
        [{"storage:tier": "glacier"}, {"storage:refs": ["cold"]}, {"storage:tier": "glacier"}, {}]
    ):
        asset = {**archive.items[0]["assets"]["red"], "href": f"https://other.example/{number}.tif", **more}
        items.append(
            {**archive.items[0], "id": f"far{number}", "collection": "far", "assets": {"red": asset}}
        )
    with open_catalog(str(own_home / "catalog.sqlite")) as catalog:
        catalog.upsert_items(items, "far")
    assert stage("--collections", "far").out == (
        "4 files: 0 online, 0 on tape, 0 lost, 4 in stores that cannot tell "
        "(their items say: 2 glacier, 1 cold)\n"
    )  # fmt: skip


def test_mistakes_are_told(archive, stage):
    assert "nothing says which items are meant" in stage(code=2).err
    assert "lifetime: 'long' is no time" in stage(*ALL, "--lifetime", "long", code=2).err
    archive.dcache.fail(status=503, next=1000, door="api")
    assert "503" in stage(*ALL, code=5).err


def test_lifetimes():
    assert parse_lifetime("2d") == dt.timedelta(days=2)
    with pytest.raises(InputError):
        parse_lifetime("0d")
