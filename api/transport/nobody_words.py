"""How servers say that nobody was there to make the picture: of those behind them, or of themselves.

How a phrase is added stands in phrases.py. What ends on _CODES is looked for in codes and types, all else in messages.
"""

from __future__ import annotations

from . import foreign_words as foreign
from .phrases import any_of

_MAKERS = (  # who could make the picture
    any_of(
        r"server|backend|worker|runner|node|gpu|machine|instance|replica|capacity|resource",
        r"provider|upstream|channel|deployment|endpoint",
        r"account|key|token|credential",
    )
    + r"s?\b"
)
_NOT_THE_MAKER = any_of(  # by names of hosts and by ports
    r"redis|sql|postgres|mongo|database|\bdb\b|kafka|rabbit|memcache",
    r"stor(e|age)|bucket|minio|\bs3\b|cdn|file|media|upload|hook|log|metric|billing|moderat|queue|poll",
    r"(:|port )(6379|5432|3306|1433|27017|5672|9092|9200|11211)\b",
)
_HOST = r"[\w.-]+(:\d+)?"
_OF_A_NETWORK = any_of(  # all that such a sentence may hold: with any other word it may tell of what came afterwards
    # what failed
    r"an?|the|to|of|on|at|for|with|by|from|or|is|was|it|no|not|this|be|all(?= connection attempts)",
    r"error|failed|failure|failing|unable|could|couldn|can|t|cannot|exception|caused|cause|reason|code|desc|errno|os",
    r"object|none|default|ssl(:default)?|syscall|message|detail|unavailable|temporarily|service|because",
    # who asked whom
    r"unspecific|request|requests|sending|send|do|making|post|proxy|peer|agent|client|rpc|grpc|upstream|backend",
    r"provider|server|model|inference|api|transport|host|url|port|localhost(:\d+)?|address|target|machine",
    # how
    r"connect|connecting|connection|connections|dial|dialing|tcp|trying|establish(ed)?|new|while(?= dialing)",
    r"fetch(?= failed)|lookup|reach|made|actively|getaddrinfo|econnrefused|enotfound|refused|resolve|name|known",
    r"call|such|handle|available|urlopen|further|information|ngrok",
    r"disconnect/reset|before(?= headers)|headers|delayed|remote|overflow|unknown",
    r"reset(?= reason: (overflow|(remote )?connection failure))",
    r"attempts(?= failed)(?<=connection attempts)|max(?= retries exceeded with url)|retries(?= exceeded with url)"
    + r"|exceeded(?= with url)|after(?= \d+ ms)|ms",
    r"\w*(connection|connect|resolution|fetch|refused|type|aggregate|axios|server)error|\w*connection(pool)?",
    # names, numbers, and the path where pictures are made
    rf"(?<=lookup ){_HOST}|(?<=enotfound ){_HOST}|(?<=host ){_HOST}|(?<=host='){_HOST}|(?<=resolve '){_HOST}",
    r"[\w-]+(\.[\w-]+)+(:\d+)?|0x[0-9a-f]+|(?!5(?!03)\d\d\b)[\d.:/*_-]+",
    r"(https?://[\w.:-]*)?(/[\w.%-]+)*/"
    + r"(generations|edits|images|completions|responses|txt2img|img2img|predict\w*|infer\w*|generate\w*|prompt|run)",
    r"https?://[\w.:-]+/?",
)
_APART = r"[\s()\[\]{}<>\"'`,;=|]"
_OWN_HOST = r"(?<![\w.])(localhost|127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\[?::1|host\.docker)"  # no storage's
_REFUSED = r"(connection refused|connect call failed|actively refused)"
_NEVER = any_of(
    r"delayed connect error: 111\b|reset reason: overflow|no server is available",
    rf"{_OWN_HOST}.{{0,300}}{_REFUSED}|{_REFUSED}.{{0,60}}{_OWN_HOST}",
    rf"(econnrefused|cannot connect to host) {_OWN_HOST}|(enotfound|lookup) [\w-]+(?![\w.-])",
    r"/(generations|edits|txt2img|img2img)\b.{0,300}(connection refused|no such host|name or service not known)",
)
NEVER_CONNECTED = (  # to who could make the picture
    rf"^(?=.*{_NEVER})(?!.*{_NOT_THE_MAKER})"
    + rf"(?!.*(?:^|{_APART})(?!{_APART}|$)(?!{_OF_A_NETWORK}[.:]*(?:{_APART}|$)))"
)
NOT_REACHED = (  # in Cloudflare's own words alone: a relay passes on such a status of who it asked at last
    r"^(error code: (10\d\d|52[1356])\W*$|(argo|cloudflare) tunnel error \||origin dns error \|"
    + r"|[\w.:-]+ \| (52[1356]: (web server is|origin is|ssl handshake|invalid ssl)|530: error 10\d\d))"
)
NOBODY_THERE = any_of(
    # nobody is there
    rf"no (available|active|healthy|live|allowed|enabled) ([\w-]+ ){{0,2}}{_MAKERS}",
    rf"no ([\w-]+ )?{_MAKERS} (are |is )?(currently )?available",
    r"no (auth (available|candidates)|keys found)",
    r"(backend|worker( with id \w+)?) not found",
    r"^name resolution failed",
    r"get a peer from",
    # somebody is, but not ready
    r"^loading model|model ([\w./-]+ )?is (still |currently )?(loading|staging)",
    r"(server|service|engine|pipeline|model( with name \S+)?|\]\sprocess) (is |was )?not (ready|initialized|loaded)",
    r"\bno ([\w-]+ ){0,2}model (is )?(currently )?loaded",
    r"(could( not|n't)|fail\w{0,4} to|unable to|cannot) load (the )?model\b",
    r"model requires more (\w+ )?memory",
    r"(unable|failed) to start (process|command)\b",
    r"unspecific error: (upstream command exited prematurely|health check timed out)",
    r"in cooldown",
    r"\bmaintenance\b|\b(deployment|model|server|machine|instance|endpoint) is (still )?being provisioned",
    # all are busy
    r"(system|server|service|model( \"?[\w./:-]+\"?)?) is (too busy|busy|draining)|^(server|service) busy",
    r"system (disk|cpu|memory) overloaded",
    r"at (full |maximum )?capacity|no capacity|queue (is )?full",
    r"max inflight requests|due to backpressure",
    foreign.NOBODY_THERE,
)
RATE_LIMITED = any_of(
    r"\brate.?limit(ed| exceeded| reached)|too many requests",
    foreign.RATE_LIMITED,
)
BUSY = any_of(
    r"rate.?limit|request limit|frequency limit",
    r"(too|very) busy|busy now",
    r"try again later",
    r"temporarily (unavailable|depleted)",
    foreign.BUSY,
)
NOT_BEGUN_CODES = any_of(
    r"failed_validation",
    r"invalid_api_type",
    r"model_price_error",
    r"credential_unavailable",
    r"_not_configured",
    r"get_channel_failed",
    r"model_loading",
    r"no_available_key",
    r"system_(disk|cpu|memory)_overloaded",
)
OVERLOADED = any_of(
    r"server_is_overloaded|slow_down",
    r"service_unavailable_error",
    r"\boverloaded(_error)?\b",
)
