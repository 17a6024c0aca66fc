"""The REST frontend: files and folders."""

import zlib

import pytest
from dcaches import ROOT, Client


def test_who_am_i(dcache, client):
    assert client.api("GET", "user").json() == {
        "status": "AUTHENTICATED",
        "uid": 1000,
        "gids": [1000],
        "username": "alice",
        "homeDirectory": "/",
        "rootDirectory": "/",
    }
    with Client(dcache, auth=None) as nobody:
        assert nobody.api("GET", "user").json() == {"status": "ANONYMOUS"}
        assert nobody.api("GET", f"namespace{ROOT}").status_code == 401


def test_a_file_is_described(dcache, client):
    dcache.put(f"{ROOT}/a.tif", b"abc", locality="ONLINE_AND_NEARLINE")
    plain = client.api("GET", f"namespace{ROOT}/a.tif").json()
    assert (plain["fileType"], plain["size"], plain["fileMimeType"]) == ("REGULAR", 3, "image/tiff")
    assert "fileLocality" not in plain
    whole = client.api(
        "GET", f"namespace{ROOT}/a.tif?locality=true&qos=true&checksum=true&locations=true"
    ).json()
    assert whole["fileLocality"] == "ONLINE_AND_NEARLINE"
    assert whole["currentQos"] == "tape"
    assert whole["locations"] == ["pool_1"]
    assert whole["checksums"] == [{"type": "ADLER32", "value": f"{zlib.adler32(b'abc'):08x}"}]
    encoded = client.api("GET", "namespace/" + (ROOT + "/a.tif").replace("/", "%2F"))
    assert encoded.json()["pnfsId"] == plain["pnfsId"]


def test_folders_are_listed_in_pages(dcache, client):
    for at in range(7):
        dcache.put(f"{ROOT}/f{at}", b"x")
    pages = [
        [
            each["fileName"]
            for each in client.api("GET", f"namespace{ROOT}?children=true&limit=3&offset={at}").json()[
                "children"
            ]
        ]
        for at in (0, 3, 6, 9)
    ]
    assert pages == [["f0", "f1", "f2"], ["f3", "f4", "f5"], ["f6"], []]
    assert "children" not in client.api("GET", f"namespace{ROOT}").json()
    assert client.api("GET", f"namespace{ROOT}?children=true&limit=x").status_code == 400


def test_what_is_not_there(client):
    answer = client.api("GET", f"namespace{ROOT}/nothing")
    assert answer.status_code == 404
    assert (answer.json()["status"], answer.json()["title"]) == ("404", "Not Found")


def do(client, path, **asked):
    return client.api("POST", f"namespace{path}", json=asked)


def test_folders_are_made_moved_and_deleted(dcache, client):
    made = do(client, ROOT, action="mkdir", name="my new dir")
    assert (made.status_code, made.json()) == (201, {"status": "success"})
    assert do(client, ROOT, action="mkdir", name="my new dir").status_code == 400
    assert do(client, ROOT, action="mkdir", name="a/b").status_code == 400
    assert do(client, f"{ROOT}/my new dir", action="mv", destination="other").status_code == 201
    dcache.put(f"{ROOT}/other/x", b"x")
    assert client.api("DELETE", f"namespace{ROOT}/other").status_code == 400
    assert do(client, f"{ROOT}/other/x", action="mv", destination=f"{ROOT}/y").status_code == 201
    assert client.api("DELETE", f"namespace{ROOT}/other").json() == {"status": "success"}
    assert dcache.read(f"{ROOT}/y") == b"x"
    assert do(client, ROOT, action="dance").status_code == 400
    assert do(client, f"{ROOT}/no", action="mv", destination="x").status_code == 404


def test_qos_moves_a_file_to_tape_and_back(dcache, client):
    dcache.tape.flush_s = dcache.tape.recall_s = 3600
    dcache.put(f"{ROOT}/x", b"x")

    def qos():
        found = client.api("GET", f"namespace{ROOT}/x?qos=true&locality=true").json()
        return found["fileLocality"], found["currentQos"], found.get("targetQos")

    assert qos() == ("ONLINE", "disk", None)
    assert do(client, f"{ROOT}/x", action="qos", target="tape").status_code == 201
    assert qos() == ("ONLINE", "volatile", "tape")
    dcache.clock.advance(hours=1)
    assert qos() == ("ONLINE_AND_NEARLINE", "tape", None)
    assert dcache.sweep() == 1
    assert qos() == ("NEARLINE", "tape", None)
    assert do(client, f"{ROOT}/x", action="qos", target="disk+tape").status_code == 201
    assert qos() == ("NEARLINE", "tape", "disk+tape")
    dcache.clock.advance(hours=1)
    assert qos() == ("ONLINE_AND_NEARLINE", "disk+tape", None)
    assert dcache.sweep() == 0
    assert do(client, f"{ROOT}/x", action="qos", target="disk").status_code == 400
    assert do(client, f"{ROOT}/x", action="qos", target="gold").status_code == 400
    assert do(client, ROOT, action="qos", target="tape").status_code == 400


def test_a_pin_stages_and_keeps_a_file(dcache, client):
    dcache.put(f"{ROOT}/x", b"x", locality="NEARLINE")
    assert do(client, f"{ROOT}/x", action="pin", lifetime=2, **{"lifetime-unit": "HOURS"}).status_code == 201
    dcache.clock.advance(minutes=1)
    assert dcache.locality(f"{ROOT}/x") == "ONLINE_AND_NEARLINE"
    assert dcache.sweep() == 0
    assert do(client, f"{ROOT}/x", action="unpin").status_code == 201
    assert dcache.sweep() == 1


def test_a_folder_on_tape_takes_what_is_written_into_it_to_tape(dcache, client):
    dcache.mkdir(f"{ROOT}/archive", tape=True)
    dcache.tape.flush_s = 600
    client.dav("PUT", f"{ROOT}/archive/x", data=b"x")
    assert dcache.locality(f"{ROOT}/archive/x") == "ONLINE"
    dcache.clock.advance(minutes=10)
    assert dcache.locality(f"{ROOT}/archive/x") == "ONLINE_AND_NEARLINE"
    assert dcache.sweep() == 1


def test_attributes_and_labels(dcache, client):
    dcache.put(f"{ROOT}/x", b"x")
    assert do(client, f"{ROOT}/x", action="set-xattr", attributes={"a": "1"}).status_code == 201
    assert (
        do(client, f"{ROOT}/x", action="set-xattr", mode="CREATE", attributes={"a": "2"}).status_code == 409
    )
    assert do(client, f"{ROOT}/x", action="set-label", label="eo").status_code == 201
    found = client.api("GET", f"namespace{ROOT}/x?xattr=true").json()
    assert (found["extendedAttributes"], found["labels"]) == ({"a": "1"}, ["eo"])
    assert do(client, f"{ROOT}/x", action="rm-xattr", names=["a"]).status_code == 201
    assert do(client, f"{ROOT}/x", action="rm-xattr", names="a").status_code == 409


@pytest.mark.parametrize("body", [b"", b"{", b"[1]"])
def test_bodies_that_are_no_object(client, body):
    assert client.api("POST", f"namespace{ROOT}", data=body).status_code == 400
