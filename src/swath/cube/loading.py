"""Items to an xarray.Dataset: lazy and chunked, or read at once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from odc.geo.xr import xr_coords

from swath.cube import accessor  # noqa: F401 -- registers `.swath`
from swath.cube.given import item_dicts, parse_geometry
from swath.cube.on_tape import bring_files
from swath.cube.orderable import say_if_orderable
from swath.cube.plan import CubePlan, plan_cube
from swath.model import InputError, parse_bbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.cube.valid import ValidRule

_IN_FLIGHT = 16
"""Images that are read at once where files lie behind a server: threads wait for it most of the time."""
AUTO_CHUNK = 1024
"""Side of a chunk in pixels, unless the caller says another."""


def load(
    items: Any,
    bands: Sequence[str] | str,
    *,
    geobox: GeoBox | None = None,
    like: xr.Dataset | xr.DataArray | None = None,
    crs: Any = None,
    resolution: float | None = None,
    bbox: Sequence[float] | str | None = None,
    geometry: Any = None,
    valid: Mapping[str, Any] | ValidRule | bool | None = None,
    groupby: str = "solar_day",
    resampling: str = "nearest",
    chunks: Mapping[str, int] | int | None = AUTO_CHUNK,
    memory_bytes: int | None = None,
    stage: bool = False,
) -> xr.Dataset:
    """Load STAC items as a cube.

    Parameters
    ----------
    items : iterable of pystac.Item or dict, ItemCollection, or a search
        What to load: any mix of collections, CRS and resolutions.
    bands : str or sequence of str
        Band names, common names (``red``), asset keys, or ``asset:band``.
    geobox, like, crs, resolution, bbox, geometry
        Target grid: a GeoBox, another cube's grid, or what is to be chosen by itself. ``bbox`` (west,
        south, east, north) and ``geometry`` (GeoJSON or shapely) are in degrees, ``resolution`` in units
        of ``crs``.
    valid : rule, True, False or None
        Which pixels are good, for example ``{"band": "SCL", "values": [4, 5, 7]}``. None: the rule that is
        known for the collection. False: all that have data.
    groupby : {"solar_day", "item"}
        Items of one solar day become one image, or each item is one.
    resampling : str
        How bands come to another grid: nearest, bilinear, cubic, average, ...; quality bands always take
        the nearest pixel.
    chunks : int or mapping of ``x`` and ``y`` to int, or None
        Size of the lazy chunks in pixels; None reads everything now, on threads.
    memory_bytes : int, optional
        Memory that may be used; what is free now unless given.
    stage : bool
        True: files that are on tape are asked for, and waited for; they are kept on disk for two days. Who
        stops waiting and loads the same again goes on waiting for the same request.

    Returns
    -------
    xarray.Dataset
        A float32 variable (time, y, x) for each band, scaled, NaN where no good pixel is; and ``valid``
        (time, y, x), bool, True where one is. ``ds.attrs["swath_cost"]`` says what reading takes.

    Raises
    ------
    InputError
        An unknown band, rule or grid; no items.
    TooLargeError
        It cannot fit into memory: the whole with ``chunks=None``, else a single chunk.
    OnTapeError
        Files are on tape, and ``stage`` is False.

    Examples
    --------
    >>> import swath
    >>> items = swath.demo_items()
    >>> ds = swath.load(items[:3], ["red", "nir"], resolution=20)
    >>> dict(ds.sizes)
    {'time': 3, 'y': 51, 'x': 51}
    """
    names = (bands,) if isinstance(bands, str) else tuple(bands)
    if like is not None:
        geobox = like.odc.geobox
    given = item_dicts(items)
    try:
        plan = plan_cube(
            given, names, geobox=geobox, crs=crs, resolution=resolution,
            bbox=parse_bbox(bbox) if bbox is not None else None, geometry=parse_geometry(geometry),
            valid=valid, groupby=groupby, resampling=resampling,
        )  # fmt: skip
    except InputError as error:
        if told := say_if_orderable(error, given, names):
            raise told from error
        raise
    size = _chunk_size(chunks, plan.geobox.shape)
    cost = plan.explain(size)
    cost.check(memory_bytes or _free_memory(), whole=chunks is None)
    if plan.is_remote:
        bring_files(plan, given, wait=stage)
    dataset = _eager(plan) if chunks is None else lazy_cube(plan, size)
    dataset.attrs["swath_cost"] = str(cost)
    return dataset


def _free_memory() -> int:
    import psutil

    return int(psutil.virtual_memory().available * 0.8)


def _chunk_size(chunks: Mapping[str, int] | int | None, shape: Iterable[int]) -> tuple[int, int]:
    height, width = shape
    wanted: dict[str, Any] = dict(chunks) if isinstance(chunks, Mapping) else {"y": chunks, "x": chunks}
    unknown = set(wanted) - {"x", "y", "time"}
    if unknown or wanted.get("time", 1) != 1:
        raise InputError(f"chunks: sizes of x and y are needed, got {chunks!r}", fix='{"x": 512, "y": 512}')
    size = []
    for axis, whole in (("y", height), ("x", width)):
        side = wanted.get(axis) or whole
        if side == -1:
            side = whole
        if side < 1:
            raise InputError(f"chunks: {axis} must be 1 or more, got {side!r}")
        size.append(min(side, whole))
    return size[0], size[1]


def lazy_cube(plan: CubePlan, chunks: tuple[int, int]) -> xr.Dataset:
    """Make a Dataset that reads each chunk when it is computed, all its bands at once.

    Parameters
    ----------
    plan : CubePlan
        What to read.
    chunks : (y, x), pixels
        Size of a chunk; in time each image is a chunk of its own.
    """
    from dask.array.core import normalize_chunks
    from dask.base import tokenize
    from dask.delayed import delayed

    count, times, height, width = plan.shape
    sizes = normalize_chunks((1, *chunks), (times, height, width))
    token = tokenize(plan)
    # One graph node holds the plan, so that it travels to each worker once, not with each chunk.
    shared = delayed(plan, name=f"swath-plan-{token}", traverse=False)
    blocks = _blocks(shared, count + 1, sizes, token)
    return _dataset(plan, blocks[:-1], blocks[-1] > 0)


def _blocks(shared: Any, layers: int, sizes: tuple[tuple[int, ...], ...], token: str) -> Any:
    import itertools

    import dask.array as da
    from dask.highlevelgraph import HighLevelGraph

    name = f"swath-read-{token}"
    starts = [np.concatenate([[0], np.cumsum(each)]).tolist() for each in sizes]
    graph: dict[Any, Any] = {}
    for at in itertools.product(*(range(len(each)) for each in sizes)):
        t, y, x = at
        window = (slice(starts[1][y], starts[1][y + 1]), slice(starts[2][x], starts[2][x + 1]))
        graph[(name, 0, *at)] = (_read_block, shared.key, t, window)
    whole = HighLevelGraph.from_collections(name, graph, dependencies=[shared])
    return da.Array(whole, name, ((layers,), *sizes), dtype=np.float32)


def _read_block(plan: CubePlan, at: int, window: tuple[slice, slice]) -> NDArray[np.float32]:
    data, valid = plan.read(at, window)
    return np.concatenate([data, valid[np.newaxis].astype(np.float32)])[:, np.newaxis]


def read_stack(plan: CubePlan, *, threads: int = 4) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Read all of a cube now.

    Returns
    -------
    data : (band, time, y, x) float32
    valid : (time, y, x) bool
    """
    count, times, height, width = plan.shape
    data = np.empty((count, times, height, width), np.float32)
    valid = np.empty((times, height, width), bool)

    def put(at: int) -> None:
        data[:, at], valid[at] = plan.read(at)

    with ThreadPoolExecutor(max(threads, _IN_FLIGHT) if plan.is_remote else threads) as pool:
        list(pool.map(put, range(times)))
    return data, valid


def _eager(plan: CubePlan) -> xr.Dataset:
    return _dataset(plan, *read_stack(plan))


def _dataset(plan: CubePlan, bands: Any, valid: Any) -> xr.Dataset:
    coords = {"time": plan.times, **xr_coords(plan.geobox, dims=("y", "x"))}
    dims = ("time", "y", "x")
    variables = {
        name: (dims, bands[at], {"grid_mapping": "spatial_ref"}) for at, name in enumerate(plan.bands)
    }
    variables["valid"] = (dims, valid, {"grid_mapping": "spatial_ref"})
    return xr.Dataset(variables, coords=coords)
