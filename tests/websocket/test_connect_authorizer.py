"""Handshakes with AUTH on, and connections whose tokens expire or are revoked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.authenticator import TokenAuthenticator
from chalicelib.auth.jwks import new_key
from chalicelib.auth.key_cache import KeyCache
from chalicelib.auth.policy import Bearer, Role
from chalicelib.broadcast.connections_api.ports import DeliveryStatus
from chalicelib.broadcast.recipients import recipients_of
from chalicelib.ports import StoreUnavailable
from tests.auth.bearers import KEYS, a_bearer, a_key_cache, a_key_set
from tests.chess import ANNE, BEN, OTHER_SESSION, SESSION, chess

from .conftest import Room, a_room

HERE = "https://clocks.example"

STRANGER = tokens.sign(a_bearer(), a_key_set(new_key("first")))


@pytest.fixture
def room() -> Room:
    return a_guarded_room()


def a_guarded_room(*origins: str) -> Room:
    room = a_room()
    room.authorize_with(lambda: TokenAuthenticator(a_key_cache(), 3_600), origins)
    room.engine.create_session(chess(60_000))
    return room


def token_of(role: Role = Role.HOST, **changes: Any) -> str:
    return tokens.sign(a_bearer(role, **changes), KEYS)


def handshake(
    room: Room,
    token: str | None = None,
    *,
    connection_id: str = "c1",
    offered: str | None = None,
    origin: str | None = None,
) -> dict[str, Any]:
    query = {"sessionId": SESSION, **({} if token is None else {"token": token})}
    headers = {"Sec-WebSocket-Protocol": offered, "Origin": origin}
    return room.sockets.connect(
        room.event(
            connection_id,
            queryStringParameters=query,
            headers={name: value for name, value in headers.items() if value is not None},
        )
    )


def enter(room: Room, connection_id: str = "c1", role: Role = Role.HOST, **changes: Any) -> Bearer:
    bearer = a_bearer(role, **changes)
    token = tokens.sign(bearer, KEYS)
    assert handshake(room, token, connection_id=connection_id) == {"statusCode": 200}
    return bearer


# The handshake


def test_token_can_be_in_the_query(room: Room) -> None:
    assert handshake(room, token_of()) == {"statusCode": 200}
    visit = room.registry.context_of("c1")
    assert visit is not None
    assert visit.bearer == a_bearer()


@pytest.mark.parametrize("offered", ["{}", "tickless, {}", "{},tickless"])
def test_token_subprotocol_is_echoed(room: Room, offered: str) -> None:
    protocol = f"bearer.{token_of(Role.VIEWER)}"

    assert handshake(room, offered=offered.format(protocol)) == {
        "statusCode": 200,
        "headers": {"Sec-WebSocket-Protocol": protocol},
    }


def test_subprotocol_takes_precedence_over_the_query(room: Room) -> None:
    assert handshake(room, STRANGER, offered=f"bearer.{token_of()}")["statusCode"] == 200
    assert handshake(room, token_of(), offered=f"bearer.{STRANGER}")["statusCode"] == 401


def test_header_names_are_case_insensitive(room: Room) -> None:
    event = room.event(
        "c1",
        queryStringParameters={"sessionId": SESSION},
        headers={"sec-websocket-protocol": f"bearer.{token_of()}"},
    )

    assert room.sockets.connect(event)["statusCode"] == 200


BAD_TOKENS = {
    "none": None,
    "empty": "",
    "a stranger's": STRANGER,
    "ended": token_of(valid_until_s=1_700_000_000),
    "not yet": token_of(valid_from_s=1_700_000_001),
    "torn": token_of()[:-3],
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS)
def test_handshake_without_a_valid_token_is_401(room: Room, token: str | None) -> None:
    assert handshake(room, token) == {"statusCode": 401}
    assert handshake(room, offered=f"bearer.{token}") == {"statusCode": 401}
    assert (room.registry.lists, room.welcome_invoker.events) == ({}, [])
    assert room.registry.context_of("c1") is None


def test_handshake_with_a_token_for_another_session_is_403(room: Room) -> None:
    assert handshake(room, token_of(session_id=OTHER_SESSION)) == {"statusCode": 403}
    assert room.registry.lists == {}


def test_server_token_can_watch_any_session(room: Room) -> None:
    assert handshake(room, token_of(Role.SERVER)) == {"statusCode": 200}


def test_handshake_with_a_revoked_token_is_401(room: Room) -> None:
    room.store.revoke(SESSION, a_bearer().token_id, 60_000)

    assert handshake(room, token_of()) == {"statusCode": 401}


def test_handshake_while_the_store_is_unavailable_is_503(room: Room) -> None:
    room.store.away = True

    assert handshake(room, token_of()) == {"statusCode": 503}
    assert handshake(room, STRANGER) == {"statusCode": 401}


def test_handshake_without_keys_is_503_and_open_connections_go_on(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    room.engine.start_session(SESSION)
    enter(room, "c1")
    keyless = TokenAuthenticator(KeyCache(lambda *, fresh: "hush"), 3_600)
    room.authorize_with(lambda: keyless)

    assert handshake(room, token_of(), connection_id="c2") == {"statusCode": 503}
    assert handshake(room, connection_id="c2") == {"statusCode": 401}
    assert room.registry.context_of("c2") is None
    (line,) = caplog.records
    message = "connection c2: not authenticated: keys: The keys are not JSON"
    assert (line.levelname, line.getMessage()) == ("ERROR", message)
    answers = room.send("c1", PING) + room.send("c1", SWITCH)
    assert [one["type"] for one in answers if one["type"] != "STATE_UPDATE"] == ["PONG", "ACK"]


# Pages


def test_only_allowed_origins_may_connect() -> None:
    room = a_guarded_room(HERE, "http://localhost:8000")

    for origin in (HERE, HERE.upper(), "http://localhost:8000", None):
        assert handshake(room, token_of(), origin=origin)["statusCode"] == 200, origin
    for origin in ("https://evil.example", f"{HERE}.evil.example", "null", "", f"{HERE}:444"):
        assert handshake(room, token_of(), origin=origin)["statusCode"] == 403, origin


def test_any_origin_may_connect_by_default(room: Room) -> None:
    assert handshake(room, token_of(), origin="https://evil.example")["statusCode"] == 200


def test_origins_are_checked_without_auth() -> None:
    room = a_room()
    room.authorize_with(None, [HERE])

    assert handshake(room, origin="https://evil.example")["statusCode"] == 403
    assert handshake(room, origin=HERE)["statusCode"] == 200


def test_without_auth_a_token_subprotocol_is_echoed_unchecked(room: Room) -> None:
    room.authorize_with()

    assert handshake(room, offered="bearer.x") == {
        "statusCode": 200,
        "headers": {"Sec-WebSocket-Protocol": "bearer.x"},
    }
    assert handshake(room, offered="tickless", connection_id="c2") == {"statusCode": 200}


# Connections whose tokens became invalid


def codes(messages: list[Any]) -> list[str]:
    return [one["code"] for one in messages if one["type"] == "ERROR"]


PING = json.dumps({"type": "PING"})
SWITCH = json.dumps({"type": "COMMAND", "id": "1", "command": "switch"})


def enter_with_token_that(room: Room, ends: str) -> None:
    bearer = enter(room, valid_until_s=1_700_000_060)
    if ends == "revoked":
        room.store.revoke(SESSION, bearer.token_id, 60_000)
    else:
        room.store.advance(60_000)


@pytest.mark.parametrize("text", [PING, SWITCH, "no JSON"])
@pytest.mark.parametrize("ends", ["revoked", "ended"])
def test_message_with_an_invalid_token_is_refused_and_closes_the_connection(
    room: Room, text: str, ends: str
) -> None:
    room.engine.start_session(SESSION)
    enter_with_token_that(room, ends)

    answers = room.send("c1", text)

    assert codes(answers) == ["SESSION_FORBIDDEN"]
    assert room.api.closed == ["c1"]
    assert room.registry.context_of("c1") is None
    loaded = room.store.load(SESSION).session
    assert loaded is not None
    assert loaded.version == 2


def test_connection_of_a_revoked_token_is_closed_instead_of_updated(room: Room) -> None:
    leaving = enter(room, "c1", Role.VIEWER)
    enter(room, "c2", Role.VIEWER, token_id="other")
    room.store.revoke(SESSION, leaving.token_id, 60_000)

    room.engine.start_session(SESSION)

    assert [one["type"] for one in room.api.messages("c1")] == ["ERROR"]
    assert codes(room.api.messages("c1")) == ["SESSION_FORBIDDEN"]
    assert [one["type"] for one in room.api.messages("c2")] == ["STATE_UPDATE"]
    assert room.api.closed == ["c1"]
    assert set(room.registry.lists[SESSION]) == {"c2"}


def test_inline_revocation_closes_connections_at_once(room: Room) -> None:
    leaving = enter(room, "c1", Role.VIEWER)
    enter(room, "c2")

    room.engine.revoke_token(SESSION, leaving.token_id, a_bearer())

    assert room.api.closed == ["c1"]
    assert codes(room.api.messages("c1")) == ["SESSION_FORBIDDEN"]
    assert room.api.messages("c2") == []


@pytest.mark.parametrize("ends", ["revoked", "ended"])
def test_token_invalid_at_the_welcome_gets_no_state(room: Room, ends: str) -> None:
    enter_with_token_that(room, ends)

    room.send_welcome()

    assert [one["type"] for one in room.api.messages("c1")] == ["CONNECTED", "ERROR"]
    assert codes(room.api.messages("c1")) == ["SESSION_FORBIDDEN"]
    assert room.api.closed == ["c1"]


def test_connection_revoked_during_its_handshake_is_closed_afterwards(room: Room) -> None:
    bearer = enter(room)
    room.api.outcomes["c1"] = [DeliveryStatus.GONE]
    # Its handshake has not been answered yet, so this closes no connection.
    room.engine.revoke_token(SESSION, bearer.token_id, a_bearer(Role.SERVER))
    room.api.closed.clear()

    room.api.outcomes["c1"] = [DeliveryStatus.DELIVERED]
    room.send_welcome()

    assert [one["type"] for one in room.api.messages("c1")] == ["CONNECTED"]
    assert room.api.closed == ["c1"]


def test_sweep_closes_connections_of_expired_tokens(room: Room) -> None:
    bearer = enter(room)
    room.broadcaster.sweep()
    assert room.api.closed == []

    room.store.clock_ms = bearer.valid_until_s * 1000
    room.registry.lists[SESSION]["c1"] = room.registry.lists[SESSION]["c1"]._replace(
        last_seen_at_ms=room.store.clock_ms
    )
    room.broadcaster.sweep()

    assert room.api.closed == ["c1"]
    assert codes(room.api.messages("c1")) == ["SESSION_FORBIDDEN"]


def test_token_is_revoked_if_its_connections_cannot_be_read(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(_: str) -> None:
        raise StoreUnavailable("away")

    leaving = enter(room, "c1", Role.VIEWER)
    monkeypatch.setattr(room.registry, "connections_of", unavailable)

    room.engine.revoke_token(SESSION, leaving.token_id, a_bearer())

    assert not room.store.holds(SESSION, leaving)


def test_connection_without_a_token_is_closed_once_auth_is_on() -> None:
    room = a_room()
    room.connect("c1", SESSION)
    room.authorize_with(lambda: TokenAuthenticator(a_key_cache(), 3_600))

    assert codes(room.send("c1", PING)) == ["SESSION_FORBIDDEN"]
    assert room.api.closed == ["c1"]


def test_silent_connection_is_classified_as_silent_despite_a_revoked_token(room: Room) -> None:
    enter(room)
    room.store.advance(room.registry.heartbeat_policy.silent_ms + 1)
    room.store.revoke(SESSION, a_bearer().token_id, 60_000)

    recipients = recipients_of(room.registry, SESSION)

    assert (len(recipients.silent), recipients.revoked, recipients.subscribers) == (1, [], [])


def test_forbidden_command_is_refused_and_the_connection_stays(room: Room) -> None:
    room.engine.start_session(SESSION)
    enter(room, "c1", Role.VIEWER)

    answers = room.send("c1", SWITCH)

    assert codes(answers) == ["FORBIDDEN"]
    assert answers[0]["id"] == "1"
    assert room.api.closed == []
    assert room.send("c1", PING)[0]["type"] == "PONG"


@pytest.mark.parametrize("kind", ["RECONNECT", "CLAIM", "PING", "COMMAND"])
def test_message_that_names_another_session_applies_to_its_own(room: Room, kind: str) -> None:
    room.engine.create_session(chess(session_id=OTHER_SESSION))
    enter(room)
    elsewhere = {"sessionId": OTHER_SESSION, "session_id": OTHER_SESSION}
    message = {"type": kind, "id": "1", "command": "start", "args": elsewhere, **elsewhere}

    answers = room.send("c1", json.dumps(message))

    assert OTHER_SESSION not in json.dumps(answers)
    untouched = room.store.load(OTHER_SESSION).session
    assert untouched is not None
    assert untouched.version == 1
    began = room.store.load(SESSION).session
    assert began is not None
    assert began.version == (2 if kind == "COMMAND" else 1)


@pytest.mark.parametrize("args", [{}, {"next_participant_id": ANNE}])
def test_participant_cannot_end_the_cycle_of_another_by_any_field(
    room: Room, args: dict[str, str]
) -> None:
    room.engine.start_session(SESSION)
    enter(room, "c1", Role.PARTICIPANT, participant_id=BEN)
    for field in ("participant_id", "participantId", "pid", "active_participant_id"):
        command = {**json.loads(SWITCH), "args": {**args, field: ANNE}, field: ANNE}

        assert codes(room.send("c1", json.dumps(command))) == ["STALE_CYCLE"]
