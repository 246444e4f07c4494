"""The most memory that one way of a case takes, from the operating system, in a process of its own.

`python -m bench.memory reference|ours CASE FOLDER ADDRESS` says it in bytes. What is there before the case begins,
the pictures that go in among it, is taken off.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from . import ours
from .answerer import Address
from .cases import Case, all_cases

ROOT = Path(__file__).resolve().parent.parent
STATUS = Path("/proc/self/status")
UNIT = 1 if sys.platform == "darwin" else 1024


def peak_bytes(side: str, case: Case, folder: Path, address: Address) -> int | None:
    """Return the most memory that a way takes on top of what was there before; None where no system tells."""
    command = [sys.executable, "-m", "bench.memory", side, case.name, str(folder), address]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603
    return int(done.stdout) if done.returncode == 0 else None


def most_bytes() -> int:
    """Return the most memory that this process had so far.

    Linux hands `ru_maxrss` down from the process that started this one, so its own figure is read there.
    """
    if STATUS.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", STATUS.read_text())[0]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def main(side: str, name: str, folder: Path, address: Address) -> None:
    """Run one way once, cold as it is, and print what it took."""
    ours.settle(folder)
    ours.load()
    (case,) = (case for case in all_cases() if case.name == name)
    way = getattr(case, side)(folder, address)
    before = most_bytes()
    result = way()
    print(most_bytes() - before)
    del result


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Address(sys.argv[4]))
