"""How servers say that they refused, before anything was begun: codes and words of many servers, in lower case.

How a phrase is added stands in phrases.py. What ends on _CODES is looked for in codes and types, all else in messages.
"""

from __future__ import annotations

from . import foreign_words as foreign
from .phrases import any_of

NOTHING = r"^[\s{}\[\]]*$"

# --- moderation: the prompt or the picture itself is not liked ---
MODERATION_CODES = any_of(
    r"moderation",
    r"content_?moderat",
    r"request_?moderated",
    r"content_?(filter|policy)",
    r"policy_?violation",
    r"responsible_?ai_?policy",
    r"(\b|content_)safety(_(error|violations?|system|block\w*))?\b",
    r"image_safety",
    r"(\b|_)unsafe(_|\b)",
    r"unsafecontent",
    r"sensitive_?(words?|content)",
    r"prohibited_content",
    r"inappropriate",
    r"unacceptable(?!_?(format|size|param|type|value))",
    r"illegal_(prompt|image)",
    r"(image|text)_?illegal",
    r"prompt_?(blocked|rejected|unsafe)",
    r"\bnsfw",
    r"censor",
    r"ip_?infring",
    r"\bcyber_",
    r"audit\w*(illegal|not_?pass)",
    r"data_?inspection_?fail",
    r"risk_?control",
    r"risk_?detect",
    r"invalid_?provider_?content(?!_?type)",
)
MODERATION_WORDS = any_of(
    # the filter, the system or the policy is named
    r"safety system",
    r"safety (filter|polic)",
    r"content management policy",
    r"content[-_ ]?(policy|filter(?!_results?\b))",
    r"moderation[ _](system|filter|check|blocked|failed)",
    r"(by|failed|not pass) (the )?(content )?(moderation|safety)",
    r"guardrails?\b.{0,40}(fail|block|reject|violat|trigger)",
    r"content audit|audit not pass",
    r"risk (control|not pass)|exists risk",
    r"_filter_failed",
    r"\bpublic_error_(minor|prominent|unsafe|sex|violen|danger)",
    r"finish.?reason\W{1,4}\w*(safety|prohibited|recitation)",
    # what was done with the prompt or the picture
    r"was filtered",
    r"content blocked: ",
    r"blocked (entity|keyword|word|topic)",
    r"\b(data|content|prompt|input|output|image|text) (\w+ )?(is |was |has been )?blocked by",
    r"prompts? (pattern )?(was |is |are )?(blocked|unsafe)",
    r"flagged (as|by|for)",
    r"(prompt|request|input|images?|content) (was |were |is |are |has been )?(flagged|moderated)",
    # what it is
    r"(violat\w{1,4}|against) .{0,60}(polic|guideline|terms of)",
    r"policy violation",
    r"unacceptable content|prohibited content|inappropriate content",
    r"unsafe[ _](content|generation)",
    r"sensitive (word|content|information|chat)|new_sensitive",
    r"banned (prompt|word)",
    r"\bnsfw\b",
    r"ip infringement",
    r"(blocked|rejected|refused|denied|infring\w{2,6}|protected|due to|because of|contains?) [^.;]{0,40}"
    + any_of(r"copyright|trademark|intellectual property", r"likeness|celebrit|public figure", r"filtered words"),
    foreign.MODERATED,
)

