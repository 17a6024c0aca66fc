"""Pieces read ahead by a thread."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import pytest

from swath.model import ConflictError
from swath.storage.ahead import fetch_ahead, read_ahead

if TYPE_CHECKING:
    from swath.storage import ObjectStore


def test_what_the_source_raises_is_raised():
    def broken():
        yield b"a"
        raise RuntimeError("the source breaks")

    got = []
    with pytest.raises(RuntimeError, match="the source breaks"), read_ahead(broken()) as pieces:
        got += pieces
    assert got == [b"a"]


def test_who_leaves_early_leaves_no_thread():
    before = threading.active_count()
    with read_ahead(bytes([at]) for at in range(100)) as pieces:
        assert next(pieces) == b"\0"
    assert threading.active_count() == before


def test_one_object_is_streamed_into_another(s3_store: ObjectStore):
    """Both by obstore, which cannot read in the thread that writes."""
    data = os.urandom(1 << 20) * 40
    s3_store.put("a", data)
    told = s3_store.put("b", s3_store.stream("a"))
    assert told.size == len(data)
    assert s3_store.get("b") == data


def test_ranges_come_in_order_and_no_more_at_once_than_asked():
    running, most, lock = 0, 0, threading.Lock()

    def fetch(at: int, count: int) -> memoryview:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002 * (at % 3))
        with lock:
            running -= 1
        return memoryview(bytes(range(at, at + count)))

    assert b"".join(fetch_ahead(fetch, 101, piece=7, at_once=4)) == bytes(range(101))
    assert 1 < most <= 4


def test_who_leaves_ranges_early_leaves_no_thread():
    before = threading.active_count()
    pieces = fetch_ahead(lambda at, _: memoryview(bytes([at])), 100, piece=1, at_once=4)
    assert bytes(next(pieces)) == b"\0"
    pieces.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_large_object_is_read_in_ranges_of_one_object(s3_store: ObjectStore):
    data = os.urandom(1 << 20) * 70
    s3_store.put("a", data)
    stat, pieces = s3_store.opened("a")  # type: ignore[attr-defined]
    assert stat.size == len(data)
    assert b"".join(pieces) == data
    _, pieces = s3_store.opened("a")  # type: ignore[attr-defined]
    first = bytes(next(pieces))
    s3_store.put("a", data[::-1])
    with pytest.raises(ConflictError, match="412"):
        list(pieces)
    assert data.startswith(first)
