"""Where a job writes: no room, no permission; what is left then."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runs import TWO, check_results, identities, rows, submit_small
from scenes import write_items

from swath.jobs import JobFolder
from swath.model import JobState, NotFoundError, OutputError


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 kB."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_fails_with_a_sentence_and_keeps_what_is_whole(demo, settings, small_disk):
    job = submit_small(settings, demo[60:64], small_disk / "job", tile_size=16)
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 120_000))
    status = job.run(TWO)
    assert status.state is JobState.FAILED
    assert "No space left on device" in status.message
    assert str(small_disk) in status.message
    assert status.exit_code == 2
    assert not check_results(job.folder.path, units=49)
    assert not (job.folder.results / "catalog.json").exists()
    assert not (settings.home / "catalog.sqlite").exists()
    before = identities(job.folder.path)
    assert before
    (small_disk / "ballast").unlink()
    status = job.run(TWO)
    after = identities(job.folder.path)
    assert {name: after[name] for name in before} == before
    if status.state is JobState.SUCCESSFUL:
        assert check_results(job.folder.path, units=49)
    else:  # the disk is too small for all of it: then it says so again
        assert "No space left on device" in status.message


def test_no_room_for_the_job_itself_leaves_nothing(demo, settings, small_disk):
    free = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"x" * (free.f_bavail * free.f_frsize - 4096))
    with pytest.raises(OutputError, match="No space left on device"):
        submit_small(settings, demo, small_disk / "job")
    assert [each.name for each in small_disk.iterdir()] == ["ballast"]
    assert rows(settings.home) == []


@pytest.mark.slow
def test_a_limit_on_file_size_is_no_silent_loss(demo, tmp_path, own_home):
    """Without root the same can be seen: a file that may not grow is an error that names it."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    items = write_items(tmp_path / "items.json", demo[60:62])
    command = [
        sys.executable,
        "-B",  # Python would leave half a .pyc for good
        "-m",
        "swath",
        "run",
        "index",
        "-i",
        f"items={items}",
        "-i",
        "bands=red",
        "-i",
        "resolution=4",
        "-i",
        "resampling=cubic",
    ]
    ended = subprocess.run(
        [*command, "--output", str(tmp_path / "job")],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("swath: output: cannot write ")
    assert ".tif" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "job" / "results" / "catalog.json").exists()


def test_a_folder_that_may_not_be_written_is_refused_before_anything(demo, settings):
    with pytest.raises(OutputError, match=r"'/proc/swath' cannot be written"):
        submit_small(settings, demo[60:61], Path("/proc/swath"))
    assert rows(settings.home) == []


def test_units_come_back_as_they_were_written(demo, settings, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "job")
    again = JobFolder(tmp_path / "job").units
    assert list(again) == [f"x00{x}y00{y}" for y in range(3) for x in range(3)]
    tree = json.loads(job.folder.units_file.read_text())
    for each in tree["units"]:
        geobox = again[each["id"]].geobox
        assert list(geobox.shape) == each["shape"]
        assert list(geobox.transform)[:6] == each["transform"]
    assert sum(each.geobox.shape.x * each.geobox.shape.y for each in again.values()) == 10_000


def test_a_folder_without_a_job_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="is no job folder"):
        _ = JobFolder(tmp_path).job
    assert JobFolder(tmp_path).read_status() is None
    assert JobFolder(tmp_path).published() == set()
