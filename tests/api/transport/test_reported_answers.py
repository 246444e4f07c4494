"""Answers as people report them of gateways and compatible servers: told by what they are, and no picture is lost.

Source: docs/service.md, "What real servers do", where the threads are named.
"""

# ruff: noqa: RUF001 - Chinese has stops and letters of its own

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
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
)
from openai_image_nodes.api.transport.answer import RawAnswer, Reading, parse_answer
from openai_image_nodes.api.transport.downloads import MAX_PICTURES
from openai_image_nodes.api.transport.error_mapping import Asked, error_from_response
from support.capture import picture
from support.node_calls import KEY, node, photo
from support.wire_server import CLOSE, WireServer, chunked, openai_wire, plain

RED, BLUE = picture(color=(250, 0, 0)), picture(color=(0, 0, 250))
RELAY = Connection(name="relay", base_url="https://relay.example/v1")
OPENAI = Connection(name="openai", kind="openai", base_url="https://api.openai.com/v1")
COMFY = Connection(name="comfy.org", kind="comfy.org", base_url="https://api.comfy.org/proxy/openai", idempotent=True)
AZURE = Connection(
    name="azure",
    kind="azure",
    base_url="https://me.openai.azure.com/openai/v1",
    query={"api-version": "preview"},
)
TOLD: dict[str, tuple[Connection, int, Any, type[OpenAIImageError], str]] = {
    "an account of another region": (
        OPENAI,
        401,
        {
            "error": {
                "message": "Attempted to access resource with incorrect regional hostname. Please make your request to"
                " eu.api.openai.com",
                "type": "invalid_request_error",
                "code": "incorrect_hostname",
            }
        },
        RefusedError,
        "OPENAI_BASE_URL",
    ),
    "a key where keys are switched off": (
        AZURE,
        403,
        {"error": {"code": "AuthenticationTypeDisabled", "message": "Key based authentication is disabled."}},
        NoKeyError,
        "the key may not do this",
    ),
    "an organization that may not stream": (
        OPENAI,
        400,
        {
            "error": {
                "message": "Your organization must be verified to stream this model.",
                "param": "stream",
                "code": "unsupported_value",
            }
        },
        RefusedError,
        "the organization is not verified",
    ),
    "a picture with a strange header": (
        RELAY,
        400,
        "invalid image header: dimensions too large",
        RefusedError,
        "the service refused the request",
    ),
    "Azure's time is over": (
        AZURE,
        408,
        {"error": {"code": "Timeout", "message": "The operation was timeout."}},
        OutcomeUnknownError,
        "live_preview",
    ),
    "input that KoboldCpp did not read": (
        RELAY,
        500,
        {"detail": {"msg": "Error parsing input.", "type": "bad_input"}},
        RefusedError,
        "refused",
    ),
    "a size that LocalAI did not read": (RELAY, 500, "invalid value for 'size'", RefusedError, "refused"),
    **{
        f"nobody there: {said}": (RELAY, status, said, RefusedError, "no server behind the service")
        for status, said in (
            (503, "Selected model is at capacity. Please try a different model."),
            (503, "Server is draining"),
            (503, "No runner available"),
            (503, "No available compatible accounts"),
            (503, "Maintenance"),
            # servers at home that could not load what was asked for
            (500, "grpc service not ready"),
            (500, "could not load model: rpc error: code = Canceled desc = "),
            (500, "could not load model (no success): Unexpected err=ValueError('fp16 is not supported')"),
            (500, "failed to load model with internal loader: backend not found: /tmp/grpc/stablediffusion"),
            (503, {"error": {"code": "model_loading", "message": "model flux is staging on node gpu-1 (12%)"}}),
            (503, "Multi-stage engine not initialized. Start server with a multi-stage omni model."),
            (503, {"detail": {"msg": "No SD model loaded", "type": "service_unavailable"}}),
            (503, "Model not loaded"),
            (503, "[flux] process is not ready"),
            (500, "model requires more system memory (22.4 GiB) than is available (15.1 GiB)"),
            (503, "server busy, please try again.  maximum pending requests exceeded"),
            (500, "unspecific error: upstream command exited prematurely"),
            (500, "unspecific error: health check timed out after 2m0s"),
            (500, "Worker with ID 3 not found"),
            # or whose own part did not listen
            (
                500,
                'desc = "transport: Error while dialing: dial tcp [::1]:1: connect: connection refused"',
            ),
            (502, "peer proxy error: dial tcp 10.0.0.5:8080: connect: connection refused"),
            (
                502,
                'Post "http://10.0.0.5:80/v1/images/generations": dial tcp 10.0.0.5:80: connect: connection refused',
            ),
            (500, "connect ECONNREFUSED 127.0.0.1:7860"),
            (503, "upstream connect error or disconnect/reset before headers. reset reason: overflow"),
            (409, {"error": {"code": "DeploymentNotReady", "message": "The deployment is being provisioned."}}),
            (500, "Cannot connect to host localhost:7860 ssl:default [Connect call failed ('127.0.0.1', 7860)]"),
            (
                500,
                "HTTPConnectionPool(host='127.0.0.1'): Max retries exceeded with url: / (Connection refused)",
            ),
            (502, 'Post "http://sd:80/v1/images/generations": dial tcp: lookup sd on 127.0.0.11:53: no such host'),
            (500, "getaddrinfo ENOTFOUND sd-server"),
            (
                500,
                "HTTPConnectionPool(host='sd-webui', port=7860): Max retries exceeded with url: /sdapi/v1/img2img"
                " (Caused by NameResolutionError: Failed to resolve 'sd-webui' ([Errno -2] Name or service not known))",
            ),
            (
                500,
                "error sending request for url (http://127.0.0.1:8080/v1/images/generations): error trying to connect:"
                " tcp connect error: Connection refused (os error 111)",
            ),
            (500, "java.net.ConnectException: Connection refused: no further information: /10.0.0.1:80"),
            (500, "No connection could be made because the target machine actively refused it. (localhost:7860)"),
            (500, "request to http://127.0.0.1:7860/sdapi/v1/txt2img failed, reason: connect ECONNREFUSED ::1:7860"),
            (503, "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request."),
            (
                502,
                "<!DOCTYPE html><title>ngrok</title>the agent failed to connect: dial tcp [::1]:80: connection refused",
            ),
        )
    },
    **{
        f"nobody is there any more: {said}": (RELAY, status, said, OutcomeUnknownError, "billed")
        for status, said in (
            (500, "Failed to upload generated image: rate limit exceeded"),
            (500, "could not save the result: dial tcp 10.0.0.9:9000: connect: connection refused"),
            (500, 'Get "http://10.0.0.5:8080/v1/tasks/1": dial tcp 10.0.0.5:8080: connect: connection refused'),
            (500, "[flux] upstream exited unexpectedly"),
            (500, "Error 111 connecting to redis:6379. Connection refused."),
            (500, "All connection attempts failed"),  # perhaps to where the picture lies
            (500, "getaddrinfo ENOTFOUND cdn.images.example"),
            (500, "dial tcp 104.21.3.4:443: connect: connection refused"),
            (500, "post-processing of 10.0.0.7: connection refused"),
            (500, "Failed to start processing the picture"),
            (500, "Connection refused. LiteLLM Retried: 2 times"),
            (500, "Max retries exceeded with url: /out/a.png (Caused by NewConnectionError: Connection refused)"),
            (502, "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>"),
            (500, "llama runner process has terminated: exit status 2"),
            (503, "Generation stopped: the refiner model is not loaded"),
            (500, "S3 PutObject: please reduce your request rate; too many requests"),
            (500, "Error saving output: rate limited"),
            (500, "图片已生成 保存失败: 限流"),
            (500, "Generation stopped at step 40/50: no GPU available"),
            (503, "timed out after 120 s, no worker available"),
            (503, "Your image was being generated when the server went into maintenance"),
            (500, "upstream disconnected, no available channel"),
            (503, "task terminated: at capacity"),
            (400, "context deadline exceeded"),
            (400, "Failed to download generated image from url"),
            (400, "could not fetch the generated image: forbidden"),
            (400, "The result could not be encoded in base64"),
            (500, "failed to parse upstream multipart response: NextPart: EOF"),
            (400, "Something went wrong. Reference: abc-123"),
        )
    },
    **{
        f"nobody was there: {said}": (RELAY, 500, said, RefusedError, "relay")
        for said in (
            "Rate limit reached for images per minute. Please retry after 12 s",
            "No deployments available for selected model, Try again in 5 seconds.",
            "status_code=429, Too Many Requests",
        )
    },
    **{
        f"something else is not there: {said}": (RELAY, 500, said, OutcomeUnknownError, "billed")
        for said in (
            "Generation failed. No further details available.",
            "The picture was lost; no explanation is available",
            "No additional information available",
            "no available image in the answer",
            "Your job was lost during maintenance",
            "Task aborted: the server is draining",
        )
    },
    "a limit of the server behind": (
        RELAY,
        503,
        "Rate limited by provider - contact support to request higher concurrency.",
        RefusedError,
        "Wait a little",
    ),
    "a quota of the server behind": (RELAY, 503, "quota exceeded for this key", OutOfCreditError, "billing page"),
    "pictures that were not read": (RELAY, 500, "multipart: NextPart: EOF", RefusedError, "refused"),
    "a limit that broke off what was begun": (
        RELAY,
        502,
        "Task failed: rate limit exceeded",
        OutcomeUnknownError,
        "billed",
    ),
    "a type of interface that a channel does not have": (
        RELAY,
        500,
        {"error": {"message": "invalid api type: 99", "code": "invalid_api_type"}},
        RefusedError,
        "Nothing was made",
    ),
    "a time that was exceeded": (
        RELAY,
        200,
        {"error": {"message": "response time exceeded", "code": "channel:response_time_exceeded"}},
        OutcomeUnknownError,
        "billed",
    ),
    "a filter named in capitals": (RELAY, 400, "PUBLIC_ERROR_PROMINENT_PEOPLE_FILTER_FAILED", ModeratedError, "Change"),
    "a filter behind an argument": (
        RELAY,
        400,
        {
            "error": {
                "message": "Request contains an invalid argument.",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "PUBLIC_ERROR_MINOR_UPLOAD"}
                ],
            }
        },
        ModeratedError,
        "Change",
    ),
    "verified for a stream alone": (
        OPENAI,
        403,
        "Your organization must be verified to stream this model.",
        RefusedError,
        "live_preview to 0",
    ),
    "a filter of one of several providers": (
        RELAY,
        400,
        {"errors": [{"code": "invalidProviderContent", "message": "Invalid content detected by provider"}]},
        ModeratedError,
        "Change",
    ),
    "credits that were all spent, as a bad request": (
        RELAY,
        400,
        "All of your credits were spent",
        RefusedError,
        "refused",
    ),
    "credits that were all spent": (RELAY, 403, "You have spent all your credits", OutOfCreditError, "billing page"),
    "a result that is empty": (RELAY, 200, {"status": 2, "error": "EMPTY_RESULT"}, OutcomeUnknownError, "billed"),
    "a form that one of several channels wants": (
        RELAY,
        500,
        {"error": {"message": "m does not accept multipart file upload", "code": "convert_request_failed"}},
        RefusedError,
        "refused",
    ),
    "a field of a model's own": (
        RELAY,
        400,
        "The model 'm' does not support the 'input_fidelity' parameter.",
        RefusedError,
        "--omit input_fidelity",
    ),
    "a quota with its numbers": (
        RELAY,
        403,
        "user [2] quota [50264897] is not enough",
        OutOfCreditError,
        "billing page",
    ),
    "a pool without a quota": (RELAY, 429, "no available image quota", OutOfCreditError, "billing page"),
    "a model in few words": (RELAY, 400, "Model not support", RefusedError, "was not found"),
    "no way to pay on file": (RELAY, 403, "please enter a payment method", OutOfCreditError, "billing page"),
    "a limit of frequency": (RELAY, 200, "it exceeds the frequency limit `5` for a second", RefusedError, "Wait a"),
    "a rule for questions": (RELAY, 400, "Input or output data is blocked by faq rule.", ModeratedError, "Change"),
    "a filter of words": (RELAY, 400, "Your current safety filter prohibited a word.", ModeratedError, "Change"),
    "a finished task of failed items": (
        RELAY,
        200,
        {
            "output": {
                "task_id": "d1",
                "task_status": "SUCCEEDED",
                "results": [{"code": "InternalError.Timeout", "message": "it took too long"}],
            }
        },
        OutcomeUnknownError,
        "says: it took too long",
    ),
    "a name that a gateway does not know": (RELAY, 503, "name resolution failed", RefusedError, "Nothing was made"),
    "a size as 417": (RELAY, 417, "Request size limit exceeded", RefusedError, "fewer or smaller pictures"),
    "a lambda out of time": (RELAY, 200, {"errorMessage": "Task timed out after 30 s"}, OutcomeUnknownError, "30 s"),
    "an older spelling": (RELAY, 200, {"status": "error", "messege": "no such size"}, RefusedError, "no such size"),
    "a service below": (
        RELAY,
        400,
        {"detail": [{"loc": ["body"], "msg": "Downstream service error"}]},
        OutcomeUnknownError,
        "Downstream service error",
    ),
    "credits that were not charged": (
        RELAY,
        200,
        {"status": "failed", "message": "Image generation failed. No credits were charged for this image."},
        OutcomeUnknownError,
        "No credits were charged",
    ),
    "an error that is a name, beside a task": (
        RELAY,
        422,
        {"data": [{"task_id": "t1", "status": "processing"}], "error": "contradiction"},
        OutcomeUnknownError,
        "code contradiction). The service says: t1.",
    ),
    "a model that is away, as a failed task": (
        RELAY,
        200,
        {"id": "t1", "status": "failed", "error": {"code": "model_unavailable", "message": "it is unavailable"}},
        RefusedError,
        "was not found",
    ),
    "no account behind it, in Chinese": (
        RELAY,
        503,
        "没有可用上游账号",
        RefusedError,
        "Nothing was made",
    ),
    "no credential behind it": (
        RELAY,
        502,
        {"error": {"message": "no", "code": "upstream_credential_unavailable"}},
        RefusedError,
        "Nothing was made",
    ),
    "a setting that a gateway lacks": (
        RELAY,
        500,
        "litellm.APIConnectionError: vertex_project and vertex_location are required for Vertex AI",
        RefusedError,
        "refused",
    ),
    "a law of a place": (RELAY, 451, "Unavailable For Legal Reasons in your region", NoKeyError, "where you are"),
    "a policy for abuse": (
        RELAY,
        400,
        {"error": {"code": "cyber_policy", "message": "risk detected"}},
        ModeratedError,
        "Change the prompt",
    ),
    "words that are filtered": (RELAY, 400, "One or more prompts contains filtered words.", ModeratedError, "Change"),
    "a reason to end, in words": (RELAY, 400, "unknown finish reason: [IMAGE_SAFETY]", ModeratedError, "Change"),
    "property of others": (RELAY, 400, "code 5009: blocked for intellectual property", ModeratedError, "Change"),
    "two messages": (
        RELAY,
        400,
        {"message": "Bad request", "detail": {"error": "the prompt is too long"}},
        RefusedError,
        "says: Bad request: the prompt is too long",
    ),
    "an upload that is too large": (
        RELAY,
        400,
        "Invalid request: upload file too large (22000000 bytes, max 20971520)",
        RefusedError,
        "fewer or smaller pictures",
    ),
    "a file above a limit": (RELAY, 400, "image file exceeds max size", RefusedError, "fewer or smaller pictures"),
    "a picture without its kind": (
        OPENAI,
        400,
        "Invalid file 'image[0]': unsupported mimetype ('application/octet-stream').",
        RefusedError,
        "Change what it names",
    ),
    "not verified, as 400": (
        RELAY,
        400,
        "Your organization must be verified to use the model `m`.",
        NoKeyError,
        "Veri",
    ),
    "not verified for a stream": (
        OPENAI,
        400,
        "Your organization must be verified to stream this model.",
        RefusedError,
        "Set live_preview to 0",
    ),
    "a limit of none at all": (
        OPENAI,
        429,
        "Rate limit reached for m on images per min: Limit 0, Used 0, Requested 1.",
        OutOfCreditError,
        "billing page",
    ),
    "a service that a workspace has not": (
        COMFY,
        403,
        {"error": "workspace_provider_disabled", "message": "OpenAI is disabled for this workspace"},
        NoKeyError,
        "no access to m",
    ),
    "an api-version too old": (
        AZURE,
        400,
        "Image generation is not supported with the provided API version.",
        RefusedError,
        "OPENAI_API_VERSION",
    ),
    "litellm, with words behind the error": (
        RELAY,
        400,
        'litellm.BadRequestError: OpenAIException - {"error": {"message": "no", "code": "moderation_blocked"}}.'
        " Received Model Group=m",
        ModeratedError,
        "OpenAIException: no: Received",
    ),
    "google's filter": (
        RELAY,
        400,
        {
            "error": {
                "code": 400,
                "message": "Request contains an invalid argument.",
                "details": [{"reason": "PUBLIC_ERROR_UNSAFE_GENERATION"}],
            }
        },
        ModeratedError,
        "Change",
    ),
    "volcengine's filter": (
        RELAY,
        400,
        {"error": {"code": "InputTextRiskDetection", "message": "may be related to copyright"}},
        ModeratedError,
        "Change",
    ),
    "zod": (
        RELAY,
        400,
        {"error": "Invalid request parameters", "details": {"_errors": [], "size": {"_errors": ["Invalid size"]}}},
        RefusedError,
        "refused the request (HTTP 400). The service says: Invalid request parameters: size: Invalid size",
    ),
    "openvino": (RELAY, 400, {"error": "failed: Unhandled parameter: moderation"}, RefusedError, "--omit moderation"),
    "a token of ModelScope": (
        RELAY,
        401,
        {"errors": {"message": "Authentication failed, a valid ModelScope token is needed."}},
        NoKeyError,
        "Check the key",
    ),
    "a banned user": (RELAY, 403, "用户已被封禁", NoKeyError, "Ask the service why"),
    "no channels, as 400": (RELAY, 400, "The distributor has no available channels for m", RefusedError, "Nothing was"),
    "no edits there": (RELAY, 400, "unsupported mode: ImagesEdits", RefusedError, "cannot do this"),
    "a form that was not read": (RELAY, 400, "There was an error parsing the body", RefusedError, "1.0 MB went out"),
    "no provider draws": (
        RELAY,
        404,
        "No endpoints found that support the requested output modalities: image",
        RefusedError,
        "no provider behind it fits",
    ),
    "maintenance": (
        RELAY,
        200,
        {"code": 455, "msg": "currently undergoing maintenance"},
        RefusedError,
        "Nothing was m",
    ),
    "another path": (
        RELAY,
        200,
        {"error": "Unexpected endpoint or method. (POST /v1)"},
        RefusedError,
        "base_url of re",
    ),
    "a day's limit": (RELAY, 200, {"error_code": 17, "error_msg": "daily request limit reached"}, RefusedError, "Wait"),
    "tencent": (
        RELAY,
        200,
        {"Response": {"Error": {"Code": "OperationDenied.ImageIllegalDetected", "Message": "no"}}},
        ModeratedError,
        "says: no",
    ),
    "a worker without memory": (
        RELAY,
        200,
        {"status": "FAILED", "error": "CUDA out of memory"},
        OutcomeUnknownError,
        "",
    ),
    "a worker out of time": (
        RELAY,
        200,
        {"status": "TIMED_OUT", "id": "1"},
        OutcomeUnknownError,
        "may have been billed",
    ),
    "a task behind success": (
        RELAY,
        200,
        {"code": 200, "msg": "success", "data": {"taskId": "k1"}},
        BadAnswerError,
        "the task k1",
    ),
    "a task that tells where": (
        RELAY,
        202,
        {"task": {"id": "i1", "status": "pending", "status_url": "https://x.invalid/i1?sig=secret"}},
        BadAnswerError,
        "look there for the task i1 (https://x.invalid/i1)",
    ),
    "a task of which only the place is told": (
        RELAY,
        202,
        {"state": "accepted", "links": {"self": "/jobs/9"}},
        BadAnswerError,
        "the task /jobs/9",
    ),
    "a task that failed": (
        RELAY,
        200,
        {"code": 0, "message": "success", "data": {"task_id": "1", "task_status": "failed", "task_status_msg": "dull"}},
        RefusedError,
        "says: dull",
    ),
    "a task that failed without a word": (
        RELAY,
        200,
        {"code": 0, "data": {"task_id": "1", "status": "failed"}},
        OutcomeUnknownError,
        "without a reason",
    ),
    "a job of another name": (
        RELAY,
        200,
        {"sdGenerationJob": {"generationId": "g-1", "apiCreditCost": 7}},
        BadAnswerError,
        "the task g-1",
    ),
    "amazon's filter": (
        RELAY,
        200,
        {"seeds": [1], "finish_reasons": [None, "Filter reason: prompt"], "images": []},
        ModeratedError,
        "Filter reason: prompt",
    ),
    "no such model, as 422 in a success": (
        RELAY,
        200,
        {"code": 422, "msg": "model is not supported", "data": None},
        RefusedError,
        "another model",
    ),
    "an account that its service blocked": (
        AZURE,
        403,
        "Your resource has been temporarily blocked because we detected behavior that may violate our content policy.",
        NoKeyError,
        "Ask the service why",
    ),
    "no keys behind it": (
        RELAY,
        503,
        {"code": "NO_KEYS_AVAILABLE", "message": "No active API keys available for this group"},
        RefusedError,
        "Nothing was made",
    ),
    "no account behind it": (RELAY, 503, "auth_unavailable: no auth available", RefusedError, "Nothing was made"),
    "no provider of such a model": (RELAY, 400, "unknown provider for model m", RefusedError, "m was not found"),
    "apigee": (
        RELAY,
        401,
        {"fault": {"faultstring": "Invalid ApiKey", "detail": {"errorcode": "oauth.v2.InvalidApiKey"}}},
        NoKeyError,
        "says: Invalid ApiKey. Check",
    ),
    "a body too large, of the request or of the answer": (
        RELAY,
        500,
        {"fault": {"faultstring": "Body buffer overflow", "detail": {"errorcode": "protocol.http.TooBigBody"}}},
        OutcomeUnknownError,
        "says: Body buffer overflow",
    ),
    "a file too large for express": (RELAY, 500, {"error": "MulterError: File too large"}, RefusedError, "1.0 MB went"),
    "image[] unknown to express": (RELAY, 500, {"error": "MulterError: Unexpected field"}, RefusedError, "Change what"),
    "asp.net": (
        RELAY,
        400,
        {"title": "Errors occurred.", "status": 400, "errors": {"image[]": ["The image field is required."]}},
        RefusedError,
        "occurred: image[]: The image field is required. Set",
    ),
    "a form cut off, in go": (RELAY, 400, "multipart: NextPart: EOF", RefusedError, "may have cut them off"),
    "words of words of words": (
        RELAY,
        403,
        json.dumps({"error": "x", "message": json.dumps({"error": {"code": "y", "message": "insufficient balance"}})}),
        OutOfCreditError,
        "says: insufficient balance",
    ),
    "values of dall-e": (
        RELAY,
        400,
        {"error": {"message": "Invalid value: 'low'. Supported values are: 'standard' and 'hd'.", "param": "quality"}},
        RefusedError,
        "--omit quality",
    ),
    "values of dall-e, in pydantic's words": (
        RELAY,
        422,
        {
            "detail": [
                {"loc": ["body", "quality"], "msg": "Input should be 'standard' or 'hd'", "type": "literal_error"}
            ]
        },
        RefusedError,
        "--omit quality",
    ),
    "another kind of value, in go": (
        RELAY,
        400,
        "json: cannot unmarshal string into Go struct field ImageRequest.quality of type int",
        RefusedError,
        "--omit quality",
    ),
    "an unknown name of google's": (
        RELAY,
        400,
        'Invalid JSON payload received. Unknown name "output_format": Cannot find field.',
        RefusedError,
        "--omit output_format",
    ),
    "an extraneous key of amazon's": (
        RELAY,
        400,
        {"message": "Malformed input request: #: extraneous key [quality] is not permitted"},
        RefusedError,
        "--omit quality",
    ),
    "a size that another one may fit": (
        RELAY,
        422,
        "size must be one of 512x512",
        RefusedError,
        "Change what it names",
    ),
    "litellm without its database": (
        RELAY,
        400,
        {"error": {"message": "No connected db.", "type": "no_db_connection", "param": None, "code": "400"}},
        NoKeyError,
        "Check the key",
    ),
    "success in chinese": (
        RELAY,
        200,
        {"code": 1, "description": "提交成功", "result": "17"},
        BadAnswerError,
        "",
    ),
    "queued at midjourney-proxy": (
        RELAY,
        200,
        {"code": 22, "description": "排队中，前面", "result": "0741798445574458"},
        BadAnswerError,
        "the task 0741798445574458",
    ),
    "no place at midjourney-proxy": (
        RELAY,
        200,
        {"code": 23, "description": "队列已满", "result": None},
        RefusedError,
        "Nothing was made",
    ),
    "words of midjourney": (
        RELAY,
        200,
        {"id": "1", "status": "FAILURE", "failReason": "Banned prompt detected: x"},
        ModeratedError,
        "",
    ),
    "an id in place of data": (
        RELAY,
        200,
        {"code": "success", "message": "", "data": "task_4b0a7e6a1c"},
        BadAnswerError,
        "the task task_4b0a7e6a1c",
    ),
    "a task and how long it takes": (RELAY, 200, {"task_id": "t1", "wait_seconds": 5}, BadAnswerError, "the task t1"),
    "an id alone": (RELAY, 200, {"id": "a6dc6c6e20acda01"}, BadAnswerError, "the task a6dc6c6e20acda01"),
    "an id in tencent's form": (
        RELAY,
        200,
        {"Response": {"JobId": "13-17-d9", "RequestId": "8d0b"}},
        BadAnswerError,
        "the task 13-17-d9",
    ),
    "a state in kling's words": (
        RELAY,
        200,
        {"code": 0, "message": "SUCCEED", "data": {"task_id": "CjikA", "task_status": "submitted"}},
        BadAnswerError,
        "the task CjikA",
    ),
    "a task under its own name": (
        RELAY,
        200,
        {"job": "d2f6-11", "status": "queued"},
        BadAnswerError,
        "the task d2f6-11",
    ),
    "an operation of google": (
        RELAY,
        200,
        {"name": "operations/5e71", "done": False},
        BadAnswerError,
        "the task operations/5e71",
    ),
    "words beside a task": (
        RELAY,
        200,
        {"status": "processing", "message": "Come back.", "fetch_result": "https://x.invalid/1", "id": 1},
        BadAnswerError,
        "says: Come back: it began the task 1 and",
    ),
    "an id among others is no task": (
        RELAY,
        200,
        {"id": "user-1", "email": "x", "name": "y"},
        BadAnswerError,
        "The service says: email: x; name: y.",
    ),
    "an id of an answer is no task": (
        RELAY,
        200,
        {"id": "img-abc", "created": 1, "data": None},
        BadAnswerError,
        "holds no picture. Look",
    ),
    "an account that is locked, as 429": (
        RELAY,
        429,
        "Account has irregular activities and has been locked",
        NoKeyError,
        "Ask the service why",
    ),
    "an account that is suspended for its balance": (
        RELAY,
        403,
        "Your account was suspended: insufficient balance",
        OutOfCreditError,
        "billing page",
    ),
    "an address that is not on the list": (
        RELAY,
        403,
        "Forbidden: key(a1) allowed only from approved IP ranges.",
        NoKeyError,
        "address of this machine",
    ),
    "a code of a bad key in place of words": (
        RELAY,
        403,
        {"code": 403, "reason": "INVALID_API_KEY", "message": "", "metadata": {}},
        NoKeyError,
        "Check the key",
    ),
    "a bad key in a success": (
        RELAY,
        200,
        {"error": {"message": "no", "code": "invalid_api_key"}},
        NoKeyError,
        "Check",
    ),
    "a failed login in a success": (
        RELAY,
        200,
        {"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}},
        NoKeyError,
        "Check the key",
    ),
    "minimax's filter": (
        RELAY,
        200,
        {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
        ModeratedError,
        "Change",
    ),
    "suspected infringement": (
        RELAY,
        400,
        {"code": "IPInfringementSuspect", "message": "no"},
        ModeratedError,
        "Change",
    ),
    "what was to be inspected did not load": (
        RELAY,
        400,
        {"code": "InvalidParameter.DataInspection", "message": "Unable to download the media resource"},
        RefusedError,
        "Change what it names",
    ),
    "a filter's field that a gateway does not know": (
        RELAY,
        500,
        "litellm.APIConnectionError: TypeError: unexpected keyword argument 'content_filter_results'",
        OutcomeUnknownError,
        "may have been billed",
    ),
    "only for those who pay": (
        RELAY,
        400,
        [{"error": {"code": 400, "message": "Imagen API is only accessible to billed users at this time."}}],
        OutOfCreditError,
        "billing page",
    ),
    "a paid balance": (
        RELAY,
        403,
        {"code": 30011, "message": "Paid balance is required to access this model.", "data": None},
        OutOfCreditError,
        "billing page",
    ),
    "no such model, as 503": (
        RELAY,
        503,
        "Incorrect model ID. Please view the model page",
        RefusedError,
        "was not found",
    ),
    "a model that is busy": (RELAY, 503, 'model "m" is busy, try again later', RefusedError, "Nothing was made"),
    "a form that needs storage there": (
        RELAY,
        400,
        {"detail": "response_format=url requires cloud storage to be configured"},
        RefusedError,
        "--send response_format=b64_json",
    ),
    "a picture too large for volcengine": (
        RELAY,
        400,
        {"error": {"code": "InvalidParameter.OversizedImage", "message": "no"}},
        RefusedError,
        "fewer or smaller pictures",
    ),
    "a picture too large for fal": (
        RELAY,
        422,
        {"detail": [{"loc": ["body", "image_url"], "msg": "Image too large", "type": "image_too_large"}]},
        RefusedError,
        "fewer or smaller pictures",
    ),
    "who asked has gone, says amazon": (RELAY, 460, None, OutcomeUnknownError, "may have been billed"),
    "a quota that is reached": (
        RELAY,
        403,
        {"errors": [{"code": "token_quota_reached", "message": "denied because of account token quota reached limit"}]},
        OutOfCreditError,
        "billing page",
    ),
    "no quota left": (
        RELAY,
        403,
        {"code": "q", "message": "Request denied. No quota left"},
        OutOfCreditError,
        "billing",
    ),
    "no tokens left": (
        RELAY,
        400,
        {"error": "not enough api tokens", "code": "unexpected"},
        OutOfCreditError,
        "billing",
    ),
    "kling's filter": (RELAY, 400, {"code": 1301, "message": "Failure to pass the risk control"}, ModeratedError, ""),
    "jimeng's filter": (RELAY, 400, {"code": 50411, "message": "Pre Img Risk Not Pass"}, ModeratedError, "Change"),
    "firefly's filter": (RELAY, 422, {"error_code": "prompt_unsafe", "message": "no"}, ModeratedError, "Change"),
    "a model's own filter": (RELAY, 400, {"error": "content moderated by model"}, ModeratedError, "Change"),
    "iflytek's filter": (
        RELAY,
        200,
        {"header": {"code": 10013, "message": "input content audit failed", "sid": "s"}},
        ModeratedError,
        "Change",
    ),
    "a task that iflytek began": (
        RELAY,
        200,
        {"header": {"code": 0, "message": "Success", "task_id": "20240001"}},
        BadAnswerError,
        "the task 20240001",
    ),
    "tencent's failure": (
        RELAY,
        200,
        {"Response": {"Error": {"Code": "FailedOperation.ServerError", "Message": "server error"}}},
        OutcomeUnknownError,
        "may have been billed",
    ),
    "a code in the place of words": (
        RELAY,
        200,
        {"code": 4, "description": "quota_not_enough"},
        OutOfCreditError,
        "billing page",
    ),
    "an account that is not active": (
        OPENAI,
        429,
        {"error": {"message": "Your account is not active", "code": "billing_not_active"}},
        OutOfCreditError,
        "billing page",
    ),
    "a key's own limit of a day": (
        RELAY,
        429,
        "This key has reached its daily cost limit",
        OutOfCreditError,
        "limit of this key",
    ),
    "credit in Japanese": (
        RELAY,
        403,
        "利用上限に達しました",
        OutOfCreditError,
        "billing page",
    ),
    "credit in Korean": (
        RELAY,
        403,
        "크레딧이 부족합니다",
        OutOfCreditError,
        "billing page",
    ),
    "credit in French": (
        RELAY,
        403,
        "Crédits insuffisants",
        OutOfCreditError,
        "billing page",
    ),
    "credit in German": (
        RELAY,
        403,
        "Nicht genügend Guthaben",
        OutOfCreditError,
        "billing page",
    ),
    "credit that was given back": (
        RELAY,
        500,
        "生成失败，已退还额度",
        OutcomeUnknownError,
        "may have been billed",
    ),
    "a filter in Japanese": (
        RELAY,
        400,
        "不適切なコンテンツ",
        ModeratedError,
        "Change the prompt",
    ),
    "a filter in Russian": (
        RELAY,
        400,
        "модерацией",
        ModeratedError,
        "Change the prompt",
    ),
    "a filter as the reason alone": (
        RELAY,
        400,
        {"code": 400, "reason": "AuditSubmitIllegal", "message": "submit is illegal"},
        ModeratedError,
        "Change the prompt",
    ),
    "a key that has expired": (
        RELAY,
        400,
        {"error": {"message": "Authentication Error - Expired Key", "type": "expired_key"}},
        NoKeyError,
        "Check the key",
    ),
    "a list of addresses in Chinese": (
        RELAY,
        403,
        "IP 不在白名单",
        NoKeyError,
        "address of this machine",
    ),
    "a header that something goes through": (
        RELAY,
        400,
        "deployment must be provided through header: x-ms-deployment",
        RefusedError,
        "headers",
    ),
    "a field that is not known, with 200": (
        RELAY,
        200,
        {"error": {"message": "no", "param": "stream", "code": "unsupported_parameter"}},
        RefusedError,
        "live_preview to 0",
    ),
    "pictures that are too large together": (
        RELAY,
        400,
        {"error": "IMAGE_SIZE_LIMIT_EXCEEDED", "message": "Total image size exceeds 20MB"},
        RefusedError,
        "too large",
    ),
    "a form that was not parsed": (
        RELAY,
        500,
        {"error": {"message": "failed to parse multipart form", "type": "new_api_error"}},
        RefusedError,
        "refused",
    ),
    "a model at another path": (
        RELAY,
        503,
        "model m is only supported on /v1/images/generations and /v1/images/edits",
        RefusedError,
        "cannot do this",
    ),
    "a model in Chinese": (
        RELAY,
        400,
        "模型不存在",
        RefusedError,
        "was not found",
    ),
    "a failed task with its reason inside": (
        RELAY,
        200,
        {
            "code": 200,
            "message": "success",
            "data": {
                "status": "failed",
                "error": {"raw_message": "it violates the guidelines", "message": "task failed"},
            },
        },
        ModeratedError,
        "Change the prompt",
    ),
    "a failed task beside the reason": (
        RELAY,
        200,
        {"code": 400, "message": "insufficient credits", "data": {"task_id": "t1", "status": "failed"}},
        OutOfCreditError,
        "billing page",
    ),
    "an error beside an empty task": (
        RELAY,
        500,
        {
            "code": 500,
            "message": "failed",
            "data": {"task_id": "", "error": {"code": 1301, "message": "not enough points"}},
        },
        OutOfCreditError,
        "billing page",
    ),
    "a list of what does not fit": (
        RELAY,
        400,
        {"message": "Invalid payload", "meta": [{"path": ["quality"], "message": "Expected low, received hd"}]},
        RefusedError,
        "quality: Expected low",
    ),
    "a limit told by a name that ends on key": (
        RELAY,
        429,
        "Portkey Error: Rate limit exceeded",
        RateLimitError,
        "Wait a little",
    ),
    "a token of the cloud that has expired": (
        RELAY,
        403,
        "The security token included in the request is expired",
        NoKeyError,
        "Check the key",
    ),
    "an account closed for its debts": (
        RELAY,
        412,
        "Account x is suspended, possibly due to reaching the monthly spending limit",
        OutOfCreditError,
        "billing page",
    ),
    "a form by its code alone": (
        RELAY,
        415,
        {"error": "INVALID_CONTENT_TYPE"},
        RefusedError,
        "does not read this form",
    ),
    "points in Chinese": (
        RELAY,
        403,
        "积分不足",
        OutOfCreditError,
        "billing page",
    ),
    "a server that starts": (
        RELAY,
        503,
        "Server is not ready",
        RefusedError,
        "Nothing was made",
    ),
    "a call that is not made so": (
        RELAY,
        403,
        "it does not support asynchronous calls",
        RefusedError,
        "cannot do this",
    ),
    "a user who is locked": (
        RELAY,
        403,
        {"detail": "User is locked. Reason: Admin lock. Please contact support@fal.ai"},
        NoKeyError,
        "account or its key is closed",
    ),
    "a user who is locked until money comes": (
        RELAY,
        403,
        {"detail": "User is locked. Reason: TOP_UP."},
        OutOfCreditError,
        "billing page",
    ),
    "a header for what takes long": (
        RELAY,
        400,
        {"errors": {"message": "image-gen does not support synchronous calls. Set header X-Async-Mode=true to switch"}},
        RefusedError,
        'Add it to "headers" of relay',
    ),
    "no provider that reads pictures": (
        RELAY,
        404,
        {"error": {"message": "No endpoints found that support image input", "code": 404}},
        RefusedError,
        "no provider behind it fits",
    ),
    "bills that cannot be looked at": (
        RELAY,
        500,
        {"code": 500, "reason": "BILLING_FAILED", "message": "billing failed"},
        OutcomeUnknownError,
        "may have been billed",
    ),
    "a service at the end of its means": (
        RELAY,
        200,
        {"id": "t1", "status": "failed", "error": {"code": "resource_exhausted", "message": "temporarily depleted"}},
        RefusedError,
        "Wait a little",
    ),
    "headers that are too large, without a word": (RELAY, 431, "", RefusedError, '"headers" of relay'),
    "headers that are too large, with a page": (
        RELAY,
        400,
        "<html><title>400 Request Header Or Cookie Too Large</title><body>nginx</body></html>",
        RefusedError,
        '"headers" of relay',
    ),
    "a policy that it may violate": (  # epam/ai-dial-adapter-vertexai#66
        RELAY,
        400,
        "Invalid argument: 400 Image generation failed: The response is blocked, as it may violate our policies.",
        ModeratedError,
        "Change the prompt",
    ),
    "an error of another server among its words": (
        RELAY,
        400,
        {"error": {"message": '[codex] [400]: {"detail":"gpt-image-2 needs another version."} (reset after 28s)'}},
        RefusedError,
        "says: gpt-image-2 needs another version. Change",
    ),
    "code in the text of a chat": (
        RELAY,
        200,
        {
            "choices": [
                {"message": {"content": '```json\n{"n": 4}\n```\n> failed: input_moderation\n```json\n{"a": 1}'}}
            ]
        },
        BadAnswerError,
        "in place of a picture: > failed: input_moderation. Look",
    ),
    "a policy of the account": (
        RELAY,
        404,
        "No endpoints available matching your guardrail restrictions and data policy",
        RefusedError,
        "settings of your account",
    ),
    "a fault without a name": (
        RELAY,
        200,
        {"base_resp": {"status_code": 1000, "status_msg": "unknown error"}},
        OutcomeUnknownError,
        "may have been billed",
    ),
    "a form that cannot be read": (RELAY, 500, "no multipart boundary param in Content-Type", RefusedError, "refused"),
    "a failed task with its reason in an object": (
        RELAY,
        200,
        {"job": {"id": "7412", "status": "FAILED", "failedInfo": {"reason": "dull", "code": "DEFAULT"}}},
        RefusedError,
        "says: dull",
    ),
    "a task that broke": (
        RELAY,
        200,
        {"id": "p", "status": "failed", "error": "KeyError: 'x'"},
        OutcomeUnknownError,
        "be",
    ),
    "a task whose time ran out": (
        RELAY,
        200,
        {"task_id": "t1", "status": "TIMED_OUT", "message": "dull"},
        OutcomeUnknownError,
        "says: dull",
    ),
    "a code of a relay's own": (RELAY, 200, {"code": 501, "msg": "Generation Failed"}, OutcomeUnknownError, "billed"),
    "a feature that is off": (RELAY, 200, {"code": 505, "msg": "Feature Disabled"}, RefusedError, "cannot do this"),
    "a limit of spending as a code": (
        RELAY,
        403,
        {"code": "personal-team-blocked:spending-limit", "error": "blocked"},
        OutOfCreditError,
        "billing page",
    ),
    "a free tier in words": (
        RELAY,
        429,
        {"error": "You've used all the included free usage for model m"},
        OutOfCreditError,
        "billing page",
    ),
    "a subscription that is none": (
        RELAY,
        403,
        "No active subscription found for this group",
        OutOfCreditError,
        "billing page",
    ),
    "a package of resources in Chinese": (
        RELAY,
        200,
        {"Response": {"Error": {"Code": "x", "Message": "账号资源包已耗尽。"}}},
        OutOfCreditError,
        "billing page",
    ),
    "a key for an active subscription": (
        AZURE,
        401,
        "Access denied due to invalid subscription key. Make sure to provide a valid key for an active subscription.",
        NoKeyError,
        "Check the key",
    ),
    "a filter that is an audit": (
        RELAY,
        400,
        {"code": 400, "reason": "INPUT_AUDIT_NOT_PASS", "message": "input audit not pass"},
        ModeratedError,
        "Change the prompt",
    ),
    "a word that a guardrail blocks": (
        RELAY,
        400,
        "Blocked entity detected: PERSON by Guardrail: presidio.",
        ModeratedError,
        "Change the prompt",
    ),
    "no way to a model in Chinese": (
        RELAY,
        503,
        "当前无可用通道",
        RefusedError,
        "Nothing was made",
    ),
    "a network that is allowed in Chinese": (
        RELAY,
        403,
        "该令牌只能在指定网段使用",
        NoKeyError,
        "address of this machine",
    ),
    "a task of this account that runs": (
        RELAY,
        200,
        {"code": 804, "msg": "APIKEY_TASK_IS_RUNNING"},
        OutcomeUnknownError,
        "still running",
    ),
    "a failed task in names of its own": (
        RELAY,
        200,
        {
            "code": 200,
            "msg": "success",
            "data": {"taskId": "t1", "state": "fail", "failCode": "422", "failMsg": "dull"},
        },
        RefusedError,
        "says: dull",
    ),
    "a function behind amazon's gateway": (
        RELAY,
        200,
        {"statusCode": 400, "body": '{"error": {"message": "size is not valid"}}'},
        RefusedError,
        "says: size is not valid",
    ),
    "a request said back beside its fault": (
        RELAY,
        422,
        {"detail": [{"loc": ["body", "n"], "msg": "too many"}], "body": {"prompt": "nsfw", "model": "m"}},
        RefusedError,
        "says: body.n: too many. Change",
    ),
    "no key, as nest says it": (
        RELAY,
        200,
        {"statusCode": 401, "message": "Unauthorized"},
        NoKeyError,
        "Check the key",
    ),
    "a task revoked, with a prefix": (
        RELAY,
        200,
        {"task_id": "t1", "status": "TASK_STATE_REVOKED", "message": "dull"},
        RefusedError,
        "says: dull",
    ),
    "a quota as 456": (RELAY, 456, "Quota exceeded", OutOfCreditError, "billing page"),
    "a picture that was not found, by its parameter": (
        RELAY,
        400,
        {"error": {"message": "Field required", "code": "invalid_value", "param": "image[]"}},
        RefusedError,
        "says: image[]: Field required. Set",
    ),
    "a name that cloudflare bans": (
        RELAY,
        403,
        {"title": "Error 1010", "detail": "The owner of this website has banned your access.", "error_code": 1010},
        RefusedError,
        "another network",
    ),
    "pictures wanted as files": (  # BerriAI/litellm#41421
        RELAY,
        400,
        "Invalid type for 'image[0]': expected a file, but got a string instead.",
        RefusedError,
        '"edits": "json"',
    ),
    "a model that is none": (RELAY, 400, "m-9 is not a valid model ID", RefusedError, "m was not found"),
    "a task that failed by itself": (
        RELAY,
        200,
        {"task_uuid": "t1", "status": "failed", "message": "API_ERROR"},
        OutcomeUnknownError,
        "may have been billed",
    ),
}


def told(connection: Connection, status: int, said: Any, headers: dict[str, str] | None = None) -> OpenAIImageError:
    """Return the error for what a service says, a message alone in OpenAI's form."""
    content = {"error": {"message": said}} if isinstance(said, str) else said
    body = b"" if said is None else json.dumps(content).encode()
    if status >= 300:
        return error_from_response(connection, status, {}, body, subject="m", asked=Asked("images/edits", 1_000_000))
    with pytest.raises(OpenAIImageError) as failed:
        parse_answer(RawAnswer(body, headers or {}, 1.0), connection, model="m")
    return failed.value


@pytest.mark.parametrize("name", TOLD)
def test_reported_answers_are_told_by_what_they_are(name: str) -> None:
    """By what happened, in the service's own words, with the next step; what was begun is not called refused."""
    connection, status, said, kind, words = TOLD[name]
    found = told(connection, status, said)
    assert type(found) is kind, str(found)
    assert words in str(found)


FAILURES_IN_WORDS = (
    "The task could not be completed.",
    "An internal error occurred.",
    "Image generation blocked or no valid final image",
    "Image could not be saved",
    "Worker died unexpectedly",
    "VAE decode failed",
    "Rendering failed",
    "The result could not be retrieved",
    "The response did not contain an image",
    "Response contained no image data",
    "Deadline exceeded",
    "The request took too long to process",
    "Max retries exceeded with url: /v1/images",
    "upstream returned 500",
    "Error code: 502",
    "Invalid response from upstream",
    "We couldn't create your image",
    "Generation error",
    "Image generation completed, but uploading the result to S3 failed.",
    "This request will still be billed.",
    "生成图像时出错",
    "图片保存失败",
    "获取结果失败",
    "未返回图片",
    "连接中断",
    "已计费，但图片无法取回",
    "予期しないエラーが発生しました",
    "課金されましたが、画像を保存できませんでした",
    "오류가 발생했습니다",
    "Ein unerwarteter Fehler ist aufgetreten",
    "Ihr Konto wurde belastet, das Bild ging verloren",
    "Une erreur est survenue lors de la génération",
    "Произошла ошибка при генерации",
    "Ocorreu um erro ao gerar a imagem",
    "系统异常，请稍后重试",
    "服务内部错误",
    "上游服务异常",
    "任务执行失败",
    "结果图片上传失败",
    "绘图失败",
    "system error, mysql failed",
    "An unexpected error occurred",
    "An error occurred while processing your request",
    "Something went wrong",
    "Failed to generate image",
    "Failed to upload result to storage",
    "Failed to save the image.",
    "Could not generate the image",
    "No image in response",
    "Empty response from model",
    "Model did not respond in time",
    "Network error",
    "worker crashed",
    "Prediction failed",
    "context deadline exceeded",
    "socket hang up",
    "read ECONNRESET",
    "fetch failed",
    "Killed (SIGKILL)",
    "torch.OutOfMemoryError: Allocation on device",
    "'NoneType' object has no attribute 'images'",
    "list index out of range",
    "Expecting value: line 1 column 1 (char 0)",
    "cannot read properties of undefined (reading 'data')",
    "画像の生成に失敗しました",
    "サーバーエラーが発生しました",
    "서버 오류",
    "이미지 생성에 실패했습니다",
    "Внутренняя ошибка",
    "Error interno del servidor",
    "Erreur interne du serveur",
    "Interner Serverfehler",
    "délai d'attente dépassé",
)
REFUSALS_IN_WORDS = (
    "Prompt contains only text that is not allowed",
    "Your input contains no image",
    "The mask must contain no text",
    "failed to decode the input image",
    "未找到参考图",
    "size must be one of: 512x512, 1024x1024, error: 500x500",
    "生成失败：参数size不支持",
    "图片上传失败",
    "パラメータエラーが発生しました",
    "Request contained no image",
    "Failed to create task: size is not supported",
    "Invalid request: error in field size",
    "Request failed: prompt is required",
    "Task failed: invalid size",
    "参数错误",
    "图片尺寸错误",
    "请求参数异常",
    "任务提交失败: 尺寸不支持",
    "系统参数错误",
    "当前系统繁忙，请稍后再试",
    "failed to download the input image",
    "Failed to decode image: bad base64",
    "quality error: hd is not allowed",
    "stream is not supported by this endpoint",
    "the model is not supported",
    "json: cannot unmarshal string into Go struct field ImageRequest.n of type int",
    "connect ECONNREFUSED 10.0.0.1:443",
)
LATE_IN_WORDS = (
    "Cannot access 'upstreamStream' before initialization.",  # Qwen2API#179
    "Codex completed without producing an image_generation_call",  # OmniRoute#14617
    "[ERROR: cannot unpack non-iterable NoneType object]",
    "[ERROR: 'data']",
    "imageUrls is not defined",
    "'<=' not supported between instances of 'str' and 'int'",
    "Attempted to access streaming request content, without having called `read()`.",
    "string indices must be integers, not 'str'",
    "runtime error: invalid memory address or nil pointer dereference",
    'Cannot invoke "com.x.Response.getData()" because "response" is null',
    "Object reference not set to an instance of an object.",
    "Upstream provider closed the connection before the response completed: stream ended without terminal event",
    "the stream ended unexpectedly",
    "peer closed connection without sending complete message body (incomplete chunked read)",
    "Invalid response body while trying to fetch https://x.example/v1/images/generations: Premature close",
    "An existing connection was forcibly closed by the remote host",
    "error decoding response body: expected value at line 1 column 1",
    "[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol (_ssl.c:1007)",
    "Response payload is not completed",
    "invalid character '<' looking for beginning of value",
    "error: upstream 520",
    "Maximum retry attempts exceeded",
    "Maximum execution time of 30 seconds exceeded",
    "This operation was aborted",
    "failed",
    "服务器开小差了，请稍后再试",
    "上游无响应",
    "未获取到图片",
    "响应解析失败",
    "upstream did not return image output",
    "upstream image item has neither b64_json nor url",
    "no image ids found in conversation",
    "The result has been lost on our side",
    "We lost the connection to the worker while your image was rendering",
    "It is taking longer than expected; the image may still be produced",
    "Render aborted by watchdog after 180s",
    "费用已产生，但图片传输失败",
    "图片传输失败: 费用已产生",
    "context deadline exceeded",
    "Max retries exceeded",
    "request timeout exceeded",
    "execution time limit exceeded",
    "Exceeded maximum execution time",
    "codex responses did not return image base64 result",
    "Gemini returned text only: unknown",
    "upstream returned status 500",
    "bad gateway",
    "No image data in the response of the provider",
    "The model returned an empty answer",
    "response contained no images",
    "failed to unmarshal response from provider API",
    "An error occurred while processing your request. You can retry your request",
    'Post "https://x.example/v1/images/generations": read tcp 10.0.0.7:61229: read: connection reset by peer',
    "未能从 Gemini 响应中解析出图片（finishReason=STOP）",
    "等待响应头超过 90000 ms",
    "模型服务暂时不可用（HTTP 500）",
    "The external provider did not respond within the timeout window",
    "Request timed out after 300 seconds",
    "prediction timed out",
    "任务超时",
    "生成超时，请重试",
    "stream disconnected before completion",
    "Internal server error",
    "Provider returned error: Internal error encountered.",
    "The image generation tool encountered an error. Please try again.",
    "Image generation failed",
    "上游错误",
    "出图失败，请重试",
    "绘图超时",
    "上游接口返回错误: 500 Internal Server Error",
    "An error occurred while generating the image.",
    "upstream image connection failed, please retry later",
    "Lots of people are creating images right now. We'll notify you when your image is ready.",
    "目前有很多人在创建图片。图片准备好后我们会通知你。",
    "Your credits were spent but the image could not be delivered",
    'Post "https://x.example/v1/images/generations": EOF',
    "stream error: stream ID 1; INTERNAL_ERROR; received from peer",
    "The request was cancelled",
    "list index out of range",
    "上游流提前结束，未收到终止事件",
    "生成图片时发生错误",
    "이미지 생성 중 오류가 발생했습니다",
    "画像生成中に問題が発生しました",
    "Произошла ошибка при генерации",
)
NOT_LATE_IN_WORDS = (
    "Request failed: the picture exceeds 20 MB",
    "Generation failed: number of images exceeded",
    "Failed to download the picture: connection reset",
    "Failed to fetch image from URL: status code: 500",
    "Request contained no image",
    "mask contains no transparent pixels",
    "no image provided",
    "missing image in request",
    "The image size has to be below 512 pixels, code 512x512",
    "Timeout while downloading https://x.example/a.png",
    "timeout must be a number",
    "request timed out in the queue",
    "the request has an unknown field: timeout",
    "streaming is not supported",
    "stream is not available here",
    "Image generation failed: the prompt is too long",
    "Internal error: size is not supported",
    "出图失败：尺寸不支持",
    "input_images URL returned HTTP 503",
    "Request failed with status code 422",
    "multipart: NextPart: unexpected EOF",
    "Cannot generate images with this model",
    "A transparent picture cannot be generated so",
    "Unable to process your request: image 2 is corrupt",
    "Request failed: permission denied",
    "Failed to generate image: unsupported aspect ratio 5:1",
    "Failed to process the request: JSON body could not be read",
    "이미지 생성 실패: 지원하지 않는 크기",
    "name of the output format is not defined",
    "streaming is not supported by this endpoint",
    "'prompt'",
    "VipsJpeg: Premature end of input file",
    "Size error: 512 is below the minimum 1024",
    "prompt contains invalid character '<'",
    "没有获取到图片，请上传图片",
    "Corrupt JPEG data: premature end of data segment",
    "JPEG ended prematurely",
    "Multipart stream ended unexpectedly",
    "未获取到参考图",
    "请求格式异常",
    "ไม\u0e48รองร\u0e31บขนาดภาพน\u0e35\u0e49",
)


@pytest.mark.parametrize(
    ("status", "said", "is_unknown"),
    [
        *((200, said, True) for said in FAILURES_IN_WORDS),
        *((200, said, False) for said in REFUSALS_IN_WORDS),
        *((status, said, True) for said in LATE_IN_WORDS for status in (200, 400, 422)),
        *((status, said, False) for said in NOT_LATE_IN_WORDS for status in (400, 422)),
    ],
)
def test_what_failed_may_have_been_billed_whatever_the_status(status: int, said: str, *, is_unknown: bool) -> None:
    """Relays say with 200 or 400 what broke behind them; to ask again would pay once more. A refusal scares nobody."""
    assert isinstance(told(RELAY, status, said), OutcomeUnknownError) is is_unknown


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (500, "upstream failed for prompt: 'our Richtlinien'", OutcomeUnknownError),
        (502, "bad gateway, prompt was: Bank Guthaben", OutcomeUnknownError),
        (200, "生成失败，请稍后再试", OutcomeUnknownError),
        (200, {"id": "t1", "status": "未成功", "error": "no"}, RefusedError),
        (429, "request queued, task_id 123", RateLimitError),
        (429, "レート制限ポリシーにより", RateLimitError),
        (429, "속도 제한 정책을 초과", RateLimitError),
        (429, "违反了速率限制", RateLimitError),
        (400, "パラメータが不適切です", RefusedError),
        (400, "size 값이 부적절합니다", RefusedError),
        (400, "图片尺寸不合规", RefusedError),
        (400, "无效的API参数 size", RefusedError),
        (400, "la politique de facturation", RefusedError),
        (400, "niewystarczające uprawnienia", RefusedError),
        (400, "Unauthorized content in the prompt", RefusedError),
        (400, {"error": {"message": "bad", "code": "unacceptable_format"}}, RefusedError),
        (400, "User input contains banned words", ModeratedError),
        (403, "User is banned", NoKeyError),
        (403, "This key has been temporarily frozen", NoKeyError),
    ],
)
def test_a_word_alone_makes_no_other_error(status: int, said: Any, error: type[OpenAIImageError]) -> None:
    """What may have been billed stays that where a word of a refusal is in it, as of the prompt, or another limit."""
    found = error_from_response(RELAY, status, {}, json.dumps(said).encode(), subject="m")
    assert type(found) is error


