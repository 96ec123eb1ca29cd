"""SIGTERM in the midst of everything: who was answered was, and who was not has lost nothing."""

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

import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from chalicelib.core.events import TimeAdjusted
from chalicelib.store.client import connect as connect_store
from chalicelib.store.keys import WATCHED
from chalicelib.store.redis_store import RedisStore
from chalicelib.settings import Settings
from local.embedded import embedded_server

from .figures import tell
from .instances import Instance, Rest, awaited, instances
from .sessions import a_session

SESSIONS = 12
STOP_WITHIN_S = 5.0
GOING_AWAY = 1001


@dataclass
class Seen:
    """What all callers saw. A command's id is the reason it gives, which the event log has."""

    answered: set[str] = field(default_factory=set)
    refused_at_connect: int = 0
    said_to_be_last: int = 0
    closed: list[int | None] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    surprises: list[Any] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=count)

    def an_adjustment(self, session: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        command_id = f"c{next(self.ids)}"
        whose = session["participants"][0]["participant_id"]
        return command_id, {"participant_id": whose, "delta_ms": 1, "reason": command_id}


async def over_rest(url: str, session: dict[str, Any], seen: Seen, *, keep: bool) -> None:
    """Command until nobody is let in any more, over a connection that is kept, or over many."""
    parts = urlsplit(url)
    while True:
        try:
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        except ConnectionRefusedError:
            seen.refused_at_connect += 1
            return
        try:
            last = False
            while not last:
                command_id, args = seen.an_adjustment(session)
                body = json.dumps(args).encode()
                head = (
                    f"POST /v1/sessions/{session['session_id']}/adjust HTTP/1.1\r\nHost: here\r\n"
                    f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                    f"{'' if keep else 'Connection: close' + chr(13) + chr(10)}\r\n"
                )
                with suppress(OSError):
                    writer.write(head.encode() + body)
                last = await the_answer(reader, command_id, seen) or not keep
        except (asyncio.IncompleteReadError, OSError) as error:
            seen.unanswered.append(f"{keep} {error!r}")
        finally:
            writer.close()


async def the_answer(reader: asyncio.StreamReader, command_id: str, seen: Seen) -> bool:
    """Read an answer; whether it says that it is the last one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    try:
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
    except asyncio.IncompleteReadError as error:
        seen.surprises.append(("half an answer", error))
        return True
    if first.split()[1] == "200":
        seen.answered.add(command_id)
    else:
        seen.surprises.append(body)
    last = headers.get("connection") == "close"
    seen.said_to_be_last += last
    return last


async def over_a_socket(
    url: str, session: dict[str, Any], seen: Seen, *, at_once: int
) -> None:
    """Command until the connection is closed, so many commands ahead of the answers."""
    async with connect(
        f"{url}?sessionId={session['session_id']}", compression=None, ping_interval=None
    ) as socket:
        with suppress(ConnectionClosed):
            for _ in range(at_once):
                await command(socket, session, seen)
            while True:
                answer = json.loads(await socket.recv())
                if answer["type"] == "ACK":
                    seen.answered.add(answer["id"])
                    await command(socket, session, seen)
                elif answer["type"] == "ERROR":
                    seen.surprises.append(answer)
        seen.closed.append(socket.close_code)


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
        async with asyncio.TaskGroup() as group:
            for at, session in enumerate(sessions):
                group.create_task(over_rest(instance.rest_url, session, seen, keep=at % 2 == 0))
                group.create_task(
                    over_a_socket(instance.websocket_url, session, seen, at_once=1 + at % 3 * 4)
                )
            await awaited(lambda: len(seen.answered) >= 400 or seen.surprises, 30)
            began = time.monotonic()
            exit_code = await asyncio.to_thread(instance.stop)
            took_s = time.monotonic() - began
    return [session["session_id"] for session in sessions], seen, exit_code, took_s


def carried_out(url: str, session_ids: list[str]) -> set[str | None]:
    server = connect_store(Settings(redis_url=url))
    store = RedisStore(server, 16)
    logs = [store.log(session_id, None, 5_000) or () for session_id in session_ids]
    server.close()
    return {one.event.reason for log in logs for one in log if isinstance(one.event, TimeAdjusted)}


def test_what_was_answered_is_in_the_store_and_what_is_in_the_store_was_answered(
    tmp_path: Path,
) -> None:
    with instances(1, None, tmp_path) as (instance,):
        ids, seen, exit_code, took_s = asyncio.run(until_it_stops(instance))
        said = instance.log.read_text()
    tell(
        f"{len(seen.answered)} answered, {seen.refused_at_connect} refused at connect,"
        f" {len(seen.unanswered)} unanswered, {seen.said_to_be_last} last; {took_s:.2f} s; {seen.unanswered} {set(seen.closed)}"
    )
    with embedded_server(instance.log.parent / "valkey") as server:
        assert not server.adopted, "the store was stopped, last of all"
        found = carried_out(server.url, ids)
        with redis.Redis.from_url(server.url) as store:
            left = [*store.scan_iter(WATCHED), *store.scan_iter("connection:*")]
    assert seen.surprises == []
    print(len(seen.answered-found), len(found-seen.answered), left, said[-2000:])
    assert seen.answered == found
    assert left == []
    assert seen.unanswered == []
    assert seen.closed == [GOING_AWAY] * SESSIONS
    assert exit_code == 0
    assert took_s < STOP_WITHIN_S
    assert "Traceback" not in said
