"""The sandbox keeps files as the service does: asked by the official client, and over plain HTTP where that cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openai.types import FileObject
from openai_image_nodes.sandbox import Sandbox
from support.asker import plain
from support.batch_client import HOUR_S, Client, client_of, refusal_of
from support.faults import Fault, Faults

DAY_S = 24 * HOUR_S
MISSING = (404, None, "id")


@pytest.fixture
def client() -> Iterator[Client]:
    with client_of(plain) as made:
        yield made


def post(client: Client, fields: Any, files: Any, **options: Any) -> tuple[int, str | None, str | None]:
    """Return status, code and param of a form that the official client would not send."""
    answer = requests.post(f"{client.sandbox.base_url}/v1/files", data=fields, files=files, timeout=60, **options)
    error = answer.json().get("error", {})
    return answer.status_code, error.get("code"), error.get("param")


def test_file_object_has_exactly_what_the_client_reads(client: Client) -> None:
    """Every field of the SDK's FileObject is there, and no other."""
    before = int(client.sandbox.clock())
    made = client.official.files.create(file=("a b.png", b"1234"), purpose="vision")
    assert set(made.to_dict()) == set(FileObject.model_fields)
    assert (made.object, made.purpose, made.filename, made.bytes) == ("file", "vision", "a b.png", 4)
    assert (made.status, made.expires_at, made.status_details) == ("processed", None, None)
    assert before <= made.created_at <= client.sandbox.clock()
    assert client.official.files.retrieve(made.id).to_dict() == made.to_dict()


@pytest.mark.parametrize(
    "data", [b"", b"\r\n--x\r\n\x00\xff\n", os.urandom(5_000_000)], ids=["empty", "tricky", "long"]
)
def test_content_comes_back_exactly(client: Client, data: bytes) -> None:
    """Whatever the bytes are."""
    assert client.content(client.upload(data, "x.bin", "user_data")) == data


def test_download_is_streamed_with_its_length(client: Client) -> None:
    """A client can tell a file that was cut off from a whole one."""
    file_id = client.upload(b"x" * 1_000_000, "x.bin", "user_data")
    with client.official.files.with_streaming_response.content(file_id) as response:
        assert response.headers["content-length"] == "1000000"
        assert sum(len(piece) for piece in response.iter_bytes(10_000)) == 1_000_000


def test_deleted_file_is_gone_from_everywhere(client: Client) -> None:
    """Its object, its content and its place on the disk."""
    file_id = client.upload(b"1", "x.bin", "user_data")
    folder = folder_of(client.sandbox)
    deleted = client.official.files.delete(file_id)
    assert (deleted.id, deleted.deleted, deleted.object) == (file_id, True, "file")
    for call in (client.official.files.retrieve, client.official.files.content, client.official.files.delete):
        assert refusal_of(lambda call=call: call(file_id)) == MISSING
    assert list(folder.iterdir()) == []


def test_files_expire_when_asked_to(client: Client) -> None:
    """A second before its time a file is there, at its time it is not."""
    expiry: Any = {"anchor": "created_at", "seconds": HOUR_S}
    made = client.official.files.create(file=("a.png", b"1"), purpose="vision", expires_after=expiry)
    assert made.expires_at == made.created_at + HOUR_S
    client.sandbox.clock.advance(made.expires_at - client.sandbox.clock() - 10)
    assert client.content(made.id) == b"1"
    client.sandbox.clock.advance(10)
    assert refusal_of(lambda: client.official.files.retrieve(made.id)) == MISSING
    assert client.official.files.list().data == []


def test_batch_files_live_for_30_days_and_others_for_good(client: Client) -> None:
    """The lives that nobody asked for."""
    batch, other = client.upload(b"1"), client.upload(b"1", "x.bin", "user_data")
    assert client.official.files.retrieve(batch).expires_at is not None
    client.sandbox.clock.advance(30 * DAY_S)
    assert [file.id for file in client.official.files.list()] == [other]


def test_list_is_in_pages_newest_first(client: Client) -> None:
    """The official client walks through all of them; order asc turns the list around."""
    ids = [client.upload(b"1", f"{number}.jsonl") for number in range(5)]
    page = client.official.files.list(limit=2)
    assert ([file.id for file in page.data], page.has_more) == ([ids[4], ids[3]], True)
    assert [file.id for file in page] == ids[::-1]
    last = client.official.files.list(limit=2, after=ids[1], order="desc")
    assert ([file.id for file in last.data], last.has_more) == ([ids[0]], False)
    assert [file.id for file in client.official.files.list(order="asc", limit=3)] == ids


