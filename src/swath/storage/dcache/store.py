"""A dCache as a store: its WebDAV door for bytes and macaroons, its REST API for tape."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import TYPE_CHECKING

from swath.model import InputError, MissingObjectError, StoreError
from swath.storage.address import check_key
from swath.storage.dcache.frontend import Frontend
from swath.storage.protocol import Checksum, Residence, StageState
from swath.storage.webdav import WebdavStore
from swath.storage.webdav.multistatus import WANTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.config import StoreSettings
    from swath.storage.address import Root
    from swath.storage.credentials import Credentials
    from swath.storage.protocol import ObjectStore, Stat

_SRM = "http://srm.lbl.gov/StorageResourceManager"
ACTIVITIES = (
    "DOWNLOAD", "UPLOAD", "DELETE", "MANAGE", "LIST", "READ_METADATA", "UPDATE_METADATA", "STAGE",
)  # fmt: skip
"""What a macaroon may allow (dCache User Guide, "Macaroons")."""


class DcacheStore(WebdavStore):
    """Files of a dCache.

    Parameters
    ----------
    root : Root
        Where it begins, on the WebDAV door.
    settings : StoreSettings
        Address of the REST API, certificates.
    credentials : Credentials, optional
        Who asks.
    name : str
        What errors call it.
    """

    writes_whole = True  # an upload that breaks off is removed, and not shown before
    wanted = WANTED.replace(b"</prop>", f'<FileLocality xmlns="{_SRM}"/></prop>'.encode())

    def __init__(
        self, root: Root, settings: StoreSettings, credentials: Credentials | None, *, name: str
    ) -> None:
        super().__init__(root, settings, credentials, name=name)
        self._frontend = Frontend(name, settings.api, settings, credentials) if settings.api else None

    @property
    def frontend(self) -> Frontend:
        """The REST API.

        Raises
        ------
        InputError
            The settings do not say where it is.
        """
        if self._frontend is None:
            raise InputError(
                f"storage {self.name!r}: the settings do not say where dCache's REST API is",
                fix=f"set api for the store {self.name!r}, such as https://host:3880/api/v1",
            )
        return self._frontend

    @property
    def can_stage(self) -> bool:
        """True where the settings say where its REST API is."""
        return self._frontend is not None

    def copy_from(self, other: ObjectStore, source: str, target: str) -> Stat | None:  # noqa: ARG002
        """Give None: dCache takes COPY as an order to send a file to another server."""
        return None

    def _whole(self, key: str) -> str:
        """Give the path of a key in dCache's name space."""
        return "/" + self.client.path(check_key(key) if key else "")

    def _key(self, path: str) -> str:
        return path.strip("/")[len(self.root.prefix) :].lstrip("/")

    def residences(self, keys: Sequence[str], *, missing_ok: bool = False) -> dict[str, Residence]:
        """Tell where objects are kept: by the REST API all at once, else by the WebDAV door one by one.

        Raises
        ------
        MissingObjectError
            One is not there, or dCache does not tell about it, and this is not to be told as ``NONE``.
        """
        if self._frontend is None:
            return {key: self._residence(key) for key in keys}
        found = self._frontend.residences([self._whole(key) for key in keys])
        out = {}
        for key in keys:
            said = found.get(self._whole(key), "it does not tell")
            if isinstance(said, str) and missing_ok:
                said = Residence("NONE", said)
            if isinstance(said, str):
                raise MissingObjectError(f"storage {self.name!r}: {self.root.href(key)}: {said}")
            out[key] = said
        return out

    def _residence(self, key: str) -> Residence:
        for each in self._entries(check_key(key), depth=0):
            return Residence(each.more.get(f"{{{_SRM}}}FileLocality") or "NONE")
        raise MissingObjectError(f"storage {self.name!r}: {self.root.href(key)}: there is nothing")

    def stage(self, keys: Sequence[str], *, lifetime: dt.timedelta = dt.timedelta(days=2)) -> str:
        """Ask for objects to be brought from tape and kept for a time; one request is for up to 500."""
        return self.frontend.stage([self._whole(key) for key in keys], lifetime)

    def stage_states(self, request: str) -> Sequence[StageState]:
        """Tell how far a request is."""
        return [
            StageState(self._key(path), state.state, state.error)
            for path, state in self.frontend.stage_states(request)
        ]

    def cancel_stage(self, request: str) -> None:
        """Ask no more for what has not been brought yet."""
        self.frontend.cancel_stage(request)

    def release(self, keys: Sequence[str], *, request: str = "") -> None:
        """Let objects go from disk again: of a request, or whoever had them brought."""
        self.frontend.release([self._whole(key) for key in keys], request)

    def pin(self, key: str, *, lifetime: dt.timedelta = dt.timedelta(days=2)) -> None:
        """Keep an object on disk for a time."""
        seconds = max(1, round(lifetime.total_seconds()))
        self.frontend.act(self._whole(key), "pin", **{"lifetime": seconds, "lifetime-unit": "SECONDS"})

    def unpin(self, key: str) -> None:
        """Keep it no longer."""
        self.frontend.act(self._whole(key), "unpin")

    def quality(self, key: str) -> str:
        """Tell the quality of service of an object: ``disk``, ``tape``, ``disk+tape``, ``volatile``."""
        return str(self.frontend.namespace(self._whole(key), qos="true").get("currentQos") or "")

    def set_quality(self, key: str, quality: str) -> None:
        """Ask for another quality of service."""
        self.frontend.act(self._whole(key), "qos", target=quality)

    def checksum(self, key: str) -> Checksum | None:
        """Give the checksum that dCache keeps, ADLER32 or MD5 (RFC 3230 with dCache's encodings)."""
        headers = {"Want-Digest": "adler32,md5", "Accept-Encoding": "identity"}
        answer = self.door.ask("HEAD", self._path(check_key(key)), headers=headers)
        return parse_digest(answer.headers.get("Digest", ""))

    def macaroon(
        self,
        path: str = "",
        *,
        activities: Sequence[str] = ("DOWNLOAD", "LIST"),
        lifetime: dt.timedelta = dt.timedelta(days=1),
        addresses: Sequence[str] = (),
    ) -> str:
        """Ask for a macaroon: a token that allows less than its owner may.

        Parameters
        ----------
        path : str
            Key of the folder or file that it is good for; empty: the whole store.
        activities : sequence of str
            Some of `ACTIVITIES`.
        lifetime : timedelta
            How long it holds; dCache allows a week unless its operators say otherwise.
        addresses : sequence of str
            IP addresses or networks that it may be used from; none: everywhere.

        Raises
        ------
        InputError
            An activity is not known.
        SwathError
            dCache does not give one.
        """
        known = [each.upper() for each in activities]
        for each in known:
            if each not in ACTIVITIES:
                raise InputError(f"macaroon: {each!r} is no activity", known=ACTIVITIES)
        caveats = [f"activity:{','.join(known)}", f"path:{self._whole(path)}"]
        caveats += [f"ip:{','.join(addresses)}"] if addresses else []
        answer = self.door.ask(
            "POST",
            "/",
            headers={"Content-Type": "application/macaroon-request"},
            json={"caveats": caveats, "validity": f"PT{round(lifetime.total_seconds())}S"},
        )
        try:
            return str(answer.json()["macaroon"])
        except (ValueError, KeyError) as error:
            raise StoreError(f"storage {self.name!r}: the server gives no macaroon") from error

    def pull(self, key: str, source: str, *, token: str = "", overwrite: bool = True) -> None:
        """Have dCache itself fetch an object from another HTTP server (WLCG third-party copy, pull mode).

        Parameters
        ----------
        key : str
            What it becomes.
        source : str
            ``https://`` address.
        token : str
            Bearer token that dCache shows there.
        overwrite : bool
            False: what is there stays.
        """
        headers = {"Source": source, "Overwrite": "T" if overwrite else "F"}
        self._third_party(key, headers, token)

    def push(self, key: str, target: str, *, token: str = "", overwrite: bool = True) -> None:
        """Have dCache itself send an object to another HTTP server; the arguments are as for `pull`."""
        headers = {"Destination": target, "Overwrite": "T" if overwrite else "F"}
        self._third_party(key, headers, token)

    def _third_party(self, key: str, headers: dict[str, str], token: str) -> None:
        headers |= {"Credential": "none", "RequireChecksumVerification": "false"}
        if token:
            headers["TransferHeaderAuthorization"] = f"Bearer {token}"
        answer = self.door.ask("COPY", self._path(check_key(key)), headers=headers, stream=True)
        last = ""
        for line in answer.iter_lines(decode_unicode=True):  # markers, and what came of it at the end
            last = str(line).strip() or last
        if answer.status_code == 202 and not last.startswith("success"):
            said = last.removeprefix("failure:").strip() or "it broke off"
            raise StoreError(f"storage {self.name!r}: {self.root.href(key)}: the copy failed ({said[:200]})")


def parse_digest(header: str) -> Checksum | None:
    """Understand the header ``Digest``: ADLER32 in hexadecimal, MD5 in base64 (RFC 3230, dCache User Guide).

    Examples
    --------
    >>> parse_digest("adler32=03da0195"), parse_digest("")
    (Checksum(algorithm='adler32', value='03da0195'), None)
    """
    found = dict(each.strip().partition("=")[::2] for each in header.split(",") if "=" in each)
    for name, value in found.items():
        if name.lower() == "adler32":
            return Checksum("adler32", value.strip().lower().zfill(8))
    for name, value in found.items():
        if name.lower() == "md5":
            try:
                return Checksum("md5", base64.b64decode(value.strip(), validate=True).hex())
            except (binascii.Error, ValueError):
                return None
    return None
