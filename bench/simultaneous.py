"""Many clocks that run at once: all are given time, and all run out within a second.

Everything is on this machine, so the store's clock is the bench's. The clients that are sent
everything are on a stack of their own, so that what they have asked for, and is still on its way,
disturbs no other benchmark.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket

from chalicelib.core.setup import SyncMode

from .delivery import version_in
from .http_client import Connection, request
from .lab import Lab, Stack
from .measure import Progress, percentile
from .plan import Plan
from .report import Check, Result, Row
from .sessions import aged, creation, session_id_of
from .watchers import watching

GIVEN_MS = 300_000
STARTED_VERSION = 2
ALL_WITHIN_SECONDS = 30.0
"""A round in which the last screen takes longer is the last round, and counts as this long."""

FIRST_DEADLINE_MS = 2_000
WITHIN_MS = 1_000
WATCHED_SECONDS = 30.0
EVENTS_PER_PAGE = 1_000


def measure(lab: Lab, plan: Plan, progress: Progress) -> Result:
    given = _give_to_all(lab, plan, progress)
    runs = []
    for number in range(1, plan.run_out_rounds + 1):
        progress(f"deadlines, round {number} of {plan.run_out_rounds}")
        runs.append(_run_out(lab.app, plan.clocks))
    lags_ms = [lag_ms for run in runs for lag_ms in run.lags_ms]
    pushes = sum(run.pushes for run in runs)
    mistimed = sum(run.mistimed for run in runs)
    return Result(
        "simultaneous",
        f"{plan.clocks:,} clocks at once",
        "`python -m local`, signatures verified. Time given: an `adjust` of every clock of one"
        f" session, from sending it over REST to what the last of {plan.screens_of_all:,} clients"
        " has read, in another process; a client that the update doesn't fit would ask for the"
        " pages of the whole state, as the protocol wants. Deadlines: every clock of one session"
        f" runs out, all within {WITHIN_MS:,} ms; from each deadline to the arrival of the first"
        " message that shows a client that clock as expired,"
        f" {pushes / len(runs):,.0f} messages each time.",
        [
            *given.rows(),
            {
                "what": "from a deadline to its client",
                "count": len(lags_ms),
                "p50_ms": percentile(lags_ms, 50),
                "p95_ms": percentile(lags_ms, 95),
            },
        ],
        [
            given.check(),
            *_deadline_checks(plan, lags_ms, mistimed),
        ],
        sound=mistimed == 0,
    )


# Time for all


@dataclass(slots=True)
class _Given:
    """For each round, the milliseconds until the last client had the update, and the session."""

    clocks: int
    screens: int
    updates_ms: list[float] = field(default_factory=list)
    shown_ms: list[float] = field(default_factory=list)
    missing: int = 0
    """Clients that did not have all within a round's time."""

    def rows(self) -> Iterator[Row]:
        for what, values_ms in (("the update", self.updates_ms), ("every clock", self.shown_ms)):
            yield {
                "what": f"+5 min for all, until the last client has {what}",
                "count": len(values_ms),
                "p50_ms": percentile(values_ms, 50),
                "p95_ms": percentile(values_ms, 95),
            }

    def check(self) -> Check:
        last_ms = percentile(self.shown_ms, 50)
        measured = f"{last_ms:,.0f} ms"
        if self.missing:
            measured = f"> {last_ms:,.0f} ms, {self.missing:,} clients without"
        return Check(
            f"+5 min for all {self.clocks:,} clocks, to the last of {self.screens:,} screens, p50",
            measured,
            "<= 1,000 ms",
            last_ms <= 1_000,
            "<= 300 ms",
            last_ms <= 300,
        )


def _give_to_all(lab: Lab, plan: Plan, progress: Progress) -> _Given:
    body = creation(plan.clocks, SyncMode.SIMULTANEOUS)
    session_id = session_id_of(body)
    adjust = request(
        "POST",
        f"/v1/sessions/{session_id}/adjust",
        json.dumps({"delta_ms": GIVEN_MS}).encode(),
    )
    given = _Given(plan.clocks, plan.screens_of_all)
    with ExitStack() as parts:
        stack = parts.enter_context(lab.another_app("given"))
        watchers = parts.enter_context(watching())
        connection = Connection(stack.port)
        parts.callback(connection.close)
        progress(f"{plan.screens_of_all:,} clients")
        # There is no session yet, so none is sent all of it.
        watchers.open(session_id, stack.watching(session_id), plan.screens_of_all)
        aged(lab.valkey.url, body)
        # What creates a session fits no client. It has arrived before what starts it.
        watchers.arrivals_ns(session_id, STARTED_VERSION)
        watchers.follow(session_id)
        for number in range(1, plan.given_rounds + 1):
            progress(f"+5 min, round {number} of {plan.given_rounds}")
            sent_ns = time.monotonic_ns()
            version = version_in(connection.exchange(adjust))
            last_update_ns = watchers.arrivals_ns(session_id, version)[-1]
            given.updates_ms.append((last_update_ns - sent_ns) / 1e6)
            shown_ns = watchers.shown_ns(session_id, version, ALL_WITHIN_SECONDS)
            given.missing = plan.screens_of_all - len(shown_ns)
            if given.missing:
                given.shown_ms.append(ALL_WITHIN_SECONDS * 1000)
                break
            given.shown_ms.append((shown_ns[-1] - sent_ns) / 1e6)
    return given


