"""Each store does what all must do, on a real server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from storage.servers import open_settings, webdav_settings

from swath.storage.folder import FolderStore
from swath.testing.store_contract import NAMES, StoreContract

if TYPE_CHECKING:
    from pathlib import Path

    from storage.servers import Server

    from swath.storage import ObjectStore


class TestFolder(StoreContract):
    """A folder of this machine."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        """An empty folder."""
        return FolderStore(tmp_path / "store")


class TestS3(StoreContract):
    """SeaweedFS."""

    @pytest.fixture
    def store(self, s3_store: ObjectStore) -> ObjectStore:
        """An empty prefix."""
        return s3_store


class TestRcloneWebdav(StoreContract):
    """rclone's WebDAV server."""

    @pytest.fixture
    def store(self, rclone_server: Server) -> ObjectStore:
        """An empty folder."""
        return open_settings(webdav_settings(rclone_server, secrets.token_hex(6)))


class TestApacheWebdav(StoreContract):
    """Apache's mod_dav."""

    names = NAMES

    @pytest.fixture
    def store(self, apache_server: Server) -> ObjectStore:
        """An empty folder."""
        return open_settings(webdav_settings(apache_server, secrets.token_hex(6)))
