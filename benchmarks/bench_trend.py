"""How fast trends, breaks, seasons and composites are, beside pymannkendall, scipy and bottleneck."""

from __future__ import annotations

import warnings

import bottleneck
import numpy as np
import pymannkendall
import scipy.signal
import scipy.stats
from measure import cpu_seconds, print_table

from swath import kernels

TIMES, SEASON, PIXELS = 138, 6, 20_000


def series(gaps: float, pixels: int = PIXELS, season: int = SEASON) -> np.ndarray:
    """Make (time, pixel) float32 with a season, noise, and a share of gaps."""
    rng = np.random.default_rng(0)
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * np.arange(TIMES) / season)[:, np.newaxis]
    made = (wave + rng.normal(0, 0.05, (TIMES, pixels))).astype(np.float32)
    made[rng.random(made.shape) < gaps] = np.nan
    return made


def trends() -> None:
    """Compare slopes and tests; the peers take one pixel at a time."""
    gappy = series(0.5, 2_000)
    years = np.arange(TIMES) / SEASON
    columns = [each[np.isfinite(each)] for each in gappy[:, :20].T.astype(float)]
    whole = gappy[:, :20].T.astype(float)

    def both(season: int | None) -> None:
        kernels.theil_sen(gappy, years, season=season)
        kernels.mann_kendall(gappy, season=season)

    def all_of(call, values) -> None:
        for each in values:
            call(each)

    pixels, few = gappy.shape[1], len(columns)
    peer = few / cpu_seconds(lambda: all_of(pymannkendall.original_test, columns), 3)
    rows = {
        "swath Theil-Sen and Mann-Kendall": pixels / cpu_seconds(lambda: both(None)),
        "pymannkendall original_test": peer,
        "swath Mann-Kendall": pixels / cpu_seconds(lambda: kernels.mann_kendall(gappy)),
        "swath Theil-Sen with its interval": pixels
        / cpu_seconds(lambda: kernels.theil_sen_interval(gappy, years)),
        "scipy theilslopes": few / cpu_seconds(lambda: all_of(scipy.stats.theilslopes, columns), 3),
    }
    print_table("trend, 138 dates, half of them gaps", "pixels", rows, mark=30 * peer)
    seasonal = few / cpu_seconds(
        lambda: all_of(lambda each: pymannkendall.seasonal_test(each, period=SEASON), whole), 3
    )
    rows = {
        "swath Theil-Sen and Mann-Kendall, seasonal": pixels / cpu_seconds(lambda: both(SEASON)),
        "pymannkendall seasonal_test": seasonal,
    }
    print_table("seasonal trend, 138 dates, half of them gaps", "pixels", rows, mark=30 * seasonal)


def lstsq_monitor(column: np.ndarray, design: np.ndarray, start: int, share: float) -> float:
    """Fit one history by numpy and give the largest moving sum of the later residuals."""
    seen = np.flatnonzero(np.isfinite(column))
    known = np.searchsorted(seen, start)
    solution = np.linalg.lstsq(design[seen[:known]], column[seen[:known]])[0]
    residuals = column[seen] - design[seen] @ solution
    sigma = np.sqrt((residuals[:known] ** 2).sum() / (known - design.shape[1]))
    sums = np.append(0, residuals.cumsum())
    window = int(share * known)
    return np.abs(sums[known + 1 :] - sums[known + 1 - window : -window]).max() / sigma / np.sqrt(known)


def breaks() -> None:
    """Compare monitoring and tests with the same in numpy, pixel by pixel."""
    gappy = series(0.5)
    turn = 2 * np.pi * np.arange(TIMES) / SEASON
    design = np.stack([np.ones(TIMES), np.arange(TIMES), np.cos(turn), np.sin(turn)], axis=1)
    columns = gappy[:, :200].T.astype(float)

    def theirs() -> None:
        for each in columns:
            lstsq_monitor(each, design, 90, 0.25)

    rows = {
        "swath breakpoints, 1 harmonic": PIXELS
        / cpu_seconds(lambda: kernels.breakpoints(gappy, monitor_start=90, period=SEASON)),
        "numpy lstsq and moving sums": len(columns) / cpu_seconds(theirs),
        "swath breakpoints, 3 harmonics": PIXELS
        / cpu_seconds(lambda: kernels.breakpoints(gappy, monitor_start=90, period=23, harmonics=3)),
        "swath breakpoints, 1 harmonic, stable history": PIXELS
        / cpu_seconds(lambda: kernels.breakpoints(gappy, monitor_start=90, period=SEASON, history="roc")),
        "swath stability_test, 1 harmonic": PIXELS
        / cpu_seconds(lambda: kernels.stability_test(gappy, period=SEASON)),
    }
    print_table("breaks, 138 dates, half of them gaps", "pixels", rows)


def seasons() -> None:
    """Compare the measuring of seasons with the finding of their peaks alone."""
    full = series(0.0, season=23)
    columns = full[:, :2_000].T.astype(float)

    def theirs() -> None:
        for each in columns:
            scipy.signal.find_peaks(each, prominence=0.25 * np.ptp(each))

    rows = {
        "swath phenology, 23 images a year": PIXELS / cpu_seconds(lambda: kernels.phenology(full, period=23)),
        "scipy find_peaks (peaks alone)": len(columns) / cpu_seconds(theirs),
    }
    print_table("phenology, 138 dates", "pixels", rows)


def composites(gaps: float) -> None:
    """Compare each reducer with bottleneck's function, and several at once with one by one."""
    stack = series(gaps, 100_000)
    groups = np.arange(TIMES) // SEASON
    count = TIMES // SEASON
    work = stack.size / 1e6
    by_period = stack.reshape(count, SEASON, -1)
    weights = np.random.default_rng(1).random(stack.shape, np.float32)
    several = ("mean", "min", "max", "count")
    rows = {}
    for reducer in kernels.REDUCERS:
        rows[f"swath {reducer}"] = work / cpu_seconds(
            lambda reducer=reducer: kernels.composite(stack, groups, count, reducer=reducer)
        )
        peer = getattr(bottleneck, f"nan{reducer}", None)
        if peer:
            rows[f"bottleneck nan{reducer}"] = work / cpu_seconds(
                lambda peer=peer: peer(by_period, axis=1), 3
            )
    rows["swath weighted median"] = work / cpu_seconds(
        lambda: kernels.weighted_median(stack, weights, groups, count)
    )
    rows["swath aggregate: mean, min, max, count"] = work / cpu_seconds(
        lambda: kernels.aggregate(stack, groups, count, reducers=several)
    )
    rows["swath the same one by one"] = work / cpu_seconds(
        lambda: [kernels.composite(stack, groups, count, reducer=each) for each in several]
    )
    print_table(f"composite, 6 images a period, {gaps:.0%} gaps", "million pixel-dates", rows)


def main() -> None:
    """Print a table for each kind of kernel."""
    warnings.simplefilter("ignore", RuntimeWarning)  # bottleneck's peers of an empty period
    trends()
    breaks()
    seasons()
    for gaps in (0.5, 0.0):
        composites(gaps)


if __name__ == "__main__":
    main()
