"""Sweepers, reads, claims and switches meet on one session at the instant of a deadline."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from random import Random
from threading import Event as Flag
from threading import Thread
from typing import Any

from chalicelib.container import Container
from chalicelib.core.errors import Conflict, InvalidTransition
from chalicelib.core.events import Event
from chalicelib.core.rules import deadline_ms
from chalicelib.core.session import ENDED
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.rate_limit.limiter import RateLimiter
from chalicelib.settings import Settings
from chalicelib.telemetry import definitions as names
from chalicelib.websocket.handlers import WebSocketHandlers
from tests.fakes import FakeConnectionsApi, RecordingSink, RecordingWelcomeInvoker
from tests.servers import RedisProcess, eventually
from tests.waiting import HUNG_AFTER_S

from .scenarios import CYCLE_MS, log_of, start_session, sweeping

GLOBAL_MS = 5 * CYCLE_MS - 7
KINDS = [
    (SyncMode.PER_CYCLE, TimeoutAction.SKIP_CYCLE),
    (SyncMode.PER_CYCLE, TimeoutAction.NOTIFY),
    (SyncMode.PER_CYCLE, TimeoutAction.END_SESSION),
    (SyncMode.GLOBAL, TimeoutAction.SKIP_CYCLE),
]
ENDING = KINDS[2:]
"""By a session that expires; the others would go on for ever."""
SESSIONS_OF_A_KIND = 3
ROUNDS = 5
PARTICIPANT, SESSION = "participant_expired", "session_expired"

Act = Callable[[str], object]


def claims(container: Container, session_ids: list[str]) -> Act:
    """What claims on a session's behalf, as a client of its own on a socket does."""
    sockets = WebSocketHandlers(
        engine=container.engine,
        store=container.store,
        registry=container.connections,
        api=FakeConnectionsApi(),
        limits=RateLimiter(Settings(rate_limit_message=0)),
        welcome_invoker=RecordingWelcomeInvoker(),
    )

    def event(session_id: str, **more: Any) -> dict[str, Any]:
        context = {"connectionId": f"on-{session_id}", "domainName": "here", "stage": "dev"}
        return {"requestContext": {**context, "requestTimeEpoch": 0}, **more}

    for one in session_ids:
        connected = sockets.connect(event(one, queryStringParameters={"sessionId": one}))
        assert connected == {"statusCode": 200}
    return lambda session_id: sockets.message(event(session_id, body='{"type": "CLAIM"}'))


def switches(engine: SyncEngine) -> Act:
    def switch(session_id: str) -> None:
        # It may be over by now, even since it was read.
        with suppress(InvalidTransition, Conflict):
            engine.switch_cycle(session_id)

    return switch


def expiries_due(log: list[Event], mode: SyncMode, action: TimeoutAction) -> list[tuple[str, int]]:
    """What ran out when, by when cycles began and what ended them."""
    due = []
    sink = ("session_created", PARTICIPANT)
    for begin, end in pairwise(one for one in log if one.type not in sink):
        deadline = begin.at_ms + CYCLE_MS
        if action is not TimeoutAction.NOTIFY:
            assert end.at_ms <= deadline
        # The clock of the session goes first, where both run out at one instant.
        goes_first = mode is SyncMode.GLOBAL and end.type == SESSION
        if end.at_ms >= deadline + goes_first:
            due.append((PARTICIPANT, deadline))
    started_ms, end = log[1].at_ms, log[-1]
    if mode is SyncMode.GLOBAL:
        due.append((SESSION, started_ms + GLOBAL_MS))
    elif action is TimeoutAction.END_SESSION:
        due.append((SESSION, due[-1][1]))
    else:
        assert end.type == "session_completed"
    return due


def race(container: Container, act: Act, session_id: str, enough: Flag, chance: Random) -> None:
    """Act again and again, just when the session's clock runs out."""
    while not enough.is_set():
        loaded = container.store.load(session_id)
        assert loaded.session is not None
        if loaded.session.status in ENDED:
            return
        # A load settles nothing. Where overtime is let run on, there is no deadline.
        at_ms = deadline_ms(loaded.session) or loaded.now_ms + 20
        enough.wait(max(0, at_ms - loaded.now_ms + chance.choice([-1, 0, 0, 1, 2])) / 1000)
        act(session_id)


def test_clock_runs_out_once_at_its_deadline_under_concurrency(own_valkey: RedisProcess) -> None:
    sink, sweeper_sink = RecordingSink(), RecordingSink()
    container = Container(Settings(redis_url=own_valkey.url, broadcast="relay"))
    container.__dict__["sink"] = sink
    engine, enough = container.engine, Flag()
    kinds = {
        start_session(engine, mode, action, total_ms=GLOBAL_MS)[0]: (mode, action)
        for mode, action in KINDS
        for _ in range(SESSIONS_OF_A_KIND)
    }
    acts = [engine.get_current_state, claims(container, list(kinds)), switches(engine)]
    racers = [
        Thread(target=race, args=(container, act, session_id, enough, Random(number)))
        for number, session_id in enumerate(kinds)
        for act in acts
    ]

    def happened(session_id: str) -> list[tuple[str, int]]:
        return [
            (one.type, one.at_ms)
            for one in log_of(own_valkey, session_id)
            if one.type in (PARTICIPANT, SESSION)
        ]

    def are_enough() -> bool:
        return all(
            any(what == SESSION for what, _ in happened(one))
            if kind in ENDING
            else len(happened(one)) >= ROUNDS
            for one, kind in kinds.items()
        )

    url = own_valkey.url
    with sweeping(url, sink=sweeper_sink), sweeping(url, sink=sweeper_sink):
        for racer in racers:
            racer.start()
        try:
            eventually(are_enough, every_s=0.1)
        finally:
            enough.set()
            for racer in racers:
                racer.join(HUNG_AFTER_S)
        for session_id, kind in kinds.items():
            if kind not in ENDING:
                engine.complete_session(session_id)
    for session_id, kind in kinds.items():
        assert happened(session_id) == expiries_due(log_of(own_valkey, session_id), *kind)
    assert sink.counts[names.LOST_RACES.name, ()]
    assert sweeper_sink.observed[names.SWEEPER_LAG_SECONDS.name, ()]
    container.close(1)
