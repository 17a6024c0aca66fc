"""What every command shares: the settings, and how results go out (stdout) for people and for machines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swath.config import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def read_settings() -> Settings:
    """Read the settings that hold here; the only place of the command line that does."""
    from swath.config import Settings

    return Settings.read()


def emit_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def emit_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with aligned columns: a rich one for a terminal, plain text for a pipe."""
    cells = [[str(each) for each in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*header, box=None, header_style="bold", pad_edge=False)
        for row in cells:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for row in [list(header), *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def program() -> str:
    """Give what the user types to run swath: the bare name where that finds this one, else its path."""
    own = Path(sys.argv[0])
    found = shutil.which("swath")
    if own.name != "swath" or (found and Path(found).resolve() == own.resolve()):
        return "swath"
    return os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own)


def say(text: str) -> None:
    """Print a line for people on stderr."""
    print(text, file=sys.stderr)
