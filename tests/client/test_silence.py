"""A connection that stays open while nothing passes: the client notices, probes and reconnects."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tickless import ClientTimeouts, CommandError, display_frame
from tickless.wire_types import Message

from .factories import SERVER_START_MS, current, pong, server_now, update
from .fakes import FakeSocket, RecordedClient
from .virtual_time import advance, now

MIN_ANSWER_MS = 1_500
PROBE_TIMEOUT_MS = 5_000
HEARTBEAT_MS = 30_000


class Line:
    """The server's end of a connection: answers everything after ``delay_ms``, unless silent."""

    def __init__(self, socket: FakeSocket, delay_ms: float = 20) -> None:
        self._socket = socket
        self._delay_ms = delay_ms
        self.is_silent = False
        socket.on_sent = self._answer
        for message in socket.sent:
            self._answer(message)

    def _answer(self, message: Message) -> None:
        if self.is_silent:
            return
        answer = current(3)
        if message["type"] == "PING":
            answer = pong(message["clientTime"], 3)
        elif message["type"] == "COMMAND":
            answer = {"type": "ACK", "timestamp": server_now(), "id": message["id"], "version": 4}
        self._socket.deliver_later(answer, self._delay_ms)


async def live(delay_ms: float = 20, **state: Any) -> tuple[RecordedClient, Line]:
    recorded = RecordedClient()
    await recorded.go_live(**state)
    line = Line(recorded.socket, delay_ms)
    await advance(3_000)
    assert recorded.client.connection == "live"
    return recorded, line


async def test_silence_after_a_command_is_noticed_probed_and_ended() -> None:
    recorded, line = await live()
    client, socket = recorded.client, recorded.socket
    line.is_silent = True
    pings = len(socket.sent_of_type("PING"))
    command = asyncio.create_task(client.command("pause"))

    await advance(MIN_ANSWER_MS - 1)
    assert len(socket.sent_of_type("PING")) == pings
    await advance(2)
    assert len(socket.sent_of_type("PING")) == pings + 1
    with pytest.raises(CommandError, match="NOT_LIVE"):
        await client.command("switch")
    await advance(PROBE_TIMEOUT_MS - 2)
    assert recorded.connections == ["connecting", "live", "unconfirmed"]
    await advance(2)
    assert recorded.connections[3:] == ["reconnecting"]
    assert socket.ended_by == "aborted"
    with pytest.raises(CommandError, match="CONNECTION_LOST"):
        await command

    await recorded.reconnect()
    assert client.connection == "live"
    await client.close()


async def test_silence_is_noticed_within_a_heartbeat_even_if_nothing_is_commanded() -> None:
    for seed in range(20):
        recorded, line = await live()
        await advance(Random(seed).uniform(0, HEARTBEAT_MS))
        line.is_silent, silent_since_ms = True, now()
        await recorded.client.wait_until(lambda client: client.connection != "live")
        assert recorded.client.connection == "unconfirmed"
        assert now() - silent_since_ms <= HEARTBEAT_MS + MIN_ANSWER_MS + 50
        doubtful_since_ms = now()
        await recorded.client.wait_until(lambda client: client.connection == "reconnecting")
        assert now() - doubtful_since_ms == pytest.approx(PROBE_TIMEOUT_MS, abs=1)
        await recorded.client.close()


async def test_a_gap_that_ends_before_the_probe_times_out_costs_no_connection() -> None:
    recorded, line = await live()
    line.is_silent = True
    await recorded.client.wait_until(lambda client: client.connection == "unconfirmed")
    line.is_silent = False
    await advance(PROBE_TIMEOUT_MS)

    assert recorded.connections == ["connecting", "live", "unconfirmed", "live"]
    assert len(recorded.environment.sockets) == 1
    await recorded.client.close()


async def test_a_claim_without_an_answer_is_noticed() -> None:
    deadline = datetime.fromtimestamp((SERVER_START_MS + 4_000) / 1000, UTC)
    recorded, line = await live(deadline_at=deadline.isoformat())
    line.is_silent = True
    await advance(1_000 + 1_000 + MIN_ANSWER_MS)

    assert recorded.socket.sent_of_type("CLAIM")
    assert recorded.client.connection == "unconfirmed"
    await recorded.client.close()


async def test_slow_round_trips_that_are_usual_are_not_doubted() -> None:
    for delay_ms in (100, 900, 1_400):
        recorded, _ = await live(delay_ms)
        await advance(120_000)
        assert recorded.connections == ["connecting", "live"]
        await recorded.client.close()


async def test_answer_that_was_under_way_during_a_sleep_does_not_delay_the_doubt() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(clock_samples=0))
    await recorded.go_live()
    ping = recorded.socket.sent_of_type("PING")[0]
    await advance(1_400)
    recorded.environment.slept_ms += 3_600_000
    # The first to notice the sleep is the answer.
    recorded.socket.deliver(pong(ping["clientTime"], 3))
    await advance(1)
    before_ms = now()
    await recorded.client.wait_until(lambda client: client.connection != "live")
    assert recorded.client.connection == "unconfirmed"
    assert now() - before_ms == pytest.approx(MIN_ANSWER_MS, abs=1)
    await recorded.client.close()


async def test_error_bound_includes_the_time_for_which_nothing_was_confirmed() -> None:
    recorded, line = await live()
    client = recorded.client
    assert client.error_bound_ms == client.clock.error_bound_ms < 50
    await advance(20_000)
    line.is_silent, silent_since_ms = True, now()
    await client.wait_until(lambda one: one.connection == "unconfirmed")
    for _ in range(100):
        assert client.error_bound_ms >= now() - silent_since_ms
        await advance(1_000)

    await recorded.reconnect()
    Line(recorded.socket)
    await advance(3_000)
    assert client.error_bound_ms == client.clock.error_bound_ms < 50
    await client.close()


async def test_clock_that_reaches_zero_is_unconfirmed_until_the_server_says_it_ran_out() -> None:
    recorded, line = await live()
    client = recorded.client

    def shown() -> tuple[str, str]:
        face = display_frame(client.snapshot, client.clock.now()).faces[0]
        return face.text, face.phase

    version = update(4, {"timestamp": server_now()})
    version["state"]["participants"][0]["time_remaining_ms"] = 12_000
    recorded.socket.deliver(version)
    await advance(2_000)
    line.is_silent = True
    # Paused by then, which the client can't know.
    await advance(10_100)
    assert shown() == ("0:00", "unconfirmed")

    paused = update(5, {"timestamp": server_now()}, status="paused")
    paused["state"]["participants"][0]["time_remaining_ms"] = 9_993
    recorded.socket.deliver(paused)
    await advance(10)
    assert shown() == ("10.0", "plain")
    await client.close()
