"""Rules for good pixels, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.cube import parse_rule
from swath.cube.valid import rule_bands
from swath.model import InputError


@pytest.mark.parametrize(
    ("rule", "good"),
    [
        ({"values": [4, 5]}, [4, 5]),
        ({"not_values": [0, 9]}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"bits_clear": [0]}, [0, 2, 4, 6, 8]),
        ({"bits_clear": [0, 1]}, [0, 4, 8]),
        ({"bits": [{"first": 1, "count": 2, "values": [1, 2]}]}, [2, 3, 4, 5]),
        ({"bits": [{"first": 3, "values": [1]}]}, [8, 9]),
        ({"min": 3, "max": 5}, [3, 4, 5]),
        ({"min": 3, "bits_clear": [0]}, [4, 6, 8]),
    ],
)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "f4"])
def test_rules(rule, good, dtype):
    numbers = np.arange(10).astype(dtype)
    assert np.flatnonzero(parse_rule({"band": "QA", **rule}).apply(numbers)).tolist() == good


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=30), st.sets(st.integers(0, 15), min_size=1))
def test_clear_bits_are_pythons(numbers, bits):
    found = parse_rule({"band": "QA", "bits_clear": sorted(bits)}).apply(np.array(numbers, "u2"))
    assert found.tolist() == [all(not number >> bit & 1 for bit in bits) for number in numbers]


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"band": "QA"},
        {"values": [1]},
        {"band": "QA", "values": "x"},
        {"band": "QA", "bits_clear": ["a"]},
        {"band": "QA", "bits": [{"first": 70, "values": [1]}]},
        {"band": "QA", "valuse": [1]},
    ],
)
def test_what_is_no_rule_is_told(rule):
    with pytest.raises(InputError, match="valid: ") as error:
        parse_rule(rule)
    assert "SCL" in error.value.fix


def test_bands_of_rules_are_listed_once():
    one = parse_rule({"band": "QA", "values": [1]})
    assert rule_bands([one, None, parse_rule({"band": "SCL", "values": [1]}), one]) == ("QA", "SCL")
