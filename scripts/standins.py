"""Stand-ins for the core nodes that the examples use: pixels, masks and metadata as in ComfyUI 0.3.45 to 0.20."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from torch import Tensor
from torch.nn.functional import interpolate, pad

TITLES = {
    "LoadImage": "Load Image",
    "BatchImagesNode": "Batch Images",
    "SaveImage": "Save Image",
    "PreviewAny": "Preview Any",
    "SaveAnimatedWEBP": "SaveAnimatedWEBP",
    "SaveSVGNode": "SaveSVGNode",
}


@dataclass
class LoadImage:
    """Reads a picture of a folder: image [1,H,W,3], mask [1,H,W] = 1 - alpha, or 64x64 zeros without alpha."""

    folder: Path
    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load_image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the one widget; the canvas adds a button for uploads."""
        return {"required": {"image": ([], {"image_upload": True})}}

    def load_image(self, image: str) -> tuple[Tensor, Tensor]:
        """Return picture and mask."""
        with Image.open(self.folder / image) as opened:
            upright = ImageOps.exif_transpose(opened)
            pixels = torch.from_numpy(np.asarray(upright.convert("RGB"), dtype=np.float32) / 255.0)
            if "A" not in upright.getbands():
                return pixels[None], torch.zeros(1, 64, 64)
            alpha = torch.from_numpy(np.asarray(upright.getchannel("A"), dtype=np.float32) / 255.0)
            return pixels[None], (1.0 - alpha)[None]


class BatchImagesNode:
    """Puts batches into one, as ComfyUI 0.14 and newer; the second is scaled and cropped to the size of the first."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "batch"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return two of the sockets that grow by one each."""
        return {"required": {"images.image0": ("IMAGE",), "images.image1": ("IMAGE",)}}

    def batch(self, **images: Tensor) -> tuple[Tensor]:
        """Return both, [B1+B2,H,W,C]."""
        image1, image2 = images.values()
        channels = max(image1.shape[-1], image2.shape[-1])
        first, second = (pad(image, (0, channels - image.shape[-1]), value=1.0) for image in (image1, image2))
        if first.shape[1:] != second.shape[1:]:
            second = cropped_to(second, first.shape[2], first.shape[1])
        return (torch.cat((first, second)),)


@dataclass
class SaveImage:
    """Writes PNG with the metadata `prompt` and `workflow`, small if `optimize`, and remembers what it wrote."""

    folder: Path
    optimize: bool = True
    saved: list[Path] = field(default_factory=list)
    RETURN_TYPES = ()
    FUNCTION = "save_images"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the socket, the widget for the name, and what the executor fills in."""
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self, images: Tensor, filename_prefix: str, prompt: Mapping[str, Any], extra_pnginfo: Mapping[str, Any]
    ) -> tuple[()]:
        """Write images [B,H,W,C] as NAME.png, the further ones as NAME 2.png and so on."""
        texts = PngInfo()
        for key, value in {"prompt": prompt, **extra_pnginfo}.items():
            texts.add_text(key, json.dumps(value))
        for number, image in enumerate(images, 1):
            path = self.folder / f"{filename_prefix}{'' if number == 1 else f' {number}'}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = (255.0 * image.cpu().numpy()).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(path, pnginfo=texts, optimize=self.optimize, compress_level=1)
            self.saved.append(path)
        return ()


@dataclass
class PreviewAny:
    """Keeps what it is shown as text."""

    shown: list[str] = field(default_factory=list)
    RETURN_TYPES = ()
    FUNCTION = "main"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the one socket, which takes anything."""
        return {"required": {"source": ("*", {})}}

    def main(self, source: Any) -> tuple[()]:
        """Keep the text."""
        self.shown.append(str(source))
        return ()


@dataclass
class SaveAnimatedWEBP:
    """Writes frames as one animated WebP, and remembers where."""

    folder: Path
    saved: list[Path] = field(default_factory=list)
    RETURN_TYPES = ()
    FUNCTION = "save_images"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the socket and the widgets."""
        return {
            "required": {
                "images": ("IMAGE",),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
                "fps": ("FLOAT", {"default": 6.0}),
                "lossless": ("BOOLEAN", {"default": True}),
                "quality": ("INT", {"default": 80}),
                "method": (["default", "fastest", "slowest"],),
            }
        }

    def save_images(self, images: Tensor, filename_prefix: str, fps: float, **_values: Any) -> tuple[()]:
        """Write images [B,H,W,C] as the frames of NAME.webp."""
        frames = [Image.fromarray((255.0 * image.cpu().numpy()).clip(0, 255).astype(np.uint8)) for image in images]
        path = self.folder / f"{filename_prefix}.webp"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=int(1000 / fps), lossless=True, loop=0)
        self.saved.append(path)
        return ()


@dataclass
class SaveSVGNode:
    """Writes a drawing as SVG, and remembers where."""

    folder: Path
    saved: list[Path] = field(default_factory=list)
    RETURN_TYPES = ()
    FUNCTION = "save_svg"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the socket and the widget for the name."""
        return {"required": {"svg": ("SVG",), "filename_prefix": ("STRING", {"default": "svg/ComfyUI"})}}

    def save_svg(self, svg: Any, filename_prefix: str) -> tuple[()]:
        """Write the first drawing as NAME.svg."""
        path = self.folder / f"{filename_prefix}.svg"
        path.write_bytes(svg.data[0].getvalue())
        self.saved.append(path)
        return ()


def cropped_to(images: Tensor, width: int, height: int) -> Tensor:
    """Return [B,H,W,C] cut in the middle to a shape and scaled bilinearly, as ComfyUI's common_upscale does."""
    old_height, old_width = images.shape[1:3]
    aspect, wanted = old_width / old_height, width / height
    x = round((old_width - old_width * (wanted / aspect)) / 2) if aspect > wanted else 0
    y = round((old_height - old_height * (aspect / wanted)) / 2) if aspect < wanted else 0
    inner = images[:, y : old_height - y, x : old_width - x].movedim(-1, 1)  # BHWC -> BCHW
    return interpolate(inner, size=(height, width), mode="bilinear").movedim(1, -1)
