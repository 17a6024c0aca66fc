"""Compiles the C loops of swath.kernels when a wheel or an editable install is built.

Without a C compiler the package is built all the same: its numba loops give the same answers, slower.
``SWATH_NATIVE=require`` makes that an error (release wheels), ``SWATH_NATIVE=no`` skips compiling.
"""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("src/swath/kernels/_native")
LIBRARY = SOURCES / "swath_native.so"
FLAGS = (
    "-O3", "-std=gnu11", "-fPIC", "-Wall", "-Wextra", "-fvisibility=hidden",
    "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip
X86_LEVELS = {
    "v2": ("-march=x86-64-v2",),
    "v3": ("-march=x86-64-v3",),
    "v4": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
}


class NativeHook(BuildHookInterface[Any]):
    """Puts the compiled library into the wheel, and names the platform in the wheel's tag."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's
        """Compile; called by hatchling before it packs."""
        wanted = os.environ.get("SWATH_NATIVE", "")
        if self.target_name != "wheel" or wanted == "no":
            return
        try:
            build(Path(self.root))
        except (OSError, subprocess.CalledProcessError) as error:
            if wanted == "require":
                raise
            self.app.display_warning(f"swath: no C loops, numba's are used ({error})")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform_tag()}"
        build_data["artifacts"].append(f"/{LIBRARY.as_posix()}")


def build(root: Path) -> None:
    """Compile every source for every level of CPU features, into one library."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    machine = platform.machine().lower()
    levels = X86_LEVELS if machine in ("x86_64", "amd64") else {"base": ()}
    with tempfile.TemporaryDirectory() as temporary:
        objects = []
        for source in sorted((root / SOURCES).glob("*.c")):
            for level, flags in levels.items():
                made = f"{temporary}/{source.stem}_{level}.o"
                command = [*compiler, *FLAGS, *flags, f"-DLEVEL={level}", "-c", str(source), "-o", made]
                subprocess.run(command, check=True)
                objects.append(made)
        library = Path(temporary) / LIBRARY.name
        subprocess.run([*compiler, "-shared", *objects, "-lm", "-o", str(library)], check=True)
        target = root / LIBRARY
        partial = target.with_suffix(".new")
        partial.write_bytes(library.read_bytes())
        partial.chmod(0o755)
        partial.replace(target)  # in one step: another process may be loading it


def _platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


if __name__ == "__main__":
    build(Path(__file__).parent)
