"""When a SessionClient reconnects, and how it catches up, in virtual time."""

from __future__ import annotations

from statistics import mean

from tickless import ClientTimeouts

from .factories import SESSION_DELETED, connected, pong, sync, update, version_fields
from .fakes import RecordedClient, answer_pings, live_client
from .virtual_time import advance, now


async def test_reconnect_backoff_doubles_up_to_30_s_with_full_jitter() -> None:
    waits: list[list[float]] = [[] for _ in range(7)]
    for seed in range(200):
        recorded = RecordedClient(seed=seed)
        recorded.environment.refuses = True
        await recorded.open()
        while len(recorded.environment.attempts_at) < 8:
            await advance(100)
        at_ms = recorded.environment.attempts_at
        for failures, delays in enumerate(waits):
            delays.append(at_ms[failures + 1] - at_ms[failures])
        assert recorded.client.connection == "connecting"
        await recorded.client.close()

    for failures, delays in enumerate(waits):
        longest_ms = min(30_000, 1_000 * 2**failures)
        assert max(delays) <= longest_ms
        assert min(delays) < longest_ms / 10
        assert abs(mean(delays) / longest_ms - 0.5) < 0.1


async def test_backoff_starts_over_after_a_connection_that_answered() -> None:
    recorded = await live_client()
    for _ in range(5):
        answer_pings(recorded.socket)
        await advance(1)
        recorded.socket.end()
        before = now()
        await recorded.reconnect()
        assert now() - before <= 1_000


async def test_server_too_slow_to_answer_is_asked_less_and_less_often() -> None:
    recorded = await live_client()
    while now() < 600_000:
        await recorded.reconnect()
    # Each connection is dropped after 6.5 s, and in the end the client waits for 15 s on average.
    assert 10 < len(recorded.environment.sockets) < 45
    await recorded.client.close()


async def test_reconnect_is_sent_every_two_seconds_until_the_server_answers() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(clock_samples=0))
    await recorded.open()
    answer_pings(recorded.socket, None)
    await advance(1_999)
    assert recorded.socket.sent_of_type("RECONNECT") == []
    await advance(2_100)
    assert recorded.socket.sent_of_type("RECONNECT") == [{"type": "RECONNECT"}] * 2
    recorded.socket.deliver(SESSION_DELETED)
    await advance(10_000)
    assert len(recorded.socket.sent_of_type("RECONNECT")) == 2
    assert recorded.connections[-1] == "live"
    assert recorded.client.ending == "expired"


async def test_reconnect_names_the_snapshot_and_its_answer_makes_the_client_live() -> None:
    recorded = await live_client()
    recorded.socket.end()
    await recorded.client.wait_until(lambda _: len(recorded.environment.sockets) == 2)
    await advance(0)
    assert recorded.socket.sent[0] == {"type": "RECONNECT", **version_fields(3)}
    recorded.socket.deliver(connected())
    await advance(0)
    assert recorded.connections[-1] == "reconnecting"
    recorded.socket.deliver(sync(2, {"epoch": "another"}))
    await advance(0)
    assert recorded.connections[-1] == "live"
    assert recorded.client.snapshot is not None
    assert recorded.client.snapshot.epoch == "another"


async def test_pong_that_differs_causes_a_reconnect_after_a_second_unless_the_update_arrives() -> (
    None
):
    recorded = await live_client()
    answer_pings(recorded.socket)
    await advance(2_000)
    recorded.socket.deliver(pong(0, 4))
    await advance(900)
    recorded.socket.deliver(update(4))
    await advance(5_000)
    assert recorded.socket.sent_of_type("RECONNECT") == []
    recorded.socket.deliver(pong(0, 5))
    await advance(999)
    assert recorded.socket.sent_of_type("RECONNECT") == []
    await advance(2)
    assert recorded.socket.sent_of_type("RECONNECT") == [{"type": "RECONNECT", **version_fields(4)}]


async def test_handshake_times_out() -> None:
    recorded = RecordedClient()
    recorded.environment.hangs = True
    await recorded.open()
    await advance(11_001)
    assert len(recorded.environment.attempts_at) == 2
    assert recorded.client.connection == "connecting"
    await recorded.client.close()


async def test_connection_silent_for_three_heartbeats_is_dropped() -> None:
    for heartbeat_ms in (5_000, 60_000):
        # Answers are never overdue before.
        recorded = RecordedClient(timeouts=ClientTimeouts(min_answer_ms=600_000))
        await recorded.open()
        recorded.socket.deliver(connected(heartbeat_ms))
        await advance(3 * heartbeat_ms - 1)
        assert recorded.connections[-1] == "live"
        first = recorded.socket
        await advance(2)
        assert recorded.connections[-1] == "reconnecting"
        assert first.ended_by == "aborted"
        await recorded.client.close()


async def test_connection_whose_sending_blocks_is_dropped() -> None:
    recorded = await live_client()
    recorded.socket.is_blocked = True
    await advance(15_000)
    assert len(recorded.environment.sockets) > 1
