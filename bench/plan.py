"""How much of everything a run does: bounds in count, and in time for each benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts are of operations for each contender in each round."""

    budget_seconds: float = 60.0
    engine_rounds: int = 20
    engine_count: int = 100
    rest_rounds: int = 20
    rest_count: int = 100
    clients: int = 32
    crowd_rounds: int = 10
    crowd_count: int = 2000
    sizes: tuple[int, ...] = (2, 100, 1000)
    size_rounds: int = 10
    size_count: int = 30
    cold_runs: int = 15
    contended_rounds: int = 1000
    contenders: int = 16
    cycles: int = 500


FULL = Plan()

QUICK = Plan(
    budget_seconds=5.0,
    engine_rounds=5,
    engine_count=40,
    rest_rounds=5,
    rest_count=40,
    crowd_rounds=3,
    crowd_count=500,
    size_rounds=3,
    size_count=4,
    cold_runs=3,
    contended_rounds=50,
    cycles=50,
)
