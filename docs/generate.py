"""Writes the pages of the reference from what the code says of itself.

``python docs/generate.py [FOLDER]``; the folder is docs/reference unless given.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import swath
from swath.cli.main import COMMANDS, load_command
from swath.config import Settings
from swath.config.orders import OrderSettings
from swath.processes import processes

if TYPE_CHECKING:
    from collections.abc import Iterable

_MADE = "<!-- Written by docs/generate.py; changes here are lost. -->\n"
_MODULES = {
    "Jobs": ("swath.jobs", ("Job",)),
    "Processes of your own": (
        "swath.processes",
        ("process", "ItemInputs", "CubeInputs", "RasterInputs", "PlanLimits", "WorkPlan", "Unit", "UnitWork"),
    ),
    "Products": ("swath.products", ("Raster", "Layer", "Quantity", "quantity_of")),
    "Kernels": ("swath.kernels", ()),
    "Catalogs": ("swath.catalog", ("Catalog", "Search", "IngestReport")),
    "Demonstration data": ("swath.demo", ("demo_items", "demo_folder")),
    "Errors": ("swath.model.errors", ()),
}
"""Heading to a module and its names; all public ones where none is given."""


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [f"| {' | '.join(header)} |"]
    lines.append("|" + " --- |" * (lines[0].count("|") - 1))
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _page(title: str, text: str) -> str:
    return f"{_MADE}# {title}\n\n{text.rstrip()}\n"


# The command line


def commands_page() -> str:
    """Describe each command with its arguments and options."""
    from typer.main import get_command

    parts = [
        "Results go to stdout, progress and advice to stderr. Each command takes `--json`. A command ends "
        "with 0 when it is done, 2 after bad input, 3 when something was not found, 4 when it is not "
        "allowed, and 5 when a job failed.\n",
        _table(
            ("command", "what it does"), [(f"`swath {name}`", text) for name, (_, text) in COMMANDS.items()]
        ),
    ]
    for name in COMMANDS:
        command = get_command(load_command(name))
        children = getattr(command, "commands", None)
        if children is None:
            parts.append(_command(f"swath {name}", command))
            continue
        for part, found in children.items():
            if not found.hidden:
                parts.append(_command(f"swath {name} {part}", found))
    return _page("Command line", "\n".join(parts))


def _command(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = " ".join([name, *(_argument(each) for each in arguments), "[OPTIONS]" if options else ""])
    text = f"## `{name}`\n\n{_help(command.help)}\n\n```text\n{words.strip()}\n```\n"
    rows = [(f"`{_argument(each)}`", getattr(each, "help", None) or "", "") for each in arguments]
    rows += [(_option(each), each.help or "", _default(each)) for each in options if each.name != "help"]
    return text + ("\n" + _table(("argument or option", "meaning", "default"), rows) if rows else "")


def _help(text: str) -> str:
    """Keep paragraphs; what begins with ``Example:`` is code."""
    lines = []
    for each in (text or "").strip().split("\n\n"):
        line = " ".join(each.split())
        example = line.removeprefix("Example: ")
        lines.append(f"    {example}" if example != line else line)
    return "\n\n".join(lines)


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return str(name) if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{each}`" for each in sorted(parameter.opts, key=len, reverse=True))
    return names + (f" `{parameter.metavar}`" if parameter.metavar else "")


def _default(parameter: Any) -> str:
    value = parameter.default
    return "" if value in (None, "", False) or callable(value) else f"`{value}`"


# Settings


def settings_page() -> str:
    """Describe each setting."""
    rows = [
        (f"`{name}`", f"`SWATH_{name.upper()}`", _setting_default(field), field.description)
        for name, field in Settings.model_fields.items()
    ]
    text = (
        "Settings come from up to three `swath.toml` files (the working folder's or its nearest parent's, "
        "the user's, the site's, in this order) and from environment variables, which win over all files. "
        "[Settings](../howto/settings.md) shows how.\n\n"
    )
    orders = [
        (f"`{name}`", f"`SWATH_ORDERS__{name.upper()}`", _setting_default(field), field.description)
        for name, field in OrderSettings.model_fields.items()
    ]
    header = ("key", "environment", "default", "meaning")
    return _page("Settings", f"{text}{_table(header, rows)}\n## `[orders]`\n\n{_table(header, orders)}")


def _setting_default(field: Any) -> str:
    if field.default_factory is not None:
        return "none" if field.annotation is not Path else "`swath` in the user's data folder"
    return f"`{field.default!r}`".replace("'", '"')


# Processes


def processes_page() -> str:
    """Describe each process with all its inputs, from its JSON schema."""
    parts = [
        "Each input is given as `-i name=value`; a value is JSON or plain text. `swath processes NAME "
        "--json` prints the JSON schema that this page is made from.\n"
    ]
    for found in processes().values():
        schema = found.schema()
        rows = [
            (
                f"`{name}`",
                _type(field, schema),
                _input_default(name, field, schema),
                field.get("description", ""),
            )
            for name, field in schema["properties"].items()
        ]
        parts.append(
            f"## `{found.id}`\n\n{found.title}, version {found.version}.\n\n{found.description}\n\n"
            + _table(("input", "type", "default", "meaning"), rows)
        )
    return _page("Processes", "\n".join(parts))


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(each, schema) for each in field["anyOf"] if each.get("type") != "null")
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[-1])
    if field.get("type") == "array":
        kinds = field.get("prefixItems")
        return f"{len(kinds)} numbers" if kinds else f"{_type(field.get('items', {}), schema)}s"
    return str(field.get("type", "any"))


def _input_default(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    if name in schema.get("required", ()):
        return "required"
    value = field.get("default")
    if value in (None, [], ""):
        return ""
    return f"`{', '.join(map(str, value)) if isinstance(value, list) else value}`"


# Python


def python_page() -> str:
    """Name the public functions and classes; mkdocstrings writes their docstrings."""
    parts = [
        "`import swath` loads nothing but itself; each name is imported when it is first used.\n",
        "## Functions of the package\n",
        _entry("swath.cube", "load", "swath.load"),
        _entry("swath.api.items", "save", "swath.save"),
        _entry("swath.api.items", "search", "swath.search"),
        _entry("swath.api.running", "run", "swath.run"),
        _entry("swath.api.items", "order", "swath.order"),
        _entry("swath.api.running", "cluster", "swath.cluster"),
        "### `swath.catalog`\n\n`swath.catalog(location=None, *, create=False)` opens a catalog: a SQLite "
        "file or the address of a STAC API; that of the settings unless given. It gives a "
        "[Catalog](#swath.catalog.Catalog).\n",
        _entry("swath.catalog", "ingest", "swath.ingest"),
        _entry("swath.api.items", "mirror", "swath.mirror"),
        _entry("swath.storage.filesystem", "filesystem", "swath.filesystem"),
        _entry("swath.demo", "demo_items", "swath.demo_items"),
        "## The accessor of cubes\n",
        _entry("swath.cube", "SwathAccessor", "Dataset.swath"),
    ]
    for heading, (module, names) in _MODULES.items():
        parts.append(f"## {heading}\n")
        found = names or tuple(_public(module))
        parts += [_entry(module, name, f"{module}.{name}") for name in found if name != "demo_items"]
    return _page("Python", "\n".join(parts))


def _public(module: str) -> list[str]:
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", None) or [
        name for name, each in vars(loaded).items() if getattr(each, "__module__", "") == module
    ]
    return [each for each in names if callable(getattr(loaded, each)) and not each.startswith("_")]


def _entry(module: str, name: str, title: str) -> str:
    return f"### `{title}`\n\n::: {module}.{name}\n"


def main(folder: Path) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "commands.md": commands_page(), "settings.md": settings_page(), "processes.md": processes_page(),
        "python.md": python_page(),
    }  # fmt: skip
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.stderr.write(f"swath {swath.__version__}: reference\n")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "reference")
