"""The REST frontend: who am I, files and folders, and the way to requests."""

from __future__ import annotations

import json
import math
import mimetypes
import posixpath
from typing import TYPE_CHECKING, Any

from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.doors.requests import bulk_resource, tape_resource
from swath.testing.dcache.doors.server import Handler
from swath.testing.dcache.tape.qos import QosError, change_qos, qos_of_file, qos_of_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.testing.dcache.login import Login

_API = "/api/v1"
_UNITS_S = {"SECONDS": 1.0, "MINUTES": 60.0, "HOURS": 3600.0, "DAYS": 86400.0}
_TYPES = {"adler32": "ADLER32", "md5": "MD5_TYPE", "sha": "SHA-1", "sha-256": "SHA-256", "sha-512": "SHA-512"}


def as_json(status: int, content: object, **headers: str) -> Answer:
    """Answer in JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content).encode(), {"Content-Type": "application/json"} | named)


class RestHandler(Handler):
    """Resources under /api/v1."""

    def answer(self) -> Answer:
        """Answer one request."""
        if self.target == "/.well-known/wlcg-tape-rest-api":
            endpoint = {"uri": f"{self.dcache.api_url}/tape", "version": "v1", "metadata": {}}
            return as_json(200, {"sitename": "dcache-emulator", "description": "", "endpoints": [endpoint]})
        if not self.target.startswith(f"{_API}/"):
            raise Answer(404)
        kind, _, rest = self.target[len(_API) + 1 :].partition("/")
        found: dict[str, Callable[[str], Answer]] = {
            "user": self._user,
            "namespace": self._namespace,
            "bulk-requests": lambda rest: bulk_resource(self, rest),
            "tape": lambda rest: tape_resource(self, rest),
        }
        if kind not in found:
            raise Answer(404)
        self.read_whole()  # not under the lock: a client may be slow
        try:
            with self.dcache.clock.changed:
                self.dcache.settle()
                return found[kind](rest)
        except FileNotFoundError as error:
            raise Answer(404, f"{error.args[-1]}".encode()) from error
        except (OSError, QosError, ValueError, KeyError) as error:
            raise Answer(400, f"{error}".encode()) from error

    def refuse(self, answer: Answer) -> Answer:
        """Write a refusal as dCache does, in JSON."""
        reason = self.responses.get(answer.status, ("Unknown", ""))[0]
        detail = answer.body.decode().strip() or answer.reason or reason
        told = as_json(answer.status, {"status": str(answer.status), "title": reason, "detail": detail})
        told.headers |= answer.headers
        if answer.status == 401 and "Suppress-WWW-Authenticate" not in self.headers:
            told.headers["WWW-Authenticate"] = 'Basic realm="dCache"'
        return told

    def _user(self, _rest: str) -> Answer:
        who = self.login()
        if who.user is None:
            return as_json(200, {"status": "ANONYMOUS"})
        user = {
            "status": "AUTHENTICATED",
            "uid": who.user.uid,
            "gids": list(who.user.gids),
            "username": who.user.name,
            "homeDirectory": who.user.home,
            "rootDirectory": who.restriction.root,
        }
        return as_json(200, user)

    def _namespace(self, rest: str) -> Answer:
        who = self.enter()
        path = who.restriction.resolve(rest)
        if self.command == "GET":
            return self._look(who, path)
        if self.command == "DELETE":
            self.may(who, "DELETE", path)
            self.dcache.namespace.entry(path)
            self.dcache.namespace.remove(path)
            return as_json(200, {"status": "success"})
        if self.command != "POST":
            raise Answer(405)
        asked = self.json()
        action = str(asked.get("action"))
        work = getattr(self, f"_do_{action.replace('-', '_')}", None)
        if work is None:
            raise Answer(400, f"No such action {action}".encode())
        work(who, path, asked)
        return as_json(201, {"status": "success"})

    def _wants(self, name: str) -> bool:
        return self.params.get(name, "false").lower() == "true"

    def _look(self, who: Login, path: str) -> Answer:
        names = self.dcache.namespace
        self.may(who, "READ_METADATA", path)
        found = self._facts(path)
        if names.is_folder(path) and self._wants("children"):
            self.may(who, "LIST", path)
            try:
                first, count = int(self.params.get("offset", 0)), int(self.params.get("limit", 2**31))
            except ValueError as error:
                raise Answer(400, b"limit and offset must be an integer value.") from error
            if first < 0 or count < 0:
                raise Answer(400, b"limit and offset can not be less than zero.")
            shown = self.dcache.visible(who, path)[first : first + count]
            found["children"] = [
                {"fileName": each} | self._facts(posixpath.join(path, each)) for each in shown
            ]
        return as_json(200, found)

    def _facts(self, path: str) -> dict[str, Any]:
        names = self.dcache.namespace
        entry, folder, status = names.entry(path), names.is_folder(path), names.where(path).stat()
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        found: dict[str, Any] = {
            "fileMimeType": "application/vnd.dcache.folder" if folder else kind,
            "fileType": "DIR" if folder else "REGULAR",
            "pnfsId": entry.pnfsid,
            "nlink": status.st_nlink,
            "mtime": int(status.st_mtime * 1000),
            "creationTime": int(status.st_ctime * 1000),
            "mode": status.st_mode & 0o7777,
            "size": 512 if folder else status.st_size,
            "labels": sorted(entry.labels),
        }
        if self._wants("locality") and not folder:
            found["fileLocality"] = entry.locality()
        if self._wants("locations"):
            found["locations"] = ["pool_1"] if entry.on_disk and not entry.trouble and not folder else []
        if self._wants("qos"):
            now, then = (qos_of_folder(entry), None) if folder else qos_of_file(entry)
            found |= {"currentQos": now} | ({"targetQos": then} if then else {})
        if self._wants("xattr"):
            found["extendedAttributes"] = dict(entry.xattrs)
        if self._wants("checksum") and not folder:
            sums = names.sums(path).items()
            found["checksums"] = [{"type": _TYPES[kind], "value": value} for kind, value in sums]
        if self._wants("optional"):
            found["accessLatency"] = "ONLINE" if entry.online else "NEARLINE"
            found["retentionPolicy"] = "CUSTODIAL" if entry.custodial else "REPLICA"
        return found

    def _do_mkdir(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        name = str(asked["name"])
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"bad name {name}")
        made = posixpath.join(path, name)
        self.dcache.may_make_folder(self, who, made)
        self.dcache.namespace.make_folder(made)

    def _do_mv(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        names, to = self.dcache.namespace, str(asked["destination"])
        below = posixpath.dirname(path)[len(who.restriction.root.rstrip("/")) :]
        new = who.restriction.resolve(to if to.startswith("/") else f"{below}/{to}")
        for each in (path, new):
            self.may(who, "MANAGE", posixpath.dirname(each))
        names.entry(path)
        if names.exists(new):
            self.may(who, "DELETE", new)
        names.move(path, new)

    def _do_qos(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        self.may(who, "UPDATE_METADATA", path)
        entry = self.dcache.namespace.entry(path)
        if self.dcache.namespace.is_folder(path):
            raise QosError("Transition for directories not supported")
        change_qos(self.dcache.tape, entry, str(asked["target"]))

    def _do_pin(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        lifetime = float(asked.get("lifetime") or 0) * _UNITS_S[asked.get("lifetime-unit") or "SECONDS"]
        self.may(who, "READ_METADATA", path)
        entry = self.dcache.namespace.entry(path)
        end = math.inf if lifetime < 0 else self.dcache.clock.now() + lifetime
        entry.pins[self._pin_name(who)] = end
        if not entry.on_disk and not entry.trouble and who.restriction.allows("STAGE", path):
            self.dcache.tape.recall(entry)

    def _do_unpin(self, who: Login, path: str, _asked: dict[str, Any]) -> None:
        self.may(who, "READ_METADATA", path)
        self.dcache.namespace.entry(path).pins.pop(self._pin_name(who), None)

    def _pin_name(self, who: Login) -> str:
        if who.user is None:
            raise Answer(401, b"cannot get request id for user.")
        return str(who.user.uid)

    def _do_set_xattr(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        self.may(who, "UPDATE_METADATA", path)
        xattrs = self.dcache.namespace.entry(path).xattrs
        mode, given = asked.get("mode", "EITHER"), {str(k): str(v) for k, v in asked["attributes"].items()}
        if mode == "CREATE" and set(given) & set(xattrs):
            raise Answer(409, reason="Attribute already exist")
        if mode == "MODIFY" and set(given) - set(xattrs):
            raise Answer(409, reason="No such attribute")
        xattrs |= given

    def _do_rm_xattr(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        self.may(who, "UPDATE_METADATA", path)
        xattrs = self.dcache.namespace.entry(path).xattrs
        for name in [asked["names"]] if isinstance(asked["names"], str) else asked["names"]:
            if xattrs.pop(name, None) is None:
                raise Answer(409, reason="No such attribute")

    def _do_set_label(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        self.may(who, "UPDATE_METADATA", path)
        self.dcache.namespace.entry(path).labels.add(str(asked["label"]))

    def _do_rm_label(self, who: Login, path: str, asked: dict[str, Any]) -> None:
        self.may(who, "UPDATE_METADATA", path)
        self.dcache.namespace.entry(path).labels.discard(str(asked["label"]))