# --- money: the account has none, or its key may spend no more ---
CREDIT_CODES = any_of(
    # balance and credits
    r"insufficient_?\w*(quota|balance|credits?|funds)",
    r"credits?_?insufficient",
    r"credits?_?(balance|limit|exhausted)",
    r"out_of_credits?",
    r"no_credits?",
    r"balance_?(not_enough|insufficient|too_low|exhausted)",
    r"(billing_)?not_enough_(credits?|balance|quota)",
    r"billing_balance",
    r"pre_consume\w*",
    # quota and limits of spending
    r"quota_?(exceeded|exhausted|not_enough|insufficient|failed)",
    r"spend(ing)?[_-]?limit",
    r"setlimitexceeded",
    r"usage_limit",
    r"usage-exhausted",
    r"budget_?exceeded",
    r"free_?tier_?only",
    # bills
    r"billing(?!_(not_conf|auth|fail|error))",
    r"payment_?required",
    r"chargeresource",
    r"arrear|overdue",
)
CREDIT_WORDS = any_of(
    # balance and credits
    r"(insufficient|not enough|no( more)?|out of|lacks?|low on) (\w+ ){0,2}"
    + r"(quota|balance|credits?|funds|points|api tokens)\b(?!( were| have been)? (charged|deducted|used|consumed))",
    r"(quota|balance|credits?|funds) (\[\d+\] )?(is |are |has been |have been |was )?"
    + any_of(r"not enough|insufficient|exhausted", r"used up|too low|depleted|not sufficient"),
    r"(do(es)?n't|do(es)? not) have (any|enough) (credits?|funds|balance)",
    r"(used|spent) all (of )?((your|the|available|monthly|included|free) )*(credits|usage)",
    r"exhausted (your|the|all) (\w+ )?(credits?|quota|budget|balance)",
    r"exceeded your balance",
    r"requires more credits",
    r"(add|buy|purchase) (more )?(credits|funds)",
    r"\btop[ _-]?up\b",
    # quota and limits of spending
    r"exceeded (your|today's) (?!request|rate)(\w+ )?quota(?!.{0,20}(per|a) (minute|second))",
    r"out of ([\w-]+ ){1,3}quota",
    r"\blimit:? 0(/|, (used|model))",
    r"usage exceeds (the |its )?limit",
    r"(budget|spend\w* limit|usage limit|monthly limit) (has been |was |is )?(exceeded|reached|hit)",
    r"reaching .{0,12}spend\w* limit",
    r"billing hard limit",
    r"exceeded budget|over budget",
    # what was free is used up
    r"free (tier|quota|allocation|credits?).{0,40}(exhausted|used up|exceeded)",
    r"used up (your|the|all) .{0,30}(free|allocation|quota|credits?)",
    # bills, cards and subscriptions
    r"payment required|failure to pay",
    r"account is in arrears",
    r"check your billing|accessible to billed",
    r"\bpaid (\w+ )?is required",
    r"(credit card|payment method).{0,40}(on file|required|missing)",
    r"(enter|add|set up) (an? |your )?(valid )?(payment method|credit card)",
    r"no active subscription",
    r"subscription (is )?required",
    foreign.CREDIT,
)
QUOTA_WORDS = r"quota.{0,30}(exceeded|reached)"
KEY_LIMIT_WORDS = any_of(  # of the key alone
    r"(?<![a-z])key.{0,20}(limit (exceeded|reached)|(reached|exceeded) .{0,12}(cost|spend\w*|budget) limit)",
    r"(?<!rate )limit (of|for) (this|the|your) (api )?key",
    r"(api )?key.{0,30}(budget|quota)",
    r"virtual key",
    r"tokenstatusexhausted",
    foreign.KEY_LIMIT,
)

# --- the account: closed, not verified, from a wrong place ---
DISABLED_CODES = r"deactivated|(?<!provider_)(?<!authenticationtype)disabled|banned|suspended"
CLOSED_CODES = r"access_terminated|account_suspended|organization_(restricted|suspended|disabled)"
CLOSED_WORDS = any_of(
    r"\bresource has been (temporarily )?blocked",
    r"^(?!.*(balance|credit|billing|quota|arrear|overdue|pay|\bspend|recharge|top.?up))"  # those are about money
    + r".*(\baccount\b.{0,40}|\b(user|key) (\S+ )?(is |was |has been )(\w+ )?)\b(locked|suspended|banned|frozen)",
    foreign.CLOSED,
)
ACCOUNT_CODES = r"(mismatched|invalid)_(organization|project)|(project|organization)_(archived|not_found)"
UNVERIFIED_STREAM = r"verified to stream\b"
UNVERIFIED = any_of(
    r"must be verified",
    r"verify (your|the) organi[sz]ation",
    r"organi[sz]ation.{0,40}verif",
)
WRONG_PLACE = r"incorrect regional hostname\b"
NOT_HERE_CODES = r"unsupported_country|region_?(not|un)|\b(user_)?location"
NOT_HERE = any_of(
    r"(country|region|territory|location).{0,30}not (supported|available|allowed)",
    r"not (available|supported) in your (country|region)",
    r"for legal reasons",
)
IP_NOT_ALLOWED = any_of(
    r"\bip\b.{0,40}(not|allow|whitelist|block|restrict)",
    r"(allowed|only) .{0,30}\bip\b",
    foreign.IP_NOT_ALLOWED,
)

# --- the way: a filter or a firewall before the service ---
CHALLENGE = any_of(
    r"just a moment",
    r"checking (your|if the site)",
    r"enable javascript and cookies",
    r"attention required",
    r"captcha",
    r"verify you are (a )?human",
    r"security check",
    r"ddos protection",
)
FILTERED = any_of(
    r"private endpoint",
    r"public (network )?access",
    r"cloudflare|firewall|\bwaf\b|\bvpn\b",
    r"captcha",
    r"blocked|has banned",
    r"error code: 10\d\d",
    r"proxy auth",
)

