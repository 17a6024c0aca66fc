"""The Slurm test bed, started once for all tests that need it, and ended by who started it."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from slurm.images import debian_layer, layer, write_docker
from slurm.machine import why_not
from slurm.people import Person, laptop_environ, write_items
from slurm.testbed import Testbed

if TYPE_CHECKING:
    from collections.abc import Iterator


collect_ignore = ["plugin"]
"""Its process is for jobs on the bed; importing it would register it here."""


@pytest.hookimpl(tryfirst=True)  # before -m looks for them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests of the bed."""
    here = Path(__file__).parent
    for each in items:
        if each.path.is_relative_to(here):
            each.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def running_bed() -> Iterator[Testbed]:
    """A test bed that runs, for tests that come one after the other: they switch its hosts off."""
    if reason := why_not():
        pytest.skip(f"Slurm: {reason}")
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("Slurm: its tests cannot run side by side; run them without -n, as make test does")
    bed = Testbed.of()
    started = bed.start()
    yield bed
    if started:
        bed.stop()


@pytest.fixture
def bed(running_bed: Testbed) -> Iterator[Testbed]:
    """The test bed, with everything on, before and after."""
    running_bed.resume()
    yield running_bed
    running_bed.clear_queue()


@pytest.fixture
def laptop(running_bed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home on this machine whose SSH knows the login node as ``bed``, with the keys of alice and bob."""
    home = tmp_path / "laptop"
    folder = home / ".ssh"
    folder.mkdir(parents=True, mode=0o700)
    address = running_bed.address("login")
    host_key = (running_bed.base / "etc/hostkey.pub").read_text()
    (folder / "known_hosts").write_text(f"{address} {host_key}")
    text = f"Host bed\n  HostName {address}\n"
    for user in ("alice", "bob"):
        shutil.copy(running_bed.key(user), folder / user)
        (folder / user).chmod(0o600)
        text += f"  IdentityFile {folder / user}\n"
    (folder / "config").write_text(text)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture
def control(running_bed: Testbed) -> Path:
    """A folder that everybody may write to, which rules the process ``waiting``."""
    folder = running_bed.shared / secrets.token_hex(4)
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.fixture
def alice(bed: Testbed, control: Path, demo: list[dict[str, Any]]) -> Person:
    """Somebody on the login node, with the site ``bed`` in her settings."""
    folder = control / "home"
    settings = f'[sites.bed]\nfolder = "{folder}/site"\n'
    bed.sh(
        "alice", f"mkdir -p ~/.config/swath {folder} && cat >~/.config/swath/swath.toml <<'E'\n{settings}E"
    )
    prefix = (*bed.command("alice"), f"SWATH_HOME={folder}/swath")
    items = write_items(control / "items.json", bed, demo)
    return Person(bed, prefix, None, bed.home("alice"), control, items)


@pytest.fixture
def traveller(bed: Testbed, laptop: Path, control: Path, demo: list[dict[str, Any]]) -> Person:
    """Somebody at a laptop, with the site ``bed`` in the settings, as alice over SSH."""
    folder = laptop / ".config/swath"
    folder.mkdir(parents=True)
    there = f"{bed.home('alice')}/{control.name}"
    (folder / "swath.toml").write_text(
        f'[sites.bed]\nssh = "alice@bed"\nfolder = "{there}"\nenvironment = "venv:{bed.base}/env"\n'
    )
    items = write_items(laptop / "items.json", bed, demo)
    return Person(bed, (), laptop_environ(laptop), laptop, control, items)


@pytest.fixture
def jupyter(bed: Testbed) -> None:
    """JupyterLab's own files, where an environment of the users has them."""
    pytest.importorskip("jupyterlab")
    for name in ("share/jupyter", "etc/jupyter"):
        if not (target := bed.base / "env" / name).exists():
            shutil.copytree(Path(sys.prefix) / name, target)


@pytest.fixture(scope="session")
def image(running_bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Debian as `docker save` writes it; its Python is that of the test bed, and it runs swath."""
    python = f'#!/bin/sh\nexec {running_bed.python} "$@"\n'.encode()
    layers = (
        debian_layer(),
        layer({"usr/bin/python3": python, "opt/gone": b""}),
        layer({"opt/.wh.gone": b""}),
    )
    # Found by what the image says of its environment: without, this Python does not find its own library.
    environ = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": f"{running_bed.base}/python/lib"}
    return write_docker(tmp_path_factory.mktemp("image") / "small.tar", layers, environ)
