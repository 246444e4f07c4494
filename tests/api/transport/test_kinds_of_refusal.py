"""What servers refuse in their own words: told by what it is, with what to do; what may be paid is not "refused".

Bodies as these servers write them. Source: docs/service.md, "What real servers do".
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import (
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
)
from openai_image_nodes.api.transport.error_mapping import Asked, error_from_response
from openai_image_nodes.api.transport.service_words import service_words

RELAY = Connection(name="relay", base_url="https://relay.example/v1")
AS_JSON = Connection(name="relay", base_url="https://relay.example/v1", edits="json")
OPENAI = Connection(name="openai", kind="openai", base_url="https://api.openai.com/v1")
COMFY = Connection(name="comfy.org", kind="comfy.org", base_url="https://api.comfy.org/proxy/openai", idempotent=True)
MAYBE = OutcomeUnknownError


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


def told(connection: Connection, status: int, said: Any, *, path: str = "images/edits") -> OpenAIImageError:
    return error_from_response(
        connection, status, {}, json.dumps(said).encode(), subject="m", asked=Asked(path, 1_000_000)
    )


FORMS: dict[str, tuple[int, Any]] = {
    "azure": (
        400,
        error(
            "Unsupported content type: 'multipart/form-data'. This API method only accepts 'application/json' requests",
            code="unsupported_content_type",
        ),
    ),
    "nothing but 415": (415, {}),
    "litellm": (422, {"detail": [{"type": "missing", "loc": ["body", "image"], "msg": "Field required"}]}),
    "a relay": (400, error("image is required", type="new_api_error", code="invalid_request")),
    "another": (400, {"error": "At least one image file is required"}),
    "one more": (400, {"message": "Content-Type must be application/json"}),
    "a proxy of it": (400, error("Invalid type for 'image[0]': expected a file, but got a string instead.")),
    "one that reads JSON": (
        422,
        {"detail": [{"type": "model_attributes_type", "loc": ["body"], "msg": "Input should be a valid dictionary"}]},
    ),
    "one that knows a single picture": (
        500,
        {"error": "MulterError: Unexpected field", "code": "LIMIT_UNEXPECTED_FILE"},
    ),
}


NAMES_A_FIELD = {  # by what a refusal says, the advice
    # --- a field that a server does not know, or its value, as many libraries write it ---
    "property background should not exist": "--omit background",
    '"background" is not allowed': "--omit background",
    "moderation is not allowed": "--omit moderation",
    "output_format not supported": "--omit output_format",
    "n is not supported": "--omit n.",
    "The following parameters are not supported for model x: background, moderation. Set drop_params": "--omit backgr",
    "[{'type': 'extra_forbidden', 'loc': ('body', 'background'), 'msg': 'Extra inputs are not permitted'}]": (
        'says: body.background: Extra inputs are not permitted. Leave the field out: "omit": ["background"]'
    ),
    "1 validation error for ImageRequest\nbackground\n  Extra inputs are not permitted [type=x]": "--omit background",
    '[{"code": "unrecognized_keys", "keys": ["moderation"], "path": [], "message": "Unrecognized key: moderation"}]': (
        "says: Unrecognized key: moderation. Leave the field out"
    ),
    "Unrecognized request arguments supplied: background, moderation": "--omit background",
    "unknown key: background": "--omit background",
    "parameter background cannot be used with this model": "--omit background",
    "This model doesn't support background": "--omit background",
    "size is not supported by this model, use aspect_ratio": "--omit size",
    "Invalid size format: 'auto'. Expected WIDTHxHEIGHT": "--omit size",
    "不支持 background 参数": "--omit background",
    "参数 background 不支持": "--omit background",
    "流式输出不支持该模型": "live_preview to 0",
    "Parameter n is not supported": "--omit n.",
    "unsupported param moderation": "--omit moderation",
    "/background: unknown property": "--omit background",
    "data must NOT have additional properties (background)": "--omit background",
    "instance.background is not allowed": "--omit background",
    "Unsupported size: auto": "--omit size",
    "字段 background 无效": "--omit background",
    "quality参数错误": "--omit quality",
    "不支持的size: auto": "--omit size",
    "The background field is prohibited.": "--omit background",
    "The selected quality is invalid.": "--omit quality",
    "disallowed parameter moderation": "--omit moderation",
    "SSE is not supported": "live_preview to 0",
    # --- one that it wants ---
    "aspect_ratio is missing": "--send aspect_ratio=VALUE",
    "Missing parameter: image_size": "--send image_size=VALUE",
    "the following fields are required: aspect_ratio": "--send aspect_ratio=VALUE",
    "missing aspect_ratio": "--send aspect_ratio=VALUE",
    "aspect_ratio: cannot be blank": "--send aspect_ratio=VALUE",
    "aspect_ratio must be provided": "--send aspect_ratio=VALUE",
    "参数 aspect_ratio 必填": "--send aspect_ratio=VALUE",
    "response_format is required": "--send response_format=b64_json",
    "Missing required parameter: 'user'.": "--send user=VALUE",
    "missing required field: aspect_ratio": "--send aspect_ratio=VALUE",
    '"aspect_ratio" is required': "--send aspect_ratio=VALUE",
    "The aspect_ratio field is required.": "--send aspect_ratio=VALUE",
    "must have required property 'aspect_ratio'": "--send aspect_ratio=VALUE",
    "缺少参数: aspect_ratio": "--send aspect_ratio=VALUE",
    # --- one that the nodes have and that is needed, and words of a sentence that are no field ---
    "Missing required parameter: 'prompt'.": "Change what it names and run again.",
    "size is required": "Change what it names and run again.",
    "Transparent background is not supported for this model.": "Change what it names and run again.",
}


@pytest.mark.parametrize("said", NAMES_A_FIELD)
def test_the_field_that_a_refusal_names_is_left_out_or_sent(said: str) -> None:
    """By the field, however the sentence goes: what people see in reports is the words of thirty libraries."""
    assert NAMES_A_FIELD[said] in str(told(RELAY, 400, error(said), path="images/generations"))


def test_a_refusal_that_is_only_fields_is_told() -> None:
    """Django says no more than the field and what is wrong with it."""
    text = str(told(RELAY, 400, {"size": ['"auto" is not a valid choice.']}, path="images/generations"))
    assert 'says: size: "auto" is not a valid choice. Change what it names, or leave the field out' in text


@pytest.mark.parametrize("status", [200, 400, 422])
@pytest.mark.parametrize(
    "said",
    [
        "b64_json is missing",
        "'b64_json' is empty",
        "missing b64_json in response",
        "image_generation_call missing",
        "response is missing required field: data",
        "missing required field 'data' in upstream response",
        "The response must have required property 'data'",
        "response body is not valid json",
        "Response validation failed: body.data: Field required; the answer is malformed",
        "1 validation error for ImagesResponse\ndata\n  Field required [type=missing]",
    ],
)
def test_a_field_that_an_answer_lacked_is_none_of_the_request(said: str, status: int) -> None:
    """Another server's answer came, and in it was perhaps a picture: it was told as what the user should change."""
    assert isinstance(told(RELAY, status, error(said)), OutcomeUnknownError)


