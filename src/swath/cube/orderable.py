"""Bands that items lack and that a recipe of their collection can make: said where they are asked for."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from swath.catalog import open_catalog
from swath.config import Settings
from swath.model import InputError, SwathError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIPES = "swath:recipes"
"""Field of a collection with the recipes for assets that its items lack."""


def say_if_orderable(
    error: InputError, items: Sequence[Mapping[str, Any]], bands: Sequence[str]
) -> InputError | None:
    """Give the error for bands that are not there, with the way to have them made; None where there is none.

    Parameters
    ----------
    error : InputError
        The error.
    items : sequence of dict
        The items.
    bands : sequence of str
        What was asked for.
    """
    names = {str(each.get("collection")) for each in items}
    known: set[str] = set()
    with contextlib.suppress(SwathError, AttributeError), open_catalog(Settings.read().catalog_path) as held:
        for collection in held.collections():
            if collection["id"] in names:
                for recipe in (collection.get(RECIPES) or {}).values():
                    known |= {word for pair in recipe["assets"].items() for word in pair}
    if not (wanted := [each for each in bands if each in known]):
        return None
    listed = ", ".join(repr(each) for each in wanted)
    return InputError(error.what, fix=f"have it made: items = swath.order(items, [{listed}])")
