"""A folder of this machine does what all stores must do, and does not follow links out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from swath.model import NotAllowedError, StoreError
from swath.storage.folder import FolderStore
from swath.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from pathlib import Path

    from swath.storage import ObjectStore


class TestFolder(StoreContract):
    """A folder of this machine."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """An empty folder."""
        return FolderStore(tmp_path / "store")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("of somebody")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "link").symlink_to(tmp_path / "secret")
    store = FolderStore(tmp_path / "store")
    for ask in (store.get, store.stat, lambda key: store.put(key, b"x")):
        with pytest.raises(NotAllowedError, match="link out of the folder"):
            ask("link")
    assert (tmp_path / "secret").read_text() == "of somebody"


def test_what_is_being_written_is_not_listed(tmp_path):
    store = FolderStore(tmp_path)
    seen = []

    def pieces():
        yield b"half"
        seen.append([each.key for each in store.list()])
        yield b"whole"

    store.put("a", pieces())
    assert seen == [[]]


def test_a_folder_is_no_file(tmp_path):
    store = FolderStore(tmp_path)
    store.put("a/b", b"")
    assert store.stat("a").is_folder
    with pytest.raises(StoreError, match="is a folder"):
        store.get("a")
    store.delete(["a/b"])
    assert list(tmp_path.iterdir()) == []
