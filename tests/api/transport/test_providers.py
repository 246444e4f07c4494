"""What providers and their gateways say and send that OpenAI does not: told by what it is, and no picture lost.

Bodies as these servers write them. Source: docs/service.md, "What real servers do".
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationResponse
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import (
    BadAnswerError,
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
)
from openai_image_nodes.api.store import journal
from openai_image_nodes.api.transport import client, downloads
from openai_image_nodes.api.transport.answer import Reading
from openai_image_nodes.api.transport.error_mapping import Asked, error_from_response
from openai_image_nodes.api.transport.service_words import service_words
from PIL import Image, features
from support.capture import picture, success
from support.growth import grows_with_length
from support.node_calls import KEY, node
from support.wire_server import HOLD, WireServer, chunked, openai_wire, plain

RELAY = Connection(name="relay", base_url="https://relay.example/v1")
RED, BLUE = picture(color=(250, 0, 0)), picture(color=(0, 0, 250))
MAYBE = OutcomeUnknownError
BETWEEN_S = 0.5  # longer than what comes behind the end is waited for


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def text(data: bytes = RED) -> str:
    return base64.b64encode(data).decode()


TOLD: dict[str, tuple[int, Any, type[OpenAIImageError], str]] = {
    "xAI without credits": (
        403,
        {"code": "x", "error": "Your new team doesn't have any credits or licenses yet."},
        OutOfCreditError,
        "credit",
    ),
    "a free tier": (
        403,
        {"code": "AllocationQuota.FreeTierOnly", "message": "It is over."},
        OutOfCreditError,
        "credit",
    ),
    "a free allocation": (
        429,
        {"errors": [{"message": "you have used up your daily free allocation of neurons", "code": 4006}]},
        OutOfCreditError,
        "Add credit",
    ),
    "a card is wanted": (403, error("It requires a valid credit card on file."), OutOfCreditError, "Add credit"),
    "Volcengine's limit": (429, error("paused", code="SetLimitExceeded"), OutOfCreditError, "Add credit"),
    "MiniMax": (
        200,
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        OutOfCreditError,
        "Add",
    ),
    "a leaked key": (
        403,
        error("Your API key was reported as leaked.", status="PERMISSION_DENIED"),
        NoKeyError,
        "Check",
    ),
    "terminated": (400, error("violation of our policies", code="access_terminated"), NoKeyError, "is closed"),
    "a project": (401, error("archived", code="project_archived"), NoKeyError, "OPENAI_PROJECT_ID"),
    "no public access": (403, error("Public access is disabled.", code="403"), RefusedError, "another network"),
    "Vertex": (200, {"predictions": [{"raiFilteredReason": "all filtered out"}]}, ModeratedError, "all filtered out"),
    "BFL": (200, {"id": "x", "status": "Request Moderated", "result": None}, ModeratedError, "Request Moderated"),
    "xAI": (200, {"data": [{"url": "", "respect_moderation": False}]}, ModeratedError, "Change the prompt"),
    "Gemini": (
        200,
        {"candidates": [{"finishReason": "IMAGE_PROHIBITED_CONTENT", "finishMessage": "Support code: 4"}]},
        ModeratedError,
        "Support code: 4",
    ),
    "flagged": (400, {"detail": "your prompt was flagged"}, ModeratedError, "Change the prompt"),
    "a retired model": (410, error("retired", code="ModelDeprecated"), RefusedError, "another model"),
    "no credit, in Japanese": (
        400,
        error("\u30af\u30ec\u30b8\u30c3\u30c8\u304c\u4e0d\u8db3\u3057"),
        OutOfCreditError,
        "Add",
    ),
    "an expired token": (498, {"message": "token expired"}, NoKeyError, "Check the key"),
    "the same again": (409, error("The same prompt is already being processed"), MAYBE, "may have been billed"),
    "one too many, which is the same": (429, error("Duplicate request: wait for the first"), MAYBE, "still running"),
    "one at a time": (429, error("A task is already running for this key"), RateLimitError, "Wait a little"),
    "the same, in the body of a 200": (200, error("This task is already in progress"), MAYBE, "still running"),
    "the same, by its code": (409, error("Wait", code="request_in_progress"), MAYBE, "may have been billed"),
    "the same, in Chinese": (400, error("\u8bf7\u52ff\u91cd\u590d\u63d0\u4ea4"), MAYBE, "may have been billed"),
    "a retired field": (400, error("The parameter style of this model is deprecated."), RefusedError, "Change what"),
    "an identifier": (400, {"message": "The provided model identifier is invalid."}, RefusedError, "another model"),
    "a policy of data": (
        404,
        error("No endpoints found matching your data policy."),
        RefusedError,
        "settings of your account",
    ),
    "synchronous": (
        403,
        {"code": "AccessDenied", "message": "api does not support synchronous calls"},
        RefusedError,
        "No",
    ),
    "cut off": (400, error("Invalid JSON body", code="bad_request"), RefusedError, "1.0 MB went out"),
    "a form of answer": (
        400,
        {"detail": "Only response_format='b64_json' is supported now."},
        RefusedError,
        "openai-image connect relay --send response_format=b64_json",
    ),
    "a field of its own": (
        422,
        {"detail": [{"loc": ["body", "steps"], "msg": "Field required", "type": "missing"}]},
        RefusedError,
        "--send steps=VALUE",
    ),
    "Zod": (400, {"error": "no", "details": {"fieldErrors": {"prompt": ["is required"]}}}, RefusedError, "is required"),
    "Zod's list": (
        400,
        {"error": {"issues": [{"code": "invalid_type", "path": ["size"], "message": "Required"}], "name": "ZodError"}},
        RefusedError,
        "size: Required",
    ),
    "no workers": (
        500,
        {"error": "x", "message": "No active flux servers available"},
        RefusedError,
        "Nothing was made",
    ),
    "no backend": (500, error("backend not found: stablediffusion-ggml", code=500), RefusedError, "Nothing was made"),
    "Kong": (503, {"message": "failure to get a peer from the ring-balancer"}, RefusedError, "Nothing was made"),
    "a busy server": (503, {"error": "server is busy"}, RefusedError, "Nothing was made"),
    "ComfyUI": (500, {"error": {"type": "prompt_outputs_failed_validation", "message": "x"}}, RefusedError, "Nothing"),
    "a failed task": (
        200,
        {"output": {"task_id": "x", "task_status": "FAILED", "code": "InternalError.Algo", "message": "algo"}},
        MAYBE,
        "says: algo",
    ),
    "no content": (
        200,
        {"status": "failed", "error": {"code": "generation_failed_no_content", "message": "nothing came"}},
        MAYBE,
        "billed",
    ),
    **{
        f"a failure above, {number}": (200, said, MAYBE, "billed")
        for number, said in enumerate(
            [
                {"error": "upstream_error"},
                {"error": {"type": "upstream_error"}},
                error("upstream_error", type="upstream_error", code="upstream_error"),
            ]
        )
    },
    "xAI's neighbour": (200, {"data": [{"is_image_safe": False, "url": None}]}, ModeratedError, "Change the prompt"),
    "a closed account": (412, error("suspended", code="ACCOUNT_SUSPENDED"), NoKeyError, "is closed"),
    "a permission": (
        401,
        error("The `models` permission is required", code="unauthorized"),
        NoKeyError,
        "Give the key",
    ),
    "a loading model": (503, {"error": "Model a/b is currently loading"}, RefusedError, "Nothing was made"),
    "a full queue": (503, {"error": "queue full"}, RefusedError, "Nothing was made"),
    "Ray": (503, {"error": "Request dropped due to backpressure (max_queued=5)"}, RefusedError, "Nothing was made"),
    "Bento": (503, {"error": "Service Busy"}, RefusedError, "Nothing was made"),
    "what is not ready but begun": (503, {"error": "The model output is not ready after 300s"}, MAYBE, "billed"),
    "busy behind it": (502, {"error": "upstream service busy after it was begun"}, MAYBE, "billed"),
    "a stream's timeout": (408, {"error": "stream timeout"}, MAYBE, "billed"),
    "KServe": (503, {"error": "Model with name sdxl is not ready."}, RefusedError, "Nothing was made"),
    "a model that a relay keeps": (500, error("x", code="model_not_allowed_by_channel_group"), RefusedError, "model m"),
    "a tool behind a gateway": (
        502,
        error("Tool choice 'image_generation' not found in 'tools' parameter."),
        RefusedError,
        "Nothing was made",
    ),
    "a quota of seconds": (500, {"error": "You have exceeded your GPU quota"}, OutOfCreditError, "used up"),
    "a filter's code": (400, error("x", code="content_safety_violation"), ModeratedError, "Change the prompt"),
    "IIS": (
        404,
        "<html>The request filtering module denies what exceeds the request content length</html>",
        RefusedError,
        "smaller",
    ),
    "Tencent's key": (
        200,
        {"Response": {"Error": {"Code": "AuthFailure.SignatureFailure", "Message": "x"}}},
        NoKeyError,
        "the key",
    ),
    "Tencent's failure": (
        200,
        {"Response": {"Error": {"Code": "FailedOperation.GenerateImageFailed", "Message": "x"}}},
        MAYBE,
        "billed",
    ),
    "Baidu's failure": (200, {"error_code": 336000, "error_msg": "Internal error"}, MAYBE, "billed"),
    "http for https": (400, {"error": "Client sent an HTTP request to an HTTPS server."}, RefusedError, "check it"),
    "no more tokens": (
        200,
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []},
        MAYBE,
        "billed",
    ),
    "a refusal above": (200, error("Unsupported size", type="upstream_error"), RefusedError, "Unsupported size"),
}


@pytest.mark.parametrize("name", TOLD)
def test_providers_are_understood(name: str) -> None:
    """By what happened, in the service's own words, with the next step; what may be paid is not called refused."""
    status, said, kind, words = TOLD[name]
    asked = Asked("images/edits", 1_000_000)
    found = error_from_response(RELAY, status, {}, json.dumps(said).encode(), subject="m", asked=asked)
    assert type(found) is kind, str(found)
    assert words in str(found)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"candidates": [{"finishReason": "NO_IMAGE"}]}, "it ended without a picture: NO_IMAGE"),
        ({"status": "IN_QUEUE", "request_id": "80e7"}, "it began the task 80e7"),
        ({"id": "7f", "polling_url": "https://bfl.invalid/7f"}, "it began the task 7f"),
    ],
)
def test_an_answer_without_a_picture_says_what_it_is(said: dict[str, Any], words: str) -> None:
    """It is no refusal: it may have been billed."""
    found = service_words(json.dumps(said).encode())
    assert words in found.message
    assert not found.from_service


