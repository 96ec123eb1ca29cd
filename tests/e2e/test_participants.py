"""Participants join, are changed and withdraw, over REST and the socket of two instances."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from tickless import CommandError

from .client import Client
from .instances import Instance, Rest
from .sessions import HOUR_MS, a_session
from .test_large_sessions import all_show_what_get_does


async def people_come_and_go(pair: list[Instance], session: dict[str, Any]) -> None:
    session_id = session["session_id"]
    first = session["participants"][0]
    late: dict[str, Any] = {
        "participant_id": str(uuid4()),
        "total_time_ms": HOUR_MS,
        "name": "Late",
    }
    if "group_id" in first:
        late["group_id"] = first["group_id"]
    people = f"sessions/{session_id}/participants"
    async with AsyncExitStack() as stack:
        rest = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        assert (await rest[0].create(session)).status == 201
        clients = [await stack.enter_async_context(Client(one.where, session_id)) for one in pair]
        await rest[0].command(session_id, "start")
        await all_show_what_get_does(rest[0], session_id, clients)

        assert (await rest[1].call("POST", people, {**late, "participant_index": 1})).status == 200
        await all_show_what_get_does(rest[0], session_id, clients)
        version = clients[0].version
        assert (await rest[0].call("POST", people, late)).status == 200
        refused = await rest[0].call("POST", people, {**late, "name": "Other"})
        assert (refused.status, refused.body["error"]["code"]) == (409, "PARTICIPANT_EXISTS")

        args = {"participant_id": late["participant_id"], "name": "Later"}
        assert await clients[1].command("update_participant", args) == version + 1
        assert await clients[0].command("withdraw", args) == version + 2
        assert await clients[1].command("withdraw", args) == version + 2
        await all_show_what_get_does(rest[1], session_id, clients)
        for client in clients:
            assert client.snapshot is not None
            shown = {one["participant_id"]: one for one in client.snapshot.state["participants"]}
            assert shown[late["participant_id"]].get("has_withdrawn") is True
            assert shown[late["participant_id"]].get("name") == "Later"

        unknown = await rest[0].call("DELETE", f"{people}/{uuid4()}")
        assert (unknown.status, unknown.body["error"]["code"]) == (404, "PARTICIPANT_NOT_FOUND")
        with pytest.raises(CommandError) as missing:
            await clients[0].command("withdraw", {"participant_id": str(uuid4())})
        assert missing.value.code == "PARTICIPANT_NOT_FOUND"

        await rest[1].call("DELETE", f"{people}/{first['participant_id']}")
        assert await clients[0].command("join", late) == version + 4
        await all_show_what_get_does(rest[0], session_id, clients)
        events = await rest[0].get(f"{session_id}/events")
        kinds = [event["type"] for event in events.data["events"]]
        assert kinds.count("participant_joined") == 2
        assert kinds.count("participant_withdrawn") == 2
    if len(session["participants"]) == MANY:
        changes = [
            message
            for message in clients[0].received("STATE_UPDATE")
            if message["events"][0]["type"].startswith("participant_")
        ]
        assert changes
        assert all(message.get("partial") for message in changes)


MANY = 999
MODES = ["per_participant", "per_group", "per_cycle", "global", "count_up", "simultaneous"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("participants", [3, MANY])
def test_every_client_shows_who_takes_part(
    pair: list[Instance], mode: str, participants: int
) -> None:
    session = a_session(participants, mode)
    if mode == "per_group":
        group_ids = [str(uuid4()) for _ in range(3)]
        for number, one in enumerate(session["participants"]):
            one["group_id"] = group_ids[number % 3]
    asyncio.run(people_come_and_go(pair, session))
