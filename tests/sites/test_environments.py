"""Command lines of environments; those of conda, modules and Apptainer are tested here alone, as text."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from swath.model import InputError
from swath.sites.environments import launch, mounts
from swath.sites.slurm import batch_script

BINDS = ("/data/jobs/1", "/data/s2/a.tif", "/home/alice/items/x/y.tif")


def script(environment, **options):
    """A batch script that prints swath's version in an environment."""
    started = launch(environment, remote=True, binds=BINDS, **options)
    return batch_script(
        about=(), options=(), folder="/data/jobs/1", prepare="\n".join(started.lines),
        command=(*started.python, "-c", "import swath; print(swath.__version__)"),
    )  # fmt: skip


def last(environment):
    return script(environment).splitlines()[-1].split(" -c ")[0]


def test_the_own_environment_is_where_it_is_seen():
    assert launch("own", remote=False).lines == ()
    with pytest.raises(InputError, match="the site does not see the Python that you use here"):
        launch("own", remote=True)


def test_commands_of_folders_and_modules():
    assert last("venv:/data/env") == "exec /data/env/bin/python"
    assert last("conda:/data/it's/env") == """exec '/data/it'"'"'s/env/bin/python'"""
    text = script("conda:/data/conda/eo")
    assert "swath_place=/data/conda/eo\n" in text
    assert 'export CONDA_PREFIX="$swath_in"\nexport PATH="$CONDA_PREFIX/bin:$PATH"\n' in text
    assert last("module:eo/2026.1") == "exec python3"
    assert "module load eo/2026.1 || swath_stop" in script("module:eo/2026.1")


def test_command_of_apptainer():
    assert last("apptainer:/data/eo.sif") == (
        "exec env -u PYTHONPATH -u PYTHONHOME apptainer exec --bind=/data --bind=/home/alice/items "
        '--pwd "${PWD}" /data/eo.sif python3'
    ).replace("${PWD}", "$PWD")


def test_command_of_charliecloud():
    assert last("charliecloud:/data/eo") == (
        "exec ch-run \"$CH_RUN_MORE\" --unset-env=LD_LIBRARY_PATH '--unset-env=PYTHON*' "
        "--set-env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "
        '"$CH_RUN_ENV" --bind=/data:/data --bind=/home/alice/items:/home/alice/items '
        '--cd "$PWD" "$IMAGE_THERE" -- python3'
    )


def test_environments_of_one_file_are_unpacked_once_to_the_disk_of_the_node(tmp_path):
    """A venv in a tar, run for real: two jobs of a node, the second of which unpacks nothing."""
    env = tmp_path / "made"
    (env / "bin").mkdir(parents=True)
    (env / "bin/python").write_text('#!/bin/sh\necho "$@"\n')
    (env / "bin/python").chmod(0o755)
    subprocess.run(("tar", "-cf", tmp_path / "x.tar", "-C", env, "."), check=True)
    started = launch(f"venv:{tmp_path}/x.tar", remote=True, scratch="$HERE/disk")
    text = "\n".join(("set -eu", *started.lines, 'exec "$PYTHON_THERE" works'))
    environ = {**os.environ, "HERE": str(tmp_path)}
    (tmp_path / "disk").mkdir()
    for _ in range(2):
        done = subprocess.run(
            ("bash", "-c", text), cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
        )
        assert done.stdout == "works\n"
        (folder,) = (tmp_path / "disk").glob("*/x.tar-*[0-9]")
        (folder / "bin/more").touch()  # would be gone if it were unpacked again
    assert (folder / "bin/more").exists()
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_not_unpacked_to(tmp_path):
    (tmp_path / "x.tar").write_bytes(bytes(10240))
    (tmp_path / f"swath-environments-{os.getuid()}").symlink_to("/tmp")
    (tmp_path / "job.json").touch()
    started = launch(f"venv:{tmp_path}/x.tar", remote=True, scratch=str(tmp_path))
    done = subprocess.run(
        ("bash", "-c", "\n".join(("set -eu", *started.lines))), cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 5
    assert "is not yours: set scratch in the settings of the site" in done.stderr
    note = json.loads((tmp_path / "tasks/0.json").read_text())
    assert note["exit_code"] == 5
    assert note["message"].startswith(f"environment: {tmp_path}/swath-environments-")


def test_few_folders_are_mounted_and_none_over_those_of_an_image():
    assert mounts(BINDS) == ["/data", "/home/alice/items"]
    assert mounts(("/tmp/x", "/usr/share/data/x/y", "/lustre")) == ["/lustre", "/usr/share/data"]
