"""What goes wrong on purpose."""

import http.client
import time

import pytest
import requests
from dcaches import ROOT, Client

CONTENT = bytes(range(256)) * 400


@pytest.fixture
def path(dcache):
    dcache.put(f"{ROOT}/x", CONTENT)
    dcache.options.redirect_reads = False
    return f"{ROOT}/x"


def test_the_next_requests_fail(dcache, client, path):
    dcache.fail(
        next=2, status=503, door="webdav", method="GET", path=f"{ROOT}/*", retry_after_s=7, message="busy"
    )
    assert client.dav("HEAD", path).status_code == 200
    first = client.dav("GET", path)
    assert (first.status_code, first.headers["Retry-After"], first.reason) == (503, "7", "busy")
    assert [client.dav("GET", path).status_code for _ in range(2)] == [503, 200]


def test_the_frontend_fails_in_json(dcache, client):
    dcache.fail(status=500, door="api", message="database is down")
    answer = client.api("GET", "user")
    assert (answer.status_code, answer.json()["detail"]) == (500, "database is down")
    dcache.fail(status=500, next=9)
    dcache.behave()
    assert client.api("GET", "user").status_code == 200


def test_connections_are_cut(dcache, client, path):
    dcache.spoil(method="GET", cut_after=1000)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
        client.dav("GET", path)
    assert client.dav("GET", path).content == CONTENT


def test_bodies_are_short_and_say_nothing(dcache, client, path):
    dcache.spoil(method="GET", shorter_by=10)
    assert client.dav("GET", path).content == CONTENT[:-10]


def test_bodies_are_corrupt(dcache, client, path):
    dcache.spoil(method="GET", corrupt=True)
    spoiled = client.dav("GET", path).content
    assert len(spoiled) == len(CONTENT)
    assert spoiled != CONTENT


def test_checksums_are_wrong(dcache, client, path):
    right = client.dav("HEAD", path, headers={"Want-Digest": "adler32"}).headers["Digest"]
    dcache.wrong_checksum(path)
    assert client.dav("HEAD", path, headers={"Want-Digest": "adler32"}).headers["Digest"] != right
    dcache.behave()
    assert client.dav("HEAD", path, headers={"Want-Digest": "adler32"}).headers["Digest"] == right


def test_answers_are_late_and_slow(dcache, client, path):
    dcache.spoil(method="GET", wait_s=0.1, bytes_per_s=len(CONTENT) * 5)
    begun = time.monotonic()
    assert client.dav("GET", path).content == CONTENT
    assert time.monotonic() - begun > 0.25


def test_another_host_gets_no_password(dcache, client, path):
    dcache.spoil(method="GET", redirect=dcache.webdav_url.replace("127.0.0.1", "localhost"))
    answer = client.dav("GET", path)
    assert answer.status_code == 401
    sent, redirected = dcache.requests(method="GET")
    assert sent.headers["authorization"] == "Basic ***"
    assert "authorization" not in redirected.headers


def test_the_log_knows_no_secrets(dcache, client, path):
    token = client.macaroon()
    with Client(dcache, token=token) as holder:
        holder.dav(
            "GET",
            f"{path}?authz={token}",
            headers={"TransferHeaderAuthorization": "Bearer x", "Range": "bytes=0-1"},
        )
    seen = dcache.requests(door="webdav", method="GET", path="*/x")[0]
    assert (seen.status, seen.query, seen.headers["range"]) == (206, "authz=***", "bytes=0-1")
    assert token not in str(dcache.requests())
    assert seen.headers["transferheaderauthorization"] == "Bearer ***"
    dcache.forget()
    assert dcache.requests() == []


def test_connections_are_kept_also_after_a_refusal(dcache, client):
    host = dcache.webdav_url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=9)
    for _ in range(3):
        connection.request("PUT", f"{ROOT}/x", body=b"abc")  # nobody, so 401 before the body is read
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (401, b"Authentication required\n")
        first = connection.sock
    connection.request("OPTIONS", "/", headers={"Authorization": "Basic YWxpY2U6c2VjcmV0"})
    answer = connection.getresponse()
    answer.read()
    assert "PROPFIND" in answer.headers["Allow"]
    assert connection.sock is first
    connection.close()
