"""A store of zarr-python that keeps the group's own document back, and knows what it has written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zarr.storage import WrapperStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from zarr.abc.store import ByteRequest, Store
    from zarr.core.buffer import Buffer, BufferPrototype

_ROOT = "zarr.json"


@dataclass
class _Said:
    root: bytes = b""
    arrays: dict[str, bytes] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


class WithheldStore(WrapperStore["Store"]):
    """Writes all but the root's ``zarr.json``; what somebody else left there before is not seen.

    Parameters
    ----------
    store : zarr.abc.store.Store
        Where to.
    said : optional
        What was written so far; for copies of this one.
    """

    def __init__(self, store: Store, said: _Said | None = None) -> None:
        super().__init__(store)
        self.said = said or _Said()

    def _with_store(self, store: Store) -> WithheldStore:
        return type(self)(store, self.said)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Give what was written here."""
        if key == _ROOT:
            return prototype.buffer.from_bytes(self.said.root) if self.said.root else None
        return await super().get(key, prototype, byte_range) if key in self.said.digests else None

    async def exists(self, key: str) -> bool:
        """Tell whether it was written here."""
        return bool(self.said.root) if key == _ROOT else key in self.said.digests

    async def is_empty(self, prefix: str) -> bool:
        """Tell whether nothing was written here."""
        return not any(each.startswith(prefix) for each in self.said.digests)

    async def set(self, key: str, value: Buffer) -> None:
        """Write, but for the root's document."""
        data = value.to_bytes()
        if key == _ROOT:
            self.said.root = data
            return
        if key.endswith(f"/{_ROOT}"):
            self.said.arrays[key.removesuffix(f"/{_ROOT}")] = data
        await super().set(key, value)
        self.said.digests[key], self.said.sizes[key] = hashlib.sha256(data).hexdigest(), len(data)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write what was not written here."""
        if not await self.exists(key):
            await self.set(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        for key, value in values:
            await self.set(key, value)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List what was written here."""
        start = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        names = {each[len(start) :].split("/")[0] for each in self.said.digests if each.startswith(start)}
        for each in sorted(names):
            yield each

    def __eq__(self, value: Any) -> bool:
        return self is value

    __hash__ = None  # type: ignore[assignment]
