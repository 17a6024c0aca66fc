"""Columns: the whole cube's numbers whatever their size, whatever the files are like and who reads them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.warp import transform
from scenes import CORNER, CRS, grid, make_item, write_tiff
from shapely.geometry import box as shapely_box
from shapely.geometry import mapping

from swath.cube import plan_cube
from swath.kernels import REDUCERS
from swath.model import MissingAssetError, UnreadableAssetError
from swath.processes import PlanLimits, Unit, UnitWork, get_process, parse_inputs
from swath.processes.columns import column_windows, over_columns
from swath.processes.series import Variables, unit_cube
from swath.products import quantity_of
from swath.products.cog import is_stored

SHAPE = (97, 118)
CLEAR = {"band": "QA", "values": [1]}
REFLECTANCE = {each: [{"name": each, "raster:scale": 1e-4}] for each in ("red", "nir")}
LAYOUTS = {
    "blocks of 16": {},
    "odd blocks": {"blockxsize": 48, "blockysize": 32},
    "strips": {"tiled": False, "blockxsize": None, "blockysize": 7},
    "one block": {"blockxsize": 256, "blockysize": 256},
}


def write_days(folder, layout=None, *, count=7, shape=SHAPE, crs=CRS):
    """Write days of red, nir and a quality layer: noise with clouds, and two scenes on each third day."""
    options = {key: each for key, each in (layout or {}).items() if each is not None}
    rng = np.random.default_rng(3)
    items = []
    for day in range(count):
        for part in range(2 if day % 3 == 0 else 1):
            corner = (CORNER[0] + 300 * part, CORNER[1] - 200 * part)
            name, files = f"d{day:02}p{part}", {}
            quality = (rng.random(shape) > 0.4).astype("u1")
            quality[: shape[0] // 2 * (day % 2)] = 0  # whole columns without a clear pixel
            for key, stored in (
                ("red", rng.integers(0, 4000, shape).astype("u2")),
                ("nir", rng.integers(0, 9000, shape).astype("u2")),
                ("QA", quality),
            ):
                files[key] = write_tiff(
                    folder / f"{name}_{key}.tif", stored, transform=grid(corner=corner), crs=crs,
                    nodata=None if key == "QA" else 0, **options,
                )  # fmt: skip
            when = f"2020-{1 + day % 12:02}-{1 + day // 12:02}T10:0{part}:00Z"
            items.append(make_item(name, files, datetime=when, bands=REFLECTANCE))
    return items


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Days in each of the layouts, the same numbers in all of them."""
    folder = tmp_path_factory.mktemp("days")
    return {name: write_days(folder / name.replace(" ", "_"), each) for name, each in LAYOUTS.items()}


def boxes(crs=CRS, pixel=10.0):
    """Draw tiles that begin anywhere, on no block of a file."""
    (x,), (y,) = transform(CRS, crs, [CORNER[0]], [CORNER[1]])
    return st.builds(
        lambda row, column, height, width: GeoBox(
            (height, width), grid(pixel, (x + pixel * column, y - pixel * row)), crs
        ),
        st.integers(-9, 40), st.integers(-9, 40), st.integers(1, 110), st.integers(1, 110),
    )  # fmt: skip


def work_of(items, geobox, *, pixels=0, threads=1, skip_bad=False, start="2020-01-01", end="2020-12-31"):
    """Give a unit its tile, and the size of its columns."""
    context = {
        "start": f"{start}T00:00:00Z",
        "end": f"{end}T00:00:00Z",
        "longitude": 27.0,
        "column_pixels": pixels,
    }
    unit = Unit("x", tuple(range(len(items))), geobox)
    return UnitWork(unit, items, context, {}, "x", threads, skip_bad)


def parsed(name, items, **inputs):
    process = get_process(name)
    return process, parse_inputs(process, {"items": items, "valid": CLEAR, **inputs})


