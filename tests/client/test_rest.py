"""The REST clients: the requests they send, the errors they raise, and what they retry."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import traceback
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
    NoResponse,
    RateLimitExceeded,
    RestClient,
    RetryPolicy,
    SessionResponse,
    StaleCycle,
    StoreUnavailable,
    SwitchResult,
    rest_operations,
)

STATE = {"data": {"session_id": "s", "version": 2}, "timestamp": 7, "events": [{"type": "x"}]}
Call = Callable[[Any], Any]
PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


@dataclass(frozen=True)
class Prepared:
    """A prepared response."""

    status: int
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Sends each response once, then repeats the last. ``delays_s`` are the client's sleeps."""

    def __init__(self, *responses: Prepared | Exception) -> None:
        self._responses = list(responses)
        self.requests: list[httpx.Request] = []
        self.delays_s: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        response = self._responses.pop(0) if len(self._responses) > 1 else self._responses[0]
        if isinstance(response, Exception):
            raise response
        return httpx.Response(response.status, content=response.content, headers=response.headers)

    def client(self, **more: Any) -> RestClient:
        return RestClient(
            "http://host/",
            transport=httpx.MockTransport(self),
            sleep=self.delays_s.append,
            random=lambda: 0.5,
            **more,
        )

    def async_client(self, **more: Any) -> AsyncRestClient:
        async def sleep(seconds: float) -> None:
            self.delays_s.append(seconds)

        return AsyncRestClient(
            "http://host/",
            transport=httpx.MockTransport(self),
            sleep=sleep,
            random=lambda: 0.5,
            **more,
        )

    def call(self, call: Call, **more: Any) -> Any:
        """What a call of a client returns."""
        with self.client(**more) as client:
            return call(client)

    def call_async(self, call: Call, **more: Any) -> Any:
        """The same of an asynchronous client."""

        async def called() -> Any:
            async with self.async_client(**more) as client:
                return await call(client)

        return asyncio.run(called())

    @property
    def request(self) -> httpx.Request:
        return self.requests[-1]


def ok(body: object = STATE) -> Prepared:
    return Prepared(200, json.dumps(body).encode())


def refusal(status: int, code: str, headers: dict[str, str] | None = None, **more: Any) -> Prepared:
    error = {"error": {"code": code, "message": "No", **more}}
    return Prepared(status, json.dumps(error).encode(), headers or {})


def get_state(client: Any) -> Any:
    return client.get_session("s")


def switch(client: Any) -> Any:
    return client.switch("s")


CALLS: list[tuple[Call, str, str, Any]] = [
    (lambda one: one.create_session({"session_id": "s"}), "POST", "", {"session_id": "s"}),
    (lambda one: one.get_session("s"), "GET", "/s", None),
    (lambda one: one.delete_session("s"), "DELETE", "/s", None),
    (lambda one: one.update_session("s", {"message": None}), "PATCH", "/s", {"message": None}),
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
    (lambda one: one.set_turn("s", "b"), "POST", "/s/set_turn", {"participant_id": "b"}),
    (
        lambda one: one.join("s", {"participant_id": "c", "name": "Cleo"}),
        "POST",
        "/s/participants",
        {"participant_id": "c", "name": "Cleo"},
    ),
    (
        lambda one: one.update_participant("s", "b/1", {"name": None}),
        "PATCH",
        "/s/participants/b%2F1",
        {"name": None},
    ),
    (lambda one: one.withdraw("s", "b"), "DELETE", "/s/participants/b", None),
    (lambda one: one.reopen("s"), "POST", "/s/reopen", {}),
    (lambda one: one.reset("s"), "POST", "/s/reset", {}),
    (
        lambda one: one.adjust("s", -5, group_id="g", reason="r"),
        "POST",
        "/s/adjust",
        {"delta_ms": -5, "group_id": "g", "reason": "r"},
    ),
]


@pytest.mark.parametrize(("call", "method", "path", "body"), CALLS)
def test_both_clients_send_the_same_requests(call: Call, method: str, path: str, body: Any) -> None:
    server = Server(ok())
    result = server.call(call)

    assert server.call_async(call) == result
    for request in server.requests:
        assert (request.method, str(request.url)) == (method, f"http://host/v1/sessions{path}")
        assert (json.loads(request.content) if request.content else None) == body
        has_effect = method != "GET"
        assert ("Idempotency-Key" in request.headers) == has_effect
    if result is not None:
        assert (result.data, result.timestamp) == (STATE["data"], 7)
        assert result.events == [{"type": "x"}]


def test_each_write_has_its_own_idempotency_key_unless_one_is_given() -> None:
    server = Server(ok())
    with server.client() as client:
        client.switch("s")
        client.switch("s")
        client.switch("s", idempotency_key="mine", if_match=4)
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert UUID(keys[0]) != UUID(keys[1])
    assert (keys[2], server.request.headers["If-Match"]) == ("mine", '"4"')


