"""Runs an API prompt without ComfyUI: nodes that are ready run at the same time, and lists row by row, as there."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from declared import inputs_of

Prompt = Mapping[str, Any]
Outputs = dict[str, list[list[Any]]]


class OfflineError(Exception):
    """The prompt was refused before anything ran; the message says which node and why."""


def run(prompt: Prompt, nodes: Mapping[str, Any], workflow: Mapping[str, Any]) -> Outputs:
    """Run a prompt with these nodes and return by each node's id its outputs, each as the list of its values.

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
) -> list[list[Any]]:
    """Run a node once for each value of its longest input; shorter ones repeat their last value."""
    node = nodes[prompt[number]["class_type"]]
    values = {name: _values(value, done) for name, value in prompt[number]["inputs"].items()}
    known = {"PROMPT": prompt, "EXTRA_PNGINFO": {"workflow": workflow}, "UNIQUE_ID": number}
    hidden = {name: known.get(kind) for name, kind in node.INPUT_TYPES().get("hidden", {}).items()}
    missing = [name for name in node.INPUT_TYPES().get("required", {}) if name not in values]
    if missing or set(values) - set(inputs_of(node)):
        raise OfflineError(f"node {number} lacks {missing} or has inputs that it does not declare")
    times = max((len(some) for some in values.values()), default=1)
    rows = [{name: some[min(row, len(some) - 1)] for name, some in values.items()} for row in range(times)]
    return _merged(node, await asyncio.gather(*(_result(node, {**row, **hidden}) for row in rows)))


async def _result(node: Any, values: Mapping[str, Any]) -> tuple[Any, ...]:
    result = getattr(node, node.FUNCTION)(**values)
    outputs = await result if inspect.isawaitable(result) else result
    return tuple(outputs["result"] if isinstance(outputs, dict) else outputs)


def _merged(node: Any, results: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Return the values of each output over all rows; what is a list already is put behind the others."""
    are_lists = getattr(node, "OUTPUT_IS_LIST", [False] * len(node.RETURN_TYPES))
    return [
        [value for result in results for value in (result[slot] if is_list else [result[slot]])]
        for slot, is_list in enumerate(are_lists)
    ]


def _values(value: Any, done: Outputs) -> list[Any]:
    return done[value[0]][value[1]] if _is_link(value) else [value]


def _sources(node: Mapping[str, Any]) -> set[str]:
    return {value[0] for value in node["inputs"].values() if _is_link(value)}


def _is_link(value: Any) -> bool:
    return isinstance(value, list)
