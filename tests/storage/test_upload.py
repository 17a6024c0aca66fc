"""Many objects into a store."""

from __future__ import annotations

import pytest

from swath.model import ConflictError, OutputError
from swath.storage.folder import FolderStore
from swath.storage.upload import upload_many


def test_all_are_there_and_told(tmp_path):
    store, told = FolderStore(tmp_path / "store"), []
    (tmp_path / "file").write_bytes(b"of a file")
    pairs = [(f"a/{at:03}", b"%d" % at) for at in range(100)]
    assert upload_many(store, [*pairs, ("b", tmp_path / "file")], 3, done=told.append) == 101
    assert {each.key: store.get(each.key) for each in store.list()} == {**dict(pairs), "b": b"of a file"}
    assert sorted(each.key for each in told) == sorted(each.key for each in store.list())


def test_nothing_is_nothing(tmp_path):
    assert upload_many(FolderStore(tmp_path), []) == 0


def test_the_first_failure_ends_it(tmp_path):
    (tmp_path / "way").write_bytes(b"")
    asked = []

    def pairs():
        for at in range(1000):
            asked.append(at)
            yield ("way/x" if at == 5 else f"{at}", b"")

    with pytest.raises((OutputError, ConflictError, OSError), match="way"):
        upload_many(FolderStore(tmp_path), pairs(), 2)
    assert len(asked) < 100
