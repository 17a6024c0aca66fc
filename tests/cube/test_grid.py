"""Which grid is chosen."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform_bounds
from scenes import CORNER, grid, make_item, ramp, write_tiff

from swath.cube.grid import check_resolution, crs_code, project_bounds, target_geobox
from swath.model import BBox, InputError, MissingAssetError


def test_the_files_grid_is_kept(tmp_path):
    item = make_item("one", {"red": write_tiff(tmp_path / "red.tif", ramp())})
    box = target_geobox([item], ["red"])
    assert (box.shape, tuple(box.transform), str(box.crs)) == ((20, 30), tuple(grid()), "EPSG:32635")


def test_several_files_are_covered_and_the_most_frequent_crs_wins(tmp_path):
    def made(name, crs="EPSG:32635", corner=CORNER):
        path = write_tiff(tmp_path / f"{name}.tif", ramp(), crs=crs, transform=grid(corner=corner))
        return make_item(name, {"red": path})

    box = target_geobox([made("a"), made("b", corner=(CORNER[0] + 1000, CORNER[1] - 500))], ["red"])
    assert box.shape == (70, 130)
    assert (box.transform.c, box.transform.f) == CORNER
    three = [made("a"), made("x", "EPSG:32634", (970_000.0, 5_000_000.0)), made("b")]
    assert str(target_geobox(three, ["red"]).crs) == "EPSG:32635"


def test_the_finest_pixel_wins(tmp_path):
    files = {
        "red": write_tiff(tmp_path / "r.tif", ramp(), transform=grid(20)),
        "nir": write_tiff(tmp_path / "n.tif", ramp(40, 60), transform=grid(10)),
    }
    item = make_item("one", files)
    assert target_geobox([item], ["red", "nir"]).resolution.x == 10
    assert target_geobox([item], ["red"]).resolution.x == 20


def test_an_item_that_says_no_grid_is_asked_by_its_file(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path}, says_grid=False)
    assert target_geobox([item], ["red"]).shape[0] >= 20
    assert target_geobox([item], ["red"]).transform.c % 10 == CORNER[0] % 10
    path.unlink()
    with pytest.raises(MissingAssetError, match="red"):
        target_geobox([item], ["red"])


@given(
    west=st.floats(20, 30), south=st.floats(40, 60), width=st.floats(0.001, 0.3), height=st.floats(0.001, 0.3)
)
def test_an_area_is_covered_on_the_files_lattice(demo, west, south, width, height):
    bbox = BBox(west, south, west + width, south + height)
    box = target_geobox(demo[:1], ["red"], bbox=bbox)
    left, bottom, right, top = transform_bounds("EPSG:4326", "EPSG:3035", *bbox.parts()[0], densify_pts=21)
    found = box.boundingbox
    hair = 0.011  # a thousandth of a pixel outside costs none
    assert found.left <= left + hair
    assert found.bottom <= bottom + hair
    assert found.right >= right - hair
    assert found.top >= top - hair
    assert found.left > left - 10.1
    assert found.top < top + 10.1
    origin = demo[0]["assets"]["b10m"]["proj:transform"]
    pixels = (found.left - origin[2]) / 10
    assert pixels == pytest.approx(round(pixels), abs=1e-6)


def test_bounds_of_a_box_are_those_of_its_bent_edges():
    box = (10.0, 45.0, 30.0, 70.0)
    expected = transform_bounds("EPSG:4326", "EPSG:3035", *box, densify_pts=200)
    np.testing.assert_allclose(project_bounds(box, "EPSG:3035"), expected, atol=3000)


@pytest.mark.parametrize(
    ("resolution", "crs", "told"),
    [
        (0, "EPSG:3035", "larger than 0"), (-1, "EPSG:3035", "larger than 0"),
        (float("nan"), "EPSG:3035", "larger than 0"),
        (float("inf"), "EPSG:3035", "larger than 0"), (0.0001, "EPSG:3035", "looks like degrees"),
        (10, "EPSG:4326", "looks like metres"), (10, "nonsense", "no coordinate reference system"),
    ],
)  # fmt: skip
def test_a_pixel_size_that_cannot_be_meant_is_told(resolution, crs, told):
    with pytest.raises(InputError, match=told):
        check_resolution(resolution, crs)


def test_codes_of_reference_systems():
    assert crs_code(32635) == crs_code("epsg:32635") == "EPSG:32635"
    assert crs_code("+proj=sinu +R=6371007.181").startswith("PROJCRS[")


def test_pixels_that_are_no_squares_stay_so(tmp_path):
    path = write_tiff(
        tmp_path / "red.tif",
        np.ones((30, 20), "u2"),
        transform=rasterio.Affine(10, 0, 500_000, 0, -7, 5_000_000),
    )
    item = make_item("i", {"red": path})
    geobox = target_geobox([item], ["red"])
    assert tuple(geobox.shape) == (30, 20)
    assert (geobox.resolution.x, geobox.resolution.y) == (10, -7)
    assert target_geobox([item], ["red"], resolution=10).shape == (21, 20)
