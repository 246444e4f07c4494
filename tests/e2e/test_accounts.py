"""Two people at one ComfyUI (--multi-user), each signed in to comfy.org: what one paid for is not the other's."""

from __future__ import annotations

import base64
import io
import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import requests
from PIL import Image
from support.comfyui import KEY, ComfyUI, Run, named
from support.faults import Faults, Seen

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

NUMBERS = itertools.count(1)


def numbered(_request: Any, _index: int) -> bytes:
    """Draw a picture that no other request has."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (next(NUMBERS), 90, 30)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def faults() -> Faults:
    return Faults()


@pytest.fixture(scope="module")
def service(faults: Faults) -> Iterator[ScriptedSandbox]:
    """comfy.org and OpenAI on this machine; each picture that is worked for is another."""
    from support.scenarios import ScriptedSandbox  # the pack is loaded after this file

    with ScriptedSandbox(render=numbered, middlewares=[faults]) as running:
        yield running


@pytest.fixture(scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory, service: ScriptedSandbox) -> Iterator[ComfyUI]:
    """ComfyUI for several people, with an own key of the machine's for OpenAI."""
    own = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
    arguments = ("--multi-user", "--comfy-api-base", service.base_url, "--verbose", "DEBUG")
    with named(tmp_path_factory.mktemp("many"), *arguments, **own) as running:
        yield running


class Person:
    """Somebody with a user of their own at ComfyUI, signed in to comfy.org with a token of the hour, or by a key."""

    secrets: ClassVar[set[str]] = {KEY}

    def __init__(self, comfyui: ComfyUI, name: str, **signed_in: str) -> None:
        self.name = f"{name} {next(NUMBERS)}"
        self._comfyui = comfyui
        self._headers = {
            "comfy-user": comfyui.post("/users", {"username": self.name}).json(),
            "Origin": comfyui.address,
        }
        self.sign_in(**signed_in or {"auth_token_comfy_org": token(self.name)})

    def sign_in(self, **told: str) -> None:
        """Let later runs have this token or key."""
        self.signed_in = told
        self.secrets.update(told.values())

    def run(self, prompt: str, connection: str = "comfy.org") -> Run:
        """Run a workflow as the page of this person does."""
        extra = {"extra_pnginfo": {"workflow": {"nodes": []}}, **self.signed_in}
        body = {"prompt": graph(prompt, connection), "client_id": self.name, "extra_data": extra}
        queued = self.post("/prompt", body)
        return self._comfyui.ended(str(queued["prompt_id"]))

    def paid(self, prompt: str, connection: str = "comfy.org") -> list[Any]:
        """Return what the page's dialog of paid pictures shows this person for the node of `graph`."""
        values = graph(prompt, connection)["1"]["inputs"]
        asked = {"node": "OIN_GPTImage", "node_id": "1", "values": values, "connected": [], "prompt_ids": []}
        return list(self.post("/openai_image_nodes/pictures", asked)["pictures"])

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(f"{self._comfyui.address}{path}", json=body, headers=self._headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def token(user: str, *, hour: int = 0) -> str:
    """Return a token as comfy.org's sign-in makes them: another one each hour."""
    claims = json.dumps({"sub": user, "iat": hour}).encode()
    parts = [b'{"alg":"RS256"}', claims, f"signature of {hour}".encode()]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def graph(prompt: str, connection: str) -> dict[str, Any]:
    asked = {"prompt": prompt, "connection": connection, "model": "gpt-image-2", "size": "1024x1024", "seed": 7}
    return {
        "1": {"class_type": "OIN_GPTImage", "inputs": asked},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "many"}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 2]}},
    }


def seen(comfyui: ComfyUI, run: Run) -> tuple[Any, dict[str, Any]]:
    """Return the colour of the picture that a run saved, and its report."""
    assert run.end == "execution_success", run.failure
    with Image.open(comfyui.saved(run.images[0])) as picture:
        return picture.getpixel((0, 0)), json.loads(run.outputs["3"]["text"][0])


def sent(posts: list[Seen], person: Person) -> list[str | None]:
    """Return the idempotency keys of the POSTs that went out with a person's token or key."""
    mine = set(person.signed_in.values())
    return [
        each.headers.get("Idempotency-Key")
        for each in posts
        if each.headers.get("Authorization", "").removeprefix("Bearer ") in mine
        or each.headers.get("X-API-KEY") in mine
    ]


