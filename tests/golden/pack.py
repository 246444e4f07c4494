"""All that the golden tests import of the pack: when a module moves, this file alone follows."""

from __future__ import annotations

from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from openai_image_nodes.api.batch.office import Office
from openai_image_nodes.api.bodies import FilePart
from openai_image_nodes.api.catalogue import find as find_model
from openai_image_nodes.api.connections import Connection, HostSecrets, resolve
from openai_image_nodes.api.errors import OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.running import Job
from openai_image_nodes.api.sandbox import Sandbox
from openai_image_nodes.api.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest
from openai_image_nodes.api.store import stores
from openai_image_nodes.cli import main
from openai_image_nodes.nodes.routes import register

__all__ = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "Connection",
    "FilePart",
    "HostSecrets",
    "Job",
    "Office",
    "OpenAIImageEditRequest",
    "OpenAIImageError",
    "OpenAIImageGenerationRequest",
    "OutcomeUnknownError",
    "Sandbox",
    "find_model",
    "main",
    "register",
    "resolve",
    "stores",
]
