"""The WebDAV door, seen by plain clients."""

import base64
import datetime as dt
import hashlib
import http.client
import ipaddress
import os
import re
import threading
import zlib
from xml.etree import ElementTree as ET

import pytest
from cryptography import x509
from dcaches import ROOT, Client

from swath.sites.self_signed import self_signed
from swath.testing.dcache import DCache, Options

CONTENT = bytes(range(256)) * 40


def raw(dcache, method, path, body=b"", **headers):
    """Send a request through http.client, without what sessions add; give status, headers and body."""
    host = dcache.webdav_url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=20)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            method, path, body=body or None, headers={"Authorization": "Basic YWxpY2U6c2VjcmV0"} | named
        )
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_what_is_put_is_got_listed_moved_and_deleted(dcache, client):
    url = f"{ROOT}/a%20b%2Bc%23%C3%A9.tif"
    assert client.dav("PUT", url, data=CONTENT).status_code == 201
    assert dcache.read(f"{ROOT}/a b+c#é.tif") == CONTENT
    assert client.dav("GET", url).content == CONTENT
    assert client.dav("PUT", url, data=b"new").status_code == 204
    listed = client.dav("PROPFIND", ROOT, headers={"Depth": "1"})
    assert listed.status_code == 207
    assert re.findall(r"href>([^<]+)<", listed.text) == [f"{ROOT}/", url]
    there = dcache.webdav_url + f"{ROOT}/moved"
    assert client.dav("MOVE", url, headers={"Destination": there}).status_code == 201
    assert client.dav("GET", f"{ROOT}/moved").content == b"new"
    assert client.dav("DELETE", f"{ROOT}/moved").status_code == 204
    assert client.dav("HEAD", f"{ROOT}/moved").status_code == 404


def test_folders(dcache, client):
    assert client.dav("MKCOL", f"{ROOT}/a/b").status_code == 409
    assert client.dav("MKCOL", f"{ROOT}/a").status_code == 201
    assert client.dav("MKCOL", f"{ROOT}/a").status_code == 405
    assert client.dav("PUT", f"{ROOT}/a").status_code == 405
    assert client.dav("PUT", f"{ROOT}/a/deep/er/x", data=b"1").status_code == 201  # as dCache does
    page = client.dav("GET", f"{ROOT}/a")
    assert page.history[0].status_code == 302
    assert 'href="deep/"' in page.text
    assert client.dav("DELETE", f"{ROOT}/a").status_code == 204
    assert not dcache.namespace.exists(f"{ROOT}/a")


def test_what_cannot_be_is_refused(dcache, client):
    dcache.put(f"{ROOT}/x", b"x")
    assert client.dav("PUT", f"{ROOT}/x/y", data=b"y").status_code == 409
    assert client.dav("GET", f"{ROOT}/x/y").status_code == 404
    assert client.dav("DELETE", "/").status_code == 403
    assert client.dav("PROPFIND", ROOT, data=b"<propfind").status_code == 400
    assert client.dav("LOCK", ROOT).status_code == 501
    assert dcache.read(f"{ROOT}/x") == b"x"


def test_move_does_not_replace_where_it_may_not(dcache, client):
    dcache.put(f"{ROOT}/a", b"a")
    dcache.put(f"{ROOT}/b", b"b")
    to = {"Destination": dcache.webdav_url + f"{ROOT}/b"}
    assert client.dav("MOVE", f"{ROOT}/a", headers=to | {"Overwrite": "F"}).status_code == 412
    assert client.dav("MOVE", f"{ROOT}/a", headers=to).status_code == 204
    assert dcache.read(f"{ROOT}/b") == b"a"
    nowhere = {"Destination": dcache.webdav_url + f"{ROOT}/no/where"}
    assert client.dav("MOVE", f"{ROOT}/b", headers=nowhere).status_code == 409


@pytest.mark.parametrize("redirects", [True, False])
@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-0", 206, CONTENT[:1]),
        ("bytes=10-19", 206, CONTENT[10:20]),
        ("bytes=10230-99999", 206, CONTENT[10230:]),
        ("bytes=-5", 206, CONTENT[-5:]),
        ("bytes=10240-", 416, None),
        ("bytes=9-3", 416, None),
        ("rows=0-3", 400, None),
    ],
)
def test_one_range(dcache, client, redirects, asked, status, expected):
    dcache.options.redirect_reads = redirects
    dcache.put(f"{ROOT}/x", CONTENT)
    answer = client.dav("GET", f"{ROOT}/x", headers={"Range": asked})
    assert answer.status_code == status
    if expected is not None:
        assert answer.content == expected
        assert answer.headers["Content-Range"].endswith("/10240")
        assert int(answer.headers["Content-Length"]) == len(expected)


