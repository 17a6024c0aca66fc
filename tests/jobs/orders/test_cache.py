import dataclasses
import json
import shutil
import time
from pathlib import Path

import pytest
from jobs.orders.conftest import CLEAR, COLLECTION

from swath.config.orders import OrderSettings
from swath.jobs import JobFolder
from swath.jobs.orders import OrderCache, order
from swath.jobs.orders.ledger import OrdersRead, owning
from swath.model import JobState, OutputError


def bounded(shelf, size, keep="0"):
    """Give the shelf's orders a size."""
    shelf.settings = shelf.settings.model_copy(update={"orders": OrderSettings(size=str(size), keep=keep)})
    shelf.cache = OrderCache(shelf.settings, shelf.settings.catalog_path)


def sizes(shelf):
    return {each.key.item: each.bytes for each in shelf.cache.rows()}


def test_what_was_not_used_for_longest_goes_first(shelf):
    order(shelf.items(), ["ndvi"], shelf.settings)
    held = sizes(shelf)
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)  # the oldest becomes the newest
    bounded(shelf, held[CLEAR[0]] + held[CLEAR[2]])
    with owning(shelf.cache.ledger) as owner:
        dropped = shelf.cache.trim(owner)
    assert [each.key.item for each in dropped] == [CLEAR[1]]
    assert sizes(shelf).keys() == {CLEAR[0], CLEAR[2]}
    assert not Path(dropped[0].key.folder).exists()
    first, second, third = shelf.items()
    assert "ndvi" not in second["assets"]
    assert not any("order" in each for each in second["stac_extensions"])
    for each in (first, third):
        assert Path(each["assets"]["ndvi"]["href"]).is_file()
    _, made = order(shelf.items(CLEAR[1]), ["ndvi"], shelf.settings)
    assert made.fresh == 1, "it is made again when it is asked for again"
    assert shelf.cache.used_bytes() <= shelf.settings.orders.size_bytes


def test_its_size_is_kept_however_much_is_ordered(shelf):
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    one = sizes(shelf)[CLEAR[0]]
    bounded(shelf, int(2.5 * one))
    ids = [each["id"] for each in shelf.items()] + ["S2_L2A_RO_20200804", "S2_L2A_RO_20200829"]
    _, made = order(shelf.items(*ids), ["ndvi"], shelf.settings)
    assert (made.fresh, made.failed) == (4, {})
    assert shelf.cache.used_bytes() <= int(2.5 * one)
    on_disk = sum(each.stat().st_size for each in shelf.cache.folder.rglob("*") if each.is_file())
    assert on_disk == shelf.cache.used_bytes()


def test_what_a_job_reads_stays_until_it_has_ended(shelf, tmp_path):
    order(shelf.items(), ["ndvi"], shelf.settings)
    job = JobFolder(tmp_path / "job")
    job.path.mkdir()
    status = dataclasses.asdict(JobFolder(shelf.folders()[0]).read_status())
    job.status_file.write_text(json.dumps({**status, "state": "running"}))
    kept = next(each.key.id for each in shelf.cache.rows() if each.key.item == CLEAR[0])
    OrdersRead(shelf.cache.ledger.path, (kept,)).hold(job.path)
    with owning(shelf.cache.ledger) as owner:
        shelf.cache.trim(owner, 0, keep_s=0)
        assert sizes(shelf).keys() == {CLEAR[0]}
        job.status_file.write_text(json.dumps({**status, "state": str(JobState.SUCCESSFUL)}))
        shelf.cache.trim(owner, 0, keep_s=0)
    assert sizes(shelf) == {}
    assert shelf.cache.ledger.holds() == {}


def test_what_was_just_used_stays_and_no_more_is_made(shelf):
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    bounded(shelf, 1000, keep="1h")
    with pytest.raises(
        OutputError, match=r"of 1\.0 kB are taken, all by what jobs read or was used within 1h"
    ):
        order(shelf.items(CLEAR[1]), ["ndvi"], shelf.settings)
    assert Path(shelf.items(CLEAR[0])[0]["assets"]["ndvi"]["href"]).is_file()


def test_half_dropped_is_dropped_by_the_next_and_made_whole_by_who_asks(shelf):
    order(shelf.items(), ["ndvi"], shelf.settings)
    rows = {each.key.item: each for each in shelf.cache.rows()}
    with owning(shelf.cache.ledger) as owner:  # as if killed in the middle, with half of the files gone
        for each in CLEAR[:2]:
            assert shelf.cache.ledger.drop(rows[each], owner)
            shutil.rmtree(Path(rows[each].key.folder) / "results")
    filled, made = order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    assert made.fresh == 1
    assert Path(filled[0]["assets"]["ndvi"]["href"]).is_file()
    assert sizes(shelf).keys() == {CLEAR[0], CLEAR[2]}, "and what was left of the other is gone"
    assert not Path(rows[CLEAR[1]].key.folder).exists()
    assert "ndvi" not in shelf.items(CLEAR[1])[0]["assets"]


def test_an_item_that_is_gone_does_not_keep_its_files(shelf):
    from swath.catalog import open_catalog

    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    with open_catalog(shelf.settings.catalog_path) as catalog:
        catalog.delete_items(COLLECTION, [CLEAR[0]])
    with owning(shelf.cache.ledger) as owner:
        assert len(shelf.cache.trim(owner, 0, keep_s=0)) == 1
    assert shelf.folders() == []


def test_files_elsewhere_are_never_deleted(shelf, tmp_path):
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    settings = shelf.settings.model_copy(update={"orders": OrderSettings(folder=tmp_path / "new")})
    cache = OrderCache(settings, settings.catalog_path)
    with owning(cache.ledger) as owner, pytest.raises(OutputError, match="and is not deleted"):
        cache.trim(owner, 0, keep_s=0)
    assert len(shelf.folders()) == 1


def test_dropping_waits_for_nobody_who_asks(shelf):
    """What is asked for between looking and dropping stays."""
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    (seen,) = shelf.cache.rows()
    time.sleep(0.01)
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    with owning(shelf.cache.ledger) as owner:
        assert not shelf.cache.drop(seen, owner)
    assert Path(shelf.items(CLEAR[0])[0]["assets"]["ndvi"]["href"]).is_file()
