"""Documents that comments, docstrings and other documents cite are in the repository, with what is cited in them.

A comment cites a document as docs/service.md, or a part of it as docs/service.md, "Sizes" and "Errors".
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from support.pack import ROOT

FOLDERS = ("api", "bench", "cli", "nodes", "sandbox", "scripts", "tests", "utils", "web", ".ci", ".github")
CODE = {".py", ".js", ".mjs", ".ts", ".yml", ".toml", ".sh"}
CITED = re.compile(r'([\w./-]*\w\.md)((?:,? (?:and )?"[^"]+")*)( section| ?[0-9A-Z]\.?[0-9]| [0-9])?')
PART = re.compile(r'"([^"]+)"')
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SCRIPT_COMMENT = re.compile(r"/\*.*?\*/|(?:^|\s)//[^\n]*(?:\n\s*//[^\n]*)*", re.DOTALL)
HASH_COMMENT = re.compile(r"(?:^|\s)#[^\n]*(?:\n\s*#[^\n]*)*")
MARKS = re.compile(r"^\s*(?:#+|//+|/?\*+/?)\s?|\*/$", re.MULTILINE)


def sources() -> list[Path]:
    """Return every file with comments of ours."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in CODE]
    return sorted(path for path in [*inside, *ROOT.glob("*.py"), *ROOT.glob("*.toml"), ROOT / "Makefile"])


def documents() -> list[Path]:
    """Return every document of ours."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "web" / "docs").rglob("*.md")])


def comments(path: Path) -> Iterator[str]:
    """Yield the comments and docstrings of a file, each as one line: a citation may go over two."""
    text = path.read_text(encoding="utf-8")
    if ".md" not in text:
        return
    if path.suffix == ".py":
        found = [*python_comments(text), *docstrings(text)]
    else:
        found = (SCRIPT_COMMENT if path.suffix in {".js", ".mjs", ".ts"} else HASH_COMMENT).findall(text)
    for comment in found:
        yield " ".join(MARKS.sub("", comment).split())


def python_comments(text: str) -> list[str]:
    """Return the comments of a Python file; those of neighbouring lines are one."""
    found: list[str] = []
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] == last + 1 and not token.line[: token.start[1]].strip():
            found[-1] += "\n" + token.string
        else:
            found.append(token.string)
        last = token.start[0]
    return found


def docstrings(text: str) -> list[str]:
    """Return the docstrings of a Python file."""
    having = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(text)) if isinstance(node, having)]


@cache
def headings(path: Path) -> list[str]:
    """Return the headings of a document."""
    return [heading.strip() for heading in HEADING.findall(FENCED.sub("", path.read_text(encoding="utf-8")))]


def anchor(heading: str) -> str:
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def faults_of(comment: str, path: Path) -> list[str]:
    """Return what is wrong with the citations of a comment in a file."""
    faults = []
    for name, parts, number in CITED.findall(comment):
        here = next((place / name for place in (ROOT, path.parent) if (place / name).is_file()), None)
        if here is None:
            faults.append(f"there is no {name}")
        elif number:
            faults.append(f'{name} is cited by number: write {name}, "Heading"')
        else:
            faults += [f"{name} has no heading {part!r}" for part in PART.findall(parts) if part not in headings(here)]
    return faults


def test_what_a_comment_cites_is_there() -> None:
    """A reason whose source nobody can open is no reason."""
    faults = [(path.name, fault) for path in sources() for text in comments(path) for fault in faults_of(text, path)]
    assert faults == []


@pytest.mark.parametrize(
    ("comment", "fault"),
    [
        ("as in API.md 4.1", "there is no API.md"),
        ("as in docs/gone.md", "there is no docs/gone.md"),
        ('as in docs/service.md, "Sizes" and "Colours"', "docs/service.md has no heading 'Colours'"),
        ("as in docs/service.md 1.3", 'docs/service.md is cited by number: write docs/service.md, "Heading"'),
        ("as in docs/service.md section 5", 'docs/service.md is cited by number: write docs/service.md, "Heading"'),
    ],
)
def test_a_citation_of_nothing_is_found(comment: str, fault: str) -> None:
    """The test above does not pass in vain."""
    assert faults_of(comment, ROOT / "Makefile") == [fault]


def test_citations_are_read_from_every_kind_of_comment(tmp_path: Path) -> None:
    """Behind code, over two lines, in docstrings, and in JavaScript; a text in the code is no citation."""
    python = tmp_path / "some.py"
    python.write_text('"""See docs/a.md."""\nX = "docs/no.md"  # docs/b.md,\n# "Sizes"\n', encoding="utf-8")
    assert sorted(comments(python)) == ["See docs/a.md.", 'docs/b.md, "Sizes"']
    script = tmp_path / "some.js"
    script.write_text('let a = "docs/no.md"; // docs/a.md\n/** docs/b.md,\n * "Sizes" */\n', encoding="utf-8")
    assert list(comments(script)) == ["docs/a.md", 'docs/b.md, "Sizes"']


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    """A link to a file or a heading of the repository has its target; help pages are shown from web/docs."""
    base = path.parent.parent if path.is_relative_to(ROOT / "web") else path.parent
    lost = []
    for target in LINK.findall(FENCED.sub("", path.read_text(encoding="utf-8"))):
        file, _, part = target.partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        there = base / file if file else path
        if not there.exists() or (part and part not in map(anchor, headings(there))):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_documents_name_no_path_of_a_machine(path: Path) -> None:
    """Nobody else has it."""
    assert (
        re.findall(r"(?<![\w.])/(?:home|root|work|tmp|Users)/\S*|[A-Z]:\\\S*", path.read_text(encoding="utf-8")) == []
    )
