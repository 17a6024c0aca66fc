"""``swath jobs``: look at jobs, follow, cancel and rerun them."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings
from swath.model import InputError

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at jobs, follow, cancel and rerun them."
)
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Id of a job, its beginning, or a job folder.")
]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List jobs, the newest first."""
    from swath.jobs import list_jobs

    found = list_jobs(read_settings(), limit)
    if as_json:
        emit_json([{**asdict(each), "progress": each.progress_percent} for each in found])
        return
    rows = [
        (
            each.id,
            each.state,
            f"{each.units_done}/{each.units_total}",
            each.created,
            each.message.splitlines()[0][:60],
        )
        for each in found
    ]
    emit_table(("job", "state", "units", "created", "message"), rows)


@app.command()
def show(job: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job: state, inputs, where its files are."""
    from swath.jobs import get_job

    found = get_job(job, read_settings())
    status = found.status()
    told = found.folder.job
    if as_json:
        emit_json({**asdict(status), "progress": status.progress_percent, "job": told})
        return
    print(f"job         {status.id}\nstate       {status.state}\nmessage     {status.message}")
    if status.site != "local":
        print(f"site        {status.site}, as {status.handle.replace(',', ', ') or 'nothing yet'}")
    print(f"process     {told['process']} {told['process_version']} (swath {told['swath_version']})")
    print(f"units       {status.units_done} of {status.units_total}\ncreated     {status.created}")
    print(f"updated     {status.updated}\ncollection  {told['collection']}\nfolder      {status.folder}")
    for name, value in told["inputs"].items():
        print(f"  -i {name}={str(value)[:100]}")


@app.command()
def logs(
    job: JobArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a job's log."""
    from swath.jobs import get_job

    found = get_job(job, read_settings())
    at: dict[str, int] = {}
    if as_json:
        emit_json({"id": found.id, "log": "".join(_named(*each) for each in found.read_log(at))})
        return
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            final = found.status().state.is_final
            for name, text in found.read_log(at):
                sys.stdout.write(_named(name, text))
            sys.stdout.flush()
            if final or not follow:
                break
            time.sleep(0.5)


def _named(task: str, text: str) -> str:
    """Write the number of its task before each line, where there are several."""
    if not task:
        return text
    return "".join(f"[{task}] {line}\n" for line in text.splitlines())


@app.command()
def fetch(job: JobArgument, as_json: JsonOption = False) -> None:
    """Copy a job's results here from the site where it ran, however large they are."""
    from swath.jobs import get_job
    from swath.jobs.slurm_job import SlurmJob

    found = get_job(job, read_settings())
    if not isinstance(found, SlurmJob) or not found.site.is_remote:
        raise InputError(f"job {found.id}: its results are here already, in {found.folder.results}")
    status = found.fetch()
    emit_json(asdict(status)) if as_json else print(status.message)


@app.command()
def cancel(job: JobArgument, as_json: JsonOption = False) -> None:
    """End a job; the units that are done are kept."""
    from swath.jobs import get_job

    status = get_job(job, read_settings()).cancel()
    emit_json(asdict(status)) if as_json else print(status.message)


@app.command()
def results(job: JobArgument, as_json: JsonOption = False) -> None:
    """List the items that a job made."""
    from swath.jobs import get_job

    items = get_job(job, read_settings()).results()
    if as_json:
        emit_json({"type": "FeatureCollection", "features": items})
        return
    rows = []
    for each in items:
        own = next(link["href"] for link in each["links"] if link["rel"] == "self")
        rows.append((each["id"], each["properties"]["start_datetime"][:10], own))
    emit_table(("item", "start", "file"), rows)


@app.command()
def rerun(
    job: JobArgument,
    workers: Annotated[
        int, typer.Option(min=0, help="Worker processes (Dask); 0: threads in one process.")
    ] = 0,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it running and return at once.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without files that cannot be read.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a job that failed or was cancelled: only the units that are missing are done."""
    from swath.cli.at_site import describe, start_at_site
    from swath.cli.run import print_outcome, start_job
    from swath.jobs import get_job, raise_failure
    from swath.jobs.slurm_job import SlurmJob

    found = get_job(job, read_settings())
    found.require_idle()
    if (delivered := found.deliver_again()) is not None:
        raise_failure(delivered)
        emit_json(describe(found)) if as_json else print_outcome(found)
        return
    if skip_bad:
        found.folder.allow_bad()
    if isinstance(found, SlurmJob):
        start_at_site([found], detach=detach, as_json=as_json)
        if not detach and not as_json:
            print_outcome(found)
        return
    start_job(found, workers=workers, detach=detach, as_json=as_json, fresh=False)


@app.command("exec", hidden=True)
def exec_(
    folder: Path,
    threads: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0)] = 0,
    settle: Annotated[
        bool, typer.Option("--settle", help="Also enter results and state into catalog and store.")
    ] = False,
) -> None:
    """Do what a job folder lacks; this is what ``job.sh`` and detached jobs run."""
    from swath.cli.headless import run_headless

    raise typer.Exit(run_headless(folder, threads=threads, workers=workers, settle=settle))


@app.command(hidden=True)
def work(
    folder: Path,
    task: Annotated[int, typer.Option(min=0)] = 0,
    tasks: Annotated[int, typer.Option(min=1)] = 1,
    threads: Annotated[int, typer.Option(min=0)] = 0,
    retries: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Do one task's share of a job on a compute node; this is what batch scripts run."""
    from swath.cli.headless import run_task

    raise typer.Exit(run_task(folder, task, tasks, threads=threads, retries=retries, workers=workers))
