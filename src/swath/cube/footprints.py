"""Where items lie on a grid, roughly and for all of them at once: which files a piece of a cube may need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.cube.lonlat import from_lonlat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from odc.geo.geobox import GeoBox

    from swath.cube.sources import Item

_EDGE_POINTS = 9
_SLACK_PIXELS = 4


def pixel_bounds(items: Sequence[Item], geobox: GeoBox) -> list[tuple[int, int, int, int] | None]:
    """Find the rows and columns of a grid that each item may touch.

    Parameters
    ----------
    items : sequence of dict
        STAC items; their ``bbox`` counts.
    geobox : GeoBox
        The grid, unrotated.

    Returns
    -------
    list of (top, left, bottom, right) or None
        Half open, never too small: widened by a hundredth and some pixels, because a box's edges are
        curves in another CRS. None where it cannot be known: no bbox, or one across the antimeridian.
    """
    boxes = np.array([_box(each) for each in items], float).reshape(-1, 4)
    along = np.linspace(0, 1, _EDGE_POINTS)
    # A lattice over the box, not only its outline: around a pole the extremes lie inside.
    x = boxes[:, :1, None] + (boxes[:, 2:3, None] - boxes[:, :1, None]) * along[None, :, None]
    y = boxes[:, 1:2, None] + (boxes[:, 3:4, None] - boxes[:, 1:2, None]) * along[None, None, :]
    x, y = (np.broadcast_to(each, (len(boxes), _EDGE_POINTS, _EDGE_POINTS)).reshape(-1) for each in (x, y))
    there = np.array(from_lonlat(str(geobox.crs), x, y)).reshape(2, len(boxes), -1)
    columns, rows = (~geobox.transform) @ (there[0], there[1])
    low = np.stack([rows.min(axis=1), columns.min(axis=1)], axis=1)
    high = np.stack([rows.max(axis=1), columns.max(axis=1)], axis=1)
    slack = _SLACK_PIXELS + 0.01 * (high - low)
    height, width = geobox.shape
    bounds: list[tuple[int, int, int, int] | None] = []
    for first, last in zip(low - slack, high + slack, strict=True):
        if not np.isfinite([first, last]).all():
            bounds.append(None)
            continue
        top, left = (int(np.clip(each, 0, limit)) for each, limit in zip(first, (height, width), strict=True))
        bottom, right = (
            int(np.clip(np.ceil(each), 0, limit)) for each, limit in zip(last, (height, width), strict=True)
        )
        bounds.append((top, left, bottom, right))
    return bounds


def _box(item: Item) -> list[float]:
    box = item.get("bbox") or []
    if len(box) == 6:
        box = [box[0], box[1], box[3], box[4]]
    if len(box) != 4 or box[0] > box[2]:
        return [np.nan] * 4
    return [float(each) for each in box]
