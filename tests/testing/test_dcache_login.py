"""Macaroons and tokens at both doors."""

import pytest
from dcaches import ROOT, Client

from swath.storage.dcache.macaroon import parse_macaroon, restrict


def status(dcache, token, method, path, **more):
    with Client(dcache, token=token) as client:
        return client.dav(method, path, **more).status_code


@pytest.fixture
def files(dcache):
    for name in ("mine/a", "mine/deep/b", "other/c"):
        dcache.put(f"{ROOT}/{name}", b"x")
    return dcache


def test_a_macaroon_says_what_dcache_writes_into_it(files, client):
    answer = client.dav(
        "POST",
        f"{ROOT}/mine",
        json={"caveats": ["activity:DOWNLOAD,LIST"], "validity": "PT12H"},
        headers={"Content-Type": "application/macaroon-request"},
    ).json()
    kinds = [each.partition(":")[0] for each in parse_macaroon(answer["macaroon"]).caveats]
    assert kinds == ["iid", "id", "before", "path", "activity"]
    assert set(answer["uri"]) == {"target", "targetWithMacaroon", "base", "baseWithMacaroon"}
    assert answer["uri"]["targetWithMacaroon"] == f"{files.webdav_url}{ROOT}/mine?authz={answer['macaroon']}"


ALL = "DOWNLOAD,UPLOAD,DELETE,MANAGE,LIST,READ_METADATA,UPDATE_METADATA,STAGE"


@pytest.mark.parametrize(
    ("activities", "method", "path", "expected"),
    [
        ("DOWNLOAD", "GET", "mine/a", 200),
        ("DOWNLOAD", "PUT", "mine/new", 403),
        ("DOWNLOAD", "HEAD", "mine/a", 200),
        ("DOWNLOAD", "PROPFIND", "mine", 403),
        ("LIST", "PROPFIND", "mine", 207),
        ("LIST", "GET", "mine/a", 403),
        ("UPLOAD", "PUT", "mine/new", 201),
        ("UPLOAD", "PUT", "mine/a", 403),
        ("UPLOAD,DELETE", "PUT", "mine/a", 204),
        ("UPLOAD", "MKCOL", "mine/new", 201),
        ("DOWNLOAD", "MKCOL", "mine/new", 403),
        ("MANAGE", "MKCOL", "mine/new", 201),
        ("DELETE", "DELETE", "mine/a", 204),
        ("MANAGE", "DELETE", "mine/a", 403),
        (ALL, "GET", "other/c", 403),
        (ALL, "PUT", "other/c", 403),
        (ALL, "DELETE", "other/c", 403),
        (ALL, "PROPFIND", "other", 403),
    ],
)
def test_activities_and_paths_are_enforced(files, client, activities, method, path, expected):
    token = client.macaroon(f"activity:{activities}", f"path:{ROOT}/mine")
    assert status(files, token, method, f"{ROOT}/{path}", headers={"Depth": "1"}) == expected


def test_folders_on_the_way_show_only_the_way(files, client):
    token = client.macaroon(f"path:{ROOT}/mine/deep")
    with Client(files, token=token) as weak:
        answer = weak.api("GET", f"namespace{ROOT}?children=true")
        assert [each["fileName"] for each in answer.json()["children"]] == ["mine"]
        assert weak.api("GET", f"namespace{ROOT}/other?children=true").status_code == 403


def test_a_root_is_the_root(files, client):
    token = client.macaroon(f"root:{ROOT}/mine", "path:/deep")
    assert status(files, token, "GET", "/deep/b") == 200
    assert status(files, token, "GET", "/../../other/c") == 403
    assert status(files, token, "GET", "/a") == 403


def test_a_weaker_macaroon_is_made_without_dcache(files, client):
    whole = client.macaroon(f"path:{ROOT}")
    weak = restrict(whole, "path:mine", "activity:LIST,DOWNLOAD")
    assert status(files, weak, "GET", f"{ROOT}/mine/a") == 200
    assert status(files, weak, "DELETE", f"{ROOT}/mine/a") == 403
    assert status(files, weak, "GET", f"{ROOT}/other/c") == 403
    assert status(files, restrict(weak, "activity:DELETE"), "DELETE", f"{ROOT}/mine/a") == 403
    assert status(files, restrict(weak, "colour:blue"), "GET", f"{ROOT}/mine/a") == 401
    assert status(files, weak[:-4] + "AAAA", "GET", f"{ROOT}/mine/a") == 401