def test_a_field_of_the_users_own_is_taken_out_where_it_was_put_in() -> None:
    """Not where fields of the nodes are left out."""
    said = error("Unknown parameter: 'response_format'.", param="response_format", code="unknown_parameter")
    link = Connection(name="relay", base_url="https://relay.example/v1", send={"response_format": "b64_json"})
    found = error_from_response(link, 400, {}, json.dumps(said).encode(), subject="m")
    assert 'Take "response_format" out of "send" of relay' in str(found)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    with openai_wire(monkeypatch, after_end_s=0.2) as started:
        yield started


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def noise() -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    pixels[0, 0] = (250, 0, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def encoded(kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 0, 0)).save(file, kind, **options)
    return file.getvalue()


NOISE = noise()
VOLCENGINE = chunked(
    event(type="image_generation.partial_succeeded", image_index=0, b64_json=text()),
    event(type="image_generation.completed", usage={"output_tokens": 7, "total_tokens": 7}),
)
MASK = {"type": "mask", "b64_json": text(BLUE)}
ROLES = ({"role": "user", "picture": text(BLUE)}, {"role": "assistant", "picture": text()})
THOUGHT = {"parts": [{"thought": True, "inlineData": {"data": text(BLUE)}}, {"inlineData": {"data": text()}}]}
PARTS = (
    b"--b\r\nContent-Type: application/json\r\n\r\n{}\r\n--b\r\nContent-Type: image/png\r\n\r\n" + RED + b"\r\n--b--"
)
BODIES: dict[str, bytes] = {
    "one of several pictures": VOLCENGINE,
    "a thought before the picture": plain(json.dumps({"candidates": [{"content": THOUGHT}]}).encode()),
    "a mask before the picture": plain(json.dumps({"data": [MASK, {"b64_json": text()}]}).encode()),
    "a blurred one before the picture": plain(json.dumps({"pic": {"blurData": text(BLUE), "full": text()}}).encode()),
    "what went out before the picture": plain(json.dumps({"args": {"image": text(BLUE)}, "edited": text()}).encode()),
    "the user's before the picture": plain(json.dumps({"messages": [*ROLES]}).encode()),
    "parts": plain(PARTS, "Content-Type: multipart/mixed; boundary=b"),
    "msgpack": plain(b"\x81\xa5image\xc5" + len(RED).to_bytes(2, "big") + RED, "Content-Type: application/msgpack"),
    "XML": plain(b"<answer><b64>" + text().encode() + b"</b64></answer>", "Content-Type: application/xml"),
    "Python's own words": plain(f"ImagesResponse(data=[Image(b64_json='{text()}', url=None)], usage=None)".encode()),
    "a prefix without data:": plain(json.dumps({"data": [{"b64_json": f"image/png;base64,{text()}"}]}).encode()),
    "blanks for pluses": plain(json.dumps({"data": [{"b64_json": text(NOISE).replace("+", " ")}]}).encode()),
    "BMP": plain(json.dumps(success(encoded("BMP"))).encode()),
}
LINKS = {
    "a small one that leads to it": '{{"choices": [{{"message": {{"content": "[![s](http://127.0.0.1:9/s.png)]({})"}}}}]}}',
    "after what was before": '{{"before": "http://127.0.0.1:9/s.png", "after": "{}"}}',
    "an address alone": "{}",
    "an address in quotes": '{{"data": [{{"url": "\\"{}\\""}}]}}',
    "a list in a text": '{{"data": [{{"url": "[\'{}\']"}}]}}',
    "JSON in a text": '{{"data": {{"resultJson": "{{\\"resultUrls\\": [\\"{}\\"]}}"}}}}',
}


