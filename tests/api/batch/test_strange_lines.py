"""Lines of a batch's output that are not as they should be: each stands alone, and the rest is kept."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.batch.collect import STRAYS_MAX, BatchCollector
from openai_image_nodes.api.batch.jsonl import LineResult, result_of
from openai_image_nodes.api.batch.records import BatchLedger, BatchRecord
from openai_image_nodes.api.connections.connection import Connection
from openai_image_nodes.api.errors import BadAnswerError
from pydantic import SecretStr
from support.asker import KEY, painted
from support.batch_plans import BATCH, faults, finish, manager, plan, resolved, run, sandbox, store, submit
from support.scenarios import ScriptedSandbox

pytestmark = pytest.mark.slow

__all__ = ["faults", "sandbox"]  # pytest finds them here
DEEP = "[" * 100_000 + "]" * 100_000
CONNECTION = Connection("openai", "https://host/v1", key=SecretStr(KEY))


def line(identity: str, picture: str = "a fox", **changes: Any) -> dict[str, Any]:
    """Return a good line, changed."""
    image = {"b64_json": base64.b64encode(painted(picture)).decode()}
    response = {"status_code": 200, "request_id": "req_1", "body": {"created": 1, "data": [image]}}
    return {"id": "x", "custom_id": identity, "response": response, "error": None, **changes}


def collect(*texts: str) -> tuple[BatchRecord, dict[str, Any]]:
    """Collect a batch whose output is these lines; return its record and the store's answers by identity."""
    ledger = BatchLedger(store())
    (record,) = ledger.all()
    record.output_file_id, record.status = "file-1", "completed"
    (ledger.folder(record.id) / "output.jsonl").write_text("\n".join(texts), encoding="utf-8", errors="surrogatepass")
    record = BatchCollector(store(), resolved(BATCH), record, lambda _words: None).collect()
    return record, {one.identity: one for _, one in store().records() if one.state == "answered"}


def submitted(count: int) -> list[str]:
    plan(count)
    (record,) = submit()
    return BatchLedger(store()).jobs(record)


def response(**changes: Any) -> Callable[[str], str]:
    def text(identity: str) -> str:
        good = line(identity)
        return json.dumps({**good, "response": {**good["response"], **changes}})

    return text


KEPT = {
    "status OK": response(status_code="OK"),
    "status as text": response(status_code="200"),
    "status infinite": response(status_code=float("inf")),
    "status huge": response(status_code=10**400),
    "status null": response(status_code=None),
    "status true": response(status_code=True),
    "request_id a number": response(request_id=12345),
    "request_id a list": response(request_id=[1]),
    "error beside it": lambda identity: json.dumps(line(identity, error="text")),
    "created has 5,000 digits": lambda identity: json.dumps(line(identity)).replace(": 1,", f": {'9' * 5000},"),
    "a line break in a text": lambda identity: json.dumps(line(identity)).replace("req_1", "req\t1"),
    "usage odd": lambda identity: json.dumps(line(identity)).replace('"created": 1', '"usage": "none"'),
}
NOT_KEPT: dict[str, Callable[[str], str]] = {
    "response a text": lambda identity: json.dumps(line(identity, response="text")),
    "response a list": lambda identity: json.dumps(line(identity, response=[1])),
    "response a number": lambda identity: json.dumps(line(identity, response=1e999)),
    "error a text": lambda identity: json.dumps(line(identity, response=None, error="text")),
    "error a list": lambda identity: json.dumps(line(identity, response=None, error=["text"])),
    "code a list": lambda identity: json.dumps(line(identity, response=None, error={"code": []})),
    "nothing": lambda identity: json.dumps(line(identity, response=None)),
    "body deep": lambda identity: json.dumps(line(identity, response="@")).replace('"@"', DEEP),
    "try again in": response(
        status_code=429, body={"error": {"message": "try again in ...s", "code": "rate_limit_exceeded"}}
    ),
    "try again for ever": response(
        status_code=429, body={"error": {"message": f"try again in {'9' * 400}s", "code": "x"}}
    ),
    "no JSON": lambda identity: '{"custom_id": "' + identity + '", ',
    "surrogates": lambda identity: json.dumps(line(identity, response=None, error="\ud800")),
    "not utf-8": lambda identity: '{"custom_id": "' + identity + '", "x": "\udc80"}',
}


