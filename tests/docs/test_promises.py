"""What README, changelog and help pages say of the pack is so: messages, counts, commands, and the README's size."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from support.pack import ROOT

README_MAX_BYTES = 10_000
SPOKEN = ("api", "cli", "nodes", "utils")  # what the sandbox says are the service's words, not ours
BLANK = "\0"  # what a message holds of the moment: a name, a number
END = "\1"
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
COUNTED = re.compile(rf"\b({'|'.join(NUMBERS)}|\d+) (?:example|language|translation)s?\b", re.IGNORECASE)
HEADED = re.compile(r"^- ((?:\*\*[^*]+\*\*\W{0,3})+)", re.MULTILINE)
BOLD = re.compile(r"\*\*(.+?)\*\*")
SCRIPT_TEXT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "web" / "docs").glob("*/*.md"))


@cache
def spoken() -> str:
    """Return every text of the source that may be shown, its variable parts as BLANK, with END behind each."""
    python = [text for room in SPOKEN for path in (ROOT / room).rglob("*.py") for text in texts_of(path)]
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "web" / "js").rglob("*.js"))
    found = (re.sub(r"\$\{.*?\}", BLANK, "".join(found)) for found in SCRIPT_TEXT.findall(scripts))
    return END.join((*python, *found))


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts of a Python file but for docstrings; of an f-string its whole, and not its parts."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    alone = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if id(node) in parts | alone:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else BLANK for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache  # each message stands in seven languages
def is_said(message: str) -> bool:
    """Tell whether the source says a message; "..." in it stands for anything, and one word may be of the moment."""
    words = re.split(r"(\W+)", message)
    ways = [message, *("".join([*words[:at], BLANK, *words[at + 1 :]]) for at in range(0, len(words), 2) if words[at])]
    return any(stands(way.split("..."), spoken()) for way in ways if len(re.findall(r"\w", way)) > 3)


def stands(parts: list[str], text: str) -> bool:
    """Tell whether parts stand in one of the texts, one behind the other."""
    if len(parts) == 1 or not all(part in text for part in parts):
        return len(parts) == 1 and parts[0] in text
    return re.search(f"[^{END}]*".join(map(re.escape, parts)), text) is not None


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of a document, up to the next one."""
    return text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]


def explained(page: Path) -> list[str]:
    """Return the messages that the last section of a help page explains: what is bold at the start of an item."""
    headed = HEADED.findall(page.read_text(encoding="utf-8").rpartition("\n## ")[2])
    return [message for bold in headed for message in BOLD.findall(bold)]


def numbered(text: str) -> Iterator[tuple[str, int]]:
    """Yield what is counted in a text, and its number."""
    for found in COUNTED.finditer(text):
        number = found[1].lower()
        yield found[0].split()[1].rstrip("s"), int(number) if number.isdigit() else NUMBERS.index(number)


def test_messages_that_the_readme_explains_are_said() -> None:
    """Who searches for the message that is shown finds it."""
    rows = re.findall(r"^\| (.+?) \|", section(README, "What goes wrong, and what to do"), re.MULTILINE)
    messages = [row for row in rows if row not in ("message", "---")]
    assert len(messages) > 8
    assert [message for message in messages if not is_said(message)] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_messages_that_a_help_page_explains_are_said(path: Path) -> None:
    """The same in every language: messages stand as they are shown, in English."""
    messages = explained(path)
    assert messages
    assert [message for message in messages if not is_said(message)] == []
    assert messages == explained(path.with_name("en.md"))


def test_a_message_that_nobody_says_is_found() -> None:
    """The tests above do not pass in vain: other words, another order, or next to no words at all."""
    assert is_said("The mask is ... and the first picture is")
    assert not is_said("refused by the safety system")
    assert not is_said("the first picture is ... The mask is")
    assert not is_said("...")


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "docs/guide.md"])
def test_numbers_that_are_said_are_counted(name: str) -> None:
    """The examples, languages and translations that a document counts are there."""
    translations = len([path for path in (ROOT / "locales").iterdir() if path.is_dir()])
    examples = len(list((ROOT / "example_workflows").glob("*.json")))
    there = {"example": examples, "translation": translations, "language": translations + 1}
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [said for said in numbered(text) if there[said[0]] != said[1]] == []


def test_numbers_are_found() -> None:
    """As a word or in digits, one or many."""
    text = "The eight examples, 7 languages and one example"
    assert list(numbered(text)) == [("example", 8), ("language", 7), ("example", 1)]
    assert "example" in dict(numbered(README))


def test_readme_lists_every_example() -> None:
    """By the name that the template browser shows."""
    listed = re.findall(r"^\| ([A-Z].+?) \|", section(README, "Examples"), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "example_workflows").glob("*.json"))


def test_readme_is_read_in_five_minutes() -> None:
    """What is longer has its home in docs/."""
    assert len(README.encode()) <= README_MAX_BYTES


def test_readme_says_whose_pack_it_is() -> None:
    """Nobody takes it for OpenAI's own."""
    assert "not made by or affiliated with OpenAI" in " ".join(README.split())


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/benchmarks.md"])
def test_commands_that_are_named_exist(name: str) -> None:
    """A make target, a module of bench, a script."""
    text = (ROOT / name).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][\w-]*)(?=`|  | #|$)", text, re.MULTILINE))
    assert named
    assert named <= targets
    files = [f"{module.replace('.', '/')}.py" for module in re.findall(r"python -m (bench\.\w+)", text)]
    files += [script.replace("\\", "/") for script in re.findall(r"scripts[\\/]\w+\.py", text)]
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_names_of_the_readme_are_those_of_the_pack() -> None:
    """Connections in the table are values of the widget, and variables are read somewhere."""
    widget = json.loads((ROOT / "tests/support/golden/data/object_info.json").read_text(encoding="utf-8"))
    values = widget["OIN_GPTImage"]["input"]["optional"]["connection"][0]
    named = re.findall(r"^\| `(.+?)` \|", section(README, "Your account"), re.MULTILINE)
    assert named
    assert set(named) <= set(values)
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    variables = set(re.findall(r"`(OPENAI_IMAGE_NODES_\w+)`", README + contract))
    assert [name for name in sorted(variables) if name not in spoken().split(END)] == []


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table's rows whose first cell begins with a name in backticks."""
    lines = re.findall(r"^\| (`.+) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def test_contract_lists_the_inputs_of_the_node() -> None:
    """In their order, with the values that a widget offers and what it begins with."""
    declared = NODE_CLASS_MAPPINGS["OIN_GPTImage"].INPUT_TYPES()
    inputs = {**declared["required"], **declared["optional"]}
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    table = rows(section(f"\n{contract}", "Nodes").split("### OIN_References")[0])
    assert [row[0].split("`")[1] for row in table] == list(inputs)
    for row, (kind, *options) in zip(table, inputs.values(), strict=True):
        default = options[0].get("default") if options else None
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        assert default in (None, "") or shown in row[2], row[0]
        if isinstance(kind, list) and row[0] not in ("`model`", "`connection`"):
            assert row[1].split(", ") == kind, row[0]


def test_contract_names_every_node_and_route() -> None:
    """Whoever looks for a name that must not change finds it."""
    contract = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
    assert [node for node in NODE_CLASS_MAPPINGS if f"`{node}`" not in contract] == []
    routes = json.loads((ROOT / "tests/support/golden/data/routes.json").read_text(encoding="utf-8"))
    assert [route for route in routes if not re.search(rf"\b{route.rpartition('/')[2]}\b", contract)] == []
