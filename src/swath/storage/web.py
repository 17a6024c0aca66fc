"""Servers that speak HTTP: reading from any of them, with the credentials that belong to that host alone."""

# ruff: noqa: ARG002 -- what a plain server cannot do is refused whatever the arguments are
from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from swath.model import NotAllowedError, StoreError
from swath.storage.address import check_key, quote_key
from swath.storage.client import PATIENCE, Client, client_options, read_ca, retry_options
from swath.storage.failures import failure
from swath.storage.protocol import Checksum, Stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import requests

    from swath.config import StoreSettings
    from swath.storage.address import Root
    from swath.storage.credentials import Credentials, Secret

_BUSY = (429, 500, 502, 503, 504)
_UNABLE = re.compile(r"Content-Disposition|: 30[1278] for ")
"""In errors of a client that takes only ASCII for names in headers, and follows no redirect of a name with
brackets; nothing has been read then."""
_AGAIN = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND", "MKCOL"})
"""Methods that may be sent twice."""


class Door:
    """An HTTP server for requests other than for bytes: retries, one renewal of credentials, our errors.

    Credentials go to this host only: a redirect to another one is followed without them.

    Parameters
    ----------
    name : str
        The store's name.
    base : str
        Address that paths are appended to.
    settings : StoreSettings
        Certificates, and how many requests at once.
    credentials : Credentials, optional
        Who asks.
    """

    def __init__(
        self, name: str, base: str, settings: StoreSettings, credentials: Credentials | None
    ) -> None:
        self.name, self.base, self.credentials = name, base.rstrip("/"), credentials
        self._settings = settings
        self._held = threading.local()

    def _session(self) -> requests.Session:
        """Give this thread's session."""
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        if not hasattr(self._held, "session"):
            session = requests.Session()
            session.trust_env = False  # it would send what ~/.netrc has for whatever host it is sent to
            session.proxies.update(requests.utils.get_environ_proxies(self.base, no_proxy=None))
            session.verify = str(read_ca(self._settings.ca)) if self._settings.ca else _environment_ca()
            retry = Retry(
                total=PATIENCE.retries,
                redirect=10,
                backoff_factor=0.1,
                status_forcelist=_BUSY,
                allowed_methods=_AGAIN,
                raise_on_status=False,
            )
            session.mount("http://", HTTPAdapter(max_retries=retry))
            session.mount("https://", HTTPAdapter(max_retries=retry))
            self._held.session = session
        session_held: requests.Session = self._held.session
        return session_held

    def ask(
        self,
        method: str,
        path: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        accept: Sequence[int] = (),
        stream: bool = False,
    ) -> requests.Response:
        """Send a request.

        Parameters
        ----------
        method : str
            Verb of HTTP or WebDAV.
        path : str
            What comes after the base, quoted as a URL.
        headers, data, json, params
            As `requests` takes them.
        accept : sequence of int
            Statuses besides 2xx that are an answer and no failure.
        stream : bool
            True to read the body piece by piece.

        Raises
        ------
        SwathError
            The server refuses or does not answer.
        """
        sent = {"headers": headers, "data": data, "json": json, "params": params, "stream": stream}
        secret = self.credentials.secret() if self.credentials else None
        answer = self._send(method, path, secret, **sent)
        if answer.status_code in (401, 403) and _can_repeat(data) and self._renew(secret):
            answer.close()
            answer = self._send(method, path, self.credentials.secret() if self.credentials else None, **sent)
        if answer.ok or answer.status_code in accept:
            return answer
        what = _said(answer)
        answer.close()
        raise failure(self.name, self.base + path, answer.status_code, what)

    def _renew(self, refused: Secret | None) -> bool:
        return self.credentials is not None and refused is not None and self.credentials.renew(refused)

    def _send(
        self, method: str, path: str, secret: Secret | None, *, headers: Mapping[str, str] | None, **more: Any
    ) -> requests.Response:
        import requests

        said = dict(headers or {})
        if secret and secret.authorization:
            said["Authorization"] = secret.authorization
        try:
            return self._session().request(
                method,
                self.base + path,
                headers=said,
                timeout=(PATIENCE.connect_s, PATIENCE.request_s),
                allow_redirects=True,
                **more,
            )
        except requests.exceptions.SSLError as error:
            reason = str(getattr(error.args[0], "reason", error) if error.args else error)
            raise failure(
                self.name, self.base + path, 0, f"its certificate is not trusted ({reason[-120:]})"
            ) from error
        except requests.exceptions.Timeout as error:
            raise failure(self.name, self.base + path, 0, "the server does not answer in time") from error
        except requests.exceptions.RequestException as error:
            what = (
                "the server breaks off" if "aborted" in str(error) else "there is no connection to the server"
            )
            raise failure(self.name, self.base + path, 0, what) from error


