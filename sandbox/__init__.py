"""The sandbox: a strict, free, offline stand-in for the images service, its files and batches, on a loopback port.

It refuses what the service refuses and answers what the service would, with pictures that show what was asked;
the same request gets the same bytes. aiohttp is imported when a sandbox starts, not before.
"""

from .batches import Plan as BatchPlan
from .rendering.painting import Card, Painter
from .server import Sandbox, running

__all__ = ["BatchPlan", "Card", "Painter", "Sandbox", "running"]
