"""``swath demo``: the main job on the data inside the package."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, program, read_settings, say

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the jobs, products and pictures.")
    ] = Path("swath-demo"),
    as_json: JsonOption = False,
) -> None:
    """Make monthly, cloud-free, gap-filled NDVI of three years of Sentinel-2, its trend, and two pictures.

    It takes the 140 items into your catalog, runs two jobs, and says what to try next.
    """
    began = time.monotonic()
    from swath.cli.foreground import run_in_front
    from swath.demo.story import MONTHLY, run_demo
    from swath.jobs import resources_of

    settings = read_settings()
    output = output.absolute()
    months, pictures, jobs = run_demo(
        settings,
        output,
        lambda job: run_in_front(job, resources_of(settings), fresh=True),
        lambda text: say(f"- {text}"),
    )
    seconds = time.monotonic() - began
    first = next(link["href"] for link in jobs["monthly"].results()[0]["links"] if link["rel"] == "self")
    if as_json:
        emit_json(
            {
                "seconds": round(seconds, 1), "months": [asdict(each) for each in months],
                "pictures": [str(each) for each in pictures], "item": first, "collection": MONTHLY,
                "jobs": {name: each.id for name, each in jobs.items()},
            }
        )  # fmt: skip
        return
    emit_table(
        ("month", "images", "seen clear %", "filled %", "NDVI"),
        [
            (m.start, m.images, f"{m.observed_percent:.1f}", f"{m.filled_percent:.1f}", f"{m.ndvi:.3f}")
            for m in months
        ],
    )
    print(f"\nDone in {seconds:.0f} s. Look at the pictures:")
    for each in pictures:
        print(f"  {each}")
    print_next(output, first)


def print_next(output: Path, item: str) -> None:
    """Tell what to try next, in commands that work as they stand."""
    from swath.demo import COLLECTION
    from swath.demo.story import MONTHLY

    name = program()
    print("\nNext, try")
    if "SWATH_HOME" in os.environ:
        print(f"  export SWATH_HOME={os.environ['SWATH_HOME']}")
    print(f"  {name} catalog search --collections {MONTHLY} --limit 3   # what is in the catalog now")
    print(f"  {name} rerun {item}   # the same bytes again")
    print(f"  {name} cite {item}   # how to cite it")
    print(f"  {name} run composite -i collection={COLLECTION} -i index=EVI -i period=P3M -i fill=linear")
    print(f"  qgis {output}/ndvi-monthly/results/*/*NDVI.tif   # or open the files in any GIS")