def layers(name, items, work, **inputs):
    """Run a unit; give each layer of each raster."""
    process, given_ = parsed(name, items, **inputs)
    return {
        (each.id, layer.name): layer
        for each in process.run(given_, work)
        for layer in each.layers
    }  # fmt: skip


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, each in expected.items():
        assert found[key].array.dtype == each.array.dtype == each.quantity.dtype
        assert found[key].array.tobytes() == each.array.tobytes(), key
        assert found[key].saturated == each.saturated


def has_values(layer):
    return is_stored(layer.array, layer.quantity).any()


def by_hand(cube, variables):
    """Each image of the cube, read whole, one after the other."""
    images = [variables.compute(cube.read(at)[0]) for at in range(len(cube.groups))]
    return np.stack(images, axis=1)


COLUMNS = st.sampled_from([1, 100, 256, 1000, 1024, 4097, 10_000, 0])
"""Pixels of a column: tiny ones, those of a block, odd ones, and the size that is taken unless said."""


def check_columns(items, geobox, pixels, threads, **inputs):
    work = work_of(items, geobox, pixels=pixels, threads=threads)
    _, given_ = parsed("trend", items, bands="red", index="NDVI", **inputs)
    variables = Variables(given_, items)
    cube = unit_cube(given_, work, variables.bands)
    as_is = [quantity_of("value")]
    found = over_columns(cube, variables, work, lambda series: [series.copy()], as_is)[0].numbers
    expected = by_hand(cube, variables)
    assert found.tobytes() == expected.tobytes()
    return cube, found


@given(
    layout=st.sampled_from(sorted(LAYOUTS)), geobox=boxes(), pixels=COLUMNS, threads=st.integers(1, 3),
)  # fmt: skip
@bounded(max_examples=20, deadline=None)
def test_columns_make_the_cube(days, layout, geobox, pixels, threads):
    check_columns(days[layout], geobox, pixels, threads)


@given(
    geobox=boxes("EPSG:3035", 13.0), pixels=COLUMNS, threads=st.integers(1, 3),
    resampling=st.sampled_from(["nearest", "mode", "med"]),
)  # fmt: skip
@bounded(max_examples=4, deadline=None)
def test_columns_make_the_cube_of_another_crs(days, geobox, pixels, threads, resampling):
    check_columns(days["blocks of 16"][:4], geobox, pixels, threads, resampling=resampling)


@given(geobox=boxes(pixel=23.0), pixels=COLUMNS, threads=st.integers(1, 3))
@bounded(max_examples=10, deadline=None)
def test_columns_make_the_cube_of_coarser_pixels(days, geobox, pixels, threads):
    check_columns(days["odd blocks"][:4], geobox, pixels, threads)


@pytest.mark.parametrize("resampling", ["bilinear", "average"])
def test_any_threads_give_the_same_filtered_pixels(days, resampling):
    """GDAL sums filters in float32, and the last digit may be a piece's own: threads change no piece."""
    (x,), (y,) = transform(CRS, "EPSG:3035", [CORNER[0]], [CORNER[1]])
    items = days["blocks of 16"][:3]
    geobox = GeoBox((70, 80), grid(13.0, (x + 104, y - 103)), "EPSG:3035")
    cube = plan_cube(items, ["red"], geobox=geobox, resampling=resampling)
    windows = column_windows(cube, 10_000, 1)
    assert len(windows) > 1
    assert all(column_windows(cube, 10_000, threads) == windows for threads in (2, 3, 8, 40))
    inputs = {"bands": "red", "resampling": resampling, "reducer": "sum"}
    one, many = (
        layers("composite", items, work_of(items, geobox, pixels=10_000, threads=threads), **inputs)
        for threads in (1, 3)
    )
    same(many, one)