@pytest.mark.parametrize("name", [*KEPT, *NOT_KEPT])
def test_odd_line_does_not_hold_up_the_others(sandbox: ScriptedSandbox, name: str) -> None:
    """The others are answered, it is kept or its fault is told, and nothing of it is sent again by itself."""
    first, odd, last = submitted(3)
    text = (KEPT.get(name) or NOT_KEPT[name])(odd)
    record, answers = collect(json.dumps(line(first)), text, json.dumps(line(last)))
    assert {first, last} <= set(answers)
    assert (odd in answers) == (name in KEPT)
    assert (record.answered, record.failed, record.unfinished) == ((3, 0, 0) if name in KEPT else (2, 1, 0))
    assert record.state == "collected"
    assert all(store().find(identity) for identity in answers)


@pytest.mark.parametrize(
    "text", [DEEP, "null", "7", "[]", '"text"', "{}", '{"custom_id": 7}', '{"custom_id": "../x"}', "\0"]
)
def test_line_that_is_of_no_job_is_passed(sandbox: ScriptedSandbox, text: str) -> None:
    """It may be of somebody else, or of nobody."""
    (one,) = submitted(1)
    record, answers = collect(text, json.dumps(line("0" * 64)), json.dumps(line(one)))
    assert (set(answers), record.answered, record.failed) == ({one}, 1, 0)


NOT_ANSWERS = {
    "a page": "<html><title>Sign in</title></html>",
    "an error": '{"error": {"message": "File is still being processed"}}',
    "nothing": "",
    "answers of others": json.dumps(line("request-7")),
}


@pytest.mark.parametrize("name", NOT_ANSWERS)
def test_what_is_no_file_of_answers_is_fetched_again(sandbox: ScriptedSandbox, name: str) -> None:
    """What was paid may be there later: the batch is not over, and none of its jobs is bought again."""
    (one,) = submitted(1)
    (record,) = BatchLedger(store()).all()
    record.counts.completed = 1
    BatchLedger(store()).write(record)
    with pytest.raises(BadAnswerError, match=r"names none of its jobs.*Collect it again.*--give-up"):
        collect(NOT_ANSWERS[name])
    (record,) = manager().overview().open
    assert not manager().overview().ready
    assert not (BatchLedger(store()).folder(record.id) / "output.jsonl").exists()
    assert set(collect(json.dumps(line(one)))[1]) == {one}


IN_OTHER_FORMS: dict[str, Callable[[str, str], str]] = {
    "a list": lambda one, two: json.dumps([line(one), line(two)]),
    "no break between": lambda one, two: json.dumps(line(one)) + json.dumps(line(two)),
    "a name before it, capitals": lambda one, two: "\n".join(map(json.dumps, (line(f"req-{one}"), line(two.upper())))),
    "named within": lambda one, two: "\n".join(
        json.dumps({"response": {"custom_id": each, **line(each)["response"]}}) for each in (one, two)
    ),
    "no envelope": lambda one, two: "\n".join(
        json.dumps({"custom_id": each, "response": line(each)["response"]["body"]}) for each in (one, two)
    ),
    "a result": lambda one, two: "\n".join(
        json.dumps({"custom_id": each, "result": line(each)["response"]}) for each in (one, two)
    ),
}


@pytest.mark.parametrize("name", IN_OTHER_FORMS)
def test_answers_in_other_forms_are_had(sandbox: ScriptedSandbox, name: str) -> None:
    """They were paid."""
    one, two = submitted(2)
    record, answers = collect(IN_OTHER_FORMS[name](one, two))
    assert (set(answers), record.answered, record.unreadable) == ({one, two}, 2, [])


@pytest.mark.parametrize("body", [{}, {"body": None}])
def test_words_of_an_error_beside_a_status_are_told(sandbox: ScriptedSandbox, body: dict[str, Any]) -> None:
    """vLLM leaves out the body of a request that failed."""
    (one,) = submitted(1)
    answered = {"status_code": 400, "request_id": "r", **body}
    record, _ = collect(json.dumps({"custom_id": one, "response": answered, "error": {"message": "size 7x7 is odd"}}))
    assert record.failed == 1
    (failed,) = manager().overview().failed
    assert "size 7x7 is odd" in str(failed.fault)


