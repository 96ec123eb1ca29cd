"""How much of everything a run does: bounds in count, and in time for each benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Rival(Enum):
    """Whether to measure serverless-offline, which npm has to install first."""

    INSTALL = "install"
    IF_INSTALLED = "if installed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts are of operations for each contender in each round."""

    budget_seconds: float = 40.0
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
    overhead_rounds: int = 30
    overhead_count: int = 100
    scrapes: int = 100
    cold_runs: int = 15
    contended_rounds: int = 1000
    contenders: int = 16
    cycles: int = 500
    auction_rounds: int = 200
    auction_seconds: float = 40.0
    bids: int = 100
    delivery_rounds: int = 20
    delivery_count: int = 25
    watched_sessions: int = 10_000
    upkeep_rounds: int = 20
    upkeep_count: int = 50
    fan_out_clients: int = 1000
    fan_out_rounds: int = 15
    fan_out_count: int = 2
    broadcaster_rounds: int = 5
    broadcaster_posts: int = 1000
    broadcaster_count: int = 20
    signing_rounds: int = 5
    signing_count: int = 4
    opening_rounds: int = 3
    opening_count: int = 400
    idle_clients: int = 1000
    echo_rounds: int = 10
    echo_count: int = 50
    post_back_clients: int = 500
    post_back_rounds: int = 8
    post_back_count: int = 2
    rival: Rival = Rival.INSTALL
    screens: int = 100
    pending: tuple[int, ...] = (0, 1_000, 10_000, 100_000)
    look_rounds: int = 20
    look_count: int = 10
    crowd_sessions: int = 10_000
    crowd_seconds: float = 15.0
    crowd_warm_up_seconds: float = 3.0
    sweepers: tuple[int, ...] = (1, 2)
    clocks: int = 1_000
    screens_of_all: int = 1_000
    given_rounds: int = 10
    run_out_rounds: int = 5
    version_rounds: int = 12


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
    overhead_rounds=5,
    overhead_count=40,
    scrapes=10,
    cold_runs=3,
    contended_rounds=50,
    cycles=50,
    auction_rounds=20,
    auction_seconds=10.0,
    delivery_rounds=4,
    delivery_count=10,
    watched_sessions=1_000,
    upkeep_rounds=4,
    fan_out_clients=200,
    fan_out_rounds=4,
    broadcaster_rounds=2,
    broadcaster_posts=250,
    broadcaster_count=4,
    signing_rounds=2,
    signing_count=1,
    opening_rounds=2,
    opening_count=50,
    idle_clients=200,
    echo_rounds=2,
    echo_count=20,
    post_back_clients=50,
    post_back_rounds=2,
    rival=Rival.IF_INSTALLED,
    screens=10,
    pending=(0, 1_000),
    look_rounds=3,
    crowd_sessions=200,
    crowd_seconds=2.0,
    crowd_warm_up_seconds=0.5,
    sweepers=(1,),
    clocks=100,
    screens_of_all=50,
    given_rounds=2,
    run_out_rounds=1,
    version_rounds=2,
)
