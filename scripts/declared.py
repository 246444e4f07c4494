"""What node classes declare of their inputs and outputs, read the way the canvas reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN")


def inputs_of(node: Any) -> dict[str, Any]:
    """Return the declarations of all inputs of a node class but the hidden ones, in order."""
    declared = node.INPUT_TYPES()
    return {**declared.get("required", {}), **declared.get("optional", {})}


def is_widget(declaration: Any) -> bool:
    """Tell whether an input is a widget, not a socket."""
    return isinstance(declaration[0], list) or declaration[0] in WIDGET_TYPES


def widgets_of(node: Any) -> dict[str, Any]:
    """Return the declarations of the widgets of a node class, in the order of their values in a workflow."""
    return {name: declaration for name, declaration in inputs_of(node).items() if is_widget(declaration)}


def slots_of(node: Any) -> list[str]:
    """Return the names of all inputs in the order in which the canvas lists them: sockets, then widgets."""
    inputs = inputs_of(node)
    return sorted(inputs, key=lambda name: is_widget(inputs[name]))


def outputs_of(node: Any) -> list[tuple[str, str]]:
    """Return name and type of each output."""
    names = getattr(node, "RETURN_NAMES", None) or node.RETURN_TYPES
    return list(zip(names, node.RETURN_TYPES, strict=True))


def options_of(declaration: Any) -> dict[str, Any]:
    """Return the options of an input's declaration."""
    return declaration[1] if len(declaration) > 1 else {}


def default_of(declaration: Any) -> Any:
    """Return a widget's default: as declared, or the first choice."""
    kind, options = declaration[0], options_of(declaration)
    if "default" in options:
        return options["default"]
    return kind[0] if isinstance(kind, list) and kind else ""


def values_of(node: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all widgets of a node class: those that were told, else the defaults.

    Raises: ValueError for a widget that the class does not have.
    """
    declared = widgets_of(node)
    unknown = set(told) - set(declared)
    if unknown:
        raise ValueError(f"there is no widget {', '.join(sorted(unknown))}")
    return {name: told.get(name, default_of(declaration)) for name, declaration in declared.items()}


def by_position(node: Any, values: Mapping[str, Any]) -> list[Any]:
    """Return widget values as a workflow stores them, with the entries that the canvas adds after some of them."""
    stored: list[Any] = []
    for name, declaration in widgets_of(node).items():
        stored.append(values[name])
        stored += ["fixed"] if options_of(declaration).get("control_after_generate") else []
        stored += ["image"] if options_of(declaration).get("image_upload") else []
    return stored