@pytest.mark.parametrize(
    "said",
    [
        "Failed to upload generated image: rate limit exceeded",
        "图片已生成, 保存失败: 限流",
        "Generation stopped at step 40/50: no GPU available",
        "timed out after 120 s, no worker available",
        "Your image was being generated when the server went into maintenance",
        "Generation timed out after 120 s: worker failed its health check; no healthy workers available",
    ],
)
@pytest.mark.parametrize("status", [200, 400, 408, 422, 499, 500, 502, 503])
def test_who_is_not_there_any_more_may_have_begun(status: int, said: str) -> None:
    assert type(told(RELAY, status, said)) is OutcomeUnknownError


@pytest.mark.parametrize(
    "said",
    [
        "timed out waiting for a worker: no GPU available",
        "timed out after waiting 60 s, no worker available",
        "no server available to generate images",
        "server under maintenance",
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure, transport failure"
        " reason: delayed connect error: 111",  # Envoy; 111 is a connection refused
    ],
)
def test_who_was_not_there_began_nothing(said: str) -> None:
    assert type(told(RELAY, 503, said)) is RefusedError


@pytest.mark.parametrize(
    "reason",
    [
        "retried and the latest reset reason: connection failure, transport failure reason: delayed connect error: 111",
        "reset reason: connection termination",
        "reset reason: connection timeout",
    ],
)
def test_who_was_reached_may_have_begun(reason: str) -> None:
    said = f"upstream connect error or disconnect/reset before headers. {reason}"
    assert type(told(RELAY, 503, said)) is OutcomeUnknownError


