"""REST from Python: what is sent, what becomes of refusals, and when something is sent again."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

import tickless
from tickless import (
    ApiError,
    AsyncRestClient,
    InternalError,
    NoAnswer,
    RateLimitExceeded,
    RestClient,
    Retries,
    StaleCycle,
    StoreUnavailable,
)

STATE = {"data": {"session_id": "s", "version": 2}, "timestamp": 7, "events": [{"type": "x"}]}
PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


@dataclass(frozen=True)
class Given:
    """An answer, as often as it is wanted."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Answers in turn, the last one again and again; ``waits_s`` is what a client slept."""

    def __init__(self, *answers: Given | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.waits_s: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status, content=answer.content, headers=answer.headers)

    def client(self, **more: Any) -> RestClient:
        return RestClient(
            "http://host/",
            transport=httpx.MockTransport(self),
            sleep=self.waits_s.append,
            chance=lambda: 0.5,
            **more,
        )

    def async_client(self, **more: Any) -> AsyncRestClient:
        async def sleep(seconds: float) -> None:
            self.waits_s.append(seconds)

        return AsyncRestClient(
            "http://host/",
            transport=httpx.MockTransport(self),
            sleep=sleep,
            chance=lambda: 0.5,
            **more,
        )

    @property
    def request(self) -> httpx.Request:
        return self.requests[-1]


def ok(body: object = STATE) -> Given:
    return Given(200, json.dumps(body).encode())


