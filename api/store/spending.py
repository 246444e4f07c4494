"""The sum of what was spent, per day and connection, and the limit that a person may set for a day.

One small file per paid answer, in a folder per day: it outlives the answer's own folder, and several machines can
write to it at once. Its name says it all, as in `0.019920_openai_<answer>.json`: one listing gives a day's sum. Older
files are called `<32 digits>.json` and are read. What is out and not
answered yet is an empty file `held/<day>/<amount>_<name>.json`, in `held/open` for a batch, until it is answered or was
certainly not paid. Where machines share a bucket and there is a budget, it is there too.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import product
from pathlib import Path
from urllib.parse import quote, unquote

from ..backends.atomic_files import folders_in, make_private_folder, names_in, remove, write_atomic
from ..backends.backend import Backend, LocalBackend
from ..catalog import pricing
from ..errors import OutOfCreditError, SharedStoreError
from .records import JobRecord

BUDGET_VARIABLE = "OPENAI_IMAGE_NODES_BUDGET_USD_PER_DAY"
SPENT = "spent"
HELD = "held"
OPEN = "open"
UNKNOWN = "unknown"
RELIST_S = 60.0
DAYS_SUMMED = 64
NOTES_READ = 20_000

_lock = threading.Lock()
_reserved: dict[tuple[Path, str], dict[str, float]] = {}  # by store and day


def day_of(at: float | None) -> str:
    """Return the day by the machine's own time zone, as 2026-11-23: it begins at midnight there, summer or winter."""
    return time.strftime("%Y-%m-%d", time.localtime(at))


def today() -> str:
    """Return the day that is now."""
    return day_of(time.time())


def note_of(record: JobRecord) -> tuple[str, bytes]:
    """Return the name below a store and the content of the note of what an answer cost; always the same for one.

    It counts for the day on which it was sent and held: else over midnight it would pass the next one's budget. A batch
    is held until it is collected.
    """
    day = day_of(record.answered_at if record.batch or not record.sent_at else record.sent_at)
    usd = UNKNOWN if record.cost_usd is None else f"{record.cost_usd:.6f}"
    line = {"connection": record.connection, "model": record.model, "usd": record.cost_usd, "credits": record.credits}
    if record.cost_usd is None:
        line["estimate_usd"] = estimate_of(record)
    name = f"{usd}_{quote(record.connection, safe='')}_{record.fingerprint}.json"
    return f"{SPENT}/{day}/{name}", json.dumps(line).encode()


def estimate_of(record: JobRecord) -> float:
    """Return an amount in USD that a request should not pass."""
    kind = "comfy.org" if record.connection == "comfy.org" else "compatible"
    return pricing.cautious_usd(pricing.PaidAs(kind, batch=bool(record.batch)), record.fields, record.image_count)


def note_spent(root: Path, record: JobRecord) -> None:
    """Write down what an answer cost; `root` is the store's folder. Raises: OSError."""
    name, line = note_of(record)
    folder = make_private_folder((root / name).parent)
    with _day_sum(folder).noting((root / name).name):
        write_atomic(root / name, line, synced=False)


def note_cost_known(root: Path, record: JobRecord, shared: Backend | None = None) -> None:
    """Write down what an answer cost after all in place of its estimate, here and where other machines see it.

    Raises: OSError, SharedStoreError.
    """
    note_spent(root, record)
    if shared is not None:
        shared.write(*note_of(record))
    if record.cost_usd is not None:
        before, _ = note_of(record.model_copy(update={"cost_usd": None}))
        for place in (LocalBackend(root), shared):
            if place is not None:
                place.remove(before)


def spent(root: Path, day: str, shared: Backend | None = None, *, unknown_too: bool = False) -> dict[str, float]:
    """Return the known costs in USD of a day, by connection: of this machine, and of all that share a backend.

    With `unknown_too` what nobody knows is counted at its estimate.

    Raises: SharedStoreError.
    """
    here = _day_sum(root / SPENT / day)
    if shared is None:
        return here.sums(unknown_too=unknown_too)
    there = {name.rpartition("/")[2]: name for name in shared.names(f"{SPENT}/{day}/")}
    ours = here.sums(unknown_too=unknown_too)
    known_here = here.names.copy()
    counted = set(map(_answer_of, known_here)) if unknown_too else set()  # perhaps at its estimate, by this machine
    for name in _once_each(there) - known_here:
        if _answer_of(name) in counted:
            continue
        for connection, usd in _told_there(shared.read, there[name], unknown_too=unknown_too):
            ours[connection] = ours.get(connection, 0.0) + usd
    return ours


