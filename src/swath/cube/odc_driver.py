"""Our reader for users of odc-stac: ``odc.stac.load(..., driver="swath.cube.odc_driver.SwathDriver")``.

Pixels that can be pasted, since file and target share their grid, come through `swath.cube.tiff`; all else
goes to odc-loader's own reader. Both give the same pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.overlap import compute_reproject_roi
from odc.loader import RioDriver, RioReader, resolve_dst_dtype, resolve_dst_nodata, resolve_src_nodata

from swath.cube.odc_geo import GeoBox
from swath.cube.tiff import MalformedError, Unsupported, open_tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from odc.loader.types import RasterLoadParams, RasterSource

    from swath.cube.tiff import TiffFile

    Pasted = tuple[tuple[slice, slice], NDArray[Any]]


class SwathDriver(RioDriver):
    """A reader driver, as odc-loader defines them."""

    def open(self, src: RasterSource, ctx: Any) -> SwathReader:
        """Give a reader of one band."""
        return SwathReader(src, ctx)


class SwathReader(RioReader):
    """Reads one band of one file."""

    def read(
        self,
        cfg: RasterLoadParams,
        dst_geobox: GeoBox,
        *,
        dst: NDArray[Any] | None = None,
        selection: Any = None,
    ) -> Pasted:
        """Read the part of the target that the file covers: where it lies, and its pixels (y, x)."""
        if selection is None and self._src.band > 0 and self._src.subdataset is None:
            try:
                file = open_tiff(self._src.uri)
                try:
                    pasted = self._paste(file, cfg, dst_geobox, dst)
                finally:
                    file.close()
                if pasted is not None:
                    return pasted
            except (Unsupported, MalformedError, OSError):
                pass  # GDAL may know better; if not, it says what is wrong
        read: Pasted = super().read(cfg, dst_geobox, dst=dst, selection=selection)
        return read

    def _paste(
        self, file: TiffFile, cfg: RasterLoadParams, target: GeoBox, dst: NDArray[Any] | None
    ) -> Pasted | None:
        if self._src.band > file.count or (dst is not None and dst.ndim != 2):
            return None
        # As odc-loader does: nearest neighbours may be pasted though grids are shifted by a part of a pixel.
        here = GeoBox((file.height, file.width), file.transform, str(file.crs))
        overlap = compute_reproject_roi(here, target, ttol=0.9 if cfg.nearest else 0.05)
        if not overlap.paste_ok or overlap.read_shrink != 1:
            return None
        dtype = resolve_dst_dtype(file.dtype.name, cfg) if dst is None else dst.dtype
        if not _converts_alike(file.dtype, dtype):
            return None
        rows, columns = overlap.roi_src
        if rows.stop <= rows.start or columns.stop <= columns.start:
            return None
        place = tuple(slice(each.start, each.stop) for each in overlap.roi_dst)
        found = file.read([self._src.band - 1], (rows.start, rows.stop, columns.start, columns.stop))[0]
        nodata = resolve_src_nodata(file.nodata, cfg)
        out = found.astype(dtype, copy=False) if dst is None else dst[place]
        if dst is not None:
            np.copyto(out, found, casting="unsafe")
        fill = resolve_dst_nodata(out.dtype, cfg, nodata)
        if fill is not None and (nodata is None or not np.array_equal(nodata, fill, equal_nan=True)):
            np.copyto(out, fill, where=_gaps(out, nodata))
        return (place[0], place[1]), out


def _converts_alike(stored: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Tell whether numpy makes of numbers what GDAL does: into narrower types that rounds and clips."""
    return np.can_cast(stored, wanted, "safe") or (stored.kind in "iu" and wanted.kind == "f")


def _gaps(data: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Find gaps as odc-loader does: the number that marks them, and NaN whatever that is."""
    gaps = np.zeros(data.shape, bool) if nodata is None else np.asarray(data == nodata)
    return gaps | np.isnan(data) if data.dtype.kind == "f" else gaps
