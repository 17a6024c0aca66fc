"""Listings of WebDAV servers: as they come, of any size, and of any server's taste."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc

import pytest

from swath.model import StoreError
from swath.storage.webdav.multistatus import Entry, read_multistatus

HEAD = b'<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:">'
FILE = """<D:response><D:href>{href}</D:href><D:propstat><D:prop><D:resourcetype/>
<D:getcontentlength>{size}</D:getcontentlength>
<D:getlastmodified>Sat, 21 Nov 2026 10:00:00 GMT</D:getlastmodified>
<D:getetag>W/"e{size}"</D:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"""
FOLDER = """<D:response><D:href>{href}</D:href><D:propstat><D:prop>
<D:resourcetype><D:collection/></D:resourcetype>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:getetag/></D:prop>
<D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>"""


class Growing(io.RawIOBase):
    """An answer of many files, made as it is read."""

    def __init__(self, count):
        self._count, self._at, self._rest = count, -1, b""

    def read(self, size=-1):
        while len(self._rest) < size and self._at <= self._count:
            if self._at == -1:
                self._rest += HEAD
            elif self._at == self._count:
                self._rest += b"</D:multistatus>"
            else:
                self._rest += FILE.format(href=f"/data/file{self._at:06}.tif", size=self._at).encode()
            self._at += 1
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


def test_a_hundred_thousand_files_need_no_memory():
    tracemalloc.start()
    try:
        found = sum(1 for _ in read_multistatus(Growing(100_000), store="x"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == 100_000
    assert peak < 2_000_000


def test_files_and_folders():
    body = HEAD + FILE.format(href="http://host:1/a%20b/%C3%BC.tif", size=7).encode()
    body += FOLDER.format(href="/a%20b/").encode() + b"</D:multistatus>"
    when = dt.datetime(2026, 11, 21, 10, tzinfo=dt.UTC)
    assert list(read_multistatus(io.BytesIO(body), store="x")) == [
        Entry("a b/ü.tif", is_folder=False, size=7, modified=when, etag="e7"),
        Entry("a b", is_folder=True),
    ]


@pytest.mark.parametrize("body", [b"", b"<html>", HEAD, b"not xml at all", HEAD + b"<D:response>"])
def test_what_is_no_listing_is_told(body):
    with pytest.raises(StoreError, match="storage 'x'"):
        list(read_multistatus(io.BytesIO(body), store="x"))


def test_entities_do_not_grow():
    bomb = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    for name, inner in zip(b"bcdefghij", b"abcdefghi", strict=True):
        bomb += b'<!ENTITY %c "%s">' % (name, b"&%c;" % inner * 20)
    body = (
        bomb
        + b']><D:multistatus xmlns:D="DAV:"><D:response><D:href>&j;</D:href></D:response></D:multistatus>'
    )
    with pytest.raises(StoreError, match="no WebDAV"):
        list(read_multistatus(io.BytesIO(body), store="x"))
