"""Sessions on a real Slurm: the whole way from order to browser, other users, and everything that breaks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from slurm.machine import SSHD
from slurm.testbed import NODES
from visitor import SERVER, Visitor

from swath.config import Settings
from swath.jobs.sessions import Wish, find_session, list_sessions, open_place, order_session, read_app
from swath.jobs.sessions.company import mend, stay, wait_ready
from swath.jobs.sessions.door import Door
from swath.jobs.sessions.tunnel import Tunnel
from swath.sites.session import SessionState
from swath.sites.slurm import SlurmResources, close_sites

LIMIT_S = 90


def until(test, what="it"):
    """Wait for something that must come true, with a generous limit."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        if found := test():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} has not come true")


@pytest.fixture
def settings(bed, laptop, tmp_path):
    """Settings of a laptop from which alice reaches the test bed."""
    site = {
        "ssh": "alice@bed", "folder": f"{bed.home('alice')}/swath", "environment": f"venv:{bed.base}/env",
        "cpus": 1, "memory": "500MB", "time": "00:10:00",
    }  # fmt: skip
    bed.sh("alice", "rm -rf swath .jupyter .config/swath")
    yield Settings.parse({"home": str(tmp_path / "home"), "sites": {"bed": site}})
    close_sites()


def order(settings, says="page", *, app="command", inputs=None, **asked):
    words = ["{python}", "-c", SERVER, "{socket}", says]
    inputs = {"command": words} if inputs is None else inputs
    wish = Wish(read_app(app, settings), inputs, SlurmResources(**{"cpus": 1, "memory": "500MB", **asked}))
    return order_session(wish, open_place("bed", settings))


def ready(session):
    status = wait_ready(session, lambda _: None, pause_s=0.1)
    assert status.state is SessionState.READY, status
    return status


@contextlib.contextmanager
def opened(session, **options):
    """A session with its door open; gives the tunnel, and a visitor who is in."""
    ready(session)
    with contextlib.closing(Tunnel(session)) as tunnel:
        assert mend(session, tunnel, lambda _: None) is None
        with contextlib.closing(Door(tunnel, **options)) as door:
            visitor = Visitor(door.invite())
            assert visitor.enter() == 303
            yield tunnel, visitor


@contextlib.contextmanager
def kept(session, tunnel):
    """Somebody who stays with an open session; gives what he is told, and how it ended in the end."""
    told, ends = [], []
    thread = threading.Thread(target=lambda: ends.append(stay(session, tunnel, told.append)), daemon=True)
    thread.start()
    yield told, ends
    thread.join(LIMIT_S)
    assert not thread.is_alive()


# -- the way --------------------------------------------------------------------------------------------


def test_several_commands_at_once_are_each_reached_by_their_own_browser_only(settings):
    one, two = order(settings, "first"), order(settings, "second")
    with opened(one) as (_, first), opened(two) as (_, second):
        assert first.get("/a?b=1").startswith("first /a?b=1")
        assert second.get().startswith("second /")
        assert first.ask("POST", "/x", b"0" * 3_000_000) == (200, b"3000000")
        first.cookies, second.cookies = second.cookies, first.cookies
        assert first.ask("GET", "/")[0] == second.ask("GET", "/")[0] == 403
        listed = {each.id: status for each, status in list_sessions(settings)}
        assert {each.state for each in listed.values()} == {SessionState.READY}
        assert set(listed) == {one.id, two.id}
        twins = {"twin": settings.sites["bed"], **settings.sites, "other": settings.sites["bed"]}
        seen = list_sessions(settings.model_copy(update={"sites": twins}))
        assert sorted((each.id, each.place.name) for each, _ in seen) == sorted(
            [(one.id, "bed"), (two.id, "bed")]
        )
    assert two.stop().state is SessionState.ENDED
    assert find_session("", settings).id == one.id
    one.stop()
    until(lambda: not two.place.site.look([one.handle, two.handle], fresh=True) or all(
        each.has_ended for tasks in two.place.site.look([one.handle, two.handle]).values() for each in tasks
    ))  # fmt: skip
    for each in (one, two):
        each.remove()
    assert list_sessions(settings) == []


