"""Numbers of bytes, for people."""

from __future__ import annotations


def format_bytes(count: float) -> str:
    """Write a number of bytes for people.

    Examples
    --------
    >>> format_bytes(1_234_567)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
