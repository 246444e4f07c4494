"""What services and gateways answer in place of a picture: each is sent once, and told so that a person can act on it.

Bodies as these servers write them, played on a real socket, through the node. Source: docs/service.md, "What real
servers do". Every text that a server says holds the key, which no message may show.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
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
from openai_image_nodes.api.transport import client, operation, retry
from openai_image_nodes.api.transport.sessions import session_for
from support.node_calls import KEY, node
from support.wire_server import CLOSE, HOLD, RESET, Step, WireServer, chunked, plain

OF_PYTHON = re.compile(
    r"Error\(|Exception|Traceback \(most|0x[0-9a-f]{4}|object at |NoneType|errno|urllib3|http\.client"
    r"|RemoteDisconnected|BadStatusLine|IncompleteRead",
    re.I,
)
MAYBE = OutcomeUnknownError
CONNECTIONS = ("openai", "relay")


def page(title: str, text: str = "") -> bytes:
    return (
        f"<!DOCTYPE html><html><head><title>{title}</title><style>b{{color:red}}</style><script>var a='{KEY}'</script>"
        f"</head><body><h1>{title}</h1><p>{text} {KEY}</p></body></html>"
    ).encode()


def nginx(line: str) -> bytes:
    head, foot = f"<head><title>{line}</title></head>", "<hr><center>nginx/1.25.3</center>"
    return f"<html>\r\n{head}\r\n<body>\r\n<center><h1>{line}</h1></center>\r\n{foot}\r\n</body>\r\n</html>".encode()


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": f"{message} {KEY}", **fields}}


# status, body, what it means, and words that have to be in the message, in any order: what happened, what to do
Case = tuple[int, Any, type[OpenAIImageError], str]
CLOUDFLARE: dict[str, Case] = {
    **{
        f"cloudflare {code}": (code, page(f"x | {code}: {name}", "Cloudflare"), MAYBE, f"{name}.*billed.*usage page")
        for code, name in {
            520: "Web server is returning an unknown error",
            527: "Railgun Error",
        }.items()
    },
    **{
        f"cloudflare {code}": (code, page(f"x | {code}: {name}"), RefusedError, f"{name}.*Nothing was made")
        for code, name in {
            521: "Web server is down",
            523: "Origin is unreachable",
            525: "SSL handshake failed",
            526: "Invalid SSL certificate",
            530: "Error 1033",
        }.items()
    },
    "cloudflare 521 of a relay's relay": (521, error("bad response status code 521"), MAYBE, "billed"),
    "cloudflare 521 after another try": (521, error("all channels failed, last: error code: 521"), MAYBE, "billed"),
    "cloudflare 521 in a relay's words": (521, {"error": {"message": "error code: 521"}}, MAYBE, "billed"),
    "cloudflare's page in a relay's words": (521, error("<html><title>x | 521: Web server is down</title>"), MAYBE, ""),
    "a handshake of who keeps the picture": (525, b"upload of the result: SSL handshake failed", MAYBE, "billed"),
    "a page of who was at work": (521, page("Error", "Generation interrupted: web server is down"), MAYBE, "billed"),
    "cloudflare 530 as a word": (530, b"error code: 1033", RefusedError, "no server behind.*1033"),  # pollinations#8201
    "cloudflare 522": (522, page("x | 522: Connection timed out"), MAYBE, "live_preview"),
    "cloudflare 524": (524, page("x | 524: A timeout occurred"), MAYBE, "live_preview"),
    "cloudflare 524 as a word": (524, b"error code: 524", MAYBE, "live_preview"),
    "cloudflare 524 as JSON": (
        524,
        {"title": "Error 524", "status": 524, "detail": "The origin timed out", "error_code": 524, "retry_after": 120},
        MAYBE,
        "The origin timed out.*live_preview",
    ),
    "cloudflare 1020": (403, page("Access denied", "Error 1020"), RefusedError, "firewall.*another network"),
    "a challenge": (403, page("Just a moment...", "Enable JavaScript"), RefusedError, "filter on the way"),
    "a challenge as 503": (503, page("Just a moment...", "Checking your browser"), RefusedError, "filter on the way"),
}
NGINX: dict[str, Case] = {
    "nginx 500": (500, nginx("500 Internal Server Error"), MAYBE, "gateway gave up.*billed"),
    "nginx 502": (502, nginx("502 Bad Gateway"), MAYBE, "gateway gave up.*502 Bad Gateway.*billed"),
    "nginx 503": (503, nginx("503 Service Temporarily Unavailable"), MAYBE, "billed"),
    "nginx 504": (504, nginx("504 Gateway Time-out"), MAYBE, "live_preview"),
    "nginx 499": (499, b"", MAYBE, "gateway gave up.*billed"),
    "nginx 413": (413, nginx("413 Request Entity Too Large"), RefusedError, "kB went out.*fewer or smaller"),
    "nginx 400": (400, nginx("400 Bad Request"), RefusedError, "is /v1 missing"),
    "nginx 401": (401, nginx("401 Authorization Required"), NoKeyError, "Check the key"),
    "nginx 404": (404, nginx("404 Not Found"), RefusedError, "/v1/images/generations.*comes from.*check it"),
    "nginx 405": (405, nginx("405 Not Allowed"), RefusedError, "/v1/images/generations.*comes from"),
    "nginx 408": (408, nginx("408 Request Time-out"), MAYBE, "billed"),
    "nginx 431": (
        431,
        nginx("431 Request Header Fields Too Large"),
        RefusedError,
        "too large.*431 Request Header.*the key or",
    ),
    **{
        f"nothing but {status}": (status, b"", kind, words)
        for status, kind, words in [
            (400, RefusedError, "no reason.*ask who runs it"),
            (401, NoKeyError, "Check the key"),
            (403, NoKeyError, "no reason.*rights of the key"),
            (404, RefusedError, "comes from"),
            (409, RefusedError, "no reason"),
            (415, RefusedError, "no reason"),
            (418, RefusedError, "no reason"),
            (451, RefusedError, "no reason"),
            (500, MAYBE, "billed"),
            (501, RefusedError, "cannot do this.*another model"),
            (502, MAYBE, "billed"),
            (503, MAYBE, "billed"),
            (504, MAYBE, "live_preview"),
            (599, MAYBE, "billed"),
            (999, MAYBE, "billed"),
        ]
    },
}
AZURE: dict[str, Case] = {
    "azure filter": (
        400,
        {"error": {"code": "contentFilter", "message": f"Your task failed as a result of our safety system. {KEY}"}},
        ModeratedError,
        "Change the prompt",
    ),
    "azure filter inside": (
        400,
        {"error": {"code": "x", "message": "no", "inner_error": {"code": "ResponsibleAIPolicyViolation"}}},
        ModeratedError,
        "Change the prompt",
    ),
    "azure filter as 200": (
        200,
        {"created": 1, "error": {"code": "contentFilter", "message": "Generated image was filtered"}},
        ModeratedError,
        "Change the prompt",
    ),
    "azure results of a filter": (
        200,
        {"created": 1, "data": [{"content_filter_results": {"hate": {"filtered": True, "severity": "high"}}}]},
        ModeratedError,
        "a filter withheld it: hate.*Change the prompt",
    ),
    "azure deployment": (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}},
        RefusedError,
        "not found",
    ),
    "azure 500": (500, error("Internal server error.", code="InternalServerError"), MAYBE, "billed.*Internal server"),
    "azure firewall": (
        403,
        error("Access denied due to Virtual Network/Firewall rules.", code="403"),
        RefusedError,
        "firewall.*another network",
    ),
}
RELAYS: dict[str, Case] = {
    "litellm budget": (
        400,
        error("Budget has been exceeded!", type="budget_exceeded"),
        OutOfCreditError,
        "raise the limit",
    ),
    "litellm 500": (500, error("litellm.InternalServerError: Connection error.", code="500"), MAYBE, "billed"),
    "litellm 408": (408, error("litellm.Timeout: Request timed out.", code="408"), MAYBE, "billed"),
    "litellm model": (400, error("Invalid model name passed in model=x.", code="400"), RefusedError, "another model"),
    "litellm field": (
        400,
        error("litellm.UnsupportedParamsError: openai does not support parameters: ['moderation'], for model=x"),
        RefusedError,
        '"omit": \\["moderation"\\]',
    ),
    "litellm policy": (
        400,
        error("litellm.ContentPolicyViolationError: safety system"),
        ModeratedError,
        "Change the prompt",
    ),
    "new-api no channel": (
        503,
        error("\u5f53\u524d\u5206\u7ec4 default \u65e0\u53ef\u7528\u6e20\u9053", code="model_not_found"),
        RefusedError,
        "was not found.*Choose another",
    ),
    "new-api quota": (403, error("x", code="insufficient_user_quota"), OutOfCreditError, "Add credit"),
    "new-api before it begins": (
        403,
        error("x", code="pre_consume_token_quota_failed"),
        OutOfCreditError,
        "Add credit",
    ),
    "new-api upstream": (500, error("bad response status code 524", code="bad_response_status_code"), MAYBE, "billed"),
    "new-api request": (500, error("do request failed: Post x: EOF", code="do_request_failed"), MAYBE, "billed"),
    "one-api": (200, {"success": False, "message": f"no access token {KEY}"}, RefusedError, "no access token"),
    "openrouter 502 as 200": (
        200,
        {
            "error": {
                "code": 502,
                "message": "Provider returned error",
                "metadata": {"raw": '{"error":{"message":"it died"}}'},
            }
        },
        MAYBE,
        "billed.*it died",
    ),
    "openrouter error of a choice": (
        200,
        {"choices": [{"error": {"code": 502, "message": "Internal Server Error"}, "message": {"content": ""}}]},
        MAYBE,
        "billed.*Internal Server Error",
    ),
    "openrouter credit": (402, error("This request requires more credits", code=402), OutOfCreditError, "Add credit"),
    "openrouter key": (
        403,
        error("Key limit exceeded (total limit).", code=403),
        OutOfCreditError,
        "limit of this key",
    ),
    "openrouter moderation": (403, error('Your input was flagged for "violence"', code=403), ModeratedError, "Change"),
    "openrouter model": (404, error("No endpoints found for x/y.", code=404), RefusedError, "another model"),
    "openrouter nobody": (
        503,
        error("There is no available model provider", code=503),
        RefusedError,
        "Nothing was made",
    ),
    "envoy nobody": (503, b"no healthy upstream", RefusedError, "Nothing was made"),
    "envoy broke off": (503, b"upstream connect error or disconnect/reset before headers", MAYBE, "billed"),
    "envoy 504": (504, b"upstream request timeout", MAYBE, "live_preview"),
    "amazon 504": (504, {"message": "Endpoint request timed out"}, MAYBE, "live_preview"),
    "vercel": (
        504,
        b"An error occurred\n\nFUNCTION_INVOCATION_TIMEOUT\n\niad1::x",
        MAYBE,
        "FUNCTION_INVOCATION_TIMEOUT",
    ),
    "kong": (502, {"message": "An invalid response was received from the upstream server"}, MAYBE, "billed"),
    "traefik": (404, b"404 page not found", RefusedError, "comes from"),
    "spring": (
        500,
        {"timestamp": "2026", "status": 500, "error": "Internal Server Error", "path": "/x"},
        MAYBE,
        "billed",
    ),
    "a problem": (
        503,
        {"type": "about:blank", "title": "Service Unavailable", "status": 503},
        MAYBE,
        "Service Unavail",
    ),
    "XML": (
        403,
        f"<?xml version='1.0'?><Error><Message>Access Denied {KEY}</Message></Error>".encode(),
        NoKeyError,
        "Access",
    ),
    "bytes": (500, bytes(range(256)) * 4, MAYBE, "1,024 bytes that are no text"),
}
SERVERS: dict[str, Case] = {
    "xai field": (
        400,
        {"code": "Client specified an invalid argument", "error": f"Argument not supported: size {KEY}"},
        RefusedError,
        '"omit": \\["size"\\]',
    ),
    "xai key": (400, {"code": "x", "error": "Incorrect API key provided: sk***ef."}, NoKeyError, "Check the key"),
    "xai credit": (
        403,
        {"code": "x", "error": "Your team doesn't have any credits yet. You can purchase credits"},
        OutOfCreditError,
        "Add",
    ),
    "xai moderation": (
        400,
        {"code": "x", "error": "Generated image rejected by content moderation."},
        ModeratedError,
        "Change",
    ),
    "localai": (
        500,
        error("rpc error: code = Unknown desc = CUDA out of memory", code=500),
        MAYBE,
        "CUDA out of memory",
    ),
    "localai 404": (404, error("Not Found", code=404, type=""), RefusedError, "comes from"),
    "vllm model": (
        400,
        error("The model `x` does not exist.", type="NotFoundError", code=404),
        RefusedError,
        "another model",
    ),
    "vllm value": (
        422,
        {"detail": [{"loc": ["body", "quality"], "msg": "Input should be 'auto'", "input": KEY}]},
        RefusedError,
        "body.quality: Input should be 'auto'",
    ),
    "vllm unable": (501, {"detail": "Image generation is not supported by this model"}, RefusedError, "another model"),
    "vllm dead": (503, error("engine is dead", code=503), MAYBE, "engine is dead"),
    "sglang": (500, {"detail": f"Generation failed: CUDA error {KEY}"}, MAYBE, "CUDA error"),
    "sglang value": (400, {"object": "error", "message": "n must be 1", "code": 400}, RefusedError, "n must be 1"),
    "open webui": (401, {"detail": "Not authenticated"}, NoKeyError, "Check the key"),
    "open webui page": (200, page("Open WebUI", "sign in"), RefusedError, "Open WebUI.*is /v1 missing"),
    "open webui method": (405, {"detail": "Method Not Allowed"}, RefusedError, "comes from"),
    "google place": (
        400,
        error("User location is not supported for the API use.", code=400),
        NoKeyError,
        "where you are",
    ),
    "google blocks": (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ModeratedError, "PROHIBITED"),
    "google withholds": (200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, ModeratedError, "IMAGE_SAFETY"),
    "alibaba": (400, {"code": "DataInspectionFailed", "message": "inappropriate content."}, ModeratedError, "Change"),
    "alibaba arrears": (400, {"code": "Arrearage", "message": "good standing."}, OutOfCreditError, "Add credit"),
}
AS_200: dict[str, Case] = {
    "code 500": (200, {"code": 500, "message": f"it failed {KEY}", "data": None}, MAYBE, "billed.*it failed"),
    "code 504": (200, {"code": "504", "msg": "too late"}, MAYBE, "live_preview"),
    "code 401": (200, {"code": 401, "message": "bad token"}, NoKeyError, "Check the key"),
    "a code of its own": (200, {"code": 10003, "msg": "prompt too long", "data": {}}, RefusedError, "prompt too long"),
    "failed": (200, {"id": "x", "status": "failed", "error": None, "output": []}, MAYBE, "billed"),
    "failed with a reason": (
        200,
        {"status": "FAILURE", "fail_reason": f"too dark {KEY}", "data": []},
        RefusedError,
        "too dark",
    ),
    "withheld": (
        200,
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        ModeratedError,
        "Change",
    ),
    "success without a picture": (200, {"code": 0, "message": "success", "data": None}, BadAnswerError, "billed"),
    "a task": (200, {"task_id": "task-123", "status": "queued"}, BadAnswerError, "task-123"),
    "a prediction begun": (
        201,
        {"id": "p-7", "status": "starting", "urls": {"get": "https://x.invalid/p-7", "cancel": "https://x.invalid/c"}},
        BadAnswerError,
        "the task p-7",
    ),
    "a task accepted": (202, {"id": "task-123", "status": "processing"}, BadAnswerError, "task-123.*asynchronously"),
    "a refusal": (
        200,
        {"choices": [{"message": {"refusal": "I can't help with that."}}]},
        BadAnswerError,
        "I can't help",
    ),
    "nothing": (200, b"", BadAnswerError, "the answer is empty.*billed"),
    "no content": (204, b"", BadAnswerError, "the answer is empty.*billed"),
    "reset content": (205, b"", BadAnswerError, "the answer is empty.*billed"),
    "accepted": (202, b"", BadAnswerError, "the answer is empty.*billed"),
    "null": (200, None, BadAnswerError, "billed"),
    "no picture in data": (200, {"data": [{"url": None, "b64_json": None}]}, BadAnswerError, "billed"),
}
CASES = {**CLOUDFLARE, **NGINX, **AZURE, **RELAYS, **SERVERS, **AS_200}


@pytest.fixture(params=CONNECTIONS)
def ask(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WireServer, str]]:
    """A server, and the name of a connection to it: with OpenAI's own, and as a service of one's own."""
    monkeypatch.setattr(operation, "AFTER_END_S", 0.1)
    monkeypatch.setattr(retry, "RATE_LIMIT_TOTAL_S", 1.0)
    with WireServer() as started:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", started.base_url)
        file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
        file.touch(mode=0o600)
        file.write_text(json.dumps({"connections": {"relay": {"base_url": started.base_url, "key": KEY}}}))
        yield started, request.param
        session_for(started.base_url).close()


def told(ask: tuple[WireServer, str], kind: type[OpenAIImageError], *, posts: int = 1) -> str:
    """Return what a person is told, which names neither the key nor Python; the request went out `posts` times."""
    server, connection = ask
    with pytest.raises(OpenAIImageError) as caught:
        node(connection=connection)
    said = str(caught.value)
    assert type(caught.value) is kind, said
    assert KEY not in said
    assert not OF_PYTHON.search(said), said
    assert server.posts == posts, said
    return said


@pytest.mark.parametrize(("ask", "name"), [*zip(cycle(CONNECTIONS), CASES, strict=False)], indirect=["ask"])
def test_told_once_with_what_to_do(ask: tuple[WireServer, str], name: str) -> None:
    """By kind, with the service's own words and the next step; sent once."""
    status, body, kind, words = CASES[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    ask[0].script(plain(raw, "Content-Type: text/html" if raw[:1] == b"<" else "X-Kind: json", status=f"{status} Said"))
    said = told(ask, kind)
    assert [each for each in words.split(".*") if not re.search(each, said)] == [], said


@pytest.mark.parametrize(
    "content",
    [
        b"<title>Hotel</title><form><input name='p' type='password'>",
        b"<meta http-equiv='refresh' content='0; url=http://portal.example/'>",
        b"<title>New API</title><div id='root'></div><script src='a.js'></script>",
        b"<title>Web Filter Violation</title>Access Blocked",
        b"<title>Just a moment...</title>Enable JavaScript and cookies",
        b"<body><iframe src='/_Resource?x'>Request unsuccessful. Incident ID: 1</iframe>",
        b"<title>Welcome to nginx!</title>",
    ],
)
def test_a_page_for_people_is_no_answer_to_be_paid(ask: tuple[WireServer, str], content: bytes) -> None:
    """The network's own sign-in, or a website at the address: nobody was asked for a picture, the next run asks."""
    for _ in range(2):
        ask[0].script(plain(b"<!DOCTYPE html><html>" + content + b"</html>", "Content-Type: text/html"))
    assert "is a login or firewall in between" in told(ask, RefusedError)
    assert "billed" not in told(ask, RefusedError, posts=2)


@pytest.mark.parametrize(
    "content",
    [
        "<title>504 Gateway Time-out</title>",
        "<h1>Request timed out</h1>",
        "系统错误",
        "",
        "The origin took too long",
        "<form>Your request has been processed</form>",
        "<title>Service Unavailable</title><script src='a.js'></script>",
        "Your credits have been deducted",
        "源站响应时间过长",
        "<script></script>连接超时",
        "<form>未返回图片</form>",
        "<script></script>请求处理中 请稍候",
        "お待ちください",
        "서버가 응답하지 않습니다",
        "Сервер не ответил вовремя",
        "El servidor tardó demasiado",
        "เซิร์ฟเวอร์ไม่ตอบสนอง",
        "OK",
    ],
)
def test_a_page_that_may_tell_of_work_is_kept(ask: tuple[WireServer, str], content: str) -> None:
    """Some gateways give up with status 200, in any words."""
    page = f"<html><meta charset=utf-8><body>{content}</body></html>"
    ask[0].script(plain(page.encode(), "Content-Type: text/html"))
    assert "billed" in told(ask, BadAnswerError)


def test_key_in_headers_is_not_shown(ask: tuple[WireServer, str]) -> None:
    """Neither in an id nor in an address."""
    ask[0].script(plain(b"{}", f"X-Request-Id: {KEY}", f"Location: http://x.example/{KEY}", status="302 Found"))
    told(ask, RefusedError)


LIMITS: dict[str, tuple[bytes, int]] = {
    "rate limit": (json.dumps(error("slow", code="rate_limit_exceeded")).encode(), 2),
    "cloudflare 1015": (page("Access denied", "Error 1015 You are being rate limited"), 2),
    "cloudflare 1015 as a word": (b"error code: 1015", 2),
    "nginx": (nginx("429 Too Many Requests"), 2),
    "azure": (json.dumps(error("Please retry after 0.1 seconds.", code="429")).encode(), 2),
    "xai": (
        json.dumps({"code": "Some resource has been exhausted", "error": "Your team's rate limit is 5"}).encode(),
        2,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_known_is_waited_for(ask: tuple[WireServer, str], name: str) -> None:
    """It was refused before any work: the same request goes out again."""
    body, posts = LIMITS[name]
    for _ in range(posts - 1):
        ask[0].script(plain(body, "X-A: b", status="429 Too Many Requests"))
    ask[0].script(plain(b"", status="400 Bad Request"))
    told(ask, RefusedError, posts=posts)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b'{"message": "upstream error"}', b'{"error": {"code": "bad_response", "message": "x"}}'),
        b'{"error": {"code": "rate_limit_exceeded", "message": "You have reached your daily task limit."}}',
    ],
)
def test_a_limit_that_says_nothing_known_is_not_sent_again_to_a_relay(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """It may be another server's failure passed on, and for a limit of days nobody waits here.

    When its own window ends a gateway says with every answer.
    """
    with WireServer() as server:
        file = Path(os.environ["OPENAI_IMAGE_NODES_HOME"], "connections.json")
        file.write_text(json.dumps({"connections": {"relay": {"base_url": server.base_url, "key": KEY}}}))
        server.script(plain(body, "X-RateLimit-Reset: 1", status="429 Too Many Requests"))
        assert "Wait a little" in told((server, "relay"), RateLimitError)
        session_for(server.base_url).close()


REDIRECTS: dict[str, tuple[str, bytes, str]] = {
    "301": (
        "301 Moved",
        b"Location: https://elsewhere.example/v1/images/generations?k=1\r\n",
        "https://elsewhere.example/v1",
    ),
    "302 to a login": ("302 Found", b"Location: /login?next=%2Fv1\r\n", "/login, which is not followed"),
    "308": ("308 Permanent Redirect", b"Location: http://x.example/v1\r\n", "http://x.example/v1"),
    "307 to nowhere": ("307 Temporary Redirect", b"", "leads nowhere.*Check the address"),
    "304": ("304 Not Modified", b"", "leads nowhere"),
    "300": ("300 Multiple Choices", b"", "leads nowhere"),
}


@pytest.mark.parametrize(("ask", "name"), [*zip(cycle(CONNECTIONS), REDIRECTS, strict=False)], indirect=["ask"])
def test_redirects_say_where_they_lead(ask: tuple[WireServer, str], name: str) -> None:
    """With or without a body, which is not followed and not taken for the next answer."""
    status, location, words = REDIRECTS[name]
    body = b"" if name == "304" else page("Found")
    length = b"" if name == "304" else b"Content-Length: %d\r\n" % len(body)
    ask[0].script(b"HTTP/1.1 " + status.encode() + b"\r\n" + location + length + b"\r\n" + body)
    said = told(ask, RefusedError)
    assert re.search(words, said)
    assert "k=1" not in said


LINES: dict[str, tuple[tuple[Step, ...], type[OpenAIImageError], str]] = {
    "closed without a word": ((CLOSE,), MAYBE, "closed the connection without an answer"),
    "reset without a word": ((RESET,), MAYBE, "reset by the other side"),
    "cut in its head": ((b"HTTP/1.1 200 OK\r\nContent-Le", RESET), MAYBE, "reset"),
    "cut in its body": ((plain(b'{"data": [', length=99), CLOSE), MAYBE, "ended after 10 of 99 bytes"),
    "reset in its body": ((plain(b'{"data": [', length=99), RESET), MAYBE, "reset"),
    "chunks that are cut": ((chunked(b'{"data": [', kind="application/json", end=False), CLOSE), MAYBE, "ended before"),
    "no HTTP": ((b"SSH-2.0-OpenSSH_9\r\n", CLOSE), MAYBE, "no HTTP answer: SSH-2.0"),
    "TLS in place of HTTP": ((b"\x15\x03\x01\x00\x02\x02\x50", CLOSE), MAYBE, "no HTTP answer"),
    "HTTP/2": ((b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80", CLOSE), MAYBE, "no HTTP answer"),
    "no status": ((b"HTTP/1.1 abc OK\r\n\r\n", CLOSE), MAYBE, "no HTTP answer"),
    "a status line too long": (
        (b"HTTP/1.1 200 " + b"a" * 70_000 + b"\r\n\r\n", CLOSE),
        MAYBE,
        "head of the answer cannot be read",
    ),
    "a refusal that is cut": (
        (plain(b'{"error": {"message": "not like th', status="400 Bad Request", length=99), RESET),
        RefusedError,
        "HTTP 400",
    ),
    "a failure that is cut": ((plain(b'{"error"', status="500 Oops", length=99), CLOSE), MAYBE, "HTTP 500"),
    "a packed refusal": (
        (plain(gzip.compress(b'{"error": {"message": "not this"}}'), "Content-Encoding: gzip", status="400 Bad"),),
        RefusedError,
        "not this",
    ),
    "heartbeats and the end": ((chunked(b": ping\n\n", b": ping\n\n"),), BadAnswerError, "the answer is empty"),
    "a stream without events": ((chunked(),), BadAnswerError, "the answer is empty"),
    "a stream that says it failed": (
        (chunked(b'data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"x"}}}\n\n'),),
        MAYBE,
        "billed",
    ),
}


@pytest.mark.parametrize(("ask", "name"), [*zip(cycle(CONNECTIONS), LINES, strict=False)], indirect=["ask"])
def test_broken_lines_are_told_in_words(ask: tuple[WireServer, str], name: str) -> None:
    """What the network did, in no language but people's; sent once, also by the next run where it may be billed."""
    steps, kind, words = LINES[name]
    ask[0].script(*steps)
    assert re.search(words, told(ask, kind))
    if kind is MAYBE:
        assert "billed" in told(ask, kind)


@pytest.mark.slow
def test_endless_heartbeats_end_at_the_deadline(ask: tuple[WireServer, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments keep a line open, but not for ever."""
    monkeypatch.setenv(client.TIMEOUT_VARIABLE, "1")
    pings: list[Step] = [step for _ in range(400) for step in (chunked(b": ping\n\n", head=False, end=False), 0.05)]
    ask[0].script(chunked(end=False), *pings)
    assert "time ran out" in told(ask, MAYBE)


def test_a_line_that_is_left_half_open_is_told(ask: tuple[WireServer, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The head came, and then nothing more."""
    monkeypatch.setattr(client, "SILENCE_TIMEOUT_S", 0.3)
    ask[0].script(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", HOLD)
    assert "time ran out" in told(ask, MAYBE)
