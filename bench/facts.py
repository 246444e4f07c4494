"""What cannot be run both ways: stored answers, record keeping, import, many nodes, the event loop, connections."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from . import ours, reference
from .answerer import Address
from .cases import load_batch
from .measure import both_taken_s, seconds, taken_s

ROOT = Path(__file__).resolve().parent.parent
NODES = 32
DELAY_MS = 1000
PROBE_S = 0.001
LOOP_LIMIT_MS = 20


def facts(folder: Path, address: Address, *, quick: bool) -> Iterator[tuple[str, str]]:
    """Yield a name and what was measured, one after the other."""
    yield "stored answer, 1024x1024", stored_answer(address)
    yield "record keeping for each request", record_keeping(address, rounds=10 if quick else 40)
    yield "import of the pack, in ComfyUI", import_time(1 if quick else 9)
    yield "the command, one picture of 1024x1024", command_time(folder, address, rounds=1 if quick else 5)
    yield f"{NODES} nodes at once against one", many_nodes(folder, address)
    yield "longest stop of the event loop, edit call with 4 x 2048x2048", loop_lag(folder, address, 1 if quick else 5)
    yield "connections that two calls open", connections_opened(address)
    if not quick:
        yield "memory after 0, 100, ... 500 jobs", memory_of_jobs(folder, address)


def stored_answer(address: Address) -> str:
    """Ask once for what is in the store already: the whole node, and the store alone."""
    url = address.answering("small_1")
    ours.call(url, None, seed=0)
    jobs, job = ours.part("api.jobs.manager").JobManager(), ours.job()
    node = [taken_s(lambda: ours.call(url, None, seed=0)) for _ in range(9)]
    store = [taken_s(lambda: jobs.submit(job).future.result()) for _ in range(9)]
    return f"{seconds(node)} with decoding, {seconds(store)} without"


def record_keeping(address: Address, rounds: int) -> str:
    """Take the exchange alone from the same request through the job store; most of it is waiting for the disk."""
    ours.point(address.answering("tiny_1"))
    jobs = ours.part("api.jobs.manager").JobManager()
    kept, alone = [], []
    for number in range(rounds):
        job = ours.job("record keeping", seed=number)
        kept.append(taken_s(lambda job=job: jobs.submit(job).future.result()))
        alone.append(taken_s(lambda job=job: job.operation({}).execute()))
    cost_ms = (statistics.median(kept) - statistics.median(alone)) * 1000
    return f"{cost_ms:.1f} ms (through the store {seconds(kept)}, without {seconds(alone)})"


def import_time(rounds: int) -> str:
    """Import the pack where ComfyUI's own modules are there already."""
    results = [json.loads(_child("bench.imported")) for _ in range(rounds)]
    times = [result["seconds"] for result in results]
    return f"{seconds(times)}; modules of others that it adds: {', '.join(results[0]['added']) or 'none'}"


def command_time(folder: Path, address: Address, rounds: int) -> str:
    """Run the command, and what it did before it copied bytes, in turn; processes of their own."""
    found: dict[str, list[dict[str, float]]] = {"node": [], "command": []}
    for number in range(rounds):
        for how, told in found.items():
            own = folder / f"command {number}"
            own.mkdir(exist_ok=True)
            told.append(json.loads(_child("bench.command", how, address.answering("small_1"), str(own))))
    before, now = (
        ", ".join(
            f"{statistics.median(one[name] for one in told):.2f} s {words}"
            for name, words in (("until_request_s", "to the request"), ("in_all_s", "in all"))
        )
        + f", peak {max(one['peak_bytes'] for one in told) / 1e6:.0f} MB"
        for told in found.values()
    )
    return f"processor time through torch {before} -> {now}"


def many_nodes(folder: Path, address: Address) -> str:
    """Run many nodes at once against a service that takes a second, and one alone."""
    os.environ["OPENAI_IMAGE_NODES_MAX_IN_FLIGHT"] = str(NODES)
    url, batch = address.answering("small_1", DELAY_MS), load_batch(folder, "photo", 1)

    async def all_at_once(count: int) -> None:
        await asyncio.gather(*(ours.called(url, batch) for _ in range(count)))

    asyncio.run(all_at_once(1))  # what is loaded on first use is no part of it
    one = [both_taken_s(lambda: asyncio.run(all_at_once(1))) for _ in range(3)]
    one_s, cpu_s = (statistics.median(values) for values in zip(*one, strict=True))
    many_s = taken_s(lambda: asyncio.run(all_at_once(NODES)))
    del os.environ["OPENAI_IMAGE_NODES_MAX_IN_FLIGHT"]
    wanted_s = one_s + (NODES - 1) * cpu_s / (os.cpu_count() or 1)
    return (
        f"{many_s:.2f} s against {one_s:.2f} s; one and the others' CPU work ({cpu_s * 1000:.0f} ms"
        f" each, on all cores) are {wanted_s:.2f} s: {many_s / wanted_s:.2f} times that"
    )


def loop_lag(folder: Path, address: Address, rounds: int) -> str:
    """Tell how long nothing else could run on the loop: ours, the reference way, and this machine while idle."""
    url, batch = address.answering("small_1"), load_batch(folder, "photo", 4)
    large = address.answering("large_4")
    idle = lag_ms(lambda: asyncio.sleep(0.5), rounds)
    edit = lag_ms(lambda: ours.called(url, batch), rounds)
    big = lag_ms(lambda: ours.called(large, None, n=4), rounds)
    theirs = f"; reference {lag_ms(lambda: reference.called(url, batch), 1)}" if rounds > 1 else ""
    return (
        f"ours {edit}; answer with 4 x 3840x2160 {big}; idle machine {idle}{theirs}"
        f" (worst of each call; limit {LOOP_LIMIT_MS} ms)"
    )


def lag_ms(call: Callable[[], Coroutine[Any, Any, object]], rounds: int) -> str:
    """Return the longest time that a call kept a loop from running anything else."""
    worst = sorted(asyncio.run(_worst_lag_s(call())) * 1000 for _ in range(rounds))
    return " ".join(f"{value:.0f}" for value in worst) + " ms"


async def _worst_lag_s(call: Coroutine[Any, Any, object]) -> float:
    worst, done = 0.0, asyncio.ensure_future(call)
    while not done.done():
        before = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        worst = max(worst, time.perf_counter() - before - PROBE_S)
    await done
    return worst


def connections_opened(address: Address) -> str:
    """Count what the service accepts for two calls, ours and the reference way."""

    def opened(call: Callable[[str, None], object]) -> int:
        before = address.connections()
        call(address.answering("small_1"), None)
        call(address.answering("small_1"), None)
        return address.connections() - before

    ours.part("api.transport.sessions").session_for(str(address)).close()
    return f"ours {opened(ours.call)}, reference {opened(reference.call)}"


def memory_of_jobs(folder: Path, address: Address) -> str:
    """Run 500 jobs in a process of its own and look at its memory every 100."""
    return _child("bench.jobs", str(folder), address).strip()


def _child(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout  # noqa: S603