def test_several_ranges_come_in_parts(dcache, client):
    dcache.put(f"{ROOT}/x", CONTENT)
    answer = client.dav("GET", f"{ROOT}/x", headers={"Range": "bytes=0-3,256-259,-2"})
    assert answer.status_code == 206
    boundary = re.fullmatch('multipart/byteranges; boundary="(.+)"', answer.headers["Content-Type"])[1]
    parts = answer.content.split(f"--{boundary}".encode())
    assert [each.partition(b"\r\n\r\n")[2][:-2] for each in parts[1:-1]] == [
        CONTENT[:4],
        CONTENT[:4],
        CONTENT[-2:],
    ]
    assert b"Content-Range: bytes 256-259/10240" in parts[2]
    assert len(answer.content) == int(answer.headers["Content-Length"])


def test_doors_send_on_to_the_pool_and_an_address_is_good_for_one_file_once(dcache, client):
    dcache.put(f"{ROOT}/x", CONTENT)
    first = client.dav("GET", f"{ROOT}/x", allow_redirects=False)
    assert first.status_code == 307
    there = first.headers["Location"]
    assert there.startswith(dcache.pool_url)
    client.auth = None
    assert client.get(there, timeout=9).content == CONTENT
    again = client.get(there, timeout=9)
    assert (again.status_code, again.reason) == (400, "Request is no longer valid. Please resubmit to door.")
    dcache.options.redirect_reads = False
    client.auth = ("alice", "secret")
    assert client.dav("GET", f"{ROOT}/x", allow_redirects=False).content == CONTENT


