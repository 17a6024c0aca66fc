"""One tree of settings, read once at the edge: files of site, user and project, then the environment."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from swath.config.orders import OrderSettings
from swath.config.sites import SiteSettings, first_unknown
from swath.config.sizes import parse_size
from swath.config.stores import StoreSettings, check_store_name
from swath.model import InputError, NotFoundError, unknown

PREFIX = "SWATH_"
_OTHERS = ("SWATH_SITE_CONFIG", "SWATH_ENVIRONMENT", "SWATH_NATIVE")
"""Variables that are no settings: where a file is, what a script says of itself, which loops to take."""
FILE_NAME = "swath.toml"


def _default_home() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "swath"


class Settings(BaseModel):
    """Everything that can be set, with its default; each key is also an environment variable.

    ``SWATH_HOME=/data/swath`` sets ``home``; two underscores go one level down
    (``SWATH_VALID__MYCOLLECTION__BAND=QA``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=_default_home,
        description="Folder of the embedded catalog, the job store, the jobs and the caches.",
    )
    catalog: str = Field(
        default="",
        description="The catalog that commands use: a SQLite file or the address of a STAC API. "
        "Empty: catalog.sqlite in `home`.",
    )
    threads: int = Field(
        default=0, ge=0, description="Threads of a job that runs in this process; 0: one for each core."
    )
    memory: str = Field(
        default="",
        description="Memory that a job may use here, such as 8GB. Empty: four fifths of what is free.",
    )
    unit_memory: str = Field(
        default="1GB",
        description="Memory that one unit of work may need; tiles are made so small that it fits.",
    )
    valid: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Rules that say which pixels are good, by collection id, over the built-in ones: "
        '`{band = "SCL", values = [4, 5, 7]}` or `{band = "QA_PIXEL", bits_clear = [0, 1, 3, 4]}`.',
    )

    sites: dict[str, SiteSettings] = Field(
        default_factory=dict,
        description="Slurm clusters by name, as tables `[sites.NAME]`, which `swath sites add` writes.",
    )

    stores: dict[str, StoreSettings] = Field(
        default_factory=dict,
        description="Stores by name, as tables `[stores.NAME]`: S3, WebDAV, dCache, HTTP or folders; "
        "`NAME:path` is a file in one.",
    )

    orders: OrderSettings = Field(
        default_factory=OrderSettings,
        description="The cache of assets that are made when they are asked for, as a table `[orders]`.",
    )

    @field_validator("stores")
    @classmethod
    def _check_stores(cls, stores: dict[str, StoreSettings]) -> dict[str, StoreSettings]:
        for name in stores:
            check_store_name(name)
        return stores

    @field_validator("memory", "unit_memory")
    @classmethod
    def _check_size(cls, text: str, info: ValidationInfo) -> str:
        if text or info.field_name == "unit_memory":
            parse_size(text)
        return text

    @property
    def catalog_path(self) -> str:
        """Where the catalog is: a path or an address."""
        return self.catalog or str(self.home / "catalog.sqlite")

    def site(self, name: str) -> SiteSettings:
        """Give what is said of a Slurm site.

        Raises
        ------
        NotFoundError
            There is no such site.
        """
        if name not in self.sites:
            raise NotFoundError(
                f"sites: there is no site {name!r}",
                fix="add it: swath sites add NAME --ssh user@host",
                known=("local", *self.sites),
            )
        return self.sites[name]

    @property
    def unit_memory_bytes(self) -> int:
        """Bytes that one unit of work may need."""
        return parse_size(self.unit_memory)

    def memory_bytes(self) -> int:
        """Bytes that a job may use on this machine now."""
        if self.memory:
            return parse_size(self.memory)
        import psutil

        return int(psutil.virtual_memory().available * 0.8)

    def thread_count(self) -> int:
        """Threads that a job may use on this machine."""
        if self.threads:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @classmethod
    def read(cls, folder: Path | None = None, environ: dict[str, str] | None = None) -> Self:
        """Read the settings that hold in a folder.

        Parameters
        ----------
        folder : Path, optional
            Where to start looking upward for ``swath.toml``; the working folder unless given.
        environ : dict of str, optional
            The environment; this process's unless given.

        Raises
        ------
        InputError
            A file is no TOML, or a key is not known; the nearest known key is named.
        """
        environ = dict(os.environ) if environ is None else environ
        tree: dict[str, Any] = {}
        for path in reversed(setting_files(folder or Path.cwd(), environ)):
            tree = _merged(tree, _read_toml(path))
        return cls.parse(_merged(tree, _from_environ(environ)))

    @classmethod
    def parse(cls, tree: dict[str, Any], source: str = "settings") -> Self:
        """Check a tree of settings that was read from somewhere.

        Examples
        --------
        >>> Settings.parse({"threads": 2}).threads
        2
        """
        _check_keys(tree, cls, source)
        for group, model in (("sites", SiteSettings), ("stores", StoreSettings)):
            tables = tree.get(group)
            for name, table in tables.items() if isinstance(tables, dict) else ():
                if isinstance(table, dict):
                    _check_keys(table, model, f"{source}: {group}.{name}")
        if isinstance(tree.get("orders"), dict):
            _check_keys(tree["orders"], OrderSettings, f"{source}: orders")
        try:
            return cls.model_validate(tree)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(each) for each in first["loc"])
            cause = first.get("ctx", {}).get("error")
            if isinstance(cause, InputError):
                what = cause.what.removeprefix("settings: ")
                raise InputError(f"{source}: {key}: {what}", fix=cause.fix) from error
            raise InputError(f"{source}: {key}: {first['msg']}, got {first['input']!r}") from error


def _check_keys(tree: dict[str, Any], model: type[BaseModel], source: str) -> None:
    if key := first_unknown(tree, model):
        raise unknown(f"{source}: the key {key!r} is not known", key, tuple(model.model_fields))


def setting_files(folder: Path, environ: dict[str, str]) -> list[Path]:
    """List the settings files that hold in a folder, the strongest first.

    Parameters
    ----------
    folder : Path
        Its own and its parents' ``swath.toml``: the first that is found.
    environ : dict of str
        ``XDG_CONFIG_HOME`` moves the user's file, ``SWATH_SITE_CONFIG`` the site's.
    """
    found = [each / FILE_NAME for each in (folder, *folder.parents) if (each / FILE_NAME).is_file()][:1]
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config")
    site = Path(environ.get("SWATH_SITE_CONFIG", f"/etc/swath/{FILE_NAME}"))
    return found + [each for each in (home / "swath" / FILE_NAME, site) if each.is_file()]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"settings: {path} is not TOML ({error})") from error
    Settings.parse(tree, str(path))
    for key in ("home",):
        if isinstance(tree.get(key), str):  # a path in a file means: beside that file
            tree[key] = str(path.parent / Path(tree[key]).expanduser())
    return tree


def _from_environ(environ: dict[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in _OTHERS:
            continue
        *parents, last = name.removeprefix(PREFIX).split("__")
        at = tree
        for each in (part.lower() if depth == 0 else part for depth, part in enumerate(parents)):
            at = at.setdefault(each, {})
        at[last.lower()] = _value_of(text)
    if "home" in tree:
        tree["home"] = str(Path(str(tree["home"])).expanduser().absolute())
    return tree


def _value_of(text: str) -> Any:
    """Read a value as TOML writes it where that works (numbers, lists), else take the text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, (int, float, list, dict, str)) else text


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(under[key], over[key])
        for key in under.keys() & over.keys()
        if isinstance(under[key], dict) and isinstance(over[key], dict)
    }
    return {**under, **over, **both}
