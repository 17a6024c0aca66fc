"""Items on their way in: upgraded, mended where that is safe, checked, and made rows of the catalog."""

from __future__ import annotations

import datetime as dt
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from swath.catalog.geometry import (
    Box,
    box_of,
    cut_at_antimeridian,
    joined_boxes,
    parse_geometries,
    wrapped_box,
)
from swath.catalog.hrefs import collection_link, document_base, with_absolute_hrefs
from swath.catalog.intake.validation import VERSIONS, bbox_2d, fault_in, fault_in_bbox
from swath.model import InputError, format_instant, microseconds, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shapely.geometry.base import BaseGeometry

_STRICT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_UNWRITABLE = (TypeError, ValueError, RecursionError, OverflowError)
"""What libraries raise for halves of surrogates, numbers of more than 64 bits, and nesting without end."""
_VERSION = re.compile(r"(\d+)\.(\d+)")
_TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated")
_COMPRESSION = 3
"""zlib level: on real items 6.5 kB become 1.2 kB, 30 us to write and 13 us to read; level 6 gains 6 %."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An item or file that did not go in."""

    id: str
    """Its id, or where it is."""
    reason: str
    """One sentence."""


@dataclass(frozen=True, slots=True)
class Located:
    """A document, and where it comes from."""

    document: Any
    """STAC item or collection, if it is one."""
    base: str
    """Absolute path or URL that its relative hrefs refer to."""
    is_own: bool
    """True: ``base`` is this document's own place, which counts more than its self link."""


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as the catalog keeps it."""

    collection: str
    """Id of its collection."""
    id: str
    """Unique in its collection."""
    start_us: int
    """``datetime``, else ``start_datetime``; microseconds since 1970."""
    end_us: int
    """``datetime``, else ``end_datetime``; microseconds since 1970."""
    instant_us: int | None
    """``datetime``; microseconds since 1970."""
    box: Box | None
    """West, south, east, north; None without geometry."""
    boxes: tuple[Box, ...]
    """The same as one plain box, or two where it crosses the antimeridian."""
    cloud_cover: float | None
    """``eo:cloud_cover``, percent."""
    created_us: int | None
    """``created``; microseconds since 1970."""
    updated_us: int | None
    """``updated``; microseconds since 1970."""
    properties: str
    """JSON of the properties."""
    geometry: bytes | None
    """WKB of the geometry, mended and cut at the antimeridian, for exact tests."""
    rest: bytes
    """JSON of everything but the properties, compressed."""


def prepare_items(
    items: Iterable[Any], *, base: str = "", collection: str | None = None
) -> tuple[list[ItemRow], list[Rejected]]:
    """Check items and make rows of the good ones.

    Parameters
    ----------
    items : iterable of dict or Located
        STAC items of any version.
    base : str
        Absolute path or URL that relative hrefs of bare dicts refer to; the working folder unless given.
    collection : str, optional
        Put them into this collection, whatever they say.

    Returns
    -------
    rows : list of ItemRow
        One for each good item, in the order of ``items``.
    rejected : list of Rejected
        One for each other.
    """
    base = base or str(Path.cwd() / "item.json")
    documents: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    for each in items:
        item = each.document if isinstance(each, Located) else each
        place = each if isinstance(each, Located) else Located(item, base, is_own=False)
        try:
            documents.append(_normal_item(item, place, collection))
        except InputError as error:
            rejected.append(Rejected(_name_of(item), error.what))
        except _UNWRITABLE as error:
            rejected.append(Rejected(_name_of(item), f"it cannot be written as JSON ({error})"))
    rows = []
    parsed = parse_geometries([_geometry_of(each) for each in documents]) if documents else ()
    for document, geometry in zip(documents, parsed, strict=True):
        try:
            rows.append(_row(document, geometry))
        except InputError as error:
            rejected.append(Rejected(_name_of(document), error.what))
        except _UNWRITABLE as error:
            rejected.append(Rejected(_name_of(document), f"it cannot be written as JSON ({error})"))
    return rows, rejected


def prepare_collection(document: Any, *, base: str = "") -> dict[str, Any]:
    """Upgrade and check a collection.

    Raises
    ------
    InputError
        It is no valid STAC collection.
    """
    if not isinstance(document, dict) or not isinstance(document.get("id"), str):
        raise InputError("collection: it has no id")
    base = base or str(Path.cwd() / "collection.json")
    if document.get("stac_version") not in VERSIONS:
        document = _upgraded(document, "Collection")
    out = with_absolute_hrefs(document, base)
    fault = fault_in(out)
    if fault:
        raise InputError(f"collection {out['id']!r}: {fault}")
    return out


def _name_of(item: Any) -> str:
    name = str(item.get("id", "?")) if isinstance(item, dict) else "?"
    return name.encode(errors="replace").decode()


def _geometry_of(document: dict[str, Any]) -> dict[str, Any] | None:
    geometry = document["geometry"]
    return geometry if isinstance(geometry, dict) else None


def _normal_item(item: Any, place: Located, collection: str | None) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or "properties" not in item:
        raise InputError("it is no STAC item: id and properties are needed")
    if item.get("stac_version") not in VERSIONS:
        item = _upgraded(item, "Feature")
    name = collection or item.get("collection")
    if not isinstance(name, str) or not name:
        raise InputError("it names no collection; give one with --collection")
    base = place.base if place.is_own else document_base(item, place.base)
    out = with_absolute_hrefs(item, base)
    out["links"].append(collection_link(item, name, base))
    out["collection"] = name
    if isinstance(item["properties"], dict):
        out["properties"] = _mended_times(item["properties"])
    out.setdefault("geometry", None)
    if out.get("bbox") is None:
        out.pop("bbox", None)
        if isinstance(out["geometry"], dict):
            geometry = parse_geometries([out["geometry"]])[0]
            if geometry is not None and not geometry.is_empty:
                out["bbox"] = list(box_of(geometry))
    fault = fault_in(out) and fault_in(_with_blanks_escaped(out))
    if fault:
        raise InputError(fault)
    return out


def _with_blanks_escaped(item: dict[str, Any]) -> dict[str, Any]:
    """Copy an item with its hrefs as the schema wants them: local paths and keys of S3 may have blanks."""
    out = dict(item)
    if isinstance(item.get("assets"), dict):
        out["assets"] = {key: _escaped(each) for key, each in item["assets"].items()}
    if isinstance(item.get("links"), list):
        out["links"] = [_escaped(each) for each in item["links"]]
    return out


def _escaped(held: Any) -> Any:
    if (
        isinstance(held, dict)
        and isinstance(held.get("href"), str)
        and held["href"].startswith(("/", "s3://"))
    ):
        return {**held, "href": quote(held["href"], safe="/:%")}
    return held


def _upgraded(document: dict[str, Any], kind: str) -> dict[str, Any]:
    """Bring a document of an older STAC to the newest; pystac knows what changed."""
    import copy
    import warnings

    import pystac

    made = pystac.Item if kind == "Feature" else pystac.Collection
    version = document.get("stac_version", "without version")
    numbers = _VERSION.match(str(version))
    if numbers and tuple(map(int, numbers.groups())) > (1, 1):
        raise InputError(f"STAC {version} is newer than this swath knows")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # what pystac deprecates in old documents is why they are upgraded
            upgraded = made.from_dict(copy.deepcopy(document), migrate=True)
            out: dict[str, Any] = upgraded.to_dict(include_self_link=False, transform_hrefs=False)
    except (pystac.STACError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"STAC {version} cannot be upgraded ({type(error).__name__}: {error})") from error
    structure = [link for link in document.get("links", []) if isinstance(link, dict)]
    out["links"] = structure  # pystac drops or resolves some
    return out


def _mended_times(properties: dict[str, Any]) -> dict[str, Any]:
    """Write instants as RFC 3339 in UTC where only the spelling is off (a blank, another zone)."""
    mended = {}
    for name in _TIMES:
        text = properties.get(name)
        if isinstance(text, str) and len(text) > 10 and not _STRICT.fullmatch(text):
            try:
                mended[name] = format_instant(parse_instant(text))
            except InputError:
                continue  # the schema tells it
    return {**properties, **mended} if mended else properties


def _instant(properties: dict[str, Any], name: str) -> int | None:
    text = properties.get(name)
    if not isinstance(text, str):
        return None
    try:
        instant = dt.datetime.fromisoformat(text)
        return microseconds(instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC))
    except ValueError:
        return microseconds(parse_instant(text))


def _row(document: dict[str, Any], geometry: BaseGeometry | None) -> ItemRow:
    properties = document["properties"]
    instant = _instant(properties, "datetime")
    start = _instant(properties, "start_datetime") if instant is None else instant
    end = _instant(properties, "end_datetime") if instant is None else instant
    if start is None or end is None:
        raise InputError("datetime: it is null, and start_datetime and end_datetime are not both given")
    if end < start:
        raise InputError("end_datetime: it lies before start_datetime")
    box, boxes, wkb = _placed(document, geometry)
    cloud = properties.get("eo:cloud_cover")
    rest = {key: value for key, value in document.items() if key != "properties"}
    return ItemRow(
        collection=document["collection"],
        id=document["id"],
        start_us=start,
        end_us=end,
        instant_us=instant,
        box=box,
        boxes=boxes,
        cloud_cover=float(cloud) if type(cloud) in (int, float) else None,
        created_us=_instant(properties, "created"),
        updated_us=_instant(properties, "updated"),
        properties=orjson.dumps(properties).decode(),
        geometry=wkb,
        rest=zlib.compress(orjson.dumps(rest), _COMPRESSION),
    )


def _placed(
    document: dict[str, Any], geometry: BaseGeometry | None
) -> tuple[Box | None, tuple[Box, ...], bytes | None]:
    if document["geometry"] is None:
        return None, (), None
    if geometry is None or geometry.is_empty:
        raise InputError("geometry: it cannot be read; rings need four points or more, the last as the first")
    bbox = document["bbox"]
    fault = fault_in_bbox(bbox)
    if fault:
        raise InputError(fault)
    box = wrapped_box(bbox_2d(bbox))
    bounds = geometry.bounds
    if min(bounds[1], -bounds[3]) < -90.001 or min(bounds[0], -bounds[2]) < -540:
        raise InputError(f"geometry: outside the world, it spans {bounds}")
    if box[0] > box[2] or bounds[0] < -180 or bounds[2] > 180:
        geometry = cut_at_antimeridian(geometry)
    boxes = joined_boxes(box, geometry)
    first, last = boxes[0], boxes[-1]
    return (first[0], min(first[1], last[1]), last[2], max(first[3], last[3])), boxes, geometry.wkb


def item_of(properties: str, rest: bytes) -> dict[str, Any]:
    """Put an item together again from its row."""
    item: dict[str, Any] = orjson.loads(zlib.decompress(rest))
    item["properties"] = orjson.loads(properties)
    return item
