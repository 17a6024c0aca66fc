"""The packages that an environment is made of: pinned as they are here, and fetched for another machine."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from swath.model import SiteError
from swath.sites.places import last_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Python:
    """A Python of some machine."""

    path: str
    """Where it is."""
    version: str
    """Such as ``3.12.4``."""
    tags: tuple[str, ...]
    """Wheels that it takes, as their names say it: ``cp312-cp312-manylinux_2_28_x86_64``."""
    markers: Mapping[str, str]
    """What requirements ask for, such as ``platform_machine``."""

    @classmethod
    def told(cls, text: str) -> Python:
        """Read what `TELL` has printed."""
        tree = json.loads(text)
        return cls(tree["path"], tree["version"], tuple(tree["tags"]), tree["markers"])

    @property
    def minor(self) -> str:
        """Its version without the last number, such as ``3.12``."""
        return ".".join(self.version.split(".")[:2])

    @property
    def platforms(self) -> list[str]:
        """Platforms whose wheels it takes, the best first."""
        return list(dict.fromkeys(each.split("-", 2)[2] for each in self.tags))

    @classmethod
    def here(cls) -> Python:
        """Describe the Python that runs this."""
        from packaging.markers import default_environment
        from packaging.tags import sys_tags

        version = ".".join(map(str, sys.version_info[:3]))
        markers = {key: str(value) for key, value in default_environment().items()}
        return cls(sys.executable, version, tuple(map(str, sys_tags())), markers)


TELL = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pip._vendor.packaging import markers, tags
print(json.dumps({
    "path": sys.executable, "version": "%d.%d.%d" % sys.version_info[:3],
    "tags": [str(each) for each in tags.sys_tags()], "markers": markers.default_environment(),
}))
"""
"""Run by another Python, with a wheel of pip: describes it."""


def pins(roots: Iterable[str], there: Python) -> dict[str, str]:
    """Pin what packages need, as it is installed here.

    Parameters
    ----------
    roots : iterable of str
        Names of packages that are installed here; with extras such as ``dask[array]``.
    there : Python
        Where they are to be installed: it decides about markers.

    Returns
    -------
    dict of name to version
        Of them and of all that they need.

    Raises
    ------
    SiteError
        Something that they need is not installed here.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [Requirement(each) for each in roots]
    while waiting:
        asked = waiting.pop()
        name, extras = canonicalize_name(asked.name), frozenset(asked.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            package = distribution(asked.name)
        except PackageNotFoundError:
            raise SiteError(
                f"install: {asked.name} is not installed here, so that its version is not known",
                fix=f"pip install {asked.name}",
            ) from None
        found[name] = package.version
        for text in package.requires or ():
            each = Requirement(text)
            wanted = [{**there.markers, "extra": extra} for extra in (extras or {""})]
            if each.marker is None or any(each.marker.evaluate(one) for one in wanted):
                waiting.append(each)
    return dict(sorted(found.items()))


def own_wheel(name: str, into: Path, there: Python) -> Path | None:
    """Make a wheel of a package as it is here: built from its source tree, or of its installed files.

    Parameters
    ----------
    name : str
        The package.
    into : Path
        Folder for the wheel.
    there : Python
        Where it is to be installed.

    Returns
    -------
    Path or None
        None where only an index has one for that machine.
    """
    package = distribution(name)
    source = _source_tree(name, package)
    if source is not None:
        return build_wheel(source, into, there)
    tags = [line.split()[1] for line in (package.read_text("WHEEL") or "").splitlines() if line[:4] == "Tag:"]
    if not tags or not set(tags) & set(there.tags):
        return None
    return zip_installed(package, tags[0], into)


def build_wheel(source: Path, into: Path, there: Python) -> Path:
    """Build a wheel from a source tree.

    Raises
    ------
    SiteError
        It cannot be built.
    """
    environ = dict(os.environ)
    if Python.here().platforms[0] not in there.platforms:
        environ["SWATH_NATIVE"] = "no"  # C compiled here does not run there: numba's loops do
    if importlib.util.find_spec("hatchling") and "hatchling" in (source / "pyproject.toml").read_text():
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(into)]
    else:
        command = [*pip_here(), "wheel", "-q", "--no-deps", "-w", str(into), str(source)]
    before = set(into.glob("*.whl"))
    done = subprocess.run(command, cwd=source, env=environ, capture_output=True, text=True, check=False)
    made = set(into.glob("*.whl")) - before
    if done.returncode or len(made) != 1:
        raise SiteError(f"install: no wheel can be built of {source} ({last_words(done.stderr)})")
    return made.pop()


def _source_tree(name: str, package: Distribution) -> Path | None:
    """Give the folder of the source that runs here, where it is no installed copy."""
    spec = importlib.util.find_spec(name.replace("-", "_"))
    if spec is None or spec.origin is None:
        return None
    for folder in Path(spec.origin).parents[1:3]:
        if (folder / "pyproject.toml").is_file():
            return folder
    url = json.loads(package.read_text("direct_url.json") or "{}")
    if url.get("dir_info", {}).get("editable"):
        return Path(url["url"].removeprefix("file://"))
    return None


def zip_installed(package: Distribution, tag: str, into: Path) -> Path:
    """Put an installed package back into a wheel: the very files that run here."""
    stem = f"{package.metadata['Name'].replace('-', '_')}-{package.version}"
    path = into / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        record = []
        for each in sorted(package.files or (), key=str):
            if each.parts[0] == ".." or "__pycache__" in each.parts or each.name in _NOT_IN_WHEELS:
                continue
            data = Path(str(each.locate())).read_bytes()
            entry = zipfile.ZipInfo(each.as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data)
            record.append(f"{each.as_posix()},{f'{each.hash.mode}={each.hash.value}' if each.hash else ''},")
        wheel.writestr(zipfile.ZipInfo(f"{stem}.dist-info/RECORD", (1980, 1, 1, 0, 0, 0)), "\n".join(record))
    return path


_NOT_IN_WHEELS = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def pip_here() -> list[str]:
    """Give the command of pip, also where the environment has none, as those that uv makes.

    Raises
    ------
    SiteError
        There is no pip at all.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if bundled := _bundled_pip():
        return [sys.executable, f"{bundled}/pip"]
    if found := shutil.which("pip"):
        return [found]
    raise SiteError(
        "install: there is no pip here to fetch packages with", fix="install pip (python3-venv in Debian)"
    )


