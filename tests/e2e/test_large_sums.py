"""A stranger's list in a real ComfyUI: nothing of it is sent before somebody says yes to its sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.comfyui import KEY, ComfyUI, named
from support.faults import Faults

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

ROWS = 40  # of 0.21 USD each


def listed(*lines: str) -> dict[str, Any]:
    """Return a list and the node behind it, dear enough that all rows together pass 5 USD."""
    asked = {"connection": "openai", "model": "gpt-image-2", "size": "1024x1024", "quality": "high"}
    return {
        "1": {"class_type": "OIN_PromptList", "inputs": {"text": "\n".join(lines)}},
        "2": {"class_type": "OIN_GPTImage", "inputs": {**asked, "prompt": ["1", 0], "seed": ["1", 1]}},
        "3": {"class_type": "PreviewAny", "inputs": {"source": ["2", 2]}},
    }


def test_list_above_the_sum_is_asked_about_and_sends_nothing(
    failing: tuple[ScriptedSandbox, Faults], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """ComfyUI begins its rows one after another; still no row is sent before all are counted. A yes lets it begin."""
    service, faults = failing
    account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
    lines = [f"fox {number}" for number in range(ROWS)]
    with named(tmp_path_factory.mktemp("sums"), **account) as comfyui:
        run = comfyui.run(listed(*lines))
        assert (run.end, faults.posts) == ("execution_error", 0)
        assert f"in {ROWS} requests" in run.failure
        prompt_id = said_no(comfyui, lines)
        assert faults.posts == 0
        own = {"Origin": comfyui.address}
        url = f"{comfyui.address}/openai_image_nodes/allow_sum"
        asked = {"prompt_id": prompt_id}
        assert requests.post(url, json=asked, headers={"Origin": "http://evil"}, timeout=30).status_code == 403
        assert requests.post(url, json=asked, headers=own, timeout=30).status_code == 200
        assert comfyui.ended(comfyui.queue(listed(*lines)), within_s=600).end == "execution_success"
        assert faults.posts == ROWS


def said_no(comfyui: ComfyUI, lines: list[str]) -> str:
    """Run the list once more without a yes; return the run's id."""
    prompt_id = comfyui.queue(listed(*lines))
    assert comfyui.ended(prompt_id).end == "execution_error"
    return prompt_id
