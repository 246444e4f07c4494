"""How servers say that work was begun, so that it may have been billed: codes and words of many, in lower case.

How a phrase is added stands in phrases.py. What ends on _CODES is looked for in codes and types, all else in messages.
"""

from __future__ import annotations

from . import foreign_words as foreign
from .phrases import any_of

# --- a picture was made, or money taken ---
MADE = any_of(
    r"(images?|pictures?|results?) ((was|were|has|have) (been )?)?"
    + any_of(r"(successfully )?(generated|created|made),? but", r"expired|lost"),
    r"(generation|prediction) (was |has )?(complet|succe|finish)\w*,? but",
    r"(upload|download|fetch|retriev|encod|sav|stor|persist|deliver)\w* (the |your )?"
    + r"(generated|rendered|finished|results?)\b",
    r"(generated (image|picture)|results?) (could not|couldn't|cannot|can't) be",
)
_TAKEN = any_of(
    r"\b(we|may|might|will|ha[sd]|have|was|were|already)( already| still)?( have| be)?( been)? "
    + r"(charged|billed|deducted|debited|(?<=were )spent)",
    r"\bcharges (still |may )?appl(y|ied)",
)
_GIVEN_BACK = any_of(
    r"(?<!not )(?<!not be )(?<!non-)refunded",
    foreign.GIVEN_BACK,
)
CHARGED = any_of(
    rf"^(?!.*(\ball (of )?(your|the) \w+ were spent|{_GIVEN_BACK}))"
    + any_of(
        rf"(.*[.;:!?,])?((?!\bnot?\b|n't|\bnever\b|\bnothing\b|\bnone\b)[^.;:!?,])*{_TAKEN}\b",  # not denied
        rf".*{foreign.CHARGED}",
    ),
    r"(\bnot|n't) (be |been )?refunded",
    foreign.NOT_GIVEN_BACK,
)
LATE = (  # words of moderation or money, but perhaps of what was made
    rf"^(?=.*(timed?[ -]?out|\bcrash|{foreign.TIME_OUT}))"
    + rf".*(moderati|polic|safety|audit|billing|{foreign.MODERATION_OR_MONEY})"
)

# --- the answer that came to who says it holds no picture; of a request nobody says so ---
_MADE_OF = any_of(
    r"images?|pictures?|outputs?|results?|candidates?|choices",
    r"data|content|text|base64",
    r"response|body|reply",
)
_UNABLE_TO = r"(fail\w{0,4}|unable|could(n't| not)|can(not|'t)) (to )?"
NOT_GIVEN = any_of(
    r"did(n't| not) (return|generate|produce|contain|include|yield|deliver|respond|execute|finish|complete)",
    r"(return|generat|produc|yield)(ed|s) (\w+ )?(no|nothing|zero|only|an empty|empty|null|none)\b",
    r"(?<!request )(?<!prompt )(?<!input )(contain|includ)(ed|s) (no|zero|only|an empty)( \w+)? " + _MADE_OF + r"\b",
    rf"\b(no|empty|missing|invalid) (\w+ ){{0,3}}{_MADE_OF}( data)?( (was|were|has been))?"
    + r" (returned|generated|produced)",
    rf"\b(no|empty|missing|invalid) (\w+ ){{0,3}}?{_MADE_OF}( \w+){{0,2}} (in|from|by) ((the|an?) )?(\w+ )?"
    + r"(response|reply|answer|results?|output|upstream|model|provider|gemini|codex|conversation)\b",
    r"\bneither \w+ nor \w+",
    r"(complet|finish|end|clos|return)(ed|s) without (?!(an? )?error)",
    r"invalid character '<' looking|unexpected token '?<'?(,| in json)",  # a page in its place
    r"\b(empty|no final|no valid final) (\w+ )?(response|result|output|reply|image)",
    _UNABLE_TO
    + r"(extract|parse|read|decode|find|get|retrieve|fetch|unmarshal) (\w+ ){0,3}(response|reply|result|answer|output)",
    foreign.NOT_GIVEN,
)

