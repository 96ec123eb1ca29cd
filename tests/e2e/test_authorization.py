"""A stack with AUTH on: access control, and no token in logs, metrics or the store."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import new_key
from chalicelib.auth.policy import EVERY_SESSION, Bearer, Role
from tests.api_docs.conformance import check_server_message
from tests.auth.bearers import a_key_set
from tests.servers import RedisProcess

from .conftest import Size
from .instances import ROOT, Instance, instances
from .sessions import a_session

KEY = new_key("of-the-test")
KEYS = a_key_set(KEY)
STRANGERS = a_key_set(new_key("of-the-test"))
ENVIRONMENT = {
    "AUTH": "on",
    "AUTH_KEYS": json.dumps({"keys": [KEY]}),
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "debug",
}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Stack:
    """One instance, and all that it has ever said over REST."""

    def __init__(self, instance: Instance, store: RedisProcess) -> None:
        self.instance = instance
        self.store = store
        self.said: list[str] = []

    def call(self, method: str, path: str, token: str | None, body: Any = None) -> Answer:
        host, _, port = self.instance.rest_url.removeprefix("http://").rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=30)
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        payload = None if body is None else json.dumps(body)
        connection.request(method, f"/v1/sessions{path}", payload, headers)
        response = connection.getresponse()
        answer = Answer(response.status, dict(response.headers), response.read().decode())
        connection.close()
        if "links" not in answer.text and '"token"' not in answer.text:
            # Elsewhere than where a client is given them there are none.
            self.said.append(f"{answer.headers} {answer.text}")
        return answer

    def socket(self, session_id: str, token: str | None = None, **more: Any) -> connect:
        query = "" if token is None else f"&token={token}"
        return connect(
            f"{self.instance.websocket_url}?sessionId={session_id}{query}",
            ping_interval=None,
            **more,
        )

    def offering(self, session_id: str, token: str) -> connect:
        """As a browser does it."""
        return self.socket(session_id, subprotocols=[Subprotocol(f"bearer.{token}")])


@pytest.fixture
def stack(own_valkey: RedisProcess, tmp_path: Path) -> Iterator[Stack]:
    with instances(1, own_valkey.url, tmp_path, environment=ENVIRONMENT) as (instance,):
        yield Stack(instance, own_valkey)


def a_token(keys: Any = KEYS, role: Role = Role.SERVER, **changes: Any) -> str:
    now_s = int(time.time())
    claims = {
        "role": role,
        "session_id": EVERY_SESSION,
        "token_id": "of-the-test",
        "valid_from_s": now_s - 60,
        "valid_until_s": now_s + 600,
        **changes,
    }
    return tokens.sign(Bearer(**claims), keys)


async def receive(socket: ClientConnection, kind: str) -> Any:
    async with asyncio.timeout(20):
        while True:
            message = json.loads(await socket.recv())
            check_server_message(message)
            if message["type"] == kind:
                return message


async def is_closed(socket: ClientConnection) -> bool:
    async with asyncio.timeout(20):
        with suppress(ConnectionClosed):
            while True:
                check_server_message(json.loads(await socket.recv()))
    return True


async def refusal(opening: connect) -> int:
    """The status that a handshake is refused with."""
    with pytest.raises(InvalidStatus) as refused:
        async with opening:
            pass
    return refused.value.response.status_code


async def an_evening(stack: Stack) -> set[str]:
    """All that can be done with tokens; returns every token that there was."""
    server, forged = a_token(), a_token(STRANGERS)
    session = a_session(2)
    session_id = session["session_id"]
    made = stack.call("POST", "", server, session)
    assert made.status == 201
    links = made.json["links"]
    host, viewer = links["host"]["token"], links["viewer"]
    anne, ben = (one["token"] for one in links["participants"])
    minted = stack.call("POST", f"/{session_id}/tokens", host, {"role": "viewer"}).json["data"]

    assert stack.call("POST", f"/{session_id}/start", anne).status == 403
    assert stack.call("POST", f"/{session_id}/start", forged).status == 401
    assert stack.call("POST", f"/{session_id}/start", f"{host}x").status == 401
    assert stack.call("GET", f"/{forged}", host).status in (401, 403, 404)
    assert await refusal(stack.socket(session_id)) == 401
    assert await refusal(stack.socket(session_id, forged)) == 401
    assert await refusal(stack.offering(session_id, forged)) == 401
    assert await refusal(stack.socket(a_session(1)["session_id"], host)) == 403

    async with (
        stack.offering(session_id, viewer["token"]) as watching,
        stack.socket(session_id, anne) as playing,
        stack.offering(session_id, minted["token"]) as staying,
    ):
        assert watching.subprotocol == f"bearer.{viewer['token']}"
        for socket in (watching, playing, staying):
            await receive(socket, "STATE_SYNC")
        assert stack.call("POST", f"/{session_id}/start", host).status == 200
        for socket in (watching, playing, staying):
            await receive(socket, "STATE_UPDATE")
        command = {"type": "COMMAND", "id": "1", "command": "switch"}
        await watching.send(json.dumps(command))
        assert (await receive(watching, "ERROR"))["code"] == "FORBIDDEN"
        await playing.send(json.dumps(command))
        assert (await receive(playing, "ACK"))["version"] == 3
        assert stack.call("POST", f"/{session_id}/switch", anne).json["error"]["code"] == (
            "STALE_CYCLE"
        )
        assert stack.call("POST", f"/{session_id}/switch", ben).status == 200

        # The connection of a revoked token is closed at once, without having sent anything.
        path = f"/{session_id}/tokens/{viewer['token_id']}"
        assert stack.call("DELETE", path, host).status == 204
        assert (await receive(watching, "ERROR"))["code"] == "SESSION_FORBIDDEN"
        assert await is_closed(watching)
        assert await refusal(stack.offering(session_id, viewer["token"])) == 401
        assert stack.call("GET", f"/{session_id}", viewer["token"]).status == 401
        assert stack.call("GET", f"/{session_id}/events", minted["token"]).status == 200
        await staying.send(json.dumps({"type": "PING"}))
        await receive(staying, "PONG")
    assert stack.call("DELETE", f"/{session_id}", host).status == 204
    return {server, forged, host, viewer["token"], anne, ben, minted["token"]}


def stored(store: RedisProcess) -> str:
    """All that the store holds, and the names that it is held under."""
    with redis.Redis.from_url(store.url) as client:
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"stream": client.xrange,
            b"zset": lambda key: client.zrange(key, 0, -1),
        }
        keys = list(client.scan_iter(count=1_000))
        return "".join(f"{key!r} {read[client.type(key)](key)!r}" for key in keys)


def test_no_token_is_written_to_logs_metrics_errors_or_the_store(stack: Stack) -> None:
    used = asyncio.run(an_evening(stack))
    host, _, port = stack.instance.rest_url.removeprefix("http://").rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=30)
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read().decode()
    connection.close()
    kept = stored(stack.store)
    assert stack.instance.stop() == 0
    log = stack.instance.log.read_text()

    secrets = {KEY["k"], *used, *(token.rpartition(".")[2] for token in used)}
    written = {"log": log, "metrics": metrics, "answers": "".join(stack.said), "store": kept}
    assert len(used) == 7
    assert '"route":"/v1/sessions/{session_id}/tokens"' in log.replace(": ", ":")
    assert {
        (place, secret) for place, text in written.items() for secret in secrets if secret in text
    } == set()


def test_terminal_view_explains_a_missing_or_refused_token(stack: Stack) -> None:
    session_id = a_session(1)["session_id"]
    watch = [sys.executable, "-m", "local", "watch", session_id]
    for token, message in (
        ([], "this server requires a token"),
        (["--token", a_token(STRANGERS)], "this token is not valid for the session"),
    ):
        watched = subprocess.run(
            [*watch, "--ws-url", stack.instance.websocket_url, *token],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert watched.returncode == 1
        assert message in watched.stderr
        assert "Traceback" not in watched.stderr


def test_thousand_handshakes_with_bad_tokens_leave_nothing_in_the_store(
    stack: Stack, size: Size
) -> None:
    session_id = a_session(1)["session_id"]
    mine: dict[str, Any] = {"role": Role.HOST, "session_id": session_id}
    elsewhere = a_session(1)["session_id"]
    bad = [
        (a_token(STRANGERS, **mine), 401),
        (a_token(**mine, valid_from_s=0, valid_until_s=1), 401),
        (a_token(**{**mine, "session_id": elsewhere}), 403),
        (a_token(**mine)[:-2], 401),
        ("", 401),
    ]
    number = size(1_000, 1_000)

    async def flood() -> None:
        for at in range(number):
            token, status = bad[at % len(bad)]
            while (answered := await refusal(stack.socket(session_id, token))) == 429:
                # API Gateway takes 500 new connections a second.
                await asyncio.sleep(0.05)
            assert answered == status

    with redis.Redis.from_url(stack.store.url) as client:
        client.flushall()
        asyncio.run(flood())

        assert list(client.scan_iter()) == []
