"""The sandbox's files and batches (docs/batch-api.md): uploads on disk, pictures drawn in the background."""

from .clock import Clock
from .file_store import Files
from .line_results import Shop
from .manager import Batches
from .scenarios import Plan

__all__ = ["Batches", "Clock", "Files", "Plan", "Shop"]
