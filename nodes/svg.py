"""The SVG node: a drawing as vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..api.catalog import catalog
from ..utils import comfyui
from . import inputs
from .base import ORIGINALS_TOOLTIP, REPORT_TOOLTIP, ServiceNode
from .run.parameters import ImageParameters

if TYPE_CHECKING:
    from ..api import StoredAnswer
    from .run.execution import Outputs
    from .run.input_images import EncodedInputs


class GPTImageSVG(ServiceNode):
    """A vector drawing from a prompt, or from pictures."""

    RETURN_TYPES = ("SVG", "STRING", "STRING", "OIN_ORIGINALS")
    RETURN_NAMES = ("svg", "svg_text", "report", "originals")
    OUTPUT_TOOLTIPS = ("The drawing, for Save SVG.", "The drawing as text.", REPORT_TOOLTIP, ORIGINALS_TOOLTIP)
    DESCRIPTION = (
        "Makes a vector drawing with OpenAI's image models: an image model draws a draft, a text model writes the"
        " SVG. Your project needs access to SVG output. A drawing you paid for is kept and never bought twice."
    )
    SEARCH_ALIASES = ("gpt image svg", "openai vector", "vector drawing")
    own_defaults: ClassVar[dict[str, Any]] = {"svg_model": "", "svg_effort": "auto"}

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs: the main node's where they mean the same, and the drawing's own."""
        common = inputs.optional_inputs()
        able = {spec.id: spec.svg for spec in catalog.listed() if spec.svg}
        efforts = list(dict.fromkeys(effort for limits in able.values() for effort in limits.reasoning_effort))
        author = "The text model that writes the SVG, if your project may choose one; else leave it empty."
        effort = "How much the text model of the SVG reasons. Needs svg_model. auto: not sent."
        optional = {
            **{name: common[name] for name in ("seed", "quality")},
            "background": inputs.combo_input(
                common["background"][0], ImageParameters.background, "transparent leaves the background out."
            ),
            **{name: common[name] for name in ("size", "image")},
            "model": inputs.combo_input(
                list(able), ImageParameters.model, "A model that makes SVGs; it draws the draft."
            ),
            "connection": common["connection"],
            "svg_model": ("STRING", {"default": "", "tooltip": author}),
            "svg_effort": inputs.combo_input(["auto", *efforts], "auto", effort),
            **{name: common[name] for name in ("custom_width", "custom_height", "moderation", "complexity", "reuse")},
            **{name: common[name] for name in ("transparent_pixels", "references")},
        }
        return inputs.declared(optional)

    @classmethod
    def own_fields(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the service's own fields of a drawing."""
        model, effort = values.get("svg_model"), values.get("svg_effort")
        if model is None or _is_empty(model):
            return {"output_format": "svg"}
        reasoning = {"reasoning": {"effort": effort}} if _is_effort(effort) else {}
        return {"output_format": "svg", "svg": {"model": model, **reasoning}}

    @classmethod
    def fault(cls, values: Mapping[str, Any]) -> str | None:
        """Return why an effort is refused: nobody is named whose it would be."""
        effort = values.get("svg_effort")
        if not (_is_empty(values.get("svg_model")) and _is_effort(effort)):
            return None
        return f"svg_effort {effort} needs svg_model, which is empty. Name one, or set it to auto."

    @staticmethod
    def decode(answer: StoredAnswer, encoded: EncodedInputs, should_stop: Callable[[], bool]) -> Outputs:
        """Return a drawing as ComfyUI's SVG type and as text, without what could run or load something."""
        from ..api.jobs.report import picture_of
        from ..utils.svg import clean_svg
        from .run.execution import Outputs

        drawing = clean_svg(picture_of(answer, "svg"))
        kept = [f"The SVG as it came is kept in {answer.folder}."] if drawing.notes and answer.folder else []
        return Outputs((comfyui.svg([drawing.data]), drawing.data.decode()), [*drawing.notes, *kept])


def _is_effort(told: Any) -> bool:
    return isinstance(told, str) and told != "auto"


def _is_empty(told: Any) -> bool:
    return isinstance(told, str) and not told  # what a link gives may have no truth value, and must not raise here
