"""An event loop whose time passes only when everybody waits for it, and a server within it.

So a test of hours takes milliseconds, and every instant is exact.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from math import inf
from random import Random
from typing import Any

from tickless import Pace, SessionClient, World
from tickless.states import Message
from tickless.world import Socket, SocketClosed, SocketRefused

from .states import a_participant, a_state, place_of

TIME = 1_767_225_600_000
"""The server's time when the loop begins."""


class Leaping(selectors.DefaultSelector):
    """Instead of waiting it leaps to the instant that is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            assert timeout is not None, "Everybody waits, and nothing will ever happen"
            self.now_s += max(0.0, timeout)
        # Even a look takes a moment: what is due in less than can be added comes, too.
        self.now_s += 1e-9
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now_s


def timeless(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test within such a time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


def now() -> float:
    """Milliseconds since the loop began."""
    return asyncio.get_running_loop().time() * 1000


async def passes(ms: float) -> None:
    await asyncio.sleep(ms / 1000)


@dataclass
class FakeSocket:
    """The client's end of a connection; the test has the other."""

    url: str
    subprotocols: tuple[str, ...]
    sent: list[Message] = field(default_factory=list)
    on_sent: Callable[[Message], None] = lambda _: None
    goodbye: str = ""
    _inbox: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)

    async def recv(self) -> bytes:
        data = await self._inbox.get()
        if data is None:
            raise SocketClosed(1001, "Going away")
        return data

    async def send(self, text: str) -> None:
        if self.goodbye:
            raise SocketClosed
        message = json.loads(text)
        self.sent.append(message)
        self.on_sent(message)

    async def close(self) -> None:
        # The other side has to say goodbye, too.
        await passes(10)
        self.goodbye = self.goodbye or "closed"

    def abort(self) -> None:
        self.goodbye = self.goodbye or "aborted"

    def hears(self, message: object) -> None:
        self._inbox.put_nowait(json.dumps(message).encode())

    def hears_raw(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    def ends(self) -> None:
        """The server closes it."""
        self.goodbye = "ended"
        self._inbox.put_nowait(None)

    def all(self, kind: str) -> list[Message]:
        return [message for message in self.sent if message["type"] == kind]


class FakeWorld:
    """Clocks, chance, and whoever is connected to; ``answers`` says what becomes of a try."""

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)
        self.sockets: list[FakeSocket] = []
        self.tries_at: list[float] = []
        self.slept_ms = 0.0
        self.refuses = False
        self.status: int | None = None
        self.hangs = False

    @property
    def world(self) -> World:
        return World(
            now=now,
            wall=lambda: now() + self.slept_ms + 1.6e12,
            random=self.random.random,
            open_socket=self._open,
        )

    @property
    def socket(self) -> FakeSocket:
        return self.sockets[-1]

    async def _open(self, url: str, subprotocols: tuple[str, ...]) -> Socket:
        self.tries_at.append(now())
        if self.hangs:
            await asyncio.sleep(inf)
        if self.refuses:
            raise SocketRefused("nobody is there", self.status)
        self.sockets.append(FakeSocket(url, subprotocols))
        return self.socket


class Told:
    """A client in a world of its own, and all that it tells."""

    def __init__(self, *, seed: int = 1, pace: Pace | None = None, **more: Any) -> None:
        self.world = FakeWorld(seed)
        self.connections: list[str] = []
        self.versions: list[int | None] = []
        self.events: list[Any] = []
        self.refusals: list[Message] = []
        self.client = SessionClient(
            more.pop("url", "ws://server/dev"),
            "a b",
            world=self.world.world,
            pace=pace,
            on_connection=more.pop("on_connection", self.connections.append),
            on_state=more.pop(
                "on_state", lambda held: self.versions.append(held.version if held else None)
            ),
            on_events=self.events.append,
            on_refusal=more.pop("on_refusal", self.refusals.append),
            **more,
        )

    @property
    def socket(self) -> FakeSocket:
        return self.world.socket

    async def connected(self) -> None:
        """The socket is open, and nothing has been heard."""
        self.client.connect()
        await passes(0)

    async def live(self, **state: Any) -> None:
        """Greeted, with version 3."""
        await self.connected()
        self.socket.hears(connected())
        self.socket.hears(sync(3, **state))
        await passes(0)

    async def back(self, version: int = 3) -> None:
        """Connected anew after a loss, and answered."""
        before = len(self.world.sockets)
        await self.client.until(lambda _: len(self.world.sockets) > before)
        self.socket.hears(current(version))
        await passes(0)


def stamp() -> int:
    return TIME + int(now())


def connected(heartbeat_ms: int = 30_000) -> Message:
    return {"type": "CONNECTED", "timestamp": stamp(), "heartbeatIntervalMs": heartbeat_ms}


def current(version: int) -> Message:
    return {"type": "CURRENT", "timestamp": stamp(), **place_of(version)}


def sync(version: int, more: Message | None = None, **state: Any) -> Message:
    a, b = a_participant("a", is_active=True, is_running=True), a_participant("b")
    return {
        "type": "STATE_SYNC",
        "timestamp": TIME + version,
        "epoch": "e",
        "version": version,
        "state": a_state(a, b, version=version, **state),
        **(more or {}),
    }


def update(version: int, more: Message | None = None, **state: Any) -> Message:
    return {**sync(version, **state), "type": "STATE_UPDATE", "events": [], **(more or {})}


def pong(client_time: float, version: int) -> Message:
    at = stamp()
    told = {"clientTime": client_time, "receivedAt": at, "timestamp": at}
    return {"type": "PONG", **told, **place_of(version)}


def answer_pings(socket: FakeSocket, version: int = 3) -> None:
    """From now on, and at once."""

    def answer(message: Message) -> None:
        if message["type"] == "PING":
            socket.hears(pong(message["clientTime"], version))

    socket.on_sent = answer
    for message in socket.all("PING"):
        answer(message)
