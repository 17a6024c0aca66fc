"""Small container images for tests: some of this machine's Debian packages, as `docker save` writes them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PACKAGES = (
    "base-files", "bash", "coreutils", "dash", "hostname", "libc6", "libacl1", "libattr1", "libbz2-1.0",
    "libcrypt1", "libexpat1", "libffi8", "libgcc-s1", "libgmp10", "liblzma5", "libncursesw6", "libpcre2-8-0",
    "libreadline8", "libselinux1", "libsqlite3-0", "libssl3", "libstdc++6", "libtinfo6", "libuuid1", "zlib1g",
)  # fmt: skip
"""What Python needs of a system."""


def debian_layer() -> bytes:
    """Pack the files of some packages of this machine."""
    listed = subprocess.run(("dpkg", "-L", *PACKAGES), capture_output=True, text=True, check=True).stdout
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for top in ("bin", "lib", "lib64", "sbin"):
            entry = tarfile.TarInfo(top)
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{top}"
            tar.addfile(entry)
        seen = set()
        for line in sorted(set(listed.split())):
            path = Path(line).parent.resolve() / Path(line).name
            if "/share/" in line or not path.exists() or path.is_dir() or path in seen:
                continue
            seen.add(path)
            tar.add(path, str(path).lstrip("/"), recursive=False)
    return made.getvalue()


def layer(files: Mapping[str, bytes | str | None]) -> bytes:
    """Pack files: bytes are content, text is where a link leads, None is a folder."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if content is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
            else:
                entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content) if isinstance(content, bytes) else None)
    return made.getvalue()


def _config(layers: Sequence[bytes], environ: Mapping[str, str], machine: str) -> dict[str, object]:
    return {
        "architecture": machine, "os": "linux",
        "config": {"Env": [f"{key}={value}" for key, value in environ.items()]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers],
        },
    }  # fmt: skip


def write_docker(path: Path, layers: Sequence[bytes], environ: Mapping[str, str]) -> Path:
    """Write an image as `docker save` does."""
    config = _config(layers, environ, "amd64")
    files = {f"{number}/layer.tar": each for number, each in enumerate(layers)}
    manifest = [{"Config": "config.json", "RepoTags": ["test:1"], "Layers": list(files)}]
    files |= {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    path.write_bytes(layer(files))
    return path


def write_oci(
    path: Path, layers: Sequence[bytes], environ: Mapping[str, str], *, machine: str = "amd64"
) -> Path:
    """Write an image as OCI's archive, with gzip."""
    config = _config(layers, environ, machine)
    files: dict[str, bytes | str | None] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}

    def blob(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    manifest = {
        "schemaVersion": 2, "config": blob(json.dumps(config).encode()),
        "layers": [blob(gzip.compress(each, 1, mtime=0)) for each in layers],
    }  # fmt: skip
    one = {**blob(json.dumps(manifest).encode()), "platform": {"os": "linux", "architecture": machine}}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [one]}).encode()
    path.write_bytes(layer(files))
    return path
