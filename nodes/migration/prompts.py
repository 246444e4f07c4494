"""Prompts with ComfyUI's own OpenAI image nodes run on ours where this ComfyUI does not have those nodes.

ComfyUI's own replacement (since 0.14) can neither leave out what a prompt does not name nor keep several pictures: it
serves the browser, and this serves what is posted to /prompt. No model is swapped here: nobody would see it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..references import SOCKETS
from .replacements import BY_OLD, Replacement

Nodes = dict[str, Any]
NEWER_BATCH, OLDER_BATCH = "BatchImagesNode", "ImageBatch"
OURS = ("OIN_", "OpenAIGPTImage1")
OWN_INPUT = "connection"  # no built-in node has it


def translator(has: Callable[[str], bool]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return what turns the body of a POST to /prompt into one for our nodes; `has` knows which nodes ComfyUI has."""

    def translate(body: dict[str, Any]) -> dict[str, Any]:
        prompt = body.get("prompt")
        if not isinstance(prompt, dict):
            return body
        return {**body, "prompt": without_nulls(with_older_batch(translated(prompt, has), has))}

    return translate


def with_older_batch(prompt: Nodes, has: Callable[[str], bool]) -> Nodes:
    """Return a prompt with ComfyUI's older batch node where it lacks the newer one, as our example has it.

    That joins two pictures, so several of it join more.
    """
    if has(NEWER_BATCH) or not has(OLDER_BATCH):
        return prompt
    nodes = dict(prompt)
    for key, node in prompt.items():
        if isinstance(node, dict) and node.get("class_type") == NEWER_BATCH and isinstance(node.get("inputs"), dict):
            nodes |= _older_batch(key, node)
    return nodes


def _older_batch(key: str, node: Mapping[str, Any]) -> Nodes:
    links = [node["inputs"][name] for name in sorted(node["inputs"], key=_number)]
    *others, last = links or [None]
    if not others:
        return {}
    nodes, joined = {}, others[0]
    for number, link in enumerate(others[1:], 1):
        nodes[f"{key}_batch_{number}"] = _beside(OLDER_BATCH, {"image1": joined, "image2": link})
        joined = [f"{key}_batch_{number}", 0]
    return {**nodes, key: {**node, "class_type": OLDER_BATCH, "inputs": {"image1": joined, "image2": last}}}


def without_nulls(prompt: Nodes) -> Nodes:
    """Return a prompt in which no input of our nodes is null, as some programs write what is not set.

    Before a run ComfyUI shows a node null for what is linked too, so that the node could not tell the two apart.
    """
    changed = {}
    for key, node in prompt.items():
        inputs = node.get("inputs") if isinstance(node, dict) and str(node.get("class_type")).startswith(OURS) else None
        if isinstance(inputs, dict) and None in inputs.values():
            changed[key] = {**node, "inputs": {name: value for name, value in inputs.items() if value is not None}}
    return {**prompt, **changed} if changed else prompt


def translated(prompt: Nodes, has: Callable[[str], bool]) -> Nodes:
    """Return a prompt in which every built-in node that ComfyUI does not have is ours; the given one is not changed."""
    found = {key: BY_OLD[node["class_type"]] for key, node in prompt.items() if _is_theirs(node, has)}
    nodes: Nodes = {}
    for key, node in prompt.items():
        nodes |= _replaced(key, node, found[key]) if key in found else {key: node}
    return {key: _with_links(node, found) for key, node in nodes.items()} if found else prompt


def _is_theirs(node: Any, has: Callable[[str], bool]) -> bool:
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return False
    kind = node.get("class_type")
    known = BY_OLD.get(kind) if isinstance(kind, str) else None
    return known is not None and not known.by_hand and not has(known.old) and OWN_INPUT not in node["inputs"]


def _replaced(key: str, node: Mapping[str, Any], replacement: Replacement) -> Nodes:
    """Return our node under the same key, and the nodes that it needs beside it."""
    given = node["inputs"]
    inputs = {ours: given[theirs] for theirs, ours in replacement.inputs.items() if theirs in given}
    for name, words in replacement.values.items():
        if isinstance(inputs.get(name), str):  # links stay what they are
            inputs[name] = words.get(inputs[name], inputs[name])
    prefix = replacement.pictures
    names = [name for name in given if prefix and name.startswith(prefix)]
    first, *others = [given[name] for name in sorted(names, key=_number)] or [None]
    if first is not None:
        inputs["image"] = first
    nodes: Nodes = {}
    for start in range(0, len(others), SOCKETS):
        sockets = {f"image_{number}": link for number, link in enumerate(others[start : start + SOCKETS], 1)}
        before = {"references": inputs["references"]} if "references" in inputs else {}
        name = f"{key}_references_{start // SOCKETS + 1}"
        nodes[name] = _beside("OIN_References", {**sockets, **before})
        inputs["references"] = [name, 0]
    beside = {**nodes, **_joined(key, given, replacement, inputs)}
    ours = {**node, "class_type": replacement.new, "inputs": {**replacement.fixed, **inputs}}
    return {key: ours, **beside}


def _joined(key: str, given: Mapping[str, Any], replacement: Replacement, inputs: dict[str, Any]) -> Nodes:
    """Put what two sockets made together into `inputs`, and return the node that joins them."""
    join = replacement.join
    if join is None or not all(theirs in given for theirs in join.inputs.values()):
        return {}
    name = f"{key}_{join.target}"
    inputs[join.target] = [name, 0]
    return {name: _beside(join.node, {ours: given[theirs] for ours, theirs in join.inputs.items()})}


def _beside(kind: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


def _with_links(node: Any, found: Mapping[str, Replacement]) -> Any:
    """Return a node whose links to replaced nodes name our outputs."""
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return node
    inputs = dict(node["inputs"])
    for name, value in inputs.items():
        if isinstance(value, list) and len(value) == 2 and str(value[0]) in found:
            outputs = found[str(value[0])].outputs
            inputs[name] = [value[0], outputs.get(value[1], value[1])]
    return {**node, "inputs": inputs}


def _number(name: str) -> int:
    """Return the number at the end of a socket's name, 0 without one."""
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else 0
