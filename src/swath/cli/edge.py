"""What every command shares: the settings, and how results go out (stdout) for people and for machines."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from swath.config import Settings
    from swath.model import Step

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


def tell_steps(steps: Iterable[Step], *, as_json: bool) -> list[Step]:
    """Print the steps of a check as each is done, or all as JSON; gives them."""
    done = []
    for step in steps:
        done.append(step)
        if not as_json:
            print(f"{step.name:9} {'ok  ' if step.good else 'FAIL'} {step.told}", flush=True)
            if step.remedy:
                print(f"               remedy: {step.remedy}")
    if as_json:
        emit_json([asdict(each) for each in done])
    return done


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
