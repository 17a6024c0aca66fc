"""Results of jobs in a store: what is there is whole, what fails goes on, and nothing is lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr
from runs import SMALL, TWO
from storage.conftest import rclone_server  # noqa: F401 -- a fixture
from storage.servers import BIN, PASSWORD, USER, answers, free_ports, running, webdav_settings

import swath
from swath.catalog import open_catalog
from swath.cli.main import run
from swath.jobs import Request, get_job, raise_failure, submit
from swath.jobs.finish import read_results
from swath.jobs.publish import is_being_sent
from swath.model import InputError, JobFailedError, JobState, NotAllowedError
from swath.storage import client, stores, use_stores, web


@pytest.fixture
def there(rclone_server, tmp_path):  # noqa: F811
    """A WebDAV server with a store of this test; gives the folder that it lies in."""
    use_stores({"arch": webdav_settings(rclone_server, f"jobs/{tmp_path.name}")})
    yield rclone_server.folder / "jobs" / tmp_path.name
    use_stores({})


def start(settings, demo, to="arch:ü b", **inputs):
    return submit(Request("composite", {**SMALL, "items": demo[58:62], **inputs}, to=to), settings)


def check_sent(folder, job):
    """Check what is in a store by its catalog, as somebody would who has nothing else; gives the items."""
    catalog = json.loads((folder / "results/catalog.json").read_text())
    assert [each["href"] for each in catalog["links"] if each["rel"] == "child"] == ["./collection.json"]
    collection = json.loads((folder / "results/collection.json").read_text())
    items = []
    for link in collection["links"]:
        store, key = stores().locate(link["href"])
        if link["rel"] == "item":
            items.append(json.loads(store.get(key)))
        else:
            store.stat(key)
    for item in items:
        assert {each["href"] for each in item["links"] if each["rel"] in ("collection", "self")} <= {
            each["href"] for each in collection["links"]
        } | {stores().href(f"arch:ü b/{job.id}/results/collection.json")}
        for asset in item["assets"].values():
            store, key = stores().locate(asset["href"])
            data = store.get(key)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
    return items


def test_results_are_put_into_a_store_and_the_catalog_names_them_there(there, settings, demo):
    job = start(settings, demo)
    status = job.run(TWO)
    assert status.state is JobState.SUCCESSFUL
    assert status.message.endswith("; put into arch:ü b")
    items = check_sent(there / "ü b" / job.id, job)
    assert len(items) == 9
    assert sorted(each["id"] for each in job.results()) == sorted(each["id"] for each in items)
    with open_catalog(settings.catalog_path) as catalog:
        found = [each.to_dict() for each in catalog.search(collections=["small"])]
    assert all(a["href"].startswith("http://127.0.0.1") for each in found for a in each["assets"].values())
    mine = swath.load(found, "NDVI", valid=False, chunks=None).NDVI.values
    here = swath.load(read_results(job.folder)[1], "NDVI", valid=False, chunks=None).NDVI.values
    np.testing.assert_array_equal(mine, here)
    assert (there / "ü b" / job.id / "provenance/ro-crate-metadata.json").is_file()
    mosaics = list((there / "ü b" / job.id / "results/mosaic").iterdir())
    assert mosaics


@contextlib.contextmanager
def server(folder, port):
    """Run a WebDAV server at a port, over a folder that may have something in it."""
    words = [str(BIN / "rclone"), "serve", "webdav", str(folder), "--addr", f"127.0.0.1:{port}"]
    words += ["--user", USER, "--pass", PASSWORD, "--config", str(folder.parent / "none.conf")]
    url = f"http://127.0.0.1:{port}"
    ready = lambda: answers(url, auth=(USER, PASSWORD))  # noqa: E731
    with running(words, folder.parent / "rclone.log", ready) as process:
        yield process


def test_a_store_that_goes_away_loses_nothing_and_rerun_goes_on(
    settings, demo, tmp_path, capsys, monkeypatch
):
    folder = tmp_path / "served"
    folder.mkdir()
    (port,) = free_ports(1)
    url = f"dav://127.0.0.1:{port}/"
    for name, value in (("URL", url), ("USER", USER), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"SWATH_STORES__arch__{name}", value)
    use_stores(swath.config.Settings.read().stores)
    for module in (client, web):
        monkeypatch.setattr(module, "PATIENCE", replace(client.PATIENCE, retries=1))
    with server(folder, port):
        job = start(settings, demo)
    status = job.run(TWO)
    assert status.state is JobState.FAILED
    assert get_job(job.id, settings).status() == status
    with pytest.raises(JobFailedError, match=r"storage 'arch': .* all results are kept in") as error:
        raise_failure(status)
    assert f"`swath jobs rerun {job.id}` then sends what is missing" in error.value.fix
    assert PASSWORD not in str(error.value)
    assert len(list(job.folder.results.glob("*/*.json"))) == 9
    assert not (tmp_path / "swath-home/catalog.sqlite").exists()
    with server(folder, port):
        assert run(["jobs", "rerun", job.id]) == 0
        assert "9 items in the collection small" in capsys.readouterr().out
        check_sent(folder / "ü b" / job.id, job)
    assert get_job(job.id, settings).status().state is JobState.SUCCESSFUL
    use_stores({})


SENDS = """
import sys
from swath.config import Settings
from swath.jobs import get_job, Resources
from swath.storage import use_stores
settings = Settings.read()
use_stores(settings.stores)
get_job(sys.argv[1], settings).run(Resources(threads=2, memory_bytes=1_000_000_000))
"""


def test_who_is_killed_while_sending_is_gone_on_with(there, settings, demo, monkeypatch):
    """The next who looks sends what is missing; what is there is not sent again."""
    own = stores().named["arch"]
    for name, value in (("URL", own.url), ("USER", USER), ("PASSWORD", PASSWORD)):
        monkeypatch.setenv(f"SWATH_STORES__arch__{name}", value)
    job = start(settings, demo, tile_size=16)
    process = subprocess.Popen([sys.executable, "-c", SENDS, job.id], env={**os.environ})
    results = there / "ü b" / job.id / "results"
    until = time.monotonic() + 60
    sent = job.folder.sent_file
    while process.poll() is None and time.monotonic() < until:
        if sent.exists() and sent.read_text().count(".tif\n") > 2:
            break
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (results / "catalog.json").exists()
    for path in results.glob("*/[!.]*.json"):
        for asset in json.loads(path.read_text())["assets"].values():
            store, key = stores().locate(asset["href"])
            assert store.stat(key).size == asset["file:size"]
    before = {path: path.stat().st_mtime_ns for path in results.glob("*/[!.]*.tif")}
    noted = job.folder.sent_file.read_text().splitlines()
    assert not is_being_sent(job.folder)
    assert get_job(job.id, settings).status().state is JobState.SUCCESSFUL
    assert len(check_sent(results.parent, job)) == len(job.folder.units)
    kept = [
        path for path in before if any(line.endswith(f"{path.parent.name}/{path.name}") for line in noted)
    ]
    assert kept
    assert {path: path.stat().st_mtime_ns for path in kept} == {path: before[path] for path in kept}


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_done(
    there, settings, demo, monkeypatch
):
    with pytest.raises(InputError, match="there is no store 'nowhere'"):
        start(settings, demo, to="nowhere:x")
    use_stores({"arch": stores().named["arch"].model_copy(update={"password": SecretStr("wrong")})})
    with pytest.raises(NotAllowedError, match="storage 'arch': 401"):
        start(settings, demo)
    (port,) = free_ports(1)
    with pytest.raises(NotAllowedError, match="cannot be written to"):
        start(settings, demo, to=f"http://127.0.0.1:{port}/x")
    assert not list((settings.home / "jobs").glob("*"))


def test_a_folder_of_this_machine_is_a_place_too(settings, demo, tmp_path):
    job = start(settings, demo, to=str(tmp_path / "out"))
    assert job.run(TWO).state is JobState.SUCCESSFUL
    hrefs = [each["href"] for item in job.results() for each in item["assets"].values()]
    assert all(each.startswith(f"{tmp_path}/out/{job.id}/results/") for each in hrefs)
