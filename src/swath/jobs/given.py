"""Reads items that a user gives by path or as JSON, their hrefs made absolute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from swath.catalog.hrefs import absolute_href
from swath.cube import item_dicts
from swath.model import InputError, NotFoundError


def read_given_items(given: Any) -> list[dict[str, Any]]:
    """Read items in any form that people have.

    Parameters
    ----------
    given : path or list of paths, ItemCollection, item, or list of them
        Paths of items, ItemCollections or NDJSON files.

    Raises
    ------
    InputError
        It is no STAC.
    NotFoundError
        There is no such file.
    """
    if isinstance(given, (str, Path)):
        return _read_file(Path(given).expanduser())
    if isinstance(given, (list, tuple)) and given and all(isinstance(each, (str, Path)) for each in given):
        return [item for each in given for item in _read_file(Path(each).expanduser())]
    items = item_dicts(given)
    for each in items:
        if each.get("type") != "Feature" or "assets" not in each or "properties" not in each:
            raise InputError(f"items: a STAC item is needed, got {str(each)[:60]!r}")
    return items


def _read_file(path: Path) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"items: there is no file {str(path)!r}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"items: {str(path)!r} cannot be read ({error})") from error
    try:
        if path.suffix in (".ndjson", ".jsonl"):
            tree: Any = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"items: {str(path)!r} is not JSON ({error})") from error
    items = read_given_items(tree)
    base = str(path.absolute())
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = absolute_href(asset["href"], base)
    return items