def test_list_by_purpose(client: Client) -> None:
    """Only the files of one purpose."""
    client.upload(b"1")
    seen = client.upload(b"1", "a.png", "vision")
    assert [file.id for file in client.official.files.list(purpose="vision")] == [seen]
    assert client.official.files.list(purpose="evals").data == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", (400, "invalid_value", "limit")),
        ("limit=10001", (400, "invalid_value", "limit")),
        ("limit=many", (400, "invalid_type", "limit")),
        ("order=up", (400, "invalid_value", "order")),
        ("after=file-none", (400, "invalid_value", "after")),
        ("before=file-none", (400, "unknown_parameter", "before")),
    ],
)
def test_wrong_question_for_a_list_is_refused(client: Client, query: str, expected: Any) -> None:
    """Limits and names of the query are checked."""
    answer = requests.get(f"{client.sandbox.base_url}/v1/files?{query}", timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == expected


ANCHOR, SECONDS = "expires_after[anchor]", "expires_after[seconds]"
EXPIRY = {"purpose": "vision", ANCHOR: "created_at"}
FORMS: dict[str, tuple[Any, tuple[int, str | None, str | None]]] = {
    "no purpose": ({}, (400, "missing_required_parameter", "purpose")),
    "unknown purpose": ({"purpose": "images"}, (400, "invalid_value", "purpose")),
    "purpose of outputs": ({"purpose": "batch_output"}, (400, "invalid_value", "purpose")),
    "two purposes": ({"purpose": ["vision", "evals"]}, (400, "duplicate_parameter", "purpose")),
    "another field": ({"purpose": "vision", "name": "x"}, (400, "unknown_parameter", "name")),
    "batch that is no jsonl": ({"purpose": "batch"}, (400, None, None)),
    "expiry without anchor": (
        {"purpose": "vision", SECONDS: "3600"},
        (400, "missing_required_parameter", "expires_after.anchor"),
    ),
    "expiry without seconds": (EXPIRY, (400, "missing_required_parameter", "expires_after.seconds")),
    "another anchor": (
        {"purpose": "vision", ANCHOR: "now", SECONDS: "3600"},
        (400, "invalid_value", "expires_after.anchor"),
    ),
    "expiry in words": ({**EXPIRY, SECONDS: "1h"}, (400, "invalid_type", "expires_after.seconds")),
    "expiry too soon": ({**EXPIRY, SECONDS: "3599"}, (400, "invalid_value", "expires_after.seconds")),
    "expiry too late": ({**EXPIRY, SECONDS: "2592001"}, (400, "invalid_value", "expires_after.seconds")),
}


@pytest.mark.parametrize(("fields", "expected"), FORMS.values(), ids=FORMS)
def test_upload_is_refused(client: Client, fields: Any, expected: Any) -> None:
    """Each wrong field is named, and nothing is kept."""
    assert post(client, fields, {"file": ("a.png", b"1", "image/png")}) == expected
    assert client.official.files.list().data == []
    assert list(folder_of(client.sandbox).iterdir()) == []


def test_upload_without_a_file_is_refused(client: Client) -> None:
    """Neither none, nor text in its place, nor two."""
    purpose = ("purpose", (None, "vision"))
    assert post(client, {}, [purpose]) == (400, "missing_required_parameter", "file")
    assert post(client, {}, [purpose, ("file", (None, "text"))]) == (400, "invalid_type", "file")
    assert post(client, {}, [purpose, ("file", b"1"), ("file", b"2")]) == (400, "duplicate_parameter", "file")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n1',
        b"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--\r\n",
        b"--b\r\n" + b"x" * 100_000,
    ],
)
def test_broken_form_is_refused(client: Client, body: bytes) -> None:
    """A form must be whole."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = requests.post(f"{client.sandbox.base_url}/v1/files", data=body, headers=headers, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_json_is_no_upload(client: Client) -> None:
    """Files come in forms alone."""
    answer = requests.post(f"{client.sandbox.base_url}/v1/files", json={"purpose": "vision"}, timeout=30)
    assert answer.json()["error"]["code"] == "unsupported_content_type"


@pytest.mark.slow
def test_batch_file_of_200_mb_is_the_largest(client: Client, tmp_path: Path) -> None:
    """One byte more is refused; for another purpose it may be."""
    path = tmp_path / "in.jsonl"
    for length, expected in ((200_000_000, 200), (200_000_001, 400)):
        with path.open("wb") as file:
            file.truncate(length)
        with path.open("rb") as file:
            assert post(client, {"purpose": "batch"}, {"file": file})[0] == expected
    with path.open("rb") as file:
        assert client.official.files.create(file=file, purpose="user_data").bytes == 200_000_001


def test_files_are_under_v1_alone(client: Client) -> None:
    """comfy.org's proxy has none."""
    for prefix in ("/proxy/openai", "/openai/v1"):
        for path in ("/files", "/batches"):
            assert requests.get(client.sandbox.base_url + prefix + path, timeout=30).status_code == 404


def test_upload_can_be_read_by_a_middleware_first() -> None:
    """Tests look at the body before the sandbox does."""
    faults = Faults()
    with Sandbox(render=plain, middlewares=[faults]) as sandbox:
        client = Client(sandbox)
        with client.official:
            data = os.urandom(3_000_000)
            assert client.content(client.upload(data)) == data
            assert data in faults.requests[0].body


def test_broken_download_is_noticed() -> None:
    """Tests can break the connection in the middle of a file."""
    faults = Faults().add(Fault(drop="in_answer"), method="GET")
    with Sandbox(render=plain, middlewares=[faults]) as sandbox:
        client = Client(sandbox)
        with client.official:
            url = f"{sandbox.base_url}/v1/files/{client.upload(b'1' * 1_000_000)}/content"
            with pytest.raises(requests.exceptions.RequestException):
                requests.get(url, timeout=30)
            assert len(requests.get(url, timeout=30).content) == 1_000_000


def test_stop_removes_the_files() -> None:
    """Nothing is left on the disk, and the next start begins with nothing."""
    sandbox = Sandbox(render=plain)
    with sandbox:
        client = Client(sandbox)
        with client.official:
            client.upload(b"1")
        folder = folder_of(sandbox)
        assert folder.is_dir()
    assert not folder.exists()
    with sandbox:
        assert sandbox.files.listed() == []


def folder_of(sandbox: Sandbox) -> Path:
    """Return where a sandbox keeps its files."""
    return sandbox.files.scratch().parent
