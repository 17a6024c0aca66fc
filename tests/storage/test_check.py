"""The check of a store goes the whole way, leaves nothing, and names the step that fails with its remedy."""

from __future__ import annotations

import secrets

import pytest
from dcaches import ROOT
from storage.servers import READ_KEY, READ_SECRET, open_settings, s3_settings, webdav_settings

from swath.config import StoreSettings
from swath.storage.check import check_store
from swath.storage.folder import FolderStore
from swath.testing.dcache import Clock, DCache

ALL = ["connect", "list", "write", "ranges", "checksum", "conflict", "move", "delete"]


def names(steps):
    assert all(each.good for each in steps), steps[-1]
    return [each.name for each in steps]


def test_real_servers(s3_server, rclone_server, tmp_path):
    for store in (
        open_settings(s3_settings(s3_server, secrets.token_hex(4))),
        open_settings(webdav_settings(rclone_server, secrets.token_hex(4))),
        FolderStore(tmp_path / "store"),
    ):
        assert names(list(check_store(store, write=True))) == ALL
        assert store.folder() == [] or store.root.scheme == "s3"  # which shows empty folders


def test_a_dcache_with_tape(tmp_path):
    with DCache(tmp_path / "dcache", users={"alice": "secret"}, clock=Clock(frozen=True)) as dcache:
        dcache.mkdir(f"{ROOT}/tape", tape=True)
        dcache.put(f"{ROOT}/tape/a", b"a", locality="NEARLINE")
        told = {"url": dcache.webdav_url + ROOT, "kind": "dcache", "api": dcache.api_url, "user": "alice"}
        store = open_settings(StoreSettings.model_validate(told | {"password": "secret"}))
        steps = list(check_store(store, write=True, tape="tape/a"))
        assert names(steps) == [*ALL, "locality", "stage"]
        assert "NEARLINE" in steps[-2].told
        wrong = open_settings(StoreSettings.model_validate(told | {"password": "wrong"}))
        (step,) = check_store(wrong)
        assert (step.name, step.good) == ("connect", False)
        assert "credentials" in step.remedy


def test_who_may_only_read(s3_server):
    store = open_settings(s3_settings(s3_server, key=READ_KEY, secret=READ_SECRET))
    steps = list(check_store(store, write=True))
    assert [(each.name, each.good) for each in steps] == [("connect", True), ("list", True), ("write", False)]
    assert "403" in steps[-1].told


def test_a_store_without_tape(tmp_path):
    (*_, last) = check_store(FolderStore(tmp_path), tape="a")
    assert (last.name, last.good) == ("locality", False)
    assert "no tape" in last.told


@pytest.mark.parametrize(
    "words", [["list"], ["check", "box"], ["ls", "box:"], ["check", "box:in", "--write", "--json"]]
)
def test_the_commands(words, tmp_path, monkeypatch, capsys):
    from swath.cli.main import run

    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "a.txt").write_text("1")
    (tmp_path / "swath.toml").write_text(f'[stores.box]\nurl = "{tmp_path}/box"\n')
    monkeypatch.chdir(tmp_path)
    assert run(["stores", *words]) == 0
    out = capsys.readouterr().out
    assert {"list": "folder", "check": "connect", "ls": "a.txt"}[words[0]] in out
    assert [each.name for each in (tmp_path / "box").iterdir()] == ["a.txt"]


def test_commands_say_what_is_wrong(tmp_path, monkeypatch, capsys):
    from swath.cli.main import run

    monkeypatch.chdir(tmp_path)
    assert run(["stores", "check", "nowhere"]) == 2
    assert "there is no store 'nowhere'" in capsys.readouterr().err
    assert run(["stores", "macaroon", f"{tmp_path}/x:y"]) != 0
