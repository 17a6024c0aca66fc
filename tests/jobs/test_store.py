"""The job store: rows of jobs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from swath.jobs import JobStore
from swath.model import CatalogError, JobState, JobStatus, NotFoundError

STATUS = JobStatus(
    "composite-20260101-100000-aaaa", "composite", "local", JobState.RUNNING, "/data/job",
    "2026-01-01T10:00:00Z", "2026-01-01T10:00:05Z", "working", 9, 4, "12@3.00",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return JobStore(tmp_path / "deep" / "jobs.sqlite")


def test_a_row_comes_back_as_it_went_in(store):
    store.put(STATUS, {"index": "NDVI"})
    assert store.get(STATUS.id) == STATUS
    assert store.get(STATUS.id).progress_percent == 44
    done = replace(STATUS, state=JobState.SUCCESSFUL, units_done=9)
    store.put(done)
    assert store.list() == [done]


def test_the_beginning_of_an_id_is_enough_while_only_one_has_it(store):
    other = replace(STATUS, id="composite-20260101-100000-abbb")
    store.put(STATUS)
    assert store.get("composite-2026") == STATUS
    store.put(other)
    assert store.get("composite-20260101-100000-ab") == other
    with pytest.raises(NotFoundError, match="several jobs begin with 'composite'") as error:
        store.get("composite")
    assert set(error.value.known) == {STATUS.id, other.id}
    whole = replace(STATUS, id="composite")
    store.put(whole)
    assert store.get("composite") == whole


def test_an_unknown_job_names_the_nearest(store):
    store.put(STATUS)
    with pytest.raises(NotFoundError, match="there is no job 'compsite-2026'") as error:
        store.get("compsite-2026")
    assert error.value.known == (STATUS.id,)
    with pytest.raises(NotFoundError):
        store.get("%")  # no pattern, a plain text


def test_jobs_are_listed_the_newest_first(store):
    for at in (2, 5, 1):
        store.put(replace(STATUS, id=f"job{at}", created=f"2026-01-0{at}T00:00:00Z"))
    assert [each.id for each in store.list()] == ["job5", "job2", "job1"]
    assert [each.id for each in store.list(limit=1)] == ["job5"]
    store.remove("job5")
    assert [each.id for each in store.list()] == ["job2", "job1"]


@pytest.mark.parametrize(
    "content", [b"this is no database, but long enough to be read as one" * 40, b"short"]
)
def test_a_corrupt_file_gives_a_sentence(store, content):
    store.path.parent.mkdir()
    store.path.write_bytes(content)
    for act in (store.list, lambda: store.get("x"), lambda: store.put(STATUS)):
        with pytest.raises(CatalogError, match=r"the job store '.*jobs\.sqlite' cannot be used"):
            act()
    assert store.path.read_bytes() == content


def test_a_file_cut_short_gives_a_sentence(store):
    for at in range(200):
        store.put(replace(STATUS, id=f"job{at}"), {"x": "y" * 100})
    content = store.path.read_bytes()
    store.path.write_bytes(content[: len(content) // 2 // 4096 * 4096])
    with pytest.raises(CatalogError, match="cannot be used"):
        store.list(1000)


def test_a_folder_in_its_place_gives_a_sentence(store):
    store.path.mkdir(parents=True)
    with pytest.raises(CatalogError, match="cannot be used"):
        store.list()


def test_several_writers_lose_nothing(store):
    def write(at):
        JobStore(store.path).put(replace(STATUS, id=f"job{at:03}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(60)))
    assert len(store.list()) == 60
