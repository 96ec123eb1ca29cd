"""A client on sockets and in a time of the test's own: every instant is exact."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from statistics import mean

import httpx
import pytest

from tests.client.virtual_time import (
    TIME,
    FakeSocket,
    Told,
    answer_pings,
    connected,
    current,
    now,
    passes,
    pong,
    sync,
    timeless,
    update,
)
from tickless import CommandError, Pace, SessionClient
from tickless.states import Message

from .states import place_of


def iso(ms: float) -> str:
    at = datetime.fromtimestamp((TIME + ms) / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Connections


@timeless
async def test_it_says_connecting_live_reconnecting_and_closed() -> None:
    told = Told()
    await told.live()
    told.socket.ends()
    await told.back()
    await told.client.close()

    assert told.connections == ["connecting", "live", "reconnecting", "live", "closed"]
    assert told.socket.goodbye == "closed"
    await passes(600_000)
    assert len(told.world.sockets) == 2


@timeless
async def test_it_can_be_closed_again_or_before_and_connected_anew() -> None:
    told = Told()
    await told.client.close()
    await told.live()
    told.client.connect()
    assert len(told.world.sockets) == 1
    await told.client.close()
    await told.client.close()
    async with told.client:
        await passes(0)
        assert len(told.world.sockets) == 2
    assert told.connections == ["connecting", "live", "closed", "connecting", "closed"]


@timeless
async def test_who_aborts_leaves_without_a_word() -> None:
    told = Told()
    await told.live()
    told.client.abort()
    assert (told.client.connection, told.socket.goodbye) == ("closed", "aborted")
    await passes(600_000)
    assert len(told.world.sockets) == 1


@timeless
async def test_the_session_is_named_in_the_address_beside_what_that_has() -> None:
    asked: list[str] = []

    def url() -> str:
        asked.append("")
        return f"wss://host/prod?stage={len(asked)}"

    told = Told(url=url)
    await told.connected()
    first = told.socket.url
    told.socket.ends()
    await passes(2_000)

    assert first.endswith("&sessionId=a+b")
    assert first.startswith("wss://host/prod?stage=")
    assert told.socket.url != first


@timeless
async def test_an_address_that_is_none_is_refused_to_who_gave_it() -> None:
    for url in ("nowhere", "http://host/dev", "ws://"):
        told = Told(url=url)
        with pytest.raises(ValueError, match="no address"):
            told.client.connect()
        assert told.client.connection == "closed"


@timeless
async def test_a_token_is_a_subprotocol_and_renewed_for_every_connection() -> None:
    renewed: list[str] = []

    async def renew() -> str:
        renewed.append(f"t{len(renewed)}")
        return renewed[-1]

    told = Told(token=renew)
    await told.live()
    told.socket.ends()
    await told.back()
    assert [one.subprotocols for one in told.world.sockets] == [("bearer.t0",), ("bearer.t1",)]

    fixed = Told(token="x.y.z")
    await fixed.connected()
    assert fixed.socket.subprotocols == ("bearer.x.y.z",)
    none = Told()
    await none.connected()
    assert none.socket.subprotocols == ()


@timeless
async def test_a_handshake_whose_token_is_refused_is_told_and_tried_again() -> None:
    told = Told()
    told.world.refuses = True
    told.client.connect()
    for told.world.status in (401, 503, None, 403):
        await passes(40_000)
    told.world.refuses = False
    await told.client.until(lambda _: bool(told.world.sockets))

    codes = [one["code"] for one in told.refusals]
    assert set(codes) == {"UNAUTHENTICATED", "FORBIDDEN"}
    # While nobody is there, or the store is not, that is no matter of the token.
    assert codes == sorted(codes, reverse=True)
    assert told.connections == ["connecting"]


@timeless
async def test_a_token_that_cannot_be_renewed_now_is_asked_for_again() -> None:
    failures: list[Exception] = [httpx.ConnectError("no network"), OSError("none")]

    async def renew() -> str:
        if failures:
            raise failures.pop()
        return "t"

    told = Told(token=renew)
    told.client.connect()
    await passes(5_000)
    assert told.socket.subprotocols == ("bearer.t",)
    assert len(told.world.tries_at) == 1


@timeless
async def test_tries_come_after_a_random_part_of_a_delay_that_doubles_up_to_30_s() -> None:
    waits: list[list[float]] = [[] for _ in range(7)]
    for seed in range(200):
        told = Told(seed=seed)
        told.world.refuses = True
        await told.connected()
        while len(told.world.tries_at) < 8:
            await passes(100)
        at_ms = told.world.tries_at
        for place, those in enumerate(waits):
            those.append(at_ms[place + 1] - at_ms[place])
        assert told.client.connection == "connecting"
        await told.client.close()

    for failures, those in enumerate(waits):
        longest_ms = min(30_000, 1_000 * 2**failures)
        assert max(those) <= longest_ms
        assert min(those) < longest_ms / 10
        assert abs(mean(those) / longest_ms - 0.5) < 0.1


@timeless
async def test_a_connection_that_was_live_is_not_held_against_the_next_one() -> None:
    told = Told()
    await told.live()
    for _ in range(5):
        told.socket.ends()
        before = now()
        await told.back()
        assert now() - before <= 1_000


@timeless
async def test_who_hears_nothing_asks_after_two_seconds_again_and_again() -> None:
    told = Told(pace=Pace(samples=0))
    await told.connected()
    await passes(1_999)
    assert told.socket.all("RECONNECT") == []
    await passes(2_100)
    assert told.socket.all("RECONNECT") == [{"type": "RECONNECT"}] * 2
    told.socket.hears({"type": "SESSION_DELETED", "timestamp": TIME})
    await passes(10_000)
    assert len(told.socket.all("RECONNECT")) == 2
    assert told.connections[-1] == "live"


@timeless
async def test_after_a_loss_it_resumes_with_what_it_holds_and_is_live_once_answered() -> None:
    told = Told()
    await told.live()
    told.socket.ends()
    await told.client.until(lambda _: len(told.world.sockets) == 2)
    await passes(0)
    assert told.socket.sent[0] == {"type": "RECONNECT", **place_of(3)}
    told.socket.hears(connected())
    await passes(0)
    assert told.connections[-1] == "reconnecting"
    told.socket.hears(sync(2, {"epoch": "another"}))
    await passes(0)
    assert told.connections[-1] == "live"
    assert told.client.held is not None
    assert told.client.held.epoch == "another"


@timeless
async def test_a_handshake_that_does_not_end_is_given_up() -> None:
    told = Told()
    told.world.hangs = True
    await told.connected()
    await passes(11_001)
    assert len(told.world.tries_at) == 2
    assert told.client.connection == "connecting"
    await told.client.close()


@timeless
async def test_a_connection_that_was_silent_for_three_of_the_heartbeats_told_is_given_up() -> None:
    for heartbeat_ms in (5_000, 60_000):
        told = Told()
        await told.connected()
        told.socket.hears(connected(heartbeat_ms))
        await passes(3 * heartbeat_ms - 1)
        assert told.connections[-1] == "live"
        first = told.socket
        await passes(2)
        assert told.connections[-1] == "reconnecting"
        assert first.goodbye == "aborted"
        await told.client.close()


@timeless
async def test_who_can_say_nothing_any_more_gives_the_connection_up() -> None:
    told = Told()
    await told.live()

    async def blocked(text: str) -> None:
        await asyncio.Event().wait()

    vars(told.socket)["send"] = blocked
    await passes(15_000)
    assert len(told.world.sockets) > 1


@timeless
async def test_what_comes_while_it_says_goodbye_is_not_heard() -> None:
    told = Told()
    await told.live()
    closing = asyncio.create_task(told.client.close())
    await passes(1)
    told.socket.hears(sync(9))
    await passes(1)
    told.socket.ends()
    await closing
    await passes(60_000)
    assert (told.connections[-1], told.versions) == ("closed", [3])
    assert len(told.world.sockets) == 1


@timeless
async def test_a_listener_may_leave_and_nothing_comes_after() -> None:
    told: Told = Told(on_state=lambda held: told.client.abort())
    await told.connected()
    told.socket.hears(sync(3, deadline_at=iso(0)))
    told.socket.hears(update(4))
    await passes(600_000)
    assert told.connections == ["connecting", "closed"]
    assert len(told.world.sockets) == 1
    assert told.socket.all("CLAIM") == []


# Heartbeats


@timeless
async def test_a_round_of_pings_begins_a_connection_and_heartbeats_go_on_as_often_as_is_told() -> (
    None
):
    told = Told()
    await told.connected()
    answer_pings(told.socket)
    told.socket.hears(connected(5_000))
    told.socket.hears(sync(3))
    await passes(2_000)
    # The last was due before the tenth had been answered.
    assert len(told.socket.all("PING")) == 11
    await passes(58_000)
    assert 11 + 11 <= len(told.socket.all("PING")) <= 11 + 12
    told.socket.ends()
    await told.back()
    answer_pings(told.socket)
    await passes(2_000)
    assert len(told.socket.all("PING")) == 11


@timeless
async def test_a_connected_that_comes_late_brings_the_next_heartbeat_forward_alone() -> None:
    for heartbeat_ms, in_ms in ((5_000, 5_000), (60_000, 18_000)):
        told = Told(pace=Pace(samples=0))
        await told.connected()
        told.socket.hears(sync(3))
        await passes(12_000)
        told.socket.hears(connected(heartbeat_ms))
        await passes(in_ms - 100)
        assert len(told.socket.all("PING")) == 1
        await passes(200)
        assert len(told.socket.all("PING")) == 2
        await told.client.close()


@timeless
async def test_a_pong_that_differs_is_believed_after_a_second_unless_the_update_comes() -> None:
    told = Told()
    await told.live()
    told.socket.hears(pong(0, 4))
    await passes(900)
    told.socket.hears(update(4))
    await passes(5_000)
    assert told.socket.all("RECONNECT") == []
    told.socket.hears(pong(0, 5))
    await passes(999)
    assert told.socket.all("RECONNECT") == []
    await passes(2)
    assert told.socket.all("RECONNECT") == [{"type": "RECONNECT", **place_of(4)}]


@timeless
async def test_what_is_due_is_said_in_a_flood_of_messages_too() -> None:
    told = Told(pace=Pace(heartbeat_ms=1_000, samples=0))
    await told.connected()
    for version in range(3, 52):
        told.socket.hears(update(version))
        await passes(100)
    assert len(told.socket.all("PING")) == 5


@timeless
async def test_what_the_gateway_says_of_itself_and_what_is_no_json_is_no_message() -> None:
    told = Told()
    await told.live()
    told.socket.hears({"message": "Internal server error", "connectionId": "x", "requestId": "y"})
    told.socket.hears(["type"])
    told.socket.hears_raw(b"nonsense")
    told.socket.hears_raw(b"\xff")
    await passes(0)
    assert told.connections[-1] == "live"


@timeless
async def test_who_has_slept_measures_again_and_gives_up_a_connection_that_does_not_answer() -> (
    None
):
    told = Told()
    await told.live()
    answer_pings(told.socket)
    await passes(3_000)
    told.socket.on_sent = lambda message: None
    told.world.slept_ms += 3_600_000
    told.client.clock.now()
    told.socket.hears(current(3))
    before = len(told.socket.all("PING"))
    await passes(1)
    assert len(told.socket.all("PING")) == before + 1
    await passes(90_001)
    assert told.connections[-1] == "reconnecting"


@timeless
async def test_a_sleep_that_a_heartbeat_notices_is_not_waited_out() -> None:
    told = Told()
    await told.live()
    answer_pings(told.socket)
    await passes(3_000)
    told.socket.on_sent = lambda message: None
    told.world.slept_ms += 3_600_000
    await passes(30_000)
    assert told.connections[-1] == "live"
    await passes(5_001)
    assert told.connections[-1] == "reconnecting"


# What is shown


@timeless
async def test_versions_are_shown_once_and_in_order_with_the_events_that_made_them() -> None:
    told = Told()
    await told.live()
    events = [{"type": "cycle_switched", "at": "now"}]
    told.socket.hears(update(4, {"events": events}))
    told.socket.hears(update(4, {"events": events}))
    told.socket.hears(update(3))
    await passes(0)
    assert told.versions == [3, 4]
    assert told.events == [events]
    assert told.socket.all("RECONNECT") == []


@timeless
async def test_states_come_one_after_another_and_only_the_newest_of_several() -> None:
    told = Told()
    seen: list[int | None] = []

    async def watch() -> None:
        async for held in told.client.states():
            seen.append(held.version if held else None)
            await passes(100)

    await told.live()
    watching = asyncio.create_task(watch())
    await passes(10)
    for version in (4, 5, 6):
        told.socket.hears(update(version))
    await passes(500)
    told.socket.hears({"type": "SESSION_DELETED", "timestamp": TIME})
    await passes(500)
    await told.client.close()
    await watching
    assert seen == [3, 6, None]


@timeless
async def test_what_a_listener_raises_ends_the_client_and_is_raised_by_who_waits() -> None:
    def fail(_: object) -> None:
        raise LookupError("no screen")

    told = Told(on_state=fail)
    told.client.connect()
    await passes(0)
    told.socket.hears(connected())
    told.socket.hears(sync(3))
    with pytest.raises(LookupError, match="no screen"):
        await told.client.until(lambda client: False)
    with pytest.raises(LookupError):
        assert [one async for one in told.client.states()]
    with pytest.raises(LookupError):
        await told.client.close()
    assert told.client.connection == "closed"
    assert told.socket.goodbye == "aborted"


# Commands


@timeless
async def test_switch_and_pause_name_the_cycle_that_is_held() -> None:
    told = Told()
    await told.live()
    client = told.client
    calls = [
        client.command("switch", {"next_participant_id": "b"}),
        client.command("pause"),
        client.command("switch", {"current_participant_id": "b"}),
        client.command("adjust", {"delta_ms": 5}, expected_version=3),
    ]
    waiting = [asyncio.create_task(call) for call in calls]
    await passes(0)
    sent = [dict(one) for one in told.socket.all("COMMAND")]
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
        told.socket.hears({"type": "ACK", "timestamp": TIME, "id": name, "version": number})
    assert await asyncio.gather(*waiting) == [4, 5, 6, 7]


async def failure(call: Awaitable[int]) -> tuple[str, str]:
    with pytest.raises(CommandError) as raised:
        await call
    return raised.value.code, raised.value.outcome


@timeless
async def test_a_refused_command_fails_with_the_code_of_the_server() -> None:
    told = Told()
    await told.live()
    told.socket.on_sent = lambda message: told.socket.hears(refused(message))
    assert await failure(told.client.command("switch")) == ("STALE_CYCLE", "refused")
    error = {"type": "ERROR", "timestamp": TIME, "code": "STORE_UNAVAILABLE", "message": "Gone"}
    told.socket.hears(error)
    await passes(0)
    assert [one["code"] for one in told.refusals] == ["STORE_UNAVAILABLE"]


def refused(message: Message) -> Message:
    reason = {"code": "STALE_CYCLE", "message": "Somebody else is active"}
    return {"type": "ERROR", "timestamp": TIME, "id": message.get("id", ""), **reason}


@timeless
async def test_a_command_is_never_kept_for_later_but_fails_at_once_and_is_not_sent() -> None:
    told = Told()
    not_live = ("NOT_LIVE", "unsent")
    assert await failure(told.client.command("switch")) == not_live
    await told.connected()
    assert await failure(told.client.command("switch")) == not_live
    told.socket.hears(connected())
    await passes(0)
    # There is no session yet.
    assert await failure(told.client.command("switch")) == not_live
    told.socket.hears(sync(3))
    await passes(0)
    told.socket.ends()
    await passes(0)
    assert await failure(told.client.command("switch")) == not_live
    await told.back()
    await passes(60_000)
    assert [one for socket in told.world.sockets for one in socket.all("COMMAND")] == []


@pytest.mark.parametrize("loss", [FakeSocket.ends, None])
@timeless
async def test_what_became_of_a_command_is_unknown_when_the_connection_is_lost(
    loss: Callable[[FakeSocket], None] | None,
) -> None:
    told = Told()
    await told.live()
    waiting = asyncio.create_task(told.client.command("switch"))
    await passes(0)
    if loss is None:
        await told.client.close()
    else:
        loss(told.socket)
    assert await failure(waiting) == ("CONNECTION_LOST", "unknown")


@timeless
async def test_so_it_is_when_sending_fails_and_nobody_complains_of_what_was_not_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = Told()
    await told.live()
    told.socket.goodbye = "ended"
    with caplog.at_level(logging.ERROR):
        assert await failure(told.client.command("switch")) == ("CONNECTION_LOST", "unknown")
        gc.collect()
    assert caplog.records == []


@timeless
async def test_what_became_of_a_command_is_unknown_when_no_answer_comes() -> None:
    told = Told()
    await told.live()
    assert await failure(told.client.command("switch")) == ("NO_ANSWER", "unknown")
    assert now() >= 10_000
    assert told.connections[-1] == "live"


@timeless
async def test_an_answer_that_comes_as_the_caller_gives_up_does_no_harm() -> None:
    told = Told()
    await told.live()
    waiting = asyncio.create_task(told.client.command("switch"))
    await passes(0)
    name = told.socket.all("COMMAND")[0]["id"]
    told.socket.hears({"type": "ACK", "timestamp": TIME, "id": name, "version": 4})
    waiting.cancel()
    await passes(1)
    told.socket.hears({"type": "ACK", "timestamp": TIME, "id": name, "version": 4})
    told.socket.hears(update(4))
    await passes(1)
    assert waiting.cancelled()
    assert (told.client.connection, told.versions) == ("live", [3, 4])


# Claims


@timeless
async def test_a_clock_at_zero_is_claimed_after_a_moment_and_then_with_growing_patience() -> None:
    told = Told()
    await told.live(deadline_at=iso(10_000))
    answer_pings(told.socket)
    await passes(10_200 - now())
    assert told.socket.all("CLAIM") == []
    await passes(1_100)
    assert len(told.socket.all("CLAIM")) == 1
    await passes(60_000)
    assert 4 <= len(told.socket.all("CLAIM")) <= 10


@timeless
async def test_who_is_told_in_time_claims_nothing() -> None:
    told = Told()
    await told.live(deadline_at=iso(10_000))
    answer_pings(told.socket)
    await passes(10_100 - now())
    told.socket.hears(update(4, status="expired"))
    await passes(60_000)
    assert told.socket.all("CLAIM") == []


@timeless
async def test_who_may_not_claim_does_so_once_in_a_connection_and_tells_nobody() -> None:
    told = Told()
    await told.live(deadline_at=iso(1_000))
    answer_pings(told.socket)
    refusal = {"type": "ERROR", "timestamp": TIME, "code": "FORBIDDEN", "message": "Not you"}
    await passes(3_000)
    told.socket.hears(refusal)
    await passes(600_000)
    assert (len(told.socket.all("CLAIM")), told.refusals) == (1, [])

    told.socket.ends()
    await told.back()
    answer_pings(told.socket)
    await passes(3_000)
    assert told.socket.all("CLAIM")


@timeless
async def test_who_is_told_to_claims_nothing() -> None:
    told = Told(pace=Pace(claim_after_ms=float("inf")))
    await told.live(deadline_at=iso(0))
    answer_pings(told.socket)
    await passes(60_000)
    assert told.socket.all("CLAIM") == []


@timeless
async def test_who_may_not_claim_is_told_so_once_and_nobody_else_of_it() -> None:
    told = Told()
    await told.live(deadline_at=iso(0))
    answer_pings(told.socket)
    await passes(2_000)
    before = len(told.socket.all("CLAIM"))
    assert before >= 1
    told.socket.hears({"type": "ERROR", "timestamp": TIME, "code": "FORBIDDEN", "message": "No"})
    await passes(60_000)
    assert len(told.socket.all("CLAIM")) == before
    assert told.refusals == []


@timeless
async def test_a_claim_that_was_not_heard_is_made_again_on_the_next_connection() -> None:
    told = Told()
    await told.live(deadline_at=iso(1_000))
    answer_pings(told.socket)
    await passes(3_000)
    assert told.socket.all("CLAIM")
    told.socket.ends()
    await told.back()
    answer_pings(told.socket)
    await passes(3_000)
    assert told.socket.all("CLAIM")


@timeless
async def test_a_client_without_a_world_of_its_own_lives_in_ours() -> None:
    async with SessionClient("ws://127.0.0.1:9/dev", "s") as client:
        assert client.connection == "connecting"
        client.abort()
