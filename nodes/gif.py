"""The GIF node: a short animation as a batch of frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.catalog import catalog
from ..api.catalog.catalog import GifLimits
from . import inputs
from .base import ORIGINALS_TOOLTIP, REPORT_TOOLTIP, ServiceNode
from .run.parameters import ANY_MODEL, MORE_NUMBERS, ImageParameters

if TYPE_CHECKING:
    from ..api import StoredAnswer
    from .run.execution import Outputs
    from .run.input_images import EncodedInputs


SIZE, FRAME_COUNT, FRAME_DURATION_MS = "512x512", 9, 200
NO_GIF = GifLimits(  # where no model makes any, the widgets stand still
    frame_count=(FRAME_COUNT, FRAME_COUNT),
    frame_count_default=FRAME_COUNT,
    frame_duration_ms=(FRAME_DURATION_MS, FRAME_DURATION_MS),
    frame_duration_ms_default=FRAME_DURATION_MS,
    frame_duration_round_ms=1,
    sizes=[SIZE],
)


class GPTImageGIF(ServiceNode):
    """An animation of 2 to 16 frames from a prompt, or from pictures."""

    RETURN_TYPES = ("IMAGE", "MASK", "FLOAT", "STRING", "OIN_ORIGINALS")
    RETURN_NAMES = ("frames", "alpha", "fps", "report", "originals")
    OUTPUT_TOOLTIPS = (
        "The frames as a batch; with 4 channels only where something is transparent.",
        "What is transparent in each frame, as a mask: white (1) is see-through.",
        "Frames per second, for a video or animation saver.",
        REPORT_TOOLTIP,
        ORIGINALS_TOOLTIP,
    )
    DESCRIPTION = (
        "Makes a short animation with OpenAI's image models, as a batch of frames. Your account needs access to"
        " GIF output (a preview release). Frames you paid for are kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image gif", "openai animation", "animated gif")
    own_defaults: ClassVar[dict[str, Any]] = {
        "size": SIZE,
        "frame_count": FRAME_COUNT,
        "frame_duration_ms": FRAME_DURATION_MS,
    }

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs: the main node's where they mean the same, and the animation's own."""
        common = inputs.optional_inputs()
        able = [spec for spec in catalog.listed() if spec.gif]
        limits = (able[0].gif if able else None) or NO_GIF
        optional = {
            "seed": common["seed"],
            "quality": common["quality"],
            "background": inputs.combo_input(
                inputs.without_auto(ANY_MODEL.background),
                ImageParameters.background,
                "transparent leaves the background out of every frame.",
            ),
            "size": inputs.combo_input(
                limits.sizes, SIZE, "Width x height of a frame in pixels. Many frames need small ones."
            ),
            "frame_count": inputs.int_input(
                *limits.frame_count, FRAME_COUNT, "How many frames. Billed in steps: 2-8, 9, 10-12, 13-16."
            ),
            "frame_duration_ms": inputs.int_input(
                *limits.frame_duration_ms,
                FRAME_DURATION_MS,
                f"How long each frame is shown, in milliseconds; rounded to {limits.frame_duration_round_ms}.",
                step=limits.frame_duration_round_ms,
            ),
            "image": common["image"],
            "model": inputs.combo_input([spec.id for spec in able], ImageParameters.model, "A model that makes GIFs."),
            "connection": common["connection"],
            **{
                name: common[name] for name in ("moderation", "complexity", "reuse", "transparent_pixels", "references")
            },
        }
        return inputs.declared(optional)

    @classmethod
    def own_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the service's own fields of an animation."""
        return {"output_format": "gif", **{name: values.get(name) for name in MORE_NUMBERS}}

    @staticmethod
    def decode(answer: StoredAnswer, encoded: EncodedInputs, should_stop: Callable[[], bool]) -> Outputs:
        """Return frames float32 [f,H,W,3|4] in 0..1, alpha float32 [f,H,W], frames per second, and notes."""
        from ..api.jobs.report import frame_notes, opaque_notes, picture_of
        from ..utils.decode import gif_to_frames, is_opaque
        from .run.execution import Outputs

        frames = gif_to_frames(picture_of(answer, "gif"))
        seconds = sum(frames.durations_ms) / 1000.0
        fps = len(frames.durations_ms) / seconds if seconds else 0.0
        differences = [
            *opaque_notes(answer, is_opaque=is_opaque(frames.alpha)),
            *frame_notes(answer, frames.durations_ms),
        ]
        return Outputs((frames.image, frames.alpha, fps), [*frames.notes, *differences])
