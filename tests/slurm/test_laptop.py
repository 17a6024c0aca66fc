"""The same commands from a laptop, over SSH, through connections that break."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import shapely
from slurm.machine import SSHD
from slurm.people import Person, laptop_environ

import swath

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def test_a_site_is_found_out_checked_and_written_down(traveller):
    traveller.environ["SWATH_HOME"] = str(traveller.home / "swath")
    settings = traveller.home / ".config/swath/swath.toml"
    there = f"{traveller.bed.home('alice')}/{traveller.control.name}"
    settings.write_text("# mine\nthreads = 2  # two\n")
    words = ("--ssh", "alice@bed", "--folder", there, "--environment", f"venv:{traveller.bed.base}/env")
    said = traveller.swath("sites", "add", "hpc", *words)
    assert (
        "partition    normal (default): up to 1-00:00:00, 3 nodes of up to 4 CPUs, 4000MiB, 2 GPUs"
        in said.out
    )
    assert "accounts     eo, other; QOS high, limited, normal, scavenger, short" in said.out
    assert settings.read_text().startswith("# mine\nthreads = 2  # two\n\n[sites.hpc]\n")
    (_, hpc) = traveller.swath("sites", "list", "--json").json
    assert (hpc["name"], hpc["host"], hpc["slurm"]) == ("hpc", "alice@bed", traveller.bed.slurm)
    steps = traveller.swath("sites", "check", "hpc", "--json").json
    assert [each["name"] for each in steps if each["good"]] == [
        "connect", "folder", "submit", "start", "shared", "swath", "cancel",
    ]  # fmt: skip
    assert traveller.bed.sh("alice", f"ls {there}/checks") == ""


def test_a_job_goes_there_and_its_results_come_back(traveller):
    said = traveller.swath("run", "composite", *traveller.inputs(period="P1Y"), "--on", "bed", "--tasks", "2")
    assert "results copied from bed" in said.err
    (told,) = traveller.swath("jobs", "list", "--json").json
    items = traveller.swath("jobs", "results", told["id"], "--json").json["features"]
    assert len(items) == 4
    for each in items:
        for asset in each["assets"].values():
            assert Path(asset["href"]).is_relative_to(traveller.home)
            assert Path(asset["href"]).exists()
    loaded = swath.load(items, ["NDVI"], chunks=None)
    assert float(loaded.NDVI.mean()) > 0.2
    found = traveller.swath("catalog", "search", "--json").json["features"]
    assert {each["id"] for each in found} == {each["id"] for each in items}
    assert shapely.union_all([shapely.geometry.shape(each["geometry"]) for each in found]).area > 0
    assert "unit x000y000 is done" in traveller.swath("jobs", "logs", told["id"]).out


def test_results_that_are_many_stay_until_they_are_fetched(traveller):
    settings = traveller.home / ".config/swath/swath.toml"
    settings.write_text(settings.read_text() + 'fetch = "1kB"\n')
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed")
    assert "stay at bed:" in said.out
    (told,) = traveller.swath("jobs", "list", "--json").json
    assert "swath jobs fetch" in traveller.swath("jobs", "results", told["id"], code=2).err
    traveller.swath("jobs", "fetch", told["id"])
    assert traveller.swath("jobs", "results", told["id"], "--json").json["features"]
    assert "are here already" in traveller.swath("jobs", "fetch", told["id"], code=2).err


def test_a_connection_that_is_dropped_while_a_job_is_followed(traveller):
    inputs = traveller.inputs(control=str(traveller.control))
    process = traveller.start("swath", "run", "waiting", *inputs, "--on", "bed", "--tasks", "2")
    traveller.wait_begun(2)
    for _ in range(2):
        traveller.bed.on("login", "pkill", "-KILL", "-u", "alice", "-x", SSHD, check=False)
        time.sleep(1)
    traveller.say("go")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "items in the collection" in out


def test_a_connection_that_breaks_while_slurm_answers_does_not_submit_twice(traveller):
    """The connection goes when sbatch has put the job into the queue, before anybody has heard of it."""
    bed = traveller.bed
    wrapper = bed.home("alice") / "bin/sbatch"
    script = f'#!/bin/sh\\n/usr/bin/sbatch "$@" >/dev/null\\npkill -KILL -u alice -x "{SSHD}"\\nsleep 60\\n'
    bed.sh("alice", f"mkdir -p ~/bin; printf '{script}' >{wrapper}; chmod +x {wrapper}")
    try:
        job = traveller.submit("waiting", "--on", "bed", "--tasks", "1", control=str(traveller.control))
    finally:
        wrapper.unlink()
    traveller.wait_begun(1)
    queue = bed.sh("alice", "squeue --me --noheader -o %F").split()
    assert traveller.show(job)["handle"].split(",") == queue
    traveller.say("go")
    assert traveller.ended(job)["state"] == "successful"


def test_a_login_node_that_is_away_is_said_and_loses_nothing(traveller):
    bed = traveller.bed
    job = traveller.submit("waiting", "--on", "bed", "--tasks", "1", control=str(traveller.control))
    traveller.wait_begun(1)
    bed.on("login", "pkill", "-x", SSHD)
    told = traveller.show(job)
    assert told["state"] in ("accepted", "running")
    assert "bed does not answer now; jobs there go on (site: alice@bed does not answer" in told["message"]
    said = traveller.swath("jobs", "cancel", job, code=5)
    assert "does not answer" in said.err
    traveller.say("go")
    bed.resume()
    assert traveller.ended(job)["state"] == "successful"


def test_files_that_are_not_at_the_site_are_named_before_anything_is_submitted(traveller):
    text = traveller.items.read_text().replace(str(traveller.bed.base), "/elsewhere")
    traveller.items.write_text(text)
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed", code=3)
    assert "asset: there is no file '/elsewhere/" in said.err
    assert traveller.swath("jobs", "list", "--json").json == []


def test_the_own_python_of_a_laptop_is_not_to_be_had_there(traveller):
    settings = traveller.home / ".config/swath/swath.toml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("environment")]
    settings.write_text("\n".join(lines))
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed", code=2)
    assert "the site does not see the Python that you use here" in said.err
    assert "swath sites add NAME --install" in said.err


def test_a_laptop_whose_clock_is_an_hour_off(bed, laptop, traveller, control):
    if not Path(FAKETIME).exists():
        pytest.skip("needs Debian's faketime")
    environ = {
        **laptop_environ(laptop),
        "LD_PRELOAD": FAKETIME,
        "FAKETIME": "+1h",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    late = Person(bed, (), environ, laptop, control, traveller.items)
    job = late.submit("waiting", "--on", "bed", "--tasks", "1", control=str(control))
    late.wait_begun(1)
    late.say("go")
    told = late.ended(job)
    assert told["state"] == "successful"
    assert told["updated"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3000))


def test_somebody_else_sees_nothing_of_a_job(traveller):
    traveller.swath("run", "index", *traveller.inputs(), "--on", "bed")
    there = f"{traveller.bed.home('alice')}/{traveller.control.name}"
    assert traveller.bed.sh("bob", f"ls {there} 2>&1; true").endswith("Permission denied\n")
