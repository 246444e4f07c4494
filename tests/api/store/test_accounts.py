"""An answer belongs to the account that paid: nobody else gets it, or learns of it, and the payer has it for good."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_image_nodes import NODE_CLASS_MAPPINGS
from openai_image_nodes.api import config, stores
from openai_image_nodes.api.connections import resolve as connections
from openai_image_nodes.api.connections.connection import Connection, HostSecrets, user_of
from openai_image_nodes.api.errors import OutcomeUnknownError
from openai_image_nodes.api.jobs.job import JobHandle
from openai_image_nodes.api.store.records import StoredAnswer
from openai_image_nodes.cli import main
from openai_image_nodes.utils import comfyui
from pydantic import SecretStr
from support import asker as asking
from support.asker import Asker, Server, painted, until
from support.faults import Faults
from support.machines import Farm, bucket, farm
from support.machines import server as s3
from support.node_calls import node

__all__ = ["bucket", "farm", "s3"]  # pytest finds them here
FOX = [painted("a red fox")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def asker(server: Server, monkeypatch: pytest.MonkeyPatch) -> Asker:
    asker = Asker.fresh(server, "comfy.org", monkeypatch)
    monkeypatch.delenv("COMFY_API_KEY")
    return asker


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """ComfyUI was started with --multi-user."""
    monkeypatch.setattr(config, "serves_many", lambda: True)


def token(user: str, *, hour: int = 0, claim: str = "sub") -> str:
    """Return a token as Firebase makes them: another one each hour."""
    claims = json.dumps({"iss": "https://securetoken.google.com/x", claim: user, "iat": hour}).encode()
    parts = [b'{"alg":"RS256"}', claims, f"signature of {hour}".encode()]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def signed_in(told: str) -> Connection:
    """Return comfy.org for whoever has this token; one that starts with comfyui- is a key."""
    key = told.startswith("comfyui-")
    host = HostSecrets(**{"comfy_key" if key else "comfy_token": SecretStr(told)})
    return connections.resolve("comfy.org", host, lambda: "")


def submit(asker: Asker, link: Connection, **options: Any) -> JobHandle:
    return asker.jobs.submit(asking.job(link, **options))


def ask(asker: Asker, link: Connection, **options: Any) -> StoredAnswer:
    """Run a job for somebody to its end."""
    handle = submit(asker, link, **options)
    try:
        answer = handle.future.result(asking.PATIENCE_S)
    finally:
        handle.leave()
    with asker.jobs.delivering(answer) as mine:
        return mine


def root() -> Path:
    """Return where the paid answers are."""
    return stores()[0].root


def pending() -> set[str]:
    return {path.name for path in (root() / "pending").glob("*")}


PAIRS = {
    "tokens": (token("anna"), token("bert")),
    "tokens that nobody can read": ("opaque-token-of-anna", "opaque-token-of-bert"),
    "keys": ("comfyui-key-of-anna", "comfyui-key-of-bert"),
    "token and key": (token("anna"), "comfyui-key-of-bert"),
    "a key named as another's user": (token("anna"), "anna"),
}


@pytest.mark.parametrize(("anna", "bert"), PAIRS.values(), ids=PAIRS)
def test_what_one_paid_for_another_does_not_get(asker: Asker, anna: str, bert: str) -> None:
    """Each pays once, in one process and in the next, and has the own picture for nothing from then on."""
    assert [ask(asker, signed_in(who)).reused for who in (anna, bert)] == [False, False]
    asker.restart()
    assert (asker.faults.posts, asker.faults.billed) == (2, 2)
    first, second = (ask(asker, signed_in(who)) for who in (anna, bert))
    assert (first.reused, second.reused, first.folder != second.folder) == (True, True, True)
    assert asker.faults.posts == 2


def test_next_token_of_a_user_is_the_same_account(asker: Asker) -> None:
    """Tokens are of the hour; what was paid with one is not bought again with the next."""
    assert not ask(asker, signed_in(token("anna"))).reused
    for other in (token("anna", hour=1), token("anna", hour=2, claim="user_id")):
        assert ask(asker, signed_in(other)).reused
    assert asker.faults.posts == 1


def test_two_at_the_same_moment_send_one_request_each(asker: Asker) -> None:
    """Nobody joins another's request, waits for it, or is told that it is on its way."""
    gate = asker.faults.hold()
    first = submit(asker, signed_in(token("anna")))
    until(lambda: asker.faults.posts == 1)
    second = submit(asker, signed_in(token("bert")))
    until(lambda: asker.faults.posts == 2)
    assert second.waiting_for is None
    gate.set()
    assert [one.future.result(asking.PATIENCE_S).reused for one in (first, second)] == [False, False]
    assert len(set(asker.server.keys)) == 2


