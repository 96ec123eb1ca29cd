"""What a switch costs in a session of many, compared with the same switch in a session of two."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle

from chalicelib.core.commands import Command, Finish, Resume
from chalicelib.core.setup import SyncMode
from chalicelib.store.client import RedisClient

from . import floors
from .http_client import Connection, asking, request
from .lab import Lab
from .measure import Contender, Progress, Samples, latency_ratio, one_by_one, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation, engine_on

Key = tuple[str, int]
SIMULTANEOUS = SyncMode.SIMULTANEOUS
REST = "REST, per_participant"
BYTES = "floor: two empty EVALSHAs, per_participant's bytes"


def _engine(mode: SyncMode) -> str:
    return f"engine, {mode.value}"


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    with ExitStack() as parts:
        switches = {
            size: floors.record_switch(lab.valkey.url, creation(size)) for size in plan.sizes
        }
        server = parts.enter_context(floors.bare_server_on(lab.valkey.url))
        operations = {**_engine_operations(lab, plan, parts), **_floors(server, switches)}
        connection = Connection(lab.app.port)
        parts.callback(connection.close)
        clocks: dict[Key, Callable[[], float | None]] = dict.fromkeys(operations, time.process_time)
        for size in plan.sizes:
            session_id = aged(lab.valkey.url, creation(size))
            path = f"/v1/sessions/{session_id}/switch"
            operations[REST, size] = asking(connection, request("POST", path, b"{}"))
            clocks[REST, size] = lab.app.cpu_seconds
        samples = take_turns(
            {
                _name(key): Contender(one_by_one(operations[key]), {"server": clocks[key]})
                for key in operations
            },
            rounds=plan.size_rounds,
            count=plan.size_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    smallest, largest = min(plan.sizes), max(plan.sizes)
    checks = []
    for kind in dict.fromkeys(kind for kind, _ in operations):
        if kind == BYTES:
            continue
        ratio = latency_ratio(samples[_name((kind, largest))], samples[_name((kind, smallest))])
        checks.append(
            Check(
                f"{kind}: {largest:,} participants compared with {smallest}",
                f"{ratio:.2f} x",
                "<= 10 x",
                ratio <= 10,
                "<= 2 x",
                ratio <= 2,
            )
        )
    finish = samples[_name((_engine(SIMULTANEOUS), largest))]
    to_switch = latency_ratio(finish, samples[_name((_engine(SyncMode.PER_PARTICIPANT), smallest))])
    checks.append(
        Check(
            f"engine: one of {largest:,} simultaneous clocks finishes, compared with a switch of"
            f" {smallest}",
            f"{to_switch:.2f} x",
            "<= 3 x",
            to_switch <= 3,
            "<= 1.5 x",
            to_switch <= 1.5,
        )
    )
    return Result(
        "participants",
        "Sessions of many",
        "A switch, by the number of participants, all of whom have had cycles before; in"
        " simultaneous, one participant finishes and resumes in turn. CPU is of the caller for the"
        " engine, of the server's process for REST. Bytes are what a switch and the store"
        " exchange.",
        [
            _row(key, samples, smallest)
            | {"bytes": switches[key[1]].exchanged_bytes if key[0] == BYTES else None}
            for key in operations
        ],
        checks,
    )


def _engine_operations(lab: Lab, plan: Plan, parts: ExitStack) -> dict[Key, Callable[[], object]]:
    engine = parts.enter_context(engine_on(lab.valkey.url))

    def switching(session_id: str) -> Callable[[], object]:
        return lambda: engine.switch_cycle(session_id)

    def finishing(session_id: str) -> Callable[[], object]:
        """One participant finishes, and the next time takes it back."""
        setup = engine.get_current_state(session_id).session.setup
        one = setup.participants[len(setup.participants) // 2].participant_id
        commands: Iterator[Command] = cycle((Finish(one), Resume(one)))
        return lambda: engine.execute(session_id, next(commands))

    return {
        (_engine(mode), size): (finishing if mode is SIMULTANEOUS else switching)(
            aged(lab.valkey.url, creation(size, mode))
        )
        for mode in SyncMode
        for size in plan.sizes
    }


def _floors(
    server: RedisClient, switches: dict[int, floors.Switch]
) -> dict[Key, Callable[[], object]]:
    def two_trips(switch: floors.Switch) -> Callable[[], object]:
        load, commit = floors.emptied(server, switch.load), floors.emptied(server, switch.commit)
        return lambda: (floors.run(server, load), floors.run(server, commit))

    return {(BYTES, size): two_trips(switch) for size, switch in switches.items()}


def _name(key: Key) -> str:
    kind, size = key
    return f"{kind}, {size:,}"


def _row(key: Key, samples: dict[str, Samples], smallest: int) -> Row:
    kind, size = key
    found, least = samples[_name(key)], samples[_name((kind, smallest))]
    is_least = size == smallest
    return {
        "what": _name(key),
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "cpu_ms": found.cpu_ms("server"),
        "floor": None if is_least else str(smallest),
        "ratio": None if is_least else latency_ratio(found, least),
    }
