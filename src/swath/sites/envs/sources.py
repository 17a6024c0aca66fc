"""What environments are made of: a locked list of Python packages, an environment.yml, a container image."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from swath.model import InputError, NotFoundError
from swath.sites.places import last_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOCKS = ("pylock.toml", "uv.lock", "requirements.lock", "requirements.txt")


@dataclass(frozen=True, slots=True)
class Source:
    """What an environment is made of."""

    kind: str
    """``venv``, ``conda`` or ``image``."""
    path: Path
    """The file or folder."""
    name: str
    """Name of the environment unless somebody gives one."""
    lock: tuple[str, ...] = ()
    """Locked packages: ``name==version``, with marker and hashes where the lock has them."""
    project: Path | None = None
    """Folder of the project that goes in with them."""

    def pins(self, markers: Mapping[str, str]) -> dict[str, str]:
        """Give what is locked for some Python, by name; lines as pip reads them."""
        found: dict[str, str] = {}
        for line in self.lock:
            text, *hashes = line.split(" --hash=")
            asked = Requirement(text)
            if asked.marker is None or asked.marker.evaluate({**markers, "extra": ""}):
                pinned = f"{asked.name}{asked.specifier}"
                found[canonicalize_name(asked.name)] = " --hash=".join((pinned, *hashes))
        return found


def read_source(path: Path) -> Source:
    """Find out what somebody wants an environment made of.

    Parameters
    ----------
    path : Path
        ``pyproject.toml`` with a lock beside it, or the lock itself; ``environment.yml``; an archive of OCI
        or Docker (``docker save``), a folder of OCI's image layout.

    Raises
    ------
    InputError, NotFoundError
        It is nothing of that kind, or has no lock.
    """
    path = path.absolute()
    if path.is_dir() and not (path / "index.json").exists():
        path /= "pyproject.toml"
    if not path.exists():
        raise NotFoundError(
            f"env: there is no {str(path)!r}", fix="name a pyproject.toml, environment.yml or image"
        )
    if path.is_dir() or re.search(r"\.(tar|tgz|tar\.gz|oci)$", path.name):
        return Source("image", path, _plain(path.name.split(".")[0]))
    if path.suffix in (".yml", ".yaml"):
        match = re.search(r"^name:\s*(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        return Source("conda", path, _plain(match[1] if match else path.parent.name))
    if path.name == "pyproject.toml":
        return _project(path)
    if path.suffix in (".lock", ".txt", ".toml"):
        return Source("venv", path, _plain(path.parent.name), _read_lock(path))
    raise InputError(
        f"env: {path.name!r} is nothing that an environment is made of",
        fix="name a pyproject.toml, a lock, an environment.yml or an archive of a container image",
    )


def _project(path: Path) -> Source:
    tree = tomllib.loads(path.read_text(encoding="utf-8"))
    name = _plain(str(tree.get("project", {}).get("name") or path.parent.name))
    lock = next((path.with_name(each) for each in _LOCKS if path.with_name(each).exists()), None)
    if lock is None:
        raise InputError(
            f"env: {str(path)!r} has no lock beside it, so that it would be another environment every day",
            fix="make one beside it: uv pip compile --generate-hashes pyproject.toml -o requirements.lock",
            known=_LOCKS,
        )
    return Source("venv", path, name, _read_lock(lock), path.parent if "build-system" in tree else None)


def _read_lock(path: Path) -> tuple[str, ...]:
    if path.name == "uv.lock":
        return _parse(_export(path), path)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".toml":
        return tuple(_from_pylock(each, path) for each in tomllib.loads(text).get("packages", ()))
    return _parse(text, path)


def _from_pylock(package: Mapping[str, Any], path: Path) -> str:
    """Write an entry of a pylock.toml (PEP 751) as pip's own files have it."""
    if "version" not in package:
        raise InputError(f"env: {path.name} has {package.get('name')} without a version", fix="lock it anew")
    marker = f" ; {package['marker']}" if package.get("marker") else ""
    files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
    hashes = [f"sha256:{each['hashes']['sha256']}" for each in files if "sha256" in each.get("hashes", {})]
    line = f"{package['name']}=={package['version']}{marker}"
    return " --hash=".join((line, *hashes))


def _export(lock: Path) -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise InputError(
            f"env: {str(lock)!r} can be read by uv alone, which is not here",
            fix="write a requirements.lock with: uv export --no-dev --no-emit-project -o requirements.lock",
        )
    command = (
        uv,
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-project",
        "-q",
        "--directory",
        str(lock.parent),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"env: uv cannot read {str(lock)!r} ({last_words(done.stderr)})")
    return done.stdout


def _parse(text: str, path: Path) -> tuple[str, ...]:
    """Read the lines of a requirements file, each with its hashes; all must have a version."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words, *hashes = re.split(r"\s--hash=", f" {line.partition(' #')[0]}")
        asked = words.strip()
        if not asked or asked.startswith("#"):
            continue
        try:
            exact = any(each.operator == "==" for each in Requirement(asked).specifier)
        except InvalidRequirement:
            exact = False
        if not exact:
            raise InputError(
                f"env: {path.name} has {asked!r}, which names no version of a package",
                fix="lock it: uv pip compile --generate-hashes pyproject.toml -o requirements.lock",
            )
        found.append(" --hash=".join((asked, *(each.strip() for each in hashes))))
    return tuple(found)


def _plain(name: str) -> str:
    """Make a name that needs no quotes anywhere."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-").lower() or "environment"
