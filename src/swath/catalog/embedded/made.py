"""Collections made for items that came without one, with the extent of those items."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from swath.model import format_instant, microseconds, parse_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.catalog.intake.prepare import ItemRow


def minimal_collection(name: str, rows: Sequence[ItemRow]) -> dict[str, Any]:
    """Make a collection for items that came without one."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": f"Items of {name}",
        "license": "other",
        "extent": widened_extent(None, rows),
        "links": [],
    }


def widened_extent(extent: dict[str, Any] | None, rows: Sequence[ItemRow]) -> dict[str, Any]:
    """Widen a collection's extent so that it holds some items.

    Parameters
    ----------
    extent : dict or None
        STAC extent; None for a new one.
    rows : sequence of ItemRow
        What it must hold.
    """
    boxes = [part for row in rows for part in row.boxes]
    times = [(row.start_us, row.end_us) for row in rows]
    if extent:
        boxes.append(tuple(extent["spatial"]["bbox"][0]))
        first, last = extent["temporal"]["interval"][0]
        times.append((_us(first), _us(last)))
    bbox = [-180.0, -90.0, 180.0, 90.0]
    if boxes:
        west, south, east, north = zip(*boxes, strict=True)
        bbox = [min(west), min(south), max(east), max(north)]
    start, end = min(each[0] for each in times), max(each[1] for each in times)
    return {
        "spatial": {"bbox": [bbox]},
        "temporal": {"interval": [[_text(start), _text(end)]]},
    }


def _us(text: str) -> int:
    return microseconds(parse_instant(text))


def _text(value_us: int) -> str:
    return format_instant(dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=value_us))
