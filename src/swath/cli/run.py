"""``swath run``: runs a process as a job, here in this process, on workers, or detached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, program, read_settings, say
from swath.cli.slurm_options import SLURM, AccountOption, PartitionOption, QosOption, SlurmOption
from swath.model import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.config import Settings
    from swath.jobs import Job, Planned, Request


app = typer.Typer(add_completion=False)


def parse_assignments(words: list[str]) -> dict[str, Any]:
    """Read ``name=value`` words; a value is JSON, ``@file`` with JSON in it, or plain text.

    Examples
    --------
    >>> parse_assignments(["index=NDVI", "bbox=[1, 2, 3, 4]", "resolution=20"])
    {'index': 'NDVI', 'bbox': [1, 2, 3, 4], 'resolution': 20}
    """
    inputs = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InputError(f"-i: {word!r} is no name=value", fix="write it like -i index=NDVI")
        inputs[name.strip()] = _parse_value(text)
    return inputs


def _parse_value(text: str) -> Any:
    if text.startswith("@"):
        return _read_json(Path(text[1:]).expanduser())
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"inputs: there is no file {str(path)!r}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"inputs: {str(path)!r} is not JSON ({error})") from error


def read_inputs(assignments: list[str], file: Path | None) -> dict[str, Any]:
    """Put the inputs of a file and of the command line together; the latter win."""
    inputs = _read_json(file) if file else {}
    if not isinstance(inputs, dict):
        raise InputError(f"inputs: {str(file)!r} holds no JSON object")
    return {**inputs, **parse_assignments(assignments)}


@app.command(add_help_option=False)
def run(
    context: typer.Context,
    process: Annotated[str, typer.Argument(help="Name of the process; see `swath processes`.")] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", "-i", metavar="NAME=VALUE", help="An input; JSON, plain text, or @file."),
    ] = None,
    inputs_file: Annotated[
        Path | None, typer.Option("--inputs", metavar="FILE.json", help="Inputs in a file; -i wins.")
    ] = None,
    on: Annotated[
        str, typer.Option("--on", metavar="SITE", help="Where to run; see `swath sites list`.")
    ] = "local",
    workers: Annotated[
        int, typer.Option(min=0, help="Dask workers, at a Slurm site in jobs of their own; 0: none.")
    ] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Threads; 0: as the settings say.")] = 0,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The job folder, with the results.")
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", metavar="ADDRESS", help="Put results into a store too: NAME:folder, s3://..."),
    ] = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave the job running and return at once.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without files that cannot be read.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")
    ] = False,
    asks: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=VALUES", help="A job for each value: JSON list, or a,b,c."),
    ] = None,
    partition: PartitionOption = "",
    account: AccountOption = "",
    qos: QosOption = "",
    time: Annotated[
        str, typer.Option(help="Slurm: longest time of a task, such as 02:00:00.", rich_help_panel=SLURM)
    ] = "",
    cpus: Annotated[int, typer.Option(min=0, help="Slurm: CPUs of a task.", rich_help_panel=SLURM)] = 0,
    mem: Annotated[
        str, typer.Option(help="Slurm: memory of a task, such as 8GB.", rich_help_panel=SLURM)
    ] = "",
    gpus: Annotated[int, typer.Option(min=0, help="Slurm: GPUs of a task.", rich_help_panel=SLURM)] = 0,
    nodes: Annotated[int, typer.Option(min=0, help="Slurm: nodes of a task.", rich_help_panel=SLURM)] = 0,
    slurm: SlurmOption = None,
    tasks: Annotated[
        int, typer.Option(min=0, help="Slurm: tasks to deal the units to.", rich_help_panel=SLURM)
    ] = 0,
    at_once: Annotated[
        int | None, typer.Option(min=0, help="Slurm: tasks that may run at once.", rich_help_panel=SLURM)
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(min=0, help="Slurm: new attempts after lost nodes or time.", rich_help_panel=SLURM),
    ] = None,
    after: Annotated[
        str,
        typer.Option(metavar="JOB", help="Slurm: begin when this job has succeeded.", rich_help_panel=SLURM),
    ] = "",
    as_json: JsonOption = False,
    show_help: Annotated[bool, typer.Option("--help", help="Show this; with a process, its inputs.")] = False,
) -> None:
    """Run a process on items of a catalog; the results become items of a catalog.

    Example: swath run composite -i collection=sentinel-2-l2a -i datetime=2019 -i index=NDVI -i period=P1M
    """
    if show_help or not process:
        from swath.cli.processes import print_inputs

        print(context.get_help()) if not process else print_inputs(process)
        return
    from dataclasses import replace

    from swath.jobs import Request

    settings = read_settings()
    if threads:
        settings = settings.model_copy(update={"threads": threads})
    given = spread_inputs(read_inputs(inputs or [], inputs_file), asks or [])
    requests = [Request(process, each, output, skip_bad, to=to) for each in given]
    if len(requests) > 1 and output is not None:
        requests = [replace(each, output=output / f"{at:04}") for at, each in enumerate(requests)]
    if on == "local":
        _run_here(requests, settings, workers=workers, detach=detach, dry_run=dry_run, as_json=as_json)
        return
    if threads:
        raise InputError("threads: a task at a site has a thread for each CPU", fix="use --cpus")
    from swath.cli.at_site import start_at_site
    from swath.cli.order import order_first
    from swath.jobs.slurm_order import draft, order
    from swath.sites.slurm import SlurmResources

    asked = SlurmResources(partition, account, qos, time, cpus, mem, gpus, nodes, tuple(slurm or ()))
    wanted: Any = {
        "on": on,
        "asked": asked,
        "tasks": tasks,
        "at_once": at_once,
        "retries": retries,
        "after": after,
        "workers": workers,
    }
    requests = [order_first(each, settings, on=on, resources=asked, dry_run=dry_run) for each in requests]
    if dry_run:
        for request in requests:
            planned, script = draft(request, settings, **wanted)
            print_plan(planned, as_json=as_json)
            print(f"\n{script}" if not as_json else "", end="")
        return
    jobs = [order(request, settings, **wanted) for request in requests]
    start_at_site(jobs, detach=detach, as_json=as_json)
    if not detach and not as_json:
        for job in jobs:
            print_outcome(job)


def _run_here(
    requests: Sequence[Request],
    settings: Settings,
    *,
    workers: int,
    detach: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from swath.cli.order import order_first
    from swath.jobs import plan, submit

    for each in requests:
        request = order_first(each, settings, dry_run=dry_run)
        if dry_run:
            print_plan(plan(request, settings), as_json=as_json)
        else:
            job = submit(request, settings)
            start_job(job, workers=workers, detach=detach, as_json=as_json, fresh=True)


def spread_inputs(inputs: dict[str, Any], words: list[str]) -> list[dict[str, Any]]:
    """Make inputs for each combination of the values that ``--map`` gives.

    Examples
    --------
    >>> spread_inputs({"index": "NDVI"}, ["datetime=2019,2020"])
    [{'index': 'NDVI', 'datetime': '2019'}, {'index': 'NDVI', 'datetime': '2020'}]
    """
    spread = [inputs]
    for name, values in parse_assignments(words).items():
        listed = values.split(",") if isinstance(values, str) else values
        if not isinstance(listed, list):
            listed = [listed]
        if not listed:
            raise InputError(f"--map: {name} has no values")
        spread = [{**each, name: value} for each in spread for value in listed]
    return spread


def print_plan(planned: Planned, *, as_json: bool) -> None:
    """Tell what a job would do."""
    from swath.cube import format_bytes

    job, work = planned.job, planned.work
    shapes = [tuple(each.geobox.shape) for each in work.units if each.geobox]
    grid = next((each.geobox for each in work.units if each.geobox), None)
    told = {
        "process": job["process"], "collection": job["collection"], "sources": job["source_collections"],
        "items": len(planned.items), "start": work.context.get("start"), "end": work.context.get("end"),
        "crs": str(grid.crs) if grid else None, "resolution": abs(grid.resolution.x) if grid else None,
        "pixels": sum(height * width for height, width in shapes), "units": len(work.units),
        "largest_unit": list(max(shapes)) if shapes else None, "unit_bytes": work.unit_bytes,
    }  # fmt: skip
    if as_json:
        emit_json(told)
        return
    print(f"process     {told['process']}\nitems       {told['items']} of {', '.join(told['sources'])}")
    print(f"time        {told['start']} to {told['end']}")
    if grid:
        print(f"grid        {told['crs'][:60]}, {told['resolution']:g}; {told['pixels']} pixels")
    size = f" of up to {max(shapes)[0]} x {max(shapes)[1]} pixels" if shapes else ""
    print(f"units       {told['units']}{size}, {format_bytes(work.unit_bytes)} of memory each")
    print(f"results     collection {told['collection']}")
    say("nothing was written")


def start_job(job: Job, *, workers: int, detach: bool, as_json: bool, fresh: bool) -> None:
    """Run a job in front of the user, or behind, and tell what came of it."""
    from swath.jobs import resources_of

    resources = resources_of(job.settings, workers)
    if detach:
        status = job.detach(resources)
        if as_json:
            emit_json({"id": job.id, "state": status.state, "folder": status.folder})
        else:
            print(job.id)
            say(f"started; `swath jobs logs -f {job.id}` follows it, `swath jobs show {job.id}` tells more")
        return
    from swath.cli.foreground import run_in_front

    run_in_front(job, resources, fresh=fresh)
    if as_json:
        status = job.status()
        items = [each["id"] for each in job.results()]
        collection = job.folder.job["collection"]
        emit_json(
            {
                "id": job.id,
                "state": status.state,
                "folder": status.folder,
                "collection": collection,
                "items": items,
            }
        )
        return
    print_outcome(job)


def print_outcome(job: Job) -> None:
    """Tell people what a job left and what they can do with it."""
    from swath.jobs.finish import read_results
    from swath.jobs.publish import sent_to

    if not job.folder.catalog_file.exists():  # too much to be copied from its site
        print(job.status().message)
        return
    items = read_results(job.folder)[1]
    collection = job.folder.job["collection"]
    count = f"{len(items)} item{'s' if len(items) != 1 else ''}"
    print(f"{count} in the collection {collection}")
    print(f"files   {job.folder.results}")
    if "to" in job.folder.job:
        print(f"store   {sent_to(job.folder)}")
    mosaics = job.folder.results / "mosaic"
    if mosaics.is_dir():
        print(f"mosaic  {mosaics}")
    first = next(each["href"] for each in items[0]["links"] if each["rel"] == "self")
    say(f"next: {program()} catalog search --collections {collection}")
    if Path(first).parent.name in job.folder.units:  # a table is made of all units, and not made again
        say(f"      {program()} rerun {first}")
    say(f"      {program()} cite {first}")
