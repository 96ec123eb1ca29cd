"""What a switch costs in a session of many, compared with the same switch in a session of two."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from chalicelib.core.commands import Finish, Resume
from chalicelib.core.setup import SyncMode
from chalicelib.engine.commit_loop import CommandResult
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.store.client import RedisClient

from . import floors
from .http_client import Connection, asking, request
from .lab import Lab
from .measure import Block, Contender, Progress, Samples, latency_ratio, one_by_one, take_turns
from .plan import Plan
from .report import Check, Result, Row
from .sessions import Pushes, aged, creation, engine_on

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
        engine = parts.enter_context(engine_on(lab.valkey.url))
        commands = {
            (_engine(mode), size): _command(
                mode, engine, aged(lab.valkey.url, creation(size, mode))
            )
            for mode in SyncMode
            for size in plan.sizes
        }
        contenders = {
            **{key: command.contender for key, command in commands.items()},
            **{
                key: Contender(one_by_one(do), {"server": time.process_time})
                for key, do in _floors(server, switches).items()
            },
        }
        connection = Connection(lab.app.port)
        parts.callback(connection.close)
        for size in plan.sizes:
            session_id = aged(lab.valkey.url, creation(size))
            path = f"/v1/sessions/{session_id}/switch"
            do = asking(connection, request("POST", path, b"{}"))
            contenders[REST, size] = Contender(one_by_one(do), {"server": lab.app.cpu_seconds})
        samples = take_turns(
            {_name(key): contender for key, contender in contenders.items()},
            rounds=plan.size_rounds,
            count=plan.size_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
        pushed_bytes = {
            key: _pushed_bytes(lab.valkey.url, command) for key, command in commands.items()
        }
    smallest, largest = min(plan.sizes), max(plan.sizes)
    checks = []
    for kind in dict.fromkeys(kind for kind, _ in contenders):
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
    finish_bytes = pushed_bytes[_engine(SIMULTANEOUS), largest]
    checks.append(
        Check(
            f"bytes pushed when one of {largest:,} simultaneous clocks finishes",
            f"{finish_bytes:,}",
            "<= 2,048",
            finish_bytes <= 2_048,
            "<= 1,024",
            finish_bytes <= 1_024,
        )
    )
    return Result(
        "participants",
        "Sessions of many",
        "A switch, by the number of participants, all of whom have had cycles before; in"
        " simultaneous, one participant finishes while all clocks run. CPU is of the caller for the"
        " engine, of the server's process for REST. Bytes are what a switch and the store"
        " exchange; bytes pushed, the update that each client is sent.",
        [
            _row(key, samples, smallest)
            | {"bytes": switches[key[1]].exchanged_bytes if key[0] == BYTES else None}
            | {"pushed_bytes": pushed_bytes.get(key)}
            for key in contenders
        ],
        checks,
    )


@dataclass
class _Switching:
    """A switch of one session, on the engine that is given."""

    engine: SyncEngine
    session_id: str

    @property
    def contender(self) -> Contender:
        do = one_by_one(partial(self.once, self.engine))
        return Contender(do, {"server": time.process_time})

    def once(self, engine: SyncEngine) -> CommandResult:
        return engine.switch_cycle(self.session_id)


@dataclass
class _Finishing(_Switching):
    """One participant finishes. That they resume, so as to finish again, is not measured."""

    cpu_seconds: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        participants = self.engine.get_current_state(self.session_id).session.setup.participants
        self.participant_id = participants[len(participants) // 2].participant_id

    @property
    def contender(self) -> Contender:
        return Contender(self._do, {"server": lambda: self.cpu_seconds})

    def once(self, engine: SyncEngine) -> CommandResult:
        return engine.execute(self.session_id, Finish(self.participant_id))

    def _do(self, count: int) -> Block:
        finish = one_by_one(partial(self.once, self.engine))
        blocks = []
        for _ in range(count):
            cpu_before = time.process_time()
            blocks.append(finish(1))
            self.cpu_seconds += time.process_time() - cpu_before
            self.engine.execute(self.session_id, Resume(self.participant_id))
        latencies_ms = [ms for block in blocks for ms in block.latencies_ms]
        return Block(latencies_ms, sum(block.seconds for block in blocks))


def _command(mode: SyncMode, engine: SyncEngine, session_id: str) -> _Switching:
    return (_Finishing if mode is SIMULTANEOUS else _Switching)(engine, session_id)


def _pushed_bytes(redis_url: str, command: _Switching) -> int:
    """The size of the update that the command makes, which each client is sent."""
    pushes = Pushes()
    with engine_on(redis_url, pushes) as engine:
        command.once(engine)
    (update,) = pushes.updates
    return len(update)


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
        "floor": None if is_least else _name((kind, smallest)),
        "ratio": None if is_least else latency_ratio(found, least),
    }
