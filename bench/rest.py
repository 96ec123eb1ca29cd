"""What a call over REST costs, compared with the same front with empty handlers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from .http_client import Connection, Crowd, asking, request
from .lab import Lab, Served
from .measure import (
    Block,
    Contender,
    Progress,
    Samples,
    latency_ratio,
    one_by_one,
    take_turns,
    throughput_ratio,
)
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation

SWITCH, SWITCH_FLOOR = "switch", "floor: two PINGs"
SWITCH_BYTES = "floor: two empty EVALSHAs, a switch's bytes"
GET, GET_FLOOR = "GET", "floor: one PING"
GET_BYTES = "floor: one empty EVALSHA, a load's bytes"
EMPTY = "floor: no Redis at all"


@dataclass(frozen=True, slots=True)
class _Call:
    """A contender by what it sends: a request for each session, to one of the two servers."""

    server: Served
    method: str
    target: str
    floor: str | None = None

    def requests(self, session_ids: list[str]) -> list[bytes]:
        body = b"{}" if self.method == "POST" else b""
        return [request(self.method, self.target.format(id=id_), body) for id_ in session_ids]


def _calls(lab: Lab) -> dict[str, _Call]:
    one, floor = "/v1/sessions/{id}", "/v1/floor/{id}"
    return {
        SWITCH: _Call(lab.app, "POST", f"{one}/switch", SWITCH_FLOOR),
        SWITCH_FLOOR: _Call(lab.floor, "POST", f"{floor}/two"),
        SWITCH_BYTES: _Call(lab.floor, "POST", f"{floor}/bytes", SWITCH_FLOOR),
        GET: _Call(lab.app, "GET", one, GET_FLOOR),
        GET_FLOOR: _Call(lab.floor, "GET", floor),
        GET_BYTES: _Call(lab.floor, "GET", f"{floor}/bytes", GET_FLOOR),
        EMPTY: _Call(lab.floor, "POST", f"{floor}/empty"),
    }


def measure_sequential(lab: Lab, plan: Plan, progress: Progress) -> Result:
    """One client, one call at a time."""
    calls = _calls(lab)
    with ExitStack() as parts:
        connections = {}
        for server in (lab.app, lab.floor):
            connections[server.pid] = Connection(server.port)
            parts.callback(connections[server.pid].close)
        session_id = aged(lab.valkey.url, creation(2))
        work = {
            name: one_by_one(asking(connections[call.server.pid], call.requests([session_id])[0]))
            for name, call in calls.items()
        }
        samples = take_turns(
            _contenders(lab, calls, work),
            rounds=plan.rest_rounds,
            count=plan.rest_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    rows = [_row(name, samples, calls[name].floor, latency_ratio) for name in samples]
    for row in rows:
        # One after another, how many in a second says nothing new.
        row["per_second"] = None
    switch, get = samples[SWITCH], samples[GET]
    to_floor = latency_ratio(switch, samples[SWITCH_FLOOR])
    get_to_floor = latency_ratio(get, samples[GET_FLOOR])
    checks = [
        Check(
            "switch, p50",
            f"{switch.p50_ms:.3f} ms, {to_floor:.2f} x its floor",
            "< 2 ms",
            switch.p50_ms < 2,
            "<= 1.5 x the floor",
            to_floor <= 1.5,
        ),
        Check("switch, p95", f"{switch.p95_ms:.3f} ms", "< 4 ms", switch.p95_ms < 4),
        Check(
            "GET, p50",
            f"{get.p50_ms:.3f} ms, {get_to_floor:.2f} x its floor",
            "< 0.7 ms",
            get.p50_ms < 0.7,
            "<= 1.5 x the floor",
            get_to_floor <= 1.5,
        ),
    ]
    return Result(
        "rest",
        "REST, one client",
        "`python -m local` and the floor, over one keep-alive connection each, one call at a"
        " time. CPU is of the server's process, without Valkey's.",
        rows,
        checks,
    )


def measure_crowd(lab: Lab, plan: Plan, progress: Progress) -> Result:
    """As many clients as the local stack has environments, each with a session of its own."""
    every = _calls(lab)
    calls = {name: every[name] for name in (SWITCH, SWITCH_FLOOR, SWITCH_BYTES)}
    with ExitStack() as parts:
        session_ids = [aged(lab.valkey.url, creation(2)) for _ in range(plan.clients)]
        work: dict[str, Callable[[int], Block]] = {}
        for name, call in calls.items():
            crowd = Crowd(call.server.port, call.requests(session_ids))
            parts.callback(crowd.close)
            work[name] = crowd.ask
        samples = take_turns(
            _contenders(lab, calls, work),
            rounds=plan.crowd_rounds,
            count=plan.crowd_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    switch, floor = samples[SWITCH], samples[SWITCH_FLOOR]
    share = throughput_ratio(switch, floor)
    checks = [
        Check(
            "switches in a second",
            f"{switch.per_second:,.0f}, {share:.0%} of the floor",
            ">= 1,055, or 75 % of the floor",
            switch.per_second >= 1055 or share >= 0.75,
            ">= 85 % of the floor",
            share >= 0.85,
        ),
        *_cpu_checks(switch, floor),
    ]
    return Result(
        "crowd",
        f"REST, {plan.clients} clients at once",
        "The same over so many keep-alive connections, each for a session of its own. A"
        " latency here is mostly waiting for one's turn.",
        [_row(name, samples, calls[name].floor, throughput_ratio) for name in samples],
        checks,
    )


def _cpu_checks(switch: Samples, floor: Samples) -> list[Check]:
    ours_ms, least_ms = switch.cpu_ms("server"), floor.cpu_ms("server")
    if ours_ms is None or least_ms is None:
        return [Check("CPU of the server for each switch", "not known on this system")]
    return [
        Check(
            "CPU of the server for each switch",
            f"{ours_ms:.3f} ms, {ours_ms - least_ms:+.3f} ms to the floor",
            "<= 1.05 ms",
            ours_ms <= 1.05,
            "<= floor + 0.2 ms",
            ours_ms - least_ms <= 0.2,
        )
    ]


def _contenders(
    lab: Lab, calls: dict[str, _Call], work: dict[str, Callable[[int], Block]]
) -> dict[str, Contender]:
    return {
        name: Contender(
            do,
            {
                "server": calls[name].server.cpu_seconds,
                "valkey": lab.valkey_cpu_seconds,
                "client": time.process_time,
            },
        )
        for name, do in work.items()
    }


def _row(
    name: str,
    samples: dict[str, Samples],
    floor: str | None,
    ratio: Callable[[Samples, Samples], float],
) -> Row:
    found = samples[name]
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "per_second": found.per_second,
        "cpu_ms": found.cpu_ms("server"),
        "valkey_cpu_ms": found.cpu_ms("valkey"),
        "client_cpu_ms": found.cpu_ms("client"),
        "floor": floor,
        "ratio": ratio(found, samples[floor]) if floor else None,
    }
