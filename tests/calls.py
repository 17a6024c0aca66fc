"""Calls that tests send to workers, in a file that those can import."""

from __future__ import annotations

import os
import sys

from swath.model import InputError


def join_names(path: str, names: list[str]) -> list[str]:
    """Do what is asked."""
    return [f"{path}/{each}" for each in names]


def refuse(path: str, names: list[str]) -> list[str]:
    """Raise an error of ours."""
    raise InputError(f"unit {names[0]}: it is wrong", fix="mend it", known=("a",))


def die(path: str, names: list[str]) -> list[str]:
    """Take the worker along."""
    os._exit(9)


class Unreadable:
    """Something that only the process that made it can read."""

    def __reduce__(self):
        return (_only_in, (os.getpid(),))

    def __call__(self, path: str, names: list[str]) -> list[str]:
        """Never reached."""
        return names


def _only_in(pid: int) -> Unreadable:
    if os.getpid() != pid:
        sys.exit("workers cannot read this")
    return Unreadable()
