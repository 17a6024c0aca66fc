"""What reading a cube takes, and the refusal of what cannot fit."""

from __future__ import annotations

from dataclasses import dataclass

from swath.model import TooLargeError, format_bytes

__all__ = ["CubeCost", "format_bytes"]


@dataclass(frozen=True, slots=True)
class CubeCost:
    """What reading a cube takes."""

    shape: tuple[int, int, int, int]
    """(band, time, y, x)."""
    files: int
    """Files that are opened."""
    gdal_files: int
    """Of them, those that GDAL reads and not our own reader, as far as their items tell."""
    bytes_read: int
    """Bytes of stored pixels, unpacked, that lie in the area."""
    bytes_held: int
    """Bytes of the whole cube as float32, with its valid layer."""
    chunks: int
    """Pieces that a lazy cube is made of."""
    bytes_chunk: int
    """Bytes of the largest piece while it is read."""

    def __str__(self) -> str:
        bands, times, height, width = self.shape
        through = f" ({self.gdal_files} through GDAL)" if self.gdal_files else ""
        return (
            f"{bands} bands x {times} dates x {height} x {width} pixels: {self.files} files{through}, "
            f"{format_bytes(self.bytes_read)} to read, {format_bytes(self.bytes_held)} if held whole; "
            f"{self.chunks} chunks of {format_bytes(self.bytes_chunk)}"
        )

    def check(self, limit_bytes: int, *, whole: bool) -> None:
        """Refuse what cannot fit.

        Parameters
        ----------
        limit_bytes : int
            Memory that may be used.
        whole : bool
            True when all of the cube is held at once, False when only single chunks are.

        Raises
        ------
        TooLargeError
            With what is needed and what there is.
        """
        needed = self.bytes_held if whole else self.bytes_chunk
        if needed > limit_bytes:
            what = "the cube" if whole else "a chunk of the cube"
            raise TooLargeError(
                f"memory: {what} needs {format_bytes(needed)}, and {format_bytes(limit_bytes)} may be used",
                fix="take a smaller area, fewer dates, a coarser resolution or smaller chunks",
            )
