"""The steps of the demonstration: ingest, monthly composites with filled gaps, trend, table, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.catalog import ingest, open_catalog
from swath.demo.data import COLLECTION, demo_folder
from swath.jobs import Request, submit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from swath.config import Settings
    from swath.jobs import Job

MONTHLY = "romania-ndvi-monthly"
TREND = "romania-ndvi-trend"
YEARS = "2018/2020"


@dataclass(frozen=True, slots=True)
class Month:
    """One row of the demonstration's table."""

    start: str
    """First day."""
    images: int
    """Images of the satellite in this month."""
    observed_percent: float
    """Share of the area that was seen clear at least once."""
    filled_percent: float
    """Share of the area that was filled."""
    ndvi: float
    """Median NDVI of the area."""


def ingest_demo(settings: Settings) -> int:
    """Take the demonstration data into the catalog.

    Returns
    -------
    int
        Number of items.
    """
    with open_catalog(settings.catalog_path, create=True) as catalog:
        return ingest(catalog, str(demo_folder() / "stac" / "collection.json")).accepted


def monthly_request(output: Path) -> Request:
    """Ask for monthly NDVI of three years, without clouds and without gaps."""
    inputs = {
        "collection": COLLECTION, "datetime": YEARS, "index": "NDVI", "period": "P1M",
        "valid": {"band": "SCL", "values": [4, 5, 7]}, "fill": "swag", "output_collection": MONTHLY,
    }  # fmt: skip
    return Request("composite", inputs, output / "ndvi-monthly", title="Monthly NDVI of a Romanian forest")


def trend_request(output: Path) -> Request:
    """Ask for the trend of what the first job has made: catalog in, catalog out."""
    inputs = {
        "collection": MONTHLY, "bands": "NDVI", "datetime": YEARS, "output_collection": TREND,
        "valid": {"band": "quality", "values": [100]},  # what was seen, not what was filled
    }  # fmt: skip
    return Request("trend", inputs, output / "ndvi-trend", title="Change of NDVI per year")


def run_demo(
    settings: Settings, output: Path, run: Callable[[Job], None], say: Callable[[str], None]
) -> tuple[list[Month], list[Path], dict[str, Job]]:
    """Run the demonstration.

    Parameters
    ----------
    settings : Settings
        Catalog and home.
    output : Path
        Folder of the jobs and pictures.
    run : callable of Job
        Runs a job to its end.
    say : callable of str
        Told each step.

    Returns
    -------
    months : list of Month
    pictures : list of Path
    jobs : dict of name to Job
    """
    count = ingest_demo(settings)
    say(f"{count} Sentinel-2 items taken into {settings.catalog_path}")
    jobs = {}
    for name, request in (("monthly", monthly_request(output)), ("trend", trend_request(output))):
        job = submit(request, settings)
        say(f"{name}: {request.process} of {len(job.folder.items)} items")
        run(job)
        jobs[name] = job
    from swath.demo.pictures import draw_maps, draw_series, load_products

    products = load_products(jobs["monthly"].results(), jobs["trend"].results())
    say("pictures")
    pictures = [
        draw_series(products, output / "ndvi-series.png"),
        draw_maps(products, output / "ndvi-maps.png"),
    ]
    return _months(products), pictures, jobs


def _months(products: Any) -> list[Month]:
    rows = []
    for at, item in enumerate(products.items):
        said = item["properties"]
        rows.append(
            Month(
                said["start_datetime"][:7], said["swath:images"], said["swath:observed_percent"],
                said["swath:filled_percent"], round(float(products.monthly["NDVI"][at].median()), 3),
            )
        )  # fmt: skip
    return rows
