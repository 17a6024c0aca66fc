"""Jobs whose files are on tape: they wait without a worker, ask once, and let go of what is theirs alone."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from runs import TWO
from tapes import open_archive

from swath.jobs import JobFolder, Request, execute, get_job, list_jobs, open_job, rerun_item, submit
from swath.jobs.slurm_job import SlurmJob
from swath.jobs.slurm_record import SlurmRecord, read_record, write_record
from swath.jobs.staging import look_for_files
from swath.model import JobState, OnTapeError
from swath.sites.slurm import FolderSeen, SlurmResources, Task
from swath.storage.recall_file import Pace

PATIENCE_S = 60


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("swath.storage.recall_file.PACE", Pace(least_s=0.0, most_s=0.0))


@pytest.fixture
def archive(tmp_path):
    with open_archive(tmp_path) as made:
        yield made


@pytest.fixture
def ask(archive, settings):
    def prepare(*numbers, **more):
        items = [archive.items[each] for each in numbers or range(5)]
        inputs = {"items": items, "bands": ["red"], "output_collection": "reds"}
        return submit(Request("index", inputs, **more), settings)

    return prepare


def let_come(archive, told=None):
    """Give a watcher that lets the tape bring all as soon as a job waits."""
    said = [] if told is None else told

    def watch(status):
        said.append((status.state, status.message))
        if status.state is JobState.ACCEPTED and "; asked" in status.message:
            archive.come()

    return watch


def test_a_job_waits_for_its_files_and_lets_them_go(archive, ask):
    job = ask()
    said = []
    assert archive.asked() == 0
    status = job.run(TWO, watch=let_come(archive, said))
    assert status.state is JobState.SUCCESSFUL, status.message
    assert said[0][0] is JobState.ACCEPTED
    assert said[0][1].startswith("waiting for 3 of 5 files from tape (")
    assert len(job.results()) == 5
    assert archive.asked() == 1
    assert archive.held() == [False] * 4 + [True]
    assert json.loads((job.folder.path / "stage.json").read_text())["is_released"]


def test_a_job_without_tape_has_no_record_of_it(demo, settings):
    job = submit(Request("index", {"items": demo[:1], "index": "NDVI"}), settings)
    assert not job.folder.stage_file.exists()


def test_only_the_bands_that_are_read_are_asked_for(archive, settings):
    item = archive.items[0]
    more = {**item["assets"]["red"], "href": item["assets"]["red"]["href"] + "x", "bands": [{"name": "nir"}]}
    items = [{**item, "assets": {**item["assets"], "nir": more}}]
    job = submit(Request("index", {"items": items, "bands": ["red"]}), settings)
    assert [each.href for each in look_for_files(job.folder).files] == [item["assets"]["red"]["href"]]


def test_a_file_that_fails_fails_the_job_which_goes_on_without_it(archive, ask, settings):
    archive.dcache.fail_target(archive.path(1), "tape 17 is broken")
    job = ask()
    status = job.run(TWO, watch=let_come(archive))
    assert (status.state, status.exit_code) == (JobState.FAILED, 5)
    first = status.message.splitlines()[0]
    assert first.startswith("asset: 1 of 5 files cannot be brought from tape: 'http")
    assert first.endswith("scene1.tif' (tape 17 is broken).")
    assert "--skip-bad" in status.message
    assert archive.held() == [False] * 4 + [True]
    job = get_job(job.id, settings)
    job.folder.allow_bad()
    status = job.run(TWO, watch=let_come(archive))
    assert status.state is JobState.SUCCESSFUL, status.message
    collection = json.loads((job.folder.results / "collection.json").read_text())
    assert collection["swath:skipped_items"] == ["scene1"]
    assert len(job.results()) == 4
    # Nobody has tried to read it: a server would have kept the reader waiting.
    assert not archive.dcache.requests(door="webdav", method="GET", path="*scene1.tif")


def test_a_lost_file_is_named_and_nothing_is_asked_for(archive, ask):
    archive.dcache.set_locality(archive.path(2), "LOST")
    status = ask().run(TWO)
    assert status.state is JobState.FAILED
    assert "scene2.tif' (lost: " in status.message
    assert archive.asked() == 0


def test_stopping_the_waiting_leaves_the_job_and_its_request(archive, ask, settings):
    job, stop = ask(), threading.Event()
    status = job.run(TWO, watch=lambda _: stop.set(), stop=stop)
    assert status.state is JobState.ACCEPTED
    archive.come()
    job = get_job(job.id, settings)
    job.require_idle()
    assert job.run(TWO).state is JobState.SUCCESSFUL
    assert archive.asked() == 1


def test_cancelling_cancels_the_request(archive, ask, settings):
    job, stop = ask(), threading.Event()
    job.run(TWO, watch=lambda _: stop.set(), stop=stop)
    assert {each.status for each in archive.dcache.bulk.all()} == {"STARTED"}
    job.store.put(replace(job.store.get(job.id), handle="1@0"))
    job.folder.write_status(replace(job.folder.read_status(), handle="1@0"))
    assert get_job(job.id, settings).cancel().state is JobState.DISMISSED
    assert {each.status for each in archive.dcache.bulk.all()} == {"COMPLETED"}
    archive.come()
    assert archive.held() == [False] * 4 + [True]


def test_a_file_cancel_ends_the_waiting(archive, ask):
    job = ask()
    status = job.run(TWO, watch=lambda _: job.folder.cancel_file.touch())
    assert status.state is JobState.DISMISSED
    assert archive.held() == [False] * 4 + [True]


def test_what_two_jobs_need_is_not_let_go_by_the_first(archive, ask):
    one, two = ask(0, 1), ask(1, 2)
    stop = threading.Event()
    two.run(TWO, watch=lambda _: stop.set(), stop=stop)
    assert one.run(TWO, watch=let_come(archive)).state is JobState.SUCCESSFUL
    assert archive.held() == [False, True, True, False, True]
    three = ask(2)  # which the second job has brought
    look_for_files(three.folder)
    assert two.run(TWO).state is JobState.SUCCESSFUL
    assert archive.held() == [False, False, True, False, True]
    three.discard()
    assert archive.held() == [False] * 4 + [True]


def test_a_job_that_was_done_elsewhere_is_let_go_by_who_looks(archive, ask, settings):
    job = ask()
    execute(JobFolder(job.folder.path), TWO, watch=let_come(archive))
    assert archive.held()[:4] == [True] * 4
    assert open_job(job.folder.path, settings).status().state is JobState.SUCCESSFUL
    assert archive.held()[:4] == [False] * 4


def test_a_product_is_not_made_again_from_files_that_are_on_tape(archive, ask):
    job = ask(0, 1)
    job.run(TWO, watch=let_come(archive))
    archive.held()
    own = next(each["href"] for each in job.results()[0]["links"] if each["rel"] == "self")
    with pytest.raises(OnTapeError, match="2 of 2 files are on tape"):
        rerun_item(own)
    for number in (0, 1):
        archive.dcache.set_locality(archive.path(number), "ONLINE_AND_NEARLINE")
    assert all(each.identical for each in rerun_item(own))


def test_kill_9_while_it_waits_and_going_on(archive, ask, settings, tmp_path):
    job = ask()
    environ = {**os.environ, **archive.environ}
    words = [sys.executable, "-m", "swath", "jobs", "exec", str(job.folder.path), "--settle"]
    process = subprocess.Popen(words, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + PATIENCE_S
        while (told := job.folder.read_status()) is None or "; asked" not in told.message:
            assert time.monotonic() < until, told
            assert process.poll() is None
            time.sleep(0.05)
        assert told.state is JobState.ACCEPTED
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (told,) = list_jobs(settings)
    assert told.state is JobState.ACCEPTED
    assert "waiting for 3 of 5 files" in told.message
    assert told.message.endswith(f"`swath jobs rerun {job.id}` goes on")
    archive.come()
    told = get_job(job.id, settings).status()
    assert told.message.startswith("all 5 files are there; ")
    assert get_job(job.id, settings).run(TWO).state is JobState.SUCCESSFUL
    assert archive.asked() == 1


# At a Slurm site: no batch job before the files are there.


class Site:
    """What a job asks of its site; it counts what is submitted."""

    name, is_remote = "bed", False

    def __init__(self):
        self.submitted = []
        self.transport = self
        self.settings = None

    def run(self, words):
        """Do nothing: there is nothing to clear."""

    def look_into(self, folders):
        """Tell that nothing is there."""
        return {each: FolderSeen() for each in folders}

    def submit(self, name, script, folder):
        """Take a batch job."""
        self.submitted.append(name)
        return "4711"


@pytest.fixture
def at_site(ask, settings, monkeypatch):
    site = Site()
    monkeypatch.setattr(SlurmJob, "site", property(lambda _: site))
    monkeypatch.setattr("swath.jobs.slurm_job.write_script", lambda *_: "job.sh")

    def prepare(*numbers, **more):
        job = ask(*numbers, **more)
        write_record(job.folder, SlurmRecord("bed", str(job.folder.path), SlurmResources()))
        return SlurmJob(job.folder, settings), site

    return prepare


def test_nothing_is_submitted_before_the_files_are_there(archive, at_site, settings):
    job, site = at_site()
    status = job.submit()
    assert status.state is JobState.ACCEPTED
    assert status.message.startswith("waiting for 3 of 5 files from tape (")
    assert get_job(job.id, settings).status().message == status.message
    job.require_idle()  # who runs it again looks, and goes on waiting
    job.submit()
    assert site.submitted == []
    archive.come()
    look_for_files(job.folder)
    lookers = [get_job(job.id, settings) for _ in range(4)]
    threads = [threading.Thread(target=each.submit, kwargs={"waiting": True}) for each in lookers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert site.submitted == [f"{job.id}.1"]
    assert archive.asked() == 1
    assert job.store.get(job.id).message == "submitted as 4711"
    assert not read_record(job.folder).waits


def test_a_list_of_jobs_submits_what_can_begin(archive, at_site, settings, monkeypatch):
    job, site = at_site()
    job.submit()
    archive.come()
    monkeypatch.setattr("swath.jobs.slurm_job.look_at_once", lambda _: None)
    (told,) = list_jobs(settings)
    assert told.message == "submitted as 4711"
    assert site.submitted == [f"{job.id}.1"]


def test_a_file_that_fails_fails_a_job_at_a_site(archive, at_site, settings):
    archive.dcache.fail_target(archive.path(1), "tape 17 is broken")
    job, site = at_site()
    job.submit()
    archive.come()
    status = get_job(job.id, settings).status()
    assert status.state is JobState.FAILED
    assert "scene1.tif' (tape 17 is broken)" in status.message
    assert archive.held() == [False] * 4 + [True]
    job = get_job(job.id, settings)
    job.folder.allow_bad()
    job.submit()
    archive.come()
    get_job(job.id, settings).status()
    assert site.submitted == [f"{job.id}.1"]
    assert [each.rpartition("/")[2] for each in JobFolder(job.folder.path).job["unstaged"]] == ["scene1.tif"]


def test_cancelling_a_job_that_waits_at_a_site_cancels_its_request(archive, at_site, settings):
    job, site = at_site()
    job.submit()
    assert get_job(job.id, settings).cancel().state is JobState.DISMISSED
    archive.come()
    assert archive.held() == [False] * 4 + [True]
    assert site.submitted == []


def test_files_that_a_store_does_not_let_go_are_named_and_let_go_by_the_next_look(archive, ask, settings):
    archive.dcache.fail(status=503, method="POST", path="*/tape/release/*", next=20)
    job = ask()
    status = job.run(TWO, watch=let_come(archive))
    assert status.state is JobState.SUCCESSFUL
    (told,) = list_jobs(settings)
    assert "; its files are still kept on disk by archive (" in told.message
    assert archive.held() == [True] * 5
    archive.dcache.behave()
    (told,) = list_jobs(settings)
    assert told.message == "1 of 1 units done"
    assert archive.held() == [False] * 4 + [True]
    assert get_job(job.id, settings).status() == told


def test_files_of_a_job_in_a_long_queue_are_kept_or_waited_for_again(archive, at_site, settings, monkeypatch):
    job, site = at_site()
    job.submit()
    archive.come()
    job.submit(waiting=True)
    assert site.submitted == [f"{job.id}.1"]
    queued = Task("", "PENDING")
    monkeypatch.setattr(Site, "look", lambda *_: {"4711": [queued]}, raising=False)
    monkeypatch.setattr(Site, "cancel", lambda *_: cancelled.append(1), raising=False)
    cancelled = []
    pass_days(archive, job.folder, 4)
    assert get_job(job.id, settings).status().state is JobState.ACCEPTED
    assert archive.asked() == 2
    assert archive.held() == [True] * 5
    pass_days(archive, job.folder, 8)  # nobody looks for longer than files are kept
    assert archive.held() == [False] * 4 + [True]
    told = get_job(job.id, settings).status()
    assert told.message.startswith("waiting for 4 of 5 files from tape")
    assert cancelled
    archive.come()
    assert get_job(job.id, settings).status().message == "submitted as 4711"
    assert site.submitted == [f"{job.id}.1", f"{job.id}.2"]


def pass_days(archive, folder, days):
    """Let time pass for the store, and for what stands in the recall of a job."""
    archive.dcache.clock.advance(days=days)
    tree = json.loads(folder.stage_file.read_text())
    for order in tree["orders"]:
        order["asked"] = (dt.datetime.fromisoformat(order["asked"]) - dt.timedelta(days=days)).isoformat()
    folder.stage_file.write_text(json.dumps(tree))


def test_a_job_that_follows_one_that_waits_for_tape_waits_too(archive, at_site, settings):
    first, site = at_site(0)
    first.submit()
    second, _ = at_site(4)
    second.record = replace(second.record, follows=first.id)
    write_record(second.folder, second.record)
    told = second.submit()
    assert told.state is JobState.ACCEPTED
    assert told.message.startswith(f"waiting for {first.id}: waiting for 1 of 1 files from tape")
    assert site.submitted == []
    archive.come()
    assert get_job(second.id, settings).status().message == "submitted as 4711"
    assert site.submitted == [f"{first.id}.1", f"{second.id}.1"]
    assert read_record(second.folder).after == "4711"


def test_a_job_that_follows_one_that_is_cancelled_has_failed(archive, at_site, settings):
    first, site = at_site(0)
    first.submit()
    second, _ = at_site(4)
    write_record(second.folder, replace(second.record, follows=first.id))
    second = get_job(second.id, settings)
    second.submit()
    get_job(first.id, settings).cancel()
    told = get_job(second.id, settings).status()
    assert told.state is JobState.FAILED
    assert told.message == f"job {second.id}: the job that it follows, {first.id}, is dismissed"
    assert site.submitted == []
