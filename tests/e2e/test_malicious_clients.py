"""One client does its worst; the others on the same session notice nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from statistics import median
from typing import Any

import boto3
import pytest
from botocore.config import Config
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.contract.conformance import check_said

from .client import Client, all_until
from .conftest import Size
from .figures import tell
from .instances import Instance, Rest
from .sessions import a_session, differences

QUIET_UPDATES = 20
WORST_MS = 1_000
"""How late an update may be, on two busy cores, before somebody notices."""

Attack = Callable[[Instance, str, int], Coroutine[Any, Any, None]]


@asynccontextmanager
async def intruder(victim: Instance, session_id: str) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"{victim.websocket_url}?sessionId={session_id}",
        compression=None,
        ping_interval=None,
        close_timeout=0.1,
        max_queue=None,
        max_size=None,
    ) as connection:
        await said(connection, "CONNECTED")
        yield connection


async def closed_with(connection: ClientConnection) -> int | None:
    """The code with which the server ends the connection; whatever else it says is read."""
    try:
        async with asyncio.timeout(20):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def binary_frames(victim: Instance, session_id: str, many: int) -> None:
    for _ in range(many // 100):
        async with intruder(victim, session_id) as connection:
            await connection.send(os.urandom(1_000))
            assert await closed_with(connection) == 1003


async def too_large(victim: Instance, session_id: str, many: int) -> None:
    for _ in range(many // 200):
        async with intruder(victim, session_id) as connection:
            # One message of 200 KB, in frames that are small enough each.
            await connection.send(["x" * 20_000 for _ in range(10)])
            assert await closed_with(connection) == 1009
        async with intruder(victim, session_id) as connection:
            await connection.send("x" * 40_000)
            assert await closed_with(connection) == 1009


async def no_text(victim: Instance, session_id: str, many: int) -> None:
    for _ in range(many // 100):
        async with intruder(victim, session_id) as connection:
            await connection.send(b"\xff\xfe\x00", text=True)
            assert await closed_with(connection) == 1007


async def half_a_frame(victim: Instance, session_id: str, many: int) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(many // 100):
            connection = await stack.enter_async_context(intruder(victim, session_id))
            # A text frame of 100 masked bytes, of which three come.
            connection.transport.write(b"\x81\xe4\x00\x00\x00\x00{}!")
        witness = await stack.enter_async_context(intruder(victim, session_id))
        for number in range(10):
            await witness.send(json.dumps({"type": "PING", "clientTime": number}))
            await said(witness, "PONG")


async def said(connection: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            check_said(message)
            if message["type"] == kind:
                return message


async def pings(victim: Instance, session_id: str, many: int) -> None:
    async with intruder(victim, session_id) as connection:

        async def send() -> None:
            for number in range(many):
                await connection.send(json.dumps({"type": "PING", "clientTime": number}))

        sending = asyncio.create_task(send())
        answered = {(await said(connection, "PONG"))["clientTime"] for _ in range(many)}
        await sending
        assert answered == set(range(many))


async def names_of_others(victim: Instance, session_id: str, many: int) -> None:
    """From a session of its own, with the session of the others in every field there might be."""
    own = a_session(1)["session_id"]
    async with intruder(victim, own) as connection:
        for number in range(many // 50):
            for message in (
                {"type": "COMMAND", "id": f"{number}", "command": "switch"},
                {"type": "RECONNECT"},
                {"type": "CLAIM"},
                {"type": "COMMAND", "id": "x", "command": "complete", "args": {}},
            ):
                others = {"sessionId": session_id, "session_id": session_id, "epoch": "e"}
                await connection.send(json.dumps({**message, **others}))
                answer = json.loads(await connection.recv())
                check_said(answer)
                if answer["type"] == "ERROR":
                    assert answer["code"] == "SESSION_NOT_FOUND"
                else:
                    assert (answer["type"], answer["sessionId"]) == ("SESSION_DELETED", own)
        for text, code in (("{", "INVALID_JSON"), ('{"type": ["PING"]}', "UNKNOWN_TYPE")):
            await connection.send(text)
            assert (await said(connection, "ERROR"))["code"] == code


async def reads_nothing(victim: Instance, session_id: str, many: int) -> None:
    """Asks and asks, and takes no answer, until the gateway's buffer for it is full."""
    host, _, rest = victim.websocket_url.removeprefix("ws://").partition(":")
    port, _, stage = rest.partition("/")
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, (host, int(port)))
        request = (
            f"GET /{stage}?sessionId={session_id} HTTP/1.1\r\nHost: {host}:{port}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await loop.sock_sendall(deaf, request.encode())
        heard = b""
        while (hello := re.search(rb'"connectionId":"([^"]+)"', heard)) is None:
            heard += await loop.sock_recv(deaf, 200)
        message = json.dumps({"type": "RECONNECT"}).encode()
        frame = bytes((0x81, 0x80 | len(message), 0, 0, 0, 0)) + message
        await loop.sock_sendall(deaf, frame * many)
        await asyncio.to_thread(until_full, victim, hello[1].decode())
        await asyncio.sleep(1)


def until_full(victim: Instance, connection_id: str) -> None:
    """Return once API Gateway would take no more for a connection."""
    api = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=victim.websocket_url.replace("ws:", "http:"),
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )
    noise = b'{"type":"NOISE"}' * 1_000
    try:
        for _ in range(2_000):
            api.post_to_connection(ConnectionId=connection_id, Data=noise)
    except api.exceptions.LimitExceededException:
        return
    finally:
        api.close()
    raise AssertionError("There was room for everything")