# --- it broke off, or took too long ---
_CUT = r"(reset|closed|aborted|lost|terminated)"
_CUT_OFF = any_of(  # where something had gone out before
    rf"connection (was |is )?(forcibly )?{_CUT}",
    rf"{_CUT} (the |idle )?connection",
    r"(from|by) peer",
    r"unexpected[ _](eof|end of file)|incompleteread|incomplete ?(chunked|message)",
    r"(payload|response) is not completed|transfer closed",
    r"broken pipe|socket hang up|hung up|goaway",
)
BROKEN_LINE = any_of(  # between who says it and who was asked for the picture
    _CUT_OFF,
    r"connection (error|broken|fail)",
    r"premature(ly)?\b(?! end of (jpe?g|input|data|image|file))(?<!(jpeg|.png|webp|file) ended prematurely)",
    r"error (decoding|reading) (the )?response|error sending request for url",
    r"econn(reset|aborted)|epipe|etimedout",
    r"i/o timeout",
    r"\b(post|get) \"https?://[^\"]{1,300}\":",  # as Go says it
    r"bad[ _]gateway|gateway[ _](error|time)",
    r"\b(status|code|http|error|upstream|returned|responded with)\W{0,3}(status |code |error ){0,3}\W{0,2}"
    + r"5(0\d|1[01]|2\d|30|9[89])\b(?!\s*(x|px|m?b|char|k))",  # not 512 and its kin, which are sizes
    foreign.BROKEN_LINE,
)
_NOT_OF_WORK = any_of(  # of the queue before it, of the request and its pictures
    r"queue|slot|(?<!pay)load|concurren|rate.?limit",
    r"multipart|(?<!response )(?<!message )\bbody\b(?!: \S)|unknown|field|parameter",
    r"input[ _]image",
    r"fetch (the )?(\w+ )?(image|file|url)",
    r"timeout (must|should)",
    foreign.DOWNLOAD,
)
AFTERWARDS = any_of(  # whatever the status that a relay gives it
    MADE,
    NOT_GIVEN,
    r"error occurred while processing your request",
    r"downstream service error",
    r"(?<!multipart )\bstream\b.{0,30} (disconnect|clos|broke|interrupt|abort|reset|end(ed|s)?\b)",
    r"(closed|ended|aborted) the stream\b",
    rf"^(?!.*{_NOT_OF_WORK}).*"
    + any_of(
        BROKEN_LINE,
        r"taking (too long|longer)",
        r"may still be",
        r"(notify|tell) you when",
        foreign.STILL_MADE,
        r"\b(render(ing)?|generation|inference|prediction|worker) (was |has been )?"
        + r"(aborted|killed|crashed|interrupted)",
        r"(upstream|generation|backend|provider|model|prediction|inference|request|task|job|operation|worker)\b"
        + r".{0,30}(time(d )?[ -]?out|did(n't| not) respond)",
        foreign.TIMED_OUT,
    ),
)
BROKE_OFF = any_of(  # beside words of nobody being there, or of too many requests
    MADE,
    NOT_GIVEN,
    _CUT_OFF,
    r"interrupt|disconnect(?!/)|\blost\b|abort(?!ed because)|\bkill|crash|terminated|evicted|preempt|\bdied\b|\beof\b",
    r"out of memory|\boom\b|fell off|exited with|deadline exceeded|(inference|internal( server)?) error",
    r"stream (was )?(closed|ended)|\b(returned|status|code|error)\W{1,3}5(?!03|29)\d\d\b",
    r"(generation|rendering|sampling|task|job|request) (was |has |has been )?"
    + r"(failed|cancel|stopp|ended|took|finish|complet)",
    r"being (generated|rendered|drawn|made)|still be ",
    r"during (generat|sampl|render|inference|processing)",
    r"\bstep \d",
    r"^(?!.*(\bwait|queue|unspecific error: health check)).*time(d |d-|s |-| )?out",
    # keeping what was made
    r"(upload|sav|stor|persist|deliver)\w* (the |your )?(\w+ )?(results?|output|image|picture)",
    r"(could not|couldn't|cannot|can't) be (saved|stored|delivered|retrieved|returned)",
    r"putobject|saved|finished",
    # a part of the work that comes after others
    r"upscal|refiner|watermark|post-?process|safety|caption|\bvae\b|\bface\b|restorat|\blatents?\b|\bdecod",
    r"\bdrawn\b|after (the |its )?(generation|sampling|picture|image|run)\b",
    r"\bcdn\b|stor(e|age)\b|upload|export|deliver|publish|\b(output|result)s?\b",
    foreign.BROKE_OFF,
)
STREAM_UNREAD = any_of(  # by who passes it on
    r"has no attribute 'model_dump'",
    r"event: image_(edit|generation)\.",
)
ANSWER_TOO_LARGE = r"response (payload|body|size|entity)"

