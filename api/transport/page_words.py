"""Reads what is no JSON: plain text as one line, and of a web page its title and its text."""

# ruff: noqa: RUF001

from __future__ import annotations

import html
import re

from .foreign_words import FAILED, NOT_GIVEN
from .loose_json import utf8

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
    r"error|oops|time[ -]?d?[ -]?out|gateway|fail|went wrong|unexpected|\b5\d\d\b|crash|overload|busy|queue"
    r"|generat|image\b|result|too long|respon[ds]|process(ed|ing)|unavailable|try again|timely|exception|abort|\blost\b"
    r"|exceeded|broke|wrong|submitted|deducted|charged|trop de temps|zu lange|tard[óo]|demor|troppo tempo"
    r"|proces{1,2}ad|trait[ée]|elaborat|verarbeit|indispon|nicht (verf|erreich)|не ответ|обраб|недоступ|позже"
    r"|[超過过][时時長长]|稍[后後候]|繁忙|[异異]常|[响響][应應]|[处処處]理|不可用|生成|扣|混雑|応答|お待ち|しばらく|作成"
    rf"|처리|응답|잠시|장애|지연|{FAILED}|{NOT_GIVEN}",
    re.I,
)
FOR_PEOPLE = re.compile(  # what a sign-in, a firewall or a website says
    r"sign.?(in|on|up)|log.?[io]n|passw|welcome|block|denied|forbidden|javascript|cookie|captcha|firewall|filter|terms"
    r"|it works|default page|index of|parked|for sale|not found|is running|register|accept (the|to|and)\b|portal|wi-?fi"
    r"|your browser|just a moment|attention required|rejected|unsuccessful"
    r"|[登认認][录錄入证証]|[欢歡]迎|密[码碼]|拒[绝絕]|禁止|ログイン|ようこそ|로그인|환영|вход|войти|добро пожал|anmeld"
    r"|connexion|inici(ar|e) sesi|entrar|acce(di|so)|đăng nhập|giriş",
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