# Deadlines


@dataclass(slots=True)
class _RunOut:
    """A session whose clocks all run out, as its client and its event log tell it."""

    lags_ms: list[float]
    pushes: int
    mistimed: int
    """Clocks whose event is missing, or not at the very instant of the deadline."""


def _run_out(stack: Stack, count: int) -> _RunOut:
    session_id = str(uuid4())
    totals_ms = {
        str(uuid4()): FIRST_DEADLINE_MS + position * WITHIN_MS // count for position in range(count)
    }
    body = {
        "session_id": session_id,
        "sync_mode": SyncMode.SIMULTANEOUS,
        "total_time_ms": FIRST_DEADLINE_MS + WITHIN_MS,
        "participants": [
            {"participant_id": one, "total_time_ms": total_ms}
            for one, total_ms in totals_ms.items()
        ],
    }
    connection = Connection(stack.port)
    try:
        connection.exchange(request("POST", "/v1/sessions", json.dumps(body).encode()))
        started_ms, arrived_ms, pushes = asyncio.run(_watch(stack, session_id, connection, count))
        events = _events(connection, session_id)
    finally:
        connection.close()
    deadlines_ms = {one: started_ms + total_ms for one, total_ms in totals_ms.items()}
    told_ms = [
        (event["participant_id"], _instant_ms(event["at"]))
        for event in events
        if event["type"] == "participant_expired"
    ]
    right = sum(deadlines_ms[one] == at_ms for one, at_ms in dict(told_ms).items())
    return _RunOut(
        lags_ms=[arrived_ms[one] - deadlines_ms[one] for one in totals_ms],
        pushes=pushes,
        # One that is told twice is mistimed, too.
        mistimed=count - right + len(told_ms) - len(dict(told_ms)),
    )


async def _watch(
    stack: Stack, session_id: str, connection: Connection, count: int
) -> tuple[int, dict[str, float], int]:
    """When the clocks were started, when each was first seen expired, and after how many pushes."""
    async with (
        asyncio.timeout(WATCHED_SECONDS),
        open_socket(stack.watching(session_id), proxy=None, max_size=None) as socket,
    ):
        await _whole_state(socket)
        start = request("POST", f"/v1/sessions/{session_id}/start", b"{}")
        # Nothing is due yet, so it may wait.
        started = json.loads(connection.exchange(start))["data"]["session_started_at"]
        arrived_ms: dict[str, float] = {}
        pushes = 0
        async for text in socket:
            now_ms = time.time() * 1000
            message = json.loads(text)
            expired = [
                one["participant_id"]
                for one in message.get("state", {}).get("participants", ())
                if one["has_expired"]
            ]
            pushes += bool(expired)
            for participant_id in expired:
                arrived_ms.setdefault(participant_id, now_ms)
            if len(arrived_ms) == count:
                return _instant_ms(started), arrived_ms, pushes
            if message.get("partial") and message["baseVersion"] == message["version"]:
                await socket.send('{"type":"RECONNECT"}')
    raise RuntimeError(f"The socket of {session_id} was closed")


async def _whole_state(socket: ClientConnection) -> None:
    """Wait for the welcome message, or for the last of its pages."""
    async for text in socket:
        message = json.loads(text)
        if message["type"] == "STATE_SYNC" and message.get("page") == message.get("pages"):
            return


def _events(connection: Connection, session_id: str) -> list[dict[str, Any]]:
    """The whole event log."""
    events: list[dict[str, Any]] = []
    while True:
        after = f"&after={events[-1]['id']}" if events else ""
        path = f"/v1/sessions/{session_id}/events?limit={EVENTS_PER_PAGE}{after}"
        page = json.loads(connection.exchange(request("GET", path)))["data"]["events"]
        events += page
        if len(page) < EVENTS_PER_PAGE:
            return events


def _instant_ms(instant: str) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def _deadline_checks(plan: Plan, lags_ms: list[float], mistimed: int) -> list[Check]:
    p95_ms = percentile(lags_ms, 95)
    return [
        Check(
            f"{plan.clocks:,} deadlines within a second, from each to its client, p95",
            f"{p95_ms:.0f} ms",
            "<= 200 ms",
            p95_ms <= 200,
            "<= 50 ms",
            p95_ms <= 50,
        ),
        Check(
            "clocks without exactly one event, at their own deadline",
            str(mistimed),
            "0",
            mistimed == 0,
        ),
    ]