def colour(**inputs: Any) -> list[int]:
    image, _, _ = node(**inputs)
    return [round(float(value) * 255) for value in image[0, 0, 0, :3]]


@pytest.mark.parametrize("name", BODIES)
def test_the_picture_is_had_and_kept(server: WireServer, name: str) -> None:
    """Whatever it is wrapped into; sent once, and the next run has it from the disk."""
    server.script(BODIES[name])
    assert [colour(live_preview=1) for _ in range(2)] == [[250, 0, 0]] * 2
    assert server.posts == 1


@pytest.mark.parametrize("name", LINKS)
def test_addresses_in_texts_are_followed(server: WireServer, name: str) -> None:
    """Also where the text is more than the address."""
    server.script(plain(LINKS[name].format(f"{server.base_url}/a.png").encode(), "Content-Type: text/plain"))
    server.file("/v1/a.png", plain(RED))
    assert colour() == [250, 0, 0]


ENDS_WELL: dict[str, tuple[dict[str, Any], ...]] = {
    "not done, and done": ({"image": text(BLUE), "done": False}, {"image": text(), "done": False}, {"done": True}),
    "what it does": ({"phase": "upscaling", "data": [{"b64_json": text()}]}, {"phase": "done"}),
    "a last step": ({"type": "final_step", "b64_json": text()}, {"type": "end"}),
}


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("name", ENDS_WELL)
def test_what_came_last_is_the_picture_of_an_answer_that_ends_well(
    server: WireServer, name: str, is_stream: bool
) -> None:
    """Each event says that more comes, and the one that says that all is done has no picture."""
    lines = plain("\n".join(map(json.dumps, ENDS_WELL[name])).encode(), "Content-Type: application/x-ndjson")
    server.script(chunked(*(event(**each) for each in ENDS_WELL[name])) if is_stream else lines)
    assert colour(live_preview=1) == [250, 0, 0]
    assert server.posts == 1


