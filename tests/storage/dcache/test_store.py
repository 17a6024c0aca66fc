"""A dCache as a store, on the emulator: what all stores must do, tape, macaroons, third-party copies."""

from __future__ import annotations

import datetime as dt
import zlib
from typing import TYPE_CHECKING

import pytest
from dcaches import ROOT
from http_server import RangeServer
from storage.servers import open_settings

from swath.config import StoreSettings
from swath.model import ConflictError, InputError, MissingObjectError, NotAllowedError, StoreError
from swath.storage import TapeStore
from swath.storage.dcache.macaroon import restrict
from swath.testing.dcache import Clock, DCache
from swath.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.storage.dcache.store import DcacheStore


@pytest.fixture
def dcache(tmp_path) -> Iterator[DCache]:
    """An emulated dCache."""
    with DCache(tmp_path / "dcache", users={"alice": "secret"}, clock=Clock(frozen=True)) as made:
        made.mkdir(ROOT)
        yield made


def opened(dcache: DCache, **more: object) -> DcacheStore:
    """Open the store of alice, unless told otherwise."""
    told = {
        "url": dcache.webdav_url + ROOT,
        "kind": "dcache",
        "api": dcache.api_url,
        "user": "alice",
        "password": "secret",
    }
    return open_settings(StoreSettings.model_validate(told | more), "archive")  # type: ignore[return-value]


class TestDcache(StoreContract):
    """The emulator, its door redirecting readers to pools as dCache does."""

    @pytest.fixture
    def store(self, dcache: DCache) -> DcacheStore:
        """An empty folder."""
        return opened(dcache)


@pytest.fixture
def tape(dcache):
    """A store with two files on tape and one on disk."""
    dcache.mkdir(f"{ROOT}/tape", tape=True)
    for name in ("a", "b"):
        dcache.put(f"{ROOT}/tape/{name}", name.encode() * 10, locality="NEARLINE")
    dcache.put(f"{ROOT}/tape/c", b"c", locality="ONLINE_AND_NEARLINE")
    return opened(dcache)


KEYS = ("tape/a", "tape/b", "tape/c")


def test_it_is_a_store_with_tape(tape):
    assert isinstance(tape, TapeStore)


@pytest.mark.parametrize("api", [True, False])
def test_where_files_are_kept(dcache, tape, api):
    store = tape if api else opened(dcache, api="")
    told = {key: each.locality for key, each in store.residences(KEYS).items()}
    assert told == {"tape/a": "NEARLINE", "tape/b": "NEARLINE", "tape/c": "ONLINE_AND_NEARLINE"}
    with pytest.raises(MissingObjectError, match="tape/none"):
        store.residences(["tape/none"])


def test_files_are_brought_from_tape_by_one_request_and_let_go(dcache, tape):
    dcache.tape.recall_s = 3 * 3600
    request = tape.stage(KEYS[:2], lifetime=dt.timedelta(hours=48))
    assert [each.state for each in tape.stage_states(request)] == ["STARTED", "STARTED"]
    dcache.clock.advance(hours=1)
    assert not any(each.is_final for each in tape.stage_states(request))
    dcache.clock.advance(hours=6)
    assert {each.key: each.state for each in tape.stage_states(request)} == dict.fromkeys(
        KEYS[:2], "COMPLETED"
    )
    assert all(each.is_online for each in tape.residences(KEYS).values())
    assert tape.get("tape/a") == b"a" * 10
    assert len(dcache.requests(method="POST", path="*/tape/stage")) == 1
    tape.release([], request=request)
    dcache.sweep()
    assert tape.residences(["tape/a"])["tape/a"].is_on_tape


def test_one_file_of_many_fails(dcache, tape):
    dcache.fail_target(f"{ROOT}/tape/b", "tape 17 is broken")
    request = tape.stage(KEYS[:2])
    dcache.clock.advance(hours=1)
    states = {each.key: each for each in tape.stage_states(request)}
    assert states["tape/a"].state == "COMPLETED"
    assert (states["tape/b"].state, states["tape/b"].error) == ("FAILED", "tape 17 is broken")


def test_a_request_is_cancelled(dcache, tape):
    dcache.tape.recall_s = 3600
    request = tape.stage(KEYS[:2])
    tape.cancel_stage(request)
    assert {each.state for each in tape.stage_states(request)} == {"CANCELLED"}
    tape.cancel_stage(request)
    for wrong in ("", "../x", "a b"):
        with pytest.raises(InputError, match="no request"):
            tape.stage_states(wrong)
    with pytest.raises(MissingObjectError):
        tape.stage_states("no-such-request")


def test_a_lost_file(dcache, tape):
    dcache.put(f"{ROOT}/tape/lost", b"x", locality="LOST")
    assert tape.residences(["tape/lost"])["tape/lost"].locality == "LOST"
    with pytest.raises(OSError, match="tape/lost"):
        tape.get("tape/lost")


