"""What clients tell of a failure, as our errors: one sentence, with the status, and no secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model import ConflictError, MissingObjectError, NotAllowedError, StoreError

if TYPE_CHECKING:
    from swath.model import SwathError

_BROKEN = {
    "TimedOut": "the server does not answer in time",
    "kind: Timeout": "the server does not answer in time",
    "operation timed out": "the server does not answer in time",
    "kind: Interrupted": "the server breaks off",
    "IncompleteMessage": "the server breaks off",
    "UnexpectedEof": "the server breaks off",
    "error decoding response body": "the server breaks off",
    "UnknownIssuer": "its certificate is signed by nobody who is trusted here",
    "invalid peer certificate": "its certificate is not valid",
    "error sending request": "there is no connection to the server",
    "error trying to connect": "there is no connection to the server",
}
_PHRASES = {
    400: "the request is refused as wrong",
    401: "it asks for credentials, or does not take those that it got",
    403: "it does not allow that",
    404: "there is nothing",
    405: "it does not do that",
    409: "something is in the way",
    410: "there is nothing any more",
    412: "it is there already, or has changed",
    416: "it is shorter than that",
    423: "it is locked by somebody",
    429: "there are too many requests",
    500: "the server fails",
    502: "the server behind it fails",
    503: "the server is too busy, or being looked after",
    504: "the server behind it does not answer",
    507: "there is no room left",
}
_ENDED = re.compile("<Code>(ExpiredToken|RequestExpired|TokenRefreshRequired)")
"""What S3 says, with status 400 or 403, to keys of a session that is over."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a client tells of a failure."""

    status: int
    """HTTP status; 0: there was no answer."""
    what: str
    """One clause."""
    is_broken: bool = False
    """True where the connection failed: asking again in another way is only more waiting."""


def parse_told(message: str) -> Told:
    """Understand the many lines of obstore's errors: the status, or what broke.

    Examples
    --------
    >>> parse_told("Server returned non-2xx status code: 503 Service Unavailable: busy")
    Told(status=503, what='the server says 503 Service Unavailable', is_broken=False)
    """
    message = " ".join(message.split())
    if _ENDED.search(message):
        return Told(401, "the server says 401: the credentials have ended")
    if found := re.search(r"status code: (\d{3})([\w ]*)", message):
        return Told(int(found[1]), f"the server says {found[1]}{found[2]}".rstrip())
    if found := re.search(r"code: (AccessDenied|NoSuchBucket|NoSuchKey)\)", message):  # one of many objects
        return Told(403 if found[1] == "AccessDenied" else 404, "")
    for sign, what in _BROKEN.items():
        if sign in message:
            cause = re.search(r'message: "([^"]*)"', message)
            return Told(0, what + (f" ({cause[1]})" if cause else ""), is_broken=True)
    return Told(0, message.partition(" Debug source")[0][:300])


def failure(store: str, href: str, status: int, what: str = "") -> SwathError:
    """Make the error for what a server answered.

    Parameters
    ----------
    store : str
        The store's name.
    href : str
        What it was asked for.
    status : int
        HTTP status; 0: there was no answer.
    what : str
        One clause that says more.
    """
    said = _PHRASES.get(status, "") or what or "the server answers nothing that makes sense"
    number = f"{status} for " if status else ""
    where = f"storage {store!r}: {number}{href}: {said}"
    if what and what != said and not what.startswith("the server says"):
        where += f" ({what})"
    if status in (401, 403):
        return NotAllowedError(where, fix=f"check the credentials of {store!r}, and what they allow")
    if status in (404, 410):
        return MissingObjectError(where)
    if status in (409, 412):
        return ConflictError(where)
    return StoreError(where, fix="" if status else f"check the address and the network of {store!r}")
