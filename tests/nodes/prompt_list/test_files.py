"""The files of the prompt list: every format, and every refusal with the line that it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.nodes.prompt_list import files
from openai_image_nodes.nodes.prompt_list.tables import PromptListError
from support.prompt_lists import PromptList, inputs, lists, write

__all__ = ["inputs"]  # a fixture

LONG = "x" * 32_001
OUTSIDE = ["../a.png", "cats/../../a.png", "/etc/a.png", "C:\\a.png", "c:a.png", "\\\\host\\share\\a.png", "..\\a.png"]


def refused(inputs: Path, name: str, content: str | bytes, **values: Any) -> str:
    """Return what a file is refused with, before the run and in it."""
    write(inputs, name, content)
    told = PromptList.VALIDATE_INPUTS(file=name, **values)
    with pytest.raises(PromptListError) as caught:
        lists(file=name, **values)
    assert str(caught.value) == told
    return str(told)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_of_any_spreadsheet(inputs: Path, delimiter: str, newline: str, mark: str) -> None:
    """Comma, semicolon or tab, any line ends, with and without a byte order mark."""
    rows = [["prompt", "size"], ['"a fox, red; and\tquick"', "1024x1024"], ["hare", ""], ["", ""]]
    write(inputs, "a.csv", mark + newline.join(delimiter.join(row) for row in rows) + newline)
    result = lists(file="a.csv")
    assert result.prompt == ["a fox, red; and\tquick", "hare"]
    assert result.size == ["1024x1024", "auto"]


def test_csv_texts_may_hold_lines_and_quotes(inputs: Path) -> None:
    """As spreadsheets write them; the header may be quoted, with any delimiter inside."""
    write(inputs, "a.csv", '\n"prompt","a;b;c"\n"first line\nsecond ""line""", x\n')
    assert lists(file="a.csv").prompt == ['first line\nsecond "line"']


def test_csv_prompts_may_begin_with_a_hash(inputs: Path) -> None:
    """Only texts have comments."""
    write(inputs, "a.csv", "prompt\n#1 of the league\n")
    assert lists(file="a.csv").prompt == ["#1 of the league"]


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "JSONL"])
def test_json_lines(inputs: Path, suffix: str) -> None:
    """An object per line, names in any case, null for nothing."""
    rows = [
        {"Prompt": "a fox\u2028in two lines", "seed": 3, "size": None, "quality": "high", "id": 1},
        {"prompt": "hare", "seed": "4", "name": "h"},
    ]
    write(inputs, f"a.{suffix}", "\ufeff" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    result = lists(file=f"a.{suffix}")
    assert result.prompt == ["a fox\u2028in two lines", "hare"]
    assert result.seed == [3, 4]
    assert result.quality == ["high", "low"]
    assert result.name == ["row_00001", "h"]


def test_text_files_are_like_the_text(inputs: Path) -> None:
    """One prompt per line, # for comments."""
    write(inputs, "lists/a.txt", "# animals\na fox, red\n\nhare\n")
    assert lists(file="lists/a.txt").prompt == ["a fox, red", "hare"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "a.csv holds no prompt. Write one per line, or one per row."),
        ("prompt,size\n", "a.csv holds no prompt. Write one per line, or one per row."),
        (
            "\ntext,size\nfox,\n",
            "a.csv, line 2: no column is called prompt. The first line names the columns: prompt and, if you like,"
            " seed, size, quality, image, mask, name.",
        ),
        ("prompt,Prompt\nfox,\n", "a.csv, line 1: the column prompt is there twice. Keep one."),
        (
            "prompt,imgae\nfox,a.png\n",
            "a.csv, line 1: the column imgae is not known. If it is image, rename it; else drop it.",
        ),
        (
            "prompt,size\nfox,\na hare, a fox,\n",
            "a.csv, line 3: 3 columns are here and 2 columns are in the header. Put a text that holds a comma or a line"
            " break in double quotes.",
        ),
        (
            "prompt\n\nfox, red\n",
            "a.csv, line 3: 2 columns are here and 1 column is in the header. Put a text that holds a comma or a line"
            " break in double quotes.",
        ),
        (
            'prompt\nfox\n"hare\nbear\n',
            "a.csv, line 3: this is no CSV (unexpected end of data). Look for a double quote that is never closed.",
        ),
        (
            'prompt\n"fox" red\n',
            "a.csv, line 2: this is no CSV (',' expected after '\"'). Look for a double quote that is never closed.",
        ),
        ('prompt,size\n"a\nb",\n,auto\n', "a.csv, line 4: the prompt is empty. Write one, or take the row out."),
        (
            f"prompt\nfox\n{LONG}\n",
            "a.csv, line 3: the prompt has 32,001 characters, more than 32,000. Shorten it.",
        ),
        (
            "prompt,size\nfox,1024\n",
            "a.csv, line 2: size 1024 is not known. Write WIDTHxHEIGHT in pixels or one of auto, 1024x1024, 1024x1536,"
            " 1536x1024, 2048x2048, 2048x1152, 1152x2048, 3840x2160, 2160x3840, match image, custom.",
        ),
        (
            "prompt,quality\nfox,best\n",
            "a.csv, line 2: quality best is not known. Choose one of low, medium, high, xhigh, max, auto.",
        ),
        (
            "prompt,mask\nfox,m.png\n",
            "a.csv, line 2: there is a mask and no image. Name the picture that it belongs to.",
        ),
        (
            "prompt,image\nfox,a.png\n",
            "a.csv, line 2: image 'a.png' is not in ComfyUI's input folder. Copy it there, or correct the name.",
        ),
        (
            "prompt,name\nfox,../fox\n",
            "a.csv, line 2: name '../fox' leads outside ComfyUI's output folder. Name a file in it or below.",
        ),
    ],
)
def test_csv_that_cannot_run(inputs: Path, content: str, told: str) -> None:
    """The message names the line, and what to do."""
    assert refused(inputs, "a.csv", content) == told


