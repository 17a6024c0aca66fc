"""Makes environments that are one file: of locked packages, of an environment.yml, of a container image."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from swath.model import InputError, SiteError
from swath.sites.environments import mounts
from swath.sites.envs.layers import flatten
from swath.sites.envs.store import Kept, check_name, keep, push
from swath.sites.install import Wanted, bring, check, find_python, make_venv, pip_at, settle, swath_for
from swath.sites.places import Place
from swath.sites.wheelhouse import build_wheel, fetch_wheels

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.sites.envs.sources import Source
    from swath.sites.wheelhouse import Python

# Without times and owners: what is the same packs to the same bytes. Level 9, mksquashfs's own, takes five
# times as long and saves a tenth.
SQUASH = (
    "-comp", "gzip", "-Xcompression-level", "1", "-quiet", "-no-progress", "-noappend", "-all-root",
    "-no-xattrs", "-mkfs-time", "0", "-all-time", "0",
)  # fmt: skip
_ROOT = ("-root-mode", "755")
"""Of the root folder of a tar, which has no entry of its own."""
_TAR = r"""
import gzip, os, sys, tarfile
source, target = sys.argv[1:]
found = []
for folder, folders, files in os.walk(source):
    found += [os.path.join(folder, each) for each in (*folders, *files)]
