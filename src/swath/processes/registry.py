"""What can be run: each process is a typed function with an input model, registered under a name."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic import BaseModel

from swath.model import InputError, NotFoundError, SwathWarning, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from swath.processes.work import Output, UnitWork, WorkPlan

    Plan = Callable[[Any, Sequence[dict[str, Any]], "PlanLimits"], WorkPlan]
    Run = Callable[[Any, UnitWork], Sequence[Output]]

ENTRY_POINTS = "swath.processes"
"""Group of entry points: modules that register processes when they are imported."""


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What a plan may count on."""

    unit_memory_bytes: int
    """Memory that one unit may need."""
    rules: Mapping[str, Mapping[str, Any]]
    """The user's own rules for valid pixels, by collection."""


@dataclass(frozen=True, slots=True)
class Process:
    """Something that can be run, and everything that its descriptions are made from."""

    id: str
    """Name on the command line, in OGC API Processes and in openEO."""
    title: str
    """What it is, in a few words."""
    description: str
    """What it does, in some sentences."""
    version: str
    """Version of the process, not of swath."""
    inputs: type[BaseModel]
    """Model of its inputs."""
    plan: Plan
    """Checks the inputs against the items and cuts the work into units; reads no pixel."""
    run: Run
    """Does one unit."""

    def schema(self) -> dict[str, Any]:
        """Give the JSON schema of its inputs."""
        return self.inputs.model_json_schema()

    def describe(self) -> dict[str, Any]:
        """Describe it for machines: name, title, description, version, schema."""
        return {
            "id": self.id, "title": self.title, "description": self.description, "version": self.version,
            "inputs": self.schema(),
        }  # fmt: skip


_REGISTRY: dict[str, Process] = {}


def process(
    name: str, *, title: str, inputs: type[BaseModel], plan: Plan, version: str = "1.0.0"
) -> Callable[[Run], Run]:
    """Register a function as a process; its docstring is the description.

    A name that another module has already is left to that, with a warning; those of swath come first.

    Parameters
    ----------
    name : str
        Name, lower case.
    title : str
        What it is, in a few words.
    inputs : type of pydantic model
        Its fields, with their descriptions, are the inputs.
    plan : callable of (inputs, items, limits)
        Gives a `WorkPlan`; raises `InputError` for what cannot be done.
    version : str
        Raise it whenever results change.

    Returns
    -------
    callable
        A decorator for the function (inputs, unit) -> outputs that does one unit.
    """

    def register(run: Run) -> Run:
        held = _REGISTRY.get(name)
        if held is not None and held.run.__module__ != run.__module__:
            warnings.warn(
                f"process: {name!r} of {run.__module__} is left out: {held.run.__module__} has that name",
                SwathWarning,
                stacklevel=2,
            )
            return run
        text = " ".join((run.__doc__ or title).split("\n\n")[0].split())
        _REGISTRY[name] = Process(name, title, text, version, inputs, plan, run)
        return run

    return register


@cache
def _load_own() -> None:
    importlib.import_module("swath.processes.builtin")


@cache
def _load_entry_points() -> None:
    _load_own()
    for each in importlib.metadata.entry_points(group=ENTRY_POINTS):
        each.load()


def processes() -> dict[str, Process]:
    """List the processes by name: built-in ones and those of installed plug-ins alike."""
    _load_entry_points()
    return dict(sorted(_REGISTRY.items()))


def get_process(name: str) -> Process:
    """Look a process up.

    Raises
    ------
    NotFoundError
        There is none of this name; the nearest is given.
    """
    _load_own()
    if name in _REGISTRY:  # to look for plug-ins takes as long as to make a plan
        return _REGISTRY[name]
    known = processes()
    if name not in known:
        raise unknown(f"process: there is no process {name!r}", name, known, NotFoundError)
    return known[name]


def parse_inputs(found: Process, inputs: Mapping[str, Any]) -> BaseModel:
    """Check inputs against a process's model.

    Raises
    ------
    InputError
        An input is not known, is missing or has a wrong value; the first mistake is named.
    """
    fields = found.inputs.model_fields
    for name in inputs:
        if name not in fields:
            raise unknown(f"{found.id}: there is no input {name!r}", name, fields)
    try:
        return found.inputs.model_validate(dict(inputs))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise _input_error(found.id, dict(first)) from error


def _input_error(name: str, mistake: dict[str, Any]) -> InputError:
    cause = mistake.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause
    where = ".".join(str(each) for each in mistake["loc"]) or "inputs"
    if mistake["type"] == "missing":
        return InputError(f"{name}: the input {where!r} is missing", fix=f"-i {where}=...")
    said = json.dumps(mistake["input"], default=str)[:100]
    reason = str(mistake["msg"]).removeprefix("Value error, ")
    return InputError(f"{name}: {where}: {reason}, got {said}")
