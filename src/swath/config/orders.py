"""What the settings say of assets that are made when they are asked for: ``[orders]``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from swath.config.sizes import parse_lifetime, parse_size


class OrderSettings(BaseModel):
    """The cache of assets that are made when they are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = Field(
        default=None,
        description="Folder of what is made, which all who use the catalog can read; `orders` beside the "
        "catalog's file unless given, or in `home` for the catalog of an API.",
    )
    size: str = Field(
        default="100GB",
        description="How much of it is kept; what has not been used for longest goes first.",
    )
    keep: str = Field(
        default="1h",
        description="What was used within this time stays, such as 90m, 36h or 2d (or 0): somebody "
        "may be reading it.",
    )
    at_once: int = Field(default=20, ge=1, description="Jobs that make assets at once at a Slurm site.")

    @field_validator("size")
    @classmethod
    def _check_size(cls, text: str) -> str:
        parse_size(text)
        return text

    @field_validator("keep")
    @classmethod
    def _check_keep(cls, text: str) -> str:
        _parse_keep(text)
        return text

    @property
    def size_bytes(self) -> int:
        """How many bytes are kept."""
        return parse_size(self.size)

    @property
    def kept(self) -> dt.timedelta:
        """How long what was used stays."""
        return _parse_keep(self.keep)


def _parse_keep(text: str) -> dt.timedelta:
    return dt.timedelta() if text.strip() == "0" else parse_lifetime(text)
