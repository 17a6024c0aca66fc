"""WebDAV: files behind an HTTP server that can also be listed and written (RFC 4918)."""

from swath.storage.webdav.store import WebdavStore

__all__ = ["WebdavStore"]
