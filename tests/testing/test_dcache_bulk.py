"""Bulk requests and the WLCG tape API."""

import pytest
from dcaches import ROOT, Client


@pytest.fixture
def taped(dcache):
    dcache.tape.recall_s, dcache.tape.drives = 3600, 2
    for at in range(5):
        dcache.put(f"{ROOT}/f{at}", b"x" * at, locality="NEARLINE")
    return dcache


PATHS = [f"{ROOT}/f{at}" for at in range(5)]


def submit(client, activity, targets, arguments=None, **more):
    answer = client.api(
        "POST",
        "bulk-requests",
        json={"activity": activity, "target": targets, "arguments": arguments or {}, **more},
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["request-url"].rpartition("/")[2]


def states(client, uid):
    found = client.api("GET", f"bulk-requests/{uid}").json()
    return found["status"], [each["state"] for each in found["targets"]]


def stage(client, paths, **more):
    answer = client.api("POST", "tape/stage", json={"files": [{"path": each, **more} for each in paths]})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(answer.json()["requestId"])
    return answer.json()["requestId"]


def staged(client, uid):
    return [each["state"] for each in client.api("GET", f"tape/stage/{uid}").json()["files"]]


def test_drives_bring_two_files_an_hour(taped, client):
    uid = submit(client, "PIN", PATHS, {"lifetime": 1, "lifetimeUnit": "DAYS"})
    assert states(client, uid) == ("STARTED", ["RUNNING"] * 5)
    taped.clock.advance(hours=1)
    assert states(client, uid) == ("STARTED", ["COMPLETED"] * 2 + ["RUNNING"] * 3)
    taped.clock.advance(hours=2)
    assert states(client, uid) == ("COMPLETED", ["COMPLETED"] * 5)
    assert taped.sweep() == 0
    taped.clock.advance(days=1)
    assert taped.sweep() == 5


def test_paths_are_told_cleaned_and_once(taped, client):
    uid = submit(client, "LOG_TARGET", [f"/{PATHS[0]}", PATHS[0], f"{ROOT}/./f1/"])
    found = client.api("GET", f"bulk-requests/{uid}").json()["targets"]
    assert [each["target"] for each in found] == PATHS[:2]


def test_a_request_is_queued_first(taped, client):
    taped.bulk.delay_s = 30
    uid = stage(client, PATHS[:1])
    assert states(client, uid) == ("QUEUED", ["CREATED"])
    assert staged(client, uid) == ["SUBMITTED"]
    taped.clock.advance(seconds=30)
    assert states(client, uid) == ("STARTED", ["RUNNING"])
    assert staged(client, uid) == ["STARTED"]


def test_the_life_of_a_stage_request(taped, client):
    uid = stage(client, PATHS[:2], diskLifetime="P1D")
    begun = client.api("GET", f"tape/stage/{uid}").json()
    assert begun["id"] == uid
    assert "completedAt" not in begun
    taped.clock.advance(hours=3)
    done = client.api("GET", f"tape/stage/{uid}").json()
    assert [each["state"] for each in done["files"]] == ["COMPLETED"] * 2
    assert done["completedAt"] - done["createdAt"] == 3600_000
    assert taped.sweep() == 0
    assert client.api("POST", f"tape/release/{uid}", json={"paths": PATHS[:1]}).status_code == 200
    assert taped.sweep() == 1
    asked = client.api("POST", "tape/archiveinfo", json={"paths": [*PATHS[:2], ROOT, "/no"]}).json()
    assert [each.get("locality") for each in asked] == ["TAPE", "DISK_AND_TAPE", "NONE", None]
    assert "No such file" in asked[3]["error"]
    assert client.api("DELETE", f"tape/stage/{uid}").status_code == 200
    assert client.api("GET", f"tape/stage/{uid}").status_code == 404


def test_staging_is_cancelled(taped, client):
    uid = stage(client, PATHS)
    wrong = client.api("POST", f"tape/stage/{uid}/cancel", json={"paths": ["/not/mine"]})
    assert wrong.status_code == 400
    assert wrong.headers["title"] == "File missing from stage request"
    assert client.api("POST", f"tape/stage/{uid}/cancel", json={"paths": PATHS[3:]}).status_code == 200
    assert staged(client, uid) == ["STARTED"] * 3 + ["CANCELLED"] * 2
    taped.clock.advance(hours=9)
    assert staged(client, uid) == ["COMPLETED"] * 3 + ["CANCELLED"] * 2
    assert [taped.locality(each) for each in PATHS[2:4]] == ["ONLINE_AND_NEARLINE", "NEARLINE"]


def test_a_bulk_request_is_cancelled_and_cleared(taped, client):
    uid = submit(client, "PIN", PATHS)
    assert client.api("PATCH", f"bulk-requests/{uid}", json={"action": "dance"}).status_code == 400
    assert client.api("PATCH", f"bulk-requests/{uid}", json={"action": "cancel"}).status_code == 200
    assert states(client, uid) == ("CANCELLED", ["CANCELLED"] * 5)
    assert client.api("DELETE", f"bulk-requests/{uid}").status_code == 204
    assert client.api("GET", f"bulk-requests/{uid}").status_code == 404


def test_one_target_fails_and_the_others_do_not(taped, client):
    taped.fail_target(PATHS[1], "tape is torn")
    uid = stage(client, [*PATHS[:3], f"{ROOT}/missing"])
    taped.clock.advance(hours=2)
    files = client.api("GET", f"tape/stage/{uid}").json()["files"]
    assert [each["state"] for each in files] == ["COMPLETED", "FAILED", "COMPLETED", "FAILED"]
    assert files[1]["error"] == "tape is torn"
    assert "No such file" in files[3]["error"]
    assert taped.locality(PATHS[1]) == "NEARLINE"
    target = client.api("GET", f"bulk-requests/{uid}").json()["targets"][1]
    assert target["errorType"] == "diskCacheV111.util.CacheException"


def test_the_first_failure_can_end_a_request(taped, client):
    uid = submit(client, "PIN", ["/missing", *PATHS], cancelOnFailure=True)
    assert states(client, uid) == ("COMPLETED", ["FAILED"] + ["CANCELLED"] * 5)


def test_requests_can_be_forgotten_when_done(taped, client):
    uid = submit(client, "PIN", PATHS[:1], clear_on_success="true")
    taped.clock.advance(hours=1)
    assert client.api("GET", f"bulk-requests/{uid}").status_code == 404


def test_files_that_never_were_on_tape_are_not_staged_but_pinned(taped, client):
    taped.put(f"{ROOT}/disk", b"x")
    uid = stage(client, [f"{ROOT}/disk", ROOT])
    files = client.api("GET", f"tape/stage/{uid}").json()["files"]
    assert [each["error"] for each in files] == ["Cannot stage DISK only files", "Not a regular file."]
    assert states(client, submit(client, "PIN", [f"{ROOT}/disk"])) == ("COMPLETED", ["COMPLETED"])
    taped.set_locality(PATHS[0], "LOST")
    assert staged(client, stage(client, PATHS[:1])) == ["FAILED"]


@pytest.mark.parametrize("arguments", [{"lifetime": "soon"}, {"lifetime": 1, "lifetimeUnit": "MOONS"}])
def test_arguments_that_cannot_be_read_fail_their_targets(taped, client, arguments):
    taped.put(f"{ROOT}/disk", b"x")
    assert states(client, submit(client, "PIN", [f"{ROOT}/disk"], arguments)) == ("COMPLETED", ["FAILED"])


def test_folders_are_expanded_as_far_as_is_allowed(taped, client):
    taped.put(f"{ROOT}/deep/er/f", b"", locality="NEARLINE")
    uid = submit(client, "PIN", [ROOT], expandDirectories="TARGETS")
    found = client.api("GET", f"bulk-requests/{uid}").json()["targets"]
    assert [each["target"] for each in found] == [ROOT, *PATHS]
    body = {"activity": "PIN", "target": [ROOT], "expandDirectories": "ALL"}
    assert client.api("POST", "bulk-requests", json=body).status_code == 413
    taped.bulk.allowed_depth = "ALL"
    uid = submit(client, "PIN", [ROOT], expand_directories="all")
    found = [each["target"] for each in client.api("GET", f"bulk-requests/{uid}").json()["targets"]]
    assert {*PATHS, f"{ROOT}/deep/er/f"} <= set(found)


def test_targets_come_in_pages(taped, client):
    taped.bulk.page = 2
    uid = submit(client, "LOG_TARGET", PATHS)
    seen, offset = [], 0
    while offset != -1:
        page = client.api("GET", f"bulk-requests/{uid}?offset={offset}").json()
        seen, offset = seen + [each["target"] for each in page["targets"]], page["nextId"]
        assert len(page["targets"]) <= 2
    assert seen == PATHS


def test_files_are_deleted_and_moved_to_tape_in_bulk(taped, client):
    assert states(client, submit(client, "DELETE", PATHS[:2])) == ("COMPLETED", ["COMPLETED"] * 2)
    assert not taped.namespace.exists(PATHS[0])
    taped.put(f"{ROOT}/disk", b"x")
    uid = submit(client, "UPDATE_QOS", [f"{ROOT}/disk", PATHS[2]], {"targetQos": "tape"})
    assert states(client, uid) == ("COMPLETED", ["COMPLETED"] * 2)
    assert taped.locality(f"{ROOT}/disk") == "ONLINE_AND_NEARLINE"


def test_unpin_takes_the_pin_of_a_request_or_all(taped, client):
    taped.tape.recall_s = 0
    first = submit(client, "PIN", PATHS[:1], {"lifetime": "-1"})
    submit(client, "PIN", PATHS[:1], {"lifetime": "7", "lifetimeUnit": "DAYS"})
    submit(client, "UNPIN", PATHS[:1], {"id": first})
    assert taped.sweep() == 0
    submit(client, "UNPIN", PATHS[:1])
    assert taped.sweep() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"activity": "DANCE", "target": ["/x"]}, 400),
        ({"activity": "PIN", "target": []}, 400),
        ({"activity": "PIN", "target": ["/x"], "colour": 1}, 400),
        ({"activity": "PIN", "target": ["/x"], "clear_on_success": True, "clearOnSuccess": True}, 400),
        ({"activity": "PIN", "target": [f"/x{at}" for at in range(501)]}, 413),
    ],
)
def test_requests_that_are_refused(client, body, status):
    assert client.api("POST", "bulk-requests", json=body).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": []},
        {"files": [{}]},
        {"files": [{"path": "/x", "diskLifetime": "1d"}]},
        {"files": [{"path": "/x"}], "y": 1},
    ],
)
def test_stage_requests_that_are_refused(client, body):
    assert client.api("POST", "tape/stage", json=body).status_code == 400


