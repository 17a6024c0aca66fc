"""The commands of ``swath catalog``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from swath.cli.catalog import app
from swath.model import InputError, NotFoundError
from swath.testing.contracts import contract_items


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [*contract_items(), {"id": "bad"}]}))
    return path


def run(*args: object, code: int = 0):
    result = CliRunner().invoke(app, [str(each) for each in args])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def filled(source):
    run("ingest", source)
    return source


def test_init_makes_the_catalog_of_the_settings(own_home):
    assert run("init").stdout.strip() == str(own_home / "catalog.sqlite")
    assert (own_home / "catalog.sqlite").is_file()
    assert json.loads(run("init", "--json").stdout) == {
        "catalog": str(own_home / "catalog.sqlite"),
        "items": 0,
    }


def test_init_indexes_properties_of_a_catalog_that_is_there(filled):
    before = json.loads(run("search", "--sortby", "platform", "--json").stdout)["features"]
    run("init", "--index", "platform", "--index", "view:off_nadir")
    after = json.loads(run("search", "--sortby", "platform", "--json").stdout)["features"]
    assert [each["id"] for each in after] == [each["id"] for each in before]


def test_ingest_tells_what_went_in_and_what_not(source):
    result = run("ingest", source)
    assert result.stdout == "15 added, 0 updated, 1 rejected\n"
    assert result.stderr.startswith("rejected: bad: ")
    again = json.loads(run("ingest", source, "--json").stdout)
    assert (again["added"], again["updated"]) == (0, 15)
    assert again["rejected"][0]["id"] == "bad"


def test_ingest_of_nothing_but_bad_items_fails(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{"id": "bad"}]}))
    assert "rejected: bad" in run("ingest", path, code=2).stderr


def test_search(filled):
    result = run("search", "--collections", "two", "--sortby", "id")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["collection", "id", "datetime", "cloud"]
    assert [line.split()[1] for line in lines[1:]] == ["nowhere", "over-180", "year"]
    assert result.stderr == "3 of 3 items\n"


def test_search_pages_in_json(filled):
    first = json.loads(run("search", "--limit", 4, "--sortby", "id", "--json").stdout)
    assert first["numberMatched"] == 15
    assert [each["id"] for each in first["features"]] == ["a00", "a01", "a02", "a03"]
    token = first["links"][0]["body"]["token"]
    second = json.loads(run("search", "--limit", 4, "--sortby", "id", "--token", token, "--json").stdout)
    assert [each["id"] for each in second["features"]] == ["a04", "a05", "a06", "a07"]


@pytest.mark.parametrize("kind", ["text", "file"])
def test_search_by_geometry_time_and_filter(filled, tmp_path, kind):
    point = json.dumps({"type": "Point", "coordinates": [11.5, 50.5]})
    (tmp_path / "point.json").write_text(point)
    where = point if kind == "text" else tmp_path / "point.json"
    found = json.loads(
        run(
            "search", "--intersects", where, "--datetime", "2010/2011", "--filter", "eo:cloud_cover > 20",
            "--fields", "id,-assets", "--json",
        ).stdout
    )  # fmt: skip
    assert found["features"] == [{"type": "Feature", "id": "a01", "collection": "one"}]


def test_wrong_input_is_an_error_of_ours(filled):
    with pytest.raises(InputError, match="bbox"):
        run("search", "--bbox", "1,2")
    with pytest.raises(NotFoundError, match="'tow'"):
        run("search", "--collections", "tow")
    with pytest.raises(InputError, match="no file"):
        run("search", "--intersects", "none.json")


def test_search_without_a_catalog_names_what_to_do():
    with pytest.raises(NotFoundError, match="swath catalog init"):
        run("search")


def test_collections(filled):
    lines = run("collections").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["id", "items"], ["one", "12"], ["two", "3"]]
    assert [each["id"] for each in json.loads(run("collections", "--json").stdout)] == ["one", "two"]
    assert json.loads(run("collections", "two").stdout)["id"] == "two"


def test_export_and_other_catalog(filled, tmp_path):
    assert "3 items" in run("export", tmp_path / "two", "--collections", "two").stdout
    other = tmp_path / "other.sqlite"
    run("ingest", tmp_path / "two", "--catalog", other)
    assert json.loads(run("search", "--catalog", other, "--json").stdout)["numberMatched"] == 3


def test_remove(filled):
    assert run("remove", "one", "--ids", "a00,a01").stdout == "2 items removed\n"
    assert json.loads(run("remove", "one", "--json").stdout) == {"collection": "one", "items": 10}


def test_nothing_heavy_is_loaded_for_the_help():
    heavy = (
        "pystac",
        "shapely",
        "rasterio",
        "pyarrow",
        "pandas",
        "numpy",
        "cql2",
        "jsonschema_rs",
        "requests",
    )
    script = f"import sys, swath.cli.catalog, swath.catalog; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
