"""The words of code and documents are plain: many readers are not native."""

from __future__ import annotations

import re

import pytest
from support.pack import ROOT

PLAIN = {
    "afresh": "again",
    "anew": "again",
    "mend": "fix",
    "mends": "fixes",
    "mended": "fixed",
    "mending": "fixing",
    "amongst": "among",
    "hence": "so",
    "heretofore": "so far",
    "hitherto": "so far",
    "lest": "so that ... not",
    "thereby": "so",
    "thus": "so",
    "whence": "from where",
    "whilst": "while",
    "whereby": "by which",
}
ODD = re.compile(rf"\b({'|'.join(PLAIN)})\b", re.IGNORECASE)
ENDINGS = {".py", ".js", ".mjs", ".ts", ".md", ".yml", ".toml", ".sh"}
FOLDERS = ("api", "bench", "cli", "docs", "nodes", "sandbox", "scripts", "tests", "utils", "web/js")


def odd_words(text: str) -> list[str]:
    """Return the bookish words of a text, each with the plain one."""
    return [f"{word}: write {PLAIN[word.lower()]!r}" for word in ODD.findall(text)]


@pytest.mark.parametrize("folder", [*FOLDERS, "."])
def test_words_are_plain(folder: str) -> None:
    """Names, comments, messages and documents; the pages in other languages have readers of their own."""
    inside = (ROOT / folder).glob("*") if folder == "." else (ROOT / folder).rglob("*")
    files = [path for path in sorted(inside) if path.suffix in ENDINGS and path.name != "test_plain_english.py"]
    assert files
    odd = {path.relative_to(ROOT).as_posix(): odd_words(path.read_text(encoding="utf-8")) for path in files}
    assert {name: words for name, words in odd.items() if words} == {}


def test_bookish_words_are_found() -> None:
    """Whole words alone, in whatever case."""
    assert odd_words("Mend it anew: recommend enthusiasm") == ["Mend: write 'fix'", "anew: write 'again'"]