def amount(usd: float) -> float:
    """Return an amount in USD as it may be added to others: 0 for what is no amount, or a negative one."""
    return pricing.amount(usd) or 0.0


def days(root: Path) -> list[str]:
    """Return the days on which something was spent, newest first."""
    return sorted((path.name for path in (root / "spent").glob("*-*-*")), reverse=True)


@contextlib.contextmanager
def reserved(
    root: Path, usd: float, shared: Backend | None = None, *, name: str = "", at: float | None = None
) -> Iterator[None]:
    """Hold an amount of the day's budget while a request is out; `name` is what it is called in the journal.

    The day is that of `at`, the second that the request is noted as sent. With a name it stays held until `release`,
    for a request that got lost may have been billed.
    Raises: OutOfCreditError if the day's sum with everything on its way would pass the budget, SharedStoreError.
    """
    day = day_of(at)
    with _lock:
        is_limited = _limit() is not None
        was_held = is_limited and name in _held(root, day)  # by an earlier try, which may have been billed
        if name:  # before the look: of two processes or machines that hold at once at least one sees the other
            hold(root, name, usd, day)
        try:
            if name and shared is not None and is_limited:
                shared.write(_hold_name(name, usd, day), b"")
            refuse_over_budget(root, usd, shared, but=name, day=day)
        except (OutOfCreditError, SharedStoreError):
            if name and not was_held:
                release(root, name, shared)
            raise
        ours = _reserved.setdefault((root, day), {})
        key = name or uuid.uuid4().hex
        ours[key] = usd
    try:
        yield
    finally:
        with _lock:
            ours.pop(key, None)


def refuse_over_budget(
    root: Path, usd: float, shared: Backend | None = None, *, but: str = "", day: str | None = None
) -> None:
    """Refuse an amount with which the day's budget would be passed; what is held for `but` is what it is about.

    Raises: OutOfCreditError, SharedStoreError.
    """
    limit = _limit()
    if limit is None:
        return
    day = day or today()
    known = spent(root, day, shared, unknown_too=True)
    out = dict(filter(None, map(_hold_of, shared.names(f"{HELD}/{day}/")))) if shared else {}
    out.update({**_held(root, day), **_reserved.get((root, day), {})})
    so_far, held = sum(known.values()), sum(amount for name, amount in out.items() if name != but)
    if so_far + held + usd > limit:
        raise OutOfCreditError(
            f"The budget of {pricing.in_words(limit)} USD a day would be passed: {so_far:.4f} USD were spent today,"
            f" {held:.4f} USD are on their way, and this picture may cost {usd:.4f} USD. Nothing was sent."
            f" Raise {BUDGET_VARIABLE}, choose a lower quality, or wait until tomorrow."
        )


def hold(root: Path, name: str, usd: float, day: str = OPEN) -> None:
    """Note that something is out that may cost so much: for a day, or until released. A full disk is no reason."""
    release(root, name)
    folder = root / HELD / day
    with contextlib.suppress(OSError):
        write_atomic(make_private_folder(folder) / _hold_name(name, usd).rpartition("/")[2], b"", synced=False)


def release(root: Path, name: str, shared: Backend | None = None) -> None:
    """Note that something is out no more: what it cost is noted by then, or it cost nothing."""
    for folder in list(folders_in(root / HELD)):
        held = names_in(folder)
        for path in (folder / each for each in held if each.endswith(f"_{name}.json")):
            with contextlib.suppress(OSError):
                remove(path)
            with contextlib.suppress(SharedStoreError, OutOfCreditError):  # else it counts until the day is over
                if shared is not None and _limit() is not None:
                    shared.remove(f"{HELD}/{folder.name}/{path.name}")
        if not held and folder.name < today():  # days that are over would be looked through at every request
            with contextlib.suppress(OSError):
                folder.rmdir()


def _hold_name(name: str, usd: float, day: str = "") -> str:
    return f"{HELD}/{day}/{amount(usd):.6f}_{name}.json"


def _hold_of(path: str) -> tuple[str, float] | None:
    usd, _, name = path.rpartition("/")[2].removesuffix(".json").partition("_")
    with contextlib.suppress(ValueError):
        return name, amount(float(usd))
    return None


def _held(root: Path, day: str) -> dict[str, float]:
    """Return what is out in USD by name, of all processes of this machine."""
    found: dict[str, float] = {}
    for each in (day, OPEN):
        found.update(filter(None, (_hold_of(path.name) for path in (root / HELD / each).glob("[0-9]*_*.json"))))
    return found


