"""Sorts images into calendar periods."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.sources import item_steps
from swath.model import (
    Bin,
    bins_of,
    format_instant,
    microseconds,
    parse_instant,
    parse_interval,
    parse_period,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from swath.cube import CubePlan


def time_span(items: Sequence[dict[str, Any]], datetime: str | None = None) -> dict[str, str]:
    """Give the start and end that all units of a job agree on.

    Parameters
    ----------
    items : sequence of dict
        Pinned items; they decide where ``datetime`` leaves an end open.
    datetime : str, optional
        The interval that was asked for.
    """
    interval = parse_interval(datetime) if datetime else None
    instants = [parse_instant(step) for each in items for step in item_steps(each)]
    start = (interval and interval.start) or min(instants)
    end = (interval and interval.end) or max(instants)
    return {"start": format_instant(start), "end": format_instant(end)}


def periods_of(context: Mapping[str, Any], period: str) -> tuple[Bin, ...]:
    """List the periods of a job."""
    return bins_of(parse_period(period), parse_instant(context["start"]), parse_instant(context["end"]))


def groups_of(cube: CubePlan, periods: Sequence[Bin]) -> NDArray[np.int64]:
    """Find the number of the period that each image lies in; -1 for none.

    Returns
    -------
    (time,) int64
    """
    starts = np.array([microseconds(each.start) for each in periods], np.int64)
    found = np.searchsorted(starts, [microseconds(each.time) for each in cube.groups], side="right") - 1
    return np.array(
        [
            at if at >= 0 and _is_in(group.time, periods[at]) else -1
            for at, group in zip(found, cube.groups, strict=True)
        ],
        np.int64,
    )


def _is_in(instant: dt.datetime, period: Bin) -> bool:
    return period.start <= instant < period.end + dt.timedelta(seconds=1)


def years_since(times: NDArray[np.datetime64], origin: str) -> NDArray[np.float64]:
    """Count time in years of 365.2425 days.

    Returns
    -------
    (time,) float64, years
    """
    seconds = (times - np.datetime64(parse_instant(origin).replace(tzinfo=None), "ns")) / np.timedelta64(
        1, "s"
    )
    return np.asarray(seconds / (365.2425 * 86400), np.float64)
