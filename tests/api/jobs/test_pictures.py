"""Pictures that are broken or lie elsewhere: the good ones reach the node, the bytes of all are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai_image_nodes.api.errors import BadAnswerError, OutOfCreditError
from openai_image_nodes.api.transport import downloads as answers
from support.asker import Asker, Server, painted
from support.faults import Fault
from support.node_calls import node


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def test_broken_picture_among_good_ones_is_left_out_and_named(asker: Asker) -> None:
    """Two of three are returned; the report says where the bytes of the third are; the next run costs nothing."""
    asker.faults.broken_picture(1)
    for reused in (False, True):
        image, alpha, report = node(n=3)
        assert (image.shape, alpha.shape) == ((2, 8, 8, 3), (2, 8, 8))
        assert report["reused"] is reused
        path = Path(report["kept_in"]) / "picture_1.png"
        assert any(str(path.parent) in note and path.name in note for note in report["notes"])
        whole = painted("a red fox", 1)
        assert path.read_bytes() == whole[: len(whole) // 4]
    assert asker.faults.posts == 1


def test_broken_pictures_alone_are_an_error_that_says_where_they_are(asker: Asker) -> None:
    """Nothing to show, nothing thrown away, nothing sent again."""
    asker.faults.broken_picture()
    for _ in range(2):
        with pytest.raises(BadAnswerError, match="kept in") as caught:
            node()
        assert str(asker.folder()) in str(caught.value)
    assert (asker.folder() / "picture_0.png").stat().st_size > 0
    assert asker.faults.posts == 1
    image, _, report = node(reuse=False)
    assert (image.shape, report["reused"], asker.faults.posts) == ((1, 8, 8, 3), False, 2)


def test_text_that_is_no_base64_is_one_broken_picture(asker: Asker) -> None:
    """The text itself is kept."""
    asker.faults.answer(200, {"data": [{"b64_json": "A"}, {"b64_json": "\u00e9"}]})
    for _ in range(2):
        with pytest.raises(BadAnswerError):
            node()
    assert (asker.folder() / "picture_1.bin").read_text(encoding="utf-8") == "\u00e9"
    assert asker.faults.posts == 1


@pytest.mark.parametrize("name", ["openai", "comfy.org"])
def test_pictures_by_address_are_fetched_and_kept(server: Server, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """comfy.org and relays answer with addresses: the pictures lie beside the others."""
    asker = Asker.fresh(server, name, monkeypatch)
    if name == "openai":
        asker.faults.urls()
    assert asker.ask(n=2).pictures == [painted("a red fox", 0), painted("a red fox", 1)]
    assert len(asker.faults.gets) == 2
    assert all("authorization" not in {key.lower() for key in seen.headers} for seen in asker.faults.gets)
    again, answer = asker.next_run(n=2)
    assert (again, answer.pictures) == (0, [painted("a red fox", 0), painted("a red fox", 1)])
    assert len(asker.faults.gets) == 2


def test_download_that_breaks_is_tried_again_at_once(asker: Asker) -> None:
    """Reading costs nothing."""
    asker.faults.urls().add(Fault(drop="in_answer"), method="GET").add(Fault(status=503), method="GET")
    assert asker.ask().pictures == [painted("a red fox")]
    assert (asker.faults.posts, len(asker.faults.gets)) == (1, 3)


def test_download_that_fails_is_made_up_for_by_the_next_run(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is kept; nothing is paid twice, and from then on the picture is on the disk."""
    monkeypatch.setattr(answers, "DOWNLOAD_PAUSES_S", ())
    asker.faults.urls().add(Fault(status=410), method="GET")
    image, _, report = node(n=2)
    assert image.shape[0] == 1
    assert any("410" in note for note in report["notes"])
    for _ in range(2):
        image, _, report = node(n=2)
        assert (image.shape[0], report["reused"], report["notes"]) == (2, True, [])
        assert (asker.faults.posts, len(asker.faults.gets)) == (1, 3)
    assert (asker.folder() / "picture_0.png").read_bytes() == painted("a red fox", 0)


def test_only_picture_whose_download_fails_is_an_error_first(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run has it, and costs nothing."""
    monkeypatch.setattr(answers, "DOWNLOAD_PAUSES_S", ())
    asker.faults.urls().add(Fault(status=404), method="GET")
    with pytest.raises(BadAnswerError, match="next run fetches it"):
        node()
    assert node()[0].shape == (1, 8, 8, 3)
    assert asker.faults.posts == 1


def test_process_that_dies_between_answer_and_download_fetches_on(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The addresses are on the disk before the first download, and what the headers said with them."""

    def die(*_arguments: object, **_options: object) -> None:
        raise SystemExit

    asker.faults.urls()
    with monkeypatch.context() as dying:
        dying.setattr(answers, "fetched", die)
        with pytest.raises(SystemExit):
            asker.ask()
    again, answer = asker.next_run()
    assert (again, answer.pictures) == (0, [painted("a red fox")])
    assert answer.record.request_id


def test_budget_that_is_used_up_does_not_lose_what_was_paid(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are only still to be fetched cost nothing."""

    def die(*_arguments: object, **_options: object) -> None:
        raise SystemExit

    asker.faults.urls()
    with monkeypatch.context() as dying:
        dying.setattr(answers, "fetched", die)
        with pytest.raises(SystemExit):
            asker.ask()
    monkeypatch.setenv("OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY", "0")
    with pytest.raises(OutOfCreditError, match="Nothing was sent"):
        asker.ask("another")
    again, answer = asker.next_run()
    assert (again, answer.pictures) == (0, [painted("a red fox")])


def test_addresses_that_are_not_safe_are_not_fetched(asker: Asker) -> None:
    """Only https and this machine; the answer is kept."""
    asker.faults.answer(200, {"data": [{"url": "http://pictures.example/1.png"}]})
    with pytest.raises(BadAnswerError):
        node()
    assert (asker.folder() / "picture_0.url").read_text() == "http://pictures.example/1.png"
    assert json.loads((asker.folder() / "record.json").read_text())["faults"]
