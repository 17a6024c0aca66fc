"""A dCache as a store: its WebDAV door for bytes, its REST API for tape."""

from swath.storage.webdav import WebdavStore


class DcacheStore(WebdavStore):
    """Files of a dCache."""
