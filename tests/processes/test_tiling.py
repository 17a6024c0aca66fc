"""Tiles: the same pixels whatever their size, only where there is something, and as large as memory lets."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import HealthCheck, given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from odc.geo.geobox import geobox_union_conservative
from rasterio.features import geometry_mask
from scenes import CORNER, grid, make_item, ramp, write_tiff

from swath.cube.tiles import project_geometry
from swath.model import InputError, TooLargeError
from swath.processes import PlanLimits, UnitWork, get_process, parse_inputs
from swath.processes.work import Unit

ROOMY = PlanLimits(1_000_000_000, {})


def plan(name, limits=ROOMY, **inputs):
    process = get_process(name)
    parsed = parse_inputs(process, inputs)
    return process, parsed, process.plan(parsed, inputs["items"], limits)


def compute(name, *, threads=1, **inputs):
    """Run all units in memory; give each layer of each raster as one array over all tiles."""
    process, parsed, work = plan(name, **inputs)
    whole = geobox_union_conservative([each.geobox for each in work.units])
    layers = {}
    for unit in work.units:
        given_ = UnitWork(
            unit, [inputs["items"][at] for at in unit.items], work.context, {}, unit.id, threads
        )
        for raster in process.run(parsed, given_):
            offset = ~whole.transform @ (raster.geobox.transform.c, raster.geobox.transform.f)
            column, row = (round(each) for each in offset)
            rows, columns = raster.geobox.shape
            for layer in raster.layers:
                key = (raster.start, layer.name)
                array = layers.setdefault(key, np.full(whole.shape, np.nan, "f4"))
                array[row : row + rows, column : column + columns] = layer.array
    return whole, layers


def same(one, other):
    assert one.keys() == other.keys()
    for key, array in one.items():
        np.testing.assert_array_equal(array, other[key], err_msg=str(key))


@given(
    tile_size=st.integers(16, 130), period=st.sampled_from(["P1M", "P3M", "P1Y", "P16D"]),
    fill=st.sampled_from(["none", "linear", "swag"]), reducer=st.sampled_from(["median", "mean", "max"]),
    threads=st.integers(1, 3),
)  # fmt: skip
@bounded(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tile_size_gives_the_same_composites(demo, tile_size, period, fill, reducer, threads):
    inputs = {"items": demo[60:75], "index": "NDVI", "period": period, "fill": fill, "reducer": reducer}
    whole, expected = compute("composite", **inputs)
    box, found = compute("composite", tile_size=tile_size, threads=threads, **inputs)
    assert box == whole
    same(found, expected)


@given(tile_size=st.integers(16, 70), seasonal=st.booleans())
@bounded(max_examples=3, deadline=None)
def test_any_tile_size_gives_the_same_trend(demo, tile_size, seasonal):
    inputs = {
        "items": demo[40:90],
        "index": "NDVI",
        "seasonal": seasonal,
        "bbox": (22.15, 45.203, 22.154, 45.206),
    }
    _, expected = compute("trend", **inputs)
    _, found = compute("trend", tile_size=tile_size, **inputs)
    same(found, expected)


@given(tile_size=st.integers(16, 60))
@bounded(max_examples=4, deadline=None)
def test_any_tile_size_gives_the_same_warped_index(demo, tile_size):
    inputs = {
        "items": demo[60:63],
        "index": "NDVI",
        "crs": "EPSG:32634",
        "resolution": 13,
        "resampling": "nearest",
    }
    whole, expected = compute("index", **inputs)
    box, found = compute("index", tile_size=tile_size, **inputs)
    assert box == whole
    same(found, expected)


def test_tiles_outside_the_geometry_are_not_made(demo):
    corner = shapely.box(22.1475, 45.2015, 22.150, 45.203)
    _, _, everything = plan("index", items=demo[60:61], index="NDVI", tile_size=16)
    _, _, some = plan(
        "index", items=demo[60:61], index="NDVI", tile_size=16, geometry=shapely.to_geojson(corner)
    )
    assert len(some.units) < len(everything.units) / 2
    slanted = shapely.Polygon([(22.146, 45.201), (22.158, 45.209), (22.158, 45.2092), (22.146, 45.2012)])
    _, _, diagonal = plan(
        "index", items=demo[60:61], index="NDVI", tile_size=16, geometry=shapely.to_geojson(slanted)
    )
    there = project_geometry(slanted, "EPSG:3035")
    whole = geobox_union_conservative([each.geobox for each in diagonal.units])
    touched = geometry_mask([there], whole.shape, whole.transform, all_touched=True, invert=True)
    covered = np.zeros(whole.shape, bool)
    for unit in diagonal.units:
        assert unit.geobox.extent.geom.intersects(there)
        column, row = ~whole.transform @ (unit.geobox.transform.c, unit.geobox.transform.f)
        rows, columns = unit.geobox.shape
        covered[round(row) : round(row) + rows, round(column) : round(column) + columns] = True
    assert (covered | ~touched).all()
    assert covered.mean() < 0.6


def test_a_named_grid_cuts_where_it_lies_everywhere(demo):
    _, _, work = plan("index", items=demo[60:61], index="NDVI", grid="eea-10km", resolution=10)
    for unit in work.units:
        box = unit.geobox
        assert box.shape == (1000, 1000)
        assert str(box.crs) == "EPSG:3035"
        assert box.boundingbox.left % 10_000 == 0
        assert box.boundingbox.bottom % 10_000 == 0
        assert unit.id == f"x{box.boundingbox.left / 10_000:03.0f}y{box.boundingbox.bottom / 10_000:03.0f}"
    with rasterio.open(demo[60]["assets"]["b10m"]["href"]) as file:
        area = shapely.box(*file.bounds)
    union = shapely.union_all([each.geobox.extent.geom for each in work.units])
    assert union.contains(area)
    assert [each.id for each in work.units] == ["x527y253"]


def test_memory_decides_the_size_of_tiles(demo):
    _, _, roomy = plan("index", items=demo, index="NDVI")
    assert len(roomy.units) == 1
    limit = 2_000_000
    _, _, tight = plan("index", PlanLimits(limit, {}), items=demo, index="NDVI")
    sides = {side for each in tight.units for side in each.geobox.shape}
    assert len(tight.units) > 1
    assert max(sides) in (16, 32, 48)
    assert tight.unit_bytes <= limit
    assert sum(each.geobox.shape.x * each.geobox.shape.y for each in tight.units) == 10_000


def test_a_tile_that_does_not_fit_is_refused_with_both_numbers(demo):
    with pytest.raises(TooLargeError, match=r"one tile needs 6\.7 MB, and a unit may use 1\.0 MB"):
        plan("index", PlanLimits(1_000_000, {}), items=demo, index="NDVI", tile_size=100)
    with pytest.raises(TooLargeError, match=r"unit_memory: only \d+ pixels of all dates fit"):
        plan("index", PlanLimits(50_000, {}), items=demo, index="NDVI")


def test_too_many_tiles_are_refused(demo):
    with pytest.raises(TooLargeError, match="make more than 1000000 tiles of 16"):
        plan("index", items=demo[:1], index="NDVI", tile_size=16, bbox=(0, 40, 30, 60), resolution=1)


def test_tiles_take_the_items_that_they_touch(tmp_path):
    items = [
        make_item(
            f"i{at}",
            {
                "red": write_tiff(
                    tmp_path / f"{at}.tif", ramp(), transform=grid(corner=(CORNER[0] + 2000 * at, CORNER[1]))
                )
            },
        )
        for at in range(3)
    ]
    _, _, work = plan("index", items=items, bands="red", tile_size=50)
    taken = {unit.id: unit.items for unit in work.units}
    assert taken["x000y000"] == (0,)
    assert {at for each in taken.values() for at in each} == {0, 1, 2}
    assert all(isinstance(each, Unit) and each.items for each in work.units)
    assert len(work.units) < 9  # between the items there is nothing to make


def test_an_area_without_items_is_told(demo):
    with pytest.raises(InputError, match="no tile of it touches any item"):
        plan("index", items=demo[:1], index="NDVI", bbox=(10, 40, 10.1, 40.1))


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("index", {}), ("trend", {}), ("trend", {"index": "NDVI,EVI2"}), ("composite", {}),
        ("composite", {"fill": "swag"}),
        ("composite", {"fill": "linear", "bands": "red,nir,blue,green", "index": "EVI"}),
        ("composite", {"reducer": "medoid"}),
        ("fill", {}), ("fill", {"index": "NDVI,EVI2", "fill": "linear"}),
    ],
)  # fmt: skip
def test_a_unit_holds_no_more_than_was_planned(demo, name, inputs):
    """What numpy holds at the peak, as Python counts it, beside what the plan said."""
    given_ = {"items": demo[:100], "index": "NDVI", **inputs}
    compute(name, **{**given_, "items": demo[:3]})  # imports and compiled kernels are not a unit's
    process, parsed, work = plan(name, **given_)
    (unit,) = work.units
    tracemalloc.start()
    process.run(parsed, UnitWork(unit, given_["items"], work.context, {}, "x"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.05 * work.unit_bytes
    assert peak > 0.3 * work.unit_bytes


@given(
    limit=st.integers(2_500_000, 3_000_000_000), name=st.sampled_from(["composite", "fill", "trend"]),
    index=st.sampled_from(["NDVI", "NDVI,EVI2"]), count=st.integers(2, 140),
)  # fmt: skip
@bounded(max_examples=25, deadline=None)
def test_columns_and_tiles_fit_into_the_memory_together(demo, limit, name, index, count):
    _, _, work = plan(name, PlanLimits(limit, {}), items=demo[:count], index=index)
    assert work.unit_bytes <= limit
    assert 256 <= work.context["column_pixels"] <= 1024 * 1024
    assert sum(each.geobox.shape.x * each.geobox.shape.y for each in work.units) == 10_000


@pytest.mark.parametrize("name", ["composite", "fill", "trend"])
def test_a_column_that_does_not_fit_is_refused(demo, name):
    with pytest.raises(
        TooLargeError, match=r"only \d+ pixels of all dates fit into half of it, and 256 must"
    ):
        plan(name, PlanLimits(50_000, {}), items=demo, index="NDVI")


@pytest.mark.parametrize("threads", [2, 4])
@pytest.mark.parametrize("name", ["composite", "trend"])
def test_more_threads_need_no_more_memory(demo, name, threads):
    given_ = {"items": demo[:60], "index": "NDVI"}
    compute(name, threads=threads, **{**given_, "items": demo[:3]})
    process, parsed, work = plan(name, PlanLimits(3_000_000, {}), **given_)
    peaks = []
    for unit in work.units[:2]:
        items = [given_["items"][at] for at in unit.items]
        tracemalloc.start()
        process.run(parsed, UnitWork(unit, items, work.context, {}, "x", threads))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 1.05 * work.unit_bytes
