"""One step of a check that goes a whole way: to a site, or to a store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way, and whether it was gone."""

    name: str
    """What was tried."""
    good: bool
    """True where it worked."""
    told: str
    """What was seen, or what is wrong."""
    remedy: str = ""
    """What to do about it."""
