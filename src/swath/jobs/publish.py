"""Puts the results of a job into a store: files, then items, then the collection, and last the catalog."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.jobs.finish import read_results
from swath.jobs.folder import refusals
from swath.products.place import Place, add_storage, find_place, json_bytes
from swath.storage.upload import upload_many
from swath.storage.whole import PART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.jobs.folder import JobFolder
    from swath.storage import Stat

_CONCURRENCY = 8


def sent_to(folder: JobFolder) -> str:
    """Give the address of a job's results in the store that they are put into."""
    return _place(folder).href("results")


def _place(folder: JobFolder) -> Place:
    """Give where a job goes: a folder of its own, laid out as the job folder is, so that links hold."""
    within = find_place(folder.job["to"])
    return Place(f"{within.address}/{folder.job['id']}", within.store, within.key(str(folder.job["id"])))


def is_being_sent(folder: JobFolder) -> bool:
    """Tell whether a process puts the results into their store just now."""
    if not folder.send_lock.exists():
        return False
    with folder.send_lock.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def send(folder: JobFolder) -> None:
    """Put the results into the store of the job; what is there already is not sent again.

    Whatever ends it on the way: no item is there without its files, and no collection without its items.

    Raises
    ------
    SwathError
        The store refuses or does not answer.
    """
    with _locked(folder):
        place = _place(folder)
        old = read_results(folder)[1]
        _send_files(folder, place, {_self(each) for each in old})
        collection, new = read_sent(folder)
        keys = [place.key(_inside(folder, Path(_self(each)))) for each in old]
        upload_many(place.store, zip(keys, map(json_bytes, new), strict=True), _CONCURRENCY)
        links = [{"rel": "item", "href": _self(each), "type": "application/geo+json"} for each in new]
        whole = {**collection, "links": [*collection["links"], *links]}
        place.store.put(place.key("results/collection.json"), json_bytes(whole))
        place.store.put(place.key("results/catalog.json"), folder.catalog_file)


@contextlib.contextmanager
def _locked(folder: JobFolder) -> Iterator[None]:
    with refusals(folder.send_lock):
        lock = folder.send_lock.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _send_files(folder: JobFolder, place: Place, items: set[str]) -> None:
    """Send what is neither item nor collection, and note what is there."""
    sent = _sent(folder, place)
    with refusals(folder.sent_file):
        ledger = folder.sent_file.open("a", encoding="utf-8")

    def note(stat: Stat) -> None:
        with contextlib.suppress(OSError):  # it would only be sent once more
            print(stat.key, file=ledger, flush=True)

    with ledger:
        for some in _files(folder, items):
            pairs = ((place.key(_inside(folder, each)), each) for each in some)
            lacking = ((key, path) for key, path in pairs if sent.get(key) != path.stat().st_size)
            upload_many(place.store, lacking, _CONCURRENCY, done=note)


def read_sent(folder: JobFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the results as they are in the job's store; or in its folder, where it has none.

    Returns
    -------
    collection : dict
    items : list of dict
        With absolute hrefs.
    """
    collection, items = read_results(folder)
    if not folder.job.get("to"):
        return collection, items
    place = _place(folder)

    def moved(held: dict[str, Any]) -> dict[str, Any]:
        href = str(held["href"])
        inside = href.startswith(f"{folder.path}/")
        return {**held, "href": place.href(href.removeprefix(f"{folder.path}/"))} if inside else held

    there = []
    for each in items:
        assets = {key: moved(asset) for key, asset in each["assets"].items()}
        item = {**each, "assets": assets, "properties": dict(each["properties"])}
        item["links"] = [moved(link) for link in each["links"]]
        add_storage(item, place.store)
        there.append(item)
    return {**collection, "links": [moved(each) for each in collection["links"]]}, there


def _self(item: dict[str, Any]) -> str:
    return next(str(each["href"]) for each in item["links"] if each["rel"] == "self")


def _inside(folder: JobFolder, path: Path) -> str:
    return path.relative_to(folder.path).as_posix()


def _files(folder: JobFolder, items: set[str]) -> Iterator[list[Path]]:
    """Give what is neither item nor collection: the files, and then what makes Zarr stores of some."""
    last: list[Path] = []
    first = [folder.job_file, folder.items_file, folder.units_file]
    documents = {str(folder.results / each) for each in ("collection.json", "catalog.json")} | items
    for room in (folder.results, folder.path / "provenance"):
        for at, _, names in os.walk(room):
            for name in sorted(names):
                path = Path(at) / name
                if name.startswith(PART) or str(path) in documents:
                    continue
                is_root = name == "zarr.json" and at.endswith(".zarr")
                (last if is_root else first).append(path)
    yield first
    yield last


def _sent(folder: JobFolder, place: Place) -> dict[str, int]:
    """Give sizes of what an earlier call has sent of the units, and what the store has still."""
    if not folder.sent_file.exists():
        return {}
    noted = set(folder.sent_file.read_text(encoding="utf-8").splitlines())
    units = tuple(place.key(f"results/{each}/") for each in folder.units)
    return {
        each.key: each.size
        for each in place.store.list(place.prefix)
        if each.key in noted and each.key.startswith(units)
    }
