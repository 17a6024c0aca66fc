"""The WebDAV door."""

from __future__ import annotations

import html
import json
import posixpath
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from swath.testing.dcache.caveats import CaveatError
from swath.testing.dcache.doors.copying import copy
from swath.testing.dcache.doors.data import DataHandler
from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.doors.properties import multistatus, parse_propfind

if TYPE_CHECKING:
    from swath.testing.dcache.login import Login

_METHODS = "OPTIONS, HEAD, GET, PUT, POST, DELETE, MKCOL, MOVE, COPY, PROPFIND"
_DEEPEST = 3
"""How deep a PROPFIND of no or infinite depth goes."""


class WebDavHandler(DataHandler):
    """Files and folders over WebDAV, macaroons, third-party copies."""

    def answer(self) -> Answer:
        """Answer one request."""
        try:
            if self.command == "POST":
                return self._macaroon()
            who = self.enter()
            path = who.restriction.resolve(self.target)
            return getattr(self, f"_{self.command.lower()}", self._unknown)(who, path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Answer(404, f"Path not found: {self.target}\n".encode()) from error
        except ValueError as error:
            raise Answer(400, f"{error}\n".encode()) from error

    def refuse(self, answer: Answer) -> Answer:
        """Add the challenge that belongs to a 401."""
        if answer.status == 401:
            if "Suppress-WWW-Authenticate" in self.headers:
                answer.headers["Suppress-WWW-Authenticate"] = "suppressed"
            else:
                answer.headers["WWW-Authenticate"] = 'Basic realm="dCache"'
        answer.headers.setdefault("Content-Type", "text/plain; charset=UTF-8")
        return answer

    def _unknown(self, _who: Login, _path: str) -> Answer:
        return Answer(501, f"Method {self.command} is not implemented.\n".encode())

    def _options(self, _who: Login, _path: str) -> Answer:
        return Answer(200, headers={"DAV": "1", "MS-Author-Via": "DAV", "Allow": _METHODS})

    def _head(self, who: Login, path: str) -> Answer:
        names = self.dcache.namespace
        self.may(who, "READ_METADATA", path)
        names.entry(path)
        if names.is_folder(path):
            return Answer(200, headers={"Content-Type": "text/html; charset=UTF-8"})
        facts = self.facts(path)
        return self._unchanged(path, facts) or Answer(
            200, headers=facts | {"Content-Length": str(names.where(path).stat().st_size)}
        )

    def _get(self, who: Login, path: str) -> Answer:
        names = self.dcache.namespace
        if names.is_folder(path):
            return self._listing(who, path)
        self.may(who, "DOWNLOAD", path)
        names.entry(path)
        facts = self.facts(path)
        if unchanged := self._unchanged(path, facts):
            return unchanged
        self.dcache.make_readable(path, who)
        if self.dcache.options.redirect_reads:
            location = self.dcache.transfers.begin("GET", path, who)
            return Answer(self.dcache.options.redirect_status, headers={"Location": location})
        return self.content(path, facts)

    def _unchanged(self, path: str, facts: dict[str, str]) -> Answer | None:
        """Answer 304 where the client has the file already."""
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            same = facts["ETag"] in (each.strip() for each in tags.split(",")) or tags.strip() == "*"
            return Answer(304, headers=facts) if same else None
        since = self.headers.get("If-Modified-Since")
        if since is not None:
            changed = int(self.dcache.namespace.where(path).stat().st_mtime)
            if changed <= parsedate_to_datetime(since).timestamp():
                return Answer(304, headers=facts)
        return None

    def _listing(self, who: Login, path: str) -> Answer:
        self.may(who, "LIST", path)
        if not self.target.endswith("/"):
            query = f"?{self.query}" if self.query else ""
            return Answer(302, headers={"Location": f"{quote(self.target)}/{query}"})
        rows = []
        for name in self.dcache.visible(who, path):
            slash = "/" if self.dcache.namespace.is_folder(posixpath.join(path, name)) else ""
            rows.append(f'<li><a href="{quote(name)}{slash}">{html.escape(name)}{slash}</a></li>')
        page = f"<!DOCTYPE html><title>{html.escape(path)}</title><ul>{''.join(rows)}</ul>\n"
        return Answer(200, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})

    def _put(self, who: Login, path: str) -> Answer:
        names, options = self.dcache.namespace, self.dcache.options
        replaces = names.exists(path)
        self.may(who, "UPLOAD", path)
        if names.is_folder(path) or self.target.endswith("/"):
            raise Answer(405, reason="Resource exists as collection")
        if replaces:
            if not options.overwrite or self.headers.get("Overwrite", "T").upper() == "F":
                raise Answer(409, b"File exists\n")
            if self.headers.get("If-None-Match", "").strip() == "*":
                raise Answer(412)
            self.may(who, "DELETE", path)
        try:
            names.make_folders(posixpath.dirname(path))
        except (FileExistsError, NotADirectoryError) as error:
            raise Answer(409, b"A folder above it is a file\n") from error
        largest = who.restriction.largest
        if options.redirect_writes and self.awaits_100:
            self.close_connection = True  # the body may be on its way all the same
            return Answer(307, headers={"Location": self.dcache.transfers.begin("PUT", path, who)})
        self.receive(path, largest=largest)
        facts = self.facts(path)
        return Answer(
            204 if replaces else 201,
            headers={name: facts[name] for name in ("ETag", "Digest") if name in facts},
        )

    def _delete(self, who: Login, path: str) -> Answer:
        self.may(who, "DELETE", path)
        self.dcache.namespace.entry(path)
        if path == "/":
            raise Answer(403, b"Permission denied for DELETE on path /\n")
        with self.dcache.clock.changed:
            self.dcache.namespace.remove_tree(path)
        return Answer(204)

    def _mkcol(self, who: Login, path: str) -> Answer:
        names, above = self.dcache.namespace, posixpath.dirname(path)
        self.dcache.may_make_folder(self, who, path)
        if not names.is_folder(above):
            raise Answer(409, f"Parent does not exist: {above}\n".encode())
        with self.dcache.clock.changed:
            if names.exists(path):
                raise Answer(405, reason="collection already exists")
            names.make_folder(path)
        return Answer(201)

    def _move(self, who: Login, path: str) -> Answer:
        names = self.dcache.namespace
        header = self.headers.get("Destination")
        if header is None:
            raise Answer(400, b"Missing Destination header\n")
        to = who.restriction.resolve(unquote(urlsplit(header).path))
        for each in (path, to):
            self.may(who, "MANAGE", posixpath.dirname(each))
        names.entry(path)
        if not names.is_folder(posixpath.dirname(to)):
            raise Answer(409, b"Destination's parent does not exist\n")
        with self.dcache.clock.changed:
            replaces = names.exists(to)
            if replaces and self.headers.get("Overwrite", "T").upper() == "F":
                raise Answer(412)
            if replaces:
                self.may(who, "DELETE", to)
                names.remove_tree(to)
            names.move(path, to)
        return Answer(204 if replaces else 201)

    def _copy(self, who: Login, path: str) -> Answer:
        return copy(self, who, path)

    def _propfind(self, who: Login, path: str) -> Answer:
        names = self.dcache.namespace
        self.may(who, "READ_METADATA", path)
        wanted = parse_propfind(self.read_whole())
        names.entry(path)
        depth = {"0": 0, "1": 1}.get(self.headers.get("Depth", ""), _DEEPEST)
        if names.is_folder(path) and depth:
            self.may(who, "LIST", path)
        shown = [(self.target, path)]
        for _ in range(depth):
            below = [
                (posixpath.join(seen, name), posixpath.join(at, name))
                for seen, at in shown
                if names.is_folder(at)
                for name in self.dcache.visible(who, at)
            ]
            shown += [each for each in below if each not in shown]
        with self.dcache.clock.changed:
            self.dcache.settle()
            body = multistatus(names, shown, wanted)
        return Answer(207, body, {"Content-Type": "application/xml; charset=utf-8"})

    def _macaroon(self) -> Answer:
        if self.headers.get("Content-Type", "").split(";")[0].strip() != "application/macaroon-request":
            raise Answer(405, b"Method POST is not allowed.\n")
        if self.dcache.tls is None and not self.dcache.options.plain_credentials:
            raise Answer(400, reason="Not secure transport")
        who = self.login()
        if who.user is None:
            raise Answer(401, reason="Authentication required")
        asked = self.json() if self.read_whole().strip() else {}
        caveats = asked.get("caveats") or []
        if not isinstance(caveats, list) or not all(isinstance(each, str) for each in caveats):
            raise Answer(400, reason="Unable to parse JSON: caveats is no list of strings")
        try:
            token = self.dcache.logins.macaroon(
                who, self.target, caveats=caveats, validity=asked.get("validity")
            )
        except CaveatError as error:
            raise Answer(400, reason=f"Bad requested caveat: {error}") from error
        except ValueError as error:
            raise Answer(400, reason=f"Bad validity value: {error}") from error
        host = self.headers.get("Host", self.dcache.webdav_url.partition("://")[2])
        base = f"{'https' if self.dcache.tls else 'http'}://{host}"
        target = base + quote(self.target)
        uris = {
            "target": target,
            "targetWithMacaroon": f"{target}?authz={token}",
            "base": f"{base}/",
            "baseWithMacaroon": f"{base}/?authz={token}",
        }
        content = json.dumps({"macaroon": token, "uri": uris}, indent=4) + "\n"
        return Answer(200, content.encode(), {"Content-Type": "application/json"})
