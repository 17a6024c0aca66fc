"""How fast a mirror copies to S3, beside ``rclone copy`` of the same files with as many at once.

Run it with ``python benchmarks/bench_mirror.py [--small 2000] [--large 2] [--large-mb 500] [--concurrency 16]
[--sources folder,S3] [--scratch FOLDER]``. Source is a folder or the bucket of a SeaweedFS, destination that
bucket, each row with a server of its own; wall time is of the whole, CPU time of the client alone, load that
of the machine before. rclone trusts the MD5 that S3 knows; swath sums all, and lets the server copy what is
large and in its bucket.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from storage.servers import BUCKET, KEY, SECRET, Server, seaweedfs  # noqa: E402 -- found by the line above

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
    parser.add_argument("--sources", default="folder,S3")
    parser.add_argument("--scratch", help="folder for the files and the server")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.scratch) as made:
        for kind, count, size in (
            ("small", given.small, 100_000), ("large", given.large, given.large_mb * 1_000_000),
        ):  # fmt: skip
            if not count:
                continue
            names = make_files(Path(made) / kind, count, size)
            began = time.process_time()
            for name in names:
                with (Path(made) / kind / name).open("rb") as file:
                    hashlib.file_digest(file, "sha256")
            print(f"SHA-256 of all {kind} files alone: {time.process_time() - began:.1f} CPU-s", flush=True)
            for source in given.sources.split(","):
                with (
                    tempfile.TemporaryDirectory(dir=given.scratch) as served,
                    seaweedfs(Path(served) / "server", volumes=200) as server,
                ):
                    run(Path(made), Path(served), server, kind, source, names, given, count * size)
            shutil.rmtree(Path(made) / kind)


def run(
    made: Path, folder: Path, server: Server, kind: str, source: str, names: list[str], given, size: int
) -> None:
    """Copy by both, in turn, and print both."""
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
    environ["SWATH_HOME"] = str(folder / "home")
    rclone = [RCLONE, "--config", str(config), "copy", "--transfers", str(given.concurrency),
              "--checkers", str(given.concurrency)]  # fmt: skip
    place, theirs = str(made / kind), str(made / kind)
    if source == "S3":
        place, theirs = f"s3://{BUCKET}/source/{kind}", f"from:{BUCKET}/source/{kind}"
        timed([*rclone, str(made / kind), theirs])
    listed = folder / "items.json"
    listed.write_text(json.dumps(items(names, place)))
    swath = [sys.executable, "-m", "swath", "catalog", "mirror", str(listed), f"eo:mirror/{kind}",
             "--concurrency", str(given.concurrency)]  # fmt: skip
    print(f"\n{len(names)} {kind} files, {source} to S3 ({size / 1e6:.0f} MB)")
    for name in ("swath", "rclone", "swath again", "rclone again"):
        words = swath if name.startswith("swath") else [*rclone, theirs, f"to:{BUCKET}/rclone/{kind}"]
        load = os.getloadavg()[0]
        wall, cpu = timed(words, **environ)
        print(f"  {name:14} {wall:7.2f} s  {size / wall / 1e6:8.1f} MB/s  {cpu:6.2f} CPU-s  load {load:.1f}")
        record = {"benchmark": "mirror", "kind": kind, "source": source, "row": name}
        print(json.dumps({**record, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)}), flush=True)


if __name__ == "__main__":
    main()
