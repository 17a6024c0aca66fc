"""What a token is good for: caveats, and what they leave of a user's rights."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import re

from swath.testing.dcache.namespace import clean, inside

ACTIVITIES = frozenset(
    ["DOWNLOAD", "UPLOAD", "DELETE", "MANAGE", "LIST", "READ_METADATA", "UPDATE_METADATA", "STAGE"]
)
"""What a macaroon may allow."""


class CaveatError(Exception):
    """A caveat that is malformed, or that the request does not meet."""


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
