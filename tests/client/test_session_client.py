"""SessionClient in a fake environment with virtual time: every instant is exact."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
from statistics import mean
from typing import Any

import httpx
import pytest

from tickless import ClientTimeouts, CommandError, SessionClient
from tickless.wire_types import Message

from .factories import (
    SERVER_START_MS,
    SESSION_DELETED,
    ack,
    connected,
    current,
    error,
    pong,
    sync,
    update,
    version_fields,
)
from .fakes import RecordedClient, answer_pings, live_client
from .virtual_time import advance, now


def iso(ms: float) -> str:
    at = datetime.fromtimestamp((SERVER_START_MS + ms) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Connections


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


async def test_token_is_sent_as_a_subprotocol_and_renewed_for_every_connection() -> None:
    renewed: list[str] = []

    async def renew() -> str:
        renewed.append(f"t{len(renewed)}")
        return renewed[-1]

    recorded = RecordedClient(token=renew)
    await recorded.go_live()
    recorded.socket.end()
    await recorded.reconnect()
    assert [one.subprotocols for one in recorded.environment.sockets] == [
        ("bearer.t0",),
        ("bearer.t1",),
    ]

    fixed = RecordedClient(token="x.y.z")
    await fixed.open()
    assert fixed.socket.subprotocols == ("bearer.x.y.z",)
    none = RecordedClient()
    await none.open()
    assert none.socket.subprotocols == ()


async def test_handshake_refused_for_its_token_is_reported_and_retried() -> None:
    recorded = RecordedClient()
    recorded.environment.refuses = True
    recorded.client.connect()
    for recorded.environment.status in (401, 503, None, 403):
        await advance(40_000)
    recorded.environment.refuses = False
    await recorded.client.wait_until(lambda _: bool(recorded.environment.sockets))

    codes = [one["code"] for one in recorded.errors]
    assert set(codes) == {"UNAUTHENTICATED", "FORBIDDEN"}
    # An unreachable server or store is not reported: the token is not the reason.
    assert codes == sorted(codes, reverse=True)
    assert recorded.connections == ["connecting"]


async def test_failed_token_renewal_is_retried() -> None:
    failures: list[Exception] = [httpx.ConnectError("no network"), OSError("none")]

    async def renew() -> str:
        if failures:
            raise failures.pop()
        return "t"

    recorded = RecordedClient(token=renew)
    recorded.client.connect()
    await advance(5_000)
    assert recorded.socket.subprotocols == ("bearer.t",)
    assert len(recorded.environment.attempts_at) == 1


def issuer_refuses() -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://issuer.test")
    return httpx.HTTPStatusError("401", request=request, response=httpx.Response(401))


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("no network"),
        issuer_refuses(),
        ValueError("no JSON"),
        LookupError("no such key"),
        TimeoutError("no answer"),
        # Of a task that the function awaited.
        asyncio.CancelledError("another task"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_token_function_that_raises_is_reported_and_retried(failure: BaseException) -> None:
    failures = [failure] * 3

    async def renew() -> str:
        if failures:
            raise failures.pop()
        return "t"

    recorded = RecordedClient(token=renew)
    recorded.client.connect()
    await recorded.client.wait_until(lambda _: bool(recorded.environment.sockets))
    assert [one["code"] for one in recorded.errors] == ["TOKEN_FAILED"] * 3
    reason = f"{type(failure).__name__}: {failure}"
    assert recorded.errors[0]["message"] == f"No token could be obtained: {reason}"
    assert recorded.connections == ["connecting"]
    assert recorded.socket.subprotocols == ("bearer.t",)
    await recorded.client.close()


async def test_client_whose_token_function_fails_or_hangs_can_be_closed() -> None:
    async def fail() -> str:
        raise ValueError("none")

    async def hang() -> str:
        await asyncio.sleep(600)
        return "t"

    for renew, reason in ((fail, "ValueError: none"), (hang, "TimeoutError")):
        recorded = RecordedClient(token=renew)
        recorded.client.connect()
        await advance(11_000)
        assert recorded.errors[0]["message"] == f"No token could be obtained: {reason}"
        await recorded.client.close()
        assert recorded.connections == ["connecting", "closed"]

    hanging = RecordedClient(token=hang)
    hanging.client.connect()
    await advance(1)
    await hanging.client.close()
    assert hanging.errors == []


@pytest.mark.parametrize(
    "token", ["s3cret b", "s3cret\n", "s3cret\u00e9", "s3cret,b", b"s3cret", 5]
)
@pytest.mark.parametrize("is_function", [True, False])
async def test_token_that_cannot_be_sent_is_reported_without_quoting_it(
    token: Any, is_function: bool
) -> None:
    async def renew() -> Any:
        return token

    recorded = RecordedClient(token=renew if is_function else token)
    recorded.client.connect()
    await recorded.client.wait_until(lambda _: len(recorded.errors) >= 3)
    assert recorded.environment.attempts_at == []
    for one in recorded.errors:
        assert one["code"] == "TOKEN_FAILED"
        assert one["message"].startswith("The token can't be sent")
        assert "s3cret" not in one["message"]
    await recorded.client.close()


async def test_url_function_that_raises_later_is_reported_and_retried() -> None:
    answers: list[str | Exception] = ["ws://a/dev", "ws://a/dev", LookupError("no stage")]

    def url() -> str:
        answer = answers.pop(0) if answers else "ws://b/dev"
        if isinstance(answer, Exception):
            raise answer
        return answer

    recorded = RecordedClient(url=url)
    await recorded.go_live()
    recorded.socket.end()
    await recorded.reconnect()
    assert [one["code"] for one in recorded.errors] == ["URL_FAILED"]
    assert recorded.errors[0]["message"].endswith("LookupError: no stage")
    assert recorded.client.connection == "live"
    await recorded.client.close()


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


# Heartbeats


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


async def test_heartbeats_are_sent_during_a_flood_of_messages() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(heartbeat_ms=1_000, clock_samples=0))
    await recorded.open()
    answer_pings(recorded.socket, None)
    for version in range(3, 52):
        recorded.socket.deliver(update(version))
        await advance(100)
    assert len(recorded.socket.sent_of_type("PING")) == 5


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


# Snapshots


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


# Commands


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


# Claims


async def test_expired_clock_is_claimed_with_a_growing_delay() -> None:
    recorded = await live_client(deadline_at=iso(10_000))
    answer_pings(recorded.socket)
    await advance(10_200 - now())
    assert recorded.socket.sent_of_type("CLAIM") == []
    await advance(1_100)
    assert len(recorded.socket.sent_of_type("CLAIM")) == 1
    await advance(60_000)
    assert 4 <= len(recorded.socket.sent_of_type("CLAIM")) <= 10


async def test_update_before_the_claim_makes_it_unnecessary() -> None:
    recorded = await live_client(deadline_at=iso(10_000))
    answer_pings(recorded.socket)
    await advance(10_100 - now())
    recorded.socket.deliver(update(4, status="expired"))
    await advance(60_000)
    assert recorded.socket.sent_of_type("CLAIM") == []


@pytest.mark.parametrize(
    ("deadline_ms", "refusals", "is_repeated"),
    [
        pytest.param(1_000, [error("FORBIDDEN")], False, id="forbidden"),
        pytest.param(0, [error("FORBIDDEN")], False, id="forbidden when overdue"),
        pytest.param(1_000, [], True, id="unanswered"),
    ],
)
async def test_forbidden_claim_is_not_repeated_before_the_next_connection(
    deadline_ms: int, refusals: list[Message], is_repeated: bool
) -> None:
    recorded = await live_client(deadline_at=iso(deadline_ms))
    answer_pings(recorded.socket)
    await advance(2_000 + deadline_ms)
    assert len(recorded.socket.sent_of_type("CLAIM")) == 1
    for refusal in refusals:
        recorded.socket.deliver(refusal)
    await advance(600_000)
    assert (len(recorded.socket.sent_of_type("CLAIM")) > 1) == is_repeated
    assert recorded.errors == []

    recorded.socket.end()
    await recorded.reconnect()
    answer_pings(recorded.socket)
    await advance(3_000)
    assert recorded.socket.sent_of_type("CLAIM")


async def test_claims_can_be_turned_off() -> None:
    recorded = RecordedClient(timeouts=ClientTimeouts(claim_delay_ms=float("inf")))
    await recorded.go_live(deadline_at=iso(0))
    answer_pings(recorded.socket)
    await advance(60_000)
    assert recorded.socket.sent_of_type("CLAIM") == []


async def test_default_environment_connects_to_a_real_address() -> None:
    async with SessionClient("ws://127.0.0.1:9/dev", "s") as client:
        assert client.connection == "connecting"
        client.abort()
