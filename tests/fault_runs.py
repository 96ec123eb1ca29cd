"""Pytest plugin of `make mutants`: runs the tests of each fault in a fork of one collected session.

mutmut itself would start pytest, and collect every test, once per fault. This reads what mutmut has
prepared in the folder ``mutants``, and writes verdicts as it does:

- ``mutmut-stats.json``: which tests reach which function, and how long each takes;
- ``*.meta``: the faults of a module, each with its verdict, or None if it was not tried.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

KILLED, SURVIVED, NO_TESTS, TIMED_OUT = 1, 0, 33, 36
"""mutmut's verdicts, which are exit codes of pytest and its own."""

KILLERS_FIRST: Final = 20
"""How many of the tests that found other faults of the function, or the module, run first.

The module's own tests are next, and each kind in the order of how long they take.
"""

LEAST_SECONDS: Final = 4
TIMES_AS_LONG: Final = 6
"""A test that takes so much CPU time, and so many times as long as usual, loops forever."""

WAITS_TIMES_AS_LONG: Final = 10
"""One that takes so many times that limit by the wall clock waits forever."""

ENDED_BY_TIMER: Final = (-signal.SIGVTALRM, -signal.SIGALRM)


class Fault(NamedTuple):
    name: str
    meta: Path

    @property
    def function(self) -> str:
        return self.name.partition("__mutmut_")[0]

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]


class Running(NamedTuple):
    fault: Fault
    found_by: int
    """The end of a pipe from which the name of the test that found the fault can be read."""


class FaultRuns:
    def __init__(self, root: Path, items: list[pytest.Item]) -> None:
        stats = json.loads((root / "mutmut-stats.json").read_text())
        self._seconds: Mapping[str, float] = stats["duration_by_test"]
        by_name = {item.nodeid: item for item in items}
        self._items = {
            function: [by_name[name] for name in sorted(names, key=self._seconds.__getitem__)]
            for function, names in stats["tests_by_mangled_function_name"].items()
        }
        self._metas = {
            path: json.loads(path.read_text()) for path in sorted(root.glob("**/*.meta"))
        }
        self._killers: dict[str, Counter[str]] = defaultdict(Counter)
        self._running: dict[int, Running] = {}

    def run(self, processes: int) -> None:
        faults = [
            Fault(name, path)
            for path, meta in self._metas.items()
            for name, verdict in meta["exit_code_by_key"].items()
            if verdict is None
        ]
        gc.freeze()
        for number, fault in enumerate(faults):
            if len(self._running) == processes:
                self._wait()
            if fault.function in self._items:
                self._start(fault)
            else:
                self._save(fault, NO_TESTS)
            if number % 100 == 0:
                sys.__stderr__.write(f"{number} of {len(faults)} faults tried\n")  # type: ignore[union-attr]
        while self._running:
            self._wait()

    def _start(self, fault: Fault) -> None:
        readable, writable = os.pipe()
        if (process := os.fork()) != 0:
            os.close(writable)
            self._running[process] = Running(fault, readable)
            return
        verdict = KILLED
        try:
            os.environ["MUTANT_UNDER_TEST"] = fault.name
            found_by = self._try(fault)
            os.write(writable, found_by.encode())
            verdict = KILLED if found_by else SURVIVED
        finally:
            os._exit(verdict)

    def _try(self, fault: Fault) -> str:
        """The name of the first test that fails; empty if none does."""
        items = self._items[fault.function]
        killers = [
            name
            for seen in (fault.function, fault.module)
            for name, _ in self._killers[seen].most_common(KILLERS_FIRST)
        ]
        own = f"/test_{fault.module.rpartition('.')[2]}.py:"
        items = sorted(items, key=lambda item: (item.nodeid not in killers, own not in item.nodeid))
        for item, following in zip(items, [*items[1:], None], strict=True):
            seconds = LEAST_SECONDS + TIMES_AS_LONG * self._seconds[item.nodeid]
            # Their signals end the process.
            signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            signal.setitimer(signal.ITIMER_REAL, WAITS_TIMES_AS_LONG * seconds)
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if item.session.testsfailed:
                return item.nodeid
        return ""

    def _wait(self) -> None:
        process, status = os.wait()
        fault, found_by = self._running.pop(process)
        with open(found_by) as pipe:  # noqa: PTH123
            killer = pipe.read()
        if killer:
            self._killers[fault.function][killer] += 1
            self._killers[fault.module][killer] += 1
        code = os.waitstatus_to_exitcode(status)
        self._save(fault, TIMED_OUT if code in ENDED_BY_TIMER else code)

    def _save(self, fault: Fault, verdict: int) -> None:
        meta: dict[str, Any] = self._metas[fault.meta]
        meta["exit_code_by_key"][fault.name] = verdict
        fault.meta.write_text(json.dumps(meta, indent=4))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    FaultRuns(session.config.rootpath, session.items).run(os.cpu_count() or 1)
    return True
