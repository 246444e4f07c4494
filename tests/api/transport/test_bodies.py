"""The form that carries an edit: nobody who writes a prompt or gives a picture adds a part to it."""

from __future__ import annotations

import hashlib
import mmap
import re
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.transport import bodies
from openai_image_nodes.api.transport.bodies import FilePart, RequestBody, multipart_body
from support.asker import Asker, Server, picture_part

TEXTS = st.text(st.characters(codec="utf-8"), min_size=1) | st.sampled_from(["--", "\r\n", "a\r\n--b--\r\n", "\0"])


def parsed(body: RequestBody) -> list[tuple[str, bytes]]:
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + b"".join(body))
    parts = cast("list[Any]", message.get_payload())
    return [(part.get_param("name", header="content-disposition"), part.get_payload(decode=True)) for part in parts]


def boundary_of(body: RequestBody) -> str:
    return body.content_type.partition("boundary=")[2]


def guessed(files: list[FilePart]) -> str:
    """Return the boundary of earlier versions, which followed from the pictures alone."""
    return "openai-image-nodes-" + hashlib.sha256("".join(one.digest for one in files).encode()).hexdigest()[:32]


def added(boundary: str) -> str:
    """Return a prompt that adds a field to a form with a boundary."""
    return f'a hat\r\n--{boundary}\r\nContent-Disposition: form-data; name="n"\r\n\r\n10'


def test_prompt_that_knows_the_pictures_adds_no_field() -> None:
    """Who writes a workflow has its pictures, and may compute whatever follows from them."""
    files = [picture_part()]
    prompt = added(guessed(files))
    body = multipart_body({"prompt": prompt, "n": 1}, files)
    assert b"".join(body).count(b'name="n"') == 2  # the second is text
    assert dict(parsed(body))["n"] == b"1"
    assert dict(parsed(body))["prompt"].decode() == prompt


def test_prompt_that_knows_the_boundary_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if somebody could foretell the hash, what occurs in a part is no boundary: field, header or picture."""
    digests = iter(["11" * 32, "22" * 32, "33" * 32])

    class Foretold:
        def __init__(self, _data: bytes) -> None:
            self.digest = next(digests)

        def hexdigest(self) -> str:
            return self.digest

    monkeypatch.setattr(bodies.hashlib, "sha256", Foretold)
    first, second = (f"openai-image-nodes-{digit * 32}" for digit in "12")
    picture = FilePart("image", "image.png", f"\x89PNG {second}".encode("latin-1"), "0" * 64)
    body = multipart_body({"prompt": added(first)}, [picture])
    assert boundary_of(body) == "openai-image-nodes-" + "3" * 32
    assert [name for name, _ in parsed(body)] == ["prompt", "image"]


def test_same_request_is_the_same_to_the_byte_and_another_has_another_boundary() -> None:
    """An idempotency key is refused with other bytes; a boundary that another request tells is of no use."""
    files = [picture_part()]
    one, same, other = (multipart_body({"prompt": prompt}, files) for prompt in ("a", "a", "b"))
    assert b"".join(one) == b"".join(same)
    assert boundary_of(one) != boundary_of(other)
    assert boundary_of(multipart_body({"prompt": "a"}, [picture_part(9, 9)])) != boundary_of(one)
    assert re.fullmatch(r"openai-image-nodes-[0-9a-f]{32}", boundary_of(one))


def test_mapped_file_is_searched_as_well(tmp_path: Path) -> None:
    """A batch's lines are not read into memory to be sent."""
    (tmp_path / "lines").write_bytes(b"{}\n" * 5000)
    with (tmp_path / "lines").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        part = FilePart("file", "requests.jsonl", cast(bytes, content), "0" * 64, "application/octet-stream")
        body = multipart_body({"purpose": "batch"}, [part])
        assert b"".join(body).count(boundary_of(body).encode()) == 3


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["prompt", "size", "model"]), TEXTS, min_size=1), st.binary(max_size=300))
def test_what_goes_in_comes_out(fields: dict[str, str], data: bytes) -> None:
    """A form has as many parts as there are fields and files, whatever is in them."""
    digest = hashlib.sha256(data).hexdigest()
    body = multipart_body(fields, [FilePart("image[]", "image_0.png", data, digest)])
    raw, mark = b"".join(body), f"--{boundary_of(body)}".encode()
    parts = raw.split(mark)
    assert (len(parts), parts[0], parts[-1]) == (len(fields) + 3, b"", b"--\r\n")
    contents = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts[1:-1]]
    assert contents == [*(value.encode() for value in fields.values()), data]


def test_service_gets_the_n_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the wire: one picture is asked for and one is made, whatever the prompt says."""
    with Server() as server:
        asker, files = Asker.fresh(server, "openai", monkeypatch), [picture_part()]
        server.faults.normal()
        answer = asker.ask(added(guessed(files)), files=files)
        assert len(answer.pictures) == 1
