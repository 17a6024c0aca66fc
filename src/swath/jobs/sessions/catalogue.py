"""Apps as folders: ``app.toml`` says what one is, ``form.json`` what can be chosen, ``start.sh`` starts it.

The script, ``start.sh``, is never filled in: it finds the socket, the choices and the rest in
variables ``SESSION_...``, so that no value can become a command.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field, fields
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from swath.model import InputError, NotFoundError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from swath.config import Settings

SCRIPT = "start.sh"
"""The file that starts an app."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


@dataclass(frozen=True, slots=True)
class AppFolder:
    """An app that can be started as a session."""

    name: str
    """Its name: that of its folder."""
    title: str
    """What people call it."""
    files: dict[str, bytes]
    """Its files, which go to the site."""
    about: str = ""
    """One sentence."""
    listens: str = "socket"
    """``socket`` or ``port``; see `swath.sites.session.SessionOrder`."""
    ready: str = ""
    """Path that answers once it is ready."""
    open: str = "/"
    """Path that the browser opens."""
    password: bool = False
    """True where it asks for the password in ``$SESSION_PASSWORD_FILE`` (HTTP basic)."""
    arguments: str = ""
    """Name of the choice whose words become the script's arguments."""
    needs: tuple[str, ...] = ()
    """Programs, and Python modules as ``python:NAME``, that have to be there."""
    resources: dict[str, Any] = field(default_factory=dict)
    """What it asks Slurm for unless told otherwise: time, cpus, memory."""
    form: dict[str, Any] = field(default_factory=dict)
    """JSON Schema of the choices."""

    def check(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Check what the user chose.

        Raises
        ------
        InputError
            A choice that the form does not have, or one of another kind.
        """
        import jsonschema_rs

        known = self.form.get("properties", {})
        for name in inputs:
            if name not in known:
                raise unknown(f"{self.name}: there is no input {name!r}", name, known)
        try:
            jsonschema_rs.validate(self.form, dict(inputs))
        except jsonschema_rs.ValidationError as error:
            where = ".".join(str(each) for each in error.instance_path)
            raise InputError(
                f"{self.name}: {where + ': ' if where else ''}{error.message}",
                fix=f"swath lab --app {self.name} -i NAME=VALUE" if known else "",
                known=tuple(known),
            ) from error
        return dict(inputs)

    def command(self, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Give the command that starts it, where ``{folder}`` is the session's."""
        words = inputs.get(self.arguments, ()) if self.arguments else ()
        return ("/bin/sh", "-eu", f"{{folder}}/app/{SCRIPT}", *map(str, words))

    def takes_port(self, inputs: Mapping[str, Any]) -> bool:
        """Tell whether it listens on a port of the loopback."""
        words = inputs.get(self.arguments, ()) if self.arguments else ()
        return self.listens == "port" or any("{port}" in str(each) for each in words)


def app_folders(settings: Settings) -> dict[str, Path]:
    """Find the apps: those of the package, and over them the user's own in ``apps`` of ``home``."""
    with as_file(files("swath.jobs.sessions") / "apps") as own:
        places = [own, settings.home / "apps"]
        return {
            each.parent.name: each.parent for place in places for each in sorted(place.glob("*/app.toml"))
        }


def read_app(name: str, settings: Settings) -> AppFolder:
    """Read an app.

    Raises
    ------
    NotFoundError
        There is none of that name.
    InputError
        Its files are wrong.
    """
    found = app_folders(settings)
    if name not in found:
        raise unknown(f"app: there is no app {name!r}", name, found, NotFoundError)
    return parse_app(found[name])


def parse_app(folder: Path) -> AppFolder:
    """Read the folder of an app.

    Raises
    ------
    InputError
        Its files are wrong.
    """
    name, path = folder.name, folder / "app.toml"
    if not _NAME.fullmatch(name):
        raise InputError(f"app: {name!r} is no name for an app", fix="use a to z, 0 to 9 and -, 30 at most")
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"app: {path} is not TOML ({error})") from error
    known = {each.name for each in fields(AppFolder)} - {"name", "files", "form"}
    for key in tree:
        if key not in known:
            raise unknown(f"app: {path}: the key {key!r} is not known", key, known)
    form_file = folder / "form.json"
    try:
        form = json.loads(form_file.read_text(encoding="utf-8")) if form_file.exists() else {}
    except ValueError as error:
        raise InputError(f"app: {form_file} is not JSON ({error})") from error
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()
    }
    contents = {each.name: each.read_bytes() for each in sorted(folder.iterdir()) if each.is_file()}
    app = AppFolder(**{"title": name, **given}, name=name, files=contents, form=form)
    _check(app, path)
    return app


def _check(app: AppFolder, path: Path) -> None:
    if SCRIPT not in app.files:
        raise InputError(f"app: {path}: there is no {SCRIPT} beside it")
    if app.listens not in ("socket", "port"):
        raise InputError(f"app: {path}: listens has to be socket or port, got {app.listens!r}")
    for key in app.resources:
        if key not in ("time", "cpus", "memory", "gpus"):
            raise unknown(
                f"app: {path}: resources.{key} is not known", key, ("time", "cpus", "memory", "gpus")
            )
