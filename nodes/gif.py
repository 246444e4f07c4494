"""The GIF node: a short animation as a batch of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.batch.enqueue import Deferred
from ..api.catalog import catalog as catalogue
from ..api.catalog import validation as rules
from ..utils import decode as pictures
from . import inputs
from .run import execution as runs
from .run import input_images as uploads
from .run import parameters as wishes

if TYPE_CHECKING:
    from torch import Tensor


class GPTImageGIF:
    """An animation of 2 to 16 frames from a prompt, or from pictures."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"
    RETURN_TYPES = ("IMAGE", "MASK", "FLOAT", "STRING")
    RETURN_NAMES = ("frames", "alpha", "fps", "report")
    OUTPUT_TOOLTIPS = (
        "The frames as a batch; with 4 channels only where something is transparent.",
        "What is transparent in each frame, as a mask: white (1) is see-through.",
        "Frames per second, for a video or animation saver.",
        "What was requested, what it cost and what was changed on the way, as JSON text.",
    )
    DESCRIPTION = (
        "Makes a short animation with OpenAI's image models, as a batch of frames. Your account needs access to"
        " GIF output (a preview release). Frames you paid for are kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image gif", "openai animation", "animated gif")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs: the main node's where they mean the same, and the animation's own."""
        common = inputs.optional_inputs()
        able = [spec for spec in catalogue.listed() if spec.gif]
        limits = able[0].gif if able else None
        sizes = limits.sizes if limits else ["512x512"]
        optional = {
            "seed": common["seed"],
            "quality": common["quality"],
            "background": inputs.choice(
                ["opaque", "transparent"], "opaque", "transparent leaves the background out of every frame."
            ),
            "size": inputs.choice(
                sizes, "512x512", "Width x height of a frame in pixels. Many frames need small ones."
            ),
            "frame_count": inputs.whole(2, 16, 9, "How many frames. Billed in steps: 2-8, 9, 10-12, 13-16."),
            "frame_duration_ms": inputs.whole(
                10, 655_350, 200, "How long each frame is shown, in milliseconds; rounded to 10.", step=10
            ),
            "image": common["image"],
            "model": inputs.choice([spec.id for spec in able], inputs.DEFAULT_MODEL, "A model that makes GIFs."),
            "connection": common["connection"],
            **{name: common[name] for name in ("moderation", "complexity", "reuse", "references")},
        }
        return {"required": inputs.required_inputs(), "optional": optional, "hidden": inputs.hidden_inputs()}

    @classmethod
    def VALIDATE_INPUTS(cls, **values: Any) -> bool | str:
        """Refuse what can be known before anything runs."""
        names = ("frame_count", "frame_duration_ms")
        return wishes.validated({**values, "extra": {**cls._extra(**{name: values.get(name) for name in names})}})

    @staticmethod
    def _extra(frame_count: int | None, frame_duration_ms: int | None) -> dict[str, Any]:
        return {"output_format": "gif", "frame_count": frame_count, "frame_duration_ms": frame_duration_ms}

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
        size: str = "512x512",
        frame_count: int = 9,
        frame_duration_ms: int = 200,
        image: Tensor | None = None,
        model: str = inputs.DEFAULT_MODEL,
        connection: str = "auto",
        moderation: str = "auto",
        complexity: str = "auto",
        reuse: bool = True,
        references: list[Tensor] | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        unique_id: str | None = None,
    ) -> tuple[Tensor, Tensor, float, str] | Deferred:
        """Return frames float32 [f,H,W,3|4] in 0..1, alpha float32 [f,H,W], frames per second and the report.

        Raises: as GPTImage.api_call.
        """
        wish = wishes.Wish(
            prompt=prompt,
            model=model,
            quality=quality,
            background=background,
            size=size,
            moderation=moderation,
            complexity=complexity,
            extra=self._extra(frame_count, frame_duration_ms),
        )
        link = await runs.connect(connection, auth_token, api_key)
        run = runs.Run(link, seed=seed, reuse=reuse, node_id=unique_id)
        answer, upload = await run.answer(wish, uploads.Sources(image=image, references=references))
        if isinstance(answer, Deferred):
            return answer
        frames = await run.on_thread(lambda: runs.readable(answer, lambda: pictures.gif_to_frames(answer.pictures[0])))
        warning = rules.gif_sheet_fault(rules.spec_of({"model": model}), size, frame_count)
        report = run.report(answer, [*upload.notes, *frames.notes, *([warning] if warning else [])])
        seconds = sum(frames.durations_ms) / 1000.0
        return frames.image, frames.alpha, len(frames.durations_ms) / seconds if seconds else 0.0, report