# --- it failed, as a program says it of its own fault: in words of its language that are of no request ---
PROGRAM_FAULT = any_of(
    # nothing was where something was sought
    r"\bnonetype\b|nil:nilclass|nullpointer|nil pointer|object reference not set|option::unwrap",
    r"has no attribute|not subscriptable|not iterable|non-iterable|array (key|offset)",
    r"index out of range|out of bounds for length",
    r"cannot (read propert|destructure|invoke \")|undefined method|is not a function\b",
    r"^\W*(error\W+)?(name )?['\w]+ is not defined\W*$",
    r"^\W*(error\W+)?'(?!prompt|model|image|mask|size)\w+'\W*$",  # as Python says that a key is missing
    # something else was there
    r"string indices must|to unpack\b|operand type|not supported between instances|circular structure",
    r"\bbefore (assignment|initialization)|recursion depth|division by zero",
    r"(loop|session) is closed|without having called",
    # an answer was not whole
    r"\b(response|answer|reply)\b(?! format| type).{0,40}"
    + r"(missing|lack|not valid json|malformed|required (field|property))",
    r"(missing|required|malformed|absent|not found) .{0,40}"
    + r"\bin (the |an? )?(\w+ )?(response|answer|reply)\b(?! format)",
    r"(b64_json|image_generation_call)['\"`]? (is |was )?(missing|empty)|missing (b64_json|image_generation_call)",
    r"validation errors? for \w*(response|result|output)\b",
)

