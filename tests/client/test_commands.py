"""Commands of a SessionClient and their outcomes, in virtual time."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable

import pytest

from tickless import CommandError

from .factories import ack, connected, error, sync, update
from .fakes import RecordedClient, answer_pings, live_client
from .virtual_time import advance, now


async def test_switch_and_pause_name_the_current_cycle() -> None:
    recorded = await live_client()
    client = recorded.client
    calls = [
        client.command("switch", {"next_participant_id": "b"}),
        client.command("pause"),
        client.command("switch", {"current_participant_id": "b"}),
        client.command("adjust", {"delta_ms": 5}, expected_version=3),
    ]
    waiting = [asyncio.create_task(call) for call in calls]
    await advance(0)
    sent = [dict(one) for one in recorded.socket.sent_of_type("COMMAND")]
    ids = [one.pop("id") for one in sent]
    assert len(set(ids)) == 4
    assert sent == [
        {
            "type": "COMMAND",
            "command": "switch",
            "args": {"current_participant_id": "a", "next_participant_id": "b"},
        },
        {"type": "COMMAND", "command": "pause", "args": {"current_participant_id": "a"}},
        {"type": "COMMAND", "command": "switch", "args": {"current_participant_id": "b"}},
        {"type": "COMMAND", "command": "adjust", "args": {"delta_ms": 5}, "expectedVersion": 3},
    ]
    for number, name in reversed(list(enumerate(ids, 4))):
        recorded.socket.deliver(ack(name, number))
    assert await asyncio.gather(*waiting) == [4, 5, 6, 7]


async def failure(call: Awaitable[int]) -> tuple[str, str]:
    with pytest.raises(CommandError) as raised:
        await call
    return raised.value.code, raised.value.outcome


async def test_refused_command_raises_the_code_of_the_server() -> None:
    recorded = await live_client()
    recorded.socket.on_sent = lambda message: recorded.socket.deliver(
        error("STALE_CYCLE", id=message.get("id", ""))
    )
    assert await failure(recorded.client.command("switch")) == ("STALE_CYCLE", "refused")
    recorded.socket.deliver(error("STORE_UNAVAILABLE"))
    await advance(0)
    assert [one["code"] for one in recorded.errors] == ["STORE_UNAVAILABLE"]


async def test_command_without_a_live_session_fails_at_once_and_is_never_sent() -> None:
    recorded = RecordedClient()
    not_live = ("NOT_LIVE", "unsent")
    assert await failure(recorded.client.command("switch")) == not_live
    await recorded.open()
    assert await failure(recorded.client.command("switch")) == not_live
    recorded.socket.deliver(connected())
    await advance(0)
    # No session has arrived yet.
    assert await failure(recorded.client.command("switch")) == not_live
    recorded.socket.deliver(sync(3))
    await advance(0)
    recorded.socket.end()
    await advance(0)
    assert await failure(recorded.client.command("switch")) == not_live
    await recorded.reconnect()
    await advance(60_000)
    assert [
        one for socket in recorded.environment.sockets for one in socket.sent_of_type("COMMAND")
    ] == []


@pytest.mark.parametrize("closed_by", ["server", "client"])
async def test_outcome_is_unknown_if_the_connection_is_lost(closed_by: str) -> None:
    recorded = await live_client()
    waiting = asyncio.create_task(recorded.client.command("switch"))
    await advance(0)
    if closed_by == "client":
        await recorded.client.close()
    else:
        recorded.socket.end()
    assert await failure(waiting) == ("CONNECTION_LOST", "unknown")


async def test_outcome_is_unknown_if_sending_fails_and_asyncio_logs_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorded = await live_client()
    recorded.socket.ended_by = "server"
    with caplog.at_level(logging.ERROR):
        assert await failure(recorded.client.command("switch")) == ("CONNECTION_LOST", "unknown")
        gc.collect()
    assert caplog.records == []


async def test_outcome_is_unknown_if_no_answer_arrives() -> None:
    recorded = await live_client()
    answer_pings(recorded.socket)
    assert await failure(recorded.client.command("switch")) == ("NO_ANSWER", "unknown")
    assert now() >= 10_000
    assert recorded.connections[-1] == "live"


async def test_answer_to_a_cancelled_command_is_ignored() -> None:
    recorded = await live_client()
    waiting = asyncio.create_task(recorded.client.command("switch"))
    await advance(0)
    name = recorded.socket.sent_of_type("COMMAND")[0]["id"]
    recorded.socket.deliver(ack(name, 4))
    waiting.cancel()
    await advance(1)
    recorded.socket.deliver(ack(name, 4))
    recorded.socket.deliver(update(4))
    await advance(1)
    assert waiting.cancelled()
    assert (recorded.client.connection, recorded.versions) == ("live", [3, 4])
