"""Container images of OCI and Docker as one flat tar, without a container engine, root or unpacking."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

# https://github.com/opencontainers/image-spec, layer.md: what a layer says of files of the layers below.
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FOLDERS = ("ch", "dev", "etc", "home", "mnt", "proc", "sys", "tmp")
_FILES = ("etc/group", "etc/hosts", "etc/passwd", "etc/resolv.conf")
"""What Charliecloud mounts over has to be there."""
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def flatten(source: Path, target: Path, *, mounts: Iterable[str] = (), machine: str = "") -> dict[str, Any]:
    """Write the file system of an image as one tar: sorted, without owners and times.

    Parameters
    ----------
    source : Path
        An archive of OCI or Docker, or a folder of OCI's image layout.
    target : Path
        The tar; the same image gives the same bytes.
    mounts : iterable of str
        Folders that have to be there, since something is mounted over them.
    machine : str
        For images of several: ``x86_64``, ``aarch64``; that of this machine unless given.

    Returns
    -------
    dict
        The image's configuration.

    Raises
    ------
    InputError
        It is no such image, is damaged, or is for other machines.
    """
    with ExitStack() as stack:
        try:
            blobs = _Blobs(source, stack)
            names, config = _manifest(blobs, machine or platform.machine())
            layers = [_opened(blobs, each, stack) for each in names]
            tree = _merged(layers)
            _write(tree, layers, target, config, mounts)
        except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, zlib.error) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"env: {str(source)!r} is no container image, or a damaged one ({error})",
                fix="write it with: docker save IMAGE -o image.tar, or skopeo copy ... oci-archive:image.tar",
            ) from error
        return config


class _Blobs:
    """The files of an archive or a layout folder, by name."""

    def __init__(self, source: Path, stack: ExitStack) -> None:
        self.folder = source if source.is_dir() else None
        self.tar = None if self.folder else stack.enter_context(tarfile.open(source))  # noqa: SIM115
        self.source = source

    def has(self, name: str) -> bool:
        if self.tar is None:
            return (self.source / name).is_file()
        return name in self.tar.getnames()

    def open(self, name: str) -> IO[bytes]:
        if self.tar is None:
            return (self.source / name).open("rb")
        found = self.tar.extractfile(name)
        if found is None:
            raise KeyError(name)
        return found

    def json(self, name: str) -> Any:
        with self.open(name) as file:
            return json.load(file)


def _manifest(blobs: _Blobs, machine: str) -> tuple[list[str], dict[str, Any]]:
    """Give the names of an image's layers, the lowest first, and its configuration."""
    if blobs.has("manifest.json"):
        first = blobs.json("manifest.json")[0]
        return list(first["Layers"]), dict(blobs.json(first["Config"]))
    if not blobs.has("index.json"):
        raise InputError(
            f"env: {str(blobs.source)!r} is no container image (it has neither manifest.json nor index.json)",
            fix="write it with: docker save IMAGE -o image.tar, or skopeo copy ... oci-archive:image.tar",
        )
    tree = blobs.json("index.json")
    while "manifests" in tree:
        tree = blobs.json(_blob(_choose(tree["manifests"], machine, blobs.source)["digest"]))
    return [_blob(each["digest"]) for each in tree["layers"]], dict(
        blobs.json(_blob(tree["config"]["digest"]))
    )


def _choose(manifests: list[dict[str, Any]], machine: str, source: Path) -> dict[str, Any]:
    wanted = _MACHINES.get(machine, machine)
    for each in manifests:
        asked = each.get("platform")
        if asked is None or (asked.get("os", "linux") == "linux" and asked.get("architecture") == wanted):
            return each
    known = sorted({str(each["platform"].get("architecture")) for each in manifests})
    raise InputError(f"env: {str(source)!r} has no image for {wanted}", known=known)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _opened(blobs: _Blobs, name: str, stack: ExitStack) -> tarfile.TarFile:
    """Open a layer for reading here and there, which compressed ones do not bear."""
    with blobs.open(name) as packed:
        start = packed.read(4)
        packed.seek(0)
        if start == _ZSTD:
            raise InputError(
                f"env: {str(blobs.source)!r} is compressed with zstd, which cannot be read",
                fix="write it with gzip: skopeo copy --dest-compress-format gzip ...",
            )
        checked = _Checked(packed, name)
        plain = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        with gzip.open(checked) if start[:2] == b"\x1f\x8b" else checked as content:
            shutil.copyfileobj(content, plain, 1 << 20)
        checked.finish(str(blobs.source))
    plain.seek(0)
    return stack.enter_context(tarfile.open(fileobj=plain, mode="r:"))


