"""Items come in from every kind of source, whole or with a reason why not."""

from __future__ import annotations

import functools
import http.server
import json
import threading

import pystac
import pytest

from swath.catalog import ApiCatalog, SqliteCatalog, ingest
from swath.catalog.intake.ingest import BATCH
from swath.model import CatalogError, InputError, NotAllowedError, NotFoundError
from swath.testing.contracts import contract_items, make_item


@pytest.fixture
def catalog(tmp_path):
    with SqliteCatalog(tmp_path / "catalog.sqlite", create=True) as held:
        yield held


@pytest.fixture
def static(tmp_path):
    """A static catalog as pystac writes it, with relative hrefs, plus a circle and a dead link."""
    root = pystac.Catalog("root", "made for a test")
    extent = pystac.Extent(
        pystac.SpatialExtent([[-180, -90, 180, 90]]),
        pystac.TemporalExtent([[pystac.utils.str_to_datetime("2010-01-01T00:00:00Z"), None]]),
    )
    collection = pystac.Collection("one", "the first", extent, license="CC0-1.0")
    root.add_child(collection)
    for made in contract_items()[:4]:
        item = pystac.Item.from_dict(made)
        item.clear_links()
        item.assets["red"].href = "./red.tif"
        item.add_link(pystac.Link("derived_from", "../source.json"))
        item.add_link(pystac.Link("license", "https://example.com/licence"))
        collection.add_item(item)
    folder = tmp_path / "static"
    root.normalize_and_save(str(folder), pystac.CatalogType.SELF_CONTAINED)
    path = folder / "one" / "collection.json"
    body = json.loads(path.read_text())
    body["links"] += [{"rel": "child", "href": "../catalog.json"}, {"rel": "item", "href": "./gone.json"}]
    path.write_text(json.dumps(body))
    return folder


def _links(item):
    return {link["rel"]: link["href"] for link in item["links"]}


@pytest.mark.parametrize("entry", ["", "catalog.json", "one/collection.json"])
def test_static_catalog(catalog, static, entry):
    report = ingest(catalog, static / entry)
    assert (report.added, report.updated, report.collections) == (4, 0, ["one"])
    assert [(each.id, each.reason) for each in report.rejected] == [
        (str(static / "one/gone.json"), f"{static / 'one/gone.json'} does not exist")
    ]
    item = catalog.get_item("one", "a01")
    assert item["assets"]["red"]["href"] == str(static / "one/a01/red.tif")
    assert _links(item) == {
        "derived_from": str(static / "one/source.json"),
        "license": "https://example.com/licence",
        "collection": str(static / "one/collection.json"),
    }
    assert catalog.get_collection("one")["license"] == "CC0-1.0"
    again = ingest(catalog, static)
    assert (again.added, again.updated) == (0, 4)


def test_one_item_file(catalog, static):
    report = ingest(catalog, static / "one/a02/a02.json", collection="mine")
    assert (report.added, report.collections) == (1, ["mine"])
    assert catalog.get_item("mine", "a02")["assets"]["red"]["href"] == str(static / "one/a02/red.tif")
    assert _links(catalog.get_item("mine", "a02"))["collection"] == "urn:stac:collection:mine"