def test_key_of_a_lost_request_goes_out_with_its_own_token_alone(asker: Asker) -> None:
    """Anna's answer got lost: Bert's request has a key of its own, and Anna's next one has hers."""
    asker.faults.drop("after_work", times=9)
    with pytest.raises(OutcomeUnknownError):
        ask(asker, signed_in(token("anna")))
    (of_anna,) = set(asker.server.keys)
    asker.server.faults = Faults()
    asker.restart()
    assert ask(asker, signed_in(token("bert"))).pictures == FOX
    assert of_anna not in asker.server.keys
    assert ask(asker, signed_in(token("anna", hour=1))).pictures == FOX
    assert asker.server.keys[-1] == of_anna


def test_lost_request_of_one_stops_no_other(asker: Asker) -> None:
    """What Anna does not know of hers is hers: her name for it on the disk is no other's."""
    asker.faults.drop("after_work", times=9)
    with pytest.raises(OutcomeUnknownError):
        ask(asker, signed_in(token("anna")))
    (name,) = pending()
    assert name.endswith(f".of-{signed_in(token('anna')).account}")
    asker.server.faults = Faults()
    ask(asker, signed_in(token("bert")))
    assert pending() == {name}


def test_exchanged_key_of_the_machine_has_all_that_was_paid(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """COMFY_API_KEY too is the machine's, and so the single user's, who may also sign in."""
    monkeypatch.setenv("COMFY_API_KEY", "comfyui-first-of-the-machine")
    assert not asker.ask().reused
    monkeypatch.setenv("COMFY_API_KEY", "comfyui-second-of-the-machine")
    asker.restart()
    assert asker.ask().reused
    assert ask(asker, signed_in(token("anna"))).reused


def test_key_of_a_single_users_machine_does_not_have_what_a_person_paid(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another's who is signed in."""
    assert not ask(asker, signed_in(token("anna"))).reused
    monkeypatch.setenv("COMFY_API_KEY", "comfyui-of-the-machine")
    assert not asker.ask().reused
    assert asker.ask().reused


@pytest.mark.usefixtures("many")
def test_key_of_the_machine_does_not_have_what_people_paid(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not signed in pays with it, and shares it with all who are not."""
    assert not ask(asker, signed_in(token("anna"))).reused
    monkeypatch.setenv("COMFY_API_KEY", "comfyui-of-the-machine")
    assert not asker.ask().reused
    asker.restart()
    assert asker.ask().reused


@pytest.mark.slow
@pytest.mark.usefixtures("many")
def test_nothing_that_one_sees_tells_of_the_other(
    server: Server, asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bert's report, folder and log are what they would be without Anna."""

    def seen(*others: str) -> str:
        for other in others:
            node(connection="comfy.org", auth_token=other)
        report = node(connection="comfy.org", auth_token=token("bert"))[2]
        assert report["reused"] is False
        return Path(report["kept_in"]).name

    alone = seen()
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(root().parent / "another"))
    asker.restart()
    assert seen(token("anna"), token("carl"), token("dora")) == alone


def unowned(answer: StoredAnswer) -> None:
    """Make a record what earlier versions wrote."""
    assert answer.folder is not None
    path = answer.folder / "record.json"
    told = json.loads(path.read_text())
    del told["account"]
    path.write_text(json.dumps(told))


def test_record_from_before_accounts_is_the_single_users(asker: Asker) -> None:
    """Whoever has this machine for himself keeps what he has."""
    unowned(ask(asker, signed_in(token("anna"))))
    asker.restart()
    assert ask(asker, signed_in(token("anna"))).reused
    assert asker.faults.posts == 1


@pytest.mark.usefixtures("many")
def test_record_from_before_accounts_is_nobodys_among_many(asker: Asker) -> None:
    """Nobody knows whose it is."""
    unowned(ask(asker, signed_in(token("anna"))))
    asker.restart()
    assert not ask(asker, signed_in(token("bert"))).reused


def old_pending(asker: Asker) -> str:
    """Leave a lost request as earlier versions did, under the plain name and of no account; return its key."""
    asker.faults.drop("after_work", times=9)
    with pytest.raises(OutcomeUnknownError):
        ask(asker, signed_in(token("anna")))
    (folder,) = (root() / "pending").glob("*")
    told = json.loads((folder / "record.json").read_text())
    del told["account"]
    (folder / "record.json").write_text(json.dumps(told))
    folder.rename(folder.with_name(told["identity"]))
    asker.server.faults = Faults()
    asker.restart()
    return str(told["idempotency_key"])


def test_request_on_its_way_from_before_accounts_goes_on(asker: Asker) -> None:
    """Under its own key: it was paid perhaps."""
    key = old_pending(asker)
    assert ask(asker, signed_in(token("anna"))).pictures == FOX
    assert asker.server.keys == [key]
    assert pending() == set()


@pytest.mark.usefixtures("many")
def test_request_on_its_way_from_before_accounts_is_nobodys_among_many(asker: Asker) -> None:
    """Its key goes out with no token, for nobody knows whose it is."""
    key = old_pending(asker)
    assert ask(asker, signed_in(token("bert"))).pictures == FOX
    assert key not in asker.server.keys


ODD: list[Any] = ["", "x", 7, {}, ["a" * 16], "A" * 16, "a" * 17, "a" * 16 + "\n", True]


@pytest.mark.parametrize("odd", ODD)
def test_odd_account_is_nobodys(asker: Asker, odd: Any) -> None:
    """A stranger's record in a shared store is given to no account, and stops none."""
    folder = ask(asker, signed_in(token("anna"))).folder
    assert folder is not None
    told = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**told, "account": odd}))
    asker.restart()
    assert not ask(asker, signed_in(token("anna"))).reused


