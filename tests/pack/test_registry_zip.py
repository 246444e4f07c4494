"""What people get from ComfyUI's registry: the zip that `comfy node publish` makes of this folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from openai_image_nodes import NODE_CLASS_MAPPINGS
from pathspec import PathSpec
from support.pack import ROOT

HELP = [name for name in NODE_CLASS_MAPPINGS if (ROOT / "web" / "docs" / name).is_dir()]
LANGUAGES = ("de", "es", "fr", "ja", "ko", "zh")
FOR_WORK = (".ci", ".github", ".mypy", "bench", "docs", "node_modules", "scripts", "tests", "Makefile", ".comfyignore")
LOADED = """
import importlib.util, json, os, sys
root = sys.argv[1]
init = os.path.join(root, "__init__.py")
spec = importlib.util.spec_from_file_location("pack", init, submodule_search_locations=[root])
pack = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
print(json.dumps([sorted(pack.NODE_CLASS_MAPPINGS), os.path.isdir(os.path.join(root, pack.WEB_DIRECTORY))]))
"""


def tracked() -> list[str]:
    git = ["git", "-C", str(ROOT), "ls-files"]
    try:
        listed = subprocess.run(git, capture_output=True, text=True, check=True)  # noqa: S603 - git as comfy-cli calls it
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone, or there is no git: nothing is published from here")
    return [line for line in listed.stdout.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def registry_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the zip as comfy-cli 1.23 does (file_utils.zip_files): what git tracks and .comfyignore does not match."""
    lines = (line.strip() for line in (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines())
    ignored = PathSpec.from_lines("gitignore", [line for line in lines if line and not line.startswith("#")])
    path = tmp_path_factory.mktemp("registry") / "node.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in tracked():
            if not ignored.match_file(name) and (ROOT / name).exists():
                archive.write(ROOT / name, name)
    return path


@pytest.fixture(scope="module")
def names(registry_zip: Path) -> set[str]:
    with zipfile.ZipFile(registry_zip) as archive:
        return set(archive.namelist())


def test_every_help_page_is_in_the_zip(names: set[str]) -> None:
    """A pattern without its slash took all of them out, and nobody noticed before the release."""
    assert HELP
    assert {f"web/docs/{node}/{language}.md" for node in HELP for language in ("en", *LANGUAGES)} <= names
    assert {name for name in tracked() if name.startswith("web/docs/")} <= names


@pytest.mark.parametrize(
    "folder", ["web/js", "web/docs", "locales", "example_workflows", "api", "nodes", "utils", "sandbox", "cli"]
)
def test_what_runs_is_in_the_zip(names: set[str], folder: str) -> None:
    """Code, pages, translations and examples: all that git has, but the types of the JavaScript."""
    wanted = {name for name in tracked() if name.startswith(f"{folder}/") and not name.endswith(".d.ts")}
    assert wanted
    assert wanted <= names


def test_what_the_registry_reads_is_in_the_zip(names: set[str]) -> None:
    """Its installers know pyproject.toml and requirements.txt; people read the rest."""
    wanted = {
        "__init__.py",
        "pyproject.toml",
        "requirements.txt",
        "README.md",
        "LICENSE",
        "SECURITY.md",
        "CHANGELOG.md",
    }
    assert wanted <= names
    assert {
        f"locales/{language}/{part}.json" for language in LANGUAGES for part in ("main", "nodeDefs", "settings")
    } <= names
    assert len([name for name in names if name.startswith("example_workflows/") and name.endswith(".json")]) == 11


def test_what_is_for_work_on_the_pack_is_not_in_the_zip(names: set[str]) -> None:
    """Neither tests with their planted keys nor scripts, and nothing that a shell would call hidden."""
    assert {name for name in names if name.split("/")[0] in FOR_WORK} == set()
    assert {name for name in names if name.startswith(".") or name.endswith(".d.ts")} == set()
    assert {name for name in names if "__pycache__" in name or name.endswith((".pyc", ".zip", ".egg-info"))} == set()


def test_every_pattern_stands_for_something() -> None:
    """One that matches nothing is one that was misspelt; each begins at the root."""
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert [pattern for pattern in patterns if not pattern.startswith("/")] == []
    unused = [
        pattern
        for pattern in patterns
        if not any(map(PathSpec.from_lines("gitignore", [pattern]).match_file, tracked()))
    ]
    assert unused in ([], ["/node_modules/"])


@pytest.mark.slow
def test_the_zip_loads_as_a_pack(registry_zip: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, it has all nodes and its page."""
    with zipfile.ZipFile(registry_zip) as archive:
        archive.extractall(tmp_path / "pack")
    command = [sys.executable, "-I", "-c", LOADED, str(tmp_path / "pack")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"[{str(sorted(NODE_CLASS_MAPPINGS)).replace(chr(39), chr(34))}, true]"


def test_the_zip_is_looked_at_before_it_is_published() -> None:
    """In the same job, before the step that cannot be taken back."""
    steps = (ROOT / ".github" / "workflows" / "publish.yml").read_text(encoding="utf-8")
    published = steps.index("publish-node-action@")
    assert 0 < steps.index("tests/pack/test_registry_zip.py") < published
    assert 0 < steps.index("node validate") < published
