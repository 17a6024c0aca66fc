"""Where environments lie: at a site, or on this machine; and how a shell there is asked to do something."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.model import SiteError
from swath.sites.transport import Here

if TYPE_CHECKING:
    from pathlib import Path

    from swath.sites.slurm import SlurmSite
    from swath.sites.transport import Transport

PATIENCE_S = 3600.0
"""How long installing, packing or converting may take."""


@dataclass(frozen=True, slots=True)
class Place:
    """A machine where environments are made and kept."""

    name: str
    """What people call it."""
    transport: Transport
    """The way there."""
    folder: str
    """Where its environments lie."""
    prepare: str = ""
    """Shell lines that come first, such as ``module load Python/3.12``."""

    @classmethod
    def at(cls, site: SlurmSite) -> Place:
        """Name the place of a site's environments."""
        return cls(site.name, site.transport, site.folder("environments"), site.settings.prepare)

    @classmethod
    def here(cls, home: Path) -> Place:
        """Name the place of environments on this machine."""
        return cls("this machine", Here(), str(home / "environments"))

    def shell(self, script: str, *words: str, input: str = "", login: bool = True) -> str:
        """Run a script there, in a login shell since that is where modules are; give what it prints.

        Raises
        ------
        SiteError
            It fails: the last line that it, or what it ran, had to say.
        """
        mark = secrets.token_hex(8)
        text = f"{self.prepare}\nset -e\necho {mark}\n{script}"
        done = self.transport.run(
            ("bash", "-lc" if login else "-c", text, "sh", *words), input=input, timeout_s=PATIENCE_S
        )
        if done.exit_code:
            raise SiteError(f"{self.name}: {last_words(done.errors or done.output)}")
        return done.output.partition(f"{mark}\n")[2]

    def write_about(self, path: str, about: dict[str, Any]) -> None:
        """Write down what an environment is, beside it or in it."""
        self.transport.write(path, f"{json.dumps(about, indent=1, sort_keys=True)}\n".encode())

    def new_folder(self) -> str:
        """Make a folder for something that is not whole yet."""
        path = f"{self.folder}/.new-{secrets.token_hex(6)}"
        self.shell('mkdir -p "$1"', path)
        return path

    def remove(self, path: str) -> None:
        """Delete a folder there; a connection that has broken leaves it."""
        self.transport.run(("rm", "-rf", path), timeout_s=PATIENCE_S)

    def has(self, path: str) -> bool:
        """Tell whether there is such a file or folder."""
        return self.transport.run(("test", "-e", path)).exit_code == 0


def last_words(text: str) -> str:
    r"""Give the line of a program's output that says what is wrong.

    Examples
    --------
    >>> last_words("WARNING: x\nERROR: No matching distribution found for numba==9\n[notice] new release")
    'No matching distribution found for numba==9'
    """
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    errors = [each for each in lines if each.startswith("ERROR:")]
    return (errors or lines or ["it says nothing"])[-1].removeprefix("ERROR:").strip()[:400]
