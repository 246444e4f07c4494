"""What a phrase must be so that one line of it can be added and none is lost beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openai_image_nodes.api.transport import (
    begun_words,
    error_rules,
    foreign_words,
    nobody_words,
    page_words,
    refusal_words,
)

PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": said
    for module in (begun_words, foreign_words, nobody_words, refusal_words)
    for name, said in vars(module).items()
    if isinstance(said, str) and name.isupper()
}
SOURCES = {
    module.__name__.rpartition(".")[2]: Path(module.__file__ or "").read_text(encoding="utf-8")
    for module in (begun_words, foreign_words, nobody_words, refusal_words)
}


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - {"refusal_words.NOTHING"}))
def test_a_phrase_fits_something_and_not_anything(name: str) -> None:
    """One that is empty, as between two bars, would make every answer the same error."""
    assert re.search(PATTERNS[name], "") is None
    assert re.search(PATTERNS[name], "~") is None


@pytest.mark.parametrize("name", PATTERNS)
def test_phrases_are_in_lower_case(name: str) -> None:
    """They are looked for in what was made lower case, where others are never found."""
    letters = re.sub(r"\\.", "", PATTERNS[name])
    assert letters == letters.lower()


@pytest.mark.parametrize("name", SOURCES)
def test_no_phrase_runs_into_the_next_for_want_of_a_comma(name: str) -> None:
    """Two strings beside each other are one in Python: what goes on in a second line says so by a plus."""
    assert re.search(r"[\"'] *(#.*)?\n *r?f?[\"'](?!\"\")", SOURCES[name]) is None


@pytest.mark.parametrize("name", PATTERNS)
def test_every_phrase_is_asked_for(name: str) -> None:
    module, _, constant = name.partition(".")
    others = [Path(each.__file__ or "").read_text(encoding="utf-8") for each in (error_rules, page_words)]
    named = rf"\b{module.removesuffix('_words')}\.{constant}\b|import {constant}\b"
    inside = re.findall(rf"(?<![\w.]){constant}\b", SOURCES[module])
    assert len(inside) > 1 or re.search(named, "\n".join([*others, *SOURCES.values()]))