with open(target, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed, \
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
    for path in sorted(found):
        entry = tar.gettarinfo(path, os.path.relpath(path, source))
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        if entry.isreg():
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
            with open(path, "rb") as file:
                tar.addfile(entry, file)
        else:
            entry.mode = 0o755 if entry.isdir() else 0o777
            tar.addfile(entry)
"""
_CONDA = r"""
for each in micromamba mamba conda; do
  if command -v "$each" >/dev/null 2>&1; then echo "$each"; exit 0; fi
done
"""


def build(
    source: Source,
    place: Place,
    *,
    say: Callable[[str], None],
    name: str = "",
    kind: str = "",
    packing: str = "",
    binds: tuple[str, ...] = (),
) -> Kept:
    """Make an environment of one file, named after its content.

    Parameters
    ----------
    source : Source
        What it is made of.
    place : Place
        Where it is to lie. Packages are installed there; images are read here, and brought there.
    say : callable
        Takes a line for people.
    name : str
        Its name; that of the source unless given.
    kind : str
        ``charliecloud`` or ``apptainer``, of an image; what the place has unless given.
    packing : str
        ``sqfs`` or ``tar``; ``sqfs`` where the place has SquashFS's tools, unless given.
    binds : tuple of str
        Folders that containers get from the host: they have to be there in an image.

    Raises
    ------
    InputError, SiteError
        It cannot be made; nothing is left behind.
    """
    name = check_name(name or source.name)
    if source.kind == "image":
        return _build_image(source, place, name, kind or _container(place), packing, binds, say)
    if kind:
        raise InputError(f"env: {source.path.name} makes no {kind} image", fix="leave --as away")
    new = place.new_folder()
    try:
        make = _make_conda if source.kind == "conda" else _make_venv
        return make(source, place, new, name, packing, say)
    finally:
        place.remove(new)


# -- packages ---------------------------------------------------------------------------------------------


def _make_venv(
    source: Source, place: Place, new: str, name: str, packing: str, say: Callable[[str], None]
) -> Kept:
    there = find_python(place, new)
    with tempfile.TemporaryDirectory() as temporary:
        wanted = _wanted(source, there, Path(temporary), name)
        make_venv(place, new, there, wanted, say=say)
    check(place, f"{new}/env/bin/python", wanted.check)
    settle(place, new, "")
    packages = sorted((*(each.split()[0] for each in wanted.pins), *(each.name for each in wanted.wheels)))
    about = {
        "source": source.path.name, "python": there.version, "base": there.path, "packages": packages,
    }  # fmt: skip
    say("packing")
    path, suffix = pack(place, new, packing)
    return keep(place, path, name, kind="venv", suffix=suffix, about=about)


def _wanted(source: Source, there: Python, into: Path, name: str) -> Wanted:
    """Add swath, and what it needs and the lock does not have, in the versions that are installed here."""
    own = swath_for(there, into)
    locked = source.pins(there.markers)
    mine = {each.partition("==")[0]: each for each in own.pins}
    wheels = () if "swath" in locked else own.wheels
    if source.project is not None and source.name != "swath":
        wheels = (*wheels, build_wheel(source.project, into, there))
    return Wanted(name, tuple((mine | locked).values()), wheels, own.check)


def pack(place: Place, new: str, packing: str) -> tuple[str, str]:
    """Pack ``new/env`` into one file; give its path, and how its name is to end."""
    packing = packing or ("sqfs" if _has(place, "mksquashfs") and _has(place, "unsquashfs") else "tar")
    if packing == "sqfs":
        path = f"{new}/packed.sqfs"
        place.shell('mksquashfs "$@" >/dev/null', f"{new}/env", path, *SQUASH)
        return path, ".sqfs"
    path = f"{new}/packed.tar.gz"
    place.shell('"$1/env/bin/python" -I -c "$3" "$1/env" "$2"', new, path, _TAR)
    return path, ".tar.gz"


def _has(place: Place, program: str) -> bool:
    return bool(place.shell('command -v "$1" || true', program).strip())


def _make_conda(
    source: Source, place: Place, new: str, name: str, packing: str, say: Callable[[str], None]
) -> Kept:
    tool = place.shell(_CONDA).strip()
    if not tool:
        raise SiteError(
            f"env: {place.name} has neither micromamba nor mamba nor conda",
            fix='set prepare = "module load ..." for the site where a module has one',
        )
    place.transport.put(source.path, f"{new}/environment.yml")
    say(f"{tool} makes the environment; this takes minutes")
    for line in conda_commands(tool, new):
        place.shell('"$@"', *line)
    there = find_python(place, new, f"{new}/env/bin/python")
    with tempfile.TemporaryDirectory() as temporary:
        wanted = _not_there(place, there, swath_for(there, Path(temporary)))
        bring(place, new, there, wanted, say=say)
        check(place, f"{new}/env/bin/python", wanted.check)
        # conda-pack makes a prefix fit for other paths; it is run by the prefix's own Python.
        tools = Path(temporary) / "tools"
        tools.mkdir()
        fetch_wheels(("conda-pack", "setuptools"), tools, there)
        pip_at(place, new, sorted(tools.glob("*.whl")), f"{new}/tools")
    say("packing")
    suffix = ".sqfs" if packing == "sqfs" else ".tar.gz"
    path = f"{new}/packed{suffix.replace('sqfs', 'squashfs')}"
    place.shell('PYTHONPATH="$1/tools" "$1/env/bin/python" -c "$2" --prefix "$1/env" --output "$3" --quiet',
                new, "from conda_pack.cli import main; main()", path)  # fmt: skip
    about = {"source": source.path.name, "tool": tool, "packages": list(wanted.pins)}
    return keep(place, path, name, kind="conda", suffix=suffix, about=about)


def _not_there(place: Place, there: Python, wanted: Wanted) -> Wanted:
    """Leave away what a Python has already, in whatever version."""
    script = "import importlib.metadata as m; print(*(each.name for each in m.distributions()), sep='\\n')"
    told = place.shell('"$1" -I -c "$2"', there.path, script)
    known = {canonicalize_name(each) for each in told.split()}
    pins = tuple(each for each in wanted.pins if each.partition("==")[0] not in known)
    return replace(wanted, pins=pins)


def conda_commands(tool: str, new: str) -> list[tuple[str, ...]]:
    """Give the commands that make ``new/env`` of ``new/environment.yml``.

    Examples
    --------
    >>> conda_commands("micromamba", "/x")
    [('micromamba', 'create', '--yes', '--prefix', '/x/env', '--file', '/x/environment.yml')]
    """
    target = ("--prefix", f"{new}/env", "--file", f"{new}/environment.yml")
    if tool == "micromamba":
        return [(tool, "create", "--yes", *target)]
    # Older conda and mamba know no --yes here, and ask nothing.
    return [("env", "CONDA_ALWAYS_YES=true", tool, "env", "create", "--quiet", *target)]


# -- images -----------------------------------------------------------------------------------------------


def _container(place: Place) -> str:
    if _has(place, "ch-run"):
        return "charliecloud"
    if _has(place, "apptainer") or _has(place, "singularity"):
        return "apptainer"
    raise SiteError(
        f"env: {place.name} has neither Charliecloud (ch-run) nor Apptainer",
        fix="load the module that has one in `prepare` of the site, or say --as charliecloud",
    )


def _build_image(
    source: Source, place: Place, name: str, kind: str, packing: str, binds: tuple[str, ...],
    say: Callable[[str], None],
) -> Kept:  # fmt: skip
    if kind == "apptainer":
        return _build_sif(source, place, name, say)
    about: dict[str, Any] = {"source": source.path.name}
    with tempfile.TemporaryDirectory() as temporary:
        flat = Path(temporary) / "flat.tar"
        say("reading the image")
        config = flatten(source.path, flat, mounts=mounts(binds))
        about["image"] = config.get("config", {})
        path, suffix = _pack_flat(flat, packing, say)
        near = Place.here(Path(temporary))
        made = keep(near, str(path), name, kind=kind, suffix=suffix, about=about)
        return push(made, place, say=say)


def _pack_flat(flat: Path, packing: str, say: Callable[[str], None]) -> tuple[Path, str]:
    """Make one packed file of an image's tar, on this machine."""
    tool = shutil.which("mksquashfs")
    if packing != "tar" and tool is not None:
        path = flat.with_name("packed.sqfs")
        with flat.open("rb") as content:
            done = subprocess.run(
                (tool, "-", str(path), "-tar", *SQUASH, *_ROOT),
                stdin=content, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode == 0:
            return path, ".sqfs"
        if packing == "sqfs":
            raise SiteError(
                f"env: mksquashfs fails here ({done.stderr.strip().partition('\n')[0]})",
                fix="take --pack tar",
            )
        say(f"mksquashfs fails here ({done.stderr.strip().partition('\n')[0]}): packing as tar")
    elif packing == "sqfs":
        raise SiteError("env: there is no mksquashfs here", fix="install squashfs-tools, or take --pack tar")
    import gzip

    path = flat.with_name("packed.tar.gz")
    with (
        flat.open("rb") as content,
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(content, packed, 1 << 20)
    return path, ".tar.gz"


def _build_sif(source: Source, place: Place, name: str, say: Callable[[str], None]) -> Kept:
    new = place.new_folder()
    try:
        say("uploading the image")
        place.transport.put(source.path, f"{new}/image.tar" if source.path.is_file() else f"{new}/image")
        tool = "apptainer" if _has(place, "apptainer") else "singularity"
        say(f"{tool} converts it")
        place.shell('"$@"', *sif_command(tool, source.path, new))
        return keep(
            place,
            f"{new}/image.sif",
            name,
            kind="apptainer",
            suffix=".sif",
            about={"source": source.path.name},
        )
    finally:
        place.remove(new)


def sif_command(tool: str, source: Path, new: str) -> tuple[str, ...]:
    """Give the command that makes ``new/image.sif`` of an archive in ``new``.

    Examples
    --------
    >>> sif_command("apptainer", Path("no/such.tar"), "/x")
    ('apptainer', 'build', '/x/image.sif', 'docker-archive:/x/image.tar')
    """
    if source.is_dir():
        return (tool, "build", f"{new}/image.sif", f"oci:{new}/image")
    kind = "oci-archive" if _is_oci(source) else "docker-archive"
    return (tool, "build", f"{new}/image.sif", f"{kind}:{new}/image.tar")


def _is_oci(source: Path) -> bool:
    import tarfile

    try:
        with tarfile.open(source) as tar:
            names = tar.getnames()
    except (OSError, tarfile.TarError):
        return False
    return "manifest.json" not in names and "index.json" in names
