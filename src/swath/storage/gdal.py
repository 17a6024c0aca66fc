"""How GDAL reads what lies in a store: the name that it gives a file, and who asks, for that file alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from swath.model import InputError
from swath.storage.book import stores
from swath.storage.client import PATIENCE, read_ca
from swath.storage.s3 import S3Store, s3_place
from swath.storage.web import WebStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.storage.protocol import ObjectStore

_OTHERS = ("/vsi", "gs://", "az://", "zip://")


def gdal_place(address: str) -> tuple[str, dict[str, str]]:
    """Give what GDAL opens, and the options that hold while it does.

    The options have secrets: they belong into `gdal_env` around the opening and reading, never into a file,
    a log or the environment. GDAL sends them to the host of the address only.

    Parameters
    ----------
    address : str
        Path or address of a file; what is in no store that is known stays as it is.

    Examples
    --------
    >>> gdal_place("/data/a.tif")
    ('/data/a.tif', {})
    """
    if "://" not in address or address.startswith(("file://", *_OTHERS)) or '"' in address:
        return address, {}
    try:
        store, key = stores().locate(address)
    except InputError:
        return address, {}
    return store_place(store, key)


def store_place(store: ObjectStore, key: str) -> tuple[str, dict[str, str]]:
    """Give what GDAL opens for a key of a store, and the options that hold while it does."""
    if isinstance(store, S3Store):
        return f"/vsis3/{store.root.host}/{store.client.path(key)}", _s3(store)
    if isinstance(store, WebStore):
        return f"/vsicurl/{store.root.href(key)}", _web(store)
    return store.root.href(key), {}


def _s3(store: S3Store) -> dict[str, str]:
    place = s3_place(store.settings, os.environ)
    options = {"AWS_REGION": place["region"], **_trust(store.settings.ca)}
    if place["endpoint"]:
        scheme, _, host = place["endpoint"].partition("://")
        options |= {
            "AWS_S3_ENDPOINT": host,
            "AWS_HTTPS": "YES" if scheme == "https" else "NO",
            "AWS_VIRTUAL_HOSTING": "TRUE" if store.settings.virtual_hosts else "FALSE",
        }
    secret = store.client.secret()
    if secret is not None and secret.key:
        options |= {"AWS_ACCESS_KEY_ID": secret.key, "AWS_SECRET_ACCESS_KEY": secret.secret}
        options |= {"AWS_SESSION_TOKEN": secret.session} if secret.session else {}
    elif secret is not None:
        options["AWS_NO_SIGN_REQUEST"] = "YES"
    return options


def _web(store: WebStore) -> dict[str, str]:
    options = _trust(store.settings.ca)
    secret = store.client.secret()
    if secret is not None and secret.token:
        options |= {"GDAL_HTTP_AUTH": "BEARER", "GDAL_HTTP_BEARER": secret.token}
    elif secret is not None and secret.user:
        options |= {"GDAL_HTTP_AUTH": "BASIC", "GDAL_HTTP_USERPWD": f"{secret.user}:{secret.password}"}
    return options


def _trust(ca: str) -> dict[str, str]:
    options: dict[str, Any] = {"GDAL_HTTP_CONNECTTIMEOUT": str(int(PATIENCE.connect_s))}
    return options | ({"CURL_CA_BUNDLE": str(read_ca(ca))} if ca else {})


def gdal_env(options: Mapping[str, str], **more: str) -> Any:
    """Give the ``rasterio.Env`` in which GDAL opens a place with its options.

    Parameters
    ----------
    options : mapping of str
        Of `gdal_place`.
    **more
        Other options of GDAL.
    """
    import rasterio
    from rasterio.session import Session

    class StoreSession(Session):  # type: ignore[misc]  # rasterio takes keys of S3 from a session only
        @classmethod
        def hascreds(cls, config: Any) -> bool:  # noqa: ARG003 -- rasterio's
            return False

        def get_credential_options(self) -> dict[str, str]:
            return dict(options)

    return rasterio.Env(session=StoreSession(), **more) if options else rasterio.Env(**more)
