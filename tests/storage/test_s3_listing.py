"""A listing of 100 000 objects of S3 goes through in memory that does not grow, page by page.

SeaweedFS takes more than half a minute to get so many objects; a server of some lines stands for it here,
which answers ListObjectsV2 as S3 does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from storage.servers import open_settings

from swath.config import StoreSettings

COUNT, PAGE = 100_000, 1000
LONG = "a" * 200
"""Part of each key: all keys together are 20 MB, and what is told of each is more."""
OBJECT = (
    "<Contents><Key>many/{number:06d}-{long}.tif</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"{number:032x}"</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>'
)


class Lister(BaseHTTPRequestHandler):
    """Answers ListObjectsV2 and nothing else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        assert asked["list-type"] == "2"
        assert asked["prefix"] == "many/"
        first = int(asked.get("continuation-token", "0"))
        self.server.pages.append(first)
        after = min(first + PAGE, COUNT)
        objects = "".join(OBJECT.format(number=each, long=LONG) for each in range(first, after))
        more = f"<NextContinuationToken>{after}</NextContinuationToken>" if after < COUNT else ""
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>eo</Name>'
            f"<Prefix>many/</Prefix><KeyCount>{after - first}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{objects}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def lister():
    with ThreadingHTTPServer(("127.0.0.1", 0), Lister) as server:
        server.pages = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def settings(server):
    told = {"url": "s3://eo", "endpoint": f"http://127.0.0.1:{server.server_port}", "credentials": "none"}
    return StoreSettings.model_validate(told)


LISTS = """
import itertools, resource, sys
from storage.servers import open_settings
from swath.config import StoreSettings
store = open_settings(StoreSettings.model_validate_json(sys.argv[1]))
print(sum(1 for _ in itertools.islice(store.list("many"), 5000)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = total = 0
for each in store.list("many"):
    count, total = count + 1, total + each.size
print(count, total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_number_of_objects(lister):
    """All together are more than 50 MB; the most that a process of its own ever had rises by less than 8."""
    words = [sys.executable, "-c", LISTS, settings(lister).model_dump_json()]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120, env=environ)
    few, many = done.stdout.splitlines()
    count, total, grown_kib = map(int, many.split())
    assert (int(few), count, total) == (5000, COUNT, COUNT * (COUNT - 1) // 2)
    assert grown_kib < 8 << 10, f"{grown_kib} KiB"


def test_the_first_objects_come_before_the_last_page_is_asked_for(lister):
    listed = open_settings(settings(lister)).list("many")
    assert next(listed).key == f"many/{0:06d}-{LONG}.tif"
    assert len(lister.pages) < 5
    listed.close()
    assert len(lister.pages) < 5