@pytest.mark.parametrize(
    "said",
    [
        {"say": "HTTP 503"},
        {"note": "see the docs", "why": "upstream-timeout"},
        {"request": "a1b2c3", "x": "http-502"},
        {"exception": "java.lang.NullPointerException"},
        {"error": {"message": 'Generation timed out: {"message": "hello"}'}},
        {"error": {"message": "Error code: 502 - {'error': {'message': 'hello'}}"}},
        {"error": {"message": 'upstream connection reset by peer, body: {"message": "x"}'}},
    ],
)
def test_a_failure_among_other_words_may_have_been_billed(said: Any) -> None:
    assert type(told(RELAY, 400, said)) is OutcomeUnknownError


@pytest.mark.parametrize("status", [408, 500, 502, 503])
@pytest.mark.parametrize(
    "said",
    [
        # after another try
        "attempt 1: provider A returned 502; attempt 2: provider B: connection refused",
        "request failed after 3 retries: connect: connection refused",
        "all channels failed, last error: dial tcp 10.0.0.1:443: connect: connection refused",
        "unexpected EOF; dial tcp 1.2.3.4:80: connect: connection refused",
        "502 Bad Gateway; dial tcp 10.0.0.2:80: connect: connection refused",
        "reconnect failed: connect ECONNREFUSED 127.0.0.1:8188",
        "worker died: connection refused",
        # in what comes after the picture
        "moderation of the output failed: connection refused",
        "watermark service: dial tcp 10.0.0.3:80: connect: connection refused",
        "failed to deduct credits: dial tcp 10.0.0.2:80: connect: connection refused",
        "picture 2 of 4: connection refused",
        "\u56de\u8c03\u5931\u8d25: connect ECONNREFUSED 1.2.3.4:443",  # callback
        "\u67e5\u8be2\u4efb\u52a1\u5931\u8d25: dial tcp 1.2.3.4:443: connect: connection refused",  # look at a task
        "connection reset by peer; no healthy workers available",
        "unexpected EOF; server is busy",
        "no image was returned; no capacity",
        "provider returned 502; service is not ready",
        "ran out of memory; model is loading",
        "worker died; no available server",
        "Model requires more memory to decode the latents",
        "invalid value for 'b64_json' in upstream response",
        "Error parsing input of the postprocessor",
        "Picture done, failed to load the upscaler model",
        "Upload service not ready",
        "the result bucket is being provisioned, no capacity",
        "sd-cli command exited prematurely with code 137",
        # of a place where no pictures are made
        "connect ECONNREFUSED 127.0.0.1:6379",
        "localhost:27017: [Errno 111] Connection refused",
        "dial tcp: lookup oss-cn-hangzhou.aliyuncs.com: no such host",
        "getaddrinfo ENOTFOUND cdn.example.com",
        'Post "https://hooks.example/v1/notify": dial tcp 1.2.3.4:443: connect: connection refused',
        'Patch "https://x.example/v1/tasks/1": dial tcp 1.2.3.4:443: connect: connection refused',
        "HTTPConnectionPool(host='comfyui', port=8188): Max retries exceeded with url: /history/3f2a (Caused by"
        " NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused'))",
    ],
)
def test_nobody_there_is_free_only_where_nothing_else_is_said(status: int, said: str) -> None:
    assert type(told(RELAY, status, said)) is OutcomeUnknownError