class _DaySum:
    """The running sum of one day's notes here. Safe for many threads.

    The folder is listed when somebody else has changed it, and every RELIST_S: what another process writes in the very
    moment that this one does cannot be told apart, and is counted then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._here = LocalBackend(folder)
        self._lock = threading.Lock()
        self._changed_at: int | None = None
        self._listed_at = float("-inf")
        self._forget()

    def _forget(self) -> None:
        self.names: set[str] = set()
        self._sums: dict[bool, dict[str, float]] = {False: {}, True: {}}  # by `unknown_too`

    @contextlib.contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Add a note of this process, which is written meanwhile."""
        with self._lock:
            is_known = self._changed_at is not None and _changed_at(self._folder) == self._changed_at
            yield
            if f"{UNKNOWN}_{_answer_of(name)}" in self.names - {name}:
                self._changed_at = None  # its estimate counts no more
            elif is_known:
                self._add([name])
                self._changed_at = _changed_at(self._folder)

    def sums(self, *, unknown_too: bool) -> dict[str, float]:
        """Return the sums by connection."""
        with self._lock:
            changed_at = _changed_at(self._folder)
            if changed_at != self._changed_at or time.monotonic() - self._listed_at > RELIST_S:
                names = _once_each(names_in(self._folder))
                if not self.names <= names:
                    self._forget()
                self._add(names)
                self._listed_at = time.monotonic()
                self._changed_at = changed_at
            return dict(self._sums[unknown_too])

    def _add(self, names: Iterable[str]) -> None:
        """Add notes: those that cost the same at the same connection at once, for a day may have very many."""
        alike: dict[str, list[str]] = {}
        for name in names:
            if name.endswith(".json") and name not in self.names:  # else noted twice, or being written this moment
                alike.setdefault(name.rpartition("_")[0], []).append(name)
        for same, (unknown_too, sums) in product(alike.values(), self._sums.items()):
            told = _named(same[0], unknown_too=unknown_too)
            for name in same[:1] if told else same:
                for connection, usd in _amounts(partial(self._here.read, name), told):
                    sums[connection] = sums.get(connection, 0.0) + usd * (len(same) if told else 1)
        self.names.update(*alike.values())


def _answer_of(name: str) -> str:
    """Return what tells an answer's note from that of every other answer, whatever it cost."""
    return name.partition("_")[2] or name


def _once_each(names: Iterable[str]) -> set[str]:
    """Return the names of notes without those from before the cost of the same answer was known."""
    unknown = {name for name in names if name.startswith(UNKNOWN)}
    known = set(names) - unknown
    told = set(map(_answer_of, known)) if unknown else set()
    return known | {name for name in unknown if _answer_of(name) not in told}


def _changed_at(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


_day_sum = lru_cache(maxsize=DAYS_SUMMED)(_DaySum)


@lru_cache(maxsize=NOTES_READ)
def _told_there(read: Callable[[str], bytes | None], name: str, *, unknown_too: bool) -> tuple[tuple[str, float], ...]:
    """Return connection and USD of a note of another machine, which never changes: read once, not at each request."""
    return tuple(_amounts(partial(read, name), _named(name.rpartition("/")[2], unknown_too=unknown_too)))


def _amounts(read: Callable[[], bytes | None], told: tuple[str, float] | None) -> Iterator[tuple[str, float]]:
    """Yield connection and USD of a note, as its name `told` them or as it is read; nothing for one that says none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        if told is None:
            line = json.loads(read() or b"")
            usd = line.get("estimate_usd") or 0.0 if line["usd"] is None else line["usd"]
            told = str(line["connection"]), float(usd)
        yield told[0], amount(told[1])


def _named(name: str, *, unknown_too: bool) -> tuple[str, float] | None:
    """Return what the name of a note says: connection and USD; None where the note has to be read."""
    usd, _, rest = name.partition("_")
    connection = rest.rpartition("_")[0]
    if not connection or (usd == UNKNOWN and unknown_too):
        return None
    with contextlib.suppress(ValueError):
        return unquote(connection), 0.0 if usd == UNKNOWN else float(usd)
    return None


def _limit() -> float | None:
    text = os.environ.get(BUDGET_VARIABLE, "").strip()
    if not text:
        return None
    with contextlib.suppress(ValueError):
        if math.isfinite(limit := float(text)):
            return limit
    raise OutOfCreditError(
        f"{BUDGET_VARIABLE} is {text!r}, which is no number of dollars. Nothing was sent."
        " Set it to a number such as 5.00, or remove it, and restart ComfyUI."
    )
