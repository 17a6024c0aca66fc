"""A job that is killed: nothing half is ever listed, and what is done is done."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
from runs import SMALL, check_catalog, check_results, digests, identities, rows, submit_small
from scenes import write_items

from swath.jobs import Resources, get_job
from swath.model import JobState

KILLS = 20

# Starting Python and importing takes longer than the job: one process does that, and a copy of it runs
# each command, to be killed as any process is.
NURSERY = """
import json, os, signal, sys, time
import numpy as np
import swath.cli.run, swath.cli.foreground, swath.jobs, swath.processes
from swath import kernels
from swath.cli.main import run
from swath.products import quantity_of

swath.processes.processes(), quantity_of("NDVI")
for reducer in ("median", "count"):
    kernels.composite(np.ones((2, 1, 1), "f4"), np.zeros(2, int), 1, reducer=reducer)
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    words, delay, log = json.loads(line)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1), os.dup2(output, 2)
        os._exit(run(words))
    ended = 0
    while not ended and (delay is None or time.monotonic() - began < delay):
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    if not ended:
        os.kill(child, signal.SIGKILL)
        ended, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps([code, time.monotonic() - began]), flush=True)
"""


class Nursery:
    """Runs commands in fresh processes, and kills them after a while."""

    def __init__(self, log):
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # one that forks has no threads
        )
        assert self.process.stdout.readline() == '"ready"\n'

    def run(self, words, delay=None):
        self.process.stdin.write(json.dumps([words, delay, str(self.log)]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


@pytest.fixture
def nursery(tmp_path):
    opened = Nursery(tmp_path / "log.txt")
    yield opened
    opened.close()


def words_of(items, output):
    inputs = [word for name, value in SMALL.items() for word in ("-i", f"{name}={value}")]
    return ["run", "composite", "-i", f"items={items}", *inputs, "--threads", "2", "--output", str(output)]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_at_any_moment_lists_nothing_half_and_goes_on_to_the_same_bytes(
    demo, tmp_path, own_home, nursery
):
    items = write_items(tmp_path / "items.json", demo[60:64])
    undisturbed = tmp_path / "undisturbed"
    code, _ = nursery.run(words_of(items, undisturbed))
    assert code == 0, nursery.log.read_text()
    shutil.rmtree(own_home)
    code, whole_s = nursery.run(words_of(items, tmp_path / "again"))  # what the first has compiled is kept
    assert code == 0
    expected = digests(undisturbed)
    assert digests(tmp_path / "again") == expected

    moments = random.Random(20180427)
    shutil.rmtree(own_home)
    output, outcomes, listed = tmp_path / "job", [], []
    for at in range(KILLS):
        if at % 4 == 0:  # begin anew, so that kills meet the beginning, the middle and the end
            shutil.rmtree(output, ignore_errors=True)
            shutil.rmtree(own_home, ignore_errors=True)
        before = identities(output)
        code, taken_s = nursery.run(words_of(items, output), moments.uniform(0.02, whole_s))
        if code == 0 and at % 4 == 0:  # the machine has become faster: kills must still meet the job
            whole_s = min(whole_s, taken_s)
        outcomes.append(code)
        assert code in (0, -signal.SIGKILL), nursery.log.read_text()
        after = identities(output)
        assert {name: after[name] for name in before} == before  # what was published is never done again
        whole = check_results(output, units=9)
        listed.append(check_catalog(own_home / "catalog.sqlite", "small"))
        assert listed[-1] in (0, 9)
        assert whole or not listed[-1]
        if output.exists() and (output / "job.json").exists():
            assert get_job(str(output), settings_of(own_home)).status().state.is_final
    assert outcomes.count(-signal.SIGKILL) >= KILLS // 4
    code, _ = nursery.run(words_of(items, output))
    assert code == 0, nursery.log.read_text()
    assert check_results(output, units=9)
    assert check_catalog(own_home / "catalog.sqlite", "small") == 9
    assert digests(output) == expected
    assert not (output / "attempts").exists()


def settings_of(home):
    from swath.config import Settings

    return Settings(home=home, threads=2, memory="1GB")


def is_worker(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return False


@pytest.mark.slow
def test_a_worker_that_is_killed_is_survived(demo, settings, tmp_path):
    calm = submit_small(settings, demo[60:66], tmp_path / "calm")
    calm.run(Resources(2, 0, 10**9))
    job = submit_small(settings, demo[60:66], tmp_path / "stormy")
    killed = []

    def kill_one(status):
        workers = [each for each in psutil.Process().children(recursive=True) if is_worker(each)]
        if not killed and workers and status.units_done >= 1:
            killed.append(workers[-1].pid)
            os.kill(workers[-1].pid, signal.SIGKILL)

    status = job.run(Resources(2, 2, 10**9), watch=kill_one)
    assert killed
    assert status.state is JobState.SUCCESSFUL
    assert digests(job.folder.path) == digests(calm.folder.path)


@pytest.mark.slow
def test_a_detached_job_survives_its_parent(demo, settings, own_home, tmp_path):
    items = write_items(tmp_path / "items.json", demo[60:62])
    words = [*words_of(items, tmp_path / "job"), "--detach", "--json"]
    script = (
        "import sys, time; from swath.cli.main import run; assert run(sys.argv[1:]) == 0; "
        "sys.stdout.flush(); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *words], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    told = ""
    while "}" not in told and parent.poll() is None:
        told += parent.stdout.readline()
    os.killpg(parent.pid, signal.SIGKILL)  # all of its session, as when a terminal goes
    parent.wait(10)
    parent.stdout.close()
    job = get_job(json.loads(told)["id"], settings)
    assert job.wait(60).state is JobState.SUCCESSFUL
    assert check_results(tmp_path / "job", units=9)
    assert check_catalog(own_home / "catalog.sqlite", "small") == 9
    assert rows(own_home) == [job.id]


@pytest.mark.slow
def test_a_job_whose_process_is_gone_has_failed_with_a_sentence(demo, settings, own_home, tmp_path):
    job = submit_small(settings, demo[60:72], tmp_path / "job", tile_size=16)
    status = job.detach(Resources(1, 0, 10**9))
    pid = int(status.handle.split("@")[0])
    until = time.monotonic() + 60
    while not job.folder.published() and time.monotonic() < until:
        time.sleep(0.02)
    psutil.Process(pid).kill()
    psutil.wait_procs([psutil.Process(pid)], 5) if psutil.pid_exists(pid) else None
    status = job.wait(10)
    assert status.state is JobState.FAILED
    assert "its process ended without a word" in status.message
    assert "swath jobs rerun" in status.message
    assert 0 < status.units_done < status.units_total
    before = identities(job.folder.path)
    assert job.run(Resources(2, 0, 10**9)).state is JobState.SUCCESSFUL
    after = identities(job.folder.path)
    assert {name: after[name] for name in before} == before
