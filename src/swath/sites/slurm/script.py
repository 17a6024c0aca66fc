"""Writes batch scripts that people can read, and submit by hand as well."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from swath.sites.slurm.states import UNSEEN

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLAIN = re.compile(r"[\w.,:+@%/=\[\]-]+")
_MODULE = re.compile(r"^\s*(module|ml)\s", re.MULTILINE)
# A script has the shell function `module` where its submitter had it. A command over SSH has none: no login
# shell ran there. Profiles of sites are not written for `set -eu`, and some set PATH anew.
_PROFILE = """
command -v module >/dev/null 2>&1 || {
  set +eu; swath_path=$PATH; . /etc/profile >/dev/null 2>&1; PATH=$PATH:$swath_path; set -eu
}
"""


def batch_script(
    *,
    about: Sequence[str],
    options: Sequence[str],
    folder: str,
    prepare: str,
    command: Sequence[str],
    name: str = "job.sh",
) -> str:
    """Write a batch script.

    Parameters
    ----------
    about : sequence of str
        Comments for its readers.
    options : sequence of str
        Options of sbatch, ``--name=value``; only such as need no quotes.
    folder : str
        Where it works.
    prepare : str
        Shell lines that come first; where they load environment modules, these are made known before.
    command : sequence of str
        Program and arguments; ``$NAME`` as a whole word stands for a variable of Slurm, all else is quoted.
    name : str
        Name of the script in that folder. A node that does not find it there does not see the folder: Slurm
        itself makes one of that name there, for the log, or starts the script elsewhere.

    Raises
    ------
    ValueError
        An option that would need quotes: it belongs onto sbatch's command line.
    """
    for each in options:
        if not _PLAIN.fullmatch(each):
            raise ValueError(f"options: {each!r} needs quotes")
    comments = [f"# {' '.join(each.split())}" for each in about]
    directives = [f"#SBATCH {each}" for each in options]
    lines = [
        "#!/bin/bash",
        *directives,
        *comments,
        "set -eu",
        f"cd {shlex.quote(folder)} && [ -e {name} ] || exit {UNSEEN}",
    ]
    if _MODULE.search(prepare):
        lines += _PROFILE.strip().splitlines()
    lines += [each for each in prepare.splitlines() if each.strip()]
    lines.append("exec " + " ".join(_word(each) for each in command))
    return "\n".join(lines) + "\n"


def _word(text: str) -> str:
    variable = re.fullmatch(r"\$([A-Z_]+)(?::(\w+))?", text)
    if variable is None:
        return shlex.quote(text)
    name, otherwise = variable.groups()
    return f'"${{{name}:-{otherwise}}}"' if otherwise is not None else f'"${name}"'
