"""The one tree of errors and warnings: each says where, what, the value, and what to do about it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 0.5
"""Likeness, 0 to 1, from which a name may be what somebody meant."""
_MANY = 24
"""More known values than this are not printed in full: the nearest ones are."""


class SwathError(Exception):
    """An error that a user can act on.

    Parameters
    ----------
    what : str
        One sentence: where it happened, what is wrong and the value (``"bbox: ... got (1, 2)"``).
    fix : str, optional
        One thing that the reader can do.
    known : iterable of str, optional
        The allowed values; the nearest come first when there are many.
    """

    exit_code = 1
    http_status = 500

    def __init__(self, what: str, *, fix: str = "", known: Iterable[str] = ()) -> None:
        self.what = what
        self.fix = fix
        self.known = tuple(known)
        super().__init__(what, fix, self.known)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.what, self.fix, self.known))

    def __str__(self) -> str:
        text = self.what if self.what.endswith((".", "?", "!")) else self.what + "."
        advice = []
        if self.fix:
            advice.append(f"fix: {self.fix.rstrip('.')}")
        if self.known:
            shown = self.known[:_MANY]
            more = f", … ({len(self.known)} in all)" if len(self.known) > _MANY else ""
            advice.append("known: " + ", ".join(shown) + more)
        return text + ("\n  " + "; ".join(advice) + "." if advice else "")


def _rebuild(kind: type[SwathError], what: str, fix: str, known: tuple[str, ...]) -> SwathError:
    return kind(what, fix=fix, known=known)


class InputError(SwathError, ValueError):
    """A value that the user gave is wrong."""

    exit_code = 2
    http_status = 400


class NotFoundError(SwathError, LookupError):
    """Something that the user named does not exist."""

    exit_code = 3
    http_status = 404


class MissingAssetError(NotFoundError, FileNotFoundError):
    """The file behind an asset is not there."""


class UnreadableAssetError(InputError, OSError):
    """The file behind an asset is there, but is no raster, is cut short, or contradicts its item."""

    http_status = 422


class RefusedAssetError(UnreadableAssetError):
    """The store of an asset does not take the credentials that it was asked with; those may have ended."""

    http_status = 403


class NotAllowedError(SwathError, PermissionError):
    """The user may not do this."""

    exit_code = 4
    http_status = 403


class OutputError(SwathError, OSError):
    """Results cannot be written: no permission, no room, or something else is in the way."""

    exit_code = 2
    http_status = 507


class TooLargeError(InputError, MemoryError):
    """What was asked for does not fit; the message has both numbers."""

    http_status = 413


class CatalogError(SwathError, OSError):
    """The catalog file is damaged or cannot be opened."""

    exit_code = 2


class SiteError(SwathError, OSError):
    """A site cannot be reached, or its Slurm does not do what it was asked."""

    exit_code = 5
    http_status = 502


class StoreError(SwathError, OSError):
    """A store cannot be reached, breaks off, or does not do what it was asked."""

    exit_code = 5
    http_status = 502


class OnTapeError(StoreError):
    """Files have to be brought from tape before they can be read."""

    http_status = 409


class MissingObjectError(NotFoundError, FileNotFoundError):
    """There is nothing under this key of a store."""


class ConflictError(SwathError, FileExistsError):
    """Something is there already, or has changed since it was looked at."""

    exit_code = 2
    http_status = 409


class JobFailedError(SwathError, RuntimeError):
    """A job ended without its results."""

    exit_code = 5


class JobDismissedError(JobFailedError):
    """A job was cancelled."""


class SwathWarning(UserWarning):
    """Doing less than was asked; make it an error with ``warnings.simplefilter``."""


def unknown(what: str, name: str, known: Iterable[str], kind: type[SwathError] = InputError) -> SwathError:
    """Make the error for a name that does not exist.

    Parameters
    ----------
    what : str
        The sentence.
    name : str
        What the user wrote.
    known : iterable of str
        What exists; the nearest is proposed where one is near.
    kind : type
        Class of the error.

    Examples
    --------
    >>> print(unknown("index: there is no index 'NDVX'", "NDVX", ["EVI", "NDVI"]))
    index: there is no index 'NDVX'.
      fix: did you mean 'NDVI'?; known: NDVI, EVI.
    """
    names = nearest(name, known)
    close = names and _likeness(name, names[0])[0] >= _ALIKE
    return kind(what, fix=f"did you mean {names[0]!r}?" if close else "", known=names)


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Order known names by their likeness to a mistaken one.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        What exists.

    Returns
    -------
    tuple of str
        All of ``known``, the most alike first, the rest in alphabetical order.

    Examples
    --------
    >>> nearest("ndiv", ["EVI", "NDVI", "NDWI"])[0]
    'NDVI'
    """
    names = sorted(set(known))
    close = [each for each in names if _likeness(name, each)[0] >= _ALIKE]
    first = sorted(close, key=lambda each: _likeness(name, each), reverse=True)[:5]
    return (*first, *(each for each in names if each not in first))


def _likeness(name: str, other: str) -> tuple[float, float]:
    """Compare two names; the letters alone decide a tie, so that swapped ones count little."""
    name, other = name.casefold(), other.casefold()
    ordered = difflib.SequenceMatcher(None, name, other).ratio()
    return ordered, difflib.SequenceMatcher(None, sorted(name), sorted(other)).ratio()
