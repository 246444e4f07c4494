"""The main node: prompt, pictures and mask in, picture out."""

from __future__ import annotations

from typing import Any

from . import inputs
from .base import ORIGINALS_TOOLTIP, REPORT_TOOLTIP, ServiceNode


class GPTImage(ServiceNode):
    """Text to image, editing, references and inpainting with OpenAI's image models."""

    RETURN_TYPES = ("IMAGE", "MASK", "STRING", "OIN_ORIGINALS")
    RETURN_NAMES = ("image", "alpha", "report", "originals")
    OUTPUT_TOOLTIPS = (
        "The picture or pictures; with 4 channels only where something is transparent.",
        "What is transparent, as a mask: white (1) is see-through, as Load Image has it.",
        REPORT_TOOLTIP,
        ORIGINALS_TOOLTIP,
    )
    DESCRIPTION = (
        "Makes or edits pictures with OpenAI's image models, on your own account, your comfy.org account or a free"
        " sandbox. A picture you paid for is kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image", "openai", "dall-e", "dalle", "chatgpt image", "text to image", "inpaint")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs in the order of the contract."""
        return inputs.declared(inputs.optional_inputs())
