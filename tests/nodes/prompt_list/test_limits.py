"""Lists of strangers: what they can ask of this machine is bounded, and told in words."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.nodes.prompt_list import files, node, tables
from openai_image_nodes.nodes.prompt_list.files import QUICK_BYTES, QUICK_LINES
from openai_image_nodes.nodes.prompt_list.tables import MAX_COLUMNS, PromptListError
from openai_image_nodes.utils import text_tables
from support.prompt_lists import PromptList, inputs, lists, write

__all__ = ["inputs"]  # a fixture


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits that are soon reached."""
    monkeypatch.setattr(tables, "MAX_ROWS", 50)
    monkeypatch.setattr(text_tables, "MAX_LINES", 200)
    monkeypatch.setattr(text_tables, "MAX_ROW_CHARS", 1000)
    yield
    files._read_once.cache_clear()


def refused(name: str) -> str:
    """Return the words with which a run refuses a list, which are those before the run where it is looked at then."""
    with pytest.raises(PromptListError) as caught:
        lists(file=name)
    assert PromptList.VALIDATE_INPUTS(file=name) in (True, str(caught.value))
    assert PromptList.IS_CHANGED(file=name) == PromptList.IS_CHANGED(file=name)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)
    return str(caught.value)


COLUMNS = [f"column_{number}" for number in range(20_000)]


def test_twenty_thousand_columns_are_refused(inputs: Path) -> None:
    """Each was compared with each: 149 KB stopped ComfyUI for 18 s."""
    write(inputs, "a.csv", f"prompt,{','.join(COLUMNS)}\nfox{',' * len(COLUMNS)}\n")
    assert refused("a.csv") == "a.csv, line 1: 20001 columns are here, at most 100 are read. Drop the others."


def test_list_writes_nothing_to_the_console_that_it_obeys(inputs: Path) -> None:
    """ComfyUI logs what is refused."""
    write(inputs, "a.csv", "prompt,imag\x1be\nfox,b\n")
    assert refused("a.csv").startswith("a.csv, line 1: the column imag?e is not known.")


def test_a_hundred_columns_are_read(inputs: Path) -> None:
    """The limit is what is told."""
    write(inputs, "a.csv", f"prompt,{','.join(COLUMNS[: MAX_COLUMNS - 1])}\nfox{',' * (MAX_COLUMNS - 1)}\n")
    assert lists(file="a.csv").prompt == ["fox"]


def test_json_rows_of_many_columns_are_refused(inputs: Path) -> None:
    """In one row, or a few new ones in each: each new name is compared with all that we know."""
    write(inputs, "a.jsonl", json.dumps({"prompt": "fox", **dict.fromkeys(COLUMNS, 1)}))
    assert "20001 columns are here" in refused("a.jsonl")
    write(inputs, "b.jsonl", "\n".join(json.dumps({"prompt": "fox", name: 1}) for name in COLUMNS[:500]))
    assert "b.jsonl, line 101: more than 100 different columns mean nothing here" in refused("b.jsonl")


