"""The tests' own runner: what it reports is what happened, also where a process ends in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import forks

CONFTEST = f"""
import sys
sys.path.insert(0, {str(Path(forks.__file__).parent)!r})
from forks import ForkedRun

def pytest_configure(config):
    config.pluginmanager.register(ForkedRun(config, 2))
"""
TESTS = """
import os
import warnings
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(20))
def test_many(number, tmp_path, tmp_path_factory):
    print("printed by", number)
    Path("ran").mkdir(exist_ok=True)
    Path("ran", str(number)).write_text(str(tmp_path_factory.getbasetemp()))
    assert number != 7

def test_skipped():
    pytest.skip("a reason")

def test_that_ends_its_process():
    os._exit(3)

def test_with_a_warning():
    warnings.warn(UserWarning("a word of warning"))

@pytest.fixture
def broken():
    yield
    raise RuntimeError("broken behind it")

def test_that_cannot_end(broken):
    pass
"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked here")]


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run what lies in a folder, and return how pytest ended and what it said."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-ra", *arguments]
    ended = subprocess.run(  # noqa: S603 - our own command
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_all_is_told_as_if_one_process_had_run_it(tmp_path: Path) -> None:
    """Every test once, in both processes; the one that ended its process is told by name, and the others go on."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    code, said = run(tmp_path)
    assert code == 1
    assert "3 failed" not in said
    assert "2 failed, 21 passed, 1 skipped, 1 warning, 1 error" in said, said
    for piece in ("printed by 7", "a reason", "a word of warning", "broken behind it"):
        assert piece in said
    assert "the process ended with 3 in test_it.py::test_that_ends_its_process" in said
    ran = list((tmp_path / "ran").iterdir())
    assert len(ran) == 20
    assert len({path.read_text() for path in ran}) >= 2


def test_first_failure_ends_it(tmp_path: Path) -> None:
    """With -x no more tests are handed out."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(
        "def test_it(): assert 0\n" + "".join(f"def test_{n}(): pass\n" for n in range(400))
    )
    code, said = run(tmp_path, "-x")
    assert code == 1
    assert "stopping after 1 failures" in said
    assert "400 passed" not in said
