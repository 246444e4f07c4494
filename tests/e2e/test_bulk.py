"""Ten hundred pictures: planned by a real ComfyUI, sent as a batch, collected, and run again from the store.

OIN_BULK_JOBS sets another number of jobs than 1,000.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image
from support.comfyui import KEY, ROOT, named

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

JOBS = int(os.environ.get("OIN_BULK_JOBS", "1000"))
MODEL = "gpt-image-2"
FAILED = 0.03
COMPARED = 24
PATIENCE_S = 1200.0
RSS_LIMIT_MB = 300


@pytest.fixture(scope="module")
def service() -> Iterator[ScriptedSandbox]:
    """The service, without faults of its own."""
    from support.scenarios import ScriptedSandbox  # the pack is loaded after this file

    with ScriptedSandbox() as sandbox:
        yield sandbox


class Farmhand:
    """One ComfyUI that can be killed and started again over the same folders."""

    def __init__(self, folder: Path, service: ScriptedSandbox) -> None:
        self._folder, self._starts = folder, 0
        self.variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
        self.home = folder / "home"
        self.start()

    def start(self) -> None:
        self._starts += 1
        folder = self._folder / f"start {self._starts}"
        variables = {**self.variables, "OPENAI_IMAGE_NODES_HOME": str(self.home)}
        self.comfyui = named(folder, **variables).__enter__()
        write_rows(self.comfyui.base / "input")

    def kill(self) -> None:
        self.comfyui._process.kill()
        self.comfyui.__exit__()

    def stop(self) -> None:
        self.comfyui.__exit__()


@pytest.fixture(scope="module")
def farmhand(tmp_path_factory: pytest.TempPathFactory, service: ScriptedSandbox) -> Iterator[Farmhand]:
    farmhand = Farmhand(tmp_path_factory.mktemp("bulk"), service)
    yield farmhand
    farmhand.stop()


def write_rows(folder: Path) -> None:
    """Write the list of jobs, three in ten of them edits of one of four pictures with a mask."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(4):
        picture = Image.radial_gradient("L").resize((160, 120)).point(lambda level, n=number: level // (n + 1))
        picture.convert("RGB").save(folder / f"bulk_{number}.png")
    Image.linear_gradient("L").resize((160, 120)).point(lambda level: 255 * (level > 127)).save(
        folder / "bulk_mask.png"
    )
    with (folder / "bulk.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt", "seed", "size", "quality", "image", "mask"])
        for number in range(JOBS):
            is_edit = number % 10 < 3
            pictures = [f"bulk_{number % 4}.png", "bulk_mask.png"] if is_edit else ["", ""]
            rows.writerow([f"fox number {number}", number, "1024x640", "low", *pictures])


