"""pyproject.toml names each folder of the pack by hand: setuptools finds no packages in a folder of any name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.pack import PACKAGE, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NOT_INSTALLED = ("bench", "build", "demo_output", "e2e_output", "scripts", "tests")
FROM_ELSEWHERE = """
import warnings


def pytest_configure():
    warnings.warn("from another package")
"""


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def sources() -> list[Path]:
    """Return the pack's own files, relative to the root, without those that are for work on the pack."""
    found = []
    for folder in ROOT.iterdir():
        if folder.is_dir() and folder.name[0] != "." and folder.name not in NOT_INSTALLED:
            found += [path.relative_to(ROOT) for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if "__pycache__" not in path.parts and ".egg-info" not in path.parts[0]]


def test_every_folder_with_code_is_installed(project: dict[str, Any]) -> None:
    """A folder that is missing in the list is missing in the wheel, and nothing says so."""
    folders = {".".join([PACKAGE, *path.parts[:-1]]) for path in sources() if path.suffix == ".py"}
    assert sorted(project["tool"]["setuptools"]["packages"]) == sorted({PACKAGE, *folders})


def test_every_data_file_among_the_code_is_installed(project: dict[str, Any]) -> None:
    """The catalog is read from beside its module; and no pattern stands for files that are gone."""
    patterns = project["tool"]["setuptools"]["package-data"][PACKAGE]
    code = {path.parent for path in sources() if path.suffix == ".py"}
    data = [path for path in sources() if path.suffix != ".py" and path.parent in code]
    assert data
    assert [path for path in data if not any(fnmatch(path.as_posix(), pattern) for pattern in patterns)] == []
    assert [pattern for pattern in patterns if not any(path.is_file() for path in ROOT.glob(pattern))] == []


@pytest.mark.parametrize(
    ("field", "fits"),
    [
        ("Icon", lambda width, height: width == height <= 400),
        ("Banner", lambda width, height: width * 9 == height * 21),
    ],
)
def test_registry_has_pictures_of_the_forms_it_asks_for(
    project: dict[str, Any], field: str, fits: Callable[[int, int], bool]
) -> None:
    """Square and at most 400x400, and 21:9 (docs.comfy.org/registry/specifications); each address is a file of ours."""
    repository = project["project"]["urls"]["Repository"].removeprefix("https://github.com/")
    start = f"https://raw.githubusercontent.com/{repository}/main/"
    address = project["tool"]["comfy"][field]
    assert address.startswith(start)
    with Image.open(ROOT / address.removeprefix(start)) as picture:
        assert fits(*picture.size), picture.size
        picture.load()


def test_registry_is_told_where_help_is_and_whose_this_is_not(project: dict[str, Any]) -> None:
    """A page of documentation that is there, a place for issues, and that OpenAI has nothing to do with it."""
    urls = project["project"]["urls"]
    page = urls["Documentation"].removeprefix(f"{urls['Repository']}/blob/main/")
    assert (ROOT / page).is_file()
    assert urls["Issues"] == f"{urls['Repository']}/issues"
    assert "Not affiliated with OpenAI" in project["project"]["description"]
    assert "not made by or affiliated with OpenAI" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_all_code_is_checked_by_mypy() -> None:
    """As one package, by links beside which a new folder is easily forgotten."""
    folders = {path.parts[0] for path in sources() if path.suffix == ".py"}
    modules = {path.name for path in ROOT.glob("*.py")}
    links = {path.name: path.resolve() for path in (ROOT / ".mypy" / PACKAGE).iterdir()}
    if all(path.is_relative_to(ROOT / ".mypy") for path in links.values()):
        pytest.skip("git made no links: this system, or its settings, have none")
    assert links == {name: ROOT / name for name in folders | modules}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "code", "ended"), [(FROM_ELSEWHERE, "", 0), ("", "import warnings; warnings.warn('ours')", 1)]
)
def test_only_our_own_warnings_are_errors(tmp_path: Path, plugin: str, code: str, ended: int) -> None:
    """A plugin that somebody has beside ours may warn as it likes; code that a test runs may not."""
    (tmp_path / "pytest_elsewhere.py").write_text(plugin)
    (tmp_path / "test_one.py").write_text(f"def test_one():\n    {code or 'pass'}\n")
    ours = ["-c", str(ROOT / "pyproject.toml"), "--noconftest", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *ours, "-p", "pytest_elsewhere", str(tmp_path / "test_one.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == ended, done.stdout + done.stderr
