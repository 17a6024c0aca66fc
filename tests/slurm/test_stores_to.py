"""Jobs on the cluster put their results into a store themselves; who ends on the way is gone on with."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from contextlib import ExitStack

import pystac
import pytest
from pystac.stac_io import DefaultStacIO
from slurm.machine import wait_until
from storage.servers import PASSWORD, USER, rclone_webdav, webdav_settings

from swath.storage import StoreBook


@pytest.fixture
def drive(bed, tmp_path):
    """A WebDAV server that the compute nodes reach."""
    with rclone_webdav(tmp_path / "drive", host=f"{bed.net}.1") as server:
        yield server


@pytest.fixture
def sender(traveller, drive):
    """Somebody at a laptop whose settings name the server; its password is in the environment."""
    dav = drive.url.replace("http:", "dav:")
    settings = traveller.home / ".config/swath/swath.toml"
    settings.write_text(settings.read_text() + f'\n[stores.drive]\nurl = "{dav}"\nuser = "{USER}"\n')
    traveller.environ["SWATH_STORES__drive__PASSWORD"] = PASSWORD
    return traveller


def read_catalog(server, job):
    """Read what is in the store by its catalog, with pystac; gives the items, whose files are whole."""
    book = StoreBook({"drive": webdav_settings(server)})

    class FromStores(DefaultStacIO):
        def read_text_from_href(self, href):
            store, key = book.locate(href)
            return store.get(key).decode()

    href = book.href(f"drive:out/{job}/results/catalog.json")
    items = list(pystac.Catalog.from_file(href, FromStores()).get_items(recursive=True))
    for item in items:
        for asset in item.assets.values():
            store, key = book.locate(asset.href)
            data = store.get(key)
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
    return items


def folder_at_site(sender, job):
    """Give the folder of a job at the site."""
    return sender.bed.home("alice") / sender.control.name / "jobs" / job


def secrets_left(sender, job):
    """Name files with the password, at the site and at home."""
    here = [each for each in sender.home.rglob("*") if each.is_file()]
    there = [each for each in folder_at_site(sender, job).rglob("*") if each.is_file()]
    return [each for each in here + there if PASSWORD.encode() in each.read_bytes()]


def test_the_node_that_ends_the_job_puts_the_results_into_the_store(sender, drive):
    """Nobody needs to look for that, and the password is gone before anybody does."""
    job = sender.submit("index", "--on", "bed", "--tasks", "2", "--to", "drive:out")
    wait_until("the catalog", (drive.folder / "out" / job / "results/catalog.json").exists)
    wait_until("the end of the secret", lambda: not list(folder_at_site(sender, job).glob(".secret-*")))
    told = sender.ended(job)
    assert told["state"] == "successful"
    assert told["message"].startswith("4 of 4 units done; put into drive:out; results copied from bed")
    items = read_catalog(drive, job)
    found = sender.swath("jobs", "results", job, "--json").json["features"]
    assert sorted(each["id"] for each in found) == sorted(each.id for each in items)
    assert len(items) >= 4
    assert {each["href"] for item in found for each in item["assets"].values()} == {
        each.href for item in items for each in item.assets.values()
    }
    assert secrets_left(sender, job) == []


def test_results_that_are_too_many_to_come_home_are_in_the_catalog_by_their_store(sender, drive):
    settings = sender.home / ".config/swath/swath.toml"
    settings.write_text(settings.read_text().replace("[sites.bed]", '[sites.bed]\nfetch = "1kB"'))
    job = sender.submit("index", "--on", "bed", "--tasks", "1", "--to", "drive:out", output_collection="far")
    told = sender.ended(job)
    assert "put into drive:out; its results" in told["message"]
    found = sender.swath("catalog", "search", "--collections", "far", "--json").json["features"]
    assert sorted(each["id"] for each in found) == sorted(each.id for each in read_catalog(drive, job))
    assert all(
        each["href"].startswith(f"{drive.url}/out/{job}/")
        for item in found
        for each in item["assets"].values()
    )
    assert not list(sender.home.rglob(f"*{job}/results"))


def test_a_node_that_dies_while_it_sends_is_gone_on_with_by_another(sender, drive):
    """The server stands still when some files are there, then the node loses its power."""
    job = sender.submit("index", "--on", "bed", "--tasks", "1", "--to", "drive:out", tile_size=16)
    noted = folder_at_site(sender, job) / ".sent.txt"
    with ExitStack() as on_end:
        until = time.monotonic() + 120
        while not (noted.exists() and noted.read_text().count(".tif\n") > 2):
            assert time.monotonic() < until
            time.sleep(0.001)
        os.kill(drive.pid, signal.SIGSTOP)
        on_end.callback(os.kill, drive.pid, signal.SIGCONT)
        assert not (drive.folder / "out" / job / "results/catalog.json").exists()
        victim = sender.bed.sh("alice", "squeue -h --me -o %N").strip()
        sender.bed.power_off(victim)
        sender.bed.on("ctl", "scontrol", "update", f"nodename={victim}", "state=down", "reason=test")
    sent = [drive.folder / each for each in noted.read_text().splitlines() if each.endswith(".tif")]
    kept = {each: each.stat().st_mtime_ns for each in sent}
    assert kept
    assert sender.ended(job)["state"] == "successful"
    assert len(read_catalog(drive, job)) >= 36
    assert {each: each.stat().st_mtime_ns for each in kept} == kept
    assert secrets_left(sender, job) == []


def test_a_store_that_nodes_do_not_reach_gets_the_results_from_who_looks(sender, bed, tmp_path):
    """It listens where the laptop is, and nowhere else."""
    with rclone_webdav(tmp_path / "near") as near:
        settings = sender.home / ".config/swath/swath.toml"
        text = settings.read_text()
        url = near.url.replace("http:", "dav:")
        settings.write_text(text.replace(text[text.index("dav://") : text.index('"\nuser')], url))
        job = sender.submit("index", "--on", "bed", "--tasks", "1", "--to", "drive:out")
        told = sender.ended(job)
        assert told["state"] == "successful"
        assert told["message"].endswith("; put into drive:out")
        assert len(read_catalog(near, job)) >= 4
        log = sender.swath("jobs", "logs", job).out
        assert "not in their store yet: whoever looks at the job sends them" in log