READS_JSON = (
    {"detail": [{"type": "string_type", "loc": ["body", "image"], "msg": "Input should be a valid string"}]},
    {"detail": [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}]},
    error("Failed to parse the request body as JSON: expected value at line 1 column 1"),
    error("invalid character '-' in numeric literal"),
    error("Unexpected token - in JSON at position 0"),
    error("No number after minus sign in JSON at position 1"),
    error("image must be a URL or base64 string"),
    error("Field 'image_url' is required"),
    error("Either image_url or image must be provided"),
    error("images must be an array of URLs"),
    error("image[0] must be a valid url or base64"),
    error("Request body is not valid JSON"),
    error("JSON parse error - Expecting value: line 1 column 1 (char 0)"),
    error("Unexpected field"),
    error("only JSON requests are accepted"),
    error("图片编辑仅支持 application/json"),
    error("Image edits are only available with application/json"),
    error("Syntax error at index 1: invalid char\n\n\t------FormBoundaryw\n\t.^....\n"),
    error("parse error at line 1, column 2: invalid number; expected digit after '-'; last read: '--'"),
    error("Could not decode request body as JSON"),
    error("multipart/form-data is not supported"),
    error("invalid image url"),
)
READS_PARTS = (
    error("Could not parse multipart form"),
    error("Multipart: Boundary not found"),
    {"detail": [{"type": "value_error", "loc": ["body", "image", 0], "msg": "Value error, Expected UploadFile"}]},
    error("image must be a file"),
    error("Multipart form required"),
    error("'image' must be uploaded as a file (multipart/form-data), not a string"),
    error("Please upload image as file"),
    error("仅支持 multipart/form-data"),
    error("Invalid multipart form data"),
)


