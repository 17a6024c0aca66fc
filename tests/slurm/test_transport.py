"""Both ways to a site, on real files, a real shell and a real SSH server."""

from __future__ import annotations

import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from slurm.machine import SSHD

from swath.model import NotAllowedError, SiteError
from swath.sites.transport import Here, open_transport


@pytest.fixture
def way(request, bed, laptop, tmp_path):
    """A transport, and a folder at its other end."""
    if request.param == "here":
        with Here() as made:
            yield made, str(tmp_path)
    else:
        folder = bed.sh("alice", "mktemp -d").strip()
        with open_transport("alice@bed") as made:
            yield made, folder


both = pytest.mark.parametrize("way", ["here", "ssh"], indirect=True)
NASTY = ["two words", "quote ' and \"", "$HOME `id` \\", "line\nbreak", "*", "", "-n", "ünïcode"]


@both
def test_words_arrive_as_they_are_and_no_shell_reads_them(way):
    transport, _ = way
    for login in (False, True):
        done = transport.run(["printf", "%s|", *NASTY], login=login)
        assert (done.exit_code, done.output) == (0, "".join(f"{each}|" for each in NASTY))
    done = transport.run(["sh", "-c", "cat; echo oh >&2; exit 3"], input="in\n")
    assert (done.exit_code, done.output, done.errors) == (3, "in\n", "oh\n")
    assert transport.run(["no-such-program"]).exit_code == 127


@both
def test_files_and_folders_go_and_come(way, tmp_path):
    transport, folder = way
    path = f"{folder}/deep er/it's.txt"
    transport.write(path, b"one", mode=0o600)
    transport.write(path, b"two", mode=0o600)
    assert transport.read(path) == b"two"
    found = transport.run(["sh", "-c", 'stat -c %a "$1"; ls -A "$(dirname "$1")"', "sh", path]).output
    assert found.split("\n")[:2] == ["600", "it's.txt"]
    with pytest.raises(FileNotFoundError):
        transport.read(f"{folder}/none")
    source = tmp_path / "from" / "a b"
    source.mkdir(parents=True)
    (source / "x").write_bytes(bytes(range(256)))
    (source / "empty").mkdir()
    for _ in range(2):  # over what is there
        transport.put(source.parent, f"{folder}/to")
    transport.get(f"{folder}/to", tmp_path / "back")
    assert (tmp_path / "back/a b/x").read_bytes() == bytes(range(256))
    assert (tmp_path / "back/a b/empty").is_dir()


@both
def test_following_a_program_gives_lines_as_they_come_and_ends_it(way):
    transport, folder = way
    script = 'echo first; while [ ! -e "$1/go" ]; do sleep 0.05; done; echo second; sleep 1000'
    with transport.follow(["sh", "-c", script, "sh", folder]) as pieces:
        assert next(pieces) == b"first\n"
        transport.write(f"{folder}/go", b"")
        assert next(pieces) == b"second\n"


@both
def test_a_command_that_does_not_end_is_given_up(way):
    with pytest.raises(SiteError, match="sleep has not ended"):
        way[0].run(["sleep", "1000"], timeout_s=0.5)
    assert way[0].run(["echo", "still here"]).output == "still here\n"


def test_a_port_here_leads_to_a_port_and_a_socket_there(bed, laptop):
    code = """if True:
        import http.server, socketserver, sys, threading
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200); self.end_headers(); self.wfile.write(b"page of the node")
            def log_message(self, *words): pass
            def address_string(self): return ""
        class Unix(socketserver.UnixStreamServer): pass
        one = http.server.HTTPServer(("127.0.0.1", 0), Page)
        two = Unix(sys.argv[1] + "/socket", Page)
        threading.Thread(target=two.serve_forever).start()
        print(one.server_port, flush=True)
        one.serve_forever()"""
    folder = bed.sh("alice", "mktemp -d").strip()
    with open_transport("alice@bed") as way, way.follow([bed.python, "-c", code, folder]) as pieces:
        port = int(next(pieces))
        for target in (f"127.0.0.1:{port}", f"{folder}/socket"):
            with way.forward(target) as near:
                page = urllib.request.urlopen(f"http://127.0.0.1:{near}/", timeout=10).read()
            assert page == b"page of the node"


def test_a_port_here_leads_to_a_port_here():
    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"page")

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Here().forward(f"127.0.0.1:{server.server_port}") as port:
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read() == b"page"
        server.shutdown()


def test_a_dropped_connection_is_made_again_but_not_for_what_must_run_once(bed, laptop):
    def drop():
        bed.on("login", "pkill", "-KILL", "-u", "alice", "-x", SSHD)

    with open_transport("alice@bed") as way:
        assert way.run(["echo", "1"]).output == "1\n"
        drop()
        assert way.run(["echo", "2"]).output == "2\n"
        counted = bed.sh("alice", "mktemp").strip()
        command = [
            "sh",
            "-c",
            f'echo ran >> "$1"; sleep 0.5; pkill -KILL -u alice -x "{SSHD}"; sleep 5',
            "sh",
            counted,
        ]
        with pytest.raises(SiteError, match="connection to alice@bed has broken"):
            way.run(command, once=True)
        assert bed.sh("alice", f"cat {counted}") == "ran\n"
        assert way.run(["echo", "3"]).output == "3\n"


def test_who_is_not_let_in_and_hosts_that_are_others_are_told(bed, laptop):
    with pytest.raises(NotAllowedError, match="carol@bed does not let you in"):
        open_transport("carol@bed")
    known = laptop / ".ssh" / "known_hosts"
    entry = known.read_text()
    known.write_text("")
    with pytest.raises(SiteError, match=r"host key of alice@bed is not known, its fingerprint is SHA256:\S+"):
        open_transport("alice@bed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(laptop / "other")], check=True)
    other = (laptop / "other.pub").read_text().split()[:2]
    known.write_text(" ".join([entry.split()[0], *other]) + "\n")
    with pytest.raises(
        SiteError, match=r"is not the one in .*known_hosts, but SHA256:\S+: the host was set up anew"
    ):
        open_transport("alice@bed")


def test_a_host_that_is_away_is_told(bed, laptop):
    bed.on("login", "pkill", "-x", SSHD)
    with pytest.raises(SiteError, match="alice@bed does not answer"):
        open_transport("alice@bed")
