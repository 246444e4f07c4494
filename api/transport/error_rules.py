"""What the answers of services and gateways mean: one table, each line an error, what happened and what to do next."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

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
from .service_words import ServiceWords

SPENT_KEY_CODES = ("idempotency_consumed", "idempotency_mismatch")
KINDS = ("openai", "azure", "comfy.org", "compatible", "sandbox")
ANY = range(100, 1000)
SUCCESS, REFUSALS, FAILURES = range(200, 300), range(400, 500), range(500, 1000)
PAY_AGAIN_ADVICE = f"Look at the usage page of your account first. {RUN_ANYWAY}"


@dataclass(frozen=True)
class Rule:
    """What an answer means: an error, what happened and what to do next; it holds where all that it names fits.

    `codes` is looked for in the service's codes and types, `words` in its message or its web page, both in lower case;
    `page` asks whether it is a web page, `at_openai` whether OpenAI itself answers, `redirects` whether it names
    another address. The texts may name {name} (the connection), {subject}, {billed}, {unknown}, {key}, {credit},
    {address}, {setting}, {version}, {sent}, {target}, {multipart} and {leave_out}.
    """

    error: type[OpenAIImageError]
    happened: str
    advice: str
    statuses: Container[int] = ANY
    codes: str = ""
    words: str = ""
    from_service: bool = False
    at_openai: bool | None = None
    kinds: Container[str] = KINDS
    page: bool | None = None
    redirects: bool | None = None

    def holds(self, status: int, said: ServiceWords, connection: Connection, *, redirects: bool = False) -> bool:
        """Tell whether this is what an answer means; `redirects` tells that it names another address."""
        return (
            status in self.statuses
            and self.redirects in (None, redirects)
            and connection.kind in self.kinds
            and self.page in (None, bool(said.page))
            and self.at_openai in (None, connection.is_openai)
            and (said.from_service or not self.from_service)
            and re.search(self.codes, f"{said.code or ''} {said.type or ''} {said.codes}".lower()) is not None
            and re.search(self.words, (said.page or said.message).lower()) is not None
        )


FLAGGED = "Your request was flagged by our content moderation system ({name})"  # gets a card of its own in ComfyUI
CHANGE_IT = "Change the prompt or the pictures; asking again will not help."
MODERATION_CODES = (
    r"moderation|content_?(filter|policy)|responsible_?ai_?policy|sensitive_?(words?|content)|prohibited_content"
    r"|\bsafety(_(error|violations?|system|block\w*))?\b|image_safety|data_?inspection|risk_?control|policy_violation"
    r"|prompt_?(blocked|rejected)|\bnsfw|inappropriate|unsafe_?content"
)
MODERATION_WORDS = (
    r"safety system|content management policy|was filtered|content[-_ ]?(policy|filter)"
    r"|moderation (system|filter|check)"
    r"|(by|failed|not pass) (the )?(content )?(moderation|safety)|(violat\w+|against) .{0,60}(polic|guideline|terms of)"
    r"|sensitive (word|content|information)|\bnsfw\b|prohibited content|unsafe content|inappropriate content"
    r"|flagged (as|by|for)|\u654f\u611f|\u8fdd\u89c4|\u5ba1\u6838|\u5185\u5bb9\u5b89\u5168"
)
CREDIT_CODES = (
    r"insufficient_?\w*(quota|balance|credits?|funds)|quota_?(exceeded|exhausted|not_enough|insufficient|failed)"
    r"|pre_consume\w*|billing|spend_?(ing_)?limit|usage_limit|credits?_?(balance|limit|exhausted)"
    r"|payment_?required|out_of_credits?|no_credits?|budget_?exceeded|balance_?(not_enough|insufficient|too_low|exhausted)"
    r"|arrear|overdue|not_enough_(credits?|balance|quota)"
)
CREDIT_WORDS = (
    r"exceeded your current quota|billing hard limit|used all (of )?(your )?(available |monthly |included )?credits"
    r"|(insufficient|not enough|no (more )?|out of|lacks?|low on) (\w+ )?(quota|balance|credits?|funds)\b"
    r"|(quota|balance|credits?|funds) (is |are |has been |have been |was )?(not enough|insufficient|exhausted|used up"
    r"|too low|depleted|not sufficient)|requires more credits|(add|buy|purchase) (more )?(credits|funds)|top up"
    r"|(budget|spend\w* limit|usage limit|monthly limit) (has been |was |is )?(exceeded|reached|hit)|exceeded budget"
    r"|payment required|account is in arrears|\u4f59\u989d|\u989d\u5ea6|\u6b20\u8d39|\u914d\u989d"
)
KEY_LIMIT_WORDS = (
    r"key.{0,20}limit (exceeded|reached)"
    r"|(?<!rate )limit (of|for) (this|the|your) (api )?key|(api )?key.{0,30}(budget|quota)"
)
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
NOT_HERE = (
    r"(country|region|territory|location).{0,30}not (supported|available|allowed)"
    r"|not (available|supported) in your (country|region)"
)
FILTERED = "{name}: a filter on the way did not let the request through"
ASK_ABOUT_FILTER = (
    "The key may be right: a firewall, a VPN, a proxy or the protection in front of the service refuses this machine."
    " Try another network, or ask who runs the service; the address is from {setting}."
)
LIMITED_KEY = (
    "Give the key the right to make pictures where it was made (its permissions or scopes), or use another key."
)
TIMED_OUT = (
    "timed? ?out|timeout|read response|upstream connect|connection (reset|closed|error)|bad gateway|unexpected eof"
    "|provider returned error|upstream .{0,20}(failed|died|error)"
)
GAVE_UP_ADVICE = (
    "The picture took longer than the gateway waits: set live_preview to 1 or more (a stream keeps it open), or ask for"
    " less at once (lower quality, smaller size, n 1)."
)
OVERLOADED = r"server_is_overloaded|slow_down|service_unavailable_error|\boverloaded(_error)?\b"
UNKNOWN_FIELD_CODES = r"unknown_(parameter|field|argument)|unsupported_(parameter|field)|extra_forbidden|unrecognized"
UNKNOWN_FIELD_WORDS = (
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|invalid|extra) (request )?(parameters?|fields?|arguments?|keyword"
    r"|inputs?|propert)|extra inputs are not permitted"
    r"|does(n't| not) (support|accept|take|know|allow) (the )?(parameter|field|argument|option|propert)"
    r"|unsupportedparams"
    r"|(parameter|field|argument|property)s? .{0,60}(is |are )?not (supported|permitted"
    r"|allowed|recognized)|additional propert"
)
CHALLENGE = (
    r"just a moment|checking (your|if the site)|enable javascript and cookies|attention required|captcha|verify you are"
    r" (a )?human|security check|ddos protection"
)
BAD_KEY_WORDS = (
    r"(incorrect|invalid|wrong|missing|expired|unknown) (api|access|authentication)[ -]?(key|token)"
    r"|(api|access)[ -]?(key|token) (is |was |has )?(not valid|invalid|incorrect|expired|missing|not found)|no api key"
)
NOBODY_THERE = (
    r"no (available|healthy|live) (\w+ )?(channel|provider|upstream|deployment|backend|server)"
    r"|no (deployments?|channels?|providers?) (are |is )?available|\u65e0\u53ef\u7528\u6e20\u9053"
)
NOTHING = r"^\s*$"
NO_REASON = "{name}: the service refused the request and gave no reason"
ASK_WHO_RUNS_IT = (
    "It may be the rights of the key, the model {subject}, or something between here and the service: ask who runs it,"
    " or look into its log. The address is from {setting}."
)
GATEWAY_GAVE_UP = "{name}: a gateway gave up before the answer came; {billed}"

LOST = Rule(OutcomeUnknownError, "{name}: the service, or one behind it, failed; {billed}", "{unknown}", FAILURES)

RULES = (  # the first that holds
    Rule(
        OutcomeUnknownError,
        "{name}: the connection ended before the final answer; {billed}",
        "{unknown}",
        range(100, 200),
    ),
    Rule(
        NoKeyError,
        "{name}: the account or its key is closed",
        "Ask the service why; until then use another connection.",
        {401, 403},
        codes="deactivated|disabled|banned|suspended|access_terminated",
    ),
    Rule(ModeratedError, FLAGGED, CHANGE_IT, codes=MODERATION_CODES),
    Rule(ModeratedError, FLAGGED, CHANGE_IT, words=MODERATION_WORDS, page=False),
    Rule(OutOfCreditError, USED_UP, RAISE_KEY_LIMIT, {401, 402, 403, 429}, words=KEY_LIMIT_WORDS, page=False),
    Rule(OutOfCreditError, USED_UP, "{credit}", {402}),
    Rule(OutOfCreditError, USED_UP, "{credit}", codes=CREDIT_CODES),
    Rule(OutOfCreditError, USED_UP, "{credit}", words=CREDIT_WORDS, page=False),
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {403, 429, 503}, words=CHALLENGE, page=True),
    Rule(RateLimitError, "{name}: too many requests at the moment", "Wait a little and run again.", {429}),
    Rule(
        NoKeyError,
        "{name}: the service is not offered where you are",
        NOT_THERE,
        {400, 401, 403, 451},
        codes="unsupported_country|region_?(not|un)|location",
    ),
    Rule(
        NoKeyError,
        "{name}: the service is not offered where you are",
        NOT_THERE,
        {400, 401, 403, 451},
        words=NOT_HERE,
    ),
    Rule(
        NoKeyError,
        "{name}: the organization is not verified",
        VERIFY,
        {401, 403},
        words=r"must be verified|verify (your|the) organi[sz]ation|organi[sz]ation.{0,40}verif",
        page=False,
    ),
    Rule(
        NoKeyError,
        "{name}: this machine's address is not allowed there",
        "Add the address of this machine to the list of allowed ones in the account, or run from an allowed one.",
        {401, 403},
        words=r"\bip\b.{0,40}(not|allow|whitelist|block|restrict)",
        page=False,
    ),
    Rule(RefusedError, FILTERED, ASK_ABOUT_FILTER, {403, 406, 407, 451, 511}, page=True),
    Rule(
        RefusedError,
        FILTERED,
        ASK_ABOUT_FILTER,
        {403, 407, 511},
        words=r"cloudflare|firewall|\bwaf\b|captcha|\bvpn\b|blocked|error code: 10\d\d|proxy auth",
    ),
    Rule(
        NoKeyError,
        "{name}: the key may not do this",
        LIMITED_KEY,
        {401, 403},
        words=r"missing scopes|insufficient permission|restricted api key|scope",
    ),
    Rule(NoKeyError, "{name}: the key or sign-in was not accepted", "{key}", {401}),
    Rule(
        NoKeyError, "{name}: the key or sign-in was not accepted", "{key}", {400, 403}, words=BAD_KEY_WORDS, page=False
    ),
    Rule(NoKeyError, NO_REASON, ASK_WHO_RUNS_IT, {403}, codes=NOTHING, words=NOTHING),
    Rule(NoKeyError, NO_ACCESS, ASK_FOR_ACCESS, {403}),
    Rule(
        RefusedError,
        "{name}: the deployment {subject} was not found (api-version {version})",
        "On Azure the model is the name of your deployment: check it, the api-version ({version}, from"
        " OPENAI_API_VERSION or api_version in connections.json) and the resource {address} from {setting}.",
        {404},
        kinds=("azure",),
    ),
    Rule(
        RefusedError,
        "{name}: the model {subject} was not found",
        "Choose another model or connection.",
        {400, 404, 503},
        codes=r"model_?(not|un)|deploymentnotfound",
    ),
    Rule(
        RefusedError,
        "{name}: the model {subject} was not found",
        "Choose another model or connection.",
        {400, 404},
        words=r"model.{0,80}(not found|not exist|unknown|not supported|not available)|(unknown|invalid|no such) model"
        r"|no endpoints found",
        page=False,
    ),
    Rule(
        RefusedError,
        "{name}: no server behind the service can make this now",
        "Nothing was made. Run again later, or choose another model or connection.",
        {404, 500, 503},
        words=NOBODY_THERE,
        page=False,
    ),
    Rule(
        RefusedError,
        "{name}: the service cannot do this",
        "Nothing was made. Choose another model or connection, or ask who runs the service what it can do.",
        {501, 505},
    ),
    Rule(
        RefusedError,
        "{name}: nothing answers at {address} in the way of the images API",
        "The address comes from {setting}: check it (most base addresses end on /v1), and whether this service makes"
        " pictures with {subject}.",
        {404, 405, 410},
    ),
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
    Rule(
        StillRunningError,
        "{name}: the same request is still running there",
        "Nothing to do: the pack waits for it.",
        codes=r"\bidempotency_in_flight\b",
    ),
    Rule(
        OutcomeUnknownError,
        "{name}: this request was made before and its answer is gone",
        PAY_AGAIN_ADVICE,
        codes=rf"\b({'|'.join(SPENT_KEY_CODES)})\b",
    ),
    Rule(
        RefusedError,
        "{name}: the request is too large{sent}",
        "Connect fewer or smaller pictures{multipart}, or shorten the prompt. The limit may be that of a gateway before"
        " the service.",
        {413},
    ),
    Rule(
        RefusedError,
        "{name}: the service does not send sketches",
        "Set live_preview to 0 and run again.",
        REFUSALS,
        words=r"\bstream(ing)?\b|partial_images",
        page=False,
    ),
    Rule(RefusedError, "{name}: the service does not know a field", "{leave_out}", REFUSALS, codes=UNKNOWN_FIELD_CODES),
    Rule(
        RefusedError,
        "{name}: the service does not know a field",
        "{leave_out}",
        {400, 422},
        words=UNKNOWN_FIELD_WORDS,
        page=False,
    ),
    Rule(
        ServiceDownError,
        "{name}: the service failed",
        "Nothing was made; run again later.",
        {500, 503},
        from_service=True,
        kinds=("comfy.org", "sandbox"),
    ),
    Rule(
        ServiceDownError,
        "{name}: the service is overloaded",
        "Nothing was made; run again later.",
        {500, 503},
        from_service=True,
        at_openai=True,
        codes=OVERLOADED,
    ),
    Rule(
        ServiceDownError,
        "{name}: the service is overloaded",
        "Nothing was made; run again later.",
        {503},
        from_service=True,
        at_openai=True,
        words="overloaded|slow down",
    ),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, GAVE_UP_ADVICE + " {unknown}", {504, 522, 524}),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{unknown}", {408, 499, 502}),
    Rule(OutcomeUnknownError, GATEWAY_GAVE_UP, "{unknown}", FAILURES, from_service=False, page=True),
    LOST,
    Rule(
        OutcomeUnknownError,
        "{name}: the service, or one behind it, failed; {billed}",
        "{unknown}",
        SUCCESS,
        codes="server_error|internal|timeout|bad_response|gateway|unavailable|overloaded",
    ),
    Rule(
        OutcomeUnknownError,
        "{name}: the service, or one behind it, failed; {billed}",
        "{unknown}",
        SUCCESS,
        words=TIMED_OUT,
        page=False,
    ),
    Rule(
        RefusedError,
        "{name}: a web page came, and no answer of the images API",
        "Look at the address, which is from {setting}: is /v1 missing in it, or is a login or firewall in between?",
        page=True,
    ),
    Rule(RefusedError, NO_REASON, ASK_WHO_RUNS_IT, codes=NOTHING, words=NOTHING),
    Rule(RefusedError, "{name}: the service refused the request", "Change what it names and run again."),
)
FAILED = Rule(ServiceDownError, "{name}: the service failed", "Nothing was made; run again later.")
GATEWAY_HARMLESS = Rule(
    ServiceDownError,
    "{name}: a gateway gave up before the service answered",
    "Nothing is lost by it; do it again in a while.",
)
EARLY = Rule(
    ServiceDownError,
    "{name}: the service answered before it had the whole request",
    "Nothing was made; run again later.",
)
