"""Instants, datetime intervals and calendar periods, as STAC and ISO 8601 write them. All in UTC."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from swath.model.errors import InputError

UTC = dt.UTC
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?"
    r"(Z|[+-]\d{2}:?\d{2})?)?)?)?",
    re.IGNORECASE,
)
_PERIOD = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?", re.IGNORECASE)
_WRITE_IT = "write it like 2019-06-01, 2019-06, 2019 or 2019-06-01T10:00:00Z"


def format_instant(instant: dt.datetime) -> str:
    """Write an instant as RFC 3339 in UTC.

    Examples
    --------
    >>> format_instant(dt.datetime(2020, 1, 31, tzinfo=UTC))
    '2020-01-31T00:00:00Z'
    """
    spelled = instant.astimezone(UTC).isoformat(timespec="microseconds" if instant.microsecond else "seconds")
    return spelled.replace("+00:00", "Z")


def _bounds_of(text: str) -> tuple[dt.datetime, dt.datetime]:
    """Give the first and the last instant that a year, month, day or time names."""
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"datetime: {text!r} is not a date or time", fix=_WRITE_IT)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        start = dt.datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            min(int(second or 0), 59), int((fraction or "0").ljust(6, "0")[:6]), tzinfo=_zone(zone),
        ).astimezone(UTC)  # fmt: skip
        if hour is not None:
            return start, start
        if day is not None:
            following = start + dt.timedelta(days=1)
        elif month is not None:
            following = _add_months(start, 1)
        else:
            following = _add_months(start, 12)
    except (ValueError, OverflowError) as error:
        raise InputError(f"datetime: {text!r} does not exist ({error})", fix=_WRITE_IT) from error
    return start, following - dt.timedelta(microseconds=1)


def _zone(text: str | None) -> dt.tzinfo:
    if not text or text in "Zz":
        return UTC
    sign = -1 if text[0] == "-" else 1
    hours, minutes = int(text[1:3]), int(text[-2:])
    return dt.timezone(sign * dt.timedelta(hours=hours, minutes=minutes))


def _add_months(instant: dt.datetime, months: int) -> dt.datetime:
    """Move the first day of a month by whole months."""
    count = instant.year * 12 + instant.month - 1 + months
    return instant.replace(year=count // 12, month=count % 12 + 1)


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed datetime interval; an open end is None."""

    start: dt.datetime | None
    """First instant, UTC, included."""
    end: dt.datetime | None
    """Last instant, UTC, included."""

    def __str__(self) -> str:
        ends = [format_instant(each) if each else ".." for each in (self.start, self.end)]
        return ends[0] if self.start is not None and self.start == self.end else "/".join(ends)


def parse_instant(text: str) -> dt.datetime:
    """Read one instant; a date alone means its first moment.

    Examples
    --------
    >>> parse_instant("2020-02").isoformat()
    '2020-02-01T00:00:00+00:00'
    """
    return _bounds_of(text)[0]