ATTACKS: dict[str, Attack] = {
    "binary frames": binary_frames,
    "messages and frames that are too large": too_large,
    "what is no UTF-8": no_text,
    "half a frame, then silence": half_a_frame,
    "pings and pings": pings,
    "names of others": names_of_others,
    "reads nothing": reads_nothing,
}


async def under_attack(pair: list[Instance], attack: Attack, many: int, players: int) -> None:
    session = a_session(players)
    session_id = session["session_id"]
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(Rest(one.rest_url)) for one in pair]
        rest = both[0]
        await rest.create(session)
        await rest.command(session_id, "start")
        others = [
            await stack.enter_async_context(Client(pair[number % 2].where, session_id))
            for number in range(4)
        ]
        await all_until(others, lambda client: client.version == 2, why="greeted")

        turns, pongs = count(), list[float]()

        async def an_update() -> float:
            """How many milliseconds after the command the last of them knew."""
            began = time.monotonic()
            here = both[next(turns) % 2]
            version = (await here.command(session_id, "switch")).data["version"]
            await all_until(others, lambda client: client.version >= version, why="the next")
            updated = time.monotonic()
            # Whoever shares the instance is answered, too.
            before = others[0].kinds["PONG"]
            await others[0].send({"type": "PING"})
            await others[0].until(lambda client: client.kinds["PONG"] > before, why="a pong")
            pongs.append((time.monotonic() - updated) * 1000)
            return (updated - began) * 1000

        quiet = [await an_update() for _ in range(QUIET_UPDATES)]
        raid = asyncio.create_task(attack(pair[0], session_id, many))
        loud = [await an_update() for _ in range(QUIET_UPDATES)]
        while not raid.done():
            loud.append(await an_update())
        await raid
        after = [await an_update() for _ in range(QUIET_UPDATES)]
        answer = await rest.get(session_id)
        last = 2 + len(quiet) + len(loud) + len(after)
        assert answer.data["version"] == last, "only what was commanded happened"
        for client in others:
            heard = [update["version"] for update in client.heard("STATE_UPDATE")]
            # Who came early may have heard of the creation and of the start, too.
            assert [version for version in heard if version > 2] == list(range(3, last + 1)), (
                "each version once, in its order"
            )
            assert (client.connections, client.reconnects) == (1, 0)
            assert client.held is not None
            assert differences(client.held, answer) == []
    tell(
        f"median, worst: {median(quiet):.0f}, {max(quiet):.0f} ms in peace;"
        f" {median(loud):.0f}, {max(loud):.0f} under attack; {median(after):.0f} after;"
        f" the worst pong after {max(pongs):.0f} ms, {len(loud)} updates under attack"
    )
    assert max(loud) < WORST_MS
    assert max(after) < WORST_MS
    assert max(pongs) < WORST_MS


@pytest.mark.parametrize("kind", ATTACKS)
def test_the_others_miss_nothing_and_are_not_kept_waiting(
    pair: list[Instance], size: Size, kind: str
) -> None:
    # A deaf client fills its buffer sooner where there is much to tell it.
    players = 120 if kind == "reads nothing" else 3
    asyncio.run(under_attack(pair, ATTACKS[kind], size(1_000, 10_000), players))
