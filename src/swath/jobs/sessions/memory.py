"""What this machine remembers of the doors it had: their port and cookie, so that an open page goes on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from swath.sites.session.host import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from swath.config import Settings


@dataclass(frozen=True, slots=True)
class Remembered:
    """The last door to a session."""

    port: int = 0
    """Its port; 0: none yet."""
    cookie: str = ""
    """What its browser has."""


def recall(name: str, settings: Settings) -> Remembered:
    """Read what is remembered of the door to a session."""
    try:
        tree = json.loads(_path(name, settings).read_text(encoding="utf-8"))
        return Remembered(int(tree["port"]), str(tree["cookie"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Remembered()


def remember(name: str, door: Remembered, settings: Settings) -> None:
    """Write it down, for this user only."""
    path = _path(name, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    write_private(path, asdict(door))


def forget(name: str, settings: Settings) -> None:
    """Delete it."""
    with contextlib.suppress(OSError):
        _path(name, settings).unlink()


def _path(name: str, settings: Settings) -> Path:
    return settings.home / "doors" / f"{name}.json"