@pytest.mark.parametrize(
    ("said", "form"), [*((said, "json") for said in READS_JSON), *((said, "multipart") for said in READS_PARTS)]
)
def test_a_server_that_reads_the_other_form_is_told_by_it(said: Any, form: str) -> None:
    """What reads JSON finds a minus at the beginning of parts; it was told as cut off on the way."""
    sent = Connection(name="relay", base_url="https://x/v1", edits="multipart" if form == "json" else "json")
    assert f'Set "edits": "{form}" for relay' in str(told(sent, 422, said, path="images/edits"))


@pytest.mark.parametrize("name", FORMS)
def test_pictures_that_a_server_did_not_find_are_told_with_the_other_form(name: str) -> None:
    """One form of edits leads to the other; a request without pictures has no other form."""
    status, said = FORMS[name]
    assert '"edits": "json" for relay' in str(told(RELAY, status, said))
    assert "image[]" in str(told(RELAY, status, said))
    assert '"edits": "multipart" for relay' in str(told(AS_JSON, status, said))
    for text in (str(told(RELAY, status, said, path="images/generations")), str(told(COMFY, status, said))):
        assert "edits" not in text
        assert "Change what it names" in text


Case = tuple[Connection, int, Any, type[OpenAIImageError], str]
REFUSED: dict[str, Case] = {
    "portkey header": (
        RELAY,
        400,
        {"status": "failure", "message": "Either x-portkey-config or x-portkey-provider header is required"},
        RefusedError,
        '"headers" of relay in connections.json',
    ),
    "portkey guardrail": (
        RELAY,
        446,
        error("The guardrail checks failed.", type="hooks_failed"),
        ModeratedError,
        "Cha",
    ),
    "portkey budget": (
        RELAY,
        412,
        {"status": "failure", "message": "You have exhausted your credits/budget for this virtual key."},
        OutOfCreditError,
        "credit",
    ),
    "cloudflare gateway blocks": (
        RELAY,
        424,
        {"success": False, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]},
        ModeratedError,
        "Change the prompt",
    ),
    "a firewall blocks": (RELAY, 403, error("Request blocked by firewall"), RefusedError, "another network"),
    "azure management quota": (
        RELAY,
        403,
        {"statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 02:10:33."},
        OutOfCreditError,
        "replenished",
    ),
    "azure role": (
        RELAY,
        401,
        {"error": {"code": "PermissionDenied", "message": "The principal lacks the required data action x"}},
        NoKeyError,
        "Give the key the right",
    ),
    "litellm key": (
        RELAY,
        401,
        error("key not allowed to access model. This key can only access models=['x']", type="key_model_access_denied"),
        NoKeyError,
        "Give the key the right",
    ),
    "new-api key": (RELAY, 403, error("该令牌无权访问模型 m"), NoKeyError, "Give"),
    "one-api key used up": (
        RELAY,
        401,
        error("该令牌额度已用尽 TokenStatusExhausted"),
        OutOfCreditError,
        "limit of this key",
    ),
    "litellm provider": (
        RELAY,
        400,
        error("LLM Provider NOT provided. You passed model=m"),
        RefusedError,
        "was not fo",
    ),
    "litellm in Python's words": (
        RELAY,
        500,
        error("APIError: 400 - {'error': {'message': 'rejected by it', 'param': None, 'code': 'moderation_blocked'}}"),
        ModeratedError,
        "rejected by it. Change",
    ),
    "no accounts": (RELAY, 503, error("No available accounts: no available OpenAI accounts"), RefusedError, "Nothing"),
    "no instances": (RELAY, 503, error("No instances available", code=503), RefusedError, "Nothing was made"),
    "no allowed providers": (RELAY, 404, error("No allowed providers are available"), RefusedError, "Nothing was made"),
    "loading": (RELAY, 503, error("Loading model", type="unavailable_error"), RefusedError, "Nothing was made"),
    "no price": (RELAY, 500, error("x", code="model_price_error"), RefusedError, "Nothing was made"),
    "billing is not set up": (RELAY, 503, error("x", code="image_billing_not_configured"), RefusedError, "Nothing was"),
    "no model in a 500": (RELAY, 500, {"detail": "[pid=12] Model not found in the model list"}, RefusedError, "Choose"),
    "unread": (
        RELAY,
        500,
        error("json: cannot unmarshal string into Go struct field ImageRequest.n of type int"),
        RefusedError,
        "Change what it names",
    ),
    "not bound": (RELAY, 500, error("x", code="bind_request_body_failed"), RefusedError, "Change what it names"),
    "too large as 500": (RELAY, 500, error("http: request body too large"), RefusedError, "1.0 MB went out"),
    "no edits": (RELAY, 400, error("Image edit is not supported for provider x"), RefusedError, "cannot do this"),
    "no pictures": (RELAY, 400, error("This model does not support image generation"), RefusedError, "cannot do this"),
    "sub2api tools": (RELAY, 400, error("Tool choice 'image_generation' not found in 'tools'"), RefusedError, "cannot"),
    "n as a tool's": (
        RELAY,
        400,
        error("Unknown parameter: 'tools[0].n'.", param="tools[0].n", code="unknown_parameter"),
        RefusedError,
        '"omit": ["n"] for relay',
    ),
    "busy": (RELAY, 451, {"code": 50603, "message": "System is too busy now."}, RefusedError, "Nothing was made"),
    "a mode of pictures": (
        OPENAI,
        400,
        error("Invalid input image - format must be in ['RGBA'], got RGB.", code="invalid_image_format"),
        RefusedError,
        "refused the request",
    ),
    "too many at a time": (
        RELAY,
        429,
        error("您当前使用该API的并发数过高", code="1302"),
        RateLimitError,
        "Wait a little",
    ),
}
PAID_PERHAPS: dict[str, Case] = {
    "an answer that a relay could not read": (
        RELAY,
        500,
        error("json: cannot unmarshal number into Go struct field ImageResponse.created of type int64"),
        MAYBE,
        "billed",
    ),
    "an answer that a relay cut off": (RELAY, 500, error("read response body failed: too large"), MAYBE, "billed"),
    "an answer too large for Amazon": (
        RELAY,
        413,
        {"message": "Response payload size exceeded maximum allowed payload size (6291556 bytes)."},
        MAYBE,
        "ask for less at once",
    ),
    "a stream that broke above": (
        RELAY,
        200,
        error("Upstream stream ended before the image was completed", type="upstream_error", code="stream_error"),
        MAYBE,
        "billed",
    ),
    "nothing came of it": (RELAY, 200, error("No image was generated"), MAYBE, "billed"),
    "a model that broke": (RELAY, 500, error("Model run finished, its output was not found"), MAYBE, "billed"),
    "comfy.org's gateway": (COMFY, 504, {"message": "upstream request timeout"}, MAYBE, "billed only once"),
}


