"""What is wrong with an item or collection: STAC's core schemas, which ship inside, and more."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

VERSIONS = ("1.0.0", "1.1.0")
"""The STAC versions that are checked as they are; older ones are upgraded first."""

OVER_DEGREES = 1.0
"""How far a longitude may go over 180: tiles that end there are often given so (MODIS, Copernicus DEM)."""

_NOT_IN_IRI = re.compile(r"[\x00-\x20<>\"{}|\\^`]")
"""RFC 3987, section 2.2."""
_HOST = "https://schemas.stacspec.org"
_FOLDER = {"catalog": "catalog-spec", "collection": "collection-spec"}


def _address(version: str, name: str) -> str:
    return f"{_HOST}/v{version}/{_FOLDER.get(name, 'item-spec')}/json-schema/{name}.json"


def _folder_of(package: str) -> Path:
    """Find a package's files without importing it: pystac's validation takes a second where it finds more."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(package)
    return Path(found.submodule_search_locations[0])


def _resources() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every schema with the address that others refer to it by."""
    theirs = _folder_of("pystac") / "validation" / "jsonschemas"
    for name in ("Feature", "Geometry"):
        text = (theirs / "geojson" / f"{name}.json").read_text(encoding="utf-8")
        yield f"https://geojson.org/schema/{name}.json", json.loads(text)
    folders: dict[str, Traversable] = {
        "1.0.0": resources.files("swath.catalog.intake") / "schemas" / "v1.0.0",
        "1.1.0": theirs / "stac-spec" / "v1.1.0",
    }
    for version, folder in folders.items():
        for file in folder.iterdir():
            if file.name.endswith(".json"):
                schema = json.loads(file.read_text(encoding="utf-8"))
                schema.pop("$id", None)  # some are misspelled there; the address says it right
                yield _address(version, file.name.removesuffix(".json")), schema


def _refuse(address: str) -> Any:
    raise LookupError(f"schema {address} does not ship with swath")


def _is_reference(text: str) -> bool:
    """Tell whether an href can be one: paths of files may have blanks and quotes, addresses may not."""
    return text.startswith(("/", "./", "../")) or not _NOT_IN_IRI.search(text)


@functools.cache
def _validators() -> dict[tuple[str, str], Any]:
    import jsonschema_rs

    schemas = dict(_resources())
    registry = jsonschema_rs.Registry(list(schemas.items()), draft=jsonschema_rs.Draft7, retriever=_refuse)
    return {
        (version, kind): jsonschema_rs.Draft7Validator(
            schemas[_address(version, name)],
            registry=registry,
            base_uri=_address(version, name),
            validate_formats=True,
            formats={"iri-reference": _is_reference},
            retriever=_refuse,
        )
        for version in VERSIONS
        for kind, name in (("Feature", "item"), ("Collection", "collection"), ("Catalog", "catalog"))
    }


def fault_in(document: dict[str, Any]) -> str:
    """Say what is wrong with an item or collection by its schema.

    Parameters
    ----------
    document : dict
        Of a STAC version in ``VERSIONS``.

    Returns
    -------
    str
        One sentence without its full stop; empty when nothing is wrong.
    """
    version, kind = document.get("stac_version"), document.get("type")
    if not isinstance(version, str) or not isinstance(kind, str):
        return "stac_version and type are needed"
    validator = _validators().get((version, kind))
    if validator is None:
        return f"STAC {version!r} of type {kind!r} is not known"
    return "" if validator.is_valid(document) else _first_fault(validator.iter_errors(document))


def _first_fault(errors: Iterator[Any]) -> str:
    """Tell the error that lies deepest: the ones above it only repeat the whole document."""
    deepest = max(errors, key=lambda each: (len(each.instance_path), -len(each.message)))
    path = ".".join(str(each) for each in deepest.instance_path)
    kind = type(deepest.kind).__name__
    if (
        kind in ("ValidationErrorKind_OneOf", "ValidationErrorKind_AnyOf")
        or "OneOf" in kind
        or "AnyOf" in kind
    ):
        what = _what_fits_nothing(deepest)
    else:
        what = deepest.message if len(deepest.message) <= 160 else f"{deepest.message[:157]}..."
    return f"{path}: {what}" if path else what


def _what_fits_nothing(error: Any) -> str:
    if list(error.instance_path) == ["properties"]:
        return "datetime is needed, or null together with start_datetime and end_datetime"
    where = str(error.schema_path[-2:]) if not error.instance_path else ""
    shown = json.dumps(error.instance, default=str) if error.instance_path else ""
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    if where and isinstance(error.instance, dict):
        return "geometry (GeoJSON) and bbox (4 or 6 numbers) are both needed, or neither"
    return f"{shown} is none of what is allowed there"


def fault_in_bbox(bbox: list[Any]) -> str:
    """Say what is wrong with an item's bbox that the schema lets pass.

    Examples
    --------
    >>> fault_in_bbox([10, 50, 11, 49])
    'bbox: south is above north, got [10, 50, 11, 49]'
    """
    if len(bbox) not in (4, 6) or not all(
        isinstance(each, (int, float)) and math.isfinite(each) for each in bbox
    ):
        return f"bbox: four or six finite numbers are needed, got {bbox!r}"
    west, south, east, north = bbox_2d(bbox)
    if (
        max(abs(west), abs(east)) > 180 + OVER_DEGREES
        or max(abs(south), abs(north)) > 90 + OVER_DEGREES / 100
    ):
        return f"bbox: outside the world, got {bbox!r}"
    if south > north:
        return f"bbox: south is above north, got {bbox!r}"
    return ""


def bbox_2d(bbox: list[float]) -> tuple[float, float, float, float]:
    """Take the heights off a bbox.

    Examples
    --------
    >>> bbox_2d([1, 2, 0, 3, 4, 100])
    (1, 2, 3, 4)
    """
    if len(bbox) == 6:
        return (bbox[0], bbox[1], bbox[3], bbox[4])
    return (bbox[0], bbox[1], bbox[2], bbox[3])
