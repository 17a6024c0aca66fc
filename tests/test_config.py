"""Settings: which file wins, what is not known, sizes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.config import Settings, parse_size, setting_files
from swath.model import InputError


@pytest.fixture
def places(tmp_path):
    """The three files' places: project, user, site; and the environment that leads to them."""
    project, user, site = tmp_path / "project", tmp_path / "user" / "swath", tmp_path / "site"
    for each in (project / "deep" / "deeper", user, site):
        each.mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "user"), "SWATH_SITE_CONFIG": str(site / "swath.toml")}
    return {"project": project, "user": user, "site": site}, environ


def write(folder: Path, text: str) -> None:
    (folder / "swath.toml").write_text(text)


def test_environment_over_project_over_user_over_site(places):
    folders, environ = places
    here = folders["project"] / "deep" / "deeper"
    write(folders["site"], 'threads = 1\nmemory = "1GB"\ncatalog = "site"\nunit_memory = "1MB"\n')
    assert Settings.read(here, environ).threads == 1
    write(folders["user"], 'threads = 2\nmemory = "2GB"\ncatalog = "user"\n')
    write(folders["project"], 'threads = 3\nmemory = "3GB"\n')
    found = Settings.read(here, {**environ, "SWATH_THREADS": "4"})
    assert (found.threads, found.memory, found.catalog, found.unit_memory) == (4, "3GB", "user", "1MB")
    assert setting_files(here, environ) == [
        folders[each] / "swath.toml" for each in ("project", "user", "site")
    ]


def test_the_nearest_file_upward_is_the_projects(places):
    folders, environ = places
    write(folders["project"], "threads = 3\n")
    write(folders["project"] / "deep", "threads = 5\n")
    assert Settings.read(folders["project"] / "deep" / "deeper", environ).threads == 5
    assert Settings.read(folders["project"], environ).threads == 3


def test_rules_of_several_files_go_together(places):
    folders, environ = places
    write(folders["user"], '[valid.a]\nband = "QA"\nvalues = [1]\n[valid.b]\nband = "QB"\nvalues = [2]\n')
    write(folders["project"], "[valid.a]\nvalues = [7]\n")
    found = Settings.read(folders["project"], {**environ, "SWATH_VALID__b__BAND": "other"}).valid
    assert found == {"a": {"band": "QA", "values": [7]}, "b": {"band": "other", "values": [2]}}


@pytest.mark.parametrize("place", ["project", "user", "site"])
def test_an_unknown_key_is_told_with_its_file(places, place):
    folders, environ = places
    write(folders[place], "threds = 2\n")
    with pytest.raises(InputError, match="the key 'threds' is not known") as error:
        Settings.read(folders["project"], environ)
    assert str(folders[place] / "swath.toml") in error.value.what
    assert error.value.fix == "did you mean 'threads'?"


def test_an_unknown_variable_is_told(places):
    folders, environ = places
    with pytest.raises(InputError, match="'memroy' is not known") as error:
        Settings.read(folders["project"], {**environ, "SWATH_MEMROY": "1GB"})
    assert error.value.fix == "did you mean 'memory'?"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("threads = ", "is not TOML"),
        ("threads = -1", "threads: .*greater than or equal to 0, got -1"),
        ('threads = "many"', "threads: .*got 'many'"),
        ("memory = 5", "memory: .*string, got 5"),
        ("[home]\nx = 1", "home: "),
        ("threads = 1\nthreads = 2", "is not TOML"),
    ],
)
def test_a_wrong_file_is_told_by_its_name(places, text, told):
    folders, environ = places
    write(folders["project"], text)
    with pytest.raises(InputError) as error:
        Settings.read(folders["project"], environ)
    assert re.search(told, str(error.value), re.DOTALL)
    assert "swath.toml" in str(error.value)


def test_a_file_that_is_no_text_is_told(places):
    folders, environ = places
    (folders["project"] / "swath.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not TOML"):
        Settings.read(folders["project"], environ)


def test_a_path_in_a_file_is_beside_that_file(places):
    folders, environ = places
    write(folders["project"], 'home = "data"\n')
    found = Settings.read(folders["project"] / "deep", environ)
    assert found.home == folders["project"] / "data"
    assert found.catalog_path == str(folders["project"] / "data" / "catalog.sqlite")
    assert Settings.read(folders["project"], {**environ, "SWATH_HOME": "/elsewhere"}).home == Path(
        "/elsewhere"
    )


def test_defaults_need_no_file(tmp_path):
    found = Settings.read(tmp_path, {"HOME": str(tmp_path), "SWATH_SITE_CONFIG": str(tmp_path / "none")})
    assert found.threads == 0
    assert found.thread_count() >= 1
    assert 0 < found.memory_bytes() < 1 << 50
    assert found.unit_memory_bytes == 1_000_000_000
    assert found.home.name == "swath"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("500", 500), ("0", 0), ("1kB", 1000), ("1 KiB", 1024), ("2.5MB", 2_500_000), ("4GiB", 4 << 30),
        ("1T", 10**12), ("3g", 3 * 10**9), (12, 12),
    ],
)  # fmt: skip
def test_sizes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "1PB", "1.2.3GB", ".", "1 GB of it", "1e9"])
def test_what_is_no_size_is_told(text):
    with pytest.raises(InputError, match="is not a size"):
        parse_size(text)


@given(st.integers(0, 10**15))
def test_a_number_of_bytes_is_itself(count):
    assert parse_size(str(count)) == count


@pytest.mark.parametrize("key", ["memory", "unit_memory"])
def test_a_wrong_size_is_told_when_settings_are_read(places, key):
    folders, environ = places
    write(folders["project"], f'{key} = "lots"\n')
    with pytest.raises(InputError, match=rf"swath\.toml: {key}: 'lots' is not a size") as error:
        Settings.read(folders["project"], environ)
    assert error.value.fix == "write it like 500MB, 4GB or 4GiB"
