"""The whole catalog on the wire: what a model takes goes out as the official client sends it, the rest never."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from openai_image_nodes.api.catalog import catalog
from openai_image_nodes.api.errors import RefusedError
from support.capture import Capture
from support.node_calls import KEY, photo, together, use_openai, validated
from support.official_client import DEFAULTS, ask_as, official, others_of, seen, values_of

IMAGE = photo(8, 8)
CLOSED = ("quality", "background", "moderation", "complexity", "input_fidelity", "output_format")
OPERATIONS = pytest.mark.parametrize("operation", ["generations", "edits"])
MODELS = pytest.mark.parametrize("model", catalog.choices())


@pytest.fixture(scope="module")
def shared() -> Iterator[Capture]:
    with Capture() as capture:
        yield capture


@pytest.fixture
def server(shared: Capture, monkeypatch: pytest.MonkeyPatch) -> Capture:
    shared.clear()
    use_openai(monkeypatch, shared)
    return shared


def cases(values: dict[str, list[Any]], model: str) -> dict[str, dict[str, Any]]:
    """Return options by a prompt that tells them apart on the server."""
    found = {}
    for name, each in values.items():
        for value in each:
            needed = {"output_format": "webp"} if name == "output_compression" else {}
            prompt = f"{name} {value}"
            found[prompt] = {"prompt": prompt, "model": model, name: value, **needed}
    return found


def combined(values: dict[str, list[Any]], model: str) -> dict[str, dict[str, Any]]:
    """Return options by prompt, in each a value of every parameter, so that each value is in one of them at least."""
    backgrounds, compressions = values["background"] or [None], cycle(values["output_compression"])
    found = {}
    for number in range(max(len(backgrounds) * len(values["output_format"]), *map(len, values.values()))):
        options = {name: each[number % len(each)] for name, each in values.items() if each}
        del options["output_compression"]
        formats = values["output_format"]
        options["output_format"] = formats[number // len(backgrounds) % len(formats)]  # each with each background
        if options["output_format"] != "png":
            options["output_compression"] = next(compressions)
        if options["output_format"] == "jpeg" and options.get("background") == "transparent":
            options["background"] = "opaque"
        found[f"fox {number}"] = {"prompt": f"fox {number}", "model": model, **options}
    for name, each in values.items():
        assert {options[name] for options in found.values() if name in options} == set(each), name
    return found


def inputs(options: dict[str, Any], operation: str) -> dict[str, Any]:
    return {**options, "image": IMAGE} if operation == "edits" else options


def arguments(options: dict[str, Any], operation: str) -> dict[str, Any]:
    """Return what the official client has to be told for what our widgets stand at."""
    compression = {"output_compression": 100} if options.get("output_format") in ("webp", "jpeg") else {}
    moderation = {"moderation": "auto"} if operation == "generations" else {}
    return {**DEFAULTS, **moderation, **compression, **options}


@pytest.mark.slow
@MODELS
@OPERATIONS
def test_every_allowed_value_goes_out_as_the_official_client_sends_it(
    server: Capture, model: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value of every parameter of a model reaches the wire, in the client's form."""
    monkeypatch.setenv("OPENAI_IMAGE_NODES_ASK_ABOVE_USD", "inf")
    spec = catalog.find(model)
    assert spec is not None
    wanted = combined(values_of(spec, operation), model)
    results = together(*(inputs(options, operation) for options in wanted.values()))
    assert [result for result in results if isinstance(result, BaseException)] == []
    ours = {request.fields()["prompt"]: request for request in server.requests}
    assert set(ours) == set(wanted)
    with official(server, api_key=KEY) as client:
        for prompt, options in wanted.items():
            ask_as(client, ours[prompt], **arguments(options, operation))
            assert seen(ours[prompt]) == seen(server.last)


@MODELS
@OPERATIONS
def test_every_other_value_is_refused_before_anything_is_sent(server: Capture, model: str, operation: str) -> None:
    """The refusal names the parameter, the value and all that is allowed; the server hears nothing."""
    spec = catalog.find(model)
    assert spec is not None
    unwanted = cases(others_of(spec, operation), model)
    assert unwanted
    results = together(*(inputs(options, operation) for options in unwanted.values()))
    assert server.requests == []
    for prompt, result in zip(unwanted, results, strict=True):
        assert isinstance(result, RefusedError), (prompt, result)
        assert told(spec, prompt) <= words(str(result)), (prompt, str(result))


@MODELS
@OPERATIONS
def test_the_check_before_a_run_agrees_with_the_run(server: Capture, model: str, operation: str) -> None:
    """VALIDATE_INPUTS lets every allowed value through and stops every other one, in the same words."""
    spec = catalog.find(model)
    assert spec is not None
    picture = {"image": None} if operation == "edits" else {}
    allowed, others = (cases(of(spec, operation), model) for of in (values_of, others_of))
    assert {prompt: validated(**options, **picture) for prompt, options in allowed.items()} == dict.fromkeys(
        allowed, True
    )
    results = together(*(inputs(options, operation) for options in others.values()))
    assert [validated(**options, **picture) for options in others.values()] == [str(result) for result in results]


def told(spec: catalog.ModelSpec, prompt: str) -> set[str]:
    """Return the words that a refusal must have: the parameter, the value, and what is allowed instead."""
    name, _, value = prompt.partition(" ")
    if name == "size":
        return {value, *(spec.sizes.allowed if spec.sizes.kind == "fixed" else [])}
    if name in CLOSED:
        shown = values_of(spec, "edits")[name]
        return {name, value, *shown} if shown else {name, spec.id, "auto"}
    low, high = getattr(spec, name)
    return {name, value, str(low), str(high)}


def words(message: str) -> set[str]:
    return {word.strip(",;:()'").rstrip(".") for word in message.replace("Size", "size").split()}


def test_retired_models_are_refused_with_their_replacement_and_date(server: Capture) -> None:
    """Every ended entry of the catalog names the day it ended and what to choose instead."""
    alive = set(catalog.choices())
    ended = [spec for spec in map(catalog.find, ("gpt-image-1", "dall-e-2", "dall-e-3")) if spec]
    assert len(ended) == 3
    for spec, result in zip(ended, together(*({"model": spec.id} for spec in ended)), strict=True):
        assert isinstance(result, RefusedError)
        assert {spec.id, str(spec.shutdown_date)} <= words(str(result))
        assert set(spec.replacement) <= words(str(result))
        assert spec.id not in alive
        assert validated(model=spec.id) == str(result)
    assert server.requests == []
