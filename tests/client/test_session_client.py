"""SessionClient from connect to close, and the snapshots it reports, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tickless import SessionClient

from .factories import SESSION_DELETED, connected, iso, sync, update
from .fakes import RecordedClient, live_client
from .virtual_time import advance


async def test_connection_goes_from_connecting_to_live_reconnecting_and_closed() -> None:
    recorded = await live_client()
    recorded.socket.end()
    await recorded.reconnect()
    await recorded.client.close()

    assert recorded.connections == ["connecting", "live", "reconnecting", "live", "closed"]
    assert recorded.socket.ended_by == "closed"
    await advance(600_000)
    assert len(recorded.environment.sockets) == 2


async def test_client_can_be_closed_at_any_time_and_connected_again() -> None:
    recorded = RecordedClient()
    await recorded.client.close()
    await recorded.go_live()
    recorded.client.connect()
    assert len(recorded.environment.sockets) == 1
    await recorded.client.close()
    await recorded.client.close()
    async with recorded.client:
        await advance(0)
        assert len(recorded.environment.sockets) == 2
    assert recorded.connections == ["connecting", "live", "closed", "connecting", "closed"]


async def test_abort_closes_without_a_closing_handshake() -> None:
    recorded = await live_client()
    recorded.client.abort()
    assert (recorded.client.connection, recorded.socket.ended_by) == ("closed", "aborted")
    await advance(600_000)
    assert len(recorded.environment.sockets) == 1


async def test_session_id_is_added_to_the_query_of_the_url() -> None:
    asked: list[str] = []

    def url() -> str:
        asked.append("")
        return f"wss://host/prod?stage={len(asked)}"

    recorded = RecordedClient(url=url)
    await recorded.open()
    first = recorded.socket.url
    recorded.socket.end()
    await advance(2_000)

    assert first.endswith("&sessionId=a+b")
    assert first.startswith("wss://host/prod?stage=")
    assert recorded.socket.url != first


async def test_connect_raises_on_an_invalid_url() -> None:
    for url in ("nowhere", "http://host/dev", "ws://"):
        recorded = RecordedClient(url=url)
        with pytest.raises(ValueError, match="must be a ws:// or wss:// address"):
            recorded.client.connect()
        assert recorded.client.connection == "closed"


async def test_error_that_there_is_no_session_discards_the_snapshot_and_is_not_reported() -> None:
    recorded = RecordedClient()
    await recorded.go_live()
    missing = {"type": "ERROR", "code": "SESSION_NOT_FOUND", "message": "", "timestamp": 0}
    # To a command, it is that command's answer.
    recorded.socket.deliver({**missing, "id": "a command of long ago"})
    await advance(1)
    assert recorded.client.snapshot is not None
    assert len(recorded.errors) == 1
    recorded.socket.deliver(missing)
    await advance(1)

    assert recorded.client.snapshot is None
    assert recorded.client.ending is None
    assert len(recorded.errors) == 1


async def test_messages_during_the_closing_handshake_are_ignored() -> None:
    recorded = await live_client()
    closing = asyncio.create_task(recorded.client.close())
    await advance(1)
    recorded.socket.deliver(sync(9))
    await advance(1)
    recorded.socket.end()
    await closing
    await advance(60_000)
    assert (recorded.connections[-1], recorded.versions) == ("closed", [3])
    assert len(recorded.environment.sockets) == 1


async def test_callback_may_abort_the_client() -> None:
    recorded: RecordedClient = RecordedClient(on_state=lambda snapshot: recorded.client.abort())
    await recorded.open()
    recorded.socket.deliver(sync(3, deadline_at=iso(0)))
    recorded.socket.deliver(update(4))
    await advance(600_000)
    assert recorded.connections == ["connecting", "closed"]
    assert len(recorded.environment.sockets) == 1
    assert recorded.socket.sent_of_type("CLAIM") == []


async def test_messages_without_a_type_and_invalid_json_are_ignored() -> None:
    recorded = await live_client()
    recorded.socket.deliver(
        {"message": "Internal server error", "connectionId": "x", "requestId": "y"}
    )
    recorded.socket.deliver(["type"])
    recorded.socket.deliver_raw(b"nonsense")
    recorded.socket.deliver_raw(b"\xff")
    await advance(0)
    assert recorded.connections[-1] == "live"


async def test_each_version_is_reported_once_in_order_with_its_events() -> None:
    recorded = await live_client()
    events = [{"type": "cycle_switched", "at": "now"}]
    recorded.socket.deliver(update(4, {"events": events}))
    recorded.socket.deliver(update(4, {"events": events}))
    recorded.socket.deliver(update(3))
    await advance(0)
    assert recorded.versions == [3, 4]
    assert recorded.events == [events]
    assert recorded.socket.sent_of_type("RECONNECT") == []


async def test_snapshots_skips_all_but_the_newest() -> None:
    recorded = RecordedClient()
    seen: list[int | None] = []

    async def watch() -> None:
        async for snapshot in recorded.client.snapshots():
            seen.append(snapshot.version if snapshot else None)
            await advance(100)

    await recorded.go_live()
    watching = asyncio.create_task(watch())
    await advance(10)
    for version in (4, 5, 6):
        recorded.socket.deliver(update(version))
    await advance(500)
    recorded.socket.deliver(SESSION_DELETED)
    await advance(500)
    await recorded.client.close()
    await watching
    assert seen == [3, 6, None]


async def test_exception_of_a_callback_ends_the_client_and_reaches_the_caller() -> None:
    def fail(_: object) -> None:
        raise LookupError("no screen")

    recorded = RecordedClient(on_state=fail)
    recorded.client.connect()
    await advance(0)
    recorded.socket.deliver(connected())
    recorded.socket.deliver(sync(3))
    with pytest.raises(LookupError, match="no screen"):
        await recorded.client.wait_until(lambda client: False)
    with pytest.raises(LookupError):
        assert [one async for one in recorded.client.snapshots()]
    with pytest.raises(LookupError):
        await recorded.client.close()
    assert recorded.client.connection == "closed"
    assert recorded.socket.ended_by == "aborted"


async def test_default_environment_connects_to_a_real_address() -> None:
    async with SessionClient("ws://127.0.0.1:9/dev", "s") as client:
        assert client.connection == "connecting"
        client.abort()
