"""Two real ComfyUI processes on machines of their own, with one shared folder or one S3 bucket between them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_image_nodes.sandbox import Sandbox
from PIL import Image
from support.comfyui import KEY, ComfyUI, Run, named
from support.faults import Fault, Faults
from support.s3_server import BUCKET, SECRET, S3Server

JOBS = 100
DELAY_S = 0.2
PATIENCE_S = 600.0
STORE = "OPENAI_IMAGE_NODES_STORE"


def hundred() -> dict[str, Any]:
    """Return a prompt with a hundred of our nodes, each with a seed and a Save Image of its own."""
    prompt: dict[str, Any] = {}
    told = {"connection": "openai", "size": "custom", "quality": "low", "custom_width": 1024, "custom_height": 640}
    subject = f"a fox {time.time_ns()}"
    for number in range(JOBS):
        inputs = {**told, "prompt": f"{subject}, {number}", "seed": number}
        prompt[f"ask{number}"] = {"class_type": "OIN_GPTImage", "inputs": inputs}
        saved = {"images": [f"ask{number}", 0], "filename_prefix": f"farm{number}"}
        prompt[f"save{number}"] = {"class_type": "SaveImage", "inputs": saved}
    return prompt


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with S3Server() as started:
        yield started


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Return the variables that name the store that both share."""
    if request.param == "folder":
        return {STORE: str(tmp_path / "shared")}
    found = subprocess.run(  # noqa: S603
        [os.environ["COMFYUI_PYTHON"], "-c", "import s3fs"], capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip("ComfyUI's Python has no s3fs: COMFYUI_PYTHON -m pip install s3fs")
    server: S3Server = request.getfixturevalue("bucket")
    return {**server.environment, STORE: f"s3://{BUCKET}/{time.time_ns()}"}


def test_two_comfyuis_run_one_workflow_of_a_hundred_jobs_with_a_hundred_posts(
    failing: tuple[Sandbox, Faults], store: dict[str, str], tmp_path: Path
) -> None:
    """Each has all pictures in the end, the same ones; the bucket's key is in no file and no log."""
    service, faults = failing
    faults.add(Fault(delay_before_s=DELAY_S), times=JOBS)
    account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
    settings = {**account, **store, "OPENAI_IMAGE_NODES_MAX_IN_FLIGHT": "16"}
    prompt = hundred()
    with contextlib.ExitStack() as stack:
        machines = [stack.enter_context(started(tmp_path / name, settings)) for name in ("first", "second")]
        begun = [(machine, machine.queue(prompt)) for machine in machines]
        runs = [machine.ended(prompt_id, within_s=PATIENCE_S) for machine, prompt_id in begun]
        for run in runs:
            assert run.end == "execution_success", run.failure
        assert faults.posts == faults.billed == JOBS
        first, second = (pictures(machine, run) for machine, run in zip(machines, runs, strict=True))
        assert len(set(first.values())) == JOBS
        assert first == second
        assert not [machine for machine in machines if SECRET in machine.log or KEY in machine.log]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and "custom_nodes" not in path.parts]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


def started(folder: Path, settings: dict[str, str]) -> ComfyUI:
    """Return a ComfyUI of its own machine, to be entered."""
    folder.mkdir()
    return named(folder, "--disable-api-nodes", **settings)


def pictures(machine: ComfyUI, run: Run) -> dict[str, str]:
    """Return the digest of each node's pixels."""
    found = {}
    for node, output in run.outputs.items():
        for image in output.get("images", []):
            with Image.open(machine.saved(image)) as picture:
                found[node] = hashlib.sha256(picture.tobytes()).hexdigest()
    return found
