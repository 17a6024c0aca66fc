"""Stored numbers to values: numpy's definition to the bit, compiled or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from swath.kernels.native import native
from swath.kernels.values import to_values

TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
GAPS = (None, 0.0, 7.0, -1.0, 255.0, 0.5, -9999.0, 65535.0, 2.0**31, 2.0**53, 1e40, np.nan, np.inf, -np.inf)


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def loops(request, monkeypatch):
    """Both ways: compiled, and without it."""
    if request.param == "numpy":
        monkeypatch.setattr("swath.kernels.values.native", lambda: None)
    elif native() is None:
        pytest.skip("no compiled loops were built here, or they are switched off")


def numbers(dtype, count=70, seed=0):
    """Make numbers of a type with all that is special in it."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        special = [np.nan, np.inf, -np.inf, -0.0, 0.0, 7, 255, -9999, 0.5, 65535, np.finfo(dtype).max, 1e-45]
        made = rng.normal(0, 1e4, count).astype(dtype)
    else:
        info = np.iinfo(dtype)
        special = [info.min, info.max, 0, 7, 100]
        made = rng.integers(info.min, info.max, count, dtype=dtype, endpoint=True)
    made[: len(special)] = np.array(special, "f8" if np.dtype(dtype).kind == "f" else dtype).astype(dtype)
    return made


def by_hand(stored, good, nodata, scale, offset):
    """Compute each number on its own, as Python's numbers do it."""
    values = []
    for number, wanted in zip(stored.ravel(), good.ravel(), strict=True):
        gap = nodata is not None and is_gap(number, nodata)
        values.append(float(number) * scale + offset if wanted and not gap else np.nan)
    with np.errstate(over="ignore"):
        return np.array(values).astype("f4").reshape(stored.shape)


def is_gap(number, nodata):
    """Compare in the type of the file, where that has such a number."""
    if number.dtype.kind != "f":
        return float(nodata).is_integer() and int(number) == int(nodata)
    with np.errstate(over="ignore"):
        there = number.dtype.type(nodata)
    return bool(number == there) and np.isinf(there) == np.isinf(nodata)


def same_bits(found, expected):
    """Compare bits; a NaN is a NaN, whatever else it carries."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    kept = ~np.isnan(expected)
    assert found[kept].tobytes() == expected[kept].tobytes()


def check(stored, good, before=None, **options):
    out = np.full(stored.shape, 99, "f4")
    seen = np.zeros(stored.shape, bool) if before is None else before.copy()
    to_values(stored, good, out, seen, **options)
    expected = by_hand(
        stored, good, options.get("nodata"), options.get("scale", 1.0), options.get("offset", 0.0)
    )
    same_bits(out, expected)
    told = np.isfinite(expected) if before is None else before | np.isfinite(expected)
    np.testing.assert_array_equal(seen, told)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("nodata", GAPS)
def test_values_are_numpys_for_each_type_and_gap(dtype, nodata):
    stored = numbers(dtype)
    good = np.random.default_rng(1).random(stored.size) > 0.2
    for scale, offset in ((1.0, 0.0), (1e-4, -0.1), (0.1, 1000.0), (-3.3, 1 / 3), (0.0, 2.5)):
        check(stored, good, scale=scale, offset=offset, nodata=nodata)


@given(data=st.data())
@bounded(max_examples=60, deadline=None)
def test_values_are_numpys(data):
    stored = numbers(
        data.draw(st.sampled_from(TYPES)), data.draw(st.integers(12, 90)), data.draw(st.integers(0, 99))
    )
    good = np.array(data.draw(st.lists(st.booleans(), min_size=stored.size, max_size=stored.size)))
    finite = st.floats(-1e6, 1e6)
    nodata = data.draw(st.sampled_from([*GAPS, *(float(each) for each in stored[:9])]))
    check(stored, good, scale=data.draw(finite), offset=data.draw(finite), nodata=nodata)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "lay", [lambda a: a[::2, 1::3], lambda a: a[::-1], lambda a: a.T, lambda a: a[:, 3:], np.asfortranarray]
)
def test_arrays_need_not_be_contiguous(dtype, lay):
    stored = lay(numbers(dtype, 99).reshape(9, 11))
    good = lay(np.random.default_rng(2).random((9, 11)) > 0.3)
    check(stored, good, scale=0.5, nodata=7.0)
    check(stored, np.ascontiguousarray(good), scale=0.5, nodata=7.0)
    out, seen = lay(np.zeros((9, 11), "f4")), lay(np.zeros((9, 11), bool))
    to_values(stored, good, out, seen, scale=0.5, nodata=7.0)
    same_bits(out, by_hand(stored, good, 7.0, 0.5, 0.0))
    np.testing.assert_array_equal(seen, np.isfinite(out))


@pytest.mark.parametrize("dtype", TYPES)
def test_bytes_may_stand_the_other_way_round_or_on_odd_addresses(dtype):
    stored = numbers(dtype)
    good = np.ones(stored.size, bool)
    check(stored.astype(np.dtype(dtype).newbyteorder(">")), good, nodata=7.0)
    odd = np.frombuffer(b"x" + stored.tobytes(), np.uint8)[1:].view(dtype)
    check(odd, good, nodata=7.0)


def test_what_was_seen_stays_seen():
    stored = np.array([0, 1, 2, 3], "u2")
    good = np.array([True, True, False, True])
    check(stored, good, before=np.array([True, False, True, False]), nodata=0)


def test_an_infinite_value_is_written_but_not_seen():
    out, seen = np.zeros(3, "f4"), np.zeros(3, bool)
    to_values(np.array([np.inf, 1e300, 1.0]), np.ones(3, bool), out, seen)
    assert out.tolist() == [np.inf, np.inf, 1.0]
    assert seen.tolist() == [False, False, True]


@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0), (1,)])
def test_empty_arrays_are_left_empty(shape):
    for dtype in TYPES:
        check(np.ones(shape, dtype), np.ones(shape, bool), nodata=0)


def test_the_answer_goes_into_memory_that_may_be_written_and_fits():
    stored, good = np.ones(4, "u2"), np.ones(4, bool)
    fixed = np.zeros(4, "f4")
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        to_values(stored, good, fixed, np.zeros(4, bool))
    assert fixed.tolist() == [0, 0, 0, 0]
    for sizes in ((4, 4, 3, 4), (4, 4, 4, 3), (4, 3, 4, 4), (3, 4, 4, 4)):
        of, wanted, to, seen = (
            np.ones(size, kind) for size, kind in zip(sizes, ("u2", bool, "f4", bool), strict=True)
        )
        with pytest.raises(ValueError, match=r"shape|broadcast|index"):
            to_values(of, wanted, to, seen, nodata=0)
