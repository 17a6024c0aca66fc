"""How fast a mirror copies to S3, beside ``rclone copy`` of the same files with as many at once.

Run it with ``python benchmarks/bench_mirror.py [--small 2000] [--large 2] [--large-mb 500] [--concurrency 16]
[--scratch FOLDER]``. Source is a folder or the bucket of a SeaweedFS that it starts, destination that bucket;
wall time is of the whole, CPU time of the client alone. rclone trusts the MD5 that S3 knows, swath sums all.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from storage.servers import BUCKET, KEY, SECRET, seaweedfs  # noqa: E402 -- found by the line above

RCLONE = str(Path(sys.executable).parent / "rclone")


def items(names: list[str], place: str) -> dict:
    """Give an ItemCollection, an item for each file."""
    point = {"type": "Point", "coordinates": [5, 52]}
    when = {"datetime": "2020-01-01T00:00:00Z"}
    return {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "stac_version": "1.1.0", "id": name.partition(".")[0], "collection": "c",
             "geometry": point, "bbox": [5, 52, 5, 52], "properties": when, "links": [],
             "assets": {"data": {"href": f"{place}/{name}"}}}
            for name in names
        ],
    }  # fmt: skip


def timed(words: list[str], **environ: str) -> tuple[float, float]:
    """Run a command; give wall and CPU seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(words, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(words)} ends with {done.returncode}: {done.stdout}{done.stderr}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make_files(folder: Path, count: int, size: int) -> list[str]:
    """Write files of noise, each another."""
    folder.mkdir()
    piece = os.urandom(1 << 20)
    for at in range(count):
        with (folder / f"f{at}.bin").open("wb") as file:
            file.write(at.to_bytes(8))
            for left in range(size - 8, 0, -len(piece)):
                file.write(piece[: min(left, len(piece))])
    return [f"f{at}.bin" for at in range(count)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=2000, help="files of 100 kB")
    parser.add_argument("--large", type=int, default=2, help="files of --large-mb")
    parser.add_argument("--large-mb", type=int, default=500)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--scratch", help="folder for the files and the server")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as made:
        folder = Path(made)
        with seaweedfs(folder / "server") as server:
            config = folder / "rclone.conf"
            config.write_text(
                "".join(
                    f"[{name}]\ntype = s3\nprovider = SeaweedFS\naccess_key_id = {KEY}\n"
                    f"secret_access_key = {SECRET}\nendpoint = {server.url}\n"
                    for name in ("from", "to")
                )
            )
            told = {"url": f"s3://{BUCKET}", "endpoint": server.url, "key": KEY, "secret": SECRET}
            environ = {f"SWATH_STORES__eo__{name.upper()}": value for name, value in told.items()}
            for kind, count, size in (
                ("small", given.small, 100_000), ("large", given.large, given.large_mb * 1_000_000),
            ):  # fmt: skip
                names = make_files(folder / kind, count, size)
                began = time.process_time()
                for name in names:
                    hashlib.sha256((folder / kind / name).read_bytes()).hexdigest()
                print(f"SHA-256 of all {kind} files alone: {time.process_time() - began:.1f} CPU-s")
                rclone = [RCLONE, "--config", str(config), "copy", "--transfers", str(given.concurrency),
                          "--checkers", str(given.concurrency)]  # fmt: skip
                timed([*rclone, str(folder / kind), f"from:{BUCKET}/source/{kind}"])
                for source in ("folder", "S3"):
                    run(folder, kind, source, names, rclone, environ, given, count * size)


def run(
    folder: Path, kind: str, source: str, names: list[str], rclone: list[str], environ: dict, given, size: int
) -> None:
    """Copy by both, in turn, and print both."""
    place = str(folder / kind) if source == "folder" else f"s3://{BUCKET}/source/{kind}"
    listed = folder / f"{kind}-{source}.json"
    listed.write_text(json.dumps(items(names, place)))
    swath = [sys.executable, "-m", "swath", "catalog", "mirror", str(listed), f"eo:mirror/{kind}-{source}",
             "--concurrency", str(given.concurrency)]  # fmt: skip
    theirs = place if source == "folder" else f"from:{BUCKET}/source/{kind}"
    rows = {
        "swath": timed(swath, SWATH_HOME=str(folder / f"home-{kind}-{source}"), **environ),
        "rclone": timed([*rclone, theirs, f"to:{BUCKET}/rclone/{kind}-{source}"]),
        "swath again": timed(swath, SWATH_HOME=str(folder / f"home-{kind}-{source}"), **environ),
        "rclone again": timed([*rclone, theirs, f"to:{BUCKET}/rclone/{kind}-{source}"]),
    }
    print(f"\n{len(names)} {kind} files, {source} to S3 ({size / 1e6:.0f} MB)")
    for name, (wall, cpu) in rows.items():
        print(f"  {name:14} {wall:7.2f} s  {size / wall / 1e6:8.1f} MB/s  {cpu:6.2f} CPU-s")
        record = {"benchmark": "mirror", "kind": kind, "source": source, "row": name}
        print(json.dumps({**record, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}))


if __name__ == "__main__":
    main()
