"""SIGTERM under load: every answered command is stored, and every stored one was answered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chalicelib.core.events import TimeAdjusted
from chalicelib.settings import Settings
from chalicelib.store.client import RedisClient
from chalicelib.store.keys import ALL_CONNECTIONS
from chalicelib.store.session_store import RedisStore
from local.embedded_valkey import embedded_valkey
from tests.api_docs.conformance import check_server_message
from tests.waiting import Bound

from .instances import Instance, Rest, awaited, instances
from .measurements import report
from .sessions import a_session

SESSIONS = 12
STOP_WITHIN_S = 5.0
GOING_AWAY = 1001


@dataclass
class Seen:
    """What all callers saw. A command's id is the reason it gives, which the event log has.

    ``closing_answers`` counts the connections whose last answer said so, ``resets``
    those that were let in, but by the kernel alone, when the listener closed.
    """

    answered: set[str] = field(default_factory=set)
    closing_answers: int = 0
    resets: int = 0
    closes: list[int | None] = field(default_factory=list)
    surprises: list[Any] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=count)

    def an_adjustment(self, session: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        command_id = f"c{next(self.ids)}"
        whose = session["participants"][0]["participant_id"]
        return command_id, {"participant_id": whose, "delta_ms": 1, "reason": command_id}


async def over_a_kept_connection(url: str, session: dict[str, Any], seen: Seen) -> None:
    """Command until an answer says that it was the last; then no client is let in any more."""
    reader, writer = await open_connection(url)
    while not await exchange(reader, writer, session, seen):
        pass
    writer.close()
    seen.closing_answers += 1
    with pytest.raises(ConnectionRefusedError):
        await open_connection(url)


async def over_many_connections(url: str, session: dict[str, Any], seen: Seen) -> None:
    """Command, over a connection of its own each time, until no client is let in any more."""
    with suppress(ConnectionRefusedError):
        while True:
            reader, writer = await open_connection(url)
            try:
                assert await exchange(reader, writer, session, seen, "Connection: close")
            except ConnectionResetError:
                seen.resets += 1
            finally:
                writer.close()


async def open_connection(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    session: dict[str, Any],
    seen: Seen,
    *headers: str,
) -> bool:
    """Send a command and read the answer to it, all of it; whether it says that it is the last."""
    command_id, args = seen.an_adjustment(session)
    body = json.dumps(args)
    lines = (
        f"POST /v1/sessions/{session['session_id']}/adjust HTTP/1.1",
        *("Host: here", "Content-Type: application/json", f"Content-Length: {len(body)}"),
        *headers,
    )
    writer.write("\r\n".join((*lines, "", body)).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *answered = head.strip().split("\r\n")
    fields = dict(line.split(": ", 1) for line in answered)
    content = await reader.readexactly(int(fields["content-length"]))
    if first.split()[1] == "200":
        seen.answered.add(command_id)
    else:
        seen.surprises.append(content)
    return fields.get("connection") == "close"


async def over_a_socket(
    socket: ClientConnection, session: dict[str, Any], seen: Seen, at_once: int
) -> None:
    """Command until the connection is closed, so many commands ahead of the answers."""
    with suppress(ConnectionClosed):
        for _ in range(at_once):
            await command(socket, session, seen)
        while True:
            answer = json.loads(await socket.recv())
            check_server_message(answer)
            if answer["type"] == "ACK":
                seen.answered.add(answer["id"])
                await command(socket, session, seen)
            elif answer["type"] == "ERROR":
                seen.surprises.append(answer)
    seen.closes.append(socket.close_code)


async def command(socket: ClientConnection, session: dict[str, Any], seen: Seen) -> None:
    command_id, args = seen.an_adjustment(session)
    message = {"type": "COMMAND", "id": command_id, "command": "adjust", "args": args}
    await socket.send(json.dumps(message))


async def until_it_stops(instance: Instance) -> tuple[list[str], Seen, int, float]:
    sessions = [a_session(3) for _ in range(SESSIONS)]
    seen = Seen()
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(Rest(instance.rest_url))
        for session in sessions:
            assert (await rest.create(session)).status == 201
            await rest.command(session["session_id"], "start")
        sockets = [
            await stack.enter_async_context(
                connect(
                    f"{instance.websocket_url}?sessionId={session['session_id']}",
                    compression=None,
                    ping_interval=None,
                )
            )
            for session in sessions
        ]
        async with asyncio.TaskGroup() as group:
            for at, (session, socket) in enumerate(zip(sessions, sockets, strict=True)):
                call = over_many_connections if at % 2 else over_a_kept_connection
                group.create_task(call(instance.rest_url, session, seen))
                group.create_task(over_a_socket(socket, session, seen, 1 + at % 3 * 4))
            await awaited(lambda: len(seen.answered) >= 400 or seen.surprises)
            began = time.monotonic()
            exit_code = await asyncio.to_thread(instance.stop)
            took_s = time.monotonic() - began
    return [session["session_id"] for session in sessions], seen, exit_code, took_s


def carried_out(url: str, session_ids: list[str]) -> set[str | None]:
    server = RedisClient(Settings(redis_url=url))
    store = RedisStore(server, 16)
    logs = [store.read_events(session_id, None, 5_000) or () for session_id in session_ids]
    server.close()
    return {one.event.reason for log in logs for one in log if isinstance(one.event, TimeAdjusted)}


def test_commands_are_stored_exactly_if_they_were_answered(tmp_path: Path, bound: Bound) -> None:
    with instances(1, None, tmp_path) as (instance,):
        ids, seen, exit_code, took_s = asyncio.run(until_it_stops(instance))
        said = instance.log.read_text()
    report(f"{len(seen.answered)} answered; it took {took_s:.2f} s, {seen.resets} reset at connect")
    with embedded_valkey(instance.log.parent / "valkey") as server:
        assert not server.adopted, "the store was stopped, last of all"
        found = carried_out(server.url, ids)
        with redis.Redis.from_url(server.url) as store:
            left = [*store.scan_iter(ALL_CONNECTIONS), *store.scan_iter("connection:*")]
    assert seen.surprises == []
    assert found - seen.answered == set(), "carried out, and no client was answered"
    assert seen.answered - found == set(), "said to be carried out"
    assert left == [], "each $disconnect ran"
    assert seen.closing_answers == SESSIONS // 2, (
        "each client that kept a connection was asked to close by the last answer"
    )
    assert seen.resets <= 1
    assert seen.closes == [GOING_AWAY] * SESSIONS
    assert exit_code == 0
    assert took_s < bound(STOP_WITHIN_S)
    assert "Traceback" not in said
