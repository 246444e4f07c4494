"""What .ci/run does about a real ComfyUI: the short tests in it, and no failure without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.pack import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the script is for bash")
MAKE = """#!/bin/sh
echo "made $1 with ${COMFYUI_PATH:-none} ${COMFYUI_PYTHON:-none}"
"""


def ran(folder: Path, **environment: str) -> list[str]:
    """Return what .ci/run said with a `make` that only says what it should make; HOME is the folder."""
    make = folder / "bin" / "make"
    make.parent.mkdir(exist_ok=True)
    make.write_text(MAKE)
    make.chmod(0o755)
    others = {name: value for name, value in os.environ.items() if not name.startswith("COMFYUI_")}
    environment = {
        **others,
        "PATH": f"{make.parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        **environment,
    }
    done = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout.splitlines()


def installed(folder: Path, *, python: str = "true") -> Path:
    """Put a ComfyUI into a folder, as comfy-cli does: main.py, and .venv with its Python."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "main.py").touch()
    script = folder / ".venv" / "bin" / "python"
    script.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    script.chmod(0o755)
    return folder


def test_without_a_comfyui_nothing_fails(tmp_path: Path) -> None:
    """It is said where one was looked for, also where the variable names a folder that is none."""
    assert "e2e was skipped" in ran(tmp_path)[-1]
    assert str(tmp_path / "comfy" / "ComfyUI") in ran(tmp_path)[-1]
    assert "e2e was skipped" in ran(tmp_path, COMFYUI_PATH=str(tmp_path / "nowhere"))[-1]


def test_comfyui_of_comfy_cli_is_found(tmp_path: Path) -> None:
    """Its default folder below HOME, with the Python of its own environment."""
    comfyui = installed(tmp_path / "comfy" / "ComfyUI")
    assert ran(tmp_path) == [
        "made lint with none none",
        "made test with none none",
        "made demo with none none",
        f"made e2e-short with {comfyui} {comfyui}/.venv/bin/python",
    ]


def test_named_comfyui_goes_before_the_found_one(tmp_path: Path) -> None:
    """COMFYUI_PATH alone has the Python of its environment, COMFYUI_PYTHON any."""
    installed(tmp_path / "comfy" / "ComfyUI")
    named = installed(tmp_path / "my ComfyUI")
    assert ran(tmp_path, COMFYUI_PATH=str(named))[-1] == f"made e2e-short with {named} {named}/.venv/bin/python"
    told = ran(tmp_path, COMFYUI_PATH=str(named), COMFYUI_PYTHON="/bin/true")[-1]
    assert told == f"made e2e-short with {named} /bin/true"


def test_comfyui_whose_python_lacks_torch_is_skipped(tmp_path: Path) -> None:
    """A half installed one is no reason to fail."""
    installed(tmp_path / "comfy" / "ComfyUI", python="false")
    assert "e2e was skipped" in ran(tmp_path)[-1]