TWO: dict[str, dict[str, Any]] = {
    "captions": {"data": [{"label": "iconic fox", "b64_json": text()}, {"label": "a fox", "b64_json": text(BLUE)}]},
    "names of places": {"edited": text(), "another": text(BLUE)},
    "one and its variation": {"job": {"final": {"picture": text()}, "variations": [{"picture": text(BLUE)}]}},
}


@pytest.mark.parametrize("said", TWO.values(), ids=TWO)
def test_as_many_as_were_asked_for_are_kept(server: WireServer, said: dict[str, Any]) -> None:
    """What sounds like a copy is left out only where more came: each of the two is paid."""
    server.script(plain(json.dumps(said).encode()))
    assert len(node(n=2)[0]) == 2


SKETCHES: dict[str, dict[str, Any]] = {
    "what it does": {"status": "rendering (30%)", "b64_json": text(BLUE)},
    "no end yet": {"done": False, "b64_json": text(BLUE)},
    "a step": {"type": "image_generation.denoise_step", "b64_json": text(BLUE)},
    "by its type": {"type": "image_generation.partial_image", "b64_json": text(BLUE), "partial_image_index": 0},
    "by its number alone": {"b64_json": text(BLUE), "partial_image_index": 0},
    "a preview": {"type": "image.preview", "b64_json": text(BLUE)},
    "progress": {"type": "progress", "progress": 0.4},
    "a state": {"status": "IN_PROGRESS", "image": text(BLUE)},
}
REASONS: dict[str, dict[str, str]] = {
    "nothing known": {"message": "odd"},
    "a rate limit": {"message": "odd wait", "code": "rate_limit_exceeded"},
    "credit": {"message": "odd balance", "code": "insufficient_quota"},
    "a key": {"message": "odd: invalid api key", "code": "invalid_api_key"},
    "a model": {"message": "odd model", "code": "model_not_found"},
    "its own failure": {"message": "odd", "code": "server_is_overloaded"},
}


