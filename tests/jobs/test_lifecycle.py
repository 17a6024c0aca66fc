"""A job's life: its folder, resume, copies of one job, cancel, what is skipped."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from runs import ONE, TWO, check_catalog, check_item, check_results, digests, identities, rows, submit_small
from scenes import make_item, ramp, write_tiff

import swath
from swath.catalog import open_catalog
from swath.jobs import (
    JobFolder,
    Request,
    Resources,
    execute,
    get_job,
    list_jobs,
    open_job,
    raise_failure,
    submit,
)
from swath.jobs.units import run_unit
from swath.model import (
    InputError,
    JobDismissedError,
    JobFailedError,
    JobState,
    MissingAssetError,
    OutputError,
)
from swath.sites import own_handle
from swath.sites.local import format_handle


@pytest.fixture
def undisturbed(demo, settings, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "undisturbed")
    assert job.run(TWO).state is JobState.SUCCESSFUL
    return job


def test_the_folder_is_readable_without_swath(undisturbed, demo):
    path = undisturbed.folder.path
    job = json.loads((path / "job.json").read_text())
    assert job["process"] == "composite"
    assert job["inputs"]["index"] == ["NDVI"]
    assert job["environment"]["packages"]["numpy"]
    pinned = [json.loads(line) for line in (path / "items.ndjson").read_text().splitlines()]
    assert [each["id"] for each in pinned] == [each["id"] for each in demo[60:64]]
    units = json.loads((path / "units.json").read_text())
    assert len(units["units"]) == 9
    assert units["crs"] == "EPSG:3035"
    status = json.loads((path / "status.json").read_text())
    assert (status["state"], status["units_done"], status["units_total"]) == ("successful", 9, 9)
    crate = json.loads((path / "provenance" / "ro-crate-metadata.json").read_text())
    assert crate["@context"]
    assert check_results(path, units=9)
    script = subprocess.run(["sh", "-n", str(path / "job.sh")], capture_output=True, check=False)
    assert script.returncode == 0
    assert {each.name for each in path.iterdir()} == {
        "job.json", "items.ndjson", "units.json", "status.json", "job.sh", "results", "provenance",
    }  # fmt: skip


def test_the_catalog_has_the_results_when_all_is_done(undisturbed, settings, own_home):
    assert check_catalog(own_home / "catalog.sqlite", "small") == 9
    with open_catalog(settings.catalog_path) as catalog:
        assert catalog.get_collection("small")["swath:process"] == "composite"
    assert rows(own_home) == [undisturbed.id]
    assert [each["id"] for each in undisturbed.results()] == sorted(
        each["id"] for each in undisturbed.results()
    )


def test_a_published_unit_is_never_computed_again(undisturbed, settings, demo):
    before = identities(undisturbed.folder.path)
    again = submit_small(settings, demo[60:64], undisturbed.folder.path)
    assert again.id == undisturbed.id
    assert again.run(TWO).state is JobState.SUCCESSFUL
    assert identities(again.folder.path) == before
    assert run_unit(again.folder, "x000y000") is False
    assert len(rows(settings.home)) == 1


def test_a_missing_unit_is_made_again_and_nothing_else(undisturbed):
    import shutil

    path = undisturbed.folder.path
    expected = digests(path)
    shutil.rmtree(path / "results" / "x001y001")
    (path / "results" / "catalog.json").unlink()
    before = identities(path)
    assert undisturbed.run(TWO).state is JobState.SUCCESSFUL
    assert digests(path) == expected
    after = identities(path)
    assert {name: after[name] for name in before} == before
    assert len(after) > len(before)


def test_bytes_do_not_depend_on_threads_or_the_order_of_tiles(undisturbed, settings, demo, tmp_path):
    expected = digests(undisturbed.folder.path)
    one = submit_small(settings, demo[60:64], tmp_path / "one")
    one.run(ONE)
    assert digests(one.folder.path) == expected
    reversed_ = submit_small(settings, demo[60:64], tmp_path / "reversed")
    for name in sorted(reversed_.folder.units, reverse=True):
        assert run_unit(reversed_.folder, name, threads=3)
    assert reversed_.run(ONE).state is JobState.SUCCESSFUL
    assert digests(reversed_.folder.path) == expected


@pytest.mark.slow
def test_bytes_do_not_depend_on_workers(undisturbed, settings, demo, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "workers")
    assert job.run(Resources(2, 2, 1_000_000_000)).state is JobState.SUCCESSFUL
    assert digests(job.folder.path) == digests(undisturbed.folder.path)


def test_two_copies_of_one_job_give_one_whole_result(undisturbed, settings, demo, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "twice")
    with ThreadPoolExecutor(3) as pool:
        copies = list(pool.map(lambda _: execute(JobFolder(job.folder.path), ONE), range(3)))
    assert [each.state for each in copies] == [JobState.SUCCESSFUL] * 3
    assert digests(job.folder.path) == digests(undisturbed.folder.path)
    assert check_results(job.folder.path, units=9)


def test_results_are_not_listed_before_all_are_there(settings, demo, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "job")
    run_unit(job.folder, "x000y000")
    assert not (job.folder.results / "catalog.json").exists()
    with pytest.raises(InputError, match="it is accepted"):
        job.results()
    assert not (settings.home / "catalog.sqlite").exists()


def test_cancel_keeps_units_and_rerun_goes_on(undisturbed, settings, demo, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "job")
    stop = threading.Event()
    status = job.run(ONE, watch=lambda told: told.units_done >= 3 and stop.set(), stop=stop)
    assert status.state is JobState.DISMISSED
    assert 3 <= status.units_done < 9
    assert f"{status.units_done} of 9 units are kept" in status.message
    with pytest.raises(JobDismissedError, match="cancelled"):
        raise_failure(status)
    with pytest.raises(InputError, match="dismissed already"):
        job.cancel()
    before = identities(job.folder.path)
    assert job.run(ONE).state is JobState.SUCCESSFUL
    after = identities(job.folder.path)
    assert {name: after[name] for name in before} == before
    assert digests(job.folder.path) == digests(undisturbed.folder.path)


@pytest.mark.slow
def test_a_detached_job_is_cancelled_from_elsewhere(settings, demo, tmp_path):
    job = submit_small(settings, demo[:40], tmp_path / "job", tile_size=16)
    job.detach(ONE)
    status = get_job(job.id[:-2], settings).cancel()
    assert status.state is JobState.DISMISSED
    assert job.status().state is JobState.DISMISSED
    assert not (tmp_path / "job" / "results" / "catalog.json").exists()
    assert get_job(str(tmp_path / "job"), settings).run(TWO).state is JobState.SUCCESSFUL


def test_another_jobs_folder_is_refused(undisturbed, settings, demo):
    before = digests(undisturbed.folder.path)
    with pytest.raises(OutputError, match=f"holds another job.*{undisturbed.id}"):
        submit_small(settings, demo[60:63], undisturbed.folder.path)
    with pytest.raises(OutputError, match="holds another job"):
        submit_small(settings, demo[60:64], undisturbed.folder.path, reducer="mean")
    assert digests(undisturbed.folder.path) == before
    assert rows(settings.home) == [undisturbed.id]


def test_a_folder_with_other_things_is_refused(settings, demo, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(OutputError, match="is not empty"):
        submit_small(settings, demo[60:61], tmp_path / "mine")
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        submit_small(settings, demo[60:61], tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        submit_small(settings, demo[60:61], tmp_path / "file" / "below")
    assert rows(settings.home) == []


def test_an_open_job_is_found_by_its_folder_and_listed(undisturbed, own_home, settings):
    (own_home / "jobs.sqlite").unlink()
    assert list_jobs(settings) == []
    job = open_job(undisturbed.folder.path, settings)
    assert job.id == undisturbed.id
    assert [each.state for each in list_jobs(settings)] == [JobState.SUCCESSFUL]


def test_a_running_job_is_not_run_twice_by_mistake(undisturbed, settings):
    undisturbed.require_idle()
    running = replace(undisturbed.status(), state=JobState.RUNNING, handle=own_handle())
    undisturbed.store.put(running)
    undisturbed.folder.write_status(running)
    with pytest.raises(InputError, match="running already"):
        undisturbed.require_idle()


def gone_handle():
    """The handle of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    handle = format_handle(process.pid)
    process.wait(30)
    return handle


