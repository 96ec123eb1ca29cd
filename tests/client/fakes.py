"""A fake environment for the client: sockets whose other end the test holds, and virtual clocks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Any

from tickless import ClientTimeouts, Environment, SessionClient
from tickless.environment import ConnectionFailed, Socket, SocketClosed
from tickless.wire_types import Message

from .factories import connected, current, pong, sync
from .virtual_time import advance, now


@dataclass
class FakeSocket:
    """The client's end of a connection; the test has the other.

    ``ended_by`` says how the connection ended: ``closed``, ``aborted``, ``server``, or empty.
    While ``is_blocked`` is set, sending never ends, as to a peer that stops reading.
    """

    url: str
    subprotocols: tuple[str, ...]
    sent: list[Message] = field(default_factory=list)
    on_sent: Callable[[Message], None] = lambda _: None
    ended_by: str = ""
    is_blocked: bool = False
    _inbox: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def recv(self) -> bytes:
        data = await self._inbox.get()
        if data is None:
            raise SocketClosed(1001, "Going away")
        return data

    async def send(self, text: str) -> None:
        if self.is_blocked:
            await asyncio.sleep(inf)
        if self.ended_by:
            raise SocketClosed
        message = json.loads(text)
        self.sent.append(message)
        self.on_sent(message)

    async def close(self) -> None:
        # The closing handshake takes time.
        await advance(10)
        self.ended_by = self.ended_by or "closed"

    def abort(self) -> None:
        self.ended_by = self.ended_by or "aborted"

    def deliver(self, message: object) -> None:
        """Have the client receive a message."""
        self._inbox.put_nowait(json.dumps(message).encode())

    def deliver_later(self, message: object, delay_ms: float) -> None:
        """Have the client receive a message after a while."""
        asyncio.get_running_loop().call_later(delay_ms / 1000, self.deliver, message)

    def deliver_raw(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    def end(self) -> None:
        """Have the server close the connection."""
        self.ended_by = "server"
        self._inbox.put_nowait(None)

    def sent_of_type(self, kind: str) -> list[Message]:
        return [message for message in self.sent if message["type"] == kind]


class FakeEnvironment:
    """Clocks, randomness and sockets.

    A connection attempt fails with the HTTP ``status`` while ``refuses`` is set, and never
    ends while ``hangs`` is set.
    """

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)
        self.sockets: list[FakeSocket] = []
        self.attempts_at: list[float] = []
        self.slept_ms = 0.0
        self.refuses = False
        self.status: int | None = None
        self.hangs = False

    @property
    def environment(self) -> Environment:
        return Environment(
            now=now,
            wall_clock=lambda: now() + self.slept_ms + 1.6e12,
            random=self.random.random,
            open_socket=self._open,
        )

    @property
    def socket(self) -> FakeSocket:
        return self.sockets[-1]

    async def _open(self, url: str, subprotocols: tuple[str, ...]) -> Socket:
        self.attempts_at.append(now())
        if self.hangs:
            await asyncio.sleep(inf)
        if self.refuses:
            raise ConnectionFailed("refused by the test", self.status)
        self.sockets.append(FakeSocket(url, subprotocols))
        return self.socket


class RecordedClient:
    """A client in a fake environment, and everything that its callbacks receive."""

    def __init__(
        self, *, seed: int = 1, timeouts: ClientTimeouts | None = None, **more: Any
    ) -> None:
        self.environment = FakeEnvironment(seed)
        self.connections: list[str] = []
        self.versions: list[int | None] = []
        self.events: list[Any] = []
        self.errors: list[Message] = []
        self.client = SessionClient(
            more.pop("url", "ws://server/dev"),
            "a b",
            environment=self.environment.environment,
            timeouts=timeouts,
            on_connection=more.pop("on_connection", self.connections.append),
            on_state=more.pop(
                "on_state",
                lambda snapshot: self.versions.append(snapshot.version if snapshot else None),
            ),
            on_events=self.events.append,
            on_error=more.pop("on_error", self.errors.append),
            **more,
        )

    @property
    def socket(self) -> FakeSocket:
        return self.environment.socket

    async def open(self) -> None:
        """Open a connection; the server sends nothing."""
        self.client.connect()
        await advance(0)

    async def go_live(self, **state: Any) -> None:
        """Open a connection and receive CONNECTED and version 3."""
        await self.open()
        self.socket.deliver(connected())
        self.socket.deliver(sync(3, **state))
        await advance(0)

    async def reconnect(self, version: int = 3) -> None:
        """Wait for the next connection, and answer its RECONNECT."""
        before = len(self.environment.sockets)
        await self.client.wait_until(lambda _: len(self.environment.sockets) > before)
        self.socket.deliver(current(version))
        await advance(0)


async def live_client(**state: Any) -> RecordedClient:
    recorded = RecordedClient()
    await recorded.go_live(**state)
    return recorded


def answer_pings(socket: FakeSocket, version: int | None = 3) -> None:
    """Answer every PING, past and future, at once; ``None`` if there is no session."""

    def answer(message: Message) -> None:
        if message["type"] == "PING":
            socket.deliver(pong(message["clientTime"], version))

    socket.on_sent = answer
    for message in socket.sent_of_type("PING"):
        answer(message)