def refuses(sketch: dict[str, Any], said: dict[str, str]) -> bytes:
    return chunked(event(**sketch), event(type="error", error=said))


@pytest.mark.parametrize("said", REASONS.values(), ids=REASONS)
@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
def test_an_error_behind_a_sketch_may_have_been_billed(
    server: WireServer, sketch: dict[str, Any], said: dict[str, str]
) -> None:
    """The work was begun: it is not sent again, whatever the words, which are told; nor does the next run."""
    server.script(refuses(sketch, said))
    with pytest.raises(OutcomeUnknownError, match=r"billed.*odd"):
        node(live_preview=1)
    with pytest.raises(OutcomeUnknownError, match="billed"):
        node(live_preview=1)
    assert server.posts == 1


@pytest.mark.parametrize("sketch", SKETCHES.values(), ids=SKETCHES)
def test_a_filter_behind_a_sketch_is_told_as_one_and_not_asked_again(
    server: WireServer, sketch: dict[str, Any]
) -> None:
    """The picture was made and withheld: the same run buys no second one by itself."""
    server.script(refuses(sketch, {"message": "no", "code": "moderation_blocked"}))
    with pytest.raises(ModeratedError):
        node(live_preview=1)
    with pytest.raises(OutcomeUnknownError, match="switch reuse off or change the seed"):
        node(live_preview=1)
    assert server.posts == 1


@pytest.mark.parametrize("said", [REASONS["credit"], REASONS["a key"]])
def test_an_error_before_any_work_is_no_purchase(server: WireServer, said: dict[str, str]) -> None:
    """Waiting in a queue is none: the next run asks, and has the picture."""
    server.script(chunked(event(type="queue.queued", status="queued"), event(type="error", error=said)))
    with pytest.raises((OutOfCreditError, NoKeyError)):
        node(live_preview=1)
    server.script(plain(json.dumps(success(RED)).encode()))
    assert colour(live_preview=1) == [250, 0, 0]
    assert server.posts == 2


def test_an_error_status_behind_sketches_may_have_been_billed(server: WireServer) -> None:
    """Also where the lines of progress came with the status of a refusal."""
    body = b'{"status": "processing", "progress": 40}\n' + json.dumps(error("odd balance", code="no_credits")).encode()
    server.script(plain(body, status="402 Payment Required"))
    with pytest.raises(OutcomeUnknownError, match="billed"):
        node()


@pytest.mark.parametrize("sketch", [SKETCHES["by its number alone"], SKETCHES["a preview"]])
def test_a_sketch_before_the_stream_broke_off_is_not_the_picture(server: WireServer, sketch: dict[str, Any]) -> None:
    """However it is called."""
    server.script(chunked(event(**sketch)))
    with pytest.raises(OutcomeUnknownError, match="billed"):
        node(live_preview=1)


