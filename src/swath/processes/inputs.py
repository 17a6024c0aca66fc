"""Inputs that processes share: which items, which area and time, which bands, and what comes out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from swath.cube import ValidRule, parse_geometry, parse_rule, spectral_index
from swath.cube.grid import check_resolution, crs_code
from swath.cube.placing import RESAMPLING
from swath.model import BBox, InputError, parse_bbox, parse_interval, parse_period, unknown


def split_names(value: Any) -> Any:
    """Take one name, names with commas, or a list."""
    if isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    return [value] if isinstance(value, (int, float)) else value


def _geometry(value: Any) -> Any:
    """Bring any form of a geometry to GeoJSON, so that the job folder says what was meant."""
    import shapely

    shape = parse_geometry(value)
    return None if shape is None else shapely.geometry.mapping(shape)


def one_of(name: str, known: tuple[str, ...]) -> Any:
    """Make a check that a value is one of those that are known; the nearest is named else."""

    def check(value: Any) -> Any:
        if value not in known:
            raise unknown(f"{name}: {value!r} is not known", str(value), known)
        return value

    return BeforeValidator(check)


Names = Annotated[tuple[str, ...], BeforeValidator(split_names)]
Fill = Annotated[Literal["none", "linear", "swag"], one_of("fill", ("none", "linear", "swag"))]
Format = Annotated[Literal["cog", "zarr"], one_of("format", ("cog", "zarr"))]
Period = Annotated[str, BeforeValidator(lambda value: str(parse_period(str(value))))]


class ItemInputs(BaseModel):
    """Which items a process reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    collection: Names = Field(default=(), description="Collection or collections to search in the catalog.")
    items: Any = Field(
        default=None,
        description="Items instead of a search: STAC items, an ItemCollection, or paths of such files.",
    )
    catalog: str | None = Field(
        default=None, description="Catalog to search: a SQLite file or the address of a STAC API."
    )
    bbox: tuple[float, float, float, float] | None = Field(
        default=None, description="Area: west, south, east, north in degrees (WGS 84)."
    )
    geometry: Any = Field(
        default=None,
        description="Area: a GeoJSON geometry or WKT in degrees; only tiles that touch it are made.",
    )
    datetime: str | None = Field(
        default=None, description="Time: 2019, 2019-06, 2018/2020, 2018-04-01/.. (RFC 3339 interval)."
    )
    filter: str | dict[str, Any] | None = Field(
        default=None, description="CQL2 filter for the search, as text or JSON, such as eo:cloud_cover < 50."
    )
    output_collection: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Collection of the results; named after the input and the process unless given.",
    )

    @model_validator(mode="before")
    @classmethod
    def _check_area(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if values.get("bbox") is not None:
            values["bbox"] = parse_bbox(values["bbox"]).to_list()
        if values.get("geometry") is not None:
            values["geometry"] = _geometry(values["geometry"])
        if values.get("datetime") is not None:
            parse_interval(str(values["datetime"]))
        return values

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if not self.collection and self.items is None:
            raise InputError("inputs: a collection or items are needed", fix="-i collection=ID")
        if self.collection and self.items is not None:
            raise InputError("inputs: collection and items exclude each other", fix="leave one out")
        if self.bbox is not None and self.geometry is not None:
            raise InputError("inputs: bbox and geometry exclude each other", fix="leave one out")
        return self

    @property
    def box(self) -> BBox | None:
        """The area as a box."""
        return parse_bbox(self.bbox) if self.bbox is not None else None


class CubeInputs(ItemInputs):
    """Which cube a process makes of its items."""

    bands: Names = Field(default=(), description="Bands, by name or common name: red, nir, B04.")
    index: Names = Field(default=(), description="Spectral indices, as spyndex names them: NDVI, EVI, NDWI.")
    valid: ValidRule | bool | None = Field(
        default=None,
        description='Which pixels are good: a rule such as {"band": "SCL", "values": [4, 5, 7]}; false: all '
        "that have data. Unless given: the rule that is known for the collection.",
    )
    crs: str | None = Field(
        default=None, description="Target CRS, such as EPSG:32635; the files' own unless given."
    )
    resolution: float | None = Field(
        default=None, description="Pixel size in units of the CRS; the files' finest unless given."
    )
    resampling: Annotated[str, one_of("resampling", RESAMPLING)] = Field(
        default="nearest", description="How bands come to another grid: " + ", ".join(RESAMPLING) + "."
    )

    @model_validator(mode="before")
    @classmethod
    def _check_cube(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if isinstance(values.get("valid"), dict):
            values["valid"] = parse_rule(values["valid"])
        if values.get("crs") is not None:
            values["crs"] = crs_code(values["crs"])
        if isinstance(values.get("resolution"), (int, float)) and values["resolution"] <= 0:
            check_resolution(values["resolution"], values.get("crs") or "EPSG:3857")
        return values

    @model_validator(mode="after")
    def _check_index(self) -> Self:
        if self.crs is not None and self.resolution is not None:
            check_resolution(self.resolution, self.crs)
        for name in self.index:
            spectral_index(name)
        return self


class RasterInputs(CubeInputs):
    """Which rasters a process makes."""

    tile_size: int | None = Field(
        default=None, ge=16, le=65536,
        description="Side of a unit's tile in pixels; as large as fits into the unit memory unless given.",
    )  # fmt: skip
    grid: str | dict[str, Any] | None = Field(
        default=None,
        description="Standing grid to cut along: eea-10km, eea-100km, ease2-96km, web-z12, or "
        '{"crs": ..., "tile_size": ..., "origin": [x, y]}.',
    )
    format: Format = Field(default="cog", description="File format of the results: cog or zarr.")
    mosaic: Annotated[Literal["vrt", "cog"], one_of("mosaic", ("vrt", "cog"))] = Field(
        default="vrt",
        description="How tiles become one image: vrt (a tile index, above 500 tiles) refers to them; "
        "cog copies them.",
    )