def test_a_session_that_waits_tells_its_place_and_leaves_the_queue_when_stopped(bed, settings):
    for _ in range(4):
        bed.sh("bob", "sbatch -n1 -c4 --mem=100 -t 5 -o /dev/null --wrap 'sleep 300'")
    until(lambda: bed.sh("bob", "squeue -h --states=RUNNING -o %i").count("\n") == 3, "running")
    session = order(settings, cpus=4)

    def told():
        status = session.status()
        return status if "expected to start 20" in status.message else None

    said = until(told, "an expected start")
    assert said.state is SessionState.QUEUED
    assert re.search(r"1 job before it; expected to start \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said.message), said
    status = session.stop()
    assert (status.state, status.message) == (SessionState.ENDED, "it was cancelled on the cluster")
    assert session.handle not in bed.sh("alice", "squeue -h -o %i")


def test_what_is_not_installed_and_what_ends_at_once_are_told_in_a_sentence(settings):
    folder = settings.home / "apps/absent"
    folder.mkdir(parents=True)
    (folder / "app.toml").write_text('title = "Absent"\nneeds = ["no-such-program"]\n')
    (folder / "start.sh").write_text("exec no-such-program\n")
    missing = order(settings, app="absent", inputs={})
    status = wait_ready(missing, lambda _: None, pause_s=0.2)
    assert status.state is SessionState.FAILED
    assert re.search(r"Absent is not installed on n\d \(there is no no-such-program\)", status.message)
    broken = order(settings, inputs={"command": ["sh", "-c", "echo so sad >&2; exit 7"]})
    status = wait_ready(broken, lambda _: None, pause_s=0.2)
    assert status.state is SessionState.FAILED
    assert status.message == "command ended with exit code 7 (so sad)"


def test_an_app_with_a_port_and_no_password_gets_a_node_without_other_users(bed, settings):
    words = ["{python}", "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    session = order(settings, inputs={"command": words})
    with opened(session) as (_, visitor):
        assert "Directory listing" in visitor.get()
        node = session.status().node
        said = bed.sh("bob", f"sbatch -w {node} -n1 --mem=100 -t 1 -o /dev/null --wrap 'sleep 60'")
        told = ("squeue", "-h", "-j", said.split()[-1], "-o", "%T")
        bed.on("ctl", "scontrol", "show", "nodes")
        until(lambda: bed.on("login", *told).strip() == "PENDING")
    session.stop()


# -- everything that breaks -----------------------------------------------------------------------------


def test_a_connection_that_breaks_while_it_is_submitted_loses_nothing(bed, settings):
    fake = bed.base / "env/bin/sbatch"
    fake.write_text(f'#!/bin/sh\n/usr/bin/sbatch "$@"\npkill -KILL -u alice -x "{SSHD}"\nsleep 5\n')
    fake.chmod(0o755)
    try:
        session = order(settings)
    finally:
        fake.unlink()
    assert bed.sh("alice", "squeue -h -o %j").split() == [session.id]
    with opened(session) as (_, visitor):
        assert visitor.get().startswith("page /")
    session.stop()


def test_connections_that_break_while_waiting_and_while_open_are_made_again(bed, settings):
    hold = bed.sh("alice", "sbatch -n3 -N3 -c4 --mem=100 -t 5 -o /dev/null --wrap 'sleep 300'").split()[-1]
    session, said = order(settings), []
    waiting = threading.Thread(
        target=lambda: wait_ready(session, lambda each: said.append(each.message), pause_s=0.2)
    )
    waiting.start()
    until(lambda: said)
    bed.on("login", "pkill", "-x", SSHD)  # all of it: nobody answers for a while
    until(lambda: any("does not answer now; the session stays there" in each for each in said))
    bed.resume()
    bed.sh("alice", f"scancel {hold}")
    waiting.join(LIMIT_S)
    assert not waiting.is_alive()
    with opened(session) as (tunnel, visitor), kept(session, tunnel) as (told, ends):
        assert visitor.get().startswith("page /")
        bed.drop_connections("alice")
        assert visitor.get().startswith("page /")  # over the next connection
        bed.on("login", "pkill", "-x", SSHD)
        until(lambda: told)
        bed.resume()
        until(lambda: "connected again" in told)
        assert visitor.get().startswith("page /")
        assert told[0] == "the connection is broken; it is being made again"
        session.stop()
    assert ends[0].state is SessionState.ENDED


def test_a_login_node_that_may_not_connect_to_nodes_is_told(bed, settings):
    session, told, ends = order(settings), [], []
    ready(session)
    with contextlib.closing(Tunnel(session)) as tunnel:
        mending = threading.Thread(target=lambda: ends.append(mend(session, tunnel, told.append)))
        with contextlib.ExitStack() as stack:
            for node in NODES:
                stack.enter_context(bed.hidden("login", node))
            mending.start()
            until(lambda: told)
        assert "does not answer; where login nodes may not connect to compute nodes, no session" in told[0]
        mending.join(LIMIT_S)
        assert ends == [None]  # and is found as soon as it may be
    session.stop()


def test_a_request_that_meets_a_broken_connection_waits_for_the_new_one(bed, settings):
    session = order(settings)
    with opened(session) as (tunnel, visitor), kept(session, tunnel):
        bed.drop_connections("alice")
        assert visitor.get().startswith("page /")
        session.stop()


def test_slurm_away_neither_ends_a_session_nor_keeps_it_from_being_opened(bed, settings):
    session = order(settings)
    ready(session)
    until(lambda: session.id.encode() in (bed.base / "state/job_state").read_bytes(), "saved")
    bed.stop_daemon("slurmctld")
    found = find_session(session.id[:-1], settings)
    with opened(found) as (_, visitor):
        assert visitor.get().startswith("page /")
    bed.start_daemon("slurmctld")
    session.stop()


def test_slurm_away_while_a_session_waits_is_told_and_waited_for(bed, settings):
    hold = bed.sh("alice", "sbatch -n3 -N3 -c4 --mem=100 -t 5 -o /dev/null --wrap 'sleep 300'").split()[-1]
    session = order(settings)
    until(lambda: session.id.encode() in (bed.base / "state/job_state").read_bytes(), "saved")
    bed.stop_daemon("slurmctld")
    assert "Slurm does not answer now" in session.status().message
    bed.start_daemon("slurmctld")
    bed.sh("alice", f"scancel {hold}")
    ready(session)
    session.stop()


def test_a_node_that_is_lost_ends_the_session_with_a_sentence(bed, settings):
    session = order(settings)
    with opened(session) as (tunnel, visitor), kept(session, tunnel) as (told, ends):
        node = session.status().node
        visitor.get()
        bed.power_off(node)
        bed.on("ctl", "scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    assert ends[0].state is SessionState.FAILED
    assert ends[0].message.startswith(f"it lost its node {node}; what was not saved is lost")
    assert told[0] == "the connection is broken; it is being made again"


def test_a_warning_comes_before_the_time_is_over(settings):
    session = order(settings, time="00:01:00")
    with opened(session) as (tunnel, _), kept(session, tunnel) as (told, _):
        assert session.status().ends
        until(
            lambda: any(
                re.fullmatch(r"its time is over in \d+ seconds: save your work", each) for each in told
            )
        )
        session.stop()
    assert sum("time is over" in each for each in told) == 1


# -- other users ----------------------------------------------------------------------------------------

KNOCK = """if True:
    import socket, ssl, sys
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for said in (b"", bytes(32), b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n" + bytes(32)):
        plain = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30)
        with context.wrap_socket(plain) as gate:
            gate.sendall(said)
            if not said:
                gate.unwrap()
            got = b""
            try:
                got = gate.recv(1000)
            except (ssl.SSLError, ConnectionError):
                pass
            print(got)
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=30) as plain:
        plain.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        try:
            print(b"HTTP" in plain.recv(1000))
        except ConnectionError:
            print(False)"""
LISTENS = """if True:
    import pathlib
    for name in ("tcp", "tcp6"):
        for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[7] == "61001":
                host, _, port = words[1].rpartition(":")
                print(("loopback" if host == "0100007F" else "all"), int(port, 16))"""
EAVESDROP = """if True:
    import sys, time, zmq
    context = zmq.Context()
    listener = context.socket(zmq.SUB)
    listener.subscribe(b"")
    for port in sys.argv[1:]:
        listener.connect("tcp://127.0.0.1:" + port)
    time.sleep(1)
    print("listening", flush=True)
    sys.stdin.read()
    while listener.poll(1000):
        print(listener.recv_multipart())
    context.destroy(linger=0)"""
PROCESSES = """if True:
    import pathlib, sys
    secret = bytes.fromhex(sys.stdin.read())
    forms = (secret, secret.hex().encode())
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                text = (process / name).read_bytes()
            except OSError:
                continue
            if any(each in text for each in forms):
                print(process, name)
    print("looked")"""


def assert_nothing_for_bob(bed, session):
    """Another user of the node and of the shared disk gets no byte, and the secret is nowhere to be seen."""
    report = session.report
    secret = (Path(session.folder) / "secret").read_bytes()
    knocked = bed.on(report.node, bed.python, "-c", KNOCK, report.node, str(report.port), user="bob")
    assert knocked.split() == ["b''", "b''", "b''", "False"]
    assert not bed.on(report.node, bed.python, "-c", LISTENS).replace(f"all {report.port}\n", "").count("all")
    for script in (
        f"ls {session.folder}",
        f"cat {session.folder}/secret",
        "ls /tmp/swath-*",
        "cat /tmp/swath-*/*",
    ):
        with pytest.raises(RuntimeError, match=r"Permission denied|No such file"):
            bed.on(report.node, "sh", "-c", script, user="bob")
    # Root sees all processes' words and variables; what root does not find nobody does.
    looked = subprocess.run(
        [*bed._enter(report.node), bed.python, "-c", PROCESSES],
        input=secret.hex(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.stdout == "looked\n", looked
    for path in [*Path(session.folder).rglob("*"), *bed.log.rglob("*")]:
        if path.is_file() and path.name != "secret":
            content = path.read_bytes()
            assert secret not in content, path
            assert secret.hex().encode() not in content, path
    modes = {path.name: path.stat().st_mode & 0o077 for path in Path(session.folder).glob("*.json")}
    assert not any(modes.values()), modes
    for path in (Path(session.folder), Path(session.folder).parent):
        assert path.stat().st_mode & 0o777 == 0o700


def test_another_user_of_the_laptop_gets_nothing(bed, settings):
    session = order(settings)
    with opened(session) as (tunnel, visitor):
        asked = ("curl", "-s", "-S", "-m", "60", f"http://{visitor.host}/")
        done = subprocess.run(
            asked, user=61002, group=61002, cwd="/", capture_output=True, text=True, check=False
        )
        assert done.returncode in (52, 56), done  # the connection is closed without a byte
        assert done.stdout == ""
        # The forwarded port leads to the gate, where the secret is asked for.
        with pytest.raises((ssl.SSLError, OSError)):
            Visitor(f"http://127.0.0.1:{tunnel._way.port}/").get()
    session.stop()


# -- JupyterLab -----------------------------------------------------------------------------------------


def run_in_kernel(visitor, kernel, code):
    """Run code in a kernel over its WebSocket; give what it prints."""
    import asyncio

    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    cookie = "; ".join(f"{key}={value}" for key, value in visitor.cookies.items())
    headers = {"Cookie": cookie, "Origin": f"http://{visitor.host}"}
    message = {
        "header": {"msg_id": "m1", "msg_type": "execute_request", "username": "", "session": "s",
                   "version": "5.3"},
        "parent_header": {}, "metadata": {}, "channel": "shell",
        "content": {"code": code, "silent": False, "store_history": False, "allow_stdin": False},
    }  # fmt: skip

    async def run():
        url = f"ws://{visitor.host}/api/kernels/{kernel}/channels?session_id=s"
        socket = await websocket_connect(HTTPRequest(url, headers=headers))
        try:
            await socket.write_message(json.dumps(message))
            async with asyncio.timeout(LIMIT_S):
                return await printed(socket)
        finally:
            socket.close()
            while await socket.read_message() is not None:
                pass

    async def printed(socket):
        text = ""
        while True:
            got = json.loads(await socket.read_message() or "{}")
            assert got, "the WebSocket is closed"
            if got["parent_header"].get("msg_id") != "m1":
                continue
            if got["msg_type"] == "stream":
                text += got["content"]["text"]
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return text

    return asyncio.run(run())


def test_jupyterlab_answers_through_the_whole_chain_and_to_nobody_else(bed, settings, jupyter):
    bed.sh(
        "alice",
        "mkdir -p .jupyter; echo 'c.ServerApp.terminals_enabled = False' >.jupyter/jupyter_server_config.py",
    )
    session = order(settings, app="jupyterlab", inputs={}, memory="1500MB")
    with opened(session) as (tunnel, visitor), kept(session, tunnel) as (_, _):
        assert json.loads(visitor.get("/api/status"))["kernels"] == 0
        assert "JupyterLab" in visitor.get("/lab")
        token = {"X-XSRFToken": visitor.cookies["_xsrf"], "Origin": f"http://{visitor.host}"}
        status, body = visitor.ask("POST", "/api/kernels", "{}", **token)
        assert status == 201, body
        kernel = json.loads(body)["id"]
        where = "import os, socket; print(1 + 1, socket.gethostname(), os.getuid())"
        assert run_in_kernel(visitor, kernel, where) == f"2 {session.report.node} 61001\n"
        assert visitor.ask("GET", "/api/terminals")[0] == 404, "alice's own configuration is respected"
        assert_nothing_for_bob(bed, session)
        # One port of a kernel is left, by which its forked children hand over what they print.
        told_ports = bed.on(session.report.node, bed.python, "-c", LISTENS).split()[1::2]
        ports = [each for each in told_ports if each != str(session.report.port)]
        line = [*bed._enter(session.report.node, "bob"), bed.python, "-c", EAVESDROP, *ports]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bob:
            assert bob.stdout.readline() == "listening\n"
            assert run_in_kernel(visitor, kernel, "print('private')") == "private\n"
            assert bob.communicate(timeout=LIMIT_S)[0] == ""
        bed.drop_connections("alice")
        assert run_in_kernel_again(visitor, kernel) == "4\n"
        session.stop()
    secret = Path(session.folder) / "secret"
    assert not secret.exists()


def run_in_kernel_again(visitor, kernel):
    """As JupyterLab's page does: it tries its WebSocket again until it is there."""

    def tried():
        with contextlib.suppress(Exception):
            return run_in_kernel(visitor, kernel, "print(2 + 2)")
        return None

    return until(tried)


# -- the command line -----------------------------------------------------------------------------------


@pytest.fixture
def typed(settings, tmp_path):
    """What the command line runs with: the settings in a file, and a browser that notes what it gets."""
    site = settings.sites["bed"].model_dump()
    lines = [
        f"{key} = {json.dumps(site[key])}"
        for key in ("ssh", "folder", "environment", "memory", "time", "cpus")
    ]
    work = tmp_path / "work"
    work.mkdir()
    (work / "swath.toml").write_text("\n".join([f'home = "{settings.home}"', "[sites.bed]", *lines]))
    browser = work / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" >>{work}/opened\n')
    browser.chmod(0o755)
    environ = {**os.environ, "BROWSER": str(browser), "PYTHONUNBUFFERED": "1"}

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "swath", *words], cwd=work, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    start.opened = work / "opened"
    return start


def test_lab_opens_the_browser_and_ctrl_c_leaves_the_session_to_be_opened_again(typed, settings):
    command = ["{python}", "-c", SERVER, "{socket}", "typed"]
    with typed("lab", "--on", "bed", "--", *command) as lab:
        address = until(lambda: typed.opened.exists() and typed.opened.read_text().strip())
        visitor = Visitor(address)
        assert visitor.enter() == 303
        assert visitor.get().startswith("typed /")
        lab.send_signal(signal.SIGINT)
        _, errors = lab.communicate(timeout=LIMIT_S)
    assert lab.returncode == 130
    name = re.search(r"left there: (\S+);", errors)[1]
    assert "ready on n" in errors
    with typed("sessions", "open", name[:-2], "--no-browser") as again:
        second = again.stdout.readline().strip()
        assert visitor.get().startswith("typed /"), "the page that was open goes on: same port, same cookie"
        assert Visitor(second).host == visitor.host
        with typed("sessions", "stop", name) as stop:
            output, _ = stop.communicate(timeout=LIMIT_S)
        assert output.startswith(f"{name} has ended")
        _, errors = again.communicate(timeout=LIMIT_S)
        assert f"{name} has ended" in errors
    assert (stop.returncode, again.returncode) == (0, 0)
    with typed("sessions", "list", "--json") as listed:
        assert json.loads(listed.communicate(timeout=LIMIT_S)[0]) == []


def test_ctrl_c_while_it_waits_leaves_it_in_the_queue(bed, typed, settings):
    bed.sh("bob", "sbatch -n3 -N3 -c4 --mem=100 -t 5 -o /dev/null --wrap 'sleep 300'")
    with typed("lab", "--on", "bed", "--cpus", "4", "--", "sleep", "1000") as lab:
        until(lambda: "queued: " in lab.stderr.readline())
        lab.send_signal(signal.SIGINT)
        _, errors = lab.communicate(timeout=LIMIT_S)
    assert lab.returncode == 130
    assert "left there" in errors
    session = find_session("", settings)
    assert session.status().state is SessionState.QUEUED
    session.stop()


def test_somebody_on_the_login_node_opens_a_door_that_others_there_cannot_use(bed, settings):
    bed.sh(
        "alice",
        f'printf \'[sites.here]\\nfolder = "{bed.home("alice")}/swath"\\nmemory = "500MB"\\n\' >swath.toml',
    )
    words = ["swath", "lab", "--on", "here", "--cpus", "1", "--no-browser", "--"]
    line = bed.command("alice", *words, "{python}", "-c", SERVER, "{socket}", "inside")
    text = (Path(__file__).parents[1] / "visitor.py").read_text()
    enter = f"{text}\nimport sys\nv = Visitor(sys.stdin.read())\nprint(v.enter(), v.get()[:8])"

    def visit(user, address):
        line = bed.command(user, bed.python, "-c", enter)
        return subprocess.run(line, input=address, capture_output=True, text=True, check=False)

    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as lab:
        try:
            address = lab.stdout.readline().strip()
            done = visit("bob", address)
            assert "RemoteDisconnected" in done.stderr or "reset" in done.stderr, done
            done = visit("alice", address)
            assert done.stdout == "303 inside /\n", done
            bed.sh("alice", "swath sessions stop")
            lab.communicate(timeout=LIMIT_S)
        finally:
            lab.kill()
    bed.sh("alice", "rm swath.toml")