def no(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> Given:
    error = {"error": {"code": code, "message": "No", **more}}
    return Given(status, json.dumps(error).encode(), headers or {})


CALLS: list[tuple[Callable[[Any], Any], str, str, Any]] = [
    (lambda one: one.create({"session_id": "s"}), "POST", "", {"session_id": "s"}),
    (lambda one: one.get("s"), "GET", "/s", None),
    (lambda one: one.delete("s"), "DELETE", "/s", None),
    (lambda one: one.start("s"), "POST", "/s/start", {}),
    (lambda one: one.switch("s"), "POST", "/s/switch", {}),
    (
        lambda one: one.switch("s", next_participant_id="b", current_participant_id="a"),
        "POST",
        "/s/switch",
        {"next_participant_id": "b", "current_participant_id": "a"},
    ),
    (lambda one: one.pause("s"), "POST", "/s/pause", {}),
    (lambda one: one.resume("s"), "POST", "/s/resume", {}),
    (lambda one: one.complete("s"), "POST", "/s/complete", {}),
    (lambda one: one.cancel("s"), "POST", "/s/cancel", {}),
    (lambda one: one.undo("s"), "POST", "/s/undo", {}),
    (
        lambda one: one.adjust("s", -5, group_id="g", reason="r"),
        "POST",
        "/s/adjust",
        {"delta_ms": -5, "group_id": "g", "reason": "r"},
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), CALLS)
def test_both_faces_ask_for_the_same(
    call: Callable[[Any], Any], method: str, path: str, body: Any
) -> None:
    server = Server(ok())
    with server.client() as client:
        waited_for = call(client)

    async def awaited() -> Any:
        async with server.async_client() as other:
            return await call(other)

    assert asyncio.run(awaited()) == waited_for
    for request in server.requests:
        assert (request.method, str(request.url)) == (method, f"http://host/v1/sessions{path}")
        assert (json.loads(request.content) if request.content else None) == body
        has_effect = method != "GET"
        assert ("Idempotency-Key" in request.headers) == has_effect
    if waited_for is not None:
        assert (waited_for.data, waited_for.timestamp) == (STATE["data"], 7)
        assert waited_for.events == [{"type": "x"}]


def test_each_request_that_has_an_effect_has_a_key_of_its_own_unless_one_is_given() -> None:
    server = Server(ok())
    with server.client() as client:
        client.switch("s")
        client.switch("s")
        client.switch("s", idempotency_key="mine", if_match=4)
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert UUID(keys[0]) != UUID(keys[1])
    assert (keys[2], server.request.headers["If-Match"]) == ("mine", '"4"')


def test_who_holds_the_version_is_told_nothing_new() -> None:
    server = Server(Given(304))
    with server.client() as client:
        assert client.get("s", if_none_match=3) is None
    assert server.request.headers["If-None-Match"] == '"3"'

    async def awaited() -> object:
        async with server.async_client() as other:
            return await other.get("s", if_none_match=3)

    assert asyncio.run(awaited()) is None


def test_an_id_stays_within_its_part_of_the_path() -> None:
    server = Server(ok())
    with server.client() as client:
        client.start("../a b?c")
    assert server.request.url.raw_path == b"/v1/sessions/..%2Fa%20b%3Fc/start"


def test_the_log_comes_in_pages_and_the_time_unwrapped() -> None:
    page = {"events": [{"id": "1-0", "type": "session_created"}], "next": "1-0"}
    server = Server(ok({"data": page}), ok({"data": page}), ok({"timestamp_ms": 5}))
    with server.client() as client:
        assert client.events("s") == page
        assert not server.request.url.query
        assert client.events("s", after="1-0", limit=2) == page
        assert dict(server.request.url.params) == {"after": "1-0", "limit": "2"}
        assert client.time()["timestamp_ms"] == 5

    async def awaited() -> tuple[Any, Any]:
        async with Server(ok({"data": page}), ok({"timestamp_ms": 5})).async_client() as other:
            return await other.events("s"), await other.time()

    assert asyncio.run(awaited()) == (page, {"timestamp_ms": 5})


def test_a_token_goes_with_every_request_and_is_renewed_by_who_is_asked() -> None:
    server, numbers = Server(ok()), count()

    async def renew() -> str:
        return f"t{next(numbers)}"

    async def awaited() -> None:
        async with server.async_client(token=renew) as other:
            await other.get("s")
        async with server.async_client(token="fixed") as other:
            await other.get("s")

    with server.client(token=lambda: f"t{next(numbers)}") as client:
        client.get("s")
        client.get("s")
    with server.client(token="fixed") as client:
        client.get("s")
    asyncio.run(awaited())
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == [f"Bearer {token}" for token in ("t0", "t1", "fixed", "t2", "fixed")]


def test_a_token_that_cannot_be_renewed_now_is_asked_for_again() -> None:
    failures = [httpx.ConnectError("no network")]

    def renew() -> str:
        if failures:
            raise failures.pop()
        return "t"

    server = Server(ok())
    with server.client(token=renew) as client:
        client.get("s")
    assert (len(server.requests), server.waits_s) == (1, [0.1])


def test_links_come_with_a_creation_and_no_print_shows_them() -> None:
    links: Any = {"host": {"token": "a.b.c", "token_id": "t"}, "participants": []}
    server = Server(ok({**STATE, "links": links}), ok())
    with server.client() as client:
        made, found = client.create({"session_id": "s"}), client.get("s")
    assert found is not None
    assert (made.links, found.links) == (links, None)
    assert "a.b.c" not in repr(made)


def test_tokens_are_minted_and_revoked_by_their_name() -> None:
    minted = {"token": "a.b.c", "token_id": "t", "role": "participant"}
    server = Server(ok({"data": minted}), Given(204), ok({"data": minted}), Given(204))
    with server.client() as client:
        assert client.mint("s", "participant", participant_id="p") == minted
        client.revoke("s", "t/t")

    async def awaited() -> None:
        async with server.async_client() as other:
            assert await other.mint("s", "viewer", expires_in_seconds=60) == minted
            await other.revoke("s", "t")

    asyncio.run(awaited())
    asked = [(one.method, one.url.raw_path.decode()) for one in server.requests]
    assert asked == [
        ("POST", "/v1/sessions/s/tokens"),
        ("DELETE", "/v1/sessions/s/tokens/t%2Ft"),
        ("POST", "/v1/sessions/s/tokens"),
        ("DELETE", "/v1/sessions/s/tokens/t"),
    ]
    bodies = [json.loads(one.content) for one in server.requests if one.content]
    assert bodies == [
        {"role": "participant", "participant_id": "p"},
        {"role": "viewer", "expires_in_seconds": 60},
    ]


# Refusals


def test_every_documented_code_of_rest_is_an_exception_of_its_own() -> None:
    errors = PROTOCOL.read_text().partition("## Errors")[2].partition("## Example")[0]
    assert ApiError.by_code.keys() == set(re.findall(r"`([A-Z]+_?[A-Z_]+)`", errors))
    for code, kind in ApiError.by_code.items():
        assert kind.code == code
        assert getattr(tickless, kind.__name__) is kind
        assert kind.__name__ in tickless.__all__


def test_a_refusal_has_what_the_server_said() -> None:
    details = [{"field": "delta_ms", "message": "too much", "code": "less_than_equal"}]
    server = Server(no(400, "VALIDATION_ERROR", details=details))
    with server.client() as client, pytest.raises(tickless.InvalidRequest) as raised:
        client.adjust("s", 1)
    error = raised.value
    assert (error.status, error.code, error.message) == (400, "VALIDATION_ERROR", "No")
    assert (error.details, error.request_id, error.retry_after_s) == (details, None, None)
    assert str(error) == "400 VALIDATION_ERROR: No"
    assert len(server.requests) == 1


def test_a_code_that_is_not_known_yet_is_still_a_refusal() -> None:
    server = Server(no(409, "SOMETHING_NEW"))
    with server.client() as client, pytest.raises(ApiError) as raised:
        client.start("s")
    assert (type(raised.value), raised.value.code) == (ApiError, "SOMETHING_NEW")


@pytest.mark.parametrize("status", [301, 403])
@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"null", b'{"error": "no"}', b""])
def test_what_somebody_in_between_answers_is_a_refusal_without_a_code(
    status: int, content: bytes
) -> None:
    server = Server(Given(status, content, {"Retry-After": "soon"}))
    with server.client() as client, pytest.raises(ApiError) as raised:
        client.start("s")
    assert (type(raised.value), raised.value.code) == (ApiError, "UNKNOWN")
    assert raised.value.retry_after_s is None


