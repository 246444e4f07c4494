"""What an answer says of the tokens that it took. What is in no form that is known is None, and so is its price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from ..catalog.schemas import SvgUsage, TokenDetails, Usage

MAX_TOKENS = 10**9
WORD_CHARS = 64
TOTALS = ("input_tokens", "output_tokens", "total_tokens")
DETAILS = ("input_tokens_details", "output_tokens_details")
CHAT_NAMES = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}

CountsT = TypeVar("CountsT", bound=BaseModel)


def usage_of(told: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of an answer, or None where it does not say how many went out.

    An answer of OpenAI's Responses API counts in `usage` what the model took that had the picture drawn by another.
    """
    tools = told.get("tool_usage")
    drawn = tools.get("image_gen") if isinstance(tools, dict) else None
    own = None if told.get("object") == "response" else told.get("usage")
    counted = next((each for each in (drawn, own) if isinstance(each, dict)), {})
    counts = {name: _tokens(counted.get(name, counted.get(CHAT_NAMES.get(name, "")))) or 0 for name in TOTALS}
    details = {name: _details(counted.get(name)) for name in DETAILS}
    # no tokens at all is what LiteLLM and LocalAI write where they know nothing
    return Usage(**counts, **details) if counts["output_tokens"] else None  # type: ignore[arg-type]


def summed(parts: Sequence[CountsT]) -> CountsT:
    """Return counts as one of their kind, added up with what lies in them; what none of them tells is not told."""
    kind = type(parts[0])
    told = {name: [one for part in parts if (one := getattr(part, name)) is not None] for name in kind.model_fields}
    sums = {name: summed(each) if isinstance(each[0], BaseModel) else sum(each) for name, each in told.items() if each}
    return kind(**sums)


def _details(value: object) -> TokenDetails | None:
    counts = {name: _tokens(value.get(name)) for name in TokenDetails.model_fields} if isinstance(value, dict) else {}
    told = {name: count for name, count in counts.items() if count is not None}
    return TokenDetails(**told) if told.keys() - {"cached_tokens"} else None


def svg_usage_of(value: object) -> SvgUsage | None:
    told = value if isinstance(value, dict) else {}
    counts = {name: _tokens(told.get(name)) or 0 for name in (*TOTALS, "reasoning_tokens")}
    return SvgUsage(model=word_of(told.get("model")), **counts) if any(counts.values()) else None


def _tokens(value: object) -> int | None:
    """Return a count of tokens, or None for what is none: also beside the range of any real one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MAX_TOKENS:
        return None
    return round(value)


def word_of(value: object) -> str | None:
    return value[:WORD_CHARS] if isinstance(value, str) and value else None
