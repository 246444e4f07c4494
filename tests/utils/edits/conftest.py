"""What the tests of exact edits share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai_image_nodes.utils.edits.threads import one_core


@pytest.fixture(autouse=True)
def on_one_core() -> Iterator[None]:
    """Compute as the nodes do; a team of torch's threads takes many times as long where other tests run beside it."""
    with one_core():
        yield