@pytest.mark.parametrize("shown", [500, 60])
@pytest.mark.parametrize("status", ["500 Internal Server Error", "200 OK"])
def test_the_prompt_said_back_makes_no_other_error(server: WireServer, status: str, shown: int) -> None:
    """Whole, or as much of it as the service shows: else what may have been billed is told as a refusal."""
    prompt = "A poster against the content policy of a bank: no nsfw, insufficient credits, queue is full"
    server.script(plain(json.dumps({"error": f"timeout: generating '{prompt[:shown]}'"}).encode(), status=status))
    with pytest.raises(OutcomeUnknownError, match="A poster against the content policy"):
        node(prompt=prompt)


@pytest.mark.parametrize("said", [None, {"created": 1, "status": "notRunning"}])
@pytest.mark.parametrize("header", ["location", "operation-location", "azure-asyncoperation"])
def test_a_task_that_only_a_header_names_is_told(said: Any, header: str) -> None:
    """As Azure does, and whoever answers 202 with a place to ask at; what may be a key to it is not shown."""
    found = told(AZURE, 202, said, {header: "https://x.invalid/operations/f1?sig=secret"})
    assert type(found) is BadAnswerError
    assert "look there for the task https://x.invalid/operations/f1." in str(found)


def lines(*said: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in said)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WireServer]:
    with openai_wire(monkeypatch) as started:
        yield started


