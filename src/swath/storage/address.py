"""Keys and addresses: what names an object in a store, and how it is written in a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from swath.model import InputError

_WEB = {"http": "http", "https": "https", "dav": "http", "davs": "https", "dcache": "https"}
_SAFE = "/~-_.!$&'()*+,;=:@"
"""Characters that stand for themselves in the path of a URL (RFC 3986, 3.3)."""


def check_key(key: str) -> str:
    """Check what names an object in a store: a path that stays inside.

    Raises
    ------
    InputError
        It begins with a slash, has an empty, ``.`` or ``..`` part, or a control character.

    Examples
    --------
    >>> check_key("S2/ü b%20.tif")
    'S2/ü b%20.tif'
    """
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") for part in parts) or re.search(r"[\x00-\x1f\x7f]", key):
        raise InputError(
            f"storage: {key!r} cannot name an object in a store",
            fix="write a path relative to the store, without empty parts, '.', '..' and control characters",
        )
    return key


def join_key(prefix: str, key: str) -> str:
    """Put a key under a prefix; both may be empty.

    Examples
    --------
    >>> join_key("a/b", "c"), join_key("", "c"), join_key("a", "")
    ('a/b/c', 'c', 'a')
    """
    return f"{prefix}/{key}" if prefix and key else prefix or key


def quote_key(key: str) -> str:
    """Write a key as the path of a URL.

    Examples
    --------
    >>> quote_key("ü b/%2e#1")
    '%C3%BC%20b/%252e%231'
    """
    return quote(key, safe=_SAFE)


@dataclass(frozen=True, slots=True)
class Root:
    """Where a store begins."""

    scheme: str
    """``s3``, ``http`` or ``https``; empty: a folder of this machine."""
    host: str
    """Host and port; for S3 the bucket; empty for a folder."""
    prefix: str
    """What all keys begin with, without slashes at its ends; for a folder its path."""

    @property
    def url(self) -> str:
        """The root as others write it, without a slash at its end."""
        if not self.scheme:
            return self.prefix
        path = self.prefix if self.scheme == "s3" else quote_key(self.prefix)
        return f"{self.scheme}://{join_key(self.host, path)}"

    def href(self, key: str) -> str:
        """Give the address of an object; for S3 the key stands as it is, as everybody writes it there."""
        return join_key(self.url, quote_key(key) if self.scheme.startswith("http") else key)

    def key_of(self, other: Root) -> str | None:
        """Give the key of what lies at another root inside this one; None where it does not."""
        if (self.scheme, self.host) != (other.scheme, other.host):
            return None
        if not self.prefix:
            return other.prefix
        if other.prefix == self.prefix:
            return ""
        return other.prefix[len(self.prefix) + 1 :] if other.prefix.startswith(self.prefix + "/") else None


def parse_root(text: str) -> Root:
    """Understand an address; ``dav``, ``davs`` and ``dcache`` are what they are on the wire.

    Raises
    ------
    InputError
        It has no host, a query, a password, or a path that leaves its host by ``..``.

    Examples
    --------
    >>> parse_root("davs://host:2880/pnfs/a%20b/")
    Root(scheme='https', host='host:2880', prefix='pnfs/a b')
    >>> parse_root("s3://eo/S2/a%20b.tif").prefix
    'S2/a%20b.tif'
    """
    scheme, mark, rest = text.partition("://")
    if not mark or scheme == "file":
        return Root("", "", (rest if mark else text).rstrip("/") or "/")
    if scheme == "s3":
        bucket, _, prefix = rest.partition("/")
        return _checked(Root("s3", bucket, prefix.rstrip("/")), text)
    parts = urlsplit(text)
    if scheme not in _WEB or parts.query or parts.fragment or parts.username or parts.password:
        raise InputError(
            f"storage: {_hidden(text)!r} is no address of a store or an object in one",
            fix="write a scheme, a host and a path; passwords and tokens belong into the settings",
            known=("s3", *_WEB, "file"),
        )
    return _checked(Root(_WEB[scheme], parts.netloc.lower(), unquote(parts.path).strip("/")), text)


def _checked(root: Root, text: str) -> Root:
    if not root.host:
        raise InputError(f"storage: {text!r} names no host or bucket", fix="write it after the ://")
    if root.prefix:
        check_key(root.prefix)
    return root


def _hidden(text: str) -> str:
    """Leave out what may be secret in an address: the part before an @, and the query."""
    return re.sub(r"[?#].*", "?...", re.sub(r"//[^/@]*@", "//...@", text))
