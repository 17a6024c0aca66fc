"""One item on its way: its assets, and its document when they are settled."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.catalog.mirror.copying import Wanted
from swath.catalog.mirror.documents import (
    document_tag,
    mirrored_assets,
    mirrored_item,
    read_document,
    write_document,
)
from swath.catalog.mirror.folders import is_folder_asset
from swath.catalog.mirror.kept import Kept
from swath.catalog.mirror.names import asset_hrefs, asset_names, item_folder, item_key
from swath.model import SwathError
from swath.storage import join_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.catalog.mirror.copying import Copier, Settled
    from swath.catalog.mirror.journal import Journal
    from swath.catalog.mirror.kept import AssetKept
    from swath.storage import ObjectStore


def chosen_assets(item: Mapping[str, Any], names: tuple[str, ...] | None) -> list[str]:
    """Give the keys of the assets that are chosen, by their own names or those of their bands.

    Examples
    --------
    >>> item = {"assets": {"B04": {"href": "x", "eo:bands": [{"common_name": "red"}]}, "B05": {"href": "y"}}}
    >>> chosen_assets(item, ("red",)), chosen_assets(item, None)
    (['B04'], ['B04', 'B05'])
    """
    found = asset_hrefs(item)
    return [key for key in found if names is None or _is_named(key, item["assets"][key], names)]


def _is_named(key: str, asset: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    bands = [*(asset.get("bands") or ()), *(asset.get("eo:bands") or ())]
    said = {band.get(each) for band in bands for each in ("name", "common_name", "eo:common_name")}
    return key in names or bool(said & set(names))


def wanted_assets(item: Mapping[str, Any], names: tuple[str, ...] | None) -> list[Wanted]:
    """Say what an item's assets are to be on the mirror."""
    hrefs = asset_hrefs(item)
    files = asset_names(item["id"], hrefs)
    folder, key = item_folder(item["collection"], item["id"]), item_key(item["collection"], item["id"])
    found = []
    for name in chosen_assets(item, names):
        asset, place = item["assets"][name], f"{folder}/{files[name]}"
        found.append(Wanted(key, name, hrefs[name], place, _checksum(asset), is_folder_asset(asset)))
    return found


def _checksum(asset: Mapping[str, Any]) -> str:
    found = asset.get("file:checksum") or asset.get("checksum:multihash")
    return found if isinstance(found, str) else ""


@dataclass(slots=True)
class ItemWork:
    """An item under way."""

    item: dict[str, Any]
    """The source's."""
    key: str
    """Key of its document."""
    wanted: list[Wanted]
    """Its assets."""
    places: dict[str, tuple[AssetKept, Kept]] = field(default_factory=dict)
    """What is settled of them."""
    left: int = 0
    """How many are not."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """For the two above."""

    def finish(self, name: str, settled: Settled | None) -> bool:
        """Note an asset, settled or failed; True for the last."""
        with self.lock:
            if settled is not None:
                self.places[name] = (settled.origin, settled.kept)
            self.left -= 1
            return self.left == 0


class ItemShelf:
    """The items' documents on the mirror.

    Parameters
    ----------
    target : ObjectStore
        Where the mirror is.
    prefix : str
        Key that it begins at.
    journal : Journal
        What is known of it.
    copier : Copier
        Knows what is whole.
    """

    def __init__(self, target: ObjectStore, prefix: str, journal: Journal, copier: Copier) -> None:
        self._target, self._prefix, self._journal, self._copier = target, prefix, journal, copier

    def adopt(self, key: str) -> None:
        """Learn from an item on the mirror what is there, where another machine has written it."""
        if self._journal.listed(key) is None or self._journal.kept(key) is not None:
            return
        data = self._target.get(join_key(self._prefix, key))
        for name, origin, kept in mirrored_assets(read_document(data) or {}, key):
            found = self._journal.listed(kept.key) or (self._journal.listed_below(kept.key), "")
            if found[0] == kept.size:
                if self._journal.kept(kept.key) is None:
                    self._journal.keep(Kept(kept.key, kept.size, kept.digest, found[1]))
                if self._journal.asset(key, name) is None:
                    self._journal.settle(key, name, origin)
        size, etag = self._journal.listed(key) or (0, "")
        self._journal.keep(Kept(key, size, "", etag, document_tag(data)))

    def before(self, work: ItemWork) -> None:
        """Let assets that failed stay what they were, where they were there before."""
        for each in work.wanted:
            if each.asset not in work.places and (old := self._journal.asset(work.key, each.asset)):
                whole = self._copier.whole_folder if each.is_folder else self._copier.whole
                kept = whole(old.key) if old.href == each.href else None
                if kept is not None:
                    work.places[each.asset] = (old, kept)

    def write(self, work: ItemWork) -> tuple[dict[str, Any], bool]:
        """Write an item's document, unless it is there; gives it, and whether it was written."""
        self.before(work)
        document = mirrored_item(work.item, work.key, work.places)
        data = write_document(document)
        tag = document_tag(data)
        old = self._copier.whole(work.key)
        if old is not None and old.tag == tag:
            return document, False
        told = self._target.put(join_key(self._prefix, work.key), data)
        self._journal.keep(Kept(work.key, len(data), "", told.etag, tag))
        return document, True


def try_adopt(shelf: ItemShelf, key: str) -> None:
    """Learn from an item on the mirror; what cannot be read is written anew."""
    try:
        shelf.adopt(key)
    except SwathError:
        return
