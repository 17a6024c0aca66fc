"""People who use swath: alice on the login node, and somebody at a laptop; both by the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slurm.testbed import Testbed

HERE = Path(__file__).resolve().parent
PATIENCE_S = 120


@dataclass(frozen=True)
class Said:
    """What a command has said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Person:
    """Somebody with a shell."""

    bed: Testbed
    prefix: Sequence[str]
    """What comes before each command."""
    environ: dict[str, str] | None
    home: Path
    control: Path
    """Folder that rules the process ``waiting``, as this machine sees it."""
    items: Path
    """Items of the demonstration, with paths as the cluster sees them."""

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            (*self.prefix, *words), env=self.environ, cwd=self.home, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip

    def run(self, *words: str) -> Said:
        """Run a command, whatever comes of it."""
        process = self.start(*words)
        out, err = process.communicate(timeout=PATIENCE_S)
        return Said(process.returncode, out, err)

    def swath(self, *words: str, code: int = 0) -> Said:
        """Run swath; it has to end with an exit code."""
        said = self.run("swath", *words)
        assert said.code == code, (words, said)
        return said

    def submit(self, process: str, *words: str, **inputs: Any) -> str:
        """Submit a job and leave it; give its id."""
        return str(
            self.swath("run", process, *self.inputs(**inputs), *words, "--detach", "--json").json["id"]
        )

    def inputs(self, **inputs: Any) -> list[str]:
        """Write inputs as the command line takes them; items and index are there unless given."""
        given = {"items": str(self.items), "index": "NDVI", "tile_size": 64, **inputs}
        return [word for key, value in given.items() for word in ("-i", f"{key}={json.dumps(value)}")]

    def show(self, job: str) -> dict[str, Any]:
        """Ask where a job stands."""
        return dict(self.swath("jobs", "show", job, "--json").json)

    def wait_for(self, job: str, what: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Ask again and again until what a job says is so."""
        until = time.monotonic() + PATIENCE_S
        while not what(told := self.show(job)):
            assert time.monotonic() < until, told
            time.sleep(0.3)
        return told

    def ended(self, job: str) -> dict[str, Any]:
        """Wait until a job has ended."""
        return self.wait_for(job, lambda told: told["state"] in ("successful", "failed", "dismissed"))

    def say(self, name: str) -> None:
        """Tell the process ``waiting`` something."""
        (self.control / name).touch()

    def begun(self) -> list[str]:
        """Name the attempts at units that have begun: ``begun-UNIT-HOST-PID``."""
        return sorted(each.name for each in self.control.glob("begun-*"))

    def wait_begun(self, count: int) -> list[str]:
        """Wait until so many attempts have begun."""
        until = time.monotonic() + PATIENCE_S
        while len(names := self.begun()) < count:
            assert time.monotonic() < until, names
            time.sleep(0.1)
        return names


def write_items(path: Path, bed: Testbed, demo: list[dict[str, Any]], count: int = 3) -> Path:
    """Write some items of the demonstration, with the paths that their files have on the cluster."""
    text = json.dumps({"type": "FeatureCollection", "features": demo[:count]})
    source = HERE.parents[1] / "src"
    path.write_text(text.replace(str(source), str(bed.base / "src")))
    path.chmod(0o644)
    return path


def laptop_environ(home: Path) -> dict[str, str]:
    """Give the environment of a laptop's user, who has swath and the process ``waiting``."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {
        "HOME": str(home), "PATH": path, "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join((str(HERE.parents[1] / "src"), str(HERE / "plugin"))),
    }  # fmt: skip
