"""The compiled loops give the bits of numba's, at each level of CPU features, and swath does without them."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

from swath.kernels import composite, swag
from swath.kernels import native as module
from swath.kernels.native import Native, describe_loops, native

composites = importlib.import_module("swath.kernels.composite")  # the package has a function of this name


def levels():
    """Name the levels that this machine can run."""
    found = native()
    if found is None:
        return []
    return [found.level] if found.level == "base" else ["v2", "v3", "v4"][: int(found.level[1:]) - 1]


def gappy(times, pixels, seed):
    rng = np.random.default_rng(seed)
    series = rng.normal(0, 1, (times, pixels)).astype("f4")
    series[rng.random(series.shape) < rng.random(pixels)] = np.nan
    series[:1, ::7] = np.inf
    if pixels >= 3:
        series[:, :3] = np.nan, 0.5, -0.0
    return series


@pytest.mark.skipif(native() is None, reason="no compiled loops were built here, or they are switched off")
@pytest.mark.parametrize(
    ("times", "pixels", "options"),
    [
        (138, 1000, {"images_per_year": 6}),
        (40, 31, {"images_per_year": 6, "future_weight": 0.0}),
        (60, 333, {"images_per_year": 23, "future_weight": 0.1}),
        (7, 70, {"images_per_year": 12, "trend_attenuation_db": 0.0}),
        (30, 64, {"images_per_year": 1}),
        (31, 65, {"images_per_year": 2, "seasonal_attenuation_db": 100.0}),
        (1, 5, {"images_per_year": 3}),
        (0, 5, {"images_per_year": 3}),
        (5, 0, {"images_per_year": 3}),
    ],
)
def test_compiled_swag_has_the_bits_of_numbas(monkeypatch, times, pixels, options):
    series = gappy(times, pixels, seed=times)
    made = {}
    for level in levels():
        used = Native(native().library, level)
        monkeypatch.setattr(module, "native", lambda used=used: used)
        made[level] = swag(series, **options)
    monkeypatch.setattr(module, "native", lambda: None)
    filled, quality = swag(series, **options)
    assert made
    for ours, grade in made.values():
        np.testing.assert_array_equal(ours.view("u4"), filled.view("u4"))
        np.testing.assert_array_equal(grade.view("u4"), quality.view("u4"))


@pytest.mark.skipif(native() is None, reason="no compiled loops were built here, or they are switched off")
@pytest.mark.parametrize("reducer", ["median", "percentile", "sum", "mean", "count", "min", "max"])
@pytest.mark.parametrize(
    ("times", "pixels", "period"), [(24, 1000, 2), (50, 64, 7), (9, 65, 9), (33, 31, 1), (0, 5, 3), (5, 0, 2)]
)
def test_compiled_composites_have_the_bits_of_numbas(monkeypatch, reducer, times, pixels, period):
    series = gappy(times, pixels, seed=times)
    series[::2, 5:9] = np.array([0.0, -0.0, 0.0, -0.0], "f4")[: max(pixels - 5, 0)]
    series[1::2, 5:9] = np.array([-0.0, 0.0, 0.0, -0.0], "f4")[: max(pixels - 5, 0)]
    groups = np.arange(times) // period - (np.arange(times) % 11 == 10)  # some images in another, or in none
    count = max(times // period + 2, 1)
    made = {}
    for level in levels():
        used = Native(native().library, level)
        monkeypatch.setattr(composites, "native", lambda used=used: used)
        made[level] = composite(series, groups, count, reducer=reducer, percentile=20)
    monkeypatch.setattr(composites, "native", lambda: None)
    expected = composite(series, groups, count, reducer=reducer, percentile=20)
    assert made
    for ours in made.values():
        np.testing.assert_array_equal(ours.view("u4"), expected.view("u4"))


@pytest.mark.skipif(native() is None, reason="no compiled loops were built here, or they are switched off")
@pytest.mark.parametrize(("reducer", "loads"), [("median", False), ("count", False), ("first", True)])
def test_compiled_composites_do_without_numbas_import(reducer, loads):
    code = (
        "import sys; from swath.kernels import composite; "
        f"composite([[1.0], [2.0]], [0, 0], 1, reducer={reducer!r}); print('numba' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == str(loads)


@pytest.mark.slow
@pytest.mark.parametrize(("wanted", "said"), [("no", "numba (as asked)"), ("", describe_loops())])
def test_the_environment_chooses_the_loops(wanted, said):
    code = "from swath.kernels.native import describe_loops; print(describe_loops())"
    environment = {**os.environ, "SWATH_NATIVE": wanted}
    told = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == said


def test_without_a_library_numba_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_LIBRARY", tmp_path / "absent.so")
    native.cache_clear()
    try:
        assert native() is None
        assert describe_loops() == "numba (no compiled loops here)"
    finally:
        native.cache_clear()