@pytest.mark.parametrize("name", [*REFUSED, *PAID_PERHAPS])
def test_kinds_are_told_apart(name: str) -> None:
    """By what happened, in the service's own words, with the next step."""
    connection, status, said, kind, words = {**REFUSED, **PAID_PERHAPS}[name]
    found = told(connection, status, said)
    assert type(found) is kind, str(found)
    assert words in str(found)


SAID: dict[str, tuple[Any, str, bool]] = {  # what is answered, its message, whether it is an error
    "a task beside a good code": (
        {"code": 200, "data": [{"status": "submitted", "task_id": "task_01"}]},
        "it began the task task_01",
        False,
    ),
    "success with its own code": (
        {"code": 1, "description": "submit success", "result": "17"},
        "success",
        False,
    ),
    "an error with a code of its own": ({"code": 1, "description": "no such size"}, "no such size", True),
    "words by field": ({"message": "invalid", "errors": {"prompt": ["is too long"]}}, "prompt: is too long", True),
    "words by field alone": ({"errors": {"prompt": ["is too long"], "n": "is odd"}}, "is too long; n: is odd", True),
    "a page in a message": (error("<html><head><title>502 Bad Gateway</title></head></html>"), "502 Bad Gateway", True),
}


@pytest.mark.parametrize("name", SAID)
def test_words_are_told_as_what_they_are(name: str) -> None:
    """A task that was begun is none that was refused, and no markup is shown."""
    said, message, is_error = SAID[name]
    words = service_words(json.dumps(said).encode())
    assert message in words.message
    assert words.from_service is is_error
    assert "<" not in words.message


