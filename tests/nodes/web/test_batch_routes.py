"""The routes of the batch panel: they show the plan, and act only for ComfyUI's own page and on what a person saw."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from openai_image_nodes.api.batch.plan import JobPlan
from openai_image_nodes.api.batch.records import BatchLedger
from openai_image_nodes.api.connections import keys
from openai_image_nodes.api.errors import RefusedError
from openai_image_nodes.cli import main
from openai_image_nodes.nodes.web import routes
from openai_image_nodes.nodes.web.batch_panel import BatchPanel
from openai_image_nodes.nodes.web.responses import refuse_other_pages
from support.batch_plans import BATCH, direct_posts, edit, faults, planned, resolved, run, sandbox, store, use
from support.node_calls import KEY
from support.route_client import LAN_ADDRESS, STRANGE, Told, ask
from support.scenarios import BatchPlan, ScriptedSandbox

__all__ = ["faults", "sandbox"]

READERS = {name: headers for name, headers in STRANGE.items() if headers.get("Origin") != ""}  # a GET may name none
ACTIONS = ("submit", "look", "collect", "cancel", "forget", "retry")
BODY = {"count": 0, "id": "nobody's"}
WITHIN_S = 120.0


@pytest.fixture(autouse=True)
def fresh_panel(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchPanel]:
    """A counter at which nothing happened yet."""
    panel = BatchPanel(resolved)
    monkeypatch.setattr(routes, "PANEL", panel)
    yield panel
    ended()


def view() -> Any:
    return ask("GET", "batch").body


def act(name: str, **body: Any) -> Told:
    return ask("POST", f"batch/{name}", **body)


def ended() -> Any:
    """Return the view when nothing is being done any more."""
    return until(lambda seen: not seen["busy"])


def until(happened: Callable[[Any], bool]) -> Any:
    limit = time.monotonic() + WITHIN_S
    while not happened(seen := view()):
        assert time.monotonic() < limit, seen
        time.sleep(0.02)
    return seen


def done(name: str, **body: Any) -> Any:
    """Do something to its end."""
    told = act(name, **body)
    assert told.status == 200, told.text
    return ended()


def submitted(count: int) -> Any:
    """Submit the plan and wait until the service has worked it."""
    done("submit", count=count)
    return worked()


def worked() -> Any:
    """Look until the service does no more for any batch."""
    limit = time.monotonic() + WITHIN_S
    while [one for one in done("look")["batches"] if one["open"] and not one["ready"]]:
        assert time.monotonic() < limit, view()
        time.sleep(0.05)
    return view()


def test_empty_view_is_told() -> None:
    """Before anybody planned anything."""
    seen = view()
    assert (seen["count"], seen["parts"], seen["failed"], seen["batches"]) == (0, [], [], [])
    assert (seen["busy"], seen["fault"], seen["left"]["count"]) == (False, "", 0)


def test_plan_is_shown_with_its_price(sandbox: ScriptedSandbox) -> None:
    """By batch to be: what, how many, how large, from the cheapest to the dearest case."""
    assert planned(seed=1)
    assert planned(seed=2)
    assert planned(**edit(3))
    seen = view()
    assert seen["count"] == 3
    assert sorted((part["operation"], part["count"]) for part in seen["parts"]) == [("edits", 1), ("generations", 2)]
    assert {part["connection"] for part in seen["parts"]} == {BATCH}
    assert 0 < seen["low_usd"] <= seen["high_usd"] < 0.1
    assert seen["high_usd"] == pytest.approx(sum(part["high_usd"] for part in seen["parts"]))
    assert seen["bytes"] == sum(part["bytes"] for part in seen["parts"]) > 500
    assert sandbox.posts == {}


def test_plan_becomes_pictures(sandbox: ScriptedSandbox) -> None:
    """Submitted, looked at, collected: the run that follows asks for nothing."""
    assert planned(seed=1)
    seen = submitted(1)
    assert [(one["ready"], one["status"], one["done"]) for one in seen["batches"]] == [(True, "completed", 1)]
    assert seen["count"] == 0
    [batch] = done("collect")["batches"]
    assert (batch["state"], batch["open"], batch["done"], batch["failed"]) == ("collected", False, 1, 0)
    assert batch["usd"] == pytest.approx(sandbox.billing.usd)
    assert run(seed=1)[0] is not None
    assert direct_posts(sandbox) == 0


@pytest.mark.parametrize("headers", STRANGE.values(), ids=STRANGE)
def test_another_page_can_do_nothing(sandbox: ScriptedSandbox, headers: dict[str, str]) -> None:
    """Whatever page is open in another tab: no batch is begun, stopped or forgotten for it."""
    assert planned(seed=1)
    for action in ACTIONS:
        assert ask("POST", f"batch/{action}", headers=headers, **{**BODY, "count": 1}).status == 403
        seen = view()
        assert (action, seen["count"], seen["busy"], sandbox.posts) == (action, 1, False, {})


@pytest.mark.parametrize("headers", READERS.values(), ids=READERS)
def test_another_page_can_read_no_prompt(sandbox: ScriptedSandbox, headers: dict[str, str]) -> None:
    """The plan names prompts, models and costs."""
    assert planned(seed=1)
    told = ask("GET", "batch", headers=headers)
    assert (told.status, list(told.body)) == (403, ["error"])


NAMED = {"Origin": "http://studio.invalid:8188", "Host": "studio.invalid:8188"}


def test_page_under_another_name_may_act() -> None:
    """As ComfyUI is opened from the network: who may run a workflow there may submit its plan."""
    assert ask("POST", "batch/look", headers=NAMED, remote=LAN_ADDRESS).status == 200
    assert ask("GET", "batch", headers=NAMED, remote=LAN_ADDRESS).status == 200


class Line:
    """A connection between two addresses, as a request sees it."""

    def __init__(self, asked: str, remote: str) -> None:
        self.ends = {"sockname": (asked, 8188), "peername": (remote, 50_000)}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.ends.get(name, default)


@pytest.mark.parametrize("address", ["192.168.1.5", "10.1.2.3", "fd00::5"])
def test_stranger_name_for_this_machines_own_address_is_refused(address: str) -> None:
    """A browser here comes from the address that it asks, whichever of the machine's addresses the name points at."""

    def asked_from(remote: str, host: str) -> None:
        headers = {"Host": host, "Origin": f"http://{host}"}
        line: Any = Line(address, remote)
        refuse_other_pages(make_mocked_request("POST", "/openai_image_nodes/batch/look", headers, transport=line))

    with pytest.raises(web.HTTPForbidden):
        asked_from(address, "evil.invalid:8188")
    asked_from(address, f"[{address}]:8188" if ":" in address else f"{address}:8188")
    asked_from(LAN_ADDRESS, "studio.invalid:8188")


