"""Runs the benchmarks one after the other, shows what they print, and writes it to RESULTS.md."""

from __future__ import annotations

import ast
import datetime as dt
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = (
    "swath", "numpy", "numba", "imagecodecs", "obstore", "rasterio", "odc-stac", "rioxarray", "tifffile",
    "async-geotiff", "scipy", "bottleneck", "pymannkendall", "vam-whittaker", "whittaker-eilers",
)  # fmt: skip
LEFT_OUT = """\
## Peers that are left out

- **stackstac** 0.5.1 wants pandas below 3, and geopandas here has pandas 3: the two do not install together.
- **scikit-map**: what installs from the index (0.7.0, of 2023) has neither its C++ reader nor gap filling.
- **modape** wants an older python-dateutil than the rest here; vam-whittaker has the same smoother.
"""


def main() -> None:
    """Run those that are named, or all."""
    named = [HERE / each for each in sys.argv[1:]] or sorted(HERE.glob("bench_*.py"))
    parts = [_head()]
    for script in named:
        about = (ast.get_docstring(ast.parse(script.read_text())) or "").strip()
        print(f"== {script.name}: {about.splitlines()[0]}", flush=True)
        lines = []
        with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout or ():
                if not line.startswith("{"):  # a JSON line, for programs
                    lines.append(line)
                print(line, end="", flush=True)
        if running.returncode:
            sys.exit(f"{script.name} failed")
        parts.append(f"## {script.stem}\n\n{about}\n\n```text\n{''.join(lines).strip()}\n```\n")
    if not sys.argv[1:]:
        (HERE / "RESULTS.md").write_text("\n".join([*parts, LEFT_OUT]), encoding="utf-8")


def _head() -> str:
    import rasterio

    from swath.kernels.native import describe_loops

    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (absent)")
    return (
        f"# Results\n\nWhat `make bench` printed on {dt.date.today():%Y-%m-%d}: {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, GDAL {rasterio.__gdal_version__}, "
        f"kernels: {describe_loops()}.\n{', '.join(found)}.\n\n"
        "Work per CPU-second and ratios inside one table count; this is a shared, noisy machine.\n"
    )


if __name__ == "__main__":
    main()