FIRST, SECOND = {"b64_json": text(RED)}, {"b64_json": text(BLUE)}
TWO: dict[str, bytes] = {
    "a line each": lines({"data": [FIRST]}, {"data": [SECOND]}),
    "a line each, without a list": lines(FIRST, SECOND),
    "a line each, marked as the last": lines(
        *({"type": "image_generation.completed", **each} for each in (FIRST, SECOND))
    ),
    "lines that tell of all again": lines({"data": [FIRST]}, {"data": [FIRST, SECOND]}),
    "addresses in one text": json.dumps({"data": [{"url": "{base}/a.png,{base}/b.png"}]}).encode(),
    "addresses in lines": json.dumps({"data": "{base}/a.png\n{base}/b.png"}).encode(),
}


@pytest.mark.parametrize("name", TWO)
def test_all_pictures_that_were_asked_for_are_had(server: WireServer, name: str) -> None:
    """Also where each is told by itself, without the form of events."""
    server.file("/a.png", plain(RED))
    server.file("/b.png", plain(BLUE))
    server.script(plain(TWO[name].replace(b"{base}", server.base_url.removesuffix("/v1").encode())))
    for _ in range(2):
        image, _, _ = node(n=2)
        assert [each[0, 0].argmax().item() for each in image] == [0, 2]
    assert server.posts == 1


