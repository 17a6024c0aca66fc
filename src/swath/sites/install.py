"""Installs packages at a site, from an index where it sees one, else from wheels that are brought along."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from swath.model import SiteError
from swath.sites.places import Place, last_words
from swath.sites.wheelhouse import TELL, Python, fetch_wheels, grouped, own_wheel, pins, pip_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swath.sites.slurm import SlurmSite

_OLDEST = "3.12"
_NAMES = ("python3.14", "python3.13", "python3.12", "python3", "python")
_FIND = r"""
seen=
for each in "$@" "$(command -v uv >/dev/null 2>&1 && uv python find --offline '>=3.12' 2>/dev/null)"; do
  [ -n "$each" ] && path=$(command -v "$each") || continue
  if "$path" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    echo "found $path"
    exit 0
  fi
  version=$("$path" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || version=broken
  seen="${seen:+$seen, }$each is $version"
done
echo "seen ${seen:-none}"
{ module -t avail 2>&1 || true; } | grep -iE '(^|/)python/3\.(1[2-9]|[2-9][0-9])' | head -n 1 |
  sed 's/^/module /'
"""
# Settled: nothing in it says where it was made, so that it may be moved, and packs to the same bytes again.
# Bytecode depends a little on what the same process has compiled before: one process, one order, one seed.
_SETTLE = r"""
import compileall, pathlib, py_compile, shutil, sys
env, final = pathlib.Path(sys.argv[1]), sys.argv[2]
start = b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")/python\" \"$0\" \"$@\"\n' '''\n"
for each in (env / "bin").iterdir():
    if each.is_symlink() or not each.is_file():
        continue
    data = each.read_bytes()
    if each.name.lower().startswith("activate"):
        each.write_bytes(data.replace(str(env).encode(), final.encode())) if final else each.unlink()
    elif data.startswith(b"#!/bin/sh\n'''exec'"):
        each.write_bytes(start + data.split(b"\n", 3)[3])
    elif data.startswith(b"#!") and b"python" in data.split(b"\n", 1)[0]:
        each.write_bytes(start + data.split(b"\n", 1)[1])
told = env / "pyvenv.cfg"
if told.exists():
    lines = told.read_text().splitlines(keepends=True)
    told.write_text("".join(each for each in lines if not each.startswith("command")))
for packages in env.glob("lib/python3*/site-packages"):
    for record in packages.glob("*.dist-info/RECORD"):
        lines = record.read_text().splitlines()
        record.write_text("".join(
            (each.split(",")[0] + ",," if each.startswith("../") else each) + "\n" for each in lines
        ))
    for each in list(packages.rglob("__pycache__")):
        shutil.rmtree(each)
    modes = py_compile.PycInvalidationMode
    compileall.compile_dir(
        packages, quiet=2, workers=4 if final else 1,
        invalidation_mode=modes.CHECKED_HASH if final else modes.UNCHECKED_HASH,
        stripdir=str(env), prependdir=final or "/environment",
    )
"""


_PIP = (
    "env PIP_NO_INPUT=1 PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "
    '"$1/env/bin/python" "$(echo "$1"/pip-*.whl)/pip"'
)
"""pip from its wheel, for ``$1/env``: Python runs it as it is, and the environment stays without."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed."""

    name: str
    """Name of the environment, without its hash."""
    pins: tuple[str, ...]
    """Packages that any index has, each with its version."""
    wheels: tuple[Path, ...] = ()
    """Wheels that no index has."""
    check: tuple[str, ...] = ()
    """What Python is called with to prove that it works."""

    def digest(self, there: Python) -> str:
        """Name its content: packages, wheels, and the Python that it is for."""
        wheels = [hashlib.sha256(each.read_bytes()).hexdigest() for each in self.wheels]
        told = json.dumps([self.pins, wheels, there.path, there.version])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def install_swath(site: SlurmSite, *, say: Callable[[str], None]) -> str:
    """Install this very swath at a site, with what it needs, in the versions that are installed here.

    Parameters
    ----------
    site : SlurmSite
        The site; the environment lies in ``environments`` of its folder.
    say : callable
        Takes a line for people.

    Returns
    -------
    str
        The setting ``environment``, such as ``venv:/scratch/alice/swath/environments/swath-0.1.0-...``.

    Raises
    ------
    SiteError
        There is no Python for it, or it cannot be installed.
    """
    with tempfile.TemporaryDirectory() as temporary:

        def wanted(there: Python) -> Wanted:
            return swath_for(there, Path(temporary))

        return f"venv:{install(Place.at(site), wanted, say=say)}"


def swath_for(there: Python, into: Path) -> Wanted:
    """Tell what this very swath is made of, for some Python.

    Parameters
    ----------
    there : Python
        Where it is to be installed.
    into : Path
        Folder for its own wheel.
    """
    found = pins(["swath"], there)
    wheel = own_wheel("swath", into, there)
    if wheel is not None:
        found.pop("swath")
    return Wanted(
        f"swath-{version('swath')}", tuple(f"{name}=={each}" for name, each in found.items()),
        (wheel,) if wheel else (), ("-m", "swath", "doctor", "--json"),
    )  # fmt: skip


def install(
    place: Place, wanted_for: Callable[[Python], Wanted], *, say: Callable[[str], None], index: bool = True
) -> str:
    """Install packages into an environment of their own, unless it is there already.

    Parameters
    ----------
    place : Place
        Where.
    wanted_for : callable
        Tells what a Python there is to get.
    say : callable
        Takes a line for people.
    index : bool
        False to bring the wheels along in any case.

    Returns
    -------
    str
        Its folder, which appears by a rename when everything in it works.

    Raises
    ------
    SiteError
        There is no Python for it, or it cannot be installed.
    """
    new = place.new_folder()
    try:
        there = find_python(place, new)
        wanted = wanted_for(there)
        digest = wanted.digest(there)
        final = f"{place.folder}/{wanted.name}-{digest}"
        if place.has(f"{final}/environment.json"):
            say(f"{place.name} has it already: {final}")
            return final
        make_venv(place, new, there, wanted, say=say, index=index)
        check(place, f"{new}/env/bin/python", wanted.check)
        settle(place, new, final)
        about = {
            "name": wanted.name, "kind": "venv", "sha256": digest, "python": there.version,
            "base": there.path,
            "packages": [*(each.split()[0] for each in wanted.pins), *(each.name for each in wanted.wheels)],
        }  # fmt: skip
        place.write_about(f"{new}/env/environment.json", about)
        # Somebody else may have made the same meanwhile: then theirs stays.
        place.shell('mv -T "$1" "$2" 2>/dev/null || [ -e "$2/environment.json" ]', f"{new}/env", final)
        return final
    finally:
        place.remove(new)


def find_python(place: Place, new: str, path: str = "") -> Python:
    """Find a Python that swath runs with, and describe it; ``new`` gets a wheel of pip.

    Parameters
    ----------
    place : Place
        Where.
    new : str
        Folder there.
    path : str
        The Python that it has to be; the first of several names that fits, unless given.

    Raises
    ------
    SiteError
        There is none.
    """
    names = (path,) if path else _NAMES
    told = place.shell(_FIND, *names).splitlines()
    if told and not told[0].startswith("found "):  # a shell that is no login shell may have another PATH
        told = [*place.shell(_FIND, *names, login=False).splitlines(), *told]
    said = {kind: text for kind, _, text in (each.partition(" ") for each in reversed(told))}
    if "found" not in said:
        raise SiteError(
            f"install: {place.name} has no Python {_OLDEST} or newer ({said.get('seen', 'none')})",
            fix=f'set prepare = "module load {said.get("module", "NAME")}" for the site, or get one there: '
            f"uv python install {_OLDEST}",
        )
    with tempfile.TemporaryDirectory() as temporary:
        pip = pip_wheel(Path(temporary))
        place.transport.put(pip, f"{new}/{pip.name}")
    there = Python.told(place.shell('"$1" -I -c "$2" "$3"', said["found"], TELL, f"{new}/{pip.name}"))
    return replace(there, path=said["found"])


def make_venv(
    place: Place, new: str, there: Python, wanted: Wanted, *, say: Callable[[str], None], index: bool = True
) -> None:
    """Make ``new/env``, and install into it.

    Raises
    ------
    SiteError
        It cannot be made.
    """
    # pip stays outside: what is named by its content should not be changed afterwards.
    place.shell('"$1" -m venv --without-pip "$2/env"', there.path, new)
    bring(place, new, there, wanted, say=say, index=index)


def bring(
    place: Place, new: str, there: Python, wanted: Wanted, *, say: Callable[[str], None], index: bool = True
) -> None:
    """Install into ``new/env``, from the place's index where it sees one, else what is fetched here.

    Raises
    ------
    SiteError
        It cannot be installed.
    """
    if index and wanted.pins and sees_index(place, new, wanted.pins[0].split()[0]):
        say(f"{place.name} sees an index: installing {len(wanted.pins)} packages from it")
        try:
            _send(place, new, wanted.wheels)
            _install(place, new, wanted, "--only-binary=:all:")
        except SiteError as error:
            say(f"that fails ({error.what}): bringing the packages along")
        else:
            return
    with tempfile.TemporaryDirectory() as temporary:
        say(f"fetching {len(wanted.pins)} packages here for {place.name}")
        house = Path(temporary)
        fetch_wheels(wanted.pins, house, there)
        wheels = [*sorted(house.glob("*.whl")), *wanted.wheels]
        say(f"uploading {sum(each.stat().st_size for each in wheels) / 1e6:.0f} MB")
        _send(place, new, wheels)
    say("installing")
    _install(place, new, wanted, "--no-index")


def sees_index(place: Place, new: str, pin: str) -> bool:
    """Tell whether pip, as it is set up there, reaches an index: by fetching one package."""
    script = (
        f'timeout 60 {_PIP} download -q --no-deps --retries 0 --timeout 5 --no-cache-dir -d "$1/probe" "$2" '
        ">/dev/null 2>&1 && echo yes || true"
    )
    return "yes" in place.shell(script, new, pin)


def _send(place: Place, new: str, wheels: Sequence[Path]) -> None:
    """Bring files there as one."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "wheels.tar"
        with tarfile.open(path, "w") as tar:
            for each in wheels:
                tar.add(each, each.name)
        place.transport.put(path, f"{new}/wheels.tar")
    place.shell('mkdir -p "$1/wheels"; tar -xf "$1/wheels.tar" -C "$1/wheels"; rm "$1/wheels.tar"', new)


def _install(place: Place, new: str, wanted: Wanted, source: str) -> None:
    own = [f"{name}=={number}" for name, number, *_ in (each.name.split("-") for each in wanted.wheels)]
    script = (
        f'cat >"$1/requirements.txt"; {_PIP} install -q "$2" --no-deps --no-compile --find-links "$1/wheels" '
        '-r "$1/requirements.txt"'
    )
    for each in (*grouped(wanted.pins), own):
        place.shell(script, new, source, input="\n".join(each) + "\n")


def pip_at(place: Place, new: str, wheels: Sequence[Path], target: str) -> None:
    """Install tools into a folder of their own, beside ``new/env``."""
    _send(place, new, wheels)
    tool = _PIP.replace("$1", "$new")
    script = f'new=$1; to=$2; shift 2; {tool} install -q --no-index --no-deps --target "$to" "$@"'
    place.shell(script, new, target, *(f"{new}/wheels/{each.name}" for each in wheels))


def check(place: Place, python: str, words: Sequence[str]) -> None:
    """Prove that an environment works, before anybody sees it.

    Raises
    ------
    SiteError
        It does not; the checks of ``swath doctor`` that fail are named.
    """
    if not words:
        return
    script = f'{place.prepare}\nexec "$@"'
    done = place.transport.run(("bash", "-lc", script, "sh", python, *words), timeout_s=600)
    if not done.exit_code:
        return
    told = last_words(done.errors or done.output)
    try:
        checks = json.loads(done.output[done.output.index("{") :])["checks"]
        told = "; ".join(f"{each['name']}: {each['found']}" for each in checks if not each["ok"])
    except (ValueError, KeyError):
        pass
    raise SiteError(f"install: what was installed at {place.name} does not work ({told})")


def settle(place: Place, new: str, final: str) -> None:
    """Take out of ``new/env`` where it was made; ``final`` is where it goes, empty where nobody knows."""
    script = 'env -u PYTHONPATH PYTHONHASHSEED=0 "$1/env/bin/python" -s -c "$3" "$1/env" "$2"'
    place.shell(script, new, final, _SETTLE)
