"""Outlines of grids in WGS 84."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Point, shape

from swath.model import InputError
from swath.products.footprint import footprint_of


def outline(crs, pixel, corner, size=(100, 100)):
    geobox = GeoBox(size, Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), crs)
    geometry, bbox = footprint_of(geobox)
    return geobox, shape(geometry), bbox


def test_pixels_lie_inside_and_their_neighbours_outside():
    geobox, polygon, bbox = outline("EPSG:32633", 1000, (400_000, 5_600_000), (120, 90))
    to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    rng = np.random.default_rng(0)
    for column, row in rng.uniform(0, 1, (200, 2)) * (90, 120):
        assert polygon.contains(Point(to_degrees.transform(*(geobox.transform @ (column, row)))))
    for column, row in ((-1, 60), (91, 60), (45, -1), (45, 121)):
        assert not polygon.contains(Point(to_degrees.transform(*(geobox.transform @ (column, row)))))
    assert bbox == pytest.approx(polygon.bounds, abs=1e-7)
    assert polygon.exterior.is_ccw


def test_a_geographic_grid_is_a_rectangle():
    _, polygon, bbox = outline("EPSG:4326", 0.01, (10, 50))
    assert bbox == [10, 49, 11, 50]
    assert len(polygon.exterior.coords) == 5


@pytest.mark.parametrize(
    ("crs", "pixel", "corner"),
    [
        ("EPSG:32660", 1000, (800_000, 1_000_000)),
        ("EPSG:32701", 1000, (120_000, 8_000_000)),
        ("EPSG:4326", 0.02, (179, 1)),
    ],
)
def test_a_grid_over_the_antimeridian_is_cut_there(crs, pixel, corner):
    _, polygon, bbox = outline(crs, pixel, corner)
    west, _, east, _ = bbox
    assert polygon.geom_type == "MultiPolygon"
    assert west > 170
    assert east < -170
    assert polygon.bounds[0] == -180
    assert polygon.bounds[2] == 180
    assert polygon.area < 10
    assert all(part.exterior.is_ccw for part in polygon.geoms)


def test_a_grid_around_the_pole_holds_the_pole():
    _, polygon, bbox = outline("EPSG:3031", 10_000, (-500_000, 500_000))
    assert bbox[0] == -180
    assert bbox[1] == -90
    assert bbox[2] == 180
    assert polygon.contains(Point(12.3, -89.9))
    assert polygon.contains(Point(-170, -86))
    assert not polygon.contains(Point(0, -80))


def test_the_whole_world_stays_whole():
    _, polygon, bbox = outline("EPSG:4326", 1.0, (-180, 90), (180, 360))
    assert bbox == [-180, -90, 180, 90]
    assert polygon.area == pytest.approx(360 * 180)


def test_a_grid_without_a_crs_is_refused():
    with pytest.raises(InputError, match="no CRS"):
        footprint_of(GeoBox((2, 2), Affine(1, 0, 0, 0, -1, 0), None))