def test_requests_go_out_under_the_packs_own_name(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Firewalls refuse the names of libraries; one that wants another name yet gets it from the connection."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(tmp_path))
    entry = {"base_url": server.base_url, "key": KEY, "headers": {"user-agent": "curl/8.7.1"}}
    (tmp_path / "connections.json").write_text(json.dumps({"connections": {"relay": entry}}))
    (tmp_path / "connections.json").chmod(0o600)
    server.file("/a.png", plain(RED))
    address = f"{server.base_url.removesuffix('/v1')}/a.png"
    for seed, name in enumerate(("openai", "relay")):
        server.script(plain(json.dumps({"data": [{"url": address}]}).encode()))
        node(connection=name, seed=seed)
    names = [re.findall(rb"(?im)^user-agent: (.*)\r", head) for head in (*server.heads, *server.gets)]
    own = b"openai-image-nodes"
    assert names == [[own], [b"curl/8.7.1"], [own], [own]]


def test_of_one_that_was_asked_for_the_last_line_counts(server: WireServer) -> None:
    """Lines of progress come before it, whatever they are called."""
    server.script(plain(lines(SECOND, FIRST)))
    image, _, _ = node()
    assert len(image) == 1
    assert image[0, 0, 0].argmax() == 0


def test_a_place_that_is_a_picture_is_fetched(server: WireServer) -> None:
    """An answer without content may say in its head where the picture is."""
    server.file("/media/abc.png?sig=1", plain(RED))
    server.script(plain(b"", "Location: /media/abc.png?sig=1", status="201 Created"))
    image, _, _ = node()
    assert image[0, 0, 0].argmax() == 0


def test_a_picture_in_a_stream_that_an_error_quotes_is_had(server: WireServer) -> None:
    """LiteLLM asks for the stream of an edit, cannot read it, and tells all of it in the words of a 500."""
    stream = "".join(
        f"event: image_edit.{kind}\ndata: {json.dumps({'type': f'image_edit.{kind}', **shown})}\n\n"
        for kind, shown in (("partial_image", {**SECOND, "partial_image_index": 0}), ("completed", FIRST))
    )
    said = f"litellm.APIError: APIError: OpenAIException - {stream}\n\nLiteLLM: model group 'm' failed."
    body = json.dumps({"error": {"message": said, "type": "internal_server_error", "code": "500"}}).encode()
    server.script(plain(body, status="500 Internal Server Error"))
    for _ in range(2):
        image, _, _ = node(image=photo(), live_preview=1)
        assert len(image) == 1
        assert image[0, 0, 0].argmax() == 0
    assert server.posts == 1


@pytest.mark.parametrize(("live_preview", "is_hint"), [(1, True), (0, False)])
def test_a_stream_that_a_gateway_cannot_read_is_told_with_what_to_do(
    server: WireServer, live_preview: int, *, is_hint: bool
) -> None:
    """LiteLLM says the same of a web page, where no stream was asked for."""
    said = "litellm.APIConnectionError: OpenAIException - 'str' object has no attribute 'model_dump'"
    server.script(plain(json.dumps({"error": {"message": said, "code": "500"}}).encode(), status="500 Error"))
    with pytest.raises(OutcomeUnknownError, match="may have been billed") as failed:
        node(live_preview=live_preview)
    assert ("Set live_preview to 0" in str(failed.value)) is is_hint


def test_tokens_of_none_are_no_price(server: WireServer) -> None:
    """LiteLLM writes zeros where the server behind it told nothing: what it cost is not known then."""
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    server.script(plain(json.dumps({"data": [FIRST], "usage": usage}).encode()))
    _, _, report = node()
    assert report["cost_usd"] is None


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("drawn", [None, {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110}])
def test_tokens_of_the_model_that_has_it_drawn_are_no_price(
    server: WireServer, drawn: dict[str, int] | None, *, is_stream: bool
) -> None:
    """Only those of the model that draws are: OpenAI's Responses API tells of both."""
    call = {"type": "image_generation_call", "status": "completed", "result": FIRST["b64_json"]}
    said = {"object": "response", "output": [call], "usage": {"input_tokens": 2000, "output_tokens": 50}}
    said["tool_usage"] = {"image_gen": drawn} if drawn else {}
    event = b"data: " + json.dumps({"type": "response.completed", "response": said}).encode() + b"\n\n"
    server.script(chunked(event) if is_stream else plain(json.dumps(said).encode()))
    _, _, report = node()
    assert (report["tokens"] or {}).get("output_tokens") == (drawn or {}).get("output_tokens")
    assert (report["cost_usd"] is None) == (drawn is None)


def test_what_a_stream_says_of_its_failed_end_is_told(server: WireServer) -> None:
    """Not that the connection was lost, which it was not."""
    inner = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}, "output": []}
    event = json.dumps({"type": "response.incomplete", "response": inner}).encode()
    server.script(chunked(b"data: " + event + b"\n\n"), CLOSE)
    with pytest.raises(ModeratedError, match="content_filter"):
        node()


