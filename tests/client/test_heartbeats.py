"""Heartbeats of a SessionClient, and sleeping machines, in virtual time."""

from __future__ import annotations

from tickless import ClientTimeouts

from .factories import connected, current, sync, update
from .fakes import RecordedClient, answer_pings, live_client
from .virtual_time import advance


async def test_connection_starts_with_a_burst_of_pings_and_continues_with_heartbeats() -> None:
    recorded = RecordedClient()
    await recorded.open()
    answer_pings(recorded.socket)
    recorded.socket.deliver(connected(5_000))
    recorded.socket.deliver(sync(3))
    await advance(2_000)
    # The eleventh was due before the tenth had been answered.
    assert len(recorded.socket.sent_of_type("PING")) == 11
    await advance(58_000)
    assert 11 + 11 <= len(recorded.socket.sent_of_type("PING")) <= 11 + 12
    recorded.socket.end()
    await recorded.reconnect()
    answer_pings(recorded.socket)
    await advance(2_000)
    assert len(recorded.socket.sent_of_type("PING")) == 11


async def test_late_connected_may_bring_the_next_heartbeat_forward_but_never_delays_it() -> None:
    for heartbeat_ms, in_ms in ((5_000, 5_000), (60_000, 18_000)):
        recorded = RecordedClient(timeouts=ClientTimeouts(clock_samples=0))
        await recorded.open()
        recorded.socket.deliver(sync(3))
        answer_pings(recorded.socket)
        await advance(12_000)
        recorded.socket.deliver(connected(heartbeat_ms))
        await advance(in_ms - 100)
        assert len(recorded.socket.sent_of_type("PING")) == 1
        await advance(200)
        assert len(recorded.socket.sent_of_type("PING")) == 2
        await recorded.client.close()


async def test_heartbeats_are_sent_during_a_flood_of_messages() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(heartbeat_ms=1_000, clock_samples=0))
    await recorded.open()
    answer_pings(recorded.socket, None)
    for version in range(3, 52):
        recorded.socket.deliver(update(version))
        await advance(100)
    assert len(recorded.socket.sent_of_type("PING")) == 5


async def client_after_a_sleep() -> RecordedClient:
    """A client whose machine slept for an hour; its server no longer answers."""
    recorded = await live_client()
    answer_pings(recorded.socket)
    await advance(3_000)
    recorded.socket.on_sent = lambda message: None
    recorded.environment.slept_ms += 3_600_000
    return recorded


async def test_after_a_sleep_the_clock_is_measured_again_and_a_dead_connection_dropped() -> None:
    recorded = await client_after_a_sleep()
    recorded.client.clock.now()
    recorded.socket.deliver(current(3))
    before = len(recorded.socket.sent_of_type("PING"))
    await advance(1)
    assert len(recorded.socket.sent_of_type("PING")) == before + 1
    await advance(90_001)
    assert recorded.connections[-1] == "reconnecting"


async def test_sleep_noticed_by_a_heartbeat_shortens_the_timeout() -> None:
    recorded = await client_after_a_sleep()
    await advance(30_000)
    assert recorded.connections[-1] == "unconfirmed"
    await advance(5_001)
    assert recorded.connections[-1] == "reconnecting"
