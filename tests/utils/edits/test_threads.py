"""utils/edits/threads.py: one core in this thread, and nothing else changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from openai_image_nodes.utils.edits import threads
from openai_image_nodes.utils.edits.cancel import FitStoppedError
from openai_image_nodes.utils.edits.fit import fit


def seen_by_a_new_thread() -> int:
    """Return the number of threads that torch uses in a thread that begins now."""
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


@pytest.fixture
def team() -> Iterator[int]:
    """Return how many threads torch uses, more than one; skip where it has no OpenMP of its own."""
    if threads._setter() is None:
        pytest.skip("this torch brings no OpenMP")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


def test_one_core_is_of_this_thread_alone(team: int) -> None:
    """Other threads, also those that begin meanwhile, keep their number, and so does this one afterwards."""
    with threads.one_core():
        assert torch.get_num_threads() == 1
        assert seen_by_a_new_thread() == team
    assert torch.get_num_threads() == team


def test_stop_gives_the_cores_back(team: int) -> None:
    """Also where the work ends by an exception."""
    seen: list[int] = []

    def stop() -> bool:
        seen.append(torch.get_num_threads())
        return True

    with pytest.raises(FitStoppedError):
        fit(torch.zeros(8, 8, 3), torch.zeros(8, 8, 3), torch.ones(8, 8), should_stop=stop)
    assert seen == [1]
    assert torch.get_num_threads() == team


def test_without_openmp_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that is built in another way works with the threads that it has."""
    monkeypatch.setattr(threads, "_setter", lambda: None)
    before = torch.get_num_threads()
    with threads.one_core():
        assert torch.get_num_threads() == before
