"""Without any command, each connection receives each timeout and warning once, at its deadline."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.servers import RedisProcess

from .client import Client, all_until
from .instances import Instance, Rest, awaited, instances
from .sessions import a_session

SECOND_MS = 1_000
PARTICIPANT, SESSION = "participant_expired", "session_expired"
WARNING = "time_warning"

Kind = tuple[str, str, tuple[int, ...]]
"""A mode, an action, and the marks at which to warn."""

WHAT_HAPPENS: dict[Kind, list[tuple[str, float]]] = {
    # After so many seconds, with two participants who have a second each.
    ("per_participant", "notify", ()): [(PARTICIPANT, 1)],
    ("per_participant", "skip_cycle", ()): [(PARTICIPANT, 1), (PARTICIPANT, 2), (SESSION, 2)],
    ("per_participant", "end_session", ()): [(PARTICIPANT, 1), (SESSION, 1)],
    ("per_group", "notify", ()): [(PARTICIPANT, 1)],
    ("per_group", "skip_cycle", ()): [(PARTICIPANT, 1), (PARTICIPANT, 2), (SESSION, 2)],
    ("per_group", "end_session", ()): [(PARTICIPANT, 1), (SESSION, 1)],
    ("per_cycle", "notify", ()): [(PARTICIPANT, 1)],
    ("per_cycle", "skip_cycle", ()): [(PARTICIPANT, number) for number in (1, 2, 3, 4)],
    ("per_cycle", "end_session", ()): [(PARTICIPANT, 1), (SESSION, 1)],
    # The session's own clock has two and a half.
    ("global", "notify", ()): [(PARTICIPANT, 1), (SESSION, 2.5)],
    ("global", "skip_cycle", ()): [(PARTICIPANT, 1), (PARTICIPANT, 2), (SESSION, 2.5)],
    ("global", "end_session", ()): [(PARTICIPANT, 1), (SESSION, 1)],
    ("count_up", "notify", ()): [(PARTICIPANT, 1)],
    ("count_up", "skip_cycle", ()): [(PARTICIPANT, 1), (PARTICIPANT, 2), (SESSION, 2)],
    ("count_up", "end_session", ()): [(PARTICIPANT, 1), (SESSION, 1)],
    ("per_participant", "skip_cycle", (600, 300)): [
        *[(f"{WARNING} 600", 0.4), (f"{WARNING} 300", 0.7), (PARTICIPANT, 1)],
        *[(f"{WARNING} 600", 1.4), (f"{WARNING} 300", 1.7), (PARTICIPANT, 2), (SESSION, 2)],
    ],
    ("global", "skip_cycle", (400,)): [
        *[(f"{WARNING} 400", 0.6), (PARTICIPANT, 1), (f"{WARNING} 400", 1.6), (PARTICIPANT, 2)],
        # The third cycle does not come to its mark, but the session's own clock does.
        *[(f"{WARNING} 400", 2.1), (SESSION, 2.5)],
    ],
}
ENDLESS: set[Kind] = {("per_cycle", "skip_cycle", ())}
"""Here it goes on like that, second after second."""


def a_short_session(mode: str, action: str, marks_ms: tuple[int, ...] = ()) -> dict[str, Any]:
    clocks: dict[str, int] = {
        "per_cycle": {"time_per_cycle_ms": SECOND_MS},
        "global": {"time_per_cycle_ms": SECOND_MS},
        "count_up": {"max_time_ms": SECOND_MS},
    }.get(mode, {})
    session = a_session(2, mode, action_on_timeout={"type": action}, **clocks)
    session["total_time_ms"] = 2_500
    session["warn_at_ms"] = list(marks_ms)
    for participant in session["participants"]:
        participant["total_time_ms"] = SECOND_MS
        if mode == "per_group":
            participant["group_id"] = str(uuid4())
    return session


def later(at: str, seconds: float) -> str:
    then = datetime.fromisoformat(at) + timedelta(seconds=seconds)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timeouts(events: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["type"], one["at"]) for one in events if one["type"] in (PARTICIPANT, SESSION)]


def due(events: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Timeouts, and warnings with the mark of each."""
    return [
        (f"{WARNING} {one['remaining_ms']}" if one["type"] == WARNING else one["type"], one["at"])
        for one in events
        if one["type"] in (PARTICIPANT, SESSION, WARNING)
    ]


def updates_of(client: Client) -> list[dict[str, Any]]:
    """From the start on: an early client has received the creation, too."""
    updates = [one for one in client.received("STATE_UPDATE") if one["version"] > 1]
    return sorted(updates, key=lambda one: int(one["version"]))


