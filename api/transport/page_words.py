"""Reads what is no JSON: plain text as one line, and of a web page its title and its text."""

# ruff: noqa: RUF001 - Chinese has stops and letters of its own

from __future__ import annotations

import html
import re

from .foreign_words import FAILED, NOT_GIVEN
from .loose_json import utf8
from .phrases import any_of

MESSAGE_MAX_CHARS = 4000
PAGE_MAX_CHARS = 300
READ_MAX_BYTES = 1 << 20  # of what is no JSON as a whole
SAMPLE_CHARS, SHORT_CHARS = 1000, 64
COMMENT_LINES = re.compile(r"^:.*$", re.M)  # heartbeats of a stream
IS_PAGE = re.compile(r"<(!doctype\s+html|html|head|body|title)\b", re.I)
TITLE_START, TITLE_END = re.compile(r"<title[^<>]*>", re.I), re.compile(r"</title", re.I)
LONG_REFERENCE = re.compile(r"&#x?0*[0-9a-f]{8,};?", re.I)  # no character has so high a number, and Python reads none
NO_TEXT = re.compile(r"<!--.*?(-->|\Z)|<(script|style|noscript|template|svg|title)\b.*?(</\2\s*>|\Z)", re.I | re.S)
OF_WORK = re.compile(  # that something was asked for, and how it ended
    any_of(
        r"error|oops|fail|went wrong|wrong|unexpected|exception|crash|abort|\blost\b|broke",
        r"time[ -]?d?[ -]?out|too long|timely|respon[ds]",
        r"gateway|\b5\d\d\b|unavailable|overload|busy|queue|try again|exceeded",
        r"generat|image\b|result|process(ed|ing)|submitted",
        r"deducted|charged",
        # French, German, Spanish, Portuguese, Italian
        r"trop de temps|trait[ée]|indispon",
        r"zu lange|verarbeit|nicht (verf|erreich)",
        r"tard[óo]|demor|proces{1,2}ad",
        r"troppo tempo|elaborat",
        # Russian
        r"не ответ|обраб|недоступ|позже",
        # Chinese
        r"[超過过][时時長长]|稍[后後候]|繁忙|[异異]常|[响響][应應]|[处処處]理|不可用|生成|扣",
        # Japanese, Korean
        r"混雑|応答|お待ち|しばらく|作成",
        r"처리|응답|잠시|장애|지연",
        FAILED,
        NOT_GIVEN,
    ),
    re.I,
)
FOR_PEOPLE = re.compile(  # what a sign-in, a firewall or a website says
    any_of(
        # a sign-in
        r"sign.?(in|on|up)|log.?[io]n|passw|register|terms|accept (the|to|and)\b|portal|wi-?fi|welcome",
        r"[登认認][录錄入证証]|密[码碼]|[欢歡]迎",
        r"ログイン|ようこそ",
        r"로그인|환영",
        r"вход|войти|добро пожал",
        r"anmeld|connexion|inici(ar|e) sesi|entrar|acce(di|so)|đăng nhập|giriş",
        # a firewall
        r"block|denied|forbidden|rejected|unsuccessful|captcha|firewall|filter",
        r"javascript|cookie|your browser|just a moment|attention required",
        r"拒[绝絕]|禁止",
        # a website
        r"it works|default page|index of|parked|for sale|not found|is running",
    ),
    re.I,
)
ACTS = re.compile(rb"<(script|iframe|form)\b|http-equiv\s*=\s*[\"']?refresh", re.I)  # in place of words
EMPTY = "an empty page"
WEB_PAGE = "this is a web page: is /v1 missing in the base address, or is a login or firewall in between?"


def plain(body: bytes) -> tuple[str, str]:
    """Return what to tell of what is no JSON, and of a web page its title and text, never its styles or scripts."""
    text = utf8(body)[:READ_MAX_BYTES].decode("utf-8", errors="replace")
    if not IS_PAGE.search(text[:MESSAGE_MAX_CHARS]):
        if not is_text(text):
            return f"{len(body):,} bytes that are no text", ""
        return clean(re.sub(r"<[^<>]*>", " ", NO_TEXT.sub(" ", COMMENT_LINES.sub("", text)))), ""
    start = TITLE_START.search(text)
    end = TITLE_END.search(text, start.end()) if start else None
    name = clean(_unescaped(text[start.end() : end.start()])) if start and end else ""
    content = clean(_unescaped(re.sub(r"<[^<>]*(>|\Z)", " ", NO_TEXT.sub(" ", text))))
    page = (f"{name}: {content}" if name and content and name not in content else content or name)[:PAGE_MAX_CHARS]
    return f"{WEB_PAGE} It reads: {page}" if page else WEB_PAGE, page or EMPTY


def is_of_people(body: bytes) -> bool:
    """Tell whether this is a page for people that says nothing of any work: a sign-in, a firewall's, a website.

    That has to be seen: a page of which nobody knows whose it is may be a gateway's, about a picture that was paid.
    """
    said = plain(body)[1]
    is_for_people = said and (FOR_PEOPLE.search(said) or ACTS.search(body))
    return bool(is_for_people) and OF_WORK.search(said) is None


def is_text(decoded: str) -> bool:
    """Tell whether the beginning of what was decoded, with marks for what was not, reads as text does."""
    sample = decoded[:SAMPLE_CHARS]
    unreadable = sum(not (each.isprintable() or each.isspace()) or each == "\ufffd" for each in sample)
    return unreadable * 10 <= max(SHORT_CHARS, len(sample))


def _unescaped(text: str) -> str:
    return html.unescape(LONG_REFERENCE.sub(" ", text))


def clean(text: str) -> str:
    """Return a text on one line, without what cannot be shown, and not too long."""
    shown = "".join(each if each.isprintable() else " " for each in text[: MESSAGE_MAX_CHARS * 4])
    return " ".join(shown.split())[:MESSAGE_MAX_CHARS]
