"""The list of all sentences has every place where a person meets one."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache

import help_pages
import pytest
import sentences

MET = {  # one of each place
    "node": "OpenAI GPT Image",
    "label": "prompt",
    "tooltip": "How many pictures one request makes. Each is billed.",
    "help": "## Outputs",
    "setting": "Connections and keys",
    "menu": "OpenAI batches",
    "command": "only the jobs of this model",
    "example": "1 - What goes in",
    "sandbox": "The batch input file is empty.",
}
SAID = {
    "badge": ("browser", "no key yet"),
    "badge over the server's word": ("server", "[1] [2] is not available for [3]"),
    "line": ("browser", "the same picture: nothing was paid"),
    "stage": ("server", "uploading [1] of [2] MB"),
    "toast": ("browser", "Open settings"),
    "question": ("browser", "Run it for this sum?"),
    "dialog": ("browser", "[count] credits"),
    "panel": ("browser", "Batches"),
    "settings": ("browser", "Endpoint, https://NAME.openai.azure.com"),
    "replaced": ("browser", "Replace built-in OpenAI image nodes"),
}


@cache
def by_kind() -> dict[str, list[sentences.Sentence]]:
    found = defaultdict(list)
    for one in sentences.sentences():
        found[one.kind].append(one)
    return found


@pytest.mark.slow
def test_every_place_is_there() -> None:
    """Each kind of text, also those that are in English alone."""
    listed = by_kind()
    assert set(listed) == {*MET, "browser", "server"}
    assert [kind for kind, english in MET.items() if english not in {one.english for one in listed[kind]}] == []


@pytest.mark.slow
@pytest.mark.parametrize("place", SAID)
def test_what_is_said_there_is_listed(place: str) -> None:
    """One of each, by the words that are seen."""
    kind, english = SAID[place]
    assert any(english in one.english for one in by_kind()[kind])


def test_no_text_of_the_extension_is_missed() -> None:
    """Whatever way its English is written in the code: else a language could lack it unseen."""
    named = {one.place.split()[-1] for one in sentences.of_browser() if one.kind == "browser"}
    main = json.loads((help_pages.LOCALES / "fr" / "main.json").read_text(encoding="utf-8"))
    assert named == set(main["openaiImageNodes"])
    assert all(" " in one.english or one.english.islower() or one.english.istitle() for one in sentences.of_browser())


@pytest.mark.slow
def test_all_but_the_english_ones_are_in_every_language() -> None:
    """What is said in English alone has no translation that could grow old."""
    languages = set(help_pages.languages())
    for kind, listed in by_kind().items():
        wanted = set() if kind in sentences.ENGLISH_ONLY else languages
        assert [one.place for one in listed if set(one.translations) != wanted] == []
