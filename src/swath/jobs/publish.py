"""Puts the results of a job into a store: files, then items, then the collection, and last the catalog."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.jobs.carry import carried_stores
from swath.jobs.finish import read_results
from swath.jobs.folder import refusals
from swath.model import MissingObjectError, SwathError
from swath.products.place import Place, add_storage, find_place, json_bytes
from swath.storage.upload import upload_many
from swath.storage.whole import PART

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.jobs.folder import JobFolder
    from swath.model import JobStatus
    from swath.storage import Stat

log = logging.getLogger("swath")
_CONCURRENCY = 8


def sent_to(folder: JobFolder) -> str:
    """Give the address of a job's results in the store that they are put into."""
    return _place(folder).href("results")


def _place(folder: JobFolder) -> Place:
    """Give where a job goes: a folder of its own, laid out as the job folder is, so that links hold."""
    within = find_place(folder.job["to"])
    return Place(f"{within.address}/{folder.job['id']}", within.store, within.key(str(folder.job["id"])))


def sent_words(folder: JobFolder) -> str:
    """Say where the results have been put; whoever reads that does not send them again."""
    return f"; put into {folder.job['to']}"


def was_sent(folder: JobFolder, status: JobStatus) -> bool:
    """Tell whether a job says that its results are in their store, such as by the node that has sent them."""
    return bool(folder.job.get("to")) and f"{sent_words(folder)};" in f"{status.message};"


def has_results(folder: JobFolder) -> bool:
    """Tell whether results of a job can be read: in its folder, or where its site has put them."""
    if folder.catalog_file.exists():
        return True
    told = folder.read_status()
    return told is not None and was_sent(folder, told)


def send_from_site(folder: JobFolder) -> str:
    """Put the results into their store from the node that has finished the job, where it gets there.

    Returns
    -------
    str
        What the message of the job says of it; empty where whoever looks at the job has to send them.
    """
    if not folder.job.get("to"):
        return ""
    try:
        # The same name may be another store in the settings of the site: only what was taken along is meant.
        place = _place(folder)
        if place.store.name not in carried_stores(folder):
            return ""
        with contextlib.suppress(MissingObjectError):  # one question, before there are many
            place.store.stat(place.key("results/catalog.json"))
        send(folder)
    except SwathError as error:
        log.warning("the results are not in their store yet: whoever looks at the job sends them (%s)", error)
        return ""
    return sent_words(folder)


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
    if not folder.catalog_file.exists() and has_results(folder):
        return read_store(folder)
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


def read_store(folder: JobFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the results of a job from the store that they were put into.

    Returns
    -------
    collection : dict
    items : list of dict
        With absolute hrefs.
    """
    place = _place(folder)
    collection = json.loads(place.store.get(place.key("results/collection.json")))
    hrefs = [str(each["href"]) for each in collection["links"] if each["rel"] == "item"]
    collection["links"] = [each for each in collection["links"] if each["rel"] != "item"]

    def read(href: str) -> dict[str, Any]:
        inside = href.removeprefix(place.href("results/"))
        return dict(json.loads(place.store.get(place.key(f"results/{inside}"))))

    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        return collection, list(pool.map(read, hrefs))


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
