"""What environments are made of."""

from __future__ import annotations

import pytest

from swath.model import InputError, NotFoundError
from swath.sites.envs import read_source

MARKERS = {"python_version": "3.12", "sys_platform": "linux"}
PROJECT = '[project]\nname = "My.EO tools"\n[build-system]\nrequires = []\n'


def test_a_project_with_a_lock(tmp_path):
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    with pytest.raises(InputError, match="no lock beside it") as raised:
        read_source(tmp_path)
    assert "uv pip compile" in raised.value.fix
    (tmp_path / "requirements.lock").write_text(
        "# by hand\nAffine==3.0 \\\n    --hash=sha256:12 \\\n    --hash=sha256:34\n    # via x\n"
        "old==1 ; python_version < '3'\nnew==2 ; python_version > '3'  # later\n"
    )
    for given in (tmp_path, tmp_path / "pyproject.toml"):
        source = read_source(given)
        assert (source.kind, source.name, source.project) == ("venv", "my-eo-tools", tmp_path)
        assert source.pins(MARKERS) == {
            "affine": "Affine==3.0 --hash=sha256:12 --hash=sha256:34",
            "new": "new==2",
        }


def test_the_lock_of_pep_751(tmp_path):
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\n[[packages]]\nname = "affine"\nversion = "3.0"\n'
        '[[packages.wheels]]\nurl = "x"\nhashes = {sha256 = "12"}\n'
        '[[packages]]\nname = "odd"\nversion = "1"\nmarker = "sys_platform == \'win32\'"\n'
    )
    assert read_source(tmp_path / "pylock.toml").pins(MARKERS) == {"affine": "affine==3.0 --hash=sha256:12"}


@pytest.mark.parametrize("line", ["affine", "affine>=3", "-r other.txt", "affine==3.*x"])
def test_lines_without_a_version_are_no_lock(tmp_path, line):
    (tmp_path / "requirements.lock").write_text(f"{line}\n")
    with pytest.raises(InputError, match="names no version of a package"):
        read_source(tmp_path / "requirements.lock")


def test_conda_images_and_what_is_neither(tmp_path):
    (tmp_path / "environment.yml").write_text("channels: [x]\nname: EO\ndependencies: [python=3.12]\n")
    source = read_source(tmp_path / "environment.yml")
    assert (source.kind, source.name) == ("conda", "eo")
    for name in ("small.tar", "small.tar.gz", "small.oci"):
        (tmp_path / name).touch()
        assert (read_source(tmp_path / name).kind, read_source(tmp_path / name).name) == ("image", "small")
    (tmp_path / "picture.png").touch()
    with pytest.raises(InputError, match="nothing that an environment is made of"):
        read_source(tmp_path / "picture.png")
    with pytest.raises(NotFoundError):
        read_source(tmp_path / "none.yml")