def test_a_macaroon_gives_no_stronger_one(files, client):
    weak = client.macaroon("activity:LIST,DOWNLOAD", path=f"{ROOT}/mine", validity="PT1H")
    with Client(files, token=weak) as holder:
        again = holder.macaroon("activity:LIST,DOWNLOAD,DELETE", path=f"{ROOT}/mine/deep", validity="PT30M")
        longer = holder.dav(
            "POST", "/", json={"validity": "PT2H"}, headers={"Content-Type": "application/macaroon-request"}
        )
        assert (longer.status_code, "cannot extend" in longer.reason) == (400, True)
    assert status(files, again, "GET", f"{ROOT}/mine/deep/b") == 200
    assert status(files, again, "DELETE", f"{ROOT}/mine/deep/b") == 403
    assert status(files, again, "GET", f"{ROOT}/mine/a") == 403


def test_macaroons_end(files, client):
    token = client.macaroon(validity="PT12H")
    files.clock.advance(hours=11.9)
    assert status(files, token, "GET", f"{ROOT}/mine/a") == 200
    files.clock.advance(hours=0.2)
    with Client(files, token=token) as late:
        refused = late.api("GET", f"namespace{ROOT}")
    assert (refused.status_code, refused.json()["status"]) == (401, "401")
    assert "expired" in refused.json()["detail"]


def test_addresses(files, client):
    assert status(files, client.macaroon("ip:127.0.0.0/8,::1"), "GET", f"{ROOT}/mine/a") == 200
    assert status(files, client.macaroon("ip:10.0.0.0/8"), "GET", f"{ROOT}/mine/a") == 401


def test_the_largest_upload(files, client):
    token = client.macaroon("max-upload:3")
    assert status(files, token, "PUT", f"{ROOT}/new", data=b"abc") == 201
    assert status(files, token, "PUT", f"{ROOT}/newer", data=b"abcd") == 413
    assert not files.namespace.exists(f"{ROOT}/newer")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"validity": "P8D"}, "beyond maximum"),
        ({"validity": "soon"}, "Bad validity"),
        ({"caveats": ["colour:blue"]}, "Unknown caveat"),
        ({"caveats": 3}, "Unable to parse JSON"),
        ({"caveats": ["before:2001-01-01T00:00:00Z"]}, "in past"),
    ],
)
def test_macaroons_that_cannot_be(client, asked, reason):
    answer = client.dav("POST", "/", json=asked, headers={"Content-Type": "application/macaroon-request"})
    assert answer.status_code == 400
    assert reason in answer.reason


def test_nobody_gets_no_macaroon(dcache):
    with Client(dcache, auth=None) as nobody:
        answer = nobody.dav("POST", "/", headers={"Content-Type": "application/macaroon-request"})
        assert answer.status_code == 401
        assert nobody.dav("POST", "/", data=b"x").status_code == 405


def test_a_token_in_the_address(files, client):
    token = client.macaroon()
    with Client(files, auth=None) as browser:
        assert browser.dav("GET", f"{ROOT}/mine/a?authz={token}").content == b"x"
    assert {each.query for each in files.requests(method="GET", door="webdav")} == {"authz=***"}


def test_opaque_tokens_end_and_can_be_ended(files):
    token = files.logins.add_token("opaque", user="alice", lifetime_s=3600)
    with Client(files, token=token) as holder:
        assert holder.api("GET", "user").json()["username"] == "alice"
        files.clock.advance(hours=2)
        assert holder.api("GET", "user").status_code == 401
        files.logins.add_token("opaque", user="alice", lifetime_s=3600)
        macaroon = holder.macaroon()
        files.expire_tokens()
        assert holder.api("GET", "user").status_code == 401
    assert status(files, macaroon, "GET", f"{ROOT}/mine/a") == 401
