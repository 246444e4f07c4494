"""The table of what real servers do: each line says where it was seen and names a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"\| (?P<symptom>[^|]+) \| (?P<seen>[^|]+) \| `(?P<file>tests/[^`]+)`: `(?P<test>test_\w+)` \|")
SECTION = (
    (ROOT / "docs" / "service.md").read_text(encoding="utf-8").split("## What real servers do")[1].split("\n## ")[0]
)
ROWS = [line for line in SECTION.splitlines() if line.startswith("| ") and not line.startswith("| symptom")]


@pytest.mark.parametrize("row", ROWS)
def test_every_symptom_is_played(row: str) -> None:
    """The named test exists in the named file."""
    told = LINE.fullmatch(row)
    assert told is not None
    assert f"def {told['test']}(" in (ROOT / told["file"]).read_text(encoding="utf-8")


def test_the_table_has_lines() -> None:
    """Else nothing was compared."""
    assert len(ROWS) > 20
