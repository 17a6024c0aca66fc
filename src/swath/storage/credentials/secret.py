"""Secrets, which print as nothing, and what gives them."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass, field
from typing import Protocol

_EARLY = dt.timedelta(seconds=60)
"""So long before its end a secret is not used any more: a request may take a while."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What proves to a store who asks; all empty: nobody."""

    user: str = ""
    """User name, with ``password``."""
    password: str = field(default="", repr=False)
    """Password."""
    token: str = field(default="", repr=False)
    """Bearer token or macaroon."""
    key: str = field(default="", repr=False)
    """S3: access key id."""
    secret: str = field(default="", repr=False)
    """S3: secret access key."""
    session: str = field(default="", repr=False)
    """S3: session token."""
    expires: dt.datetime | None = None
    """When it ends, where that is known."""

    @property
    def authorization(self) -> str:
        """The value of the HTTP header Authorization (RFC 7617, RFC 6750); empty for nobody."""
        if self.token:
            return f"Bearer {self.token}"
        if self.user:
            pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            return f"Basic {pair}"
        return ""

    def is_stale(self, now: dt.datetime) -> bool:
        """Tell whether it ends too soon to be used."""
        return self.expires is not None and now >= self.expires - _EARLY


class Credentials(Protocol):
    """Something that gives a secret; safe with several threads."""

    def secret(self) -> Secret:
        """Give the secret that holds now."""

    def renew(self, refused: Secret) -> bool:
        """Look for another secret than one that was refused; True where there is one."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A secret that stays."""

    held: Secret = field(default_factory=Secret)
    """The secret."""

    def secret(self) -> Secret:
        """Give it."""
        return self.held

    def renew(self, refused: Secret) -> bool:
        """Tell whether it is another one."""
        return self.held != refused
