"""Who asks, and what they may do: passwords, opaque tokens, macaroons and their caveats."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import ipaddress
import re
import secrets
from typing import TYPE_CHECKING, Literal

from swath.model import InputError
from swath.storage.dcache.macaroon import create, format_macaroon, parse_macaroon, verify
from swath.testing.dcache.namespace import clean, inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.testing.dcache.clock import Clock

ACTIVITIES = frozenset(
    ["DOWNLOAD", "UPLOAD", "DELETE", "MANAGE", "LIST", "READ_METADATA", "UPDATE_METADATA", "STAGE"]
)
"""What a macaroon may allow."""
_KINDS = ("home", "root", "path", "activity", "id", "before", "ip", "max-upload", "iid")
_LONGEST_S, _USUAL_S = 7 * 86400.0, 86400.0


class DeniedError(Exception):
    """Credentials that are no good: the answer is 401."""


class CaveatError(Exception):
    """A caveat that is malformed, or that the request does not meet."""


@dataclasses.dataclass(frozen=True)
class User:
    """Somebody with an account."""

    name: str
    """The login name."""
    password: str = dataclasses.field(repr=False)
    """The password of Basic."""
    uid: int = 1000
    """The number of the user."""
    gids: tuple[int, ...] = (1000,)
    """The numbers of the user's groups."""
    home: str = "/"
    """The home folder."""
    root: str = "/"
    """The folder that the user takes for the root."""


@dataclasses.dataclass(frozen=True)
class Restriction:
    """What is left of a user's rights."""

    root: str = "/"
    """The folder that is taken for the root."""
    prefix: str = "/"
    """What is visible, as a path below ``root``."""
    activities: frozenset[str] = ACTIVITIES
    """What may be done."""
    largest: int | None = None
    """The most bytes of one upload."""
    expires: float | None = None
    """When it ends, seconds since 1970."""

    def resolve(self, path: str) -> str:
        """Tell which path a requested path is."""
        return clean(self.root + clean(path))

    def allows(self, activity: str, path: str) -> bool:
        """Tell whether something may be done with a resolved path; folders on the way may be looked at."""
        if activity not in self.activities:
            return False
        visible = clean(self.root + self.prefix)
        return inside(path, visible) or (activity in ("LIST", "READ_METADATA") and inside(visible, path))

    def within(self, other: Restriction) -> bool:
        """Tell whether it allows nothing that another does not allow."""
        visible = clean(other.root + other.prefix)
        return self.activities <= other.activities and inside(clean(self.root + self.prefix), visible)


@dataclasses.dataclass(frozen=True)
class Login:
    """Who has been let in."""

    user: User | None
    """None: nobody in particular."""
    restriction: Restriction
    """What they may do."""
    how: Literal["anonymous", "basic", "macaroon", "oidc"]
    """By what they were known."""


def parse_duration(text: str) -> float:
    """Read a duration of ISO 8601 in days and smaller, seconds.

    Examples
    --------
    >>> parse_duration("PT12H"), parse_duration("P1DT30M")
    (43200.0, 88200.0)
    """
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", text)
    if not found or not any(found.groups()):
        raise ValueError("Text cannot be parsed to a Duration")
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def parse_instant(text: str) -> float:
    """Read an instant of ISO 8601 in UTC, seconds since 1970.

    Examples
    --------
    >>> parse_instant("1970-01-02T00:00:00.5Z")
    86400.5
    """
    if not text.endswith("Z"):
        raise ValueError(f"Text '{text}' could not be parsed")
    return dt.datetime.fromisoformat(text).timestamp()