class _Checked(io.RawIOBase):
    """Reads a blob, and compares it with the checksum that is its name."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.file, self.name, self.seen = file, name, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        self.seen.update(data)
        buffer[: len(data)] = data
        return len(data)

    def finish(self, source: str) -> None:
        while self.file.readable() and (data := self.file.read(1 << 20)):
            self.seen.update(data)
        digest = PurePosixPath(self.name).name
        if self.name.startswith("blobs/sha256/") and self.seen.hexdigest() != digest:
            raise InputError(f"env: {source!r} is damaged: its layer {digest[:12]} has another checksum")


type _Tree = dict[str, tuple[int, tarfile.TarInfo]]


def _merged(layers: list[tarfile.TarFile]) -> _Tree:
    """Lay layers over each other: path to the layer that has it last, and its entry there."""
    tree: _Tree = {}
    for number, layer in enumerate(layers):
        added: _Tree = {}
        for entry in layer:
            path = _inside(entry.name)
            folder, name = posixpath.split(path)
            if name == _OPAQUE:
                _drop(tree, folder, itself=False)
            elif name.startswith(_WHITEOUT):
                _drop(tree, posixpath.join(_followed(tree, folder), name.removeprefix(_WHITEOUT)))
            elif path and (entry.isreg() or entry.isdir() or entry.issym() or entry.islnk()):
                added[path] = (number, entry)
        for path, each in added.items():
            folder, name = posixpath.split(path)
            real = posixpath.join(_followed(tree, folder), name)
            old = tree.get(real)
            if old is not None and old[1].isdir() and not each[1].isdir():
                _drop(tree, real)
            tree[real] = each
    return tree


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    parts = [each for each in path.parts if each not in ("/", ".")]
    if ".." in parts:
        raise InputError(f"env: the image has a file outside of it, {name!r}: it is damaged, or made to harm")
    return "/".join(parts)


def _drop(tree: _Tree, path: str, *, itself: bool = True) -> None:
    below = f"{path}/" if path else ""
    for each in [key for key in tree if key.startswith(below)]:
        del tree[each]
    if itself:
        tree.pop(path, None)


def _followed(tree: _Tree, folder: str) -> str:
    """Follow links among a folder's parents, as a file system does: ``bin`` is ``usr/bin`` in many images."""
    done = ""
    waiting = folder.split("/") if folder else []
    for _ in range(200):
        if not waiting:
            return done
        done = posixpath.join(done, waiting.pop(0))
        entry = tree.get(done)
        if entry is not None and entry[1].issym():
            link = posixpath.normpath(posixpath.join("/", posixpath.dirname(done), entry[1].linkname))
            waiting, done = [*link.strip("/").split("/"), *waiting], ""
            waiting = [each for each in waiting if each]
    raise InputError(f"env: the image has links that go round in a circle, at {folder!r}")


def _write(
    tree: _Tree, layers: list[tarfile.TarFile], target: Path, config: dict[str, Any], mounts: Iterable[str]
) -> None:
    settings = "\n".join(config.get("config", {}).get("Env") or [])
    extra: dict[str, bytes | None] = {"ch/environment": f"{settings}\n".encode() if settings else b""}
    extra |= dict.fromkeys(_FILES, b"")
    wanted = [*_FOLDERS, *(each.strip("/") for each in mounts)]
    for each in wanted:
        parts = each.split("/")
        extra |= {"/".join(parts[:count]): None for count in range(1, len(parts) + 1)}
    own = {_followed_path(tree, path): data for path, data in extra.items()}
    above = {str(each) for path in tree for each in PurePosixPath(path).parents[:-1]}
    own |= dict.fromkeys(above - tree.keys())
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted({*tree, *own}):
            if path in tree and path != "ch/environment":
                number, entry = tree[path]
                _copy(tar, path, entry, layers[number])
            else:
                _add(tar, path, own[path])


def _followed_path(tree: _Tree, path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(_followed(tree, folder), name)


def _copy(tar: tarfile.TarFile, path: str, entry: tarfile.TarInfo, layer: tarfile.TarFile) -> None:
    made = _entry(path, entry.type, entry.mode)
    if entry.issym():
        made.linkname = entry.linkname
        tar.addfile(made)
    elif entry.isdir():
        tar.addfile(made)
    else:
        content = layer.extractfile(entry)  # of a hard link, what it leads to
        if content is None:
            raise InputError(f"env: the image has {path!r} without content: it is damaged")
        made.type = tarfile.REGTYPE
        made.size = content.seek(0, io.SEEK_END)
        content.seek(0)
        tar.addfile(made, content)


def _add(tar: tarfile.TarFile, path: str, data: bytes | None) -> None:
    made = _entry(path, tarfile.DIRTYPE if data is None else tarfile.REGTYPE, 0o755)
    made.size = len(data or b"")
    tar.addfile(made, io.BytesIO(data or b""))


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(path)
    made.type = kind
    if kind == tarfile.SYMTYPE:
        made.mode = 0o777
    else:  # whoever runs it has to read it, and nobody gets anybody's rights by it
        made.mode = 0o755 if kind == tarfile.DIRTYPE or mode & 0o100 else 0o644
    return made