@pytest.mark.parametrize("seed", ["-1", "2147483648", "1.0", "one", "1_0", "\u0663", "9" * 5000])
def test_csv_seeds_that_are_none(inputs: Path, seed: str) -> None:
    """Digits of a whole number in the node's range, nothing else."""
    told = refused(inputs, "a.csv", f"prompt,seed\nfox,0\nfox,{seed}\n")
    assert told.startswith("a.csv, line 3: seed ")
    assert told.endswith(" is no whole number from 0 to 2147483647. Correct it, or leave it empty.")


@pytest.mark.parametrize("column", ["image", "mask"])
@pytest.mark.parametrize("path", OUTSIDE)
def test_pictures_outside_the_input_folder(inputs: Path, column: str, path: str) -> None:
    """A list that somebody sent reaches no other file, in the notation of any system."""
    row = {"prompt": "fox", "image": "a.png", column: path}
    told = refused(inputs, "a.jsonl", json.dumps(row))
    outside = f"{column} {path!r} leads outside ComfyUI's input folder. Name a file in it or below."
    assert told == f"a.jsonl, line 1: {outside}"


@pytest.mark.parametrize("path", OUTSIDE)
def test_lists_outside_the_input_folder(inputs: Path, path: str) -> None:
    """The API may name any file: it reaches none but lists in the input folder."""
    name = path.replace(".png", ".csv")
    told = f"{name!r} leads outside ComfyUI's input folder. Name a file in it, such as cats/tom.png."
    assert PromptList.VALIDATE_INPUTS(file=name) == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fox", "this is no JSON (Expecting value: line 1 column 1 (char 0)). Each line is an object of its own."),
        ('["fox"]', 'this is no JSON object. Write {"prompt": "..."} on one line.'),
        ('"fox"', 'this is no JSON object. Write {"prompt": "..."} on one line.'),
        ('{"seed": 1}', "the prompt is empty. Write one, or take the row out."),
        ('{"prompt": 7}', "prompt must be a text, and is 7. Put it in double quotes."),
        (
            '{"prompt": "a", "seed": true}',
            "seed True is no whole number from 0 to 2147483647. Correct it, or leave it empty.",
        ),
        (
            '{"prompt": "a", "seed": 1.0}',
            "seed 1.0 is no whole number from 0 to 2147483647. Correct it, or leave it empty.",
        ),
        ('{"prompt": "a", "size": 1024}', "size must be a text, and is 1024. Put it in double quotes."),
        ('{"prompt": "a", "PROMPT": "b"}', "the column prompt is there twice. Keep one."),
        ('{"prompt": "a", "sizes": "b"}', "the column sizes is not known. If it is size, rename it; else drop it."),
    ],
)
def test_json_lines_that_cannot_run(inputs: Path, line: str, told: str) -> None:
    """The message names the line, blank ones counted."""
    content = f'{{"prompt": "fine"}}\n\n{line}\n'
    assert refused(inputs, "a.jsonl", content) == f"a.jsonl, line 3: {told}"


def test_other_encodings_are_named(inputs: Path) -> None:
    """With the line, and what spreadsheets call the right one."""
    way = "Save it as UTF-8; spreadsheets call it CSV UTF-8."
    latin = "prompt\nfox\nG\u00e4nse\n".encode("latin-1")
    assert refused(inputs, "a.csv", latin) == f"a.csv, line 3: the file is not UTF-8. {way}"
    assert refused(inputs, "a.csv", "prompt\n\u00e4".encode("utf-16")) == f"a.csv, line 1: the file is UTF-16. {way}"


def test_files_that_are_no_lists(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, of another kind, or too large."""
    gone = PromptList.VALIDATE_INPUTS(file="a.csv")
    assert gone == "a.csv cannot be read from ComfyUI's input folder (No such file or directory)."
    kinds = ".csv, .jsonl, .ndjson, .txt"
    assert refused(inputs, "a.png", "") == f"a.png is no list of prompts. Choose a file that ends in {kinds}."
    monkeypatch.setattr(files, "MAX_BYTES", 3)
    assert refused(inputs, "a.csv", "prompt") == "a.csv has more than 0 MB. Split it into several files."


def test_an_error_shows_no_path_of_the_disk() -> None:
    """ComfyUI prints an exception's module, and ours would be a path."""
    assert PromptListError.__module__ == "openai_image_nodes"
