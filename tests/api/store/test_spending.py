"""The day's budget: no answer of anybody switches it off, and it counts what may have been billed."""

from __future__ import annotations

import json
import time
from calendar import timegm
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes.api.backends.backend import LocalBackend
from openai_image_nodes.api.catalog import pricing
from openai_image_nodes.api.catalog.schemas import TokenDetails, Usage
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError, OutOfCreditError
from openai_image_nodes.api.store import spending
from openai_image_nodes.api.store.records import record_bytes, record_from
from support.asker import MODEL, Asker, Server, connection, job, until
from support.machines import record

BUDGET = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"


class Telling(Server):
    """A server that says something more in the headers of its answers."""

    told: dict[str, str]

    async def __call__(self, request: Any, handler: Any) -> Any:
        response = await super().__call__(request, handler)
        response.headers.update(self.told)
        return response


@pytest.fixture(scope="module")
def server() -> Iterator[Telling]:
    with Telling() as started:
        yield started


@pytest.fixture
def asker(server: Telling, monkeypatch: pytest.MonkeyPatch) -> Asker:
    server.told = {}
    return Asker.fresh(server, "openai", monkeypatch)


@pytest.mark.parametrize("said", ["nan", "-inf", "inf", "-1000000", "1e999", "free", "0x10", ""])
@pytest.mark.parametrize("name", ["openai", "comfy.org"])
def test_odd_credits_do_not_switch_the_budget_off(
    server: Telling, asker: Asker, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    """They are no amount: what the answer cost is unknown, and counted at its estimate."""
    asker.name = name
    server.told = {"x-comfy-credits-used": said}
    answer = asker.ask()
    assert answer.record.credits is None
    assert answer.record.cost_usd is None or answer.record.cost_usd >= 0
    monkeypatch.setenv(BUDGET, "0.0011")
    with pytest.raises(OutOfCreditError, match=r"budget of 0\.0011 USD a day"):
        asker.ask("another fox")


def test_credits_are_comfy_orgs_alone(server: Telling, asker: Asker) -> None:
    """A relay that says 0 credits makes nothing free."""
    server.told = {"x-comfy-credits-used": "0"}
    answer = asker.ask()
    assert answer.record.credits is None
    assert (answer.record.cost_usd or 0) > 0


TOKENS = st.integers(min_value=-(10**20), max_value=10**20)


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_no_usage_gives_money_back(text: int, image: int, out: int, cached: int) -> None:
    """Whatever a service says it used, a cost is unknown or at least 0."""
    details = TokenDetails(text_tokens=text, image_tokens=image, cached_tokens=cached)
    usage = Usage(input_tokens=text, output_tokens=out, total_tokens=0, input_tokens_details=details)
    usd = pricing.cost_usd(pricing.PaidAs("openai", batch=False), MODEL, usage, None)
    assert usd is None or usd >= 0
    if min(text, image, out, cached) < 0:
        assert usd is None


@pytest.mark.parametrize("usd", [float("nan"), float("-inf"), float("inf"), -5.0])
def test_odd_notes_are_no_amounts(asker: Asker, usd: float) -> None:
    """Somebody else may have written them, by name or in an old form."""
    asker.ask()
    root, day = asker.store.root, spending.today()
    before = spending.spent(root, day)
    (root / "spent" / day / f"{usd}_openai_{'0' * 32}.json").write_text("{}")
    (root / "spent" / day / f"{'1' * 32}.json").write_text(json.dumps({"connection": "openai", "usd": usd}))
    (root / "spent" / day / f"{'2' * 32}.json").write_text("[" * 100_000)
    assert spending.spent(root, day) == before


@pytest.mark.parametrize("usd", [f"1{'0' * 400}", "1e300", "-1e300", "1e10"])
def test_no_note_tells_of_more_than_anything_costs(asker: Asker, usd: str) -> None:
    """Whoever shares the folder may write whole numbers that no float holds, and amounts whose sum is infinite."""
    asker.ask()
    root, day = asker.store.root, spending.today()
    before = spending.spent(root, day, unknown_too=True)
    for index, note in enumerate(
        ('{"connection": "openai", "usd": %s}', '{"connection": "x", "usd": null, "estimate_usd": %s}')
    ):
        (root / "spent" / day / f"{index}{'1' * 31}.json").write_text(note % usd)
    told = spending.spent(root, day, unknown_too=True)
    assert {name: told[name] for name in before} == before
    assert sum(told.values()) == sum(before.values())


@pytest.mark.parametrize(
    "fields",
    [{"partial_images": float("nan")}, {"partial_images": 10**400}, {"frame_count": "x", "output_format": "gif"}],
)
def test_answer_of_odd_fields_has_an_estimate(asker: Asker, fields: dict[str, Any]) -> None:
    """A record in a shared store may say that anything was asked for; what it cost can be noted all the same."""
    asker.ask()
    (known,) = asker.store.records_of(next(asker.store.records())[1].identity)
    odd = known.model_copy(update={"cost_usd": None, "fields": {**known.fields, **fields}})
    read = record_from(record_bytes(odd), odd.identity, "a store")
    assert 0 < spending.estimate_of(read) < 1000
    assert spending.note_of(read)


@pytest.mark.parametrize("limit", ["nan", "inf", "-inf", "five"])
def test_budget_that_is_no_number_refuses(asker: Asker, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Nobody means no limit by it."""
    monkeypatch.setenv(BUDGET, limit)
    with pytest.raises(OutOfCreditError, match="no number of dollars"):
        asker.ask()
    assert asker.faults.posts == 0


def test_answer_without_usage_counts_at_its_estimate(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody knows is not free; the list of what was spent names known costs alone."""
    told = record("b" * 64, fields={"model": MODEL, "size": "1024x1024", "quality": "high"}, sent_at=time.time())
    root = asker.store.root
    spending.note_spent(root, told)
    assert sum(spending.spent(root, spending.today()).values()) == 0
    assert sum(spending.spent(root, spending.today(), unknown_too=True).values()) == spending.estimate_of(told) > 0
    monkeypatch.setenv(BUDGET, f"{spending.estimate_of(told):.6f}")
    with pytest.raises(OutOfCreditError):
        asker.ask()


def test_answer_that_cannot_be_read_counts_at_its_estimate(asker: Asker) -> None:
    """It may have been billed. Once its picture and its cost are known only these count, on every machine."""
    asker.faults.no_data()
    with pytest.raises(BadAnswerError):
        asker.ask()
    root, shared = asker.store.root, LocalBackend(asker.store.root.parent / "bucket")
    (told,) = asker.store.records_of(job(connection(asker.name)).identity)
    shared.write(*spending.note_of(told))
    sums = [spending.spent(root, spending.today(), each, unknown_too=True) for each in (None, shared)]
    assert sums == [{asker.name: spending.estimate_of(told)}] * 2
    unknown, other = told.model_copy(), root.parent / "other machine"
    spending.note_spent(other, unknown)
    told.cost_usd = 0.5
    for is_late in (False, True):
        spending.note_cost_known(root, told, shared)
        for place in (LocalBackend(root), shared) if is_late else ():  # where that could not be told, or came later
            place.write(*spending.note_of(unknown))
        sums = [spending.spent(root, spending.today(), each, unknown_too=True) for each in (None, shared)]
        assert sums == [{asker.name: 0.5}] * 2
        sums = [spending.spent(other, spending.today(), shared, unknown_too=each) for each in (True, False)]
        assert sums == [{asker.name: spending.estimate_of(unknown)}, {asker.name: 0.5}]


def test_lost_request_counts_until_it_is_known(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been billed: also after a restart. Once it is answered, only what it cost counts."""
    asker.name = "comfy.org"
    asker.faults.drop("after_body", times=4)
    with pytest.raises(OutcomeUnknownError):
        asker.ask()
    asker.restart()
    monkeypatch.setenv(BUDGET, "0.0000001")
    with pytest.raises(OutOfCreditError, match=r"[1-9]\d* USD are on their way|0\.\d*[1-9]\d* USD are on"):
        asker.ask("another fox")
    monkeypatch.delenv(BUDGET)
    asker.ask()
    assert not [path for path in (asker.store.root / "held").rglob("*") if path.is_file()]


def test_refused_request_holds_nothing(asker: Asker) -> None:
    """It cost nothing."""
    asker.faults.status(400)
    with pytest.raises(Exception, match="HTTP 400"):
        asker.ask()
    assert not [path for path in (asker.store.root / "held").rglob("*") if path.is_file()]


def test_of_two_processes_that_look_at_once_one_sees_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is to be seen before the sum is looked at: else both would pass the budget."""
    monkeypatch.setenv(BUDGET, "1")

    class Elsewhere(LocalBackend):
        """Looks for another process while this one looks."""

        def names(self, prefix: str) -> list[str]:
            with pytest.raises(OutOfCreditError):
                spending.refuse_over_budget(tmp_path, 0.6)
            return super().names(prefix)

    with spending.reserved(tmp_path, 0.6, Elsewhere(tmp_path / "shared"), name="a" * 64):
        pass


def test_refused_try_leaves_held_what_an_earlier_one_may_have_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job whose first request got lost is refused when it is asked again: the first may have been billed."""
    monkeypatch.setenv(BUDGET, "1")
    with spending.reserved(tmp_path, 0.6, name="a" * 64):
        pass
    for usd, name in ((0.6, "b" * 64), (1.1, "a" * 64)):
        with pytest.raises(OutOfCreditError), spending.reserved(tmp_path, usd, name=name):
            pass
    assert [path.name for path in (tmp_path / "held").rglob("*.json")] == [f"1.100000_{'a' * 64}.json"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set")
@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-11-26T22:59:59", "2026-11-26"),
        ("2026-11-26T23:00:00", "2026-11-27"),
        ("2026-07-01T21:59:59", "2026-07-01"),
        ("2026-07-01T22:00:00", "2026-07-02"),
        ("2026-03-28T22:59:59", "2026-03-28"),
        ("2026-03-28T23:00:00", "2026-03-29"),
        ("2026-03-29T01:30:00", "2026-03-29"),
        ("2026-03-29T21:59:59", "2026-03-29"),
        ("2026-03-29T22:00:00", "2026-03-30"),
        ("2026-10-24T22:00:00", "2026-10-25"),
        ("2026-10-25T22:59:59", "2026-10-25"),
        ("2026-10-25T23:00:00", "2026-10-26"),
    ],
)
def test_day_begins_at_midnight_of_this_machine(monkeypatch: pytest.MonkeyPatch, utc: str, day: str) -> None:
    """In summer, in winter, and on the days of 23 and of 25 hours; notes and sums go by the same rule."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        at = float(timegm(time.strptime(utc, "%Y-%m-%dT%H:%M:%S")))
        assert spending.note_of(record(sent_at=at))[0].startswith(f"spent/{day}/")
        clock = time.localtime(at)
        monkeypatch.setattr(time, "localtime", lambda _at=None: clock)
        assert time.strftime("%Y-%m-%d", time.localtime()) == day
    finally:
        monkeypatch.undo()
        time.tzset()


def test_request_over_midnight_counts_for_the_day_on_which_it_was_held(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To another process it is held on that day alone: by its answer's hour it would pass the next one's budget."""
    real, offset = time.time, [time.mktime((2026, 11, 28, 23, 59, 0, 0, 0, -1)) - time.time()]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    first, gate = spending.today(), asker.faults.hold()
    running = asker.submit()
    until(lambda: asker.faults.posts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spending, "_reserved", {})  # as another process has it
        patched.setenv(BUDGET, "0.0000001")
        with pytest.raises(OutOfCreditError):
            asker.ask("another fox")
    offset[0] += 3600.0
    gate.set()
    usd = running.future.result(60).record.cost_usd
    assert spending.today() > first
    assert [spending.spent(asker.store.root, day) for day in (first, spending.today())] == [{"openai": usd}, {}]