@pytest.fixture
def served(tmp_path):
    """The folder tmp_path on a web server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_static_catalog_over_http(catalog, static, served):
    report = ingest(catalog, f"{served}/static/catalog.json")
    assert report.added == 4
    assert [each.id for each in report.rejected] == [f"{served}/static/one/gone.json"]
    item = catalog.get_item("one", "a03")
    assert item["assets"]["red"]["href"] == f"{served}/static/one/a03/red.tif"
    assert _links(item)["derived_from"] == f"{served}/static/one/source.json"


def test_a_server_does_not_name_files_of_this_machine(catalog, tmp_path, served):
    secret = tmp_path / "private.json"
    secret.write_text(json.dumps(make_item("private")))
    evil = {"type": "Catalog", "id": "x", "stac_version": "1.1.0", "description": "x"}
    links = [{"rel": "item", "href": href} for href in (f"file://{secret}", "/vsicurl/x.json")]
    (tmp_path / "evil.json").write_text(json.dumps(evil | {"links": links}))
    assert ingest(catalog, f"{served}/evil.json").added == 0
    assert catalog.count() == 0


@pytest.mark.parametrize("kind", ["feature collection", "lines", "bare folder"])
def test_files_of_items(catalog, tmp_path, kind):
    items = contract_items()
    items[0]["assets"]["red"]["href"] = "data/red.tif"
    items[1]["assets"]["red"]["href"] = "red.tif"
    items[1]["links"].append({"rel": "self", "href": "https://example.com/deep/a01.json"})
    folder = tmp_path / "items"
    folder.mkdir()
    if kind == "feature collection":
        path = folder / "items.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    else:
        path = folder / "items.ndjson"
        path.write_text("\n".join(map(json.dumps, items)) + "\n{broken\n\n")
    report = ingest(catalog, folder if kind == "bare folder" else path)
    assert report.added == 15
    assert report.collections == ["one", "two"]
    assert [each.id for each in report.rejected] == ([] if path.suffix == ".geojson" else ["items.ndjson:16"])
    assert catalog.get_item("one", "a00")["assets"]["red"]["href"] == str(folder / "data/red.tif")
    assert catalog.get_item("one", "a01")["assets"]["red"]["href"] == "https://example.com/deep/red.tif"


def test_real_items_all_go_in(catalog, shared_data):
    folder = shared_data / "10_stac_items"
    report = ingest(catalog, folder / "items")
    assert report.rejected == []
    assert report.added == 1297
    assert ingest(catalog, folder / "items").updated == 1297
    for item in catalog.search(limit=1000).items_as_dicts():
        pystac.Item.from_dict(item)


def test_real_collections_all_go_in(catalog, shared_data):
    report = ingest(catalog, shared_data / "10_stac_items" / "collections")
    assert all("/" in each.id for each in report.rejected)  # what they link to, and is not here
    assert len(report.collections) == 45


def test_items_cut_by_the_fields_extension_do_not(catalog, shared_data):
    report = ingest(catalog, shared_data / "10_stac_items" / "partial_items_from_fields_extension.ndjson")
    assert report.accepted == 0
    assert len(report.rejected) == 9
    assert all("href" in each.reason for each in report.rejected)


def test_real_static_catalog_keeps_its_relative_hrefs(catalog, shared_data):
    folder = shared_data / "01_s2_l2a_romania" / "stac"
    report = ingest(catalog, folder)
    assert (report.added, report.rejected) == (140, [])
    item = next(catalog.search(limit=1).items_as_dicts())
    for asset in item["assets"].values():
        assert (shared_data / asset["href"]).is_file()


def test_only_what_is_asked(catalog, tmp_path):
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": contract_items()}))
    assert ingest(catalog, path, bbox="-180,-1,-179.5,1").added == 1
    assert ingest(catalog, path, datetime="2015", collection="two").added == 2
    assert catalog.delete_items("two", ["a05"]) == 1
    assert ingest(catalog, path, max_items=3).accepted == 3
    assert sorted(i["id"] for i in catalog.search(collections=["two"]).items_as_dicts()) == [
        "over-180",
        "year",
    ]


def test_progress_is_told_after_each_batch(catalog, tmp_path):
    path = tmp_path / "items.ndjson"
    with path.open("w") as lines:
        for n in range(BATCH + 10):
            lines.write(json.dumps(make_item(f"i{n}")) + "\n")
    seen = []
    ingest(catalog, path, progress=lambda report: seen.append(report.added))
    assert seen == [BATCH, BATCH + 10]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.json", None, "does not exist"),
        ("bad.json", "{", "no JSON"),
        ("a.tif", "x", "--pattern"),
        ("empty", None, "does not exist"),
    ],
)
def test_what_is_no_source_is_told(catalog, tmp_path, name, text, told):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((InputError, NotFoundError), match=told):
        ingest(catalog, tmp_path / name)


def test_folder_without_items_is_told(catalog, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match=r"has no catalog\.json[\s\S]*--pattern"):
        ingest(catalog, tmp_path / "bare")


def test_server_that_does_not_answer_is_told(catalog, served):
    with pytest.raises(NotFoundError, match="does not exist"):
        ingest(catalog, f"{served}/none.json")
    with pytest.raises(CatalogError, match="does not answer"):
        ingest(catalog, "http://127.0.0.1:9/catalog.json")
    with pytest.raises(InputError, match="gs://"):
        ingest(catalog, "gs://bucket/catalog.json")


def test_an_api_is_not_written_to(served):
    class Elsewhere(ApiCatalog):
        def __init__(self):
            self._url = served

    with pytest.raises(NotAllowedError, match="only be read"):
        ingest(Elsewhere(), "x.json")
