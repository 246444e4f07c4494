"""The nodes that ComfyUI lists."""

from pathlib import Path

from ..api import config as home
from ..utils import comfyui as host
from .gif import GPTImageGIF
from .gpt_image import GPTImage
from .migration import prompts as old_prompts
from .migration import replacements
from .prompt_list.node import PromptList
from .references import References
from .svg import GPTImageSVG

home.use_host_folder(host.state_folder)
_server_routes = host.web_routes()
if _server_routes is not None:
    from .web import routes

    routes.register(_server_routes)
host.install_examples(Path(__file__).parent.parent / "example_workflows" / "input")

NODE_CLASS_MAPPINGS = {
    "OIN_GPTImage": GPTImage,
    "OIN_References": References,
    "OIN_GPTImageGIF": GPTImageGIF,
    "OIN_GPTImageSVG": GPTImageSVG,
    "OIN_PromptList": PromptList,
    # ComfyUI gives us its own node's id only where its API nodes are disabled: old workflows then still run.
    "OpenAIGPTImage1": GPTImage,
}
# That id is ours by being ours; the others are offered as replacements where ComfyUI can do that.
host.offer_replacements(
    replacements.for_host(entry) for entry in replacements.REPLACEMENTS if entry.old not in NODE_CLASS_MAPPINGS
)
host.on_prompt(old_prompts.translator(lambda name: host.has_node(name, besides=NODE_CLASS_MAPPINGS.get(name))))
NODE_DISPLAY_NAME_MAPPINGS = {
    "OIN_GPTImage": "OpenAI GPT Image",
    "OIN_References": "OpenAI Image References",
    "OIN_GPTImageGIF": "OpenAI GPT Image GIF",
    "OIN_GPTImageSVG": "OpenAI GPT Image SVG",
    "OIN_PromptList": "OpenAI Prompt List",
}
