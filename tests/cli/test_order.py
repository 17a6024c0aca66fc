import json
import os
import signal
import subprocess
import sys
import time

import pytest

from swath.catalog import open_catalog
from swath.cli.main import run

COLLECTION = "sentinel-2-l2a-romania"
JUNE = ("--collections", COLLECTION, "--datetime", "2020-06")
RECIPE = ("catalog", "recipe", COLLECTION, "ndvi")


@pytest.fixture
def say(demo_catalog, capsys):
    """Run a command: gives code, stdout, stderr."""

    def command(*words):
        code = run(list(words))
        out = capsys.readouterr()
        return code, out.out, out.err

    return command


@pytest.fixture
def recipe(say):
    code, _, error = say(*RECIPE, "--process", "index", "-i", "index=NDVI", "--asset", "ndvi=NDVI")
    assert code == 0
    assert f"catalog order --collections {COLLECTION} --assets ndvi" in error
    return say


def test_recipes_are_written_listed_and_removed(recipe):
    code, out, _ = recipe("catalog", "recipe", COLLECTION)
    assert code == 0
    assert out.splitlines()[1].split() == ["ndvi", "ndvi", "index", "item", "index=NDVI"]
    told = json.loads(recipe("catalog", "recipe", COLLECTION, "ndvi", "--json")[1])
    assert told["ndvi"]["assets"] == {"ndvi": "NDVI"}
    assert recipe(*RECIPE, "--remove")[0] == 0
    assert json.loads(recipe("catalog", "recipe", COLLECTION, "--json")[1]) == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere",), 3, "no collection 'nowhere'"),
        ((COLLECTION, "other"), 2, "no recipe 'other'"),
        ((COLLECTION, "other", "--remove"), 2, "no recipe 'other'"),
        ((COLLECTION, "a", "--process", "indx", "--asset", "a"), 3, "no process 'indx'"),
        ((COLLECTION, "a", "--process", "index"), 2, "names no assets"),
        ((COLLECTION, "--asset", "a"), 2, "a name and a process are needed"),
        ((COLLECTION, "a", "--process", "index", "--asset", "a", "--sources", "b"), 3, "no collection 'b'"),
        ((COLLECTION, "a", "--process", "index", "-i", "index=NDVY", "--asset", "a"), 2, "NDVY"),
    ],
)
def test_a_wrong_recipe_is_refused(recipe, words, code, said):
    found, _, error = recipe("catalog", "recipe", *words)
    assert (found, said in error) == (code, True), error


def test_order_and_look(recipe):
    code, out, error = recipe("catalog", "order", *JUNE, "--assets", "ndvi", "--dry-run")
    assert (code, out) == (0, "3 orders for 3 items\n")
    code, out, error = recipe("catalog", "order", *JUNE, "--assets", "ndvi")
    assert (code, out) == (0, "3 orders: 3 made now, 0 made before or by others, 0 failed\n")
    assert "making ndvi of S2_L2A_RO_20200630" in error
    told = json.loads(recipe("catalog", "order", *JUNE, "--assets", "ndvi", "--json")[1])
    assert told == {"orders": 3, "made": 0, "there": 3, "failed": {}}
    listed = json.loads(recipe("catalog", "orders", "--json")[1])
    assert [each["state"] for each in listed["orders"]] == ["made"] * 3
    assert listed["used_bytes"] == sum(each["bytes"] for each in listed["orders"])
    code, _, error = recipe("catalog", "orders", "--trim", "0")
    assert (code, "3 dropped" in error) == (0, True)
    assert recipe("catalog", "orders")[1].splitlines()[1:] == []


def test_mistakes(recipe):
    assert "nothing says which items" in recipe("catalog", "order", "--assets", "ndvi")[2]
    assert "no item fits" in recipe("catalog", "order", "--collections", COLLECTION, "--datetime", "1999")[2]
    code, _, error = recipe("catalog", "order", *JUNE, "--assets", "ndvy")
    assert (code, "has no band 'ndvy'" in error, "ndvi" in error) == (2, True, True)


def test_what_fails_is_told_and_the_rest_is_made(recipe, demo_catalog):
    with open_catalog(demo_catalog.catalog_path) as catalog:

        def lose(item):
            assets = {key: {**each, "href": "/nowhere.tif"} for key, each in item["assets"].items()}
            return {**item, "assets": assets}

        catalog.change_item(COLLECTION, "S2_L2A_RO_20200625", lose)
    code, out, error = recipe("catalog", "order", *JUNE, "--assets", "ndvi")
    assert code == 5
    assert out == "3 orders: 2 made now, 0 made before or by others, 1 failed\n"
    assert "orders: 1 of 3 could not be made: asset: there is no file '/nowhere.tif'" in error


def test_run_has_made_what_it_reads(recipe):
    inputs = (f"collection={COLLECTION}", "datetime=2020-06", "bands=ndvi", "period=P1M")
    words = ("run", "composite", *(word for each in inputs for word in ("-i", each)))
    code, out, _ = recipe(*words, "--dry-run")
    assert (code, out) == (0, "orders      3 assets are made first, by recipes of the collection\n")
    code, out, error = recipe(*words)
    assert code == 0, error
    assert "making ndvi of S2_L2A_RO_20200620" in error
    assert "1 item in the collection" in out


def swath_process(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "swath", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def test_ctrl_c_keeps_what_is_made(recipe):
    process = swath_process("catalog", "order", "--collections", COLLECTION, "--datetime", "2020")
    said = b""
    while b"making" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from there" in (said + rest).decode()
    states = {each["state"] for each in json.loads(recipe("catalog", "orders", "--json")[1])["orders"]}
    assert states <= {"made", "making"}


def test_detached_it_goes_on_without_the_terminal(recipe, demo_catalog):
    process = swath_process("catalog", "order", *JUNE, "--assets", "ndvi", "--detach")
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    end = time.monotonic() + 120
    states = []
    while states != ["made"] * 3 and time.monotonic() < end:
        time.sleep(0.2)
        states = [each["state"] for each in json.loads(recipe("catalog", "orders", "--json")[1])["orders"]]
    assert states == ["made"] * 3
    log = (demo_catalog.home / "orders.log").read_text()
    assert str(demo_catalog.home / "orders.log") == out.decode().strip()
    assert "making ndvi" in log
