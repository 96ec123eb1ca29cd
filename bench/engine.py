"""What a switch costs the engine, compared with raw round trips of the same client."""

from __future__ import annotations

import time
from collections.abc import Callable

from . import floors
from .lab import Lab
from .measure import Contender, Progress, latency_ratio, one_by_one, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation, engine_on

SWITCH, GET = "switch_cycle", "get_current_state"
PING = "floor: PING"
ONE_TRIP = "floor: one empty EVALSHA, a commit's bytes there, a load's back"
TWO_TRIPS = "floor: two empty EVALSHAs, a switch's bytes"
SCRIPTS = "floor: load.lua and commit.lua, nothing around them"


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    redis_url = lab.valkey.url
    with engine_on(redis_url) as engine, floors.bare_server_on(redis_url) as server:
        session_id = aged(redis_url, creation(2))
        load = floors.emptied(server, lab.switch.load)
        commit = floors.emptied(server, lab.switch.commit)
        both = floors.emptied(
            server, floors.Exchange("", lab.switch.commit.words, lab.switch.load.reply)
        )
        replay = floors.Replay(server, floors.record_switch(redis_url, creation(2)))

        def two_trips() -> None:
            floors.run(server, load)
            floors.run(server, commit)

        operations: dict[str, Callable[[], object]] = {
            SWITCH: lambda: engine.switch_cycle(session_id),
            PING: lambda: server.execute("PING"),
            ONE_TRIP: lambda: floors.run(server, both),
            TWO_TRIPS: two_trips,
            SCRIPTS: replay,
            GET: lambda: engine.get_current_state(session_id),
        }
        clocks = {"ours": time.process_time, "valkey": lab.valkey_cpu_seconds}
        samples = take_turns(
            {name: Contender(one_by_one(do), clocks) for name, do in operations.items()},
            rounds=plan.engine_rounds,
            count=plan.engine_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    baseline = {SWITCH: PING, ONE_TRIP: PING, TWO_TRIPS: PING, SCRIPTS: PING, GET: PING}
    rows: list[Row] = [
        {
            "what": name,
            "count": found.count,
            "p50_ms": found.p50_ms,
            "p95_ms": found.p95_ms,
            "cpu_ms": found.cpu_ms("ours"),
            "valkey_cpu_ms": found.cpu_ms("valkey"),
            "floor": baseline.get(name),
            "ratio": latency_ratio(found, samples[baseline[name]]) if name in baseline else None,
        }
        for name, found in samples.items()
    ]
    switch = samples[SWITCH]
    to_ping = latency_ratio(switch, samples[PING])
    to_scripts = latency_ratio(switch, samples[SCRIPTS])
    checks = [
        Check("switch, p50", f"{switch.p50_ms:.3f} ms", "< 3 ms", switch.p50_ms < 3),
        Check(
            "switch, p50, compared with one raw round trip (PING)",
            f"{to_ping:.2f} x",
            aim="<= 2.5 x",
            aim_holds=to_ping <= 2.5,
        ),
        Check("switch, p50, compared with its own scripts alone", f"{to_scripts:.2f} x"),
    ]
    return Result(
        "engine",
        "The engine alone",
        "SyncEngine on a real Valkey, two participants, one caller. CPU is of the caller.",
        rows,
        checks,
    )
