"""STAC documents read from files and web servers, with what goes wrong told in sentences."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from swath.catalog.hrefs import is_url
from swath.model import CatalogError, InputError, NotFoundError
from swath.storage import stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.storage import ObjectStore

_TIMEOUT_S = 60.0
_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(?!//)")
_STORES = ("s3://", "dav://", "davs://", "dcache://")


def plain_address(text: str) -> str:
    """Give the address of what ``NAME:path`` names in a store of the settings; anything else stays.

    Raises
    ------
    InputError
        It names no store that is known.
    """
    named = _NAMED.match(text)
    known = named and (named[1] in stores().named or (text.endswith(".json") and not Path(text).exists()))
    return stores().href(text) if known else text


class Reader:
    """Reads documents, keeping the connection to a server open between them."""

    def __init__(self) -> None:
        self._session: Any = None

    def read_json(self, href: str) -> Any:
        """Read one JSON document.

        Parameters
        ----------
        href : str
            Absolute path, or the URL of a web server or a store.

        Raises
        ------
        NotFoundError
            There is nothing.
        InputError
            It is no JSON, or no address that can be read.
        CatalogError
            The server does not give it.
        """
        data = self._read_url(href) if is_url(href) else _read_file(href)
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
        try:
            return json.loads(data)  # takes NaN, and tells the line
        except ValueError as error:
            raise InputError(f"catalog: {href} is no JSON ({error})") from error

    def _read_url(self, href: str) -> bytes:
        import requests

        if (found := _in_store(href)) is not None:
            store, key = found
            return store.get(key)
        if not href.lower().startswith(("http://", "https://")):
            raise InputError(
                f"catalog: {href} cannot be read", fix="give a file, a folder or an http(s) address"
            )
        if self._session is None:
            self._session = requests.Session()
        try:
            answer = self._session.get(href, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise CatalogError(
                f"catalog: {href} does not answer ({type(error).__name__})", fix="try again later"
            ) from error
        if answer.status_code == 404:
            raise NotFoundError(f"catalog: {href} does not exist")
        if not answer.ok:
            raise CatalogError(f"catalog: {href} answers {answer.status_code} {answer.reason}")
        content: bytes = answer.content
        return content

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()


def _in_store(href: str) -> tuple[ObjectStore, str] | None:
    """Find the store that an address lies in, where its scheme or the settings name one."""
    if not href.startswith(_STORES) and not stores().named:
        return None
    try:
        store, key = stores().locate(href)
    except InputError:  # it has a query, for one
        return None
    return (store, key) if href.startswith(_STORES) or store.name in stores().named else None


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"catalog: {path} does not exist") from error
    except OSError as error:
        raise InputError(f"catalog: {path} cannot be read ({error.strerror})") from error


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Read newline-delimited JSON.

    Yields
    ------
    number : int
        Of the line, from 1.
    document
        What stands there; a text of why not where it is no JSON.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield number, orjson.loads(line)
                    except orjson.JSONDecodeError as error:
                        yield number, f"it is no JSON ({error})"
    except OSError as error:
        raise InputError(f"catalog: {path} cannot be read ({error.strerror})") from error