def test_answer_to_nobody_is_kept_and_who_has_none_is_not_bought_again(sandbox: ScriptedSandbox) -> None:
    """It may be that of the other, under another name."""
    one, two = submitted(2)
    record, answers = collect(json.dumps(line(one)), json.dumps(line("request-2")))
    assert (set(answers), record.failed, record.unfinished) == ({one}, 1, 0)
    (kept,) = record.unreadable
    assert json.loads(Path(kept).read_text())["custom_id"] == "request-2"
    (failed,) = manager().overview().failed
    assert (failed.identity, failed.fault_is_final) == (two, True)


def test_line_that_is_there_twice_counts_once(sandbox: ScriptedSandbox) -> None:
    """Also where four are read at a time; it is paid once."""
    one, two = submitted(2)
    texts = [json.dumps(line(one))] * 20 + [json.dumps(line(two, "another fox"))]
    record, answers = collect(*texts)
    assert (record.answered, len(answers), len(list(store().jobs.iterdir()))) == (2, 2, 2)


@pytest.mark.parametrize("bad", ["error a text", "no JSON", "response a text"])
def test_answer_counts_whatever_other_lines_say_of_its_job(sandbox: ScriptedSandbox, bad: str) -> None:
    """A picture that came is had, before or after a line that says something else."""
    one, two = submitted(2)
    texts = [NOT_KEPT[bad](one), json.dumps(line(one)), json.dumps(line(two)), NOT_KEPT[bad](two)]
    record, answers = collect(*texts)
    assert (set(answers), record.answered, record.failed) == ({one, two}, 2, 0)


def test_many_lines_of_nobody_fill_no_folder(sandbox: ScriptedSandbox) -> None:
    """A few are kept to look at; the answers among them are had."""
    (one,) = submitted(1)
    record, answers = collect(*[f"noise {number}" for number in range(STRAYS_MAX + 200)], json.dumps(line(one)))
    assert (set(answers), len(record.unreadable)) == ({one}, STRAYS_MAX)


def test_collected_answers_are_given_to_the_run(sandbox: ScriptedSandbox) -> None:
    """As the service gives them: what was odd beside them is no fault of the rest."""
    submitted(2)
    finish()
    assert manager().overview().open == []
    assert all(run(seed=seed)[0] is not None for seed in range(2))


def test_key_that_a_line_repeats_is_not_kept(sandbox: ScriptedSandbox) -> None:
    """Neither in an answer that cannot be read nor in a line that nobody can."""
    one, two = submitted(2)
    key = resolved(BATCH).key
    assert key is not None
    said = key.get_secret_value()
    odd = line(one)
    odd["response"]["body"] = {"data": said}
    collect(json.dumps(odd), f'{{"custom_id": "{two}", "{said}')
    assert not [path for path in store().root.rglob("*") if path.is_file() and said.encode() in path.read_bytes()]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["custom_id", "response", "error"]), JSON), JSON, JSON, st.binary(max_size=99))
def test_whatever_a_line_holds_it_is_a_result_or_none(
    told: dict[str, Any], status: Any, body: Any, noise: bytes
) -> None:
    """Nothing is raised, and what is kept of it can be written down."""
    full = {"custom_id": "x", "response": {"status_code": status, "request_id": body, "body": body}, **told}
    for text in (json.dumps(full).encode(), noise):
        result = result_of(text, CONNECTION)
        assert result is None or isinstance(result, LineResult)
        assert result is None or result.request_id is None or isinstance(result.request_id, str)


def test_a_line_without_its_model_is_told_by_the_models_name() -> None:
    """Not by the number of the job, which nobody knows."""
    error = {"message": "The model `gpt-image-9` does not exist", "code": "model_not_found"}
    refused = {"status_code": 404, "request_id": "req_1", "body": {"error": error}}
    result = result_of(json.dumps(line("ab" * 32, response=refused)).encode(), CONNECTION, "gpt-image-9")
    assert result is not None
    assert "the model gpt-image-9 was not found" in str(result.error)
