"""A job cut into units, and what one unit is given and gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.model import RefusedAssetError, SwathError
from swath.products import Raster

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from odc.geo.geobox import GeoBox


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that a unit gives; the rows of all units become one table."""

    id: str
    """Id of the item that the whole table becomes."""
    frame: Any
    """geopandas.GeoDataFrame in WGS 84."""
    start: dt.datetime
    """First instant that it tells of."""
    end: dt.datetime
    """Last instant that it tells of."""


Output = Raster | Table


@dataclass(frozen=True, slots=True)
class Unit:
    """The atom of work: one tile of a grid, or some polygons."""

    id: str
    """Name, unique in its job."""
    items: tuple[int, ...]
    """Numbers of the pinned items that it reads."""
    geobox: GeoBox | None = None
    """Its tile."""
    features: tuple[int, ...] = ()
    """Numbers of its polygons."""


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """A job cut into units."""

    units: tuple[Unit, ...]
    """At least one."""
    context: Mapping[str, Any]
    """What all units must agree on: JSON values."""
    unit_bytes: int
    """Memory that the largest unit needs."""
    bands: tuple[str, ...] = ()
    """Bands that units read, those that tell which pixels are good among them; none: any of their items."""


@dataclass(frozen=True, slots=True)
class UnitWork:
    """What a process's function is given for one unit."""

    unit: Unit
    """The unit."""
    items: Sequence[dict[str, Any]]
    """Its items."""
    context: Mapping[str, Any]
    """The plan's context."""
    rules: Mapping[str, Mapping[str, Any]]
    """The user's rules for valid pixels, pinned with the job."""
    name: str
    """Stem for the ids of what it gives: the output collection, and the unit where there are several."""
    threads: int = 1
    """Threads that it may use; results do not depend on it."""
    skip_bad: bool = False
    """True when unreadable files are left out."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Item id to reason: what was left out. The one thing here that changes."""

    def leave_out(self, item: str, error: SwathError) -> None:
        """Note an item that cannot be read; raise unless such items may be left out."""
        if not self.skip_bad or isinstance(error, RefusedAssetError):  # nothing is wrong with the item
            raise error
        self.skipped[item] = error.what
