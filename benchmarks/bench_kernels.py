"""How fast the kernels are, beside scipy, bottleneck and pymannkendall in the same run."""

from __future__ import annotations

import bottleneck
import numpy as np
import pymannkendall
import scipy.signal
from measure import cpu_seconds, print_table

from swath import kernels

TIMES, SEASON, PIXELS = 138, 6, 20_000


def series(gaps: float, pixels: int = PIXELS) -> np.ndarray:
    """Make (time, pixel) float32 with a season, noise, and a share of gaps."""
    rng = np.random.default_rng(0)
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * np.arange(TIMES) / SEASON)[:, np.newaxis]
    made = (wave + rng.normal(0, 0.05, (TIMES, pixels))).astype(np.float32)
    made[rng.random(made.shape) < gaps] = np.nan
    return made


def dense_swag(gappy: np.ndarray) -> np.ndarray:
    """Fill by the T x T matrix and BLAS: what a peer without the recursion does at best."""
    lag = np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))
    phase = lag % SEASON
    weights = 10.0 ** (-(2 * 60 / (10 * SEASON)) * np.minimum(phase, SEASON - phase) - 2 * lag / TIMES)
    weights = weights.astype(np.float32)
    clear = np.isfinite(gappy)
    values = np.where(clear, gappy, np.float32(0))
    filled = (weights @ values) / (weights @ clear.astype(np.float32))
    return np.where(clear, gappy, filled)


def main() -> None:
    """Print a table for each kind of kernel."""
    gappy, full = series(0.5), series(0.0)
    work = gappy.size / 1e6
    rows = {
        "swath swag, with quality": work / cpu_seconds(lambda: kernels.swag(gappy, images_per_year=SEASON)),
        "dense matrix, numpy and BLAS": work / cpu_seconds(lambda: dense_swag(gappy)),
        "swath linear, with quality": work / cpu_seconds(lambda: kernels.linear(gappy)),
        "scipy Savitzky-Golay (no gaps)": work
        / cpu_seconds(lambda: scipy.signal.savgol_filter(full, 7, 2, axis=0)),
    }
    print_table("gap filling", "million pixel-dates", rows, mark=200)

    groups = np.arange(TIMES) // SEASON
    count = TIMES // SEASON
    by_period = gappy.reshape(count, SEASON, -1)
    rows = {
        "swath median, 6 images a period": work
        / cpu_seconds(lambda: kernels.composite(gappy, groups, count)),
        "bottleneck nanmedian": work / cpu_seconds(lambda: bottleneck.nanmedian(by_period, axis=1)),
        "swath mean": work / cpu_seconds(lambda: kernels.composite(gappy, groups, count, reducer="mean")),
        "bottleneck nanmean": work / cpu_seconds(lambda: bottleneck.nanmean(by_period, axis=1)),
    }
    print_table("composite", "million pixel-dates", rows)

    few = series(0.3, 2_000)
    years = np.arange(TIMES) / SEASON
    one = np.ascontiguousarray(few[:, :20].T)

    def ours() -> None:
        kernels.theil_sen(few, years)
        kernels.mann_kendall(few)

    def theirs() -> None:
        for pixel in one:
            pymannkendall.original_test(pixel[np.isfinite(pixel)])

    rows = {
        "swath Theil-Sen and Mann-Kendall": few.shape[1] / cpu_seconds(ours, 3),
        "pymannkendall original_test": len(one) / cpu_seconds(theirs, 3),
    }
    print_table("trend", "pixels", rows, mark=30 * rows["pymannkendall original_test"])


if __name__ == "__main__":
    main()
