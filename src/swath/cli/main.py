"""The command ``swath``: runs the command that is meant, and turns errors into a sentence and a code.

Only the module of that command is imported, and nothing at all for ``swath --help``: a login node's shared
file system makes each import slow.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from swath.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("swath.cli.demo", "The main job on real data that ships inside the package."),
    "run": ("swath.cli.run", "Run a process."),
    "processes": ("swath.cli.processes", "List the processes, or describe one."),
    "jobs": ("swath.cli.jobs", "List, show, cancel, rerun jobs; their logs and results."),
    "catalog": ("swath.cli.catalog", "Make, fill, search, export and mirror a STAC catalog."),
    "rerun": ("swath.cli.products", "Make a product again and compare every byte."),
    "cite": ("swath.cli.products", "Print how to cite a product and its inputs."),
    "lab": ("swath.cli.lab", "Start JupyterLab or another app at a site, and open it."),
    "sessions": ("swath.cli.sessions", "List, open and stop what `swath lab` has started; its logs."),
    "sites": ("swath.cli.sites", "List the places where jobs can run."),
    "cluster": ("swath.cli.cluster", "Start, scale, stop and list Dask clusters at Slurm sites."),
    "stores": ("swath.cli.stores", "List and check the places where bytes live."),
    "env": ("swath.cli.env", "Make, list and push what jobs run in: one file each."),
    "doctor": ("swath.cli.doctor", "Tell what is installed, what is missing, and what the settings are."),
}
"""Command to the module that has it (as the typer app ``app``, or one named after it), and its help."""

_OBJECTS = 200_000
"""More than there are when a job's first unit begins (130,000)."""
_USAGE = """\
Usage: swath COMMAND [OPTIONS] ...

Earth observation on the computers you already have: catalog in, catalog out.

Commands:
{commands}

Options:
  --version  Print the version.
  --help     Print this; `swath COMMAND --help` explains a command.

Try `swath demo` first. Progress goes to stderr, results to stdout; each command takes --json.
Exit codes: 0 done, 2 bad input, 3 not found, 4 not allowed, 5 the job failed.
"""


def usage() -> str:
    """Write the help of the command ``swath`` itself."""
    return _USAGE.format(commands="\n".join(f"  {name:10} {text}" for name, (_, text) in COMMANDS.items()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _collect_later()
    if not words or words[0] in ("--help", "-h", "help"):
        sys.stdout.write(usage())
        sys.exit(0)
    if words[0] == "--version":
        sys.stdout.write(f"swath {__version__}\n")
        sys.exit(0)
    sys.exit(run(words))


def _collect_later() -> None:
    """Look for garbage only after the start: modules make much to look at, and none of it is garbage.

    What a job's first unit waits for is an eighth shorter so.
    """
    usual = gc.get_threshold()
    if usual[0] == _OBJECTS:
        return

    def as_usual(_phase: str, _found: dict[str, int]) -> None:
        gc.set_threshold(*usual)
        gc.callbacks.remove(as_usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(_OBJECTS)


def run(words: Sequence[str]) -> int:
    """Run one command.

    Returns
    -------
    int
        What the process exits with.
    """
    import typer

    from swath.model import InputError, SwathError

    try:
        return _invoke(words)
    except SwathError as error:
        return _report(error, words)
    except typer.exceptions.TyperException as error:
        reason = error.format_message() or type(error).__name__  # it names the option; str() does not
        return _report(InputError(f"{words[0]}: {reason}", fix=f"see `swath {words[0]} --help`"), words)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\nswath: stopped\n")
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone, as `head` does: nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _invoke(words: Sequence[str]) -> int:
    app = load_command(words[0])
    try:
        result = app(args=list(words[1:]), prog_name=f"swath {words[0]}", standalone_mode=False)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer would end with 1
            raise error.__context__ from None
        raise
    return result if isinstance(result, int) else 0


def load_command(name: str) -> Any:
    """Import the typer app of a command.

    Raises
    ------
    InputError
        There is no such command; the nearest is named.
    """
    from swath.model import unknown

    if name not in COMMANDS:
        raise unknown(f"swath: there is no command {name!r}", name, COMMANDS)
    module = importlib.import_module(COMMANDS[name][0])
    return getattr(module, "app", None) or getattr(module, name)


def _report(error: Any, words: Sequence[str]) -> int:
    if "--json" in words:
        import json

        tree = {
            "error": type(error).__name__,
            "message": error.what,
            "fix": error.fix,
            "known": list(error.known),
        }
        sys.stdout.write(json.dumps(tree, ensure_ascii=False) + "\n")
    sys.stderr.write(f"swath: {error}\n")
    return int(error.exit_code)
