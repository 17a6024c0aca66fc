"""``swath doctor``: what is installed, what is missing, and which settings hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings

app = typer.Typer(add_completion=False)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Tell what is installed, what is missing, and which settings hold; exit with 2 when it is wrong."""
    checks = [_settings(), _loops(), _home(), _gdal(), _proj(), _catalog(), _demo()]
    wrong = any(not each["ok"] for each in checks)
    if as_json:
        emit_json({"ok": not wrong, "checks": checks})
    else:
        emit_table(
            ("check", "", "found"),
            [(each["name"], "ok" if each["ok"] else "WRONG", each["found"]) for each in checks],
        )
    if wrong:
        raise typer.Exit(2)


def _check(name: str, *, ok: bool, found: object) -> dict[str, Any]:
    return {"name": name, "ok": ok, "found": str(found)}


def _settings() -> dict[str, Any]:
    from swath.config import setting_files
    from swath.jobs.prepare import environment

    files = [str(each) for each in setting_files(Path.cwd(), dict(os.environ))]
    about = environment()
    found = (
        f"swath {about['swath']}, Python {about['python']}, settings from {', '.join(files) or 'defaults'}"
    )
    return _check("software", ok=True, found=found)


def _loops() -> dict[str, Any]:
    from swath.kernels.native import describe_loops

    return _check("kernels", ok=True, found=describe_loops())


def _home() -> dict[str, Any]:
    from swath.cube import format_bytes

    home = read_settings().home
    there = next(each for each in (home, *home.parents) if each.exists())
    free = shutil.disk_usage(there).free
    ok = os.access(there, os.W_OK) and free > 1e8
    return _check("home", ok=ok, found=f"{home}, {format_bytes(free)} free")


def _gdal() -> dict[str, Any]:
    import rasterio

    with rasterio.Env() as env:
        drivers = env.drivers()
    wanted = ("GTiff", "COG", "VRT", "GTI", "Zarr", "JP2OpenJPEG")
    missing = [each for each in wanted if each not in drivers]
    about = f"GDAL {rasterio.__gdal_version__}, rasterio {rasterio.__version__}"
    return _check(
        "GDAL", ok="COG" in drivers, found=about + (f", without {', '.join(missing)}" if missing else "")
    )


def _proj() -> dict[str, Any]:
    import pyproj

    try:
        pyproj.CRS.from_epsg(32635)
    except pyproj.exceptions.ProjError as error:
        return _check("PROJ", ok=False, found=f"its database cannot be read ({error}); is PROJ_LIB set?")
    return _check(
        "PROJ", ok=True, found=f"PROJ {pyproj.proj_version_str}, database in {pyproj.datadir.get_data_dir()}"
    )


def _catalog() -> dict[str, Any]:
    from swath.catalog import open_catalog
    from swath.model import NotFoundError, SwathError

    path = read_settings().catalog_path
    try:
        with open_catalog(path) as catalog:
            count = len(catalog.collections())
    except NotFoundError:
        return _check("catalog", ok=True, found=f"{path} is not made yet: `swath catalog init`")
    except SwathError as error:
        return _check("catalog", ok=False, found=error.what)
    return _check("catalog", ok=True, found=f"{path}, {count} collections")


def _demo() -> dict[str, Any]:
    from swath.demo import demo_folder

    folder = demo_folder()
    return _check("demo data", ok=(folder / "stac").is_dir(), found=folder)
