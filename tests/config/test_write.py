"""Writing a site into a settings file that belongs to somebody."""

from __future__ import annotations

import pytest

from swath.config import Settings
from swath.config.write import user_file, write_site
from swath.model import InputError, OutputError


def test_everything_else_stays_as_it_is(tmp_path):
    path = tmp_path / "deep" / "swath.toml"
    write_site(path, "one", {"folder": "/x", "slurm": ["--a=b"], "partitions": {"p": {"nodes": 2}}})
    path.write_text("# mine\nthreads = 3 # three\n\n" + path.read_text() + "\n# the end\n")
    write_site(path, "two", {"ssh": "a@b"})
    write_site(path, "one", {"folder": "/y"})
    text = path.read_text()
    assert text.startswith("# mine\nthreads = 3 # three\n")
    assert "# the end" in text
    settings = Settings.read(path.parent, {})
    assert settings.threads == 3
    assert (settings.sites["one"].folder, settings.sites["one"].slurm) == ("/y", ("--a=b",))
    assert settings.sites["one"].partitions["p"].nodes == 2
    assert settings.sites["two"].ssh == "a@b"
    assert [each.name for each in path.parent.iterdir()] == ["swath.toml"]


def test_a_file_that_is_no_toml_is_left_alone(tmp_path):
    path = tmp_path / "swath.toml"
    path.write_text("threads = = 3")
    with pytest.raises(InputError, match="is not TOML"):
        write_site(path, "one", {})
    assert path.read_text() == "threads = = 3"


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_site(tmp_path / "file" / "swath.toml", "one", {})


def test_the_users_own_file():
    assert str(user_file({"HOME": "/home/a"})) == "/home/a/.config/swath/swath.toml"
    assert str(user_file({"XDG_CONFIG_HOME": "/c"})) == "/c/swath/swath.toml"
