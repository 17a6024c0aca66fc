"""``swath run``: what is wrong is told in one sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import re
import sqlite3

import pytest
from runs import check_results, rows
from scenes import grid, make_item, ramp, write_items, write_tiff

from swath.cli.main import run
from swath.cli.run import parse_assignments, read_inputs
from swath.model import InputError, NotFoundError

COLLECTION = "sentinel-2-l2a-romania"
GOOD = {"collection": COLLECTION, "index": "NDVI", "period": "P1Y", "datetime": "2018-04"}


def words(process="composite", *options, **inputs):
    given = [
        word for name, value in inputs.items() if value is not None for word in ("-i", f"{name}={value}")
    ]
    return ["run", process, *given, *map(str, options)]


def catalog_rows(path):
    """Count what a catalog file holds, read without swath."""
    connection = sqlite3.connect(path)
    try:
        tables = [
            each for (each,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {each: connection.execute(f'SELECT count(*) FROM "{each}"').fetchone()[0] for each in tables}
    finally:
        connection.close()


@pytest.fixture
def refused(demo_catalog, own_home, tmp_path, capsys, monkeypatch):
    """Give a function that runs a command which must fail, and checks that nothing is left of it."""
    monkeypatch.chdir(tmp_path)

    def check(command, code, *told):
        before = catalog_rows(demo_catalog.catalog_path)
        around = sorted(each for each in tmp_path.rglob("*") if "swath-home/" not in str(each))
        assert run(command) == code
        out, err = capsys.readouterr()
        assert out == ""
        first = err.splitlines()[0]
        assert first.startswith("swath")
        assert first.endswith((".", "?", "!")), first
        assert "Traceback" not in err
        assert len(err.splitlines()) <= 2, err
        for each in told:
            assert re.search(each, err, re.DOTALL), f"{each!r} is not in {err!r}"
        assert catalog_rows(demo_catalog.catalog_path) == before
        assert rows(own_home) == []
        assert not list((own_home / "jobs").glob("*")) if (own_home / "jobs").exists() else True
        assert sorted(each for each in tmp_path.rglob("*") if "swath-home/" not in str(each)) == around
        return err

    return check


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"collection": "sentinel-2-l2a-rumania"}, 3, ["'sentinel-2-l2a-rumania'", f"known: {COLLECTION}"]),
        ({"datetime": "1999"}, 3, ["no item fits .* datetime 1999", "2015-08-01 to 2021-01-01", "widen the"]),
        ({"bbox": "10,10,11,11"}, 3, ["no item fits", "bbox", "widen the search"]),
        ({"bbox": "45.2,22.1,45.3,22.2"}, 3, ["no item fits"]),
        ({"bbox": "22.1,145.2,22.2,145.3"}, 2, ["a latitude is beyond 90", "swap .*: 145.2,22.1,145.3,22.2"]),
        ({"bbox": "145.2,-122.1,145.3,-22.2"}, 2, ["a latitude is beyond 90", "give west, south"]),
        ({"bbox": "45.2,122.1,45.3,122.2"}, 2, ["latitude is beyond 90", "swap .*: 122.1,45.2,122.2,45.3"]),
        ({"bbox": "222,45,223,46"}, 2, ["a longitude is beyond 180"]),
        ({"bbox": "22.1,45.3,22.2,45.1"}, 2, ["south is above north", "swap them: 22.1,45.1,22.2,45.3"]),
        ({"bbox": "22.2,45.1,22.1,45.3"}, 2, ["west is east of east", "swap them: 22.1,45.1,22.2,45.3"]),
        ({"bbox": "22.1,45.1,22.2"}, 2, ["four finite numbers are needed"]),
        ({"bbox": "22.1,45.1,x,45.3"}, 2, ["not numbers"]),
        ({"datetime": "2020/2018"}, 2, ["ends before it starts, got '2020/2018'", "swap .*: 2018/2020"]),
        ({"datetime": "yesterday"}, 2, ["'yesterday' is not a date", "write it like 2019-06-01"]),
        ({"datetime": "2019-02-30"}, 2, ["'2019-02-30' does not exist"]),
        ({"datetime": "2019/2020/2021"}, 2, ["is not an interval"]),
        ({"index": "NDVX"}, 2, ["no index 'NDVX'", "did you mean 'NDVI'"]),
        ({"index": None, "bands": "rad"}, 2, ["no band 'rad'", "did you mean 'red'"]),
        ({"index": "NBR"}, 2, ["NBR needs the band swir22, which sentinel-2-l2a-ro.* lacks", "known: .*red"]),
        ({"index": None}, 2, ["bands or an index are needed", "-i index=NDVI"]),
        ({"period": "1M"}, 2, ["'1M' is not a duration", "P1M"]),
        ({"period": "P1M5D"}, 2, ["no single calendar length"]),
        ({"period": "P0M"}, 2, ["no single calendar length"]),
        ({"resolution": "0"}, 2, ["resolution: it must be larger than 0, got 0"]),
        ({"resolution": "-10"}, 2, ["resolution: it must be larger than 0, got -10"]),
        ({"resolution": "0.0001"}, 2, ["0.0001 looks like degrees, but EPSG:3035 is in metre", "example 10"]),
        ({"resolution": "0.0001", "crs": "EPSG:32634"}, 2, ["looks like degrees, but EPSG:32634"]),
        ({"resolution": "10", "crs": "EPSG:4326"}, 2, ["looks like metres, but EPSG:4326 is in degrees"]),
        ({"resolution": "ten"}, 2, ["resolution: .*got \"ten\""]),
        ({"crs": "EPSG:1"}, 2, ["'EPSG:1' is no coordinate reference system", "EPSG:32635"]),
        ({"reducer": "medain"}, 2, ["'medain' is not known", "did you mean 'median'"]),
        ({"resampling": "cubik"}, 2, ["'cubik' is not known", "did you mean 'cubic'"]),
        ({"fill": "swga"}, 2, ["'swga' is not known", "did you mean 'swag'"]),
        ({"format": "tiff"}, 2, ["'tiff' is not known", "cog"]),
        ({"valid": '{"band": "SLC", "values": [4]}'}, 2, ["no band 'SLC'", "did you mean 'SCL'"]),
        ({"valid": '{"bnad": "SCL", "values": [4]}'}, 2, ["valid: "]),
        ({"grid": "eea-1km", "resolution": "10"}, 2, ["'eea-1km' is not known", "eea-10km"]),
        ({"grid": "eea-10km", "resolution": "7"}, 2, ["no whole number of pixels of 7"]),
        ({"grid": "eea-10km"}, 2, ["needs a resolution", "-i resolution=10"]),
        ({"tile_size": "3"}, 2, ["tile_size: .*greater than or equal to 16, got 3"]),
        ({"geometry": "POLYGON((0 0, 1 1))"}, 2, ["is no geometry"]),
        ({"geometry": "POLYGON((22 45, 23 46, 23 45, 22 46, 22 45))"}, 2, ["is not valid", "Self-inter"]),
        ({"filter": "eo:cloud_cover <"}, 2, ["filter"]),
        ({"colection": COLLECTION}, 2, ["no input 'colection'", "did you mean 'collection'"]),
        ({"collection": None}, 2, ["a collection or items are needed", "-i collection=ID"]),
        ({"output_collection": "a b"}, 2, ["output_collection", "a b"]),
        ({"collection": None, "items": "none.json"}, 3, ["there is no file 'none.json'"]),
        ({"catalog": "none.sqlite"}, 3, ["none.sqlite"]),
    ],
)  # fmt: skip
def test_a_wrong_input_is_told_and_leaves_nothing(refused, change, code, told):
    refused(words(**{**GOOD, **change}), code, *told)


@pytest.mark.parametrize(
    ("command", "code", "told"),
    [
        (["run", "composit", "-i", "index=NDVI"], 3, ["no process 'composit'", "did you mean 'composite'"]),
        (["rnu", "composite"], 2, ["no command 'rnu'", "did you mean 'run'"]),
        (["run", "composite", "--ouptut", "x"], 2, ["--ouptut", "--output"]),
        (["run", "composite", "-i", "index"], 2, ["'index' is no name=value", "-i index=NDVI"]),
        (["run", "composite", "-i", "bbox=@none.json"], 3, ["there is no file 'none.json'"]),
        (["run", "composite", "--inputs", "none.json"], 3, ["there is no file 'none.json'"]),
        (["run", "composite", "--workers", "-1"], 2, ["Invalid value for '--workers'", "0"]),
        (["run", "composite", "--on", "mars"], 3, ["no site 'mars'", "known: local"]),
        (["jobs", "show", "none"], 3, ["no job 'none'"]),
        (["jobs", "shwo", "none"], 2, ["shwo"]),
        (["jobs", "list", "--limit", "0"], 2, ["Invalid value for '--limit'", "1"]),
        (["jobs", "show"], 2, ["Missing argument 'JOB'"]),
        (["rerun", "none.json"], 3, ["no file", "none.json"]),
        (["cite", "none.json"], 3, ["no file", "none.json"]),
        (["processes", "fil"], 3, ["no process 'fil'", "did you mean 'fill'"]),
    ],
)
def test_a_wrong_command_is_told(refused, command, code, told):
    refused(command, code, *told)


def scene(folder, **options):
    path = write_tiff(folder / "red.tif", ramp(), **options)
    return path, make_item("one", {"red": path})


def deleted(path):
    path.unlink()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-300])


def no_tiff(path):
    path.write_text("<html>not found</html>")


def moved(path):
    write_tiff(path, ramp(), transform=grid(corner=(0.0, 0.0)))


def other_crs(path):
    write_tiff(path, ramp(), crs="EPSG:3035")


@pytest.mark.parametrize(
    ("harm", "code", "told"),
    [
        (deleted, 3, "there is no file"),
        (truncated, 2, "cannot be read as a raster"),
        (no_tiff, 2, "cannot be read as a raster"),
        (moved, 2, "lies at .*its item says"),
        (other_crs, 2, "is in EPSG:3035, its item says EPSG:32635"),
    ],
)
def test_a_bad_file_is_named_and_leaves_nothing(refused, tmp_path, harm, code, told):
    path, item = scene(tmp_path)
    harm(path)
    items = write_items(tmp_path / "items.json", [item])
    command = words("index", "--output", tmp_path / "job", items=items, bands="red")
    refused(command, code, told, re.escape(str(path)), "--skip-bad")


@pytest.mark.parametrize("harm", [deleted, truncated, no_tiff, moved, other_crs])
def test_skip_bad_goes_on(own_home, tmp_path, harm, capsys):
    path, item = scene(tmp_path)
    good = make_item(
        "good", {"red": write_tiff(tmp_path / "good.tif", ramp())}, datetime="2020-07-01T00:00:00Z"
    )
    harm(path)
    items = write_items(tmp_path / "items.json", [item, good])
    command = words("index", "--skip-bad", "--output", tmp_path / "job", items=items, bands="red")
    assert run([*command, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["items"]) == 1
    assert check_results(tmp_path / "job", units=1)
    collection = json.loads((tmp_path / "job" / "results" / "collection.json").read_text())
    assert collection["swath:skipped_items"] == ["one"]


def test_an_output_that_cannot_be_written_is_refused(refused, tmp_path):
    refused(
        words("composite", "--output", "/proc/job", **GOOD), 2, "'/proc/job' cannot be written", "--output"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    refused(words("composite", "--output", tmp_path / "full", **GOOD), 2, "is not empty")


def test_a_corrupt_catalog_is_told(own_home, capsys):
    own_home.mkdir()
    path = own_home / "catalog.sqlite"
    path.write_bytes(b"this was a catalog once" * 300)
    assert run(words(**GOOD)) == 2
    err = capsys.readouterr().err
    assert str(path) in err
    assert "Traceback" not in err
    assert path.read_bytes() == b"this was a catalog once" * 300


def test_an_unknown_setting_is_told(demo_catalog, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swath.toml").write_text("thread = 3\n")
    assert run(words(**GOOD)) == 2
    assert re.search(
        r"swath\.toml: the key 'thread' is not known.*did you mean 'threads'",
        capsys.readouterr().err,
        re.DOTALL,
    )
    (tmp_path / "swath.toml").unlink()
    monkeypatch.setenv("SWATH_CATALOGUE", "x")
    assert run(words(**GOOD)) == 2
    assert re.search(r"'catalogue' is not known.*did you mean 'catalog'", capsys.readouterr().err, re.DOTALL)


def test_errors_are_json_too(demo_catalog, capsys):
    assert run([*words(**{**GOOD, "index": "NDVX"}), "--json"]) == 2
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert told["error"] == "InputError"
    assert told["fix"] == "did you mean 'NDVI'?"
    assert "NDVI" in told["known"]
    assert "no index 'NDVX'" in err


def test_a_run_says_where_its_products_are(demo_catalog, tmp_path, capsys):
    assert run(words("composite", "--output", tmp_path / "job", output_collection="mine", **GOOD)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("1 item in the collection mine\n")
    assert str(tmp_path / "job" / "results") in out
    assert "swath catalog search --collections mine" in err
    assert check_results(tmp_path / "job", units=1)


def test_inputs_of_a_file_and_of_the_command_line_go_together(tmp_path):
    (tmp_path / "inputs.json").write_text('{"index": "EVI", "period": "P1M"}')
    (tmp_path / "area.json").write_text('{"type": "Point", "coordinates": [1, 2]}')
    merged = read_inputs(["index=NDVI", f"geometry=@{tmp_path / 'area.json'}"], tmp_path / "inputs.json")
    assert merged == {"index": "NDVI", "period": "P1M", "geometry": {"type": "Point", "coordinates": [1, 2]}}
    assert parse_assignments(["a=", "b=x=y", "c=true"]) == {"a": "", "b": "x=y", "c": True}
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(InputError, match="holds no JSON object"):
        read_inputs([], tmp_path / "list.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_inputs([], tmp_path / "bad.json")
    with pytest.raises(NotFoundError):
        read_inputs([], tmp_path / "none.json")


def test_an_area_over_the_antimeridian_runs(own_home, tmp_path, capsys):
    import rasterio

    items = []
    for name, left in (("left", 179.9), ("right", -180.0)):
        where = rasterio.Affine(0.005, 0, left, 0, -0.005, -16.0)
        path = write_tiff(tmp_path / f"{name}.tif", ramp(), transform=where, crs="EPSG:4326")
        items.append(make_item(name, {"red": path}))
    given = write_items(tmp_path / "items.json", items)
    command = words(
        "index", "--output", tmp_path / "job", items=given, bands="red", bbox="179.95,-16.08,-179.95,-16.02"
    )
    assert run(command) == 0, capsys.readouterr().err
    (path,) = (tmp_path / "job" / "results").glob("*/*_red.tif")
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() in (32701, 32760)
        assert file.width < 4 * file.height
        assert (file.read(1) != file.nodata).mean() > 0.9
