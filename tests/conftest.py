"""Loads the pack by path, as ComfyUI does, under the name that `pip install .` gives it."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Only `support` is importable from here: the folders beside it share their names with ComfyUI's modules.
HELPERS = importlib.util.spec_from_file_location("support", Path(__file__).with_name("support") / "__init__.py")
assert HELPERS is not None
sys.modules["support"] = importlib.util.module_from_spec(HELPERS)

from support.pack import PACKAGE, ROOT, load_pack  # noqa: E402

settings.register_profile("untimed", deadline=None)  # tests do not time: a busy machine is no fault
settings.load_profile("untimed")
NUMBERS = itertools.count()


class PlainRoot:
    """Collects the root as a plain folder: its `__init__.py` has relative imports and is no test package."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def keep_folders_in_memory() -> None:
    """Have the tests' folders in memory where it is large enough: for small files a disk takes twice the time."""
    memory = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(PlainRoot())
    keep_folders_in_memory()
    os.fsync = lambda _descriptor: None  # it helps when the power fails, which no test has, and holds up each answer
    # A team of torch's threads takes many times as long where other tests have the cores; for what is started too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Tests are generated from the catalog while they are collected: the developer's own list must not change them.
    os.environ["OPENAI_IMAGE_NODES_HOME"] = os.devnull
    if PACKAGE not in sys.modules:
        load_pack(ROOT, PACKAGE)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start two more than there are cores: many tests wait for a process or a server, and keep no core busy."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest: what is begun last keeps one core busy, and the others wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("longest") is None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Let no collection of garbage look through all modules and tests again and again, nor after each 700 objects.

    While they are read and rewritten nothing becomes garbage, and to look for it took a third of the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        for logger in logging.root.manager.loggerDict.values():  # torch has forty that keep their words to themselves:
            if isinstance(logger, logging.Logger):  # pytest would hang two handlers on each, three times a test
                logger.propagate = True
        gc.freeze()
        gc.set_threshold(20_000, 10, 10)
        gc.enable()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give every test a state folder of its own and none of the machine's keys; no task is waited for."""
    for name in list(os.environ):
        if name.startswith(("OPENAI_", "AZURE_OPENAI_", "COMFY_")):
            monkeypatch.delenv(name)
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(NUMBERS))  # mktemp looks through all earlier folders
    home.mkdir(parents=True)
    monkeypatch.setenv("OPENAI_IMAGE_NODES_HOME", str(home))
    monkeypatch.setattr("openai_image_nodes.api.transport.tasks.FIRST_PAUSE_S", 0.001)
