"""Several machines with one bucket: what one paid for, all have, and nothing is sent twice."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from openai_image_nodes.api.backends.fsspec_client import BucketBackend
from openai_image_nodes.api.catalog import pricing
from openai_image_nodes.api.catalog.schemas import Image, OpenAIImageGenerationResponse
from openai_image_nodes.api.errors import BadAnswerError, OutcomeUnknownError, OutOfCreditError, RefusedError
from openai_image_nodes.api.jobs.manager import JOBS
from openai_image_nodes.api.jobs.recorder import AnswerRecorder
from openai_image_nodes.api.store import spending as budget
from openai_image_nodes.api.store.eviction import MAX_BYTES_VARIABLE
from openai_image_nodes.api.store.original_references import originals_of
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.api.transport.downloads import Pictures
from support.asker import connection, job, name_of, painted, until, until_quiet
from support.machines import STORE, Farm, bucket, farm, record, server
from support.node_calls import node

pytestmark = pytest.mark.slow

__all__ = ["bucket", "farm", "server"]  # pytest finds them here


def test_what_one_machine_paid_for_the_others_have(farm: Farm) -> None:
    """It comes into their own folder, whole and equal, and is there without the bucket from then on."""
    first = farm.asker.ask(n=2)
    there = farm.on("second").ask(n=2)
    assert (there.pictures, there.reused, farm.posts) == (first.pictures, True, 1)
    assert there.record.model_dump(exclude={"headers"}) == first.record.model_dump(exclude={"headers"})
    assert there.folder is not None
    assert there.folder != first.folder
    farm.bucket.seen.clear()
    assert farm.on("second").ask(n=2).folder == there.folder
    assert farm.bucket.seen == []


def test_answer_that_no_list_shows_yet_is_had(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every bucket lists what was written this moment, and the one who wrote it has given the job back by then."""
    first = farm.asker.ask()
    monkeypatch.setattr(BucketBackend, "names", lambda *_: [])
    assert (farm.on("second").ask().pictures, farm.posts) == (first.pictures, 1)