def received_by(client: Client) -> list[dict[str, Any]]:
    """All events, of updates that came once each and whose timeouts had been foretold."""
    updates = updates_of(client)
    assert [one["version"] for one in updates] == list(range(2, 2 + len(updates)))
    for before, after in pairwise(updates):
        for _, at in timeouts(after["events"])[:1]:
            assert at == before["state"]["deadline_at"]
    return [event for one in updates for event in one["events"]]


def number_received(client: Client) -> int:
    return sum(len(due(one["events"])) for one in updates_of(client))


def has_received(number: int) -> Callable[[Client], bool]:
    """A condition: of so many timeouts and warnings."""
    return lambda client: number_received(client) >= number


async def watch(
    stack: AsyncExitStack, rest: Rest, pair: Sequence[Instance], session: dict[str, Any]
) -> list[Client]:
    """One client on each instance, there before the session is started."""
    assert (await rest.create(session)).status == 201
    clients = [
        await stack.enter_async_context(Client(one.where, session["session_id"])) for one in pair
    ]
    await all_until(clients, lambda client: client.version == 1, why="welcome message")
    return clients


async def logged(rest: Rest, session_id: str) -> list[dict[str, Any]]:
    """The events of the log, from the start on, as they are in updates."""
    answer = await rest.call("GET", f"sessions/{session_id}/events?limit=1000")
    events = [one for one in answer.data["events"] if one["version"] > 1]
    return [{name: one[name] for name in one if name not in ("id", "version")} for one in events]


async def completed(rest: Rest, session_id: str, clients: list[Client]) -> None:
    """What would go on for ever is over, and each client knows."""
    await rest.command(session_id, "complete")
    await all_until(clients, is_over, why="the end")


def is_over(client: Client) -> bool:
    return client.snapshot is not None and client.snapshot.state["status"] == "completed"


async def timeouts_without_commands(pair: list[Instance]) -> None:
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(pair[0].rest_url))
        watched = {}
        for kind in WHAT_HAPPENS:
            session = a_short_session(*kind)
            watched[kind] = session["session_id"], await watch(stack, rest, pair, session)
        started = {
            kind: (await rest.command(session_id, "start")).data["session_started_at"]
            for kind, (session_id, _) in watched.items()
        }
        for kind, (session_id, clients) in watched.items():
            expected = [(what, later(started[kind], after)) for what, after in WHAT_HAPPENS[kind]]
            for client in clients:
                await client.until(has_received(len(expected)), why=f"{kind}")
            if kind in ENDLESS:
                await completed(rest, session_id, clients)
            log = await logged(rest, session_id)
            for number in range(len(expected) + 1, len(due(log)) + 1):
                assert kind in ENDLESS
                expected.append((PARTICIPANT, later(started[kind], number)))
            assert due(log) == expected, kind
            for client in clients:
                assert received_by(client) == log, kind


def test_every_timeout_and_warning_is_pushed_by_both_instances_at_its_deadline(
    pair: list[Instance],
) -> None:
    asyncio.run(timeouts_without_commands(pair))


KILLS = 3


async def sweepers_are_killed(pair: list[Instance], many: int) -> None:
    """Both, again and again, while sessions time out second after second."""
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(pair[0].rest_url))
        sessions = [a_short_session("per_cycle", "skip_cycle") for _ in range(many)]
        watched = [await watch(stack, rest, pair, session) for session in sessions]
        clients = [client for some in watched for client in some]
        started = []
        for session in sessions:
            answer = await rest.command(session["session_id"], "start")
            started.append(answer.data["session_started_at"])
        for _ in range(KILLS):
            # In the middle of it: one session's news is out, others' are due.
            await clients[0].until(has_received(number_received(clients[0]) + 1), why="a timeout")
            for instance in pair:
                os.kill(await sweeper_of(instance), signal.SIGKILL)
            so_far = max(number_received(client) for client in clients)
            await all_until(clients, has_received(so_far + 1), why="more")
        for session, some, at in zip(sessions, watched, started, strict=True):
            session_id = session["session_id"]
            await completed(rest, session_id, some)
            log = await logged(rest, session_id)
            happened = timeouts(log)
            expected = [(PARTICIPANT, later(at, after)) for after in range(1, len(happened) + 1)]
            assert happened == expected
            for client in some:
                assert received_by(client) == log
    for instance in pair:
        assert instance.log.read_text().count("was killed by SIGKILL; restarting it in") == KILLS


async def sweeper_of(instance: Instance) -> int:
    await awaited(lambda: instance.sweeper_pid)
    assert instance.sweeper_pid is not None
    return instance.sweeper_pid


@pytest.mark.failover
def test_killed_sweeper_is_replaced_and_each_timeout_happens_once(
    valkey: RedisProcess, tmp_path: Path
) -> None:
    with instances(2, valkey.url, tmp_path) as pair:
        asyncio.run(sweepers_are_killed(pair, 10))
