"""What clusters do to jobs, on a real one: what is said of each fault, and that nothing is lost or mixed."""

from __future__ import annotations

import pytest
from slurm.machine import wait_until

GO_ON = "units are kept: `swath jobs rerun` goes on"


@pytest.fixture
def waits(alice):
    """Inputs of a process that waits for the test."""
    return {"control": str(alice.control)}


def hosts(names):
    """Units and hosts of attempts that have begun."""
    return {name.split("-")[1]: name.split("-")[2] for name in names}


def slurm_job(alice, job):
    """The id that Slurm knows a job by."""
    return alice.show(job)["handle"].split(",")[-1]


def test_a_job_whose_time_is_over_says_so(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", "--time", "1", "--retries", "0", **waits)
    alice.wait_begun(1)
    told = alice.ended(job)
    assert told["state"] == "failed"
    assert told["message"].startswith("at bed it reached its time limit (it had 1: ask for more with --time)")
    assert GO_ON in told["message"]


def test_a_task_that_is_warned_of_its_end_goes_back_into_the_queue_by_itself(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **waits)
    alice.wait_begun(1)
    alice.run("scancel", "--signal=USR1", "--batch", slurm_job(alice, job))
    first = len(alice.begun())
    alice.wait_for(
        job, lambda told: "put back into the queue" in told["message"] or len(alice.begun()) > first
    )
    alice.wait_begun(first + 1)
    alice.say("go")
    told = alice.ended(job)
    assert (told["state"], told["units_done"]) == ("successful", 4)
    assert "," not in told["handle"]  # it is one and the same job of Slurm
    assert "going back into the queue" in alice.swath("jobs", "logs", job).out


def test_a_node_that_loses_its_power_costs_its_unit_and_no_more(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "3", "--cpus", "3", **waits)
    begun = hosts(alice.wait_begun(4))  # one task does two units side by side
    victim = begun["x001y000"]
    alice.bed.power_off(victim)
    alice.bed.on("ctl", "scontrol", "update", f"nodename={victim}", "state=down", "reason=test")
    alice.say("go")
    told = alice.ended(job)
    assert (told["state"], told["units_done"]) == ("successful", 4)


def test_a_node_that_is_cut_off_runs_on_and_its_copy_does_no_harm(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **waits)
    (victim,) = set(hosts(alice.wait_begun(1)).values())
    old = set(alice.begun())
    alice.bed.cut(victim)
    alice.bed.on("ctl", "scontrol", "update", f"nodename={victim}", "state=down", "reason=test")
    alice.wait_for(job, lambda told: set(hosts(set(alice.begun()) - old).values()) - {victim})
    alice.say("go")  # both copies go on now, on two nodes
    told = alice.ended(job)
    assert (told["state"], told["units_done"]) == ("successful", 4)
    folder = alice.control / "home/site/jobs" / job
    assert sorted(each.name for each in (folder / "results").iterdir() if each.is_dir()) == [
        "mosaic", "x000y000", "x000y001", "x001y000", "x001y001",
    ]  # fmt: skip
    assert not list((folder / "attempts").glob("*")) or alice.begun() != sorted(old)


def test_a_job_that_makes_room_for_another_goes_on_later(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "3", "--cpus", "4", "--qos", "scavenger", **waits)
    count = len(alice.wait_begun(3))
    other = "sbatch --parsable --qos=high -N3 --exclusive --wrap 'srun sleep 3'"
    alice.bed.sh("alice", f"cd {alice.control}/home && {other}")
    alice.wait_begun(count + 3)
    alice.say("go")
    told = alice.ended(job)
    assert (told["state"], told["units_done"]) == ("successful", 4)


def test_a_job_that_somebody_else_cancels_says_so(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **waits)
    alice.wait_begun(1)
    alice.bed.on("ctl", "scancel", slurm_job(alice, job))
    told = alice.ended(job)
    assert told["state"] == "failed"
    assert "it was cancelled on the cluster (by you or an administrator, not by swath)" in told["message"]


def test_a_job_that_eats_its_memory_says_how_much_it_had(alice, waits):
    alice.say("eat")
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", "--mem", "1500MB", **waits)
    told = alice.ended(job)
    assert told["state"] == "failed"
    assert "ran out of memory (it had 1500MB: ask for more with --mem)" in told["message"]


def test_slurm_that_is_down_loses_nothing(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **waits)
    alice.wait_begun(1)
    alice.bed.stop_daemon("slurmctld")
    try:
        told = alice.show(job)
        assert told["state"] in ("accepted", "running")
        assert (
            "bed does not answer now; jobs there go on (site: Slurm does not answer squeue" in told["message"]
        )
        said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", code=5)
        assert "Slurm does not answer sbatch" in said.err
        alice.say("go")
    finally:
        alice.bed.start_daemon("slurmctld")
    assert alice.ended(job)["state"] == "successful"


def test_a_job_that_the_queue_has_forgotten_is_found_in_the_accounting(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "1", "--retries", "0", **waits)
    alice.wait_begun(1)
    number = slurm_job(alice, job)
    alice.run("scancel", number)
    wait_until(
        "its end", lambda: "CANCELLED" in alice.run("sacct", "-n", "-X", "-j", number, "-o", "state").out
    )
    alice.bed.forget_jobs_after(2)
    try:
        wait_until("purge", lambda: "Invalid job id" in alice.run("squeue", "-j", number).err, 120)
        told = alice.ended(job)
    finally:
        alice.bed.forget_jobs_after(300)
    assert told["state"] == "failed"
    assert "it was cancelled on the cluster" in told["message"]


def test_accounting_that_is_down_does_not_keep_a_job_from_succeeding(alice, waits):
    job = alice.submit("waiting", "--on", "bed", "--tasks", "2", **waits)
    alice.wait_begun(2)
    alice.bed.stop_daemon("slurmdbd")
    try:
        alice.say("go")
        assert alice.ended(job)["state"] == "successful"
        failing = alice.submit("waiting", "--on", "bed", "--tasks", "1", "--retries", "0", **waits)
        alice.ended(failing)
    finally:
        alice.bed.start_daemon("slurmdbd")


def test_a_disk_that_is_full_before_or_becomes_so_is_named(alice, waits):
    small = alice.bed.small / "site"
    fill = f"dd if=/dev/zero of={small}/fill bs=1k"
    try:
        settings = alice.home / ".config/swath/swath.toml"
        settings.write_text(f'[sites.bed]\nfolder = "{small}"\n')
        job = alice.submit("waiting", "--on", "bed", "--tasks", "1", **waits)
        alice.wait_begun(1)
        alice.bed.sh("alice", fill, check=False)
        alice.say("go")
        told = alice.ended(job)
        assert told["state"] == "failed"
        assert "No space left on device" in told["message"]
        said = alice.swath("run", "composite", *alice.inputs(period="P1Y"), "--on", "bed", code=2)
        assert "No space left on device" in said.err
        assert [each.name for each in (small / "jobs").iterdir()] == [job]
    finally:
        alice.bed.sh("alice", f"rm -rf {small}")


def test_a_folder_that_compute_nodes_do_not_see_is_named(alice):
    settings = alice.home / ".config/swath/swath.toml"
    settings.write_text('[sites.bed]\nfolder = "/tmp/only-here"\n')
    said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", "--retries", "0", code=5)
    assert "the compute node does not see the job folder" in said.err
    said = alice.swath("sites", "check", "bed", code=5)
    assert "FAIL" in said.out
    assert "remedy: set folder to a place that login and compute nodes share" in said.out


def test_an_environment_that_is_not_there_is_named(alice):
    settings = alice.home / ".config/swath/swath.toml"
    settings.write_text(
        f'[sites.bed]\nfolder = "{alice.control}/home/site"\nenvironment = "venv:/not/there"\n'
    )
    said = alice.swath("run", "index", *alice.inputs(), "--on", "bed", "--retries", "0", code=5)
    assert "environment: /not/there is not there on n" in said.err
    said = alice.swath("sites", "check", "bed", code=5)
    assert "/not/there is not there on n" in said.out
    assert "sites add NAME --install" in said.out


def test_a_submission_that_is_broken_off_is_found_by_its_name(alice, waits):
    """The command is killed when Slurm has the job and before it has said so."""
    slow = alice.bed.home("alice") / "bin/sbatch"
    script = f'#!/bin/sh\\n/usr/bin/sbatch "$@" >{alice.control}/told\\nsleep 1000\\n'
    alice.bed.sh("alice", f"mkdir -p ~/bin; printf '{script}' >{slow}; chmod +x {slow}")
    try:
        process = alice.start("swath", "run", "waiting", *alice.inputs(**waits), "--on", "bed", "--detach")
        alice.wait_begun(1)
        alice.run("pkill", "-KILL", "-u", "alice", "-f", "swath run waiting")
        process.communicate(timeout=60)
    finally:
        slow.unlink()
        alice.run("pkill", "-KILL", "-u", "alice", "-f", "sleep 1000")
    (job,) = alice.swath("jobs", "list", "--json").json
    alice.say("go")
    told = alice.ended(job["id"])
    assert told["state"] == "successful"
    assert told["handle"] == (alice.control / "told").read_text().strip()
