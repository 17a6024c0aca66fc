"""Keeps environments by their content: where they lie, what they are, and how they come to a site."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import InputError, NotFoundError, SiteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.sites.places import Place

SUFFIXES = (".sqfs", ".tar.gz", ".tar", ".sif")
_HASH = 16
_LIST = r"""
cd "$1" 2>/dev/null || exit 0
for each in *.json */environment.json; do
  [ -f "$each" ] && { printf '%s\t' "$each"; tr -d '\n' <"$each"; echo; }
done
exit 0
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """An environment that is kept somewhere."""

    path: str
    """Its file, or its folder."""
    name: str
    """Name, without its hash."""
    kind: str
    """``venv``, ``conda``, ``charliecloud`` or ``apptainer``."""
    sha256: str
    """Checksum of the file, or of what a folder is made of; its beginning is part of the path."""
    bytes: int = 0
    """Size of the file; 0 for a folder."""
    about: dict[str, Any] = field(default_factory=dict)
    """What it was made of."""

    @property
    def setting(self) -> str:
        """What the settings of a site call it."""
        return f"{self.kind}:{self.path}"


def keep(place: Place, path: str, name: str, *, kind: str, suffix: str, about: dict[str, Any]) -> Kept:
    """Name a new file at a place after its content, and write down beside it what it is.

    Parameters
    ----------
    place : Place
        Where it lies.
    path : str
        The file, on the same file system as the place's folder.
    name, kind, suffix, about
        What becomes of it; see `Kept`.
    """
    told = place.shell('sha256sum <"$1"; stat -c %s "$1"', path).split()
    digest, size = told[0], int(told[-1])
    final = f"{place.folder}/{name}-{digest[:_HASH]}{suffix}"
    kept = Kept(final, name, kind, digest, size, about)
    place.shell('mkdir -p "$(dirname "$2")"; chmod 644 "$1"; mv -T "$1" "$2"', path, final)
    place.write_about(f"{final}.json", asdict(kept))
    return kept


def list_kept(place: Place) -> list[Kept]:
    """List the environments of a place."""
    found = []
    for line in place.shell(_LIST, place.folder).splitlines():
        name, _, text = line.partition("\t")
        try:
            tree = json.loads(text)
        except json.JSONDecodeError:
            continue
        if name.endswith("/environment.json"):
            path = f"{place.folder}/{name.removesuffix('/environment.json')}"
            found.append(Kept(path, tree["name"], tree["kind"], tree["sha256"], 0, tree))
        elif "sha256" in tree:
            # It may have been moved here: where it is, is told by where it was found.
            found.append(Kept(**{**tree, "path": f"{place.folder}/{name.removesuffix('.json')}"}))
    return sorted(found, key=lambda each: each.path)


def find_kept(place: Place, name: str) -> Kept:
    """Find an environment by its path, its file's name, or its name where only one has it.

    Raises
    ------
    NotFoundError
        There is none, or several.
    """
    known = list_kept(place)
    found = [each for each in known if name in (each.path, Path(each.path).name, each.name)]
    if len(found) != 1:
        what = "several are" if found else "none is"
        raise NotFoundError(
            f"env: {what} called {name!r} on {place.name}",
            fix="see `swath env list`", known=[Path(each.path).name for each in known],
        )  # fmt: skip
    return found[0]


def push(kept: Kept, to: Place, *, say: Callable[[str], None]) -> Kept:
    """Bring an environment that is one file here to another place, unless it has it.

    Parameters
    ----------
    kept : Kept
        The environment; its file is on this machine.
    to : Place
        Where it is wanted.
    say : callable
        Takes a line for people.

    Raises
    ------
    InputError
        It is a folder, or its content is not what its name says.
    SiteError
        What has arrived is something else.
    """
    path = Path(kept.path)
    suffix = next((each for each in SUFFIXES if path.name.endswith(each)), "")
    if not path.is_file() or not suffix:
        raise InputError(
            f"env: {kept.path!r} is not one file", fix="build it at the site: swath env build --on SITE"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != kept.sha256:
        raise InputError(
            f"env: {kept.path!r} is damaged (its content is not what its name says)", fix="build it anew"
        )
    base = kept.about.get("base")
    if base and not to.has(base):
        raise InputError(
            f"env: {path.name} needs the Python {base}, which {to.name} has not",
            fix=f"build it there: swath env build --on {to.name}",
        )
    final = f"{to.folder}/{path.name}"
    if to.has(final) and to.has(f"{final}.json"):
        say(f"{to.name} has it already: {final}")
        return Kept(final, kept.name, kept.kind, kept.sha256, kept.bytes, kept.about)
    new = to.new_folder()
    try:
        say(f"uploading {kept.bytes / 1e6:.0f} MB")
        to.transport.put(path, f"{new}/{path.name}")
        arrived = keep(to, f"{new}/{path.name}", kept.name, kind=kept.kind, suffix=suffix, about=kept.about)
    finally:
        to.remove(new)
    if arrived.sha256 != kept.sha256:
        raise SiteError(f"env: {path.name} has arrived damaged at {to.name}", fix="try again")
    return arrived


def check_name(name: str) -> str:
    """Check the name of an environment: it becomes part of a file's name.

    Raises
    ------
    InputError
        It has other characters than letters, digits, ``.``, ``_`` and ``-``.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
        raise InputError(
            f"env: {name!r} cannot be the name of an environment", fix="use letters, digits, . _ and -"
        )
    return name
