"""The prompt list: what its rows get, which of them run, and when ComfyUI runs them again."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.nodes.prompt_list.tables import PromptListError
from support.prompt_lists import PromptList, inputs, lists, picture, write

__all__ = ["inputs"]  # a fixture

GPTImage, GIF = NODE_CLASS_MAPPINGS["OIN_GPTImage"], NODE_CLASS_MAPPINGS["OIN_GPTImageGIF"]
WIDGETS = [
    *(("text", "STRING", ""), ("file", ["none"], "none"), ("start", "INT", 1), ("limit", "INT", 0)),
    *(("portion", "INT", 1), ("first_seed", "INT", 0)),
    ("size", GPTImage.INPUT_TYPES()["optional"]["size"][0], "auto"),
    ("quality", GPTImage.INPUT_TYPES()["optional"]["quality"][0], "low"),
]
TEN = "\n".join(f"fox {number}" for number in range(1, 11))


def test_widgets_come_in_this_order() -> None:
    """Saved workflows store them by position: only ever append."""
    declared = PromptList.INPUT_TYPES()
    found = [(name, kind, options["default"]) for name, (kind, options) in declared["optional"].items()]
    assert found == WIDGETS
    assert declared["required"] == {}


def test_outputs_are_lists_but_the_count() -> None:
    """ComfyUI runs the nodes behind once per row."""
    assert PromptList.RETURN_NAMES == ("prompt", "seed", "size", "quality", "image", "mask", "name", "count")
    assert PromptList.OUTPUT_IS_LIST == (True,) * 7 + (False,)
    assert json.dumps(PromptList.RETURN_TYPES[:4]) == '["STRING", "INT", "COMBO", "COMBO"]'


@pytest.mark.parametrize("target", [GPTImage, GIF])
@pytest.mark.parametrize("widget", ["size", "quality"])
def test_choices_can_be_linked_to_any_widget_with_a_list(target: Any, widget: str) -> None:
    """The server asks whether the types differ, and lets through what says that they do not."""
    output = PromptList.RETURN_TYPES[PromptList.RETURN_NAMES.index(widget)]
    wanted = target.INPUT_TYPES()["optional"][widget][0]
    assert isinstance(wanted, list)
    assert (output != wanted) is False  # as ComfyUI asks
    assert output != "IMAGE"
    assert output == "COMBO"


def test_one_prompt_per_line() -> None:
    """Every list is as long as there are prompts, and the widgets fill what a text cannot say."""
    result = lists(text="a red fox\r\n\r\n  # not this one\n a blue fox ", size="1024x1536", quality="high")
    assert result.prompt == ["a red fox", "a blue fox"]
    assert result.size == ["1024x1536"] * 2
    assert result.quality == ["high"] * 2
    assert result.image == result.mask == [None, None]
    assert result.name == ["row_00001", "row_00002"]
    assert result.count == 2


def test_rows_say_what_they_want(inputs: Path) -> None:
    """The columns win over the widgets, where they are filled."""
    write(inputs, "a.csv", "name,Prompt,SEED,size,quality\nfirst,a fox,7,1280X720,\n,a hare,,,High\n")
    result = lists(file="a.csv", size="match image", quality="medium", first_seed=40)
    assert result.prompt == ["a fox", "a hare"]
    assert result.seed == [7, 40]
    assert result.size == ["1280x720", "match image"]
    assert result.quality == ["medium", "high"]
    assert result.name == ["first", "row_00002"]


def test_the_same_twice_is_two_pictures() -> None:
    """A row that repeats one above gets the next seed: else both were one paid picture."""
    assert lists(text="fox\nhare\nfox\nfox", first_seed=5).seed == [5, 5, 6, 7]


def test_a_row_that_is_put_in_changes_no_other() -> None:
    """What was paid for stays paid for when the list is edited: seeds do not hang on places."""
    before, after = lists(text="fox\nhare\nfox"), lists(text="bear\nhare\nfox\nfox")
    assert (
        dict(zip(before.prompt, before.seed, strict=True)).items()
        <= dict(zip(after.prompt, after.seed, strict=True)).items()
    )


def test_seeds_that_are_told_are_not_given_to_others(inputs: Path) -> None:
    """A row without a seed never gets the picture of an equal row that names one, above or below it."""
    write(inputs, "a.csv", "prompt,seed\nfox,\nfox,1\nfox,0\nfox,\nhare,\n")
    assert lists(file="a.csv").seed == [2, 1, 0, 3, 0]


def test_equal_prompts_of_different_sizes_need_no_different_seeds(inputs: Path) -> None:
    """They are different requests already."""
    write(inputs, "a.csv", "prompt,size\nfox,1024x1024\nfox,1024x1536\n")
    assert lists(file="a.csv").seed == [0, 0]


def test_seeds_go_round_at_the_largest() -> None:
    """After the largest comes 0."""
    assert lists(text="fox\nfox", first_seed=2147483647).seed == [2147483647, 0]


@pytest.mark.parametrize(
    ("part", "numbers"),
    [
        ({}, range(1, 11)),
        ({"start": 4}, range(4, 11)),
        ({"limit": 3}, range(1, 4)),
        ({"limit": 3, "portion": 4}, range(10, 11)),
        ({"start": 3, "limit": 4, "portion": 2}, range(7, 11)),
        ({"start": 10, "limit": 5}, range(10, 11)),
        ({"portion": 5}, range(1, 11)),
    ],
)
def test_a_part_of_the_rows(part: dict[str, int], numbers: range) -> None:
    """start, limit and portion choose rows; names and seeds are those of the whole list."""
    result = lists(text=TEN, **part)
    assert result.prompt == [f"fox {number}" for number in numbers]
    assert result.name == [f"row_{number:05}" for number in numbers]
    assert result.count == len(numbers)


def test_portions_make_up_the_whole_list() -> None:
    """Nothing is left out and nothing runs twice, equal rows included."""
    text = "\n".join(["fox", "hare"] * 5)
    parts = [lists(text=text, limit=4, portion=portion) for portion in (1, 2, 3)]
    assert [seed for part in parts for seed in part.seed] == lists(text=text).seed


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"text": TEN, "start": 11}, "Text ends at row 10, and start 11 is past that. Nothing is left to run."),
        (
            {"text": TEN, "limit": 5, "portion": 3},
            "Text ends at row 10, and start 1, limit 5, portion 3 is past that. Nothing is left to run.",
        ),
        ({"text": " \n#\n"}, "Text holds no prompt. Write one per line, or one per row."),
        ({"text": "a", "start": 0}, "start is 0, but must be from 1 to 1000000."),
        ({"text": "a", "limit": -1}, "limit is -1, but must be from 0 to 1000000."),
        ({"text": "a", "portion": 0}, "portion is 0, but must be from 1 to 1000000."),
        ({"text": "a", "first_seed": 2**31}, "first_seed is 2147483648, but must be from 0 to 2147483647."),
        (
            {"text": "a", "file": "a.csv"},
            "There are prompts in the text and in a.csv. Empty the text, or set file to none.",
        ),
    ],
)
def test_widgets_that_cannot_be(values: dict[str, Any], told: str) -> None:
    """Refused before anything runs, and again in the run, where values may come over links."""
    assert PromptList.VALIDATE_INPUTS(**values) == told
    with pytest.raises(PromptListError) as caught:
        lists(**values)
    assert str(caught.value) == told


def test_unknown_sizes_and_qualities_of_the_widgets() -> None:
    """ComfyUI does not look at choices where a node looks itself."""
    assert "size big is not known" in str(PromptList.VALIDATE_INPUTS(text="a", size="big"))
    assert "quality best is not known" in str(PromptList.VALIDATE_INPUTS(text="a", quality="best"))


def test_a_refusal_is_raised_where_comfyui_asks() -> None:
    """A text would be written once for every input."""
    with pytest.raises(PromptListError, match="no prompt"):
        PromptList.VALIDATE_INPUTS(text="", file="none", unique_id="7")


@pytest.mark.parametrize("linked", ["text", "file", "start", "limit", "portion", "first_seed", "size", "quality"])
def test_linked_values_are_not_looked_at_before_the_run(linked: str) -> None:
    """They are None then."""
    assert PromptList.VALIDATE_INPUTS(**{"text": TEN, "unique_id": "7", linked: None}) is True


def test_a_missing_picture_is_told_before_the_run(inputs: Path) -> None:
    """Nothing is paid for a list that would fail half way."""
    write(inputs, "a.csv", "prompt,image\nfox,\nfox,cats/tom.png\n")
    told = "a.csv, line 3: image 'cats/tom.png' is not in ComfyUI's input folder. Copy it there, or correct the name."
    assert PromptList.VALIDATE_INPUTS(file="a.csv") == told
    assert PromptList.VALIDATE_INPUTS(file="a.csv", limit=1) is True
    picture(inputs, "cats/tom.png")
    assert PromptList.VALIDATE_INPUTS(file="a.csv") is True


def test_lists_of_the_input_folder_are_offered(inputs: Path) -> None:
    """By their suffix; none comes first."""
    for name in ("b.CSV", "a.jsonl", "c.ndjson", "d.txt", "e.png", "f.json"):
        write(inputs, name, "")
    (inputs / "folder.csv").mkdir()
    assert PromptList.INPUT_TYPES()["optional"]["file"][0] == ["none", "a.jsonl", "b.CSV", "c.ndjson", "d.txt"]


def test_an_edited_file_runs_again(inputs: Path) -> None:
    """ComfyUI compares what IS_CHANGED returns; an untouched file gives the same."""
    write(inputs, "a.csv", "prompt\nfox\n")
    before = PromptList.IS_CHANGED(text="", file="a.csv", start=None)
    assert PromptList.IS_CHANGED(text="", file="a.csv", start=None) == before
    write(inputs, "a.csv", "prompt\nhare\n")
    assert PromptList.IS_CHANGED(text="", file="a.csv", start=None) != before


@pytest.mark.parametrize("column", ["image", "mask"])
def test_an_edited_picture_runs_again(inputs: Path, column: str) -> None:
    """By its time or its size."""
    write(
        inputs, "a.csv", f"prompt,image,mask\nfox,{picture(inputs, 'image.png')},{picture(inputs, 'mask.png', 'L')}\n"
    )
    before = PromptList.IS_CHANGED(file="a.csv")
    os.utime(inputs / f"{column}.png", ns=(1, 1))
    assert PromptList.IS_CHANGED(file="a.csv") != before


def test_is_changed_never_fails(inputs: Path) -> None:
    """ComfyUI would run the node at every queue, or not at all."""
    write(inputs, "a.csv", 'prompt,image\nfox,../x.png\nfox,/etc/passwd\nfox,"a\0b"\n')
    assert PromptList.IS_CHANGED(file="a.csv") == PromptList.IS_CHANGED(file="a.csv")
    assert PromptList.IS_CHANGED(file="missing.csv")
    assert PromptList.IS_CHANGED(text="fox") == PromptList.IS_CHANGED(file=None) == "none"


def test_the_node_shows_what_it_runs(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, with the columns that mean nothing here."""
    texts: list[tuple[str, str]] = []
    server = SimpleNamespace(client_id="me", send_progress_text=lambda text, node, sid: texts.append((text, node)))
    monkeypatch.setitem(sys.modules, "server", SimpleNamespace(PromptServer=SimpleNamespace(instance=server)))
    write(inputs, "a.csv", "ID,prompt,note\n1,fox,x\n2,hare,y\n3,bear,z\n")
    lists(file="a.csv", start=2, unique_id="7")
    assert texts == [("2 rows, 2 to 3 of 3; columns not used: ID, note", "7")]


@pytest.mark.slow
def test_ten_times_the_rows_are_ten_times_the_work(inputs: Path) -> None:
    """They are read in ComfyUI's own thread when a prompt is queued; also where many rows ask for the same."""
    few, many = (_calls_to_check(inputs, count) for count in (1_000, 10_000))
    assert 9 * few < many < 11 * few


def _calls_to_check(inputs: Path, count: int) -> int:
    """Return how many functions are entered, Python's own among them, to check a list of so many rows."""
    rows = "".join(f'"a fox, number {number % 2 * number}",1024x640,low\n' for number in range(count))
    write(inputs, "a.csv", f"prompt,size,quality\n{rows}")
    entered: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, _argument: entered.update((event,)))
    try:
        assert PromptList.VALIDATE_INPUTS(file="a.csv") is True
    finally:
        sys.setprofile(None)
    return entered["call"] + entered["c_call"]
