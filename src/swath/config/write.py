"""Writes tables into a settings file, and leaves everything else in it as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from swath.model import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def user_file(environ: Mapping[str, str] | None = None) -> Path:
    """Give the path of the user's own settings file."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config"
    return Path(base) / "swath" / "swath.toml"


def write_site(path: Path, name: str, values: Mapping[str, Any]) -> None:
    """Write ``[sites.NAME]``; keys that are there already and are not in ``values`` stay.

    Parameters
    ----------
    path : Path
        The settings file; made where there is none.
    name : str
        Name of the site.
    values : mapping
        Keys of `SiteSettings`.

    Raises
    ------
    InputError
        The file is no TOML.
    OutputError
        It cannot be written.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        tree = tomlkit.parse(text)
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise InputError(f"settings: {path} is not TOML ({error})", fix="mend it first") from error
    if "sites" not in tree:
        tree["sites"] = tomlkit.table(is_super_table=True)
    sites: Any = tree["sites"]
    if name not in sites:
        sites[name] = tomlkit.table()
    for key, value in values.items():
        sites[name][key] = value
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(tomlkit.dumps(tree), encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"settings: {path} cannot be written ({error.strerror or error})") from error