def test_full_machine_does_not_pay_for_what_another_has(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it fetched was forgotten before it was given out, and then bought."""
    first = farm.asker.ask()
    asker = farm.on("second")
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "1")
    assert (asker.ask().pictures, farm.posts) == (first.pictures, 1)


def test_answer_without_a_picture_does_not_hide_an_older_good_one(farm: Farm) -> None:
    """What was paid and can be seen is given, on every machine."""
    good = farm.asker.ask()
    farm.asker.faults.broken_json()
    with pytest.raises(BadAnswerError):
        farm.asker.ask(reuse=False)
    assert (farm.on("second").ask().pictures, farm.posts) == (good.pictures, 2)


def test_picture_that_came_later_is_had_by_every_machine(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it was to be had for a while alone, the machine that was in time has it for all of them."""
    farm.asker.faults.broken_json()
    for machine in ("first", "second"):
        with pytest.raises(BadAnswerError):
            farm.on(machine).ask()
    late = OpenAIImageGenerationResponse(data=[Image(raw=painted("late"))])
    with monkeypatch.context() as patch:
        patch.setattr(AnswerRecorder, "_read", lambda *_, **__: (late, Pictures([painted("late")])))
        farm.on("first").ask()
    assert [farm.on(machine).ask().pictures for machine in ("second", "third")] == [[painted("late")]] * 2
    assert farm.posts == 1


def test_bucket_is_laid_out_as_the_folder(farm: Farm) -> None:
    """Nothing of a job stays on its way; the sum of the day is in a name."""
    answer = farm.asker.ask(n=2)
    jobs = [
        f"jobs/{answer.record.identity}/{name}" for name in ("picture_0.png", "picture_1.png", "record.json", "taken")
    ]
    *kept, spent = farm.objects
    assert kept == jobs
    assert spent.startswith(f"spent/{budget.today()}/{answer.record.cost_usd:.6f}_openai_")
    assert spent in [
        path.relative_to(farm.asker.store.root).as_posix() for path in farm.asker.store.root.rglob("*.json")
    ]


def test_refused_request_leaves_nothing_in_the_bucket(farm: Farm) -> None:
    """Another machine asks again, as this one does."""
    farm.asker.faults.status(400)
    with pytest.raises(RefusedError):
        farm.asker.ask()
    assert farm.objects == []
    assert farm.on("second").ask().pictures == [painted("a red fox")]


def test_request_is_in_the_bucket_before_it_is_sent(farm: Farm) -> None:
    """So that no other machine sends it, whatever happens to this one."""
    gate = farm.asker.faults.hold()
    running = farm.asker.submit()
    until(lambda: farm.posts)
    shared = farm.store.bucket
    job = shared.read_job(running.identity)
    assert job is not None
    assert (job.state, farm.asker.store.is_running(farm.asker.store.journal.root / running.identity)) == ("sent", True)
    gate.set()
    running.future.result(30)
    until_quiet()
    assert shared.read_job(running.identity) is None


def test_lost_request_is_sent_again_by_no_machine(farm: Farm) -> None:
    """The second says what is known, and that a person must decide; when one has, all have the picture."""
    farm.asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        farm.asker.ask()
    with pytest.raises(OutcomeUnknownError, match="sent at"):
        farm.on("second").ask()
    assert farm.posts == 1
    assert farm.on("third").ask(reuse=False).pictures == [painted("a red fox")]
    assert farm.on("first").ask().reused
    assert farm.posts == 2


def test_lost_request_is_asked_for_again_under_its_key_by_any_machine(farm: Farm) -> None:
    """comfy.org gives the paid answer again; the key is in the bucket."""
    farm.asker.name = "comfy.org"
    farm.asker.faults.drop("after_work", times=4)
    with pytest.raises(OutcomeUnknownError):
        farm.asker.ask()
    assert farm.on("second").ask().pictures == [painted("a red fox")]
    assert (farm.asker.faults.billed, len(set(farm.asker.server.keys))) == (1, 1)
    assert not [name for name in farm.objects if name.startswith("pending/")]


def test_request_that_was_asked_again_on_purpose_and_lost_is_known_to_all(farm: Farm) -> None:
    """Another machine does not ask it once more by itself."""
    farm.asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        farm.asker.ask(reuse=False)
    with pytest.raises(OutcomeUnknownError):
        farm.on("second").ask()
    assert farm.posts == 1


def test_machines_that_ask_again_on_purpose_keep_both_answers(farm: Farm) -> None:
    """Each has a number of its own in the bucket; a third machine gets the newest."""
    farm.asker.ask()
    second = farm.on("second").ask(reuse=False)
    identity = second.record.identity
    assert [f"jobs/{identity}{number}/record.json" in farm.objects for number in ("", ".2")] == [True, True]
    newest = farm.on("third").ask()
    assert (newest.record.fingerprint, name_of(newest)) == (second.record.fingerprint, identity)


def test_answer_without_a_picture_is_not_asked_for_by_others(farm: Farm) -> None:
    """It may have been billed; its bytes are shared as a picture's are."""
    farm.asker.faults.broken_json()
    for machine in ("first", "second"):
        with pytest.raises(BadAnswerError):
            farm.on(machine).ask()
    assert farm.posts == 1


def test_answer_is_seen_only_when_it_is_whole(farm: Farm) -> None:
    """Pictures go first, the record last; between the two no machine takes it, and none pays again."""
    farm.bucket.fails = lambda method, path: method == "PUT" and "/jobs/" in path and path.endswith("record.json")
    identity = farm.asker.ask().record.identity
    farm.bucket.fails = lambda _method, _path: False
    there = farm.objects
    assert f"jobs/{identity}/picture_0.png" in there
    assert f"jobs/{identity}/record.json" not in there
    with pytest.raises(OutcomeUnknownError):
        farm.on("second").ask()
    assert _synced(farm) == 1
    assert farm.on("second").ask().reused
    assert (farm.posts, [name for name in farm.objects if name.endswith("taken")]) == (1, [f"jobs/{identity}/taken"])


def test_job_in_a_batch_of_one_machine_is_not_sent_by_another(farm: Farm) -> None:
    """Until the batch gives it back."""
    running = farm.asker.submit()
    identity = running.future.result(30).record.identity.replace("a", "b", 1)
    batched = record(identity, state="batched", batch="one", answered_at=None)
    assert farm.asker.store.journal.hand_over(batched)
    pending = farm.on("second").store.journal
    assert pending.read(identity) == batched
    assert not pending.hand_over(batched.model_copy(update={"batch": "another"}))
    farm.on("first").store.journal.take_back(identity, "one")
    assert pending.read(identity) is None


def test_forgotten_answer_comes_back_from_the_bucket(farm: Farm) -> None:
    """Only the folder in front is ever cleared; what is not shared yet stays in it."""
    farm.asker.ask()
    assert farm.asker.store.prune(0) == 1
    assert farm.asker.ask().reused
    farm.bucket.fails = lambda method, _path: method == "PUT" and "picture" in _path
    farm.asker.ask("a blue fox")
    assert farm.asker.store.prune(0) == 1
    assert len(farm.asker.kept) == 1
    assert farm.posts == 2


def test_budget_is_that_of_the_farm(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One machine's costs count on the others, by names alone, and none twice."""
    shared, now = farm.store.bucket, time.time()
    for number in range(3):
        shared.put(record(str(number) * 64, cost_usd=0.2, sent_at=now), [])
    budget.note_spent(farm.asker.store.root, record("0" * 64, cost_usd=0.2, sent_at=now))
    farm.bucket.seen.clear()
    sums = budget.spent(farm.asker.store.root, budget.today(), shared.backend)
    assert (sums, len(farm.bucket.seen)) == (pytest.approx({"openai": 0.6}), 1)
    monkeypatch.setenv(budget.BUDGET_VARIABLE, "0.60")
    with pytest.raises(OutOfCreditError, match=r"0\.6000 USD were spent today"):
        farm.on("second").ask()
    assert farm.posts == 0


def test_sums_of_older_notes_are_read(tmp_path: Path) -> None:
    """They have their amounts inside."""
    folder = tmp_path / "spent" / budget.today()
    folder.mkdir(parents=True)
    (folder / f"{'a' * 32}.json").write_text(json.dumps({"connection": "openai", "usd": 0.5, "credits": None}))
    (folder / f"{'b' * 32}.json").write_text("cut o")
    budget.note_spent(tmp_path, record(cost_usd=0.25, connection="my_own/host%_1", sent_at=time.time()))
    assert budget.spent(tmp_path, budget.today()) == {"openai": 0.5, "my_own/host%_1": 0.25}


def test_file_address_is_an_ordinary_folder(farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no package."""
    monkeypatch.setenv(STORE, f"file://{tmp_path / 'plain'}")
    answer = farm.asker.ask()
    assert answer.folder == tmp_path / "plain" / "jobs" / answer.record.identity
    assert farm.bucket.seen == []


def test_sandbox_answers_stay_on_their_machine(farm: Farm) -> None:
    """They cost nothing, and anybody may delete them."""
    farm.asker.jobs = JOBS
    assert node(connection="sandbox")[2]["connection"] == "sandbox"
    assert farm.bucket.seen == []


def test_report_names_the_folder_and_nothing_else_changes(farm: Farm) -> None:
    """A shared store is no news for a run that goes well."""
    farm.asker.jobs = JOBS
    report = node()[2]
    assert (report["notes"], Path(report["kept_in"]).is_dir()) == ([], True)
    answer: StoredAnswer = farm.on("second").ask("an astronaut")
    assert answer.notes == []


def _synced(farm: Farm) -> int:
    """Share what the first machine has yet to share; return how many things that were."""
    farm.on("first")
    return farm.store.outbox.flush()


BUDGET = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"
DEAR = {"quality": "high", "size": "1024x1024"}


def dear_usd(farm: Farm) -> float:
    """Return what one dear picture counts as while it is out."""
    one = job(connection("openai"), **DEAR)
    return pricing.cautious_usd(one.connection, one.request.wire_fields(), 0)


def test_machines_together_do_not_pass_the_budget(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is out at one of them counts at the others, and no more once it is answered."""
    monkeypatch.setenv(BUDGET, str(1.5 * dear_usd(farm)))
    gate = farm.asker.faults.hold()
    running = farm.asker.submit(**DEAR)
    until(lambda: farm.posts)
    with pytest.raises(OutOfCreditError):
        farm.on("second").ask("another fox", **DEAR)
    assert farm.posts == 1
    gate.set()
    cost = running.future.result(30).record.cost_usd
    until_quiet()
    assert not [name for name in farm.objects if name.startswith("held/")]
    monkeypatch.setenv(BUDGET, str(1.5 * dear_usd(farm) + (cost or 0.0)))
    assert farm.on("second").ask("another fox", **DEAR).pictures


def test_what_got_lost_at_one_machine_counts_at_the_others(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been billed."""
    monkeypatch.setenv(BUDGET, str(1.5 * dear_usd(farm)))
    farm.asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        farm.asker.ask(**DEAR)
    with pytest.raises(OutOfCreditError):
        farm.on("second").ask("another fox", **DEAR)
    assert farm.posts == 1


def test_nothing_of_a_budget_is_in_the_bucket_without_one(farm: Farm) -> None:
    """Whoever has none pays for no object of it."""
    farm.bucket.seen.clear()
    farm.asker.ask()
    assert not [one for one in farm.bucket.seen if "held/" in str(one)]


@pytest.mark.parametrize(
    "name", ["nan_x.json", "-5_x.json", "-inf_x.json", "x.json", "_.json", "\u0661_x.json", "1e999_x.json"]
)
def test_strangers_holds_are_no_amounts(farm: Farm, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """They neither stop a request nor give money away."""
    backend = farm.asker.store.backend
    assert backend is not None
    backend.write(f"held/{budget.today()}/{name}", b"")
    monkeypatch.setenv(BUDGET, str(1.5 * dear_usd(farm) + 2.0))
    assert farm.asker.ask(**DEAR).pictures
    monkeypatch.setenv(BUDGET, str(0.5 * dear_usd(farm)))
    with pytest.raises(OutOfCreditError):
        farm.asker.ask("another fox", **DEAR)


def test_original_is_had_by_every_machine(farm: Farm) -> None:
    """A reference names what it is, not where: a machine that has forgotten the file, or never had it, fetches it."""
    answer = farm.asker.ask(n=2)
    reference = originals_of(answer, is_sandbox=False)
    assert answer.folder is not None
    shutil.rmtree(answer.folder)
    assert [reference.read(index) for index in range(2)] == answer.pictures
    farm.on("second")
    assert [reference.read(index) for index in range(2)] == answer.pictures
    assert farm.posts == 1
