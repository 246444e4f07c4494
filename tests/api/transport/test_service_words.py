"""What errors say of themselves, in the forms of many servers, and what is told of them to the person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
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
    ServiceDownError,
)
from openai_image_nodes.api.transport import error_mapping
from openai_image_nodes.api.transport.error_mapping import Asked, error_from_response
from openai_image_nodes.api.transport.service_words import service_words
from openai_image_nodes.api.transport.task_words import task_of
from support.capture import Capture
from support.node_calls import node, use_openai

RELAY = Connection(name="relay", base_url="https://relay.example/v1", address_from="RELAY_URL")
AZURE = Connection(
    name="azure",
    kind="azure",
    base_url="https://me.openai.azure.com/openai",
    query={"api-version": "2024-02-01"},
    deployment_paths=True,
    address_from="AZURE_OPENAI_ENDPOINT",
)
NESTED = json.dumps({"error": {"message": "deep down", "code": "content_policy_violation"}})
FORMS: dict[str, tuple[Any, str, str | None]] = {  # what is answered, its message, its code
    "OpenAI": ({"error": {"message": "no", "code": "x"}}, "no", "x"),
    "code and error": ({"code": 1113, "error": "not today"}, "not today", "1113"),
    "msg": ({"code": 1113, "msg": "not today"}, "not today", "1113"),
    "errmsg": ({"errcode": 40001, "errmsg": "bad credential"}, "bad credential", "40001"),
    "detail": ({"detail": "Method Not Allowed"}, "Method Not Allowed", None),
    "FastAPI": (
        {"detail": [{"loc": ["body", "size"], "msg": "bad"}, {"loc": ["body", "n"], "msg": "worse"}]},
        "body.size: bad; body.n: worse",
        None,
    ),
    "detail as an object": ({"detail": {"error": {"message": "inside", "code": "y"}}}, "inside", "y"),
    "errors": ({"errors": [{"message": "first", "code": "z"}]}, "first", "z"),
    "a list": ([{"error": {"message": "in a list", "status": "INVALID_ARGUMENT"}}], "in a list", None),
    "metadata.raw": (
        {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": NESTED}}},
        "Provider returned error: deep down",
        "content_policy_violation",
    ),
    "JSON in a text": ({"error": {"message": f"BadRequest - {NESTED}"}}, "deep down", "content_policy_violation"),
    "null message": ({"error": {"message": None, "code": "only_a_code"}}, "", "only_a_code"),
    "list message": ({"error": {"message": ["one", "two"]}}, "one; two", None),
    "code in a list": ({"error": {"message": "m", "code": ["c"]}}, "m", "c"),
    "heartbeats": (b'\xef\xbb\xbf\n: ping\n\n  \n{"error": {"message": "late", "code": "c"}}', "late", "c"),
    "events": (
        b'event: response.failed\ndata: {"type": "response.failed", "response": {"error": {"code": "c", "message":'
        b' "failed"}}}\n\n',
        "failed",
        "c",
    ),
    "plain": (b"upstream prematurely closed", "upstream prematurely closed", None),
    "no UTF-8": (b"\xff\xfe{", "\ufffd\ufffd{", None),
    "deep": (b"[" * 200_000, "", None),
    "nothing among numbers": ({"created": 17, "data": [], "quality": None, "usage": {"total_tokens": 0}}, "", None),
    "a sentence at a place that nobody knows": (
        {"id": "p9xrc", "status": "succeeded", "output": [], "logs": "NSFW content detected in image 0"},
        "logs: NSFW content detected in image 0",
        None,
    ),
    "a chat without a text": (
        {"id": "c1", "object": "chat", "choices": [{"delta": {"role": "a", "content": ""}, "finish_reason": "stop"}]},
        "",
        None,
    ),
    "a text in an error": ({"error": {"allow_retry": True, "text": "Server error"}}, "text: Server error", None),
    "a word at a place that nobody knows": ({"result": "NoBalance", "id": "x"}, "result: NoBalance", None),
    "a limit beside a sentence": (
        {"text": "The picture is too large", "max_bytes": 4096, "allowed": ["png"], "used": 5, "id": "a", "ok": True},
        "text: The picture is too large; max_bytes: 4096; allowed: png",
        None,
    ),
    "a word beside a sentence": (
        {"a": "see the docs", "why": "rate-limited"},
        "a: see the docs; why: rate-limited",
        None,
    ),
    "JSON in a plain text": (b"upstream request timed out ['flux']", "upstream request timed out: flux", None),
    "words behind JSON": (b'it said {"detail": "x"}, connection reset', "it said: x: connection reset", None),
    "a status as a word": ({"x": "upstream_502", "trace": "7f3a99c0"}, "x: upstream_502", None),
    "an error without words": ({"error": {"type": "", "message": ""}, "status_code": 400}, "", "400"),
    "counts beside an error": (
        {"metadata": {"failed_count": "1"}, "base_resp": {"status_code": 1026, "status_msg": "new_sensitive"}},
        "new_sensitive",
        "1026",
    ),
    "nothing": (b"", "", None),
    "null": (b"null", "null", None),
    "JSON without words": (
        {"created": 1, "n": [1, 2], "data": [{"b64_json": None}]},
        "",
        None,
    ),
    "text in brackets": (b'[flux] failed at {"a": 1}', '[flux] failed at {"a": 1}', None),
    "huge number": (b'{"error": {"message": "m", "code": ' + b"9" * 6000 + b"}}", "m", None),
}


def body_of(said: Any) -> bytes:
    return said if isinstance(said, bytes) else json.dumps(said).encode()


@pytest.mark.parametrize(("said", "message", "code"), FORMS.values(), ids=FORMS)
def test_words_are_found_in_every_form(said: Any, message: str, code: str | None) -> None:
    """The message and the nearest code; nothing is raised whatever it is."""
    words = service_words(body_of(said))
    assert words.code == code
    assert message in words.message


def test_long_codes_are_shortened() -> None:
    """A code of a megabyte is no code."""
    assert len(service_words(json.dumps({"error": {"code": "x" * 1_000_000}}).encode()).code or "") == 80


def test_web_page_is_told_by_its_title_and_text() -> None:
    """Never styles or scripts, closed or not, and with what to look at."""
    page = (
        b"<!DOCTYPE html><html><head><title>Sign &amp; go</title><style>.a{color:red}</style></head><body><!-- x -->"
        b"<p>Please <b>log in</b></p><script>steal()"
    )
    message = service_words(page).message
    assert "Sign & go: Please log in" in message
    assert "is /v1 missing in the base address" in message
    assert not any(word in message for word in ("color", "steal", "<", "x -->"))


TOLD: dict[str, tuple[Connection, int, dict[str, str], Any, type[OpenAIImageError], list[str]]] = {
    "country": (RELAY, 403, {}, {"error": {"code": "unsupported_country_region_territory"}}, NoKeyError, ["where you"]),
    "network filter": (RELAY, 403, {}, b"<html><title>Attention Required</title></html>", RefusedError, ["firewall"]),
    "key limit": (
        RELAY,
        403,
        {},
        {"error": {"message": "Key limit exceeded", "code": 403}},
        OutOfCreditError,
        ["this key"],
    ),
    "user quota": (RELAY, 403, {}, {"error": {"code": "insufficient_user_quota"}}, OutOfCreditError, ["credit"]),
    "pre-consume": (
        RELAY,
        500,
        {},
        {"error": {"code": "pre_consume_token_quota_failed"}},
        OutOfCreditError,
        ["credit"],
    ),
    "credits in words": (
        RELAY,
        429,
        {"retry-after": "1"},
        {"error": {"message": "You have used all available credits."}},
        OutOfCreditError,
        ["credit"],
    ),
    "hard limit": (RELAY, 400, {}, {"message": "Billing hard limit has been reached"}, OutOfCreditError, ["limit"]),
    "verification": (
        RELAY,
        403,
        {},
        {"error": {"message": "Your organization must be verified to use it."}},
        NoKeyError,
        ["Verify the organization"],
    ),
    "scopes": (RELAY, 403, {}, {"error": {"message": "Missing scopes: images.write"}}, NoKeyError, ["permissions"]),
    "moderation of an Azure": (
        AZURE,
        400,
        {},
        {"error": {"code": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        ModeratedError,
        ["Change the prompt"],
    ),
    "moderation of a relay": (
        RELAY,
        500,
        {},
        {"error": {"code": "sensitive_words_detected"}},
        ModeratedError,
        ["Change"],
    ),
    "moderation of Google": (RELAY, 200, {}, {"error": {"code": "PROHIBITED_CONTENT"}}, ModeratedError, ["Change"]),
    "404": (
        RELAY,
        404,
        {},
        {"detail": "Not Found"},
        RefusedError,
        ["https://relay.example/v1/images/edits", "RELAY_URL"],
    ),
    "405": (RELAY, 405, {}, b"", RefusedError, ["https://relay.example/v1/images/edits", "RELAY_URL"]),
    "model": (RELAY, 404, {}, {"error": {"code": "model_not_found"}}, RefusedError, ["the model m was not found"]),
    "Azure": (
        AZURE,
        404,
        {},
        {"error": {"code": "404", "message": "Resource not found"}},
        RefusedError,
        ["deployment m", "2024-02-01", "deployments/m/images/edits"],
    ),
    "redirect": (
        RELAY,
        308,
        {"location": "https://me:pw@login.example/in?token=planted"},
        b"",
        RefusedError,
        ["https://login.example/in,"],
    ),
    "redirect, relative": (RELAY, 301, {"location": "/v2/x?y"}, b"", RefusedError, ["https://relay.example/v2/x,"]),
    "413": (RELAY, 413, {}, b"too large", RefusedError, ["12.5 MB went out", "smaller pictures"]),
    "524": (RELAY, 524, {}, b"error code: 524", OutcomeUnknownError, ["live_preview", "may have been billed"]),
    "504": (RELAY, 504, {}, b"", OutcomeUnknownError, ["live_preview", "less at once"]),
    "stream": (RELAY, 400, {}, {"error": {"message": "stream is not supported"}}, RefusedError, ["live_preview to 0"]),
    "unknown field": (
        RELAY,
        400,
        {},
        {"error": {"message": "Unknown parameter: 'moderation'.", "code": "unknown_parameter"}},
        RefusedError,
        ['"omit": ["moderation"]', "--omit moderation"],
    ),
    "unknown field, FastAPI": (
        RELAY,
        422,
        {},
        {"detail": [{"loc": ["body", "background"], "msg": "Extra inputs are not permitted"}]},
        RefusedError,
        ['"omit": ["background"]'],
    ),
    "101": (RELAY, 101, {}, b"", OutcomeUnknownError, ["may have been billed"]),
    "199": (RELAY, 199, {}, b"", OutcomeUnknownError, ["may have been billed"]),
    "page": (RELAY, 200, {}, b"<html><body>Welcome</body></html>", RefusedError, ["is /v1 missing"]),
}


@pytest.mark.parametrize(("connection", "status", "headers", "said", "kind", "words"), TOLD.values(), ids=TOLD)
def test_errors_say_what_to_do(
    connection: Connection,
    status: int,
    headers: dict[str, str],
    said: Any,
    kind: type[OpenAIImageError],
    words: list[str],
) -> None:
    """The kind decides what happens next, the words what the person does next."""
    asked = Asked("images/edits", 12_500_000)
    error = error_from_response(connection, status, headers, body_of(said), subject="m", asked=asked)
    assert type(error) is kind
    assert [word for word in words if word not in str(error)] == []
    assert "planted" not in str(error)
    assert "pw" not in str(error)


@pytest.mark.parametrize(
    ("headers", "said", "seconds"),
    [
        ({}, {"error": {"message": "Please retry after 12 seconds"}}, 12),
        ({}, {"error": {"message": "busy", "retry_after": 7}}, 7),
        ({}, {"retry_after_ms": 1500, "message": "busy"}, 1.5),
        ({}, {"error": {"message": "cooling down", "reset_seconds": 90}}, 90),
        ({}, {"error": {"message": "请 15 秒后重试"}}, 15),
        ({}, {"error": {"message": "1分钟内最多3次"}}, None),
        ({}, {"error": {"message": "请30s后再试"}}, 30),
        ({}, {"error": {"message": "请等待2分钟"}}, 120),
        ({}, {"error": {"message": "Retry-After: 30"}}, 30),
        ({}, {"error": {"message": "slow down, retry_after=17"}}, 17),
        ({}, {"error": {"message": "Retry your request in about 10 seconds"}}, 10),
        ({}, {"error": {"message": "cooling down, 45 seconds remaining"}}, 45),
        ({}, {"error": {"message": "Expected available in 55 seconds."}}, 55),
        ({}, {"error": {"message": "The limit resets at 2020-11-28T08:00:00Z"}}, 0),
        ({}, {"error": {"message": "The limit resets at 5 pm, or at 14:30"}}, None),
        ({}, {"error": {"message": "credits available: 5, remaining: 0"}}, None),
        ({}, {"error": {"message": "busy", "retryAfterMs": 1500}}, 1.5),
        ({}, {"error": {"message": "busy", "wait_seconds": 30}}, 30),
        ({}, {"error": {"message": "busy", "retry_after": "2020-11-28T08:00:00Z"}}, 0),
        ({}, {"error": {"message": "busy", "reset_at": "2020-11-28T08:00:00.5Z"}}, 0),
        ({}, {"error": {"message": "busy", "retry_after": 5, "resets_in_seconds": 86400}}, 5),
        ({}, {"message": "busy", "retryAfter": "00:01:05"}, 65),
        ({}, {"code": 429, "message": "busy", "data": {"retry-after": 8}}, 8),
        ({}, {"error": {"message": "busy", "metadata": {"headers": {"X-RateLimit-Reset": "9"}}}}, 9),
        ({}, {"error": {"message": "busy", "retry_after": True, "wait": None, "reset_password": "no"}}, None),
        ({"retry-after": "PT1M30S"}, {}, 90),
        ({"retry-after": "30, 30"}, {}, 30),
        ({"retry-after": "2020-11-28T08:00:00Z"}, {}, 0),
        ({"x-ratelimit-retry-after": "9"}, {}, 9),
        ({"x-ratelimit-reset-input-images": "9s"}, {}, 9),
        ({"anthropic-ratelimit-requests-reset": "2020-11-28T08:00:00Z"}, {}, None),
        ({"retry-after": "20 seconds"}, {}, 20),
        ({"retry-after": '"6"'}, {}, 6),
        ({"x-retry-after": "8"}, {}, 8),
        ({"ratelimit-reset": "17"}, {}, 17),
        ({"ratelimit": "limit=10, remaining=0, reset=7"}, {}, 7),
        ({"ratelimit": '"default";r=0;t=11'}, {}, 11),
        ({"ratelimit": '"default";q=10;w=60'}, {}, None),
        ({"x-ratelimit-reset": str(10**9)}, {}, None),
        ({"x-ratelimit-reset": str(10**12)}, {}, None),
        ({"x-ratelimit-reset-requests": "0", "x-ratelimit-reset-tokens": "30s"}, {}, 30),
        ({"x-ratelimit-reset": "2026-11-28T04:00:00Z"}, {}, None),
        ({"x-ratelimit-reset-requests": "1m2.5s"}, {}, 62.5),
        ({}, {"error": {"message": "q", "details": [{"retryDelay": "31s"}]}}, 31),
        ({}, {"error": {"message": "Try again in 2 minutes."}}, 120),
        ({}, {"error": {"message": "Please wait 90 seconds"}}, 90),
        ({"retry-after": str(10**9)}, {}, 0),
        ({"retry-after": str(10**12)}, {}, 0),
        ({"retry-after-ms": str(10**12)}, {}, 0),
        ({}, {"error": {"message": "busy", "retry_after": 10**9}}, 0),
        ({"retry-after": "inf"}, {"message": "no"}, None),
        ({"retry-after": "nan"}, {"message": "no"}, None),
        ({"retry-after": "-5"}, {"message": "no"}, 0),
        ({}, {"error": {"message": "m", "retry_after": 1e400}}, None),
    ],
)
def test_waits_are_read_and_are_finite(headers: dict[str, str], said: Any, seconds: float | None) -> None:
    """From headers, words and fields; what is no time is none."""
    error = error_from_response(RELAY, 429, headers, body_of(said), subject="m")
    assert type(error) is RateLimitError
    assert error.retry_after_s == seconds


EXCEPTIONS = [UnicodeEncodeError("latin-1", "k\u200b", 1, 2, "no"), ValueError("odd"), RecursionError(), KeyError("x")]


@pytest.mark.parametrize("exc", EXCEPTIONS, ids=lambda exc: type(exc).__name__)
def test_any_exception_becomes_one_of_ours(exc: Exception) -> None:
    """Nothing left: refused. All left: nobody knows."""
    unsent = error_mapping.error_from_exception(RELAY, exc, complete=False, sent_at="12:00:00 UTC")
    assert type(unsent) is RefusedError
    assert "nothing was billed" in str(unsent)
    sent = error_mapping.error_from_exception(RELAY, exc, complete=True, sent_at="12:00:00 UTC")
    assert type(sent) is OutcomeUnknownError


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"output": {"task_id": "task-77", "task_status": "PENDING"}}, "task-77"),
        ({"id": "pred-5", "status": "starting"}, "pred-5"),
        ({"choices": [{"message": {"role": "assistant", "content": "I cannot draw that."}}]}, "I cannot draw that"),
        ("<html><head><title>Timed out</title></head></html>", "is /v1 missing"),
    ],
)
def test_success_without_a_picture_says_what_it_is(server: Capture, said: Any, words: str) -> None:
    """A task, a chat or a page: named, kept, and not asked for again."""
    server.reply(200, said)
    with pytest.raises(BadAnswerError, match=words):
        node()
    assert len(server.posts) == 1


GOES_ON = ("enqueued", "Queued (position 3)", "running: 3/20", "rendering", "warming_up", "processing...", "started")
GOES_ON += (
    "on hold",
    "PENDING_REVIEW",
    "45.5%",
    "TASK_STATUS_PROCESSING",
    "正在生成",
    "処理中",
)


@pytest.mark.parametrize("state", GOES_ON)
@pytest.mark.parametrize("key", ["status", "task_state", "jobStatus", "phase"])
def test_a_task_is_known_by_a_state_of_what_goes_on(key: str, state: str) -> None:
    """Where its id is one that many answers have, and more stands beside it."""
    assert task_of({"id": "t1", key: state, "eta": 5}) == "t1"


@pytest.mark.parametrize(
    "state", ["missing", "warning", "active", "succeeded", "rendered", "Error: no GPU", "已取消", ""]
)
def test_what_has_ended_or_is_no_task_is_none_by_its_state(state: str) -> None:
    """A failure is told as one."""
    assert task_of({"id": "t1", "status": state, "eta": 5}) is None


@pytest.mark.parametrize(
    "key", ["prompt_id", "ticket_id", "execution_id", "workflow_run_id", "request_uuid", "taskUUID"]
)
def test_a_task_is_known_by_the_name_of_its_id(key: str) -> None:
    """Whatever stands beside it."""
    assert task_of({key: "t1", "eta": 5, "number": 1}) == "t1"


@pytest.mark.parametrize("key", ["pollURL", "statusURL", "check_url", "query_url", "fetch_url", "progress_url"])
def test_a_task_is_known_by_the_place_to_ask(key: str) -> None:
    """Also without an id."""
    assert task_of({"ok": True, key: "https://relay.example/poll/x"}) == "https://relay.example/poll/x"


@pytest.mark.parametrize(
    "sent", [f"Bearer {word}0123456789abcdef" for word in ("auth-", "token=", "tokens:", "auth/", "token|")]
)
def test_how_to_send_a_key_is_no_key(sent: str) -> None:
    """OpenAI explains it where none came; what follows "Bearer" is taken out else, whatever it is."""
    said = (
        "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth (i.e."
        " Authorization: Bearer YOUR_KEY)."
    )
    body = json.dumps({"error": {"message": f"{said} You sent {sent}."}}).encode()
    told = str(error_from_response(RELAY, 401, {}, body, subject="m"))
    assert said in told
    assert "0123456789" not in told


@pytest.mark.parametrize(
    ("path", "status", "said", "kind", "told"),
    [
        ("batches/batch_x", 404, "No batch found with id 'batch_x'.", RefusedError, "batches/batch_x is not there"),
        ("files/file-x/content", 404, "No such File object: file-x", RefusedError, "has expired there"),
        ("files", 404, "Invalid URL (POST /v1/files)", RefusedError, "relay.example/v1/files takes files and batches"),
        ("batches/batch_x/cancel", 405, "Method Not Allowed", RefusedError, "Choose a connection without batches"),
        ("batches/batch_x", 400, "Client sent an HTTP request to an HTTPS server.", RefusedError, "check the address"),
        ("files/file-x/content", 410, "Gone", RefusedError, "has expired there"),
        ("files", 413, "File is too large. Max file size is 200MB", RefusedError, "fewer jobs"),
        ("batches/batch_x/cancel", 400, "Cannot cancel a batch with status 'completed'.", RefusedError, "own pages"),
        ("batches/batch_x", 500, "boo", ServiceDownError, "Nothing is lost by it"),
        ("batches/batch_x", 401, "Incorrect API key provided", NoKeyError, "Check the key"),
    ],
)
def test_files_and_batches_are_not_told_as_pictures(
    path: str, status: int, said: str, kind: type[OpenAIImageError], told: str
) -> None:
    """What is not there has expired, an address without files makes pictures all the same, and nothing is run again."""
    body = json.dumps({"error": {"message": said, "type": "invalid_request_error"}}).encode()
    asked = Asked(path, may_cost=False)
    found = error_from_response(RELAY, status, {}, body, subject=path, asked=asked)
    assert type(found) is kind
    assert told in str(found)
    assert said.rstrip(".") in str(found)
    assert kind is NoKeyError or "run again" not in str(found)
    assert "pictures with" not in str(found)
