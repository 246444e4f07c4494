"""The sandbox: a strict, free, offline stand-in for the images service on a loopback port.

It refuses what the service refuses and answers what the service would, with pictures that show what was asked;
the same request gets the same bytes. aiohttp is imported when a sandbox starts, not before.
"""

from .painting import Card, Painter
from .server import Sandbox, running

__all__ = ["Card", "Painter", "Sandbox", "running"]
