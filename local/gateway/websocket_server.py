"""The shell around the rules: one port for sockets, ``@connections`` and ``Invoke``.

Owns sockets, tasks and the one timer. Must never decide anything: what is to
happen to a connection comes from ``WebSocketApi`` as effects and is carried out
here.

Frames, closing handshakes and their codes are the ``websockets`` library's
business, through its protocol class without I/O. HTTP is ``HttpServer``'s.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final, cast
from urllib.parse import unquote

from websockets.datastructures import Headers as HandshakeHeaders
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from .connections_api import ConnectionsApi, ForbiddenError, is_for_connections, refused
from .events import Api, Handshake
from .http import HttpServer, Refusal, Request, Response, Upgrade
from .lambda_api import LambdaApi, is_for_lambda
from .lambdas import Environments, FunctionError, FunctionTimeout, LambdaFunction
from .sigv4 import Credentials, Verifier
from .websocket_api import (
    BROKEN,
    Abort,
    Accept,
    Close,
    Effect,
    Faults,
    Invoke,
    Limits,
    Order,
    Outcome,
    PauseReading,
    PayloadTooLargeError,
    Raised,
    Refuse,
    ResumeReading,
    Returned,
    Send,
    TimedOut,
    WebSocketApi,
)

LOG = logging.getLogger(__name__)
# The library says "connection closed" of every connection, at INFO.
_FRAMES_LOG: Final = logging.getLogger(f"{__name__}.frames")
_FRAMES_LOG.setLevel(logging.WARNING)

# Of the time that stopping may take: for messages that are being handled.
SHARE_OF_DRAINING: Final = 0.5

# What keeps a socket from being read.
_CLIENT_DOES_NOT_READ: Final = 1
_TOO_MUCH_UNANSWERED: Final = 2


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class _Socket(asyncio.Protocol):
    """One client that speaks WebSocket. The handshake's answer is the first it writes."""

    __slots__ = (
        "_answer",
        "_fragments",
        "_frames",
        "_gateway",
        "_id",
        "_obstacles",
        "_transport",
    )

    def __init__(self, gateway: WebSocketGateway, connection_id: str, answer: bytes) -> None:
        limits = gateway.limits
        self._gateway = gateway
        self._id = connection_id
        self._answer = answer
        self._frames = ServerProtocol(
            state=OPEN, max_size=(limits.message_bytes, limits.frame_bytes), logger=_FRAMES_LOG
        )
        self._fragments: list[bytes | bytearray | memoryview] | None = None
        self._obstacles = 0
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # Posts stop short of this by themselves. Only pongs can pass it, and
        # a client that takes none gets to ask for no more.
        self._transport.set_write_buffer_limits(high=self._gateway.limits.buffer_bytes)
        self._transport.write(self._answer)
        self._answer = b""

    def data_received(self, data: bytes) -> None:
        frames = self._frames
        frames.receive_data(data)
        for frame in frames.events_received():
            self._take(cast(Frame, frame))
        self._flush()
        if frames.parser_exc is not None and frames.close_sent is not None:
            close = frames.close_sent
            self._gateway.tell(self._gateway.rules.closed, self._id, close.code, close.reason)

    def eof_received(self) -> bool:
        # What is still to be written goes first, and a client that doesn't take
        # it keeps the socket for a while; the connection ends now.
        self._gateway.tell(self._gateway.rules.closed, self._id, *BROKEN)
        self._frames.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gateway.left(self._id)

    def pause_writing(self) -> None:
        self.pause_reading(_CLIENT_DOES_NOT_READ)

    def resume_writing(self) -> None:
        self.resume_reading(_CLIENT_DOES_NOT_READ)

    # What the gateway calls.

    @property
    def buffered_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    def send(self, data: bytes) -> None:
        frames = self._frames
        if frames.state is not OPEN:
            return
        # [?] Whether AWS cuts what it sends at the size it demands from
        # clients isn't documented. A client must cope with either.
        size = self._gateway.limits.frame_bytes
        frames.send_text(data[:size], fin=len(data) <= size)
        for at in range(size, len(data), size):
            frames.send_continuation(data[at : at + size], fin=at + size >= len(data))
        self._flush()

    def close(self, code: int, reason: str) -> None:
        if self._frames.state is OPEN:
            self._frames.send_close(code, reason)
            self._flush()

    def abort(self) -> None:
        self._transport.abort()

    def pause_reading(self, obstacle: int) -> None:
        if not self._obstacles and not self._transport.is_closing():
            self._transport.pause_reading()
        self._obstacles |= obstacle

    def resume_reading(self, obstacle: int) -> None:
        if self._obstacles == obstacle and not self._transport.is_closing():
            self._transport.resume_reading()
        self._obstacles &= ~obstacle

    # Frames.

    def _take(self, frame: Frame) -> None:
        rules = self._gateway.rules
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.CONT:
            if frame.fin and self._fragments is None:
                self._message(bytes(frame.data))
            elif self._fragments is None:
                self._fragments = [frame.data]
            else:
                self._fragments.append(frame.data)
                if frame.fin:
                    whole, self._fragments = b"".join(self._fragments), None
                    self._message(whole)
        elif frame.opcode is Opcode.BINARY:
            self._gateway.tell(rules.binary, self._id)
        elif frame.opcode is Opcode.CLOSE and self._frames.close_rcvd is not None:
            close = self._frames.close_rcvd
            self._gateway.tell(rules.closed, self._id, close.code, close.reason)

    def _message(self, data: bytes) -> None:
        # The library has parsed all there was by now. It may be closing because
        # of what came after this message, so the rules are asked, not it.
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            code, reason = CloseCode.INVALID_DATA.value, f"{error.reason} at {error.start}"
            self._frames.fail(code, reason)
            self._gateway.tell(self._gateway.rules.closed, self._id, code, reason)
            return
        self._gateway.tell(self._gateway.rules.text, self._id, text)

    def _flush(self) -> None:
        writes = self._frames.data_to_send()
        if not writes or self._transport.is_closing():
            return
        # An empty piece means that nothing comes after it.
        ends = writes[-1] == b""
        self._transport.write(b"".join(writes))
        if ends:
            try:
                self._transport.write_eof()
            except OSError:  # the other side has reset the connection
                self._transport.abort()


