"""Pins and wheels of packages, as they are installed here and for other machines."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path

import pytest

import swath
from swath.model import SiteError
from swath.sites.wheelhouse import (
    TELL,
    Python,
    fetch_wheels,
    own_wheel,
    pins,
    pip_here,
    pip_wheel,
    zip_installed,
)


def test_pins_are_the_versions_here_and_whole():
    found = pins(["swath"], Python.here())
    assert found["numpy"] == distribution("numpy").version
    assert {"llvmlite", "tornado", "pydantic-core"} <= set(found)  # what only other packages need
    assert "pytest" not in found
    assert set(pins(["dask"], Python.here())) < set(pins(["dask[array]"], Python.here()))


def test_markers_are_those_of_the_machine_there(tmp_path, monkeypatch):
    for name, needs in (
        ("one", ("two ; sys_platform == 'win32'", "three[x]")),
        ("two", ()),
        ("three", ("four ; extra == 'x'",)),
    ):
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", "Version: 1", *(f"Requires-Dist: {each}" for each in needs)]
        (folder / "METADATA").write_text("\n".join(lines) + "\n\n")
    monkeypatch.syspath_prepend(tmp_path)
    here = Python.here()
    with pytest.raises(SiteError, match="four is not installed here"):
        pins(["one"], here)
    (tmp_path / "three-1.dist-info/METADATA").write_text("Name: three\nVersion: 1\n\n")
    assert pins(["one"], here) == {"one": "1", "three": "1"}
    windows = replace(here, markers={**here.markers, "sys_platform": "win32"})
    assert pins(["one"], windows) == {"one": "1", "three": "1", "two": "1"}


def test_the_wheel_of_a_source_tree_has_the_code_that_runs_here(tmp_path):
    wheel = own_wheel("swath", tmp_path, Python.here())
    with zipfile.ZipFile(wheel) as held:
        assert held.read("swath/version.py") == (Path(swath.__file__).parent / "version.py").read_bytes()
        assert any(each.endswith("swath_native.so") for each in held.namelist())
    # Where C that was compiled here may not run, the loops of numba have to do.
    (tmp_path / "other").mkdir()
    other = own_wheel("swath", tmp_path / "other", replace(Python.here(), tags=("cp312-cp312-other",)))
    assert other.name.endswith("-py3-none-any.whl")


def test_an_installed_package_becomes_the_wheel_it_was(tmp_path):
    wheel = zip_installed(distribution("shellingham"), "py3-none-any", tmp_path)
    again = zip_installed(distribution("shellingham"), "py3-none-any", tmp_path / "..")
    assert wheel.read_bytes() == again.read_bytes()
    again.unlink()
    subprocess.run(
        (*pip_here(), "install", "-q", "--no-index", "--no-deps", "--target", tmp_path / "to", wheel),
        check=True,
    )
    made, here = (
        (tmp_path / "to/shellingham/__init__.py"),
        distribution("shellingham").locate_file("shellingham"),
    )
    assert made.read_bytes() == (Path(str(here)) / "__init__.py").read_bytes()


def test_another_python_describes_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    wheel = pip_wheel(tmp_path)  # Python's own, since there is no index
    told = subprocess.run(
        (sys.executable, "-I", "-c", TELL, wheel), capture_output=True, text=True, check=True
    )
    there = Python.told(told.stdout)
    assert (there.minor, there.platforms[-1]) == (Python.here().minor, "any")
    assert there.markers["platform_machine"] == Python.here().markers["platform_machine"]


def test_what_no_index_has_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(
        SiteError, match=r"cannot be fetched for Python .* \(No matching distribution found for affine==99\)"
    ):
        fetch_wheels(["affine==99"], tmp_path, Python.here())
