"""Boxes in degrees."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.model import BBox, InputError, parse_bbox


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("22.1,45.1,22.2,45.3", [22.1, 45.1, 22.2, 45.3]),
        ("[22.1, 45.1, 22.2, 45.3]", [22.1, 45.1, 22.2, 45.3]),
        ((22, 45, 23, 46), [22, 45, 23, 46]),
        ([1, 2, 300, 3, 4, 400], [1, 2, 3, 4]),
        ((-180, -90, 180, 90), [-180, -90, 180, 90]),
        ((5, 5, 5, 5), [5, 5, 5, 5]),
        ((179, -20, -179, -10), [179, -20, -179, -10]),
    ],
)
def test_boxes(given_, expected):
    assert parse_bbox(given_).to_list() == expected


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ((1, 2, 3), "four finite numbers"),
        ((1, 2, 3, 4, 5), "four finite numbers"),
        ((1, 2, float("nan"), 4), "four finite numbers"),
        ((1, 2, float("inf"), 4), "four finite numbers"),
        ("here", "not numbers"),
        (None, "not numbers"),
        (("a", "b", "c", "d"), "not numbers"),
        ((45, 122, 46, 123), "a latitude is beyond 90.*swap latitude and longitude: 122.0,45.0,123.0,46.0"),
        ((181, 2, 182, 4), "a longitude is beyond 180"),
        ((1, 4, 3, 2), "south is above north.*swap them: 1.0,2.0,3.0,4.0"),
        ((3, 2, 1, 4), "west is east of east.*swap them: 1.0,2.0,3.0,4.0"),
        ((50, 2, -50, 4), "west is east of east"),
    ],
)
def test_what_is_no_box_is_told(given_, told):
    with pytest.raises(InputError) as error:
        parse_bbox(given_)
    assert re.search(told, str(error.value), re.DOTALL)


def test_over_the_antimeridian_are_two_parts():
    box = parse_bbox((170, -20, -175, -10))
    assert box.crosses_antimeridian
    assert box.parts() == ((170, -20, 180, -10), (-180, -20, -175, -10))
    assert BBox(1, 2, 3, 4).parts() == ((1, 2, 3, 4),)


@given(st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90))
def test_a_box_is_given_or_told_and_its_parts_are_sound(west, south, east, north):
    if south > north or (west > east and (east - west) % 360 > 180):
        with pytest.raises(InputError, match="swap them"):
            parse_bbox((west, south, east, north))
        return
    box = parse_bbox((west, south, east, north))
    for left, bottom, right, top in box.parts():
        assert -180 <= left <= right <= 180
        assert bottom <= top
    width = sum(right - left for left, _, right, _ in box.parts())
    assert width == pytest.approx((east - west) % 360 if west > east else east - west)