# --- it failed, as servers, their languages and programs say it of what was begun ---
FAILED_CODES = any_of(
    r"server_error|service_error|\bapi_error|internal|unknown_?error",
    r"\.(server|inner)error",
    r"gateway|unavailable|overloaded",
    r"time(d_?)?_?out",
    r"cancell?ed",
    r"task_failed|generat(ion|e\w*)_?failed|processing_error",
    r"empty_re(sponse|sult)|no_content|bad_response",
    r"response_time|read_response|do_request_failed|upstream_decode",
    r"\b(upstream_)?stream_",
    r"storage_error",
)
ONLY_UPSTREAM = r"^(type:\s)?upstream[\s_]error$"
_SOUGHT = any_of(  # where these stand, words of a failure are of the request
    r"\binvalid (?!resp|char|json)",
    r"must be|required|supported|allowed|validation",
)
FAILED_WORDS = any_of(
    # the picture
    rf"^(?!.*{_SOUGHT}).*"
    + any_of(
        any_of(
            r"generation|prediction|inference|processing|execution|workflow|task|job|request",
            r"rendering|sampling|decode|upscale",
        )
        + r" (has |was )?(failed|aborted|cancell?ed|crash)",
        r"generation (error|unsuccessful|did( not|n't) (finish|complete))",
        r"(generation|rendering|sampling) (was |has )?stopped",
        r"was being (generated|rendered|drawn)",
        r"(could not|couldn't|cannot|can't) be "
        + any_of(r"completed|generated|created|rendered|finished", r"saved|stored|delivered|retrieved|returned"),
        r"results? (could not|couldn't|cannot) be",
        r"results? (is |are )?(not available|empty)",
        r"took too long",
        r"no response (from|rec)",
        r"(fail\w{0,4}|unable|could( not|n't)|cannot) (to )?"
        + any_of(
            r"generate|render|produce|complete|finish",
            r"create (the|your|an) (im|pi)",
            r"process (the|your) request",
            r"(upload|save|store|persist) (the )?(\w+ )?(results?|generated|output|image|picture)",
            r"(fetch|get|retrieve) (the )?generated",
        ),
    ),
    # the server, or one behind it
    r"\b(system|server|service|unexpected|unhandled|network|connection|inference|backend|worker|runtime|cuda|gpu)"
    + r" (error|exception|failure|crash)",
    r"\binternal (server )?error",
    r"^unknown[_ ]error",
    r"something (went wrong|broke)",
    r"^\W*(failed|failure|error|terminated|aborted|failed to fetch)\W*$",
    r"operation was (aborted|cancel)",
    r"encountered an error",
    r"\berror (has )?(occurr?ed|happened)(\W*$|[^:]{0,20} (processing|generating|generation))",
    r"\b(model|worker|process|gpu|container|pod) (\w+ )?(crash\w*|died|killed|lost)\b",
    r"provider returned error",
    r"upstream connect",
    r"upstream .{0,40}(failed|died|error|ended|closed|broke)",
    # its time, or the line
    r"timed? ?out",
    r"deadline exceeded|context (deadline|cancell?ed)",
    r"\bretr(y|ies)( attempts)? (were |have been )?(exceeded|exhausted|failed|reached)",
    r"\b(execution|generation|processing|inference) time( limit| of \d+ seconds)? (was |has been )?exceeded",
    r"exceeded (the |its )?(max\w* )?(execution|generation|processing|inference) time",
    r"interrupted|disconnected",
    r"read response",
    r"invalid (response|json) (\w+ )?from",
    r"unexpected end of",
    r"fetch failed",
    r"max_output_tokens",
    # its memory and its machine
    r"out ?of ?memory|\boom\b|allocation on device",
    r"sigkill|exited with|segmentation fault|core dumped",
    # its program
    r"traceback|\b(key|type|index|runtime|attribute|memory|decode)error\b",
    r"expecting value: line|unexpected token|looking for beginning of value",
    r"cannot unmarshal(?!.{0,60}struct field)",
    foreign.FAILED,
)
OF_THE_REQUEST = any_of(  # what is wrong with it, or what another server found so
    r"valid|\bmust|requir|support|allow|missing",
    r"param|field|argument|\bprompt|\binput|\bbody\b|\bjson",
    r"\bsize|resolution|dimension|aspect|format|mime|quality|background|transparen|\bmask\b",
    r"reference(?!\W*(id\b|number|no\b|code|[\w-]*\d))",  # not that of an error
    r"\burl\b|https?://|upload|download|\bfiles?\b|base64|corrupt",
    r"too (long|large|small|many)",
    r"exceed(?!ed)",
    r"^(?!.*\b(deadline|retries|attempts|seconds|time|time limit) exceeded)"
    + r".*exceeded(?! (the |its )?(max\w* )?(\w+ )?time)",
    r"unknown (?!err|exc|reason|fail)",
    r"(with|for|by|on) (this|the) model",
    r"permission|denied|forbidden|unauthor",
    r"queue",
    r"\b(http|status|code|error)\W{1,3}4(?!08|99)\d\d\b",
    foreign.OF_THE_REQUEST,
)
UNKNOWN_LANGUAGE = foreign.UNKNOWN

# --- it still runs, or the same does already ---
_ALREADY = r"already (being (processed|generated)|in (progress|process)\b|running|processing|queued|submitted)"
SAME_RUNNING = any_of(
    rf"(same|identical|duplicated?|this) ([\w-]+ )?(request|prompt|task|job)\b.{{0,40}}{_ALREADY}",
    r"duplicate (request|submission)",
)
RUNNING_WORDS = any_of(
    _ALREADY,
    r"(request|prompt|task|job|generation) is (still |currently )?(being (processed|generated)|in progress|running)",
    foreign.RUNNING,
)
RUNNING_CODES = any_of(
    r"\bidempotency_(in_flight|key_in_use)\b",
    r"(\b|_)(request|task|job)_(is_)?(already_)?(in_progress|running|processing|queued)\b",
    r"\balready_(in_progress|running|processing|submitted)\b",
    r"\bduplicated?_request\b",
)
