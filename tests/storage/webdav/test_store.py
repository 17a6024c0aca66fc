"""WebDAV on rclone's and Apache's servers: what all stores must do, and what these servers do besides."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from storage.servers import open_settings, webdav_settings

from swath.model import ConflictError, NotAllowedError, StoreError
from swath.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from storage.servers import Server

    from swath.storage.webdav import WebdavStore


class TestRclone(StoreContract):
    """rclone's WebDAV server."""

    @pytest.fixture
    def store(self, rclone_server: Server) -> WebdavStore:
        """An empty folder."""
        return open_settings(webdav_settings(rclone_server, secrets.token_hex(6)))


class TestApache(StoreContract):
    """Apache's mod_dav, which looks whether the target of a MOVE is there, and then moves."""

    one_winner = False

    @pytest.fixture
    def store(self, apache_server: Server) -> WebdavStore:
        """An empty folder."""
        return open_settings(webdav_settings(apache_server, secrets.token_hex(6)))


@pytest.mark.parametrize("more", [{"password": "wrong"}, {"user": "", "password": "", "credentials": "none"}])
def test_wrong_and_no_passwords(rclone_server: Server, more):
    store = open_settings(webdav_settings(rclone_server, **more), "archive")
    for ask in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.list())):
        with pytest.raises(NotAllowedError, match="storage 'archive': 401") as error:
            ask()
        assert "wrong" not in str(error.value)


def test_a_copy_on_the_server(apache_server: Server):
    store = open_settings(webdav_settings(apache_server, secrets.token_hex(6)))
    store.put("a", b"bytes")
    store.copy("a", "b/c")
    assert (store.get("a"), store.get("b/c")) == (b"bytes", b"bytes")
    with pytest.raises(ConflictError, match="b/c"):
        store.copy("a", "b/c", overwrite=False)
    store.remove_folder("b")
    assert [each.key for each in store.list()] == ["a"]
    store.put("b/d", b"again")
    assert store.get("b/d") == b"again"


def test_nobody_listens():
    from swath.config import StoreSettings

    store = open_settings(StoreSettings(url="dav://127.0.0.1:9/x"))
    with pytest.raises(StoreError, match="no connection") as error:
        store.stat("a")
    assert "127.0.0.1:9" in str(error.value)
