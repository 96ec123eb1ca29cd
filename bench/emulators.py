"""Emulators of API Gateway WebSockets: ours and serverless-offline, with equal echo apps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count as count_from
from math import inf

from chalicelib.broadcast.connections_api import ConnectionsApi, DeliveryStatus, Post

from .fan_out import WITHIN_SECONDS
from .http_client import HOST
from .lab import STAGE, Lab, Served, free_port
from .machine import resident_bytes
from .measure import (
    Block,
    Contender,
    Progress,
    Samples,
    latency_ratio,
    take_turns,
    throughput_ratio,
)
from .plan import Plan
from .poster import open_poster
from .report import Check, Result, Row
from .rival import NAME, NotHere, serverless_offline, versions
from .stub_server import POST_BYTES
from .watchers import Watchers, update, watching

OURS = "chalice-gateway"
OPENING, ECHO, POST_BACK, IDLE = "opening", "echo", "post-back", "idle"

AT_ONCE_FIRST = 100
"""Connections that are there before memory is looked at, so that buffers are, too."""


@dataclass(frozen=True, slots=True)
class _Emulator:
    """One that runs, and a client of its @connections."""

    name: str
    served: Served
    path: str
    api: ConnectionsApi
    watchers: Watchers
    versions: count_from[int]

    @property
    def url(self) -> str:
        return f"ws://{HOST}:{self.served.port}{self.path}"

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.served.port}{self.path}"

    def group(self, name: str) -> str:
        return f"{self.name}, {name}"

    def open(self, count: int) -> Block:
        """Open so many connections, 32 handshakes at a time, and drop them all."""
        group = self.group(OPENING)
        opened = self.watchers.open(group, self.url, count)
        self.watchers.close(group)
        return Block(opened.latencies_ms, opened.seconds)

    def echo(self, count: int) -> Block:
        """One client sends something, and receives it, again and again."""
        texts = [update(next(self.versions), POST_BYTES) for _ in range(count)]
        began = time.monotonic()
        latencies_ms = self.watchers.echo(self.group(ECHO), texts)
        return Block(latencies_ms, time.monotonic() - began)

    def connection_ids(self, name: str) -> list[str]:
        group = self.group(name)
        self.watchers.send(group, b"who")
        return [replies[0].decode() for replies in self.watchers.replies(group, 1)]

    def posting_back(self, connection_ids: list[str]) -> Callable[[int], Block]:
        """Post to all, until the last one has it."""
        group = self.group(POST_BACK)

        def one() -> float:
            version = next(self.versions)
            data = update(version, POST_BYTES)
            posts = [Post(self.endpoint, id_, data, inf) for id_ in connection_ids]
            sent_ns = time.monotonic_ns()
            outcomes = self.api.post_all(posts, WITHIN_SECONDS)
            if outcomes.count(DeliveryStatus.DELIVERED) != len(posts):
                raise RuntimeError(f"{self.name}: {set(outcomes)}")
            return (self.watchers.arrivals_ns(group, version)[-1] - sent_ns) / 1e6

        def do(count: int) -> Block:
            began = time.monotonic()
            latencies_ms = [one() for _ in range(count)]
            return Block(latencies_ms, time.monotonic() - began)

        return do


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    with ExitStack() as parts:
        watchers = parts.enter_context(watching())
        api = open_poster()
        parts.callback(api.close, 1)
        ours = parts.enter_context(_echo_app(lab))
        emulators = [_Emulator(OURS, ours, f"/{STAGE}", api, watchers, count_from(1))]
        comparison = ""
        try:
            theirs = parts.enter_context(serverless_offline(lab, plan.rival, progress))
            emulators.append(_Emulator(NAME, theirs, "", api, watchers, count_from(1)))
            comparison = (
                f" Compared with it is {versions()}, whose handlers run in its own process, too."
            )
        except NotHere as reason:
            comparison = f" {NAME} was not measured: {reason}."
        found = _measure_all(emulators, plan, progress)
    opening = found[OPENING][OURS]
    checks = [
        Check(
            "connections opened in a second",
            f"{opening.per_second:,.0f}",
            ">= 500",
            opening.per_second >= 500,
        ),
        _memory_check(found.kilobytes[OURS]),
    ]
    return Result(
        "emulators",
        "Emulators",
        "`chalice-gateway run` with an app that posts back what it is told, plain HTTP and no"
        " signatures; without AWS's limit of 500 new connections a second."
        f"{comparison} A post-back is one message of {POST_BYTES} bytes for each of"
        f" {plan.post_back_clients:,} clients, by our own client in another process, until the last"
        " of them has it. The ratio is of milliseconds for an echo, else of what is done in a"
        " second. CPU is of the emulator's process.",
        found.rows(plan),
        checks,
    )


def _memory_check(kilobytes: float | None) -> Check:
    what = "memory of an idle connection"
    if kilobytes is None:
        return Check(what, "not known on this system")
    return Check(what, f"{kilobytes:.1f} KB", "<= 20 KB", kilobytes <= 20)


@dataclass(frozen=True, slots=True)
class _Found:
    samples: Mapping[str, Mapping[str, Samples]]
    kilobytes: Mapping[str, float | None]

    def __getitem__(self, what: str) -> Mapping[str, Samples]:
        return self.samples[what]

    def rows(self, plan: Plan) -> list[Row]:
        rows: list[Row] = []
        for what, by_name in self.samples.items():
            compare = latency_ratio if what == ECHO else throughput_ratio
            for name, found in by_name.items():
                each = plan.post_back_clients if what == POST_BACK else 1
                rows.append(
                    {
                        "what": f"{name}, {what}",
                        "count": found.count,
                        "p50_ms": found.p50_ms,
                        "p95_ms": found.p95_ms,
                        "per_second": found.per_second * each,
                        "cpu_ms": found.cpu_ms("server"),
                    }
                )
                if name == OURS and NAME in by_name:
                    rows[-1]["floor"] = NAME
                    rows[-1]["ratio"] = compare(found, by_name[NAME])
        for name, kilobytes in self.kilobytes.items():
            rows.append(
                {"what": f"{name}, {IDLE}", "count": plan.idle_clients, "kilobytes": kilobytes}
            )
        return rows


def _measure_all(emulators: list[_Emulator], plan: Plan, progress: Progress) -> _Found:
    def turns(
        what: str, work: Mapping[str, Callable[[int], Block]], rounds: int, count: int
    ) -> dict[str, Samples]:
        return take_turns(
            {
                one.name: Contender(work[one.name], {"server": one.served.cpu_seconds})
                for one in emulators
            },
            rounds=rounds,
            count=count,
            budget_seconds=plan.budget_seconds / 4,
            progress=lambda text: progress(f"{what}, {text}"),
        )

    progress(f"{plan.idle_clients:,} idle connections")
    # First of all: what connections leave behind, the next ones use.
    kilobytes = {one.name: _kilobytes(one, plan.idle_clients) for one in emulators}
    for one in emulators:
        one.watchers.open(one.group(ECHO), one.url, 1)
    samples = {
        ECHO: turns(
            ECHO, {one.name: one.echo for one in emulators}, plan.echo_rounds, plan.echo_count
        ),
        OPENING: turns(
            OPENING,
            {one.name: one.open for one in emulators},
            plan.opening_rounds,
            plan.opening_count,
        ),
    }
    posting_back = {}
    for one in emulators:
        one.watchers.open(one.group(POST_BACK), one.url, plan.post_back_clients)
        posting_back[one.name] = one.posting_back(one.connection_ids(POST_BACK))
    samples[POST_BACK] = turns(POST_BACK, posting_back, plan.post_back_rounds, plan.post_back_count)
    return _Found(samples, kilobytes)


def _kilobytes(emulator: _Emulator, count: int) -> float | None:
    """How much the process grows by, for each connection; a kilobyte is 1,024 bytes."""
    group = emulator.group(IDLE)
    emulator.watchers.open(group, emulator.url, AT_ONCE_FIRST)
    before = resident_bytes(emulator.served.pid)
    emulator.watchers.open(group, emulator.url, count)
    after = resident_bytes(emulator.served.pid)
    emulator.watchers.close(group)
    return None if before is None or after is None else (after - before) / 1024 / count


@contextmanager
def _echo_app(lab: Lab) -> Iterator[Served]:
    port, websocket_port = free_port(), free_port()
    command = [sys.executable, "-m", "bench.echo_app", str(port), str(websocket_port)]
    with lab.serving("echo-app", command, websocket_port, None) as served:
        yield served
