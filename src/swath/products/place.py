"""A place in a store that products are written to: names, addresses, and how others find the server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from swath.model import ConflictError, InputError, MissingObjectError, NotAllowedError
from swath.storage import file_name, join_key, stores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.storage import ObjectStore

STORAGE = "https://stac-extensions.github.io/storage/v2.0.0/schema.json"
"""Schema of the extension that says which server an address of S3 is at."""
_NAMED = re.compile(r"[A-Za-z][A-Za-z0-9_-]+:(?!//)")
_OWN = re.compile(r"-[0-9a-f]{8}\.(tif|png|zarr)$")
"""Ends of names that `stamped` makes."""
_NO_ADDRESS = re.compile(r'[\t-\r"<>\\^`{|}]')
"""What no reader takes in an address of S3, where keys stand as they are; blanks all take."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a store."""

    address: str
    """As the user wrote it, without a slash at its end."""
    store: ObjectStore
    """The store."""
    prefix: str
    """The folder's key; may be empty."""

    def key(self, name: str) -> str:
        """Give the key of what has this name here."""
        return join_key(self.prefix, name)

    def href(self, name: str) -> str:
        """Give the address that others understand."""
        return self.store.root.href(self.key(name))

    def read_item(self, name: str) -> dict[str, Any] | None:
        """Read the item of a name; None where there is none."""
        try:
            found = json.loads(self.store.get(self.key(name)))
        except (MissingObjectError, json.JSONDecodeError, UnicodeDecodeError):
            return None
        return found if isinstance(found, dict) else None


def is_address(text: str) -> bool:
    """Tell whether a text is an address of a store, and not a path of this machine.

    Examples
    --------
    >>> is_address("s3://eo/ndvi"), is_address("archive:ndvi"), is_address("./a:b"), is_address("ndvi")
    (True, True, False, False)
    """
    return ("://" in text and not text.startswith("file://")) or _NAMED.match(text) is not None


def find_place(address: str) -> Place:
    """Find the place that an address names.

    Raises
    ------
    InputError
        It names no store that is known; or S3, and has characters that no address may have: keys of S3 are
        written as they are, and not quoted.
    """
    store, prefix = stores().locate(address.rstrip("/"))
    place = Place(address.rstrip("/"), store, prefix)
    if store.root.scheme == "s3" and (wrong := _NO_ADDRESS.search(place.href(""))):
        raise InputError(
            f"save: {place.href('')!r} has {wrong[0]!r}, which no address of an asset may have",
            fix="use letters, digits, - and _ for prefixes in S3",
        )
    return place


def whole_address(address: str) -> str:
    """Give an address that means the same from everywhere, and belongs to a store that is known.

    Raises
    ------
    InputError
        It is of no store that is known.
    """
    if not is_address(address):
        address = str(Path(address.removeprefix("file://")).expanduser().absolute())
    return find_place(address).address


def try_writing(address: str) -> None:
    """Write a small object and remove it, so that a job need not end to learn that it may not.

    Raises
    ------
    SwathError
        The store refuses, or does not answer.
    """
    place = find_place(whole_address(address))
    key = place.key(f".swath-{secrets.token_hex(4)}")
    place.store.put(key, b"")
    with contextlib.suppress(NotAllowedError):
        place.store.delete([key])


def stamped(name: str, checksum: str) -> str:
    """Put the beginning of its checksum into a file's name.

    Two who write the same name at the same time then write two files, and each item names its own.

    Parameters
    ----------
    name : str
        Name of the file.
    checksum : str
        Multihash of SHA-256.

    Examples
    --------
    >>> stamped("a_red.tif", "1220e3b0c44298fc1c14")
    'a_red-e3b0c442.tif'
    """
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{checksum[4:12]}{dot}{ending}"


def add_storage(document: dict[str, Any], store: ObjectStore) -> None:
    """Tell in an item or a collection at which server of S3 its assets are, where an address does not.

    It has no key and no secret.
    """
    from swath.storage.s3 import S3Store, s3_place

    if not isinstance(store, S3Store):
        return
    place = s3_place(store.settings, os.environ)
    if not place["endpoint"]:
        return
    scheme, _, host = place["endpoint"].partition("://")
    platform = (
        f"{scheme}://{{bucket}}.{host}" if store.settings.virtual_hosts else f"{scheme}://{host}/{{bucket}}"
    )
    name = file_name(store.root.host)
    held = document["properties"] if document["type"] == "Feature" else document
    held["storage:schemes"] = {
        name: {
            "type": "custom-s3",
            "platform": platform,
            "bucket": store.root.host,
            "region": place["region"],
        }
    }
    for each in document.get("assets", {}).values():
        if str(each["href"]).startswith(f"s3://{store.root.host}/"):
            each["storage:refs"] = [name]
    document["stac_extensions"] = sorted({*document.get("stac_extensions", ()), STORAGE})


def json_bytes(value: Any) -> bytes:
    """Write JSON whose bytes depend on the value alone."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def item_name(id: str) -> str:
    """Name the file of an item."""
    return f"{file_name(id)}.json"


def refuse_present(place: Place, ids: Iterable[str]) -> None:
    """Refuse to go on where there is an item already.

    Raises
    ------
    ConflictError
        There is one.
    """
    for each in ids:
        with contextlib.suppress(MissingObjectError):
            place.store.stat(place.key(item_name(each)))
            raise _present(place, each)


def _present(place: Place, id: str) -> ConflictError:
    return ConflictError(
        f"save: there is an item {id!r} already, {place.href(item_name(id))}",
        fix="choose another name or folder, or replace it with overwrite=True",
    )


def put_item(place: Place, item: dict[str, Any], *, overwrite: bool) -> None:
    """Write an item whose assets are all there; then remove the files that only its forerunner named.

    Raises
    ------
    ConflictError
        There is one already, and it may not be replaced: its files stay, and those of this one go.
    """
    name = item_name(item["id"])
    own = _files(place, item)
    before = place.read_item(name) if overwrite else None
    try:
        place.store.put(place.key(name), json_bytes(item), overwrite=overwrite)
    except ConflictError as error:
        _remove(place, own - _files(place, place.read_item(name)))
        raise _present(place, item["id"]) from error
    if before is not None and (old := _files(place, before) - own):
        _remove(place, old - _files(place, place.read_item(name)))  # somebody may have written it meanwhile


def _files(place: Place, item: dict[str, Any] | None) -> set[str]:
    """Name the files of an item in this place that `stamped` has named."""
    hrefs = [str(each.get("href", "")) for each in (item or {}).get("assets", {}).values()]
    names = {each.rpartition("/")[2] for each in hrefs}
    return {each for each in names if _OWN.search(each) and place.href(each) in hrefs}


def _remove(place: Place, names: set[str]) -> None:
    for name in sorted(names):
        if not name.endswith(".zarr"):
            place.store.delete([place.key(name)])
            continue
        place.store.delete([place.key(f"{name}/zarr.json")])  # from here on it is no store any more
        place.store.delete([each.key for each in place.store.list(place.key(name))])