# --- the key: wrong, spent, or without a right ---
LEAKED_KEY = r"key.{0,40}(leaked|compromised|revoked)|key is (currently |temporarily )?blocked"
BAD_KEY_CODES = r"invalid_?api_?key|expired_key|auth_?failure"
BAD_KEY_WORDS = any_of(
    r"(incorrect|invalid|wrong|missing|expired|unknown) (api|access|authentication)[ -]?(key|token)",
    r"(api|access)[ -]?(key|token) (is |was |has )?(not valid|invalid|incorrect|expired|missing|not found)",
    r"no api key",
    r"expired key",
    r"^invalid token\W*$",
    r"(security|bearer|session) token .{0,30}(expired|invalid)",
    r"login (fail|error)",
    r"(authentication|certification) (has )?failed",
    r"^unauthorized( access| request)?\W*$",
    r"^unauthorized\W.{0,40}(key|token|credential)",
    foreign.BAD_KEY,
)
MAY_NOT_CODES = any_of(
    r"permission_?denied",
    r"authenticationtypedisabled",
    r"(key|token|team)_(model_)?access_denied",
    r"access_denied_for_(key|token)",
)
MAY_NOT_WORDS = any_of(
    r"permission is required|insufficient permission|no permission to (use|access)",
    r"missing scopes|\bscopes?\b",
    r"restricted api key",
    r"lacks the required",
    r"not allowed to access (the )?model",
    r"can only access (the )?models",
    foreign.MAY_NOT,
)

# --- the model, and who could make the picture ---
NO_MODEL_CODES = any_of(
    r"unavailable_model",
    r"model_?(not|un|off|deprecat|retired|ended|shut)",
    r"deploymentnotfound",
)
NO_MODEL_CODES_BEHIND = r"model_not_(found|allowed|exist|support)"  # with 500
NO_MODEL_WORDS = any_of(
    r"model.{0,80}(not found|not exist|unknown|not supported|not available)",
    r"(unknown|invalid|no such) model",
    r"incorrect model (id|name)",
    r"not a valid model",
    r"model (id|identifier|name)\w* is invalid",
    r"real modelid",
    r"^model not support\W*$",
    r"^(?!.*(parameter|field|argument|option))"
    + r".*\bmodel\b.{0,80}(deprecated|retired|decommissioned|shut down|no longer available)",
    r"no endpoints found",
    r"llm provider not provided",
    r"unknown provider for model",
    foreign.NO_MODEL,
)
NO_MODEL_BEHIND = any_of(  # with 500: fewer words, for more may have happened
    r"model [`'\"]?[\w./:-]+[`'\"]? (does not exist|not found)",
    r"model not found",
    r"no such model",
    r"unknown model",
    r"incorrect model id",
    foreign.WRONG_MODEL_NAME,
)
NO_PROVIDER = r"no endpoints (found|available) .{0,20}" + any_of(
    r"matching your (data|privacy|guardrail)",
    r"(that can )?(handle|support)\b",
)
UNABLE = any_of(  # it makes or edits no pictures, or not so
    r"(does|do)( not|n't) support image (generation|edit|output)",
    r"image[ _](edit|generation)\w* (is |are )?not supported",
    r"does not work with the (specified )?model",
    r"not support a?synchronous(?!.*\bheader)",
    r"tool choice 'image_generation'",
    r"is only supported on /",
    r"not support(ed)? (for|by) (this |the )?provider",
    r"unsupported mode",
)

# --- the address ---
NO_SUCH_PATH = r"^unexpected (endpoint|method) or "
HTTP_FOR_HTTPS = r"\bhttp\srequest (was sent )?to (an )?https"

