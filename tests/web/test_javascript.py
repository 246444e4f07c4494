"""The extension in the browser: its logic by node's own test runner, its files as ComfyUI serves them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = sorted((ROOT / "tests" / "web" / "js").glob("*.test.js"))
# A process for each file would take three times as long to start as its tests take.
ALL_IN_ONE = """
import { suite } from "node:test";
for (const file of process.argv.slice(1)) suite(file, async () => { await import(file); });
"""
OLDEST_NODE = 20  # its test runner has timers that a test can move


@cache
def node() -> str:
    """Return node's path; without one the tests are skipped, and pytest says so."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("the JavaScript was NOT tested: there is no node")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    if int(version.strip().removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"the JavaScript was NOT tested: node {version.strip()} is older than {OLDEST_NODE}")
    return found


def test_logic_of_the_extension() -> None:
    """Prices shown, values carried over, words of the panel: what needs no browser."""
    files = [file.as_uri() for file in TESTS]
    command = [node(), "--test-reporter=spec", "--input-type=module", "-e", ALL_IN_ONE, "--", *files]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ended = dict(re.findall(r"^\S+ (tests|suites|pass) (\d+)$", ran.stdout, re.MULTILINE))
    assert int(ended["suites"]) == len(files)
    assert int(ended["pass"]) == int(ended["tests"]) > len(files)


def test_compiler_is_pinned_and_nothing_of_npm_is_kept() -> None:
    """One exact version; no lock file, which would name the index that it was made with."""
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["devDependencies"].values())
    assert "dependencies" not in package
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert {"node_modules/", "package-lock.json"} <= set(ignored)


def test_nothing_of_npm_is_below_web() -> None:
    """ComfyUI imports every script there, those of other people's packages too."""
    assert not list((ROOT / "web").rglob("package.json"))


def test_scripts_end_with_js() -> None:
    """ComfyUI forbids browsers to keep .js alone: another ending would mix versions after an update."""
    assert [path.name for path in (ROOT / "web").rglob("*.*js") if path.suffix != ".js"] == []
    assert (ROOT / "web" / "js" / "openai_image_nodes.js").is_file()
