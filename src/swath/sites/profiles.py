"""What is known of some clusters beforehand, as data; nobody has tried these."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def profiles() -> dict[str, dict[str, Any]]:
    """Give the profiles by name: keys of ``[sites.NAME]`` with title, hint, source and what to ask for."""
    text = (files("swath.sites") / "profiles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
