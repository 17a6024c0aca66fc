"""Which store an address is in."""

from __future__ import annotations

import pytest

from swath.config import StoreSettings
from swath.model import InputError, NotAllowedError
from swath.storage import StoreBook
from swath.storage.dcache.store import DcacheStore
from swath.storage.folder import FolderStore
from swath.storage.s3 import S3Store
from swath.storage.web import WebStore
from swath.storage.webdav import WebdavStore


@pytest.fixture
def book(tmp_path):
    """Several stores, one inside another."""
    told = {
        "archive": {"url": "dcache://host:2880/pnfs/data", "token": "t0ken"},
        "inner": {"url": "davs://host:2880/pnfs/data/mine", "user": "me", "password": "pass"},
        "eo": {"url": "s3://eo-data/mine", "key": "k", "secret": "s"},
        "disk": {"url": str(tmp_path)},
        "grid": {"url": "https://grid.example/x", "kind": "dcache", "token": "t"},
    }
    return StoreBook({name: StoreSettings.model_validate(each) for name, each in told.items()})


@pytest.mark.parametrize(
    ("address", "name", "kind", "key"),
    [
        ("archive:a/b.tif", "archive", DcacheStore, "a/b.tif"), ("archive:", "archive", DcacheStore, ""),
        ("https://host:2880/pnfs/data/x", "archive", DcacheStore, "x"),
        ("https://host:2880/pnfs/data/mine/x", "inner", WebdavStore, "x"),
        ("https://host:2880/elsewhere", "https://host:2880", WebStore, "elsewhere"),
        ("s3://eo-data/mine/b", "eo", S3Store, "b"), ("disk:a", "disk", FolderStore, "a"),
        ("https://grid.example/x/y", "grid", DcacheStore, "y"),
    ],
)  # fmt: skip
def test_the_nearest_store_is_taken(book, address, name, kind, key, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    store, found = book.locate(address)
    assert (store.name, type(store), found) == (name, kind, key)
    assert book.locate(address)[0] is store


def test_a_path_is_a_store_of_its_folder(book, tmp_path):
    (tmp_path / "a:b.txt").write_text("x")
    for address in (str(tmp_path / "a:b.txt"), f"file://{tmp_path}/a:b.txt"):
        store, key = book.locate(address)
        assert store.get(key) == b"x"


def test_what_is_no_store_is_told(book):
    with pytest.raises(InputError, match="there is no store 'archiv'") as error:
        book.locate("archiv:a")
    assert error.value.known[0] == "archive"
    with pytest.raises(InputError, match="cannot name"):
        book.locate("archive:../up")


def test_s3_without_any_credentials(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for each in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_NO_SIGN_REQUEST", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(NotAllowedError, match="there are none for 's3://other'"):
        StoreBook().locate("s3://other/a")


def test_the_address_that_others_understand(book, tmp_path):
    assert book.href("archive:ü b") == "https://host:2880/pnfs/data/%C3%BC%20b"
    assert book.href("eo:ü b") == "s3://eo-data/mine/ü b"
    assert book.href("disk:a") == str(tmp_path / "a")
