"""Jobs at a real Slurm site, from its login node: what they make, what they say, how they end."""

from __future__ import annotations

import json

from runs import digests
from slurm.people import write_items

import swath
from swath.config import Settings
from swath.jobs import Request, Resources, submit


def folder_of(told):
    from pathlib import Path

    return Path(told["folder"])


def test_a_job_of_several_tasks_makes_the_bytes_that_it_makes_here(alice, demo, tmp_path):
    said = alice.swath(
        "run",
        "composite",
        *alice.inputs(period="P1Y", output_collection="years"),
        "--on",
        "bed",
        "--tasks",
        "3",
    )
    assert "items in the collection" in said.out
    assert "successful: 4 of 4 units done" in said.err
    told = alice.swath("jobs", "list", "--json").json[0]
    assert (told["site"], told["state"], told["units_done"]) == ("bed", "successful", 4)
    settings = Settings(home=tmp_path / "home", memory="1GB")
    items = json.loads(write_items(tmp_path / "i.json", alice.bed, demo).read_text().replace(
        str(alice.bed.base / "src"), str(swath.__path__[0]).removesuffix("/swath")
    ))  # fmt: skip
    inputs = {"index": "NDVI", "tile_size": 64, "period": "P1Y", "output_collection": "years"}
    here = submit(Request("composite", {**inputs, "items": items}), settings)
    here.run(Resources(threads=2, memory_bytes=10**9))
    there = {key: value for key, value in digests(folder_of(told)).items() if not key.endswith(".json")}
    assert there == {k: v for k, v in digests(here.folder.path).items() if not k.endswith(".json")}
    assert len(there) > 8
    log = alice.swath("jobs", "logs", told["id"]).out
    assert {line[:3] for line in log.splitlines()} == {"[0]", "[1]", "[2]"}
    assert "all units are there: finishing" in log
    assert alice.swath("catalog", "collections", "--json").json


def test_the_script_is_shown_and_nothing_is_written(alice):
    said = alice.swath(
        "run", "waiting", *alice.inputs(control=str(alice.control)), "--on", "bed", "--dry-run",
        "--tasks", "2", "--time", "00:30:00", "--mem", "2GB", "--cpus", "2", "--partition", "normal",
        "--account", "eo", "--qos", "short", "--gpus", "1", "--nodes", "1", "--slurm=--comment=hello",
        "--at-once", "1",
    )  # fmt: skip
    script = said.out[said.out.index("#!/bin/bash") :]
    for each in (
        "--time=00:30:00", "--mem=1908M", "--cpus-per-task=2", "--partition=normal", "--account=eo",
        "--qos=short", "--gpus=1", "--nodes=1", "--comment=hello", "--array=0-1%1", "--requeue",
    ):  # fmt: skip
        assert f"#SBATCH {each}\n" in script
    assert not (alice.control / "home/site").exists()
    assert "nothing was written" in said.err


def test_a_job_is_followed_left_and_cancelled(alice):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "4", control=str(alice.control))
    alice.wait_begun(3)
    alice.say("go-x000y000")
    told = alice.wait_for(job, lambda told: told["units_done"] == 1)
    assert told["state"] == "running"
    assert "1 of 4 units done" in told["message"]
    said = alice.swath("jobs", "cancel", job)
    assert said.out == "cancelled; 1 of 4 units are kept: `swath jobs rerun` goes on from there\n"
    assert alice.run("squeue", "-h", "--me").out == ""
    assert "nothing is left to cancel" in alice.swath("jobs", "cancel", job, code=2).err
    assert alice.show(job)["state"] == "dismissed"
    kept = folder_of(told) / "results/x000y000"
    stamp = kept.stat().st_mtime_ns
    alice.say("go")
    alice.swath("jobs", "rerun", job)
    assert alice.show(job)["units_done"] == 4
    assert kept.stat().st_mtime_ns == stamp


def test_the_mistake_of_one_task_ends_the_others_and_is_said(alice):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "4", control=str(alice.control))
    alice.wait_begun(3)
    alice.say("fail")
    told = alice.ended(job)
    assert (told["state"], told["exit_code"]) == ("failed", 2)
    assert told["message"].startswith("control: told to fail.\n  fix: delete the file fail")
    assert alice.run("squeue", "-h", "--me").out == ""


