"""Who is at the other end of a connection over the loopback."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from swath.jobs.sessions.peers import find_owner, format_end, is_stranger, owner_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux, which says whose a socket is")


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")]
)
def test_the_owner_of_a_connection_is_found_however_it_was_made(family, host):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
        client.connect((host, server.getsockname()[1]))
        near, peer = server.accept()
        with near:
            assert owner_of(peer, near.getsockname()) == os.getuid()
            assert not is_stranger(peer, near.getsockname())


def test_a_connection_that_is_not_there_has_no_owner():
    assert owner_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert not is_stranger(("127.0.0.1", 1), ("127.0.0.1", 2))


def test_a_row_of_the_kernels_table_is_found_by_both_ends():
    near, far = format_end("127.0.0.1", 5000), format_end("127.0.0.1", 80)
    rows = f"  sl  local\n   0: {far} {near} 01 0:0 0:0 0 7 0 1\n   1: {near} {far} 01 0:0 0:0 0 1234 0 1\n"
    assert find_owner(rows, near, far) == 1234
    assert find_owner(rows, far, near) == 7
    assert find_owner(rows, near, near) is None
