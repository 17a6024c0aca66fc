"""Chunks that are kept: made once, let go when they are too many, never kept when they fail."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from swath.cube.tiff import CorruptError
from swath.cube.zarrs import kept
from swath.cube.zarrs.kept import kept_chunk


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    """Nothing kept yet, and room for three chunks of 100 bytes."""
    monkeypatch.setattr(kept, "_kept", type(kept._kept)())
    monkeypatch.setattr(kept, "_held", 0)
    monkeypatch.setattr(kept, "LARGEST", 300)


def chunk():
    return np.zeros(100, "u1")


def test_the_least_lately_used_go_first():
    made = []
    for name in "abcabcdab":
        kept_chunk(name, lambda name=name: made.append(name) or chunk())
    assert "".join(made) == "abcdab"
    assert kept._held <= 300


def test_threads_that_want_the_same_wait_for_the_one_that_makes_it():
    started, go = threading.Event(), threading.Event()
    made = []

    def make():
        made.append(1)
        started.set()
        assert go.wait(60)
        return chunk()

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(kept_chunk, "a", make)
        assert started.wait(60)
        others = [pool.submit(kept_chunk, "a", make) for _ in range(3)]
        go.set()
        assert all(each.result() is first.result() for each in others)
    assert made == [1]


def test_what_fails_or_is_left_out_is_asked_for_again():
    def fail():
        raise CorruptError("no")

    for _ in range(2):
        with pytest.raises(CorruptError):
            kept_chunk("a", fail)
        assert kept_chunk("a", lambda: None) is None
    assert kept_chunk("a", chunk) is not None
    assert len(kept._kept) == 1
