"""Where a product comes from: the process, its inputs, and the items that it read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swath.version import __version__


@dataclass(frozen=True)
class Lineage:
    """How the products of a job were made; the same for all of them but for the items read."""

    process: str
    """Name of the process."""
    version: str
    """Version of the process."""
    expression: dict[str, Any] = field(default_factory=dict)
    """Inputs of the process, as JSON: enough to run it again."""
    derived_from: tuple[tuple[str, str], ...] = ()
    """The items that were read: (href, item id)."""
    provenance_href: str = ""
    """Where the provenance record is, from the item; empty where there is none."""
    collection: str = ""
    """Id of the collection that the items are for; empty for none."""
    collection_href: str = "../collection.json"
    """Where that collection is, from the item."""

    def properties(self) -> dict[str, Any]:
        """Give the fields of the processing extension; no time of day, so that reruns give the same bytes.

        Examples
        --------
        >>> Lineage("composite", "1.0", {"period": "P1M"}).properties()["processing:lineage"]
        'swath ran composite (version 1.0) on 0 items.'
        """
        count = len(self.derived_from)
        items = f"{count} item{'' if count == 1 else 's'}"
        return {
            "processing:software": {"swath": __version__},
            "processing:version": self.version,
            "processing:expression": {
                "format": "swath",
                "expression": {"process": self.process, "inputs": self.expression},
            },
            "processing:lineage": f"swath ran {self.process} (version {self.version}) on {items}.",
        }

    def links(self) -> list[dict[str, Any]]:
        """Give the links of an item to its inputs, its collection and its provenance record.

        The record's relation is ``processing-execution``, which the processing extension defines for any
        resource that represents the execution; IANA's registry has none for provenance (PROV-AQ's is
        a URI).
        """
        links = []
        if self.collection:
            links.append({"rel": "collection", "href": self.collection_href, "type": "application/json"})
        if self.provenance_href:
            links.append(
                {
                    "rel": "processing-execution",
                    "href": self.provenance_href,
                    "type": "application/ld+json",
                    "title": "Provenance (RO-Crate)",
                }
            )
        links += [
            {"rel": "derived_from", "href": href, "type": "application/geo+json", "title": name}
            for href, name in self.derived_from
        ]
        return links