def test_get_session_returns_none_if_the_version_is_unchanged() -> None:
    server = Server(Prepared(304))
    for call in (server.call, server.call_async):
        assert call(lambda client: client.get_session("s", if_none_match=3)) is None
        assert server.request.headers["If-None-Match"] == '"3"'


def test_session_id_is_escaped_in_the_path() -> None:
    server = Server(ok())
    server.call(lambda client: client.start("../a b?c"))
    assert server.request.url.raw_path == b"/v1/sessions/..%2Fa%20b%3Fc/start"


def test_events_are_returned_in_pages_and_the_time_as_it_is() -> None:
    page = {"events": [{"id": "1-0", "type": "session_created"}], "next": "1-0"}
    server = Server(ok({"data": page}), ok({"data": page}), ok({"timestamp_ms": 5}))
    with server.client() as client:
        assert client.get_events("s") == page
        assert not server.request.url.query
        assert client.get_events("s", after="1-0", limit=2) == page
        assert dict(server.request.url.params) == {"after": "1-0", "limit": "2"}
        assert client.get_time()["timestamp_ms"] == 5

    assert Server(ok({"data": page})).call_async(lambda client: client.get_events("s")) == page
    times = Server(ok({"timestamp_ms": 5}))
    assert times.call_async(lambda client: client.get_time()) == {"timestamp_ms": 5}


def test_token_is_sent_with_every_request_and_a_function_is_called_each_time() -> None:
    server, numbers = Server(ok()), count()

    async def renew() -> str:
        return f"t{next(numbers)}"

    with server.client(token=lambda: f"t{next(numbers)}") as client:
        client.get_session("s")
        client.get_session("s")
    server.call(get_state, token="fixed")
    server.call_async(get_state, token=renew)
    server.call_async(get_state, token="fixed")
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == [f"Bearer {token}" for token in ("t0", "t1", "fixed", "t2", "fixed")]


@pytest.mark.parametrize("token", ["s3cret b", "s3cret\n", "s3cret\u00e9", b"s3cret", ""])
def test_token_that_cannot_be_sent_is_refused_without_quoting_it(token: Any) -> None:
    for call in (Server.call, Server.call_async):
        server = Server(Prepared(200, json.dumps(STATE).encode()))
        with pytest.raises(ValueError, match="The token can't be sent") as raised:
            call(server, lambda client: client.get_session("s"), token=token)
        assert "s3cret" not in "".join(traceback.format_exception(raised.value, limit=0))
        assert server.requests == []


def test_failed_token_renewal_is_retried() -> None:
    failures = [httpx.ConnectError("no network")]

    def renew() -> str:
        if failures:
            raise failures.pop()
        return "t"

    server = Server(ok())
    server.call(get_state, token=renew)
    assert (len(server.requests), server.delays_s) == (1, [0.1])


def test_creation_returns_links_and_repr_hides_them() -> None:
    links: Any = {"host": {"token": "a.b.c", "token_id": "t"}, "participants": []}
    server = Server(ok({**STATE, "links": links}), ok())
    with server.client() as client:
        created, found = client.create_session({"session_id": "s"}), client.get_session("s")
    assert found is not None
    assert (created.links, found.links) == (links, None)
    assert "a.b.c" not in repr(created)


def test_tokens_are_minted_and_revoked() -> None:
    minted = {"token": "a.b.c", "token_id": "t", "role": "participant"}
    server = Server(ok({"data": minted}), Prepared(204), ok({"data": minted}), Prepared(204))
    participant = server.call(
        lambda client: client.mint_token("s", "participant", participant_id="p")
    )
    server.call(lambda client: client.revoke_token("s", "t/t"))
    viewer = server.call_async(
        lambda client: client.mint_token("s", "viewer", expires_in_seconds=60)
    )
    server.call_async(lambda client: client.revoke_token("s", "t"))
    assert (participant, viewer) == (minted, minted)
    sent = [(one.method, one.url.raw_path.decode()) for one in server.requests]
    assert sent == [
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


# Errors


def test_every_documented_code_has_an_exception() -> None:
    errors = PROTOCOL.read_text().partition("## Errors")[2].partition("## Example")[0]
    assert ApiError.by_code.keys() == set(re.findall(r"`([A-Z]+_?[A-Z_]+)`", errors))
    for code, kind in ApiError.by_code.items():
        assert kind.code == code
        assert getattr(tickless, kind.__name__) is kind
        assert kind.__name__ in tickless.__all__


def test_api_error_has_the_fields_of_the_response() -> None:
    details = [{"field": "delta_ms", "message": "too much", "code": "less_than_equal"}]
    server = Server(refusal(400, "VALIDATION_ERROR", details=details))
    with pytest.raises(tickless.InvalidRequest) as raised:
        server.call(lambda client: client.adjust("s", 1))
    error = raised.value
    assert (error.status, error.code, error.message) == (400, "VALIDATION_ERROR", "No")
    assert (error.details, error.request_id, error.retry_after_s) == (details, None, None)
    assert str(error) == "400 VALIDATION_ERROR: No"
    assert len(server.requests) == 1


def test_unknown_code_is_a_plain_api_error() -> None:
    server = Server(refusal(409, "SOMETHING_NEW"))
    with pytest.raises(ApiError) as raised:
        server.call(switch)
    assert (type(raised.value), raised.value.code) == (ApiError, "SOMETHING_NEW")


@pytest.mark.parametrize("status", [301, 403])
@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"null", b'{"error": "no"}', b""])
def test_response_of_a_proxy_is_an_api_error_without_a_code(status: int, content: bytes) -> None:
    server = Server(Prepared(status, content, {"Retry-After": "soon"}))
    with pytest.raises(ApiError) as raised:
        server.call(switch)
    assert (type(raised.value), raised.value.code) == (ApiError, "UNKNOWN")
    assert raised.value.retry_after_s is None


