"""The sum of what was spent, per day and connection, and the limit that a person may set for a day.

One small file per paid answer, in a folder per day: it outlives the answer's own folder, and several machines can
write to it at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from .errors import OutOfCreditError
from .files import make_private_folder, write_atomic
from .records import Record

BUDGET_VARIABLE = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"

_lock = threading.Lock()
_reserved: dict[Path, float] = {}


def today() -> str:
    """Return the day in the machine's own time, as 2026-11-23."""
    return time.strftime("%Y-%m-%d")


def note_spent(root: Path, record: Record) -> None:
    """Write down what an answer cost; `root` is the store's folder.

    Raises: OSError.
    """
    folder = make_private_folder(root / "spent" / today())
    line = {"connection": record.connection, "model": record.model, "usd": record.cost_usd, "credits": record.credits}
    write_atomic(folder / f"{uuid.uuid4().hex}.json", json.dumps(line).encode(), synced=False)


def spent(root: Path, day: str) -> dict[str, float]:
    """Return the known costs in USD of a day, by connection."""
    sums: dict[str, float] = {}
    for path in (root / "spent" / day).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            line = json.loads(path.read_text(encoding="utf-8"))
            sums[line["connection"]] = sums.get(line["connection"], 0.0) + float(line["usd"] or 0.0)
    return sums


def days(root: Path) -> list[str]:
    """Return the days on which something was spent, newest first."""
    return sorted((path.name for path in (root / "spent").glob("*-*-*")), reverse=True)


@contextlib.contextmanager
def reserved(root: Path, amount_usd: float) -> Iterator[None]:
    """Hold an amount of the day's budget while a request is out.

    Raises: OutOfCreditError if the day's sum with everything on its way would pass the budget.
    """
    limit = _limit()
    with _lock:
        if limit is not None:
            so_far, held = sum(spent(root, today()).values()), _reserved.get(root, 0.0)
            if so_far + held + amount_usd > limit:
                raise _over_budget(limit, so_far, held, amount_usd)
        _reserved[root] = _reserved.get(root, 0.0) + amount_usd
    try:
        yield
    finally:
        with _lock:
            _reserved[root] -= amount_usd


def _limit() -> float | None:
    text = os.environ.get(BUDGET_VARIABLE, "").strip()
    if not text:
        return None
    with contextlib.suppress(ValueError):
        return float(text)
    raise OutOfCreditError(f"{BUDGET_VARIABLE} is {text!r}, which is no number of dollars. Nothing was sent.")


def _over_budget(limit: float, so_far: float, held: float, amount: float) -> OutOfCreditError:
    return OutOfCreditError(
        f"The budget of {limit:.2f} USD a day would be passed: {so_far:.4f} USD were spent today, {held:.4f} USD are on"
        f" their way, and this picture may cost {amount:.4f} USD. Nothing was sent. Raise {BUDGET_VARIABLE}, choose a"
        " lower quality, or wait until tomorrow."
    )