def test_page_under_another_name_on_this_machine_has_to_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy here looks as a stranger's name does that points here; the message says how to allow it."""
    assert "OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS=1" in ask("POST", "batch/look", headers=NAMED).body["error"]
    monkeypatch.setenv("OPENAI_IMAGE_NODES_ALLOW_REMOTE_KEYS", "1")
    assert ask("POST", "batch/look", headers=NAMED).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "192.168.1.9:8188", "LOCALHOST:80", "MACHINE"])
def test_addresses_and_own_names_are_pages_of_ours(host: str) -> None:
    """Nobody else can give a page of his such a name."""
    host = socket.gethostname() if host == "MACHINE" else host
    assert ask("GET", "batch", headers={"Host": host, "Origin": ""}).status == 200
    assert ask("POST", "batch/look", headers={"Host": host, "Origin": f"http://{host}"}).status == 200


@pytest.mark.parametrize("action", ACTIONS)
def test_forms_are_refused(sandbox: ScriptedSandbox, action: str) -> None:
    """Only JSON, which a foreign page cannot send without being asked first."""
    told = ask("POST", f"batch/{action}", headers={"Content-Type": "text/plain"}, **BODY)
    assert (told.status, sandbox.posts) == (415, {})


@pytest.mark.parametrize(
    ("action", "body"), [("submit", {}), ("submit", {"count": "many"}), ("submit", {"count": None}), ("cancel", {})]
)
def test_senseless_questions_are_refused(action: str, body: dict[str, Any]) -> None:
    """Never with a traceback."""
    told = act(action, **body)
    assert (told.status, told.body["error"]) == (400, "The request is not as expected.")


@pytest.mark.parametrize("seen", [{"left": 1}, {"high_usd": 0.0}])
def test_plan_that_is_not_what_was_seen_is_not_submitted(sandbox: ScriptedSandbox, seen: dict[str, float]) -> None:
    """More was left half-way, or it costs more: others may write into the folder between the question and the yes."""
    assert planned(seed=1, n=10, quality="high")
    told = act("submit", count=1, **seen)
    assert (told.status, "not what you saw" in told.body["error"]) == (400, True)
    usd = view()["high_usd"]
    assert usd > 0.1
    assert done("submit", count=1, left=0, high_usd=usd)["fault"] == ""


def test_changed_plan_is_not_submitted(sandbox: ScriptedSandbox) -> None:
    """A yes to one job is no yes to two."""
    assert planned(seed=1)
    assert planned(seed=2)
    told = act("submit", count=1)
    assert (told.status, "2 jobs by now, not 1" in told.body["error"]) == (400, True)
    assert (view()["count"], sandbox.posts) == (2, {})


