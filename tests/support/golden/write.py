"""Writes the golden data again (`python tests/support/golden/write.py`), for a change of the contract made on purpose.

The tests never write. What is in data/ was written by the code of 27 November 2026, before modules were moved.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts")]

import conftest  # noqa: E402
import pytest  # noqa: E402

conftest.load_pack(TESTS.parent, conftest.PACKAGE)

from support.asker import plain  # noqa: E402
from support.faults import Faults  # noqa: E402
from support.golden import kept, pack, snapshots  # noqa: E402


def write_json(name: str, value: Any) -> None:
    (kept.DATA / name).write_text(json.dumps(value, indent=1) + "\n")


def write_store() -> None:
    """Ask a sandbox for everything that kept.py names, and leave the folder as a stopped process leaves it."""
    faults = Faults()

    class Middleware:
        __middleware_version__ = 1

        async def __call__(self, request: Any, handler: Any) -> Any:
            return await faults(request, handler)

    shutil.rmtree(kept.HOME, ignore_errors=True)
    os.environ.update(kept.ENVIRONMENT)
    with pack.Sandbox(render=plain, middlewares=[Middleware()], port=kept.PORT):
        for inputs in kept.ANSWERED.values():
            kept.run(**inputs)
        kept.run(**kept.ANSWERED["asked again"], reuse=False)
        for inputs in (kept.UNKNOWN, kept.SENT):
            faults.drop("after_body")
            with contextlib.suppress(pack.OutcomeUnknownError):
                kept.run(**inputs)
        manager = pack.BatchManager(pack.stores()[0], lambda name: pack.resolve(name, pack.HostSecrets(), lambda: ""))
        plan(manager, kept.COLLECTED)
        manager.watch(lambda _record: None, look_every_s=0.1)
        plan(manager, kept.UNDER_WAY)
        kept.run(**kept.PLANNED)
    as_left_by_a_crash()
    spent = next((kept.HOME / "store" / "spent").iterdir())
    (spent / f"{'0' * 32}.json").write_text('{"connection": "openai", "model": "gpt-image-2", "usd": 0.25}')
    for unneeded in ("trash", "incoming"):
        shutil.rmtree(kept.HOME / "store" / unneeded, ignore_errors=True)
    for claim in kept.HOME.rglob("claim.*"):
        claim.unlink()


def plan(manager: Any, jobs: dict[str, Any]) -> None:
    for inputs in jobs.values():
        assert kept.run(**inputs) is None
    manager.submit(manager.overview().parts)


def as_left_by_a_crash() -> None:
    """Let one of the two lost requests be one that was only sent when the process ended."""
    for path in (kept.HOME / "store" / "pending").glob("*/record.json"):
        record = json.loads(path.read_text())
        if record["fields"]["prompt"] == kept.SENT["prompt"]:
            path.write_text(json.dumps({**record, "state": "sent"}, indent=1))


def write_snapshots(patch: pytest.MonkeyPatch) -> None:
    for name in kept.ENVIRONMENT:  # as the tests have it: the store was written with it
        patch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory() as folder, snapshots.at_home(Path(folder), patch):
        write_json("object_info.json", snapshots.object_info())
        write_json("commands.json", snapshots.commands(patch))
        write_json("routes.json", snapshots.routes())
        by_nodes = snapshots.identities_by_nodes(Path(folder, "input"), patch)
    with tempfile.TemporaryDirectory() as folder, snapshots.at_home(Path(folder), patch):
        shutil.copy(kept.DATA / "connections.json", folder)
        write_json("identities.json", {"nodes": by_nodes, "connections": snapshots.identities_by_connection(patch)})
        patch.setenv("GOLDEN_KEY", kept.KEY)
        names = snapshots.offered("connection")
        shown = snapshots.asked_routes("connections")["connections"]["connections"]
        ready = {one["name"]: one["ready"] for one in shown}
        write_json("connections_seen.json",
                   {"names": names, "resolved": snapshots.connections(names[1:]), "ready": ready})  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, snapshots.at_home(Path(folder), patch):
        shutil.copy(kept.DATA / "models.json", folder)
        named = [entry["id"] for entry in json.loads((kept.DATA / "models.json").read_text())["models"]]
        write_json("models_seen.json", snapshots.models(named))


if __name__ == "__main__":
    for variable in list(os.environ):
        if variable.startswith(("OPENAI_", "AZURE_OPENAI_", "COMFY_")):
            del os.environ[variable]
    os.environ["OPENAI_IMAGE_NODES_HOME"] = str(kept.HOME)
    write_store()
    with pytest.MonkeyPatch.context() as context:
        write_snapshots(context)
