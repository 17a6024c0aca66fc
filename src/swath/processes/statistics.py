"""The process ``statistics``: time series of polygons and points, as a table."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from swath.cube.grid import target_geobox
from swath.model import InputError, NotFoundError, parse_instant, unknown
from swath.processes.inputs import CubeInputs, split_names
from swath.processes.periods import time_span
from swath.processes.registry import PlanLimits, process
from swath.processes.series import Variables, unit_cube
from swath.processes.tiling import bands_read
from swath.processes.work import Table, Unit, UnitWork, WorkPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

_STATISTICS: dict[str, Callable[[NDArray[np.float64]], Any]] = {
    "count": lambda values: values.size,
    "mean": np.mean,
    "std": np.std,
    "min": np.min,
    "max": np.max,
    "median": np.median,
    "p10": lambda values: np.percentile(values, 10),
    "p25": lambda values: np.percentile(values, 25),
    "p75": lambda values: np.percentile(values, 75),
    "p90": lambda values: np.percentile(values, 90),
}
_FEATURES_PER_UNIT = 64


def _features(value: Any) -> Any:
    """Read polygons from a file or take them as GeoJSON, in WGS 84, so that the job folder holds them."""
    import geopandas
    from pyogrio.errors import DataSourceError

    if isinstance(value, str):
        path = Path(value).expanduser()
        if not path.exists():
            raise NotFoundError(f"features: there is no file {value!r}")
        try:
            frame = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
        except (DataSourceError, ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"features: {value!r} cannot be read as vector data ({reason})") from error
        if frame.crs is None:
            raise InputError(
                f"features: {value!r} has no coordinate reference system", fix="set one in the file"
            )
        with warnings.catch_warnings():  # pyogrio speaks of time zones of columns that are not used
            warnings.simplefilter("ignore")
            value = json.loads(frame.to_crs("EPSG:4326").to_json(drop_id=False))
    if not isinstance(value, dict) or value.get("type") not in ("FeatureCollection", "Feature"):
        raise InputError(
            "features: a vector file or a GeoJSON FeatureCollection is needed", fix="-i features=fields.gpkg"
        )
    features = value["features"] if value["type"] == "FeatureCollection" else [value]
    if not features:
        raise InputError("features: there is no feature in it")
    for at, each in enumerate(features):
        if not each.get("geometry"):
            raise InputError(f"features: number {at} has no geometry", fix="remove it")
    return {"type": "FeatureCollection", "features": features}


class StatisticsInputs(CubeInputs):
    """Inputs of ``statistics``."""

    features: Annotated[Any, BeforeValidator(_features)] = Field(
        description="Polygons or points: a vector file (GeoPackage, Shapefile, GeoParquet) or GeoJSON."
    )
    id_field: str | None = Field(
        default=None, description="Attribute that names a feature; its number, from 0, unless given."
    )
    statistics: Annotated[tuple[str, ...], BeforeValidator(split_names)] = Field(
        default=("count", "mean", "std", "min", "median", "max"),
        description="What is computed of a feature's clear pixels: " + ", ".join(_STATISTICS) + ".",
    )


def _plan(inputs: StatisticsInputs, items: Sequence[dict[str, Any]], limits: PlanLimits) -> WorkPlan:
    for name in inputs.statistics:
        if name not in _STATISTICS:
            raise unknown(f"statistics: {name!r} is not known", name, _STATISTICS)
    variables = Variables(inputs, items)
    target_geobox(
        items, variables.bands, crs=inputs.crs, resolution=inputs.resolution
    )  # a wrong grid ends here
    features = inputs.features["features"]
    if inputs.id_field is not None and inputs.id_field not in features[0].get("properties", {}):
        known = features[0].get("properties", {})
        raise InputError(f"id_field: features have no attribute {inputs.id_field!r}", known=known)
    # Neighbours share a unit, and so the files that they read.
    order = np.argsort(_hilbert(features), kind="stable")
    parts = [order[at : at + _FEATURES_PER_UNIT] for at in range(0, len(order), _FEATURES_PER_UNIT)]
    every = tuple(range(len(items)))
    units = tuple(
        Unit(f"part{number:05d}", every, features=tuple(int(each) for each in part))
        for number, part in enumerate(parts)
    )
    bands = bands_read(inputs, items, variables.bands, limits)
    return WorkPlan(units, time_span(items, inputs.datetime), 64_000_000, bands)


def _hilbert(features: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    import geopandas
    import shapely

    shapes = [shapely.geometry.shape(each["geometry"]) for each in features]
    return np.asarray(geopandas.GeoSeries(shapes).hilbert_distance(), np.int64)


@process("statistics", title="Time series of polygons", inputs=StatisticsInputs, plan=_plan)
def statistics(inputs: StatisticsInputs, work: UnitWork) -> list[Table]:
    """Compute statistics of the clear pixels of each polygon or point, image by image, as a table.

    A pixel belongs to a feature when its centre lies inside; a feature without any takes the pixels that
    it touches. Each row has the feature, the time, the variable, the statistics and the share of clear
    pixels.
    """
    import geopandas
    import shapely

    features = inputs.features["features"]
    rows: list[dict[str, Any]] = []
    shapes = []
    for number in work.unit.features:
        shape = shapely.geometry.shape(features[number]["geometry"])
        found = _series_of(inputs, work, shape)
        name = number if inputs.id_field is None else features[number]["properties"][inputs.id_field]
        rows += [{"feature": name, **each} for each in found]
        shapes += [shape] * len(found)
    columns = ["feature", "time", "variable", *inputs.statistics, "clear_percent"]
    frame = geopandas.GeoDataFrame(rows, columns=columns, geometry=shapes, crs="EPSG:4326")
    start, end = parse_instant(work.context["start"]), parse_instant(work.context["end"])
    return [Table(id=work.name.removesuffix(f"_{work.unit.id}"), frame=frame, start=start, end=end)]


def _series_of(inputs: StatisticsInputs, work: UnitWork, shape: Any) -> list[dict[str, Any]]:
    """Compute the rows of one feature: those images that have a clear pixel in it."""
    from dataclasses import replace

    near = [each for each in work.items if _may_touch(each, shape)]
    if not near:
        return []
    variables = Variables(inputs, near)
    geobox = target_geobox(
        near, variables.bands, crs=inputs.crs, resolution=inputs.resolution, geometry=shape.envelope
    )
    here = replace(work, unit=replace(work.unit, geobox=geobox), items=near, context={})
    cube = unit_cube(inputs, here, variables.bands)
    inside = _inside(geobox, shape)

    def row(at: int) -> list[dict[str, Any]]:
        data, _ = cube.read(at, on_bad=work.leave_out)
        values = variables.compute(data)[:, inside].astype(np.float64)
        rows = []
        for name, each in zip(variables.names, values, strict=True):
            clear = each[np.isfinite(each)]
            if clear.size:
                numbers = {key: _STATISTICS[key](clear) for key in inputs.statistics}
                share = round(100 * clear.size / each.size, 2)
                rows.append({"time": cube.times[at], "variable": name, **numbers, "clear_percent": share})
        return rows

    with ThreadPoolExecutor(work.threads) as pool:
        return [each for rows in pool.map(row, range(len(cube.groups))) for each in rows]


def _may_touch(item: dict[str, Any], shape: Any) -> bool:
    import shapely

    if not item.get("geometry"):
        return True
    return bool(shapely.box(*shape.bounds).intersects(shapely.geometry.shape(item["geometry"])))


def _inside(geobox: GeoBox, shape: Any) -> NDArray[np.bool_]:
    from rasterio.features import geometry_mask

    from swath.cube.tiles import project_geometry

    there = project_geometry(shape, str(geobox.crs))
    for all_touched in (False, True):
        inside = geometry_mask([there], geobox.shape, geobox.transform, all_touched=all_touched, invert=True)
        if inside.any():
            return np.asarray(inside)
    return np.asarray(inside)
