"""Records in a store where others write too: a stranger's text writes nothing, stops nothing and buys nothing twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError, SharedStoreError
from openai_image_nodes.api.store.records import (
    ITEMS_MAX,
    RECORD_MAX_BYTES,
    TEXT_MAX_CHARS,
    JobRecord,
    StoredAnswer,
    UnfitRecord,
    record_bytes,
    record_from,
)
from openai_image_nodes.cli import main
from support.asker import Asker, Server, until_quiet
from support.machines import Farm, bucket, farm
from support.machines import server as s3

__all__ = ["bucket", "farm", "s3"]  # pytest finds them here
OTHER = "0" * 64
DEEP = "[" * 100_000 + "]" * 100_000

UNFIT: dict[str, Any] = {
    "identity": ["/any/where", "../../x", "A" * 64, "0" * 63, "\u0660" * 64, OTHER + "\n", None, 7],
    "pictures": [
        ["/any/where/custom_nodes/x.py"],
        ["../../x"],
        ["picture_0.py"],
        ["picture_0.png/../../x.png"],
        ["C:\\x\\picture_0.png"],
        ["picture_\u00b2.png"],
        ["picture_00.png"],
        ["picture_0.png", "picture_0.png"],
        ["record.json"],
        "picture_0.png",
    ],
    "fields": [{"n": "abc"}, {"n": 1e999}, {"n": -1}, {"n": True}, {"n": 10**9}, {"size": {}}, {"model": 3}, []],
    "answered_at": [float("nan"), float("inf"), -1.0, 1e300, 33e9, "yesterday"],
    "sent_at": [float("nan"), 1e18],
    "prepared_at": [float("-inf"), 1e12],
    "seed": [-(2**64), 2**64, 0.5],
    "state": ["paid", 3],
    "idempotency_key": ["a\r\nX-Injected: 1", "", "\u00e9", "k" * 1000],
    "batch": ["../../../x", "a b"],
    "model": ["m" * 5000, {}],
    "request_id": ["r" * 200_000],
    "headers": [{"x": 1}, "x"],
    "picture_digests": [["00"], ["0" * 64] * 3, "x"],
    "faults": [{"first": "x"}, {"9" * 5000: "x"}],
}
CASES = [pytest.param(name, value, id=f"{name}-{index}") for name in UNFIT for index, value in enumerate(UNFIT[name])]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    return Asker.fresh(server, "openai", monkeypatch)


def rewritten(folder: Path, **fields: Any) -> None:
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, **fields}))


def folder_of(answer: StoredAnswer) -> Path:
    assert answer.folder is not None
    return answer.folder


def files_below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("name", "value"), CASES)
def test_record_that_does_not_fit_is_told_and_stops_no_other_job(
    asker: Asker, capsys: pytest.CaptureFixture[str], name: str, value: Any
) -> None:
    """Neither a new request, nor the list of what is kept; and its own request is not bought again."""
    folder = folder_of(asker.ask())
    rewritten(folder, **{name: value})
    outcome = asker.next_run()
    assert (outcome[0], type(outcome[1])) == (0, BadAnswerError)
    assert str(folder) in str(outcome[1])
    assert asker.ask("another fox").pictures
    assert main(["jobs"]) == 0
    assert f"{folder}: cannot be used" in capsys.readouterr().out
    assert folder.exists()


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), -5.0, [], "much", {"input_tokens": "x"}])
@pytest.mark.parametrize("name", ["cost_usd", "credits", "elapsed_s", "usage", "svg_usage"])
def test_odd_amount_does_not_withhold_a_picture(asker: Asker, name: str, value: float) -> None:
    """Earlier versions wrote down what a service said; it is unknown now."""
    answer = asker.ask()
    rewritten(folder_of(answer), **{name: value})
    asker.restart()
    again = asker.ask()
    assert (again.pictures, getattr(again.record, name)) == (answer.pictures, None)


def test_record_that_nobody_can_read_to_its_end_is_told(asker: Asker) -> None:
    """Deep, huge, or no JSON."""
    folder = folder_of(asker.ask())
    for content in (DEEP, '{"fields": ' + DEEP + "}", " " * (9 << 20), "{", ""):
        (folder / "record.json").write_text(content)
        posts, outcome = asker.next_run()
        assert (posts, type(outcome)) == (0, BadAnswerError)


def test_unknown_fields_are_not_told_and_do_nothing(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """A later version may have written more, which is kept; a stranger too."""
    folder = folder_of(asker.ask())
    rewritten(folder, later_at="\x1b[31m", __class__="y", lacks=7, image_count="z", model_config={"extra": "forbid"})
    asker.restart()
    again = asker.ask().record
    assert (type(again).__name__, again.lacks, again.image_count) == ("JobRecord", 0, 0)
    assert again.model_copy().model_config["extra"] == "allow"
    assert main(["jobs", "show", folder.name[:10]]) == 0
    assert "later_at" not in capsys.readouterr().out


def test_folders_of_somebody_else_are_left_alone(asker: Asker) -> None:
    """Digits of other scripts, numbers without end, and other names."""
    folder = folder_of(asker.ask())
    for suffix in (".\u00b2", ".\u0663", ".02", ".1", "." + "9" * 5000 if os.name == "nt" else ".99999999999", ".x"):
        (folder.parent / f"{folder.name}{suffix}").mkdir()
    (folder.parent / "lost+found").mkdir()
    asker.restart()
    assert asker.ask().folder == folder
    assert main(["jobs"]) == 0
    asker.store.prune(0)
    assert asker.ask("another fox").pictures


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and links")
@pytest.mark.parametrize("name", ["record.json", "picture_0.png"])
@pytest.mark.parametrize("kind", ["pipe", "link", "device", "folder"])
def test_only_ordinary_files_are_read(asker: Asker, tmp_path: Path, name: str, kind: str) -> None:
    """A pipe never ends, a link leads out of the store."""
    folder = folder_of(asker.ask())
    file = folder / name
    file.rename(tmp_path / name)
    makers: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(file),
        "link": lambda: file.symlink_to(tmp_path / name),
        "device": lambda: file.symlink_to("/dev/zero"),
        "folder": file.mkdir,
    }
    makers[kind]()
    posts, outcome = asker.next_run()
    assert (posts, type(outcome)) == (0, BadAnswerError)
    assert main(["jobs"]) == 0


def test_folder_that_leads_elsewhere_is_not_followed(asker: Asker, tmp_path: Path) -> None:
    """Neither to read an answer nor to write how far a request is."""
    folder = folder_of(asker.ask())
    folder.rename(tmp_path / folder.name)
    folder.symlink_to(tmp_path / folder.name)
    assert isinstance(asker.next_run()[1], BadAnswerError)
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask("a lost fox")
    (lost,) = asker.store.journal.root.iterdir()
    lost.rename(tmp_path / lost.name)
    lost.symlink_to(tmp_path / lost.name)
    before = files_below(tmp_path)
    with pytest.raises(OutcomeUnknownError):
        asker.ask("a lost fox")
    assert files_below(tmp_path) == before


def test_try_that_leads_elsewhere_is_not_followed(
    asker: Asker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is all looked through that lies there, nor a lease taken there."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "deep").mkdir(parents=True)
    identity = asker.ask().record.identity
    asker.restart()
    (asker.store.jobs / identity).rename(tmp_path / identity)
    asker.store.journal.root.mkdir(exist_ok=True)
    (asker.store.journal.root / f"{identity}.again-0123abcd").symlink_to(elsewhere)
    seen = elsewhere.stat().st_mtime_ns
    walked: list[str] = []
    monkeypatch.setattr(os, "scandir", lambda path, scan=os.scandir: (walked.append(str(path)), scan(path))[1])
    with pytest.raises(OutcomeUnknownError, match="a link"):  # nobody knows what it was
        asker.ask()
    assert elsewhere.stat().st_mtime_ns == seen
    assert not any("elsewhere" in path or "again" in path for path in walked)


@pytest.mark.parametrize("what", ["exchanged", "missing", "cut"])
def test_picture_that_is_not_the_kept_one_is_told_and_not_bought_again(asker: Asker, what: str) -> None:
    """The record has its digest; the message says what to do."""
    answer = asker.ask(n=2)
    file = folder_of(answer) / "picture_1.png"
    changes: dict[str, Callable[[], object]] = {
        "exchanged": lambda: file.write_bytes(answer.pictures[0]),
        "missing": file.unlink,
        "cut": lambda: file.write_bytes(answer.pictures[1][:-1]),
    }
    changes[what]()
    posts, outcome = asker.next_run(n=2)
    assert (posts, type(outcome)) == (0, BadAnswerError)
    assert all(words in str(outcome) for words in ("picture_1.png", str(answer.folder), "switch reuse off"))


def test_files_of_an_answer_have_a_limit_together(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record may name thousands that are links to one, or holes: they take no room on the disk, only in memory."""
    folder = folder_of(asker.ask())
    record = json.loads((folder / "record.json").read_text())
    record["pictures"] = [f"picture_{index}.png" for index in range(20)]
    for name in record["pictures"][1:]:
        os.link(folder / "picture_0.png", folder / name)
    (folder / "record.json").write_text(json.dumps({**record, "picture_digests": []}))
    size = (folder / "picture_0.png").stat().st_size
    monkeypatch.setattr("openai_image_nodes.api.store.records.ANSWER_MAX_BYTES", 19 * size)
    posts, outcome = asker.next_run()
    assert (posts, type(outcome)) == (0, BadAnswerError)
    assert "larger than 0 bytes" in str(outcome)
    monkeypatch.setattr("openai_image_nodes.api.store.records.ANSWER_MAX_BYTES", 20 * size)
    assert len(asker.ask().pictures) == 20


