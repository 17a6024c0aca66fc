"""Orders made by several processes at once, killed, stopped, and gone on with."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from jobs.orders.conftest import CLEAR, COLLECTION, NDVI
from runs import check_item

from swath.catalog import open_catalog
from swath.jobs.orders import Recipe, order
from swath.jobs.orders.ledger import Ledger
from swath.jobs.orders.recipes import without_assets
from swath.model import CatalogError

ASK = """
import sys
from swath.catalog import open_catalog
from swath.config import Settings
from swath.jobs.orders import order
settings = Settings.read()
with open_catalog(settings.catalog_path) as catalog:
    items = list(catalog.search(collections=[sys.argv[1]], ids=sys.argv[2:]).items_as_dicts())
print("ready", flush=True)
sys.stdin.readline()
filled, made = order(items, ["ndvi"], settings)
assert all("ndvi" in each["assets"] for each in filled), made.failed
print(made.fresh)
"""


def ask(*ids):
    """Start a process that orders the NDVI of items as soon as it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, COLLECTION, *(ids or CLEAR)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n", process.communicate()
    return process


def go(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def check_whole(shelf, *ids):
    """Each item has its asset, whole, and what it had before."""
    for each in shelf.items(*ids):
        check_item({**each, "assets": {"ndvi": each["assets"]["ndvi"]}}, Path("/"))
        assert "b10m" in each["assets"]


def test_however_many_ask_each_is_made_once(shelf):
    askers = [ask() for _ in range(6)]
    for each in askers:
        go(each)
    fresh = []
    for each in askers:
        out, error = each.communicate(timeout=120)
        assert each.returncode == 0, error.decode()
        fresh.append(int(out))
    assert sum(fresh) == len(CLEAR)
    assert len(shelf.folders()) == len(CLEAR)
    assert set(shelf.states().values()) == {"made"}
    check_whole(shelf)


def test_killed_anywhere_it_is_made_by_the_next(shelf):
    rng = random.Random(5)
    for _ in range(8):
        process = ask()
        go(process)
        time.sleep(rng.uniform(0.0, 0.6))
        process.kill()
        process.communicate()
        for each in shelf.items():
            if "ndvi" in each["assets"]:
                check_item({**each, "assets": {"ndvi": each["assets"]["ndvi"]}}, Path("/"))
    filled, made = order(shelf.items(), ["ndvi"], shelf.settings)
    assert len(made.assets) == len(CLEAR)
    assert made.failed == {}
    assert all("ndvi" in each["assets"] for each in filled)
    check_whole(shelf)
    assert len(shelf.folders()) == len(CLEAR)


def test_who_waits_goes_on_where_the_maker_is_killed(shelf, monkeypatch):
    maker = ask(CLEAR[0])
    go(maker)
    end = time.monotonic() + 60
    while not shelf.folders() and time.monotonic() < end:
        time.sleep(0.005)
    maker.send_signal(signal.SIGSTOP)  # alive, and at it for ever
    said = []
    result = []
    waits = threading.Thread(
        target=lambda: result.append(order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings, tell=said.append))
    )
    waits.start()
    while not said and not result and time.monotonic() < end:
        time.sleep(0.01)
    maker.kill()
    maker.communicate()
    waits.join(timeout=60)
    if said:
        assert said[0] == "0 of 1 orders done; 1 are made by another process"
    else:  # the maker was done before it could be stopped
        assert result[0][1].fresh == 0
    check_whole(shelf, CLEAR[0])


def test_stopped_it_keeps_what_is_made(shelf):
    stop = threading.Event()

    def tell(text):
        if CLEAR[1] in text:
            stop.set()

    _, made = order(shelf.items(), ["ndvi"], shelf.settings, tell=tell, stop=stop)
    assert made.fresh == 1
    states = shelf.states()
    assert states[CLEAR[0], "ndvi"] == "made"
    assert (CLEAR[2], "ndvi") not in states
    _, made = order(shelf.items(), ["ndvi"], shelf.settings)
    assert (made.fresh, len(made.assets)) == (2, 3)
    check_whole(shelf)