class _Counted(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        _Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_columns_are_compared_as_often_as_there_are_columns() -> None:
    """Ten times the columns are ten times the work, not a hundred times."""

    def work(count: int) -> int:
        _Counted.compared = 0

        class Name(str):
            __slots__ = ()

            def strip(self, *_what: Any) -> Any:
                return self

            def lower(self) -> Any:
                return _Counted(self)

        tables._columns([Name(f"x{number:03}") for number in range(count)], 1, {})
        return _Counted.compared

    assert work(100) <= 12 * max(1, work(10))


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
def test_rows_are_read_up_to_the_limit_and_no_further(
    inputs: Path, small: None, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Two million short rows are refused after the first hundred thousand."""
    row = '{"prompt": "f"}' if name.endswith("jsonl") else "f"
    head = "prompt\n" if name.endswith("csv") else ""
    write(inputs, name, head + f"{row}\n" * 50)
    assert len(lists(file=name).prompt) == 50
    made: list[int] = []
    record = tables.Record
    monkeypatch.setattr(tables, "Record", lambda line, fields: made.append(line) or record(line, fields))
    write(inputs, name, head + f"{row}\n" * 180)
    assert re.fullmatch(
        rf"{name}, line 5\d: there are more than 5[01] rows. Split the list into several files.", refused(name)
    )
    assert len(made) == 50


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
def test_blank_lines_count_as_lines(inputs: Path, small: None, name: str, end: str) -> None:
    """A hundred megabytes of them are no rows, and a minute of work."""
    write(inputs, name, end * 1000)
    assert refused(name).endswith("line 201: there are more than 200 lines. Split the list into several files.")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "x" * 1001),
        ("a.jsonl", '{"prompt": "f", "note": [' + "1," * 500 + "1]}"),
        ("a.csv", "prompt\n" + "," * 1001),
        ("a.csv", "prompt\n" + ",".join(['"xxxxxx\ny"'] * 150)),
        ("a.csv", 'prompt\n"never closed\n' + "x" * 50 + "\n" + "more and more\n" * 100),
    ],
)
def test_long_rows_are_refused(inputs: Path, small: None, name: str, content: str) -> None:
    """Also those of many lines: they are put together before anybody looks at them."""
    write(inputs, name, content)
    assert "the row has more than 1,000 characters. Shorten it." in refused(name)


def test_text_of_the_widget_has_the_same_limits(small: None) -> None:
    """It comes with a workflow."""
    with pytest.raises(PromptListError, match="Text, line 51: there are more than 50 rows"):
        lists(text="fox\n" * 51)
    with pytest.raises(PromptListError, match="Text, line 201: there are more than 200 lines"):
        lists(text="\n" * 1000)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "-" + "9" * 100_000, "[" * 900 + "]" * 900, "1" + "0" * 400 + ".0", "NaN"]
)
@pytest.mark.parametrize("column", ["seed", "prompt", "image", "note"])
def test_strange_values_are_refused_in_a_few_words(inputs: Path, column: str, value: str) -> None:
    """Numbers of any length, nests of any depth: nothing else is raised, and no message is as long as they are."""
    write(
        inputs,
        "a.jsonl",
        f'{{"prompt": "fox", "x": 1, "{column}": {value}}}'.replace('"prompt": "fox", "x": 1, "prompt"', '"prompt"'),
    )
    if column == "note":
        assert lists(file="a.jsonl").prompt == ["fox"]
    else:
        assert "a.jsonl, line 1: " in refused("a.jsonl")


@pytest.mark.parametrize("depth", [10_000, 400_000])
def test_deep_json_is_no_json(inputs: Path, depth: int) -> None:
    """Python's reader gives up, and so does the row."""
    write(inputs, "a.jsonl", '{"prompt": ' + "[" * depth + "]" * depth + "}")
    assert refused("a.jsonl").startswith("a.jsonl, line 1: ")


@pytest.mark.parametrize("column", ["<img src=x onerror=1>" * 1_000, "p" * 100_000])
def test_long_names_of_columns_make_no_long_messages(inputs: Path, column: str) -> None:
    """The line and what to do stay."""
    write(inputs, "a.csv", f"prompt,{column},{column}\nfox,1,2\n")
    assert refused("a.csv").endswith(" is there twice. Keep one.")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
@pytest.mark.parametrize("suffix", [".csv", ".txt", ".jsonl"])
def test_only_ordinary_files_are_read(inputs: Path, suffix: str) -> None:
    """A pipe would stop ComfyUI for ever, a device has no end; links are followed to files alone."""
    os.mkfifo(inputs / f"pipe{suffix}")
    (inputs / f"link{suffix}").symlink_to(inputs / f"pipe{suffix}")
    (inputs / f"zero{suffix}").symlink_to("/dev/zero")
    (inputs / f"folder{suffix}").mkdir()
    for name in ("pipe", "link", "zero", "folder"):
        assert "is no ordinary file" in refused(name + suffix)
    assert PromptList.INPUT_TYPES()["optional"]["file"][0] == ["none"]


def test_a_file_over_the_limit_is_refused_unread(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its size; and by its content where it grew in between."""
    monkeypatch.setattr(files, "MAX_BYTES", 20)
    write(inputs, "a.txt", "a fox and\na hare and\na bear\n")
    assert "has more than 0 MB" in refused("a.txt")
    with pytest.raises(PromptListError, match="has more than 0 MB"):
        files._bytes(inputs / "a.txt", "a.txt")


@pytest.mark.parametrize("content", ["fox\n" * (QUICK_LINES + 1), "fox\r" * (QUICK_LINES + 1), "x" * (QUICK_BYTES + 1)])
def test_long_lists_are_not_read_while_others_wait(inputs: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """ComfyUI checks a prompt on the thread that serves all pages: there a long list is only looked at in the run."""

    def never(*_told: Any) -> Any:
        raise AssertionError("it was read")

    write(inputs, "a.txt", content)
    with monkeypatch.context() as patched:
        patched.setattr(files, "_text", never)
        patched.setattr(node, "line_table", never)
        assert PromptList.VALIDATE_INPUTS(file="a.txt") is True
        assert PromptList.VALIDATE_INPUTS(text=content) is True
    if len(content) <= QUICK_BYTES:
        assert lists(file="a.txt").count == QUICK_LINES + 1


def test_a_list_is_read_once_for_each_version(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked, compared and run by one reading, also one that is refused; an edit of the same length is seen."""
    read: list[str] = []
    once = files._text
    monkeypatch.setattr(files, "_text", lambda data, name: read.append(name) or once(data, name))
    for prompt in ("fox", "owl"):
        write(inputs, "a.csv", f"prompt\n{prompt}\n")
        os.utime(inputs / "a.csv", ns=(1, len(read) + 1))
        assert PromptList.VALIDATE_INPUTS(file="a.csv") is True
        PromptList.IS_CHANGED(file="a.csv")
        assert lists(file="a.csv").prompt == [prompt]
    assert read == ["a.csv", "a.csv"]
    write(inputs, "b.csv", "no\nfox\n")
    assert refused("b.csv") == refused("b.csv")
    assert read == ["a.csv", "a.csv", "b.csv"]
