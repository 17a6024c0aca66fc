"""Files onto grids, beside rasterio's own reading and warping."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform
from rasterio.windows import Window
from scenes import CORNER, CRS, grid, make_item, ramp, write_tiff

from swath.cube.placing import RESAMPLING
from swath.cube.reader import open_raster
from swath.cube.sources import band_sources
from swath.cube.tiff import Unsupported
from swath.model import InputError, MissingAssetError, UnreadableAssetError


def box(shape, *, pixel=10.0, corner=CORNER, crs=CRS):
    return GeoBox(shape, grid(pixel, corner), crs)


def read(path, geobox, resampling="nearest", **item):
    return read_item(path, make_item("one", {"red": path}, **item), geobox, resampling)


def read_item(path, item, geobox, resampling="nearest"):
    """Read all layers of an item's file: stored numbers, and where there are any."""
    with open_raster(str(path)) as file:
        pixels = file.place(band_sources(item), geobox, resampling=resampling)
    present = [pixels.present(layer) for layer in range(len(pixels.data))]
    return SimpleNamespace(data=pixels.data, present=np.stack(present))


@pytest.mark.parametrize(
    ("row", "column", "height", "width"), [(0, 0, 20, 30), (3, 5, 7, 11), (19, 29, 1, 1)]
)
def test_the_same_grid_is_a_window_of_the_file(tmp_path, row, column, height, width):
    path = write_tiff(tmp_path / "red.tif", ramp())
    corner = (CORNER[0] + 10 * column, CORNER[1] - 10 * row)
    pixels = read(path, box((height, width), corner=corner), "cubic")
    with rasterio.open(path) as file:
        expected = file.read(window=Window(column, row, width, height))
    np.testing.assert_array_equal(pixels.data, expected)
    assert pixels.present.all()


def test_beyond_the_file_there_is_nothing(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    pixels = read(path, box((24, 36), corner=(CORNER[0] - 30, CORNER[1] + 20)))
    assert not pixels.present[0, :2].any()
    assert not pixels.present[0, :, :3].any()
    np.testing.assert_array_equal(pixels.data[0, 2:22, 3:33], ramp())
    assert pixels.present.sum() == 600
    far = read(path, box((5, 5), corner=(CORNER[0] + 1e6, CORNER[1])))
    assert not far.present.any()


@pytest.mark.parametrize(
    ("shift", "pixel"),
    [((3.0, 0.0), 10.0), ((4.9, -4.9), 10.0), ((5.1, 5.1), 10.0), ((0.0, 0.0), 7.0), ((2.0, -3.0), 25.0)],
)  # fmt: skip
def test_a_shifted_lattice_takes_the_pixel_under_each_centre(tmp_path, shift, pixel):
    path = write_tiff(tmp_path / "red.tif", ramp())
    corner = (CORNER[0] + shift[0], CORNER[1] + shift[1])
    pixels = read(path, box((8, 9), pixel=pixel, corner=corner))
    for row in range(8):
        for column in range(9):
            at_x = corner[0] + (column + 0.5) * pixel
            at_y = corner[1] - (row + 0.5) * pixel
            file_row, file_column = int((CORNER[1] - at_y) // 10), int((at_x - CORNER[0]) // 10)
            if 0 <= file_row < 20 and 0 <= file_column < 30:
                assert pixels.data[0, row, column] == ramp()[file_row, file_column]
            else:
                assert not pixels.present[0, row, column]


@pytest.mark.parametrize("resampling", [each for each in RESAMPLING if each != "nearest"])
def test_another_crs_is_warped_as_gdal_does(tmp_path, resampling):
    rng = np.random.default_rng(1)
    stored = rng.integers(1, 10_000, (60, 60)).astype("u2")
    stored[rng.random(stored.shape) < 0.1] = 0
    path = write_tiff(tmp_path / "red.tif", stored, nodata=0)
    (x,), (y,) = transform(CRS, "EPSG:3035", [CORNER[0] + 50], [CORNER[1] - 20])
    geobox = GeoBox((40, 40), rasterio.Affine(12, 0, round(x), 0, -12, round(y)), "EPSG:3035")
    pixels = read(path, geobox, resampling)
    expected = np.full((40, 40), np.nan, "f4")
    reproject(
        stored, expected, src_transform=grid(), src_crs=CRS, src_nodata=0, dst_nodata=np.nan,
        dst_transform=geobox.transform, dst_crs="EPSG:3035", resampling=Resampling[resampling],
        tolerance=0, XSCALE=repr(_scale(geobox)), YSCALE=repr(_scale(geobox)),
    )  # fmt: skip
    np.testing.assert_array_equal(pixels.present[0], np.isfinite(expected))
    # Ours rounds places to a millionth of a pixel, and so agrees to a millionth of the steepest slope.
    np.testing.assert_allclose(pixels.data[0], expected, atol=0.1, rtol=1e-4)
    assert pixels.present.any()


def _scale(geobox):
    """Give target pixels in one of the file, at its centre; what GDAL guesses depends on the window."""
    centre = GeoBox((1, 1), grid(10, (CORNER[0] + 300, CORNER[1] - 300)), CRS)
    there = centre.extent.to_crs("EPSG:3035").boundingbox
    return 1 / (12 / ((there.span_x + there.span_y) / 2))


def test_an_average_of_finer_pixels_is_their_mean(tmp_path):
    stored = ramp(20, 30).astype("f4")
    path = write_tiff(tmp_path / "red.tif", stored)
    pixels = read(path, box((10, 15), pixel=20.0), "average")
    np.testing.assert_allclose(pixels.data[0], stored.reshape(10, 2, 15, 2).mean(axis=(1, 3)), rtol=1e-6)


def test_overviews_are_used_where_they_are_fine_enough(tmp_path):
    path = write_tiff(tmp_path / "red.tif", np.full((64, 64), 100, "u2"))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], Resampling.nearest)
        file.write(np.full((64, 64), 200, "u2"), 1)  # its overviews stay as they were, which tells them apart
    for pixel, expected in ((10.5, 200), (19.9, 200), (20.5, 100), (50.0, 100)):
        pixels = read(path, box((4, 4), pixel=pixel, corner=(CORNER[0] + 100, CORNER[1] - 100)), "bilinear")
        assert np.unique(pixels.data).tolist() == [expected]


