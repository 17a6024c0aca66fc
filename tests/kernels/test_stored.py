"""Values to stored integers, and what these amount to: the same compiled or not, at each level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from swath.kernels import stored as module
from swath.kernels.native import Native, native
from swath.kernels.stored import Tally, add_squares, tally, to_stored

LEVEL = native().level if native() else ""
WAYS = [
    "numpy",
    *(["v2", "v3", "v4"][: int(LEVEL[1:]) - 1] if LEVEL[:1] == "v" else [LEVEL] if LEVEL else []),
]
FORMS = {"u1": (255, (0, 254)), "u2": (65535, (0, 65534)), "i2": (-32768, (-32767, 32767))}
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.5, 1.5, 2.5, -0.5, 3e38, -3e38, 254.5, 32767.5], "f4")


@pytest.fixture(params=WAYS, autouse=True)
def loops(request, monkeypatch):
    """Each way: without compiled loops, and with those of each level."""
    used = None if request.param == "numpy" else Native(native().library, request.param)
    monkeypatch.setattr(module, "native", lambda: used)


def values_of(shape, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2.0 ** rng.integers(-12, 12), shape).astype("f4")
    values[rng.random(shape) < 0.2] = np.nan
    at = rng.integers(0, values.size, min(len(SPECIAL), values.size))
    values.reshape(-1)[at] = SPECIAL[: len(at)]
    return values


def numbers_of(dtype, shape, seed=0):
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    stored = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    stored[rng.random(shape) < 0.3] = FORMS[dtype][0]
    return stored


def by_hand(value, scale, offset, limits, nodata):
    """Compute one number as Python's numbers do it; tell whether it was outside."""
    if np.isnan(value):
        return nodata, False
    step = (float(value) - offset) / scale
    if step in (np.inf, -np.inf):
        return limits[step > 0], True
    step = round(step)
    return min(max(step, limits[0]), limits[1]), not limits[0] <= step <= limits[1]


SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 70))


@given(
    shape=SHAPES, dtype=st.sampled_from(sorted(FORMS)), scale=st.sampled_from([1.0, 1e-4, 0.3, -2.0]),
    offset=st.sampled_from([0.0, -0.1, 100.0]), seed=st.integers(0, 99),
)  # fmt: skip
@bounded(max_examples=60, deadline=None)
def test_numbers_are_those_of_pythons_arithmetic(shape, dtype, scale, offset, seed):
    values, (nodata, limits) = values_of(shape, seed), FORMS[dtype]
    expected = [by_hand(each, scale, offset, limits, nodata) for each in values.ravel()]
    out = np.empty(shape, dtype)
    found = to_stored(values, out, scale=scale, offset=offset, limits=limits, nodata=nodata)
    assert out.ravel().tolist() == [number for number, _ in expected]
    assert found == sum(outside for _, outside in expected)


@pytest.mark.parametrize("kind", ["f4", "f8", ">f4", "i4"])
def test_parts_of_larger_arrays_and_other_types_are_taken_too(kind):
    whole = np.nan_to_num(values_of((40, 50)), posinf=9, neginf=9).clip(-3, 3).astype(kind)
    out = np.full((60, 80), 7, "i2")
    options = {"scale": 0.01, "offset": 0.0, "limits": (-32767, 32767), "nodata": -32768}
    for values, part in (
        (whole[3:20, 5:40], out[10:27, 20:55]), (whole[::2, ::3], out[30:50, 3:20]),
        (whole[:1, :1], out[59:, 79:]), (whole.T[:4, :9], out[:4, :9]), (whole[:0], out[:0, :50]),
    ):  # fmt: skip
        expected = np.rint(values.astype("f8") / 0.01)
        assert to_stored(values, part, **options) == 0
        np.testing.assert_array_equal(part, expected)
    assert (out[4:10] == 7).all()
    assert (out[10:27, 55:] == 7).all()


@given(shape=SHAPES, dtype=st.sampled_from(sorted(FORMS)), seed=st.integers(0, 99))
@bounded(max_examples=40, deadline=None)
def test_a_tally_is_exact(shape, dtype, seed):
    stored, (nodata, _) = numbers_of(dtype, shape, seed), FORMS[dtype]
    valid = [each for each in stored.ravel().tolist() if each != nodata]
    expected = (min(valid), max(valid), sum(valid), sum(each * each for each in valid)) if valid else (0,) * 4
    assert tally(stored, nodata) == Tally(len(valid), *expected)


def test_the_largest_numbers_do_not_overflow_a_tally():
    stored = np.full((300, 500), 65535, "u2")
    assert tally(stored, 0) == Tally(150_000, 65535, 65535, 150_000 * 65535, 150_000 * 65535**2)
    assert tally(stored[:, ::2], 0).total == 75_000 * 65535
    assert tally(stored, 65535) == Tally(0, 0, 0, 0, 0)
    assert tally(stored[:0], 0) == Tally(0, 0, 0, 0, 0)


@given(shape=SHAPES, dtype=st.sampled_from(sorted(FORMS)), step=st.integers(1, 80), seed=st.integers(0, 99))
@bounded(max_examples=40, deadline=None)
def test_squares_add_up_what_lies_in_them(shape, dtype, step, seed):
    stored, (nodata, _) = numbers_of(dtype, shape, seed), FORMS[dtype]
    total, count = add_squares(stored, nodata, step)
    assert total.shape == count.shape == tuple(-(-side // step) for side in shape)
    for row, column in np.ndindex(total.shape):
        part = stored[row * step : (row + 1) * step, column * step : (column + 1) * step].astype(int)
        assert total[row, column] == part[part != nodata].sum()
        assert count[row, column] == (part != nodata).sum()


def test_squares_of_the_largest_numbers_do_not_overflow():
    stored = np.full((40_000, 3), 65535, "u2")
    total, count = add_squares(stored, 0, 32_767)
    assert total.tolist() == [[32_767 * 3 * 65535], [7_233 * 3 * 65535]]
    assert count.tolist() == [[32_767 * 3], [7_233 * 3]]
