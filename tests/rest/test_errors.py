"""Invalid requests get an error in the documented shape, and change nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.core.errors import Conflict
from chalicelib.ports import Commit, Committed, Loaded, RateLimitCheck, Stale
from chalicelib.schemas.commands import COMMANDS, CommandName
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, command_path, creation, rest_client
from .conftest import FakeContainer

PATH = f"/v1/sessions/{SESSION}"


def refused(answer: Answer, status: int, code: str) -> Any:
    assert (answer.status, answer.error["code"]) == (status, code), answer.text
    assert set(answer.json) == {"error"}
    assert set(answer.error) <= {"code", "message", "details", "request_id"}
    assert isinstance(answer.error["message"], str)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.error.get("details")


def someone(**changes: Any) -> dict[str, Any]:
    return {"participant_id": ANNE, "total_time_ms": 10_000, **changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"session_id": "not-a-uuid"}, "session_id"),
        ({"session_id": SESSION.replace("-", "")}, "session_id"),
        ({"session_id": f"{SESSION}\n"}, "session_id"),
        ({"session_id": f"{{{SESSION}}}"}, "session_id"),
        ({"session_id": None}, "session_id"),
        ({"session_id": 5}, "session_id"),
        ({"sync_mode": "per_moon"}, "sync_mode"),
        ({"participants": []}, "participants"),
        ({"participants": {}}, "participants"),
        ({"participants": [someone(participant_id="x")]}, "participants.0.participant_id"),
        ({"participants": [someone(total_time_ms=999)]}, "participants.0.total_time_ms"),
        ({"participants": [someone(total_time_ms=2_678_400_001)]}, "participants.0.total_time_ms"),
        ({"participants": [someone(participant_index=-1)]}, "participants.0.participant_index"),
        ({"participants": [someone(group_id="red")]}, "participants.0.group_id"),
        ({"participants": [someone(), someone()]}, "participants"),
        ({"participants": [5]}, "participants.0"),
        ({"total_time_ms": 10_000.0}, "total_time_ms"),
        ({"total_time_ms": "10000"}, "total_time_ms"),
        ({"total_time_ms": True}, "total_time_ms"),
        ({"total_time_ms": 2**64}, "total_time_ms"),
        ({"total_time_ms": 10**400}, "total_time_ms"),
        ({"total_time_ms": None}, "total_time_ms"),
        ({"time_per_cycle_ms": 1}, "time_per_cycle_ms"),
        ({"total_time_ms": 0}, "total_time_ms"),
        ({"participants": [someone(total_time_ms=0)]}, "participants"),
        ({"increment_ms": 600_001}, "increment_ms"),
        ({"increment_ms": -1}, "increment_ms"),
        ({"max_time_ms": 0}, "max_time_ms"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"long": "x" * 4_090}}, "metadata"),
        ({"metadata": {"é": "é" * 2_050}}, "metadata"),
        ({"action_on_timeout": {"type": "explode"}}, "action_on_timeout.type"),
        ({"action_on_timeout": {"type": "notify", "data": "x" * 1_023}}, "action_on_timeout.data"),
        ({"action_on_timeout": "notify"}, "action_on_timeout"),
        ({"time_control": {"type": "sundial"}}, "time_control"),
        ({"time_control": {}}, "time_control"),
        ({"time_control": {"type": "delay"}}, "time_control.delay_ms"),
        ({"time_control": {"type": "delay", "delay_ms": 0}}, "time_control.delay_ms"),
        ({"time_control": 300}, "time_control"),
        ({"time_control": "blitz"}, "time_control"),
        ({"time_control": "300+601"}, "time_control"),
        (
            {"time_control": {"type": "fischer", "increment_ms": 1, "first_increment": 1}},
            "time_control.first_increment",
        ),
        ({"time_control": "20+3", "increment_ms": 1}, "increment_ms"),
        ({"time_control": "20+3", "sync_mode": "global"}, "time_control"),
        ({"time_control": "300+3"}, "total_time_ms"),
        ({"participants": [someone(time_control="11+5")]}, "participants.0.total_time_ms"),
        ({"warn_at_ms": 1_000}, "warn_at_ms"),
        ({"warn_at_ms": [0]}, "warn_at_ms.0"),
        ({"warn_at_ms": [86_400_001]}, "warn_at_ms.0"),
        ({"turn_taking": "steal"}, "turn_taking"),
        ({"soft_close": {"extend_to_ms": 1_000}}, "soft_close"),
        ({"soft_close": {"max_extension_ms": 1_000}}, "soft_close.extend_to_ms"),
        ({"soft_close": {"extend_to_ms": 999}}, "soft_close.extend_to_ms"),
        ({"soft_close": {"extend_to_ms": 3_600_001}}, "soft_close.extend_to_ms"),
        (
            {"soft_close": {"extend_to_ms": 1_000, "max_extension_ms": 0}},
            "soft_close.max_extension_ms",
        ),
        (
            {"soft_close": {"extend_to_ms": 1_000, "max_extension_ms": 2_678_400_001}},
            "soft_close.max_extension_ms",
        ),
        ({"warn_at_ms": [1_000, 2_000, 1_000]}, "warn_at_ms"),
        ({"warn_at_ms": [*range(1, 12)]}, "warn_at_ms"),
        ({"time_control": {"type": "hourglass"}, "participants": [someone()]}, "time_control"),
        ({"time_control": {"type": "hourglass"}, "sync_mode": "global"}, "time_control"),
        ({"time_control": {"type": "hourglass"}, "increment_ms": 1}, "increment_ms"),
        ({"increment_ms": 1, "sync_mode": "count_up"}, "increment_ms"),
        (
            {"participants": [someone(time_control={"type": "delay"})]},
            "participants.0.time_control.delay_ms",
        ),
        ({"participants": [someone(time_control={"type": "hourglass"})]}, "participants"),
        (
            {
                "participants": [someone(time_control={"type": "delay", "delay_ms": 5})],
                "sync_mode": "global",
            },
            "participants",
        ),
        ({"sync_mode": "per_group"}, "participants"),
        ({"groups": [{"group_id": BEN, "total_time_ms": 5_000}]}, "groups"),
    ],
)
def test_invalid_field_is_named(
    rest: RestClient, store: FakeStore, changes: dict[str, Any], field: str
) -> None:
    details = refused(rest.post("/v1/sessions", creation(**changes)), 400, "VALIDATION_ERROR")

    assert [detail["field"] for detail in details] == [field]
    assert all(set(detail) == {"field", "message", "code"} for detail in details)
    assert store.commits == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"participant_id": ANNE}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": 0}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": 2_678_400_001}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": -2_678_400_001}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": 1.0}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": -10_000}, "delta_ms"),
        ({"participant_id": ANNE, "delta_ms": 1, "reason": "x" * 201}, "reason"),
        ({"participant_id": "anne", "delta_ms": 1}, "participant_id"),
        ({"participant_id": SESSION, "delta_ms": 1}, "participant_id"),
        ({"group_id": SESSION, "delta_ms": 1}, "group_id"),
        ({"delta_ms": 1}, "participant_id"),
    ],
)
def test_invalid_field_of_an_adjustment_is_named(
    rest: RestClient, asked: dict[str, Any], field: str
) -> None:
    rest.post("/v1/sessions", creation())

    details = refused(rest.command("adjust", asked), 400, "VALIDATION_ERROR")

    assert [detail["field"] for detail in details] == [field]
    assert rest.get(PATH).data["version"] == 1


@pytest.mark.parametrize("missing", ["session_id", "sync_mode", "participants", "total_time_ms"])
def test_missing_field_is_named(rest: RestClient, missing: str) -> None:
    body = creation()
    del body[missing]

    details = refused(rest.post("/v1/sessions", body), 400, "VALIDATION_ERROR")

    assert [(detail["field"], detail["code"]) for detail in details] == [(missing, "missing")]


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1}{"a": 1}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 100_000 + b"}",
        b"{'a': 1}",
        b'{"a": 1,}',
    ],
    ids=lambda raw: repr(raw[:20]),
)
@pytest.mark.parametrize(
    "path", ["/v1/sessions", *(f"{PATH}/{one}" for one in ("start", "switch"))]
)
def test_invalid_json_is_malformed(rest: RestClient, path: str, raw: bytes) -> None:
    refused(rest.post(path, raw=raw), 400, "MALFORMED_JSON")


@pytest.mark.parametrize("raw", [b"[]", b"5", b'"x"', b"null"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if COMMANDS[name].method != "DELETE"])
def test_command_body_must_be_an_object_or_empty(
    rest: RestClient, name: CommandName, raw: bytes
) -> None:
    rest.post("/v1/sessions", creation())

    answer = rest.call(COMMANDS[name].method, command_path(name), raw=raw)

    refused(answer, 400, "VALIDATION_ERROR")


def test_infinite_numbers_are_rejected(rest: RestClient) -> None:
    body = json.dumps(creation(metadata={"a": "?"})).replace('"?"', "1e999")

    refused(rest.post("/v1/sessions", raw=body.encode()), 400, "VALIDATION_ERROR")


def test_metadata_nested_too_deeply_is_rejected(rest: RestClient) -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"a": nested(levels - 1)} if levels else {}

    refused(rest.post("/v1/sessions", creation(metadata=nested(32))), 400, "VALIDATION_ERROR")
    answer = rest.post("/v1/sessions", creation(metadata=nested(31)))
    assert (answer.status, answer.data["metadata"]) == (201, nested(31))


def test_last_of_duplicate_fields_counts(rest: RestClient) -> None:
    text = json.dumps(creation())[:-1] + ', "total_time_ms": 7000}'

    assert rest.post("/v1/sessions", raw=text.encode()).data["total_time_ms"] == 7_000


def test_unknown_fields_are_ignored(rest: RestClient) -> None:
    answer = rest.post("/v1/sessions", creation(colour="red"))

    assert answer.status == 201
    assert "colour" not in answer.data


@pytest.mark.parametrize(
    "given", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "*/*"]
)
def test_other_media_type_is_415(rest: RestClient, given: str) -> None:
    answer = rest.post("/v1/sessions", creation(), headers={"Content-Type": given})

    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("given", ["application/x-www-form-urlencoded", "text/plain", "", "*"])
def test_empty_body_has_no_media_type_to_refuse(rest: RestClient, given: str) -> None:
    rest.post("/v1/sessions", creation())

    # As `curl -d ''` and Python's urlopen(data=b"") send it.
    answer = rest.post(f"{PATH}/start", raw=b"", headers={"Content-Type": given})
    assert (answer.status, answer.data["status"]) == (200, "running")
    missing = rest.post("/v1/sessions", raw=b"", headers={"Content-Type": given})
    refused(missing, 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("given", ["Application/JSON", "application/json; charset=utf-8"])
def test_media_type_is_case_insensitive_and_may_have_parameters(
    rest: RestClient, given: str
) -> None:
    answer = rest.post("/v1/sessions", creation(), headers={"Content-Type": given})

    assert answer.status == 201


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/sessions", "OPTIONS, POST"),
        ("PUT", PATH, "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("GET", f"{PATH}/switch", "OPTIONS, POST"),
        ("POST", "/v1/time", "GET, HEAD, OPTIONS"),
        ("DELETE", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/ready", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_method_is_405(rest: RestClient, method: str, path: str, allowed: str) -> None:
    answer = rest.call(method, path)

    refused(answer, 405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allowed


def test_body_above_the_limit_is_413(rest: RestClient) -> None:
    limit = 1024 * 1024
    fits = creation(session_id="?", padding="")
    fits["padding"] = "x" * (limit - len(json.dumps(fits)))

    refused(rest.post("/v1/sessions", fits), 400, "VALIDATION_ERROR")
    fits["padding"] += "x"
    refused(rest.post("/v1/sessions", fits), 413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize("name", ["", "/start", "/switch"])
def test_invalid_id_in_the_path_is_named(rest: RestClient, name: str) -> None:
    method = "POST" if name else "GET"

    details = refused(rest.call(method, f"/v1/sessions/42{name}"), 400, "VALIDATION_ERROR")

    assert details[0]["field"] == "session_id"


def test_unavailable_store_is_503_and_not_described(
    rest: RestClient, store: FakeStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.away = True

    for answer in (rest.get(PATH), rest.post("/v1/sessions", creation()), rest.get("/v1/time")):
        refused(answer, 503, "STORE_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "1"
        assert "fake" not in answer.text
    ready = rest.get("/ready")
    assert (ready.status, ready.json["status"]) == (503, "not_ready")
    assert rest.get("/health").json == {"status": "ok"}

    store.away = False
    assert rest.get("/ready").json == {"status": "ready"}


def test_lost_race_is_409_with_both_versions(rest: RestClient, store: FakeStore) -> None:
    class Raced(FakeStore):
        def load(self, session_id: str, *_: Any) -> Loaded:
            return store.load(session_id)

        def commit(
            self, commit: Commit, limit_check: RateLimitCheck | None = None
        ) -> Committed | Stale:
            raise Conflict(2, 3)

    rest.post("/v1/sessions", creation())
    raced = rest_client(FakeContainer(Raced()))

    details = refused(raced.command("start"), 409, "CONFLICT")

    assert details == {"expected_version": 2, "actual_version": 3}


def test_internal_error_is_500_with_only_a_request_id(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeStore):
        def load(self, session_id: str, *_: Any) -> Loaded:
            raise RuntimeError("secret detail")

    answer = rest_client(FakeContainer(Broken())).get(PATH)

    refused(answer, 500, "INTERNAL_ERROR")
    assert answer.error["request_id"] == "request-1"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_responses_allow_any_origin_and_expose_their_headers(rest: RestClient) -> None:
    headers = rest.get("/v1/time").headers

    assert headers["Access-Control-Allow-Origin"] == "*"
    for name in ("Authorization", "If-Match", "If-None-Match", "Idempotency-Key"):
        assert name in headers["Access-Control-Allow-Headers"]
    for name in ("ETag", "Retry-After", "RateLimit-Remaining", "x-amzn-RequestId"):
        assert name in headers["Access-Control-Expose-Headers"]
