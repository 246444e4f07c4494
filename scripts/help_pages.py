"""Writes the lists of inputs and outputs in web/docs again: labels and tooltips as the nodes and locales/ have them.

The examples and everything else in a page stay as they are: they are written by hand.
"""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import declared
import pack

DOCS = pack.ROOT / "web" / "docs"
LOCALES = pack.ROOT / "locales"
LISTED = re.compile(  # "- **label** (`name`): tooltip Example: `value`.", with the marks of the page's language
    r"^- (?:\*\*[^*]+\*\* \()?`(?P<name>\w+)`\)?(?P<colon>[ \u00a0]?[:\uff1a] ?)"
    r".*?(?P<example>(?: |(?<=\u3002))\w+[ \u00a0]?[:\uff1a] ?`[^`]+`[.\u3002])?$",
    re.MULTILINE,
)


def main() -> None:
    """Rewrite every page that differs."""
    for node, language in product(pack.load().NODE_DISPLAY_NAME_MAPPINGS, ("en", *languages())):
        page = DOCS / node / f"{language}.md"
        before = page.read_text(encoding="utf-8")
        after = rewritten(before, node, language)
        if after != before:
            page.write_text(after, encoding="utf-8", newline="\n")
            print(page.relative_to(pack.ROOT))


def rewritten(page: str, node: str, language: str) -> str:
    """Return a page with its first two lists, the inputs and the outputs, as the node and the locale have them.

    Raises: ValueError for a page without two such lists.
    """
    head, inputs, outputs, *rest = page.split("\n## ")
    inputs_now, outputs_now = words_of(node, language)
    return "\n## ".join([head, _section(inputs, inputs_now), _section(outputs, outputs_now), *rest])


def words_of(node: str, language: str) -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Return (label, tooltip) of each input and of each output by name, as a reader of the language meets them."""
    kind = pack.load().NODE_CLASS_MAPPINGS[node]
    inputs = {name: (name, declared.options_of(each)["tooltip"]) for name, each in declared.inputs_of(kind).items()}
    names = [name for name, _ in declared.outputs_of(kind)]
    outputs = {name: (name, tooltip) for name, tooltip in zip(names, kind.OUTPUT_TOOLTIPS, strict=True)}
    if language == "en":
        return inputs, outputs
    translated = node_texts(language)[node]
    own = {name: (text["name"], text["tooltip"]) for name, text in translated["inputs"].items()}
    listed = zip(names, translated["outputs"].values(), strict=True)
    return own, {name: (text["name"], text["tooltip"]) for name, text in listed}


def languages() -> list[str]:
    """Return the languages that there are translations for."""
    return sorted(folder.name for folder in LOCALES.iterdir())


def node_texts(language: str) -> Any:
    """Return locales/LANGUAGE/nodeDefs.json."""
    return json.loads((LOCALES / language / "nodeDefs.json").read_text(encoding="utf-8"))


def _section(section: str, words: dict[str, tuple[str, str]]) -> str:
    listed = {found["name"]: found for found in LISTED.finditer(section)}
    colon = next(iter(listed.values()))["colon"]
    lines = []
    for name, (label, tooltip) in words.items():
        named = f"`{name}`" if label == name and "**" not in section else f"**{label}** (`{name}`)"
        example = (listed[name]["example"] or "") if name in listed else ""
        lines.append(f"- {named}{colon}{tooltip}{example}")
    return "\n".join([section.partition("\n")[0], "", *lines, ""])


if __name__ == "__main__":
    main()
