"""What the door makes of a request's head."""

from __future__ import annotations

import pytest

from swath.jobs.sessions.request import BadRequestError, Request


def head(*lines, first="GET / HTTP/1.1", host="127.0.0.1:80"):
    return "\r\n".join([first, *([f"Host: {host}"] if host else []), *lines, "", ""]).encode()


def test_a_request_is_passed_on_without_the_doors_cookie_and_as_the_last_of_its_connection():
    text = head("Cookie: a=1; door=secret; b=2", "Connection: keep-alive", "Keep-Alive: 5", "X: y", "x: z")
    request = Request.parse(text)
    assert request.cookie("door") == "secret"
    passed = request.passed_on(without_cookie="door").format()
    assert passed == head("X: y", "x: z", "Cookie: a=1; b=2", "Connection: close")


def test_a_websocket_stays_one():
    text = head("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: k")
    request = Request.parse(text)
    assert request.upgrades
    passed = request.passed_on(without_cookie="door")
    assert (passed.get("connection"), passed.get("upgrade")) == ("Upgrade", "websocket")


def test_the_password_of_an_app_replaces_what_the_browser_says():
    request = Request.parse(head("Authorization: Basic mine"))
    passed = request.passed_on(without_cookie="door", authorization="Basic its")
    assert passed.all("authorization") == ["Basic its"]
    assert request.passed_on(without_cookie="door").all("authorization") == ["Basic mine"]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (head(first="GET / HTTP/1.0"), 400),
        (head(first="GET  / HTTP/1.1"), 400),
        (head(first="GET http://elsewhere/ HTTP/1.1"), 400),
        (head("Content-Length: 1", "Content-Length: 2"), 400),
        (head("Host: other"), 400),
        (head(" folded: x"), 400),
        (head("no colon"), 400),
        (head("Name : x"), 400),
        (head("X: a\nY: b"), 400),
        (head("X: a\rY: b"), 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text, status):
    with pytest.raises(BadRequestError) as caught:
        Request.parse(text)
    assert caught.value.status == status


def test_the_length_of_a_body_has_to_be_clear():
    assert Request.parse(head("Content-Length: 12")).body_bytes() == 12
    assert Request.parse(head()).body_bytes() == 0
    for line, status in (
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length: +1", 400),
        ("Content-Length: ²", 400),
    ):
        with pytest.raises(BadRequestError) as caught:
            Request.parse(head().replace(b"\r\n\r\n", f"\r\n{line}\r\n\r\n".encode("latin-1"))).body_bytes()
        assert caught.value.status == status


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "localhost", "[::1]:5"])
def test_this_machine_may_be_called_by_its_names(host):
    Request.parse(head(f"Origin: http://{host}", host=host)).check_origin()


@pytest.mark.parametrize(
    ("host", "lines"),
    [
        ("evil.example:80", ()),
        ("127.0.0.1.evil.example", ()),
        ("", ()),
        ("[", ()),
        ("127.0.0.1:80", ("Origin: http://evil.example",)),
        ("127.0.0.1:80", ("Origin: http://127.0.0.1:81",)),
        ("127.0.0.1:80", ("Origin: null",)),
    ],
)
def test_other_pages_and_names_made_to_lead_here_are_refused(host, lines):
    with pytest.raises(BadRequestError):
        Request.parse(head(*lines, host=host)).check_origin()