@pytest.mark.parametrize("entered", [True, False], ids=["entered into the store", "only its folder"])
def test_a_job_whose_process_was_killed_before_it_began_has_failed(settings, demo, tmp_path, entered):
    job = submit_small(settings, demo[60:62], tmp_path / "job")
    if entered:
        job.store.put(replace(job.status(), handle=gone_handle()))
    else:
        job.store.remove(job.id)
    found = get_job(str(tmp_path / "job"), settings)
    assert found.status().state is JobState.FAILED
    assert "swath jobs rerun" in found.status().message
    found.require_idle()
    assert found.run(TWO).state is JobState.SUCCESSFUL
    assert found.status().state is JobState.SUCCESSFUL


def test_a_job_that_waits_for_a_living_process_is_accepted(settings, demo, tmp_path):
    job = submit_small(settings, demo[60:62], tmp_path / "job")
    assert get_job(job.id, settings).status().state is JobState.ACCEPTED


def test_deleted_files_end_a_job_before_it_begins(settings, demo, tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path})
    path.unlink()
    with pytest.raises(MissingAssetError, match=r"red\.tif"):
        submit(Request("composite", {"items": [item], "bands": "red"}, tmp_path / "job"), settings)
    assert not (tmp_path / "job").exists()
    assert rows(settings.home) == []


