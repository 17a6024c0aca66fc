"""Sizes and durations as people write them."""

from __future__ import annotations

import datetime as dt
import re

from swath.model import InputError

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*", re.IGNORECASE)
_LIFETIME = re.compile(r"(\d+)([mhdw])")
_LIFETIME_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


def parse_size(text: str | int) -> int:
    """Read a number of bytes: ``1GB`` is 10^9, ``1GiB`` is 2^30.

    Examples
    --------
    >>> parse_size("1.5 GB"), parse_size("1GiB")
    (1500000000, 1073741824)
    """
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise InputError(f"settings: {text!r} is not a size", fix="write it like 500MB, 4GB or 4GiB")
    number, prefix, binary = match.groups()
    factor = (1024 if binary else 1000) ** " KMGT".index(prefix.upper() or " ")
    return int(float(number) * factor)


def parse_lifetime(text: str) -> dt.timedelta:
    """Read how long something is to be kept.

    Examples
    --------
    >>> parse_lifetime("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    found = _LIFETIME.fullmatch(text.strip())
    if not found or int(found[1]) == 0:
        raise InputError(f"lifetime: {text!r} is no time", fix="write it like 90m, 36h, 2d or 1w")
    return dt.timedelta(**{_LIFETIME_UNITS[found[2]]: int(found[1])})


def parse_slurm_time(text: str) -> int | None:
    """Read a duration as Slurm writes it, in seconds; None for one without end.

    Slurm takes minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes and
    days-hours:minutes:seconds (``man sbatch``, ``--time``).

    Raises
    ------
    InputError
        It is written in another way.

    Examples
    --------
    >>> parse_slurm_time("90"), parse_slurm_time("1-12"), parse_slurm_time("00:30:00")
    (5400, 129600, 1800)
    >>> parse_slurm_time("UNLIMITED") is None
    True
    """
    if text.strip().upper() in ("UNLIMITED", "INFINITE", "-1"):
        return None
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise InputError(
            f"time: {text!r} is no duration", fix="write it like 30 (minutes), 02:00:00 or 1-12:00:00"
        )
    first, second, third = (int(match[name] or 0) for name in ("first", "second", "third"))
    if match["days"]:
        return ((int(match["days"]) * 24 + first) * 60 + second) * 60 + third
    if match["third"] is not None:
        return (first * 60 + second) * 60 + third
    return first * 60 + second


def format_slurm_time(seconds: int) -> str:
    """Write a duration as Slurm does.

    Examples
    --------
    >>> format_slurm_time(1800), format_slurm_time(129600)
    ('00:30:00', '1-12:00:00')
    """
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return (f"{days}-" if days else "") + f"{hours:02}:{minutes:02}:{rest:02}"
