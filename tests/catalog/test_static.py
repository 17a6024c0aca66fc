"""Static catalogs in stores are searched and loaded as others are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from storage.conftest import authority, rclone_server, s3_server  # noqa: F401 -- fixtures
from storage.servers import PASSWORD, nginx, s3_settings, webdav_settings

import swath
from swath.catalog import SqliteCatalog, ingest, open_catalog
from swath.catalog.export import export
from swath.cli.main import run
from swath.config import StoreSettings
from swath.model import CatalogError, InputError, NotAllowedError, NotFoundError, SwathWarning
from swath.storage import stores, use_stores
from swath.storage.upload import upload_many
from swath.testing.contracts import contract_items


@pytest.fixture(scope="module")
def exported(tmp_path_factory, demo_files):
    """A folder with a static catalog of two collections, and the demo's items with their files in it."""
    folder = tmp_path_factory.mktemp("static")
    with SqliteCatalog(folder / "some.sqlite", create=True) as held:
        held.upsert_items(contract_items())
        export(held, folder / "c")
    return folder / "c"


@pytest.fixture(scope="module")
def demo_files():
    return [each if isinstance(each, dict) else each.to_dict() for each in swath.demo_items()]


def send(address, folder):
    """Put a folder into a store."""
    store, prefix = stores().locate(address)
    paths = [each for each in folder.rglob("*") if each.is_file()]
    upload_many(store, ((f"{prefix}/{each.relative_to(folder).as_posix()}", each) for each in paths))


@pytest.fixture
def places(s3_server, rclone_server, tmp_path, exported):  # noqa: F811
    """The catalog in each kind of store."""
    named = {
        "bucket": s3_settings(s3_server, f"t/{tmp_path.name}"),
        "dav": webdav_settings(rclone_server, f"t/{tmp_path.name}"),
        "disk": StoreSettings(url=str(tmp_path / "disk")),
    }
    use_stores(named)
    for name in named:
        send(f"{name}:c", exported)
    yield named
    use_stores({})


def addresses(named):
    """Write one catalog in all ways."""
    return [
        "bucket:c/catalog.json", "bucket:c", f"{named['bucket'].url}/c/catalog.json",
        "dav:c/catalog.json", f"{named['dav'].url}/c/catalog.json",
        f"{named['dav'].url.replace('dav:', 'http:')}/c/catalog.json", "disk:c/catalog.json",
    ]  # fmt: skip


def test_the_same_is_found_wherever_the_catalog_is(places, exported):
    asked = {"collections": "one", "bbox": (10, 40, 14, 60), "datetime": "2011/2012", "filter": "gsd > 0"}
    for chosen in ({}, {"ids": "a01,a02"}, {k: v for k, v in asked.items() if k != "filter"}):
        want = list(swath.search(exported / "catalog.json", sortby="id", **chosen).items_as_dicts())
        assert want
        for address in addresses(places):
            found = list(swath.search(address, sortby="id", **chosen).items_as_dicts())
            assert [each["id"] for each in found] == [each["id"] for each in want], address
            assert [each["properties"] for each in found] == [each["properties"] for each in want]


def test_the_command_searches_and_pages(places, capsys):
    address = f"{places['bucket'].url}/c/catalog.json"
    assert run(["catalog", "search", address, "--collections", "one", "--limit", "3", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)
    assert (len(page["features"]), page["links"][0]["rel"]) == (3, "next")
    token = page["links"][0]["body"]["token"]
    words = ["--collections", "one", "--limit", "100", "--token", token, "--json"]
    assert run(["catalog", "search", "dav:c/catalog.json", *words]) == 0
    rest = json.loads(capsys.readouterr().out)["features"]
    ids = [each["id"] for each in page["features"] + rest]
    assert len(set(ids)) == len(ids) == page["numberMatched"]
    assert run(["catalog", "collections", "--catalog", "dav:c"]) == 0
    assert "one" in capsys.readouterr().out


def test_a_search_is_loaded(places, demo_files, tmp_path):
    folder = tmp_path / "own"
    with SqliteCatalog(tmp_path / "own.sqlite", create=True) as held:
        items = json.loads(json.dumps(demo_files[:2]))
        for item in items:
            for key, asset in item["assets"].items():
                if asset["href"].endswith(".tif"):
                    path = folder / "files" / f"{item['id']}-{key}.tif"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(Path(asset["href"]).read_bytes())
                    asset["href"] = str(path)
        held.upsert_items(items)
        export(held, folder / "c")
    send("bucket:own", folder)
    found = swath.search("bucket:own/c/catalog.json")
    assert all(
        any(asset["href"].startswith("s3://eo-data/") for asset in each["assets"].values())
        for each in found.items_as_dicts()
    )
    there = swath.load(found, bands=["red"], chunks=None)
    here = swath.load(demo_files[:2], bands=["red"], chunks=None)
    assert there.red.equals(here.red)


def test_https_by_a_certificate_of_ones_own(exported, tmp_path, authority):  # noqa: F811
    ca, pem = authority
    with nginx(tmp_path / "web", certificate=pem) as server:
        shutil.copytree(exported, server.folder / "c")
        use_stores({"web": StoreSettings(url=server.url, ca=str(ca))})
        url = f"{server.url}/c/catalog.json"
        assert swath.search(url).matched() == swath.search("web:c").matched() == 15
        use_stores({})
        with pytest.raises(CatalogError, match="does not answer"):
            swath.search(url)


def test_mistakes_get_the_sentences_of_other_catalogs(places, capsys):
    with pytest.raises(NotFoundError, match="there is nothing"):
        swath.search("bucket:c/nothing.json")
    with pytest.raises(InputError, match="there is no store 'bukket'"):
        swath.search("bukket:c/catalog.json")
    with pytest.raises(NotFoundError, match="there is no collection 'onne'"):
        swath.search("bucket:c", collections="onne")
    catalog = open_catalog("bucket:c")
    for refused in (
        lambda: catalog.upsert_items(contract_items()), lambda: catalog.delete_collection("one"),
        lambda: catalog.upsert_collection({}), lambda: catalog.delete_items("one", ["a01"]),
        lambda: ingest(catalog, "bucket:c/catalog.json"),
    ):  # fmt: skip
        with pytest.raises(NotAllowedError, match="a static catalog can only be read"):
            refused()
    stores().store("bucket").put("c/note.json", b"{}")
    with pytest.raises(InputError, match=r"nothing in it can be read: .* it is no STAC document"):
        swath.search("bucket:c/note.json")
    own = places["dav"]
    use_stores({"dav": own.model_copy(update={"user": "", "password": type(own.password)("")})})
    with pytest.raises(NotAllowedError, match="401") as error:
        swath.search("dav:c")
    assert PASSWORD not in str(error.value)
    assert run(["catalog", "search", "bucket:c", "--catalog", "x.sqlite"]) == 2
    assert "are two" in capsys.readouterr().err


def test_a_document_that_is_gone_is_told_and_the_others_are_found(places):
    store = stores().store("bucket")
    key = next(each.key for each in store.list("c") if each.key.endswith("a01.json"))
    store.delete([key])
    with pytest.warns(SwathWarning, match=r"1 of its documents are left out, such as .*a01.json"):
        found = swath.search("bucket:c")
    assert found.matched() == 14
