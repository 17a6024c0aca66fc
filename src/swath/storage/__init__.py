"""Bytes under addresses: folders, S3, WebDAV, dCache with its tape, and plain HTTP, by one protocol."""

from swath.storage.address import Root, check_key, join_key, parse_root, quote_key
from swath.storage.book import StoreBook, forget_stores, make_store, stores, use_stores
from swath.storage.protocol import Checksum, CopyingStore, ObjectStore, Residence, StageState, Stat, TapeStore
from swath.storage.whole import file_name, write_bytes, write_json, writing

__all__ = [
    "Checksum",
    "CopyingStore",
    "ObjectStore",
    "Residence",
    "Root",
    "StageState",
    "Stat",
    "StoreBook",
    "TapeStore",
    "check_key",
    "file_name",
    "forget_stores",
    "join_key",
    "make_store",
    "parse_root",
    "quote_key",
    "stores",
    "use_stores",
    "write_bytes",
    "write_json",
    "writing",
]