def test_record_without_digests_is_read_as_before(asker: Asker) -> None:
    """Answers of earlier versions have none."""
    answer = asker.ask()
    record = json.loads((folder_of(answer) / "record.json").read_text())
    assert len(record.pop("picture_digests")) == 1
    (folder_of(answer) / "record.json").write_text(json.dumps(record))
    asker.restart()
    assert asker.ask().pictures == answer.pictures


def test_record_of_a_sent_request_that_does_not_fit_lets_nothing_out(asker: Asker) -> None:
    """It may have been paid: only one that is no JSON was never on the disk."""
    asker.faults.drop("after_body")
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    (lost,) = asker.store.journal.root.iterdir()
    rewritten(lost, fields={"n": "abc"})
    posts, outcome = asker.next_run()
    assert (posts, type(outcome)) == (0, OutcomeUnknownError)
    assert asker.ask("another fox").pictures


def test_answer_does_not_go_where_a_link_leads(asker: Asker, tmp_path: Path) -> None:
    """Somebody who foretells the identity could lay one in the way of the answer."""
    identity = asker.ask().record.identity
    target = tmp_path / "custom_nodes.py"
    target.write_text("")
    asker.store.journal.folder(identity)
    (asker.store.journal.root / identity / "answer.part").symlink_to(target)
    with asker.store.journal.receiving(identity) as write:
        (asker.store.journal.root / identity / "answer.part").symlink_to(target)
        write(b"print('run')")
    assert target.read_text() == ""


