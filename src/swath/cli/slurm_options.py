"""Options of commands that ask Slurm for something, where they mean the same."""

from __future__ import annotations

from typing import Annotated

import typer

SLURM = "At a Slurm site"
"""Heading of these options."""
PartitionOption = Annotated[str, typer.Option(help="Slurm: partition.", rich_help_panel=SLURM)]
AccountOption = Annotated[str, typer.Option(help="Slurm: account.", rich_help_panel=SLURM)]
QosOption = Annotated[str, typer.Option(help="Slurm: quality of service.", rich_help_panel=SLURM)]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(metavar="OPTION", help="Slurm: any option of sbatch.", rich_help_panel=SLURM),
]
