"""Requests that never left whole: nothing was billed, so they are tried again."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.api.backends.leases import Lease, acquire
from openai_image_nodes.api.errors import RefusedError, ServiceDownError
from openai_image_nodes.api.jobs import runner
from openai_image_nodes.api.store.journal import RequestJournal
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.api.transport import retry as retries
from openai_image_nodes.api.transport.sessions import session_for
from support.asker import Asker, Server, connection, hurry, job, large_part, painted, until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


@pytest.mark.parametrize("times", [1, 5])
def test_claim_that_cannot_be_looked_at_is_looked_at_again(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """As where too many files are open: nothing is sent without one, and no error of Python's reaches a person."""
    monkeypatch.setattr(runner, "LOOK_AGAIN_S", (0.0, 0.0))
    held, refused = vars(Lease)["held"], [OSError(errno.EMFILE, "Too many open files")] * times

    def looked_at(claim: Lease) -> bool:
        if refused:
            raise refused.pop()
        return bool(held.fget(claim))

    monkeypatch.setattr(Lease, "held", property(looked_at))
    assert asker.ask().pictures == [painted("a red fox")]
    assert (refused, asker.faults.posts) == ([], 1)


def _refuse_to_open(monkeypatch: pytest.MonkeyPatch, number: int, *, times: int) -> None:
    """Let the folder of a job be opened in vain, as often as told."""
    opened, refused = RequestJournal.place, [OSError(number, os.strerror(number))] * times

    def place(journal: RequestJournal, name: str, *, is_made: bool = False) -> Any:
        if refused and is_made:
            raise refused.pop()
        return opened(journal, name, is_made=is_made)

    monkeypatch.setattr(RequestJournal, "place", place)
    monkeypatch.setattr(runner, "LOOK_AGAIN_S", (0.0, 0.0))


def test_disk_that_fails_for_a_moment_hides_nobody_who_asks_for_the_same(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for a disk that nobody can write to, and the request was sent without a lease."""
    place = asker.store.journal.folder(job(connection("openai")).identity)
    theirs = acquire(place)
    assert theirs is not None
    _refuse_to_open(monkeypatch, errno.EIO, times=1)
    handle = asker.submit()
    until(lambda: "another process" in handle.stage() or handle.future.done())
    assert asker.faults.posts == 0
    theirs.release()
    assert handle.future.result(30).pictures == [painted("a red fox")]


def test_shared_folder_that_only_others_can_write_to_buys_nothing(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Mounted read-only here, it tells nobody what goes out, who may ask for the same; what it has comes."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_STORE", str(tmp_path / "shared"))
    assert asker.ask("a fox of before").folder is not None
    _refuse_to_open(monkeypatch, errno.EROFS, times=100)
    for again in (True, False):
        with pytest.raises(RefusedError, match="Read-only file system"):
            asker.ask(reuse=again)
    assert asker.ask("a fox of before").reused
    assert asker.faults.posts == 1


@pytest.mark.slow
def test_upload_that_breaks_is_sent_again(asker: Asker) -> None:
    """The service cannot have billed a request that it never had whole."""
    asker.faults.drop("before_body")
    answer = asker.ask(files=[large_part()])
    assert isinstance(answer, StoredAnswer)
    assert (asker.faults.posts, asker.faults.billed) == (2, 1)
    assert asker.next_run(files=[large_part()])[0] == 0


@pytest.mark.slow
def test_upload_that_breaks_each_time_ends(asker: Asker) -> None:
    """Three more tries; nothing was billed, so the next run asks again."""
    asker.faults.drop("before_body", times=4)
    with pytest.raises(ServiceDownError, match="nothing was billed"):
        asker.ask(files=[large_part()])
    assert asker.faults.posts == 4
    assert asker.next_run(files=[large_part()])[0] == 1


def test_refused_connection_is_tried_three_times_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is sent, so nothing is billed; when the service is back, the next run costs one request."""
    hurry(monkeypatch)
    server = Server()
    with server:
        server.point(monkeypatch)
    asker = Asker(server)
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"), pytest.raises(ServiceDownError) as caught:
        asker.ask()
    assert "(nothing listens there: connection refused)" in str(caught.value)
    assert sum("Starting new HTTP connection" in line for line in caplog.messages) == 4
    assert asker.records == []
    with server:
        assert asker.next_run()[0] == 1


@pytest.mark.slow
def test_service_that_comes_back_between_tries_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short outage goes by unnoticed."""
    monkeypatch.setattr(retries, "FIRST_DELAY_S", 1.0)
    server = Server()
    with server:
        server.point(monkeypatch)
    asker = Asker(server)
    running = asker.submit()
    until(lambda: "could not be reached" in running.stage())
    with server:
        assert running.future.result(30).pictures == [painted("a red fox")]
        assert asker.faults.posts == 1
        assert asker.next_run()[0] == 0


def test_name_that_does_not_resolve_is_not_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a wrong address."""
    hurry(monkeypatch)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://nowhere.invalid/v1")
    asker = Asker(Server())
    with pytest.raises(ServiceDownError, match=r"nowhere\.invalid could not be reached \(the name of the host"):
        asker.ask()
    assert asker.records == []


def test_tls_that_fails_is_not_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks no TLS gets no request."""
    hurry(monkeypatch)
    server = Server()
    with server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody")
        monkeypatch.setenv("OPENAI_BASE_URL", server.sandbox.base_url.replace("http:", "https:") + "/v1")
        asker = Asker(server)
        with pytest.raises(ServiceDownError, match="TLS"):
            asker.ask()
    assert asker.faults.posts == 0
    assert asker.records == []


def test_idle_connection_is_kept_alive_while_a_picture_is_made(asker: Asker) -> None:
    """Routers forget connections on which nothing is said for a minute; the paid answer would be lost."""
    asker.ask()
    url = asker.server.sandbox.base_url
    pools = session_for(url).get_adapter(url).poolmanager.pools
    (name,) = pools.keys()
    used = pools[name].pool.get().sock
    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    if hasattr(socket, "TCP_KEEPIDLE"):
        assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 45
    used.close()