@pytest.mark.slow
def test_answer_with_endless_words_is_found_again(asker: Asker) -> None:
    """What a service says is shortened to what is read."""
    record = asker.ask().record
    record.revised_prompts = ["word " * 1_000_000] * 3000
    record.headers = {f"x-comfy-{number}": "h" * 9 for number in range(5000)}
    kept = record_from(record_bytes(record), record.identity, "here")
    assert len(kept.revised_prompts) == len(kept.headers) == ITEMS_MAX


def test_answer_with_many_long_words_is_found_again(asker: Asker) -> None:
    """Each is not too long, and all of them made a record that nothing read again: the picture was lost."""
    record = asker.ask().record
    record.revised_prompts = ["\x01" * TEXT_MAX_CHARS] * 14
    record.headers = {f"x-comfy-{number}": "\u00e9" * 10_000 for number in range(20)}
    assert len(data := record_bytes(record)) < RECORD_MAX_BYTES
    assert len(record_from(data, record.identity, "here").headers) == 20


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(sorted(JobRecord.model_fields)), VALUES), st.binary(max_size=64))
def test_whatever_a_record_holds_it_is_read_or_unfit(fields: dict[str, Any], noise: bytes) -> None:
    """Nothing else is raised, and what is read has no name that leads anywhere."""
    base = {"identity": OTHER, "service": "s", "connection": "c", "operation": "generations", "model": "m"}
    for data in (json.dumps({**base, **fields}).encode(errors="replace"), noise):
        try:
            record = record_from(data, OTHER, "here")
        except UnfitRecord:
            assert data == noise or fields
        else:
            assert record.identity == OTHER
            assert not [name for name in record.pictures if "/" in name or "\\" in name or ".." in name]


