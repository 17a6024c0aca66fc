"""A browser's part in tests of sessions: it enters by an address, keeps its cookie, and asks for pages."""

from __future__ import annotations

import http.client
from urllib.parse import urlencode, urlsplit

SERVER = """if True:
    import http.server, os, socketserver, sys
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(f"{sys.argv[2]} {self.path} {self.headers}".encode())
        def do_POST(self):
            self.answer(str(len(self.rfile.read(int(self.headers["Content-Length"])))).encode())
        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def address_string(self):
            return "-"
    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
    Server(sys.argv[1], Page).serve_forever()"""
"""A program that serves pages on the socket that is its first argument, and says its second one on each."""


class Visitor:
    """One browser, in the hands of whoever has the address."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host, self.path, self.code = parts.netloc, parts.path, parts.fragment
        self.cookies: dict[str, str] = {}

    def enter(self) -> int:
        """Exchange the code for a cookie, as the page's script does."""
        body = urlencode({"code": self.code})
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{self.host}"}
        return self.ask("POST", self.path, body, **form)[0]

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """Send a request; give status and body."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            for each in answer.headers.get_all("Set-Cookie") or ():
                key, _, value = each.partition(";")[0].partition("=")
                self.cookies[key] = value
        finally:
            connection.close()
        return answer.status, content

    def get(self, path: str = "/") -> str:
        """Give a page that is there."""
        status, body = self.ask("GET", path)
        assert status == 200, (status, body[:300])
        return body.decode()