def prompt(connection: str) -> dict[str, Any]:
    """Return the workflow: the list, the node, Preview Image."""
    links = {name: ["1", slot] for slot, name in enumerate(["prompt", "seed", "size", "quality", "image", "mask"])}
    widgets = {"model": MODEL, "connection": connection, "background": "opaque", "n": 1}
    return {
        "1": {"class_type": "OIN_PromptList", "inputs": {"file": "bulk.csv"}},
        "2": {"class_type": "OIN_GPTImage", "inputs": {**links, **widgets}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


def command(farmhand: Farmhand, *words: str) -> subprocess.Popen[str]:
    """Start `openai-image batch WORDS` over the farmhand's store, with this Python."""
    script = (
        "import sys, types; root, *words = sys.argv[1:];"
        "pack = types.ModuleType('openai_image_nodes'); pack.__path__ = [root]; sys.modules[pack.__name__] = pack;"
        "from openai_image_nodes.cli import main; code = main(['batch', *words]);"
        "peak = [line for line in open('/proc/self/status') if line.startswith('VmHWM')];"
        "print('peak', int(peak[0].split()[1]) // 1024); sys.exit(code)"
    )
    variables = {**os.environ, **farmhand.variables, "OPENAI_IMAGE_NODES_HOME": str(farmhand.home)}
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", script, str(ROOT), *words], env=variables, stdout=subprocess.PIPE, text=True
    )


def until(happened: Any, what: str) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < limit, what
        time.sleep(0.05)


def test_a_thousand_jobs_with_a_kill_in_every_step(farmhand: Farmhand, service: ScriptedSandbox) -> None:
    """Planned, submitted and collected, each killed in the middle; then from the store, with nothing sent directly."""
    from support.scenarios import BatchPlan

    batch, store = farmhand.home / "store" / "batch", farmhand.home / "store" / "jobs"
    service.scenarios.plan(BatchPlan(fail=FAILED, failure="moderation_blocked"))

    farmhand.comfyui.queue(prompt("openai batch"))
    until(lambda: len(list((batch / "planned").glob("*.json"))) > JOBS // 3, "planning")
    farmhand.kill()
    farmhand.start()
    run = farmhand.comfyui.ended(farmhand.comfyui.queue(prompt("openai batch")), within_s=PATIENCE_S)
    assert run.failure == "execution_success"
    assert run.images == []
    assert len(list((batch / "planned").glob("*.json"))) == JOBS
    assert service.posts == {}
    planning_s = run.seconds

    with command(farmhand, "submit", "--yes") as submitting:
        until(lambda: service.posts["/v1/files"] > 0 or service.posts["/v1/batches"] > 0, "submitting")
        submitting.kill()
    with command(farmhand, "submit", "--yes") as submitting:
        assert submitting.wait(PATIENCE_S) == 0
    assert len(service.batches.listed()) == 2  # generations and edits
    until(lambda: all(one.status == "completed" for one in service.batches.listed()), "working")

    with command(farmhand, "collect") as collecting:
        until(lambda: store.is_dir() and len(os.listdir(store)) > JOBS // 3, "collecting")
        collecting.kill()
    started = time.monotonic()
    with command(farmhand, "collect") as collecting:
        told, _ = collecting.communicate(timeout=PATIENCE_S)
        assert collecting.returncode == 0
    collecting_s = time.monotonic() - started
    failed = [line for line in told.splitlines() if line.startswith("failed ")]
    expected = sum(round(FAILED * share) for share in (JOBS * 3 // 10, JOBS * 7 // 10))
    assert len(failed) == expected
    assert all("content moderation" in line for line in failed)
    peak_mb = int(told.split()[-1])
    assert peak_mb < RSS_LIMIT_MB

    run = farmhand.comfyui.ended(farmhand.comfyui.queue(prompt("openai batch")), within_s=PATIENCE_S)
    assert run.failure == "execution_success"
    assert len(run.images) == JOBS - expected
    assert not any("/images/" in path for path in service.posts)
    records = [json.loads(path.read_text("utf-8")) for path in store.glob("*/record.json")]
    assert len(records) == JOBS - expected == len(service.billing.entries)
    assert sum(record["cost_usd"] for record in records) == pytest.approx(service.billing.usd)
    compare_with_the_direct_path(service, store, records)
    sys.stdout.write(
        f"\n{JOBS} jobs: planned in {planning_s:.1f} s, the rest collected in {collecting_s:.1f} s with a peak of"
        f" {peak_mb} MB, run from the store in {run.seconds:.1f} s\n"
    )


def compare_with_the_direct_path(service: ScriptedSandbox, store: Path, records: list[dict[str, Any]]) -> None:
    """Ask directly for some of the jobs: the very same pixels, which isal packs in other ways now and then."""
    for record in records[:: max(1, len(records) // COMPARED)]:
        body = dict(record["fields"])
        if record["operation"] == "edits":
            continue  # their pictures went through our own encoder: test_batch.py compares them
        answer = requests.post(f"{service.base_url}/v1/images/generations", json=body, timeout=60)
        direct = io.BytesIO(base64.b64decode(answer.json()["data"][0]["b64_json"]))
        kept = store / record["identity"] / record["pictures"][0]
        assert Image.open(kept).tobytes() == Image.open(direct).tobytes()
