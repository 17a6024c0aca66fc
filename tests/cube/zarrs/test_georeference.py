"""Where images of Zarr lie, in the ways that stores say it."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from rasterio import Affine
from scenes import CRS, grid

from swath.cube.tiff import Unsupported
from swath.cube.zarrs.georeference import georeference
from swath.cube.zarrs.header import parse_array

WKT = pyproj.CRS(CRS).to_wkt()
CENTRES = {"y": 5_000_000 - 5 - 10.0 * np.arange(6), "x": 500_000 + 5 + 10.0 * np.arange(8)}


def place(attributes=None, nodes=None, centres=CENTRES, dims=("time", "y", "x"), shape=(2, 6, 8)):
    array = parse_array({
        "zarr_format": 2, "shape": list(shape), "chunks": [1] * len(shape), "dtype": "<i2", "order": "C",
        "compressor": None, "filters": None, "fill_value": 0,
        "attributes": {**(attributes or {}), "_ARRAY_DIMENSIONS": list(dims)},
    })  # fmt: skip
    nodes = {name: {"attributes": each} for name, each in (nodes or {}).items()}
    return georeference(array, nodes.get, (centres or {}).get)


CF = {k: v for k, v in pyproj.CRS(CRS).to_cf().items() if k != "crs_wkt"}


@pytest.mark.parametrize(
    ("attributes", "nodes"),
    [
        ({"grid_mapping": "crs"}, {"crs": {"crs_wkt": WKT}}),
        ({"grid_mapping": "crs: x y"}, {"crs": {"spatial_ref": WKT}}),
        ({}, {"spatial_ref": {"crs_wkt": WKT}}),
        ({"grid_mapping": "crs"}, {"crs": CF}),
        ({"_CRS": {"wkt": WKT}}, {}),
        ({"_CRS": {"projjson": pyproj.CRS(CRS).to_json_dict()}}, {}),
        ({"_CRS": {"url": "http://www.opengis.net/def/crs/EPSG/0/32635"}}, {}),
        ({"proj:code": CRS}, {}),
        ({}, {"": {"proj:code": CRS}}),
        ({}, {"": {"proj:epsg": 32635}}),
        ({"proj:projjson": pyproj.CRS(CRS).to_json_dict()}, {}),
    ],
)  # fmt: skip
def test_each_way_to_say_the_crs(attributes, nodes):
    crs, transform = place(attributes, nodes)
    assert pyproj.CRS.from_wkt(crs.to_wkt()).to_authority() == ("EPSG", "32635") or "UTM" in crs.to_wkt()
    assert crs.to_dict().get("zone", 35) == 35
    assert transform == grid()


KNOWN = {"spatial_ref": {"crs_wkt": WKT}}
NO_TRANSFORM = {"spatial_ref": {"crs_wkt": WKT, "GeoTransform": "1 2"}}


def test_a_transform_as_such_serves_where_there_are_no_coordinates_and_is_not_rounded():
    said = {"spatial_ref": {"crs_wkt": WKT, "GeoTransform": "500000 10 0 5000000 0 -10"}}
    assert place(nodes=said, centres=None)[1] == grid()
    assert place({"spatial:transform": [10, 0, 500000, 0, -10, 5000000]}, KNOWN, centres=None)[1] == grid()
    rounded = {name: each + 1e-4 for name, each in CENTRES.items()}
    assert place(nodes=said, centres=rounded)[1] == grid()


def test_coordinates_win_over_a_transform_that_a_cut_left_behind():
    said = {"spatial_ref": {"crs_wkt": WKT, "GeoTransform": "0 10 0 0 0 -10"}}
    assert place(nodes=said)[1] == grid()


def test_coordinates_of_odc_and_those_that_go_up():
    box = GeoBox((6, 8), grid(), CRS)
    centres = {name: each.values for name, each in xr_coords(box).items() if each.ndim}
    assert place(nodes=KNOWN, centres=centres)[1].almost_equals(grid())
    upwards = {**CENTRES, "y": CENTRES["y"][::-1]}
    assert place(nodes=KNOWN, centres=upwards)[1] == Affine(10, 0, 500_000, 0, 10, 5_000_000 - 60)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "no coordinate reference system"),
        ({"nodes": {"spatial_ref": {"crs_wkt": "nonsense"}}}, "its coordinate reference system"),
        ({"nodes": KNOWN, "centres": None}, "no coordinates"),
        ({"nodes": KNOWN, "centres": {**CENTRES, "x": np.arange(8.0) ** 2}}, "evenly spaced"),
        ({"nodes": KNOWN, "centres": {**CENTRES, "x": np.full(8, np.nan)}}, "evenly spaced"),
        ({"nodes": KNOWN, "centres": {**CENTRES, "x": np.zeros(8)}}, "evenly spaced"),
        ({"nodes": KNOWN, "centres": {**CENTRES, "x": np.arange(7.0)}}, "another length"),
        ({"nodes": KNOWN, "dims": ("time", "x", "y")}, "order time, x, y"),
        ({"nodes": KNOWN, "dims": ("lat", "lon", "time")}, "order lat, lon, time"),
        ({"nodes": NO_TRANSFORM, "centres": None}, "its transform"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_left_to_gdal(options, told):
    with pytest.raises(Unsupported, match=told):
        place(**options)
