"""Processes, built in and plugged in: found, described, checked, run."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from scenes import make_item, ramp, write_items, write_tiff

from swath.model import InputError, NotFoundError, SwathWarning
from swath.processes import get_process, parse_inputs, process, processes

PLUGIN = '''
"""A process of somebody else."""
import numpy as np
from pydantic import Field

from swath.processes import RasterInputs, process
from swath.processes.periods import time_span
from swath.processes.series import Variables, read_series, unit_cube
from swath.processes.tiling import plan_tiles
from swath.products import Layer, Raster, quantity_of


class ThresholdInputs(RasterInputs):
    """Inputs of ``threshold``."""

    above: float = Field(description="Values larger than this become 1.")


def plan(inputs, items, limits):
    bands = Variables(inputs, items).bands
    return plan_tiles(inputs, items, bands, limits=limits, bytes_per_pixel=lambda times: 16.0 * times,
                      context=time_span(items))


@process("threshold", title="Pixels above a number", inputs=ThresholdInputs, plan=plan, version="3.2.1")
def threshold(inputs, work):
    """Mark pixels that are above a number."""
    variables = Variables(inputs, work.items)
    cube = unit_cube(inputs, work, variables.bands)
    series = read_series(cube, variables, work)
    layer = Layer("above", np.where(series[0, 0] > inputs.above, 1, 0).astype("f4"), quantity_of("above"))
    time = cube.groups[0].time
    return [Raster(work.name, time, time, (layer,), cube.geobox)]
'''


@pytest.fixture
def plugin(tmp_path):
    """A package as pip installs it: a module, and its dist-info with an entry point."""
    place = tmp_path / "site"
    info = place / "swath_threshold-1.0.dist-info"
    info.mkdir(parents=True)
    (place / "swath_threshold.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: swath-threshold\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[swath.processes]\nthreshold = swath_threshold\n")
    return place


SESSION = """
import contextlib, io, json, sys
from swath.cli.main import run
answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(words)
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


@pytest.mark.slow
def test_a_plug_in_runs_like_a_built_in_one(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(plugin))
    path = write_tiff(tmp_path / "red.tif", ramp())
    items = write_items(tmp_path / "items.json", [make_item("one", {"red": path})])
    command = [
        "run",
        "threshold",
        "-i",
        f"items={items}",
        "-i",
        "bands=red",
        "--output",
        str(tmp_path / "job"),
    ]
    commands = [
        ["processes", "--json"],
        ["run", "threshold", "--help"],
        command,
        [*command, "-i", "above=300", "-i", "tile_size=16", "--json"],
    ]
    ended = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    listed, described, missing, made = json.loads(ended.stdout)
    assert {"id": "threshold", "title": "Pixels above a number", "version": "3.2.1"} in json.loads(listed[1])
    assert "Values larger than this become 1." in described[1]
    assert missing[0] == 2
    assert "the input 'above' is missing" in missing[2]
    assert made[0] == 0, made[2]
    (mosaic,) = (tmp_path / "job" / "results" / "mosaic").glob("*_above.vrt")
    with rasterio.open(mosaic) as file:
        np.testing.assert_array_equal(file.read(1), ramp() > 300)
    assert json.loads((tmp_path / "job" / "job.json").read_text())["process_version"] == "3.2.1"


def test_a_name_that_is_taken_stays_with_its_process():
    built_in = get_process("index")
    with pytest.warns(SwathWarning, match="is left out: swath.processes.index has that name"):

        @process("index", title="Another", inputs=built_in.inputs, plan=built_in.plan)
        def index(inputs, work):
            """Do nothing."""
            return []

    assert get_process("index") is built_in
    assert processes()["index"] is built_in


def test_every_schema_describes_each_input():
    for each in processes().values():
        schema = each.schema()
        assert each.describe()["inputs"] == schema
        assert json.loads(json.dumps(schema)) == schema
        assert set(schema["properties"]) == set(each.inputs.model_fields)
        assert all(field.get("description", "").endswith(".") for field in schema["properties"].values())
        assert schema["additionalProperties"] is False
        assert each.description.endswith(".")
        assert each.title


def test_an_unknown_process_names_the_nearest():
    with pytest.raises(NotFoundError, match="there is no process 'trned'") as error:
        get_process("trned")
    assert error.value.known[0] == "trend"


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"collektion": "x"}, "no input 'collektion'"),
        ({"collection": "x", "tile_size": "big"}, 'composite: tile_size: .*got "big"'),
        ({"collection": "x", "items": []}, "exclude each other"),
        ({"collection": "x", "bbox": [1, 2, 3, 4], "geometry": "POINT(1 2)"}, "bbox and geometry exclude"),
        ({"collection": "x", "percentile": 101}, "less than or equal to 100"),
    ],
)
def test_a_wrong_input_is_told(inputs, told):
    with pytest.raises(InputError, match=told):
        parse_inputs(get_process("composite"), inputs)


def test_inputs_survive_a_job_folder():
    """What is written into job.json is read back as the same inputs."""
    given = {
        "collection": "a,b", "bbox": "1,2,3,4", "index": "ndvi", "period": "p12m", "datetime": 2019,
        "crs": 32635,
        "valid": {"band": "SCL", "values": [4]}, "resolution": 20, "filter": {"op": "<", "args": [1, 2]},
    }  # fmt: skip
    process = get_process("composite")
    parsed = parse_inputs(process, given)
    dumped = json.loads(json.dumps(parsed.model_dump(mode="json", exclude_defaults=True)))
    assert parse_inputs(process, dumped) == parsed
    assert dumped["period"] == "P1Y"
    assert dumped["crs"] == "EPSG:32635"
    assert dumped["collection"] == ["a", "b"]
    assert dumped["datetime"] == "2019"
