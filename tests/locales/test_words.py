"""Every language says the numbers, names, prices and conditions that English says, and help matches the node.

A text that was changed in English alone is stale in every other language, and is found by what it does not say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import declared
import help_pages
import pack
import pytest
import sentences
from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

LANGUAGES = ("zh", "ja", "ko", "fr", "de", "es")
NODES = tuple(NODE_DISPLAY_NAME_MAPPINGS)
PAGES = tuple(product(NODES, LANGUAGES))
ENGLISH_TEXT = re.compile(r'text\("([a-z_]+)",\s*"([^"]*)"\)')

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,\u00a0\u202f ]\d{3}(?!\d))*(?:\.\d+)?")
GROUPED = re.compile(r"[.,\u00a0\u202f ](?=\d{3}(?!\d))")
# What English says in such a word may be a numeral elsewhere: Japanese writes "each" with a 1.
WORDS_OF_NUMBERS = {
    "1": r"one|once|first|each|every|per|an?|alone|same|all|how many|from",
    "2": r"two|twice|second|both|half",
    "3": r"three",
    "4": r"four",
    "6": r"six",
    "8": r"eight",
}
NAMES = (
    r"openai batch|sandbox batch|sandbox|comfy\.org|OpenAI|ComfyUI|OPENAI_API_KEY|JSONL?|CSV|GIF|SVG|PNG|UTF-8|USD"
    r"|\.csv|\.jsonl|\.ndjson|\.txt|row_00001|filename_prefix|increment|flare|sunburst"
)
QUOTED = re.compile(r"- (?:\*\*[^*]+\*\*(?:, |\u3001)?)+[ \u00a0]?[:\uff1a]")
OPENED, CLOSED = "\u201c\u300c\u2018\u00ab\u201e", "\u201d\u300d\u2019\u00bb\u201c"
LABELLED = re.compile(rf"[{OPENED}][^(){OPENED}{CLOSED}]{{1,40}}[{CLOSED}] ?\((\w+)\)")
EVERYDAY = {"none", "paste", "transparent", "opaque", "auto", "low", "medium", "high"}  # values that are words as well

# What each language says of money, what it denies, and what it makes a condition, as expressions.
WORDS: dict[str, dict[str, Any]] = json.loads((pack.ROOT / "tests/locales/words.json").read_text(encoding="utf-8"))


class Said(NamedTuple):
    """One text in English and in another language; `place` says where it stands."""

    place: str
    english: str
    translated: str


def said_of_nodes(language: str) -> Iterator[Said]:
    """Yield labels and tooltips of all inputs and outputs, and the descriptions."""
    for node in NODES:
        texts = help_pages.node_texts(language)[node]
        yield Said(node, NODE_CLASS_MAPPINGS[node].DESCRIPTION, texts["description"])
        for english, translated in zip(
            help_pages.words_of(node, "en"), help_pages.words_of(node, language), strict=True
        ):
            for name, words in translated.items():
                yield Said(f"{node}.{name}", english[name][1], words[1])


def said_of_page(node: str, language: str) -> Iterator[Said]:
    """Yield the lines of a help page that stand outside of its lists of inputs and outputs."""
    pages = [(help_pages.DOCS / node / f"{each}.md").read_text(encoding="utf-8") for each in ("en", language)]
    english, translated = (page.splitlines() for page in pages)
    for number, (line, other) in enumerate(zip(english, translated, strict=True), 1):
        if not help_pages.LISTED.match(line) or "**" not in other:
            yield Said(f"{node}:{number}", line, other)


def said_in_browser(language: str) -> Iterator[Said]:
    """Yield the texts of the extension."""
    translated = locale(language, "main")["openaiImageNodes"]
    for name, english in english_texts().items():
        yield Said(name, english, translated[name])


def said_by_the_server(language: str) -> Iterator[Said]:
    """Yield refusals, errors and stages."""
    for english, translated in sentences.messages(language).items():
        yield Said(sentences.spoken().get(english, "nowhere"), english, translated)


@cache
def said(language: str) -> tuple[Said, ...]:
    """Return everything that is said in a language."""
    pages = [each for node in NODES for each in said_of_page(node, language)]
    everything = [*said_of_nodes(language), *said_in_browser(language), *said_by_the_server(language), *pages]
    return tuple(Said(place, plain(english), plain(translated)) for place, english, translated in everything)


@cache
def english_texts() -> dict[str, str]:
    """Return the English texts of the extension by name."""
    scripts = sorted((pack.ROOT / "web" / "js").rglob("*.js"))
    return dict(ENGLISH_TEXT.findall("".join(path.read_text(encoding="utf-8") for path in scripts)))


@cache
def locale(language: str, name: str) -> Any:
    return json.loads((help_pages.LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


def keys(value: Any) -> Any:
    """Return a translation without its texts."""
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def numbers(text: str) -> set[str]:
    return {GROUPED.sub("", number) for number in NUMBER.findall(text)}


def numbers_in_words(text: str) -> set[str]:
    return {digit for digit, words in WORDS_OF_NUMBERS.items() if re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)}


def plain(text: str) -> str:
    """Return a text without blanks, without a label before its name, and help without the messages that it quotes."""
    unquoted = text[len(found[0]) :] if (found := QUOTED.match(text)) else text
    return LABELLED.sub(r"\1", re.sub(r"\[[a-z_]+\]|\[\d\]", "", unquoted))


@cache
def values_of_widgets() -> str:
    """Return an expression for every value that a widget offers and that is no everyday word."""
    inputs = [each for node in NODES for each in declared.inputs_of(NODE_CLASS_MAPPINGS[node]).values()]
    values = {value for each in inputs if isinstance(each[0], list) for value in each[0]} - EVERYDAY
    return "|".join(re.escape(value) for value in sorted(values, key=len, reverse=True))


def code_words(text: str, language: str = "en") -> set[str]:
    """Return the names and values in a text that no language translates; some write "sandbox" in their own letters."""
    for own, name in WORDS["names"].get(language, {}).items():
        text = text.replace(own, f" {name} ")
    named = re.compile(rf"(?<![\w-])({NAMES}|{values_of_widgets()})s?(?!\w)", re.ASCII | re.IGNORECASE)
    return {found.lower() for found in named.findall(text)}


def test_a_stale_sentence_would_be_found() -> None:
    """The sentence of live_preview that once hid what a sketch costs fails on every count."""
    english = "How many sketches; each costs about 100 tokens more. Not on comfy.org."
    stale = "Wie viele Skizzen beim Warten erscheinen, wenn die Verbindung sie schicken kann."
    assert numbers(english) - numbers(stale) == {"100"}
    assert code_words(english) - code_words(stale) == {"comfy.org"}
    for subject in ("money", "negation"):
        assert re.search(WORDS[subject]["en"], english, re.IGNORECASE)
        assert not re.search(WORDS[subject]["de"], stale, re.IGNORECASE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_are_those_of_english(language: str) -> None:
    """No amount, limit or size is lost or made up; numerals may stand where English has a word for the number."""
    wrong = [
        each
        for each in said(language)
        if not numbers(each.english)
        <= numbers(each.translated)
        <= numbers(each.english) | numbers_in_words(each.english)
    ]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_and_values_are_those_of_english(language: str) -> None:
    """What a person has to choose, copy or look for is named as it is called, wherever English names it."""
    wrong = [each for each in said(language) if code_words(each.english) != code_words(each.translated, language)]
    assert wrong == []


@pytest.mark.parametrize(("language", "subject"), tuple(product(LANGUAGES, ("money", "negation", "condition"))))
def test_money_and_conditions_are_spoken_of_where_english_does(language: str, subject: str) -> None:
    """Nobody learns only in English that something costs or is free, is not possible, or is possible only if."""
    words = WORDS[subject]
    english, translated = re.compile(words["en"], re.IGNORECASE), re.compile(words[language], re.IGNORECASE)
    silent = [
        each for each in said(language) if english.search(each.english) and not translated.search(each.translated)
    ]
    assert silent == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_server_says_is_translated(language: str) -> None:
    """Every refusal, error and stage, and none that nobody says any more: `python -m scripts.sentences --missing`."""
    translated = sentences.messages(language)
    assert set(translated) == set(sentences.spoken())
    blanks = {english: sorted(re.findall(r"\[\d\]", english)) for english in translated}
    assert {english: sorted(re.findall(r"\[\d\]", own)) for english, own in translated.items()} == blanks


@pytest.mark.parametrize("name", ["main", "nodeDefs", "settings"])
def test_all_languages_have_the_same_keys(name: str) -> None:
    """A text that one language lacks would be shown in English."""
    for language in LANGUAGES[1:]:
        assert keys(locale(language, name)) == keys(locale(LANGUAGES[0], name))


@pytest.mark.parametrize(("node", "language"), tuple(product(NODES, ("en", *LANGUAGES))))
def test_help_lists_inputs_and_outputs_as_the_node_shows_them(node: str, language: str) -> None:
    """Labels and tooltips are those of the node: `python scripts/help_pages.py` writes them."""
    page = (help_pages.DOCS / node / f"{language}.md").read_text(encoding="utf-8")
    assert help_pages.rewritten(page, node, language) == page


@pytest.mark.parametrize(("node", "language"), PAGES)
def test_help_names_an_input_as_its_label_reads(node: str, language: str) -> None:
    """In running text too: the label, then the name in brackets. Columns of a list file are called by their names."""
    inputs, outputs = help_pages.words_of(node, language)
    words = {name: label for name, (label, _) in {**outputs, **inputs}.items()}
    if node == "OIN_PromptList":
        words = {name: words[name] for name in ("text", "file", "start", "limit", "portion", "first_seed")}
    for each in said_of_page(node, language):
        for name, label in words.items():
            if f"`{name}`" in each.english:
                assert re.search(rf"\*\*{re.escape(label)}\*\* ?\(`{name}`\)", each.translated), each


@pytest.mark.parametrize(("node", "language"), PAGES)
def test_help_keeps_the_code_of_english(node: str, language: str) -> None:
    """Names, files and messages in backticks or bold stand in every language as they are."""
    for each in said_of_page(node, language):
        code = re.compile(r"`([^`]+)`")
        assert set(code.findall(each.english)) == set(code.findall(each.translated)), each
        assert quotes(each.english) == quotes(each.translated), each


@pytest.mark.parametrize(("node", "language"), PAGES)
def test_examples_name_nodes_as_the_reader_sees_them(node: str, language: str) -> None:
    """No example of another language tells to look for a node by its English name."""
    page = (help_pages.DOCS / node / f"{language}.md").read_text(encoding="utf-8")
    translated = help_pages.node_texts(language)
    own = {text["display_name"]: [each["name"] for each in text["outputs"].values()] for text in translated.values()}
    assert not re.search(r"Load Image|Save Image|Join Image|OpenAI Image References|OpenAI Prompt List", page)
    for source, output in re.findall(r"`([^`>]+) > ([^`]+)`", page):
        assert source not in own or output in own[source]


def test_french_marks_stay_with_their_word() -> None:
    """No line begins with a colon or ends with an opening quote: the blank beside such a mark does not break."""
    torn = re.compile(r" [:;?!\u00bb]|\u00ab |[\d\]] %")
    assert [text[: found.end()][-12:] for text in prose("fr") for found in torn.finditer(text)] == []


@pytest.mark.parametrize("language", sorted(WORDS["other address"]))
def test_readers_are_addressed_in_one_way(language: str) -> None:
    """With vous and Sie as in ComfyUI, and with tu in Spanish, whatever the sentence stands beside."""
    other = re.compile(rf".{{0,20}}{WORDS['other address'][language]}.{{0,20}}", re.IGNORECASE)
    assert [found[0] for text in prose(language) for found in other.finditer(text)] == []


def prose(language: str) -> list[str]:
    """Return the texts and the help pages of a language as they are, without what is code."""
    pages = [path.read_text(encoding="utf-8") for path in sorted(help_pages.DOCS.glob(f"*/{language}.md"))]
    texts = (*said_of_nodes(language), *said_in_browser(language), *said_by_the_server(language))
    return [*(re.sub(r"(?s)```.*?```|`[^`]*`", "_", page) for page in pages), *(each.translated for each in texts)]


def quotes(line: str) -> list[str]:
    """Return the messages that a line of help quotes in bold before it explains them."""
    found = QUOTED.match(line)
    return re.findall(r"\*\*([^*]+)\*\*", found[0]) if found else []
