"""Runs the tests in processes that are forked once all tests are collected: `python -m pytest --forks 4`.

Each process of pytest-xdist loads torch and collects 7,000 tests for itself, a sixth of what the quick tests take.
"""

from __future__ import annotations

import os
import traceback
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import SimpleNamespace
from typing import Any

import pytest

MOST_AT_ONCE = 120  # tests that a process gets at a time, in the beginning: neighbours share what a module works out
SLOW_COUNTS_AS = 12  # quick ones: the longest, which begin, are to be shared out


@dataclass
class Fork:
    """A process, seen from the first one: what it has to do, and the test that it began."""

    number: int
    pid: int
    line: Connection
    todo: deque[int] = field(default_factory=deque)

    @property
    def node(self) -> SimpleNamespace:
        """Return what pytest's terminal knows a report of another process by, as pytest-xdist names it."""
        name = f"fork{self.number}"
        return SimpleNamespace(gateway=SimpleNamespace(id=name), _workerinfocache=f"[{name}]")


class ForkedRun:
    """The first process's part: hands tests out, and tells what the others report as if it came from here."""

    def __init__(self, config: pytest.Config, count: int) -> None:
        self.config, self.count = config, count
        self.forks: dict[Connection, Fork] = {}
        self.todo: deque[int] = deque()
        self.broken: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed or session.config.option.collectonly or not session.items:
            return None
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.showfspath = False  # files come mixed
        self.todo.extend(range(len(session.items)))
        try:
            for number in range(self.count):
                self._start(session, number)
            while self.forks:
                for line in wait(list(self.forks)):
                    self._hear(session, self.forks[line])  # type: ignore[index]
        finally:
            for fork in self.forks.values():
                os.kill(fork.pid, 15)
        if self.broken:
            raise RuntimeError("\n".join(self.broken))
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    def _start(self, session: pytest.Session, number: int) -> None:
        ours, theirs = Pipe()
        base = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        pid = os.fork()
        if pid == 0:
            for line in (ours, *self.forks):
                line.close()
            self.config.pluginmanager.unregister(self)
            Worker(session, theirs).live(base / f"fork{number}-{os.getpid()}")
        theirs.close()
        self.forks[ours] = Fork(number, pid, ours)

    def _hear(self, session: pytest.Session, fork: Fork) -> None:
        try:
            name, *told = fork.line.recv()
        except (EOFError, OSError):
            return self._ended(session, fork)
        heard: Callable[..., None] = getattr(self, f"_heard_{name}")
        heard(session, fork, *told)
        return None

    def _heard_more(self, session: pytest.Session, fork: Fork) -> None:
        room = min(MOST_AT_ONCE, 1 + len(self.todo) // (4 * self.count))
        if session.shouldfail or session.shouldstop:
            self.todo.clear()
        more: list[int] = []
        while self.todo and room > 0:
            more.append(self.todo.popleft())
            room -= SLOW_COUNTS_AS if session.items[more[-1]].get_closest_marker("slow") else 1
        fork.todo.extend(more)
        fork.line.send(more)

    def _heard_report(self, _session: pytest.Session, fork: Fork, data: dict[str, Any]) -> None:
        report = self.config.hook.pytest_report_from_serializable(config=self.config, data=data)
        report.node = fork.node
        self.config.hook.pytest_runtest_logreport(report=report)

    def _heard_finished(self, _session: pytest.Session, fork: Fork, nodeid: str, location: Any) -> None:
        fork.todo.popleft()
        self.config.hook.pytest_runtest_logfinish(nodeid=nodeid, location=location)

    def _heard_warning(self, _session: pytest.Session, _fork: Fork, message: str, said: dict[str, Any]) -> None:
        category, filename, lineno = said.pop("what")
        record = warnings.WarningMessage(category(message), category, filename, lineno)
        self.config.hook.pytest_warning_recorded.call_historic(kwargs={"warning_message": record, **said})

    def _heard_broken(self, _session: pytest.Session, _fork: Fork, what: str) -> None:
        self.broken.append(what)

    def _ended(self, session: pytest.Session, fork: Fork) -> None:
        del self.forks[fork.line]
        fork.line.close()
        status = os.waitstatus_to_exitcode(os.waitpid(fork.pid, 0)[1])
        if not fork.todo:
            return
        item = session.items[fork.todo.popleft()]
        what = f"the process ended with {status} in {item.nodeid}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", what, "call")
        self.config.hook.pytest_runtest_logreport(report=report)
        self.todo.extendleft(reversed(fork.todo))
        self._start(session, fork.number)


class Worker:
    """The part of a forked process: runs what it is told to, tells the first one, and ends."""

    def __init__(self, session: pytest.Session, line: Connection) -> None:
        self.session, self.config, self.line = session, session.config, line

    def live(self, base: Any) -> None:
        """Run tests until there are no more, and end the process."""
        try:
            self._settle(base)
            self._run()
            self.config._ensure_unconfigure()  # what was thrown while garbage was collected is told here
        except BaseException:  # noqa: BLE001 - nothing may go on behind the fork as if this were the first process
            self._tell("broken", traceback.format_exc())
        finally:
            os._exit(0)

    def _settle(self, base: Any) -> None:
        """Share neither folders nor captured output with the other processes, and print nothing."""
        base.mkdir()
        self.config._tmp_path_factory._basetemp = base  # type: ignore[attr-defined]
        self.config._tmp_path_factory._given_basetemp = base  # type: ignore[attr-defined]
        plugins = self.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        capture: Any = plugins.get_plugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        plugins.register(self)

    def _run(self) -> None:
        todo: deque[int] = deque()
        while self._more(todo):
            item = self.session.items[todo.popleft()]
            following = self.session.items[todo[0]] if self._more(todo) else None
            self.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._tell("finished", item.nodeid, item.location)

    def _more(self, todo: deque[int]) -> bool:
        if not todo and not self.session.shouldfail:
            self._tell("more")
            todo.extend(self.line.recv())
        return bool(todo)

    def _tell(self, name: str, *what: Any) -> None:
        self.line.send((name, *what))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tell("report", self.config.hook.pytest_report_to_serializable(config=self.config, report=report))

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: Any
    ) -> None:
        plain = next(kind for kind in warning_message.category.__mro__ if kind.__module__ == "builtins")
        what = (plain, warning_message.filename, warning_message.lineno)
        said = {"what": what, "when": when, "nodeid": nodeid, "location": location}
        self._tell("warning", str(warning_message.message), said)
