"""Jobs on the cluster read from a store that only the laptop's settings name, with its password."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slurm.machine import wait_until
from storage.servers import PASSWORD, USER, rclone_on, rclone_webdav

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.servers import Server


@pytest.fixture
def drive(bed, tmp_path) -> Iterator[Server]:
    """A WebDAV server that the compute nodes reach."""
    with rclone_webdav(tmp_path / "drive", "--dir-cache-time", "0s", host=f"{bed.net}.1") as server:
        yield server


def test_nodes_read_with_credentials_that_go_with_the_job_and_at_its_end(traveller, drive, demo):
    items = json.loads(json.dumps(demo[:3]))
    for item in items:
        for key, asset in item["assets"].items():
            path = Path(asset["href"])
            if path.suffix == ".tif":
                (drive.folder / item["id"]).mkdir(exist_ok=True)
                shutil.copy(path, drive.folder / item["id"] / f"{key}.tif")
                asset["href"] = f"{drive.url}/{item['id']}/{key}.tif"
    source = traveller.home / "stored.json"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    settings = traveller.home / ".config/swath/swath.toml"
    dav = drive.url.replace("http:", "dav:")
    settings.write_text(settings.read_text() + f'\n[stores.drive]\nurl = "{dav}"\nuser = "{USER}"\n')
    traveller.environ["SWATH_STORES__drive__PASSWORD"] = PASSWORD
    words = traveller.inputs(items=str(source), period="P1Y", output_collection="made")
    said = traveller.swath("run", "composite", *words, "--on", "bed", "--tasks", "2")
    assert "results copied from bed" in said.err
    (told,) = traveller.swath("jobs", "list", "--json").json
    assert len(traveller.swath("jobs", "results", told["id"], "--json").json["features"]) == 4
    found = traveller.bed.sh(
        "alice", f"find ~ -path '*{told['id']}*' -name '.secret*'; grep -rlF '{PASSWORD}' ~ || true"
    )
    assert found == ""
    assert "stores.json" in traveller.bed.sh("alice", f"find ~ -path '*{told['id']}*' -name 'stores.json'")
    here = [each for each in traveller.home.rglob("*") if each.is_file()]
    assert not [each for each in here if PASSWORD.encode() in each.read_bytes()]


def test_without_credentials_the_job_says_which_store_and_what_to_do(traveller, drive, demo):
    (drive.folder / "a.tif").write_bytes(b"x")
    item = json.loads(json.dumps(demo[0]))
    for asset in item["assets"].values():
        asset["href"] = f"{drive.url}/a.tif"
    source = traveller.home / "stored.json"
    source.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    said = traveller.swath("run", "index", *traveller.inputs(items=str(source)), "--on", "bed", code=2)
    assert "401" in said.err
    assert "fix: set credentials for its store" in said.err
    assert f"{drive.url}/a.tif" in said.err


def test_credentials_that_end_while_nobody_looks_are_renewed_by_who_looks(traveller, bed, demo, tmp_path):
    """Tasks find the password changed; the next look gives them the new one, and submits what is missing."""
    folder = tmp_path / "drive"
    folder.mkdir()
    item = json.loads(json.dumps(demo[0]))
    for key, asset in item["assets"].items():
        if asset["href"].endswith(".tif"):
            shutil.copy(asset["href"], folder / f"{key}.tif")
            asset["href"] = f"WHERE/{key}.tif"
    with rclone_on(folder, host=f"{bed.net}.1", password="first") as server:
        url = server.url
        source = traveller.home / "stored.json"
        source.write_text(json.dumps({"type": "FeatureCollection", "features": [item]}).replace("WHERE", url))
        settings = traveller.home / ".config/swath/swath.toml"
        dav = url.replace("http:", "dav:")
        settings.write_text(settings.read_text() + f'\n[stores.drive]\nurl = "{dav}"\nuser = "{USER}"\n')
        traveller.environ["SWATH_STORES__drive__PASSWORD"] = "first"
        told = {"items": str(source), "control": str(traveller.control)}
        job = traveller.submit("waiting", "--on", "bed", "--tasks", "1", "--retries", "1", **told)
        traveller.wait_begun(1)
    with rclone_on(folder, host=f"{bed.net}.1", password="second", port=int(url.rpartition(":")[2])):
        traveller.say("go")
        note = bed.home("alice") / traveller.control.name / "jobs" / job / "tasks/0.json"
        wait_until("the failure", lambda: "have ended, or are refused (" in note.read_text())
        traveller.environ["SWATH_STORES__drive__PASSWORD"] = "second"
        ended = traveller.ended(job)
        assert (ended["state"], ended["units_done"]) == ("successful", 4)
        assert "," in ended["handle"]
