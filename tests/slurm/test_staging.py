"""A job at a real Slurm site whose files are on tape: no batch job before they are there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from slurm.testbed import wait_until

ARCHIVE = """
import sys, time
from pathlib import Path
from swath.testing.dcache import Clock, DCache

control = Path(sys.argv[1])
with DCache(control / "pool", users={"alice": "secret"}, clock=Clock(frozen=True)) as dcache:
    dcache.mkdir("/tape", tape=True)
    for each in (control / "pool/tape").glob("*.tif"):
        dcache.set_locality(f"/tape/{each.name}", "NEARLINE")
    (control / "addresses.part").write_text(f"{dcache.webdav_url} {dcache.api_url}")
    (control / "addresses.part").rename(control / "addresses")
    while not (control / "end").exists():
        if (control / "come").exists():
            dcache.clock.advance(hours=1)
        time.sleep(0.05)
"""


@pytest.fixture
def archive(alice, demo):
    """An emulated dCache on the login node, and items whose files it has on tape."""
    pool = alice.control / "pool/tape"
    pool.mkdir(parents=True)
    features = []
    for item in demo[:3]:
        assets = {}
        for key, each in item["assets"].items():
            name = Path(each["href"]).name
            if name.endswith(".tif"):
                shutil.copy(each["href"], pool / name)
                assets[key] = {**each, "href": f"WEBDAV/tape/{name}"}
        features.append({**item, "assets": assets})
    for each in (pool, pool.parent, *pool.iterdir()):
        each.chmod(0o777)
    (alice.control / "archive.py").write_text(ARCHIVE)
    process = alice.start("python", str(alice.control / "archive.py"), str(alice.control))
    try:
        wait_until("the emulator", (alice.control / "addresses").exists)
        webdav, api = (alice.control / "addresses").read_text().split()
        told = f'[stores.archive]\nurl = "{webdav}/tape"\nkind = "dcache"\napi = "{api}"\n'
        told += 'user = "alice"\npassword = "secret"\n'
        alice.bed.sh("alice", f"cat >>~/.config/swath/swath.toml <<'E'\n{told}E")
        text = json.dumps({"type": "FeatureCollection", "features": features}).replace("WEBDAV", webdav)
        items = alice.control / "tape.json"
        items.write_text(text)
        items.chmod(0o644)
        yield items
    finally:
        alice.say("end")
        process.communicate(timeout=60)


def test_nothing_is_submitted_before_the_files_are_there(alice, archive):
    told = {"items": str(archive), "control": str(alice.control)}
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **told)
    message = alice.show(job)["message"]
    assert message.startswith("waiting for 3 of 3 files from tape")
    assert alice.run("squeue", "-h", "--me").out == ""
    assert alice.begun() == []
    alice.say("come")
    told = alice.wait_for(job, lambda told: told["handle"])
    assert told["state"] in ("accepted", "running")
    alice.wait_begun(1)
    alice.swath("jobs", "cancel", job)
    assert alice.run("squeue", "-h", "--me").out == ""
