"""dCache's REST API: where files are kept, what is pinned, and what is brought from tape.

Sources: dCache User Guide, chapter "Frontend service"; WLCG Tape REST API, version 1 (2022).
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from swath.model import InputError, SwathError
from swath.storage.address import quote_key
from swath.storage.protocol import Residence, StageState
from swath.storage.web import Door

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from swath.config import StoreSettings
    from swath.storage.credentials import Credentials

_LOCALITIES = {"TAPE": "NEARLINE", "DISK": "ONLINE", "DISK_AND_TAPE": "ONLINE_AND_NEARLINE"}
"""What the tape API calls the localities of dCache."""
_MOST_TARGETS = 500
"""Files in one request that dCache takes, unless its operators say otherwise."""
_MOST_PATHS = 10_000
"""Paths that are told about by one request."""


class Frontend:
    """The REST API of a dCache; paths are whole, as in its name space.

    Parameters
    ----------
    name : str
        The store's name.
    url : str
        Address, such as ``https://host:3880/api/v1``.
    settings : StoreSettings
        Certificates.
    credentials : Credentials, optional
        Who asks.
    """

    def __init__(self, name: str, url: str, settings: StoreSettings, credentials: Credentials | None) -> None:
        self.door = Door(name, url, settings, credentials)

    def namespace(self, path: str, **wanted: str) -> dict[str, Any]:
        """Tell what dCache knows: ``children``, ``locality``, ``qos``, ``checksum`` where they are wanted."""
        answer = self.door.ask("GET", f"/namespace/{quote_key(path.lstrip('/'))}", params=wanted)
        found: dict[str, Any] = answer.json()
        return found

    def act(self, path: str, action: str, **arguments: Any) -> None:
        """Do something to a file: ``qos`` with ``target``, ``pin`` with ``lifetime``, ``unpin``."""
        where = f"/namespace/{quote_key(path.lstrip('/'))}"
        self.door.ask("POST", where, json={"action": action, **arguments})

    def residences(self, paths: Sequence[str]) -> dict[str, Residence | str]:
        """Tell where files are kept; text is what dCache says of one that it cannot tell about."""
        found: dict[str, Residence | str] = {}
        for some in itertools.batched(paths, _MOST_PATHS):
            for each in self.door.ask("POST", "/tape/archiveinfo", json={"paths": list(some)}).json():
                said = each.get("locality")
                found[each["path"]] = (
                    Residence(_LOCALITIES.get(said, said))
                    if said
                    else str(each.get("error", "it does not tell"))
                )
        return found

    def stage(self, paths: Sequence[str], lifetime: dt.timedelta) -> str:
        """Ask for files to be brought from tape; gives the ids of the requests, with commas between."""
        text = f"PT{max(1, round(lifetime.total_seconds()))}S"
        ids: list[str] = []
        try:
            for some in itertools.batched(paths, _MOST_TARGETS):
                files = [{"path": path, "diskLifetime": text} for path in some]
                answer = self.door.ask("POST", "/tape/stage", json={"files": files})
                ids.append(str(answer.json()["requestId"]))
        except SwathError:
            for each in ids:  # half of what was asked for is of no use, and nobody would know its id
                with contextlib.suppress(SwathError):
                    self.cancel_stage(each)
            raise
        return ",".join(ids)

    def stage_states(self, request: str) -> list[tuple[str, StageState]]:
        """Tell how far requests are: path and state of each file."""
        found = []
        for each in _ids(request):
            for file in self.door.ask("GET", f"/tape/stage/{each}").json()["files"]:
                state = StageState(file["path"], file["state"], str(file.get("error") or ""))
                found.append((file["path"], state))
        return found

    def cancel_stage(self, request: str) -> None:
        """Cancel what has not been brought yet."""
        for each in _ids(request):
            states = self.stage_states(each)
            paths = [path for path, state in states if not state.is_final]
            if paths:
                self.door.ask("POST", f"/tape/stage/{each}/cancel", json={"paths": paths})

    def release(self, paths: Sequence[str], request: str) -> None:
        """Let files go from disk; those of requests need not be named."""
        if not request:
            for path in paths:
                self.act(path, "unpin")
            return
        for each in _ids(request):
            held = [path for path, _ in self.stage_states(each)]
            some = [path for path in held if path in set(paths)] if paths else held
            if some:
                self.door.ask("POST", f"/tape/release/{each}", json={"paths": some})


def _ids(request: str) -> list[str]:
    found = [each for each in request.split(",") if each]
    if not found or not all(each.replace("-", "").isalnum() for each in found):
        raise InputError(
            f"storage: {request!r} is no request for files from tape", fix="give the id that it got"
        )
    return found
