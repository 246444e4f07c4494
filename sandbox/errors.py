"""The refusals of the service, in its own words where a source has them, and their form on the wire.

Sources: docs/service.md, "Errors"; openai-ruby #311 and jezs00/pycasso #72 (files); Comfy-Org/ComfyUI #8430 (image
mode); recorded answers with `invalid_mask_image_format`. What the catalog decides is worded by
`api.catalog.validation`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from ..api.errors import RefusedError

# Faults of the pictures and of what is asked of them have a type of their own (docs/service.md, "Errors").
USER_ERROR_CODES = frozenset({"invalid_image_file", "invalid_mask_image_format", "moderation_blocked"})


def refused(message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> RefusedError:
    """Return a refusal; the status is 400 unless said otherwise."""
    return RefusedError(message, param=param, code=code, status=status)


def server_error(what: str = "request") -> RefusedError:
    """Return the failure of the service itself."""
    return refused(f"The server had an error while processing your {what}.", status=500)


def unknown(param: str) -> RefusedError:
    """Return the refusal of a field that the endpoint does not have."""
    return refused(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def refuse_unknown(sent: Iterable[str], known: Container[str], *, within: str = "") -> None:
    """Refuse the first field that the endpoint does not have; `within` is the name of what they stand in, and a dot.

    Raises: RefusedError.
    """
    for name in sent:
        if name not in known:
            raise unknown(f"{within}{name}")


def missing(param: str) -> RefusedError:
    """Return the refusal of a request without a field that it needs."""
    return refused(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, got: str) -> RefusedError:
    """Return the refusal of a value of another JSON type."""
    message = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return refused(message, param=param, code="invalid_type")


def repeated(param: str) -> RefusedError:
    """Return the refusal of a field that came twice."""
    message = (
        f"Duplicate parameter: '{param}'. You provided multiple values for this parameter, whereas only one is allowed."
    )
    return refused(message, param=param, code="duplicate_parameter")


def invalid(param: str, message: str) -> RefusedError:
    """Return the refusal of a value that the field does not take."""
    return refused(message, param=param, code="invalid_value")


def not_one_of(param: str, got: object, values: Sequence[str]) -> RefusedError:
    """Return the refusal of a value outside a closed set."""
    return invalid(param, f"Invalid value: '{got}'. Supported values are: {_listed(values)}.")


def too_long(param: str, limits: str) -> RefusedError:
    """Return the refusal of a text by its length."""
    return refused(f"Invalid '{param}': string too long. {limits}", param=param, code="string_above_max_length")


def unparsable(what: str) -> RefusedError:
    """Return the refusal of a body that is not what its content type says."""
    return refused(f"We could not parse the {what} body of your request.")


def content_type(got: str, *accepted: str) -> RefusedError:
    """Return the refusal of a body of another kind."""
    message = f"Unsupported content type: '{got}'. This API method only accepts {_listed(accepted)} requests."
    return refused(message, code="unsupported_content_type")


def mimetype(param: str, got: str, accepted: Sequence[str]) -> RefusedError:
    """Return the refusal of a file part by its content type."""
    message = f"Invalid file '{param}': unsupported mimetype ('{got}'). Supported file formats are {_listed(accepted)}."
    return refused(message, param=param, code="unsupported_file_mimetype")


def no_mimetype(param: str) -> RefusedError:
    """Return the refusal of a file part that names no content type."""
    message = (
        f"Invalid file '{param}': failed to determine mimetype. Ensure you are providing the file's mimetype as part of"
        " the 'Content-Type' header."
    )
    return refused(message, param=param, code="missing_file_mimetype")


def too_large(param: str, size: int, limit: int) -> RefusedError:
    """Return the refusal of a file by its length in bytes."""
    message = f"Invalid file '{param}': {size:,} bytes, the maximum is {limit:,} bytes."
    return refused(message, param=param, code="file_too_large")


def unreadable(param: str, number: int) -> RefusedError:
    """Return the refusal of a file that is no image; `number` counts from 1."""
    message = f"Invalid image file or mode for image {number}, please check your image file."
    return refused(message, param=param, code="invalid_image_file")


def bad_mask(why: str) -> RefusedError:
    """Return the refusal of a mask for its format or size."""
    return refused(f"Invalid mask image format - {why}", param="mask", code="invalid_mask_image_format")


def no_model(model: str) -> RefusedError:
    """Return the refusal of a model that is not there."""
    message = f"The model `{model}` does not exist or you do not have access to it."
    return refused(message, param="model", code="model_not_found", status=404)


def status_of(error: RefusedError) -> int:
    """Return the HTTP status: the error's own, 404 for a model that is not there, else 400."""
    return error.status or (404 if error.code == "model_not_found" else 400)


def on_the_wire(error: RefusedError) -> dict[str, Any]:
    """Return the JSON that the service sends for a refusal."""
    of_pictures = error.code in USER_ERROR_CODES or (error.code, error.param) == ("invalid_value", "background")
    kind = "image_generation_user_error" if of_pictures else "invalid_request_error"
    return shape(str(error), "server_error" if status_of(error) >= 500 else kind, error.param, error.code)


def shape(message: str, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return an error object in the service's shape (OAS Error: all four are always there)."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _listed(values: Sequence[str]) -> str:
    """Return "'a', 'b', and 'c'", as the service lists."""
    *others, last = (f"'{value}'" for value in values)
    return ", ".join(others) + (", and " if others[1:] else " and " if others else "") + last
