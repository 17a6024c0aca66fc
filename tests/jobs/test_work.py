"""One task's share of a job, without a cluster: which units, what is left of a failure, who finishes."""

from __future__ import annotations

import json

import pytest
from runs import ONE, submit_small

from swath.jobs.work import memory_for, node_resources, work
from swath.model import JobState


@pytest.fixture
def folder(settings, demo):
    """A job of nine units."""
    return submit_small(settings, demo[:2]).folder


def test_tasks_share_the_units_and_the_last_one_finishes(folder):
    names = list(folder.units)
    assert work(folder, 1, 2, ONE) == 0
    assert folder.published() == set(names[1::2])
    assert not folder.catalog_file.exists()
    assert work(folder, 1, 2, ONE) == 0  # again: nothing is left to do
    assert work(folder, 0, 2, ONE) == 0
    assert folder.published() == set(names)
    assert folder.catalog_file.exists()
    assert folder.read_status().state is JobState.SUCCESSFUL
    assert list(folder.tasks.iterdir()) == []
    assert not folder.attempts.exists()


def test_of_two_tasks_that_finish_the_one_that_sent_the_results_is_believed(folder, monkeypatch, tmp_path):
    folder.send_to(str(tmp_path / "out"))
    sent = ["; put into " + folder.job["to"], ""]  # the second finds the secrets gone
    monkeypatch.setattr("swath.jobs.work.send_from_site", lambda _: sent.pop(0))
    assert work(folder, 0, 1, ONE) == 0
    assert work(folder, 0, 1, ONE) == 0
    assert sent == []
    assert folder.read_status().message == f"9 of 9 units done; put into {folder.job['to']}"


def test_what_went_wrong_is_left_for_who_asks(folder):
    folder.items_file.write_text(folder.items_file.read_text().replace(".tif", ".none"))
    assert work(folder, 0, 3, ONE) == 3
    note = json.loads((folder.tasks / "0.json").read_text())
    assert note["task"] == 0
    assert note["exit_code"] == 3
    assert note["message"].startswith("asset: there is no file ")
    assert not folder.catalog_file.exists()


def test_what_slurm_gives_is_what_is_used():
    mib = 2**20
    given = node_resources(0, {"SLURM_CPUS_PER_TASK": "8", "SLURM_MEM_PER_NODE": "16000"})
    assert (given.threads, given.memory_bytes) == (8, 16000 * mib - 1_000_000_000)
    given = node_resources(2, {"SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_CPU": "250"})
    assert (given.threads, given.memory_bytes) == (2, 500 * mib)
    assert node_resources(0, {}).threads == 1
    assert node_resources(0, {}).memory_bytes > 0


def test_the_memory_that_is_asked_for_is_enough_for_what_is_used():
    asked = memory_for(500_000_000, 8)
    given = node_resources(8, {"SLURM_MEM_PER_NODE": str(-(-asked // 2**20))})
    assert given.memory_bytes >= 8 * 500_000_000
