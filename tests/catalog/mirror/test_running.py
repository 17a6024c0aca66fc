"""Mirrors: what is there in the end, what is copied, and what is not copied again."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pystac
import pytest
from catalog.mirror.conftest import Place, item
from storage.servers import webdav_settings

import swath
import swath.catalog
from swath.catalog.embedded.sqlite import SqliteCatalog
from swath.cube import load
from swath.demo.data import demo_folder
from swath.model import InputError, NotAllowedError

DEMO = demo_folder() / "stac" / "collection.json"


def sha(data: bytes) -> str:
    return "1220" + hashlib.sha256(data).hexdigest()


def test_pystac_reads_and_validates_a_mirror(folder):
    report = swath.mirror(DEMO, folder.address, max_items=6)
    assert (report.items, report.copied, report.kept, report.failures) == (6, 6, 0, [])
    catalog = pystac.Catalog.from_file(f"{folder.address}/catalog.json")
    assert catalog.validate() is not None
    (collection,) = catalog.get_children()
    found = list(catalog.get_items(recursive=True))
    assert len(found) == 6
    for each in found:
        assert each.get_collection().id == collection.id
        asset = each.assets["b10m"]
        data = Path(asset.get_absolute_href()).read_bytes()
        assert (asset.href, asset.extra_fields["file:size"]) == ("./b10m.tif", len(data))
        assert asset.extra_fields["file:checksum"] == sha(data)
        assert Path(asset.extra_fields["alternate"]["origin"]["href"]).read_bytes() == data
        assert {name.split("/")[3] for name in each.stac_extensions} >= {"alternate-assets", "file"}
        each.stac_extensions = []  # their schemas are not on this machine
        each.validate()


def test_a_second_run_copies_only_what_is_new_or_has_changed(server, maker, folder):
    items = [item(name, {"a": server.put(f"{name}.tif", name.encode() * 50)}) for name in ("x", "y")]
    maker.mirror(items, folder)
    written = {key: Path(folder.address, key).stat().st_mtime_ns for key in folder.listed()}
    server.forget()
    again = maker.mirror(items, folder)
    assert (again.kept, again.copied, again.items_written, server.seen.count("GET")) == (2, 0, 0, 0)
    assert {key: Path(folder.address, key).stat().st_mtime_ns for key in folder.listed()} == written
    server.put("x.tif", b"changed")
    server.tags["/x.tif"] = '"2"'
    items.append(item("z", {"a": server.put("z.tif", b"new")}))
    third = maker.mirror(items, folder)
    assert (third.kept, third.copied, third.items_written, third.copied_bytes) == (1, 2, 2, 10)
    new = folder.json("c/x/x.json")["assets"]["a"]
    assert Path(folder.address, "c/x", new["href"]).read_bytes() == b"changed"
    assert folder.get("c/x/a.tif") == b"x" * 50, "somebody may be reading what was there"
    assert len(folder.json("c/collection.json")["links"]) == 5


def test_the_mirror_itself_tells_what_is_complete_where_there_is_no_journal(
    server, maker, folder, monkeypatch, tmp_path
):
    items = [item("x", {"a": server.put("x.tif", b"x" * 50), "b": server.put("y", b"y")})]
    maker.mirror(items, folder)
    monkeypatch.setenv("SWATH_HOME", str(tmp_path / "elsewhere"))
    server.forget()
    report = maker.mirror(items, folder)
    assert (report.kept, report.copied, report.items_written, server.seen.count("GET")) == (2, 0, 0, 0)


def test_the_same_bytes_are_there_once(server, maker, folder):
    """By href, by the checksum that items tell, and by what was read: small and large."""
    large = os.urandom(9 << 20)
    same = server.put("same.tif", b"same")
    told = {"file:checksum": sha(b"told")}
    items = [
        item("a", {"href": same}), item("b", {"href": same}),
        item("c", {"sum": server.put("1", b"told")}, **told),
        item("d", {"sum": server.put("2", b"told")}, **told),
        item("e", {"read": server.put("3", b"read")}), item("f", {"read": server.put("4", b"read")}),
        item("g", {"large": server.put("5", large)}), item("h", {"large": server.put("6", large)}),
    ]  # fmt: skip
    report = maker.mirror(items, folder, concurrency=1)
    assert (report.copied, report.shared, report.failures) == (4, 4, [])
    assert sorted(folder.assets().values(), key=len) == sorted([b"same", b"told", b"read", large], key=len)
    for each in items:
        (asset,) = folder.json(f"c/{each['id']}/{each['id']}.json")["assets"].values()
        path = Path(folder.address, "c", each["id"], asset["href"])
        assert sha(path.read_bytes()) == asset["file:checksum"]
    paths = [path for method, path, _ in server.seen.requests if method == "GET"]
    assert (paths.count("/same.tif"), paths.count("/1") + paths.count("/2")) == (1, 1)
    assert maker.mirror(items, folder).kept == 8


def test_ids_and_assets_of_any_name_stay_inside_and_apart(server, maker, folder):
    names = ["../../up", "a b", "a/b", "a_b", "%2e%2e", "ünï", "..", "collection.json", "a" * 300, "x\\y"]
    keys = ["../k", "k", "%2e%2e/k", "ü", "a b"]
    items = [
        item(name, {key: server.put(f"{at}-{no}.tif", f"{at}-{no}".encode()) for no, key in enumerate(keys)},
             collection="../c d")
        for at, name in enumerate(names)
    ]  # fmt: skip
    report = maker.mirror(items, folder)
    assert (report.copied, report.failures) == (50, [])
    assert sorted(folder.assets().values()) == sorted(
        f"{a}-{b}".encode() for a in range(10) for b in range(5)
    )
    top = Path(folder.address)
    assert {each.name for each in top.parent.iterdir()} == {"mirror", "items.json", "swath-home"}
    catalog = pystac.Catalog.from_file(str(top / "catalog.json"))
    found = {each.id: each for each in catalog.get_items(recursive=True)}
    assert set(found) == set(names)
    for at, name in enumerate(names):
        for no, key in enumerate(keys):
            assert Path(found[name].assets[key].get_absolute_href()).read_bytes() == f"{at}-{no}".encode()


def test_only_chosen_assets_are_copied_the_others_stay_where_they_are(server, maker, folder):
    each = item("x", {"B04": server.put("r.tif", b"r"), "B05": server.put("e.tif", b"e"), "t": "thumb.png"})
    each["assets"]["B04"]["bands"] = [{"name": "B4", "eo:common_name": "red"}]
    report = maker.mirror([each], folder, assets="red")
    assert (report.files, report.copied) == (1, 1)
    assets = folder.json("c/x/x.json")["assets"]
    assert assets["B04"]["href"] == "./B04.tif"
    assert assets["B05"]["href"] == each["assets"]["B05"]["href"]
    assert assets["t"]["href"] == str(maker.folder / "thumb.png")
    with pytest.raises(InputError, match="no item has an asset nir"):
        maker.mirror([each], folder, assets=["nir"])


def test_a_dry_run_counts_and_writes_nothing(server, maker, folder, own_home):
    items = [item("x", {"a": server.put("a", b"1234"), "gone": f"{server.address}/gone"})]
    items.append(item("y", {"b": server.put("b", b"1")}, **{"file:size": 1_000_000}))
    report = maker.mirror(items, folder, dry_run=True)
    assert (report.items, report.files, report.total_bytes, report.unknown_sizes) == (2, 3, 1_000_004, 1)
    assert not Path(folder.address).exists()
    asked = {(method, path) for method, path, _ in server.seen.requests}
    assert asked == {("HEAD", "/a"), ("HEAD", "/gone")}


def test_sources_of_each_kind_give_the_same_mirror(tmp_path, demo_catalog):
    """A catalog file, and a static catalog; the newest items of one are not those of the other."""
    found = []
    for at, source in enumerate((DEMO, demo_catalog.catalog_path)):
        place = Place(str(tmp_path / str(at) / "eo"))
        swath.mirror(source, place.address, datetime="2019-06", collections="sentinel-2-l2a-romania")
        found.append({key: place.get(key) for key in place.listed()})
    assert len(found[0]) == 2 * len([key for key in found[0] if key.endswith(".tif")]) + 2
    assert found[0] == found[1]


def test_a_catalog_takes_the_items_in_with_their_new_places(folder, tmp_path):
    into = tmp_path / "mine.sqlite"
    swath.mirror(DEMO, folder.address, max_items=3, into=into)
    with swath.catalog.open_catalog(str(into)) as catalog:
        items = list(catalog.search().items_as_dicts())
        assert isinstance(catalog, SqliteCatalog)
    assert len(items) == 3
    for each in items:
        assert (
            each["assets"]["b10m"]["href"] == f"{folder.address}/{each['collection']}/{each['id']}/b10m.tif"
        )


def test_from_a_web_server_to_a_bucket_and_on_to_webdav(
    nginx_server, apache_server, bucket, maker, monkeypatch
):
    """Blanks and other signs in hrefs, streams of more than one part; then from S3 to Apache."""
    names = {"a b/ü#1.tif": b"small", "large.tif": os.urandom(20 << 20), "%2e%2e.tif": b"percent"}
    for name, data in names.items():
        path = nginx_server.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    web = [f"{nginx_server.url}/{each}" for each in ("a%20b/%C3%BC%231.tif", "large.tif", "%252e%252e.tif")]
    items = [item("x", {str(at): href for at, href in enumerate(web)})]
    report = maker.mirror(items, bucket)
    assert (report.copied, report.failures) == (3, [])
    assert bucket.assets() == {f"c/x/{at}.tif": data for at, data in enumerate(names.values())}
    again = maker.mirror(items, bucket)
    assert (again.kept, again.items_written) == (3, 0)

    store, prefix = bucket.located()
    on = [item("x", {each: store.root.href(f"{prefix}/c/x/{each}.tif") for each in "012"})]
    told = webdav_settings(apache_server)
    monkeypatch.setenv("SWATH_STORES__files__URL", told.url)
    monkeypatch.setenv("SWATH_STORES__files__USER", told.user)
    monkeypatch.setenv("SWATH_STORES__files__PASSWORD", told.password.get_secret_value())
    place = Place("files:on")
    for expected in ((3, 0, []), (0, 3, [])):
        report = maker.mirror(on, place)
        assert (report.copied, report.kept, report.failures) == expected
    assert list(place.assets().values()) == list(names.values())
    assert place.listed() == [
        "c/collection.json", "c/x/0.tif", "c/x/1.tif", "c/x/2.tif", "c/x/x.json", "catalog.json",
    ]  # fmt: skip


def test_a_large_file_of_the_same_bucket_is_copied_by_its_server(maker, bucket):
    store, prefix = bucket.located()
    data = os.urandom(1 << 20) * 20
    key = f"{prefix}-source/large.tif"
    store.client.ask("put", key, data, chunk_size=5 << 20)  # in parts that the mirror would not send
    report = maker.mirror([item("x", {"a": store.root.href(key)})], bucket)
    assert (report.copied, report.copied_bytes, report.failures) == (1, len(data), [])
    assert bucket.get("c/x/a.tif") == data
    assert bucket.json("c/x/x.json")["assets"]["a"]["file:checksum"] == sha(data)
    assert store.stat(f"{prefix}/c/x/a.tif").etag == store.stat(key).etag
    assert store.stat(key).etag.endswith("-4")


def test_a_source_that_changes_before_its_server_copies_it_is_read_again(maker, bucket):
    store, prefix = bucket.located()
    old, new = (os.urandom(1 << 20) * 9 for _ in range(2))
    key = f"{prefix}-source/large.tif"
    store.put(key, old)
    changed = []

    def change(report) -> None:
        if report.moved_bytes == len(old) and not changed:
            changed.append(store.put(key, new))

    report = maker.mirror([item("x", {"a": store.root.href(key)})], bucket, watch=change)
    assert (report.copied, report.failures, len(changed)) == (1, [], 1)
    assert bucket.get("c/x/a.tif") == new
    assert bucket.json("c/x/x.json")["assets"]["a"]["file:checksum"] == sha(new)


def test_a_mirror_in_a_bucket_is_mirrored_itself(server, maker, bucket, folder):
    maker.mirror([item("x", {"a": server.put("x.tif", b"x" * 100)})], bucket)
    report = swath.mirror(f"{bucket.address}/catalog.json", folder.address)
    assert (report.copied, report.failures) == (1, [])
    asset = folder.json("c/x/x.json")["assets"]["a"]
    assert folder.get("c/x/a.tif") == b"x" * 100
    assert asset["alternate"]["origin"]["href"].startswith("s3://eo-data/m/")


def test_two_mirrors_at_once_end_right(server, maker, bucket, tmp_path, monkeypatch):
    """Of overlapping items, each with a home of its own, as on two machines."""
    items = [item(f"i{at}", {"a": server.put(f"{at}.tif", str(at).encode() * 2000)}) for at in range(60)]
    running = []
    for at in range(2):
        file = tmp_path / f"{at}.json"
        some = items[at * 20 : at * 20 + 40]
        file.write_text(json.dumps({"type": "FeatureCollection", "features": some}))
        words = [sys.executable, "-m", "swath", "catalog", "mirror", str(file), bucket.address, "--json"]
        env = {**os.environ, "SWATH_HOME": str(tmp_path / f"home{at}")}
        running.append(subprocess.Popen(words, env=env, stdout=subprocess.PIPE))
    for each in running:
        out, _ = each.communicate(timeout=120)
        assert (each.returncode, json.loads(out)["failures"]) == (0, [])
    assert bucket.assets() == {f"c/i{at}/a.tif": str(at).encode() * 2000 for at in range(60)}
    linked = [each["href"] for each in bucket.json("c/collection.json")["links"] if each["rel"] == "item"]
    assert linked == sorted(f"./i{at}/i{at}.json" for at in range(60))
    assert swath.mirror("none", bucket.address, verify=True).to_dict()["failures"] == []


def test_a_place_that_cannot_be_written_ends_it_at_once(server, maker):
    items = [item(f"i{at}", {"a": server.put(f"{at}.tif", b"x")}) for at in range(40)]
    with pytest.raises(NotAllowedError, match="plain HTTP server cannot be"):
        maker.mirror(items, Place(f"{server.address}/there"))


def test_pixels_from_real_scenes_are_the_same_from_a_bucket(shared_data, bucket, tmp_path):
    into = tmp_path / "mine.sqlite"
    source = shared_data / "01_s2_l2a_romania" / "stac" / "collection.json"
    report = swath.mirror(source, bucket.address, max_items=8, assets="b10m", into=into)
    assert (report.copied, report.failures) == (8, [])
    with swath.catalog.open_catalog(str(into)) as catalog:
        mirrored = sorted(catalog.search().items_as_dicts(), key=lambda each: each["id"])
    assert all(each["assets"]["b10m"]["href"].startswith("s3://eo-data/m/") for each in mirrored)
    original = []
    for each in mirrored:
        document = json.loads((source.parent / "items" / f"{each['id']}.json").read_text())
        for asset in document["assets"].values():
            asset["href"] = str((source.parent / "items" / asset["href"]).resolve())
        original.append(document)
    ours, theirs = (load(each, bands=["red", "nir"]).compute() for each in (mirrored, original))
    assert ours.identical(theirs) or (ours.equals(theirs) and ours.sizes["time"] == 8)
    assert float(ours["red"].max()) > 0
