"""What can be run: one module for each process, and the one registry of them."""

from swath.processes.inputs import CubeInputs, ItemInputs, RasterInputs
from swath.processes.registry import PlanLimits, Process, get_process, parse_inputs, process, processes
from swath.processes.series import bands_asked
from swath.processes.work import Output, Table, Unit, UnitWork, WorkPlan

__all__ = [
    "CubeInputs",
    "ItemInputs",
    "Output",
    "PlanLimits",
    "Process",
    "RasterInputs",
    "Table",
    "Unit",
    "UnitWork",
    "WorkPlan",
    "bands_asked",
    "get_process",
    "parse_inputs",
    "process",
    "processes",
]
