"""The SVG node: a drawing as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..api.batch.enqueue import Deferred
from ..api.catalog import catalog as catalogue
from ..utils import comfyui as host
from ..utils.svg import clean_svg
from . import inputs
from .run import execution as runs
from .run import input_images as uploads
from .run import parameters as wishes

if TYPE_CHECKING:
    from torch import Tensor

EFFORTS = ["auto", "none", "minimal", "low", "medium", "high", "xhigh", "max"]


class GPTImageSVG:
    """A vector drawing from a prompt, or from pictures."""

    CATEGORY = "image/OpenAI"
    FUNCTION = "api_call"
    RETURN_TYPES = ("SVG", "STRING", "STRING")
    RETURN_NAMES = ("svg", "svg_text", "report")
    OUTPUT_TOOLTIPS = (
        "The drawing, for Save SVG.",
        "The drawing as text.",
        "What was requested, what it cost and what was changed on the way, as JSON text.",
    )
    DESCRIPTION = (
        "Makes a vector drawing with OpenAI's image models: an image model draws a draft, a text model writes the"
        " SVG. Your project needs access to SVG output. A drawing you paid for is kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image svg", "openai vector", "vector drawing")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs: the main node's where they mean the same, and the drawing's own."""
        common = inputs.optional_inputs()
        able = [spec.id for spec in catalogue.listed() if spec.svg]
        author = "The text model that writes the SVG, if your project may choose one; else leave it empty."
        optional = {
            **{name: common[name] for name in ("seed", "quality")},
            "background": inputs.choice(common["background"][0], "opaque", "transparent leaves the background out."),
            **{name: common[name] for name in ("size", "image")},
            "model": inputs.choice(able, inputs.DEFAULT_MODEL, "A model that makes SVGs; it draws the draft."),
            "connection": common["connection"],
            "svg_model": ("STRING", {"default": "", "tooltip": author}),
            "svg_effort": inputs.choice(
                EFFORTS, "auto", "How much the text model of the SVG reasons. Needs svg_model. auto: not sent."
            ),
            **{name: common[name] for name in ("custom_width", "custom_height", "moderation", "complexity", "reuse")},
            "references": common["references"],
        }
        return {"required": inputs.required_inputs(), "optional": optional, "hidden": inputs.hidden_inputs()}

    @classmethod
    def VALIDATE_INPUTS(cls, **values: Any) -> bool | str:
        """Refuse what can be known before anything runs."""
        model, effort = values.get("svg_model"), values.get("svg_effort")
        no_author = model == "" and effort not in (None, "auto")
        told = (
            f"svg_effort {effort} needs svg_model, which is empty. Name one, or set it to auto." if no_author else None
        )
        return wishes.validated({**values, "extra": cls._extra(model, effort)}, told)

    @staticmethod
    def _extra(svg_model: str | None, svg_effort: str | None) -> dict[str, Any]:
        if not svg_model:
            return {"output_format": "svg"}
        effort = {} if svg_effort in (None, "auto") else {"reasoning": {"effort": svg_effort}}
        return {"output_format": "svg", "svg": {"model": svg_model, **effort}}

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
        image: Tensor | None = None,
        model: str = inputs.DEFAULT_MODEL,
        connection: str = "auto",
        svg_model: str = "",
        svg_effort: str = "auto",
        custom_width: int = 1024,
        custom_height: int = 1024,
        moderation: str = "auto",
        complexity: str = "auto",
        reuse: bool = True,
        references: list[Tensor] | None = None,
        auth_token: str | None = None,
        api_key: str | None = None,
        unique_id: str | None = None,
    ) -> tuple[Any, str, str] | Deferred:
        """Return the drawing as ComfyUI's SVG type, as text, and the report.

        Raises: as GPTImage.api_call.
        """
        wish = wishes.Wish(
            prompt=prompt,
            model=model,
            quality=quality,
            background=background,
            size=size,
            custom_width=custom_width,
            custom_height=custom_height,
            moderation=moderation,
            complexity=complexity,
            extra=self._extra(svg_model, svg_effort),
        )
        link = await runs.connect(connection, auth_token, api_key)
        run = runs.Run(link, seed=seed, reuse=reuse, node_id=unique_id)
        answer, upload = await run.answer(wish, uploads.Sources(image=image, references=references))
        if isinstance(answer, Deferred):
            return answer
        drawing = await run.on_thread(lambda: runs.readable(answer, lambda: clean_svg(answer.pictures[0])))
        kept = [f"The SVG as it came is kept in {answer.folder}."] if drawing.notes and answer.folder else []
        report = run.report(answer, [*upload.notes, *drawing.notes, *kept])
        return host.svg([drawing.data]), drawing.data.decode(), report