def test_what_a_stream_says_in_place_of_a_picture_is_told(server: WireServer) -> None:
    """A model that declines in words ends its stream as one that draws; nothing was lost on the way."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "I would rather not."}]}
    event = {"type": "response.completed", "response": {"status": "completed", "output": [message]}}
    server.script(chunked(b"data: " + json.dumps(event).encode() + b"\n\n", b"data: [DONE]\n\n"))
    with pytest.raises(BadAnswerError, match="I would rather not"):
        node(live_preview=1)


ZSTD, BROTLI = b"\x28\xb5\x2f\xfd" + bytes(range(40)), b"\x5b\x02\x80{}" + bytes(each * 37 % 256 for each in range(300))


@pytest.mark.parametrize(
    ("body", "headers", "packing"),
    [(ZSTD, ("Content-Encoding: gzip, zstd",), "zstd"), (ZSTD, (), "zstd"), (BROTLI, ("Content-Encoding: BR",), "br")],
    ids=["labelled", "unlabelled", "with what looks like JSON"],
)
def test_a_packing_that_is_not_unpacked_is_named(
    server: WireServer, body: bytes, headers: tuple[str, ...], packing: str
) -> None:
    """By its label or by how it begins; the bytes are kept as they came, and nothing is read out of them."""
    server.script(plain(body, *headers))
    with pytest.raises(BadAnswerError, match=rf"packed by {packing}, .* kept file\)") as told:
        node()
    kept = re.search(r"kept in (\S+)\.", str(told.value))
    assert kept is not None
    assert body in [each.read_bytes() for each in Path(kept[1]).iterdir()]


def test_json_under_base64_is_read_at_once(server: WireServer) -> None:
    """Not only by the next run."""
    inner = json.dumps({"data": [FIRST]}).encode()
    server.script(plain(json.dumps({"data": [{"b64_json": text(inner)}]}).encode()))
    image, _, _ = node()
    assert image[0, 0, 0].argmax() == 0


DONE = {"data": [FIRST]}
BEGUN: dict[str, tuple[bytes, dict[str, list[Any]]]] = {
    "luma": (
        b'{"id": "t1", "state": "queued", "assets": null}',
        {"/v1/generations/t1": [{"id": "t1", "state": "completed", "assets": {"image": "/v1/a.png"}}]},
    ),
    "runpod": (
        b'{"id": "t1-u1", "status": "IN_QUEUE"}',
        {"/v1/status/t1-u1": [{"id": "t1-u1", "status": "COMPLETED", "output": {"image_url": "/v1/a.png"}}]},
    ),
    "piapi": (
        b'{"code": 200, "data": {"task_id": "t1", "status": "pending", "error": {"code": 0}}, "message": "success"}',
        {"/v1/task/t1": [{"data": {"task_id": "t1", "status": "completed", "output": {"image_url": "/v1/a.png"}}}]},
    ),
    "kie": (
        b'{"code": 200, "msg": "success", "data": {"taskId": "t1"}}',
        {
            "/v1/jobs/recordInfo?taskId=t1": [
                {"code": 200, "data": {"taskId": "t1", "state": "waiting"}},
                {"data": {"taskId": "t1", "state": "success", "resultJson": '{"resultUrls": ["BASE/v1/a.png"]}'}},
            ]
        },
    ),
    "vidu": (
        b'{"task_id": "t1", "state": "created", "credits": 4}',
        {"/v1/tasks/t1/creations": [{"id": "t1", "state": "success", "creations": [{"url": "/v1/a.png"}]}]},
    ),
    "novita": (
        b'{"task_id": "t1"}',
        {
            "/v1/async/task-result?task_id=t1": [
                {"task": {"task_id": "t1", "status": "TASK_STATUS_PROCESSING"}, "images": []},
                {"task": {"task_id": "t1", "status": "TASK_STATUS_SUCCEED"}, "images": [{"image_url": "/v1/a.png"}]},
            ]
        },
    ),
    "an id below the pictures, and a place told there": (
        b'{"id": "t1", "object": "image", "status": "queued"}',
        {
            "/v1/images/t1": [{"id": "t1", "status": "completed", "result_url": "/v1/result/9"}],
            "/v1/result/9": [{"id": "t1", "data": [{"url": "/v1/a.png"}]}],
        },
    ),
    "a place in the answer": (
        b'{"task": {"id": "t1", "status": "pending", "status_url": "/v1/jobs/t1"}}',
        {"/v1/jobs/t1": [{"status": "processing"}, {"status": "completed", "result": DONE}]},
    ),
    "where a service tells of its tasks": (
        b'{"task_info": {"id": "t1", "status": "pending"}}',
        {"/v1/images/generations/t1": [{"task_info": {"id": "t1", "status": "completed"}, "images": ["/v1/a.png"]}]},
    ),
    "a place in a header": (b"", {"/v1/jobs/9": [{"status": "running"}, DONE]}),
    "an id alone": (
        b'{"code": 200, "data": [{"status": "submitted", "task_id": "task_01"}]}',
        {"/v1/tasks/task_01": [{"code": 200, "data": {"status": "SUCCESS", "images": [FIRST]}}]},
    ),
    "the path of the request": (
        b'{"id": "task_img_01", "object": "generation.task", "status": "queued"}',
        {"/v1/images/generations/task_img_01": [{"status": "completed", "data": [FIRST]}]},
    ),
    "a state and then a result": (
        b'{"status": "IN_QUEUE", "request_id": "r", "response_url": "/v1/r", "status_url": "/v1/r/status"}',
        {"/v1/r/status": [{"status": "COMPLETED", "response_url": "/v1/r"}], "/v1/r": [{"images": [FIRST]}]},
    ),
    "a look that fails as tasks do": (
        b'{"status": "queued", "id": "t1", "urls": {"get": "/v1/t1"}}',
        {"/v1/t1": [{"status": "error", "message": "Too many requests"}, {"status": "succeeded", "output": [FIRST]}]},
    ),
    "a look that succeeded around a task that has not": (
        b'{"status": "success", "data": {"task_id": "t1", "status": "queued"}}',
        {
            "/v1/tasks/t1": [
                {"status": "success", "data": {"status": "running"}},
                {},
                {"data": {"status": "SUCCEED", "output_images": [FIRST["b64_json"]]}},
            ]
        },
    ),
    "an end before its picture": (
        b'{"id": "t1", "status": "queued", "poll_url": "/v1/t1"}',
        {
            "/v1/t1": [
                {"id": "t1", "status": "completed", "results": []},
                {"id": "t1", "status": "completed", "results": [FIRST]},
            ]
        },
    ),
    "a state that nobody knows": (
        b'{"id": "t1", "status": "queued", "poll_url": "/v1/t1"}',
        {
            "/v1/t1": [
                {"status": "warming", "image": SECOND["b64_json"]},
                {"status": "completed", "image": FIRST["b64_json"]},
            ]
        },
    ),
    "events that tell of the task alone": (
        b'data: {"type": "task.created", "task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}\n\n',
        {"/v1/t1": [{"status": "completed", "image": FIRST["b64_json"]}]},
    ),
    "a place where a page is": (
        b'{"task_id": "t1"}',
        {
            "/v1/tasks/t1": [f'<html><script>{{"image": "{SECOND["b64_json"]}"}}</script></html>'],
            "/v1/images/tasks/t1": [{"status": "completed", "result": DONE}],
        },
    ),
    "a list of others' tasks": (
        b'{"task_id": "t1"}',
        {"/v1/tasks/t1": [{"data": [SECOND]}], "/v1/images/generations/t1": [{"id": "t1", "data": [FIRST]}]},
    ),
    "a part that failed": (
        b'{"id": "t1", "status": "queued"}',
        {
            "/v1/tasks/t1": [
                {"id": "t1", "status": "processing", "output": {"status": "failed"}},
                {"id": "t1", "status": "completed", "data": [{"status": "failed"}, FIRST]},
            ]
        },
    ),
    "a state of its own": (
        b'{"id": "t1", "state": "queued"}',
        {
            "/v1/tasks/t1": [
                *[{"id": "t1", "state": "dreaming"}] * 8,
                {"id": "t1", "state": "completed", "assets": {"image": "/v1/a.png"}},
            ]
        },
    ),
    "no state at all, and the sent picture beside the result": (
        b'{"code": 200, "data": {"taskId": "t1"}}',
        {
            "/v1/tasks/t1": [
                {"data": {"taskId": "t1", "response": None}},
                {
                    "data": {
                        "taskId": "t1",
                        "response": {"originImageUrl": "BASE/v1/b.png", "resultImageUrl": "BASE/v1/a.png"},
                    }
                },
            ]
        },
    ),
    "the address of what went out, and the result": (
        b'{"task_id": "t1"}',
        {"/v1/tasks/t1": [{"status": "completed", "image_url": "/v1/b.png", "output": {"url": "/v1/a.png"}}]},
    ),
    "what was generated": (
        b'{"data": {"generated": [], "task_id": "t1", "status": "CREATED"}}',
        {"/v1/tasks/t1": [{"data": {"generated": ["BASE/v1/a.png"], "task_id": "t1", "status": "COMPLETED"}}]},
    ),
    "json in a text": (
        b'{"code": 200, "data": {"taskId": "t1"}}',
        {
            "/v1/tasks/t1": [
                {
                    "code": 200,
                    "msg": "success",
                    "data": {
                        "taskId": "t1",
                        "state": "success",
                        "param": "{}",
                        "resultJson": json.dumps({"resultUrls": ["BASE/v1/a.png"]}),
                    },
                }
            ]
        },
    ),
    "a list of addresses": (
        b'{"code": 200, "data": [{"status": "submitted", "task_id": "t1"}]}',
        {
            "/v1/tasks/t1": [
                {
                    "code": 200,
                    "data": {
                        "id": "t1",
                        "status": "completed",
                        "progress": 100,
                        "result": {"images": [{"url": ["/v1/a.png"], "expires_at": 1}]},
                    },
                }
            ]
        },
    ),
    "midjourney-proxy": (
        b'{"code": 1, "description": "Submit success", "result": "1712205491372224"}',
        {
            "/mj/task/1712205491372224/fetch": [
                {"id": "1712205491372224", "status": "IN_PROGRESS", "imageUrl": "BASE/v1/b.png"},
                {"id": "1712205491372224", "status": "SUCCESS", "imageUrl": "BASE/v1/a.png"},
            ]
        },
    ),
    "a durable function of azure": (
        b'{"id": "t1", "statusQueryGetUri": "/v1/s/t1", "sendEventPostUri": "/v1/x", "terminatePostUri": "/v1/y"}',
        {
            "/v1/s/t1": [
                {"instanceId": "t1", "runtimeStatus": "Running"},
                {"instanceId": "t1", "runtimeStatus": "Completed", "output": {"url": "BASE/v1/a.png"}},
            ]
        },
    ),
    "places without a state": (
        b'{"request_id": "r1", "status_url": "/r1/status", "result_url": "/r1/result"}',
        {
            "/r1/status": [{"request_id": "r1", "status": "completed", "result_url": "/r1/result"}],
            "/r1/result": [{"request_id": "r1", "status": "succeeded", "outputs": {"9": {"images": [FIRST]}}}],
        },
    ),
    "no error": (
        b'{"task_id": "t1", "status": "queued", "error": {"code": 0, "message": "success"}}',
        {"/v1/tasks/t1": [{"task_id": "t1", "status": "completed", "data": [FIRST]}]},
    ),
    "an error beside it": (
        b'{"task_id": "t1", "status": "queued", "code": "slow", "message": "it waits", "error": {"message": "slow"}}',
        {"/v1/tasks/t1": [{"task_id": "t1", "status": "completed", "data": [FIRST]}]},
    ),
    "a placeholder in base64": (
        json.dumps({"status": "queued", "poll_url": "/v1/t1", "data": [SECOND]}).encode(),
        {"/v1/t1": [{"status": "processing", "data": [SECOND]}, {"status": "completed", "data": [FIRST]}]},
    ),
    "a placeholder until it is done": (
        b'{"id": "t1", "status": "queued", "data": [{"url": "/v1/b.png"}]}',
        {"/v1/tasks/t1": [{"id": "t1", "status": "completed", "data": [{"url": "/v1/a.png"}]}]},
    ),
    "its state where the picture is to be": (
        b'{"id": "t1", "status": "processing", "url": "/v1/status/t1"}',
        {
            "/v1/status/t1": [
                {"id": "t1", "status": "processing"},
                {"id": "t1", "status": "completed", "output": [FIRST]},
            ]
        },
    ),
    "a name that is its path": (
        b'{"name": "operations/t1", "done": false}',
        {"/v1/operations/t1": [{"name": "operations/t1", "done": False}, {"done": True, "response": FIRST}]},
    ),
    "states with a prefix": (
        b'{"task": {"task_uuid": "t1", "status": "TASK_STATUS_QUEUED"}}',
        {"/v1/tasks/t1": [{"task": {"task_id": "t1", "status": "TASK_STATUS_SUCCEED"}, "images": [FIRST]}]},
    ),
    "states in Chinese": (
        json.dumps({"task_id": "t1", "status": "排队中"}).encode(),
        {
            "/v1/tasks/t1": [
                {"task_id": "t1", "status": "生成中"},
                {"task_id": "t1", "status": "已完成", **FIRST},
            ]
        },
    ),
    "no more than the picture's address": (b'{"id": "t1", "status": "processing", "url": "/v1/a.png"}', {}),
    "a failure to look": (
        b'{"status": "queued", "id": "t1", "urls": {"get": "/v1/t1"}}',
        {"/v1/t1": [{"error": {"message": "internal"}}, {"status": "succeeded", "output": [FIRST]}]},
    ),
}


@pytest.mark.parametrize("name", BEGUN)
def test_a_task_is_asked_for_until_its_picture_is_there(server: WireServer, name: str) -> None:
    """Services that work asynchronously are paid when they begin; to look at a task costs nothing."""
    answer, files = BEGUN[name]
    headers = () if answer else ("Location: /v1/jobs/9",)
    server.script(plain(answer, *headers, status="202 Accepted"))
    for path, told in files.items():
        for each in told:
            said = each if isinstance(each, str) else json.dumps(each)
            server.file(path, plain(said.replace("BASE/v1", server.base_url).encode()))
    server.file("/v1/a.png", plain(RED))
    server.file("/v1/b.png", plain(BLUE))
    image, _, _ = node()
    assert image[:, 0, 0].argmax(-1).tolist() == [0]
    assert server.posts == 1
    assert KEY.encode() in server.gets[0]  # some tell who has none that there is no such task


def test_a_guessed_place_that_is_busy_and_then_named_the_task_may_give_its_picture_itself(server: WireServer) -> None:
    """What is busy is not elsewhere, and where the task was told of nothing else lies."""
    server.script(plain(b'{"id": "t1", "status": "queued"}'))
    server.file("/v1/tasks/t1", plain(b"slow down", status="429 Too Many Requests"))
    server.file("/v1/tasks/t1", plain(b'{"id": "t1", "status": "running"}'))
    server.file("/v1/tasks/t1", plain(RED))
    image, _, _ = node()
    assert image[:, 0, 0].argmax(-1).tolist() == [0]
    assert (server.posts, len(server.gets)) == (1, 3)


def test_a_task_that_is_not_known_at_once_is_asked_for_again_where_most_have_it(server: WireServer) -> None:
    """A queue tells of it later than it is begun: the next run had to ask, though the picture was there by then."""
    server.script(plain(b'{"id": "t1", "status": "queued"}'))
    server.file("/v1/tasks/t1", plain(b'{"error": "no such task"}', status="404 Not Found"))
    server.file("/v1/tasks/t1", plain(json.dumps({"id": "t1", "status": "completed", "data": [FIRST]}).encode()))
    image, _, _ = node()
    assert image[:, 0, 0].argmax(-1).tolist() == [0]
    assert server.posts == 1


def test_a_picture_at_the_port_of_a_container_is_fetched_at_the_port_before_it(server: WireServer) -> None:
    """It does not know that it is to be had at another of this machine's ports than it listens at."""
    with WireServer() as other:
        inside = other.base_url  # where nobody listens once it is closed
    server.script(plain(json.dumps({"data": [{"url": f"{inside}/a.png"}]}).encode()))
    server.file("/v1/a.png", plain(RED))
    image, _, _ = node()
    assert image[:, 0, 0].argmax(-1).tolist() == [0]
    assert KEY.encode() not in server.gets[0]


@pytest.mark.parametrize("said", [b"", b"Accepted", b'{"message": "still at it"}'])
def test_a_place_that_says_202_goes_on(server: WireServer, said: bytes) -> None:
    """However often, where no word says else; and half of a picture is none, where nobody told how much it is."""
    server.script(plain(b'{"id": "t1", "status": "queued", "poll_url": "/v1/t1"}'))
    for _ in range(9):
        server.file("/v1/t1", plain(said, status="202 Accepted"))
    server.file("/v1/t1", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + RED[:60], CLOSE)
    server.file("/v1/t1", plain(RED))
    image, _, _ = node()
    assert image[:, 0, 0].argmax(-1).tolist() == [0]
    assert (server.posts, len(server.gets)) == (1, 11)