def test_a_failure_of_the_server_leads_to_its_log() -> None:
    server = Server(no(500, "INTERNAL_ERROR", request_id="r1"))
    with (
        server.client(retries=Retries(tries=1)) as client,
        pytest.raises(InternalError) as raised,
    ):
        client.start("s")
    assert raised.value.request_id == "r1"


# Sending again


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        no(503, "STORE_UNAVAILABLE"),
        Given(200, b"{half"),
    ],
)
def test_what_may_not_have_been_heard_is_sent_again_the_very_same(
    failure: Given | Exception,
) -> None:
    server = Server(failure, failure, ok())
    with server.client() as client:
        assert client.switch("s").data["version"] == 2
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert len({request.content for request in server.requests}) == 1
    assert server.waits_s == [0.1, 0.2]

    again = Server(failure, ok())

    async def awaited() -> int:
        async with again.async_client() as other:
            return (await other.switch("s")).data["version"]

    assert asyncio.run(awaited()) == 2
    assert again.waits_s == [0.1]


def test_in_the_end_it_is_for_the_caller_who_can_go_on_under_the_same_key() -> None:
    server = Server(httpx.ConnectError("refused"))
    with server.client() as client, pytest.raises(NoAnswer) as raised:
        client.switch("s")
    assert len(server.requests) == Retries().tries
    assert raised.value.idempotency_key == server.request.headers["Idempotency-Key"]
    assert isinstance(raised.value.__cause__, httpx.ConnectError)

    async def awaited() -> None:
        async with server.async_client(retries=Retries(tries=1)) as other:
            await other.switch("s")

    with pytest.raises(NoAnswer):
        asyncio.run(awaited())

    failing = Server(no(503, "STORE_UNAVAILABLE", {"Retry-After": "1"}))
    with failing.client() as client, pytest.raises(StoreUnavailable) as refused:
        client.switch("s")
    assert refused.value.retry_after_s == 1
    assert failing.waits_s == [1.1, 1.2, 1.4]


def test_one_too_many_waits_as_long_as_the_server_says_but_not_for_ever() -> None:
    server = Server(no(429, "RATE_LIMIT_EXCEEDED", retry_after_seconds=2), ok())
    with server.client() as client:
        client.switch("s")
    assert server.waits_s == [2.1]
    patient = Server(no(429, "RATE_LIMIT_EXCEEDED", retry_after_seconds=60))
    with patient.client() as client, pytest.raises(RateLimitExceeded) as raised:
        client.switch("s")
    assert (raised.value.retry_after_s, patient.waits_s) == (60, [])


def test_what_was_refused_for_good_is_not_sent_again() -> None:
    server = Server(no(409, "STALE_CYCLE"))
    with server.client() as client, pytest.raises(StaleCycle):
        client.switch("s", current_participant_id="a")
    assert len(server.requests) == 1
