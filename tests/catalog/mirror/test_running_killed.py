"""Mirrors that are killed or stopped anywhere, and gone on with."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pystac
from catalog.mirror.conftest import Place, item

COUNT = 150

LOOP = """
import sys
from swath.cli.main import run
sys.stdout.write("ready\\n"); sys.stdout.flush()
sys.exit(run(sys.argv[1:]))
"""


def started(*words: str) -> subprocess.Popen[bytes]:
    """Start the command; returns when it begins."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, "catalog", "mirror", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def small_files(folder: Path, maker) -> Path:
    folder.mkdir()
    rng = random.Random(3)
    for at in range(COUNT):
        (folder / f"{at}.bin").write_bytes(rng.randbytes(20_000))
    return maker.write(*[item(f"i{at}", {"a": str(folder / f"{at}.bin")}) for at in range(COUNT)])


def there(place: Place) -> int:
    """How many files are in their places."""
    return sum(not each.name.startswith(".part-") for each in Path(place.address).rglob("*.bin"))


def check_shown(place: Place) -> None:
    """What the catalog shows, is whole; whatever is there besides."""
    top = Path(place.address)
    if (top / "catalog.json").exists():
        for each in pystac.Catalog.from_file(str(top / "catalog.json")).get_items(recursive=True):
            for asset in each.assets.values():
                assert Path(asset.get_absolute_href()).stat().st_size == asset.extra_fields["file:size"]
    for path in top.rglob("i*.json"):
        json.loads(path.read_text())


def test_killed_at_twenty_moments_it_ends_complete(maker, folder, tmp_path):
    file = small_files(tmp_path / "source", maker)
    rng = random.Random(11)
    for _ in range(20):
        goal = there(folder) + rng.randrange(6)
        process = started(str(file), folder.address, "--concurrency", "4", "--bandwidth", "200kB")
        while there(folder) < goal and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.02))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it is killed before its end"
        process.communicate()
        check_shown(folder)
    assert 0 < there(folder) < COUNT
    before = there(folder)
    report = maker.mirror(json.loads(file.read_text())["features"], folder)
    assert (report.copied + report.kept, report.failures) == (COUNT, [])
    assert report.kept >= before - 8, "what was complete is not copied again"
    names = [f"c/i{at}/{name}" for at in range(COUNT) for name in ("a.bin", f"i{at}.json")]
    assert folder.listed() == sorted([*names, "c/collection.json", "catalog.json"])
    assert sum(each.is_file() for each in Path(folder.address).rglob("*")) == 2 * COUNT + 2
    check_shown(folder)


def test_ctrl_c_says_what_is_done_and_how_to_go_on(maker, folder, tmp_path):
    file = small_files(tmp_path / "source", maker)
    process = started(str(file), folder.address, "--concurrency", "2", "--bandwidth", "500kB")
    end = time.monotonic() + 60
    while len(list(Path(folder.address).rglob("i*.json"))) < 3 and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"of {COUNT} files are there" in said.decode()
    assert "the same command goes on from there" in said.decode()
    assert not list(Path(folder.address).rglob(".part-*"))
    done = there(folder)
    report = maker.mirror(json.loads(file.read_text())["features"], folder)
    assert 0 < done < COUNT
    assert (report.kept, report.copied) == (done, COUNT - done)


def test_killed_on_its_way_to_a_bucket(maker, bucket, tmp_path):
    file = small_files(tmp_path / "source", maker)
    process = started(str(file), bucket.address)
    end = time.monotonic() + 60
    while len(bucket.listed()) < 20 and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    report = maker.mirror(json.loads(file.read_text())["features"], bucket)
    assert (report.kept + report.copied, report.failures) == (COUNT, [])
    assert report.kept >= 2
    assert len(bucket.listed()) == 2 * COUNT + 2
    assert os.environ["SWATH_HOME"] not in json.dumps(bucket.json("catalog.json"))
