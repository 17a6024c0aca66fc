"""Plain HTTP on nginx, also with a certificate of an authority of one's own; and servers that misbehave."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from http_server import Manners, RangeServer
from storage.servers import nginx, open_settings

from swath.config import StoreSettings
from swath.model import InputError, MissingObjectError, NotAllowedError, StoreError
from swath.storage import client
from swath.testing.store_contract import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.servers import Server


@pytest.fixture
def hasty(monkeypatch):
    """Less patience than by default."""
    monkeypatch.setattr(client, "PATIENCE", client.Patience(1, 0.5, 5, 2, 2))


def test_nginx(nginx_server: Server):
    store = open_settings(StoreSettings(url=f"{nginx_server.url}/files"))
    data = bytes(range(256)) * 4000
    for name in NAMES:
        path = nginx_server.folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() + data)
    for name in NAMES:
        whole = name.encode() + data
        assert store.get(name) == whole
        assert store.stat(name).size == len(whole)
        assert b"".join(store.stream(name)) == whole
        parts = store.get_ranges(name, [(1000, 5), (0, 2), (900_000, 7)])
        assert [bytes(each) for each in parts] == [whole[1000:1005], whole[:2], whole[900_000:900_007]]
    with pytest.raises(MissingObjectError, match=r"none\.tif"):
        store.get("none.tif")
    for refused in (lambda: store.put("a", b""), lambda: list(store.list()), lambda: store.delete(["a"])):
        with pytest.raises(NotAllowedError, match="plain HTTP server"):
            refused()


@pytest.fixture(scope="module")
def tls_server(authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """nginx behind a certificate of one's own authority."""
    with nginx(tmp_path_factory.mktemp("tls"), certificate=authority[1]) as server:
        (server.folder / "a.bin").write_bytes(b"behind a certificate")
        yield server


def test_an_authority_of_ones_own(tls_server: Server, authority):
    store = open_settings(StoreSettings(url=tls_server.url, ca=str(authority[0])))
    assert store.get("a.bin") == b"behind a certificate"
    assert store.door.ask("GET", "/a.bin").content == b"behind a certificate"


def test_an_authority_that_nobody_knows_is_refused(tls_server: Server, hasty):
    store = open_settings(StoreSettings(url=tls_server.url))
    with pytest.raises(StoreError, match="certificate"):
        store.get("a.bin")
    with pytest.raises(StoreError, match="certificate"):
        store.door.ask("GET", "/a.bin")
    with pytest.raises(InputError, match="is no file"):
        open_settings(StoreSettings(url=tls_server.url, ca="/nowhere.pem")).get("a.bin")


@pytest.mark.parametrize(
    ("manners", "said"),
    [
        (Manners(status=503, also_head=True), "503"),
        (Manners(status=429, also_head=True), "429"),
        (Manners(status=500, also_head=True), "500"),
        (Manners(cut=2000), "breaks off|fewer|decod"),
        (Manners(pause_s=1.0), "in time"),
        (Manners(wait_s=2.0), "in time"),
    ],
    ids=["503", "429", "500", "cut", "slow", "silent"],
)  # fmt: skip
def test_what_lasts_is_told_and_never_short(hasty, manners, said, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with RangeServer() as server:
        server.put("a", secrets.token_bytes(50_000))
        store = open_settings(StoreSettings(url=server.address), "slow one")
        server.manners = manners
        for ask in (lambda: store.get("a"), lambda: b"".join(store.stream("a"))):
            with pytest.raises(StoreError, match=said) as error:
                ask()
            assert "slow one" in str(error.value)
            assert "\n  fix" in str(error.value) or error.value.fix == ""


def test_what_passes_is_repeated():
    with RangeServer() as server:
        data = secrets.token_bytes(50_000)
        server.put("a", data)
        store = open_settings(StoreSettings(url=server.address))
        server.manners = Manners(status=503, times=2)
        assert store.get("a") == data
        server.manners = Manners(cut=2000, times=1)
        assert store.get("a") == data
