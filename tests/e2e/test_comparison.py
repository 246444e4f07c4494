"""Beside ComfyUI's own node, by hand in a real browser: ours takes no more (`python -m bench.clicks`: nor longer)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.by_hand import JOBS, Counts, Desk, own_photos
from support.comfyui import ComfyUI, named
from support.faults import Faults

try:
    from playwright.sync_api import Browser
    from support.browser import HEIGHT, WIDTH, Canvas, chromium
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

if TYPE_CHECKING:
    from openai_image_nodes.sandbox import Sandbox

__all__ = ["chromium"]  # pytest finds it here

BUILT_IN = "OpenAIGPTImage1"
LIVE_MODEL = "gpt-image-2"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, service: Sandbox) -> Iterator[ComfyUI]:
    """ComfyUI with its own frontend, whose own node and ours ask the same service."""
    comfyui = named(tmp_path_factory.mktemp("both"), "--comfy-api-base", service.base_url)
    comfyui.connect(service=f"{service.base_url}/v1")
    with comfyui:
        declared = comfyui.json(f"/object_info/{BUILT_IN}")[BUILT_IN]["input"]
        if LIVE_MODEL not in str(declared):
            pytest.skip("the models of this ComfyUI's own node were shut down")
        yield comfyui


@pytest.mark.parametrize("job", JOBS)
def test_ours_takes_no_more_than_comfyuis_own_node(
    both: ComfyUI, chromium: Browser, faults: Faults, job: str, tmp_path: Path
) -> None:
    """In clicks, in keys and in everything that a person does; each side gets one picture from the service."""
    version, before = both.json("/system_stats")["system"]["comfyui_version"], faults.posts
    taken: dict[str, Counts] = {}
    for side in ("built-in", "ours"):
        context = chromium.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        desk = Desk(Canvas(context.new_page(), both, f"{version} comparison {job} {side}"), own_photos(tmp_path))
        if side == "ours":
            desk.ours(job, "service")
        else:
            desk.built_in(job)
        taken[side] = desk.hand.counts
        assert both.newest_run().end == "execution_success", both.newest_run().failure
        context.close()
    assert faults.posts == before + 2
    assert taken["ours"].clicks <= taken["built-in"].clicks
    assert taken["ours"].keys <= taken["built-in"].keys
    assert taken["ours"].actions <= taken["built-in"].actions
