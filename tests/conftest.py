"""Fixtures that every test folder shares."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import swath
import swath.catalog
from swath.config import Settings
from swath.demo.data import demo_folder

# Seeds are fixed, and a busy machine is no failure; look for new examples with --hypothesis-profile=search.
hypothesis.settings.register_profile("swath", deadline=None, derandomize=True)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile("swath")

# What a shell runs in the background ignores Ctrl-C, and so would all that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip without it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not here")
    return folder


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a SWATH_HOME of its own, and none of the user's settings."""
    home = tmp_path / "swath-home"
    monkeypatch.setenv("SWATH_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return home


@pytest.fixture(scope="session")
def demo() -> list[dict[str, Any]]:
    """The 140 items of the demonstration data; not to be changed."""
    return swath.demo_items()


@pytest.fixture
def settings(own_home: Path) -> Settings:
    """Settings of a home of its own, on two threads."""
    return Settings(home=own_home, threads=2, memory="1GB")


@pytest.fixture(scope="session")
def _demo_catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "catalog.sqlite"
    with swath.catalog.open_catalog(str(path), create=True) as catalog:
        swath.ingest(catalog, str(demo_folder() / "stac" / "collection.json"))
    return path


@pytest.fixture
def demo_catalog(settings: Settings, _demo_catalog_file: Path) -> Settings:
    """Settings whose catalog holds the demonstration's items."""
    Path(settings.catalog_path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_demo_catalog_file, settings.catalog_path)
    return settings
