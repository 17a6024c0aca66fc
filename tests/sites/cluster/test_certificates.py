"""A cluster's certificate lets in who has it, and nobody else; so does its dashboard."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509

from swath.sites.cluster.certificates import make_certificate, read_security
from swath.sites.cluster.dashboard import is_own, show_dashboard


@pytest.fixture
def security(tmp_path):
    for name, content in make_certificate().items():
        (tmp_path / name).write_bytes(content)
    return read_security(tmp_path)


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"tasks" * 100_000)

    def log_message(self, *words):
        pass


class Quiet(HTTPServer):
    def handle_error(self, *words):
        pass


@pytest.fixture
def page(security):
    """A page behind the context that scheduler and workers use for theirs."""
    with Quiet(("127.0.0.1", 0), Page) as server:
        context = security.get_listen_args("scheduler")["ssl_context"]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_it_is_valid_on_hosts_with_slow_clocks_and_not_for_long():
    found = x509.load_pem_x509_certificate(make_certificate()["certificate.pem"])
    now = dt.datetime.now(dt.UTC)
    assert found.not_valid_before_utc < now - dt.timedelta(hours=23)
    assert found.not_valid_after_utc < now + dt.timedelta(days=90)


def test_every_role_uses_it_and_nothing_goes_in_the_clear(security):
    assert security.require_encryption
    for role in ("scheduler", "worker", "client"):
        assert security.get_connection_args(role)["ssl_context"].verify_mode is ssl.CERT_REQUIRED
        assert security.get_listen_args(role)["ssl_context"].verify_mode is ssl.CERT_REQUIRED


def test_a_dashboard_is_shown_here_and_asks_others_for_the_certificate(security, page):
    context = security.get_connection_args("client")["ssl_context"]
    with show_dashboard("127.0.0.1", page, context) as port:
        for _ in range(2):
            shown = urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10)
            assert shown.read() == b"tasks" * 100_000
            shown.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((OSError, urllib.error.URLError)):
        urllib.request.urlopen(f"https://127.0.0.1:{page}/status", timeout=10, context=stranger).read()


def test_connections_of_other_users_are_told_from_ones_own(tmp_path):
    near, far = ("127.0.0.1", 8787), ("127.0.0.1", 40000)
    table = tmp_path / "tcp"
    line = "  1: {} {} 01 00000000:00000000 00:00000000 00000000  {}        0 1 1 0 20 4 0 10 -1\n"
    from swath.sites.cluster.dashboard import _hex

    for user, own in ((os.getuid(), True), (os.getuid() + 1, False), (0, True)):
        lines = line.format(_hex(near), _hex(far), 4711) + line.format(_hex(far), _hex(near), user)
        table.write_text("  sl  local_address\n" + lines)
        assert is_own(far, near, table) is own
    assert not is_own(("127.0.0.1", 1), near, table)
    assert is_own(far, near, tmp_path / "none")
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert is_own(client.getsockname(), server.getsockname())