def _bundled_pip() -> Path | None:
    """Give the wheel of pip that Python brings along."""
    spec = importlib.util.find_spec("ensurepip")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "_bundled").glob("pip-*.whl"))), None)


def pip_wheel(into: Path) -> Path:
    """Give a wheel of pip, to be run by another machine's Python: the newest, or the one that Python brings.

    Raises
    ------
    SiteError
        There is none to be had.
    """
    done = subprocess.run(
        [*pip_here(), "download", "-q", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
         "--retries", "1", "-d", str(into), "pip"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = next(iter(into.glob("pip-*.whl")), None) or _bundled_pip()
    if found is None:
        raise SiteError(f"install: there is no wheel of pip to be had ({last_words(done.stderr)})")
    return found


def fetch_wheels(requirements: Sequence[str], into: Path, there: Python) -> None:
    """Fetch wheels for another machine from the index that pip uses here.

    Parameters
    ----------
    requirements : sequence of str
        Each with its version; what they need is not fetched by itself.
    into : Path
        Folder for the wheels.
    there : Python
        Where they are to be installed.

    Raises
    ------
    SiteError
        The index has no wheel of one of them for that machine.
    """
    for each in grouped(requirements):
        _fetch(each, into, there)


def grouped(requirements: Sequence[str]) -> list[list[str]]:
    """Part requirements with hashes from those without: pip takes either, and not both at once.

    Examples
    --------
    >>> grouped(("a==1", "b==2 --hash=sha256:12", "c==3"))
    [['b==2 --hash=sha256:12'], ['a==1', 'c==3']]
    """
    hashed = [each for each in requirements if " --hash=" in each]
    plain = [each for each in requirements if " --hash=" not in each]
    return [each for each in (hashed, plain) if each]


def _fetch(requirements: Sequence[str], into: Path, there: Python) -> None:
    listed = into / "requirements.txt"
    listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    command = [
        *pip_here(), "download", "-q", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
        "--implementation", "cp", "--python-version", there.minor,
        *(f"--platform={each}" for each in there.platforms if each != "any"),
        "-d", str(into), "-r", str(listed),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    listed.unlink()
    if done.returncode:
        machine = there.platforms[0] if there.platforms else "that machine"
        raise SiteError(
            f"install: the packages cannot be fetched for Python {there.minor} on {machine} "
            f"({last_words(done.stderr)})",
            fix=f"choose a Python there that they have wheels for, such as {Python.here().minor}",
        )
