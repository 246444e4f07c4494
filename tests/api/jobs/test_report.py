"""What came is not what was asked: told in the report, and the picture is had all the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai_image_nodes.api.jobs.report import dimensions
from support.capture import Capture, picture, success
from support.node_calls import node, use_openai


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Capture]:
    with Capture() as capture:
        use_openai(monkeypatch, capture)
        yield capture


DIFFERENT: dict[str, tuple[dict[str, Any], list[bytes], str]] = {
    "fewer": ({"n": 3}, [picture()], "3 pictures were asked for, 1 came"),
    "more": ({}, [picture(), picture()], "1 picture was asked for, 2 came"),
    "another size": ({"size": "1024x1024"}, [picture(24, 16)], "1024x1024 was asked for, 24x16 came"),
    "another format": ({}, [picture(kind="WEBP")], "png was asked for, webp came"),
    "jpeg for webp": ({"output_format": "webp"}, [picture(kind="JPEG")], "webp was asked for, jpeg came"),
    "opaque": ({"background": "transparent"}, [picture()], "an opaque picture came"),
    "opaque, with room for alpha": (
        {"background": "transparent"},
        [picture(color=(9, 9, 9, 255))],
        "an opaque picture",
    ),
    "opaque webp": (
        {"background": "transparent", "output_format": "webp"},
        [picture(kind="WEBP", color=(9, 9, 9, 255))],
        "an opaque picture",
    ),
    "one of two opaque": (
        {"background": "transparent", "n": 2},
        [picture(color=(9, 9, 9, 5)), picture()],
        "an opaque picture",
    ),
}


@pytest.mark.parametrize(("asked", "came", "words"), DIFFERENT.values(), ids=DIFFERENT)
def test_difference_is_a_note(server: Capture, asked: dict[str, Any], came: list[bytes], words: str) -> None:
    """One request, the picture, and the words."""
    server.reply(200, success(*came))
    image, _, report = node(**asked)
    assert image.shape[0] >= 1
    assert [note for note in report["notes"] if words in note]
    assert len(server.posts) == 1


def test_broken_picture_is_named_by_its_number(server: Capture) -> None:
    """Pictures are counted from one, as the inputs and their tooltips do."""
    server.reply(200, success(b"no picture", picture()))
    notes = node(n=2)[2]["notes"]
    assert [note for note in notes if note.startswith("Picture 1 ")]
    assert not [note for note in notes if "icture 0" in note]


def test_report_states_the_size_that_came(server: Capture) -> None:
    """Not the one that was asked for."""
    server.reply(200, success(picture(24, 16)))
    assert node(size="1024x1024")[2]["size"] == "24x16"


def test_what_was_asked_needs_no_note(server: Capture) -> None:
    """Nothing is said where all is as asked."""
    server.reply(200, success(picture(color=(1, 2, 3, 4))))
    assert not [note for note in node(background="transparent")[2]["notes"] if "came" in note]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_size_is_read_from_the_header(kind: str) -> None:
    """Of every format; what is cut or nothing has none."""
    data = picture(37, 21, kind=kind)
    assert dimensions(data) == (37, 21)
    assert dimensions(data[:9]) is None
