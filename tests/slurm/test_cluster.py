"""Dask clusters on a real Slurm: right answers and the size that is wanted, whatever is done to workers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from slurm.machine import SSHD, wait_until
from slurm.testbed import NODES

import swath
from swath.model import SiteError
from swath.sites.cluster.certificates import make_certificate, read_security
from swath.sites.slurm import close_sites

WORKER = 'cpus=2, memory="1GB", time="00:10:00"'


@pytest.fixture
def site(bed, laptop, tmp_path, monkeypatch):
    """The bed as a site of alice, on the login node and on the laptop."""
    folder = bed.sh("alice", "rm -rf ~/swath ~/.config; mkdir -p ~/.config/swath; echo ~/swath").strip()
    asked = 'partition = "normal"\nmemory = "1GB"\ncpus = 1\ntime = "00:02:00"\n'
    own = f'[sites.bed]\nfolder = "{folder}"\n{asked}'
    bed.sh("alice", f"cat > ~/.config/swath/swath.toml <<'END'\n{own}END")
    environment = f"venv:{bed.base}/env"
    (tmp_path / "swath.toml").write_text(f'{own}ssh = "alice@bed"\nenvironment = "{environment}"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWATH_HOME", str(tmp_path / "home"))
    yield folder
    close_sites()


def queue(bed):
    """States of alice's jobs that have not ended."""
    return bed.sh("alice", "squeue --me --noheader -o %T | grep -v COMPLETING || true").split()