def test_a_put_that_expects_100_is_sent_on_and_others_are_not(dcache):
    status, headers, _ = raw(dcache, "PUT", f"{ROOT}/x", Expect="100-continue", Content_Length="3")
    assert status == 307
    pool, _, path = headers["Location"].partition("://")[2].partition("/")
    connection = http.client.HTTPConnection(pool, timeout=9)
    connection.request("PUT", f"/{path}", body=b"abc", headers={"Want-Digest": "md5"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (201, b"3 bytes uploaded\r\n")
    assert answer.headers["Digest"] == "md5=kAFQmDzST7DWlj99KOF/cg=="
    connection.close()
    assert dcache.read(f"{ROOT}/x") == b"abc"
    assert raw(dcache, "PUT", f"{ROOT}/y", b"abc")[0] == 201


def test_a_door_that_does_not_send_on_says_100_first(dcache):
    dcache.options.redirect_writes = False
    host = dcache.webdav_url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=9)
    connection.putrequest("PUT", f"{ROOT}/x")
    for header in (
        ("Authorization", "Basic YWxpY2U6c2VjcmV0"),
        ("Content-Length", "3"),
        ("Expect", "100-continue"),
    ):
        connection.putheader(*header)
    connection.endheaders()
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
    connection.send(b"abc")
    assert connection.getresponse().status == 201
    connection.close()


def test_chunked_uploads(dcache, client):
    assert client.dav("PUT", f"{ROOT}/x", data=iter([CONTENT[:1000], CONTENT[1000:]])).status_code == 201
    assert dcache.read(f"{ROOT}/x") == CONTENT


def test_dcache_tells_only_checksums_that_it_has(dcache, client):
    adler = f"adler32={zlib.adler32(CONTENT):08x}"
    client.dav("PUT", f"{ROOT}/x", data=CONTENT)
    assert client.dav("HEAD", f"{ROOT}/x", headers={"Want-Digest": "adler32,md5"}).headers["Digest"] == adler
    assert "Digest" not in client.dav("HEAD", f"{ROOT}/x", headers={"Want-Digest": "md5"}).headers
    assert "Digest" not in client.dav("HEAD", f"{ROOT}/x").headers
    put = client.dav("PUT", f"{ROOT}/y", data=CONTENT, headers={"Want-Digest": "md5"})
    assert put.headers["Digest"].startswith("md5=")
    got = client.dav("GET", f"{ROOT}/y", headers={"Want-Digest": "adler32;q=0.4,md5;q=0.6"})
    assert got.headers["Digest"] == put.headers["Digest"]


@pytest.mark.parametrize(
    "header", [{"Content-MD5": "kAFQmDzST7DWlj99KOF/cg=="}, {"Digest": "adler32=024d0127"}]
)
def test_an_upload_that_is_not_what_it_claims_is_not_kept(dcache, client, header):
    assert client.dav("PUT", f"{ROOT}/x", data=b"abc", headers=header).status_code == 201
    bad = client.dav("PUT", f"{ROOT}/y", data=b"abd", headers=header)
    assert bad.status_code == 400
    assert bad.reason.startswith("Checksum mismatch")
    assert client.dav("HEAD", f"{ROOT}/y").status_code == 404


def test_a_broken_upload_leaves_nothing(dcache, client):
    host = dcache.webdav_url.partition("://")[2]
    connection = http.client.HTTPConnection(host, timeout=9)
    connection.putrequest("PUT", f"{ROOT}/x")
    connection.putheader("Authorization", "Basic YWxpY2U6c2VjcmV0")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    connection.close()
    dcache.clock.wait_for(lambda: bool(dcache.requests(method="PUT")), timeout_s=1)
    assert client.dav("PROPFIND", ROOT, headers={"Depth": "1"}).text.count("href>") == 2
    assert not dcache.namespace.exists(f"{ROOT}/x")


def test_properties_of_dcache(dcache, client):
    dcache.put(f"{ROOT}/x", CONTENT, locality="NEARLINE")
    asked = (
        '<propfind xmlns="DAV:" xmlns:d="http://www.dcache.org/2013/webdav" '
        'xmlns:s="http://srm.lbl.gov/StorageResourceManager"><prop><d:Checksums/><s:FileLocality/>'
        "<getcontentlength/><s:AccessLatency/><s:RetentionPolicy/><nonsense/></prop></propfind>"
    )
    root = ET.fromstring(client.dav("PROPFIND", f"{ROOT}/x", data=asked, headers={"Depth": "0"}).content)
    good, bad = root.findall(".//{DAV:}propstat")
    assert {each.tag.partition("}")[2]: each.text for each in good.find("{DAV:}prop")} == {
        "Checksums": f"adler32={zlib.adler32(CONTENT):08x}",
        "FileLocality": "NEARLINE",
        "getcontentlength": "10240",
        "AccessLatency": "NEARLINE",
        "RetentionPolicy": "CUSTODIAL",
    }
    assert [each.tag for each in bad.find("{DAV:}prop")] == ["{DAV:}nonsense"]
    assert bad.find("{DAV:}status").text == "HTTP/1.1 404 Not Found"


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/x/..%2f..%2f..%2fetc/passwd"]
)
def test_nothing_outside_the_root_is_reached(dcache, path):
    assert raw(dcache, "GET", path)[0] == 404
    assert raw(dcache, "PUT", path, b"1")[0] == 201
    assert dcache.read("/etc/passwd") == b"1"


def test_links_that_lead_out_are_not_followed(dcache, client, tmp_path):
    (tmp_path / "secret").write_text("x")
    (dcache.namespace.where(ROOT) / "link").symlink_to(tmp_path / "secret")
    assert client.dav("GET", f"{ROOT}/link").status_code == 404


def test_a_client_that_has_the_file_is_told_so(dcache, client):
    dcache.put(f"{ROOT}/x", CONTENT)
    tag = client.dav("HEAD", f"{ROOT}/x").headers["ETag"]
    assert client.dav("GET", f"{ROOT}/x", headers={"If-None-Match": tag}).status_code == 304
    dcache.put(f"{ROOT}/x", CONTENT + b"1")
    os.utime(dcache.namespace.where(f"{ROOT}/x"), (1, 1))
    assert client.dav("GET", f"{ROOT}/x", headers={"If-None-Match": tag}).content == CONTENT + b"1"


def test_who_is_nobody_is_asked_for_a_password(dcache):
    with Client(dcache, auth=None) as nobody:
        dcache.put(f"{ROOT}/x", b"x")
        refused = nobody.dav("GET", f"{ROOT}/x")
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="dCache"')
        dcache.options.anonymous = "READONLY"
        assert nobody.dav("GET", f"{ROOT}/x").content == b"x"
        assert nobody.dav("PUT", f"{ROOT}/y", data=b"y").status_code == 401
    with Client(dcache, auth=("alice", "wrong")) as stranger:
        assert stranger.dav("GET", f"{ROOT}/x").status_code == 401


