"""``swath rerun`` and ``swath cite``: reproduce or cite one product."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings, say

rerun = typer.Typer(add_completion=False)
cite = typer.Typer(add_completion=False)
ItemArgument = Annotated[Path, typer.Argument(metavar="ITEM.json", help="The item's file in its job folder.")]


@rerun.command("rerun")
def rerun_product(
    item: ItemArgument,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep the new files here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a product again from its provenance record, and compare every byte.

    Exits with 0 when all assets are identical, else with 5; then pixels that differ are counted.
    """
    from swath.jobs import rerun_item

    found = rerun_item(item, threads=read_settings().thread_count(), keep=keep)
    same = all(each.identical for each in found)
    if as_json:
        emit_json({"item": str(item), "identical": same, "assets": [asdict(each) for each in found]})
    else:
        rows = [
            (
                each.asset,
                "identical"
                if each.identical
                else f"{each.different} of {each.pixels} pixels, {each.largest:g} at most",
            )
            for each in found
        ]
        emit_table(("asset", "made again"), rows)
        say("every byte is the same" if same else "some bytes differ")
    if not same:
        raise typer.Exit(5)


@cite.command("cite")
def cite_product(item: ItemArgument, as_json: JsonOption = False) -> None:
    """Print how to cite a product and what it was made from."""
    from swath.jobs import job_of, read_item
    from swath.products import cite as citation

    product = read_item(item)
    folder = job_of(product)
    text = citation(product, folder.items, folder.job.get("sources", {}))
    emit_json({"item": product["id"], "citation": text}) if as_json else print(text)
