"""The main node: prompt, pictures and mask in, picture out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.batch.enqueue import Deferred
from . import inputs
from .run import execution as runs
from .run import input_images as uploads
from .run import parameters as wishes

if TYPE_CHECKING:
    from torch import Tensor


class GPTImage:
    """Text to image, editing, references and inpainting with OpenAI's image models."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "alpha", "report")
    OUTPUT_TOOLTIPS = (
        "The picture or pictures; with 4 channels only where something is transparent.",
        "What is transparent, as a mask: white (1) is see-through, as Load Image has it.",
        "What was requested, what it cost and what was changed on the way, as JSON text.",
    )
    DESCRIPTION = (
        "Makes or edits pictures with OpenAI's image models, on your own account, your comfy.org account or a free"
        " sandbox. A picture you paid for is kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image", "openai", "dall-e", "dalle", "chatgpt image", "text to image", "inpaint")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs in the order of the contract."""
        return {
            "required": inputs.required_inputs(),
            "optional": inputs.optional_inputs(),
            "hidden": inputs.hidden_inputs(),
        }

    @classmethod
    def VALIDATE_INPUTS(cls, **values: Any) -> bool | str:
        """Refuse what can be known before anything runs; linked values are None here and are checked in the run."""
        return wishes.validated(values)

    @classmethod
    def IS_CHANGED(cls, connection: str | None = "auto", **_values: Any) -> str:
        """Look again over a batch connection whenever answers may have come; else only inputs matter."""
        return runs.changed(connection)

    @runs.blocked_while_planned
    async def api_call(
        self,
        prompt: str,
        seed: int = 0,
        quality: str = "low",
        background: str = "opaque",
        size: str = "auto",
        n: int = 1,
        image: Tensor | None = None,
        mask: Tensor | None = None,
        model: str = inputs.DEFAULT_MODEL,
        connection: str = "auto",
        custom_width: int = 1024,
        custom_height: int = 1024,
        output_format: str = "png",
        output_compression: int = 100,
        moderation: str = "auto",
        input_fidelity: str = "auto",
        complexity: str = "auto",
        mask_mode: str = "guide",
        live_preview: int = 0,
        reuse: bool = True,
        references: list[Tensor] | None = None,
        markup: Tensor | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        unique_id: str | None = None,
    ) -> tuple[Tensor, Tensor, str] | Deferred:
        """Return image float32 [n,H,W,3|4] in 0..1, alpha float32 [n,H,W] (1 = transparent) and the report as JSON.

        Raises: RefusedError and its siblings of `api.errors`, ImageInputError, ComfyUI's interruption on Cancel.
        """
        wish = wishes.Wish(
            prompt=prompt,
            quality=quality,
            background=background,
            size=size,
            n=n,
            model=model,
            custom_width=custom_width,
            custom_height=custom_height,
            output_format=output_format,
            output_compression=output_compression,
            moderation=moderation,
            input_fidelity=input_fidelity,
            complexity=complexity,
            mask_mode=mask_mode,
            live_preview=live_preview,
        )
        sources = uploads.Sources(image, mask, references, markup)
        link = await runs.connect(connection, auth_token, api_key)
        run = runs.Run(link, seed=seed, reuse=reuse, node_id=unique_id)
        return await run.picture(wish, sources)
