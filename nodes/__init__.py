"""The nodes that ComfyUI lists."""

from importlib import import_module
from pathlib import Path

from ..api import config
from ..utils import comfyui
from ..utils.end_of_process import take_sigterm_as_ctrl_c
from . import web
from .fit_edit import FitEdit
from .gif import GPTImageGIF
from .gpt_image import GPTImage
from .migration import prompts, replacements
from .prompt_list.node import PromptList
from .references import References
from .save_original import SaveOriginal
from .svg import GPTImageSVG

comfyui.refuse_second_copy("OIN_GPTImage", GPTImage)
config.host_folder, config.serves_many = comfyui.state_folder, comfyui.serves_many
_server_routes = comfyui.web_routes()
if _server_routes is not None:
    take_sigterm_as_ctrl_c()  # here and not where jobs are: that is loaded on a thread
    web.register(_server_routes)
    web.serve_help(_server_routes, Path(__file__).parent.parent)
comfyui.when_served(lambda: [import_module(name, __name__) for name in (".run.execution", ".web.routes")])
comfyui.install_examples(Path(__file__).parent.parent / "example_workflows" / "input")

NODE_CLASS_MAPPINGS = {
    "OIN_GPTImage": GPTImage,
    "OIN_References": References,
    "OIN_GPTImageGIF": GPTImageGIF,
    "OIN_GPTImageSVG": GPTImageSVG,
    "OIN_PromptList": PromptList,
    "OIN_SaveOriginal": SaveOriginal,
    "OIN_FitEdit": FitEdit,
    # ComfyUI gives us its own node's id only where its API nodes are disabled: old workflows then still run.
    "OpenAIGPTImage1": GPTImage,
}
# That id is ours by being ours; the others are offered as replacements where ComfyUI can do that.
comfyui.offer_replacements(
    replacements.for_host(entry)
    for entry in replacements.REPLACEMENTS
    if entry.old not in NODE_CLASS_MAPPINGS and not entry.by_hand
)
comfyui.on_prompt(prompts.translator(lambda name: comfyui.has_node(name, besides=NODE_CLASS_MAPPINGS.get(name))))
NODE_DISPLAY_NAME_MAPPINGS = {
    "OIN_GPTImage": "OpenAI GPT Image",
    "OIN_References": "OpenAI Image References",
    "OIN_GPTImageGIF": "OpenAI GPT Image GIF",
    "OIN_GPTImageSVG": "OpenAI GPT Image SVG",
    "OIN_PromptList": "OpenAI Prompt List",
    "OIN_SaveOriginal": "Save Original (OpenAI)",
    "OIN_FitEdit": "Fit Edit to Picture (OpenAI)",
}
