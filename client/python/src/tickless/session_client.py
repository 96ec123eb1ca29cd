"""One session, followed over any number of connections, and told what to do.

Owns the socket and the task that reads it. What is said, and when, is the
Conversation's to decide.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from math import inf
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from .conversation import Conversation, Listener, Pace, nobody, nobody_knows, not_live
from .place import Held
from .server_clock import ServerClock
from .states import CommandName, ConnectionState, Message, SessionEvent
from .world import Socket, SocketClosed, SocketRefused, Token, World, token_of

BEARER = "bearer."


class SessionClient:
    """Follows ``session_id`` from ``connect``, or ``async with``, until it is closed.

    ``url`` is the stage's, ``wss://HOST/STAGE``; a function is asked before every connection.
    ``on_connection`` is told a ConnectionState, ``on_state`` what is held, ``on_events`` what
    made a new version, in order, and ``on_refusal`` an ERROR that answers no command, or one as
    of a handshake whose token was refused. They are called at once, from the client's own task:
    what they raise ends the client, and is raised by whatever waits for it.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        session_id: str,
        *,
        token: Token = None,
        on_connection: Callable[[ConnectionState], object] = nobody,
        on_state: Callable[[Held | None], object] = nobody,
        on_events: Callable[[list[SessionEvent]], object] = nobody,
        on_refusal: Callable[[Message], object] = nobody,
        pace: Pace | None = None,
        world: World | None = None,
    ) -> None:
        self._url = url
        self._session_id = session_id
        self._token = token
        self._world = world or World()
        self._pace = pace or Pace()
        listener = Listener(on_connection, on_state, on_events, on_refusal)
        self._talk = Conversation(self._world, self._pace, listener)
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()

    @property
    def connection(self) -> ConnectionState:
        return self._talk.connection

    @property
    def held(self) -> Held | None:
        """What to show; ``None`` while there is no session."""
        return self._talk.held

    @property
    def clock(self) -> ServerClock:
        """The server's time."""
        return self._talk.clock

    @property
    def is_over(self) -> bool:
        """Whether nobody wants it to be connected."""
        return self.connection == "closed"

    # Life

    def connect(self) -> None:
        """Connect, and stay connected until ``close``.

        Raises:
            ValueError: The address is none.
        """
        if self._task is None:
            self._address()
            self._talk.begin()
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._finished)

    async def close(self) -> None:
        """End the connection, and open no other."""
        socket, task = self._socket, self._leave()
        if socket is not None:
            await socket.close()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    def abort(self) -> None:
        """The same at once, and without a word to the server."""
        socket, task = self._socket, self._leave()
        if socket is not None:
            socket.abort()
        if task is not None:
            task.cancel()

    def _leave(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        self._talk.ended()
        self._changed()
        return task

    async def __aenter__(self) -> Self:
        self.connect()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    # Watching

    async def states(self) -> AsyncIterator[Held | None]:
        """What is held, now and whenever it has changed; the newest, where several have come."""
        shown: Held | None = None
        while not self.is_over:
            if self.held is shown:
                await self.changed()
            else:
                shown = self.held
                yield shown

    async def until(self, condition: Callable[[Self], object]) -> None:
        """Wait until something is true of this client."""
        while not condition(self):
            await self.changed()

    async def changed(self, within_ms: float = inf) -> None:
        """Wait until anything has been heard or has happened, or so much time has passed."""
        if self._task is not None and self._task.done():
            self._task.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(_seconds(within_ms)):
                await self._change.wait()

    def _changed(self) -> None:
        # Who waits now is woken; who waits from now on, by the next change.
        self._change.set()
        self._change.clear()

    # Commands

    async def command(
        self,
        command: CommandName,
        args: Mapping[str, Any] | None = None,
        *,
        expected_version: int | None = None,
    ) -> int:
        """Send a command; the version it made, once it has been carried out.

        ``switch`` and ``pause`` name the cycle that is held, so that a second press of one
        button is refused and not a second switch. ``args`` are as REST takes them, and may say
        otherwise: ``{"current_participant_id": None}`` means whoever's turn it is.

        Raises:
            CommandError: It was not carried out, or nobody knows.
        """
        socket = self._socket
        if socket is None:
            raise not_live()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        message = self._talk.command(answer, command, args, expected_version)
        try:
            async with asyncio.timeout(_seconds(self._pace.answer_within_ms)):
                await socket.send(json.dumps(message))
                return await answer
        except SocketClosed as closed:
            raise nobody_knows("CONNECTION_LOST") from closed
        except TimeoutError as late:
            raise nobody_knows("NO_ANSWER") from late
        finally:
            self._talk.forget(message["id"])
            if answer.done() and not answer.cancelled():
                # Where sending failed first, nobody has asked, and asyncio would complain.
                answer.exception()

    # The socket

    async def _run(self) -> None:
        talk = self._talk
        while self._task is asyncio.current_task():
            try:
                with suppress(SocketClosed, TimeoutError):
                    await self._converse()
            except SocketRefused as refused:
                talk.refused(refused.status)
            wait_ms = talk.lost()
            self._changed()
            await asyncio.sleep(wait_ms / 1000)

    async def _converse(self) -> None:
        """One connection, until it ends."""
        async with asyncio.timeout(_seconds(self._pace.open_within_ms)):
            socket = await self._opened()
        try:
            self._socket = socket
            await self._listen(socket)
        finally:
            self._socket = None
            socket.abort()

    def _finished(self, task: asyncio.Task[None]) -> None:
        """The task ends when it is cancelled, or by what a listener has raised."""
        if not task.cancelled() and task.exception():
            self._talk.lost()
        self._changed()

    async def _opened(self) -> Socket:
        try:
            token = await token_of(self._token)
        except (OSError, httpx.TransportError) as error:
            # Whoever renews it is out of reach, as the server may be: both are tried again.
            raise SocketRefused("There is no token") from error
        subprotocols = () if token is None else (f"{BEARER}{token}",)
        return await self._world.open_socket(self._address(), subprotocols)

    async def _listen(self, socket: Socket) -> None:
        """Hear and answer until the connection ends, or is found dead."""
        talk = self._talk
        await self._say(socket, talk.opened())
        self._changed()
        while not talk.is_silent:
            try:
                async with asyncio.timeout(_seconds(talk.due_at_ms - self._world.now())):
                    data = await socket.recv()
            except TimeoutError:
                sent = talk.tick()
            else:
                sent = talk.heard(data)
            self._changed()
            await self._say(socket, sent)

    async def _say(self, socket: Socket, messages: list[Message]) -> None:
        for message in messages:
            # Where the other side takes nothing any more, this would wait for ever.
            async with asyncio.timeout(_seconds(self._pace.open_within_ms)):
                await socket.send(json.dumps(message))

    def _address(self) -> str:
        url = self._url if isinstance(self._url, str) else self._url()
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a WebSocket")
        query = urlencode([*parse_qsl(parts.query), ("sessionId", self._session_id)])
        return urlunsplit(parts._replace(query=query))


def _seconds(ms: float) -> float | None:
    """As timeouts want it: ``None`` for ever."""
    return None if ms == inf else max(0.0, ms) / 1000