def test_nodata_of_the_item_wins_over_that_of_the_file(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp(), nodata=5)
    assert read(path, box((20, 30))).present.sum() == 599
    assert not read(path, box((20, 30))).present[0, 0, 4]
    pixels = read(path, box((20, 30)), bands={"red": [{"name": "red", "nodata": 7}]})
    assert pixels.present[0, 0, 4]
    assert not pixels.present[0, 0, 6]


def test_nodata_that_the_type_cannot_hold_masks_nothing(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    for number in (-9999, 0.5, "nan"):
        assert read(path, box((20, 30)), bands={"red": [{"name": "red", "nodata": number}]}).present.all()


def test_nan_is_missing_in_floats(tmp_path):
    stored = ramp().astype("f4")
    stored[2, 3] = np.nan
    path = write_tiff(tmp_path / "red.tif", stored, nodata=np.nan)
    pixels = read(path, box((20, 30)))
    assert np.argwhere(~pixels.present[0]).tolist() == [[2, 3]]


def test_a_file_without_nodata_is_all_there(tmp_path):
    stored = ramp(start=0)
    path = write_tiff(tmp_path / "red.tif", stored)
    assert read(path, box((20, 30))).present.all()
    warped = read(path, box((22, 32), pixel=9.99, corner=(CORNER[0] - 5, CORNER[1] + 5)), "bilinear")
    assert warped.present[0, 1:20, 1:30].all()
    assert not warped.present[0, -1].any()


@pytest.mark.parametrize("pixel", [10.0, 20.0])
def test_a_mask_inside_the_file_counts(tmp_path, pixel):
    mask = np.ones((20, 30), bool)
    mask[4:10, 6:12] = False
    path = write_tiff(tmp_path / "red.tif", ramp(), mask=mask)
    factor = int(pixel // 10)
    pixels = read(
        path, box((20 // factor, 30 // factor), pixel=pixel), "average" if factor > 1 else "nearest"
    )
    np.testing.assert_array_equal(pixels.present[0], mask[::factor, ::factor])


def test_each_layer_of_a_file_has_its_own_nodata(tmp_path):
    stored = np.stack([ramp(), ramp(start=101)])
    path = write_tiff(tmp_path / "two.tif", stored)
    item = make_item(
        "one", {"two": path}, bands={"two": [{"name": "a", "nodata": 1}, {"name": "b", "nodata": 102}]}
    )
    pixels = read_item(path, item, box((20, 30)))
    assert np.argwhere(~pixels.present).tolist() == [[0, 0, 0], [1, 0, 1]]


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def emptied(path):
    path.write_bytes(b"")


def spoiled(path):
    path.write_text("<html>403 Forbidden</html>")


def moved(path):
    write_tiff(path, ramp(), transform=grid(corner=(CORNER[0] + 10, CORNER[1])))


def elsewhere(path):
    write_tiff(path, ramp(), crs="EPSG:32636")


def nowhere(path):
    write_tiff(path, ramp(), crs=None)


@pytest.mark.parametrize(
    ("harm", "kind", "told"),
    [
        (lambda path: path.unlink(), MissingAssetError, "there is no file"),
        (truncated, UnreadableAssetError, "cannot be read as a raster"),
        (emptied, UnreadableAssetError, "cannot be read as a raster"),
        (spoiled, UnreadableAssetError, "cannot be read as a raster"),
        (moved, UnreadableAssetError, "lies at .* its item says"),
        (elsewhere, UnreadableAssetError, "is in EPSG:32636, its item says EPSG:32635"),
        (nowhere, UnreadableAssetError, "has no coordinate reference system"),
    ],
    ids=["missing", "truncated", "empty", "no raster", "moved", "other crs", "no crs"],
)
@pytest.mark.parametrize("pixel", [10.0, 13.0])
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, harm, kind, told, pixel):
    rng = np.random.default_rng(3)
    path = write_tiff(tmp_path / "red.tif", rng.integers(1, 9999, (200, 300)).astype("u2"))
    if harm in (moved, elsewhere, nowhere):
        write_tiff(path, ramp())
    sources = band_sources(make_item("one", {"red": path}))
    harm(path)
    with pytest.raises(kind, match=told) as error, open_raster(str(path)) as file:
        file.place(sources, box((150, 200), pixel=pixel), resampling="bilinear")
    assert str(path) in error.value.what
    assert "--skip-bad" in error.value.fix


def test_a_layer_that_the_file_lacks_is_told(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path}, bands={"red": [{"name": "a"}, {"name": "b"}]})
    with (
        pytest.raises(UnreadableAssetError, match="has 1 layers, its item says 2"),
        open_raster(str(path)) as file,
    ):
        file.place(band_sources(item)[1:], box((2, 2)))


@pytest.fixture(params=["ours", "GDAL"])
def door(request, monkeypatch):
    """Both readers: a file that ours leaves to GDAL gives the same pixels."""
    if request.param == "GDAL":

        def refuse(href):
            raise Unsupported("for the test")

        monkeypatch.setattr("swath.cube.reader.open_own", refuse)
    return request.param


def write_with_overviews(path, *, masked=False):
    """Write 240 x 320 pixels with overviews of other numbers than theirs, so that one sees them used."""
    rng = np.random.default_rng(5)
    stored = rng.integers(1, 9000, (240, 320)).astype("u2")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write_tiff(path, stored, nodata=None if masked else 0, blocks=64)
        with rasterio.open(path, "r+") as file:
            if masked:
                file.write_mask(rng.random(stored.shape) > 0.3)
            file.build_overviews([2, 4, 8], Resampling.average)
    return path


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("pixel", "level"), [(10, None), (19, None), (20, 0), (30, 0), (40, 1), (79, 1), (200, 2)]
)
def test_a_coarser_grid_is_picked_from_the_overview_that_is_fine_enough(tmp_path, door, pixel, level, masked):
    path = write_with_overviews(tmp_path / "red.tif", masked=masked)
    geobox = box((2400 // pixel, 3200 // pixel), pixel=pixel)
    pixels = read(path, geobox)
    options = {} if level is None else {"overview_level": level}
    with rasterio.open(path, **options) as file:
        expected, there = file.read(1), file.read_masks(1) > 0
    size = 10.0 if level is None else 10.0 * 2 ** (level + 1)
    rows, columns = (
        np.floor((np.arange(each) + 0.5) * pixel / size + 1e-6).astype(int) for each in geobox.shape
    )
    np.testing.assert_array_equal(pixels.data[0], expected[np.ix_(rows, columns)])
    np.testing.assert_array_equal(pixels.present[0], there[np.ix_(rows, columns)])
    part = read(path, geobox[1:5, 2:9])
    np.testing.assert_array_equal(part.data, pixels.data[:, 1:5, 2:9])


def test_a_coarse_grid_over_a_large_file_is_picked_in_stripes(tmp_path, door, monkeypatch):
    path = write_tiff(tmp_path / "red.tif", np.arange(60_000, dtype="u2").reshape(200, 300))
    whole = read(path, box((33, 50), pixel=60.0))
    monkeypatch.setattr("swath.cube.placing._STRIPE", 4_000)
    np.testing.assert_array_equal(read(path, box((33, 50), pixel=60.0)).data, whole.data)
    assert whole.data[0, 1, 1] == 9 * 300 + 9


def test_a_code_that_is_no_crs_is_told(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path})
    for asset in (item["properties"], *item["assets"].values()):
        if "proj:code" in asset:
            asset["proj:code"] = "EPSG:no"
    with open_raster(str(path)) as file, pytest.raises(InputError, match="'EPSG:no' is no coordinate"):
        file.place(band_sources(item), box((20, 30)))
