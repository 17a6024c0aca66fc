"""A cube whose files are on tape is refused, or waited for, and never hangs in a reader."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from tapes import open_archive

import swath
from swath.model import MissingAssetError, OnTapeError
from swath.storage.recall_file import Pace


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.0, most_s=0.0))


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path) as made:
        yield made


def test_a_cube_on_tape_is_refused_and_nothing_is_read(archive):
    with pytest.raises(OnTapeError, match=r"3 of 5 files are on tape \(5.5 kB\), such as 'http"):
        swath.load(archive.items, "red")
    assert len(archive.dcache.requests()) == 1
    assert swath.load(archive.items[3:], "red", chunks=None)["red"].shape == (2, 32, 32)


def test_a_cube_on_tape_is_waited_for(archive, capsys):
    def come():
        while not archive.asked():
            time.sleep(0.01)
        archive.come()

    helper = threading.Thread(target=come)
    helper.start()
    cube = swath.load(archive.items, "red", stage=True)
    helper.join()
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("swath: waiting for 3 of 5 files from tape (5.5 kB)")
    assert said[-1] == "swath: all 5 files are there"
    assert archive.held() == [True] * 5
    assert np.isfinite(cube["red"].compute()).all()
    swath.load(archive.items, "red", stage=True)
    assert archive.asked() == 1
    assert capsys.readouterr().err == ""


def test_a_cube_with_a_file_that_fails_names_it(archive):
    archive.dcache.set_locality(archive.path(0), "LOST")
    for stage in (False, True):
        with pytest.raises(MissingAssetError, match=r"1 of 5 files cannot be .*scene0.tif' \(lost"):
            swath.load(archive.items, "red", stage=stage)
    assert archive.asked() == 0