def _instant(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def weaken(limit: Restriction, caveat: str, *, client: str, now: float) -> Restriction:
    """Apply one caveat to what is allowed so far.

    Examples
    --------
    >>> limit = weaken(Restriction(), "path:/a", client="127.0.0.1", now=0.0)
    >>> weaken(limit, "path:/b", client="127.0.0.1", now=0.0).prefix
    '/a/b'
    """
    kind, colon, value = caveat.partition(":")
    if not colon:
        raise CaveatError("Missing ':'")
    if kind in ("home", "id", "iid"):
        return limit
    if kind == "path":
        return dataclasses.replace(limit, prefix=clean(limit.prefix + clean(value)))
    if kind == "root":
        return _new_root(limit, clean(value))
    if kind == "activity":
        return dataclasses.replace(limit, activities=limit.activities & _activities(value))
    if kind == "before":
        return _before(limit, value, now=now)
    if kind == "max-upload" and value.isdigit():
        return dataclasses.replace(limit, largest=min(int(value), limit.largest or int(value)))
    if kind == "ip":
        _check_address(value, client)
        return limit
    raise CaveatError(f"Unknown caveat {kind}" if kind != "max-upload" else "Bad max-upload")


def _new_root(limit: Restriction, added: str) -> Restriction:
    if inside(limit.prefix, added):
        prefix = clean(limit.prefix[len(added) :] if added != "/" else limit.prefix)
    elif inside(added, limit.prefix):
        prefix = "/"
    else:
        raise CaveatError("root extends outside of path")
    return dataclasses.replace(limit, root=clean(limit.root + added), prefix=prefix)


def _activities(value: str) -> frozenset[str]:
    named = frozenset(each.strip() for each in value.split(","))
    if named - ACTIVITIES:
        raise CaveatError("Bad activity value")
    return named | {"READ_METADATA"}


def _before(limit: Restriction, value: str, *, now: float) -> Restriction:
    try:
        end = parse_instant(value)
    except ValueError as error:
        raise CaveatError("Bad ISO 8601 timestamp") from error
    if now > end:
        raise CaveatError("expired")
    return dataclasses.replace(limit, expires=end if limit.expires is None else min(end, limit.expires))


def _check_address(value: str, client: str) -> None:
    subnets = [each.strip() for each in value.split(",") if each.strip()]
    try:
        nets = [ipaddress.ip_network(each, strict=False) for each in subnets]
    except ValueError as error:
        raise CaveatError(f"Invalid subnets: {subnets}") from error
    if not any(ipaddress.ip_address(client) in net for net in nets):
        raise CaveatError(f"Client fails to match IP caveat ip:{value}")


class Logins:
    """Accounts, tokens and the keys of macaroons."""

    def __init__(self, users: Iterable[User], clock: Clock) -> None:
        self.users = {each.name: each for each in users}
        self._clock = clock
        self._tokens: dict[str, tuple[User, float]] = {}
        self._keys: dict[str, bytes] = {}

    def add_token(self, token: str, *, user: str, lifetime_s: float) -> str:
        """Let an opaque token stand for a user, as one of OpenID Connect does."""
        self._tokens[token] = (self.users[user], self._clock.now() + lifetime_s)
        return token

    def expire_all(self) -> None:
        """Let no token and no macaroon that was given until now be good any more."""
        now = self._clock.now()
        self._tokens = {token: (user, min(end, now)) for token, (user, end) in self._tokens.items()}
        self._keys.clear()

    def login(self, authorization: str, token: str, *, client: str) -> Login:
        """Tell who sends a header Authorization, or a token in ``?authz=``."""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            return self._basic(value)
        if scheme.lower() == "bearer":
            token = value.strip()
        if token:
            return self._bearer(token, client=client)
        return Login(None, Restriction(), "anonymous")

    def _basic(self, value: str) -> Login:
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise DeniedError("Bad Basic credentials") from error
        user = self.users.get(name)
        if user is None or not secrets.compare_digest(user.password.encode(), password.encode()):
            raise DeniedError("login failed")
        return Login(user, Restriction(root=user.root), "basic")

    def _bearer(self, token: str, *, client: str) -> Login:
        if token in self._tokens:
            user, end = self._tokens[token]
            if self._clock.now() >= end:
                raise DeniedError("login failed: token expired")
            return Login(user, Restriction(root=user.root, expires=end), "oidc")
        try:
            macaroon = parse_macaroon(token)
        except InputError as error:
            raise DeniedError("login failed: unknown token") from error
        key = self._keys.get(macaroon.identifier)
        if key is None:
            raise DeniedError("macaroon login denied: Unable to find secret for macaroon")
        if not verify(macaroon, key):
            raise DeniedError("macaroon login denied: Invalid macaroon")
        limit = Restriction()
        for caveat in macaroon.caveats:
            try:
                limit = weaken(limit, caveat, client=client, now=self._clock.now())
            except CaveatError as error:
                raise DeniedError(f"macaroon login denied: Invalid macaroon: {error}: {caveat}") from error
        names = [
            each.split(";")[2] for each in macaroon.caveats if each.startswith("id:") and each.count(";") > 1
        ]
        return Login(self.users.get(names[0] if names else ""), limit, "macaroon")

    def macaroon(self, login: Login, target: str, *, caveats: list[str], validity: str | None) -> str:
        """Give whoever is logged in a macaroon; raises CaveatError where what is asked for cannot be."""
        user, limit, now = login.user, login.restriction, self._clock.now()
        assert user is not None
        for caveat in caveats:
            if caveat.partition(":")[0] not in _KINDS or ":" not in caveat:
                raise CaveatError(f"Unknown caveat {caveat}" if ":" in caveat else "Missing ':'")
        ends = [parse_instant(each[7:]) for each in caveats if each.startswith("before:")]
        ends += [now + parse_duration(validity)] if validity is not None else []
        facts = [
            f"iid:{secrets.token_urlsafe(6)}",
            f"id:{user.uid};{','.join(map(str, user.gids))};{user.name}",
            f"before:{_instant(self._end(ends, limit, now))}",
        ]
        prefix = clean(target) if target != "/" else limit.prefix
        if not inside(prefix, limit.prefix):
            raise CaveatError("Bad request path: Desired path not within existing path")
        facts += [f"root:{limit.root}"] if limit.root != "/" else []
        facts += [f"home:{user.home}"] if user.home != "/" else []
        facts += [f"path:{prefix}"] if prefix != "/" else []
        facts += [f"max-upload:{limit.largest}"] if limit.largest is not None else []
        if limit.activities != ACTIVITIES:
            facts.append(f"activity:{','.join(sorted(limit.activities))}")
        facts += [each for each in caveats if not each.startswith("before:")]
        key = secrets.token_bytes(32)
        identifier = base64.b64encode(hashlib.sha256(key).digest()[:6]).decode()
        self._keys[identifier] = key
        location = f"Optional[{prefix}]" if prefix != "/" else "Optional.empty"
        return format_macaroon(create(key, identifier, location=location, caveats=tuple(facts)))

    def _end(self, ends: list[float], limit: Restriction, now: float) -> float:
        if not ends:
            return min(limit.expires, now + _LONGEST_S) if limit.expires is not None else now + _USUAL_S
        end = min(ends)
        if end <= now:
            raise CaveatError("before: requested expiry in past")
        if end >= now + _LONGEST_S:
            raise CaveatError("before: requested duration beyond maximum allowed (PT168H)")
        if limit.expires is not None and end > limit.expires:
            raise CaveatError("before: cannot extend session lifetime")
        return end
