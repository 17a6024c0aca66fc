"""Somebody's STAC API as a catalog: read only, through pystac-client."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import urljoin, urlsplit

from swath.catalog.readonly import ReadOnly
from swath.catalog.search import Page, Search
from swath.catalog.searching.query import Query, parse_query, to_parameters
from swath.model import CatalogError, InputError, NotAllowedError, NotFoundError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    import pystac_client


class ApiCatalog(ReadOnly):
    """The catalog behind a STAC API.

    Parameters
    ----------
    url : str
        Address of its landing page.
    timeout_s : float
        How long to wait for an answer.
    retries : int
        How often to ask again when it does not answer.

    Raises
    ------
    NotFoundError
        Nothing answers there, or no STAC API.
    """

    def __init__(self, url: str, *, timeout_s: float = 60.0, retries: int = 2) -> None:
        from pystac_client import Client
        from pystac_client.stac_api_io import StacApiIO

        self._url = url
        self._known: tuple[str, ...] | None = None
        with self._errors("cannot be opened"):
            self._client: pystac_client.Client = Client.open(
                url, stac_io=StacApiIO(timeout=timeout_s, max_retries=retries)
            )

    @property
    def location(self) -> str:
        """Address of its landing page."""
        return self._url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._io.session.close()

    @property
    def _io(self) -> Any:
        return self._client._stac_io

    def collections(self) -> list[dict[str, Any]]:
        """Give all collections, by id."""
        with self._errors("gives no collections"):
            found = [
                each.to_dict(include_self_link=True, transform_hrefs=False)
                for each in self._client.get_collections()
            ]
        self._known = tuple(each["id"] for each in found)
        return sorted(found, key=lambda each: str(each["id"]))

    def get_collection(self, collection: str) -> dict[str, Any]:
        """Give one collection; NotFoundError names the nearest."""
        for each in self.collections():
            if each["id"] == collection:
                return each
        raise self._unknown(collection)

    def get_item(self, collection: str, item: str) -> dict[str, Any]:
        """Give one item by the ids of its collection and itself."""
        for each in self.search(ids=[item], collections=[collection], limit=1).items_as_dicts():
            return each
        raise NotFoundError(f"catalog {self._url}: collection {collection!r} has no item {item!r}")

    def search(
        self,
        *,
        ids: Iterable[str] | str | None = None,
        collections: Iterable[str] | str | None = None,
        bbox: Any = None,
        intersects: Any = None,
        datetime: Any = None,
        filter: Any = None,
        filter_lang: str | None = None,
        sortby: Any = None,
        fields: Any = None,
        limit: int = 100,
        max_items: int | None = None,
        token: str | None = None,
    ) -> Search:
        """Search items; see ``Catalog.search``. The order without ``sortby`` is the API's own."""
        query = parse_query(
            ids=ids, collections=collections, bbox=bbox, intersects=intersects, datetime=datetime,
            filter=filter, filter_lang=filter_lang, sortby=sortby, fields=fields,
        )  # fmt: skip
        for name in query.collections or ():
            if self._known is None or name not in self._known:
                self.collections()
            if name not in (self._known or ()):
                raise self._unknown(name)
        return Search(self, query, limit=limit, max_items=max_items, token=token)

    def page(self, query: Query, *, limit: int, token: str | None) -> Page:
        """Give one page of a search."""
        if query.ids == () or query.collections == ():
            return Page([], None)
        request = self._request(query, limit) if token is None else _parse_token(token, self._url)
        with self._errors("does not answer the search"):
            href, method, body = request["href"], request["method"], request["body"]
            answer = self._io.read_json(href, method=method, parameters=body)
        items = answer.get("features", [])
        if query.fields is not None:
            items = [query.fields.apply(item) for item in items]
        following = _next_request(answer, request) if items else None
        return Page(items, None if following is None else _format_token(following))

    def matched(self, query: Query) -> int | None:
        """Count the items of a search; None when the API does not tell."""
        if query.ids == () or query.collections == ():
            return 0
        request = self._request(query, 1)
        with self._errors("does not answer the search"):
            answer = self._io.read_json(request["href"], method=request["method"], parameters=request["body"])
        count = answer.get("numberMatched", answer.get("context", {}).get("matched"))
        return None if count is None else int(count)

    def _request(self, query: Query, limit: int) -> dict[str, Any]:
        """Write the first request of a search; parts of items are cut out here, not there."""
        parameters = to_parameters(query)
        parameters.pop("fields", None)
        with self._errors("cannot search this way"):
            asked = self._client.search(limit=limit, **parameters)
            body = asked.get_parameters()
        return {"href": asked.url, "method": asked.method or "GET", "body": body}

    def count(self, collection: str | None = None) -> int:
        """Count the items, of one collection or of all."""
        found = self.search(collections=None if collection is None else [collection])
        matched = found.matched()
        return sum(1 for _ in found.items_as_dicts()) if matched is None else matched

    def _refuse(self) -> NoReturn:
        raise NotAllowedError(
            f"catalog {self._url}: a STAC API can only be read",
            fix="write to a catalog file; `swath catalog ingest URL` copies items into one",
        )

    def _unknown(self, name: str) -> NotFoundError:
        known = nearest(name, self._known or ())
        fix = f"did you mean {known[0]!r}?" if known else ""
        return NotFoundError(f"catalog {self._url}: there is no collection {name!r}", fix=fix, known=known)

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Tell what goes wrong on the way in sentences."""
        import pystac
        import requests
        from pystac_client.exceptions import APIError

        try:
            yield
        except APIError as error:
            raise _sentence(self._url, what, error) from error
        except NotImplementedError as error:  # also DoesNotConformTo
            raise CatalogError(f"catalog {self._url}: it {what} ({error})") from error
        except (requests.RequestException, OSError) as error:
            raise CatalogError(f"catalog {self._url}: it {what} ({error})", fix="try again later") from error
        except (pystac.STACError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotFoundError(
                f"catalog {self._url}: there is no STAC API ({type(error).__name__}: {str(error)[:200]})",
                fix="give the address of its landing page",
            ) from error


def _sentence(url: str, what: str, error: Any) -> Exception:
    status = getattr(error, "status_code", None)
    text = " ".join(str(error).split())[:300]
    if status in (401, 403):
        return NotAllowedError(f"catalog {url}: it {what}: {status} ({text})")
    if status == 404:
        return NotFoundError(f"catalog {url}: it {what}: not found ({text})")
    if status in (400, 422):
        return InputError(f"catalog {url}: it {what} ({text})")
    return CatalogError(f"catalog {url}: it {what} ({text})", fix="check the address and the network")


def _next_request(answer: dict[str, Any], request: dict[str, Any]) -> dict[str, Any] | None:
    for link in answer.get("links", []):
        if link.get("rel") != "next":
            continue
        method = link.get("method", "GET").upper()
        body = link.get("body") or {}
        if method == "POST" and link.get("merge"):
            body = {**request["body"], **body}
        href = urljoin(request["href"], link["href"])
        return {"href": href, "method": method, "body": body if method == "POST" else None}
    return None


def _format_token(request: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(request).encode()).decode().rstrip("=")


def _parse_token(token: str, url: str) -> dict[str, Any]:
    """Read a request out of a token; one to another server is refused, whoever wrote it."""
    try:
        request = json.loads(base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4)))
        same = urlsplit(request["href"])[:2] == urlsplit(url)[:2] and request["method"] in ("GET", "POST")
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise InputError(f"token: {token!r} is none of ours", fix="take it from the last page") from error
    if not same:
        raise InputError(f"token: {token!r} belongs to another catalog", fix="take it from the last page")
    return {"href": request["href"], "method": request["method"], "body": request.get("body")}
