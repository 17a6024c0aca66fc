"""The head of an HTTP request, read strictly: what two readers could take in two ways is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Self
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class BadRequestError(ValueError):
    """A request that is not passed on; ``status`` is what it is answered with."""

    def __init__(self, status: int, what: str) -> None:
        self.status = status
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request."""

    method: str
    """Such as GET."""
    target: str
    """Path and query, as they came."""
    headers: tuple[tuple[str, str], ...]
    """Names and values, in order."""

    @classmethod
    def parse(cls, head: bytes) -> Self:
        r"""Read a head.

        Raises
        ------
        BadRequestError
            It is none, or not an unambiguous one.

        Examples
        --------
        >>> Request.parse(b"GET /lab?a=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n").path
        '/lab'
        """
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] != "HTTP/1.1" or not _TOKEN.fullmatch(words[0]):
            raise BadRequestError(400, "this is not HTTP/1.1")
        if not words[1].startswith("/"):
            raise BadRequestError(400, "the target has to be a path")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not _TOKEN.fullmatch(name) or "\r" in line or "\n" in line or "\0" in line:
                raise BadRequestError(400, "a header is malformed")
            headers.append((name, value.strip(" \t")))
        made = cls(words[0], words[1], tuple(headers))
        for name in ("host", "content-length", "origin"):
            if len(made.all(name)) > 1:
                raise BadRequestError(400, f"{name} is said twice")
        return made

    def all(self, name: str) -> list[str]:
        """Give the values of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str:
        """Give the value of a header; empty where it is not said."""
        return ", ".join(self.all(name))

    @property
    def path(self) -> str:
        """Path without query."""
        return self.target.partition("?")[0]

    @property
    def upgrades(self) -> bool:
        """True where it wants to become something else, such as a WebSocket."""
        return bool(self.get("upgrade")) and "upgrade" in self.get("connection").lower()

    @property
    def is_page(self) -> bool:
        """True where a person may be looking at the answer."""
        return self.method == "GET" and "text/html" in self.get("accept")

    def body_bytes(self) -> int:
        """Tell how long its body is.

        Raises
        ------
        BadRequestError
            It does not say, or not clearly.
        """
        if self.get("transfer-encoding"):
            raise BadRequestError(411, "the length of the body has to be said")
        text = self.get("content-length") or "0"
        if not (text.isascii() and text.isdecimal()):
            raise BadRequestError(400, "the length of the body is not clear")
        return int(text)

    def cookie(self, name: str) -> str:
        """Give a cookie; empty where there is none."""
        for text in self.all("cookie"):
            try:
                found = SimpleCookie(text).get(name)
            except CookieError:
                continue
            if found is not None:
                return found.value
        return ""

    def check_origin(self) -> None:
        """Refuse what another site's page, or a name that was made to lead here, has sent.

        Raises
        ------
        BadRequestError
            It comes from elsewhere.
        """
        host = self.get("host")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name not in _LOOPBACK:
            raise BadRequestError(403, f"{host!r} is no name of this machine")
        origin = self.get("origin")
        if origin and origin != f"http://{host}":
            raise BadRequestError(403, "another page has sent this request")

    def passed_on(self, *, without_cookie: str, authorization: str = "") -> Self:
        """Give the request as the app gets it: without the door's cookie, and the last of its connection."""
        dropped = {"connection", "keep-alive", "proxy-connection", "cookie", "te"}
        if authorization:
            dropped.add("authorization")
        kept = [(name, value) for name, value in self.headers if name.lower() not in dropped]
        cookies = [
            part.strip()
            for text in self.all("cookie")
            for part in text.split(";")
            if part.strip() and part.partition("=")[0].strip() != without_cookie
        ]
        if cookies:
            kept.append(("Cookie", "; ".join(cookies)))
        if authorization:
            kept.append(("Authorization", authorization))
        kept.append(("Connection", "Upgrade" if self.upgrades else "close"))
        return replace(self, headers=tuple(kept))

    def format(self) -> bytes:
        """Write it as it goes over the line."""
        lines = [
            f"{self.method} {self.target} HTTP/1.1",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
