"""Several machines with one store, in one process or in many."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from openai_image_nodes.api.backends import fsspec_client
from openai_image_nodes.api.store.records import JobRecord
from openai_image_nodes.api.store.shared import SharedStore

from support.asker import Asker, Server
from support.s3_server import BUCKET, S3Server

STORE = "OPENAI_IMAGE_NODES_STORE"
HOME = "OPENAI_IMAGE_NODES_HOME"


@cache
def share_what_clients_read() -> None:
    """Let all machines read the AWS client's files and the certificates once: each would for itself, megabytes."""
    from aiobotocore.httpsession import AIOHTTPSession
    from botocore.loaders import JSONFileLoader

    files, load_file, context = JSONFileLoader(), JSONFileLoader.load_file, ssl.create_default_context()
    loaded = cache(lambda path: load_file(files, path))
    JSONFileLoader.load_file = lambda _self, path: loaded(path)
    AIOHTTPSession._build_verify_context = lambda _self: context


def url() -> str:
    """Return a store in the bucket that nobody used before."""
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


class Farm:
    """Machines that share a store and ask one service: `on` makes one of them the machine of this process."""

    def __init__(self, server: Server, bucket: S3Server, folder: Path, patch: pytest.MonkeyPatch) -> None:
        share_what_clients_read()
        self.url, self.bucket, self.folder = url(), bucket, folder
        self._patch = patch
        self.asker = Asker.fresh(server, "openai", patch)
        bucket.reset()
        for name, value in {**bucket.environment, STORE: self.url}.items():
            patch.setenv(name, value)
        patch.setattr("openai_image_nodes.api.backends.fsspec_client.RETRY_DELAYS_S", (0.01, 0.01))
        patch.setattr(fsspec_client, "SETTLE_S", 0.2)
        patch.setattr(fsspec_client.BucketBackend, "heartbeat_s", 1.0)
        self.on("first")

    def on(self, machine: str) -> Asker:
        """Go on as another machine, or as one that was started again: with a state folder and memory of its own."""
        self._patch.setenv(HOME, str(self.folder / machine))
        self.asker.restart()
        return self.asker

    @property
    def store(self) -> SharedStore:
        """The store of the machine of this process, in front of the bucket."""
        store = self.asker.store
        assert isinstance(store, SharedStore)
        return store

    @property
    def posts(self) -> int:
        """How many requests the service got."""
        return self.asker.faults.posts

    @property
    def objects(self) -> list[str]:
        """The names of everything in the bucket."""
        backend = self.asker.store.backend
        assert backend is not None
        return sorted(name for name in backend.names() if not name.startswith("probes/"))


def record(identity: str = "a" * 64, **options: object) -> JobRecord:
    """Return a record of an answer."""
    told = {"service": "s", "connection": "openai", "operation": "generations", "model": "m", "state": "answered"}
    return JobRecord.model_validate({"identity": identity, **told, "sent_at": 1.0, "answered_at": 2.0, **options})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The service that all machines ask."""
    with Server() as started:
        yield started


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    """A server for buckets."""
    with S3Server() as started:
        yield started


@pytest.fixture
def farm(server: Server, bucket: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Farm:
    """Machines with one bucket that nobody used before."""
    return Farm(server, bucket, tmp_path, monkeypatch)
