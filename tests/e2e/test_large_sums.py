"""A stranger's list in a real ComfyUI: nothing of it is sent before somebody says yes to its sum."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
from support.comfyui import KEY, ROOT, ComfyUI, named, named_with_frontend
from support.faults import Faults

try:
    from playwright.sync_api import Locator, expect
    from support.browser import Canvas, Opened, chromium, opened
except ModuleNotFoundError as exc:
    pytest.exit(f"The browser tests need Playwright for Python: pip install playwright ({exc})", returncode=2)

if TYPE_CHECKING:
    from support.scenarios import ScriptedSandbox

__all__ = ["chromium", "opened"]  # pytest finds them here

ROWS = 40  # of 0.21 USD each
MODES = ("classic", "vue")
QUESTION = {"en": "Run it for this sum?", "fr": "Ex\u00e9cuter pour cette somme ?"}
DEAR = {"connection": "openai", "model": "gpt-image-2"}


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


@pytest.fixture(scope="module")
def faults() -> Faults:
    """What the service of the page's tests saw."""
    return Faults()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, faults: Faults) -> Iterator[ComfyUI]:
    """ComfyUI with an own key at a service with OpenAI's prices; it asks above 5 USD, as it does from the start."""
    from support.asker import plain  # the pack is loaded after this file
    from support.scenarios import ScriptedSandbox

    with ScriptedSandbox(render=plain, middlewares=[faults]) as service:
        account = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{service.base_url}/v1"}
        with named_with_frontend(tmp_path_factory.mktemp("asked"), **account) as running:
            yield running


def listing(canvas: Canvas, words: str) -> Canvas:
    """Drop the example with a list on the canvas, set to pass 5 USD."""
    canvas.drop(ROOT / "example_workflows" / "Prompt list.png")
    fill(canvas, words)
    return canvas


def fill(canvas: Canvas, words: str) -> None:
    """Set the list and its node so that all rows together pass 5 USD."""
    text = "\n".join(f"fox {number}, {words}" for number in range(ROWS))
    for name, value in {"text": text, "file": "none", "size": "1024x1024", "quality": "high"}.items():
        canvas.set(name, value, "OIN_PromptList")
    for name, value in DEAR.items():
        canvas.set(name, value)


def asked(canvas: Canvas, language: str = "en") -> Locator:
    """Run the workflow and return the dialog that asks."""
    canvas.page.keyboard.press("Control+Enter")
    dialog = canvas.page.get_by_role("dialog").filter(has_text=QUESTION[language])
    expect(dialog).to_be_visible()
    canvas.settle()
    return dialog


@pytest.mark.parametrize("mode", MODES)
def test_page_asks_and_a_yes_is_for_one_run(opened: Opened, studio: ComfyUI, faults: Faults, mode: str) -> None:
    """The dialog names the sum; a no sends nothing, a yes runs the list once, the next list is asked about again."""
    canvas, before = listing(opened(mode), mode), faults.posts
    canvas.until(lambda: canvas.badge("OIN_PromptList").startswith(f"{ROWS} rows: ~8."))
    assert canvas.badge().startswith("up to ")  # the widget's own quality is low: it is linked
    dialog = asked(canvas)
    canvas.shot("asked")
    expect(dialog).to_contain_text(re.compile(rf"may cost up to 8\.\d\d\sUSD in {ROWS} requests"))
    expect(dialog).not_to_contain_text("start ComfyUI again")  # its buttons are the answer
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    canvas.settle(1500)
    canvas.shot("refused")
    assert faults.posts == before
    confirm = asked(canvas).get_by_role("button", name="Confirm")
    ran = len(studio.json("/history"))
    confirm.click()
    canvas.until(lambda: len(studio.json("/history")) > ran, within_s=300)
    assert studio.newest_run().end == "execution_success", studio.newest_run().failure
    assert faults.posts == before + ROWS
    canvas.settle(1500)
    canvas.shot("ran")
    fill(canvas, f"{mode} again")
    asked(canvas).get_by_role("button", name="Cancel").click()
    canvas.settle(1500)
    assert faults.posts == before + ROWS


def test_question_is_asked_in_the_readers_language(opened: Opened, faults: Faults) -> None:
    """The title, and the server's sentence with its sum."""
    canvas, before = listing(opened(**{"Comfy.Locale": "fr"}), "en fran\u00e7ais"), faults.posts
    dialog = asked(canvas, "fr")
    canvas.shot("asked")
    expect(dialog).not_to_contain_text("may cost")
    expect(dialog).to_contain_text(re.compile(r"8[.,]\d\d"))
    expect(dialog).not_to_contain_text("ComfyUI")
    assert faults.posts == before