SIGNED_IN = {
    "tokens": ({}, {}),
    "keys": ({"api_key_comfy_org": "comfyui-key-of-anna"}, {"api_key_comfy_org": "comfyui-key-of-bert"}),
}


@pytest.mark.parametrize("how", SIGNED_IN)
def test_each_pays_for_an_own_picture_and_keeps_it(comfyui: ComfyUI, faults: Faults, how: str) -> None:
    """The same workflow, one after the other: neither ComfyUI's cache nor the store hands over another's picture."""
    anna, bert = (Person(comfyui, name, **told) for name, told in zip(("anna", "bert"), SIGNED_IN[how], strict=True))
    prompt, before = f"a fox, {how}", faults.posts
    first, of_anna = seen(comfyui, anna.run(prompt))
    second, of_bert = seen(comfyui, bert.run(prompt))
    assert first != second
    assert [of_anna["reused"], of_bert["reused"]] == [False, False]
    posts = faults.requests[before:]
    keys = [sent(posts, person) for person in (anna, bert)]
    assert [len(one) for one in keys] == [1, 1]
    assert (keys[0] != keys[1], len(posts)) == (True, 2)
    again = [seen(comfyui, person.run(prompt)) for person in (anna, bert, anna)]
    assert [color for color, _ in again] == [first, second, first]
    assert all(report["reused"] for _, report in again)
    assert faults.posts == before + 2


def test_nothing_tells_bert_of_annas_picture(comfyui: ComfyUI) -> None:
    """His report is what it is of a prompt that nobody had before, but for what differs from run to run."""
    anna, bert = Person(comfyui, "anna"), Person(comfyui, "bert")
    anna.run("a secret prompt")
    assert bert.paid("a secret prompt") == []
    had, not_had = (seen(comfyui, bert.run(prompt))[1] for prompt in ("a secret prompt", "a public prompt"))
    assert (had["reused"], not_had["reused"]) == (False, False)
    assert {name for name in had if had[name] != not_had[name]} <= {"request_id", "elapsed_s", "kept_in"}
    assert had["kept_in"].split(".")[-1] == not_had["kept_in"].split(".")[-1]  # a number of his own, not the second


def test_key_of_annas_lost_request_goes_out_with_her_token_alone(comfyui: ComfyUI, faults: Faults) -> None:
    """She comes back with the token of another hour; in between Bert asks for the same."""
    anna, bert = Person(comfyui, "anna"), Person(comfyui, "bert")
    before = faults.posts
    faults.drop("after_work", times=9)
    assert anna.run("a lost fox").end == "execution_error"
    faults.clear()
    (lost,) = set(sent(faults.requests[before:], anna))
    between = faults.posts
    color, _ = seen(comfyui, bert.run("a lost fox"))
    assert sent(faults.requests[between:], bert) not in ([], [lost])
    assert faults.posts == between + 1
    anna.sign_in(auth_token_comfy_org=token(anna.name, hour=1))
    hers, _ = seen(comfyui, anna.run("a lost fox"))
    assert sent(faults.requests[between + 1 :], anna) == [lost]
    assert hers != color


def test_own_key_of_the_machine_is_everybodys(comfyui: ComfyUI, faults: Faults) -> None:
    """It is paid once, whoever asks; the page shows it to both."""
    anna, bert = Person(comfyui, "anna"), Person(comfyui, "bert")
    before = faults.posts
    first, _ = seen(comfyui, anna.run("a hare", "openai"))
    second, report = seen(comfyui, bert.run("a hare", "openai"))
    assert (first == second, report["reused"], faults.posts - before) == (True, True, 1)
    assert [len(person.paid("a hare", "openai")) for person in (anna, bert)] == [1, 1]


def test_no_token_is_in_what_anybody_sees(comfyui: ComfyUI) -> None:
    """The history, which ComfyUI shows to all, its log, and every file."""
    files = [path for folder in (comfyui.base, comfyui.home) for path in folder.rglob("*") if path.suffix != ".py"]
    places = [comfyui.file("/history").text, comfyui.file("/queue").text, comfyui.log]
    places += [path.read_bytes().decode("latin-1") for path in files if path.is_file()]
    assert [secret for secret in Person.secrets if any(secret in place for place in places)] == []
