"""Series as they come: stored integers, views of larger cubes, read-only memory, threads; not copied."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from swath.kernels import composite, linear, mann_kendall, medoid, swag, theil_sen
from swath.kernels._columns import as_series

TIMES = 12
CALLS = {
    "swag": lambda x, **how: np.stack(swag(x, images_per_year=4, **how)),
    "linear": lambda x, **how: np.stack(linear(x, **how)),
    "median": lambda x, **how: composite(x, np.arange(TIMES) // 4, 3, **how),
    "mean": lambda x, **how: composite(x, np.arange(TIMES) // 4, 3, reducer="mean", **how),
    "last": lambda x, **how: composite(x, np.arange(TIMES) // 4, 3, reducer="last", **how),
    "medoid": lambda x, **how: medoid(x[np.newaxis], np.arange(TIMES) // 4, 3, **how)[0],
    "theil_sen": lambda x, **how: np.stack(theil_sen(x, np.arange(TIMES), **how)),
    "mann_kendall": lambda x, **how: np.stack(mann_kendall(x, **how)),
}


def stored(shape=(TIMES, 40, 61)):
    made = np.random.default_rng(3).integers(-2000, 9000, shape).astype("i2")
    made[np.random.default_rng(4).random(shape) < 0.4] = -32768
    return made


def values(numbers):
    """Turn stored numbers into values by the definition."""
    return np.where(numbers == -32768, np.nan, (numbers * np.float64(1e-4) + 0.25)).astype("f4")


@pytest.mark.parametrize("name", CALLS)
def test_stored_integers_are_their_values(name):
    expected = CALLS[name](values(stored()))
    for threads in (1, 3):
        made = CALLS[name](stored(), scale=1e-4, offset=0.25, nodata=-32768, threads=threads)
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("name", CALLS)
def test_views_of_a_larger_cube_give_what_their_copy_gives(name):
    cube = values(stored((TIMES, 50, 70)))
    frozen = cube.copy()
    frozen.flags.writeable = False
    for view in (
        cube[:, 3:40, 5:61],
        cube[:, ::2, ::-3],
        cube[:, 7],
        cube[:, 7, 9],
        cube.transpose(0, 2, 1),
        frozen,
    ):
        np.testing.assert_array_equal(CALLS[name](view), CALLS[name](view.copy()))


@pytest.mark.parametrize("name", CALLS)
def test_any_number_of_threads_gives_the_same_bytes(name):
    cube = values(stored((TIMES, 37, 71)))
    expected = CALLS[name](cube).tobytes()
    for threads in (2, 3, 50):
        assert CALLS[name](cube, threads=threads).tobytes() == expected


@pytest.mark.parametrize("shape", [(TIMES, 0), (TIMES, 0, 5), (TIMES, 5, 0)])
@pytest.mark.parametrize("name", CALLS)
def test_no_pixel_gives_no_result(name, shape):
    for made in (np.empty(shape, "f4"), np.empty(shape, "i2"), np.empty((TIMES, *shape), "f4")[0]):
        assert (
            CALLS[name](made).shape[1:] == shape[1:]
            or CALLS[name](made).shape[-len(shape[1:]) :] == shape[1:]
        )


def test_the_series_is_not_copied():
    """Beside the result a call takes a few blocks, whatever the series takes."""
    for series, how in (
        (stored((TIMES, 300, 500)), {"scale": 1e-4, "nodata": -32768}),
        (values(stored((TIMES, 300, 600)))[:, :, 50:550], {}),
    ):
        composite(series[:, :2], np.zeros(TIMES, int), 1, **how)
        tracemalloc.start()
        composite(series, np.zeros(TIMES, int), 1, **how)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        result = 4 * 300 * 500
        assert peak - result < 0.1 * 4 * series.size


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"threads": 0}, "threads: must be 1 or more, got 0"),
        ({"scale": np.inf}, "scale: must be finite"),
        ({"offset": np.nan}, "offset: must be finite"),
    ],
)
def test_what_makes_no_sense_is_refused(how, told):
    with pytest.raises(ValueError, match=told):
        linear(np.zeros((3, 4), "f4"), **how)


def test_blocks_meet_each_pixel_once():
    series = as_series(np.zeros((2, 5, 1000), "f4")[:, :, ::2])
    seen = np.zeros(2500, int)

    def loop(block, first, last, at):
        seen[at : at + last - first] += 1
        assert block.flags.c_contiguous

    for threads in (1, 2, 7):
        series.for_blocks(loop, threads=threads)
    assert (seen == 3).all()
