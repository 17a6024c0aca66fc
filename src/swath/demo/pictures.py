"""The demonstration's two pictures: the series of the area, and a sheet of its maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from swath.cube import load, spectral_index
from swath.demo.data import demo_items

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr

_INK = "#22302a"
_GREEN = "#1b7a43"
_GREY = "#9aa5a0"
_FILLED = "#e0a526"
_STYLE: Any = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": _GREY, "axes.labelcolor": _INK,
    "text.color": _INK, "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False,
    "axes.spines.right": False, "figure.facecolor": "white", "savefig.facecolor": "white",
}  # fmt: skip
_CREDIT = "Contains modified Copernicus Sentinel data 2018-2020 (nrt, EC-JRC, EUPL-1.2). Made by swath."


@dataclass(frozen=True)
class Products:
    """What the pictures show."""

    items: Sequence[dict[str, Any]]
    """Items of the monthly product."""
    monthly: xr.Dataset
    """NDVI and quality, (time, y, x)."""
    trend: xr.Dataset
    """slope and p_value, (time, y, x) with one time."""
    images: Any
    """(time, y, x) NDVI of each image, clouds masked."""


def load_products(monthly: Sequence[dict[str, Any]], trend: Sequence[dict[str, Any]]) -> Products:
    """Load the products back through their items, and the images that they were made from."""
    cube = load(monthly, ["NDVI", "quality"], valid=False, chunks=None, groupby="item")
    slope = load(trend, ["slope", "p_value"], valid=False, chunks=None, groupby="item")
    items = [each for each in demo_items() if "2018" <= each["properties"]["datetime"][:4] <= "2020"]
    bands = load(items, ["nir", "red"], valid={"band": "SCL", "values": [4, 5, 7]}, chunks=None)
    images = spectral_index("NDVI").compute({"N": bands["nir"], "R": bands["red"]})
    return Products(monthly, cube, slope, images)


def draw_series(products: Products, path: Path) -> Path:
    """Draw the area's NDVI over time, and how much of each month was seen clear."""
    import matplotlib.dates as mdates
    from matplotlib.figure import Figure

    ndvi = products.monthly["NDVI"]
    middle = ndvi.time.values + np.timedelta64(14, "D")
    low, mid, high = (ndvi.quantile(q, dim=("y", "x")).values for q in (0.1, 0.5, 0.9))
    share = np.isfinite(products.images).mean(dim=("y", "x")).values
    seen = share > 0.02
    dots = products.images.median(dim=("y", "x")).values
    observed = [each["properties"]["swath:observed_percent"] for each in products.items]
    filled = [each["properties"]["swath:filled_percent"] for each in products.items]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 5.4), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.fill_between(middle, low, high, color=_GREEN, alpha=0.15, lw=0, label="10 to 90 % of the pixels")
        top.plot(middle, mid, color=_GREEN, lw=2, label="monthly median, gaps filled (SWAG)")
        sizes = 8 + 50 * share[seen]
        top.scatter(
            products.images.time.values[seen], dots[seen], s=sizes, color="white", edgecolor=_INK, lw=0.8,
            zorder=3,
            label="single images (size: share of clear pixels)",
        )  # fmt: skip
        top.set_ylabel("NDVI")
        top.set_ylim(-0.05, 1)
        top.grid(axis="y", color="#e6eae8")
        top.legend(frameon=False, loc="lower center", ncols=3, fontsize=8)
        top.set_title(
            "A Romanian forest, 2018 to 2020: Sentinel-2 made monthly",
            loc="left",
            fontsize=13,
            fontweight="bold",
        )
        width = np.timedelta64(24, "D")
        bottom.bar(middle, observed, width=width, color=_GREEN, label="seen clear")
        bottom.bar(middle, filled, width=width, bottom=observed, color=_FILLED, label="filled")
        bottom.set_ylabel("area, %")
        bottom.set_ylim(0, 100)
        bottom.legend(frameon=False, loc="upper center", ncols=2, fontsize=8, bbox_to_anchor=(0.5, 1.32))
        bottom.xaxis.set_major_locator(mdates.MonthLocator(bymonth=(1, 4, 7, 10)))
        bottom.xaxis.set_major_formatter(mdates.ConciseDateFormatter(bottom.xaxis.get_major_locator()))
        bottom.set_xlabel(_CREDIT, fontsize=7, color=_GREY, loc="right")
        figure.savefig(path, dpi=150, metadata={"Software": "swath"})
    return path


def draw_maps(products: Products, path: Path) -> Path:
    """Draw a sheet of maps: a row for each year, a column for each month, and the trend beside."""
    from matplotlib.figure import Figure

    ndvi = products.monthly["NDVI"]
    times = ndvi.time.values.astype("datetime64[M]").astype(int)
    years = sorted({1970 + int(each) // 12 for each in times})
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(13.6, 1.15 + 0.93 * len(years)), layout="constrained")
        parts: Any = figure.subfigures(1, 2, width_ratios=[4.6, 1.25])
        sheet, side = parts
        axes = sheet.subplots(len(years), 12, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
        image = None
        for at, time in enumerate(times):
            axis = axes[years.index(1970 + int(time) // 12), int(time) % 12]
            image = axis.imshow(ndvi[at].values, cmap="YlGn", vmin=0, vmax=0.95, interpolation="nearest")
        for axis in axes.flat:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for month, axis in enumerate(axes[0]):
            axis.set_title("JFMAMJJASOND"[month], fontsize=10)
        for year, axis in zip(years, axes[:, 0], strict=True):
            axis.set_ylabel(str(year), fontsize=10, fontweight="bold")
        sheet.suptitle(
            "NDVI, month by month: 1 km x 1 km at 10 m", x=0.01, ha="left", fontsize=13, fontweight="bold"
        )
        bar = sheet.colorbar(
            image, ax=axes, orientation="horizontal", shrink=0.35, aspect=40, pad=0.02, anchor=(0, 0)
        )
        bar.outline.set_visible(False)
        sheet.text(0.995, 0.03, _CREDIT, ha="right", fontsize=6.5, color=_GREY)
        _draw_trend(side, products.trend)
        figure.savefig(path, dpi=150, metadata={"Software": "swath"})
    return path


def _draw_trend(side: Any, trend: xr.Dataset) -> None:
    slope, p_value = (trend[name][0].values for name in ("slope", "p_value"))
    axis = side.subplots()
    limit = float(np.nanpercentile(np.abs(slope), 98))
    image = axis.imshow(slope, cmap="BrBG", vmin=-limit, vmax=limit, interpolation="nearest")
    rows, columns = np.nonzero((p_value < 0.05)[::2, ::2])
    axis.scatter(columns * 2, rows * 2, s=4, color=_INK, lw=0)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    side.suptitle("Change of NDVI per year", x=0.01, ha="left", fontsize=11, fontweight="bold")
    axis.set_xlabel("dots: p < 0.05 (seasonal Mann-Kendall)", fontsize=7, color=_GREY)
    side.colorbar(
        image, ax=axis, orientation="horizontal", shrink=0.8, aspect=25, pad=0.1
    ).outline.set_visible(False)
