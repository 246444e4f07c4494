"""The sandbox: a strict, free, offline stand-in for the images service, its files and batches, on a loopback port.

It refuses what the service refuses and answers what the service would, with pictures that show what was asked;
the same request gets the same bytes. aiohttp is imported when a sandbox starts, not before.
"""

from .batches.batch import Scenario
from .rendering.drifts import KINDS, drifting
from .server import Sandbox, end_running, running

__all__ = ["KINDS", "Sandbox", "Scenario", "drifting", "end_running", "running"]
