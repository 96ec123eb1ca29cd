"""``python -m bench``: the command line of the benchmarks.

Owns arguments, progress, where results go, and the exit code: 1 if something
is wrong that no noise could excuse, such as a lost switch. A figure that misses
its target on a busy machine is no failure.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path
from types import FrameType

from . import (
    access,
    against,
    auctions,
    cold_start,
    correctness,
    delivery,
    emulators,
    engine,
    fan_out,
    package,
    participants,
    rest,
    signing,
    simultaneous,
    sweep,
    telemetry,
    upkeep,
)
from .http_client import UnexpectedAnswer
from .lab import ROOT, Lab
from .machine import Neighbours, allow_many_files, describe, sources_digest
from .measure import Progress
from .plan import FULL, QUICK, Plan
from .report import Report, Result, as_text, update_document
from .watchers import WatchersFailed

Benchmark = Callable[[Lab, Plan, Progress], Result]

BENCHMARKS: dict[str, Benchmark] = {
    "engine": engine.measure,
    "rest": rest.measure_sequential,
    "crowd": rest.measure_crowd,
    "telemetry": telemetry.measure,
    "access": access.measure,
    "participants": participants.measure,
    "delivery": delivery.measure,
    "upkeep": upkeep.measure,
    "fan_out": fan_out.measure_stack,
    "broadcaster": fan_out.measure_clients,
    "signing": signing.measure,
    "emulators": emulators.measure,
    "sweep": sweep.measure,
    "simultaneous": simultaneous.measure,
    "cold": cold_start.measure,
    "package": package.measure,
    "correctness": correctness.measure,
    "auctions": auctions.measure,
}

UNTRACKED = ROOT / "build" / "bench.json"
TRACKED = ROOT / "bench" / "results.json"
DOCUMENT = ROOT / "docs" / "performance.md"

CHANGED = "changed during the run"

LIMIT_SECONDS = 1_200
"""Whatever hangs, a run ends, and ends what it started."""


class _Ended(Exception):
    """The run was asked to end, or took too long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code."""
    options = _read_arguments(arguments)
    _end_orderly(within_seconds=0 if options.auctions else LIMIT_SECONDS)
    # A client of a fan-out is a file in two processes.
    allow_many_files()
    try:
        report = run(_chosen(options), _plan(options), _say)
    except (_Ended, against.NoReport) as reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    print(as_text(report))
    if options.update_docs and CHANGED in report.machine["sources"]:
        print(f"bench: the sources {CHANGED}; nothing is written", file=sys.stderr)
        return 1
    written_to: Path = options.json or (TRACKED if options.update_docs else UNTRACKED)
    written_to.parent.mkdir(parents=True, exist_ok=True)
    written_to.write_text(report.to_json())
    if options.update_docs:
        update_document(DOCUMENT, report)
    return 0 if all(result.sound for result in report.results) else 1


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    if options.auctions is None:
        return plan
    return replace(plan, auction_rounds=options.auctions, auction_seconds=inf)


def _chosen(options: argparse.Namespace) -> Mapping[str, Benchmark]:
    """The benchmarks that the command line names, in the order in which they are always run."""
    if options.auctions is not None:
        return {"auctions": auctions.measure}
    if options.against is not None:
        return {"against": partial(against.measure, options.against)}
    names = options.only or BENCHMARKS
    return {name: benchmark for name, benchmark in BENCHMARKS.items() if name in names}


def run(benchmarks: Mapping[str, Benchmark], plan: Plan, say: Progress) -> Report:
    """One after another."""
    neighbours, began, sources = Neighbours(), time.monotonic(), sources_digest(ROOT)
    results = []
    with Lab() as lab:
        machine = describe(lab.valkey_version)
        for name, benchmark in benchmarks.items():
            results.append(_twice_if_need_be(benchmark, lab, plan, _prefixed(name, say)))
    # Servers start, and modules are imported, at different times of a run.
    changed = sources_digest(ROOT) != sources
    machine["sources"] = f"{sources}, {CHANGED}" if changed else sources
    machine["others"] = neighbours.share()
    machine["took"] = f"{time.monotonic() - began:.0f} s"
    return Report(machine, results).rounded()


def _twice_if_need_be(benchmark: Benchmark, lab: Lab, plan: Plan, say: Progress) -> Result:
    """On a machine that is very busy, patience can be at an end once; a fault would be there again.

    Nothing is measured by halves: the second attempt begins again.
    """
    try:
        return benchmark(lab, plan, say)
    except (UnexpectedAnswer, WatchersFailed, OSError) as error:
        say(f"once more, because of {error!r}")
        return benchmark(lab, plan, say)


def _prefixed(name: str, say: Progress) -> Progress:
    return lambda text: say(f"{name}: {text}")


def _say(text: str) -> None:
    if sys.stderr.isatty():
        # The line before is written over; what it had more is erased.
        print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures Tickless compared with the least it could cost, and prints tables.",
    )
    parser.add_argument("--quick", action="store_true", help="few samples: does it work at all?")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, metavar="NAME")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="compare this version with the one in another checkout, in turns",
    )
    parser.add_argument(
        "--auctions",
        type=int,
        metavar="COUNT",
        help="only so many auctions, however long they take; 10,000 take half an hour",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help=f"default: {_short(UNTRACKED)}")
    parser.add_argument(
        "--update-docs",
        action="store_true",
        help=f"write {_short(TRACKED)} and the figures in {_short(DOCUMENT)}",
    )
    options = parser.parse_args(arguments)
    alone = (options.quick, options.only, options.json, options.against, options.auctions)
    if options.update_docs and any(alone):
        parser.error("--update-docs wants a whole run, for itself")
    if options.auctions is not None and (options.only or options.against):
        parser.error("--auctions runs nothing else; leave --only and --against out")
    if options.auctions is not None and options.auctions < 1:
        parser.error(f"--auctions: at least 1, got {options.auctions}")
    if options.against and options.only:
        parser.error("--against runs the same benchmarks of both versions; leave --only out")
    if options.against and not (options.against / "bench" / "__main__.py").is_file():
        parser.error(f"--against: {options.against} is no checkout with benchmarks")
    return options


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _end_orderly(within_seconds: int) -> None:
    """Have signals leave through every ``finally``, so that no server is left behind.

    After ``within_seconds`` there is one; never, if that is 0.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        for other in (signal.SIGTERM, signal.SIGINT):
            signal.signal(other, signal.SIG_IGN)  # it is ending
        late = number == signal.SIGALRM
        raise _Ended(f"not done after {within_seconds} s" if late else "asked to end")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, end)
    signal.alarm(within_seconds)


if __name__ == "__main__":
    sys.exit(main())
