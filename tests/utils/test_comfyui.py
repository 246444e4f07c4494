"""What is shown in a node: text, whoever wrote it and whatever the frontend does with it."""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_image_nodes.utils import comfyui as host
from support.pack import ROOT
from support.prompt_lists import PromptList, inputs, write

__all__ = ["inputs"]  # a fixture

ATTACKS = [
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<\u0000scr\u0000ipt>alert(1)</script>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "https://evil.invalid/?a=1",
    "HTTPS://evil.invalid",
    "ftp://evil.invalid file:///etc/passwd www.evil.invalid WWW.evil.invalid",
    '[[press here|https://evil.invalid/" onmouseover="alert(1)]]',
    "[[a|javascript:alert(1)]] __LNK0__ __LNK7__",
    "`${alert(1)}` onerror='x' \"y\"",
    "safe \u202egnp.exe\u2066 and\u200b\u200f marks\ufeff",
    "two\nlines\r\nand\u2028more\u2029\x1b[31mred\x07",
    "half \ud83d a letter",
    "\U000e0001\U000e0041tags",
]


class _Seen(HTMLParser):
    """What a parser of HTML finds beside text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        self.found.append(tag)

    handle_endtag = handle_entityref = handle_charref = handle_comment = handle_decl = handle_pi = unknown_decl = (  # type: ignore[assignment]
        lambda self, found: self.found.append(found)
    )


def shown(monkeypatch: pytest.MonkeyPatch, text: str) -> str:
    """Return what the server sends to the page for a text."""
    sent: list[str] = []
    instance = SimpleNamespace(client_id="c", send_progress_text=lambda text, _node, sid: sent.append(text))
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=instance)))
    host.show_text(text, "7")
    return sent[0]


def test_last_words_of_the_newest_runs_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """By run and node, as they were shown; of older runs nothing, so that it does not grow."""
    queue = SimpleNamespace(currently_running={})
    instance = SimpleNamespace(client_id="c", send_progress_text=lambda *_text, sid: None, prompt_queue=queue)
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=instance)))
    for number in range(host.RUNS_HEARD + 1):
        queue.currently_running[0] = (0, f"run {number}", {}, {})
        host.show_text("generating, 2 s", "3:5")
        host.show_text(f"done, <{number}>", "3:5")
        host.show_text("2 rows", "4")
    assert host.said_in("run 1") == {"3:5": "done, \u2039" + "1\u203a", "4": "2 rows"}
    assert host.said_in("run 0") == host.said_in("") == {}


def assert_inert(line: str) -> None:
    """Hold a line against what frontends make of it: innerHTML, links of addresses, [[word|address]], their marker."""
    seen = _Seen()
    seen.feed(line)
    seen.close()
    assert seen.found == []
    assert html.escape(line) == html.unescape(line) == line  # as it is in frontends that escape, and in those before
    assert not re.search(r"(https?|ftp|file)://|www\.\S|\[\[|__LNK", line, re.IGNORECASE)
    assert not [letter for letter in line if unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029`"]
    assert len(line) <= host.SHOWN_CHARS + 4
    line.encode()


@pytest.mark.parametrize("text", ATTACKS)
def test_what_strangers_write_is_text_in_the_page(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """No tag, no entity, no link, no hidden direction, in any frontend."""
    assert_inert(shown(monkeypatch, text))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.text(alphabet=st.one_of(st.sampled_from("<>&\"'`[]|_LNKw.:/htps\n\u202e\ud800"), st.characters())))
def test_any_text_is_inert(text: str) -> None:
    """Also what nobody thought of."""
    assert_inert(host.inert(text))


def test_what_is_shown_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megabyte of a stranger's words does not fill the page, not even one of blanks."""
    for text in ("x" * 1_000_000, " " * 1_000_000 + "x", "\u200b" * 1_000_000):
        assert len(shown(monkeypatch, text)) <= host.SHOWN_CHARS + 4


@pytest.mark.parametrize(
    "text",
    [
        "waiting for the picture, 12 s",
        "done, 0.0410 USD",
        "3 rows; columns not used: id, note",
        "5 Bilder f\u00fcr Zo\u00eb",
    ],
)
def test_plain_words_stay_as_they_are(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Nothing is replaced that means nothing to a page."""
    assert shown(monkeypatch, text) == text


def test_look_alikes_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words stay: it is no row of &lt; and %3C."""
    assert shown(monkeypatch, 'size <1024> & it\'s "big"') == "size \u20391024\u203a \uff06 it\u2019s \u201dbig\u201d"


def test_column_names_of_a_list_do_not_run(inputs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that somebody sent once ran a script in the page by the name of a column."""
    write(inputs, "a.csv", 'prompt,"<img src=x onerror=fetch(1)>"\nfox,1\n')
    sent: list[str] = []
    monkeypatch.setattr(
        host, "_server", lambda: SimpleNamespace(client_id="c", send_progress_text=lambda t, *_, **__: sent.append(t))
    )
    PromptList().lists(file="a.csv", unique_id="7")
    assert sent
    for line in sent:
        assert_inert(line)


def test_only_one_place_sends_text_to_the_page() -> None:
    """So there is no second way that could forget it."""
    places = [
        path.name
        for folder in ("api", "cli", "nodes", "sandbox", "utils")
        for path in (ROOT / folder).rglob("*.py")
        if "send_progress_text" in path.read_text()
    ]
    assert places == ["comfyui.py"]


def test_the_page_knows_the_look_alikes() -> None:
    """Else it would not know a sentence of ours, and leave it in English."""
    script = (ROOT / "web" / "js" / "messages.js").read_text(encoding="utf-8")
    table = script[script.index("const LOOK_ALIKES") :].partition("};")[0]
    for letter, shown in host.LOOK_ALIKES.items():
        assert f"\\u{shown:04x}" in table
        assert chr(letter) in table
