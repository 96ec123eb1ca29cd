"""The socket client: follows one session over any number of connections, and sends commands.

Owns the socket and the task that reads it. ``SessionProtocol`` decides what is sent, and when.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from math import inf
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from .environment import (
    URL_RULE,
    ConnectionFailed,
    Environment,
    ProxySource,
    Socket,
    SocketClosed,
    TokenSource,
    check_address,
    check_proxy,
    open_socket,
    proxy_for,
    resolve_token,
)
from .server_clock import ServerClock
from .session_protocol import (
    Callbacks,
    ClientTimeouts,
    SessionProtocol,
    ignore,
    not_live,
    outcome_unknown,
)
from .state_version import Snapshot
from .wire_types import CommandName, ConnectionState, Ending, Message, SessionEvent

BEARER = "bearer."
SUBPROTOCOL = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
"""A token of RFC 9110, as RFC 6455 demands."""


class SessionClient:
    """Follows ``session_id`` from ``connect`` or ``async with`` until it is closed.

    ``url`` is the stage's, ``wss://HOST/STAGE``; a function is called before every connection.
    ``on_connection`` receives a ConnectionState, ``on_state`` the snapshot, ``on_events`` the
    events of a new version in order, and ``on_error`` an ERROR that answers no command, or one
    for an attempt to connect that failed because of ``url``, ``token``, ``proxy`` or TLS: it is
    retried. They are called synchronously from the client's task. An exception of a callback ends
    the client, and is raised where the caller awaits it.

    ``proxy`` is the address of a proxy, ``None`` for none, or ``True`` for that of the environment
    (``http_proxy`` and others). An ``environment`` of your own opens its sockets without it.
    """

    def __init__(
        self,
        url: str | Callable[[], str],
        session_id: str,
        *,
        token: TokenSource = None,
        proxy: ProxySource = True,
        on_connection: Callable[[ConnectionState], object] = ignore,
        on_state: Callable[[Snapshot | None], object] = ignore,
        on_events: Callable[[list[SessionEvent]], object] = ignore,
        on_error: Callable[[Message], object] = ignore,
        timeouts: ClientTimeouts | None = None,
        environment: Environment | None = None,
    ) -> None:
        self._url = url
        self._session_id = session_id
        self._token = token
        self._proxy = proxy
        self._may_use_proxy = environment is None
        self._environment = environment or Environment(
            open_socket=partial(open_socket, proxy=proxy)
        )
        self._timeouts = timeouts or ClientTimeouts()
        callbacks = Callbacks(on_connection, on_state, on_events, on_error)
        self._protocol = SessionProtocol(self._environment, self._timeouts, callbacks)
        self._socket: Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Timeout | None = None
        self._change = asyncio.Event()

    @property
    def connection(self) -> ConnectionState:
        return self._protocol.connection

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest state; ``None`` while there is no session."""
        return self._protocol.snapshot

    @property
    def ending(self) -> Ending | None:
        """Why there is no session any more: deleted or expired; ``None`` if that is not known."""
        return self._protocol.ending

    @property
    def clock(self) -> ServerClock:
        """The server's time."""
        return self._protocol.clock

    @property
    def error_bound_ms(self) -> float:
        """How far off what is displayed may be.

        The error of the clock and, unless the connection is live, the time since the state was
        confirmed.
        """
        return self._protocol.error_bound_ms

    @property
    def is_closed(self) -> bool:
        """Whether the client is neither connected nor trying to connect."""
        return self.connection == "closed"

    # Opening and closing

    def connect(self) -> None:
        """Connect, and stay connected until ``close``.

        Raises:
            ValueError: ``url`` is not the address of a WebSocket, or ``proxy`` of a proxy.
            TypeError: ``proxy`` is neither a string nor ``True`` nor ``None``.
        """
        if self._task is None:
            self._address()
            if isinstance(self._proxy, str):
                check_proxy(self._proxy)
            elif self._proxy is not True and self._proxy is not None:
                kind = type(self._proxy).__name__
                raise TypeError(f"proxy must be an address, True or None, got {kind}")
            self._protocol.start()
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(self._on_task_done)

    async def close(self) -> None:
        """Close the connection, and open no other."""
        socket, task = self._socket, self._stop()
        if socket is not None:
            await socket.close()
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    def abort(self) -> None:
        """Close at once, without a closing handshake."""
        socket, task = self._socket, self._stop()
        if socket is not None:
            socket.abort()
        if task is not None:
            task.cancel()

    def _stop(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        self._protocol.stop()
        self._notify()
        return task

    async def __aenter__(self) -> Self:
        self.connect()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    # Waiting

    async def snapshots(self) -> AsyncIterator[Snapshot | None]:
        """The snapshot now and after each change; only the newest if several have arrived."""
        last: Snapshot | None = None
        while not self.is_closed:
            if self.snapshot is last:
                await self.wait_for_change()
            else:
                last = self.snapshot
                yield last

    async def wait_until(self, condition: Callable[[Self], object]) -> None:
        """Wait until a condition of this client is true."""
        while not condition(self):
            await self.wait_for_change()

    async def wait_for_change(self, timeout_ms: float = inf) -> None:
        """Wait for the next message or change of the connection, or until the timeout."""
        if self._task is not None and self._task.done():
            self._task.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(_seconds(timeout_ms)):
                await self._change.wait()

    def _notify(self) -> None:
        # Wakes those who are waiting now; the next ones wait for the next change.
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
        """Send a command; returns the version that it made.

        ``switch`` and ``pause`` name the current cycle, so that a double press of a button is
        refused instead of switching twice. ``args`` are the same as over REST and take
        precedence: ``{"current_participant_id": None}`` switches whichever cycle is running.

        Raises:
            CommandError: The command failed, or its outcome is unknown.
        """
        socket = self._socket
        if socket is None:
            raise not_live()
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        message = self._protocol.send_command(answer, command, args, expected_version)
        if self._reading is not None:
            # The answer is due before the next heartbeat.
            due_in_ms = self._protocol.due_at_ms - self._environment.now()
            self._reading.reschedule(asyncio.get_running_loop().time() + due_in_ms / 1000)
        try:
            async with asyncio.timeout(_seconds(self._timeouts.command_timeout_ms)):
                await socket.send(json.dumps(message))
                return await answer
        except SocketClosed as closed:
            raise outcome_unknown("CONNECTION_LOST") from closed
        except TimeoutError as timeout:
            raise outcome_unknown("NO_ANSWER") from timeout
        finally:
            self._protocol.forget_command(message["id"])
            if answer.done() and not answer.cancelled():
                # If sending failed, the answer was never awaited; asyncio would log that.
                answer.exception()

    # The socket

    async def _run(self) -> None:
        protocol = self._protocol
        while self._task is asyncio.current_task():
            try:
                with suppress(SocketClosed, TimeoutError):
                    await self._run_connection()
            except ConnectionFailed as failed:
                protocol.connection_failed(failed)
            backoff_ms = protocol.connection_lost()
            self._notify()
            await asyncio.sleep(backoff_ms / 1000)

    async def _run_connection(self) -> None:
        """Open one connection and read it until it ends."""
        socket = await self._open_socket()
        try:
            self._socket = socket
            await self._read(socket)
        finally:
            self._socket = None
            socket.abort()

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """The task was cancelled, or a callback raised."""
        if not task.cancelled() and task.exception():
            self._protocol.connection_lost()
        self._notify()

    async def _open_socket(self) -> Socket:
        """Open a connection.

        Raises:
            ConnectionFailed: Whatever the reason.
        """
        subprotocols = await self._subprotocols()
        try:
            address = self._address()
        except Exception as error:
            raise ConnectionFailed(
                f"There is no address to connect to: {_reason(error)}", code="URL_FAILED"
            ) from error
        timeout_ms = self._timeouts.open_timeout_ms
        try:
            async with asyncio.timeout(_seconds(timeout_ms)):
                return await self._environment.open_socket(address, subprotocols)
        except TimeoutError as error:
            is_proxied = self._may_use_proxy and proxy_for(address, self._proxy) is not None
            raise ConnectionFailed(
                f"The connection{' through the proxy' * is_proxied} failed: it took longer than"
                f" {timeout_ms:g} ms",
                code="PROXY_FAILED" if is_proxied else None,
            ) from error

    async def _subprotocols(self) -> tuple[str, ...]:
        """The subprotocol that carries the token; the client's own errors never quote it."""
        try:
            async with asyncio.timeout(_seconds(self._timeouts.open_timeout_ms)):
                token = await resolve_token(self._token)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            # The function may have awaited something that was cancelled: the client was not.
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            raise ConnectionFailed(
                f"No token could be obtained: {_reason(error)}", code="TOKEN_FAILED"
            ) from error
        if token is None:
            return ()
        if not isinstance(token, str) or not SUBPROTOCOL.fullmatch(f"{BEARER}{token}"):
            raise ConnectionFailed(
                "The token can't be sent: it must be a string of ASCII letters, digits and"
                " !#$%&'*+-.^_`|~, without spaces and line ends",
                code="TOKEN_FAILED",
            )
        return (f"{BEARER}{token}",)

    async def _read(self, socket: Socket) -> None:
        """Process messages until the connection ends or is dead."""
        protocol = self._protocol
        await self._send_all(socket, protocol.connection_opened())
        self._notify()
        while not protocol.is_dead:
            try:
                due_in_ms = protocol.due_at_ms - self._environment.now()
                async with asyncio.timeout(_seconds(due_in_ms)) as self._reading:
                    data = await socket.recv()
            except TimeoutError:
                to_send = protocol.tick()
            else:
                to_send = protocol.receive(data)
            finally:
                self._reading = None
            self._notify()
            await self._send_all(socket, to_send)

    async def _send_all(self, socket: Socket, messages: list[Message]) -> None:
        for message in messages:
            # If the peer stops reading, sending would block forever.
            async with asyncio.timeout(_seconds(self._timeouts.open_timeout_ms)):
                await socket.send(json.dumps(message))

    def _address(self) -> str:
        url = self._url() if callable(self._url) else self._url
        if not isinstance(url, str):
            raise ValueError(f"{URL_RULE}, got {type(url).__name__}")  # noqa: TRY004
        check_address(url)
        parts = urlsplit(url)
        query = urlencode([*parse_qsl(parts.query), ("sessionId", self._session_id)])
        return urlunsplit(parts._replace(query=query))


def _reason(error: BaseException) -> str:
    """The kind of an exception and its text, if it has one."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _seconds(ms: float) -> float | None:
    """A timeout in seconds; ``None`` for no timeout."""
    return None if ms == inf else max(0.0, ms) / 1000
