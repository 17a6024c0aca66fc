"""Mirrors when something goes wrong: one file that fails stops no other, and nothing wrong is shown."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from catalog.mirror.conftest import Place, item
from full_disk import room_for
from storage.servers import BIN, answers, free_ports, running

import swath
from swath.catalog.mirror import copying
from swath.model import InputError, OutputError, StoreError
from swath.storage import client, forget_stores, web


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between tries, and for a server that says nothing."""
    monkeypatch.setattr(copying, "_PAUSE_S", 0.01)
    patience = client.Patience(silence_s=1.0, retries=1, retries_s=5.0)
    for module in (client, web):
        monkeypatch.setattr(module, "PATIENCE", patience)
    forget_stores()


def good_and(server, bad: str):
    """An item whose file is fine, and one whose is not."""
    return [item("good", {"a": server.put("good.tif", b"good")}), item("bad", {"a": bad})]


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_a_file_that_is_refused_is_named_and_the_others_come(server, maker, folder, status):
    server.put("bad.tif", b"bad")
    items = good_and(server, f"{server.address}/bad.tif")
    maker.mirror(items[:1], folder)
    server.manners.status = status
    server.manners.also_head = True
    report = maker.mirror(items[1:], folder)
    (failure,) = report.failures
    assert (failure.item, failure.asset, failure.href) == ("bad", "a", f"{server.address}/bad.tif")
    assert str(status) in failure.reason
    assert folder.json("c/bad/bad.json")["assets"]["a"]["href"] == f"{server.address}/bad.tif"
    assert folder.get("c/good/a.tif") == b"good"
    server.forget()
    assert maker.mirror(items, folder).failures == []
    assert folder.get("c/bad/a.tif") == b"bad"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_for_a_while_is_asked_again(server, maker, folder, status):
    items = [item("x", {"a": server.put("x.tif", b"x" * 1000)})]
    server.manners.status, server.manners.times = status, 3
    report = maker.mirror(items, folder)
    assert (report.copied, report.failures) == (1, [])
    assert folder.assets() == {"c/x/a.tif": b"x" * 1000}


@pytest.mark.parametrize("large", [False, True])
def test_a_body_that_breaks_off_is_fetched_again_and_never_shown_short(server, maker, folder, large):
    data = os.urandom(9 << 20) if large else b"x" * 5000
    items = [item("x", {"a": server.put("x.tif", data)})]
    server.manners.cut, server.manners.times = len(data) // 2, 2
    assert maker.mirror(items, folder).failures == []
    assert folder.assets() == {"c/x/a.tif": data}


def test_a_server_that_always_breaks_off(server, maker, folder):
    items = good_and(server, server.put("bad.tif", b"x" * 5000))
    server.manners.cut = 10
    report = maker.mirror(items, folder)
    (failure,) = report.failures
    assert failure.item == "bad"
    assert folder.assets() == {"c/good/a.tif": b"good"}


def test_a_server_that_falls_silent_is_not_waited_for_without_end(server, maker, folder):
    items = [item("x", {"a": server.put("x.tif", b"x")})]
    server.manners.wait_s = 1.5
    report = maker.mirror(items, folder)
    assert "in time" in report.failures[0].reason or "breaks off" in report.failures[0].reason


def test_a_slow_server_is_waited_for(server, maker, folder):
    items = [item("x", {"a": server.put("x.tif", b"x" * 8192)})]
    server.manners.pause_s = 0.05
    assert maker.mirror(items, folder).failures == []


@pytest.mark.parametrize("function", ["sha256", "md5"])
@pytest.mark.parametrize("size", [1000, 9 << 20])
def test_bytes_that_are_not_those_of_the_item_are_not_shown(server, maker, bucket, function, size):
    prefix = {"sha256": "1220", "md5": "d50110"}[function]
    data = os.urandom(size)
    right = item("right", {"a": server.put("right", data)})
    right["assets"]["a"]["file:checksum"] = prefix + hashlib.new(function, data).hexdigest()
    wrong = item("wrong", {"a": server.put("wrong", data[::-1])})
    wrong["assets"]["a"]["file:checksum"] = right["assets"]["a"]["file:checksum"]
    report = maker.mirror([wrong], bucket)
    (failure,) = report.failures
    assert failure.item == "wrong"
    assert "another checksum than its item says" in failure.reason
    assert bucket.assets() == {}
    assert maker.mirror([right], bucket).failures == []
    assert list(bucket.assets().values()) == [data]


def test_a_source_that_changes_while_it_is_read_is_copied_again(server, maker, folder):
    items = [item("x", {"a": server.put("x.tif", b"old" * 1000)})]
    changes = iter(range(1, 3))

    def change(_: str) -> None:
        if server.seen.count("GET") == 1 and not server.seen.count("HEAD"):
            server.tags["/x.tif"] = f'"{next(changes)}-new"'
            server.files["/x.tif"] = b"new" * 1000

    watching = []

    def head_sees_another(report) -> None:
        change("")
        watching.append(report.moved_bytes)

    report = maker.mirror(items, folder, watch=head_sees_another)
    assert (report.failures, report.copied) == ([], 1)
    assert watching[-1] >= 6000
    assert folder.assets() == {"c/x/a.tif": b"new" * 1000}


