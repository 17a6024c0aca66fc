"""Bounding boxes in degrees, as GeoJSON and STAC write them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class BBox:
    """A box in longitude and latitude (WGS 84, degrees); west of east means across the antimeridian."""

    west: float
    """Longitude of the western edge, degrees, -180 to 180."""
    south: float
    """Latitude of the southern edge, degrees, -90 to 90."""
    east: float
    """Longitude of the eastern edge, degrees; smaller than ``west`` across the antimeridian."""
    north: float
    """Latitude of the northern edge, degrees."""

    @property
    def crosses_antimeridian(self) -> bool:
        """True when the box goes over longitude 180 (RFC 7946, section 5.2)."""
        return self.west > self.east

    def parts(self) -> tuple[tuple[float, float, float, float], ...]:
        """Give the box as one (minx, miny, maxx, maxy), or as two where it crosses the antimeridian.

        Examples
        --------
        >>> BBox(170, -20, -170, -10).parts()
        ((170, -20, 180.0, -10), (-180.0, -20, -170, -10))
        """
        if not self.crosses_antimeridian:
            return ((self.west, self.south, self.east, self.north),)
        return (
            (self.west, self.south, 180.0, self.north),
            (-180.0, self.south, self.east, self.north),
        )

    def to_list(self) -> list[float]:
        """Give [west, south, east, north], as GeoJSON writes it."""
        return [self.west, self.south, self.east, self.north]


def parse_bbox(values: Sequence[float] | str) -> BBox:
    """Check four (or six, with heights) numbers and make a box of them.

    Parameters
    ----------
    values : sequence of float, degrees, or str
        (west, south, east, north), or the same with commas between. West larger than east means that the box
        crosses the antimeridian, as RFC 7946 has it.

    Raises
    ------
    InputError
        Not four numbers, out of range, south above north, or latitude and longitude swapped.

    Examples
    --------
    >>> parse_bbox("22.1, 45.1, 22.2, 45.3").to_list()
    [22.1, 45.1, 22.2, 45.3]
    """
    order = "give west, south, east, north in degrees, for example 22.1,45.1,22.2,45.3"
    try:
        parts = values.strip(" []()").split(",") if isinstance(values, str) else values
        numbers = [float(each) for each in parts]
    except (TypeError, ValueError) as error:
        raise InputError(f"bbox: got {values!r}, which is not numbers", fix=order) from error
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise InputError(f"bbox: four finite numbers are needed, got {values!r}", fix=order)
    west, south, east, north = numbers
    if abs(south) > 90 or abs(north) > 90:
        swapped = abs(west) <= 90 and abs(east) <= 90
        hint = f"swap latitude and longitude: {south},{west},{north},{east}" if swapped else order
        raise InputError(f"bbox: a latitude is beyond 90 degrees, got {values!r}", fix=hint)
    if abs(west) > 180 or abs(east) > 180:
        raise InputError(f"bbox: a longitude is beyond 180 degrees, got {values!r}", fix=order)
    if south > north:
        raise InputError(
            f"bbox: south is above north, got {values!r}",
            fix=f"swap them: {west},{north},{east},{south}",
        )
    # Four numbers cannot tell a box over the antimeridian from a swapped pair; a box wider than the world's
    # half that only comes about by crossing is far more likely to be the latter.
    if west > east and (360 - west + east) > 180:
        raise InputError(
            f"bbox: west is east of east, got {values!r}",
            fix=f"swap them: {east},{south},{west},{north}",
        )
    return BBox(west, south, east, north)