def test_a_read_of_a_file_on_tape_waits_until_it_is_staged(dcache, client):
    dcache.tape.recall_s = 7200
    dcache.options.mover_timeout_s = 1e6
    dcache.put(f"{ROOT}/x", CONTENT, locality="NEARLINE")
    got = []
    thread = threading.Thread(target=lambda: got.append(client.dav("GET", f"{ROOT}/x").content))
    thread.start()
    assert dcache.clock.wait_for(lambda: bool(dcache.tape.coming()), timeout_s=20)
    dcache.clock.advance(hours=1)
    assert dcache.locality(f"{ROOT}/x") == "NEARLINE"
    assert got == []
    dcache.clock.advance(hours=1)
    thread.join(20)
    assert got == [CONTENT]


def test_a_read_of_a_file_on_tape_can_time_out_or_be_refused(dcache, client):
    dcache.put(f"{ROOT}/x", CONTENT, locality="NEARLINE")
    dcache.options.mover_timeout_s = 0
    assert client.dav("GET", f"{ROOT}/x").status_code == 500
    dcache.options.on_nearline = "refuse"
    assert client.dav("GET", f"{ROOT}/x").status_code == 403
    dcache.set_locality(f"{ROOT}/x", "LOST")
    assert client.dav("GET", f"{ROOT}/x").status_code == 500


def copied(answer):
    assert (answer.status_code, answer.headers["Content-Type"]) == (202, "text/perf-marker-stream")
    return answer.text.splitlines()[-1]


def test_third_party_copies_between_two_dcaches(dcache, client):
    dcache.options.marker_s = 0.05
    with (
        DCache(users={"bob": "x"}, options=Options(marker_s=0.05)) as other,
        Client(other, ("bob", "x")) as there,
    ):
        other.put("/data/x", CONTENT)
        url = f"{other.webdav_url}/data/x"
        header = {"TransferHeaderAuthorization": f"Bearer {there.macaroon()}", "Credential": "none"}
        assert copied(client.dav("COPY", f"{ROOT}/x", headers=header | {"Source": url})) == "success: Created"
        assert dcache.read(f"{ROOT}/x") == CONTENT
        to = {"Destination": f"{other.webdav_url}/data/y"}
        other.spoil(method="PUT", wait_s=0.3)
        pushed = client.dav("COPY", f"{ROOT}/x", headers=header | to)
        assert copied(pushed) == "success: Created"
        assert pushed.text.startswith("Perf Marker\n    Timestamp: ")
        assert other.read("/data/y") == CONTENT
        missing = client.dav("COPY", f"{ROOT}/z", headers=header | {"Source": url + "no"})
        assert copied(missing) == "failure: rejected GET: 404 Not Found"
        denied = client.dav("COPY", f"{ROOT}/z", headers={"Source": url})
        assert copied(denied) == "failure: rejected GET: 401 Unauthorized"
        other.wrong_checksum("/data/x")
        assert copied(client.dav("COPY", f"{ROOT}/z", headers=header | {"Source": url})).startswith(
            "failure: checksum"
        )
        assert not dcache.namespace.exists(f"{ROOT}/z")
    assert client.dav("COPY", f"{ROOT}/x").status_code == 400


def test_the_door_speaks_tls(tmp_path):
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    hour = dt.timedelta(hours=1)
    made = self_signed("dcache", names, critical=False, before=hour, after=hour)
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    for file, content in zip(files, made, strict=True):
        file.write_bytes(content)
    strict = Options(plain_credentials=False)
    with DCache(users={"alice": "secret"}, tls=files, options=strict) as dcache, Client(dcache) as client:
        client.verify = str(files[0])
        dcache.put("/x", CONTENT)
        assert dcache.webdav_url.startswith("https://")
        assert client.dav("GET", "/x").content == CONTENT
        assert client.api("GET", "user").json()["username"] == "alice"
        assert client.macaroon().startswith("MDA")
    with (
        DCache(users={"alice": "secret"}, options=Options(plain_credentials=False)) as dcache,
        Client(dcache) as client,
    ):
        assert client.dav("GET", "/").status_code == 401


def test_digests_are_those_of_hashlib(dcache, client):
    answer = client.dav("PUT", f"{ROOT}/x", data=CONTENT, headers={"Want-Digest": "sha-256"})
    assert (
        answer.headers["Digest"] == "sha-256=" + base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    )
