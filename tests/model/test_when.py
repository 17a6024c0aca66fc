"""Instants, intervals and periods."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from strategies import instants

from swath.model import (
    InputError,
    Period,
    bins_of,
    format_instant,
    microseconds,
    parse_instant,
    parse_interval,
    parse_period,
)

PERIODS = [
    parse_period(each)
    for each in ("P1D", "P8D", "P16D", "P1W", "P10D", "P1M", "P2M", "P3M", "P5M", "P6M", "P1Y", "P5Y")
]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2019", "2019-01-01T00:00:00Z", "2019-12-31T23:59:59.999999Z"),
        ("2020-02", "2020-02-01T00:00:00Z", "2020-02-29T23:59:59.999999Z"),
        ("2020-12", "2020-12-01T00:00:00Z", "2020-12-31T23:59:59.999999Z"),
        ("2020-02-29", "2020-02-29T00:00:00Z", "2020-02-29T23:59:59.999999Z"),
        ("2018/2020", "2018-01-01T00:00:00Z", "2020-12-31T23:59:59.999999Z"),
        ("2018-04/2018-06-10", "2018-04-01T00:00:00Z", "2018-06-10T23:59:59.999999Z"),
        ("2018-04-01/..", "2018-04-01T00:00:00Z", None),
        ("../2018", None, "2018-12-31T23:59:59.999999Z"),
        ("/2018", None, "2018-12-31T23:59:59.999999Z"),
        ("2018/", "2018-01-01T00:00:00Z", None),
        ("../..", None, None),
        ("2020-06-01T10:00:00+02:00", "2020-06-01T08:00:00Z", "2020-06-01T08:00:00Z"),
        ("2020-06-01t10:00:00.5z", "2020-06-01T10:00:00.500000Z", "2020-06-01T10:00:00.500000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", "2016-12-31T23:59:59Z"),
        ("2020-06-01T10:00:00.123456789Z", "2020-06-01T10:00:00.123456Z", "2020-06-01T10:00:00.123456Z"),
    ],
)
def test_intervals_as_stac_writes_them(text, start, end):
    interval = parse_interval(text)
    assert (interval.start and format_instant(interval.start)) == start
    assert (interval.end and format_instant(interval.end)) == end


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not an interval"),
        ("2020/2018", "ends before it starts.*swap its ends: 2018/2020"),
        ("2020-13", "does not exist"),
        ("2021-02-29", "does not exist"),
        ("0000", "does not exist"),
        ("9999", "does not exist"),
        ("20190601", "is not a date"),
        ("2019-6-1", "is not a date"),
        ("2019-06-01 25:00", "does not exist"),
        ("a/b", "'a' is not a date"),
        ("1/2/3", "is not an interval"),
        ("2019-06-01T10:00:00+99:99", "does not exist"),
    ],
)
def test_what_is_no_interval_is_told(text, told):
    import re

    with pytest.raises(InputError) as error:
        parse_interval(text)
    assert re.search(told, str(error.value), re.DOTALL)


@given(instants(1, 9999))
@bounded(deadline=None)
def test_instants_are_read_as_they_are_written(instant):
    assert parse_instant(format_instant(instant)) == instant


@given(instants(1600, 2400), st.timedeltas(dt.timedelta(0), dt.timedelta(days=4000)))
@bounded(deadline=None)
def test_microseconds_sort_and_count_exactly(instant, later):
    assert microseconds(instant + later) - microseconds(instant) == later // dt.timedelta(microseconds=1)


@given(st.sampled_from(PERIODS), instants(), st.timedeltas(dt.timedelta(0), dt.timedelta(days=1500)))
@bounded(max_examples=200, deadline=None)
def test_bins_cover_an_interval_without_holes_or_overlaps(period, start, length):
    end = start + length
    bins = bins_of(period, start, end)
    assert bins[0].start <= start <= bins[0].end + dt.timedelta(seconds=1)
    assert bins[-1].start <= end < bins[-1].end + dt.timedelta(seconds=1)
    for one, other in itertools.pairwise(bins):
        assert one.end + dt.timedelta(seconds=1) == other.start
    for each in bins:
        assert period.start_of(each.start) == each.start
        assert period.start_of(each.end) == each.start
        assert each.start.time() == dt.time()
    assert len({each.label for each in bins}) == len(bins)


@given(st.sampled_from(PERIODS), instants(), instants())
@bounded(deadline=None)
def test_bins_do_not_depend_on_where_one_begins_to_look(period, one, other):
    """The period that an instant lies in is a matter of the calendar alone."""
    first, last = sorted((one, min(other, one + dt.timedelta(days=800))))
    inside = {each.start for each in bins_of(period, first, last)}
    wide = {each.start for each in bins_of(period, first - dt.timedelta(days=400), last)}
    assert inside <= wide


@pytest.mark.parametrize(
    ("period", "starts"),
    [
        ("P1M", ["2019-12-01", "2020-01-01", "2020-02-01", "2020-03-01"]),
        ("P3M", ["2019-10-01", "2020-01-01"]),
        ("P6M", ["2019-07-01", "2020-01-01"]),
        ("P1Y", ["2019-01-01", "2020-01-01"]),
        (
            "P16D",
            [
                "2019-12-03",
                "2019-12-19",
                "2020-01-01",
                "2020-01-17",
                "2020-02-02",
                "2020-02-18",
                "2020-03-05",
            ],
        ),
    ],
)
def test_periods_lie_on_the_calendar(period, starts):
    """MODIS and Landsat count 16 days anew from each 1 January: 23 in a year, the last of 13 or 14 days."""
    found = bins_of(parse_period(period), parse_instant("2019-12-05"), parse_instant("2020-03-10T12:00:00Z"))
    assert [str(each.start.date()) for each in found] == starts


def test_sixteen_days_make_23_images_a_year():
    for year, last in ((2019, 13), (2020, 14)):
        bins = bins_of(parse_period("P16D"), parse_instant(f"{year}-01-01"), parse_instant(f"{year}-12-31"))
        assert len(bins) == parse_period("P16D").per_year() == 23
        assert (bins[-1].end - bins[-1].start).days + 1 == last


@pytest.mark.parametrize(
    ("text", "months", "days", "spelled"),
    [
        ("P1M", 1, 0, "P1M"), ("P12M", 12, 0, "P1Y"), ("P1Y6M", 18, 0, "P18M"), ("p2w", 0, 14, "P14D"),
        ("P1W2D", 0, 9, "P9D"), ("P016D", 0, 16, "P16D"), ("P100Y", 1200, 0, "P100Y"),
    ],
)  # fmt: skip
def test_durations(text, months, days, spelled):
    period = parse_period(text)
    assert period == Period(months, days)
    assert str(period) == spelled
    assert parse_period(spelled) == period


@pytest.mark.parametrize(
    "text", ["", "P", "1M", "P1.5M", "P-1M", "P1M1D", "P0D", "PT1H", "P1MT1H", "P101Y", "P400D", "M", "P1"]
)
def test_what_is_no_period_is_told(text):
    with pytest.raises(InputError, match="period: ") as error:
        parse_period(text)
    assert "P1M, P3M, P1Y, P16D" in error.value.fix


@pytest.mark.parametrize(
    ("text", "count"), [("P1M", 12), ("P3M", 4), ("P1Y", 1), ("P5Y", 1), ("P8D", 46), ("P1D", 365)]
)
def test_images_per_year(text, count):
    assert parse_period(text).per_year() == count
