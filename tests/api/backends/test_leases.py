"""Claims: who works on a job, where processes and machines share a folder."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import pytest
from openai_image_nodes.api.backends import leases as claims
from openai_image_nodes.api.backends.backend import Backend


def elsewhere(folder: Path, *, age_s: float) -> Path:
    """Make a claim of another machine whose heart last beat some time ago."""
    path = folder / "claim.4"
    path.write_text(json.dumps({"host": "elsewhere", "pid": os.getpid(), "instance": "other", "token": "t"}))
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


@pytest.mark.slow
def test_claim_of_another_machine_holds_while_its_heart_beats(tmp_path: Path) -> None:
    """A process there cannot be asked, but its heartbeat can be seen."""
    elsewhere(tmp_path, age_s=claims.STALE_AFTER_S - 10)
    assert claims.acquire(tmp_path) is None
    assert claims.is_leased(tmp_path)


def test_full_disk_does_not_make_a_live_owner_look_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its age cannot be measured by the disk's own clock, ours must do."""
    elsewhere(tmp_path, age_s=10)

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "touch", full)
    assert claims.acquire(tmp_path) is None


def test_claim_of_another_machine_is_followed_when_its_heart_stops(tmp_path: Path) -> None:
    """The owner is dead, or sleeps: when it wakes, it is no owner any more, whatever became of the new one."""
    old = elsewhere(tmp_path, age_s=claims.STALE_AFTER_S + 10)
    ours = claims.acquire(tmp_path)
    assert ours is not None
    assert ours.held
    assert not old.exists()
    ours.release()
    assert not claims.is_leased(tmp_path)


def test_claim_of_a_time_to_come_is_followed_when_its_heart_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine's clock was a year ahead when it died, or somebody set the time: the job must not wait a year."""
    ahead = elsewhere(tmp_path, age_s=-365 * 86_400)
    assert claims.acquire(tmp_path) is None
    assert claims.is_leased(tmp_path)
    later = time.monotonic() + claims.STALE_AFTER_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    os.utime(ahead, (time.time() + 9e7, time.time() + 9e7))  # a heart beats
    assert claims.acquire(tmp_path) is None
    monkeypatch.setattr(time, "monotonic", lambda: later + claims.STALE_AFTER_S + 1)
    ours = claims.acquire(tmp_path)
    assert ours is not None
    assert ours.name == "claim.5"
    ours.release()


def test_claim_is_not_given_back_for_somebody_else(tmp_path: Path) -> None:
    """A folder that was cleared and made again belongs to its new owner, though the file has the same name."""
    first = claims.acquire(tmp_path)
    assert first is not None
    (tmp_path / first.name).unlink()
    second = claims.acquire(tmp_path)
    assert second is not None
    assert second.name == first.name
    assert not first.held
    first.release()
    assert second.held
    assert claims.acquire(tmp_path) is None
    second.release()


def test_claim_that_is_half_written_holds_until_it_is_old(tmp_path: Path) -> None:
    """It is being made this moment, or its owner was cut off: only its age can tell."""
    path = tmp_path / "claim.1"
    path.touch()
    assert claims.acquire(tmp_path) is None
    os.utime(path, (time.time() - 1000, time.time() - 1000))
    ours = claims.acquire(tmp_path)
    assert ours is not None
    ours.release()


def test_claim_that_was_judged_dead_and_is_another_by_now_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the step somebody else finished the job, and a third one began it again."""
    dead = elsewhere(tmp_path, age_s=1000).rename(tmp_path / "claim.1")
    made, others = claims._made, []

    def overtaken(backend: Backend, name: str) -> claims.Lease | None:
        if not others:
            dead.unlink()
            others.append(made(backend, dead.name))
        return made(backend, name)

    monkeypatch.setattr(claims, "_made", overtaken)
    assert claims.acquire(tmp_path) is None
    (other,) = others
    assert other.held
    other.release()


@pytest.mark.parametrize("hours", [1, -1, 24 * 365])
def test_who_lives_here_is_not_followed_because_the_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """Or the machine slept: its heart has not beaten since. What happened in a minute is told by the beats again."""
    monkeypatch.setattr(claims, "_clock", claims._Clock())  # the process's own would count what is set here
    owner = {"host": claims._host(), "pid": os.getppid(), "instance": "other", "token": "t"}
    path = tmp_path / "claim.4"
    path.write_text(json.dumps(owner))
    assert claims.acquire(tmp_path) is None
    moved, slept = [0.0], [0.0]
    real = time.time, time.monotonic
    monkeypatch.setattr(time, "time", lambda: real[0]() + moved[0] + slept[0])
    monkeypatch.setattr(time, "monotonic", lambda: real[1]() + slept[0])
    moved[0] = hours * 3600
    os.utime(path, (time.time() - abs(moved[0]) - 100,) * 2)  # as old as the file system says that it is then
    assert claims.acquire(tmp_path) is None
    assert claims.is_leased(tmp_path)
    slept[0] = claims.STALE_AFTER_S + 1
    os.utime(path, (real[0]() - 2 * claims.STALE_AFTER_S,) * 2)
    ours = claims.acquire(tmp_path)
    assert ours is not None
    ours.release()