def test_pins_and_quality(dcache, tape):
    tape.pin("tape/a", lifetime=dt.timedelta(hours=1))
    dcache.clock.advance(minutes=30)
    assert tape.residences(["tape/a"])["tape/a"].is_online
    tape.unpin("tape/a")
    dcache.sweep()
    assert tape.residences(["tape/a"])["tape/a"].is_on_tape
    assert tape.quality("tape/a") == "tape"
    tape.set_quality("tape/a", "disk+tape")
    dcache.clock.advance(hours=1)
    assert tape.quality("tape/a") == "disk+tape"


def test_without_its_api_tape_is_told_to_be_unknown(dcache):
    store = opened(dcache, api="")
    with pytest.raises(InputError, match="do not say where dCache's REST API is"):
        store.stage(["a"])


def test_checksums(dcache):
    store = opened(dcache)
    store.put("a", b"some bytes")
    assert store.checksum("a").value == f"{zlib.adler32(b'some bytes'):08x}"
    with pytest.raises(MissingObjectError):
        store.checksum("none")


def test_macaroons_allow_less(dcache):
    store = opened(dcache)
    store.put("in/a", b"inside")
    store.put("out", b"outside")
    token = store.macaroon("in", activities=["DOWNLOAD", "LIST"], lifetime=dt.timedelta(hours=2))
    mine = opened(dcache, user="", password="", token=token)
    assert mine.get("in/a") == b"inside"
    for refused in (lambda: mine.get("out"), lambda: mine.put("in/b", b""), lambda: mine.delete(["in/a"])):
        with pytest.raises(NotAllowedError) as error:
            refused()
        assert token not in str(error.value)
    elsewhere = opened(dcache, user="", password="", token=restrict(token, "ip:192.0.2.7"))
    with pytest.raises(NotAllowedError, match=r"401|403"):
        elsewhere.get("in/a")
    dcache.clock.advance(hours=3)
    with pytest.raises(NotAllowedError, match="401"):
        mine.get("in/a")
    with pytest.raises(InputError, match="'FLY' is no activity"):
        store.macaroon(activities=["FLY"])


def test_a_token_that_ends_in_the_middle_is_replaced_by_what_its_file_holds_then(dcache, tmp_path):
    store = opened(dcache)
    store.put("a", b"0123456789")
    file = tmp_path / "token"
    file.write_text(store.macaroon(lifetime=dt.timedelta(hours=1)))
    reader = opened(dcache, user="", password="", credentials=f"token-file:{file}")
    assert reader.get("a") == b"0123456789"
    dcache.clock.advance(hours=2)
    with pytest.raises(NotAllowedError, match="401"):
        reader.get_ranges("a", [(2, 3)])
    file.write_text(store.macaroon(lifetime=dt.timedelta(hours=1)))
    assert bytes(reader.get_ranges("a", [(2, 3)])[0]) == b"234"
    assert [each.key for each in reader.list()] == ["a"]


def test_copies_between_servers(dcache, tmp_path):
    store = opened(dcache)
    with DCache(tmp_path / "other", users={"alice": "secret"}) as other:
        other.mkdir(ROOT)
        there = opened(other)
        there.put("a", b"from elsewhere")
        token = there.macaroon(activities=["DOWNLOAD", "UPLOAD", "LIST"])
        store.pull("copy", there.root.href("a"), token=token)
        assert store.get("copy") == b"from elsewhere"
        store.push("copy", there.root.href("back"), token=token)
        assert there.get("back") == b"from elsewhere"
        with pytest.raises(StoreError, match="the copy failed"):
            store.pull("none", there.root.href("none"), token=token)
        with pytest.raises((ConflictError, StoreError)):
            store.pull("copy", there.root.href("a"), token=token, overwrite=False)


@pytest.mark.parametrize(
    ("status", "kind"), [(429, StoreError), (500, StoreError), (503, StoreError), (403, NotAllowedError)]
)
def test_what_lasts_is_told_and_what_passes_is_repeated(dcache, status, kind, monkeypatch):
    from swath.storage import client

    monkeypatch.setattr(client, "PATIENCE", client.Patience(retries=2, retries_s=2))
    store = opened(dcache)
    store.put("a", b"bytes")
    if status != 403:
        dcache.fail(status=status, next=1, door="webdav", method="GET")
        assert store.get("a") == b"bytes"
    dcache.fail(status=status, next=1000, door="webdav", method="GET")
    with pytest.raises(kind, match=str(status)):
        store.get("a")
    dcache.behave()
    assert store.get("a") == b"bytes"


def test_a_redirect_to_another_host_gets_no_credentials(dcache):
    store = opened(dcache)
    store.put("a", b"bytes")
    with RangeServer() as other:
        other.put(f"{ROOT}/a".lstrip("/"), b"elsewhere")
        dcache.spoil(next=2, door="webdav", redirect=other.address)
        assert store.get("a") == b"elsewhere"
        with pytest.raises(StoreError):
            list(store.list())
        assert len(other.seen.requests) == 1
        assert other.seen.secrets == []