def parse_interval(text: str) -> Interval:
    """Read a datetime or interval as STAC API writes it, and years, months and days besides.

    Parameters
    ----------
    text : str
        ``2019``, ``2019-06``, ``2019-06-01``, ``2019-06-01T10:00:00Z``, ``A/B``, ``A/..``, ``../B``.
        A date as the end of an interval includes that whole day, month or year.

    Returns
    -------
    Interval
        In UTC, both ends included.

    Raises
    ------
    InputError
        Malformed, not in the calendar, or with its end before its start.

    Examples
    --------
    >>> str(parse_interval("2019-06"))
    '2019-06-01T00:00:00Z/2019-06-30T23:59:59.999999Z'
    >>> str(parse_interval("2020/.."))
    '2020-01-01T00:00:00Z/..'
    """
    parts = text.strip().split("/")
    if len(parts) == 1 and parts[0]:
        start, end = _bounds_of(parts[0])
        return Interval(start, end)
    if len(parts) != 2:
        raise InputError(f"datetime: {text!r} is not an interval", fix="write it like 2018/2020")
    first, last = ("" if each.strip() == ".." else each.strip() for each in parts)
    interval = Interval(_bounds_of(first)[0] if first else None, _bounds_of(last)[1] if last else None)
    if interval.start and interval.end and interval.end < interval.start:
        raise InputError(
            f"datetime: the interval ends before it starts, got {text!r}",
            fix=f"swap its ends: {parts[1]}/{parts[0]}",
        )
    return interval


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar-aligned length of time: some months, or some days."""

    months: int
    """Length in months; 0 when the period counts days."""
    days: int
    """Length in days; 0 when the period counts months."""

    def __str__(self) -> str:
        if self.days:
            return f"P{self.days}D"
        return f"P{self.months // 12}Y" if self.months % 12 == 0 else f"P{self.months}M"

    def start_of(self, instant: dt.datetime) -> dt.datetime:
        """Give the start of the period that an instant lies in.

        Months count from January of year 0, so P1M, P3M, P1Y fall on the calendar. Days count anew
        from 1 January of each year, as MODIS and Landsat composites do (P8D, P16D): the last one of
        a year is cut short by the year's end.

        Examples
        --------
        >>> parse_period("P16D").start_of(parse_instant("2020-01-20")).date().isoformat()
        '2020-01-17'
        """
        instant = instant.astimezone(UTC)
        if self.months:
            count = (instant.year * 12 + instant.month - 1) // self.months * self.months
            return dt.datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
        first = dt.datetime(instant.year, 1, 1, tzinfo=UTC)
        return first + dt.timedelta(days=(instant - first).days // self.days * self.days)

    def after(self, start: dt.datetime) -> dt.datetime:
        """Give the start of the next period, from the start of one."""
        if self.months:
            return _add_months(start, self.months)
        next_year = dt.datetime(start.year + 1, 1, 1, tzinfo=UTC)
        return min(start + dt.timedelta(days=self.days), next_year)

    def per_year(self) -> int:
        """Count the periods of a year, at least 1: the number of images a year that SWAG asks for."""
        return max(1, 12 // self.months) if self.months else -(-365 // self.days)


def parse_period(text: str) -> Period:
    """Read an ISO 8601 duration as a calendar period.

    Parameters
    ----------
    text : str
        Years and months (``P1Y``, ``P1M``, ``P3M``), or weeks and days (``P1W``, ``P16D``). Not both:
        they would not line up with the calendar.

    Examples
    --------
    >>> parse_period("P1Y")
    Period(months=12, days=0)
    """
    fix = "write an ISO 8601 duration of months or days: P1M, P3M, P1Y, P16D"
    match = _PERIOD.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise InputError(f"period: {text!r} is not a duration", fix=fix)
    years, months, weeks, days = (int(each or 0) for each in match.groups())
    period = Period(years * 12 + months, weeks * 7 + days)
    if bool(period.months) == bool(period.days):
        raise InputError(f"period: {text!r} is of no single calendar length", fix=fix)
    if period.days > 366 or period.months > 1200:
        raise InputError(f"period: {text!r} is longer than a period can be", fix=fix)
    return period


@dataclass(frozen=True, slots=True)
class Bin:
    """One period on the calendar."""

    start: dt.datetime
    """First instant, UTC."""
    end: dt.datetime
    """Last instant, UTC: one second before the next period."""

    @property
    def label(self) -> str:
        """The day that it starts on, as 20200301."""
        return self.start.strftime("%Y%m%d")


def bins_of(period: Period, start: dt.datetime, end: dt.datetime) -> tuple[Bin, ...]:
    """List the calendar periods that an interval touches, in order and without holes.

    Examples
    --------
    >>> [b.label for b in bins_of(Period(1, 0), parse_instant("2020-01-20"), parse_instant("2020-03"))]
    ['20200101', '20200201', '20200301']
    """
    bins = []
    at = period.start_of(start)
    while at <= end:
        following = period.after(at)
        bins.append(Bin(at, following - dt.timedelta(seconds=1)))
        at = following
    return tuple(bins)


def microseconds(instant: dt.datetime) -> int:
    """Count whole microseconds since 1970: exact, and sorts as time does.

    Examples
    --------
    >>> microseconds(parse_instant("1970-01-01T00:00:01Z"))
    1000000
    """
    return (instant - _EPOCH) // dt.timedelta(microseconds=1)
