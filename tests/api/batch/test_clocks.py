"""This machine's clock may be wrong: what was begun, and when, is told by the service's."""

from __future__ import annotations

import pytest
from openai_image_nodes.api.batch.client import BatchService
from openai_image_nodes.api.batch.records import BatchLedger
from openai_image_nodes.api.errors import OutcomeUnknownError
from support.batch_plans import BATCH, collected, faults, plan, resolved, sandbox, store, submit
from support.faults import Fault, Faults
from support.scenarios import ScriptedSandbox

pytestmark = pytest.mark.slow

__all__ = ["faults", "sandbox"]  # pytest finds them here
EMPTY_LIST = Fault(status=200, body=b'{"object":"list","data":[],"has_more":false}')


def begin_another() -> None:
    """Begin a batch of somebody else's over the same account."""
    ((record),) = BatchLedger(store()).all()
    BatchService(resolved(BATCH)).create(str(record.input_file_id), "/v1/images/generations", "somebody-else")


@pytest.mark.parametrize("hours", [-48, -2, 2, 48])
@pytest.mark.parametrize("says_when", [True, False], ids=["dated", "undated"])
def test_batch_is_not_begun_twice_by_a_clock_that_is_wrong(
    sandbox: ScriptedSandbox, faults: Faults, hours: float, says_when: bool
) -> None:
    """Its answer got lost, the list lagged, and somebody else began another one since."""
    sandbox.clock.advance(hours * 3600)
    plan()
    faults.normal().drop("after_work")
    faults.add(EMPTY_LIST, times=100, method="GET")
    with pytest.raises(OutcomeUnknownError):
        submit()
    faults.clear()
    begin_another()
    if not says_when:  # as records of earlier versions
        ledger = BatchLedger(store())
        (record,) = ledger.all()
        ledger.write(record.model_copy(update={"input_file_at": None}))
    submit()
    assert sandbox.posts["/v1/batches"] == 2
    collected(2)


def test_clock_that_is_set_while_the_list_lags(
    sandbox: ScriptedSandbox, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a list may lag is measured, and not reckoned from the time of day."""
    monkeypatch.setattr("openai_image_nodes.api.batch.submit.SETTLES_AFTER_S", 0.4)
    plan()
    faults.normal().drop("after_work")
    faults.add(EMPTY_LIST, times=100, method="GET")
    with pytest.raises(OutcomeUnknownError):
        submit()
    faults.clear()
    ledger = BatchLedger(store())
    (record,) = ledger.all()
    ledger.write(record.model_copy(update={"asked_at": (record.asked_at or 0.0) - 7200}))  # the clock was two hours off
    faults.add(EMPTY_LIST, times=2, method="GET")
    submit()
    assert sandbox.posts["/v1/batches"] == 1
    collected(2)


def test_list_without_an_end_is_given_up(sandbox: ScriptedSandbox, faults: Faults) -> None:
    """A gateway gives the same page for ever: the question stays open, and nothing is begun."""
    plan()
    page = b'{"object":"list","data":[{"id":"batch_x","status":"completed","created_at":1e18}],"has_more":true}'
    faults.normal().drop("after_work")
    faults.add(Fault(status=200, body=page), times=100, method="GET")
    for _ in range(2):
        with pytest.raises(Exception, match="does not end"):
            submit()
    assert sandbox.posts["/v1/batches"] == 1
    faults.clear()
    submit()
    assert sandbox.posts["/v1/batches"] == 1
