"""Shelves: a folder, fsspec's memory and a real S3 server keep one promise."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api.backends import fsspec_client
from openai_image_nodes.api.backends import leases as claims
from openai_image_nodes.api.backends.backend import Backend, LocalBackend
from openai_image_nodes.api.backends.fsspec_client import BucketBackend, FsspecClient
from openai_image_nodes.api.errors import OpenAIImageError, RefusedError, SharedStoreError
from support.machines import url
from support.s3_server import SECRET, S3Server

pytestmark = pytest.mark.slow

KINDS = ("folder", "memory", "s3", "s3 without conditions")
Opened = Callable[[], Backend]


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Server]:
    with S3Server() as started:
        yield started


@pytest.fixture
def s3(bucket: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    bucket.reset()
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("openai_image_nodes.api.backends.fsspec_client.RETRY_DELAYS_S", (0.01, 0.01))
    monkeypatch.setattr(fsspec_client, "SETTLE_S", 0.2)
    return bucket


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, s3: S3Server, tmp_path: Path) -> Opened:
    """Return a way to open one and the same backend, as several machines do."""
    s3.conditional = request.param != "s3 without conditions"
    address = f"memory://{uuid.uuid4().hex}" if request.param == "memory" else url()
    return lambda: LocalBackend(tmp_path) if request.param == "folder" else BucketBackend(FsspecClient(address))


def test_what_is_written_can_be_read_listed_and_removed(opened: Opened) -> None:
    """By everybody, with names as deep as one likes."""
    ours, theirs = opened(), opened()
    assert ours.names() == []
    assert ours.read("a/b") is None
    ours.write("jobs/ab/record.json", b"one")
    ours.write("jobs/ab.2/record.json", b"two")
    ours.at("jobs/b").write("deep/er", bytes(300_000))
    assert theirs.read("jobs/ab/record.json") == b"one"
    assert sorted(theirs.names("jobs/ab")) == ["jobs/ab.2/record.json", "jobs/ab/record.json"]
    assert theirs.at("jobs").names("b/") == ["b/deep/er"]
    theirs.write("jobs/ab/record.json", b"three")
    assert ours.read("jobs/ab/record.json") == b"three"
    for _ in range(2):
        ours.remove("jobs/ab/record.json")
        assert theirs.read("jobs/ab/record.json") is None
    assert theirs.names("jobs/ab/") == []


def test_nothing_is_read_where_an_empty_object_is(opened: Opened) -> None:
    """S3 calls a part of it an error: a claim, a record or a number so left held a job up for good, on all machines."""
    ours = opened()
    for name in ("claim.1", "jobs/ab/taken"):
        ours.write(name, b"")
        assert ours.read(name) == b""


def test_only_one_of_many_creates(opened: Opened) -> None:
    """Sixteen at once on four machines; who loses leaves the winner's bytes alone."""
    backends = [opened() for _ in range(4)]
    backends[0].write("there", b"")
    start, made = threading.Barrier(16), []

    def create(number: int) -> None:
        start.wait()
        if backends[number % 4].create("claim", str(number).encode()):
            made.append(number)

    _together(create, 16)
    [winner] = made
    assert backends[0].read("claim") == str(winner).encode()
    assert not backends[1].create("claim", b"late")


def test_create_whose_answer_got_lost_is_ours_all_the_same(s3: S3Server) -> None:
    """The first try arrived; the second finds our own bytes there."""
    backend = BucketBackend(FsspecClient(url()))
    backend.write("warm", b"")
    assert backend.create("claim", b"ours")
    assert backend.create("claim", b"ours")
    assert not backend.create("claim", b"theirs")


