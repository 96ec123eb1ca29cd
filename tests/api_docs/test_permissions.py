"""Permissions: one table, tested over REST and over the WebSocket of one application."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, cast

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.policy import ROLES, Role
from chalicelib.container import Container
from chalicelib.schemas.commands import COMMANDS, CommandName
from chalicelib.schemas.states import session_state
from chalicelib.settings import Settings
from chalicelib.websocket.connect_authorizer import ConnectAuthorizer
from chalicelib.websocket.handlers import WebSocketHandlers
from tests.api_docs.conformance import check_server_message
from tests.auth.bearers import KEYS, OTHER_SESSION, SECRET, a_bearer
from tests.fakes import (
    FakeConnectionsApi,
    FakeRegistry,
    FakeStore,
    RecordingWelcomeInvoker,
    websocket_event,
)
from tests.rest.client import ANNE, BEN, SESSION, creation, rest_client

CLEO = "6f0e1d9c-5a2b-4c7d-8e3f-000000000003"
CONNECTION = "PJqB0fHsqRcCHlw="

# The participant is Anne, who is active if any cycle is running. A command names Anne's cycle,
# Ben's, or none; the columns are the outcomes for a server, a host, Anne and a viewer.
OK, STALE, NO = "OK", "STALE_CYCLE", "FORBIDDEN"
TABLE = {
    # command, whose cycle:  server host Anne viewer
    ("switch", None): (OK, OK, OK, NO),
    ("switch", ANNE): (OK, OK, OK, NO),
    ("switch", BEN): (STALE, STALE, NO, NO),
    ("pause", None): (OK, OK, OK, NO),
    ("pause", ANNE): (OK, OK, OK, NO),
    ("pause", BEN): (STALE, STALE, NO, NO),
    ("adjust", ANNE): (OK, OK, NO, NO),
    ("adjust", BEN): (OK, OK, NO, NO),
    ("start", None): (OK, OK, NO, NO),
    ("resume", None): (OK, OK, NO, NO),
    ("complete", None): (OK, OK, NO, NO),
    ("cancel", None): (OK, OK, NO, NO),
    ("undo", None): (OK, OK, NO, NO),
    ("set_turn", BEN): (OK, OK, NO, NO),
    ("reopen", None): (OK, OK, NO, NO),
    ("reset", None): (OK, OK, NO, NO),
    ("update", None): (OK, OK, NO, NO),
    ("join", None): (OK, OK, NO, NO),
    ("update_participant", BEN): (OK, OK, NO, NO),
    ("withdraw", BEN): (OK, OK, NO, NO),
}
BEFORE = {
    "start": (),
    "resume": ("start", "pause"),
    "undo": ("start", "switch"),
    "set_turn": ("start", "pause"),
    "reopen": ("start", "complete"),
}
# The same in a simultaneous session: whose clock a command names, and what it lets participants do.
OWN_CLOCKS = {
    # command, whose clock, participants_may:  server host Anne viewer
    ("finish", ANNE, ()): (OK, OK, OK, NO),
    ("finish", BEN, ()): (OK, OK, NO, NO),
    ("finish", None, ()): ("VALIDATION_ERROR", "VALIDATION_ERROR", OK, NO),
    ("pause", ANNE, ()): (OK, OK, NO, NO),
    ("pause", ANNE, ("pause",)): (OK, OK, OK, NO),
    ("pause", None, ("pause",)): (OK, OK, OK, NO),
    ("pause", BEN, ("pause",)): (OK, OK, NO, NO),
    ("resume", ANNE, ("start",)): (OK, OK, NO, NO),
    ("resume", ANNE, ("pause",)): (OK, OK, OK, NO),
    ("resume", BEN, ("pause",)): (OK, OK, NO, NO),
    ("start", ANNE, ()): (OK, OK, NO, NO),
    ("start", ANNE, ("start",)): (OK, OK, OK, NO),
    ("start", None, ("start",)): (OK, OK, OK, NO),
    ("start", BEN, ("start",)): (OK, OK, NO, NO),
}
WHILE_BEN_IS_ACTIVE = {
    ("switch", None): (OK, OK, STALE, NO),
    ("switch", ANNE): (STALE, STALE, STALE, NO),
    ("switch", BEN): (OK, OK, NO, NO),
    ("pause", None): (OK, OK, STALE, NO),
    ("pause", ANNE): (STALE, STALE, STALE, NO),
    ("pause", BEN): (OK, OK, NO, NO),
}
WHERE_TURNS_ARE_TAKEN = {
    # whose cycle is named, who is active:  server host Anne viewer
    (None, ANNE): (OK, OK, STALE, NO),
    (ANNE, ANNE): (OK, OK, STALE, NO),
    (BEN, ANNE): (STALE, STALE, STALE, NO),
    (None, BEN): (OK, OK, OK, NO),
    (ANNE, BEN): (STALE, STALE, STALE, NO),
    (BEN, BEN): (OK, OK, OK, NO),
}
READS = {"read": (OK, OK, OK, OK), "claim": (OK, OK, OK, NO), "delete": (OK, OK, NO, NO)}


class Application:
    """REST and WebSocket on one in-memory store, with AUTH on."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.api = FakeConnectionsApi()
        container = Container(
            Settings(auth=True, auth_keys=json.dumps(SECRET), rate_limit_general=0)
        )
        vars(container).update(
            store=self.store, connections=FakeRegistry(self.store), connections_api=self.api
        )
        self.rest = rest_client(container)
        self.engine = container.engine
        self.sockets = WebSocketHandlers(
            engine=container.engine,
            store=self.store,
            registry=container.connections,
            api=self.api,
            limits=container.limits,
            welcome_invoker=RecordingWelcomeInvoker(),
            connect_authorizer=ConnectAuthorizer(
                self.store, lambda: container.required_authenticator
            ),
        )

    def begin(self, commands: tuple[str, ...], **changes: Any) -> None:
        server = token_of(Role.SERVER)
        assert self.over_rest("POST", "/v1/sessions", creation(**changes), server) == OK
        for command in commands:
            self.over_rest("POST", f"/v1/sessions/{SESSION}/{command}", None, server)

    def over_rest(self, method: str, path: str, body: Any, token: str | None) -> str:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = self.rest.call(method, path, body, headers=headers)
        return OK if answer.status < 300 else str(answer.error["code"])

    def over_a_socket(self, message: dict[str, Any], token: str | None) -> str:
        query = {"sessionId": SESSION, **({} if token is None else {"token": token})}
        status = self.sockets.connect(self._event(queryStringParameters=query))["statusCode"]
        if status != 200:
            return {401: "UNAUTHENTICATED", 403: NO}[status]
        before = len(self.api.messages(CONNECTION))
        self.sockets.message(self._event(body=json.dumps(message)))
        answers = self.api.messages(CONNECTION)[before:]
        for answer in answers:
            check_server_message(answer)
        return str(answers[-1].get("code", OK))

    def _event(self, **more: Any) -> dict[str, Any]:
        return websocket_event(CONNECTION, self.store.clock_ms, **more)


