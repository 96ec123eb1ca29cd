"""From a switch over REST to its update at a client, on the same instance and on another."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count as count_from

from chalicelib.broadcast.connections_api import ConnectionsApi, DeliveryStatus, Post

from .http_client import PATIENCE_SECONDS, Connection, request
from .lab import Lab, Stack
from .measure import Block, Contender, Progress, Samples, latency_ratio, take_turns
from .plan import Plan
from .poster import open_poster
from .report import Check, Result, Row
from .sessions import aged, creation
from .stub_server import POST_BYTES
from .watchers import Watchers, update, watching

SAME, OTHER = "switch to delivery, same instance", "switch to delivery, other instance"
SAME_ANSWER, OTHER_ANSWER = "its answer over REST, same", "its answer over REST, other"
FLOOR = "floor: one signed post to delivery"

VERSIONS_OF_THE_FLOOR = 1_000_000
"""From here on, so that no session gets there."""

WELCOME_MESSAGES = 2
"""Messages that a new watcher is sent: CONNECTED and STATE_SYNC."""

_VERSION = re.compile(rb'"version":(\d+)')


@dataclass
class Switching:
    """Switches a session over REST, and waits until all of its watchers have received it."""

    connection: Connection
    watchers: Watchers
    session_id: str
    answers: list[Block] = field(default_factory=list)
    """How long the very same switches took to be answered."""
    last: list[Block] = field(default_factory=list)

    def switch(self) -> int:
        """The version that it has made."""
        return version_in(self.connection.exchange(self._request))

    def one(self) -> tuple[float, list[float]]:
        """The milliseconds to the answer, and to each of the watchers, the first one first."""
        sent_ns = time.monotonic_ns()
        version = self.switch()
        answered_ns = time.monotonic_ns()
        arrivals_ns = self.watchers.arrivals_ns(self.session_id, version)
        return (answered_ns - sent_ns) / 1e6, [(one_ns - sent_ns) / 1e6 for one_ns in arrivals_ns]

    def do(self, count: int) -> Block:
        began = time.monotonic()
        pairs = [self.one() for _ in range(count)]
        seconds = time.monotonic() - began
        self.answers.append(Block([answer_ms for answer_ms, _ in pairs], seconds))
        return Block([arrivals_ms[-1] for _, arrivals_ms in pairs], seconds)

    @property
    def answered(self) -> Samples:
        """Of all rounds; the warm-up was before them."""
        return Samples(self.answers[1:])

    @property
    def _request(self) -> bytes:
        return request("POST", f"/v1/sessions/{self.session_id}/switch", b"{}")


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    with ExitStack() as parts:
        elsewhere = parts.enter_context(lab.another_app())
        watchers = parts.enter_context(watching())
        connection = Connection(lab.app.port)
        parts.callback(connection.close)
        clocks = {
            "server": lab.app.cpu_seconds,
            "relay": lab.app.relay_cpu_seconds,
            "valkey": lab.valkey_cpu_seconds,
        }
        switching = {}
        for name, stack in ((SAME, lab.app), (OTHER, elsewhere)):
            session_id = aged(lab.valkey.url, creation(2))
            watchers.open(session_id, stack.watching(session_id), 1)
            connection_id = connection_of(watchers, session_id)
            switching[name] = Switching(connection, watchers, session_id)
            if stack is lab.app:
                api = open_poster()
                parts.callback(api.close, 1)
                floor = _Posting(api, stack, watchers, session_id, connection_id)
        samples = take_turns(
            {
                **{name: Contender(one.do, clocks) for name, one in switching.items()},
                FLOOR: Contender(floor.do, clocks),
            },
            rounds=plan.delivery_rounds,
            count=plan.delivery_count,
            budget_seconds=plan.budget_seconds,
            progress=progress,
        )
    samples[SAME_ANSWER] = switching[SAME].answered
    samples[OTHER_ANSWER] = switching[OTHER].answered
    order = (SAME, SAME_ANSWER, OTHER, OTHER_ANSWER, FLOOR)
    return Result(
        "delivery",
        "From a switch to a screen",
        "Two `python -m local` on one store, with a client each. The first is asked over REST; the"
        " time is from sending the request to having read the update, in another process, by the"
        " clock that all processes share. CPU is of the first one's processes.",
        [_row(name, samples) for name in order],
        [
            *_checks("same instance", samples[SAME], 50, (2.3, 3.3)),
            *_checks("other instance", samples[OTHER], 100, (1.8, 3.2)),
        ],
    )


def version_in(answer: bytes) -> int:
    """The version that a command's answer names."""
    found = _VERSION.search(answer)
    assert found is not None
    return int(found[1])


def connection_of(watchers: Watchers, session_id: str) -> str:
    """The connection id of a session's only watcher, once that has been shown the session."""
    ((connected, _),) = watchers.replies(session_id, WELCOME_MESSAGES)
    return str(json.loads(connected)["connectionId"])


@dataclass
class _Posting:
    """The last leg alone: a post that the emulator verifies, and hands to the client."""

    api: ConnectionsApi
    stack: Stack
    watchers: Watchers
    group: str
    connection_id: str
    versions: count_from[int] = field(default_factory=lambda: count_from(VERSIONS_OF_THE_FLOOR))

    def do(self, count: int) -> Block:
        latencies_ms = []
        began = time.monotonic()
        for _ in range(count):
            version = next(self.versions)
            data = update(version, POST_BYTES)
            sent_ns = time.monotonic_ns()
            post = Post(self.stack.management_url, self.connection_id, data, float("inf"))
            (outcome,) = self.api.post_all([post], PATIENCE_SECONDS)
            if outcome is not DeliveryStatus.DELIVERED:
                raise RuntimeError(f"A post was {outcome}")
            (arrivals_ns,) = self.watchers.arrivals_ns(self.group, version)
            latencies_ms.append((arrivals_ns - sent_ns) / 1e6)
        return Block(latencies_ms, time.monotonic() - began)


def _row(name: str, samples: dict[str, Samples]) -> Row:
    found = samples[name]
    is_ours = name in (SAME, OTHER)
    return {
        "what": name,
        "count": found.count,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "cpu_ms": found.cpu_ms("server"),
        "relay_cpu_ms": found.cpu_ms("relay"),
        "valkey_cpu_ms": found.cpu_ms("valkey"),
        "floor": FLOOR if is_ours else None,
        "ratio": latency_ratio(found, samples[FLOOR]) if is_ours else None,
    }


def _checks(where: str, found: Samples, must_ms: float, aim_ms: tuple[float, float]) -> list[Check]:
    measured = (("p50", found.p50_ms, aim_ms[0]), ("p95", found.p95_ms, aim_ms[1]))
    return [
        Check(
            f"switch to delivery, {where}, {percentile}",
            f"{value_ms:.2f} ms",
            f"< {must_ms:.0f} ms",
            value_ms < must_ms,
            f"<= {limit_ms} ms",
            value_ms <= limit_ms,
        )
        for percentile, value_ms, limit_ms in measured
    ]
