"""How soon Dask workers are there on a Slurm: ours beside dask-jobqueue, one worker, then twelve.

It starts the test bed (as root), and runs both in turn as alice on its login node. The mark: ours takes
at most 1.5 times as long as dask-jobqueue's.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = 1.5
WORKERS = 12
ROUNDS = 3


def time_swath() -> tuple[float, float]:
    """Give the seconds to the first worker, and from there to all."""
    import swath

    began = time.perf_counter()
    with swath.cluster("bed", workers=1, cpus=1, memory="800MB", time="00:10:00") as client:
        client.wait_for_workers(1)
        first = time.perf_counter() - began
        client.cluster.scale(WORKERS)
        client.wait_for_workers(WORKERS)
        return first, time.perf_counter() - began - first


def time_jobqueue() -> tuple[float, float]:
    """Give the same of dask-jobqueue."""
    began = time.perf_counter()
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    with (
        SLURMCluster(
            cores=1, memory="800MB", processes=1, walltime="00:10:00", queue="normal",
            security=True, protocol="tls://", shared_temp_directory=str(Path.cwd()), interface="eth0",
        ) as cluster,
        Client(cluster) as client,
    ):  # fmt: skip
        cluster.scale(1)
        client.wait_for_workers(1)
        first = time.perf_counter() - began
        cluster.scale(WORKERS)
        client.wait_for_workers(WORKERS)
        return first, time.perf_counter() - began - first


def run_one(kind: str) -> None:
    """Run one of them, on the login node."""
    call = {"swath": time_swath, "dask-jobqueue": time_jobqueue}[kind]
    print(json.dumps(call()))


def main() -> None:
    """Run both in turn on the test bed."""
    sys.path.insert(0, str(ROOT / "tests"))
    from slurm.testbed import Testbed, wait_until

    bed = Testbed.of()
    started = bed.start()
    try:
        script = bed.shared / "bench_cluster.py"
        script.write_text(Path(__file__).read_text())
        settings = bed.home("alice") / "swath.toml"
        settings.write_text(f'[sites.bed]\nfolder = "{bed.home("alice")}/swath"\npartition = "normal"\n')
        taken: dict[str, list[list[float]]] = {"swath": [], "dask-jobqueue": []}
        for _ in range(ROUNDS):
            for kind, times in taken.items():
                done = subprocess.run(
                    bed.command("alice", bed.python, str(script), kind),
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    raise SystemExit(f"{kind}: {done.stderr[-2000:]}")
                times.append(json.loads(done.stdout.splitlines()[-1]))
                bed.sh("alice", "scancel -u alice")
                wait_until("an empty queue", lambda: not bed.sh("alice", "squeue --me -h"), 60)
    finally:
        if started:
            bed.stop()
    for at, title in enumerate(("first worker", f"from 1 to {WORKERS} workers")):
        rows = {kind: statistics.median(each[at] for each in times) for kind, times in taken.items()}
        print(f"\nDask on Slurm: {title} (s, median of {ROUNDS}; mark {MARK:g})")
        for kind, seconds in rows.items():
            print(f"  {kind:44} {seconds:12.2f}   {seconds / rows['dask-jobqueue']:6.2f} of dask-jobqueue's")
            row = {
                "benchmark": f"cluster: {title}",
                "row": kind,
                "unit": "s",
                "seconds": round(seconds, 2),
                "mark": MARK,
            }
            print(json.dumps(row))


if __name__ == "__main__":
    run_one(sys.argv[1]) if len(sys.argv) > 1 else main()
