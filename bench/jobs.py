"""`python -m bench.jobs FOLDER ADDRESS`: runs 500 jobs and prints the memory of this process every 100."""

from __future__ import annotations

import sys
from pathlib import Path

from . import ours
from .answerer import Address
from .cases import load_batch
from .memory import most_bytes

JOBS, STEP = 500, 100
STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096


def memory_mb() -> int:
    """Return what this process holds; where the system does not tell, the most that it ever held."""
    held = int(STATM.read_text().split()[1]) * PAGE_BYTES if STATM.exists() else most_bytes()
    return held // 1_000_000


def main(folder: Path, address: Address) -> None:
    """Run the jobs: each an edit of 1 x 512x512, answered with 1024x1024."""
    ours.settle(folder)
    picture = load_batch(folder, "photo", 1)[:, :512, :512]
    held = []
    for number in range(JOBS + 1):
        ours.call(address.answering("small_1"), picture)
        if number % STEP == 0:
            held.append(memory_mb())
    print(", ".join(map(str, held)), "MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Address(sys.argv[2]))