def start_script(bed, text):
    """Start Python as alice on the login node."""
    path = bed.shared / f"script{time.monotonic_ns()}.py"
    body = text.strip("\n").replace("\n", "\n    ")
    # Who is started in the background of a shell ignores Ctrl-C, and so would this.
    head = "import os, signal, sys, time\nimport swath\n"
    head += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    path.write_text(f'{head}if __name__ == "__main__":\n    {body}\n')
    return subprocess.Popen(
        bed.command("alice", bed.python, "-u", str(path)),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def run_script(bed, text):
    """Run Python as alice on the login node; give what it prints as JSON in its last line."""
    with start_script(bed, text) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def workers_of(client):
    """Names and addresses of the workers that are connected."""
    return {each["name"]: address for address, each in client.scheduler_info(n_workers=-1)["workers"].items()}


def wait_for(client, count):
    wait_until(f"{count} workers", lambda: len(workers_of(client)) == count, 120)


def test_answers_are_right_while_a_worker_and_a_node_are_killed(bed, site, tmp_path):
    """From the laptop: over SSH, scheduler in a job of its own, dashboard through the tunnel."""
    # This partition gives each job the node with the most room, and two minutes.
    asked = {"cpus": 1, "memory": "800MB", "partition": "short", "time": "00:02:00"}
    with swath.cluster("bed", workers=5, **asked) as client:
        wait_for(client, 5)
        before = workers_of(client)
        hosts = {each.split("//")[1].split(":")[0] for each in before.values()}
        assert hosts == {bed.address(each) for each in ("n1", "n2", "n3")}
        scheduler = client.cluster.standing().address
        node = next(each for each in ("n1", "n2", "n3") if bed.address(each) not in scheduler)
        on_node = {name for name, address in before.items() if bed.address(node) in address}
        victim = next(name for name in before if name not in on_node)

        slow = client.map(lambda number: __import__("time").sleep(0.4) or number**2, range(100), pure=False)
        wait_until("results", lambda: sum(each.done() for each in slow) > 10)
        bed.sh("alice", f"scancel {victim}")
        bed.power_off(node)
        assert client.submit(sum, slow).result(timeout=120) == sum(number**2 for number in range(100))
        wait_until("replacements", lambda: {victim, *on_node}.isdisjoint(workers_of(client)), 90)
        wait_for(client, 5)
        wait_until("count of the lost", lambda: client.cluster.standing().lost >= 1 + len(on_node))

        with urllib.request.urlopen(client.dashboard_link, timeout=20) as page:
            assert b"Bokeh" in page.read()
        check_closed(bed, site, client, tmp_path)
    assert queue(bed) == []
    assert bed.sh("alice", f"ls {site}/clusters") == ""


def check_closed(bed, site, client, tmp_path):
    """Neither scheduler nor dashboard nor certificate are for anybody else."""
    from distributed import Client

    name, standing = client.cluster.name, client.cluster.standing()
    tls = f"{site}/clusters/{name}/tls"
    assert bed.sh("alice", f"stat -c %a {site}/clusters/{name} {tls}/key.pem").split() == ["700", "600"]
    assert bed.on("login", "cat", f"{tls}/key.pem", user="bob", check=False) == ""
    for file, content in make_certificate().items():
        (tmp_path / file).write_bytes(content)
    with pytest.raises((OSError, ssl.SSLError)):
        Client(client.cluster.scheduler_address, security=read_security(tmp_path), timeout="3s")
    asked = f"curl -sk -o /dev/null -w '%{{http_code}}' https://{standing.dashboard}/status || true"
    with_it = asked.replace("-sk", f"-sk --cert {tls}/certificate.pem --key {tls}/key.pem")
    assert (bed.sh("bob", asked), bed.sh("alice", with_it)) == ("000", "200")


def test_a_cluster_grows_with_its_work_and_shrinks_after_it(bed, site):
    """Its workers live some ten seconds each, and hand over what they hold."""
    told = run_script(
        bed,
        """
import json
told = []
try:
    with swath.cluster("bed", workers=(1, 3), cpus=1, memory="800MB", time="00:00:20") as client:
        count = lambda: len(client.scheduler_info(n_workers=-1)["workers"])
        def wait(test):
            until = time.monotonic() + 90
            while not test():
                assert time.monotonic() < until, client.cluster.standing()
                time.sleep(0.05)
        futures = client.map(lambda number: time.sleep(1) or number, range(24), pure=False)
        wait(lambda: count() == 3)
        told.append(client.gather(futures) == list(range(24)))
        del futures
        wait(lambda: count() == 1)
        client.cluster.scale(2)
        wait(lambda: count() == 2)
        told.append(client.cluster.standing().lost)
        raise ValueError("mine")
except ValueError as error:
    told.append(str(error))
print(json.dumps(told))
""",
    )
    assert told == [True, 0, "mine"]
    assert queue(bed) == []


@pytest.mark.parametrize("end", ["INT", "KILL"])
def test_whatever_ends_the_caller_ends_the_cluster(bed, site, end):
    text = f"""
with swath.cluster("bed", workers=30, {WORKER}) as client:
    client.wait_for_workers(1)
    print(os.getpid())
    time.sleep(1000)
"""
    with start_script(bed, text) as process:
        pid = int(process.stdout.readline() or 0)
        assert pid, process.stderr.read()
        bed.sh("alice", f"kill -{end} {pid}")
        process.communicate(timeout=60)
    wait_until("an empty queue", lambda: queue(bed) == [], 40)
    wait_until("no folder", lambda: bed.sh("alice", f"ls {site}/clusters") == "", 20)


def test_a_cluster_is_started_found_scaled_and_stopped(bed, site):
    sh = lambda line: json.loads(bed.sh("alice", f"{line} --json"))  # noqa: E731
    one = sh("swath cluster start bed --workers 1 --name one --cpus 1 --time 10")
    assert (one["state"], one["where"], one["maximum"]) == ("running", "job", 1)
    again = bed.sh("alice", "swath cluster start bed --name one 2>&1 || echo $?")
    assert "there is one called 'one' already" in again
    assert again.endswith("2\n")
    assert (sh("swath cluster scale one 2:3")["minimum"], sh("swath cluster list")[0]["maximum"]) == (2, 3)
    wait_until("2 workers", lambda: sh("swath cluster list")[0]["workers"] == 2, 60)
    told = run_script(
        bed,
        """
with swath.cluster("bed", name="one") as client:
    print(client.submit(sum, [20, 22]).result())
""",
    )
    assert told == 42
    assert [each["name"] for each in sh("swath cluster list")] == ["one"]
    bed.sh("alice", "swath cluster stop one")
    assert (sh("swath cluster list"), queue(bed)) == ([], [])
    missing = bed.sh("alice", "swath cluster stop one 2>&1 || echo $?")
    assert "there is none called 'one'" in missing
    assert missing.endswith("3\n")


def test_workers_that_cannot_start_end_the_cluster_with_a_sentence(bed, site):
    told = run_script(
        bed,
        f"""
import json
from swath.model import SiteError
import swath.sites.environments as environments
plain = environments.Launch
environments.Launch = lambda lines=(), python=(): plain(("echo no module here >&2; exit 3",), python)
try:
    with swath.cluster("bed", workers=2, {WORKER}) as client:
        environments.Launch = plain
        client.submit(sum, [1, 2]).result(timeout=90)
except SiteError as error:
    print(json.dumps(error.what))
""",
    )
    assert "workers end before they connect" in told
    assert told.endswith("its log says: no module here")
    assert queue(bed) == []


def test_a_job_on_workers_gives_the_bytes_of_one_without(bed, site):
    run = (
        "export SWATH_HOME=~/swath/home; cd ~/swath; "
        "run='swath run composite -i collection=sentinel-2-l2a-romania -i datetime=2019 -i index=NDVI "
        "-i period=P1Y -i tile_size=48 -i output_collection=made --on bed'; "
    )
    bed.sh(
        "alice",
        "export SWATH_HOME=~/swath/home; "
        "demo=$(python -c 'import swath.demo; print(swath.demo.demo_folder())'); "
        "swath catalog ingest $demo/stac/collection.json; "
        f"{run} $run --output with --workers 3; $run --output without",
    )
    sums = "find . -name '*.tif' | sort | xargs sha256sum"
    with_, without = (bed.sh("alice", f"cd {site}/{each}/results; {sums}") for each in ("with", "without"))
    assert len(with_.splitlines()) > 1
    assert with_ == without
    assert "3 workers for" in bed.sh("alice", f"cat {site}/with/log.txt")
    assert queue(bed) == []
    bed.sh("alice", f"{run} $run --output ended --workers 30 --detach")
    wait_until("workers", lambda: len(queue(bed)) > 3)
    bed.sh("alice", f"export SWATH_HOME=~/swath/home; swath jobs cancel {site}/ended")
    wait_until("an empty queue", lambda: queue(bed) == [])


def test_a_node_that_is_cut_off_and_a_worker_that_is_out_of_time_are_replaced(bed, site):
    asked = {"cpus": 1, "memory": "600MB", "partition": "short", "time": "00:02:00"}
    with swath.cluster("bed", workers=3, **asked) as client:
        wait_for(client, 3)
        before, scheduler = workers_of(client), client.cluster.standing().address
        node = next(each for each in ("n1", "n2", "n3") if bed.address(each) not in scheduler)
        cut = {name for name, address in before.items() if bed.address(node) in address}
        late = next(name for name in before if name not in cut)
        slow = client.map(lambda number: __import__("time").sleep(0.4) or number**2, range(80), pure=False)
        wait_until("results", lambda: sum(each.done() for each in slow) > 6)
        bed.on("ctl", "scontrol", "update", f"jobid={late}", "EndTime=now+1")  # limits are of whole minutes
        bed.cut(node)
        assert client.submit(sum, slow).result(timeout=120) == sum(number**2 for number in range(80))
        wait_until("replacements", lambda: {late, *cut}.isdisjoint(workers_of(client)), 90)
        wait_for(client, 3)
        state = "sacct --noheader --allocations --format=state --jobs="
        assert bed.sh("alice", state + late).split() == ["TIMEOUT"]
        assert {bed.sh("alice", state + each).strip() for each in cut} <= {"NODE_FAIL"}
        assert client.cluster.standing().lost >= 1 + len(cut)
        # Its worker has gone on all the while, and meets a scheduler that has forgotten it.
        assert "cluster.worker" in bed.on(node, "ps", "-eo", "args")
        bed.heal(node)
        wait_until("its end", lambda: "cluster.worker" not in bed.on(node, "ps", "-eo", "args"), 90)
        assert not {late, *cut} & workers_of(client).keys()
        assert client.submit(sum, slow, pure=False).result(timeout=60) == sum(n**2 for n in range(80))


def test_workers_in_a_container_image(bed, site, image, control):
    bed.sh("alice", f"swath env build {shutil.copy(image, control)} --on bed --use")
    told = run_script(
        bed,
        """
import json
with swath.cluster("bed", workers=1, cpus=1, memory="800MB") as client:
    here = lambda: (os.environ.get("CH_RUNNING"), __import__("socket").gethostname())
    print(json.dumps([client.submit(here).result(timeout=90), here()]))
""",
    )
    inside, outside = told
    assert inside[0], told
    assert not outside[0]
    assert inside[1] != outside[1]
    assert queue(bed) == []


def test_a_job_on_workers_from_the_laptop_to_its_end(traveller, demo):
    inputs = {"period": "P1Y", "output_collection": "made"}
    words = traveller.inputs(**inputs)
    said = traveller.swath("run", "composite", *words, "--on", "bed", "--workers", "2", "--mem", "1GB")
    assert "results copied from bed" in said.err
    (told,) = traveller.swath("jobs", "list", "--json").json
    assert "2 workers for 4 units" in traveller.swath("jobs", "logs", told["id"]).out
    items = traveller.swath("jobs", "results", told["id"], "--json").json["features"]
    own = traveller.home / "own.json"
    own.write_text(json.dumps({"type": "FeatureCollection", "features": demo[:3]}))
    words = traveller.inputs(**inputs, items=str(own))
    plain = traveller.swath("run", "composite", *words, "--json").json
    there = traveller.swath("jobs", "results", plain["id"], "--json").json["features"]
    assert sums_of(items) == sums_of(there)
    assert len(items) == 4
    assert queue(traveller.bed) == []


def sums_of(items):
    """Checksums of all files of some items, by the name of the tile."""
    files = [Path(asset["href"]) for each in items for asset in each["assets"].values()]
    return {(each.parent.name, each.name): hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


def test_a_computation_outlasts_the_connections_of_the_laptop(bed, site):
    with swath.cluster("bed", workers=2, cpus=1, memory="600MB") as client:
        wait_for(client, 2)
        kept = client.submit(lambda: bytes(range(256)) * 40_000, pure=False)
        slow = client.map(lambda number: __import__("time").sleep(0.2) or number**2, range(60), pure=False)
        total = client.submit(sum, slow)
        for count in (5, 25, 45):
            wait_until("results", lambda least=count: sum(each.done() for each in slow) > least)
            bed.on("login", "pkill", "-KILL", "-u", "alice", "-x", SSHD)
        assert total.result(timeout=120) == sum(number**2 for number in range(60))
        assert kept.result(timeout=60) == bytes(range(256)) * 40_000
        assert client.submit(sum, [20, 22]).result(timeout=60) == 42
        assert {each.status for each in slow} == {"finished"}
        with urllib.request.urlopen(client.dashboard_link, timeout=20) as page:
            assert b"Bokeh" in page.read()
    assert queue(bed) == []


def test_a_login_node_that_may_not_connect_to_nodes_is_told(bed, site):
    with contextlib.ExitStack() as stack:
        for node in NODES:
            stack.enter_context(bed.hidden("login", node))
        told = r"the login node of bed does not reach 10\.\S+:\d+, where the scheduler runs"
        with (
            pytest.raises(SiteError, match=told) as error,
            swath.cluster("bed", workers=1, cpus=1, memory="600MB"),
        ):
            pass
    assert 'with where="here"' in error.value.fix
    assert queue(bed) == []


def test_nodes_that_may_not_submit_are_said_beforehand_and_by_the_job(bed, site):
    run = (
        "export SWATH_HOME=~/swath/home; "
        "demo=$(python -c 'import swath.demo; print(swath.demo.demo_folder())'); "
        "swath catalog ingest $demo/stac/collection.json 2>/dev/null; "
        "run='swath run composite -i collection=sentinel-2-l2a-romania -i datetime=2019 -i index=NDVI "
        "-i period=P1Y -i tile_size=48 -i output_collection=made --on bed --workers 2'; "
    )
    only = ("scontrol", "update", "partitionname=normal")
    try:
        bed.on("ctl", *only, "allocnodes=login")
        early = bed.sh("alice", f"{run} $run 2>&1 || echo $?")
        begun = bed.sh("alice", "swath cluster start bed --where job 2>&1 || echo $?")
        bed.on("ctl", *only, "allocnodes=ALL")
        wait = 'prepare = "until [ -e ~/go ]; do sleep 0.1; done"'
        bed.sh("alice", f"rm -f ~/go; echo '{wait}' >>~/.config/swath/swath.toml")
        bed.sh("alice", f"{run} $run --output held --detach")
        wait_until("a running job", lambda: queue(bed) == ["RUNNING"])
        bed.on("ctl", *only, "allocnodes=login")
        bed.sh("alice", "touch ~/go")
        late = bed.sh("alice", f"{run} swath jobs logs -f held; swath jobs show held || true")
    finally:
        bed.on("ctl", *only, "allocnodes=ALL")
    for told in (early, begun):
        assert "the nodes of the partition normal may not submit jobs to it, only login may" in told
        assert "fix: leave workers out" in told
        assert told.endswith("2\n")
    assert re.search(r"state +failed", late), late
    assert re.search(r"workers: n\d cannot submit them: sbatch refuses: .*\n? +fix: leave workers out", late)
    assert queue(bed) == []