def test_one_that_fails_does_not_keep_the_others(shelf):
    items = shelf.items()
    with open_catalog(shelf.settings.catalog_path) as catalog:

        def lose(item):
            assets = {key: {**each, "href": "/nowhere.tif"} for key, each in item["assets"].items()}
            return {**item, "assets": assets}

        catalog.change_item(COLLECTION, CLEAR[1], lose)
    items = shelf.items()
    filled, made = order(items, ["ndvi"], shelf.settings)
    assert made.fresh == 2
    assert [("ndvi" in each["assets"]) for each in filled] == [True, False, True]
    assert "/nowhere.tif" in next(iter(made.failed.values()))
    assert shelf.states()[CLEAR[1], "ndvi"] == "failed"
    with open_catalog(shelf.settings.catalog_path) as catalog:
        catalog.change_item(COLLECTION, CLEAR[1], lambda _: items[1])
    assert order(shelf.items(CLEAR[1]), ["ndvi"], shelf.settings)[1].failed, "the item is still wrong"


def test_files_that_somebody_deleted_are_made_again(shelf):
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    Path(shelf.items(CLEAR[0])[0]["assets"]["ndvi"]["href"]).unlink()
    _, made = order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    assert made.fresh == 1
    check_whole(shelf, CLEAR[0])


def test_an_item_that_is_taken_in_again_gets_its_assets_back(shelf):
    before = [without_assets(each) for each in shelf.items(CLEAR[0])]
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    with open_catalog(shelf.settings.catalog_path) as catalog:
        catalog.upsert_items(before)
    assert "ndvi" not in shelf.items(CLEAR[0])[0]["assets"]
    _, made = order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    assert made.fresh == 0
    check_whole(shelf, CLEAR[0])


def test_two_recipes_at_once_do_not_lose_each_others_assets(shelf):
    shelf.add(Recipe("evi", "index", {"index": "EVI"}, {"evi": "EVI"}))
    threads = [
        threading.Thread(target=order, args=(shelf.items(), [name], shelf.settings))
        for name in ("ndvi", "evi")
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all({"ndvi", "evi"} <= each["assets"].keys() for each in shelf.items())


def test_who_may_only_read_uses_what_is_made(shelf, monkeypatch):
    order(shelf.items(), ["ndvi"], shelf.settings)

    def refuse(*_, **__):
        raise CatalogError("orders: the ledger cannot be used")

    monkeypatch.setattr(Ledger, "_open", refuse)  # the tests' user is root, who may write anything
    items = shelf.items()
    filled, made = order(items, ["ndvi"], shelf.settings)
    assert filled == items
    assert (len(made.assets), made.fresh) == (3, 0)
    with pytest.raises(CatalogError):
        order([without_assets(each) for each in items], ["ndvi"], shelf.settings)


def test_an_item_that_goes_while_its_asset_is_made_is_no_matter(shelf):
    def tell(_):
        with open_catalog(shelf.settings.catalog_path) as catalog:
            catalog.delete_items(COLLECTION, [CLEAR[0]])

    (item,), made = order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings, tell=tell)
    assert made.fresh == 1
    assert Path(item["assets"]["ndvi"]["href"]).is_file()


def test_the_results_are_no_collection_of_their_own(shelf):
    order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)
    with open_catalog(shelf.settings.catalog_path) as catalog:
        assert [each["id"] for each in catalog.collections()] == [COLLECTION]


@pytest.mark.parametrize("tile_size", [100, 48])
def test_tiles_become_one_file(shelf, tile_size):
    import numpy as np

    import swath

    shelf.add(Recipe("tiled", "index", {**NDVI.inputs, "tile_size": tile_size}, {"tiled": "NDVI"}))
    filled, made = order(shelf.items(), ["tiled"], shelf.settings)
    assert made.failed == {}
    got = swath.load(filled, ["tiled"], chunks=None, valid=False)
    reference = swath.load(filled, ["red", "nir"], chunks=None)
    expected = (reference.nir - reference.red) / (reference.nir + reference.red)
    assert got.sizes == expected.sizes
    both = np.isfinite(expected)
    assert (np.isfinite(got.tiled) == both).all()
    assert float(abs(got.tiled - expected).where(both).max()) < 1e-4
