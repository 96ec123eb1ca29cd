"""The WebSocket handlers: connect, welcome message, messages, disconnect and inline broadcast."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.broadcast.connections_api.ports import DeliveryStatus
from chalicelib.broadcast.inline import InlineBroadcaster
from chalicelib.engine.commit_loop import CommitLoop
from chalicelib.engine.sync_engine import SyncEngine
from chalicelib.ports import SessionConnections, StoreUnavailable
from chalicelib.telemetry import definitions as names
from tests.chess import ANNE, BEN, CLEO, SESSION, chess
from tests.fakes import FakeRegistry

from .conftest import ENDPOINT, Room, a_room


def connected(room: Room, *connection_ids: str) -> None:
    """Connect clients, by default one, and send each its welcome message."""
    for connection_id in connection_ids or ("c1",):
        assert room.connect(connection_id, SESSION) == 200
        room.send_welcome()


def kinds(messages: list[Any]) -> list[str]:
    return [message["type"] for message in messages]


# $connect and the welcome message


@pytest.mark.parametrize("query", [None, {}, {"sessionId": ""}, {"sessionId": "x"}])
def test_handshake_without_a_session_id_is_400(room: Room, query: dict[str, str] | None) -> None:
    event = room.event("c1", queryStringParameters=query)

    assert room.sockets.connect(event) == {"statusCode": 400}
    assert room.registry.lists == {}


def test_connection_is_registered_but_not_posted_to_before_connect_has_answered(room: Room) -> None:
    assert room.connect("c1", SESSION.upper()) == 200

    (watcher,) = room.registry.connections_of(SESSION).connections
    assert (watcher.connection_id, watcher.endpoint) == ("c1", ENDPOINT)
    assert room.api.sent == {}
    assert room.welcome_invoker.events == [
        {"sessionId": SESSION, "connectionId": "c1", "endpoint": ENDPOINT}
    ]


def test_handshake_during_a_store_outage_is_503(room: Room) -> None:
    room.store.away = True

    assert room.connect("c1", SESSION) == 503
    assert room.welcome_invoker.events == []


def test_new_connection_gets_connected_and_then_the_state(room: Room) -> None:
    created = room.engine.create_session(chess())
    connected(room)

    hello, sync = room.api.messages("c1")
    assert hello == {
        "type": "CONNECTED",
        "timestamp": room.store.clock_ms,
        "sessionId": SESSION,
        "connectionId": "c1",
        "protocol": 1,
        "heartbeatIntervalMs": 30_000,
    }
    assert (sync["type"], sync["epoch"], sync["version"]) == (
        "STATE_SYNC",
        created.session.epoch,
        1,
    )
    assert sync["state"] == room.engine.get_current_state(SESSION).state
    assert "page" not in sync


def test_client_can_wait_for_a_session_to_be_created(room: Room) -> None:
    connected(room)
    assert kinds(room.api.messages("c1")) == ["CONNECTED"]

    room.engine.create_session(chess())

    assert kinds(room.api.messages("c1")) == ["CONNECTED", "STATE_UPDATE"]


def test_welcome_message_is_retried_until_connect_has_answered(room: Room) -> None:
    room.engine.create_session(chess())
    room.api.outcomes["c1"] = [DeliveryStatus.GONE] * 5 + [DeliveryStatus.DELIVERED]

    connected(room)

    assert kinds(room.api.messages("c1")) == ["CONNECTED", "STATE_SYNC"]


def test_welcome_state_includes_commits_made_while_it_waits(room: Room) -> None:
    room.engine.create_session(chess())
    room.api.outcomes["c1"] = [DeliveryStatus.GONE] * 3 + [DeliveryStatus.DELIVERED]
    room.watch.meanwhile = [lambda: room.engine.start_session(SESSION)]

    connected(room)

    assert room.api.messages("c1")[-1]["version"] == 2


def test_client_that_leaves_gets_no_welcome_message(room: Room) -> None:
    room.api.outcomes["c1"] = [DeliveryStatus.GONE]
    room.watch.meanwhile = [lambda: room.registry.deregister("c1")]
    began = room.watch.monotonic()

    connected(room)

    assert room.watch.monotonic() - began < 1.0
    assert room.api.messages("c1") == []


def test_welcome_message_is_given_up_after_five_seconds(room: Room) -> None:
    room.api.outcomes["c1"] = [DeliveryStatus.GONE]
    before = room.watch.seconds

    connected(room)

    assert 4.0 < room.watch.seconds - before <= 5.0


def test_client_that_left_while_connect_ran_is_deregistered(room: Room) -> None:
    """Its $disconnect came before the registration, or never."""
    room.sockets.disconnect(room.event("c1"))
    room.api.outcomes["c1"] = [DeliveryStatus.GONE]

    connected(room)

    assert room.registry.connections_of(SESSION).connections == []
    assert room.registry.context_of("c1") is None


# $disconnect


def test_disconnect_deregisters_the_connection(room: Room) -> None:
    room.connect("c1", SESSION)
    room.sockets.disconnect(room.event("c1"))
    room.sockets.disconnect(room.event("c1"))

    assert room.registry.connections_of(SESSION).connections == []


def test_disconnect_while_the_store_is_unavailable_is_no_error(room: Room) -> None:
    room.connect("c1", SESSION)
    room.store.away = True

    room.sockets.disconnect(room.event("c1"))


# heartbeats


def test_pong_has_the_time_of_the_store_and_the_version(room: Room) -> None:
    created = room.engine.create_session(chess())
    connected(room)

    (pong,) = room.send("c1", '{"type": "PING", "clientTime": 12.5}')

    assert pong == {
        "type": "PONG",
        "timestamp": room.store.clock_ms,
        "clientTime": 12.5,
        "receivedAt": room.store.clock_ms,
        "epoch": created.session.epoch,
        "version": 1,
        "updatedAt": created.state["updated_at"],
    }


def test_pong_has_the_instants_of_receipt_and_response(room: Room) -> None:
    connected(room)
    room.watch.passes_with_every_look_s = 0.25

    (pong,) = room.send("c1", '{"type": "PING"}')

    assert pong["receivedAt"] == room.store.clock_ms
    assert pong["timestamp"] == pong["receivedAt"] + 250


def test_pong_without_a_session_has_no_version(room: Room) -> None:
    connected(room)

    (pong,) = room.send("c1", '{"type": "PING"}')

    assert set(pong) == {"type", "timestamp", "clientTime", "receivedAt"}
    assert pong["clientTime"] is None


def test_heartbeat_keeps_a_connection_registered(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room, "lively", "silent")
    for _ in range(4):
        room.store.advance(30_000)
        room.send("lively", '{"type": "PING"}')

    room.engine.start_session(SESSION)

    assert [one.connection_id for one in room.registry.connections_of(SESSION).connections] == [
        "lively"
    ]
    assert room.api.closed == ["silent"]
    assert kinds(room.api.messages("silent")) == ["CONNECTED", "STATE_SYNC"]
    assert kinds(room.api.messages("lively"))[-1] == "STATE_UPDATE"


def test_silent_connection_is_swept_without_a_broadcast(room: Room) -> None:
    connected(room, "lively", "silent")
    room.store.advance(90_000)
    room.send("lively", '{"type": "PING"}')
    room.broadcaster.sweep()
    assert room.api.closed == []

    room.store.advance(1)
    room.broadcaster.sweep()

    assert [one.connection_id for one in room.registry.connections_of(SESSION).connections] == [
        "lively"
    ]
    assert room.api.closed == ["silent"]
    assert kinds(room.api.messages("lively")) == ["CONNECTED", "PONG"]


def test_message_of_a_swept_connection_closes_it(room: Room) -> None:
    connected(room)
    room.store.advance(1_000_000)

    assert room.send("c1", '{"type": "PING"}') == []
    assert room.api.closed == ["c1"]


@pytest.mark.parametrize("text", ['{"type": "PING"}', '{"type": "CLAIM"}', "no JSON"])
def test_message_of_a_client_that_leaves_meanwhile_does_not_register_it_again(
    room: Room, text: str
) -> None:
    room.start_session()
    connected(room)
    room.registry.after_renewal = [lambda: room.sockets.disconnect(room.event("c1"))]

    assert room.send("c1", text) == []

    assert room.registry.connections_of(SESSION).connections == []
    assert room.registry.context_of("c1") is None
    assert room.registry.after_renewal == []


def test_connection_that_the_store_has_lost_is_closed_by_its_next_message(room: Room) -> None:
    connected(room)
    room.registry.lists.clear()

    assert room.send("c1", '{"type": "PING"}') == []
    assert room.api.closed == ["c1"]


# RECONNECT and CLAIM


def test_reconnect_with_the_current_version_gets_current(room: Room) -> None:
    created = room.engine.create_session(chess())
    connected(room)
    held = {"type": "RECONNECT", "epoch": created.session.epoch, "version": 1}

    for more in ({}, {"updatedAt": created.state["updated_at"]}):
        (answer,) = room.send("c1", json.dumps(held | more))

        assert answer == {
            "type": "CURRENT",
            "timestamp": room.store.clock_ms,
            "sessionId": SESSION,
            "epoch": created.session.epoch,
            "version": 1,
            "updatedAt": created.state["updated_at"],
        }


@pytest.mark.parametrize(
    "held",
    [
        {},
        {"version": 1},
        {"epoch": "another", "version": 1},
        {"epoch": "?", "version": 9},
        {"version": 1, "updatedAt": "2026-01-01T00:00:00.000Z"},
    ],
)
def test_reconnect_is_answered_with_the_state_if_anything_differs(
    room: Room, held: dict[str, Any]
) -> None:
    created = room.engine.create_session(chess())
    connected(room)
    if "updatedAt" in held:
        held = {"epoch": created.session.epoch, **held}

    (answer,) = room.send("c1", json.dumps({"type": "RECONNECT", **held}))

    assert (answer["type"], answer["version"]) == ("STATE_SYNC", 1)


RECONNECT = '{"type": "RECONNECT", "epoch": "old", "version": 4}'


def test_reconnect_to_what_never_was_is_an_error_and_goes_on_waiting(room: Room) -> None:
    connected(room)

    (answer,) = room.send("c1", RECONNECT)

    assert (answer["type"], answer["code"]) == ("ERROR", "SESSION_NOT_FOUND")
    assert "id" not in answer
    assert room.api.closed == []


@pytest.mark.parametrize("reason", ["deleted", "expired"])
def test_client_learns_for_a_day_why_there_is_no_session_any_more(room: Room, reason: str) -> None:
    room.engine.create_session(chess())
    if reason == "deleted":
        room.engine.delete_session(SESSION)
    else:
        room.store.advance(3_600_000)
    connected(room)
    (final_message,) = [one for one in room.api.messages("c1") if one["type"] != "CONNECTED"]
    (answer,) = room.send("c1", RECONNECT)

    assert (answer["type"], answer["reason"]) == ("SESSION_DELETED", reason)
    assert (final_message["type"], final_message["reason"]) == ("SESSION_DELETED", reason)
    assert room.api.closed == []
    room.store.advance(24 * 3_600_000)
    connected(room, "c2")
    assert room.send("c2", RECONNECT)[0]["code"] == "SESSION_NOT_FOUND"


def test_claim_of_an_expired_clock_is_broadcast(room: Room) -> None:
    room.start_session()
    connected(room, "c1", "c2")
    room.store.advance(10_000)

    (answer,) = room.send("c1", '{"type": "CLAIM"}')

    assert answer["type"] == "STATE_UPDATE"
    assert [event["type"] for event in answer["events"]] == ["participant_expired"]
    assert room.api.messages("c2")[-1] == answer


def test_early_claim_gets_current(room: Room) -> None:
    room.start_session()
    connected(room)
    room.store.advance(9_999)

    (answer,) = room.send("c1", '{"type": "CLAIM"}')

    assert (answer["type"], answer["version"]) == ("CURRENT", 2)


# COMMAND


def command(name: str, **more: Any) -> str:
    return json.dumps({"type": "COMMAND", "id": "7", "command": name, **more})


def test_command_is_acknowledged_and_broadcast(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room, "c1", "c2")

    update, ack = room.send("c1", command("start"))

    assert ack == {"type": "ACK", "timestamp": room.store.clock_ms, "id": "7", "version": 2}
    assert (update["type"], update["state"]["status"]) == ("STATE_UPDATE", "running")
    assert room.api.messages("c2")[-1] == update


@pytest.mark.parametrize(
    ("name", "args", "before", "shown"),
    [
        ("start", None, [], {"status": "running"}),
        (
            "switch",
            {"next_participant_id": BEN, "current_participant_id": ANNE},
            ["start"],
            {"active_participant_id": BEN},
        ),
        ("pause", {"current_participant_id": ANNE}, ["start"], {"status": "paused"}),
        ("resume", {}, ["start", "pause"], {"status": "running"}),
        ("complete", None, ["start"], {"status": "completed"}),
        ("cancel", None, [], {"status": "cancelled"}),
        ("undo", None, ["start", "switch"], {"active_participant_id": ANNE}),
        ("set_turn", {"participant_id": BEN}, ["start", "pause"], {"active_participant_id": BEN}),
        ("reopen", None, ["start", "cancel"], {"status": "paused"}),
        ("update", {"action_on_timeout": {"type": "skip_cycle"}}, [], {"version": 2}),
        ("update", {"message": {"text": "Tea", "style": "alert"}}, ["start"], {"version": 3}),
        ("reset", None, ["start"], {"status": "pending", "session_started_at": None}),
        ("join", {"participant_id": CLEO, "total_time_ms": 5_000}, ["start"], {"version": 3}),
        ("update_participant", {"participant_id": BEN, "name": "Ben"}, [], {"version": 2}),
        ("withdraw", {"participant_id": ANNE}, ["start"], {"active_participant_id": BEN}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_command_is_acknowledged_with_its_version(
    room: Room,
    name: str,
    args: dict[str, Any] | None,
    before: list[str],
    shown: dict[str, Any],
) -> None:
    room.engine.create_session(chess())
    connected(room)
    for number, earlier in enumerate(before):
        room.send("c1", command(earlier, id=f"earlier {number}"))

    update, ack = room.send("c1", command(name, args=args))

    version = 2 + len(before)
    assert ack == {"type": "ACK", "timestamp": room.store.clock_ms, "id": "7", "version": version}
    assert (update["type"], update["version"]) == ("STATE_UPDATE", version)
    assert shown.items() <= update["state"].items()


def test_adjustment_is_pushed_with_its_reason(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room)

    args = {"participant_id": BEN, "delta_ms": 500, "reason": "pen broke"}
    update, ack = room.send("c1", command("adjust", args=args))

    assert ack["type"] == "ACK"
    assert update["state"]["participants"][1]["time_remaining_ms"] == 10_500
    assert update["events"][0]["reason"] == "pen broke"


def test_repeated_command_is_acknowledged_as_the_first_time_and_counts_once(room: Room) -> None:
    room.start_session()
    connected(room)
    first = room.send("c1", command("switch"))[-1]
    room.store.advance(1_000)

    assert room.send("c1", command("switch")) == [first]
    room.engine.switch_cycle(SESSION)
    assert room.send("c1", command("switch")) == [first]
    assert first["version"] == 3
    assert room.engine.get_current_state(SESSION).state["version"] == 4


def test_other_command_with_the_same_id_is_refused(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room)
    room.send("c1", command("start"))

    (answer,) = room.send("c1", command("switch"))

    assert (answer["type"], answer["code"], answer["id"]) == (
        "ERROR",
        "IDEMPOTENCY_KEY_REUSED",
        "7",
    )
    assert room.engine.get_current_state(SESSION).state["version"] == 2


# limits


@pytest.mark.parametrize("text", ['{"type": "PING"}', '{"type": "CLAIM"}', "nonsense"])
def test_messages_of_a_connection_are_limited_and_it_stays_open(text: str) -> None:
    room = a_room(messages=3)
    room.engine.create_session(chess())
    connected(room, "c1", "c2")
    for _ in range(3):
        (answer,) = room.send("c1", text)
        assert answer.get("code") != "RATE_LIMIT_EXCEEDED"

    (answer,) = room.send("c1", '{"type": "PING", "id": "x"}')

    assert (answer["type"], answer["code"], answer["id"]) == ("ERROR", "RATE_LIMIT_EXCEEDED", "x")
    assert room.api.closed == []
    assert kinds(room.send("c2", '{"type": "PING"}')) == ["PONG"]
    room.store.advance(1_000)
    assert kinds(room.send("c1", '{"type": "PING"}')) == ["PONG"]


def test_limited_message_counts_as_a_heartbeat() -> None:
    room = a_room(messages=1)
    connected(room)
    room.send("c1", '{"type": "PING"}')
    room.store.advance(100)
    room.send("c1", '{"type": "PING"}')

    (watcher,) = room.registry.connections_of(SESSION).connections
    assert watcher.last_seen_at_ms == room.store.clock_ms


def test_switches_are_limited_per_session() -> None:
    room = a_room(switches=2)
    room.start_session()
    connected(room, "c1", "c2", "c3")

    answers = [room.send(one, command("switch"))[-1] for one in ("c1", "c2", "c3")]

    assert kinds(answers) == ["ACK", "ACK", "ERROR"]
    assert answers[2]["code"] == "RATE_LIMIT_EXCEEDED"
    assert room.send("c3", command("pause"))[-1]["type"] == "ACK"
    # Repeated, it gets the same response and consumes nothing.
    assert room.send("c1", command("switch"))[-1] == answers[0]


def test_refused_switches_do_not_count_against_other_clients() -> None:
    room = a_room(switches=1)
    room.start_session()
    connected(room, "c1", "c2")
    out_of_turn = command("switch", args={"current_participant_id": BEN})
    for _ in range(3):
        assert room.send("c1", out_of_turn)[-1]["code"] == "STALE_CYCLE"

    assert room.send("c2", command("switch"))[-1]["type"] == "ACK"


def test_same_id_of_two_clients_is_two_commands(room: Room) -> None:
    room.start_session()
    connected(room, "c1", "c2")

    room.send("c1", command("switch"))
    room.send("c2", command("switch"))

    assert room.engine.get_current_state(SESSION).state["version"] == 4


@pytest.mark.parametrize(
    ("text", "code", "sent_as"),
    [
        (command("switch"), "INVALID_STATE_TRANSITION", "7"),
        (command("start", expectedVersion=4), "PRECONDITION_FAILED", "7"),
        (command("switch", args={"next_participant_id": 4}), "VALIDATION_ERROR", "7"),
        (command("adjust"), "VALIDATION_ERROR", "7"),
        (command("explode"), "VALIDATION_ERROR", "7"),
        (command("delete"), "VALIDATION_ERROR", "7"),
        ('{"type": "COMMAND", "command": "start"}', "VALIDATION_ERROR", None),
        ('{"type": "PING", "clientTime": {}}', "VALIDATION_ERROR", None),
        ('{"type": "PING", "clientTime": 1e999}', "VALIDATION_ERROR", None),
        ('{"type": "RECONNECT", "version": -1}', "VALIDATION_ERROR", None),
        ('{"type": "HELLO", "id": "x"}', "UNKNOWN_TYPE", "x"),
        ('{"type": 5}', "UNKNOWN_TYPE", None),
        ("[]", "UNKNOWN_TYPE", None),
        ('"PING"', "UNKNOWN_TYPE", None),
        ("{", "INVALID_JSON", None),
        ("", "INVALID_JSON", None),
        ('{"type": "PING", "clientTime": NaN}', "INVALID_JSON", None),
        ("[" * 100_000, "INVALID_JSON", None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_refused_message_gets_an_error_and_the_connection_stays(
    room: Room, text: str, code: str, sent_as: str | None
) -> None:
    room.engine.create_session(chess())
    connected(room)

    (answer,) = room.send("c1", text)

    assert (answer["type"], answer["code"]) == ("ERROR", code)
    assert answer.get("id") == sent_as
    assert answer["timestamp"] == room.store.clock_ms
    assert isinstance(answer["message"], str)
    assert room.api.closed == []
    assert kinds(room.send("c1", '{"type": "PING"}')) == ["PONG"]
    assert room.engine.get_current_state(SESSION).state["version"] == 1


def test_error_names_the_invalid_fields(room: Room) -> None:
    connected(room)

    (answer,) = room.send("c1", command("switch", args={"next_participant_id": "x"}))

    assert "next_participant_id" in answer["message"]


@pytest.mark.parametrize(
    ("is_away", "code"), [(False, "SESSION_NOT_FOUND"), (True, "STORE_UNAVAILABLE")]
)
def test_command_without_a_session_or_store_is_refused(
    room: Room, is_away: bool, code: str
) -> None:
    connected(room)
    room.store.away = is_away

    (answer,) = room.send("c1", command("start"))

    assert (answer["code"], answer["id"]) == (code, "7")


def test_internal_error_hides_its_reason(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    connected(room)
    room.registry.lists[SESSION] = None  # type: ignore[assignment]

    (answer,) = room.send("c1", '{"type": "PING"}')

    assert answer["code"] == "INTERNAL_ERROR"
    assert "NoneType" not in answer["message"]


# inline broadcast


def test_update_is_posted_to_connections_of_its_session_only(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room, "c1", "c2")
    room.connect("elsewhere", SESSION[:-1] + "1")

    room.engine.start_session(SESSION)

    assert room.api.messages("c1")[-1] == room.api.messages("c2")[-1]
    assert room.api.messages("c1")[-1]["version"] == 2
    assert "elsewhere" not in room.api.sent


def test_gone_connection_is_deregistered_only_after_the_grace_period(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room, "old")
    room.store.advance(15_000)
    connected(room, "new")
    room.api.outcomes = {"old": [DeliveryStatus.GONE], "new": [DeliveryStatus.GONE]}

    room.engine.start_session(SESSION)

    assert [one.connection_id for one in room.registry.connections_of(SESSION).connections] == [
        "new"
    ]


def test_posts_are_counted_by_status_and_fan_outs_measured_once(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.engine.create_session(chess())
    connected(room, "c1", "c2")
    # CONNECTED and STATE_SYNC, to each of them.
    assert dict(room.sink.counts) == {(names.POSTS.name, ("delivered",)): 4}
    room.api.outcomes = {"c2": [DeliveryStatus.LATE]}

    room.engine.start_session(SESSION)

    assert dict(room.sink.counts) == {
        (names.POSTS.name, ("delivered",)): 5,
        (names.POSTS.name, ("late",)): 1,
    }
    assert len(room.sink.observed[names.FAN_OUT_SECONDS.name, ()]) == 1
    (line,) = [vars(record) for record in caplog.records]
    assert (line["levelname"], line["version"]) == ("WARNING", 2)
    assert line["posts"] == {"delivered": 1, "late": 1}


@pytest.mark.parametrize(
    "outcome", [DeliveryStatus.LIMITED, DeliveryStatus.LATE, DeliveryStatus.FAILED]
)
def test_unreachable_connection_stays_registered(room: Room, outcome: DeliveryStatus) -> None:
    room.engine.create_session(chess())
    connected(room)
    room.store.advance(20_000)
    room.api.outcomes = {"c1": [outcome]}

    room.engine.start_session(SESSION)

    assert len(room.registry.connections_of(SESSION).connections) == 1


def test_deletion_sends_a_final_message_and_closes(room: Room) -> None:
    room.engine.create_session(chess())
    connected(room)

    room.engine.delete_session(SESSION)

    final_message = room.api.messages("c1")[-1]
    assert (final_message["type"], final_message["sessionId"]) == ("SESSION_DELETED", SESSION)
    assert final_message["timestamp"] == room.store.clock_ms
    assert room.api.closed == ["c1"]
    assert room.registry.connections_of(SESSION).connections == []


def test_command_stands_if_the_broadcast_fails(room: Room) -> None:
    class Unreachable(FakeRegistry):
        def connections_of(self, session_id: str) -> SessionConnections:
            raise StoreUnavailable("away")

    broadcaster = InlineBroadcaster(Unreachable(room.store), lambda: room.api)
    engine = SyncEngine(CommitLoop(room.store, broadcaster=broadcaster, session_ttl_ms=60_000))
    engine.create_session(chess())

    assert engine.start_session(SESSION).state["status"] == "running"
