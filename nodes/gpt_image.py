"""The main node: prompt, pictures and mask in, picture out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from . import inputs
from .base import ORIGINALS_TOOLTIP, REPORT_TOOLTIP, ServiceNode
from .run.parameters import ImageParameters

if TYPE_CHECKING:
    from torch import Tensor

    from ..api import Originals


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

    async def api_call(
        self,
        prompt: str,
        seed: int = 0,
        quality: str = ImageParameters.quality,
        background: str = ImageParameters.background,
        size: str = ImageParameters.size,
        n: int = ImageParameters.n,
        image: Tensor | None = None,
        mask: Tensor | None = None,
        model: str = ImageParameters.model,
        connection: str = "auto",
        custom_width: int = ImageParameters.custom_width,
        custom_height: int = ImageParameters.custom_height,
        output_format: str = ImageParameters.output_format,
        output_compression: int = ImageParameters.output_compression,
        moderation: str = ImageParameters.moderation,
        input_fidelity: str = ImageParameters.input_fidelity,
        complexity: str = ImageParameters.complexity,
        mask_mode: str = ImageParameters.mask_mode,
        live_preview: int = ImageParameters.live_preview,
        reuse: bool = True,
        region_context: int = ImageParameters.region_context,
        transparent_pixels: str = ImageParameters.transparent_pixels,
        references: list[Tensor] | None = None,
        markup: Tensor | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        unique_id: str | None = None,
    ) -> tuple[Tensor, Tensor, str, Originals]:
        """Return image float32 [n,H,W,3|4] in 0..1, alpha float32 [n,H,W] (1 = transparent), report and originals.

        The report is JSON text, the originals are references to the files as they came. Raises: as `outputs`.
        """
        from .run.answers import pictures_of

        return await self.outputs(locals(), partial(pictures_of, n=n))
