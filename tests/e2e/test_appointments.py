"""Without any command, sessions start and end at their appointments, on every screen."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from .client import Client, all_until
from .instances import Instance, Rest
from .sessions import a_session


def iso(ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def has_status(status: str) -> Any:
    return lambda client: client.snapshot is not None and client.snapshot.state["status"] == status


def told(client: Client) -> list[tuple[str, str, int]]:
    """The events that a client received, with the version of each, after the session's change."""
    return [
        (event["type"], event["at"], update["version"])
        for update in client.received("STATE_UPDATE")
        for event in update["events"]
        if update["version"] > 2
    ]


async def appointments_without_commands(pair: list[Instance]) -> None:
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(pair[0].rest_url))
        modes = ("per_participant", "global", "count_up", "simultaneous")
        sessions = [a_session(2, mode) for mode in modes]
        expected: dict[str, list[tuple[str, str, int]]] = {}
        watched: dict[str, list[Client]] = {}
        for session in sessions:
            session_id = session["session_id"]
            assert (await rest.create(session)).status == 201
            clients = [
                await stack.enter_async_context(Client(one.where, session_id)) for one in pair
            ]
            await all_until(clients, lambda client: client.version == 1, why="welcome message")
            watched[session_id] = clients
        for session_id, clients in watched.items():
            now_ms = (await rest.get(session_id)).body["timestamp"]
            starts_at, ends_at = iso(now_ms + 1_500), iso(now_ms + 2_500)
            # Over the socket for some, over REST for others.
            patch = {"starts_at": starts_at, "ends_at": ends_at}
            if len(expected) % 2:
                assert await clients[1].command("update", patch) == 2
            else:
                answer = await rest.call("PATCH", f"sessions/{session_id}", patch)
                assert answer.data["deadline_at"] == starts_at
            expected[session_id] = [
                ("session_started", starts_at, 3),
                ("session_expired", ends_at, 4),
            ]
        for session_id, clients in watched.items():
            await all_until(clients, has_status("expired"), why="the appointed end")
            for client in clients:
                assert told(client) == expected[session_id]
            page = (await rest.call("GET", f"sessions/{session_id}/events")).data["events"]
            assert [
                (event["type"], event["at"], event["version"]) for event in page[2:]
            ] == expected[session_id]
            state = (await rest.get(session_id)).data
            assert state["session_started_at"] == state["starts_at"]
            assert state["session_completed_at"] == state["ends_at"]
            assert not any(one["has_expired"] for one in state["participants"])
            assert state["participants"][0]["time_used_ms"] == 1_000


def test_sessions_start_and_end_by_themselves_on_both_instances(pair: list[Instance]) -> None:
    asyncio.run(appointments_without_commands(pair))