def test_one_thing_is_done_at_a_time(sandbox: ScriptedSandbox, fresh_panel: BatchPanel) -> None:
    """What is asked meanwhile is refused, and the view tells what is being done."""
    going_on, let_go = threading.Event(), threading.Event()

    def slow(_name: str) -> Any:
        going_on.set()
        assert let_go.wait(WITHIN_S)
        raise RefusedError("never mind")

    assert planned(seed=1)
    fresh_panel._resolve = slow
    assert act("submit", count=1).body["busy"]
    assert going_on.wait(WITHIN_S)
    for action in ("submit", "look", "collect", "forget", "retry"):
        told = act(action, count=1)
        assert (told.status, "Wait for it" in told.body["error"]) == (400, True)
    assert (view()["busy"], view()["doing"]) == (True, "submit")
    let_go.set()
    assert ended()["fault"] == "never mind"


def test_missing_key_is_told_and_the_plan_stays(sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """In words, without a request; a look that the panel takes by itself does not wipe them out."""
    assert planned(seed=1)
    monkeypatch.delenv("OPENAI_API_KEY")
    seen = done("submit", count=1)
    assert "there is no key" in seen["fault"]
    assert (seen["count"], sandbox.posts) == (1, {})
    assert "there is no key" in done("look")["fault"]
    use(monkeypatch, sandbox)
    assert done("submit", count=1)["fault"] == ""
    assert KEY not in ask("GET", "batch").text


def test_fault_of_one_store_does_not_hold_up_another(monkeypatch: pytest.MonkeyPatch, sandbox: ScriptedSandbox) -> None:
    """Without a key for the paid plan, that of the free sandbox is sent all the same."""
    monkeypatch.setattr("openai_image_nodes.nodes.run.execution.sandbox_url", lambda: sandbox.base_url)
    monkeypatch.setattr(routes, "PANEL", BatchPanel(routes.connection_of))
    assert planned(seed=1)
    assert planned(seed=1, connection="sandbox batch")
    monkeypatch.delenv("OPENAI_API_KEY")
    seen = done("submit", count=2)
    assert "there is no key" in seen["fault"]
    assert [(one["connection"], one["state"]) for one in seen["batches"]] == [("sandbox batch", "submitted")]
    assert (seen["count"], seen["parts"][0]["connection"]) == (1, BATCH)


def test_batch_whose_folder_is_damaged_does_not_hold_up_the_others(sandbox: ScriptedSandbox) -> None:
    """What the disk does not give of one is told, and the others are collected."""
    assert planned(seed=1)
    damaged = submitted(1)["batches"][0]["id"]
    assert planned(seed=2)
    submitted(1)
    (BatchLedger(store()).folder(damaged) / "jobs.txt").unlink()
    seen = done("collect")
    assert "The store cannot be read or written: No such file" in seen["fault"]
    assert [one["state"] for one in seen["batches"]] == ["collected", "submitted"]


def test_what_ends_while_the_plan_is_read_is_looked_at_again(
    fresh_panel: BatchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page would take a plan from before the end for the last word, and show what is collected as open."""
    may_end, read = threading.Event(), fresh_panel._plan_view

    def read_until_it_ended() -> dict[str, Any]:
        seen = read()
        may_end.set()
        while fresh_panel._doing:
            time.sleep(0.01)
        return seen

    monkeypatch.setattr(fresh_panel, "_look_after_all", lambda **_: may_end.wait(WITHIN_S))
    monkeypatch.setattr(fresh_panel, "_plan_view", read_until_it_ended)
    fresh_panel.collect()
    assert [fresh_panel.view()["busy"] for _ in range(2)] == [True, False]


def test_batch_is_cancelled_and_the_rest_planned_again(sandbox: ScriptedSandbox) -> None:
    """What was done by then is kept."""
    sandbox.scenarios.plan(BatchPlan(hold_after=1))
    for seed in range(3):
        assert planned(seed=seed)
    [batch] = done("submit", count=3)["batches"]
    assert (batch["open"], batch["count"]) == (True, 3)
    assert act("cancel", id="nobody's").status == 400
    done("cancel", id=batch["id"])
    [batch] = worked()["batches"]
    assert batch["status"] == "cancelled"
    seen = done("collect")
    assert (seen["batches"][0]["unfinished"], seen["count"]) == (3 - batch["done"], 3 - batch["done"])


def test_looks_at_batches_read_no_plan(
    sandbox: ScriptedSandbox, fresh_panel: BatchPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have a hundred thousand jobs, and the panel looks by itself: that took all of a core."""
    sandbox.scenarios.plan(BatchPlan(hold_after=0))
    assert planned(seed=1)
    [batch] = done("submit", count=1)["batches"]

    def read(_plan: JobPlan) -> list[str]:
        raise AssertionError("the plan was read")

    with monkeypatch.context() as patch:
        patch.setattr(JobPlan, "identities", read)
        for act_on in (fresh_panel.look, lambda: fresh_panel.cancel(batch["id"])):
            act_on()
            until_no_thread()
        assert main(["batch", "status"]) == 0
        assert main(["batch", "cancel"]) == 0
    assert view()["fault"] == ""


def until_no_thread() -> None:
    """Wait until the panel's work has ended, without a look at what it shows."""
    for thread in threading.enumerate():
        if thread.name == "openai-image-batch":
            thread.join(WITHIN_S)


@pytest.mark.slow
def test_failed_jobs_are_named_and_planned_again_when_told(sandbox: ScriptedSandbox) -> None:
    """With the service's words; nothing that would fail again is submitted by itself."""
    sandbox.scenarios.plan(BatchPlan(fail=1.0, failure="moderation_blocked"))
    assert planned(seed=7, prompt="something that is refused")
    submitted(1)
    seen = done("collect")
    [job] = seen["failed"]
    assert (job["seed"], job["prompt"], seen["failed_count"], seen["count"]) == (7, "something that is refused", 1, 0)
    assert "safety system" in job["fault"]
    seen = done("retry")
    assert (seen["failed_count"], seen["count"]) == (0, 1)


def test_plan_is_forgotten(sandbox: ScriptedSandbox) -> None:
    """And nothing was sent."""
    assert planned(seed=1)
    assert done("forget")["count"] == 0
    assert sandbox.posts == {}


def test_refused_batch_says_why(sandbox: ScriptedSandbox) -> None:
    """With the service's words; its jobs come back into the plan when it is collected."""
    sandbox.scenarios.plan(BatchPlan(fail_validation="Model not supported in batch."))
    assert planned(seed=1)
    [batch] = submitted(1)["batches"]
    assert (batch["status"], batch["ready"]) == ("failed", True)
    assert "Model not supported in batch." in batch["fault"]
    assert "Collect it" in batch["fault"]
    seen = done("collect")
    assert seen["count"] == 1
    assert "Its jobs are planned again" in seen["batches"][0]["fault"]


def test_what_was_left_half_way_is_counted_and_finished(
    sandbox: ScriptedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person sees it, and a submit of an otherwise empty plan goes on with it."""
    assert planned(seed=1)

    def lost(*_args: Any, **_options: Any) -> Any:
        raise OSError("killed")

    with monkeypatch.context() as broken:
        broken.setattr("openai_image_nodes.api.batch.submit.BatchSubmitter.go_on", lost)
        seen = done("submit", count=1)
    assert "store" in seen["fault"]
    assert (seen["count"], seen["left"]["count"]) == (0, 1)
    assert seen["left"]["high_usd"] > 0
    [batch] = seen["batches"]
    assert (batch["state"], batch["count"], batch["open"]) == ("preparing", 1, True)
    [batch] = done("submit", count=0)["batches"]
    assert batch["state"] == "submitted"


def test_view_answers_while_the_plan_is_large(sandbox: ScriptedSandbox) -> None:
    """Off the server's loop: a second question is answered meanwhile."""
    for seed in range(20):
        assert planned(seed=seed)

    async def both() -> list[Any]:
        return await asyncio.gather(*(asyncio.to_thread(view) for _ in range(2)))

    assert [seen["count"] for seen in asyncio.run(both())] == [20, 20]


@pytest.mark.parametrize("name", ["openai batch", "sandbox batch"])
def test_batch_connections_take_no_key_of_their_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`openai batch` has that of openai, and says where it comes from."""
    assert ask("POST", "key", name=name, key=KEY).status == 400
    told = {entry["name"]: entry for entry in ask("GET", "connections").body["connections"]}[name]
    assert (told["takes_key"], told["ready"]) == (False, name == "sandbox batch")
    keys.store("openai", KEY)
    assert keys.source("openai batch") == keys.source("openai") == "stored"
    told = {entry["name"]: entry for entry in ask("GET", "connections").body["connections"]}[name]
    assert told["ready"]


def test_badge_shows_half_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """`no key` without one, `free` for the sandbox, and half of openai's price otherwise."""
    values = {"model": "gpt-image-2", "quality": "low", "size": "1024x1024", "n": 1}

    def priced(connection: str) -> Any:
        return ask("POST", "estimate", node="OIN_GPTImage", values={**values, "connection": connection}).body

    assert priced("sandbox batch") == {"state": "free"}
    assert priced("openai batch") == {"state": "no_key"}
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert priced("openai batch")["high_usd"] == pytest.approx(priced("openai")["high_usd"] / 2)
