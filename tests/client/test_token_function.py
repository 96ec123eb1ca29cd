"""The token of a SessionClient, and functions that return it or the URL, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from .fakes import RecordedClient
from .virtual_time import advance


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
