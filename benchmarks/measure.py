"""How the benchmarks measure: CPU-seconds of a call, the median of several, printed beside its peers'."""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cpu_seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Give the median CPU time (user and system, all threads) of a call, after a first one that compiles."""
    call()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def print_table(title: str, unit: str, rows: dict[str, float], *, mark: float | None = None) -> None:
    """Print work per CPU-second, as a table with the ratio to the first row, and as JSON lines."""
    first = next(iter(rows.values()))
    print(f"\n{title} ({unit} per CPU-second{f'; mark {mark:g}' if mark else ''})")
    for name, rate in rows.items():
        print(f"  {name:44} {rate:12.1f}   {rate / first:6.2f} of ours")
    for name, rate in rows.items():
        print(
            json.dumps({"benchmark": title, "row": name, "unit": unit, "rate": round(rate, 2), "mark": mark})
        )