def _environment_ca() -> str | bool:
    import os

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def _can_repeat(data: Any) -> bool:
    return data is None or isinstance(data, (bytes, str))


def _said(answer: requests.Response) -> str:
    """Give what a server says of a failure, where it is short and plain."""
    kind = answer.headers.get("Content-Type", "")
    if "json" in kind:
        try:
            told = answer.json()
            errors = told.get("errors") or [told]
            return str(errors[0].get("message") or errors[0].get("detail") or "")[:200]
        except (ValueError, AttributeError, IndexError, TypeError):
            return ""
    text = answer.text.strip() if "text/plain" in kind else ""
    return text[:200] if "\n" not in text else ""


class WebStore:
    """Files behind an HTTP server, to be read; it cannot be listed.

    Parameters
    ----------
    root : Root
        Where it begins.
    settings : StoreSettings
        Certificates.
    credentials : Credentials, optional
        Who asks.
    name : str
        What errors call it.
    """

    def __init__(
        self, root: Root, settings: StoreSettings, credentials: Credentials | None, *, name: str
    ) -> None:
        self.root, self.name, self.settings = root, name, settings
        self.client = Client(name, root, credentials, self._make)
        self.door = Door(name, f"{root.scheme}://{root.host}", settings, credentials)

    def _make(self, secret: Secret | None) -> Any:
        from obstore.store import HTTPStore

        options = client_options(self.settings.ca)
        if secret and secret.authorization:
            options["default_headers"] = {"authorization": secret.authorization}
        return HTTPStore.from_url(
            f"{self.root.scheme}://{self.root.host}", client_options=options, retry_config=retry_options()
        )

    def _path(self, key: str) -> str:
        """Give the quoted path of a key."""
        return "/" + quote_key(self.client.path(key))

    def stat(self, key: str) -> Stat:
        """Tell what a file is."""
        return _stat(key, self.client.ask("head", check_key(key)))

    def get(self, key: str) -> bytes:
        """Give all of a file."""
        try:
            return self.client.get(check_key(key))
        except StoreError as error:
            if not _UNABLE.search(str(error)):
                raise
        return self.door.ask("GET", self._path(key)).content

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Give several (offset, count) parts."""
        try:
            return self.client.get_ranges(check_key(key), ranges)
        except StoreError as error:
            if not _UNABLE.search(str(error)):
                raise
        whole = memoryview(self.get(key))
        if any(start + count > len(whole) for start, count in ranges):
            raise StoreError(f"storage {self.name!r}: {self.root.href(key)}: it is shorter than that")
        return [whole[start : start + count] for start, count in ranges]

    def stream(self, key: str) -> Iterator[memoryview]:
        """Give a file in pieces."""
        try:
            yield from self.client.stream(check_key(key))
        except StoreError as error:
            if not _UNABLE.search(str(error)):
                raise
            yield memoryview(self.get(key))

    def opened(self, key: str) -> tuple[Stat, Iterator[memoryview]]:
        """Ask for a file once: what it is, and its pieces."""
        told, pieces = self.client.opened(check_key(key))
        return _stat(key, told), pieces

    def put(self, key: str, data: bytes | Path | Iterable[bytes], *, overwrite: bool = True) -> Stat:
        """Refuse: plain HTTP is read."""
        raise self._read_only("written to")

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Refuse: plain HTTP has no lists."""
        raise self._read_only("listed")

    def folder(self, prefix: str = "") -> Sequence[Stat]:
        """Refuse: plain HTTP has no lists."""
        raise self._read_only("listed")

    def delete(self, keys: Iterable[str]) -> None:
        """Refuse."""
        raise self._read_only("written to")

    def move(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Refuse."""
        raise self._read_only("written to")

    def checksum(self, key: str) -> Checksum | None:
        """Give None: plain HTTP knows none."""
        return None

    def close(self) -> None:
        """Do nothing: connections go with the object."""

    def _read_only(self, done: str) -> NotAllowedError:
        return NotAllowedError(
            f"storage {self.name!r}: a plain HTTP server cannot be {done}",
            fix="set kind = 'webdav' for it if it speaks WebDAV, or name another store",
        )


def _stat(key: str, told: Mapping[str, Any]) -> Stat:
    return Stat(key, int(told["size"]), told["last_modified"], (told.get("e_tag") or "").strip('"'))
