"""Items and areas in any of the forms that people have them in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from swath.model import InputError, parse_bbox

if TYPE_CHECKING:
    from swath.cube.sources import Item


def item_dicts(items: Any) -> list[Item]:
    """Take items in any of the forms that people have: dicts, pystac objects, a collection or search of them.

    Raises
    ------
    InputError
        Something else.
    """
    if hasattr(items, "items_as_dicts"):
        return list(items.items_as_dicts())
    if isinstance(items, dict):
        return list(items["features"]) if items.get("type") == "FeatureCollection" else [items]
    if hasattr(items, "to_dict") and not hasattr(items, "__iter__"):
        items = [items]
    return [_item_dict(each) for each in items]


def _item_dict(item: Any) -> Item:
    if isinstance(item, dict):
        return item
    if not hasattr(item, "to_dict"):
        raise InputError(f"items: a STAC item is needed, got {type(item).__name__}")
    if hasattr(item, "make_asset_hrefs_absolute") and item.get_self_href():
        item = item.clone().make_asset_hrefs_absolute()
    return dict(item.to_dict(include_self_link=False, transform_hrefs=False))


def parse_geometry(geometry: Any) -> Any:
    """Take a geometry as GeoJSON (also a Feature or FeatureCollection), WKT or shapely object.

    Raises
    ------
    InputError
        It is none of these, or it is not valid.
    """
    import shapely
    from shapely.errors import ShapelyError

    if geometry is None or hasattr(geometry, "geom_type"):
        return geometry
    try:
        if isinstance(geometry, str) and not geometry.lstrip().startswith("{"):
            shape = shapely.from_wkt(geometry)
        else:
            tree = json.loads(geometry) if isinstance(geometry, str) else geometry
            features = tree.get("features") or [tree]
            shapes = [shapely.geometry.shape(each.get("geometry") or each) for each in features]
            shape = shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)
    except (ShapelyError, ValueError, AttributeError, KeyError, TypeError, IndexError) as error:
        fix = "give GeoJSON or WKT in degrees"
        raise InputError(f"geometry: {str(geometry)[:80]!r} is no geometry ({error})", fix=fix) from error
    if shape.is_empty or not shape.is_valid:
        reason = "it is empty" if shape.is_empty else shapely.is_valid_reason(shape)
        raise InputError(f"geometry: {str(geometry)[:80]!r} is not valid ({reason})")
    parse_bbox(shape.bounds)
    return shape
