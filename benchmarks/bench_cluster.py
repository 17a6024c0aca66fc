"""How soon Dask workers are there on a Slurm: ours beside dask-jobqueue, one, twelve, and one that was lost.

It starts the test bed (as root), and runs both in turn as alice on its login node. The mark: ours takes
at most 1.5 times as long as dask-jobqueue's.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MARK = 1.5
WORKERS = 12
ROUNDS = 3
PATIENCE_S = 15


def time_swath() -> list[float]:
    """Give the seconds to the first worker, from there to all, and until a cancelled one is replaced."""
    import swath

    began = time.perf_counter()
    with swath.cluster("bed", workers=1, cpus=1, memory="800MB", time="00:10:00") as client:
        client.wait_for_workers(1)
        first = time.perf_counter() - began
        client.cluster.scale(WORKERS)
        client.wait_for_workers(WORKERS)
        grown = time.perf_counter() - began - first
        return [first, grown, time_replaced(client, names_of(client)[0])]


def time_jobqueue(*, encrypted: bool) -> list[float]:
    """Give the same of dask-jobqueue."""
    began = time.perf_counter()
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    tls = (
        {"security": True, "protocol": "tls://", "shared_temp_directory": str(Path.cwd())}
        if encrypted
        else {}
    )
    with (
        SLURMCluster(
            cores=1, memory="800MB", processes=1, walltime="00:10:00", queue="normal", interface="eth0", **tls
        ) as cluster,
        Client(cluster) as client,
    ):
        cluster.scale(1)
        client.wait_for_workers(1)
        first = time.perf_counter() - began
        cluster.scale(WORKERS)
        client.wait_for_workers(WORKERS)
        grown = time.perf_counter() - began - first
        return [first, grown, time_replaced(client, next(iter(cluster.workers.values())).job_id)]


def names_of(client) -> list[str]:
    """Name the workers that are connected."""
    return [str(each["name"]) for each in client.scheduler_info(n_workers=-1)["workers"].values()]


def time_replaced(client, job: str) -> float:
    """Cancel a worker's job, and give the seconds until there are as many again; infinite: they are not."""
    began = time.perf_counter()
    subprocess.run(("scancel", job), check=True)
    gone = False
    while (passed := time.perf_counter() - began) < PATIENCE_S:
        count = len(names_of(client))
        gone = gone or count < WORKERS
        if gone and count == WORKERS:
            return passed
        time.sleep(0.02)
    return math.inf


KINDS = {
    "swath": time_swath,
    "dask-jobqueue, TLS": partial(time_jobqueue, encrypted=True),
    "dask-jobqueue": partial(time_jobqueue, encrypted=False),
}


def run_one(kind: str) -> None:
    """Run one of them, on the login node."""
    print(json.dumps(KINDS[kind]()))


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
        taken: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
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
    for at, title in enumerate(
        ("first worker", f"from 1 to {WORKERS} workers", "a cancelled worker replaced")
    ):
        rows = {kind: statistics.median(each[at] for each in times) for kind, times in taken.items()}
        print(f"\nDask on Slurm: {title} (s, median of {ROUNDS}; mark {MARK:g})")
        for kind, seconds in rows.items():
            there, peer = seconds < math.inf, rows["dask-jobqueue"]
            ratio = f"{seconds / peer:6.2f} of dask-jobqueue's" if peer < math.inf else ""
            told = f"{seconds:12.2f}   {ratio}" if there else f"not within {PATIENCE_S} s"
            print(f"  {kind:44} {told}".rstrip())
            row = {"benchmark": f"cluster: {title}", "row": kind, "unit": "s", "mark": MARK}
            print(json.dumps({**row, "seconds": round(seconds, 2) if there else None}))


if __name__ == "__main__":
    run_one(sys.argv[1]) if len(sys.argv) > 1 else main()
