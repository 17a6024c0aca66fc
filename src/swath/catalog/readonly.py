"""What a catalog says to whoever wants to write, where it is only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swath.catalog.protocol import IngestReport


class ReadOnly:
    """The methods of a catalog that write, all of them refused."""

    def upsert_items(
        self,
        items: Iterable[Any],  # noqa: ARG002 -- the protocol's
        collection: str | None = None,  # noqa: ARG002 -- the protocol's
        *,
        base: str = "",  # noqa: ARG002 -- the protocol's
    ) -> IngestReport:
        """Refuse: it is only read."""
        self._refuse()

    def upsert_collection(self, collection: Any, *, base: str = "") -> bool:  # noqa: ARG002 -- the protocol's
        """Refuse: it is only read."""
        self._refuse()

    def change_item(
        self,
        collection: str,  # noqa: ARG002 -- the protocol's
        item: str,  # noqa: ARG002 -- the protocol's
        change: Callable[[dict[str, Any]], dict[str, Any]],  # noqa: ARG002 -- the protocol's
    ) -> dict[str, Any] | None:
        """Refuse: it is only read."""
        self._refuse()

    def delete_items(self, collection: str, ids: Iterable[str]) -> int:  # noqa: ARG002 -- the protocol's
        """Refuse: it is only read."""
        self._refuse()

    def delete_collection(self, collection: str) -> int:  # noqa: ARG002 -- the protocol's
        """Refuse: it is only read."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        """Say what kind of catalog it is, and where to write instead."""
        raise NotImplementedError
