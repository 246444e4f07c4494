"""How servers name what went wrong, as patterns for the rules: codes and words of many servers, in lower case."""

from __future__ import annotations

from . import foreign_words as foreign

MODERATION_CODES = (
    r"moderation|content_?(filter|policy)|responsible_?ai_?policy|sensitive_?(words?|content)|prohibited_content"
    r"|(\b|content_)safety(_(error|violations?|system|block\w*))?\b|image_safety|censor|data_?inspection_?fail"
    r"|risk_?control|invalid_?provider_?content|ip_?infring|\bcyber_|(\b|_)unsafe(_|\b)"
    r"|policy_?violation|audit\w*(illegal|not_?pass)|unacceptable(?!_?(format|size|param|type|value))"
    r"|prompt_?(blocked|rejected|unsafe)|\bnsfw|inappropriate|unsafecontent|illegal_(prompt|image)|content_?moderat"
    r"|request_?moderated|risk_?detect|(image|text)_?illegal"
)
MODERATION_WORDS = (
    r"safety system|content management policy|was filtered|_filter_failed|\bpublic_error_(minor|prominent"
    r"|unsafe|sex|violen|danger)|content[-_ ]?(policy|filter(?!_results?\b))"
    r"|moderation[ _](system|filter|check|blocked|failed)|content moderated|content audit|risk (control|not pass)"
    r"|exists risk|audit not pass|blocked (entity|keyword|word|topic)|content blocked: "
    r"|\b(data|content|prompt|input|output|image|text) (\w+ )?(is |was |has been )?blocked by|safety (filter|polic)"
    r"|(by|failed|not pass) (the )?(content )?(moderation|safety)|finish.?reason\W{1,4}\w*(safety|prohibited"
    r"|recitation)"
    r"|(blocked|rejected|refused|denied|infring\w{2,6}|protected|due to|because of|contains?) [^.;]{0,40}"
    r"(copyright|trademark|intellectual property|likeness|celebrit|public figure|filtered words)"
    r"|(violat\w{2,4}|against) .{0,60}(polic|guideline|terms of)"
    r"|policy violation|unacceptable content"
    r"|sensitive (word|content|information|chat)|new_sensitive|ip infringement"
    r"|\bnsfw\b|prohibited content|unsafe[ _](content|generation)"
    r"|inappropriate content|banned (prompt|word)"
    r"|flagged (as|by|for)|(prompt|request|input|images?|content) (was |were |is |are |has been )?(flagged|moderated)"
    r"|guardrails?\b.{0,40}(fail|block|reject|violat|trigger)|prompts? (pattern )?(was |is |are )?(blocked|unsafe)"
    rf"|{foreign.MODERATED}"
)
CREDIT_CODES = (
    r"insufficient_?\w*(quota|balance|credits?|funds)|quota_?(exceeded|exhausted|not_enough|insufficient|failed)"
    r"|pre_consume\w*|billing(?!_not_conf)|spend(ing)?[_-]?limit|usage_limit|usage-exhausted|chargeresource"
    r"|credits?_?(balance|limit|exhausted)"
    r"|payment_?required|credits?_?insufficient|out_of_credits?|no_credits?|budget_?exceeded"
    r"|balance_?(not_enough|insufficient|too_low|exhausted)"
    r"|arrear|overdue|(billing_)?not_enough_(credits?|balance|quota)|billing_balance|setlimitexceeded|free_?tier_?only"
)
CREDIT_WORDS = (
    r"exceeded (your|today's) (?!request|rate)(\w+ )?quota(?!.{0,20}(per|a) (minute|second))"
    r"|billing hard limit|(used|spent) all (of )?((your|the|available|monthly|included|free) )*(credits|usage)"
    r"|(insufficient|not enough|no( more)?|out of|lacks?|low on) (\w+ ){0,2}(quota|balance|credits?|funds|points"
    r"|api tokens)\b(?!( were| have been)? (charged|deducted|used|consumed))"
    r"|(quota|balance|credits?|funds) (\[\d+\] )?(is |are |has been |have been |was )?(not enough|insufficient"
    r"|exhausted|used up"
    r"|too low|depleted|not sufficient)|requires more credits|(add|buy|purchase) (more )?(credits|funds)|top up"
    r"|(budget|spend\w* limit|usage limit|monthly limit) (has been |was |is )?(exceeded|reached|hit)|exceeded budget"
    r"|payment required|account is in arrears|reaching .{0,12}spend\w* limit|failure to pay"
    r"|exhausted (your|the|all) (\w+ )?(credits?|quota|budget|balance)|over budget"
    r"|(do(es)?n't|do(es)? not) have (any|enough) (credits?|funds|balance)|free (tier|quota|allocation|credits?)"
    r".{0,40}(exhausted|used up|exceeded)|used up (your|the|all) .{0,30}(free|allocation|quota|credits?)"
    r"|\blimit:? 0(/|, (used|model))|check your billing"
    r"|accessible to billed|\bpaid (\w+ )?is required|(credit card|payment method).{0,40}(on file|required|missing)"
    r"|(enter|add|set up) (an? |your )?(valid )?(payment method|credit card)"
    r"|exceeded your balance|usage exceeds (the |its )?limit|no active subscription|subscription (is )?required"
    r"|out of ([\w-]+ ){1,3}quota"  # in Chinese but for what was given back
    r"|(?<!\u9000\u8fd8)(?<!\u8fd4\u8fd8)([\u4f59\u9918][\u989d\u984d\u91cf]|[\u989d\u984d]\u5ea6|\u914d\u989d)"
    rf"|{foreign.CREDIT}"
)
KEY_LIMIT_WORDS = (
    r"(?<![a-z])key.{0,20}(limit (exceeded|reached)|(reached|exceeded) .{0,12}(cost|spend\w*|budget) limit)"
    r"|(?<!rate )limit (of|for) (this|the|your) (api )?key|(api )?key.{0,30}(budget|quota)"
    r"|virtual key|tokenstatusexhausted|\u4ee4\u724c.{0,4}\u989d\u5ea6"
)
NOT_HERE = (
    r"(country|region|territory|location).{0,30}not (supported|available|allowed)"
    r"|not (available|supported) in your (country|region)|for legal reasons"
)
NOT_HERE_CODES = r"unsupported_country|region_?(not|un)|\b(user_)?location"
CLOSED_CODES = r"access_terminated|account_suspended|organization_(restricted|suspended|disabled)"
UNVERIFIED_STREAM = r"verified to stream\b"
UNVERIFIED = r"must be verified|verify (your|the) organi[sz]ation|organi[sz]ation.{0,40}verif"
CLOSED_WORDS = (
    r"\bresource has been (temporarily )?blocked|\u5c01\u7981|[\u8d26\u5e10].{0,4}\u51bb\u7ed3"
    r"|^(?!.*(balance|credit|billing|quota|arrear|overdue|pay|\bspend|recharge)).*"
    r"\baccount\b.{0,40}\b(locked|suspended|banned|frozen)"
)
STREAM_UNREAD = r"has no attribute 'model_dump'|event: image_(edit|generation)\."
NO_SUCH_PATH = r"^unexpected (endpoint|method) or "
HTTP_FOR_HTTPS = r"\bhttp\srequest (was sent )?to (an )?https"
LEAKED_KEY = r"key.{0,40}(leaked|compromised|revoked)|key is (currently |temporarily )?blocked"
ACCOUNT_CODES = r"(mismatched|invalid)_(organization|project)|(project|organization)_(archived|not_found)"
NO_MODEL_CODES = r"unavailable_model|model_?(not|un|off|deprecat|retired|ended|shut)|deploymentnotfound"
NO_MODEL_WORDS = (
    r"incorrect model (id|name)|not a valid model|\u6a21\u578b.{0,4}(\u4e0d\u5b58\u5728|\u4e0b\u7ebf)"
    r"|^model not support\W*$|model.{0,80}(not found|not exist|unknown|not supported|not available)|(unknown|invalid"
    r"|no such) model"
    r"|^(?!.*(parameter|field|argument|option)).*\bmodel\b.{0,80}(deprecated|retired|decommissioned|shut down"
    r"|no longer available)|model (id|identifier|name)\w* is invalid|real modelid|no endpoints found"
    r"|llm provider not provided|unknown provider for model"
)
NO_PROVIDER = (
    r"no endpoints (found|available) .{0,20}"
    r"(matching your (data|privacy|guardrail)|(that can )?(handle|support) the requested (param|output))"
)
MAY_NOT_CODES = r"permission_?denied|(key|token|team)_(model_)?access_denied|access_denied_for_(key|token)"
MAY_NOT_WORDS = (
    r"permission is required|missing scopes|insufficient permission|restricted api key|\bscopes?\b|lacks the required"
    r"|not allowed to access (the )?model"
    r"|can only access (the )?models|no permission to (use|access)|\u4ee4\u724c\u65e0\u6743"
)
_MADE_OF = r"(images?|pictures?|outputs?|results?|data|content|text|candidates?|choices|response|body|reply|base64)"
NOT_GIVEN = (  # said of an answer that came to who says it; of a request nobody says so
    r"did(n't| not) (return|generate|produce|contain|include|yield|deliver|respond|execute|finish|complete)"
    r"|(return|generat|produc|yield)(ed|s) (\w+ )?(no|nothing|zero|only|an empty|empty|null|none)\b"
    rf"|(?<!request )(?<!prompt )(?<!input )(contain|includ)(ed|s) (no|zero|only|an empty)( \w+)? {_MADE_OF}\b"
    rf"|\b(no|empty|missing|invalid) (\w+ ){{0,3}}{_MADE_OF}( data)?( (was|were|has been))? (returned|generated"
    rf"|produced)"
    rf"|\b(no|empty|missing|invalid) (\w+ ){{0,3}}?{_MADE_OF}( \w+){{0,2}} (in|from|by) ((the|an?) )?(\w+ )?"
    r"(response|reply|answer|results?|output|upstream|model|provider|gemini|codex|conversation)\b"
    r"|\bneither \w+ nor \w+"
    r"|\b(empty|no final|no valid final) (\w+ )?(response|result|output|reply|image)"
    r"|(fail\w{0,4}|unable|could(n't| not)|can(not|'t)) (to )?(extract|parse|read|decode|find|get|retrieve"
    r"|fetch|unmarshal)"
    r" (\w+ ){0,3}(response|reply|result|answer|output)"
    r"|(\u672a\u80fd?|\u6ca1\u6709?)(\u4ece.{0,20})?(\u8fd4\u56de|\u89e3\u6790\u51fa|\u751f\u6210|\u4ea7\u51fa)"
    r".{0,6}(\u56fe|\u7ed3\u679c|\u5185\u5bb9|\u6570\u636e)|\u54cd\u5e94\u4e3a\u7a7a"
    r"|(\u65e0\u6cd5|\u672a\u80fd|\u5931\u8d25).{0,4}\u89e3\u6790.{0,6}(\u54cd\u5e94|\u8fd4\u56de|\u4e0a\u6e38)"
)
BROKEN_LINE = (  # between who says it and who was asked for the picture
    r"connection (was )?(reset|closed|aborted|lost)|lost (the )?connection|connection (error|broken|fail)"
    r"|unexpected eof"
    r"|broken pipe|socket hang up|goaway|(from|by) peer|\b(post|get) \"https?://[^\"]{1,300}\":"  # as Go says it
    r"|econn(reset|aborted)|epipe|etimedout|i/o timeout|bad gateway|gateway (error|time)|incompleteread"
    r"|\b(status|code|http|error|returned|responded with)\W{0,3}(status |code "
    r"|error ){0,3}\W{0,2}5\d\d\b(?!\s*(x|px|m?b"
    r"|char|k))"
    r"|(\u9519\u8bef|\u8fd4\u56de|\u72b6\u6001)\u7801?\W{0,3}5\d\d\b|\u7b49\u5f85.{0,10}\u8d85"
)
FAILED_WORDS = (  # said of what was begun and did not end well, as servers, their languages and programs say it
    r"stream .{0,30}(end|close|broke|disconnect|reset|abort)|disconnected|timed? ?out|timeout|interrupted"
    r"|^(?!.*(\binvalid (?!resp|char|json)|must be|required|supported|allowed|validation))"
    r".*((generation|prediction|inference|processing|execution|workflow|task|job|request|rendering|sampling|decode"
    r"|upscale) (has |was )?(failed|aborted|cancell?ed|crash)|generation (error|unsuccessful|did( not"
    r"|n't) (finish|complete))"
    r"|(could not|couldn't|cannot|can't) be (completed|generated|created|rendered|finished|saved|stored|delivered"
    r"|retrieved|returned)|results? (could not|couldn't|cannot) be|results? (is |are )?(not available|empty)"
    r"|took too long|no response (from|rec)"
    r"|(fail\w{0,4}|unable|could( not|n't)|cannot) (to )?(generate|render|produce|complete|finish|create (the|your"
    r"|an) (im|pi)"
    r"|process (the|your) request|(upload|save|store|persist) (the )?(\w+ )?(results?|generated|output|image|picture)"
    r"|(fetch|get|retrieve) (the )?generated))"
    r"|\b(system|server|service|unexpected|unhandled|network|connection|inference|backend|worker|runtime|cuda|gpu)"
    r" (error|exception|failure|crash)|\binternal (server )?error|^unknown[_ ]error|something went wrong"
    r"|encountered an error"
    r"|\b(model|worker|process|gpu|container|pod) (\w+ )?(crash\w*|died|killed|lost)\b|deadline exceeded"
    r"|(max\w* (retries|execution time) exceeded|exceeded max\w* execution time)|unexpected end of"
    r"|invalid (response|json) (\w+ )?from|\berror (has )?(occurr?ed|happened)(\W*$|[^:]{0,20} (processing"
    r"|generating|generation))"
    r"|read response|upstream connect|upstream .{0,40}"
    r"(failed|died|error|ended|closed|broke)|provider returned error|max_output_tokens"
    r"|out ?of ?memory|\boom\b|allocation on device|sigkill|exited with|segmentation fault|core dumped"
    r"|traceback|\b(key|type|index|runtime|attribute|memory|decode)error\b|has no attribute|index out of range"
    r"|not subscriptable|expecting value: line|unexpected token|looking for beginning of value|cannot read propert"
    r"|cannot unmarshal(?!.{0,60}struct field)|nil pointer|context (deadline|cancell?ed)|fetch failed"
    r"|\u751f\u6210(?!.{0,3}\u53c2\u6570).{0,4}(\u5931\u8d25|\u51fa\u9519|\u5f02\u5e38)|"
    r"\u56fe\u7247\u4fdd\u5b58\u5931\u8d25|\u7ed3\u679c.{0,4}(\u5931\u8d25|\u5f02\u5e38)|\u9519\u8bef\u54cd\u5e94"
    r"|[\u6e32\u753b][\u67d3\u56fe]\u5931\u8d25"
    r"|(\u8fde\u63a5|\u6d41).{0,4}(\u4e2d\u65ad|\u65ad\u5f00|\u7ed3\u675f)|\u8d85\u65f6|(\u7cfb\u7edf"
    r"|\u670d\u52a1\u5668?|\u5185\u90e8|\u7f51\u7edc"
    r"|\u4e0a\u6e38|\u672a\u77e5|\u540e\u7aef|\u6267\u884c)"
    r"(?!.{0,3}\u53c2\u6570).{0,4}(\u9519\u8bef|\u5f02\u5e38|\u5931\u8d25|\u6545\u969c|\u51fa\u9519)"
    r"|(\u4efb\u52a1|\u5904\u7406|\u7ed8[\u56fe\u5236]|[\u51fa\u4f5c\u751f]\u56fe|\u8f6c\u5b58"
    r"|\u7ed3\u679c.{0,4}\u4e0a\u4f20)"
    r"(?!\u63d0\u4ea4|\u521b\u5efa|\u53c2\u6570).{0,3}(\u5931\u8d25|\u5f02\u5e38|\u51fa\u9519)"
    rf"|{foreign.FAILED}"
)
UNKNOWN_LANGUAGE = foreign.UNKNOWN
FAILED_CODES = (
    r"server_error|response_time|read_response|\.(server|inner)error|internal|time(d_?)?_?out|unknown_?error|bad_response|gateway|unavailable"
    r"|overloaded|\b(upstream_)?stream_|do_request_failed|empty_re(sponse|sult)|storage_error|cancell?ed|generat(ion|e\w*)_?failed|no_content|service_error"
    r"|processing_error|task_failed|\bapi_error|upstream_decode"
)
ONLY_UPSTREAM = r"^(type:\s)?upstream[\s_]error$"
OVERLOADED = r"server_is_overloaded|slow_down|service_unavailable_error|\boverloaded(_error)?\b"
UNKNOWN_FIELD_CODES = r"unknown_(parameter|field|argument)|unsupported_(parameter|field)|extra_forbidden|unrecognized"
UNKNOWN_FIELD_WORDS = (
    r"(unknown|unrecogni[sz]ed|unsupported|unexpected|unhandled|extra|invalid(?! request p"
    r"|(?<=an invalid) argument| argument\b(?!:)))"
    r" (request )?(parameters?|fields?|arguments?|keyword"
    r"|propert)|(unknown|unrecogni[sz]ed|unsupported|unexpected|extra) inputs?|extra inputs are not permitted"
    r"|does(n't| not) (support|accept|take|know|allow) (the )?(['\"`]?\w+['\"`]? )?(parameter|field|argument|option"
    r"|propert)"
    r"|unsupportedparams|unknown name \"|extraneous key \["
    r"|(parameter|field|argument|property)s? .{0,60}(is |are )?not (supported|permitted"
    r"|allowed|recognized)|additional propert"
)
FOREIGN_VALUES = (  # of fields whose values on the nodes a server need not know at all
    r"\b(quality|moderation)\b.{0,60}(must be|should be|one of|expected|not valid|invalid|unknown variant|of type)"
    r"|\bstandard\W+((and|or) )?\W*hd\b"
)
CHALLENGE = (
    r"just a moment|checking (your|if the site)|enable javascript and cookies|attention required|captcha|verify you are"
    r" (a )?human|security check|ddos protection"
)
BAD_KEY_WORDS = (
    r"^invalid token\W*$|(incorrect|invalid|wrong|missing|expired|unknown) (api|access|authentication)[ -]?(key"
    r"|token)|login (fail|error)|(authentication|certification) (has )?failed"
    r"|expired key|(security|bearer|session) token .{0,30}(expired|invalid)"
    r"|^unauthorized( access| request)?\W*$|^unauthorized\W.{0,40}(key|token|credential)"
    r"|(api|access)[ -]?(key|token) (is |was |has )?(not valid|invalid|incorrect|expired|missing|not found)|no api key"
    rf"|{foreign.BAD_KEY}"
)
_MAKERS = (  # who could make the picture
    r"(key|channel|provider|upstream|deployment|backend|server|account|instance|worker|runner|node|gpu|machine|replica"
    r"|token|credential|endpoint|capacity|resource)s?\b"
)
NOBODY_THERE = (
    rf"no (available|active|healthy|live|allowed|enabled) ([\w-]+ ){{0,2}}{_MAKERS}"
    rf"|no ([\w-]+ )?{_MAKERS} (are |is )?(currently )?available"
    r"|(\u65e0|\u6ca1\u6709)\u53ef\u7528\u7684?.{0,4}(\u6e20\u9053|\u901a\u9053|\u8d26\u53f7|\u8282\u70b9|token|\u4ee4\u724c)"
    r"|^name resolution failed|^loading model|model ([\w./-]+ )?is (still |currently )?loading|system (disk|cpu"
    r"|memory) overloaded"
    r"|no auth (available|candidates)|no keys found|backend not found|get a peer from"
    r"|unable to start process|(system|server|service|model( \"?[\w./:-]+\"?)?) is (too busy|busy|draining)"
    r"|^service busy|at (full |maximum )?capacity|queue (is )?full"
    r"|(server|service|model( with name \S+)?) is not ready|max inflight requests|due to backpressure|no capacity"
    r"|in cooldown|\bmaintenance\b|\u961f\u5217\u5df2\u6ee1"
)
RATE_LIMITED = r"\brate.?limit(ed| exceeded| reached)|too many requests|\u9650\u901f|\u9650\u6d41"
BROKE_OFF = (
    r"interrupt|\blost\b|abort(?!ed because)|\bkill|crash|(generation|rendering|task|job) (was |has )?(failed|cancel)"
)
NOT_BEGUN_CODES = (
    r"failed_validation|invalid_api_type|model_price_error|credential_unavailable|_not_configured|get_channel_failed|no_available_key"
    r"|system_(disk|cpu|memory)_overloaded"
)
UNREAD_CODES = r"(bind|read|parse)_request_body_failed|bad_request_body|convert_request_failed|count_token_failed"
UNREAD_WORDS = (
    r"fail\w{0,4} (to )?(pars|read|bind|decod)\w+ (the )?(request|parameters from request|multipart)"
    r"|nextpart: |invalid json in (the )?request|no multipart boundary|isn't multipart"
    r"|\b(is|are) required for\b|cannot unmarshal .{0,60}struct field \w*request|unexpected end of form"
    r"|multererror: unexpected field"
)
TOO_LARGE = (
    r"request (body |entity |size |payload )?(is )?too large|maximum (content|request|upload) (size|length)"
    r"|exceeds the request content length|request size limit|multererror: file too large"
    r"|(size of the (input )?image|(file|image)s? size) exceeds"
    r"|\b(file|upload|payload)s? (\w+ )?(is |are )?(too (large|big)|exceed\w* (\w+ ){0,3}(size|limit))"
    r"|maxtotalfilesize|requestdatatoobig"
)
TOO_LARGE_CODES = r"oversized_?image|(image|file)_too_large|size_limit_exceeded"
ANSWER_TOO_LARGE = r"response (payload|body|size|entity)"
NOT_WHOLE = (
    r"(invalid|malformed|incomplete|unparsable|could not parse|failed to parse) (the )?(json|request|form|multipart)"
    r"( request)? ?body|invalid json(?!.{0,20}unknown name)|unexpected end of (json|input|form|data)"
    r"|unterminated string"
    r"|(could not|failed to|cannot) parse (the )?multipart|parsing the body|nextpart: "
)
WANTS_FIELD = (
    r"response_format(=url|.{0,60}b64_json)|b64_json.{0,60}response_format|only .{0,20}b64_json"
    r"|body\.\w+: field required"
)
UNABLE = (
    r"(does|do)( not|n't) support image (generation|edit|output)|image[ _](edit|generation)\w* (is |are )?not supported"
    r"|does not work with the (specified )?model|not support a?synchronous|tool choice 'image_generation'"
    r"|is only supported on /"
    r"|not support(ed)? (for|by) (this |the )?provider|unsupported mode"
)
WRONG_FORM_CODES = r"(unsupported|invalid)_content_type|unsupported_media_type"
WRONG_FORM_WORDS = (
    r"unsupported (content|media)[ -]?type|only accepts? '?(application/json|multipart)"
    r"|expected .{0,40}(application/json|multipart/form-data)|content[ -]type .{0,60}(not supported|must be|invalid)"
    r"|invalid content-type|content-type isn't"
    r"|\bimages?(\[\])?: field required|^(at least one |an? )?(images?|image file)( file)?s? (is|are) required"
    r"|no images? (file )?(was |were )?(provided|uploaded|found)"
    r"|image field is required|missing (required )?(field|parameter|file):? ['\"`]?image"
)
NEEDS_HEADER = (
    r"x-[\w-]+ (or [\w-]+ )*(header )?is required|missing (required )?header"
    r"|header .{0,40}(is |are )?(required|missing)|(provided|sent|passed) (through|in|as|via) (the |a )?header"
)
MADE = (
    r"(images?|pictures?|results?) ((was|were|has|have) (been )?)?"
    r"((successfully )?(generated|created|made),? but|expired|lost)"
    r"|(generation|prediction) (was |has )?(complet|succe|finish)\w*,? but"
)
AFTERWARDS = (  # whatever the status that a relay gives it
    rf"{MADE}|{NOT_GIVEN}|error occurred while processing your request|downstream service error"
    r"|^(?!.*(queue|slot|load|concurren|multipart|rate.?limit|input[ _]image|fetch (the )?(\w+ )?(image|file|url)"
    r"|\bbody|unknown|field|parameter|timeout (must|should)|\u4e0b\u8f7d))"
    rf".*({BROKEN_LINE}|taking (too long|longer)|may still be|(notify|tell) you when|\u51c6\u5907\u597d\u540e|"
    r"\b(render(ing)?|generation|inference|prediction|worker) (was |has been )?(aborted|killed|crashed|interrupted)|"
    r"(upstream|generation|backend|provider|model|prediction|inference|request|task|job|operation|worker)\b.{0,30}"
    r"(time(d )?[ -]?out|did(n't| not) respond)"
    r"|(\u4efb\u52a1|\u751f\u6210|\u8bf7\u6c42|\u5904\u7406).{0,4}\u8d85\u65f6|(\u4e0a\u6e38|\u63a5\u53e3|\u6a21\u578b|\u7ed8[\u56fe\u753b]|[\u51fa\u751f]\u56fe|\u6e32\u67d3).{0,14}\u8d85\u65f6)"
    r"|\bstream\b.{0,20} (disconnect|clos|broke|interrupt)"
)
OF_THE_REQUEST = (  # what is wrong with it, or what another server found so
    r"\binvalid|\bmust|requir|support|allow|valid|param|field|argument|\bsize|format|resolution|dimension|\bprompt"
    r"|\binput|\burl\b|https?://|\bmask\b|upload|download|\bfiles?\b|base64|mime|\bjson|\bbody\b|aspect"
    r"|too (long|large|small|many)|exceed|unknown (?!err|exc|reason|fail)|missing|reference|queue"
    r"|\b(http|status|code|error)\W{1,3}4(?!08|99)\d\d\b"
    r"|(with|for|by|on) (this|the) model|quality|background|transparen|corrupt|permission|denied|forbidden|unauthor"
    rf"|{foreign.OF_THE_REQUEST}"
)
CHARGED = (  # what was not, or is given back, is not meant
    r"^(?!.*(\ball (of )?(your|the) \w+ were spent"
    r"|(?<!not )(?<!not be )(?<!non-)refunded|(?<![\u4e0d\u4e88])(\u9000[\u8fd8\u56de]|\u8fd4\u8fd8)))"
    r"((.*[.;:!?,])?((?!\bnot?\b|n't|\bnever\b|\bnothing\b|\bnone\b)[^.;:!?,])*"
    r"\b((we|may|might|will|ha[sd]|have|was|were|already)( already| still)?( have| be)?( been)? "
    r"(charged|billed|deducted|debited|(?<=were )spent)|charges (still |may )?appl(y|ied))\b"
    r"|.*(?<!\u672a)\u5df2(\u7ecf|\u4ece.{0,4})?(\u6263|\u8ba1\u8d39|\u4ea7\u751f\u8d39\u7528)"
    r"|\u8d39\u7528\u5df2\u4ea7\u751f"  # Chinese
    r"|.*(\u8ab2\u91d1\u3055\u308c\u307e?\u3057?\u305f|\u8acb\u6c42\u6e08)|.*(wurde belastet"
    r"|a \u00e9t\u00e9 d\u00e9bit\u00e9|se ha cobrado))"
    r"|\u4e0d(\u4e88|\u4f1a|\u4e88\u4ee5)?\u9000|(\bnot|n't) (be |been )?refunded"
)
LATE = (  # perhaps of what was made
    r"^(?=.*(timed?[ -]?out|\bcrash|\u8d85\u65f6)).*(moderati|polic|safety|audit|billing|\u5ba1\u6838|\u5145\u503c)"
)
SAME_RUNNING = (
    r"(same|identical|duplicated?|this) ([\w-]+ )?(request|prompt|task|job)\b.{0,40}"
    r"already (being (processed|generated)|in (progress|process)\b|running|processing|queued|submitted)"
    r"|duplicate (request|submission)"
)
RUNNING_WORDS = (
    r"already (being (processed|generated)|in (progress|process)\b|running|processing|queued|submitted)"
    r"|(request|prompt|task|job|generation) is (still |currently )?(being (processed|generated)|in progress|running)"
    r"|\u91cd\u590d(\u63d0\u4ea4|\u8bf7\u6c42)|\u6b63\u5728\u5904\u7406"
)
RUNNING_CODES = (
    r"\bidempotency_(in_flight|key_in_use)\b|(\b|_)(request|task|job)_(is_)?(already_)?(in_progress|running"
    r"|processing|queued)\b"
    r"|\balready_(in_progress|running|processing|submitted)\b|\bduplicated?_request\b"
)
BUSY = (
    r"rate.?limit|request limit|frequency limit|(too|very) busy|busy now|try again later|temporarily unavailable"
    r"|\u9971\u548c|\u7a0d\u540e|\u9891\u7387"
)
NOTHING = r"^\s*$"
