"""S3 and what speaks like it: AWS, SeaweedFS, MinIO, Ceph."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swath.storage.address import check_key, join_key
from swath.storage.ahead import read_ahead
from swath.storage.client import Client, client_options, retry_options
from swath.storage.credentials.find import read_profile
from swath.storage.failures import failure, parse_told
from swath.storage.protocol import Checksum, Stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from swath.config import StoreSettings
    from swath.storage.address import Root
    from swath.storage.credentials import Credentials, Secret
    from swath.storage.protocol import ObjectStore

_PART = 16 << 20
"""Bytes of a part of an upload in parts: 10 000 of them are 156 GiB."""
_PARTS_AT_ONCE = 4
"""Parts of one stream that are held in memory and on their way."""
_LARGE = 64 << 20
"""Bytes from which an object is read by several requests at once."""
_COPIED = 5 << 30
"""Bytes up to which S3 copies an object by one request."""
_COPYING = dt.timedelta(minutes=15)
"""How long a copy on the server may take."""


class S3Store:
    """Objects of a bucket.

    Parameters
    ----------
    root : Root
        Bucket and prefix.
    settings : StoreSettings
        Server, region and certificates.
    credentials : Credentials, optional
        Who asks; None: the machine's own role.
    name : str
        What errors call it.
    """

    def __init__(
        self, root: Root, settings: StoreSettings, credentials: Credentials | None, *, name: str
    ) -> None:
        self.root, self.name, self.settings = root, name, settings
        self.client = Client(name, root, credentials, self._make)
        self._copying = Client(name, root, credentials, self._make_for_copies)

    def _make_for_copies(self, secret: Secret | None) -> Any:
        """Make a client that waits: a server says nothing while it copies, and must not begin again."""
        options = client_options(self.settings.ca) | {"timeout": _COPYING, "read_timeout": _COPYING}
        return self._make(secret, client_options=options, retry_config={"max_retries": 0})

    def _make(self, secret: Secret | None, **options: Any) -> Any:
        from obstore.store import S3Store as Bucket

        place = s3_place(self.settings, os.environ)
        more: dict[str, Any] = {"endpoint": place["endpoint"]} if place["endpoint"] else {}
        if secret is not None and secret.key:
            more |= {"access_key_id": secret.key, "secret_access_key": secret.secret}
            more |= {"session_token": secret.session} if secret.session else {}
        elif secret is not None:
            more["skip_signature"] = True
        elif server := os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"):
            more["metadata_endpoint"] = server.rstrip("/")  # as AWS' tools call it; obstore has another name
        return Bucket(
            self.root.host,
            region=place["region"],
            virtual_hosted_style_request=self.settings.virtual_hosts,
            **{
                "client_options": client_options(self.settings.ca),
                "retry_config": retry_options(),
                **more,
                **options,
            },
        )

    def stat(self, key: str) -> Stat:
        """Tell what an object is."""
        return self._stat(self.client.ask("head", check_key(key)))

    def _stat(self, told: Mapping[str, Any]) -> Stat:
        key = told["path"]
        if self.root.prefix:
            key = key[len(self.root.prefix) + 1 :]
        return Stat(key, int(told["size"]), told["last_modified"], (told.get("e_tag") or "").strip('"'))

    def get(self, key: str) -> bytes:
        """Give all of an object."""
        return self.client.get(check_key(key))

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Give several (offset, count) parts."""
        return self.client.get_ranges(check_key(key), ranges)

    def stream(self, key: str) -> Iterator[memoryview]:
        """Give an object in pieces."""
        return self.client.stream(check_key(key))

    def opened(self, key: str) -> tuple[Stat, Iterator[memoryview]]:
        """Ask for an object once: what it is, and its pieces."""
        told, pieces = self.client.opened(check_key(key))
        if told["size"] >= _LARGE and (etag := told.get("e_tag")):
            return self._stat(told), self.client.in_ranges(key, told["size"], etag)
        return self._stat(told), pieces

    def put(self, key: str, data: bytes | Path | Iterable[bytes], *, overwrite: bool = True) -> Stat:
        """Write an object; large ones in parts, which S3 shows only when all are there.

        Without ``overwrite`` it is written by one request with ``If-None-Match: *``, from memory. When it was
        written is not told: S3 does not answer that, and another request for each object is too much.
        """
        check_key(key)
        if not overwrite:
            data = _whole(data)
            told = self.client.ask("put", key, data, mode="create")
            return _written(key, len(data), told)
        if isinstance(data, Path):
            return _written(key, data.stat().st_size, self.client.ask("put", key, data, chunk_size=_PART))
        if isinstance(data, (bytes, bytearray, memoryview)):
            return _written(key, len(data), self.client.ask("put", key, data, chunk_size=_PART))
        with read_ahead(data) as pieces:
            counted = _Counted(pieces)
            told = self.client.ask("put", key, counted, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
        return _written(key, counted.count, told)

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Give all objects under a prefix, page by page."""
        import obstore

        path = self._folder_path(prefix)
        try:
            for page in obstore.list(self.client.store(), prefix=path or None, chunk_size=1000):
                for told in page:
                    yield self._stat(told)
        except obstore.exceptions.BaseError as error:
            raise self._list_failure(prefix, error) from error

    def folder(self, prefix: str = "") -> Sequence[Stat]:
        """Give what lies directly under a prefix."""
        import obstore

        path = self._folder_path(prefix)
        try:
            found = obstore.list_with_delimiter(self.client.store(), prefix=path or None)
        except obstore.exceptions.BaseError as error:
            raise self._list_failure(prefix, error) from error
        cut = len(self.root.prefix) + 1 if self.root.prefix else 0
        folders = [Stat(each.rstrip("/")[cut:], 0, is_folder=True) for each in found["common_prefixes"]]
        files = [self._stat(each) for each in found["objects"]]
        return sorted(folders + files, key=lambda each: each.key)

    def _folder_path(self, prefix: str) -> str:
        return join_key(self.root.prefix, check_key(prefix) if prefix else "")

    def _list_failure(self, prefix: str, error: Exception) -> Exception:
        told = parse_told(str(error))
        return failure(self.name, self.root.href(prefix), told.status, told.what)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, many by one request."""
        for some in itertools.batched(keys, 1000):
            self._delete([check_key(key) for key in some])

    def _delete(self, keys: Sequence[str]) -> None:
        import obstore

        try:
            obstore.delete(self.client.store(), [self.client.path(key) for key in keys])
        except obstore.exceptions.NotFoundError:
            pass
        except obstore.exceptions.BaseError as error:
            raise self._list_failure(keys[0] if len(keys) == 1 else "", error) from error

    def move(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy an object on the server, and remove the first: S3 has no other way."""
        check_key(target)
        if not overwrite:
            self.put(target, self.get(source), overwrite=False)
        else:
            self.client.ask("copy", check_key(source), self.client.path(target))
        self.delete([source])

    def copy_from(self, other: ObjectStore, source: str, target: str) -> Stat | None:
        """Copy an object on the server, where both are in one bucket for one user."""
        check_key(target)
        if not isinstance(other, S3Store) or not self.is_beside(other) or other.stat(source).size > _COPIED:
            return None
        other._copying.ask("copy", source, self.client.path(target))
        return self.stat(target)

    def is_beside(self, other: S3Store) -> bool:
        """Tell whether another store is in the same bucket, for the same user."""
        return other is self or self._bucket() == other._bucket()

    def _bucket(self) -> tuple[Any, ...]:
        place = s3_place(self.settings, os.environ)
        return self.root.host, place["endpoint"], place["region"], self.client.secret()

    def checksum(self, key: str) -> Checksum | None:
        """Give the MD5 that the ETag is of objects that were written by one request."""
        etag = self.stat(key).etag
        return Checksum("md5", etag) if len(etag) == 32 and "-" not in etag else None

    def close(self) -> None:
        """Do nothing: connections go with the object."""


class _Counted:
    """Counts the bytes that go through."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self.count = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.count += len(piece)
        return piece


def _written(key: str, size: int, told: Mapping[str, Any]) -> Stat:
    return Stat(key, size, None, (told.get("e_tag") or "").strip('"'))


def _whole(data: bytes | Path | Iterable[bytes]) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    return data.read_bytes() if isinstance(data, Path) else b"".join(data)


def s3_place(settings: StoreSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Find server and region: as set, as the profile or the environment of AWS' tools or of GDAL says.

    Examples
    --------
    >>> from swath.config import StoreSettings
    >>> s3_place(StoreSettings(url="s3://eo"), {"AWS_S3_ENDPOINT": "127.0.0.1:8333", "AWS_HTTPS": "NO"})
    {'endpoint': 'http://127.0.0.1:8333', 'region': 'us-east-1'}
    """
    source, _, name = settings.credentials.partition(":")
    profile = (
        read_profile(name or environ.get("AWS_PROFILE", ""), environ) if source in ("profile", "") else {}
    )
    endpoint = settings.endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if not endpoint and (host := environ.get("AWS_S3_ENDPOINT")):
        plain = environ.get("AWS_HTTPS", "YES").upper() in ("NO", "FALSE", "OFF", "0")
        endpoint = host if "://" in host else f"http{'' if plain else 's'}://{host}"
    region = settings.region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    return {
        "endpoint": (endpoint or profile.get("endpoint_url", "")).rstrip("/"),
        "region": region or profile.get("region") or "us-east-1",
    }
