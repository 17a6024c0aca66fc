"""Simulate the critical values of moving sums of residuals, for the tables of ``swath.kernels.breaks``.

Under no change the moving sum of OLS residuals tends to W(t) - W(t - h) - h W(1), W a Brownian motion and 1
the end of the fitted period (Chu, Hornik and Kuan 1995; Leisch, Hornik and Kuan 2000). Its largest absolute
value is taken on a grid of 1000 steps: over [h, 1] for the test of a whole series, and over [1, 10] against
sqrt(2 log+ t) for monitoring. Run it without arguments (minutes); the seed is fixed.
"""

from __future__ import annotations

import math
import sys

import numba
import numpy as np

STEPS, END, PATHS = 1000, 10, 400_000
TEST_BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
TEST_LEVELS = (0.999, 0.99, 0.95, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
MONITOR_BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
MONITOR_LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)


@numba.njit
def largest(rng: np.random.Generator, first: int, last: int, windows: np.ndarray, out: np.ndarray) -> None:
    """Write the largest |moving sum| over grid points from first to last into ``out`` (path, window)."""
    walk = np.empty(last + 1)
    weight = np.empty(last + 1)
    for t in range(last + 1):
        beyond = max(t / STEPS, math.e)
        weight[t] = 1.0 / math.sqrt(2.0 * math.log(beyond)) if last > STEPS else 1.0
    for path in range(out.shape[0]):
        walk[0] = 0.0
        for t in range(last):
            walk[t + 1] = walk[t] + rng.standard_normal() / math.sqrt(STEPS)
        for k in range(windows.size):
            window = windows[k]
            drift = walk[STEPS] * window / STEPS
            most = 0.0
            for t in range(max(first, window), last + 1):
                most = max(most, abs(walk[t] - walk[t - window] - drift) * weight[t])
            out[path, k] = most


def print_table(name: str, bandwidths: tuple[float, ...], levels: tuple[float, ...], last: int) -> None:
    """Print the quantiles, a row for each bandwidth."""
    windows = np.array([round(each * STEPS) for each in bandwidths])
    out = np.empty((PATHS, windows.size))
    largest(np.random.default_rng(1995), 0 if last == STEPS else STEPS + 1, last, windows, out)
    rows = np.quantile(out, 1 - np.array(levels), axis=0).T
    lines = [f"    ({', '.join(f'{each:.4f}' for each in row)}),\n" for row in rows]
    head = f"_{name}_BANDWIDTHS = {bandwidths}\n_{name}_LEVELS = {levels}\n_{name} = (\n"
    sys.stdout.write(f"{head}{''.join(lines)})\n")


if __name__ == "__main__":
    print_table("TEST", TEST_BANDWIDTHS, TEST_LEVELS, STEPS)
    print_table("MONITOR", MONITOR_BANDWIDTHS, MONITOR_LEVELS, STEPS * END)
