"""A process of its own for test_processes.py: does one thing, and waits where it is told to, to be killed there.

python job_process.py ask CONNECTION POINT    asks for one job; POINT is one of POINTS or "nowhere", or "leave": it
                                            ends as it got a line, whatever is still out; "restart": it starts
                                            again then, as ComfyUI-Manager does; "host": it ends as ComfyUI does
python job_process.py many CONNECTION COUNT   asks for as many jobs at once, each another prompt, and counts what came
python job_process.py claim FOLDER waits for a line, then tries to take the folder, and holds it

It says what happens line by line. At its point it waits for a line. CHILD_HOST names the machine that it runs on.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "openai_image_nodes"

pack = ModuleType(PACKAGE)  # the floor `api` alone: it needs no torch, and starts in a fraction of the time
pack.__path__ = [str(ROOT)]
sys.modules[PACKAGE] = pack

from openai_image_nodes.api.backends import leases as claims  # noqa: E402
from openai_image_nodes.api.catalog.schemas import OpenAIImageGenerationRequest  # noqa: E402
from openai_image_nodes.api.connections import resolve as connections  # noqa: E402
from openai_image_nodes.api.connections.resolve import HostSecrets  # noqa: E402
from openai_image_nodes.api.errors import OpenAIImageError  # noqa: E402
from openai_image_nodes.api.jobs.job import Job, JobHandle  # noqa: E402
from openai_image_nodes.api.jobs.manager import JOBS, JobManager  # noqa: E402
from openai_image_nodes.api.store.journal import RequestJournal  # noqa: E402
from openai_image_nodes.api.store.outbox import Outbox  # noqa: E402
from openai_image_nodes.api.store.store import Store  # noqa: E402
from openai_image_nodes.utils.end_of_process import before_end, take_sigterm_as_ctrl_c  # noqa: E402

POINTS: dict[str, tuple[type[Any], str]] = {
    "prepared": (JobHandle, "about_to_send"),
    "answered": (Store, "save"),
    "kept": (Outbox, "deliver"),
    "saved": (RequestJournal, "drop"),
    "not taken": (JobManager, "delivering"),
}


def say(*words: object) -> None:
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def wait_at(point: str) -> None:
    """Let this process stand still before a step of the store, until it gets a line."""
    owner, name = POINTS[point]
    step: Callable[..., Any] = getattr(owner, name)

    def waiting(*arguments: Any, **options: Any) -> Any:
        say(point)
        sys.stdin.readline()
        return step(*arguments, **options)

    setattr(owner, name, waiting)


def tell_stages(running: JobHandle) -> None:
    """Say where the job is whenever that changes."""
    stage = ""
    while not running.future.done():
        if running.stage() != stage:
            stage = running.stage()
            say("stage", stage)
        threading.Event().wait(0.005)


def ask(connection: str, point: str) -> None:
    if point in POINTS:
        wait_at(point)
    link = connections.resolve(connection, HostSecrets(), lambda: "")
    running = JOBS.submit(Job(link, OpenAIImageGenerationRequest(model="gpt-image-2.6-flare", prompt="a red fox")))
    if point in ("leave", "restart", "host"):
        if point != "leave":
            take_sigterm_as_ctrl_c()
            before_end(JOBS.end, JOBS.go_on)
        say("ready")
        sys.stdin.readline()
        if point == "restart":
            os.execv(sys.executable, [sys.executable, __file__, "ask", connection, "nowhere"])  # noqa: S606
        return
    threading.Thread(target=tell_stages, args=(running,), daemon=True).start()
    try:
        answer = running.future.result()
    except OpenAIImageError as exc:
        say("error", type(exc).__name__)
        return
    with JOBS.delivering(answer):
        say("picture", hashlib.sha256(answer.pictures[0]).hexdigest(), "reused" if answer.reused else "new")


def many(connection: str, count: str) -> None:
    link = connections.resolve(connection, HostSecrets(), lambda: "")
    say("ready")
    sys.stdin.readline()
    asked = [OpenAIImageGenerationRequest(model="gpt-image-2.6-flare", prompt=f"fox {n}") for n in range(int(count))]
    answers = [running.future.result() for running in [JOBS.submit(Job(link, request)) for request in asked]]
    digest = hashlib.sha256(b"".join(answer.pictures[0] for answer in answers)).hexdigest()
    say("pictures", digest, sum(not answer.reused for answer in answers))


def claim(folder: str) -> None:
    say("ready")
    sys.stdin.readline()
    ours = claims.acquire(Path(folder))
    say("mine" if ours else "theirs")
    sys.stdin.readline()


if __name__ == "__main__":
    if "CHILD_HOST" in os.environ:
        host = os.environ["CHILD_HOST"]
        claims._host = lambda: host  # type: ignore[assignment]
    {"ask": ask, "many": many, "claim": claim}[sys.argv[1]](*sys.argv[2:])
