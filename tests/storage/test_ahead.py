"""Pieces read ahead by a thread."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from swath.storage.ahead import read_ahead

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
