"""Items to mirror, and the servers that they come from and go to."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from http_server import RangeServer
from storage.conftest import apache_server, nginx_server, s3_server
from storage.servers import BUCKET, KEY, SECRET

import swath
import swath.config
from swath.storage import forget_stores, stores, use_stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.servers import Server

    from swath.catalog.mirror import MirrorReport
    from swath.storage import ObjectStore

__all__ = ["apache_server", "nginx_server", "s3_server"]


def item(name: str, hrefs: dict[str, str], collection: str = "c", **fields: Any) -> dict[str, Any]:
    """An item with assets; ``fields`` are of all assets."""
    return {
        "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": name,
        "collection": collection,
        "geometry": {"type": "Point", "coordinates": [5, 52]}, "bbox": [5, 52, 5, 52],
        "properties": {"datetime": "2020-01-01T00:00:00Z"}, "links": [],
        "assets": {key: {"href": href, **fields} for key, href in hrefs.items()},
    }  # fmt: skip


@dataclass
class Place:
    """Where a mirror goes."""

    address: str
    """As the command takes it."""

    def located(self) -> tuple[ObjectStore, str]:
        """Its store and key."""
        return stores().locate(self.address)

    def listed(self) -> list[str]:
        """What is there, relative to it."""
        store, prefix = self.located()
        return sorted(each.key[len(prefix) + 1 :] for each in store.list(prefix))

    def get(self, key: str) -> bytes:
        """Bytes of one."""
        store, prefix = self.located()
        return store.get(f"{prefix}/{key}")

    def put(self, key: str, data: bytes) -> None:
        """Spoil one."""
        store, prefix = self.located()
        store.put(f"{prefix}/{key}", data)

    def json(self, key: str) -> dict[str, Any]:
        """A document."""
        return json.loads(self.get(key))

    def assets(self) -> dict[str, bytes]:
        """Key of each object that is no document, with its bytes."""
        return {key: self.get(key) for key in self.listed() if not key.endswith(".json")}


class Maker:
    """Writes items to a file and mirrors them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "items.json"

    def write(self, *items: dict[str, Any]) -> Path:
        self.file.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
        return self.file

    def mirror(self, items: list[dict[str, Any]], place: Place, **more: Any) -> MirrorReport:
        return swath.mirror(self.write(*items), place.address, **more)


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """Mirrors items."""
    return Maker(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    """A folder to mirror to."""
    return Place(str(tmp_path / "mirror"))


@pytest.fixture
def server() -> Iterator[RangeServer]:
    """A server that does what it is told."""
    with RangeServer() as running:
        yield running


@pytest.fixture
def bucket(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """An empty prefix of a bucket; the store ``eo`` of the settings, also for other processes."""
    told = {"url": f"s3://{BUCKET}", "endpoint": s3_server.url, "key": KEY, "secret": SECRET}
    for name, value in told.items():
        monkeypatch.setenv(f"SWATH_STORES__eo__{name.upper()}", value)
    forget_stores()
    use_stores(swath.config.Settings.read().stores)
    yield Place(f"eo:m/{secrets.token_hex(6)}")
    use_stores({})
