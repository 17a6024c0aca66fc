"""Who asks: passwords, opaque tokens, macaroons; and macaroons for who asks for one."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, Literal

from swath.model import InputError
from swath.storage.dcache.macaroon import create, format_macaroon, parse_macaroon, verify
from swath.testing.dcache.caveats import (
    ACTIVITIES,
    CaveatError,
    Restriction,
    parse_duration,
    parse_instant,
    weaken,
)
from swath.testing.dcache.namespace import clean, inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.testing.dcache.clock import Clock

_KINDS = ("home", "root", "path", "activity", "id", "before", "ip", "max-upload", "iid")
_LONGEST_S, _USUAL_S = 7 * 86400.0, 86400.0


class DeniedError(Exception):
    """Credentials that are no good: the answer is 401."""


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
class Login:
    """Who has been let in."""

    user: User | None
    """None: nobody in particular."""
    restriction: Restriction
    """What they may do."""
    how: Literal["anonymous", "basic", "macaroon", "oidc"]
    """By what they were known."""


def _instant(seconds: float) -> str:
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