@pytest.fixture
def application() -> Application:
    return Application()


def token_of(role: Role, **changes: Any) -> str:
    return tokens.sign(a_bearer(role, **changes), KEYS)


def arguments(command: str, cycle: str | None) -> dict[str, Any]:
    if command == "adjust":
        return {"participant_id": cycle, "delta_ms": 1_000}
    if command == "update":
        return {"message": {"text": "Time for tea"}}
    if command == "join":
        return {"participant_id": CLEO, "total_time_ms": 60_000}
    if command == "update_participant":
        return {"participant_id": cycle, "name": "Ben"}
    if command in ("set_turn", "withdraw"):
        return {"participant_id": cycle}
    return {} if cycle is None else {"current_participant_id": cycle}


def command(
    application: Application, over: str, name: str, cycle: str | None, token: str | None
) -> str:
    return send(application, over, name, arguments(name, cycle), token)


def rest_request(name: str, args: dict[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """The method, path and body of a command with these arguments."""
    spec = COMMANDS[cast(CommandName, name)]
    path = f"/v1/sessions/{SESSION}" + (f"/{name}" if spec.path is None else spec.path)
    inside = {field: value for field, value in args.items() if f"{{{field}}}" not in path}
    return spec.method, path.format(**args), None if spec.method == "DELETE" else inside


def send(
    application: Application, over: str, name: str, body: dict[str, Any], token: str | None
) -> str:
    if over == "REST":
        method, path, rest_body = rest_request(name, body)
        return application.over_rest(method, path, rest_body, token)
    message = {"type": "COMMAND", "id": "1", "command": name, "args": body}
    return application.over_a_socket(message, token)


ROWS = [
    (over, name, cycle, role, came)
    for over, ((name, cycle), row) in product(("REST", "socket"), TABLE.items())
    for role, came in zip(ROLES, row, strict=True)
]


@pytest.mark.parametrize(("over", "name", "cycle", "role", "came"), ROWS)
def test_command_outcomes_match_the_table(
    application: Application, over: str, name: str, cycle: str | None, role: Role, came: str
) -> None:
    application.begin(BEFORE.get(name, ("start",)))
    before = application.store.load(SESSION).session

    assert command(application, over, name, cycle, token_of(role)) == came

    assert (application.store.load(SESSION).session != before) is (came == OK)


@pytest.mark.parametrize(
    ("over", "name", "cycle", "role", "came"),
    [
        (over, name, cycle, role, came)
        for over, ((name, cycle), row) in product(("REST", "socket"), WHILE_BEN_IS_ACTIVE.items())
        for role, came in zip(ROLES, row, strict=True)
    ],
)
def test_command_outcomes_while_another_participant_is_active(
    application: Application, over: str, name: str, cycle: str | None, role: Role, came: str
) -> None:
    application.begin(("start", "switch"))

    assert command(application, over, name, cycle, token_of(role)) == came


@pytest.mark.parametrize(
    ("over", "cycle", "active", "role", "came"),
    [
        (over, cycle, active, role, came)
        for over, ((cycle, active), row) in product(
            ("REST", "socket"), WHERE_TURNS_ARE_TAKEN.items()
        )
        for role, came in zip(ROLES, row, strict=True)
    ],
)
def test_switch_outcomes_where_turns_are_taken(
    application: Application, over: str, cycle: str | None, active: str, role: Role, came: str
) -> None:
    application.begin(("start",) if active == ANNE else ("start", "switch"), turn_taking="take")

    assert command(application, over, "switch", cycle, token_of(role)) == came


@pytest.mark.parametrize("over", ["REST", "socket"])
def test_participant_takes_turns_for_themselves_only(application: Application, over: str) -> None:
    application.begin(("start", "switch"), turn_taking="take")
    for name, came in ((BEN, NO), (ANNE, OK)):
        body, token = {"next_participant_id": name}, token_of(Role.PARTICIPANT)
        if over == "REST":
            path = f"/v1/sessions/{SESSION}/switch"
            assert application.over_rest("POST", path, body, token) == came
        else:
            message = {"type": "COMMAND", "id": name, "command": "switch", "args": body}
            assert application.over_a_socket(message, token) == came
    session = application.store.load(SESSION).session
    assert session is not None
    assert session.active_cycle is not None
    assert session.active_cycle.position == 0


@pytest.mark.parametrize("over", ["REST", "socket"])
@pytest.mark.parametrize(("name", "whose", "may"), OWN_CLOCKS)
@pytest.mark.parametrize("role", ROLES)
def test_command_outcomes_where_each_has_their_own_clock(
    application: Application, over: str, name: str, whose: str, may: tuple[str, ...], role: Role
) -> None:
    came = OWN_CLOCKS[name, whose, may][ROLES.index(role)]
    begun = () if name == "start" else ("start",)
    application.begin(begun, sync_mode="simultaneous", participants_may=list(may))
    if name == "resume":
        for one in (ANNE, BEN):
            body, server = {"participant_id": one}, token_of(Role.SERVER)
            path = f"/v1/sessions/{SESSION}/pause"
            assert application.over_rest("POST", path, body, server) == OK

    body = {} if whose is None else {"participant_id": whose}
    assert send(application, over, name, body, token_of(role)) == came

    session = application.store.load(SESSION).session
    assert session is not None
    if role is Role.PARTICIPANT and came == OK:
        shown = {one["participant_id"]: one for one in session_state(session, 0)["participants"]}
        # Without a name it was their own, too.
        assert shown[ANNE]["clock_state"] != shown[BEN]["clock_state"]


@pytest.mark.parametrize("over", ["REST", "socket"])
@pytest.mark.parametrize(("name", "cycle"), TABLE)
def test_token_for_another_session_is_forbidden(
    application: Application, over: str, name: str, cycle: str | None
) -> None:
    application.begin(BEFORE.get(name, ("start",)))
    before = application.store.load(SESSION).session

    for role in (Role.HOST, Role.PARTICIPANT, Role.VIEWER):
        token = token_of(role, session_id=OTHER_SESSION)
        assert command(application, over, name, cycle, token) == NO
    assert command(application, over, name, cycle, None) == "UNAUTHENTICATED"

    assert application.store.load(SESSION).session == before


@pytest.mark.parametrize("over", ["REST", "socket"])
@pytest.mark.parametrize("name", READS)
def test_other_request_outcomes_match_the_table(
    application: Application, over: str, name: str
) -> None:
    application.begin(("start",))
    asked = {"read": ("GET", "RECONNECT"), "claim": (None, "CLAIM"), "delete": ("DELETE", None)}
    method, kind = asked[name]
    for role, came in reversed(list(zip(ROLES, READS[name], strict=True))):
        token = token_of(role)
        if over == "REST" and method is not None:
            path = f"/v1/sessions/{SESSION}"
            assert application.over_rest(method, path, None, token) == came, role
        if over == "socket" and kind is not None:
            assert application.over_a_socket({"type": kind}, token) == came, role


def test_only_a_server_creates_sessions(application: Application) -> None:
    for role in (Role.VIEWER, Role.PARTICIPANT, Role.HOST):
        assert application.over_rest("POST", "/v1/sessions", creation(), token_of(role)) == NO
    server = token_of(Role.SERVER)
    assert application.over_rest("POST", "/v1/sessions", creation(), server) == OK
