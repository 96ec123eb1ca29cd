"""Measuring: things that take turns, and what their samples say.

Owns the order (A B A B, for some rounds) and the arithmetic. Must never know
what is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import median

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Block:
    """Operations done one after another, or at the same time, without a pause."""

    latencies_ms: list[float]
    seconds: float


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to measure.

    ``do`` does it so many times. ``cpu_clocks`` name the processes whose work
    it is, each with a clock of its CPU time in seconds; ``None`` where this
    system can't tell.
    """

    do: Callable[[int], Block]
    cpu_clocks: Mapping[str, Callable[[], float | None]] = field(default_factory=dict)


@dataclass(slots=True)
class Samples:
    """All blocks of one contender, in the order of the rounds."""

    blocks: list[Block] = field(default_factory=list)
    cpu_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(len(block.latencies_ms) for block in self.blocks)

    @property
    def p50_ms(self) -> float:
        return self.percentile_ms(50)

    @property
    def p95_ms(self) -> float:
        return self.percentile_ms(95)

    @property
    def per_second(self) -> float:
        return median(len(block.latencies_ms) / block.seconds for block in self.blocks)

    def percentile_ms(self, percent: int) -> float:
        return percentile([ms for block in self.blocks for ms in block.latencies_ms], percent)

    def cpu_ms(self, process: str) -> float | None:
        """CPU time for each operation, user and system together, over all rounds."""
        seconds = self.cpu_seconds.get(process)
        return None if seconds is None else seconds * 1000 / self.count


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many per cent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def latency_ratio(figure: Samples, floor: Samples) -> float:
    """The median, over the rounds, of one median compared with the other.

    Round by round, because both halves of a round saw the same machine.
    """
    return median(
        median(ours.latencies_ms) / median(least.latencies_ms)
        for ours, least in zip(figure.blocks, floor.blocks, strict=True)
    )


def more_ms(figure: Samples, floor: Samples) -> float:
    """The median, over the rounds, of what one median is above the other."""
    return median(
        median(ours.latencies_ms) - median(least.latencies_ms)
        for ours, least in zip(figure.blocks, floor.blocks, strict=True)
    )


def throughput_ratio(figure: Samples, floor: Samples) -> float:
    """As ``latency_ratio``, of operations in a second."""
    return median(
        (len(ours.latencies_ms) / ours.seconds) / (len(least.latencies_ms) / least.seconds)
        for ours, least in zip(figure.blocks, floor.blocks, strict=True)
    )


def one_by_one(operation: Callable[[], object]) -> Callable[[int], Block]:
    """Time each of so many calls."""

    def do(count: int) -> Block:
        now_ns = time.perf_counter_ns
        latencies_ms = []
        began_ns = now_ns()
        for _ in range(count):
            before_ns = now_ns()
            operation()
            latencies_ms.append((now_ns() - before_ns) / 1e6)
        return Block(latencies_ms, (now_ns() - began_ns) / 1e9)

    return do


def take_turns(
    contenders: Mapping[str, Contender],
    *,
    rounds: int,
    count: int,
    budget_seconds: float,
    progress: Progress,
) -> dict[str, Samples]:
    """Each contender ``count`` times in a round, in the order given; a warm-up first.

    When the budget is spent, the round that is under way is the last one.
    """
    samples = {name: Samples() for name in contenders}
    for contender in contenders.values():
        contender.do(max(1, min(count, 20)))
    give_up_at = time.monotonic() + budget_seconds
    for number in range(1, rounds + 1):
        progress(f"round {number} of {rounds}")
        for name, contender in contenders.items():
            _measure(contender, count, samples[name])
        if time.monotonic() > give_up_at:
            break
    return samples


def _measure(contender: Contender, count: int, samples: Samples) -> None:
    before = {process: clock() for process, clock in contender.cpu_clocks.items()}
    samples.blocks.append(contender.do(count))
    for process, clock in contender.cpu_clocks.items():
        began, ended = before[process], clock()
        if began is not None and ended is not None:
            so_far = samples.cpu_seconds.get(process, 0.0)
            samples.cpu_seconds[process] = so_far + ended - began
