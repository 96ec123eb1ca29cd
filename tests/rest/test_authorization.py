"""REST with AUTH on: access control, refusals and minted tokens."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest

from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import new_key
from chalicelib.auth.policy import Bearer, Role
from chalicelib.container import Container
from chalicelib.settings import Settings
from tests.auth.bearers import KEYS, OTHER_SESSION, SECRET, UNTIL_S, a_bearer, a_key_set
from tests.fakes import FakeRegistry, FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, creation, rest_client

DAY_S = 86_400


@pytest.fixture
def container(store: FakeStore) -> Container:
    settings = Settings(
        auth=True, auth_keys=json.dumps(SECRET), rate_limit_general=0, rate_limit_switch=0
    )
    container = Container(settings)
    vars(container).update(store=store, connections=FakeRegistry(store))
    return container


def bearing(bearer: Bearer) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.sign(bearer, KEYS)}"}


SERVER, HOST, VIEWER = (bearing(a_bearer(role)) for role in (Role.SERVER, Role.HOST, Role.VIEWER))
OF_ANNE = bearing(a_bearer(Role.PARTICIPANT))
OF_BEN = bearing(a_bearer(Role.PARTICIPANT, participant_id=BEN, token_id="ben-1"))


def create(rest: RestClient, headers: dict[str, str] = SERVER, **changes: Any) -> Answer:
    return rest.post("/v1/sessions", creation(**changes), headers=headers)


@pytest.fixture
def session(rest: RestClient) -> RestClient:
    """A session that is running: Anne is active."""
    assert create(rest).status == 201
    assert rest.command("start", headers=HOST).status == 200
    return rest


STRANGER = tokens.sign(a_bearer(), a_key_set(new_key("first")))
NO_TOKENS = {
    "nothing": {},
    "no scheme": {"Authorization": HOST["Authorization"].split()[1]},
    "another scheme": {"Authorization": HOST["Authorization"].replace("Bearer", "Basic")},
    "no token": {"Authorization": "Bearer "},
    "two tokens": {"Authorization": f"{HOST['Authorization']}, {HOST['Authorization']}"},
    "a stranger's": {"Authorization": f"Bearer {STRANGER}"},
    "one that has ended": bearing(a_bearer(valid_until_s=1_700_000_000)),
    "one that begins later": bearing(a_bearer(valid_from_s=1_700_000_001)),
}
CALLS = [
    ("POST", "/v1/sessions", creation()),
    ("GET", f"/v1/sessions/{SESSION}", None),
    ("GET", f"/v1/sessions/{SESSION}/events", None),
    ("DELETE", f"/v1/sessions/{SESSION}", None),
    ("POST", f"/v1/sessions/{SESSION}/tokens", {"role": "viewer"}),
    ("DELETE", f"/v1/sessions/{SESSION}/tokens/a-token", None),
    *(
        ("POST", f"/v1/sessions/{SESSION}/{command}", None)
        for command in (
            *("start", "switch", "pause", "resume", "complete", "cancel", "undo"),
            *("reopen", "reset"),
        )
    ),
    ("POST", f"/v1/sessions/{SESSION}/set_turn", {"participant_id": ANNE}),
    ("PATCH", f"/v1/sessions/{SESSION}", {"metadata": {"table": 5}}),
    ("POST", f"/v1/sessions/{SESSION}/participants", {"participant_id": ANNE}),
    ("PATCH", f"/v1/sessions/{SESSION}/participants/{ANNE}", {"name": "Anne"}),
    ("DELETE", f"/v1/sessions/{SESSION}/participants/{ANNE}", None),
    ("POST", f"/v1/sessions/{SESSION}/adjust", {"participant_id": ANNE, "delta_ms": 1_000}),
]


@pytest.mark.parametrize("headers", NO_TOKENS.values(), ids=NO_TOKENS)
@pytest.mark.parametrize("exists", [True, False])
def test_request_without_a_valid_token_is_401_whatever_it_asks(
    rest: RestClient, store: FakeStore, headers: dict[str, str], exists: bool
) -> None:
    if exists:
        create(rest)
    version = store.load(SESSION).session

    for method, path, body in CALLS:
        answer = rest.call(method, path, body, headers=headers)

        # A session's token creates none, however well it is signed.
        expected = {401, 403} if path == "/v1/sessions" else {401}
        assert answer.status in expected, path
        if answer.status == 401:
            assert answer.error == {
                "code": "UNAUTHENTICATED",
                "message": "A valid token is required",
            }
            assert answer.headers["x-amzn-Remapped-WWW-Authenticate"] == "Bearer"
    assert store.load(SESSION).session == version


@pytest.mark.parametrize("exists", [True, False])
def test_token_reveals_nothing_about_another_session(rest: RestClient, exists: bool) -> None:
    if exists:
        create(rest)
    for role in (Role.HOST, Role.PARTICIPANT, Role.VIEWER):
        elsewhere = bearing(a_bearer(role, session_id=OTHER_SESSION))
        for method, path, body in CALLS:
            answer = rest.call(method, path, body, headers=elsewhere)

            assert answer.status == 403, path
            assert answer.error == {
                "code": "FORBIDDEN",
                "message": "The token does not allow this request",
            }


def test_authorization_is_checked_before_the_request(session: RestClient) -> None:
    path = f"/v1/sessions/{SESSION}/adjust"

    assert session.post(path, raw=b"{", headers={}).status == 401
    assert session.post(path, raw=b"{", headers=VIEWER).status == 403
    assert session.post(path, raw=b"{", headers=HOST).status == 400
    assert session.get("/v1/sessions/x", headers=HOST).status == 403
    assert session.get("/v1/sessions/x", headers=SERVER).status == 400


def test_ids_are_case_insensitive(session: RestClient) -> None:
    assert session.get(f"/v1/sessions/{SESSION.upper()}", headers=VIEWER).status == 200


def test_authorization_scheme_is_case_insensitive(session: RestClient) -> None:
    written = {"Authorization": VIEWER["Authorization"].replace("Bearer", "bearer")}

    assert session.get(f"/v1/sessions/{SESSION}", headers=written).status == 200


def test_routes_outside_of_sessions_need_no_token(rest: RestClient) -> None:
    for path in ("/health", "/ready", "/v1/time", "/openapi.json", "/asyncapi.json", "/docs"):
        assert rest.get(path).status == 200, path


def test_only_the_active_participant_ends_a_cycle(session: RestClient) -> None:
    assert session.command("switch", headers=OF_BEN).error["code"] == "STALE_CYCLE"
    assert session.command("switch", headers=OF_ANNE).data["active_participant_id"] == BEN
    assert session.command("switch", headers=OF_ANNE).error["code"] == "STALE_CYCLE"
    assert session.command("pause", headers=OF_BEN).data["status"] == "paused"


def test_participant_cannot_name_the_cycle_of_another(session: RestClient) -> None:
    for command in ("switch", "pause"):
        body = {"current_participant_id": ANNE}

        assert session.command(command, body, headers=OF_BEN).status == 403
    assert session.command("switch", {"next_participant_id": ANNE}, headers=OF_ANNE).status == 200


def test_idempotency_keys_of_participants_are_independent(session: RestClient) -> None:
    anne, ben = ({**whose, "Idempotency-Key": "1"} for whose in (OF_ANNE, OF_BEN))

    first = session.command("switch", headers=anne)
    by_ben = session.command("switch", headers=ben)
    renewed = bearing(a_bearer(Role.PARTICIPANT, token_id="renewed"))
    again = session.command("switch", headers={**renewed, "Idempotency-Key": "1"})

    assert first.data["active_participant_id"] == BEN
    assert by_ben.data["active_participant_id"] == ANNE
    assert again.json == first.json


def test_repeated_request_needs_a_valid_token(session: RestClient) -> None:
    anne = {**OF_ANNE, "Idempotency-Key": "1"}
    assert session.command("switch", headers=anne).status == 200
    path = f"/v1/sessions/{SESSION}/tokens/{a_bearer(Role.PARTICIPANT).token_id}"
    assert session.call("DELETE", path, headers=HOST).status == 204

    assert session.command("switch", headers=anne).status == 401
    assert session.command("switch", headers={**VIEWER, "Idempotency-Key": "1"}).status == 403


# Tokens


def links_of(answer: Answer) -> list[dict[str, Any]]:
    links = answer.json["links"]
    return [links["host"], links["viewer"], *links["participants"]]


def test_new_session_comes_with_a_token_for_each_role(rest: RestClient) -> None:
    made = create(rest)
    links = links_of(made)

    assert made.headers["Cache-Control"] == "no-store"
    assert [(one["role"], one.get("participant_id")) for one in links] == [
        ("host", None),
        ("viewer", None),
        ("participant", ANNE),
        ("participant", BEN),
    ]
    for link in links:
        headers = {"Authorization": f"Bearer {link['token']}"}
        assert rest.get(f"/v1/sessions/{SESSION}", headers=headers).status == 200
        assert tokens.read(link["token"], KEYS).token_id == link["token_id"]
        assert link["expires_at"] == "2023-11-15T22:13:20.000Z"


def test_repeated_creation_returns_the_same_tokens(rest: RestClient, store: FakeStore) -> None:
    keyed = {**SERVER, "Idempotency-Key": "key"}
    first = create(rest, keyed)
    store.advance(60_000)

    again, unkeyed = create(rest, keyed), create(rest)

    assert (again.status, again.json) == (201, first.json)
    assert (unkeyed.status, links_of(unkeyed)) == (200, links_of(first))


def test_stored_response_contains_no_token(rest: RestClient, store: FakeStore) -> None:
    create(rest, {**SERVER, "Idempotency-Key": "key"})

    (record,) = store.records()
    assert b"token" not in zlib.decompress(record.response)


def mint(rest: RestClient, headers: dict[str, str], **body: Any) -> Answer:
    return rest.post(f"/v1/sessions/{SESSION}/tokens", body, headers=headers)


def test_minted_token_has_the_requested_rights(session: RestClient) -> None:
    minted = mint(session, HOST, role="participant", participant_id=ANNE, expires_in_seconds=60)

    assert (minted.status, minted.headers["Cache-Control"]) == (201, "no-store")
    assert minted.data["expires_at"] == "2023-11-14T22:14:20.000Z"
    headers = {"Authorization": f"Bearer {minted.data['token']}"}
    assert session.command("switch", headers=headers).status == 200


def test_minted_token_does_not_outlive_its_parent(session: RestClient) -> None:
    minted = mint(session, HOST, role="viewer", expires_in_seconds=30 * DAY_S)

    assert tokens.read(minted.data["token"], KEYS).valid_until_s == UNTIL_S


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "role", "missing"),
        ({"role": "server"}, "role", "literal_error"),
        ({"role": "participant"}, "participant_id", "missing"),
        (
            {"role": "participant", "participant_id": SESSION},
            "participant_id",
            "unknown_participant",
        ),
        (
            {"role": "participant", "participant_id": "x"},
            "participant_id",
            "string_pattern_mismatch",
        ),
        ({"role": "viewer", "participant_id": ANNE}, "participant_id", "contradiction"),
        ({"role": "host", "expires_in_seconds": 0}, "expires_in_seconds", "greater_than_equal"),
        (
            {"role": "host", "expires_in_seconds": 30 * DAY_S + 1},
            "expires_in_seconds",
            "less_than_equal",
        ),
    ],
)
def test_invalid_token_request_is_rejected_by_field(
    session: RestClient, body: dict[str, Any], field: str, code: str
) -> None:
    answer = mint(session, HOST, **body)

    assert answer.status == 400
    assert [(one["field"], one["code"]) for one in answer.error["details"]] == [(field, code)]


def test_token_for_a_missing_session_is_not_found(rest: RestClient) -> None:
    assert mint(rest, HOST, role="viewer").status == 404


def test_revoked_token_is_rejected_at_once(session: RestClient) -> None:
    path = f"/v1/sessions/{SESSION}/tokens/{a_bearer(Role.VIEWER).token_id}"
    for _ in range(2):
        assert session.call("DELETE", path, headers=HOST).status == 204

    assert session.get(f"/v1/sessions/{SESSION}", headers=VIEWER).status == 401
    assert session.get(f"/v1/sessions/{SESSION}", headers=OF_ANNE).status == 200


def test_revoking_a_token_revokes_all_minted_with_it(session: RestClient) -> None:
    minted = [mint(session, HOST, role="host").data]
    for _ in range(2):
        by = {"Authorization": f"Bearer {minted[-1]['token']}"}
        minted.append(mint(session, by, role="host").data)
    last = {"Authorization": f"Bearer {minted[-1]['token']}"}
    assert mint(session, last, role="viewer").status == 403
    assert session.get(f"/v1/sessions/{SESSION}", headers=last).status == 200

    path = f"/v1/sessions/{SESSION}/tokens/{minted[0]['token_id']}"
    assert session.call("DELETE", path, headers=SERVER).status == 204

    for one in minted:
        headers = {"Authorization": f"Bearer {one['token']}"}
        assert session.get(f"/v1/sessions/{SESSION}", headers=headers).status == 401
    assert session.get(f"/v1/sessions/{SESSION}", headers=HOST).status == 200


def test_host_can_revoke_their_own_token(session: RestClient) -> None:
    path = f"/v1/sessions/{SESSION}/tokens/{a_bearer(Role.HOST).token_id}"
    assert session.call("DELETE", path, headers=HOST).status == 204

    for method, path, body in CALLS[1:]:
        assert session.call(method, path, body, headers=HOST).status == 401


def test_token_can_be_revoked_without_a_session(rest: RestClient) -> None:
    path = f"/v1/sessions/{SESSION}/tokens/{a_bearer(Role.VIEWER).token_id}"
    assert rest.call("DELETE", path, headers=HOST).status == 204
    create(rest)

    assert rest.get(f"/v1/sessions/{SESSION}", headers=VIEWER).status == 401


def test_invalid_token_id_is_rejected(session: RestClient) -> None:
    answer = session.call("DELETE", f"/v1/sessions/{SESSION}/tokens/a..token", headers=HOST)

    assert (answer.status, answer.error["details"][0]["field"]) == (400, "token_id")


def test_unusable_keys_are_503_and_reveal_no_secret(
    store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    container = Container(Settings(auth=True, auth_keys='{"keys": [{"kid": "x", "k": "hush"}]}'))
    vars(container)["store"] = store
    rest = rest_client(container)

    for method, path, body in CALLS:
        answer = rest.call(method, path, body, headers=SERVER)

        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.error == {
            "code": "KEYS_UNAVAILABLE",
            "message": "The signing keys are unavailable; try again",
        }
    assert store.load(SESSION).session is None
    errors = [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
    assert errors == ["request request-1: keys: Key x: kty must be one of oct, OKP"] * len(CALLS)
    assert "hush" not in caplog.text


def test_missing_token_is_401_without_keys() -> None:
    rest = rest_client(Container(Settings(auth=True, auth_keys="nonsense", rate_limit_general=0)))

    assert rest.get(f"/v1/sessions/{SESSION}").status == 401
    assert rest.get("/health").status == 200


def test_without_auth_no_token_is_required_or_minted() -> None:
    container = Container(Settings(rate_limit_general=0))
    vars(container)["store"] = FakeStore()
    rest = rest_client(container)

    made = create(rest, {})
    assert (made.status, "links" in made.json) == (201, False)
    assert rest.get(f"/v1/sessions/{SESSION}", headers={"Authorization": "Bearer x"}).status == 200
    assert mint(rest, {}, role="viewer").error["code"] == "NOT_FOUND"
    path = f"/v1/sessions/{SESSION}/tokens/a-token"
    assert rest.call("DELETE", path).error["code"] == "NOT_FOUND"


def test_requests_without_a_valid_token_count_against_their_address(store: FakeStore) -> None:
    settings = Settings(auth=True, auth_keys=json.dumps(SECRET), rate_limit_general=3)
    container = Container(settings)
    vars(container)["store"] = store
    rest = rest_client(container)
    path = f"/v1/sessions/{SESSION}"
    ended = NO_TOKENS["one that has ended"]

    answers = [
        rest.get(path, headers=headers).status for headers in ({}, ended, HOST, {}, ended, VIEWER)
    ]

    assert answers == [401, 401, 404, 429, 401, 429]


def test_refused_switches_do_not_count_against_the_session(store: FakeStore) -> None:
    settings = Settings(auth=True, auth_keys=json.dumps(SECRET), rate_limit_switch=1)
    container = Container(settings)
    vars(container).update(store=store, connections=FakeRegistry(store))
    rest = rest_client(container)
    create(rest)
    rest.command("start", headers=HOST)
    for headers in (NO_TOKENS["one that has ended"], NO_TOKENS["a stranger's"], VIEWER, {}):
        assert rest.command("switch", headers=headers).status in (401, 403)
    # Nor does a participant who is not active.
    assert [rest.command("switch", headers=OF_BEN).status for _ in range(3)] == [409] * 3

    assert rest.command("switch", headers=OF_ANNE).status == 200
    assert rest.command("switch", headers=OF_BEN).status == 429
