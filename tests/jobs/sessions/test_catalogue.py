"""Apps as folders."""

from __future__ import annotations

import pytest

from swath.config import Settings
from swath.jobs.sessions.catalogue import app_folders, parse_app, read_app
from swath.model import InputError, NotFoundError


@pytest.fixture
def settings(tmp_path):
    return Settings.parse({"home": str(tmp_path)})


def write(folder, toml, script="exec true\n", form=None):
    folder.mkdir(parents=True)
    (folder / "app.toml").write_text(toml)
    if script:
        (folder / "start.sh").write_text(script)
    if form:
        (folder / "form.json").write_text(form)
    return folder


def test_every_app_of_the_package_can_be_read_and_says_what_it_is(settings):
    found = {name: read_app(name, settings) for name in app_folders(settings)}
    assert set(found) == {"code-server", "command", "desktop", "jupyterlab", "marimo", "tensorboard"}
    for each in found.values():
        assert each.title
        assert each.about.endswith(".")
        assert each.files["start.sh"].strip()
        assert each.form["type"] == "object"
        assert each.resources.keys() >= {"time", "cpus", "memory"}
        assert all(option["description"] for option in each.form["properties"].values())
        assert each.listens == "socket" or each.password  # else all on its node could open it


def test_a_users_own_app_comes_beside_and_before_those_of_the_package(settings):
    write(settings.home / "apps/panel", 'title = "Panel"\nabout = "Dashboards."\n')
    write(settings.home / "apps/marimo", 'title = "My marimo"\n')
    assert read_app("panel", settings).title == "Panel"
    assert read_app("marimo", settings).title == "My marimo"


def test_choices_are_checked_by_the_form(settings):
    app = read_app("tensorboard", settings)
    assert app.check({"logdir": "/data/logs"}) == {"logdir": "/data/logs"}
    with pytest.raises(InputError, match="there is no input 'logdri'") as caught:
        app.check({"logdri": "/data"})
    assert "did you mean 'logdir'" in str(caught.value)
    with pytest.raises(InputError, match="tensorboard: logdir: 3 is not of type"):
        app.check({"logdir": 3})
    with pytest.raises(InputError, match='tensorboard: "logdir" is a required property'):
        app.check({})


def test_a_command_becomes_the_arguments_of_the_script(settings):
    app = read_app("command", settings)
    words = ["python", "-m", "http.server", "{port}"]
    assert app.command({"command": words}) == ("/bin/sh", "-eu", "{folder}/app/start.sh", *words)
    assert app.takes_port({"command": words})
    assert not app.takes_port({"command": ["serve", "{socket}"]})


def test_an_app_that_does_not_exist_is_told_with_the_nearest(settings):
    with pytest.raises(NotFoundError, match="there is no app 'jupiterlab'") as caught:
        read_app("jupiterlab", settings)
    assert "did you mean 'jupyterlab'" in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "script", "form", "told"),
    [
        ("title =", "x", None, "is not TOML"),
        ('tilte = "x"', "x", None, "the key 'tilte' is not known"),
        ('title = "x"', None, None, "there is no start.sh beside it"),
        ('listens = "pipe"', "x", None, "listens has to be socket or port, got 'pipe'"),
        ("[resources]\nhours = 3", "x", None, "resources.hours is not known"),
        ('title = "x"', "x", "{", "is not JSON"),
    ],
)
def test_mistakes_in_an_app_are_told_with_its_file(tmp_path, toml, script, form, told):
    with pytest.raises(InputError, match=told):
        parse_app(write(tmp_path / "mine", toml, script, form))


def test_the_folder_of_an_app_has_a_plain_name(tmp_path):
    with pytest.raises(InputError, match="'Mine!' is no name for an app"):
        parse_app(write(tmp_path / "Mine!", 'title = "x"'))
