"""Translations and help: whatever the nodes declare has a name, a tooltip and a line of help in every language."""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("zh", "ja", "ko", "fr", "de", "es")
NODES = tuple(NODE_DISPLAY_NAME_MAPPINGS)
SPECIAL = re.compile(r"[{}@|]")  # what vue-i18n reads as placeholders, links and plurals
PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
MARKS = re.compile(r"^(?:#+ |- |!\[)", re.MULTILINE)
PANEL_TEXTS = re.compile(r'text\("([a-z_]+)"')
PANEL_ENGLISH = re.compile(r'text\("([a-z_]+)", "([^"]*)"\)')
BLANKS = re.compile(r"\[\w+\]")
LARGEST_PICTURE = 100_000  # bytes
PAGES = tuple(product(NODES, ("en", *LANGUAGES)))
TRANSLATIONS = tuple(product(NODES, LANGUAGES))


def inputs(node: str) -> dict[str, Any]:
    """Return the declarations of all inputs that a person sees, by name."""
    declared = NODE_CLASS_MAPPINGS[node].INPUT_TYPES()
    return {**declared.get("required", {}), **declared.get("optional", {})}


def outputs(node: str) -> tuple[str, ...]:
    return tuple(NODE_CLASS_MAPPINGS[node].RETURN_NAMES)


@cache
def locale(language: str, name: str) -> Any:
    return json.loads((ROOT / "locales" / language / f"{name}.json").read_text(encoding="utf-8"))


def page(node: str, language: str) -> str:
    return (ROOT / "web" / "docs" / node / f"{language}.md").read_text(encoding="utf-8")


def texts(value: Any) -> list[str]:
    """Return all texts inside a translation."""
    return [value] if isinstance(value, str) else [text for inner in value.values() for text in texts(inner)]


@pytest.mark.parametrize("node", NODES)
def test_every_input_and_output_has_a_tooltip(node: str) -> None:
    """Nobody has to guess what a widget or a socket does."""
    without = [name for name, declared in inputs(node).items() if not (declared[1:] and declared[1].get("tooltip"))]
    assert without == []
    tooltips = NODE_CLASS_MAPPINGS[node].OUTPUT_TOOLTIPS
    assert len(tooltips) == len(outputs(node))
    assert all(tooltips)
    assert NODE_CLASS_MAPPINGS[node].DESCRIPTION


@pytest.mark.parametrize(("node", "language"), TRANSLATIONS)
def test_translation_is_complete(node: str, language: str) -> None:
    """Exactly the node's own inputs and outputs are named and explained, and nothing is left empty."""
    translated = locale(language, "nodeDefs")[node]
    assert list(translated["inputs"]) == list(inputs(node))
    assert list(translated["outputs"]) == [str(number) for number in range(len(outputs(node)))]
    for entry in (*translated["inputs"].values(), *translated["outputs"].values()):
        assert set(entry) == {"name", "tooltip"}
    assert all(text.strip() for text in texts(translated))
    assert {"display_name", "description"} <= set(translated)


@pytest.mark.parametrize(("node", "language"), TRANSLATIONS)
def test_node_is_found_by_the_same_words_in_every_language(node: str, language: str) -> None:
    """The search looks at the display name: OpenAI stays OpenAI."""
    assert "OpenAI" in locale(language, "nodeDefs")[node]["display_name"]


@pytest.mark.parametrize(("node", "language"), TRANSLATIONS)
def test_translation_is_no_copy(node: str, language: str) -> None:
    """A tooltip that is the English one has not been translated."""
    translated = locale(language, "nodeDefs")[node]["inputs"]
    same = [name for name, declared in inputs(node).items() if translated[name]["tooltip"] == declared[1]["tooltip"]]
    assert same == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_hold_nothing_that_vue_i18n_reads(language: str) -> None:
    """A brace or a pipe would break the text or cut it in two."""
    for file in sorted((ROOT / "locales" / language).glob("*.json")):
        assert [text for text in texts(locale(language, file.stem)) if SPECIAL.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_of_the_extension_are_translated(language: str) -> None:
    """Every text that the extension asks for is there, and no other."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "web" / "js").rglob("*.js")))
    asked = set(PANEL_TEXTS.findall(code))
    assert asked
    assert set(locale(language, "main")["openaiImageNodes"]) == asked
    assert len(locale(language, "settings")) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_blanks_of_the_texts(language: str) -> None:
    """A number, a price or a count of jobs has its place in every language."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "web" / "js").rglob("*.js")))
    blanks = {name: sorted(BLANKS.findall(english)) for name, english in PANEL_ENGLISH.findall(code)}
    translated = locale(language, "main")["openaiImageNodes"]
    assert blanks["submit"] == ["[jobs]", "[price]"]
    assert {name: sorted(BLANKS.findall(translated[name])) for name in blanks} == blanks


@pytest.mark.parametrize("language", LANGUAGES)
def test_menu_entries_are_translated(language: str) -> None:
    """Under the English label, as ComfyUI's menus look for it."""
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "web" / "js").rglob("*.js")))
    labels = set(re.findall(r'^const LABEL = "([^"]+)";$', code, re.MULTILINE))
    assert len(labels) == 2
    assert set(locale(language, "main")["menuLabels"]) == labels


def test_languages_have_the_same_files() -> None:
    """No language lags behind, none is there that this test does not look at."""
    assert {folder.name for folder in (ROOT / "locales").iterdir()} == set(LANGUAGES)
    files = {language: {file.name for file in (ROOT / "locales" / language).iterdir()} for language in LANGUAGES}
    assert len({frozenset(names) for names in files.values()}) == 1


@pytest.mark.parametrize(("node", "language"), PAGES)
def test_help_mentions_every_input_and_output(node: str, language: str) -> None:
    """A new widget without a line of help fails here."""
    text = page(node, language)
    assert [name for name in (*inputs(node), *outputs(node)) if f"`{name}`" not in text] == []


@pytest.mark.parametrize(("node", "language"), PAGES)
def test_help_shows_pictures_that_exist(node: str, language: str) -> None:
    """ComfyUI resolves them against web/docs, for every page."""
    shown = PICTURE.findall(page(node, language))
    assert shown
    for picture in shown:
        file = ROOT / "web" / "docs" / picture
        assert file.is_file()
        assert file.stat().st_size < LARGEST_PICTURE


@pytest.mark.parametrize(("node", "language"), TRANSLATIONS)
def test_help_has_the_same_parts_in_every_language(node: str, language: str) -> None:
    """As many headings, lines and pictures as in English."""
    assert MARKS.findall(page(node, language)) == MARKS.findall(page(node, "en"))


def test_help_belongs_to_a_node() -> None:
    """No page is left of a node that has gone."""
    folders = {path.name for path in Path(ROOT, "web", "docs").iterdir()}
    assert folders == set(NODES)
