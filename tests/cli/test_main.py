"""The command ``swath``: what it loads, and what it prints for machines."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from runs import SMALL
from scenes import make_item, ramp, write_items, write_tiff

from swath.cli.main import COMMANDS, main, run, usage
from swath.version import __version__

LIST = """
import sys
sys.argv = ["swath", *{words}]
before = set(sys.modules)
from swath.cli.main import main
try:
    main()
except SystemExit as error:
    assert not error.code, error.code
loaded = {{each.split(".")[0] for each in set(sys.modules) - before}}
print("\\nLOADED", *sorted(loaded - set(sys.stdlib_module_names)))
"""


def loaded_by(*words):
    script = LIST.format(words=list(words))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split()[1:])


def test_help_and_version_load_nothing_but_python(capsys):
    assert loaded_by("--help") == {"swath"}
    assert loaded_by("--version") == {"swath"}
    assert loaded_by() == {"swath"}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_loads_no_arrays(command):
    loaded = loaded_by(command, "--help")
    assert "typer" in loaded
    assert not loaded & {
        "xarray",
        "dask",
        "distributed",
        "numba",
        "rasterio",
        "geopandas",
        "matplotlib",
        "scipy",
    }


def test_what_a_first_unit_waits_for_loads_neither_dask_nor_xarray(own_home, tmp_path, monkeypatch):
    """Each of them takes a tenth of a second or more, of every submission and of every task."""
    monkeypatch.chdir(tmp_path)
    Path("swath.toml").write_text(f'[sites.hpc]\nfolder = "{tmp_path}/site"\n')
    files = {each: write_tiff(tmp_path / f"{each}.tif", ramp()) for each in ("red", "nir")}
    items = write_items(Path("items.json"), [make_item("one", files)])
    job = ("run", "index", "-i", f"items={items}", "-i", "index=NDVI")
    heavy = {"dask", "distributed", "xarray", "pandas", "numba", "requests", "spyndex", "asyncssh", "scipy"}
    submitting = loaded_by(*job, "--on", "hpc", "--dry-run")
    assert "rasterio" in submitting
    assert not submitting & heavy
    assert run([*job, "--output", "job"]) == 0
    shutil.rmtree("job/results")
    working = loaded_by("jobs", "work", "job", "--task", "0", "--tasks", "1")
    assert Path("job/results/catalog.json").exists()
    assert not working & (heavy - {"requests"})  # by rocrate, when all units are done


def test_help_names_each_command(capsys):
    text = usage()
    for name, (_, about) in COMMANDS.items():
        assert f"  {name}" in text
        assert about in text
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == text
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"swath {__version__}\n"


@pytest.fixture
def a_job(own_home, demo, tmp_path, capsys):
    """A job of one small tile; gives its id and its folder."""
    path = write_tiff(tmp_path / "red.tif", ramp())
    items = write_items(tmp_path / "items.json", [make_item("one", {"red": path})])
    command = ["run", "index", "-i", f"items={items}", "-i", "bands=red", "-i", "output_collection=mine"]
    assert run([*command, "--output", str(tmp_path / "job"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["state"] == "successful"
    assert told["collection"] == "mine"
    return told["id"], tmp_path / "job"


def test_json_of_every_command_is_json_alone(a_job, own_home, tmp_path, capsys):
    name, folder = a_job
    (item,) = (folder / "results").glob("*/*.json")
    commands = [
        ["jobs", "list"], ["jobs", "show", name], ["jobs", "logs", name], ["jobs", "results", name],
        ["jobs", "rerun", name],
        ["rerun", str(item)], ["cite", str(item)], ["sites", "list"], ["doctor"], ["processes"],
        ["processes", "composite"], ["catalog", "init"], ["catalog", "search"], ["catalog", "collections"],
        ["catalog", "collections", "mine"], ["catalog", "ingest", str(item)],
        ["catalog", "export", str(tmp_path / "static")], ["catalog", "remove", "mine"],
    ]  # fmt: skip
    answers = {}
    for words in commands:
        code = run([*words, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, (words, err)
        answers[" ".join(words[:2])] = json.loads(out)
    assert answers["jobs list"][0]["id"] == name
    assert answers["jobs show"]["job"]["process"] == "index"
    assert answers["jobs results"]["features"][0]["collection"] == "mine"
    assert answers["rerun " + str(item)]["identical"] is True
    assert "red" in [each["asset"] for each in answers["rerun " + str(item)]["assets"]]
    assert answers["catalog search"]["numberMatched"] == 1
    assert answers["doctor"]["ok"] is True
    assert "kernels" in [each["name"] for each in answers["doctor"]["checks"]]


def test_the_same_commands_speak_to_people(a_job, capsys):
    name, folder = a_job
    (item,) = (folder / "results").glob("*/*.json")
    for words, told in (
        (["jobs", "list"], name), (["jobs", "show", name[:-1]], "state       successful"),
        (["jobs", "logs", str(folder)], ""), (["jobs", "results", name], str(item)),
        (["rerun", str(item)], "red        identical"), (["cite", str(item)], "swath"),
        (["sites", "list"], "local"), (["doctor"], "GDAL"), (["processes"], "composite"),
    ):  # fmt: skip
        assert run(words) == 0, words
        assert told in capsys.readouterr().out


def test_processes_describe_each_input(capsys):
    from swath.processes import processes

    assert {"composite", "fill", "index", "statistics", "trend"} <= set(processes())
    for name, each in processes().items():
        assert run(["processes", name]) == 0
        shown = capsys.readouterr().out
        assert run(["run", name, "--help"]) == 0
        assert capsys.readouterr().out == shown
        schema = each.schema()
        for field in each.inputs.model_fields:
            assert f"\n{field} " in shown
            about = schema["properties"][field]["description"]
            assert about in shown
        assert f"-i name=value: swath run {name}" in shown


def test_a_closed_pipe_is_no_error(demo_catalog):
    command = f"{sys.executable} -m swath catalog search --limit 140 --json | head -c 10"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("{")
    assert ended.stderr == ""


@pytest.mark.slow
def test_ctrl_c_stops_after_the_units_under_way(own_home, demo, tmp_path):
    import signal
    import time

    items = write_items(tmp_path / "items.json", demo[:20])
    inputs = [
        word for name, value in {**SMALL, "tile_size": 16}.items() for word in ("-i", f"{name}={value}")
    ]
    command = [sys.executable, "-m", "swath", "run", "composite", "-i", f"items={items}", *inputs]
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path / "job"), "--threads", "1"], stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 60
    while not list((tmp_path / "job" / "results").glob("x*")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 5
    assert "stopping after the units under way" in err
    assert "of 49 units are kept" in err
    status = json.loads((tmp_path / "job" / "status.json").read_text())
    assert status["state"] == "dismissed"
    assert 0 < status["units_done"] < 49
    assert not list((tmp_path / "job").glob("attempts/*"))


def test_a_pipe_that_closes_while_a_command_prints_is_no_error(demo_catalog):
    """Unbuffered, print itself meets the closed pipe, inside typer."""
    script = f"{sys.executable} -u -m swath catalog search --limit 140 | head -c 1"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {script}"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_module_is_the_command():
    ended = subprocess.run(
        [sys.executable, "-m", "swath", "--version"], capture_output=True, text=True, check=True
    )
    assert ended.stdout == f"swath {__version__}\n"
    script = Path(sys.executable).parent / "swath"
    if script.exists():
        ended = subprocess.run([str(script), "nonsense"], capture_output=True, text=True, check=False)
        assert ended.returncode == 2
        assert "no command 'nonsense'" in ended.stderr
