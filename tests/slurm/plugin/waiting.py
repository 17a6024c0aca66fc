"""A process whose units wait, fail or eat memory as files in a folder say."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from pydantic import Field

from swath.model import InputError
from swath.processes import RasterInputs, get_process, process


class WaitingInputs(RasterInputs):
    """Inputs of ``index``, and the folder with the files."""

    control: str = Field(
        description="Folder: `go` lets all units go on, `go-UNIT` one, `eat` and `fail` spoil them."
    )


def _plan(inputs, items, limits):
    return get_process("index").plan(inputs, items, limits)


@process("waiting", title="Waits", inputs=WaitingInputs, plan=_plan)
def waiting(inputs, work):
    """Say that a unit has begun, wait until it may go on, and do what ``index`` does."""
    control, name = Path(inputs.control), work.unit.id
    begun = control / f"begun-{name}-{socket.gethostname()}-{os.getpid()}"
    begun.write_text(os.environ.get("SLURM_JOB_ID", ""))
    while not ((control / "go").exists() or (control / f"go-{name}").exists()):
        if (control / "fail").exists():
            raise InputError("control: told to fail", fix="delete the file fail")
        if (control / "eat").exists():
            eaten = [bytearray(os.urandom(1)) * 200_000_000 for _ in range(15)]
            time.sleep(60)
            del eaten
        time.sleep(0.05)
    return get_process("index").run(inputs, work)
