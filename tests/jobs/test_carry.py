"""What a job takes along: its stores, and their secrets, which nobody else sees and which go at its end."""

from __future__ import annotations

import datetime as dt
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dcaches import ROOT
from runs import ONE, SMALL, TWO
from storage.servers import open_settings

from swath.config import Settings
from swath.demo import demo_items
from swath.jobs import Request, submit
from swath.jobs.carry import carried_files, carry, forget_secrets
from swath.model import JobState
from swath.storage import StoreBook, stores, use_stores
from swath.testing.dcache import Clock, DCache

HUSH = ("hush-password", "hush-token", "hush-secret")


@pytest.fixture
def dcache(tmp_path):
    """An emulated dCache with the demo's files."""
    with DCache(tmp_path / "dcache", users={"alice": "hush-password"}, clock=Clock(frozen=True)) as made:
        made.mkdir(ROOT)
        yield made


@pytest.fixture
def moved(dcache):
    """The demo's items, their files in the dCache."""
    items = json.loads(
        json.dumps([each if isinstance(each, dict) else each.to_dict() for each in demo_items()])
    )
    for item in items:
        for asset in item["assets"].values():
            path = Path(asset["href"])
            if path.suffix == ".tif":
                where = f"{ROOT}/{item['id']}/{path.name}"
                dcache.put(where, path.read_bytes())
                asset["href"] = dcache.webdav_url + where
    return items


@pytest.fixture
def settings(dcache, tmp_path):
    """Settings that name the dCache, with a password."""
    box = {"url": dcache.webdav_url + ROOT, "kind": "dcache", "user": "alice", "password": "hush-password"}
    before = stores().named
    made = Settings.model_validate({"home": tmp_path / "home", "stores": {"box": box}})
    use_stores(made.stores)
    yield made
    use_stores(before)


