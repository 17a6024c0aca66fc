"""A session on this machine from its order to its end, and the door that leads one browser to it."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import time
from pathlib import Path

import pytest
from visitor import SERVER, Visitor

from swath.config import Settings
from swath.jobs.sessions import Wish, find_session, list_sessions, open_place, order_session, read_app
from swath.jobs.sessions.company import mend, wait_ready
from swath.jobs.sessions.door import Door
from swath.jobs.sessions.memory import Remembered, forget, recall, remember
from swath.jobs.sessions.tunnel import Tunnel
from swath.model import InputError, NotFoundError
from swath.sites.session import SessionState
from swath.sites.slurm import SlurmResources


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return Settings.parse({"home": str(tmp_path_factory.mktemp("home"))})


def order(settings, *words):
    return order_session(
        Wish(read_app("command", settings), {"command": list(words)}), open_place("local", settings)
    )


@pytest.fixture(scope="module")
def session(settings):
    made = order(settings, "{python}", "-c", SERVER, "{socket}", "page")
    assert wait_ready(made, lambda _: None, pause_s=0.1).state is SessionState.READY
    yield made
    with contextlib.suppress(InputError):
        made.stop()


@pytest.fixture
def told():
    return []


@pytest.fixture
def door(session, told):
    tunnel = Tunnel(session)
    assert mend(session, tunnel, told.append) is None
    with contextlib.closing(tunnel), contextlib.closing(Door(tunnel, tell=told.append)) as made:
        yield made


def test_one_browser_comes_in_by_the_address_once(door, told):
    visitor = Visitor(door.invite())
    assert visitor.ask("GET", "/")[0] == 403
    status, page = visitor.ask("GET", visitor.path)
    assert (status, b'name="code"' in page, visitor.code.encode() in page) == (200, True, False)
    assert visitor.enter() == 303
    assert visitor.get("/x?y=z").startswith("page /x?y=z")
    assert door.cookie not in visitor.get(), "the app does not see the door's cookie"
    assert told == []
    second = Visitor(f"http://{visitor.host}{visitor.path}#{visitor.code}")
    assert second.enter() == 403
    assert second.ask("GET", "/")[0] == 403
    assert told == ["an address that was used already was tried again; it does not let anybody in"]
    assert visitor.ask("GET", visitor.path)[0] == 303, "who is in already goes on"


def test_wrong_codes_and_cookies_do_not_open(door):
    visitor = Visitor(f"http://127.0.0.1:{door.port}/.swath/enter#guessed")
    assert visitor.enter() == 403
    visitor.cookies = {door.cookie_name: "guessed"}
    assert visitor.ask("GET", "/")[0] == 403
    assert visitor.ask("PUT", "/.swath/enter", "x")[0] == 405
    assert visitor.ask("POST", "/.swath/enter", "x" * 5000)[0] == 413


def test_pages_of_others_cannot_use_the_browser_that_is_in(door):
    visitor = Visitor(door.invite())
    visitor.enter()
    assert visitor.ask("POST", "/x", "body", Origin=f"http://{visitor.host}")[0] == 200
    assert visitor.ask("POST", "/x", "body", Origin="http://127.0.0.1:1")[0] == 403
    assert visitor.ask("GET", "/", Host="evil.example")[0] == 403


def test_each_connection_carries_one_request(door):
    visitor = Visitor(door.invite())
    visitor.enter()
    cookie = f"{door.cookie_name}={visitor.cookies[door.cookie_name]}"
    good = f"POST /one HTTP/1.1\r\nHost: {visitor.host}\r\nCookie: {cookie}\r\nContent-Length: 3\r\n\r\nabc"
    bad = f"GET /two HTTP/1.1\r\nHost: {visitor.host}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as raw:
        raw.sendall((good + bad).encode())
        got = b""
        with contextlib.suppress(ConnectionError):
            while data := raw.recv(65536):
                got += data
    assert b"/two" not in got
    assert got.count(b"HTTP/1.0") <= 1


def test_what_is_no_http_is_answered_shortly(door):
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as raw:
        raw.sendall(b"\x16\x03\x01\x00\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_another_user_of_this_machine_does_not_come_in_even_with_the_cookie(door):
    visitor = Visitor(door.invite())
    visitor.enter()
    cookie = f"{door.cookie_name}={visitor.cookies[door.cookie_name]}"
    code = (
        "import socket,sys\n"
        "for kind, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::ffff:127.0.0.1')):\n"
        "    s = socket.socket(kind); s.settimeout(60); s.connect((host, int(sys.argv[1])))\n"
        "    try:\n"
        "        s.sendall(sys.stdin.buffer.read() or b'GET / HTTP/1.1\\r\\n\\r\\n'); print(s.recv(99))\n"
        "    except OSError:\n"
        "        print(b'')\n"
    )
    asked = f"GET / HTTP/1.1\r\nHost: {visitor.host}\r\nCookie: {cookie}\r\n\r\n".encode()
    done = subprocess.run(
        ["/usr/bin/python3", "-c", code, str(door.port)], input=asked, user=65534, group=65534, cwd="/",
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == [b"b''", b"b''"], done
    assert visitor.get().startswith("page /")


def test_a_port_that_is_taken_is_told(door, session):
    with pytest.raises(InputError, match=f"--port: {door.port} is taken on this machine"):
        Door(door.tunnel, port=door.port)


def test_what_this_machine_remembers_of_a_door_is_for_its_user_only(settings):
    assert recall("x-1", settings) == Remembered()
    remember("x-1", Remembered(4711, "cookie"), settings)
    assert recall("x-1", settings) == Remembered(4711, "cookie")
    path = settings.home / "doors" / "x-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    forget("x-1", settings)
    assert recall("x-1", settings) == Remembered()


def test_a_session_is_found_by_its_beginning_and_as_the_only_one(settings, session):
    for name in (session.id, session.id[:-2], ""):
        assert find_session(name, settings).id == session.id
    with pytest.raises(NotFoundError, match="there is no session 'nope'"):
        find_session("nope", settings)
    with pytest.raises(InputError, match="it has not ended"):
        session.remove()


def test_a_session_that_cannot_begin_says_why(settings):
    broken = order(settings, "no-such-program")
    status = wait_ready(broken, lambda _: None, pause_s=0.1)
    assert status.state is SessionState.FAILED
    assert "no-such-program" in status.message
    lost = order(settings, "sleep", "1000")
    script = Path(lost.folder, "job.sh")
    assert script.exists()
    lost.stop()
    assert lost.status().state.is_final
    broken.remove()
    lost.remove()
    assert not script.exists()


def test_this_machine_has_no_slurm_to_ask(settings):
    wish = Wish(read_app("command", settings), {"command": ["true"]}, SlurmResources(partition="fat"))
    before = len(list_sessions(settings))
    with pytest.raises(InputError, match="--partition=fat: this machine has no Slurm"):
        order_session(wish, open_place("local", settings))
    assert len(list_sessions(settings)) == before


def test_a_session_that_is_stopped_takes_its_secret_and_its_node_folder_along(settings):
    made = order(settings, "{python}", "-c", SERVER, "{socket}", "page")
    wait_ready(made, lambda _: None, pause_s=0.1)
    secret = Path(made.folder, "secret")
    assert (len(secret.read_bytes()), stat.S_IMODE(secret.stat().st_mode)) == (32, 0o600)
    status = made.stop()
    assert (status.state, status.message) == (SessionState.ENDED, "it was told to end")
    assert not secret.exists()
    until = time.monotonic() + 60
    while list(Path("/tmp").glob(f"swath-{made.id}-*")):
        assert time.monotonic() < until
        time.sleep(0.1)
    made.remove()
