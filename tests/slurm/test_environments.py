"""Environments at a real site: swath is brought there, images are run by its nodes, and faults are named."""

from __future__ import annotations

import hashlib
import json
import re
from importlib.metadata import distribution
from pathlib import Path

import pytest
from slurm.package_index import serve
from slurm.testbed import NODES

from swath.model import SiteError
from swath.sites.install import Wanted, install
from swath.sites.places import Place
from swath.sites.transport import open_transport
from swath.sites.wheelhouse import build_wheel, zip_installed

SMALL = ("typing-inspection", "shellingham")
"""Two packages that need nothing else."""


@pytest.fixture
def way(bed, laptop):
    """A place at the site, in a folder of its own."""
    with open_transport("alice@bed") as made:
        yield Place("bed", made, bed.sh("alice", "mktemp -d -p ~").strip())


@pytest.fixture
def index(tmp_path):
    """A folder with wheels of two packages."""
    folder = tmp_path / "index"
    folder.mkdir()
    for each in SMALL:
        zip_installed(distribution(each), "py3-none-any", folder)
    return folder


@pytest.fixture
def wanted(tmp_path, index):
    """What is to be installed: two packages of an index, and a wheel that none has."""
    source = tmp_path / "tiny"
    source.mkdir()
    (source / "tiny.py").write_text(
        "import shellingham, typing_inspection\n\ndef main():\n    print('tiny', shellingham.__version__)\n"
    )
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "tiny"\nversion = "1"\nscripts = {tiny = "tiny:main"}\n'
    )

    def make(there):
        wheel = next(iter(tmp_path.glob("tiny-*.whl")), None) or build_wheel(source, tmp_path, there)
        (one, two) = (f"{each}=={distribution(each).version}" for each in SMALL)
        digest = hashlib.sha256(next(index.glob("typing_inspection-*")).read_bytes()).hexdigest()
        return Wanted(
            "tiny-1", (f"{one} --hash=sha256:{digest}", two), (wheel,), ("-c", "import tiny; tiny.main()")
        )

    return make


def test_packages_are_brought_along_where_the_site_sees_no_index(way, index, wanted, monkeypatch):
    said = []
    with serve(index, "127.0.0.1") as address:
        monkeypatch.setenv("PIP_INDEX_URL", address)
        folder = install(way, wanted, say=said.append)
    assert said[:2] == ["fetching 2 packages here for bed", "uploading 0 MB"]
    version = distribution("shellingham").version
    assert way.shell(f"{folder}/bin/tiny") == f"tiny {version}\n"
    assert re.fullmatch(rf"{way.folder}/tiny-1-[0-9a-f]{{16}}", folder)
    about = json.loads(way.transport.read(f"{folder}/environment.json"))
    assert about["packages"] == [f"{each}=={distribution(each).version}" for each in SMALL] + [
        "tiny-1-py2.py3-none-any.whl" if "py2" in about["packages"][-1] else "tiny-1-py3-none-any.whl"
    ]
    assert way.shell('ls -A "$1"', way.folder).split() == [Path(folder).name]
    assert way.shell('grep -rl "$1/[.]new" "$1" || true', way.folder) == ""  # nothing knows where it was made
    assert install(way, wanted, say=said.append) == folder  # without any index
    assert said[-1] == f"bed has it already: {folder}"