@pytest.fixture
def one_bad(tmp_path):
    """Three dates, the second of which is cut short."""
    items = []
    for at in range(3):
        path = write_tiff(tmp_path / f"{at}.tif", ramp(40, 40) + at)
        items.append(make_item(f"i{at}", {"red": path}, datetime=f"2020-06-0{at + 1}T10:00:00Z"))
    content = (tmp_path / "1.tif").read_bytes()
    (tmp_path / "1.tif").write_bytes(content[: len(content) // 2])
    return items


def test_a_bad_file_fails_the_job_with_its_name(settings, one_bad, tmp_path):
    job = submit(Request("index", {"items": one_bad, "bands": "red"}, tmp_path / "job"), settings)
    status = job.run(ONE)
    assert status.state is JobState.FAILED
    assert "1.tif" in status.message
    assert "--skip-bad" in status.message
    assert status.exit_code == 2
    assert not (tmp_path / "job" / "results" / "catalog.json").exists()
    with pytest.raises(InputError, match=r"1\.tif"):
        job.results()


def test_what_is_skipped_is_said_everywhere(settings, one_bad, tmp_path):
    request = Request("index", {"items": one_bad, "bands": "red"}, tmp_path / "job", skip_bad=True)
    job = submit(request, settings)
    assert job.run(TWO).state is JobState.SUCCESSFUL
    results = tmp_path / "job" / "results"
    (unit,) = job.folder.units
    skipped = json.loads((results / unit / "skipped.json").read_text())
    assert list(skipped) == ["i1"]
    assert "1.tif" in skipped["i1"]
    assert json.loads((results / "collection.json").read_text())["swath:skipped_items"] == ["i1"]
    items = job.results()
    assert len(items) == 2
    for each in items:
        sources = [link["href"] for link in each["links"] if link["rel"] == "derived_from"]
        assert sources
        assert not any("i1" in href.rsplit("#", 1)[-1] for href in sources)
    with open_catalog(settings.catalog_path) as catalog:
        (collection,) = [each for each in catalog.collections() if "swath:process" in each]
        assert collection["swath:skipped_items"] == ["i1"]


def test_a_failed_job_goes_on_when_bad_files_may_be_skipped(settings, one_bad, tmp_path):
    inputs = {"items": one_bad, "bands": "red"}
    first = submit(Request("index", inputs, tmp_path / "job"), settings)
    assert first.run(ONE).state is JobState.FAILED
    again = submit(Request("index", inputs, tmp_path / "job", skip_bad=True), settings)
    assert again.id == first.id
    assert again.run(ONE).state is JobState.SUCCESSFUL


def test_a_unit_that_cannot_fit_is_refused_with_both_numbers(settings, demo, tmp_path):
    job = submit_small(settings, demo[60:64], tmp_path / "job")
    status = job.run(Resources(1, 0, 1000))
    assert status.state is JobState.FAILED
    assert f"needs {job.folder.job['unit_bytes'] / 1000:.1f} kB, and 1.0 kB may be used" in status.message


def test_no_good_pixel_fails_with_a_sentence(settings, demo, tmp_path):
    job = submit(
        Request(
            "index",
            {"items": demo[60:61], "index": "NDVI", "valid": {"band": "SCL", "values": [99]}},
            tmp_path / "j",
        ),
        settings,
    )
    status = job.run(ONE)
    assert status.state is JobState.FAILED
    assert "no pixel of its items is good" in status.message
    with pytest.raises(JobFailedError):
        raise_failure(status)


def test_the_python_face_runs_a_job(demo, own_home, tmp_path):
    job = swath.run(
        "composite", {"items": demo[60:62], "index": "NDVI", "period": "P1Y"}, output=tmp_path / "job"
    )
    (item,) = job.results()
    check_item(item, tmp_path / "job")
    assert check_results(tmp_path / "job", units=1)
    assert rows(own_home) == [job.id]
