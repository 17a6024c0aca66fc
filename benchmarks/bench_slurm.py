"""How long it takes from a command to running code on a Slurm cluster, beside sbatch by hand in the same run.

Wall time by nature, of the real Slurm that tests/slurm starts (Debian, as root). Slurm itself begins a job
at once or some 0.4 s later, whoever submits it: so the least time of each is told beside the median.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from slurm.machine import why_not  # noqa: E402
from slurm.people import Person, laptop_environ, write_items  # noqa: E402
from slurm.testbed import Testbed  # noqa: E402

import swath  # noqa: E402

REPEATS = 12


def wait_for(path: Path) -> float:
    """Give the time when a file has come."""
    until = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(path)
        time.sleep(0.002)
    return path.stat().st_mtime


def by_hand(bed: Testbed, control: Path) -> float:
    """Time sbatch alone, up to the script's first line."""
    mark = control / f"hand-{time.monotonic_ns()}"
    began = time.time()
    bed.sh("alice", f"cd {control}/home && sbatch --parsable --wrap 'touch {mark}'")
    return wait_for(mark) - began


def by_swath(person: Person) -> float:
    """Time `swath run --detach`, from the command to the first unit's first line."""
    control = person.control / f"run-{time.monotonic_ns()}"
    control.mkdir()
    control.chmod(0o777)
    (control / "go").touch()
    began = time.time()
    person.swath("run", "waiting", *person.inputs(control=str(control)), "--on", "bed", "--detach", "--json")
    while not (marks := list(control.glob("begun-*"))):
        time.sleep(0.002)
    return min(each.stat().st_mtime for each in marks) - began


def people(bed: Testbed, control: Path, home: Path) -> dict[str, Person]:
    """Make somebody on the login node and somebody at a laptop."""
    items = write_items(control / "items.json", bed, swath.demo_items())
    settings = home / "swath.toml"
    settings.write_text(f'[sites.bed]\nfolder = "{control}/home/site"\n')
    bed.sh("alice", f"mkdir -p ~/.config/swath {control}/home")
    (bed.home("alice") / ".config/swath/swath.toml").write_text(settings.read_text())
    prefix = (*bed.command("alice"), f"SWATH_HOME={control}/home/swath")
    here = Person(bed, prefix, None, bed.home("alice"), control, items)
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh/known_hosts").write_text(
        f"{bed.address('login')} {(bed.base / 'etc/hostkey.pub').read_text()}"
    )
    (home / ".ssh/config").write_text(
        f"Host bed\n  HostName {bed.address('login')}\n  IdentityFile {bed.key('alice')}\n"
    )
    (home / ".config/swath").mkdir(parents=True)
    (home / ".config/swath/swath.toml").write_text(
        f'[sites.bed]\nssh = "alice@bed"\nfolder = "{control}/home/laptop"\n'
        f'environment = "venv:{bed.base}/env"\n'
    )
    return {
        "login node": here,
        "laptop, over SSH": Person(bed, (), laptop_environ(home), home, control, items),
    }


def main() -> None:
    """Print a table and JSON lines."""
    if reason := why_not():
        print(f"left out: {reason}")
        return
    bed = Testbed.of()
    started = bed.start()
    control = bed.shared / f"bench-{time.monotonic_ns()}"
    control.mkdir()
    control.chmod(0o777)
    rows: dict[str, list[float]] = {"sbatch by hand, to the script": []}
    try:
        with tempfile.TemporaryDirectory() as home:
            persons = people(bed, control, Path(home))
            for _ in range(REPEATS + 1):
                rows["sbatch by hand, to the script"].append(by_hand(bed, control))
                for name, person in persons.items():
                    rows.setdefault(f"swath run from the {name}, to the first unit", []).append(
                        by_swath(person)
                    )
                bed.clear_queue()
    finally:
        if started:
            bed.stop()
    print("\nfrom a command to running code on Slurm (seconds; mark: sbatch + 1 here, + 2 over SSH)")
    for name, times in rows.items():
        middle = statistics.median(times[1:])  # the first compiles
        print(f"  {name:58} least {min(times[1:]):5.2f}  median {middle:5.2f}")
        print(
            json.dumps(
                {
                    "benchmark": "Slurm latency",
                    "row": name,
                    "unit": "s",
                    "least": round(min(times[1:]), 3),
                    "seconds": round(middle, 3),
                }
            )
        )


if __name__ == "__main__":
    main()
