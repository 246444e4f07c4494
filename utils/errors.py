"""What can be wrong with pictures. ComfyUI shows the class's name with its module, so it is the short one."""

from __future__ import annotations


class ImageInputError(ValueError):
    """A picture or mask cannot be used as it is: the message says why and what to change."""


class BrokenPictureError(ImageInputError):
    """Bytes that should be a picture cannot be decoded: nothing can be shown for them."""


ImageInputError.__module__ = BrokenPictureError.__module__ = "openai_image_nodes"
