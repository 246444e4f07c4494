"""All that the golden tests import of the pack: when a module moves, this file alone follows."""

from __future__ import annotations

from openai_image_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from openai_image_nodes.api.batch.manager import BatchManager
from openai_image_nodes.api.catalog.catalog import find as find_model
from openai_image_nodes.api.catalog.schemas import OpenAIImageEditRequest, OpenAIImageGenerationRequest
from openai_image_nodes.api.connections.connection import Connection, HostSecrets
from openai_image_nodes.api.connections.resolve import resolve
from openai_image_nodes.api.errors import OpenAIImageError, OutcomeUnknownError
from openai_image_nodes.api.jobs.job import Job
from openai_image_nodes.api.store.store import stores
from openai_image_nodes.api.transport.bodies import FilePart
from openai_image_nodes.cli import main
from openai_image_nodes.nodes.web import register
from openai_image_nodes.sandbox import Sandbox

__all__ = [
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "BatchManager",
    "Connection",
    "FilePart",
    "HostSecrets",
    "Job",
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
