"""Colours for pictures: a few points of well-known colour maps, with straight lines between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Every 16th colour of matplotlib's maps (CC0; those named with capitals are ColorBrewer's, Apache-2.0).
_POINTS = {
    "viridis": "440154 47186a 472c7b 424085 3a528b 32628d 2c728e 26818e 20908c 1e9e88 27ad80 3dbb74 "
    "5bc862 81d34c aadb32 d4e11a fde724",
    "magma": "000003 0a0722 1c1046 350f6a 50127b 691c80 822581 9c2e7f b63679 ce4070 e55063 f4685b "
    "fb8660 fda470 fec286 fddfa1 fbfcbf",
    "gray": "000000 101010 202020 303030 404040 505050 606060 707070 808080 8f8f8f 9f9f9f afafaf "
    "bfbfbf cfcfcf dfdfdf efefef ffffff",
    "YlGn": "ffffe5 fafdce f6fbb8 e7f5ad d8efa2 c2e698 acdc8d 91d183 77c578 5db86b 41ab5d 329750 "
    "238443 11763d 006837 005630 004529",
    "Blues": "f7fbff eaf2fa ddeaf6 d1e2f2 c5daee b1d2e7 9dc9e0 83bbdb 6aadd5 57a0ce 4292c6 3181bd "
    "2171b5 1461a8 08519c 084083 08306b",
    "RdYlGn": "a50026 c41e26 de3f2e f0653f f88e52 fdb466 fdd481 feec9f fefebd e7f59f cde983 addc6e "
    "86cb66 5db860 2da154 108646 006837",
    "RdBu": "67001f 960f26 bb2a33 d15749 e58368 f5ac8b faceb6 fae5d9 f6f6f6 dfecf2 c2ddeb 9ac9e0 "
    "6bacd0 3f8dc0 2971b1 165190 053061",
}
NAMES = tuple(_POINTS)
"""The maps that there are."""


def colours(name: str, count: int = 256) -> NDArray[np.uint8]:
    """Give the colours of a map, the first one when there is none of this name.

    Returns
    -------
    (count, 3) uint8
        Red, green and blue.

    Examples
    --------
    >>> colours("gray", 3).tolist()
    [[0, 0, 0], [128, 128, 128], [255, 255, 255]]
    """
    points = bytes.fromhex(_POINTS.get(name, _POINTS[NAMES[0]]))
    table = np.frombuffer(points, np.uint8).reshape(-1, 3).astype(np.float64)
    at = np.linspace(0, len(table) - 1, count)
    mixed = [np.interp(at, np.arange(len(table)), table[:, each]) for each in range(3)]
    return np.rint(np.stack(mixed, axis=1)).astype(np.uint8)
