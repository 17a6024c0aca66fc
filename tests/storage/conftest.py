"""Servers for the tests of stores, one of each for all tests of a worker."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from storage.servers import (
    Server,
    apache_webdav,
    nginx,
    open_settings,
    rclone_webdav,
    s3_settings,
    seaweedfs,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.storage import ObjectStore


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS with the bucket ``eo-data``."""
    with seaweedfs(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """WebDAV by rclone."""
    with rclone_webdav(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def apache_server() -> Iterator[Server]:
    """WebDAV by Apache."""
    with apache_webdav() as server:
        yield server


@pytest.fixture(scope="session")
def nginx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Plain HTTP by nginx."""
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture
def s3_store(s3_server: Server) -> ObjectStore:
    """An empty prefix of the bucket."""
    return open_settings(s3_settings(s3_server, f"t/{secrets.token_hex(6)}"))
