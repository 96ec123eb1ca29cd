"""The Python client with AUTH on: tokens that expire, are renewed or revoked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chalicelib.auth.policy import Role
from tests.servers import RedisProcess
from tests.waiting import HUNG_AFTER_S
from tickless import AsyncRestClient, ClientTimeouts, SessionClient, Unauthenticated
from tickless.wire_types import Message

from .instances import Instance, instances
from .sessions import a_session
from .test_authorization import ENVIRONMENT, a_token

PACE = ClientTimeouts(initial_backoff_ms=100, max_backoff_ms=500)
# An expired token is noticed by the next message or sweep, each once per heartbeat.
PROMPT = {**ENVIRONMENT, "HEARTBEAT_INTERVAL_MS": "2000"}


@pytest.fixture
def instance(own_valkey: RedisProcess, tmp_path: Path) -> Iterator[Instance]:
    with instances(1, own_valkey.url, tmp_path, environment=PROMPT) as (one,):
        yield one


class Wallet:
    """What renews a client's token, and the errors the client received meanwhile."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.given: list[str] = []
        self.codes: list[str] = []

    @property
    def errors(self) -> list[str]:
        """Each code once: a message of ours that crosses a refusal is answered with another."""
        return list(dict.fromkeys(self.codes))

    @property
    def used(self) -> list[str]:
        """Each token once: a slow machine may connect more than once with one that is valid."""
        return list(dict.fromkeys(self.given))

    async def renew(self) -> str:
        self.given.append(self.token)
        return self.token

    def refused(self, message: Message) -> None:
        self.codes.append(message["code"])

    def follows(self, instance: Instance, session_id: str, **more: Any) -> SessionClient:
        return SessionClient(
            instance.websocket_url,
            session_id,
            token=self.renew,
            on_error=self.refused,
            timeouts=PACE,
            **more,
        )


async def until(client: SessionClient, state: str, version: int = 1) -> None:
    async with asyncio.timeout(HUNG_AFTER_S):
        await client.wait_until(
            lambda one: one.connection == state and one.snapshot and one.snapshot.version >= version
        )


def test_client_whose_token_expires_reconnects_with_a_new_one(instance: Instance) -> None:
    async def evening() -> None:
        session = a_session(2)
        session_id = session["session_id"]
        async with AsyncRestClient(instance.rest_url, token=a_token()) as server:
            await server.create_session(session)
            short = await server.mint_token(session_id, "viewer", expires_in_seconds=8)
            other = a_token(role=Role.VIEWER, session_id=session_id)
            wallet = Wallet(short["token"])
            async with wallet.follows(instance, session_id) as client:
                await until(client, "live")
                wallet.token = other
                await until(client, "reconnecting")
                await until(client, "live")
                await server.start(session_id)
                await until(client, "live", 2)
        assert (wallet.errors, wallet.used) == (["SESSION_FORBIDDEN"], [short["token"], other])

    asyncio.run(evening())


def test_client_whose_token_is_revoked_reports_it_until_it_has_another(instance: Instance) -> None:
    async def evening() -> None:
        session = a_session(2)
        session_id = session["session_id"]
        async with AsyncRestClient(instance.rest_url, token=a_token()) as server:
            await server.create_session(session)
            revoked = await server.mint_token(session_id, "host")
            wallet = Wallet(revoked["token"])
            async with (
                wallet.follows(instance, session_id) as client,
                AsyncRestClient(instance.rest_url, token=wallet.renew) as host,
            ):
                await until(client, "live")
                await server.revoke_token(session_id, revoked["token_id"])
                with pytest.raises(Unauthenticated):
                    await host.start(session_id)
                with suppress(TimeoutError):
                    async with asyncio.timeout(HUNG_AFTER_S):
                        while wallet.codes.count("UNAUTHENTICATED") < 2:
                            await client.wait_for_change()
                assert wallet.errors == ["SESSION_FORBIDDEN", "UNAUTHENTICATED"]
                assert client.connection == "reconnecting"
                wallet.token = (await server.mint_token(session_id, "host"))["token"]
                await until(client, "live")
                assert await client.command("start") == 2

    asyncio.run(evening())
