"""What every catalog can do, wherever it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from swath.catalog.intake.prepare import Rejected
    from swath.catalog.search import Search


@dataclass(slots=True)
class IngestReport:
    """What became of the items of a source."""

    added: int = 0
    """Items that are new."""
    updated: int = 0
    """Items that replaced one with the same id and collection."""
    collections: list[str] = field(default_factory=list)
    """Ids of the collections that were written or made."""
    rejected: list[Rejected] = field(default_factory=list)
    """What did not go in, and why."""

    @property
    def accepted(self) -> int:
        """How many items went in."""
        return self.added + self.updated

    def take(self, other: IngestReport) -> None:
        """Add the counts of another report."""
        self.added += other.added
        self.updated += other.updated
        self.collections += [each for each in other.collections if each not in self.collections]
        self.rejected += other.rejected

    def to_dict(self) -> dict[str, Any]:
        """Write it for machines."""
        return {
            "added": self.added,
            "updated": self.updated,
            "collections": self.collections,
            "rejected": [{"id": each.id, "reason": each.reason} for each in self.rejected],
        }


@runtime_checkable
class Catalog(Protocol):
    """STAC collections and items that can be searched; some can also be written.

    Those that cannot be written raise NotAllowedError from the methods that write.
    """

    @property
    def location(self) -> str:
        """Where it is: a path or a URL."""

    def collections(self) -> list[dict[str, Any]]:
        """Give all collections, by id."""

    def get_collection(self, collection: str) -> dict[str, Any]:
        """Give one collection; NotFoundError names the nearest."""

    def get_item(self, collection: str, item: str) -> dict[str, Any]:
        """Give one item by the ids of its collection and itself."""

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
        """Search items; all that is given must hold.

        Parameters
        ----------
        ids, collections : iterable of str, optional
            Ids; an empty one finds nothing. A text is cut at its commas.
        bbox : BBox, sequence of float or str, optional
            West, south, east, north in degrees; west larger than east crosses the antimeridian. Items
            whose box touches it are found; give ``intersects`` for their exact outline.
        intersects : dict, str or geometry, optional
            GeoJSON geometry or Feature; items whose geometry meets it.
        datetime : str, Interval, datetime or pair of them, optional
            ``2019``, ``2019-06/2020-03``, ``../2020``. Items without an instant overlap it with their
            start and end.
        filter : str or dict, optional
            CQL2, as text or JSON.
        filter_lang : {"cql2-text", "cql2-json"}, optional
            Seen from the filter unless given.
        sortby : str, list of str or list of dict, optional
            ``-eo:cloud_cover,id``; the newest first unless given. Items without the property come last.
        fields : str, list of str or dict, optional
            Parts of items to give: ``id,properties.gsd,-links``.
        limit : int
            Items in a page.
        max_items : int, optional
            Items in all.
        token : str, optional
            Where to begin: from a page of the same search.

        Returns
        -------
        Search
            Nothing is read before its methods are called.

        Raises
        ------
        InputError
            A value is wrong.
        NotFoundError
            A collection is not known; the nearest is named.
        """

    def count(self, collection: str | None = None) -> int:
        """Count the items, of one collection or of all."""

    def upsert_items(self, items: Iterable[Any], collection: str | None = None) -> IngestReport:
        """Add or replace items, all in one transaction; those that are not valid are reported."""

    def upsert_collection(self, collection: dict[str, Any]) -> bool:
        """Add or replace a collection; True when it is new."""

    def change_item(
        self, collection: str, item: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Replace an item by what a function makes of it; None where it is not there."""

    def delete_items(self, collection: str, ids: Iterable[str]) -> int:
        """Remove items; gives how many there were."""

    def delete_collection(self, collection: str) -> int:
        """Remove a collection and its items; gives how many items there were."""

    def close(self) -> None:
        """Let go of files and connections."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
