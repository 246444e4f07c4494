"""The rooms of the pack as docs/architecture.md tells them: who may use whom, and that every room is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import draw_architecture
from support.pack import ROOT

PACK = ("api", "cli", "nodes", "sandbox", "utils")
ROOMS = {room.name for room in draw_architecture.ROOMS}
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


DOOR = Path("api", "__init__.py")  # names that are used outside of api, from every room in it


def modules() -> list[Path]:
    """Return every module of the pack, relative to its root."""
    return sorted(path.relative_to(ROOT) for top in PACK for path in (ROOT / top).rglob("*.py"))


def room_of(module: Path) -> str:
    """Return the room that a module lies in: a folder of api, or one of the other folders as a whole."""
    parts = module.parts
    return "/".join(parts[:2]) if parts[0] == "api" and len(parts) > 2 else parts[0]


def imported(module: Path) -> Iterator[Path]:
    """Yield the modules of the pack that one imports, also inside functions."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = Path(*module.parts[: len(module.parts) - node.level], *(node.module or "").split("."))
        for name in (alias.name for alias in node.names):
            yield next(found for found in candidates(base, name) if (ROOT / found).is_file())


def candidates(base: Path, name: str) -> list[Path]:
    """Return the files that `from base import name` may mean, the nearest first."""
    return [base / f"{name}.py", base / name / "__init__.py", Path(f"{base}.py"), base / "__init__.py"]


def test_imports_go_down_only() -> None:
    """A room uses what is below it on the picture, directly or through others, and nothing else."""
    inside = [module for module in modules() if module != DOOR]
    arrows = {(room_of(module), room_of(used)): module for module in inside for used in imported(module)}
    up = {
        arrow: module.as_posix()
        for arrow, module in arrows.items()
        if arrow[0] != arrow[1] and arrow[1] not in draw_architecture.reachable(arrow[0])
    }
    assert up == {}
    assert {"api/jobs", "nodes", "sandbox"} <= {room for arrow in arrows for room in arrow}


def test_rooms_of_the_client_do_not_use_its_door() -> None:
    """They use each other, so that the arrows tell what needs what."""
    inside = [module for module in modules() if module.parts[0] == "api" and module != DOOR]
    assert [module.as_posix() for module in inside if DOOR in imported(module)] == []


def test_nothing_below_knows_the_sandbox_or_the_pixels() -> None:
    """The client never uses its own stand-in, and pixels and service do not know each other."""
    for room in (name for name in ROOMS if name.startswith("api")):
        assert draw_architecture.reachable(room) & {"sandbox", "utils", "nodes", "cli"} == set()
    assert not any(name.startswith("api") for name in draw_architecture.reachable("utils"))


def test_every_room_is_drawn_and_told() -> None:
    """A folder of modules that the picture or the document leaves out cannot be found by a newcomer."""
    folders = {module.parent.as_posix() for module in modules()}
    assert folders == ROOMS
    assert [
        name for name in sorted(folders) if f"`{name}/`" not in TEXT and f"`{name.rpartition('/')[2]}/`" not in TEXT
    ] == []


def test_every_room_says_what_it_holds() -> None:
    """At its door: in the docstring of its `__init__`, in words and not by its name alone."""
    doors = {name: ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8")) for name in ROOMS}
    said = {name: (ast.get_docstring(door) or "").strip(".") for name, door in doors.items()}
    assert [name for name, words in said.items() if len(words.split()) < 3] == []


def test_picture_is_drawn_from_the_rule() -> None:
    """python scripts/draw_architecture.py makes it."""
    assert draw_architecture.PICTURE.read_text(encoding="utf-8") == draw_architecture.drawn()


def test_modules_that_documents_name_exist() -> None:
    """Wherever the walk leads, there is a file."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {name for path in documents for name in re.findall(r"`((?:[\w.]+/)+\w+\.\w+)`", path.read_text("utf-8"))}
    ours = sorted(name for name in named if name.split("/")[0] in {*PACK, "scripts", "tests", "web", "bench"})
    assert len(ours) > 10
    assert [name for name in ours if not (ROOT / name).is_file()] == []