# --- the form of the request: its size, its parts, its fields ---
TOO_LARGE_CODES = r"oversized_?image|(image|file)_too_large|size_limit_exceeded"
TOO_LARGE = any_of(
    r"request (body |entity |size |payload )?(is )?too large",
    r"request size limit",
    r"exceeds the request content length",
    r"maximum (content|request|upload) (size|length)",
    r"(size of the (input )?image|(file|image)s? size) exceeds",
    r"\b(file|upload|payload)s? (\w+ )?(is |are )?(too (large|big)|exceed\w* (\w+ ){0,3}(size|limit))",
    r"maxtotalfilesize",
    r"requestdatatoobig",
)
HEADERS_TOO_LARGE = (
    r"\b(request|http) headers?\b.{0,20}too (large|long|big)|\bheader fields? (is |are )?too (large|long|big)"
)
NOT_WHOLE = any_of(
    r"(invalid|malformed|incomplete|unparsable|could not parse|failed to parse) (the )?(json|request|form|multipart)"
    + r"( request)? ?body",
    r"invalid json(?!.{0,20}unknown name)",
    r"unexpected end of (json|input|form|data)",
    r"unterminated string",
    r"(could not|failed to|cannot) parse (the )?multipart",
    r"parsing the body",
    r"nextpart: |boundary not found|missing boundary",
    r"(invalid character|unexpected token) ['\"]?-|after minus sign|^body\.\d+: json decode error",
    r"invalid char\W{1,9}--|expected digit after '-'",
    r"malformed json in (the )?request|(?<!response )body is not valid json|^json parse error - ",
    r"(decode|parse|read) (the )?request( body)?( as)? json|invalid multipart",
)
UNREAD_CODES = any_of(
    r"(bind|read|parse)_request_body_failed",
    r"bad_request_body",
    r"convert_request_failed",
    r"count_token_failed",
)
UNREAD_WORDS = any_of(
    r"fail\w{0,4} (to )?(pars|read|bind|decod)\w+ (the )?(request|parameters from request|multipart)",
    r"invalid json in (the )?request",
    r"^error parsing input\W*$|^invalid value for '(?!b64|url|data|finish)\w+'\W*$",
    r"cannot unmarshal .{0,60}struct field \w*request",
    r"^(?!.*(response|upstream)).*nextpart: |no multipart boundary|isn't multipart|unexpected end of form",
    r"multererror: unexpected field",
    r"\b(is|are) required for\b",
)
WRONG_FORM_CODES = r"(unsupported|invalid)_content_type|unsupported_media_type|limit_unexpected_file"
WRONG_FORM_WORDS = any_of(
    r"unsupported (content|media)[ -]?type",
    r"content[ -]type .{0,60}(not supported|must be|invalid)",
    r"invalid content-type|content-type isn't",
    rf"(\bonly|{foreign.ONLY}) .{{0,30}}(application/json|multipart)",
    r"expected .{0,40}(application/json|multipart/form-data)",
    r"^body: input should be a valid dictionary",
    # the pictures were not seen, or not as files
    r"image(\[\w*\])?\W{0,3}: expected a file",
    r"\bimages?(\[\]|\.\d+)?: (field required|input should be a valid (string|list|dict)|.{0,20}expected uploadfile)",
    r"\bimages?(\[\d\])?['\"`]? (must|should) be (an? )?(valid |array of )?(url|string|base64|file)",
    r"\bimage_urls?['\"`]? (or image )?(is required|must be provided)|^unexpected field$|multipart form required",
    r"image field is required",
    r"^(at least one |an? )?(images?|image file)( file|\[\])?s? ((is|are) )?required",
    r"missing image file",
    r"no images? (file )?(was |were )?(provided|uploaded|found)",
    r"missing (required )?(field|parameter|file):? ['\"`]?image(s|_url)?\b",
    r"\bimages?['\"`]? .{0,20}(uploaded|sent|passed) as|upload (the |an? )?images? as|to be uploadfile",
    r"multipart(/form-data)?( requests?)? (is|are) not (supported|accepted|allowed)",
    r"please use application/json|only json( requests?)?\b",
    r"^invalid image url",
)
NEEDS_HEADER = any_of(
    r"x-[\w-]+ (or [\w-]+ )*(header )?is required",
    r"missing (required )?header",
    r"header .{0,40}(is |are )?(required|missing)",
    r"(provided|sent|passed) (through|in|as|via) (the |a )?header",
    r"\bset (the |a )?header",
)
NO_STREAM = any_of(r"(?<!octet-)(?<!event-)\b(stream(ing)?|sse)\b|partial_images", foreign.STREAM)
WANTS_FIELD = any_of(
    r"response_format(=url|.{0,60}b64_json)",
    r"b64_json.{0,60}response_format",
    r"only .{0,20}b64_json",
    r"field (is )?required|: required$",
    r"(missing|required|mandatory)( required)? (parameter|field|property|argument)|(fields|parameters) are required",
    r"missing \w+_\w|(\w_\w+|['\"`]\w+['\"`]):? (is|must|should|cannot) (a |not )?(be )?"
    + r"(required|missing|provided|specified|empty|blank|present)",
    foreign.WANTS_FIELD,
)
UNKNOWN_FIELD_CODES = any_of(
    r"unknown_(parameter|field|argument)",
    r"unsupported_(parameter|field)",
    r"extra_forbidden",
    r"unrecognized",
)
UNKNOWN_FIELD_WORDS = any_of(
    any_of(
        r"unknown|unrecogni[sz]ed|unsupported|unexpected|unhandled|extra",
        r"invalid(?! request p|(?<=an invalid) argument| argument\b(?!:))",
    )
    + r" (request )?(parameters?|fields?|arguments?|keyword|propert)",
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|extra) inputs?",
    r"does(n't| not) (support|accept|take|know|allow) (the )?(['\"`]?\w+['\"`]? )?"
    + r"(parameter|field|argument|option|propert)",
    r"(parameter|field|argument|property)s? .{0,60}(is |are )?not (supported|permitted|allowed|recognized)",
    r"additional propert",
    r"unsupportedparams",
    r"unknown name \"|extraneous key \[",
)