def test_own_key_is_the_machines(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanged for another, as is good practice, it still has all that was paid for with the one before."""
    asker.name = "openai"
    assert not asker.ask().reused
    monkeypatch.setenv("OPENAI_API_KEY", "sk-exchanged-0123456789")
    asker.restart()
    assert asker.ask().reused


@pytest.mark.slow
def test_own_key_of_a_farm_is_shared(farm: Farm) -> None:
    """One key on many machines is one account."""
    farm.asker.ask()
    assert farm.on("second").ask().reused
    assert farm.posts == 1


@pytest.mark.slow
def test_other_own_key_of_a_farm_has_all_that_was_paid(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are exchanged, machine by machine; nothing is bought twice for it, nor what may have been billed."""
    farm.asker.ask("a hare")
    farm.asker.faults.drop("after_work")
    with pytest.raises(OutcomeUnknownError):
        farm.asker.ask()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-exchanged-0123456789")
    assert farm.on("second").ask("a hare").reused
    with pytest.raises(OutcomeUnknownError, match="sent at"):
        farm.on("third").ask()
    assert farm.posts == 2


@pytest.mark.slow
def test_users_share_a_bucket_and_nothing_else(farm: Farm) -> None:
    """Each has their own on every machine where they sign in."""
    assert not ask(farm.asker, signed_in(token("anna"))).reused
    assert not ask(farm.on("second"), signed_in(token("bert"))).reused
    assert [ask(farm.on("third"), signed_in(token(name, hour=2))).reused for name in ("anna", "bert")] == [True, True]
    assert farm.posts == 2


@pytest.mark.slow
def test_lost_request_of_a_user_stops_no_other_on_any_machine(farm: Farm) -> None:
    """And goes on under its own key where its user comes back."""
    farm.asker.faults.drop("after_work", times=9)
    with pytest.raises(OutcomeUnknownError):
        ask(farm.asker, signed_in(token("anna")))
    (key,) = set(farm.asker.server.keys)
    farm.asker.server.faults = Faults()
    assert ask(farm.on("second"), signed_in(token("bert"))).pictures == FOX
    assert key not in farm.asker.server.keys
    assert ask(farm.on("third"), signed_in(token("anna", hour=3))).pictures == FOX
    assert farm.asker.server.keys[-1] == key
    assert not [name for name in farm.objects if name.startswith("pending/")]


def test_no_record_holds_a_key_or_a_user(asker: Asker) -> None:
    """Only a digest, of which no account can be told."""
    for who in (token("anna-of-the-planted-name"), "comfyui-planted-key-0123456789"):
        ask(asker, signed_in(who))
    written = b"".join(path.read_bytes() for path in root().rglob("*") if path.is_file())
    for secret in ("anna-of-the-planted-name", "comfyui-planted-key-0123456789", token("anna-of-the-planted-name")):
        assert secret.encode() not in written


def test_list_of_what_is_kept_tells_accounts_apart(asker: Asker, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever has the machine sees all of it, and whose is what where there are several."""
    ask(asker, signed_in(token("anna")))
    assert main(["jobs"]) == 0
    assert "paid by" not in capsys.readouterr().out
    ask(asker, signed_in(token("bert")))
    assert main(["jobs"]) == 0
    out = capsys.readouterr().out
    assert all(f"paid by {signed_in(token(name)).account}" in out for name in ("anna", "bert"))


class _Queue:
    """ComfyUI's queue with one prompt that runs, as 0.3.64 (five parts) and later ones (six) have it."""

    def __init__(self, told: dict[str, str], *, apart: bool) -> None:
        parts = ({}, [], told) if apart else (told, [])
        self.currently_running = {0: (0.0, "id", {}, *parts)}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("apart", [True, False])
def test_comfyuis_own_cache_gives_no_picture_to_another(monkeypatch: pytest.MonkeyPatch, *, apart: bool) -> None:
    """It asks IS_CHANGED: another person is another run, and the same with a newer token is not."""

    def changed(told: str, connection: str = "comfy.org") -> str:
        queue = _Queue({"auth_token_comfy_org": told}, apart=apart)
        monkeypatch.setattr(comfyui, "_server", lambda: type("Server", (), {"prompt_queue": queue})())
        return str(NODE_CLASS_MAPPINGS["OIN_GPTImage"].IS_CHANGED(connection=connection))

    assert changed(token("anna")) == changed(token("anna", hour=1)) != changed(token("bert"))
    assert "anna" not in changed(token("anna"))


def test_comfyuis_own_cache_is_as_ever_for_one_person() -> None:
    """What IS_CHANGED says is written into workflows."""
    assert NODE_CLASS_MAPPINGS["OIN_GPTImage"].IS_CHANGED(connection="comfy.org") == ""


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()) | st.just("e30"))
def test_any_token_names_somebody_or_nobody(middle: str) -> None:
    """Whatever a page hands over."""
    for told in (middle, f"a.{middle}.c", f"a.{base64.urlsafe_b64encode(middle.encode(errors='replace')).decode()}.c"):
        user = user_of(told)
        assert user is None or isinstance(user, str)