# the same over a real S3


def planted(farm: Farm, name: str, **fields: Any) -> None:
    """Put a record into the bucket, as anybody can who may put objects there."""
    backend = farm.store.bucket.backend
    record = json.loads(backend.read(name) or b"{}")
    backend.write(name, json.dumps({**record, **fields}).encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    "fields",
    [
        {"pictures": ["../../../../planted.py"]},
        {"pictures": ["/any/where/planted.py"]},
        {"identity": "../../planted"},
        {"identity": OTHER},
        {"fields": {"n": "abc"}},
        {"picture_digests": ["0" * 64]},
    ],
)
def test_record_in_a_bucket_writes_only_inside_the_store(farm: Farm, fields: dict[str, Any]) -> None:
    """Another machine says what is wrong, sends nothing, and works on."""
    identity = farm.asker.ask().record.identity
    planted(farm, f"jobs/{identity}/record.json", **fields)
    second = farm.on("second")
    home = second.store.root.parent
    before = {path for path in home.parent.rglob("*") if "planted" in path.name}
    with pytest.raises(SharedStoreError, match="may have been paid"):
        second.ask()
    assert {path for path in home.parent.rglob("*") if "planted" in path.name} == before
    assert not second.store.jobs.exists() or not list(second.store.jobs.iterdir())
    assert farm.posts == 1
    assert second.ask("another fox").pictures


@pytest.mark.slow
def test_unfit_answer_in_a_bucket_does_not_hide_a_good_one(farm: Farm) -> None:
    """Not even a newer one, nor names that only begin so."""
    answer = farm.asker.ask()
    backend, identity = farm.store.bucket.backend, answer.record.identity
    for name in (f"{identity}.2", f"{identity}.\u00b2", f"{identity}x", f"{identity}.3/deeper"):
        backend.write(f"jobs/{name}/record.json", b'{"identity": "x"}')
    assert farm.on("second").ask().pictures == answer.pictures
    assert farm.posts == 1


@pytest.mark.slow
def test_broken_jobs_in_a_bucket_hold_up_no_sharing(farm: Farm) -> None:
    """Three of them ended it for all others."""
    farm.bucket.fails = lambda method, path: method == "DELETE" and "/pending/" in path
    identities = [farm.asker.ask(f"fox {number}").record.identity for number in range(5)]
    until_quiet()
    farm.bucket.fails = lambda _method, _path: False
    for identity in identities[:4]:
        farm.store.bucket.backend.write(f"pending/{identity}/record.json", b'{"n": "abc"}')
    farm.asker.store.outbox.flush()
    assert farm.asker.store.outbox.names() == []