def test_a_limit_that_is_named_in_chinese_is_waited_for() -> None:
    """Too many at a time, or too fast: it was refused before any work."""
    assert told(RELAY, 429, REFUSED["too many at a time"][2]).may_retry


def test_no_sketches_are_advised_where_there_are_none() -> None:
    """comfy.org streams nothing."""
    assert "live_preview" not in str(told(COMFY, 504, {"message": "upstream request timeout"}))
    assert "live_preview" in str(told(RELAY, 504, {"message": "upstream request timeout"}))


@pytest.mark.parametrize(
    "words",
    [
        "The picture was generated but could not be stored. Credits have been deducted; check your billing.",
        "We charged your account, but your balance could not be updated",
        "You will be charged for this request even though it failed: see billing",
        "Charges apply. Job failed: check your credit.",
        "Request timed out. You may have been charged, top up is not needed",
        "the content policy check timed out",
        "Failed. Points are not refunded, no points left",
        "生成超时, 请在充值记录中查看",
        "生成失败, 积分不退还",
        "任务失败, 已扣除余额",
    ],
)
def test_words_of_money_that_was_taken_outrank_those_of_money_that_lacks(words: str) -> None:
    """The same words name credit, balance or a check: a refusal would be sent, and paid, again."""
    assert type(told(RELAY, 500, error(words))) is MAYBE


@pytest.mark.parametrize(
    "words",
    [
        "Insufficient balance. You have not been charged.",
        "Out of credits: nothing was charged",
        "Not enough credits; those that were deducted have been refunded",
        "预扣费额度失败, 用户剩余额度不足",
        "余额不足, 已扣除的额度已退还",
    ],
)
def test_what_was_not_charged_or_is_given_back_is_a_matter_of_credit(words: str) -> None:
    """So the pack that asks again pays once."""
    assert type(told(RELAY, 500, error(words))) is OutOfCreditError


@pytest.mark.parametrize("words", ["Sorry about that!", "Is it down?", "余额不足。", "Try again later."])
def test_a_sentence_of_the_service_ends_as_it_does(words: str) -> None:
    """And with a full stop where it has no end of its own: 'Sorry about that!.' was the most common failure of all."""
    assert f"The service says: {words} " in str(told(OPENAI, 500, error(words)))


def test_words_without_an_end_get_one() -> None:
    """As before: what to do follows as a sentence of its own."""
    assert "The service says: Try again later. " in str(told(OPENAI, 500, error("Try again later")))
