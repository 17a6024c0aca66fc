"""Where the demonstration data lies, and its items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COLLECTION = "sentinel-2-l2a-romania"


def demo_folder() -> Path:
    """Give the folder of the demonstration data inside the package."""
    return Path(__file__).resolve().parent.parent / "demo_data"


def demo_items() -> list[dict[str, Any]]:
    """Read the items of the demonstration data: 140 dates of Sentinel-2 over 1 km x 1 km of forest.

    Returns
    -------
    list of dict
        STAC items with absolute hrefs, by date.

    Examples
    --------
    >>> len(demo_items()), demo_items()[0]["id"]
    (140, 'S2_L2A_RO_20150801')
    """
    folder = demo_folder() / "stac" / "items"
    items = []
    for path in sorted(folder.glob("*.json")):
        item = json.loads(path.read_text(encoding="utf-8"))
        for asset in item["assets"].values():
            asset["href"] = str((folder / asset["href"]).resolve())
        items.append(item)
    return items
