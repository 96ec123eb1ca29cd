"""The Python client, and a record of everything that its sockets carry.

Whatever it sends and receives is checked against the published contract. What makes it
shorter to wait for than a program would want is in ``PACE``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple, Self

from tests.api_docs.conformance import check_client_message, check_server_message
from tests.waiting import HUNG_AFTER_S
from tickless import ClientTimeouts, Environment, SessionClient, Snapshot, StateVersion
from tickless.environment import ConnectionFailed, Socket, SocketClosed, open_socket
from tickless.state_version import state_version_of
from tickless.wire_types import CommandName, Message

FRAME_BYTES = 32 * 1024
WITHIN_S = HUNG_AFTER_S

PACE = ClientTimeouts(
    initial_backoff_ms=100,
    max_backoff_ms=2_000,
    # What these tests are about is reported by heartbeats alone, and settled by the service alone.
    clock_samples=0,
    claim_delay_ms=inf,
)


class Note(NamedTuple):
    """What was sent or received, and what was shown after that.

    ``is_answer`` if it was, or completed, a STATE_SYNC that is shown now.
    """

    message: Message
    place: StateVersion
    was_sent: bool
    is_answer: bool


class Recorded:
    """A socket that reports to its client what it carries."""

    def __init__(self, socket: Socket, client: Client) -> None:
        self._socket = socket
        self._client = client

    async def recv(self) -> str | bytes:
        # By now the client has taken what came before.
        self._client.taken()
        try:
            data = await self._socket.recv()
        except SocketClosed as closed:
            self._client.closed(closed)
            raise
        self._client.record_received(data)
        return data

    async def send(self, text: str) -> None:
        self._client.taken()
        self._client.record_sent(text)
        await self._socket.send(text)

    async def close(self) -> None:
        await self._socket.close()

    def abort(self) -> None:
        self._client.dropped(self)
        self._socket.abort()


class Client(SessionClient):
    """Watches ``session_id`` at the address that ``where`` names, from ``async with`` on.

    ``messages`` is all that was received, in order, ``notes`` that and what was sent, ``shown``
    every version that was shown, ``closes`` the codes with which connections ended.
    ``heartbeat_s`` is what it goes by before CONNECTED has come.
    """

    def __init__(
        self,
        where: Callable[[], str],
        session_id: str,
        *,
        heartbeat_s: float = 30.0,
        keeps_messages: bool = True,
    ) -> None:
        super().__init__(
            where,
            session_id,
            on_state=self._on_state,
            timeouts=replace(PACE, heartbeat_ms=heartbeat_s * 1000),
            environment=Environment(open_socket=self._open),
        )
        self.session_id = session_id
        self._keeps_messages = keeps_messages
        self._wire: Recorded | None = None
        self._notes: list[Note] = []
        self._last_received: tuple[Message, Snapshot | None] | None = None
        self.messages: list[Message] = []
        self.kinds: Counter[str] = Counter()
        self.shown: list[tuple[str, int]] = []
        self.closes: list[tuple[int | None, str]] = []
        self.refusals = 0
        self.reconnects = 0
        self.connections = 0
        self.largest_bytes = 0
        self.connection_id = ""

    @property
    def version(self) -> int:
        return self.snapshot.version if self.snapshot else 0

    @property
    def place(self) -> StateVersion:
        return state_version_of(self.snapshot)

    @property
    def notes(self) -> list[Note]:
        self.taken()
        return self._notes

    def received(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    # What tests do with it

    async def leave(self) -> None:
        """Close the connection properly, and not open another."""
        await self.close()

    def vanish(self) -> None:
        """Leave without a closing handshake, as a laptop does when its lid is closed."""
        self.abort()

    async def until(
        self, condition: Callable[[Self], object], within_s: float = WITHIN_S, why: str = ""
    ) -> None:
        """Wait until what was received fulfils a condition."""
        try:
            async with asyncio.timeout(within_s):
                await super().wait_until(condition)
        except TimeoutError:
            last = [(one["type"], one.get("version")) for one in self.messages[-8:]]
            raise AssertionError(
                f"Not within {within_s} s: {why} at {self.place}, connection {self.connections},"
                f" {self.closes[-3:]}, {dict(self.kinds)}, last {last}"
            ) from None

    async def send(self, message: Message | str) -> None:
        """Send what the client itself would not."""
        await self.until(lambda _: self._wire is not None, why="connected")
        assert self._wire is not None
        await self._wire.send(json.dumps(message) if isinstance(message, dict) else message)

    async def command(
        self,
        command: CommandName,
        args: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> int:
        """The active participant, as soon as there is a session."""
        await self.until(lambda one: one.connection == "live" and one.snapshot, why="live")
        args = {"current_participant_id": None, **(args or {})} if command == "switch" else args
        return await super().command(command, args, expected_version=expected_version)

    # What its sockets report

    async def _open(self, url: str, subprotocols: tuple[str, ...]) -> Socket:
        try:
            socket = await open_socket(url, subprotocols)
        except ConnectionFailed:
            self.refusals += 1
            raise
        self.connections += 1
        self._wire = Recorded(socket, self)
        return self._wire

    def closed(self, end: SocketClosed) -> None:
        self._wire = None
        self.closes.append((end.code, end.reason))

    def dropped(self, wire: Recorded) -> None:
        if self._wire is wire:
            self._wire = None

    def record_received(self, data: str | bytes) -> None:
        self.largest_bytes = max(self.largest_bytes, len(data))
        message: Message = json.loads(data)
        # Without a type it is the gateway's own.
        kind = message.get("type", "none")
        self.kinds[kind] += 1
        if kind != "none":
            check_server_message(message)
        if kind == "CONNECTED":
            self.connection_id = message["connectionId"]
        if self._keeps_messages:
            self.messages.append(message)
            self._last_received = message, self.snapshot

    def taken(self) -> None:
        """The client has made of the last message what it makes of it."""
        last, self._last_received = self._last_received, None
        if last is not None:
            message, before = last
            is_answer = message.get("type") == "STATE_SYNC" and self.snapshot is not before
            self._notes.append(Note(message, self.place, was_sent=False, is_answer=is_answer))

    def record_sent(self, text: str) -> None:
        try:
            message: Message = json.loads(text)
        except ValueError:
            return
        check_client_message(message)
        self.reconnects += message["type"] == "RECONNECT"
        if self._keeps_messages:
            self._notes.append(Note(message, self.place, was_sent=True, is_answer=False))

    def _on_state(self, held: Snapshot | None) -> None:
        if held is not None:
            self.shown.append((held.epoch, held.version))


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