def test_packages_come_from_an_index_where_the_site_sees_one(bed, way, index, wanted, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/nothing")
    said = []
    with serve(index, f"{bed.net}.1") as address:
        bed.sh("alice", f"mkdir -p ~/.config/pip && printf '%s\\n' '[global]' 'index-url = {address}' "
               f"'trusted-host = {bed.net}.1' >~/.config/pip/pip.conf")  # fmt: skip
        try:
            folder = install(way, wanted, say=said.append)
        finally:
            bed.sh("alice", "rm ~/.config/pip/pip.conf")
    assert said == ["bed sees an index: installing 2 packages from it"]
    assert way.shell(f"{folder}/bin/tiny").startswith("tiny ")


def test_what_cannot_be_installed_is_said_and_leaves_nothing_behind(way, index, wanted, monkeypatch):
    with serve(index, "127.0.0.1") as address:
        monkeypatch.setenv("PIP_INDEX_URL", address)
        with pytest.raises(SiteError, match="No matching distribution found for affine==99") as raised:
            install(way, lambda there: Wanted("x", ("affine==99",)), say=lambda _: None)
        assert "choose a Python there that they have wheels for" in raised.value.fix
        broken = lambda there: Wanted("x", wanted(there).pins, (), ("-c", "import tiny"))  # noqa: E731
        with pytest.raises(SiteError, match=r"does not work .ModuleNotFoundError: No module named 'tiny'"):
            install(way, broken, say=lambda _: None)
    assert way.shell('ls -A "$1"', way.folder) == ""


def test_a_site_without_a_python_is_told_where_to_get_one(way):
    old = "set -- oldpython; oldpython() { return 1; }; export -f oldpython"
    place = Place("bed", way.transport, way.folder, old)
    with pytest.raises(SiteError, match=r"bed has no Python 3.12 or newer \(oldpython is broken\)") as raised:
        install(place, lambda there: Wanted("x", ()), say=lambda _: None)
    assert "uv python install 3.12" in raised.value.fix


# -- images -----------------------------------------------------------------------------------------------


def provenance(person, job):
    """What the record of a job says of the software that it ran with."""
    (record,) = person.home.rglob(f"{job}/provenance/ro-crate-metadata.json")
    return {
        each["name"]: each["softwareVersion"]
        for each in json.loads(record.read_text())["@graph"]
        if each["@type"] == "SoftwareApplication"
    }


@pytest.mark.parametrize("packing", ["sqfs", "tar"])
def test_a_job_runs_in_an_image_of_one_file(traveller, image, packing):
    said = traveller.swath(
        "env", "build", str(image), "--on", "bed", "--pack", packing, "--use", "--json"
    ).json
    ending = {"sqfs": "sqfs", "tar": "tar.gz"}[packing]
    assert re.fullmatch(rf"charliecloud:/.*/environments/small-[0-9a-f]{{16}}\.{ending}", said["setting"])
    (kept,) = traveller.swath("env", "list", "--on", "bed", "--json").json
    assert (kept["path"], kept["kind"], kept["about"]["source"]) == (
        said["path"],
        "charliecloud",
        "small.tar",
    )
    job = traveller.submit("index", "--on", "bed")
    told = traveller.ended(job)
    assert told["state"] == "successful", told["message"]
    assert provenance(traveller, job)["environment"] == said["setting"]
    unpacked = traveller.bed.on("n1", "ls", "/tmp/swath-environments-61001", check=False)
    assert (Path(said["path"]).name in unpacked) == (packing == "tar")
    again = traveller.swath("env", "build", str(image), "--on", "bed", "--pack", packing, "--json")
    assert again.json["path"] == said["path"]
    assert "has it already" in again.err


def test_an_image_is_built_here_and_pushed_and_may_be_a_folder_there(traveller, image):
    built = traveller.swath(
        "env", "build", str(image), "--name", "mine", "--as", "charliecloud", "--json"
    ).json
    assert Path(built["path"]).is_relative_to(traveller.home)
    pushed = traveller.swath("env", "push", "mine", "--on", "bed", "--json").json
    assert pushed["sha256"] == built["sha256"]
    said = traveller.swath("env", "push", "other", "--on", "bed", code=3)
    assert f"known: {Path(built['path']).name}" in said.err
    folder = f"{traveller.bed.home('alice')}/{traveller.control.name}/folder"
    traveller.bed.sh(
        "alice",
        f"unsquashfs -q -n -d {folder} {pushed['path']} && mkdir -p {folder}{traveller.bed.base}",
    )
    settle(traveller, f"charliecloud:{folder}")
    job = traveller.submit("index", "--on", "bed")
    told = traveller.ended(job)
    assert told["state"] == "successful", told["message"]
    assert provenance(traveller, job)["environment"] == f"charliecloud:{folder}"


def test_a_job_runs_in_an_image_of_apptainer(traveller, image):
    if not traveller.bed.on("login", "sh", "-c", "command -v apptainer || true"):
        pytest.skip("Apptainer: this Debian has none (sid has: testbed.py start sid)")
    build = ("env", "build", str(image), "--on", "bed", "--as", "apptainer", "--use", "--json")
    said = traveller.swath(*build).json
    assert re.fullmatch(r"apptainer:/.*/environments/small-[0-9a-f]{16}\.sif", said["setting"])
    job = traveller.submit("index", "--on", "bed")
    told = traveller.ended(job)
    assert told["state"] == "successful", told["message"]
    assert provenance(traveller, job)["environment"] == said["setting"]
    path = f"{traveller.bed.home('alice')}/{traveller.control.name}/cut.sif"
    traveller.bed.sh("alice", f"head -c 5000 {said['path']} >{path}")
    settle(traveller, f"apptainer:{path}")
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed", code=5)
    assert re.search(f"environment: {path} does not run swath on n", said.err), said.err


# -- modules ----------------------------------------------------------------------------------------------


@pytest.fixture
def modules(traveller):
    """A folder with the module eo/2026, whose Python writes down where it is used."""
    there = f"{traveller.bed.home('alice')}/{traveller.control.name}"
    python = f'#!/bin/sh\nhostname >>"{there}/used"\nexec {traveller.bed.python} "$@"'
    module = f"#%Module1.0\nprepend-path PATH {there}/eo/bin\nsetenv EO_HOME {there}/eo"
    traveller.bed.sh(
        "alice",
        f"mkdir -p {there}/eo/bin {there}/modules/eo; cd {there}; echo '{module}' >modules/eo/2026\n"
        f"echo '{python}' >eo/bin/python3; chmod +x eo/bin/python3",
    )
    return f"{there}/modules"


def test_a_job_runs_with_an_environment_module(traveller, modules):
    settle(traveller, "module:eo/2026")
    there = modules.removesuffix("/modules")
    settings = traveller.home / ".config/swath/swath.toml"
    lines = f"module use {modules}; module load eo; echo $EO_HOME >$EO_HOME/../home"
    settings.write_text(f'{settings.read_text()}prepare = "{lines}"\n')
    job = traveller.submit("index", "--on", "bed")
    told = traveller.ended(job)
    assert told["state"] == "successful", told["message"]
    used = traveller.bed.sh("alice", f"cat {there}/home {there}/used").split()
    assert used[0] == f"{there}/eo"
    assert set(used[1:]) <= set(NODES)
    assert used[1:]


def test_a_module_without_swath_is_said(traveller, modules):
    settle(traveller, "module:eo/2026")
    settings = traveller.home / ".config/swath/swath.toml"
    settings.write_text(f'{settings.read_text()}prepare = "module use {modules}"\n')
    traveller.bed.sh("alice", f"cd {modules}/../eo/bin; echo 'exec /usr/bin/python3 -I \"$@\"' >python3")
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed", code=5)
    assert re.search("environment: the module eo/2026 does not run swath on n", said.err), said.err


# -- faults -----------------------------------------------------------------------------------------------


def settle(person, environment):
    """Let jobs at the site run in an environment."""
    path = person.home / ".config/swath/swath.toml"
    path.write_text(re.sub(r'environment = ".*"', f'environment = "{environment}"', path.read_text()))


FAULTS = {
    "no venv": ("venv:THERE/none", "", "THERE/none is not there on n"),
    "no Python": (
        "venv:THERE/env", "mkdir -p env/bin; ln -s /not/there/python3.12 env/bin/python",
        "Python is missing in THERE/env on n",
    ),
    "no swath": (
        "venv:THERE/env", "BASE/python/bin/python3.12 -m venv --without-pip env",
        "THERE/env does not run swath on n. (ModuleNotFoundError: No module named 'swath')",
    ),
    "no image": ("charliecloud:THERE/none.sqfs", "", "THERE/none.sqfs is not there on n"),
    "cut image": (
        "charliecloud:THERE/cut-0123456789abcdef.sqfs",
        "mkdir x; echo 1 >x/y; mksquashfs x a >/dev/null; head -c 50 a >cut-0123456789abcdef.sqfs",
        "THERE/cut-0123456789abcdef.sqfs is damaged (its content is not what its name says): push or build",
    ),
    "cut archive": (
        "venv:THERE/cut.tar.gz", "seq 9999 >x; tar -czf a x; head -c 999 a >cut.tar.gz",
        "THERE/cut.tar.gz cannot be unpacked to /tmp/swath-environments-61001 on n",
    ),
    "no module": ("module:eo/2026", "", "the module eo/2026 cannot be loaded on n"),
    "no apptainer": ("apptainer:THERE/x.sif", "touch x.sif", "THERE/x.sif does not run swath on n"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_an_environment_that_is_missing_or_damaged_is_one_sentence(traveller, fault):
    environment, script, told = FAULTS[fault]
    there = f"{traveller.bed.home('alice')}/{traveller.control.name}"
    traveller.bed.sh("alice", f"mkdir {there}; cd {there}; {script.replace('BASE', str(traveller.bed.base))}")
    settle(traveller, environment.replace("THERE", there))
    said = traveller.swath("run", "index", *traveller.inputs(), "--on", "bed", code=5)
    pattern = re.escape(told.replace("THERE", there)).replace(r"n\.", "n.")
    assert re.search(rf"environment: {pattern}", said.err), said.err
    (job,) = traveller.swath("jobs", "list", "--json").json
    assert "Traceback" not in job["message"]
    assert "\n" not in job["message"].strip()


def test_the_check_of_a_site_names_its_environment(traveller):
    settle(traveller, "venv:/not/there")
    said = traveller.swath("sites", "check", "bed", code=5)
    assert "environment: /not/there is not there on n" in said.out
    assert "remedy: install swath there: swath sites add NAME --install" in said.out
