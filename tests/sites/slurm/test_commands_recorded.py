"""What Slurms of several releases really printed, as tests/slurm/record.py wrote it, is understood alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from swath.sites.slurm.commands import Slurm, SlurmAwayError, SlurmRefusedError
from swath.sites.slurm.discover import discover
from swath.sites.transport import Completed

FILES = sorted((Path(__file__).parent / "recorded").glob("*.json"))


class Recorded:
    """Says what a Slurm said."""

    name = "recorded"

    def __init__(self, path):
        told = json.loads(path.read_text())
        self.version, self.jobs, self.said = told["version"], told["jobs"], told["said"]

    def slurm(self, *names):
        """Slurm's commands, that say these things one after the other."""
        self.next = list(names)
        return Slurm(self)

    def run(self, command, **_options):
        if command[0] in ("sh", "id"):
            return Completed(0, "user alice\n", "")
        said = self.said[self.next.pop(0)]
        return Completed(said["exit_code"], said["output"], said["errors"])


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def told(request):
    return Recorded(request.param)


def test_there_are_recordings_of_three_releases():
    assert [each.stem for each in FILES] == ["22.05", "24.11", "26.05"]


def test_a_site_is_found_out(told):
    told.next = ["version", "sinfo", "associations", "default account", "config"]
    found = discover(told)
    assert found.settings["version"] == told.version
    assert {key: (each["time"], each["nodes"], each["gpus"]) for key, each in
            found.settings["partitions"].items()} == {
        "normal": ("1-00:00:00", 3, 2), "short": ("00:02:00", 3, 2), "gpu": ("02:00:00", 1, 2),
    }  # fmt: skip
    assert found.settings["accounts"] == ["eo", "other"]
    assert set(found.settings["qoses"]) == {"normal", "short", "scavenger", "high", "limited"}
    assert found.settings["scratch"] == "/tmp"
    assert found.notes == []


def test_ids_of_jobs(told):
    for name, job in told.jobs.items():
        assert told.slurm(f"sbatch {name}").submit("/x", "/") == job


def test_the_queue(told):
    found = told.slurm("queue").queue()
    of = lambda name: found[told.jobs[name]]  # noqa: E731
    assert {each.state for each in of("array")} == {"RUNNING", "PENDING", "FAILED"}
    (pending,) = (each for each in of("array") if each.waits)
    assert pending.tasks == "3-5%2"
    assert "as many of its tasks as may run at once are running" in pending.words()
    assert of("done")[0].words() == "ended"
    assert of("lost")[0].words() == "running on n2"
    assert "it is held" in of("held")[0].words()
    assert "it will never start" in of("never")[0].words()
    assert re.match(r"queued: (no node is free|jobs of higher priority)", of("big")[0].words())
    assert of("big")[0].start.startswith("20")
    assert of("killed")[0].has_ended
    assert not of("killed")[0].is_told


def test_tasks_of_an_array_one_by_one(told):
    found = told.slurm("queue of tasks").named("wrap")
    array = told.jobs["array"]
    assert [found[f"{array}_{task}"].state for task in range(6)] == [
        "FAILED", "RUNNING", "RUNNING", "PENDING", "PENDING", "PENDING",
    ]  # fmt: skip
    assert told.slurm("queue by name").find("wrap") == str(max(map(int, told.jobs.values())))


def test_the_queue_still_knows_those_that_have_ended(told):
    found = told.slurm("queue at the end").queue()
    states = {name: found[told.jobs[name]][0].state for name in ("lost", "again", "late", "cancelled")}
    assert states == {
        "lost": "NODE_FAIL", "again": "COMPLETED", "late": "TIMEOUT", "cancelled": "CANCELLED",
    }  # fmt: skip
    assert "2,4-5" in [each.tasks for each in found[told.jobs["array"]] if each.waits]


def test_the_accounting(told):
    found = told.slurm("account").account(told.jobs.values())
    words = {name: found[job][0].words() for name, job in told.jobs.items() if name != "array"}
    assert words["killed"] == "ended with an error (killed by signal 9)"
    assert words["cancelled"] == "was cancelled on the cluster"
    assert words["late"] == "reached its time limit"
    assert words["lost"] == "lost its node"
    assert words["again"] == words["done"] == words["after"] == "ended"
    assert words["big"] == "was cancelled on the cluster"
    assert words["held"].startswith("queued: ")
    states = {each.tasks: (each.state, each.exit_code) for each in found[told.jobs["array"]]}
    assert states["0"] == ("FAILED", 3)
    assert states["1"] == ("RUNNING", 0)
    assert states["2"] == ("PENDING", 0)  # it lost its node, and was put back


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no qos", "Invalid qos specification"),
        ("no partition", "Invalid partition name specified"),
        ("no account", "Invalid account or account/partition combination specified"),
        ("no time", "Requested time limit is invalid"),
        ("no memory", "Requested node configuration is not available"),
        ("no option", "unrecognized option '--no-such-option'"),
        ("no constraint", "Invalid feature specification"),
    ],
)
def test_what_it_refuses(told, name, words):
    with pytest.raises(SlurmRefusedError, match=re.escape(words)) as caught:
        told.slurm(name).submit("/x", "/")
    assert "error:" not in caught.value.what
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    "name", ["squeue away", "sbatch away", "scancel away", "sinfo away", "sacct away", "sacctmgr away"]
)
def test_slurm_that_is_away(told, name):
    with pytest.raises(SlurmAwayError):
        told.slurm(name).call(name.split()[0])


def test_ended_and_unknown_jobs_are_cancelled_enough(told):
    for name in ("scancel", "scancel again", "scancel unknown"):
        told.slurm(name).cancel(["7"])
    assert told.slurm("sacct unknown").account(["999999"]) == {}