@pytest.mark.parametrize("n", [1, 2])
def test_each_of_several_tasks_is_asked_for(server: WireServer, n: int) -> None:
    """Each was paid: where several pictures are asked for some begin a task for each of them, and some give more."""
    server.script(
        plain(json.dumps({"data": [{"task_id": each, "status": "queued"} for each in ("t1", "t2")]}).encode())
    )
    for task, told in (("t1", FIRST), ("t2", SECOND)):
        server.file(
            f"/v1/tasks/{task}", plain(json.dumps({"id": task, "status": "completed", "data": [told]}).encode())
        )
    _, _, report = node(n=n)
    assert report["n"] == 2


def test_several_tasks_are_waited_for_together(server: WireServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is waited for the others are worked on: each is asked for once at least, as many as there is room for.

    What came of the others is not withheld for good where one never ends.
    """
    named = [{"task_id": f"t{each}", "poll_url": f"/v1/t{each}"} for each in range(99)]
    server.script(plain(json.dumps({"data": named}).encode()))
    monkeypatch.setattr("openai_image_nodes.api.transport.tasks.TOTAL_S", 0.1)
    server.file("/v1/t0", 0.3, plain(b'{"id": "t0", "status": "running"}'))
    server.file("/v1/t1", plain(RED))
    with pytest.raises(BadAnswerError, match="the task t0"):
        node()
    assert len(server.gets) == MAX_PICTURES
    image, _, _ = node()
    assert (len(image), server.posts) == (1, 1)


def test_what_a_task_said_before_it_ended_is_not_followed(server: WireServer) -> None:
    """The last line says how it ended: the picture is fetched, and nothing else is asked for."""
    done = {"id": "t1", "status": "completed", "data": [{"url": "/v1/a.png"}]}
    server.script(plain(lines({"id": "t1", "status": "queued"}, done)))
    server.file("/v1/a.png", plain(RED))
    image, _, _ = node()
    assert image[0, 0, 0].argmax() == 0
    assert len(server.gets) == 1


def test_what_came_before_a_process_died_is_of_use_where_it_tells_of_a_task() -> None:
    """The task is begun and paid, and nothing else tells of it; events may tell of one on their way to the picture."""
    assert Reading(b'{"task_id": "t1", "status": "queued"}').is_worth_reading
    assert Reading(b'data: {"task_id": "t1", "status": "queued"}\n\n').is_worth_reading
    for half in (b'{"task_id": "t1", "sta', b'data: {"id": "r1", "status": "in_progress"}\n\n', b'{"id": "x"}', b""):
        assert not Reading(half).is_worth_reading


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize(
    "told",
    [
        plain(b'{"task_id": "t1", "status": "queued", "polling_url": "/v1/t1"}'),
        plain(b"", "Location: /v1/t1", status="202 Accepted"),
        plain(b'{"data": [{"url": "/v1/t1"}]}'),
    ],
    ids=["named", "in a header", "an address"],
)
def test_what_comes_later_is_had_by_the_next_run(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, told: bytes, *, is_killed: bool, reuse: bool
) -> None:
    """The answer that tells where is kept, and asked once more for nothing; with reuse off too, as the message says."""
    server.script(told)
    with monkeypatch.context() as patch:
        for name in ("tasks.fetched_once", "downloads.fetched_once") if is_killed else ():
            patch.setattr(f"openai_image_nodes.api.transport.{name}", killed)
        with pytest.raises(SystemExit if is_killed else BadAnswerError, match="/v1/t1"):
            node(reuse=reuse)
    server.file("/v1/t1", plain(json.dumps({"status": "Ready", "result": DONE}).encode()))
    image, _, _ = node(reuse=reuse)
    assert image[0, 0, 0].argmax() == 0
    assert server.posts == 1


def killed(address: str, *_arguments: Any, **_options: Any) -> bytes:
    """Leave all as a process that dies while it asks at an address."""
    raise SystemExit(address)


def test_picture_that_cannot_be_decoded_is_told_once_with_reuse_off(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next run asks again, also where the process ended in between."""
    broken = json.dumps({"data": [{"b64_json": base64.b64encode(RED[:40]).decode()}]}).encode()
    server.script(plain(broken))
    server.script(plain(json.dumps({"data": [FIRST]}).encode()))
    with pytest.raises(BadAnswerError, match="may have been billed"):
        node(reuse=False)
    monkeypatch.setattr("openai_image_nodes.api.backends.leases.INSTANCE", "another")
    node(reuse=False)
    assert server.posts == 2


@pytest.mark.parametrize("beside", [{"url": "/v1/b.png"}, SECOND], ids=["address", "base64"])
def test_while_a_task_goes_on_what_is_beside_it_is_no_picture(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, beside: dict[str, str]
) -> None:
    """It is a placeholder's: kept as the answer it would be the picture for ever, and the one that is paid be lost."""
    monkeypatch.setattr("openai_image_nodes.api.transport.tasks.TOTAL_S", 0.05)
    server.script(plain(json.dumps({"id": "t1", "status": "queued", "poll_url": "/v1/t1", "data": [beside]}).encode()))
    server.file("/v1/t1", plain(json.dumps({"id": "t1", "status": "processing", "data": [beside]}).encode()))
    server.file("/v1/b.png", plain(BLUE))
    with pytest.raises(BadAnswerError, match="the task t1"):
        node()


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_task_is_followed_although_the_line_broke_behind_it(server: WireServer, is_stream: bool) -> None:
    """It is begun and paid, and nothing else tells where it is."""
    said = b'{"task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}'
    server.script(chunked(b"data: %s\n\n" % said if is_stream else said, end=False), CLOSE)
    server.file("/v1/t1", plain(json.dumps({"task_id": "t1", "status": "completed", "data": [FIRST]}).encode()))
    image, _, _ = node()
    assert (image[0, 0, 0].argmax(), server.posts) == (0, 1)


@pytest.mark.parametrize(
    "said", [b'{"error": {"message": "too dull"}}', b'data: {"status": "failed", "msg": "too dull"}\n\n']
)
def test_a_refusal_is_told_although_the_line_broke_behind_it(server: WireServer, said: bytes) -> None:
    """It came whole, and the next run may ask again."""
    server.script(chunked(said, end=False), CLOSE)
    with pytest.raises(RefusedError, match="too dull"):
        node()


def test_a_task_that_failed_is_told_in_the_services_words(server: WireServer) -> None:
    """As a refusal, which the same run may ask for again."""
    server.script(plain(b'{"data": {"task_id": "t1", "status": "queued"}}'))
    server.file("/v1/tasks/t1", plain(b'{"data": {"task_id": "t1", "status": "failed", "fail_reason": "too dull"}}'))
    with pytest.raises(RefusedError, match="too dull"):
        node()


def test_a_look_that_is_refused_may_tell_of_a_task_that_failed(server: WireServer) -> None:
    """Some give it the status of a failure: it is not looked at until the time is up."""
    server.script(plain(b'{"task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}'))
    said = b'{"id": "t1", "status": "failed", "error": "too dull"}'
    server.file("/v1/t1", plain(said, status="422 Unprocessable Content"))
    with pytest.raises(RefusedError, match="too dull"):
        node()
    assert len(server.gets) == 1


def test_a_look_that_fails_does_not_end_its_task(server: WireServer) -> None:
    """It names the task that it could not look at, which may be made all the same."""
    server.script(plain(b'{"task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}'))
    said = b'{"id": "t1", "status": "failed", "message": "database is locked"}'
    server.file("/v1/t1", plain(said, status="500 Oops"))
    with pytest.raises(BadAnswerError, match="the task t1"):
        node()


def test_no_password_in_the_place_of_a_task_is_told(server: WireServer) -> None:
    """Nor is such a place asked."""
    server.script(plain(b'{"id": "t1", "status": "queued", "status_url": "//u:hunter2@127.0.0.1/t1?sig=hunter2"}'))
    with pytest.raises(BadAnswerError, match="the task t1") as told:
        node()
    assert "hunter2" not in str(told.value)
    assert not server.gets


@pytest.mark.parametrize("is_redirected", [False, True])
def test_the_key_is_told_to_no_other_host_that_a_task_names(server: WireServer, is_redirected: bool) -> None:
    """Only the connection's own origin gets it, and only where it asks for one."""
    with WireServer() as other:
        other.file("/t1", plain(b'{"detail": "who are you"}', status="401 Unauthorized"))
        place = f"{other.base_url.removesuffix('/v1')}/t1"
        server.file("/v1/t1", plain(b"", f"Location: {place}", status="302 Found"))
        told = "/v1/t1" if is_redirected else place
        server.script(plain(json.dumps({"id": "t1", "status": "queued", "polling_url": told}).encode()))
        with pytest.raises(BadAnswerError, match="the task t1"):
            node()
        assert other.gets
        assert KEY.encode() not in b"".join(other.gets)


FAILURES = {
    "as one too many": {"data": {"task_id": "t1", "status": "failed", "code": 429, "message": "rate limit"}},
    "overloaded": {"id": "t1", "status": "FAILURE", "failReason": "The server is overloaded, try again in 1 s"},
    "moderated": {"id": "t1", "status": "Content Moderated"},
    "as completed": {"id": "t1", "status": "COMPLETED", "error": "it went wrong"},
    "without a reason": {"id": "t1", "state": "fail"},
}


@pytest.mark.parametrize("name", FAILURES)
def test_no_other_task_is_begun_by_itself_when_one_failed(server: WireServer, name: str) -> None:
    """The work was begun, and may be billed: whatever the failure is called, a person decides."""
    server.script(plain(b'{"data": {"task_id": "t1", "status": "queued"}}'))
    server.file("/v1/tasks/t1", plain(json.dumps(FAILURES[name]).encode()))
    with pytest.raises(OpenAIImageError) as told:
        node()
    assert not isinstance(told.value, BadAnswerError)
    assert server.posts == 1


@pytest.mark.parametrize("said", ["Too many requests", "internal error"])
def test_a_failure_that_names_no_task_is_one_of_the_look(server: WireServer, said: str) -> None:
    """The task may still run: what was begun is kept, and the next run asks for it again."""
    server.script(plain(b'{"task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}'))
    server.file("/v1/t1", plain(json.dumps({"status": "error", "message": said}).encode()))
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="the task t1"):
            node()
    assert server.posts == 1


def test_a_task_that_failed_meanwhile_is_told_by_the_next_run(server: WireServer) -> None:
    """Else it would be waited for at every run."""
    server.script(plain(b'{"task_id": "t1", "status": "queued", "poll_url": "/v1/t1"}'))
    with pytest.raises(BadAnswerError, match="the task t1"):
        node()
    server.file("/v1/t1", plain(b'{"id": "t1", "status": "failed", "error": {"message": "too dull"}}'))
    with pytest.raises(BadAnswerError, match="too dull"):
        node()
    assert server.posts == 1


class DiedError(BaseException):
    """The process ended in the middle."""


@pytest.mark.parametrize("answer", [b"", b'{"task_id": "t1", "status": "queued"}'], ids=["header", "answer"])
def test_a_task_outlives_the_process_that_began_it(
    server: WireServer, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """What names it is on the disk before it is looked at: the next run looks on, and begins no other."""

    def die(*_args: object, **_options: object) -> bytes:
        raise DiedError

    server.script(plain(answer, "Location: /v1/t1", status="202 Accepted"))
    with monkeypatch.context() as patched:
        patched.setattr("openai_image_nodes.api.transport.tasks.fetched_once", die)
        with pytest.raises(DiedError):
            node()
    server.file("/v1/t1", plain(json.dumps(DONE).encode()))
    image, _, _ = node()
    assert image[0, 0, 0].argmax() == 0
    assert server.posts == 1


@pytest.mark.parametrize("live_preview", [0, 2])
def test_a_gateway_that_gave_up_on_a_stream_is_not_answered_by_a_stream(server: WireServer, live_preview: int) -> None:
    """To set live_preview is of use only where it was not."""
    server.script(plain(b"upstream request timeout", "Content-Type: text/plain", status="504 Gateway Timeout"))
    with pytest.raises(OutcomeUnknownError) as caught:
        node(live_preview=live_preview)
    assert ("set live_preview to 1" in str(caught.value)) is not bool(live_preview)
    assert "ask for less at once" in str(caught.value)
