"""What the sandbox needs of somebody who can draw: this floor imports no imaging library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Card:
    """What a picture tells about its request; size as "WIDTHxHEIGHT"."""

    prompt: str
    model: str
    size: str
    quality: str


class Painter(Protocol):
    """Draws answers as files. Sizes are (width, height) in pixels, compression 0..100, `index` 0..n-1.

    The same arguments give the same bytes. Methods are called on worker threads, several at a time.
    """

    def measure(self, data: bytes) -> tuple[int, int]:
        """Return the size of an image after orientation; ValueError if it cannot be read."""
        ...

    def has_transparency(self, data: bytes) -> bool:
        """Tell whether any pixel is not fully opaque."""
        ...

    def generation(
        self,
        card: Card,
        *,
        size: tuple[int, int],
        output_format: str,
        compression: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Draw a picture from nothing."""
        ...

    def edit(
        self,
        card: Card,
        images: Sequence[bytes],
        mask: bytes | None,
        markup: bytes | None,
        *,
        size: tuple[int, int] | None,
        output_format: str,
        compression: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Redraw the first image where the mask's alpha opens it; `size` None keeps its own size."""
        ...

    def gif(
        self,
        card: Card,
        images: Sequence[bytes],
        markup: bytes | None,
        *,
        size: tuple[int, int],
        frame_count: int,
        frame_duration_ms: int,
        transparent: bool,
        index: int,
    ) -> bytes:
        """Draw an endless animation, from nothing or over the first image."""
        ...

    def partial(self, picture: bytes, *, step: int, steps: int, output_format: str, compression: int) -> bytes:
        """Return a finished picture as it looked at `step` of `steps` (0-based) on the way."""
        ...
