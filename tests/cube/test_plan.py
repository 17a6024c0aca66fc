"""Mosaics, grids of several files, windows, cost, and files that cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.warp import reproject
from scenes import CORNER, CRS, grid, make_item, ramp, write_tiff

from swath.cube.plan import plan_cube
from swath.cube.valid import ValidRule
from swath.model import BBox, InputError, MissingAssetError

CLEAR = {"band": "QA", "values": [1]}


def scene(folder, name, number, *, clear=True, corner=CORNER, when="2020-06-01T10:00:00Z", **options):
    """A scene of one number, clear where ``clear`` says."""
    shape = (20, 30)
    quality = np.broadcast_to(np.where(clear, 1, 0), shape).astype("u1")
    files = {
        "red": write_tiff(
            folder / f"{name}_red.tif", np.full(shape, number, "u2"), transform=grid(corner=corner), **options
        ),
        "QA": write_tiff(folder / f"{name}_qa.tif", quality, transform=grid(corner=corner), **options),
    }
    return make_item(name, files, datetime=when)


def test_the_earlier_good_pixel_of_a_day_wins(tmp_path):
    early = scene(tmp_path, "late-name", 1, when="2020-06-01T10:00:00Z")
    late = scene(tmp_path, "a-name", 2, when="2020-06-01T10:00:30Z")
    data, _ = plan_cube([late, early], ["red"], valid=CLEAR).read(0)
    assert np.unique(data).tolist() == [1]
    same = scene(tmp_path, "b-name", 3, when="2020-06-01T10:00:30Z")
    data, _ = plan_cube([same, late], ["red"], valid=CLEAR).read(0)
    assert np.unique(data).tolist() == [2]  # at the same instant the lower id


def test_a_cloudy_pixel_is_replaced_by_a_clear_one_of_that_day(tmp_path):
    left = np.arange(30) < 12
    one = scene(tmp_path, "one", 1, clear=left)
    two = scene(tmp_path, "two", 2, clear=np.arange(30) < 25, when="2020-06-01T10:00:30Z")
    plan = plan_cube([one, two], ["red"], valid=CLEAR)
    assert plan.shape == (1, 1, 20, 30)
    data, valid = plan.read(0)
    np.testing.assert_array_equal(data[0, 0], [1.0] * 12 + [2.0] * 13 + [np.nan] * 5)
    np.testing.assert_array_equal(valid[0], np.arange(30) < 25)
    each = plan_cube([one, two], ["red"], valid=CLEAR, groupby="item")
    assert each.shape == (1, 2, 20, 30)
    np.testing.assert_array_equal(np.isfinite(each.read(0)[0][0, 0]), left)


def test_a_pixel_comes_whole_from_one_item(tmp_path):
    """Bands of one pixel are never mixed from two images, as their ratio would mean nothing."""
    files = {}
    for name, red, nir in (("one", [[1, 0]], [[1, 5]]), ("two", [[3, 3]], [[3, 3]])):
        files[name] = {
            "red": write_tiff(tmp_path / f"{name}_r.tif", np.array(red, "u2"), nodata=0),
            "nir": write_tiff(tmp_path / f"{name}_n.tif", np.array(nir, "u2"), nodata=0),
        }
    items = [make_item(name, each) for name, each in files.items()]
    data, _ = plan_cube(items, ["red", "nir"]).read(0)
    assert data[1].tolist() == [[1, 5]]
    assert data[0, 0, 0] == 1
    assert np.isnan(data[0, 0, 1])


def test_days_are_counted_by_the_sun(tmp_path):
    """In Fiji (179 E) the day turns at noon UTC: 11:00 and 13:00 are two days, 13:00 and 01:00 are one."""
    place = {"crs": "EPSG:32760", "corner": (700_000.0, 8_000_000.0)}
    times = ("2020-06-01T11:00:00Z", "2020-06-01T13:00:00Z", "2020-06-02T01:00:00Z")
    items = [scene(tmp_path, f"i{at}", at, when=each, **place) for at, each in enumerate(times)]
    plan = plan_cube(items, ["red"])
    assert [[item.id for item in group.items] for group in plan.groups] == [["i0"], ["i1", "i2"]]


def test_two_utm_zones_come_onto_one_grid(tmp_path):
    """Each half is what rasterio warps it to; where both reach, the earlier wins."""
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4326", "EPSG:32634", [24.0], [45.0])
    west = np.random.default_rng(0).integers(1, 9999, (60, 60)).astype("u2")
    corner = (round(x) - 550.0, round(y) + 300.0)
    one = make_item(
        "one",
        {
            "red": write_tiff(
                tmp_path / "w.tif", west, transform=grid(corner=corner), crs="EPSG:32634", nodata=0
            )
        },
    )
    (x,), (y,) = transform("EPSG:4326", "EPSG:32635", [24.0], [45.0])
    east = np.random.default_rng(1).integers(1, 9999, (30, 30)).astype("u2")
    side = grid(20, (round(x) - 50.0, round(y) + 300.0))
    two = make_item(
        "two", {"red": write_tiff(tmp_path / "e.tif", east, transform=side, crs="EPSG:32635", nodata=0)}
    )
    geobox = GeoBox((70, 130), rasterio.Affine(0.0001, 0, 23.9935, 0, -0.0001, 45.0035), "EPSG:4326")
    data, valid = plan_cube([one, two], ["red"], geobox=geobox).read(0)
    halves = []
    for stored, where, crs in ((west, grid(corner=corner), "EPSG:32634"), (east, side, "EPSG:32635")):
        half = np.zeros(geobox.shape, "u2")
        reproject(
            stored, half, src_transform=where, src_crs=crs, src_nodata=0, dst_nodata=0, tolerance=0,
            dst_transform=geobox.transform, dst_crs="EPSG:4326",
        )  # fmt: skip
        halves.append(half)
    expected = np.where(halves[0] > 0, halves[0], halves[1])
    np.testing.assert_array_equal(np.nan_to_num(data[0]), expected)
    np.testing.assert_array_equal(valid, expected > 0)
    assert (halves[0] > 0).any()
    assert ((halves[0] == 0) & (halves[1] > 0)).any()
    chosen = plan_cube([one, two], ["red"])
    assert str(chosen.geobox.crs) == "EPSG:32634"
    assert chosen.geobox.resolution.x == 10
    _, covered = chosen.read(0)
    assert covered.sum() > 60 * 60  # its own pixels, and those of the other zone


def test_a_coarse_band_comes_onto_the_fine_grid(tmp_path):
    fine, coarse = ramp(20, 30), ramp(10, 15)
    files = {
        "red": write_tiff(tmp_path / "fine.tif", fine),
        "swir16": write_tiff(tmp_path / "coarse.tif", coarse, transform=grid(20)),
    }
    plan = plan_cube([make_item("one", files)], ["red", "swir16"])
    assert plan.geobox.shape == (20, 30)
    data, _ = plan.read(0)
    np.testing.assert_array_equal(data[0], fine)
    np.testing.assert_array_equal(data[1], coarse.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:3832"])
def test_an_area_over_the_antimeridian_has_both_sides(tmp_path, crs):
    """Items left and right of 180 degrees come side by side."""
    size, west = 0.001, {}
    for name, left in (("left", 179.97), ("right", -180.0)):
        transform = rasterio.Affine(size, 0, left, 0, -size, -16.0)
        stored = np.full((20, 30), 1 if name == "left" else 2, "u2")
        west[name] = make_item(
            name, {"red": write_tiff(tmp_path / f"{name}.tif", stored, transform=transform, crs="EPSG:4326")}
        )
    items = list(west.values())
    box = BBox(179.985, -16.015, -179.985, -16.005)
    plan = plan_cube(items, ["red"], bbox=box, crs=None if crs == "EPSG:4326" else crs)
    assert not plan.geobox.crs.geographic
    height, width = plan.geobox.shape
    assert width < 10 * height
    data, valid = plan.read(0)
    middle = data[0, height // 2]
    seen = middle[np.isfinite(middle)]
    assert seen.tolist() == sorted(seen)
    assert set(seen) == {1, 2}
    assert abs((seen == 1).mean() - 0.5) < 0.05
    assert valid.mean() > 0.95


def test_a_window_is_a_slice_of_the_whole(demo):
    plan = plan_cube(demo[60:61], ["red", "nir"], crs="EPSG:32634", resolution=13, resampling="cubic")
    data, valid = plan.read(0)
    for window in (
        (slice(0, 7), slice(3, 40)),
        (slice(20, 21), slice(0, 80)),
        (slice(50, 80), slice(50, 51)),
    ):
        part, good = plan.read(0, window)
        np.testing.assert_array_equal(part, data[:, *window])
        np.testing.assert_array_equal(good, valid[window])


def test_cost_is_what_is_then_held(demo):
    plan = plan_cube(demo[60:67], ["red", "nir", "blue"])
    cost = plan.explain((40, 64))
    data, valid = np.empty(plan.shape, "f4"), np.empty(plan.shape[1:], bool)
    assert cost.bytes_held == data.nbytes + valid.nbytes
    assert cost.shape == plan.shape == (3, 7, 100, 100)
    assert cost.files == 7
    assert cost.chunks == 7 * 3 * 2
    assert cost.bytes_read == 7 * 4 * 2 * 100 * 100  # three bands and SCL, uint16
    small = plan_cube(demo[60:67], ["red"], bbox=BBox(22.150, 45.203, 22.151, 45.204)).explain()
    assert small.bytes_held < cost.bytes_held / 50
    assert small.bytes_read < cost.bytes_read / 20


def test_items_that_do_not_touch_a_window_are_not_opened(tmp_path):
    here = scene(tmp_path, "here", 1)
    there = scene(tmp_path, "there", 2, corner=(CORNER[0] + 5000, CORNER[1]), when="2020-06-01T10:00:30Z")
    plan = plan_cube([here, there], ["red"], geobox=GeoBox((20, 600), grid(), CRS))
    for path in tmp_path.glob("there*"):
        path.unlink()
    data, _ = plan.read(0, (slice(0, 20), slice(0, 100)))
    assert np.nansum(data) == 600
    with pytest.raises(MissingAssetError, match="there_"):
        plan.read(0, (slice(0, 20), slice(450, 600)))


def test_on_bad_goes_on_without_the_item(tmp_path):
    good = scene(tmp_path, "good", 1, when="2020-06-01T10:00:30Z")
    bad = scene(tmp_path, "bad", 2)
    (tmp_path / "bad_red.tif").write_bytes(b"nothing")
    plan = plan_cube([good, bad], ["red"], valid=CLEAR)
    told = []
    data, valid = plan.read(0, on_bad=lambda name, error: told.append((name, error.what)))
    assert valid.all()
    assert np.unique(data).tolist() == [1]
    ((name, what),) = told
    assert name == "bad"
    assert "bad_red.tif" in what
    with pytest.raises(InputError, match="bad_red"):
        plan.read(0)


def test_nothing_stays_of_an_item_whose_second_file_is_bad(tmp_path):
    files = {name: write_tiff(tmp_path / f"bad_{name}.tif", ramp()) for name in ("red", "nir")}
    bad = make_item("bad", files)
    only_nir = {"nir": write_tiff(tmp_path / "good_nir.tif", ramp(start=7))}
    good = make_item("good", only_nir, datetime="2020-06-01T10:00:30Z")
    files["nir"].write_bytes(b"nothing")
    told = []
    for items in ([bad], [bad, good]):
        data, valid = plan_cube(items, ["red", "nir"]).read(0, on_bad=lambda name, _: told.append(name))
        assert np.isnan(data[0]).all()
        assert valid.all() == (len(items) == 2)
    np.testing.assert_array_equal(data[1], ramp(start=7))
    assert told == ["bad", "bad"]


def test_thorough_reading_meets_files_that_are_not_needed(tmp_path):
    cloudy = scene(tmp_path, "cloudy", 1, clear=False)
    early = scene(tmp_path, "early", 2, when="2020-06-01T10:00:10Z")
    late = scene(tmp_path, "late", 3, when="2020-06-01T10:00:30Z")
    for name in ("cloudy_red", "late_qa"):
        (tmp_path / f"{name}.tif").write_bytes(b"nothing")
    plan = plan_cube([cloudy, early, late], ["red"], valid=CLEAR)
    for thorough, bad in ((False, []), (True, ["cloudy", "late"])):
        told = []
        data, valid = plan.read(0, on_bad=lambda name, _: told.append(name), thorough=thorough)  # noqa: B023
        assert told == bad
        assert np.unique(data).tolist() == [2]
        assert valid.all()


def test_a_pixel_without_any_band_is_left_to_the_next_item(tmp_path):
    stored = np.full((20, 30), 7, "u2")
    stored[:, :10] = 0
    one = make_item("one", {"red": write_tiff(tmp_path / "1.tif", stored, nodata=0)})
    two = make_item("two", {"red": write_tiff(tmp_path / "2.tif", np.full((20, 30), 8, "u2"), nodata=0)})
    data, valid = plan_cube([one, two], ["red"]).read(0)
    np.testing.assert_array_equal(data[0, 0], [8] * 10 + [7] * 20)
    assert valid.all()


def test_a_band_that_only_some_items_have_is_missing_in_the_others(tmp_path):
    both = {name: write_tiff(tmp_path / f"{name}.tif", ramp()) for name in ("red", "nir")}
    one = make_item("one", both, datetime="2020-06-01T10:00:00Z")
    two = make_item("two", {"red": both["red"]}, datetime="2020-06-03T10:00:00Z")
    plan = plan_cube([one, two], ["red", "nir"])
    data, _ = plan.read(1)
    np.testing.assert_array_equal(data[0], ramp())
    assert np.isnan(data[1]).all()


# What is told before reading


def told(items, **options):
    """Say how many files GDAL will read, by the cost that the cube tells."""
    cost = plan_cube(items, ["red"], **options).explain()
    text = str(cost)
    assert (f"({cost.gdal_files} through GDAL)" in text) == bool(cost.gdal_files)
    assert cost.gdal_files or "GDAL" not in text
    return cost.gdal_files


def test_cost_tells_which_files_gdal_reads(tmp_path):
    items = [scene(tmp_path, f"i{at}", 1, when=f"2020-06-0{at + 1}T10:00:00Z") for at in range(3)]
    half = GeoBox((10, 10), grid(corner=(CORNER[0] + 5, CORNER[1])), CRS)
    assert told(items) == 0
    assert told(items, valid=CLEAR) == 0
    assert told(items, geobox=half) == 0
    assert told(items, resolution=20) == 0
    assert told(items, resampling="bilinear") == 0  # on the files' own grid
    assert told(items, crs="EPSG:3035", resolution=10) == 3
    assert told(items, crs="EPSG:3035", resolution=10, valid=CLEAR) == 6
    assert told(items, geobox=half, resampling="bilinear") == 3
    assert told(items, geobox=half, resampling="bilinear", valid=CLEAR) == 3  # quality takes the nearest
    assert told(items, resolution=20, resampling="average") == 3


@pytest.mark.parametrize(
    ("href", "kind", "gdal"),
    [
        ("/data/a.tif", "tiff", 0), ("/data/A.TIFF", "tiff", 0), ("https://example.org/a.tif", "tiff", 0),
        ("s3://bucket/a.tif", "tiff", 0), ("file:///data/a.tif", "tiff", 0),
        ("/vsicurl/https://example.org/a.tif", "tiff", 1), ("/vsizip/a.zip/a.tif", "tiff", 1),
        ("https://example.org/a.tif?sig=1", "tiff", 1), ("gs://bucket/a.tif", "tiff", 1),
        ("/data/a.jp2", "jp2", 1), ("/data/a.nc", "netcdf", 1), ("/data/a.vrt", "vrt", 1),
        ('NETCDF:"/data/a.nc":red', "netcdf", 1), ("/data/a.zarr", "vnd+zarr", 0),
        ("https://example.org/a.zarr", "vnd+zarr", 0), ("gs://bucket/a.zarr", "vnd+zarr", 1),
    ],
)  # fmt: skip
def test_cost_tells_gdals_addresses_and_formats(tmp_path, href, kind, gdal):
    item = scene(tmp_path, "one", 1)
    item["assets"]["red"] |= {"href": href, "type": f"image/{kind}"}
    assert told([item]) == gdal


def test_cost_knows_a_crs_by_whatever_it_is_called(tmp_path):
    item = scene(tmp_path, "one", 1)
    expected = plan_cube([item], ["red"]).explain()
    item["assets"]["red"]["proj:wkt2"] = rasterio.crs.CRS.from_string(CRS).to_wkt()
    item["assets"]["red"]["proj:code"] = None
    assert plan_cube([item], ["red"]).explain() == expected
    coarse = plan_cube([item], ["red"], resolution=20).explain()
    assert coarse.bytes_read == expected.bytes_read
    assert told([item], crs="EPSG:3035", resolution=10) == 1


def test_cost_of_files_whose_items_say_no_grid_is_that_of_our_reader(tmp_path):
    path = write_tiff(tmp_path / "one.tif", ramp())
    assert told([make_item("one", {"red": path}, says_grid=False)]) == 0


# Rules on a quality band, by a table


NUMBERS = st.lists(st.integers(-3, 300) | st.integers(0, 65600), max_size=5)
BOUNDS = st.integers(-3, 70_000) | st.floats(0, 300).map(lambda each: round(each, 1))
FIELDS = st.builds(
    lambda first, count, values: {"first": first, "count": count, "values": values},
    st.integers(0, 20), st.integers(1, 4), st.lists(st.integers(0, 15), max_size=4),
)  # fmt: skip


@given(
    said=st.fixed_dictionaries(
        {"not_values": NUMBERS, "bits_clear": st.lists(st.integers(0, 20), max_size=3, unique=True)},
        optional={
            "values": NUMBERS, "bits": st.lists(FIELDS, max_size=2), "min": BOUNDS, "max": BOUNDS,
        },
    ),
    dtype=st.sampled_from(["u1", "u2", ">u2", "i1", "i2", "u4", "f4"]), seed=st.integers(0, 99),
)  # fmt: skip
@bounded(max_examples=120, deadline=None)
def test_rules_by_a_table_are_the_rules(said, dtype, seed):
    rule = ValidRule(band="QA", **{"min": -100_000, **said})
    numbers = np.random.default_rng(seed).integers(-200, 70_000, (9, 40)).astype(dtype)
    numbers[0, :6] = [0, 1, 2, 3, 100, 127]
    good = rule.apply(numbers)
    assert good.dtype == bool
    expected = np.array([is_good(said, each) for each in numbers.ravel().tolist()])
    np.testing.assert_array_equal(good.ravel(), expected)
    np.testing.assert_array_equal(rule.apply(numbers[::2, 1::3]), good[::2, 1::3])


def is_good(said, number):
    """Apply a rule to one number, in plain Python."""
    whole = int(number)
    return all(
        [
            said.get("values") is None or number in said["values"],
            number not in said["not_values"],
            not any(whole >> bit & 1 for bit in said["bits_clear"]),
            all(
                (whole >> each["first"]) % 2 ** each["count"] in each["values"]
                for each in said.get("bits", ())
            ),
            said.get("min") is None or number >= said["min"],
            said.get("max") is None or number <= said["max"],
        ]
    )
