"""Environments of one file on this machine; how conda and Apptainer are called, as text."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from slurm.images import layer, write_docker, write_oci

from swath.model import InputError
from swath.sites.envs import build, list_kept, push, read_source
from swath.sites.envs.build import conda_commands, pack, sif_command
from swath.sites.install import Wanted, find_python, make_venv, settle
from swath.sites.places import Place
from swath.sites.wheelhouse import Python, build_wheel


def test_commands_of_conda():
    create = ("env", "create", "--quiet", "--prefix", "/x/env", "--file", "/x/environment.yml")
    assert conda_commands("conda", "/x") == [("env", "CONDA_ALWAYS_YES=true", "conda", *create)]
    assert conda_commands("mamba", "/x") == [("env", "CONDA_ALWAYS_YES=true", "mamba", *create)]


def test_commands_of_apptainer(tmp_path):
    docker = write_docker(tmp_path / "d.tar", [layer({"a": b"1"})], {})
    oci = write_oci(tmp_path / "o.tar", [layer({"a": b"1"})], {})
    to = ("apptainer", "build", "/x/image.sif")
    assert sif_command("apptainer", docker, "/x") == (*to, "docker-archive:/x/image.tar")
    assert sif_command("apptainer", oci, "/x") == (*to, "oci-archive:/x/image.tar")
    assert sif_command("apptainer", tmp_path, "/x") == (*to, "oci:/x/image")


def test_an_image_is_kept_by_its_content_and_pushed_unless_it_is_damaged(tmp_path):
    said = []
    source = read_source(write_docker(tmp_path / "small.tar", [layer({"a": b"1"})], {"A": "1"}))
    here, there = Place.here(tmp_path / "here"), Place.here(tmp_path / "there")
    made = build(source, here, say=said.append, kind="charliecloud", packing="tar")
    assert made.path.endswith(f"/small-{made.sha256[:16]}.tar.gz")
    assert build(source, here, say=said.append, kind="charliecloud", packing="tar") == made
    assert list_kept(here) == [made]
    assert list_kept(there) == []
    arrived = push(made, there, say=said.append)
    assert arrived.path == made.path.replace("/here/", "/there/")
    assert [each.setting for each in list_kept(there)] == [f"charliecloud:{arrived.path}"]
    with Path(made.path).open("r+b") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="is damaged"):
        push(made, there, say=said.append)
    assert not list((tmp_path / "there/environments").glob(".new-*"))


def test_a_name_that_is_no_name_is_refused(tmp_path):
    source = read_source(write_docker(tmp_path / "small.tar", [layer({"a": b"1"})], {}))
    with pytest.raises(InputError, match="cannot be the name of an environment"):
        build(source, Place.here(tmp_path), say=print, name="../x", kind="charliecloud")


def test_packages_pack_to_the_same_bytes_wherever_they_were_installed(tmp_path):
    """Two installations in different folders, each settled and packed: scripts, bytecode and records too."""
    source = tmp_path / "tiny"
    source.mkdir()
    (source / "tiny.py").write_text("def main():\n    print('tiny')\n")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "tiny"\nversion = "1"\nscripts = {tiny = "tiny:main"}\n'
    )
    wheel = build_wheel(source, tmp_path, Python.here())
    place = Place.here(tmp_path)
    packed: dict[str, set[bytes]] = {"sqfs": set(), "tar": set()}
    for _ in range(2):
        new = place.new_folder()
        make_venv(place, new, find_python(place, new), Wanted("tiny", (), (wheel,)), say=lambda _: None)
        settle(place, new, "")
        assert place.shell('cd /; "$1/env/bin/tiny"', new) == "tiny\n"
        for kind, found in packed.items():
            if kind == "tar" or shutil.which("mksquashfs"):
                found.add(Path(pack(place, new, kind)[0]).read_bytes())
    assert len(packed["tar"]) == 1
    assert len(packed["sqfs"]) <= 1
