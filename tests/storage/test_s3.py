"""S3 on SeaweedFS: what all stores must do; who may do what; and which server is meant."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from storage.servers import KEY, READ_KEY, READ_SECRET, SECRET, open_settings, s3_settings

from swath.config import StoreSettings
from swath.model import MissingObjectError, NotAllowedError
from swath.storage.s3 import s3_place
from swath.testing.store_contract import StoreContract

if TYPE_CHECKING:
    from storage.servers import Server

    from swath.storage import ObjectStore


class TestS3(StoreContract):
    """SeaweedFS."""

    @pytest.fixture
    def store(self, s3_store: ObjectStore) -> ObjectStore:
        """An empty prefix."""
        return s3_store


@pytest.mark.parametrize(("key", "secret"), [(KEY, "wrong"), ("nobody", SECRET)])
def test_wrong_keys_are_told_with_the_store(s3_server: Server, key, secret):
    store = open_settings(s3_settings(s3_server, key=key, secret=secret), "archive")
    for ask in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.list())):
        with pytest.raises(NotAllowedError, match="storage 'archive': 403") as error:
            ask()
        assert secret not in str(error.value)
        assert "credentials of 'archive'" in error.value.fix


def test_who_may_read_may_not_write(s3_server: Server, s3_store: ObjectStore):
    s3_store.put("a", b"of alice")
    prefix = s3_store.root.prefix
    reader = open_settings(s3_settings(s3_server, prefix, key=READ_KEY, secret=READ_SECRET))
    assert reader.get("a") == b"of alice"
    with pytest.raises(NotAllowedError, match="403"):
        reader.put("a", b"of somebody else")
    with pytest.raises(NotAllowedError, match="403"):
        reader.delete(["a"])
    assert s3_store.get("a") == b"of alice"


def test_a_bucket_that_is_not_there(s3_server: Server):
    store = open_settings(s3_settings(s3_server, url="s3://no-such-bucket"))
    with pytest.raises(MissingObjectError, match=r"s3://no-such-bucket/a"):
        store.get("a")
    with pytest.raises(MissingObjectError, match=r"s3://no-such-bucket"):
        list(store.list())


def test_many_objects_are_listed_page_by_page(s3_store: ObjectStore):
    names = [f"many/{at:05}" for at in range(2300)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: s3_store.client.ask("put", name, b"1"), names))
    assert [each.key for each in s3_store.list("many")] == names
    s3_store.delete(names)
    assert list(s3_store.list("many")) == []


@pytest.mark.parametrize(
    ("settings", "environ", "endpoint", "region"),
    [
        ({}, {}, "", "us-east-1"),
        ({"endpoint": "https://a/", "region": "x"}, {"AWS_ENDPOINT_URL": "https://b"}, "https://a", "x"),
        ({}, {"AWS_ENDPOINT_URL": "https://b", "AWS_REGION": "eu-1"}, "https://b", "eu-1"),
        ({}, {"AWS_ENDPOINT_URL_S3": "https://c", "AWS_ENDPOINT_URL": "https://b"}, "https://c", "us-east-1"),
        ({}, {"AWS_S3_ENDPOINT": "d:1"}, "https://d:1", "us-east-1"),
    ],
)
def test_which_server_is_meant(settings, environ, endpoint, region, tmp_path):
    told = s3_place(StoreSettings(url="s3://eo", **settings), {"HOME": str(tmp_path), **environ})
    assert told == {"endpoint": endpoint, "region": region}


class Metadata(BaseHTTPRequestHandler):
    """Answers as the metadata service of EC2 (version 2) and that of containers do."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        assert self.path == "/latest/api/token"
        assert self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        self.say("one-token")

    def do_GET(self):
        self.server.asked.append(self.path)
        told = {
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "",
            "Expiration": "2999-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        if self.path == "/container":
            assert self.headers["Authorization"] == "container-token"
            return self.say(json.dumps(told))
        assert self.headers["x-aws-ec2-metadata-token"] == "one-token"
        role = "/latest/meta-data/iam/security-credentials/"
        return self.say("my-role" if self.path == role else json.dumps(told))

    def say(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Say nothing."""


@pytest.mark.parametrize("kind", ["machine", "container"])
def test_the_role_of_a_machine_or_a_container(s3_server, kind, monkeypatch, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        if kind == "machine":
            monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
        else:
            (tmp_path / "token").write_text("container-token")
            monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{url}/container")
            monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
        told = s3_settings(s3_server, f"role/{kind}", key="", secret="", credentials="instance")
        store = open_settings(told)
        store.put("a", b"by a role")
        assert store.get("a") == b"by a role"
        server.shutdown()
    at = "/latest/meta-data/iam/security-credentials/my-role" if kind == "machine" else "/container"
    assert server.asked[-1] == at