def test_requests_of_others(taped, client):
    uid = stage(client, PATHS[:1])
    with Client(taped, auth=("bob", "other")) as bob:
        assert bob.api("GET", f"tape/stage/{uid}").status_code == 403
        listed = bob.api("GET", "bulk-requests?status=started").json()
        assert [each["activity"] for each in listed] == ["STAGE"]
        assert bob.api("GET", "bulk-requests?status=cancelled").json() == []
    with Client(taped, token=client.macaroon("path:/elsewhere")) as weak:
        assert weak.api("DELETE", f"tape/stage/{uid}").status_code == 403
    with Client(taped, auth=None) as nobody:
        assert nobody.api("POST", "tape/stage", json={"files": [{"path": "/x"}]}).status_code == 401


def test_staging_needs_the_activity(taped, client):
    with Client(taped, token=client.macaroon("activity:DOWNLOAD,LIST")) as reader:
        files = reader.api("GET", f"tape/stage/{stage(reader, PATHS[:1])}").json()["files"]
        assert (files[0]["state"], files[0]["error"]) == ("FAILED", "File not online. Staging not allowed.")
        assert reader.dav("GET", PATHS[0]).status_code == 403
    with Client(taped, token=client.macaroon("activity:DOWNLOAD,STAGE")) as stager:
        assert staged(stager, stage(stager, PATHS[:1])) == ["STARTED"]


def test_the_tape_api_is_found(dcache, client):
    base = dcache.api_url.removesuffix("/api/v1")
    found = client.get(f"{base}/.well-known/wlcg-tape-rest-api", timeout=9).json()
    assert found["endpoints"][0]["uri"] == f"{dcache.api_url}/tape"
