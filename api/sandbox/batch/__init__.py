"""The sandbox's files and batches (BATCH.md A): uploads on disk, and pictures drawn in the background from a file."""

from .answering import Shop
from .batches import Batches
from .clock import Clock
from .filestore import Files
from .plans import Plan

__all__ = ["Batches", "Clock", "Files", "Plan", "Shop"]
