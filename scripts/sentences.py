"""Lists every sentence that a person can meet, with its place, in English and in all translations.

`python -m scripts.sentences` writes one table, tab-separated, to the standard output; `--missing` only what a language
lacks. There are texts of nodes (labels, tooltips, descriptions), of the help pages, of the extension (badges, lines,
toasts, panels, settings), and what the server says (refusals, errors, stages), whose variable parts stand in brackets.
In English alone are the command's, the notes and groups of the examples, and what the sandbox answers, as services do.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

sys.path.insert(0, str(Path(__file__).parent))  # the other scripts, wherever this one is started from

import help_pages
import pack

SETTING = re.compile(r'id: "(OpenAIImageNodes\.\w+)".*?name: "([^"]+)"', re.DOTALL)
BROWSER_TEXT = re.compile(r'\btext\(\s*"([a-z_]+)",\s*(?:"([^"]*)"|(\w+))')
ENGLISH_ONLY = ("command", "example", "sandbox")
SPOKEN = ("api", "nodes", "utils")
SILENT_CALLS = re.compile(
    r"(LOG|logging|re|warnings)\.|(Assertion|Attribute|Value|Type|Runtime)Error$|super\(|_words$|tell_once$|any_of$"
)  # for developers, for the log, or words
WORDS = re.compile(r"[A-Za-z]{2,}")
SHORT = re.compile(r"^([a-z]+[,:] \[1\]|\[1\], [a-z]+ \[2\]: \[3\]|\[1\] [a-z]{3,})$")  # "planned, ...", "... jobs"
ALONE = frozenset(  # as short as words of code, and shown to a person all the same
    [
        *("preparing", "its turn", "is empty", "free", "collect it", "saved [1]", "start [1]", "1 row", "1 column is"),
        *("the settings", "its default", "Text", "a hidden character", "not UTF-8"),
    ]
)
COMPOSED = {f"[1] {word}": "nodes/run/progress.py" for word in ("done", "planned", "fitted")}  # how a list ended
FEWEST_FIXED = 15  # characters; less of a text is found in anything
NO_SENTENCE = re.compile(r"^[^ ]+$|^(multipart/form-data;|pip install|fsspec|Application) ?|\\b|\w\|\w|\w=\"")
BRACES = re.compile(r"\{\w*[^}]*\}")


class Sentence(NamedTuple):
    """One text: its kind, where it stands, its English, and the others by language."""

    kind: str
    place: str
    english: str
    translations: dict[str, str]


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--missing", action="store_true", help="only what is not translated into every language")
    missing = parser.parse_args().missing
    languages = help_pages.languages()
    print("kind", "place", "English", *languages, sep="\t")
    for one in sentences():
        if not missing or (one.kind not in ENGLISH_ONLY and set(one.translations) < set(languages)):
            told = (one.translations.get(language, "") for language in languages)
            print(one.kind, one.place, *(text.replace("\n", " ") for text in (one.english, *told)), sep="\t")


def sentences() -> Iterator[Sentence]:
    """Yield everything that a person can meet."""
    yield from of_nodes()
    yield from of_help()
    yield from of_browser()
    yield from of_server()
    yield from of_command()
    yield from of_examples()
    yield from of_sandbox()


def of_nodes() -> Iterator[Sentence]:
    """Yield names, descriptions, labels and tooltips of the nodes."""
    mappings, names = pack.load().NODE_CLASS_MAPPINGS, pack.load().NODE_DISPLAY_NAME_MAPPINGS
    for node, name in names.items():
        texts = {language: help_pages.node_texts(language)[node] for language in help_pages.languages()}
        for place, english in (("display_name", name), ("description", mappings[node].DESCRIPTION)):
            yield Sentence("node", f"{node}.{place}", english, {key: one[place] for key, one in texts.items()})
        words = {language: help_pages.words_of(node, language) for language in ("en", *texts)}
        for side, group in enumerate(("inputs", "outputs")):
            for slot, english_words in words["en"][side].items():
                for which, kind in enumerate(("label", "tooltip")):
                    translated = {language: words[language][side][slot][which] for language in texts}
                    yield Sentence(kind, f"{node}.{group}.{slot}", english_words[which], translated)


def of_browser() -> Iterator[Sentence]:
    """Yield the texts of the extension, its menu entries and its settings."""
    translated = {language: locale(language, "main") for language in help_pages.languages()}
    for path in sorted((pack.ROOT / "web" / "js").rglob("*.js")):
        code = path.read_text(encoding="utf-8")
        for setting, english in SETTING.findall(code):
            names = {key: locale(key, "settings")[setting.replace(".", "_")]["name"] for key in translated}
            yield Sentence("setting", setting, english, names)
        for found in BROWSER_TEXT.finditer(code):
            name, english, constant = found.groups()
            told = {key: one["openaiImageNodes"][name] for key, one in translated.items()}
            place = f"{path.relative_to(pack.ROOT)}:{_line_of(code, found.start())} {name}"
            yield Sentence("browser", place, english or _value_of(constant, code), told)
    for group in ("menuLabels", "settingsCategories"):
        for english in next(iter(translated.values()))[group]:
            told = {key: one[group][english] for key, one in translated.items() if english in one[group]}
            yield Sentence("menu", group, english, told)


def of_help() -> Iterator[Sentence]:
    """Yield the lines of the help pages, which are the same ones in all languages."""
    for page in sorted(help_pages.DOCS.glob("*/en.md")):
        others = {key: page.with_stem(key).read_text(encoding="utf-8").splitlines() for key in help_pages.languages()}
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
            if line.strip():
                told = {key: lines[number] for key, lines in others.items()}
                yield Sentence("help", f"{page.relative_to(pack.ROOT)}:{number + 1}", line, told)


def of_server() -> Iterator[Sentence]:
    """Yield what the server says to a person, each text once, at the first of its places."""
    translated = {language: messages(language) for language in help_pages.languages()}
    for english, place in spoken().items():
        told = {language: one[english] for language, one in translated.items() if english in one}
        yield Sentence("server", place, english, told)


def of_command() -> Iterator[Sentence]:
    """Yield what `openai-image` says besides the server's texts: its help and its answers."""
    for path in sorted((pack.ROOT / "cli").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        helps = [(one.lineno, ast.get_docstring(one) or "") for one in tree.body if _is_command(one)]
        for line, text in [*helps, *texts_of(tree)]:
            yield Sentence("command", f"{path.relative_to(pack.ROOT)}:{line}", text, {})


def of_examples() -> Iterator[Sentence]:
    """Yield the names, notes and groups of the examples."""
    for path in sorted((pack.ROOT / "example_workflows").glob("*.json")):
        graph = json.loads(path.read_text(encoding="utf-8"))
        notes = [each["widgets_values"][0] for each in graph["nodes"] if "Note" in each["type"]]
        for text in [path.stem, *notes, *(group["title"] for group in graph["groups"])]:
            yield Sentence("example", str(path.relative_to(pack.ROOT)), text, {})


def of_sandbox() -> Iterator[Sentence]:
    """Yield what the sandbox answers in a service's stead."""
    for path in sorted((pack.ROOT / "sandbox").rglob("*.py")):
        for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
            yield Sentence("sandbox", f"{path.relative_to(pack.ROOT)}:{line}", text, {})


@cache
def spoken() -> dict[str, str]:
    """Return the server's texts with their places; their variable parts are "[1]", "[2]" and so on."""
    of_the_nodes = [one.english for one in of_nodes()]
    found: dict[str, str] = dict(COMPOSED)
    for folder in SPOKEN:
        for path in sorted((pack.ROOT / folder).rglob("*.py")):
            for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                if text in ALONE or not any(is_part_of(each, text) for each in of_the_nodes):
                    found.setdefault(text, f"{path.relative_to(pack.ROOT)}:{line}")
    return found


def texts_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a module with their lines, but for docstrings and lists of plain words."""
    if isinstance(tree, ast.Expr | ast.Tuple) and all(isinstance(each, ast.Constant) for each in _parts(tree)):
        return
    if isinstance(tree, ast.Call) and SILENT_CALLS.match(ast.unparse(tree.func)):
        return
    if isinstance(tree, ast.JoinedStr | ast.Constant):
        text = template_of(tree).strip(" ;,")
        if is_sentence(text):
            yield tree.lineno, text
        for part in getattr(tree, "values", []):  # what stands inside the brackets of an f-string
            if isinstance(part, ast.FormattedValue):
                yield from texts_of(part.value)
        return
    for child in ast.iter_child_nodes(tree):
        yield from texts_of(child)


def is_part_of(text: str, template: str) -> bool:
    """Tell whether a text of the nodes is put together of a template and others."""
    is_long = "[1]" not in template or len("".join(re.split(r"\[\d\]", template))) >= FEWEST_FIXED
    return is_long and pattern_of(template).search(text) is not None


def is_sentence(text: str) -> bool:
    """Tell a text for people from a name, a pattern or a header."""
    if text in ALONE:
        return True
    fewest = 2 if "[1]" in text else 3
    return bool(SHORT.match(text)) or (len(WORDS.findall(text)) >= fewest and not NO_SENTENCE.search(text))


def _line_of(code: str, place: int) -> int:
    return code.count("\n", 0, place) + 1


def _value_of(constant: str, code: str) -> str:
    found = re.search(rf'const {constant} = "([^"]*)"', code)
    return found[1] if found else constant


def _is_command(tree: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    """Tell a command or an action, whose docstring is its help: each returns the exit code."""
    is_public = isinstance(tree, ast.FunctionDef) and not tree.name.startswith("_")
    return is_public and tree.returns is not None and ast.unparse(tree.returns) == "int"


def _parts(tree: ast.Expr | ast.Tuple) -> list[ast.expr]:
    return tree.elts if isinstance(tree, ast.Tuple) else [tree.value]


def template_of(node: ast.JoinedStr | ast.Constant) -> str:
    """Return a text with numbers in brackets for its variable parts."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value if isinstance(part, ast.Constant) else "{}" for part in parts]
    numbers = count(1)
    return BRACES.sub(lambda _: f"[{next(numbers)}]", "".join(text for text in texts if isinstance(text, str)))


@cache
def pattern_of(template: str) -> re.Pattern[str]:
    """Return an expression for what a template may become."""
    return re.compile(".+".join(map(re.escape, re.split(r"\[\d\]", template))))


def messages(language: str) -> dict[str, str]:
    """Return the translations of what the server says, by its English."""
    told: dict[str, str] = locale(language, "main").get("openaiImageNodesMessages", {})
    return told


@cache
def locale(language: str, name: str) -> Any:
    return json.loads((help_pages.LOCALES / language / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