DONE = event(type="image_generation.completed", b64_json=text())
PART = event(type="image_generation.partial_succeeded", b64_json=text())
PART_FAILED = event(type="image_generation.partial_failed", error={"code": "InternalServiceError", "message": "no"})
ENDED = event(type="image_generation.completed", usage={"output_tokens": 7, "total_tokens": 7})
MARK = b"data: [DONE]\n\n"
# the pictures that are asked for, the events, each some time behind the other, and the pictures that are had
STREAMS: dict[str, tuple[int, list[bytes], int]] = {
    "as many as were asked for": (2, [DONE, DONE], 2),
    "two in one event": (2, [event(data=[{"b64_json": text()}, {"b64_json": text()}])], 2),
    "one that failed between": (3, [DONE, event(type="error", error={"message": "no"}), DONE], 2),
    "one that failed first": (2, [event(type="error", error={"message": "no"}), DONE], 1),
    "fewer, and the mark of the end": (3, [DONE, DONE, MARK], 2),
    "fewer, and the end of the whole": (3, [DONE, DONE, ENDED], 2),
    "a sequence of more than were asked for": (1, [PART, PART, PART, ENDED], 3),
    "a sequence, one of which failed": (1, [PART_FAILED, PART, ENDED], 1),
    "a sequence, one of which failed behind another": (1, [PART, PART_FAILED, PART, ENDED], 2),
}


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_pictures_of_a_stream_are_waited_for_until_the_last(
    server: WireServer, stream: tuple[int, list[bytes], int]
) -> None:
    """Each is billed, however long it takes; a server that leaves the line open behind the last one ends no later."""
    asked, events, had = stream
    steps: list[Any] = [chunked(events[0], end=False)]
    for each in events[1:]:
        steps += [BETWEEN_S, chunked(each, head=False, end=False)]
    server.script(*steps, HOLD)
    assert node(n=asked)[2]["n"] == had
    assert server.posts == 1


def test_tokens_that_come_behind_the_picture_are_counted(server: WireServer) -> None:
    """Else its price is not known."""
    server.script(VOLCENGINE)
    assert node(live_preview=1)[2]["tokens"]["output_tokens"] == 7