def test_a_job_for_each_value_and_one_look_at_the_queue_for_all(alice):
    counted = alice.bed.home("alice") / "bin/squeue"
    alice.bed.sh("alice", f"mkdir -p ~/bin; printf '#!/bin/sh\\necho x >>{alice.control}/looks\\nexec "
                 f"/usr/bin/squeue \"$@\"\\n' >{counted}; chmod +x {counted}")  # fmt: skip
    try:
        said = alice.swath(
            "run", "waiting", *alice.inputs(control=str(alice.control)), "--on", "bed", "--detach", "--json",
            "--map", "index=NDVI,EVI", "--map", "tile_size=[100, 101, 102]",
        )  # fmt: skip
        jobs = [each["id"] for each in said.json]
        assert len(jobs) == 6
        (alice.control / "looks").unlink(missing_ok=True)
        listed = alice.swath("jobs", "list", "--json").json
        assert {each["id"] for each in listed} == set(jobs)
        assert {each["state"] for each in listed} <= {"accepted", "running"}
        assert (alice.control / "looks").read_text() == "x\n"
    finally:
        counted.unlink()
    alice.say("go")
    for each in jobs:
        assert alice.ended(each)["state"] == "successful"


def test_a_job_waits_for_another_and_never_starts_when_that_fails(alice):
    wait = {"control": str(alice.control)}
    first = alice.submit("waiting", "--on", "bed", "--tasks", "1", **wait)
    second = alice.submit("composite", "--on", "bed", "--after", first, period="P1Y")
    told = alice.wait_for(second, lambda told: "(" in told["message"])
    assert told["state"] == "accepted"
    assert "it waits for another job (Dependency)" in told["message"]
    alice.wait_begun(1)
    alice.say("fail")
    assert alice.ended(first)["state"] == "failed"
    assert alice.ended(second)["state"] == "failed"
    assert "after: 'nothing'" in alice.swath(
        "run", "composite", *alice.inputs(), "--on", "bed", "--after", "nothing", code=3
    ).err.replace("jobs: there is no job 'nothing'", "after: 'nothing'")


def test_names_with_quotes_spaces_and_dollars_do_no_harm(alice):
    output = f'{alice.control}/home/it\'s a "$HOME" `id` #1'
    said = alice.swath(
        "run",
        "index",
        *alice.inputs(title="$(touch /tmp/x) \"' \n"),
        "--on",
        "bed",
        "--output",
        output,
        code=2,
    )
    assert "title" in said.err  # no such input; the next has none of those characters
    said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", "--output", output)
    assert f"files   {output}/results" in said.out


def test_what_the_site_has_not_is_refused_by_slurm_itself_in_one_sentence(alice):
    for words, told in (
        (("--partition", "nope"), "Invalid partition name specified"),
        (("--account", "nope"), "Invalid account or account/partition combination"),
        (("--qos", "nope"), "Invalid qos specification"),
        (("--mem", "900GB"), "Requested node configuration is not available"),
        (("--time", "9-0"), "Requested time limit is invalid"),
        (("--gpus", "9"), "Requested node configuration is not available"),
    ):
        said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", *words, code=2)
        assert said.err.startswith("swath: site: sbatch refuses: ")
        assert told in said.err
    assert alice.swath("jobs", "list", "--json").json == []
    assert list((alice.control / "home/site/jobs").iterdir()) == []


def test_what_the_site_has_not_is_known_before_it_is_asked(alice):
    alice.swath("sites", "add", "bed", "--folder", f"{alice.control}/home/site")
    for words, told in (
        (("--partition", "nope"), "partition: there is no partition 'nope' for you at bed.\n  known: normal"),
        (("--account", "nope"), "account: there is no account 'nope' for you at bed.\n  known: eo, other"),
        (("--qos", "nope"), "qos: there is no qos 'nope' for you at bed.\n  known: high"),
        (("--mem", "900GB"), "mem: 900GB is more than a node of the partition normal has, 4000MiB"),
        (("--time", "9-0"), "time: 9-0 is longer than the partition normal gives, 1-00:00:00"),
        (("--gpus", "9"), "gpus: 9 is more than a node has in the partition normal, 2"),
        (("--partition", "short", "--time", "10"), "--partition normal"),
    ):
        said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", *words, code=2)
        assert told in said.err
    assert alice.swath("run", "index", *alice.inputs(), "--on", "elsewhere", code=3).err.count("\n") <= 2


def test_a_terminal_that_follows_leaves_the_job_there_on_ctrl_c(alice):
    process = alice.start("swath", "run", "waiting", *alice.inputs(control=str(alice.control)), "--on", "bed")
    alice.wait_begun(1)
    (inner,) = alice.run("pgrep", "-u", "alice", "-f", "swath run waiting", "-o").out.split()
    alice.run("kill", "-INT", inner)
    err = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "left there: waiting-" in err
    (job,) = alice.swath("jobs", "list", "--json").json
    assert job["state"] == "running"
    follower = alice.start("swath", "jobs", "logs", "-f", job["id"])
    alice.say("go")
    log = follower.communicate(timeout=60)[0]
    assert "is done" in log
    assert "finished" in log
    assert alice.show(job["id"])["state"] == "successful"
