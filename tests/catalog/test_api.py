"""A STAC API as a catalog: against a small real server over an embedded catalog."""

from __future__ import annotations

import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from swath.catalog import ApiCatalog, Catalog, SqliteCatalog, ingest, open_catalog
from swath.catalog.search import as_feature_collection
from swath.model import CatalogError, InputError, NotAllowedError, NotFoundError, SwathError
from swath.testing.contracts import CatalogContract, contract_items

_CONFORMS = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
]
_PARAMETERS = ("ids", "collections", "bbox", "intersects", "datetime", "filter", "sortby", "limit", "token")


class _Handler(http.server.BaseHTTPRequestHandler):
    """STAC API: landing page, collections, and search by POST with a body or by GET."""

    held: SqliteCatalog
    status = 0
    searches_left = 1_000_000
    longest_page = 1000

    def log_message(self, *args):
        pass

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _answer(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.status:
            self._answer({"description": "no"}, self.status)
            return
        path = urlsplit(self.path).path.rstrip("/")
        if path == "":
            self._answer(self._landing())
        elif path == "/collections":
            self._answer({"collections": self.held.collections(), "links": []})
        elif path.startswith("/collections/") and path.count("/") == 2:
            self._answer(self.held.get_collection(path.split("/")[2]))
        elif path == "/search":
            given = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            self._search({**given, "limit": int(given.get("limit", 10))})
        else:
            self._answer({"code": "NotFound"}, 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._search(body)

    def _landing(self):
        links = [{"rel": rel, "href": f"{self._root}{path}", "type": "application/json"}
                 for rel, path in (("self", "/"), ("root", "/"), ("data", "/collections"))]  # fmt: skip
        for method in ("POST", "GET"):
            place = {"href": f"{self._root}/search", "type": "application/geo+json"}
            links.append({"rel": "search", "method": method, **place})
        return {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "x", "links": links,
                "conformsTo": _CONFORMS}  # fmt: skip

    def _search(self, body):
        type(self).searches_left -= 1
        if self.searches_left < 0:
            self._answer({"description": "the server has died"}, 500)
            return
        names = {key: body[key] for key in _PARAMETERS if key in body}
        names["limit"] = min(names["limit"], self.longest_page)
        try:
            search = self.held.search(**names)
            page = as_feature_collection(search.page())
        except SwathError as error:
            self._answer({"description": str(error)}, error.http_status)
            return
        for link in page["links"]:
            link |= {"href": f"{self._root}/search", "method": "POST"}
        self._answer({**page, "numberMatched": search.matched()})


@pytest.fixture
def server(tmp_path):
    with SqliteCatalog(tmp_path / "served.sqlite", create=True) as held:
        held.upsert_items(contract_items())
        handler = type("Handler", (_Handler,), {"held": held})
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
            thread = threading.Thread(target=running.serve_forever, args=[0.02])
            thread.start()
            yield running
            running.shutdown()
            thread.join()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def catalog(url):
    with open_catalog(url) as held:
        assert isinstance(held, ApiCatalog)
        yield held


class TestApiCatalog(CatalogContract):
    pass


def test_is_a_catalog(catalog):
    assert isinstance(catalog, Catalog)


def test_writing_is_refused(catalog):
    for write in (
        lambda: catalog.upsert_items([]),
        lambda: catalog.upsert_collection({}),
        lambda: catalog.delete_items("one", ["a"]),
        lambda: catalog.delete_collection("one"),
    ):
        with pytest.raises(NotAllowedError, match="only be read"):
            write()


def test_nothing_that_answers_is_told():
    with pytest.raises((CatalogError, NotFoundError), match=r"127\.0\.0\.1:9"):
        ApiCatalog("http://127.0.0.1:9/", retries=0)


def test_something_else_that_answers_is_told(server, url):
    server.RequestHandlerClass.status = 404
    with pytest.raises(NotFoundError):
        ApiCatalog(url)
    server.RequestHandlerClass.status = 403
    with pytest.raises(NotAllowedError, match="403"):
        ApiCatalog(url)


def test_what_the_server_refuses_is_told(catalog):
    with pytest.raises(InputError, match="token"):
        catalog.search(limit=2, token=catalog.search(sortby="id", limit=2).page().token[:-4] + "abcd").page()


def test_token_of_another_server_is_refused(catalog):
    from swath.catalog.api import _format_token

    token = _format_token({"href": "http://127.0.0.1:1/search", "method": "GET", "body": None})
    with pytest.raises(InputError, match="another catalog"):
        catalog.search(token=token).page()


def test_items_of_an_api_are_taken_in(url, tmp_path):
    with SqliteCatalog(tmp_path / "mine.sqlite", create=True) as mine:
        report = ingest(mine, url)
        assert (report.added, report.rejected) == (15, [])
        assert sorted(i["id"] for i in mine.search(limit=4).items_as_dicts()) == sorted(
            i["id"] for i in contract_items()
        )
    with SqliteCatalog(tmp_path / "some.sqlite", create=True) as some:
        report = ingest(some, url, collection="one", bbox=(10, 40, 14, 60), datetime="2011/2012")
        assert sorted(i["id"] for i in some.search().items_as_dicts()) == ["a01", "a02"]
        assert report.collections == ["one"]
        assert ingest(some, url, max_items=4).accepted == 4


def test_api_that_dies_half_way_leaves_whole_batches(server, url, tmp_path, monkeypatch):
    monkeypatch.setattr("swath.catalog.intake.ingest.BATCH", 5)
    server.RequestHandlerClass.longest_page = 4
    server.RequestHandlerClass.searches_left = 3
    with SqliteCatalog(tmp_path / "mine.sqlite", create=True) as mine:
        with pytest.raises(CatalogError, match="the server has died"):
            ingest(mine, url)
        assert mine.count() == 10  # of the 12 that came
