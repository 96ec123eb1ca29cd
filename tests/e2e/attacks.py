"""Attacks on a service, each as strong as one process can make it.

Each attack says what answer it gets, and fails if it gets another.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import boto3
from botocore.config import Config
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api_docs.conformance import check_server_message
from tests.waiting import HUNG_AFTER_S

from .raw_handshake import address_of, handshake, reset
from .sessions import a_session

Attack = Callable[[str, str, int], Coroutine[Any, Any, None]]
"""By the address of the sockets, a session that others watch, and how much to do."""

DEAF_TOGETHER = 6
"""Of one connection eight messages are handled at once, of an instance's sockets 32."""


def raid(kinds: Sequence[str], url: str, session_id: str, many: int) -> None:
    """Several attacks at once, in a process that is no part of what is attacked."""

    async def all_at_once() -> None:
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(ATTACKS[kind](url, session_id, many))

    asyncio.run(all_at_once())


@asynccontextmanager
async def intruder(url: str, session_id: str) -> AsyncIterator[ClientConnection]:
    opened = connect(
        f"{url}?sessionId={session_id}",
        compression=None,
        ping_interval=None,
        close_timeout=0.1,
        max_queue=None,
        max_size=None,
    )
    while True:
        try:
            connection = await opened
            break
        except InvalidStatus as refused:
            # One of many; API Gateway accepts 500 new connections a second.
            if refused.response.status_code != 429:
                raise
            await asyncio.sleep(0.1)
    async with connection:
        await said(connection, "CONNECTED")
        yield connection


async def closed_with(connection: ClientConnection) -> int | None:
    """The code with which the server ends the connection; whatever else it says is read."""
    try:
        async with asyncio.timeout(HUNG_AFTER_S):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


async def binary_frames(url: str, session_id: str, many: int) -> None:
    for _ in range(many // 100):
        async with intruder(url, session_id) as connection:
            await connection.send(os.urandom(1_000))
            assert await closed_with(connection) == 1003


async def said(connection: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(HUNG_AFTER_S):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            check_server_message(message)
            if message["type"] == kind:
                return message


async def pings(url: str, session_id: str, many: int) -> None:
    async with intruder(url, session_id) as connection:

        async def send() -> None:
            for number in range(many):
                await connection.send(json.dumps({"type": "PING", "clientTime": number}))

        sending = asyncio.create_task(send())
        answered = {(await said(connection, "PONG"))["clientTime"] for _ in range(many)}
        await sending
        assert answered == set(range(many))


async def names_of_others(url: str, session_id: str, many: int) -> None:
    """From a session of its own, with the session of the others in every field there might be."""
    own = a_session(1)["session_id"]
    async with intruder(url, own) as connection:
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
                check_server_message(answer)
                if answer["type"] == "ERROR":
                    assert answer["code"] == "SESSION_NOT_FOUND"
                else:
                    assert (answer["type"], answer["sessionId"]) == ("SESSION_DELETED", own)
        for text, code in (("{", "INVALID_JSON"), ('{"type": ["PING"]}', "UNKNOWN_TYPE")):
            await connection.send(text)
            assert (await said(connection, "ERROR"))["code"] == code


async def resets(url: str, session_id: str, many: int) -> None:
    """Cuts the connection before, in the middle of and after the handshake."""
    request = handshake(url, session_id)
    for number in range(many // 5):
        reader, writer = await asyncio.open_connection(*address_of(url))
        writer.write(request[: len(request) * (number % 4) // 2])
        if number % 4 == 3:
            await reader.readuntil(b"\r\n\r\n")
        reset(writer)


async def bursts(url: str, session_id: str, many: int) -> None:
    """Thousands of messages in one write, of which a hundredth is waited for."""
    frames = masked(json.dumps({"type": "PING", "clientTime": 1}).encode()) * many
    for _ in range(3):
        async with intruder(url, session_id) as connection:
            connection.transport.write(frames)
            for _ in range(many // 100):
                await said(connection, "PONG")
            connection.transport.abort()


def masked(text: bytes) -> bytes:
    """A text frame from a client, for up to 125 bytes, with a mask that changes nothing."""
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


async def all_deaf(url: str, session_id: str, many: int) -> None:
    """Several that read nothing: together they could have every function of theirs wait."""
    async with asyncio.TaskGroup() as group:
        for _ in range(DEAF_TOGETHER):
            group.create_task(reads_nothing(url, session_id, many))


async def reads_nothing(url: str, session_id: str, many: int) -> None:
    """Asks and asks, and takes no answer, until the gateway's buffer for it is full."""
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, address_of(url))
        await loop.sock_sendall(deaf, handshake(url, session_id))
        received = b""
        while (hello := re.search(rb'"connectionId":"([^"]+)"', received)) is None:
            received += await loop.sock_recv(deaf, 200)
        message = json.dumps({"type": "RECONNECT"}).encode()
        await loop.sock_sendall(deaf, masked(message) * many)
        await asyncio.to_thread(until_full, url, hello[1].decode())
        await asyncio.sleep(1)


def until_full(url: str, connection_id: str) -> None:
    """Return once API Gateway would take no more for a connection."""
    api = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url.replace("ws:", "http:"),
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
    "handshakes that are reset": resets,
    "pings and pings": pings,
    "thousands of messages in one write": bursts,
    "names of others": names_of_others,
    "reads nothing": reads_nothing,
    "several read nothing": all_deaf,
}
