"""Runs an API prompt without ComfyUI: nodes that are ready run at the same time, as in ComfyUI."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from declared import inputs_of

Prompt = Mapping[str, Any]
Outputs = dict[str, tuple[Any, ...]]


class OfflineError(Exception):
    """The prompt was refused before anything ran; the message says which node and why."""


def run(prompt: Prompt, nodes: Mapping[str, Any], workflow: Mapping[str, Any]) -> Outputs:
    """Run a prompt with these nodes and return each node's outputs by its id.

    Raises: OfflineError if a node refuses its inputs, and whatever a node raises.
    """
    for number, node in prompt.items():
        _validate(number, node["inputs"], nodes[node["class_type"]])
    return asyncio.run(_run(prompt, nodes, workflow))


def _validate(number: str, inputs: Mapping[str, Any], node: Any) -> None:
    check = getattr(node, "VALIDATE_INPUTS", None)
    verdict = check(**{name: None if _is_link(value) else value for name, value in inputs.items()}) if check else True
    if verdict is not True:
        raise OfflineError(f"node {number}: {verdict}")


async def _run(prompt: Prompt, nodes: Mapping[str, Any], workflow: Mapping[str, Any]) -> Outputs:
    done: Outputs = {}
    while len(done) < len(prompt):
        ready = [number for number in prompt if number not in done and _sources(prompt[number]) <= set(done)]
        if not ready:
            raise OfflineError("the prompt goes round in circles")
        results = await asyncio.gather(*(_called(number, prompt, nodes, done, workflow) for number in ready))
        done.update(zip(ready, results, strict=True))
    return done


async def _called(
    number: str, prompt: Prompt, nodes: Mapping[str, Any], done: Outputs, workflow: Mapping[str, Any]
) -> tuple[Any, ...]:
    node = nodes[prompt[number]["class_type"]]
    values = {name: _value(value, done) for name, value in prompt[number]["inputs"].items()}
    known = {"PROMPT": prompt, "EXTRA_PNGINFO": {"workflow": workflow}, "UNIQUE_ID": number}
    hidden = {name: known.get(kind) for name, kind in node.INPUT_TYPES().get("hidden", {}).items()}
    missing = [name for name in node.INPUT_TYPES().get("required", {}) if name not in values]
    if missing or set(values) - set(inputs_of(node)):
        raise OfflineError(f"node {number} lacks {missing} or has inputs that it does not declare")
    result = getattr(node, node.FUNCTION)(**values, **hidden)
    return await result if inspect.isawaitable(result) else result


def _value(value: Any, done: Outputs) -> Any:
    return done[value[0]][value[1]] if _is_link(value) else value


def _sources(node: Mapping[str, Any]) -> set[str]:
    return {value[0] for value in node["inputs"].values() if _is_link(value)}


def _is_link(value: Any) -> bool:
    return isinstance(value, list)
