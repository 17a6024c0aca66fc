"""Which files are on tape, by one request for all."""

from __future__ import annotations

import pytest

from swath.model import MissingAssetError, OnTapeError
from swath.storage import Residence, staging
from swath.storage.staging import TapeFile, look_up, refuse_tape, take_census, tape_files


def test_files_are_sorted_by_where_they_are():
    places = ("ONLINE", "ONLINE_AND_NEARLINE", "NEARLINE", "LOST", "UNAVAILABLE", "NONE")
    files = {TapeFile(each, "archive", each, 10): Residence(each) for each in places}
    census = take_census(files)
    assert [each.key for each in census.online] == ["ONLINE", "ONLINE_AND_NEARLINE"]
    assert [each.key for each in census.on_tape] == ["NEARLINE"]
    assert [each.key for each in census.to_hold] == ["ONLINE_AND_NEARLINE", "NEARLINE"]
    assert census.tape_bytes == 10
    assert [each.key for each in census.of("lost")] == ["LOST"]
    assert {each.key: why.partition(":")[0] for each, why in census.bad.items()} == {
        "LOST": "lost", "UNAVAILABLE": "not available", "NONE": "not there",
    }  # fmt: skip


def test_only_stores_with_tape_are_asked_and_by_one_request(archive):
    others = {"/a/b.tif": 0, "https://other.example/a.tif": 0, "/vsicurl/https://a/b": 0, "s3://b/k": 0}
    others |= {f"{next(iter(archive.hrefs))}?token=1": 0, 'ZARR:"https://h/a":/b:0': 0}
    files = tape_files({**archive.hrefs, **others})
    assert [each.href for each in files] == list(archive.hrefs)
    missing = TapeFile("https://host/none", "archive", "none")
    archive.dcache.forget()
    census = look_up([*files, missing])
    assert (len(census.online), len(census.on_tape), len(census.to_hold)) == (2, 3, 4)
    assert census.bad[missing].startswith("not there: No such file")
    assert len(archive.dcache.requests()) == 1


def test_what_is_on_tape_is_refused_before_it_is_read(archive, monkeypatch):
    size = archive.items[0]["assets"]["red"]["file:size"]
    assert size > 1000
    with pytest.raises(OnTapeError, match=rf"3 of 5 files are on tape \({3 * size / 1000:.1f} kB\)") as error:
        refuse_tape(archive.hrefs)
    assert "`swath catalog stage`" in error.value.fix
    online = dict(list(archive.hrefs.items())[3:])
    archive.dcache.forget()
    refuse_tape(online)
    assert archive.dcache.requests() == []  # they were online a moment ago
    monkeypatch.setattr(staging, "_REMEMBERED_S", 0.0)
    refuse_tape(online)
    assert len(archive.dcache.requests()) == 1


def test_a_lost_file_is_named(archive):
    archive.dcache.set_locality(archive.path(1), "LOST")
    with pytest.raises(MissingAssetError, match=r"1 of 5 files cannot be had: '.*scene1.tif' \(lost"):
        refuse_tape(archive.hrefs)
