"""An emulated dCache with small images on tape, and items of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dcaches import ROOT
from scenes import make_item, ramp, write_tiff

from swath.config import StoreSettings
from swath.storage import stores, use_stores
from swath.testing.dcache import Clock, DCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECALL_S = 3600


@dataclass
class Archive:
    """A store with tape, known by the name ``archive``."""

    dcache: DCache
    items: list[dict[str, Any]]
    """Five; the files of the first three are on tape, of the fourth on both, of the last on disk alone."""

    @property
    def environ(self) -> dict[str, str]:
        """What tells another process of it."""
        told = settings_of(self.dcache)
        return {f"SWATH_STORES__archive__{name.upper()}": text for name, text in told.items()}

    @property
    def hrefs(self) -> dict[str, int]:
        """Addresses and sizes of all files."""
        assets = [each["assets"]["red"] for each in self.items]
        return {each["href"]: each["file:size"] for each in assets}

    def path(self, number: int) -> str:
        """Give the path of an item's file in dCache."""
        return f"{ROOT}/tape/{self.items[number]['id']}.tif" if number < 4 else f"{ROOT}/disk.tif"

    def come(self) -> None:
        """Let all come that was asked for."""
        self.dcache.clock.advance(seconds=4 * RECALL_S)

    def asked(self) -> int:
        """Count the requests for files from tape."""
        return len(self.dcache.requests(method="POST", path="*/tape/stage"))

    def held(self) -> list[bool]:
        """Tell which files stay on disk when a pool needs room."""
        self.dcache.sweep()
        return ["ONLINE" in self.dcache.locality(self.path(number)) for number in range(5)]


def settings_of(dcache: DCache) -> dict[str, str]:
    """Describe the store of alice."""
    return {
        "url": dcache.webdav_url + ROOT, "kind": "dcache", "api": dcache.api_url,
        "user": "alice", "password": "secret",
    }  # fmt: skip


@contextlib.contextmanager
def open_archive(folder: Path, **more: str) -> Iterator[Archive]:
    """Run an emulated dCache with a frozen clock, whose tape takes an hour for a file."""
    before = dict(stores().named)
    with DCache(folder / "dcache", users={"alice": "secret"}, clock=Clock(frozen=True)) as dcache:
        dcache.tape.recall_s = RECALL_S
        dcache.mkdir(f"{ROOT}/tape", tape=True)
        archive = Archive(dcache, [])
        for number in range(5):
            name = f"scene{number}"
            file = write_tiff(folder / f"{name}.tif", ramp(32, 32, number + 1))
            item = make_item(name, {"red": file}, datetime=f"2020-06-0{number + 1}T10:00:00Z")
            archive.items.append(item)
            locality = "NEARLINE" if number < 3 else "ONLINE_AND_NEARLINE" if number == 3 else "ONLINE"
            dcache.put(archive.path(number), file.read_bytes(), locality=locality)
            asset = item["assets"]["red"]
            asset["href"] = dcache.webdav_url + archive.path(number)
            asset["file:size"] = file.stat().st_size
        use_stores({"archive": StoreSettings.model_validate(settings_of(dcache) | more)})
        try:
            yield archive
        finally:
            use_stores(before)
