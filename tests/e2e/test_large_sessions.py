"""A thousand participants: partial updates and pages, and no client sees a difference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from .client import FRAME_BYTES, Client, all_until, has_reached
from .conftest import FULL, Size
from .instances import Instance, Rest
from .measurements import report
from .sessions import HOUR_MS, a_session, differences

PARTICIPANTS = 1_000


SHORT_MS = 1_000
A_KIND_OF_EACH = (
    "a bank each, byo-yomi",
    "two groups, overtime",
    "a group each, canadian",
    "per cycle, skipped",
    "global, overtime",
    "count up, overtime",
)


def short(session: dict[str, Any]) -> dict[str, Any]:
    """With the least time that a participant can have."""
    for participant in session["participants"]:
        participant["total_time_ms"] = SHORT_MS
    return session


def grouped(groups: int, bank_ms: int | None = None, **more: Any) -> dict[str, Any]:
    names = [str(uuid4()) for _ in range(groups)]
    if bank_ms is not None:
        more["groups"] = [{"group_id": name, "total_time_ms": bank_ms} for name in names]
    session = a_session(PARTICIPANTS, "per_group", **more)
    for number, participant in enumerate(session["participants"]):
        participant["group_id"] = names[number % groups]
    return session


SESSIONS: dict[str, Any] = {
    "a bank each, byo-yomi": lambda: short(
        a_session(PARTICIPANTS, time_control={"type": "byoyomi", "period_ms": 1_000, "periods": 90})
    ),
    "a bank each, fischer": lambda: a_session(PARTICIPANTS, increment_ms=5_000),
    "two groups, hourglass": lambda: grouped(2, time_control={"type": "hourglass"}),
    "two groups, overtime": lambda: grouped(2, bank_ms=1_000),
    "seven groups, delay": lambda: grouped(7, time_control={"type": "delay", "delay_ms": 40}),
    "a group each, canadian": lambda: grouped(
        PARTICIPANTS, time_control={"type": "canadian", "period_ms": 60_000, "cycles_per_period": 3}
    ),
    "per cycle": lambda: a_session(PARTICIPANTS, "per_cycle", time_per_cycle_ms=HOUR_MS),
    "per cycle, skipped": lambda: a_session(
        PARTICIPANTS,
        "per_cycle",
        time_per_cycle_ms=SHORT_MS,
        action_on_timeout={"type": "skip_cycle"},
    ),
    "global": lambda: a_session(PARTICIPANTS, "global", metadata={"note": "x" * 4_000}),
    "global, cycles skipped": lambda: a_session(
        PARTICIPANTS, "global", time_per_cycle_ms=SHORT_MS, action_on_timeout={"type": "skip_cycle"}
    ),
    "global, overtime": lambda: a_session(PARTICIPANTS, "global", time_per_cycle_ms=SHORT_MS),
    "count up": lambda: a_session(PARTICIPANTS, "count_up", max_time_ms=HOUR_MS),
    "count up, overtime": lambda: a_session(
        PARTICIPANTS, "count_up", max_time_ms=SHORT_MS, action_on_timeout={"type": "notify"}
    ),
}


async def a_walk(pair: list[Instance], session: dict[str, Any], steps: int, seed: int) -> None:
    """Random commands; after each one, a client that merges shows what GET returns."""
    random = Random(seed)
    session_id = session["session_id"]
    names = [one["participant_id"] for one in session["participants"]]
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        early = await stack.enter_async_context(Client(pair[0].where, session_id))
        await early.until(lambda client: client.kinds["CONNECTED"], why="welcome message")
        assert (await rest[0].create(session)).status == 201
        late = await stack.enter_async_context(Client(pair[1].where, session_id))
        clients = [early, late]
        await rest[0].command(session_id, "start")
        running = True
        for step in range(steps):
            here = random.choice(rest)
            if step % 50 == 15 and running and has_short_clocks(session):
                # Long enough for a clock to run out, or to go into its periods.
                await asyncio.sleep(1.1 * SHORT_MS / 1000)
                await random.choice(clients).send({"type": "CLAIM"})
                await all_show_what_get_does(rest[0], session_id, clients)
            name, body = a_command(random, names, running=running)
            answer = await here.command(session_id, name, **body)
            running = name != "pause"
            if answer.status == 400:
                status = (await here.get(session_id)).data["status"]
                refused = answer.body["error"]["code"]
                if (refused, status) == ("INVALID_STATE_TRANSITION", "expired"):
                    break
                assert refused == "PARTICIPANT_EXPIRED"
            if random.random() < 0.3:
                await all_show_what_get_does(rest[0], session_id, clients)
        await all_show_what_get_does(rest[0], session_id, clients)
        for last in ("pause", "complete"):
            await rest[0].command(session_id, last)
            await all_show_what_get_does(rest[0], session_id, clients)
        assert early.snapshot is not None
        assert early.snapshot.state["status"] in ("completed", "expired")
        await all_show_what_get_does(rest[0], session_id, clients)
    for client in clients:
        assert 0 < client.largest_bytes <= FRAME_BYTES
        pages = [message["pages"] for message in client.received("STATE_SYNC")]
        assert min(pages) > 1
        assert any(message.get("partial") for message in client.received("STATE_UPDATE"))
        assert client.connections == 1
    report(
        f"versions {early.version}, updates {early.kinds['STATE_UPDATE']}, asked"
        f" {early.reconnects} and {late.reconnects} times, largest {early.largest_bytes} bytes,"
        f" pages {max(pages)}"
    )


def a_command(random: Random, names: list[str], *, running: bool) -> tuple[str, dict[str, str]]:
    if not running:
        return "resume", {}
    if random.random() < 0.2:
        return "pause", {}
    if random.random() < 0.5:
        return "switch", {}
    # Often out of a few, so that some come round again.
    chosen = random.choice(names[:5] if random.random() < 0.5 else names)
    return "switch", {"next_participant_id": chosen}


def has_short_clocks(session: dict[str, Any]) -> bool:
    clocks = [session, *session["participants"], *session.get("groups", ())]
    return any(SHORT_MS in clock.values() for clock in clocks)


async def all_show_what_get_does(rest: Rest, session_id: str, clients: list[Client]) -> None:
    """At one version: where clocks run out meanwhile there is a next, and all is asked again."""
    for _ in range(20):
        answer = await rest.get(session_id)
        version = answer.data["version"]
        await all_until(clients, has_reached(version), why=f"version {version}")
        compared = [client.snapshot for client in clients if client.version == version]
        for held in compared:
            assert held is not None
            assert differences(held, answer) == []
        if len(compared) == len(clients):
            return
    raise AssertionError("The session never stood still")


@pytest.mark.parametrize("kind", SESSIONS if FULL else A_KIND_OF_EACH)
def test_merged_frames_show_what_get_returns(pair: list[Instance], size: Size, kind: str) -> None:
    asyncio.run(a_walk(pair, SESSIONS[kind](), size(20, 150), seed=len(kind)))


async def an_exam(pair: list[Instance], steps: int) -> None:
    """Commands to all and to one of a thousand clocks; clients never ask for the pages again."""
    random = Random(3)
    session = a_session(PARTICIPANTS, "simultaneous", warn_at_ms=[60_000])
    session_id = session["session_id"]
    for one in session["participants"]:
        del one["total_time_ms"]
        one["time_factor"] = random.choice((1, 1.25, 1.5))
        if random.random() < 0.3:
            one["name"] = "Anna"
    names = [one["participant_id"] for one in session["participants"]]
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        assert (await rest[0].create(session)).status == 201
        clients = [await stack.enter_async_context(Client(one.where, session_id)) for one in pair]
        await all_show_what_get_does(rest[0], session_id, clients)
        asked = [client.reconnects for client in clients]
        for name, body in exam_commands(random, names, steps):
            answer = await random.choice(rest).command(session_id, name, **body)
            assert answer.status == 200, (name, body, answer.body)
            await all_show_what_get_does(rest[0], session_id, clients)
        assert [client.reconnects for client in clients] == asked
    for client in clients:
        updates = client.received("STATE_UPDATE")
        assert any("participantChanges" in message for message in updates)
        assert 0 < client.largest_bytes <= FRAME_BYTES


def exam_commands(
    random: Random, names: list[str], steps: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Some that concern one candidate, and in between each that concerns all."""
    late, *others = random.sample(names, steps + 2)
    yield "start", {"participant_id": others.pop()}
    yield "pause", {}
    yield "resume", {}
    yield "start", {}
    for _ in range(steps):
        yield "finish", {"participant_id": others.pop()}
        yield "adjust", {"delta_ms": 300_000, "scaled": True}
        yield "adjust", {"delta_ms": -1_000}
    yield "pause", {"participant_id": late}
    yield "pause", {}
    yield "resume", {}
    yield "complete", {}
    yield "reopen", {}
    yield "resume", {}
    yield "reset", {}
    yield "start", {}
    yield "cancel", {}


def test_changes_of_a_thousand_simultaneous_clocks_need_no_pages(
    pair: list[Instance], size: Size
) -> None:
    asyncio.run(an_exam(pair, size(2, 20)))
