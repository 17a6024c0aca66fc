"""How fast the smoothers are, beside scipy, vam.whittaker and whittaker-eilers in the same run."""

from __future__ import annotations

import importlib
import warnings
from array import array
from typing import TYPE_CHECKING

import numpy as np
import scipy.signal
from measure import cpu_seconds, print_table

from swath import kernels

if TYPE_CHECKING:
    from types import ModuleType

TIMES, SEASON, PIXELS, FEW = 138, 6, 20_000, 2_000


def series(gaps: float) -> np.ndarray:
    """Make (time, pixel) float32 with a season, noise, and a share of gaps."""
    rng = np.random.default_rng(0)
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * np.arange(TIMES) / SEASON)[:, np.newaxis]
    made = (wave + rng.normal(0, 0.05, (TIMES, PIXELS))).astype(np.float32)
    made[rng.random(made.shape) < gaps] = np.nan
    return made


def peer(module: str) -> ModuleType | None:
    """Import a peer, or say why it is left out."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        print(f"{module} is left out: {error}")
        return None


def polynomials(full: np.ndarray, gappy: np.ndarray) -> None:
    """Local polynomials, with and without gaps; scipy takes none."""
    work = full.size / 1e6
    rows = {}
    for window, order in ((7, 2), (11, 2), (7, 3)):
        name = f"window {window}, order {order}"
        for kind, given in ((", no gaps", full), (", 50 % gaps", gappy)):
            taken = cpu_seconds(
                lambda x=given, w=window, o=order: kernels.savitzky_golay(x, window=w, order=o)
            )
            rows[f"swath, {name}{kind}"] = work / taken
        taken = cpu_seconds(lambda w=window, o=order: scipy.signal.savgol_filter(full, w, o, axis=0))
        rows[f"scipy, {name}, no gaps"] = work / taken
    print_table("Savitzky-Golay", "million pixel-dates", rows, mark=250)


def penalised(gappy: np.ndarray, weights: np.ndarray) -> None:
    """Whittaker smoothers, weighted; peers take one pixel after the other, as float64 beforehand."""
    work, few = gappy.size / 1e6, TIMES * FEW / 1e6
    values = np.ascontiguousarray(np.nan_to_num(gappy[:, :FEW].T).astype("f8"))
    given = np.ascontiguousarray(np.where(np.isfinite(gappy), weights, 0)[:, :FEW].T.astype("f8"))
    rows = {
        "swath, weighted": work / cpu_seconds(lambda: kernels.whittaker(gappy, weights=weights)),
        "swath, gaps alone": work / cpu_seconds(lambda: kernels.whittaker(gappy)),
        "swath, order 3": work / cpu_seconds(lambda: kernels.whittaker(gappy, order=3)),
    }
    if vam := peer("vam.whittaker"):

        def theirs() -> None:
            for value, weight in zip(values, given, strict=True):
                vam.ws2d(value, 10.0, weight)

        rows["vam.whittaker, weighted"] = few / cpu_seconds(theirs)
    if rust := peer("whittaker_eilers"):
        lists = [(value.tolist(), weight.tolist()) for value, weight in zip(values, given, strict=True)]
        smoother = rust.WhittakerSmoother(lmbda=10.0, order=2, data_length=TIMES)

        def theirs_too() -> None:
            for value, weight in lists:
                smoother.update_weights(weight)
                smoother.smooth(value)

        rows["whittaker-eilers, weighted"] = few / cpu_seconds(theirs_too)
    print_table("Whittaker", "million pixel-dates", rows, mark=200)
    chosen(gappy, values)


def chosen(gappy: np.ndarray, values: np.ndarray) -> None:
    """Whittaker smoothers that choose their smoothness from 26 candidates."""
    some = np.ascontiguousarray(gappy[:, :FEW])
    exponents = np.arange(-5, 21) / 5
    rows = {"swath": FEW / cpu_seconds(lambda: kernels.whittaker_auto(some, exponents=exponents), 3)}
    if vam := peer("vam.whittaker"):
        seen = np.isfinite(some.T).astype("f8")

        def theirs() -> None:
            for at in range(100):
                vam.ws2doptv(values[at], seen[at], array("d", exponents))

        rows["vam.whittaker"] = 100 / cpu_seconds(theirs, 3)
    print_table("Whittaker with a V-curve of 26 candidates", "pixels", rows)


def waves(gappy: np.ndarray) -> None:
    """Harmonic regression; numpy's least squares pixel by pixel is what there is without a kernel."""
    turns = 2 * np.pi * np.arange(TIMES) / SEASON
    design = np.stack([np.ones(TIMES), np.arange(TIMES), np.cos(turns), np.sin(turns)], axis=1)

    def theirs() -> None:
        for column in gappy[:, :200].T:
            seen = np.isfinite(column)
            np.linalg.lstsq(design[seen], column[seen])

    rows = {
        f"swath, {count} harmonic{'s' * (count > 1)} and trend": PIXELS
        / cpu_seconds(lambda n=count: kernels.harmonic(gappy, period=SEASON, harmonics=n))
        for count in (1, 2)
    }
    rows["numpy lstsq, 1 harmonic and trend"] = 200 / cpu_seconds(theirs)
    print_table("harmonic regression", "pixels", rows, mark=438_000)


def spikes(gappy: np.ndarray) -> None:
    """Despiking; numpy's medians of a sliding window are what there is without a kernel."""
    work = gappy.size / 1e6
    some = gappy[:, :FEW]

    def theirs() -> None:
        around = np.lib.stride_tricks.sliding_window_view(some, 7, axis=0)
        middle = np.nanmedian(around, axis=-1, keepdims=True)
        np.nanmedian(np.abs(around - middle), axis=-1)

    rows = {
        f"swath {find.__name__}, window {window}": work
        / cpu_seconds(lambda f=find, w=window: f(gappy, window=w))
        for window in (7, 15)
        for find in (kernels.hampel, kernels.percentile_band)
    }
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of windows without a value
        rows["numpy nanmedian, window 7"] = some.size / 1e6 / cpu_seconds(theirs, 3)
    print_table("spikes", "million pixel-dates", rows)


def dense(gappy: np.ndarray) -> None:
    """Convolution with any weights, beside BLAS and beside the recursion for swag's own weights."""
    work = gappy.size / 1e6
    weights = 0.9 ** np.arange(TIMES)
    lag = np.subtract.outer(np.arange(TIMES), np.arange(TIMES))
    matrix = weights[np.abs(lag)].astype(np.float32)

    def theirs() -> np.ndarray:
        clear = np.isfinite(gappy)
        filled = (matrix @ np.where(clear, gappy, np.float32(0))) / (matrix @ clear.astype(np.float32))
        return np.where(clear, gappy, filled)

    rows = {
        "swath convolve, with quality": work / cpu_seconds(lambda: kernels.convolve(gappy, weights)),
        "dense matrix, numpy and float32 BLAS": work / cpu_seconds(theirs),
        "swath swag, with quality": work / cpu_seconds(lambda: kernels.swag(gappy, images_per_year=SEASON)),
    }
    print_table("convolution", "million pixel-dates", rows, mark=70)


def main() -> None:
    """Print a table for each kind of smoother."""
    gappy, full = series(0.5), series(0.0)
    weights = np.random.default_rng(1).random(gappy.shape, np.float32)
    polynomials(full, gappy)
    penalised(gappy, weights)
    waves(gappy)
    spikes(gappy)
    dense(gappy)


if __name__ == "__main__":
    main()
