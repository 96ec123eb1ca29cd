"""The shell around the rules: one port for sockets, ``@connections`` and ``Invoke``.

Owns the sockets there are, tasks and the one timer. Must never decide anything: what is to
happen to a connection comes from ``WebSocketApi`` as effects and is carried out
here.

HTTP is ``HttpServer``'s business, a socket that is open ``ClientSocket``'s.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from .callback_errors import ForbiddenError, PayloadTooLargeError
from .client_socket import ClientSocket, Obstacle
from .connections_api import ConnectionsApi, is_for_connections, refused
from .events import Api, Handshake
from .handshake import accept_key_of, switching
from .http_messages import Refusal, Request, Response, Upgrade
from .http_server import HttpServer
from .lambda_api import LambdaApi, is_for_lambda
from .lambdas import CallerTimeout, Environments, FunctionError, LambdaFunction
from .sigv4 import Credentials, Verifier
from .websocket_api import WebSocketApi
from .websocket_effects import (
    Abort,
    Accept,
    Close,
    Effect,
    Invoke,
    Outcome,
    PauseReading,
    Raised,
    Refuse,
    ResumeReading,
    Returned,
    Send,
    TimedOut,
)
from .websocket_limits import Faults, Limits, Order

LOG = logging.getLogger(__name__)

# Of the time that stopping may take: for messages that are being handled.
SHARE_OF_DRAINING: Final = 0.5


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


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
        self._sockets: dict[str, ClientSocket] = {}
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
        accept_key = accept_key_of(request)
        if isinstance(accept_key, Response):
            return accept_key
        path, _, query = request.target.partition("?")
        if unquote(path.removesuffix("/")) != f"/{self.rules.api.stage}":
            return refused(ForbiddenError("Forbidden"))
        verdict = await self._ask_connect(
            Handshake(request.headers, query, request.peer_ip, request.server_port)
        )
        if isinstance(verdict, Refuse):
            return Response(verdict.status, verdict.headers, verdict.body)
        socket = ClientSocket(
            self, verdict.connection_id, switching(accept_key, verdict.subprotocol)
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
                socket.pause_reading(Obstacle.TOO_MUCH_UNANSWERED)
            elif isinstance(effect, ResumeReading):
                socket.resume_reading(Obstacle.TOO_MUCH_UNANSWERED)
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
            LOG.error("%s failed: %s", function.name, error, exc_info=error.__cause__)
            return Raised()
        except CallerTimeout:
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


def _refuse(refusal: Refusal) -> Response:
    """What never became a request. Its purpose is unknown, so 413 is said as to a post."""
    if refusal.status == 413:
        return refused(PayloadTooLargeError(refusal.reason))
    body = json.dumps({"message": refusal.reason}).encode()
    return Response(refusal.status, (("Content-Type", "application/json"),), body)