@pytest.mark.skipif("avif" not in features.get_supported(), reason="this Pillow reads no AVIF")
def test_an_avif_is_read(server: WireServer) -> None:
    """Nobody can ask for one, and some send one."""
    server.script(plain(json.dumps(success(encoded("AVIF", quality=100))).encode()))
    image, _, report = node()
    assert float(image[0, 0, 0, 0]) > 0.9
    assert "png was asked for, avif came." in report["notes"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(300), "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(300), "JPEG XL"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>" + b" " * 300, "SVG"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_its_file(server: WireServer, data: bytes, words: str) -> None:
    """It is kept, and another program can read it."""
    server.script(plain(json.dumps(success(data)).encode()))
    with pytest.raises(BadAnswerError, match=f"its format is {words}.*convert the kept file.*kept in"):
        node()


def test_words_in_base64_in_the_place_of_a_picture_are_told(server: WireServer) -> None:
    """A refusal as a file: not as bytes of no known format, and without the key that it repeats."""
    server.script(plain(json.dumps(success(b"I cannot draw this for " + KEY.encode() + b"." * 300)).encode()))
    with pytest.raises(BadAnswerError, match=r"in place of a picture came: I cannot draw this for \[key\]"):
        node()


def test_a_packing_that_was_not_asked_for_is_named(server: WireServer) -> None:
    """Nor is it asked for where a module for it is installed: requests would."""
    server.script(plain(b"\x1b\x10\0\xf8" + b"\x11" * 300, "Content-Encoding: br"))
    with pytest.raises(BadAnswerError, match=r"is packed by br.*can unpack the kept file.*kept in"):
        node()
    assert b"accept-encoding: gzip, deflate\r\n" in server.heads[0].lower()
    assert client.ACCEPTED == "gzip, deflate"


def test_a_picture_under_a_failing_status_is_written_down_before_it_is_read(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it may die of it; a mere refusal leaves nothing behind."""
    home = Path(os.environ["OPENAI_IMAGE_NODES_HOME"])
    found: list[bytes] = []

    def dies(_answer: Reading) -> bytes | None:
        found.extend(file.read_bytes() for file in home.rglob(f"{journal.HALF_ANSWER}"))
        raise MemoryError

    body = json.dumps(success(RED)).encode()
    server.script(plain(body, status="500 Oops"))
    with monkeypatch.context() as patch:
        patch.setattr(Reading, "known_picture", property(dies))
        with pytest.raises(OpenAIImageError):
            node()
    assert found == [body]
    assert colour() == [250, 0, 0]
    server.script(plain(b'{"error":{"message":"no such size"}}', status="400 Bad Request"))
    with pytest.raises(RefusedError):
        node(prompt="another")
    assert not list(home.rglob(journal.HALF_ANSWER))
    assert server.posts == 2


PIECES = (
    *(b"<", b"<!--", b"<!---->", b"<!-- --> ", b"<html>", b"<title>", b"<title ", b"</title", b"<img ", b"<img src"),
    *(b"<svg ", b"<svg>", b"<?xml ", b"<?xml>", b"![", b"![](", b"![](a ", b"](", b"-", b".", b"./", b"-a/", b"a/"),
    *(b"/a.png", b"http://", b"https://a.", b"data:image/png;", b"data:image/", b"://", b"\n", b" ", b'\n"', b"{\n"),
    *(b"a.", b"a:1/", b"a b/", b"data:"),
    *(b"[\n", b"[1,\n", b"{'", b"'\\", b"b'\\", b"/*", b"{/*\n", b'"\\', b"--\n", b"```", b"&#1", b"1"),
    *(b"\xff\xd8\xff\xe0", b"iVBORw0KGgo ", b"\x89PNG\r\n\x1a\n"),
)
STARTS = (b"a", b"x, ", b"<html><title>", b"{", b'["', b"``` ", b"https://a/", b"<img ", b"![](", b"<html>&#")


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_what_is_no_answer_is_read_in_time_that_grows_with_its_length(piece: bytes) -> None:
    """A reader that looks at all of the rest at each beginning would take minutes, and nothing else would run."""

    def read(length: int, start: bytes) -> None:
        body = start + piece * (length // len(piece)) + b"!"
        chat = {
            "choices": [{"message": {"content": body.decode("latin-1")}}],
            "more": {"url": [body.decode("latin-1")]},
        }
        service_words(body)
        Reading(body).response()
        Reading(json.dumps(chat).encode()).response()

    for start in STARTS[:3] if b"\n" in piece else STARTS:  # the readers of lines spend a second on each
        assert grows_with_length(lambda length, start=start: read(length, start), 700), start


def test_an_endless_number_of_a_character_is_no_fault_of_ours() -> None:
    """Python reads no number of so many digits."""
    words = service_words(b"<html><title>Bad &#" + b"1" * 5000 + b"; gateway &#xfffffffff; &amp; more</title>")
    assert words.page == "Bad gateway & more"


def test_comments_before_a_page_are_passed_over() -> None:
    """However many there are: each way of taking some together was tried once."""
    assert service_words(b"<!-- a -->" * 300 + b"<html><title>Down</title><body>Soon back").page == "Down: Soon back"


def test_what_is_left_open_takes_nothing_from_what_comes_behind_it() -> None:
    """A comment or a quote without an end, once or often, is passed over as any other fault."""
    for fault in ("it's", "/* a", "image/*", "'" * 3, "/*" * 500, "it\\'s 'a\\'" * 200):
        body = f'{{note: {fault} , "data": [{{"b64_json": "{text()}"}}]}}'.encode()
        found = Reading(body).response()
        assert found is not None, fault
        assert found.data, fault


@pytest.mark.slow
def test_a_long_name_above_many_values_is_not_copied_for_each() -> None:
    """Of 4,000 values under a name of 500,000 characters the paths alone would be 2 GB."""
    body = json.dumps({"k" * 500_000: {f"v{index}": "x" for index in range(4_000)}}).encode()
    tracemalloc.start()
    assert not (Reading(body).response() or OpenAIImageGenerationResponse()).data
    assert tracemalloc.get_traced_memory()[1] < 200_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_what_is_packed_is_unpacked_up_to_a_limit(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes can become gigabytes: they are kept as they came, and the picture beside them is had."""
    monkeypatch.setattr(downloads, "MAX_PICTURE_BYTES", 1 << 20)
    whole = RED + bytes(range(256)) * 2
    small, large = text(pack(whole)), text(pack(b"\x89PNG\r\n\x1a\n" + bytes(1 << 24)))
    response = Reading(json.dumps({"data": [{"b64_json": large}, {"b64_json": small}]}).encode()).response()
    assert response is not None
    tracemalloc.start()
    pictures = downloads.pictures_of(response, RELAY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pictures.data == [large.encode(), whole]
    assert pictures.faults == {0: "more than 1,048,576 bytes came"}
    assert peak < 8 << 20
