"""Login nodes that ask for one-time codes, and such that are reached over another: real OpenSSH, real PAM."""

from __future__ import annotations

import socket
import sys
import time

import pytest
from slurm.machine import SSHD, wait_until
from slurm.terminal import at_terminal

from swath.model import NotAllowedError, SiteError
from swath.sites.transport import open_transport

CODES = (
    "UsePAM=yes",
    "KbdInteractiveAuthentication=yes",
    "AuthenticationMethods=publickey,keyboard-interactive",
)
QUESTION = "One-time password (OATH) for `alice': "
SCRIPT = """
import sys
from swath.sites.transport import connecting, open_transport
connecting._CONNECT_S = 4.0
try:
    with open_transport(sys.argv[1]) as way:
        print(way.run(["hostname"]).output.strip(), way.run(["whoami"]).output.strip())
        sys.stdin.readline()
        print("still", way.run(["hostname"]).output)
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.fixture
def codes(bed, laptop):
    """Have the login node ask for a key and a code, on another port; gives the codes."""
    add_host(bed, laptop, "coded", "login", port=2222)
    dealt = bed.deal_codes("alice")
    with bed.sshd("login", 2222, *CODES):
        yield dealt


def add_host(bed, laptop, name, host, *lines, port=22):
    """Add a host of the bed to what the laptop's SSH knows."""
    address = bed.address(host)
    with (laptop / ".ssh/known_hosts").open("a") as known:
        known.write(f"[{address}]:{port} {(bed.base / 'etc/hostkey.pub').read_text()}")
        known.write(f"{address} {(bed.base / 'etc/hostkey.pub').read_text()}")
    said = (f"HostName {address}", f"Port {port}", "User alice", f"IdentityFile {laptop}/.ssh/alice", *lines)
    config = laptop / ".ssh/config"
    config.write_text("\n  ".join((f"Host {name}", *said)) + f"\n{config.read_text()}")


def talk(name):
    """Start the script at a terminal."""
    return at_terminal([sys.executable, "-c", SCRIPT, name])


def test_a_code_is_asked_for_once_for_each_connection_in_the_words_of_the_host(bed, codes):
    with talk("coded") as terminal:
        terminal.wait_for(QUESTION)
        assert not terminal.echoes
        terminal.type("none")
        terminal.wait_for(QUESTION)
        time.sleep(4.5)  # more than a host may take: a person may look for the phone
        terminal.type(codes[0])
        assert QUESTION not in terminal.wait_for("login alice")
        bed.on("login", "pkill", "-KILL", "-u", "alice", "-x", SSHD)
        terminal.type("go on")
        terminal.wait_for(QUESTION)
        terminal.type(codes[1])
        assert QUESTION not in terminal.wait_for("still login")
        assert terminal.echoes


def test_ctrl_c_at_the_question_ends_the_command_and_leaves_the_terminal_as_it_was(codes):
    with talk("coded") as terminal:
        terminal.wait_for(QUESTION)
        assert not terminal.echoes
        terminal.press(b"\x03")
        terminal.wait_for("stopped")
        assert terminal.echoes


def test_a_code_that_nobody_can_be_asked_for_is_told(codes):
    told = "coded asks for a password or a one-time code, and there is no terminal"
    with pytest.raises(NotAllowedError, match=told) as error:
        open_transport("coded")
    assert "run this command in a terminal" in error.value.fix


def test_a_host_that_only_another_one_reaches(bed, laptop):
    add_host(bed, laptop, "inner", "n1", "ProxyJump alice@bed")
    with bed.sshd("n1", 22), bed.hidden("n1"):
        with pytest.raises(OSError, match="timed out"):
            socket.create_connection((bed.address("n1"), 22), timeout=1)
        with open_transport("inner") as way:
            assert way.run(["hostname"]).output == "n1\n"
            way.write(f"{bed.home('alice')}/note", b"by way of the login node")
            assert bed.sh("alice", "cat note; rm note") == "by way of the login node"
            bed.on("login", "pkill", "-KILL", "-u", "alice", "-x", SSHD)
            assert way.run(["echo", "again"]).output == "again\n"
        wait_until("no connection", lambda: not bed.sh("alice", "pgrep -u alice -x sshd || true"), 20)


def test_the_host_on_the_way_may_ask_for_a_code(bed, laptop, codes):
    add_host(bed, laptop, "inner", "n1", "ProxyJump coded")
    with bed.sshd("n1", 22), bed.hidden("n1"), talk("inner") as terminal:
        terminal.wait_for(QUESTION)
        terminal.type(codes[0])
        terminal.wait_for("n1 alice")
        terminal.type("go on")
        assert QUESTION not in terminal.wait_for("still n1")


def test_what_is_wrong_on_the_way_is_said_of_the_host_there(bed, laptop):
    add_host(bed, laptop, "inner", "n1", "ProxyJump carol@bed")
    with pytest.raises(NotAllowedError, match="carol@bed does not let you in"):
        open_transport("inner")
    add_host(bed, laptop, "away", "n2", "ProxyJump alice@bed")
    with pytest.raises(SiteError, match=r"away does not answer .*Connection refused"):
        open_transport("away")