def test_internal_error_has_the_request_id() -> None:
    server = Server(refusal(500, "INTERNAL_ERROR", request_id="r1"))
    with pytest.raises(InternalError) as raised:
        server.call(switch, retry_policy=RetryPolicy(max_attempts=1))
    assert raised.value.request_id == "r1"


# Retries


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        refusal(503, "STORE_UNAVAILABLE"),
        Prepared(200, b"{half"),
    ],
)
def test_request_that_may_not_have_arrived_is_sent_again_unchanged(
    failure: Prepared | Exception,
) -> None:
    server = Server(failure, failure, ok())
    assert server.call(switch).data["version"] == 2
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert len({request.content for request in server.requests}) == 1
    assert server.delays_s == [0.1, 0.2]

    second = Server(failure, ok())
    assert second.call_async(switch).data["version"] == 2
    assert second.delays_s == [0.1]


def test_error_after_the_last_attempt_has_the_idempotency_key() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(NoResponse) as raised:
        server.call(switch)
    assert len(server.requests) == RetryPolicy().max_attempts
    assert raised.value.idempotency_key == server.request.headers["Idempotency-Key"]
    assert isinstance(raised.value.__cause__, httpx.ConnectError)

    with pytest.raises(NoResponse):
        server.call_async(switch, retry_policy=RetryPolicy(max_attempts=1))

    failing = Server(refusal(503, "STORE_UNAVAILABLE", {"Retry-After": "1"}))
    with pytest.raises(StoreUnavailable) as refused:
        failing.call(switch)
    assert refused.value.retry_after_s == 1
    assert failing.delays_s == [1.1, 1.2, 1.4]


def test_retry_waits_as_long_as_retry_after_says_up_to_a_maximum() -> None:
    server = Server(refusal(429, "RATE_LIMIT_EXCEEDED", retry_after_seconds=2), ok())
    server.call(switch)
    assert server.delays_s == [2.1]
    limited = Server(refusal(429, "RATE_LIMIT_EXCEEDED", retry_after_seconds=60))
    with pytest.raises(RateLimitExceeded) as raised:
        limited.call(switch)
    assert (raised.value.retry_after_s, limited.delays_s) == (60, [])


def test_permanent_error_is_not_retried() -> None:
    server = Server(refusal(409, "STALE_CYCLE"))
    with pytest.raises(StaleCycle):
        server.call(switch)
    assert len(server.requests) == 1


# One description


def test_both_clients_have_every_operation_with_the_same_signature() -> None:
    operations = {
        name: signature
        for name, one in vars(rest_operations).items()
        if inspect.isfunction(one)
        and not name.startswith("_")
        and str((signature := inspect.signature(one)).return_annotation).startswith("Request[")
    }
    assert {"create_session", "switch", "get_time"} <= operations.keys()
    for client in (RestClient, AsyncRestClient):
        methods = {name for name, one in vars(client).items() if inspect.isfunction(one)}
        assert {one for one in methods if not one.startswith("_")} == {*operations, "close"}
        for name, signature in operations.items():
            method = inspect.signature(getattr(client, name))
            assert list(method.parameters)[1:] == list(signature.parameters), name


def test_method_is_documented_as_its_operation() -> None:
    with Server(ok()).client() as client:
        signature = inspect.signature(client.switch)
        assert next(iter(signature.parameters)) == "session_id"
        assert signature.return_annotation == SessionResponse[SwitchResult]
        assert client.switch.__doc__ == rest_operations.switch.__doc__
