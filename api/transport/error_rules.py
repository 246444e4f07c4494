"""What the answers of services and gateways mean: one table, each line an error, what happened and what to do next."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from ..connections.connection import Connection
from ..errors import (
    RUN_ANYWAY,
    ModeratedError,
    NoKeyError,
    OpenAIImageError,
    OutcomeUnknownError,
    OutOfCreditError,
    RateLimitError,
    RefusedError,
    ServiceDownError,
    StillRunningError,
)
from . import begun_words as begun
from . import nobody_words as nobody
from . import refusal_words as refusal
from .service_words import ServiceWords

SPENT_KEY_CODES = ("idempotency_consumed", "idempotency_mismatch")
KINDS = ("openai", "azure", "comfy.org", "compatible", "sandbox")
RELAYS = ("compatible", "azure")  # what may pass requests on to others
ANY = range(100, 1000)
SUCCESS, REFUSALS, FAILURES = range(200, 300), range(400, 500), range(500, 1000)
BUSY_STATUSES = (*SUCCESS, *REFUSALS)
UNCLEAR = {*SUCCESS, 400, 408, 409, 422, 424, *FAILURES}  # that by themselves say nothing of money or of too many
PAY_AGAIN_ADVICE = f"Look at the usage page of your account first. {RUN_ANYWAY}"


@dataclass(frozen=True)
class Rule:
    """What an answer means: an error, what happened and what to do next; it holds where all that it names fits.

    `codes` is looked for in the service's codes and types, `words` in its message or its web page, both in lower case;
    `unless` are words that must not stand beside `words`;
    `page` asks whether it is a web page: without it words are looked for in what is none, with "either" in both;
    `at_openai` whether OpenAI itself answers, `redirects` whether it names another address. The texts may name {name}
    (the connection), {subject}, {billed}, {unknown}, {key}, {credit}, {address}, {setting}, {version}, {sent},
    {target}, {multipart}, {form}, {whole}, {leave_out}, {change}, {add_field}, {gave_up} and {no_sketches}.
    """

    error: type[OpenAIImageError]
    happened: str
    advice: str
    statuses: Container[int] = ANY
    codes: str = ""
    words: str = ""
    unless: str | None = None
    from_service: bool | None = None
    at_openai: bool | None = None
    kinds: Container[str] = KINDS
    page: bool | Literal["either"] | None = None
    redirects: bool | None = None

    def holds(self, status: int, said: ServiceWords, connection: Connection, *, redirects: bool = False) -> bool:
        """Tell whether this is what an answer means; `redirects` tells that it names another address."""
        page = False if self.page is None and self.words else self.page
        told = (said.page or said.message).lower()
        return (
            status in self.statuses
            and self.redirects in (None, redirects)
            and connection.kind in self.kinds
            and page in (None, "either", bool(said.page))
            and self.at_openai in (None, connection.is_openai)
            and self.from_service in (None, said.from_service)
            and re.search(self.codes, f"{said.code or ''} {said.type or ''} {said.codes}".lower()) is not None
            and re.search(self.words, told) is not None
            and (self.unless is None or re.search(self.unless, told) is None)
        )


FLAGGED = "Your request was flagged by our content moderation system ({name})"  # gets a card of its own in ComfyUI
CHANGE_IT = "Change the prompt or the pictures; asking again will not help."
USED_UP = "{name}: quota, credit or a spend limit is used up"
RAISE_KEY_LIMIT = (
    "The limit of this key is used up, not the account's: raise it where the key was made, or use another key."
)
ASK_FOR_ACCESS = (
    "Ask the owner of the account for access to {subject} (OpenAI may first want the organization verified), or choose"
    " another model."
)
VERIFY = "Verify the organization in the settings of your OpenAI account (it takes a while), or choose another model."
NO_ACCESS = "{name}: this account has no access to {subject}"
NOT_THERE = (
    "It is a matter of where you are, not of the key: use a service that is offered there, such as another connection."
)
FILTERED = "{name}: a filter on the way did not let the request through"
ASK_ABOUT_FILTER = (
    "The key may be right: a firewall, a VPN, a proxy or the protection in front of the service refuses this machine."
    " Try another network, or ask who runs the service; the address is from {setting}."
)
LIMITED_KEY = (
    "Give the key the right to make pictures where it was made (its permissions or scopes), or use another key."
)
GAVE_UP_ADVICE = (
    "The picture took longer than the gateway waits: set live_preview to 1 or more (a stream keeps it open), or ask for"
    " less at once (lower quality, smaller size, n 1)."
)
NOT_IN_PARTS = "{name}: the service does not send sketches"
UNVERIFIED = "{name}: the organization is not verified"
NO_SKETCHES = "Set live_preview to 0 and run again."
LESS_AT_ONCE = (  # where nothing is streamed
    "The picture was too much for the gateway: ask for less at once (lower quality, smaller size, n 1)."
)
TOO_LARGE = "{name}: the request is too large{sent}"
TOO_MANY = "{name}: too many requests at the moment"
WAIT_A_LITTLE = "Wait a little and run again."
REFUSED = "{name}: the service refused the request"
CHANGE_WHAT_IT_NAMES = "Change what it names and run again."
MAKE_IT_SMALLER = (
    "Connect fewer or smaller pictures{multipart}, or shorten the prompt. The limit may be that of a gateway before the"
    " service."
)
LONG_HEADERS = "{name}: the headers of the request are too large"
SHORTEN_KEY = 'Look whether the key or "headers" of {name} in connections.json hold more than they should.'
NO_REASON = "{name}: the service refused the request and gave no reason"
ASK_WHO_RUNS_IT = (
    "It may be the rights of the key, the model {subject}, or something between here and the service: ask who runs it,"
    " or look into its log. The address is from {setting}."
)
GATEWAY_GAVE_UP = "{name}: a gateway gave up before the answer came; {billed}"
NOT_AN_API = "{name}: nothing answers at {address} in the way of the images API"
CHECK_ADDRESS = (
    "The address comes from {setting}: check it (most base addresses end on /v1), and whether this service makes"
    " pictures with {subject}."
)
ON_AZURE = (
    "On Azure the model is the name of your deployment: check it, the api-version ({version}, from OPENAI_API_VERSION"
    " or api_version in connections.json) and the resource {address} from {setting}."
)
NO_MODEL = "{name}: the model {subject} was not found"
ANOTHER_MODEL = "Choose another model or connection."
NOBODY = "{name}: no server behind the service can make this now"
LATER_OR_ANOTHER = "Nothing was made. Run again later, or choose another model or connection."
UNABLE_TO = "{name}: the service cannot do this"
ASK_WHAT_IT_CAN = "Nothing was made. Choose another model or connection, or ask who runs the service what it can do."
UNKNOWN_FIELD = "{name}: the service does not know a field"
NOT_THIS_FORM = "{name}: the service does not read this form of request"
BAD_KEY = "{name}: the key or sign-in was not accepted"
MAY_NOT = "{name}: the key may not do this"
ELSEWHERE = "{name}: the service is not offered where you are"
CLOSED = "{name}: the account or its key is closed"
ASK_WHY_CLOSED = "Ask the service why; until then use another connection."
OTHER_ACCOUNT = (
    "Check OPENAI_ORG_ID and OPENAI_PROJECT_ID, or take them away: the key knows its own. Else use another key."
)
CHANGE_PROVIDERS = (
    "Nothing was made. Change what it names in the settings of your account there, leave fields out"
    ' ("omit" for {name} in connections.json), or choose another model.'
)
CUT_SHORT = (
    "If pictures go out, a gateway may have cut them off: connect fewer or smaller ones{multipart}. Else ask who runs"
    " the service what it reads."
)
FAILED_BEHIND = "{name}: the service, or one behind it, failed; {billed}"

OVERLOAD = "{name}: the service is overloaded"
SERVICE_FAILED = "{name}: the service failed"
LATER = "Nothing was made; run again later."
STILL_RUNNING = "{name}: the same request is still running there"
WAITED_FOR = "Nothing to do: the pack waits for it."

RUNNING = Rule(OutcomeUnknownError, "{name}: the same request is still running there; {billed}", "{unknown}")
LOST = Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", FAILURES)

RULES = (  # the first that holds
    # --- no final answer at all ---
    Rule(
        OutcomeUnknownError,
        "{name}: the connection ended before the final answer; {billed}",
        "{unknown}",
        range(100, 200),
    ),
    # --- closed accounts and leaked keys: before credit, for "suspended" stands beside bills too, and before keys ---
    Rule(NoKeyError, CLOSED, ASK_WHY_CLOSED, {401, 403}, codes=refusal.DISABLED_CODES),
    Rule(NoKeyError, CLOSED, ASK_WHY_CLOSED, {400, 401, 403, 412, 429}, codes=refusal.CLOSED_CODES),
    Rule(NoKeyError, CLOSED, ASK_WHY_CLOSED, {400, 401, 403, 412, 429}, words=refusal.CLOSED_WORDS, page="either"),
    Rule(NoKeyError, BAD_KEY, "{key}", {400, 401, 403}, words=refusal.LEAKED_KEY),
    # --- moderation, whatever the status: only a failure that names it (its time ran out) comes before ---
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", FAILURES, words=begun.LATE),
    Rule(ModeratedError, FLAGGED, CHANGE_IT, codes=refusal.MODERATION_CODES),
    Rule(ModeratedError, FLAGGED, CHANGE_IT, words=refusal.MODERATION_WORDS),
    # --- money: that it was taken stands before that there is none, for the same sentence may say both ---
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", UNCLEAR, words=f"{begun.MADE}|{begun.CHARGED}"),
    Rule(OutOfCreditError, USED_UP, RAISE_KEY_LIMIT, {401, 402, 403, 429}, words=refusal.KEY_LIMIT_WORDS),
    Rule(OutOfCreditError, USED_UP, "{credit}", {402}),
    Rule(OutOfCreditError, USED_UP, "{credit}", codes=refusal.CREDIT_CODES),
    Rule(OutOfCreditError, USED_UP, "{credit}", words=refusal.CREDIT_WORDS),
    Rule(OutOfCreditError, USED_UP, "{credit}", {403, 456, 500, 502, 503}, words=refusal.QUOTA_WORDS),
    # --- busy: after credit, which comes with 429 too; what was begun stands before "too many" ---
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {403, 429, 503}, words=refusal.CHALLENGE, page=True),
    Rule(StillRunningError, STILL_RUNNING, WAITED_FOR, words=begun.SAME_RUNNING),
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", {424}),
    Rule(
        OutcomeUnknownError,
        FAILED_BEHIND,
        "{unknown}",
        {*BUSY_STATUSES, 501, 505} - {408},
        words=begun.AFTERWARDS,
        page=False,
    ),
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", {*SUCCESS, 400, 422, 501, 505}, words=begun.PROGRAM_FAULT),
    Rule(RateLimitError, TOO_MANY, WAIT_A_LITTLE, {429}),
    # --- 401, 403 and their kin, the nearest cause first: the place, the organization, the machine, a filter ---
    Rule(NoKeyError, ELSEWHERE, NOT_THERE, {400, 401, 403, 451}, codes=refusal.NOT_HERE_CODES),
    Rule(NoKeyError, ELSEWHERE, NOT_THERE, {400, 401, 403, 451}, words=refusal.NOT_HERE, page="either"),
    Rule(
        RefusedError,
        "{name}: the account is served at another address",
        "Set the one that it names, with https:// before it and /v1 behind, as OPENAI_BASE_URL or as base_url of {name}"
        " in connections.json.",
        REFUSALS,
        words=refusal.WRONG_PLACE,
    ),
    Rule(RefusedError, UNVERIFIED, NO_SKETCHES, REFUSALS, words=refusal.UNVERIFIED_STREAM),  # the picture alone may
    Rule(NoKeyError, UNVERIFIED, VERIFY, {400, 401, 403, 404}, words=refusal.UNVERIFIED),
    Rule(
        NoKeyError,
        "{name}: this machine's address is not allowed there",
        "Add the address of this machine to the list of allowed ones in the account, or run from an allowed one.",
        {401, 403},
        words=refusal.IP_NOT_ALLOWED,
    ),
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {407}),
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {403, 406, 451, 511}, page=True),
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {403, 511}, words=refusal.FILTERED, page="either"),
    # --- the key: its rights before the key itself, as a key without a right is a good one; then any other 401, 403 ---
    Rule(NoKeyError, MAY_NOT, LIMITED_KEY, {401, 403}, codes=refusal.MAY_NOT_CODES),
    Rule(NoKeyError, MAY_NOT, LIMITED_KEY, {401, 403}, words=refusal.MAY_NOT_WORDS),
    Rule(
        NoKeyError,
        "{name}: the organization or project is not the key's",
        OTHER_ACCOUNT,
        {401},
        codes=refusal.ACCOUNT_CODES,
    ),
    Rule(NoKeyError, BAD_KEY, "{key}", {401, 440, 498}),
    Rule(NoKeyError, BAD_KEY, "{key}", {400, 500}, codes="no_db_connection"),  # LiteLLM without its database
    Rule(NoKeyError, BAD_KEY, "{key}", {200, 400, 403}, codes=refusal.BAD_KEY_CODES),
    Rule(NoKeyError, BAD_KEY, "{key}", {200, 400, 403}, words=refusal.BAD_KEY_WORDS),
    Rule(NoKeyError, NO_REASON, ASK_WHO_RUNS_IT, {403}, codes=refusal.NOTHING, words=refusal.NOTHING),
    Rule(RefusedError, UNABLE_TO, ASK_WHAT_IT_CAN, {403}, words=refusal.UNABLE),
    Rule(NoKeyError, NO_ACCESS, ASK_FOR_ACCESS, {403}),
    # --- models, and who could make the picture: before the path, for both come with 404, and before plain 5xx ---
    Rule(RefusedError, "{name}: no provider behind it fits", CHANGE_PROVIDERS, {404}, words=refusal.NO_PROVIDER),
    Rule(
        RefusedError,
        "{name}: the deployment {subject} was not found (api-version {version})",
        ON_AZURE,
        {404},
        kinds=("azure",),
    ),
    Rule(RefusedError, UNABLE_TO, ON_AZURE, {400}, words=r"\bapi[ -]?version", kinds=("azure",)),
    Rule(RefusedError, NO_MODEL, ANOTHER_MODEL, {*SUCCESS, 400, 404, 410, 503}, codes=refusal.NO_MODEL_CODES),
    Rule(RefusedError, NO_MODEL, ANOTHER_MODEL, {400, 404, 410, 422}, words=refusal.NO_MODEL_WORDS),
    Rule(RefusedError, NO_MODEL, ANOTHER_MODEL, {500, 503}, words=refusal.NO_MODEL_BEHIND),
    Rule(RefusedError, NO_MODEL, ANOTHER_MODEL, {500, 502}, codes=refusal.NO_MODEL_CODES_BEHIND),
    Rule(
        RefusedError,
        NOBODY,
        LATER_OR_ANOTHER,
        {*BUSY_STATUSES, 500, 502, 503},
        words=nobody.NOBODY_THERE,
        unless=begun.BROKE_OFF,
    ),
    Rule(
        RefusedError,
        NOBODY,
        LATER_OR_ANOTHER,
        {500, 502, 503},
        words=nobody.NEVER_CONNECTED,
        unless=begun.BROKE_OFF,
        page="either",
    ),
    Rule(  # of the server behind
        RefusedError, TOO_MANY, WAIT_A_LITTLE, {500, 502, 503}, words=nobody.RATE_LIMITED, unless=begun.BROKE_OFF
    ),
    Rule(RefusedError, NOBODY, LATER_OR_ANOTHER, {400, 404, 500, 502, 503}, codes=nobody.NOT_BEGUN_CODES),
    # relays have codes of their own, such as 501 and 505
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", {501, 505}, words=begun.FAILED_WORDS),
    Rule(RefusedError, UNABLE_TO, ASK_WHAT_IT_CAN, {501, 505}),
    Rule(RefusedError, UNABLE_TO, ASK_WHAT_IT_CAN, {400, 404, 405, 422, 500, 502, 503}, words=refusal.UNABLE),
    # --- the path: any other 404; some say with 404 that a request was too large ---
    Rule(RefusedError, TOO_LARGE, MAKE_IT_SMALLER, {400, 404, 417, 500}, words=refusal.TOO_LARGE, page="either"),
    Rule(RefusedError, NOT_AN_API, CHECK_ADDRESS, {404, 405, 410}),
    Rule(RefusedError, NOT_AN_API, CHECK_ADDRESS, {400}, words=refusal.HTTP_FOR_HTTPS, page="either"),
    Rule(RefusedError, NOT_AN_API, CHECK_ADDRESS, {*SUCCESS, 400}, words=refusal.NO_SUCH_PATH),
    Rule(
        RefusedError,
        "{name}: the address leads to {target}, which is not followed with the key",
        "If that is the right place, set it in {setting}.",
        range(300, 400),
        redirects=True,
    ),
    Rule(
        RefusedError,
        "{name}: the service answered with a redirect that leads nowhere",
        "Check the address, which is from {setting} (most base addresses end on /v1).",
        range(300, 400),
    ),
    # --- running, whatever the status, and a key of a request that was spent: before the form, for it was read once ---
    Rule(StillRunningError, STILL_RUNNING, WAITED_FOR, codes=begun.RUNNING_CODES),
    Rule(
        OutcomeUnknownError,
        "{name}: this request was made before and its answer is gone",
        PAY_AGAIN_ADVICE,
        codes=rf"\b({'|'.join(SPENT_KEY_CODES)})\b",
    ),
    Rule(StillRunningError, STILL_RUNNING, WAITED_FOR, BUSY_STATUSES, words=begun.RUNNING_WORDS),
    # --- the form: the request as a whole, then a header, then sketches, then single fields ---
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, LESS_AT_ONCE + " {unknown}", {413}, words=begun.ANSWER_TOO_LARGE),
    Rule(RefusedError, TOO_LARGE, MAKE_IT_SMALLER, {413}),
    Rule(RefusedError, TOO_LARGE, MAKE_IT_SMALLER, {*SUCCESS, 400, 422}, codes=refusal.TOO_LARGE_CODES),
    Rule(RefusedError, LONG_HEADERS, SHORTEN_KEY, {431}),
    Rule(RefusedError, LONG_HEADERS, SHORTEN_KEY, {400}, words=refusal.HEADERS_TOO_LARGE, page="either"),
    Rule(
        RefusedError,
        "{name}: the service could not read the request{sent}",
        "{whole}",
        {400, 422},
        words=refusal.NOT_WHOLE,
    ),
    Rule(RefusedError, NOT_THIS_FORM, "{form}", {415}, words=r"\S", page="either"),
    Rule(RefusedError, NOT_THIS_FORM, "{form}", {400, 415, 422, 500}, codes=refusal.WRONG_FORM_CODES),
    Rule(RefusedError, NOT_THIS_FORM, "{form}", {400, 422}, words=refusal.WRONG_FORM_WORDS),
    Rule(
        RefusedError,
        "{name}: the service wants a header of its own",
        'Add it to "headers" of {name} in connections.json, then run again.',
        {400, 401, 403},
        words=refusal.NEEDS_HEADER,
    ),
    Rule(RefusedError, REFUSED, CHANGE_WHAT_IT_NAMES, {500}, codes=refusal.UNREAD_CODES, kinds=RELAYS),
    Rule(RefusedError, REFUSED, CHANGE_WHAT_IT_NAMES, {500}, words=refusal.UNREAD_WORDS, kinds=RELAYS),
    Rule(RefusedError, NOT_IN_PARTS, NO_SKETCHES, {*REFUSALS} - {408, 499}, words=refusal.NO_STREAM),
    Rule(RefusedError, UNKNOWN_FIELD, "{leave_out}", BUSY_STATUSES, codes=refusal.UNKNOWN_FIELD_CODES),
    Rule(RefusedError, "{name}: the service wants a field", "{add_field}", {400, 422}, words=refusal.WANTS_FIELD),
    Rule(RefusedError, UNKNOWN_FIELD, "{leave_out}", {*SUCCESS, 400, 422}, words=refusal.UNKNOWN_FIELD_WORDS),
    # --- failures of 5xx: harmless only where it is known of who answers, else perhaps billed ---
    Rule(ServiceDownError, SERVICE_FAILED, LATER, {500, 503}, from_service=True, kinds=("comfy.org", "sandbox")),
    Rule(ServiceDownError, OVERLOAD, LATER, {500, 503}, from_service=True, at_openai=True, codes=nobody.OVERLOADED),
    Rule(ServiceDownError, OVERLOAD, LATER, {503}, from_service=True, at_openai=True, words="overloaded|slow down"),
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}{no_sketches}", FAILURES, words=begun.STREAM_UNREAD),
    Rule(
        RefusedError,
        NOBODY,
        LATER_OR_ANOTHER,
        {521, 523, 525, 526, 530},
        words=nobody.NOT_REACHED,
        from_service=False,
        page="either",
    ),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{gave_up} {unknown}", {504, 522, 524}),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{gave_up} {unknown}", {408}, from_service=True, kinds=RELAYS),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{unknown}", {408, 460, 499, 502}),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{unknown}", FAILURES, from_service=False, page=True),
    LOST,
    # --- failures told with 2xx: what was not known as a refusal above may have been billed ---
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", SUCCESS, codes=begun.FAILED_CODES),
    Rule(OutcomeUnknownError, FAILED_BEHIND, "{unknown}", SUCCESS, codes="upstream_error", words=refusal.NOTHING),
    Rule(
        OutcomeUnknownError,
        FAILED_BEHIND,
        "{unknown}",
        SUCCESS,
        words=f"{begun.ONLY_UPSTREAM}|{begun.FAILED_WORDS}|{begun.UNKNOWN_LANGUAGE}",
    ),
    # --- what is left of 2xx and 4xx: a refusal, unless its words are of a failure and not of the request ---
    Rule(
        RefusedError,
        "{name}: a web page came, and no answer of the images API",
        "Look at the address, which is from {setting}: is /v1 missing in it, or is a login or firewall in between?",
        page=True,
    ),
    Rule(RefusedError, NO_REASON, ASK_WHO_RUNS_IT, codes=refusal.NOTHING, words=refusal.NOTHING),
    Rule(
        OutcomeUnknownError,
        FAILED_BEHIND,
        "{unknown}",
        {400, 422},
        words=begun.FAILED_WORDS,
        unless=begun.OF_THE_REQUEST,
    ),
    Rule(RefusedError, TOO_MANY, WAIT_A_LITTLE, BUSY_STATUSES, words=nobody.BUSY),
    Rule(RefusedError, REFUSED, "{change}"),
)
FAILED = Rule(ServiceDownError, SERVICE_FAILED, LATER)
HARMLESS = "Nothing is lost by it; do it again in a while."
FAILED_HARMLESS = Rule(ServiceDownError, SERVICE_FAILED, HARMLESS)
GATEWAY_HARMLESS = Rule(ServiceDownError, "{name}: a gateway gave up before the service answered", HARMLESS)
# --- of files and batches, in place of what a request for a picture is told ---
GONE = Rule(
    RefusedError,
    "{name}: {subject} is not there",
    "It was deleted or has expired there, or is of another account: look on the service's own pages.",
)
NO_BATCHES = Rule(
    RefusedError,
    "{name}: nothing at {address} takes files and batches",
    "Choose a connection without batches, or check the address, which is from {setting}.",
)
OF_BATCHES = {  # by what would be advised for a picture
    "{change}": "Change what it names, or look on the service's own pages; then do it again.",
    MAKE_IT_SMALLER: "Plan smaller pictures or fewer jobs. The limit may be that of a gateway before the service.",
}
EARLY = Rule(ServiceDownError, "{name}: the service answered before it had the whole request", LATER)
