"""A search that has been asked but not yet answered: pages, items and counts come when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from swath.catalog.searching.query import PAGE_LIMIT, Query, check_limit
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pystac


@dataclass(frozen=True, slots=True)
class Page:
    """Some items, and where the next ones begin."""

    items: list[dict[str, Any]]
    """STAC items as dicts."""
    token: str | None
    """Gives the next page; None after the last."""


class PageSource(Protocol):
    """Answers a search page by page."""

    def page(self, query: Query, *, limit: int, token: str | None) -> Page:
        """Give one page of a search."""

    def matched(self, query: Query) -> int | None:
        """Count the items of a search; None when that is not known."""


class Search:
    """A search; nothing is read before a method asks for it, and each call reads anew.

    Parameters
    ----------
    source : PageSource
        What answers it.
    query : Query
        What is searched.
    limit : int
        Items in a page.
    max_items : int, optional
        Items in all.
    token : str, optional
        Where to begin: from an earlier page of the same search.
    """

    def __init__(
        self,
        source: PageSource,
        query: Query,
        *,
        limit: int = 100,
        max_items: int | None = None,
        token: str | None = None,
    ) -> None:
        check_limit("limit", limit, PAGE_LIMIT)
        check_limit("max_items", max_items)
        self._source = source
        self.query = query
        self.limit = limit
        self.max_items = max_items
        self.token = token

    def __iter__(self) -> Iterator[pystac.Item]:
        return self.items()

    def pages(self) -> Iterator[Page]:
        """Give page after page.

        Yields
        ------
        Page
            Up to ``limit`` items each; all but the first have some.
        """
        token, left = self.token, self.max_items
        while True:
            limit = self.limit if left is None else min(self.limit, left)
            page = self._source.page(self.query, limit=limit, token=token)
            if left is not None and left <= len(page.items):
                yield Page(page.items[:left], None)
                return
            left = None if left is None else left - len(page.items)
            yield page
            if page.token is None:
                return
            token = page.token

    def page(self) -> Page:
        """Give the first page alone, with the token of the next."""
        limit = self.limit if self.max_items is None else min(self.limit, self.max_items)
        return self._source.page(self.query, limit=limit, token=self.token)

    def items_as_dicts(self) -> Iterator[dict[str, Any]]:
        """Give the items as dicts, cut down to the asked fields."""
        for page in self.pages():
            yield from page.items

    def items(self) -> Iterator[pystac.Item]:
        """Give the items as pystac objects."""
        import pystac

        if self.query.fields is not None:
            raise InputError("search: fields leave parts of items only", fix="use items_as_dicts()")
        for item in self.items_as_dicts():
            yield pystac.Item.from_dict(item, preserve_dict=False)

    def pages_as_dicts(self) -> Iterator[dict[str, Any]]:
        """Give pages as GeoJSON; the link to the next one holds its token."""
        for page in self.pages():
            yield as_feature_collection(page)

    def item_collection(self) -> pystac.ItemCollection:
        """Give all items in one pystac ItemCollection."""
        import pystac

        return pystac.ItemCollection(self.items())

    def item_collection_as_dict(self) -> dict[str, Any]:
        """Give all items in one GeoJSON FeatureCollection."""
        return {"type": "FeatureCollection", "features": list(self.items_as_dicts())}

    def matched(self) -> int | None:
        """Count the items, whatever ``limit`` and ``max_items`` are; None when that is not known."""
        return self._source.matched(self.query)


def as_feature_collection(page: Page) -> dict[str, Any]:
    """Write a page as GeoJSON, with a link to the next one.

    Examples
    --------
    >>> as_feature_collection(Page([], "abc"))["links"][0]["body"]
    {'token': 'abc'}
    """
    links = []
    if page.token is not None:
        links.append(
            {
                "rel": "next",
                "href": f"?token={quote(page.token, safe='')}",
                "type": "application/geo+json",
                "body": {"token": page.token},
                "merge": True,
            }
        )
    return {
        "type": "FeatureCollection",
        "features": page.items,
        "links": links,
        "numberReturned": len(page.items),
    }
