"""The server of a WebSocket API: one port for WebSockets, ``@connections`` and ``Invoke``.

Owns the sockets, the tasks and the timer: it does the I/O of the ``WebSocketApi`` state
machine, which decides, and performs the outputs that it returns. ``HttpServer`` handles
HTTP, ``ClientSocket`` an open WebSocket.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import unquote

from .client_socket import ClientSocket, PauseReason
from .connections_api import ConnectionsApi, error_response, is_connections_request
from .connections_api_errors import ForbiddenError, PayloadTooLargeError
from .handshake import check_handshake, switching_protocols
from .http_messages import HttpError, Request, Response, Upgrade
from .http_server import HttpServer
from .lambda_api import LambdaApi, is_invoke_request
from .lambdas import CallerTimeout, ExecutionEnvironments, FunctionError, LambdaFunction
from .sigv4 import Credentials, Verifier
from .websocket_api import WebSocketApi
from .websocket_events import Api, Handshake
from .websocket_limits import Faults, Limits, MessageOrder
from .websocket_outputs import (
    Abort,
    Accept,
    Close,
    Invoke,
    InvokeResult,
    Output,
    PauseReading,
    Raised,
    Reject,
    ResumeReading,
    Returned,
    Send,
    TimedOut,
)

LOG = logging.getLogger(__name__)

# The share of the shutdown's grace period in which messages in progress can finish.
DRAIN_SHARE: Final = 0.5
LOOPBACK: Final = "127.0.0.1"


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class WebSocketGateway:
    """The WebSocket API of one app, from ``start`` until ``stop``.

    ``routes`` has the Lambda function of each route key, ``functions`` those that Invoke
    runs, by name, in ``function_environments`` or else in ``environments``. Without
    ``credentials`` signatures are not verified; with ``tls`` it serves ``wss`` and ``https``.
    Behind a router it is also below ``base_path``.
    """

    def __init__(
        self,
        routes: Mapping[str, LambdaFunction],
        environments: ExecutionEnvironments,
        *,
        functions: Mapping[str, LambdaFunction] | None = None,
        function_environments: ExecutionEnvironments | None = None,
        api: Api | None = None,
        limits: Limits | None = None,
        order: MessageOrder = MessageOrder.CONCURRENT,
        faults: Faults | None = None,
        credentials: Credentials | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
        tls: ssl.SSLContext | None = None,
        base_path: str = "",
    ) -> None:
        self.limits = limits or Limits()
        self.state_machine = WebSocketApi(
            api or Api(), routes, limits=self.limits, faults=faults, order=order
        )
        self._routes = routes
        self._environments = environments
        self._base_path = base_path
        self._now_ms = now_ms
        self.sockets: dict[str, ClientSocket] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._changed = asyncio.Event()
        verifier = None
        if credentials is not None:
            # By the real time, with which clients sign.
            verifier = Verifier(credentials)
        self._connections = ConnectionsApi(
            self.state_machine,
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
        self._server = HttpServer(self._handle, error_response=_http_error_response, tls=tls)

    @property
    def port(self) -> int:
        """The port it listens on, also if port 0 let the system choose."""
        return self._server.port

    @property
    def http_connection_count(self) -> int:
        """The number of open connections that are not, or not yet, WebSockets."""
        return len(self._server.connections)

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or not one of this machine.
        """
        await self._server.start(host, port)

    def replace_functions(
        self,
        routes: Mapping[str, LambdaFunction],
        functions: Mapping[str, LambdaFunction] | None = None,
    ) -> None:
        """Switch to another version of the app. Connections stay open."""
        self._routes = routes
        self.state_machine.replace_routes(routes)
        self._lambda.functions = functions or {}

    def drain(self) -> None:
        """Accept no more handshakes or messages; messages that have arrived are still handled."""
        self.dispatch(self.state_machine.drain)

    async def stop(self, grace_seconds: float) -> None:
        """Answer the messages that have arrived, close with 1001, run each $disconnect, stop.

        Meanwhile @connections still answers: functions respond to messages through it, and
        $disconnect may post to other clients.
        """
        loop = asyncio.get_running_loop()
        starts_at = loop.time()
        deadline = starts_at + grace_seconds
        self.drain()
        await self._wait_until_answered(starts_at + grace_seconds * DRAIN_SHARE)
        self.dispatch(self.state_machine.stop)
        await self._wait_until_quiet(deadline)
        for socket in tuple(self.sockets.values()):
            socket.abort()
        await self._server.stop(max(0.0, deadline - loop.time()))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    # Requests.

    async def _handle(self, request: Request) -> Response | Upgrade:
        if self._base_path:
            request = request.below(self._base_path)
        if is_connections_request(request.target):
            return self._connections.handle(request)
        if is_invoke_request(request.target):
            return await self._lambda.handle(request)
        return await self._open_handshake(request)

    async def _open_handshake(self, request: Request) -> Response | Upgrade:
        accept_key = check_handshake(request)
        if isinstance(accept_key, Response):
            return accept_key
        path, _, query = request.target.partition("?")
        if unquote(path.removesuffix("/")) != f"/{self.state_machine.api.stage}":
            return error_response(ForbiddenError("Forbidden"))
        # Not the router's, whose URLs have more than a domain name and a stage.
        domain_name = f"{LOOPBACK}:{request.server_port}" if request.full_target else None
        decision = await self._run_connect(
            Handshake(request.headers, query, request.peer_ip, request.server_port, domain_name)
        )
        if isinstance(decision, Reject):
            return Response(decision.status, decision.headers, decision.body)
        socket = ClientSocket(
            self, decision.connection_id, switching_protocols(accept_key, decision.subprotocol)
        )
        self.sockets[decision.connection_id] = socket
        return Upgrade(socket)

    async def _run_connect(self, handshake: Handshake) -> Accept | Reject:
        outputs = self.state_machine.open(handshake, self._now_ms())
        invoke = outputs[0]
        if isinstance(invoke, Invoke):
            outcome: InvokeResult = TimedOut()
            try:
                outcome = await self._invoke(invoke)
            finally:
                outputs = self.state_machine.invoke_finished(invoke, outcome, self._now_ms())
        decision, *others = outputs
        assert isinstance(decision, Accept | Reject)
        self._perform(others)
        return decision

    def buffered_bytes(self, connection_id: str) -> int:
        socket = self.sockets.get(connection_id)
        return 0 if socket is None else socket.buffered_bytes

    # Outputs.

    def dispatch(self, method: Callable[..., list[Output]], *arguments: Any) -> None:
        """Call a method of the state machine with the time, and perform its outputs."""
        self._perform(method(*arguments, self._now_ms()))

    def socket_closed(self, connection_id: str) -> None:
        """Forget a socket that is closed."""
        del self.sockets[connection_id]
        self.dispatch(self.state_machine.socket_lost, connection_id)
        self._changed.set()

    def _perform(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Invoke):
                self._spawn(self._run(output))
                continue
            assert not isinstance(output, Accept | Reject)
            socket = self.sockets.get(output.connection_id)
            if socket is None:
                continue
            if isinstance(output, Send):
                socket.send(output.data)
            elif isinstance(output, Close):
                socket.close(output.code, output.reason)
            elif isinstance(output, Abort):
                socket.abort()
            elif isinstance(output, PauseReading):
                socket.pause_reading(PauseReason.TOO_MANY_UNANSWERED)
            elif isinstance(output, ResumeReading):
                socket.resume_reading(PauseReason.TOO_MANY_UNANSWERED)
        self._set_timer()

    async def _run(self, invoke: Invoke) -> None:
        outcome = await self._invoke(invoke)
        self.dispatch(self.state_machine.invoke_finished, invoke, outcome)

    async def _invoke(self, invoke: Invoke) -> InvokeResult:
        function = self._routes.get(invoke.route_key)
        if function is None:  # a newer version of the app no longer has it
            return Raised()
        try:
            result = await self._environments.invoke(
                function, invoke.event, timeout_seconds=self.limits.integration_ms / 1000
            )
        except FunctionError as error:
            LOG.error("%s failed: %s", function.name, error, exc_info=error.__cause__)
            return Raised()
        except CallerTimeout:
            timeout_seconds = self.limits.integration_ms / 1000
            LOG.warning(
                "%s: no result within the integration timeout of %g s",
                *(function.name, timeout_seconds),
            )
            return TimedOut()
        return Returned(result)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._changed.set()

    @property
    def is_idle(self) -> bool:
        """Whether no function runs, and no message waits for one."""
        return not self._tasks and self.state_machine.is_idle

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once ``condition`` is true of the sockets and functions."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def wait_until_quiet(self) -> None:
        """Return once no socket is open and no function runs."""
        await self.wait_until(lambda: not (self.sockets or self._tasks))

    async def _wait_until_answered(self, deadline: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self.wait_until(lambda: self.state_machine.is_idle)

    async def _wait_until_quiet(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self.wait_until_quiet()
        except TimeoutError:
            LOG.warning(
                "Stopping with %d sockets open and %d functions running",
                len(self.sockets),
                len(self._tasks),
            )

    # Time.

    def _set_timer(self) -> None:
        due_ms = self.state_machine.next_due_ms
        if due_ms is None or (self._timer is not None and self._timer_ms <= due_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        # One more, because the current millisecond isn't over.
        delay_ms = max(0, due_ms - self._now_ms()) + 1
        self._timer_ms = due_ms
        self._timer = asyncio.get_running_loop().call_later(delay_ms / 1000, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.dispatch(self.state_machine.tick)


def _http_error_response(error: HttpError) -> Response:
    """The response to an invalid request. Its purpose is unknown, so 413 is that of a post."""
    if error.status == 413:
        return error_response(PayloadTooLargeError(error.reason))
    body = json.dumps({"message": error.reason}).encode()
    return Response(error.status, (("Content-Type", "application/json"),), body)