def test_a_claim_has_one_owner(opened: Opened) -> None:
    """Of many that race on several machines, and it is free again when given back."""
    backends = [opened() for _ in range(4)]
    start, owners = threading.Barrier(12), []

    def claim(number: int) -> None:
        start.wait()
        ours = claims.acquire(backends[number % 4])
        if ours is not None:
            owners.append(ours)

    _together(claim, 12)
    [owner] = owners
    assert owner.held
    assert claims.is_leased(backends[1])
    owner.release()
    assert not claims.is_leased(backends[1])
    following = claims.acquire(backends[2])
    assert following is not None
    following.release()


def test_a_claim_is_followed_when_its_heart_stops(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen by the watcher's own clock; the sleeper owns nothing when it wakes, and its heart beats no more."""
    sleeper, watcher = claims.acquire(opened()), opened()
    assert sleeper is not None
    claims._heart(sleeper.backend.heartbeat_s).discard(sleeper)  # else the process's own heart beats in between
    monkeypatch.setattr(claims, "_host", lambda: "another machine")
    monkeypatch.setattr(claims, "STALE_AFTER_S", 2.0)
    monkeypatch.setattr(type(watcher), "trusted_s", 0.0)
    assert claims.acquire(watcher) is None
    for _ in range(4):
        time.sleep(0.6)
        sleeper.beat()
        assert claims.acquire(watcher) is None
    time.sleep(2.2)
    ours = claims.acquire(watcher)
    assert ours is not None
    sleeper.beat()
    sleeper.release()
    assert (sleeper.held, ours.held) == (False, True)
    ours.release()
    assert watcher.names("claim.") == []


def test_conditional_writes_are_tried_out(s3: S3Server) -> None:
    """A server that does not know them overwrites without a word; ours finds out."""
    assert FsspecClient(url()).is_conditional
    s3.conditional = False
    assert not FsspecClient(url()).is_conditional
    assert not FsspecClient("memory://x").is_conditional


@pytest.mark.parametrize(
    "address",
    [
        f"s3://id:{SECRET}@farm/x",
        f"s3://{SECRET}@farm/x",
        f"s3://id:{SECRET[:8]}/{SECRET[8:]}@farm/x",
        f"s3://bucket/x?secret={SECRET}",
        f"abfs://id:{SECRET}@host/x",
    ],
)
def test_key_in_the_address_is_refused(address: str) -> None:
    """It would end up in lists and logs; the error does not repeat it."""
    with pytest.raises(RefusedError, match="AWS_ACCESS_KEY_ID") as caught:
        FsspecClient(address)
    assert SECRET[8:] not in str(caught.value)


def test_addresses_without_a_key_are_taken() -> None:
    """Also those of Azure, with a container, and hosts with a port."""
    for address in ("s3://farm", "abfs://container@account.dfs.core.windows.net/x", "sftp://host:22/x"):
        assert FsspecClient(f"{address}/").url == address


def test_missing_package_is_named() -> None:
    """With the command that installs it."""
    backend = BucketBackend(FsspecClient("gs://bucket/x"))
    with pytest.raises(SharedStoreError, match="pip install gcsfs"):
        backend.read("x")


@pytest.mark.parametrize("fault", ["down", "no bucket", "failing", "no key"])
def test_error_tells_what_to_do_and_no_secret(
    s3: S3Server, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong, it is one kind of error, with the store's name and the way on."""
    address = "s3://nobody-made-this/x" if fault == "no bucket" else url()
    backend = BucketBackend(FsspecClient(address))
    if fault == "failing":
        s3.fails = lambda _method, _path: True
    if fault == "down":
        s3.hang_up()
    if fault == "no key":
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
    try:
        with pytest.raises(SharedStoreError, match="unset OPENAI_IMAGE_NODES_STORE") as caught:
            backend.write("x", b"y")
    finally:
        if fault == "down":
            s3.listen()
    assert address in str(caught.value)
    assert ("no key for it was found" in str(caught.value)) is (fault == "no key")
    assert not [word for word in (SECRET, "planted", "127.0.0.1") if word in str(caught.value)]
    assert isinstance(caught.value, OpenAIImageError)
    assert caught.value.__cause__ is None


def _together(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