def test_large_blocks_make_the_same_cube(tmp_path):
    items = [
        each
        for side in (512, 256)
        for each in write_days(
            tmp_path / str(side), {"blockxsize": side, "blockysize": side}, count=1, shape=(530, 600)
        )
    ]
    for at, item in enumerate(items):
        item["id"] = str(at)
        item["properties"]["datetime"] = f"2020-03-{1 + at // 2:02}T10:00:00Z"
    geobox = GeoBox((500, 520), grid(corner=(CORNER[0] + 170, CORNER[1] - 90)), CRS)
    for pixels, threads in ((0, 2), (512 * 512, 1), (300_000, 3), (20_000, 2)):
        cube, found = check_columns(items, geobox, pixels, threads)
    assert cube.shape[1] == 2
    assert np.isfinite(found).any()


PROCESSES = [
    *(("composite", {"reducer": each, "percentile": 30}) for each in REDUCERS),
    ("composite", {"reducer": "medoid", "bands": "red,nir"}),
    ("composite", {"fill": "linear"}), ("composite", {"fill": "swag", "bands": "nir,red"}),
    ("fill", {"fill": "linear"}), ("fill", {"fill": "swag", "bands": "red"}),
    ("trend", {"seasonal": False}), ("trend", {"seasonal": True, "bands": "red"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs"), PROCESSES)
def test_processes_do_not_depend_on_columns(days, name, inputs):
    items = days["blocks of 16"]
    geobox = GeoBox((75, 90), grid(corner=(CORNER[0] + 50, CORNER[1] - 70)), CRS)
    given_ = {"index": "NDVI", **({} if name == "trend" else {"period": "P1M"}), **inputs}
    expected = layers(name, items, work_of(items, geobox, pixels=10**6), **given_)
    assert any(has_values(each) for each in expected.values())
    for pixels, threads, layout in ((300, 1, "strips"), (2048, 2, "odd blocks"), (777, 3, "one block")):
        others = days[layout]
        same(
            layers(name, others, work_of(others, geobox, pixels=pixels, threads=threads), **given_), expected
        )


@given(
    geobox=boxes(), layout=st.sampled_from(sorted(LAYOUTS)), pixels=st.integers(1, 20_000),
    threads=st.integers(1, 9), resampling=st.sampled_from(["nearest", "bilinear"]),
)  # fmt: skip
@bounded(max_examples=60, deadline=None)
def test_windows_cover_a_tile_once_and_stay_small(days, geobox, layout, pixels, threads, resampling):
    cube = plan_cube(days[layout][:1], ["red"], geobox=geobox, resampling=resampling)
    times = np.zeros(geobox.shape, int)
    windows = column_windows(cube, pixels, threads)
    for window in windows:
        assert times[window].size
        times[window] += 1
    assert (times == 1).all()
    largest = max((r.stop - r.start) * (c.stop - c.start) for r, c in windows)
    assert largest <= max(pixels // threads, 8)


# What cannot be read


def harm(path, row, column):
    """Overwrite the one block of a file that holds a pixel."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        number = row // page.tilelength * -(-page.imagewidth // page.tilewidth) + column // page.tilewidth
        offset, size = page.dataoffsets[number], page.databytecounts[number]
    content = bytearray(path.read_bytes())
    content[offset : offset + size] = b"\xff" * size
    path.write_bytes(bytes(content))


@pytest.fixture
def harmed(tmp_path):
    """Days of which one scene has a block that is no image: the day's only one, or beside another."""

    def make(name, layer="nir", row=40, column=60):
        items = write_days(tmp_path)
        (item,) = [each for each in items if each["id"] == name]
        harm(Path(item["assets"][layer]["href"]), row, column)
        return items

    return make


BOX = GeoBox((90, 100), grid(corner=(CORNER[0] + 50, CORNER[1] - 30)), CRS)


@pytest.mark.parametrize(("pixels", "threads"), [(900, 1), (2400, 3), (10**6, 2)])
@pytest.mark.parametrize(("name", "layer"), [("d01p0", "nir"), ("d00p0", "nir"), ("d03p1", "QA")])
def test_what_is_harmed_in_one_column_is_left_out_of_all(harmed, name, layer, pixels, threads):
    items = harmed(name, layer)
    rest = [each for each in items if each["id"] != name]
    for process, inputs in (
        ("composite", {"period": "P1M", "bands": "red", "index": "NDVI"}), ("trend", {"bands": "red,nir"})
    ):  # fmt: skip
        work = work_of(items, BOX, pixels=pixels, threads=threads, skip_bad=True)
        found = layers(process, items, work, **inputs)
        assert list(work.skipped) == [name]
        assert f"{name}_{layer}.tif" in work.skipped[name]
        same(found, layers(process, rest, work_of(rest, BOX, pixels=10**6), **inputs))


def test_harm_where_nothing_is_clear_counts_for_columns_of_all_sizes(harmed):
    """Bands are not read where no pixel is clear: small columns must not miss what large ones meet."""
    items = harmed("d01p0", "nir", 5, 10)
    found = []
    for pixels, threads in ((900, 1), (2400, 3), (10**6, 1)):
        work = work_of(items, BOX, pixels=pixels, threads=threads, skip_bad=True)
        found.append(layers("composite", items, work, period="P1Y", bands="red,nir"))
        assert list(work.skipped) == ["d01p0"]
    for each in found[1:]:
        same(each, found[0])


def test_harm_under_another_clear_scene_counts_for_columns_of_all_sizes(tmp_path):
    clear = np.ones(SHAPE, "u1")
    clear[:, 80:] = 0
    items = []
    for name, quality in (("one", clear), ("two", np.ones(SHAPE, "u1"))):
        files = {
            key: write_tiff(tmp_path / f"{name}_{key}.tif", stored)
            for key, stored in (("red", np.full(SHAPE, 5 + len(items), "u2")), ("QA", quality))
        }
        when = f"2020-05-01T10:0{len(items)}:00Z"
        items.append(make_item(name, files, datetime=when, bands=REFLECTANCE))
    harm(tmp_path / "two_red.tif", 8, 8)
    geobox = GeoBox(SHAPE, grid(), CRS)
    for pixels, threads in ((900, 1), (2000, 2), (10**6, 1)):
        work = work_of(items, geobox, pixels=pixels, threads=threads, skip_bad=True)
        found = layers("composite", items, work, period="P1Y", bands="red")
        assert list(work.skipped) == ["two"]
        (red,) = [each for key, each in found.items() if key[1] == "red"]
        np.testing.assert_array_equal(red.array, np.where(clear, 5, -32768))


@pytest.mark.parametrize("skip", [False, True])
def test_values_that_do_not_fit_are_counted_once_whatever_the_columns(harmed, skip):
    items = [each for each in harmed("d00p0", "red") if skip or each["id"] != "d00p0"]
    for each in items:
        each["assets"]["red"]["bands"] = [{"name": "red", "raster:scale": 1e-3}]
    for pixels, threads in ((900, 1), (2400, 3), (10**6, 1)):
        work = work_of(items, BOX, pixels=pixels, threads=threads, skip_bad=skip)
        found = layers("composite", items, work, period="P1Y", bands="red", reducer="max")
        assert bool(work.skipped) == skip  # with an unreadable item all columns are read twice
        (red,) = [each for key, each in found.items() if key[1] == "red"]
        assert red.saturated == (red.array == 32767).sum() > 0
        assert ((red.array > -32768) & (red.array < 32767)).sum() > 0


@pytest.mark.parametrize("threads", [1, 3])
def test_without_skip_bad_the_error_names_the_file(harmed, threads):
    items = harmed("d02p0")
    for pixels in (900, 10**6):
        with pytest.raises(UnreadableAssetError, match=r"d02p0_nir\.tif"):
            layers("trend", items, work_of(items, BOX, pixels=pixels, threads=threads), bands="red,nir")


@pytest.mark.parametrize("pixels", [900, 10**6])
@pytest.mark.parametrize("how", ["gone", "harmed", "no raster"])
def test_a_unit_ends_when_every_item_is_bad(tmp_path, pixels, how):
    items = write_days(tmp_path, count=3)
    for path in tmp_path.glob("*_red.tif"):
        if how == "gone":
            path.unlink()
        elif how == "harmed":
            harm(path, 40, 60)
        else:
            path.write_bytes(b"nothing")
    work = work_of(items, BOX, pixels=pixels, threads=2, skip_bad=True)
    found = layers("composite", items, work, period="P1M", bands="red")
    assert sorted(work.skipped) == [each["id"] for each in items]
    assert not any(has_values(each) for key, each in found.items() if key[1] == "red")
    assert all((each.array == 0).all() for key, each in found.items() if key[1] == "count")
    work = work_of(items, BOX, pixels=pixels)
    with pytest.raises(MissingAssetError if how == "gone" else UnreadableAssetError, match="red"):
        layers("composite", items, work, period="P1M", bands="red")


@pytest.mark.parametrize("threads", [1, 3])
def test_what_was_skipped_is_told_of_the_first_column(tmp_path, threads):
    """Columns are read side by side, and whichever fails last must not be the one that is told."""
    items = write_days(tmp_path, count=1)
    harm(tmp_path / "d00p0_red.tif", 8, 60)
    for row in (40, 60, 80):
        harm(tmp_path / "d00p0_nir.tif", row, 60)
    work = work_of(items, BOX, pixels=900 * threads, threads=threads, skip_bad=True)
    layers("trend", items, work, bands="red,nir")
    assert "d00p0_red.tif" in work.skipped["d00p0"]


# Memory


def peak_bytes(name, items, limit, **inputs):
    """What numpy holds at the peak of a unit, and what its plan said."""
    process, given_ = parsed(name, items, **inputs)
    work = process.plan(given_, items, PlanLimits(limit, {}))
    (unit,) = work.units
    tracemalloc.start()
    process.run(given_, UnitWork(unit, items, work.context, {}, "x", 2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, work


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("composite", {"period": "P1Y", "bands": "red,nir"}), ("trend", {"bands": "red,nir"})],
)
def test_memory_does_not_grow_with_scenes(tmp_path, name, inputs):
    rng = np.random.default_rng(0)
    shape, files = (128, 128), {}
    for key, high in (("red", 4000), ("nir", 4000), ("QA", 2)):
        stored = rng.integers(0, high, shape).astype("u2")
        files[key] = write_tiff(tmp_path / f"{key}.tif", stored, blockxsize=32, blockysize=32)
    items = [
        make_item(f"i{at:02}", files, datetime=f"2020-{1 + at // 28:02}-{1 + at % 28:02}T10:00:00Z")
        for at in range(48)
    ]
    peak_bytes(name, items[:3], 10**9, **inputs)  # imports and compiled kernels are not a unit's
    limit, peaks = 3_000_000, {}
    for count in (16, 48):
        peaks[count], work = peak_bytes(name, items[:count], limit, **inputs)
        assert work.unit_bytes <= limit
        assert peaks[count] < 1.05 * work.unit_bytes
    assert peaks[48] < 2.5 * peaks[16]  # of three times the scenes, both within the limit
    assert 2 * 4 * 48 * shape[0] * shape[1] > 2 * limit  # all dates at once would not fit


def test_an_item_whose_box_is_too_small_is_found_in_all_columns_alike(tmp_path):
    items = write_days(tmp_path, count=1)
    for each in items:
        west, south, _, _ = each["bbox"]
        each["bbox"] = [west, south, west + 1e-4, south + 1e-4]
        each["geometry"] = mapping(shapely_box(*each["bbox"]))
    tile = GeoBox(SHAPE, grid(), CRS)
    expected = layers("trend", items, work_of(items, tile, pixels=10**6), bands="red", seasonal=False)
    same(layers("trend", items, work_of(items, tile, pixels=300), bands="red", seasonal=False), expected)
    assert any(each.array.max() == 1 for (_, name), each in expected.items() if name == "count")
