"""The software that a job, a worker or a session runs in, as shell lines and the beginning of a command."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from swath.model import InputError


@dataclass(frozen=True, slots=True)
class Launch:
    """How a Python program is started in an environment."""

    lines: tuple[str, ...] = ()
    """Shell lines that come before."""
    python: tuple[str, ...] = ("python3",)
    """The command that runs Python, without its arguments."""


def launch(environment: str, *, remote: bool, binds: tuple[str, ...] = ()) -> Launch:
    """Tell how Python is started in an environment.

    Parameters
    ----------
    environment : str
        ``own``, or kind and place; see `swath.config.SiteSettings`.
    remote : bool
        True where the site does not see the caller's own environment.
    binds : tuple of str
        Folders that a container has to see, under the same names.

    Raises
    ------
    InputError
        The caller's own environment is asked for where it is not to be seen.

    Examples
    --------
    >>> launch("venv:/data/env", remote=True).python
    ('/data/env/bin/python',)
    """
    kind, _, place = environment.partition(":")
    if kind == "own":
        if remote:
            raise InputError(
                "environment: the site does not see the Python that you use here",
                fix='install swath there: swath sites add NAME --install, or set environment = "venv:FOLDER"',
            )
        return Launch(python=(sys.executable,))
    if kind == "venv":
        return Launch(python=(f"{place}/bin/python",))
    if kind == "conda":
        # What an activation does that programs need, without a shell function that scripts do not have.
        lines = (f"export CONDA_PREFIX={shlex.quote(place)}", 'export PATH="$CONDA_PREFIX/bin:$PATH"')
        return Launch(lines, (f"{place}/bin/python",))
    if kind == "module":
        return Launch((f"module load {shlex.quote(place)}",), ("python3",))
    if kind == "charliecloud":
        bound = [f"--bind={each}:{each}" for each in binds]
        return Launch(python=("ch-run", "--write-fake", *bound, place, "--", "python3"))
    bound = [f"--bind={each}" for each in binds]
    return Launch(python=("apptainer", "exec", *bound, place, "python3"))