def texts(folder: Path) -> dict[str, str]:
    """Read all files of a folder that have text."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes().decode("latin-1")
    return found


def test_a_job_reads_from_a_store_in_another_process_and_leaves_no_secret(moved, settings, dcache, tmp_path):
    """The process has other settings: it knows only what the job took along."""
    job = submit(Request("composite", {"items": moved, **SMALL}), settings)
    carry(job.folder, elsewhere=False)
    secret = job.folder.path / ".secret-box.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "hush-password" in secret.read_text()
    others = {name: text for name, text in texts(job.folder.path).items() if name != secret.name}
    assert not any(word in text for text in others.values() for word in HUSH)
    (tmp_path / "empty").mkdir()
    environ = {**os.environ, "SWATH_HOME": str(tmp_path / "other"), "HOME": str(tmp_path / "empty")}
    words = [sys.executable, "-m", "swath", "jobs", "exec", str(job.folder.path), "--threads", "2"]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, env=environ, cwd=tmp_path / "empty", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert job.folder.read_status().state is JobState.SUCCESSFUL
    forget_secrets(job.folder)
    everything = texts(job.folder.path)
    assert "stores.json" in everything
    assert not any(word in text for text in everything.values() for word in HUSH)
    assert not any(word in done.stderr + done.stdout for word in HUSH)
    assert any(each.path.endswith(".tif") for each in dcache.requests(method="GET", door="pool"))


def test_a_process_of_its_own_waits_for_tape_and_lets_files_go_with_what_it_took_along(
    moved, settings, dcache, tmp_path
):
    """The secrets go last: releasing needs them."""
    dcache.tape.recall_s = 0
    box = settings.stores["box"].model_copy(update={"api": dcache.api_url})
    settings = settings.model_copy(update={"stores": {"box": box}})
    use_stores(settings.stores)
    some = moved[:3]
    dcache.mkdir(f"{ROOT}/tape", tape=True)
    for item in some:
        for key, asset in item["assets"].items():
            if asset["href"].startswith("http"):
                inside = asset["href"].removeprefix(dcache.webdav_url)
                where = f"{ROOT}/tape/{item['id']}-{key}"
                dcache.put(where, dcache.read(inside), locality="NEARLINE")
                asset["href"] = dcache.webdav_url + where
    job = submit(Request("composite", {"items": some, **SMALL}), settings)
    carry(job.folder, elsewhere=False)
    (tmp_path / "empty").mkdir()
    environ = {**os.environ, "SWATH_HOME": str(settings.home), "HOME": str(tmp_path / "empty")}
    words = [
        sys.executable,
        "-m",
        "swath",
        "jobs",
        "exec",
        str(job.folder.path),
        "--threads",
        "2",
        "--settle",
    ]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, env=environ, cwd=tmp_path / "empty", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert job.status().state is JobState.SUCCESSFUL
    assert not list(job.folder.path.glob(".secret*"))
    released = dcache.requests(method="POST", path="*/tape/release/*")
    assert [each.status for each in released] == [200]
    assert len(dcache.requests(method="POST", path="*/tape/stage")) == 1


def test_the_same_bytes_from_a_store_as_from_a_folder(moved, settings):
    """And no secret is left when the job ends in this process."""
    here = submit(Request("composite", {"items": [_dict(each) for each in demo_items()], **SMALL}), settings)
    assert here.run(TWO).state is JobState.SUCCESSFUL
    there = submit(Request("composite", {"items": moved, **SMALL}), settings)
    assert there.run(TWO).state is JobState.SUCCESSFUL
    assert not list(there.folder.path.glob(".secret*"))
    pixels = [sorted(each.folder.results.rglob("*.tif")) for each in (here, there)]
    assert len(pixels[0]) == len(pixels[1]) > 0
    for one, other in zip(*pixels, strict=True):
        assert one.read_bytes() == other.read_bytes()


def _dict(item):
    return item if isinstance(item, dict) else item.to_dict()


def test_a_token_that_is_renewed_while_the_job_runs_reaches_it(moved, settings, dcache, tmp_path):
    store = open_settings(settings.stores["box"])
    token = tmp_path / "token"
    token.write_text(store.macaroon(lifetime=dt.timedelta(hours=1)))
    box = {"url": dcache.webdav_url + ROOT, "kind": "dcache", "credentials": f"token-file:{token}"}
    own = Settings.model_validate({"home": tmp_path / "home", "stores": {"box": box}})
    use_stores(own.stores)
    job = submit(Request("composite", {"items": moved, **SMALL}), own)
    carry(job.folder, elsewhere=True)
    first = (job.folder.path / ".secret-box.json").read_text()
    assert carry(job.folder, elsewhere=True, renew=True) == {}
    token.write_text(store.macaroon(lifetime=dt.timedelta(hours=2)))
    os.utime(token, (1, 1))
    assert list(carry(job.folder, elsewhere=True, renew=True)) == [".secret-box.json"]
    assert (job.folder.path / ".secret-box.json").read_text() != first


def item_at(href):
    return {"assets": {"red": {"href": href}}}


@pytest.mark.parametrize(
    ("href", "elsewhere", "names"),
    [
        ("/data/a.tif", True, set()), ("file:///data/a.tif", True, set()),
        ("s3://eo-data/a.tif", True, {"eo"}), ("s3://other/a.tif", False, set()),
        ("https://host:1/x/a.tif", True, {"web"}), ("https://public.example/a.tif", False, set()),
    ],
)  # fmt: skip
def test_only_the_stores_that_the_items_lie_in(href, elsewhere, names, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    named = {
        "eo": {
            "url": "s3://eo-data/x",
            "key": "k",
            "secret": "hush-secret",
            "endpoint": "http://127.0.0.1:9",
        },
        "web": {"url": "https://host:1/x", "token": "hush-token"},
        "unused": {"url": "dav://elsewhere/x", "password": "hush-password", "user": "u"},
    }
    book = StoreBook(Settings.model_validate({"stores": named}).stores)
    files = carried_files([item_at(href)], book, elsewhere=elsewhere)
    told = json.loads(files["stores.json"]) if files else {}
    assert set(told) == names
    assert set(files) == {f".secret-{name}.json" for name in names} | ({"stores.json"} if names else set())
    assert not any(word in files.get("stores.json", b"").decode() for word in HUSH)


def test_keys_of_the_environment_go_to_other_machines(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hush-secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = carried_files([item_at("s3://other/a.tif")], StoreBook(), elsewhere=True)
    (told,) = json.loads(files["stores.json"]).values()
    assert told == {"url": "s3://other", "endpoint": "http://127.0.0.1:9", "region": "us-east-1"}
    (secret,) = (content for name, content in files.items() if name != "stores.json")
    assert json.loads(secret)["secret"] == "hush-secret"
    assert carried_files([item_at("s3://other/a.tif")], StoreBook(), elsewhere=False) == {}


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_token_that_ends_while_nobody_looks_costs_no_unit_that_is_done(
    moved, settings, dcache, tmp_path, skip_bad
):
    """Nor is what it would have read left out as bad; with a fresh one the job goes on."""
    store = open_settings(settings.stores["box"])
    token = tmp_path / "token"
    token.write_text(store.macaroon(lifetime=dt.timedelta(hours=1)))
    box = {"url": dcache.webdav_url + ROOT, "kind": "dcache", "credentials": f"token-file:{token}"}
    own = Settings.model_validate({"home": tmp_path / "home", "stores": {"box": box}})
    use_stores(own.stores)
    inputs = {"items": moved[58:62], **SMALL}
    job = submit(Request("composite", inputs, skip_bad=skip_bad), own)
    ended = []

    def end_it(status):
        if status.units_done and not ended:
            ended.append(status.units_done)
            dcache.clock.advance(hours=2)

    told = job.run(ONE, watch=end_it)
    assert told.state is JobState.FAILED
    done = sorted(job.folder.results.glob("x*"))
    assert 0 < len(done) < 9
    assert "the credentials of 'box' have ended, or are refused (" in told.message
    assert f"; {len(done)} of 9 units are kept\n  fix: `swath jobs rerun {job.id}` goes on" in told.message
    assert "Traceback" not in told.message
    before = {each: each.stat().st_ino for each in done}
    token.write_text(store.macaroon(lifetime=dt.timedelta(hours=3)))
    assert job.run(ONE).state is JobState.SUCCESSFUL
    assert {each: each.stat().st_ino for each in done} == before
    assert not list(job.folder.results.glob("*/skipped.json"))