def test_a_source_that_never_stands_still_is_told(server, maker, folder):
    items = [item("x", {"a": server.put("x.tif", b"old" * 1000)})]

    def change(_) -> None:
        server.tags["/x.tif"] = f'"{time.monotonic_ns()}"'

    report = maker.mirror(items, folder, watch=change)
    assert "changes while it is copied, 3 times" in report.failures[0].reason
    assert folder.assets() == {}


def test_a_local_file_that_is_rewritten_meanwhile_is_seen(maker, folder, tmp_path):
    file = tmp_path / "x.tif"
    file.write_bytes(b"old" * 1000)
    changed = []

    def change(report) -> None:
        if report.moved_bytes and not changed:
            changed.append(file.write_bytes(b"new!" * 1000))

    assert maker.mirror([item("x", {"a": str(file)})], folder, watch=change).failures == []
    assert folder.assets() == {"c/x/a.tif": b"new!" * 1000}


def test_a_full_disk_ends_it_and_leaves_nothing_half(maker, folder, tmp_path):
    items = []
    for at in range(6):
        (tmp_path / f"{at}.bin").write_bytes(os.urandom(3_000_000 if at == 3 else 1000))
        items.append(item(f"i{at}", {"a": str(tmp_path / f"{at}.bin")}))
    with room_for(1_000_000), pytest.raises(OutputError, match="cannot write"):
        maker.mirror(items, folder, concurrency=1)
    assert all(len(data) == 1000 for data in folder.assets().values())
    assert not list(Path(folder.address).rglob(".part-*"))
    report = maker.mirror(items, folder)
    assert (report.copied + report.kept, report.failures) == (6, [])
    assert report.kept == 3


def test_a_store_that_dies_on_the_way_ends_it(server, maker, tmp_path, monkeypatch):
    items = [item(f"i{at}", {"a": server.put(f"{at}", str(at).encode() * 100)}) for at in range(100)]
    (port,) = free_ports(1)
    (tmp_path / "data").mkdir()
    url = f"http://127.0.0.1:{port}"
    words = [str(BIN / "rclone"), "serve", "webdav", str(tmp_path / "data"), "--addr", f"127.0.0.1:{port}"]
    monkeypatch.setenv("SWATH_STORES__files__URL", url.replace("http", "dav"))
    monkeypatch.setenv("SWATH_STORES__files__CREDENTIALS", "none")
    with running(words, tmp_path / "log", lambda: answers(url)) as process:

        def kill(report) -> None:
            if report.copied > 15:
                process.kill()

        with pytest.raises(StoreError, match="no connection"):
            maker.mirror(items, Place("files:m"), watch=kill)
    with running(words, tmp_path / "log", lambda: answers(url)):
        report = maker.mirror(items, Place("files:m"))
        assert (report.copied + report.kept, report.failures) == (100, [])
        assert report.kept > 10
        assert len(Place("files:m").listed()) == 202


def test_what_is_no_file_is_told(maker, folder, tmp_path, server):
    (tmp_path / "store.zarr").mkdir()
    items = [
        item("folder", {"a": str(tmp_path / "store.zarr")}), item("gone", {"a": str(tmp_path / "gone")}),
        item("signed", {"a": "https://host.example/x?sig=abc"}), item("up", {"a": "s3://eo/../x"}),
        item("good", {"a": server.put("good", b"good")}),
    ]  # fmt: skip
    report = maker.mirror(items, folder)
    reasons = {each.item: each.reason for each in report.failures}
    assert set(reasons) == {"folder", "gone", "signed", "up"}
    assert "is a folder" in reasons["folder"]
    assert "abc" not in reasons["signed"]
    assert list(folder.assets().values()) == [b"good"]


def test_a_source_that_is_none(folder, tmp_path):
    with pytest.raises(LookupError, match="does not exist"):
        swath.mirror(tmp_path / "none", folder.address)
    with pytest.raises(InputError, match="concurrency must be 1 or more, got 0"):
        swath.mirror(tmp_path, folder.address, concurrency=0)
    with pytest.raises(InputError, match="there is no store 'archiv'"):
        swath.mirror(tmp_path, "archiv:x")


def test_the_bandwidth_is_kept(server, maker, folder):
    items = [item(f"i{at}", {"a": server.put(f"{at}", os.urandom(100_000))}) for at in range(10)]
    began = time.monotonic()
    maker.mirror(items, folder, bandwidth="1MB")
    assert time.monotonic() - began > 0.7  # a second's worth, less what may go at once


def test_no_more_files_at_once_than_asked(server, maker, folder):
    items = [item(f"i{at}", {"a": server.put(f"{at}", b"x" * at)}) for at in range(20)]
    server.manners.wait_s = 0.02
    maker.mirror(items, folder, concurrency=3)
    assert 1 <= server.seen.most_in_flight <= 3


def test_the_command_says_what_failed_and_ends_with_5(server, maker, folder):
    items = good_and(server, f"{server.address}/none.tif")
    words = [sys.executable, "-m", "swath", "catalog", "mirror", str(maker.write(*items)), folder.address]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 5
    assert ended.stdout.startswith("1 files copied (4 B), 0 shared, 0 there already, 1 failed")
    assert "failed: bad a: " in ended.stderr
    assert Place(folder.address).json("catalog.json")["type"] == "Catalog"
