"""The sum of what was spent, per day and connection, and the limit that a person may set for a day.

One small file per paid answer, in a folder per day: it outlives the answer's own folder, and several machines can
write to it at once. Its name says it all, as in `0.019920_openai_<answer>.json`: one listing gives a day's sum. Older
files are called `<32 digits>.json` and are read.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from ..backends.atomic_files import make_private_folder, write_atomic
from ..backends.backend import Backend, LocalBackend
from ..errors import OutOfCreditError
from .records import JobRecord

BUDGET_VARIABLE = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"
SPENT = "spent"

_lock = threading.Lock()
_reserved: dict[Path, float] = {}


def today() -> str:
    """Return the day in the machine's own time, as 2026-11-23."""
    return time.strftime("%Y-%m-%d")


def note_of(record: JobRecord) -> tuple[str, bytes]:
    """Return the name below a store and the content of the note of what an answer cost; always the same for one."""
    day = time.strftime("%Y-%m-%d", time.localtime(record.answered_at))
    usd = "unknown" if record.cost_usd is None else f"{record.cost_usd:.6f}"
    line = {"connection": record.connection, "model": record.model, "usd": record.cost_usd, "credits": record.credits}
    name = f"{usd}_{quote(record.connection, safe='')}_{record.fingerprint}.json"
    return f"{SPENT}/{day}/{name}", json.dumps(line).encode()


def note_spent(root: Path, record: JobRecord) -> None:
    """Write down what an answer cost; `root` is the store's folder.

    Raises: OSError.
    """
    name, line = note_of(record)
    make_private_folder((root / name).parent)
    write_atomic(root / name, line, synced=False)


def spent(root: Path, day: str, shared: Backend | None = None) -> dict[str, float]:
    """Return the known costs in USD of a day, by connection: of this machine, and of all that share a backend.

    Raises: SharedStoreError.
    """
    here = LocalBackend(root)
    places: dict[str, Backend] = {name: here for name in here.names(f"{SPENT}/{day}/")}
    if shared is not None:
        places.update((name, shared) for name in shared.names(f"{SPENT}/{day}/") if name not in places)
    sums: dict[str, float] = {}
    for name, backend in places.items():
        if not name.endswith(".json"):
            continue  # being written this moment
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            connection, usd = _named(name) or _read(backend.read(name))
            sums[connection] = sums.get(connection, 0.0) + amount(usd)
    return sums


def amount(usd: float) -> float:
    """Return an amount in USD as it may be added to others: 0 for what is no amount, or a negative one."""
    return usd if math.isfinite(usd) and usd >= 0 else 0.0


def days(root: Path) -> list[str]:
    """Return the days on which something was spent, newest first."""
    return sorted((path.name for path in (root / "spent").glob("*-*-*")), reverse=True)


@contextlib.contextmanager
def reserved(root: Path, amount_usd: float, shared: Backend | None = None) -> Iterator[None]:
    """Hold an amount of the day's budget while a request is out; what other processes have out is not counted.

    Raises: OutOfCreditError if the day's sum with everything on its way would pass the budget, SharedStoreError.
    """
    limit = _limit()
    with _lock:
        if limit is not None:
            so_far, held = sum(spent(root, today(), shared).values()), _reserved.get(root, 0.0)
            if so_far + held + amount_usd > limit:
                raise _over_budget(limit, so_far, held, amount_usd)
        _reserved[root] = _reserved.get(root, 0.0) + amount_usd
    try:
        yield
    finally:
        with _lock:
            _reserved[root] -= amount_usd


def _named(path: str) -> tuple[str, float] | None:
    """Return what the name of a note says: connection and USD, 0 where nobody knows; None for an older one."""
    usd, _, rest = path.rpartition("/")[2].partition("_")
    connection = rest.rpartition("_")[0]
    if not connection:
        return None
    return unquote(connection), 0.0 if usd == "unknown" else float(usd)


def _read(note: bytes | None) -> tuple[str, float]:
    line = json.loads(note or b"")
    return str(line["connection"]), float(line["usd"] or 0.0)


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
