"""What the names of files say, by a pattern such as ``{collection}_{datetime:%Y%m%d}_{band}.tif``."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model import UTC, InputError

if TYPE_CHECKING:
    from pathlib import Path

_FIELD = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "j": r"\d{3}", "H": r"\d{2}", "M": r"\d{2}",
    "S": r"\d{2}", "f": r"\d{1,6}", "b": r"[A-Za-z]{3}", "Z": r"[A-Z]+", "%": "%",
}  # fmt: skip
_EXAMPLE = "write it like '{collection}_{datetime:%Y%m%d}_{band}.tif'"


@dataclass(frozen=True, slots=True)
class Pattern:
    """How files are named."""

    text: str
    """As the user wrote it."""
    regex: re.Pattern[str]
    """Matches names; one group for each field."""
    time_format: str
    """How ``datetime`` is written, for strptime."""
    deep: bool
    """True when it has folders, so that it is matched with paths."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file whose name fits."""

    path: Path
    """Absolute."""
    item: str
    """Id of the item that it belongs to."""
    collection: str
    """Id of the collection."""
    band: str
    """The band that it holds; empty when the pattern names none."""
    fields: tuple[tuple[str, str], ...]
    """What else the name says."""
    start: dt.datetime
    """First instant, UTC."""
    end: dt.datetime
    """Last instant, UTC: another than ``start`` when the name gives no day."""


def parse_pattern(text: str) -> Pattern:
    """Read a pattern of file names.

    Parameters
    ----------
    text : str
        ``{collection}``, ``{id}``, ``{band}``, ``{datetime:%Y%m%d}``; any other field becomes a property.
        With a slash it is matched with the path below the folder.

    Examples
    --------
    >>> parse_pattern("{tile}_{datetime:%Y%j}_{band}.tif").regex.fullmatch("h18_2020031_red.tif")["band"]
    'red'
    """
    out, at, seen, time_format = "", 0, set[str](), ""
    for match in _FIELD.finditer(text):
        out += re.escape(text[at : match.start()])
        name, form = match.groups()
        if name == "datetime":
            if not form:
                raise InputError(f"pattern: {text!r} does not say how the time is written", fix=_EXAMPLE)
            time_format = form
        elif form is not None:
            raise InputError(f"pattern: only 'datetime' takes a format, got {match.group()!r}", fix=_EXAMPLE)
        if name in seen:
            out += f"(?P={name})"
        else:
            out += f"(?P<{name}>{_time_regex(form or '') if name == 'datetime' else '[^/]+?'})"
        seen.add(name)
        at = match.end()
    if not time_format:
        raise InputError(f"pattern: {text!r} has no {{datetime:...}}", fix=_EXAMPLE)
    rest = text[at:]
    if any(each in _FIELD.sub("", text) for each in "{}"):
        raise InputError(f"pattern: {text!r} has a brace that closes no field", fix=_EXAMPLE)
    return Pattern(text, re.compile(out + re.escape(rest)), time_format, "/" in text)


def _time_regex(form: str) -> str:
    out, at = "", 0
    while at < len(form):
        if form[at] == "%":
            key = form[at + 1 : at + 2]
            if key not in _DIRECTIVES:
                raise InputError(
                    f"pattern: '%{key}' is not known in {form!r}", known=[f"%{k}" for k in _DIRECTIVES]
                )
            out += _DIRECTIVES[key]
            at += 2
        else:
            out += re.escape(form[at])
            at += 1
    return out


def match_file(pattern: Pattern, folder: Path, path: Path, collection: str | None) -> NamedFile:
    """Read what a file's name says.

    Raises
    ------
    InputError
        It does not fit the pattern, or its time does not exist.
    """
    name = path.relative_to(folder).as_posix() if pattern.deep else path.name
    match = pattern.regex.fullmatch(name)
    if match is None:
        raise InputError(f"its name does not fit the pattern {pattern.text!r}")
    fields = match.groupdict()
    try:
        start = dt.datetime.strptime(fields.pop("datetime"), pattern.time_format).replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"its time does not exist ({error})") from error
    band = fields.pop("band", "")
    item = fields.pop("id", None) or _name_without(match, "band" if band else "")
    own = fields.pop("collection", None)
    return NamedFile(
        path=path,
        item=item,
        collection=collection or own or folder.name,
        band=band,
        fields=tuple(sorted(fields.items())),
        start=start,
        end=_end_of(start, pattern.time_format),
    )


def _name_without(match: re.Match[str], group: str) -> str:
    """Give the file's name without its suffix and one field, and without the separator beside that."""
    name = match.string
    if group:
        start, end = match.span(group)
        before, after = name[:start], name[end:]
        if before and before[-1] in "_-. /":
            before = before[:-1]
        elif after and after[0] in "_- ":
            after = after[1:]
        name = before + after
    stem = name.rsplit(".", 1)[0] if "." in name.rsplit("/", 1)[-1] else name
    return stem.strip("/").replace("/", "_")


def _end_of(start: dt.datetime, form: str) -> dt.datetime:
    """Give the end of the month or year that a name without a day means."""
    if "%d" in form or "%j" in form:
        return start
    if "%m" in form or "%b" in form:
        days = calendar.monthrange(start.year, start.month)[1]
        return start + dt.timedelta(days=days) - dt.timedelta(seconds=1)
    return start.replace(year=start.year + 1) - dt.timedelta(seconds=1)
