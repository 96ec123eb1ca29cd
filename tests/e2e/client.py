"""A client of the socket that keeps to the contract, reconnects and writes down what it hears.

Whatever it says and hears is held against the published contract.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from itertools import count
from math import inf
from types import TracebackType
from typing import Any, NamedTuple, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.contract.conformance import check_heard, check_said

from .follower import Follower, Held, Message, Pace, Place

FRAME_BYTES = 32 * 1024
WITHIN_S = 20.0
FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 2.0
HANDSHAKE_WITHIN_S = 10.0
SILENT_HEARTBEATS = 3


class Note(NamedTuple):
    """What was sent or heard, and what was shown after that.

    ``is_answer`` if with it a RECONNECT, or a greeting, was wholly answered.
    """

    message: Message
    place: Place
    was_sent: bool
    is_answer: bool


class Client:
    """Watches ``session_id`` at the address that ``where`` names, from ``async with`` on.

    ``where`` is asked before every connection, so it may lead elsewhere when
    one is lost. ``messages`` is all that was heard, in its order, ``notes`` that and
    what was sent, ``shown`` every version that was shown, ``closes`` the codes with
    which connections ended. ``heartbeat_s`` is what it goes by before CONNECTED has come.
    """

    def __init__(
        self,
        where: Callable[[], str],
        session_id: str,
        *,
        heartbeat_s: float = 30.0,
        keeps_messages: bool = True,
    ) -> None:
        self._where = where
        self.session_id = session_id
        self._keeps_messages = keeps_messages
        self._follower = Follower(Pace(heartbeat_s), self._show)
        self._socket: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._changes: set[asyncio.Future[None]] = set()
        self._ids = count(1)
        self.messages: list[Message] = []
        self.notes: list[Note] = []
        self.answers: dict[str, Message] = {}
        self.kinds: Counter[str] = Counter()
        self.shown: list[tuple[str, int]] = []
        self.closes: list[tuple[int | None, str]] = []
        self.refusals = 0
        self.connections = 0
        self.largest_bytes = 0
        self.connection_id = ""

    # What it holds

    @property
    def held(self) -> Held | None:
        return self._follower.held

    @property
    def version(self) -> int:
        return self._follower.held.version if self._follower.held else 0

    @property
    def place(self) -> Place:
        return self._follower.place

    @property
    def _silent_s(self) -> float:
        return SILENT_HEARTBEATS * self._follower.pace.heartbeat_s

    @property
    def reconnects(self) -> int:
        """How often it had to ask for a snapshot."""
        return self._follower.reconnects

    def heard(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    # Life

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close the connection properly, and not open another."""
        task, self._task = self._task, None
        if task is not None:
            socket = self._socket
            task.cancel()
            if socket is not None:
                await socket.close()
            await asyncio.gather(task, return_exceptions=True)

    def vanish(self) -> None:
        """Leave without a word, as a laptop does whose lid is closed."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            if self._socket is not None:
                self._socket.transport.abort()

    async def until(
        self, condition: Callable[[Self], object], within_s: float = WITHIN_S, why: str = ""
    ) -> Self:
        """Wait until what was heard fulfils a condition."""
        try:
            async with asyncio.timeout(within_s):
                while not condition(self):
                    change = asyncio.get_running_loop().create_future()
                    self._changes.add(change)
                    await change
        except TimeoutError:
            last = [(one["type"], one.get("version")) for one in self.messages[-8:]]
            raise AssertionError(
                f"Not within {within_s} s: {why} at {self.place}, connection {self.connections},"
                f" {self.closes[-3:]}, {dict(self.kinds)}, last {last}"
            ) from None
        return self

    async def send(self, message: Message | str | bytes) -> None:
        await self.until(lambda one: one._socket is not None, why="connected")
        assert self._socket is not None
        if isinstance(message, str | bytes):
            await self._socket.send(message)
        else:
            await self._say(self._socket, [message])

    async def ask(self, message: Message, within_s: float = WITHIN_S) -> Message:
        """Send a message with an id, and return the answer to it."""
        name = f"m{next(self._ids)}"
        await self.send({**message, "id": name})
        await self.until(lambda one: name in one.answers, within_s, f"an answer to {message}")
        return self.answers[name]

    async def command(self, command: str, **more: Any) -> Message:
        return await self.ask({"type": "COMMAND", "command": command, **more})

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(HANDSHAKE_WITHIN_S):
                    socket = await connect(
                        f"{self._where()}?sessionId={self.session_id}",
                        compression=None,
                        ping_interval=None,
                        close_timeout=2,
                        max_queue=None,
                        max_size=None,
                    )
            except (OSError, InvalidHandshake, EOFError, TimeoutError):
                self.refusals += 1
                self._changed()
            else:
                attempt, self.connections = 0, self.connections + 1
                self._socket = socket
                try:
                    await self._listen(socket)
                except ConnectionClosed as closed:
                    end = closed.rcvd
                    self.closes.append((end.code, end.reason) if end else (None, ""))
                except TimeoutError:
                    self.closes.append((None, "silent"))
                finally:
                    self._socket = None
                    self._changed()
                    socket.transport.abort()
            longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt)
            attempt += 1
            await asyncio.sleep(random.random() * longest)

    async def _listen(self, socket: ClientConnection) -> None:
        """Hear and answer until the connection ends; TimeoutError if it is dead."""
        loop, follower = asyncio.get_running_loop(), self._follower
        heard_at = loop.time()
        await self._say(socket, follower.opened(loop.time()))
        self._changed()
        while True:
            due_at = min(follower.due_at_s, heard_at + self._silent_s)
            try:
                async with asyncio.timeout_at(due_at if due_at < inf else None):
                    data = await socket.recv(decode=False)
            except TimeoutError:
                now = loop.time()
                if now >= heard_at + self._silent_s:
                    raise
                await self._say(socket, follower.tick(now))
                continue
            heard_at = loop.time()
            await self._say(socket, self._hear(data, heard_at))
            if follower.due_at_s <= heard_at:
                await self._say(socket, follower.tick(heard_at))

    def _hear(self, data: bytes, now_s: float) -> list[Message]:
        self.largest_bytes = max(self.largest_bytes, len(data))
        message: Message = json.loads(data)
        kind = message.get("type", "none")
        self.kinds[kind] += 1
        # Without a type it is the gateway's own.
        if kind != "none":
            check_said(message)
        if self._keeps_messages:
            self.messages.append(message)
        if kind == "CONNECTED":
            self.connection_id = message["connectionId"]
        if "id" in message:
            self.answers[message["id"]] = message
        before = self._follower.answers
        sent = self._follower.take(message, now_s) if kind != "none" else []
        self._note(message, is_answer=self._follower.answers > before)
        self._changed()
        return sent

    def _note(self, message: Message, *, was_sent: bool = False, is_answer: bool = False) -> None:
        if self._keeps_messages:
            self.notes.append(Note(message, self.place, was_sent, is_answer))

    def _show(self, held: Held) -> None:
        self.shown.append((held.epoch, held.version))

    def _changed(self) -> None:
        changes, self._changes = self._changes, set()
        for change in changes:
            if not change.done():
                change.set_result(None)

    async def _say(self, socket: ClientConnection, messages: list[Message]) -> None:
        for message in messages:
            check_heard(message)
            self._note(message, was_sent=True)
            await socket.send(json.dumps(message))


async def all_until(
    clients: list[Client],
    condition: Callable[[Client], object],
    within_s: float = WITHIN_S,
    why: str = "",
) -> None:
    """Wait until every client fulfils a condition."""
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.until(condition, within_s, why))


def has_reached(version: int) -> Callable[[Client], bool]:
    """A condition: a client shows this version or a later one."""
    return lambda client: client.version >= version