class WebSocketGateway:
    """The WebSocket API of one app, from ``start`` until ``stop``.

    ``routes`` holds the Lambda of each route key, ``functions`` those that can
    be invoked by their names, in environments of their own where they are given any.
    Without ``credentials`` nothing needs a signature.
    """

    def __init__(
        self,
        routes: Mapping[str, LambdaFunction],
        environments: Environments,
        *,
        functions: Mapping[str, LambdaFunction] | None = None,
        function_environments: Environments | None = None,
        api: Api | None = None,
        limits: Limits | None = None,
        order: Order = Order.CONCURRENT,
        faults: Faults | None = None,
        credentials: Credentials | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.limits = limits or Limits()
        self.rules = WebSocketApi(
            api or Api(), routes, limits=self.limits, faults=faults, order=order
        )
        self._routes = routes
        self._environments = environments
        self._now_ms = now_ms
        self._sockets: dict[str, _Socket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._change = asyncio.Event()
        verifier = None
        if credentials is not None:
            verifier = Verifier(credentials, now_seconds=lambda: now_ms() / 1000)
        self._connections = ConnectionsApi(
            self.rules,
            verifier=verifier,
            perform=self._perform,
            buffered_bytes=self.buffered_bytes,
            now_ms=now_ms,
        )
        self._lambda = LambdaApi(
            functions or {},
            function_environments or environments,
            verifier=verifier,
            spawn=self._spawn,
        )
        self._server = HttpServer(self._handle, refuse=_refuse)

    @property
    def port(self) -> int:
        """Where it listens, also where port 0 let the system choose."""
        return self._server.port

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or isn't this machine's.
        """
        await self._server.start(host, port)

    def use(
        self,
        routes: Mapping[str, LambdaFunction],
        functions: Mapping[str, LambdaFunction] | None = None,
    ) -> None:
        """Another version of the app. Connections stay; their next message meets the new one."""
        self._routes = routes
        self.rules.use_routes(routes)
        self._lambda.functions = functions or {}

    def drain(self) -> None:
        """Take neither handshakes nor messages any more; what has come goes on being answered."""
        self.tell(self.rules.drain)

    async def stop(self, grace_seconds: float) -> None:
        """Answer what has come, close with 1001, let $disconnects run, then drop what is left.

        Until then @connections answers: functions answer messages through it, and
        $disconnect may want to tell the others.
        """
        loop = asyncio.get_running_loop()
        begins_at = loop.time()
        ends_at = begins_at + grace_seconds
        self.drain()
        await self._wait_until_idle(begins_at + grace_seconds * SHARE_OF_DRAINING)
        self.tell(self.rules.stop)
        await self._wait_until_quiet(ends_at)
        for socket in tuple(self._sockets.values()):
            socket.abort()
        await self._server.stop(max(0.0, ends_at - loop.time()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    # Requests.

    async def _handle(self, request: Request) -> Response | Upgrade:
        if is_for_connections(request.target):
            return self._connections.handle(request)
        if is_for_lambda(request.target):
            return await self._lambda.handle(request)
        return await self._shake_hands(request)

    async def _shake_hands(self, request: Request) -> Response | Upgrade:
        handshake = ServerProtocol(logger=_FRAMES_LOG).accept(
            HandshakeRequest(
                request.target,
                HandshakeHeaders(request.headers),
                request.method,
                f"HTTP/{request.version}",
            )
        )
        if handshake.status_code == 405:
            # Nothing but GET is there, and what isn't there is forbidden.
            return refused(ForbiddenError("Forbidden"))
        if handshake.status_code != 101:
            ours = {"date", "connection", "content-length"}
            headers = (
                item for item in handshake.headers.raw_items() if item[0].lower() not in ours
            )
            return Response(handshake.status_code, tuple(headers), bytes(handshake.body or b""))
        path, _, query = request.target.partition("?")
        if unquote(path.removesuffix("/")) != f"/{self.rules.api.stage}":
            return refused(ForbiddenError("Forbidden"))
        verdict = await self._ask_connect(
            Handshake(request.headers, query, request.peer_ip, request.server_port)
        )
        if isinstance(verdict, Refuse):
            return Response(verdict.status, verdict.headers, verdict.body)
        socket = _Socket(
            self,
            verdict.connection_id,
            _switching(handshake.headers["Sec-WebSocket-Accept"], verdict.subprotocol),
        )
        self._sockets[verdict.connection_id] = socket
        return Upgrade(socket)

    async def _ask_connect(self, handshake: Handshake) -> Accept | Refuse:
        effects = self.rules.open(handshake, self._now_ms())
        invoke = effects[0]
        if isinstance(invoke, Invoke):
            outcome: Outcome = TimedOut()
            try:
                outcome = await self._outcome(invoke)
            finally:
                effects = self.rules.answered(invoke, outcome, self._now_ms())
        verdict, *others = effects
        assert isinstance(verdict, Accept | Refuse)
        self._perform(others)
        return verdict

    def buffered_bytes(self, connection_id: str) -> int:
        socket = self._sockets.get(connection_id)
        return 0 if socket is None else socket.buffered_bytes

    # Effects.

    def tell(self, input_: Callable[..., list[Effect]], *what: Any) -> None:
        """Hand one of the rules' methods what has happened, now, and do what it says."""
        self._perform(input_(*what, self._now_ms()))

    def left(self, connection_id: str) -> None:
        """A socket is no more."""
        del self._sockets[connection_id]
        self.tell(self.rules.lost, connection_id)
        self._change.set()

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Invoke):
                self._spawn(self._run(effect))
                continue
            assert not isinstance(effect, Accept | Refuse)
            socket = self._sockets.get(effect.connection_id)
            if socket is None:
                continue
            if isinstance(effect, Send):
                socket.send(effect.data)
            elif isinstance(effect, Close):
                socket.close(effect.code, effect.reason)
            elif isinstance(effect, Abort):
                socket.abort()
            elif isinstance(effect, PauseReading):
                socket.pause_reading(_TOO_MUCH_UNANSWERED)
            elif isinstance(effect, ResumeReading):
                socket.resume_reading(_TOO_MUCH_UNANSWERED)
        self._set_timer()

    async def _run(self, invoke: Invoke) -> None:
        outcome = await self._outcome(invoke)
        self.tell(self.rules.answered, invoke, outcome)

    async def _outcome(self, invoke: Invoke) -> Outcome:
        function = self._routes.get(invoke.route_key)
        if function is None:  # another version of the app is there, without it
            return Raised()
        try:
            result = await self._environments.invoke(
                function, invoke.event, timeout_seconds=self.limits.integration_ms / 1000
            )
        except FunctionError as error:
            LOG.error("%s raised", function.name, exc_info=error.__cause__)
            return Raised()
        except FunctionTimeout:
            LOG.warning("%s took longer than API Gateway waits", function.name)
            return TimedOut()
        return Returned(result)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._change.set()

    async def until_quiet(self) -> None:
        """Return once there is no socket and no function runs."""
        while self._sockets or self._tasks:
            self._change.clear()
            await self._change.wait()

    async def _wait_until_idle(self, ends_at: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends_at):
                while not self.rules.is_idle:
                    self._change.clear()
                    await self._change.wait()

    async def _wait_until_quiet(self, ends_at: float) -> None:
        try:
            async with asyncio.timeout_at(ends_at):
                await self.until_quiet()
        except TimeoutError:
            LOG.warning(
                "Stopping, with %d sockets open and %d functions running",
                len(self._sockets),
                len(self._tasks),
            )

    # Time.

    def _set_timer(self) -> None:
        due_ms = self.rules.next_due_ms
        if due_ms is None or (self._timer is not None and self._timer_ms <= due_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        # One more, because a millisecond that has begun isn't over.
        delay_ms = max(0, due_ms - self._now_ms()) + 1
        self._timer_ms = due_ms
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        self.tell(self.rules.tick)


def _switching(accept: str, subprotocol: str | None) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join((*lines, "", "")).encode()


def _refuse(refusal: Refusal) -> Response:
    """What never became a request. Nobody knows what for, so 413 is said as to a post."""
    if refusal.status == 413:
        return refused(PayloadTooLargeError(refusal.reason))
    body = json.dumps({"message": refusal.reason}).encode()
    return Response(refusal.status, (("Content-Type", "application/json"),), body)
