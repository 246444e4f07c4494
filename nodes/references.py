"""Pictures of different sizes, collected for the main node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api import RefusedError
from ..utils.input_tensors import pictures_of
from .run.parameters import ANY_MODEL

if TYPE_CHECKING:
    from torch import Tensor

SOCKETS = 8


class References:
    """Collects up to 16 pictures, each in its own size; several of these nodes can be chained."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "collect"
    RETURN_TYPES = ("OIN_REFERENCES",)
    RETURN_NAMES = ("references",)
    OUTPUT_TOOLTIPS = ("All pictures in order, for the references input of OpenAI GPT Image.",)
    DESCRIPTION = (
        "Collects pictures of different sizes as references for OpenAI GPT Image. Unlike a batch, nothing is"
        " cropped or scaled to a common size. Chain several of these nodes for up to 16 pictures."
    )
    SEARCH_ALIASES = ("openai references", "gpt image references", "multiple images")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the sockets: eight pictures and another collection."""
        pictures = {
            f"image_{number}": ("IMAGE", {"tooltip": f"Picture {number}. A batch counts as several pictures."})
            for number in range(1, SOCKETS + 1)
        }
        chained = (
            "OIN_REFERENCES",
            {"tooltip": "The pictures of another OpenAI Image References node; they come first."},
        )
        return {"required": {}, "optional": {**pictures, "references": chained}}

    def collect(self, references: list[Tensor] | None = None, **images: Tensor) -> tuple[list[Tensor]]:
        """Return the pictures, float [H,W,C] each: those of the chained node, then ours in the sockets' order.

        Raises: RefusedError for more than 16, ImageInputError for what is no picture.
        """
        connected = [name for name, picture in images.items() if picture is not None]
        ordered = sorted(connected, key=lambda name: int(name.rpartition("_")[2]))
        batches = [batch for name in ordered for batch in pictures_of(images[name], name)]
        before = [] if references is None else pictures_of(references, "references")
        collected = [picture for batch in (*before, *batches) for picture in batch]
        most = ANY_MODEL.max_input_images
        if len(collected) > most:
            raise RefusedError(
                f"{len(collected)} pictures are connected, the models take at most {most}. Connect fewer."
            )
        return (collected,)
