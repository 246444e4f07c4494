"""What can go wrong with a call, sorted by what the person at the canvas should do next."""

from __future__ import annotations

import re
from typing import Any

SHOWN_MAX_CHARS = 10_000
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # by a terminal, or by nothing that prints
# what to do where nobody knows whether a request was billed, in every message about one
RUN_ANYWAY = "To run it anyway (you may pay twice), switch reuse off or change the seed."


def store_fault(exc: OSError) -> str:
    """Return what to say of a disk that does not do what is asked of it."""
    return f"The store cannot be read or written: {exc.strerror or exc}. Check its disk and rights."


def visible(text: str, max_chars: int = SHOWN_MAX_CHARS) -> str:
    """Return a text without what a terminal obeys: a workflow, a list or a service may have written it.

    Of a very long one the middle is left out.
    """
    half = max_chars // 2
    return OBEYED.sub("?", text if len(text) <= max_chars else f"{text[:half]} ... {text[-half:]}")


class OpenAIImageError(Exception):
    """Base of all errors of this pack; the message never holds a key, nor what a terminal obeys.

    Attributes: `status` (HTTP, None if nothing was answered), `code` and `param` (the service's own words)
    and `request_id` (what the service's support asks for). `retry_after_s` is the wait that the service asks for,
    `replayed` tells that a service with idempotency gave an old failure again, `key_is_spent` that its key is of no
    more use, `may_be_billed` that the work was begun all the same; not `may_retry`: the service itself says that
    asking again is in vain.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        replayed: bool = False,
        key_is_spent: bool = False,
        may_be_billed: bool = False,
        may_retry: bool = True,
    ) -> None:
        super().__init__(visible(message))
        self.status = status
        self.code = code
        self.param = param
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.replayed = replayed
        self.key_is_spent = key_is_spent
        self.may_be_billed = may_be_billed
        self.may_retry = may_retry


class RefusedError(OpenAIImageError):
    """The request cannot be made as it is; nothing was paid. Change the input that the message names."""


class NoKeyError(OpenAIImageError):
    """No key, a wrong key, or an account without access; nothing was paid. Fix the connection."""


class ModeratedError(OpenAIImageError):
    """The safety system refused the prompt or a picture. Change them; asking again will not help."""


class RateLimitError(OpenAIImageError):
    """Too many requests for this account at the moment; nothing was paid. Run again later."""


class OutOfCreditError(OpenAIImageError):
    """Quota, credits or a spend limit is used up; nothing was paid. Add credit or raise the limit."""


class LargeSumError(RefusedError):
    """The run may cost more than somebody wants to be asked about first; nothing of it was sent. Say yes, or not."""


class ServiceDownError(OpenAIImageError):
    """The service could not be reached or answered with a failure of its own; nothing was paid."""


class OutcomeUnknownError(OpenAIImageError):
    """The request went out and no answer came back: it may have been billed. It is not sent again by itself."""


class StillRunningError(OpenAIImageError):
    """The service is still working on this request, sent before under the same idempotency key."""


class SharedStoreError(OpenAIImageError):
    """The store that machines share cannot be used, so nobody knows who else asks; nothing was sent. Fix the store."""


class BadAnswerError(OpenAIImageError):
    """The service answered, and may have billed, but the answer holds no picture that can be read.

    `fault` is what is wrong with it, without the connection and without what to do.
    """

    def __init__(self, message: str, *, fault: str | None = None, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.fault = fault or message


# ComfyUI shows `module.qualname` of an exception, and our module name is a path of the user's disk.
for _error in [OpenAIImageError, *OpenAIImageError.__subclasses__(), LargeSumError]:
    _error.__module__ = "openai_image_nodes"
