"""A served app in a thread of the test's process, and what a test needs of it.

Owns the thread, the clients that the test opens, and the faults. Everything that a client can
see is the real gateway's, on real ports.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from chalice.app import Chalice

from .. import ids
from ..app_runtime import LoadedApp, adopt_app
from ..chalice_config import StageConfig
from ..invocation import run_function
from ..invoke import find_function
from ..lambdas import LambdaFunction
from ..options import Options
from ..sample_events import sample_event
from ..schedules import scheduled_event
from ..served_app import ServedApp
from ..sigv4 import credentials_from
from ..websocket_limits import Faults, MessageOrder
from .clock import VirtualClock
from .socket import SocketClient

TIMEOUT_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0

Result = TypeVar("Result")


class FunctionFailed(Exception):
    """An invoked function has raised, or timed out; ``payload`` is Lambda's error."""

    def __init__(self, payload: dict[str, Any]) -> None:
        super().__init__(f"{payload.get('errorType', 'Error')}: {payload['errorMessage']}")
        self.payload = payload


class RunningGateway:
    """A gateway under test. Its waits end after ``timeout_seconds``."""

    def __init__(
        self, served: ServedApp, clock: VirtualClock, timeout_seconds: float, app: Chalice
    ) -> None:
        self.clock = clock
        self.timeout_seconds = timeout_seconds
        self.app = app
        self.rest_url = served.rest_url
        self.ws_url = served.ws_url
        self.endpoint_url = served.endpoint
        self._served = served
        self._gateway = served.gateway
        self._loop = asyncio.get_running_loop()
        self._clients: list[SocketClient] = []
        self._open = ExitStack()
        self._connections_client: Any = None
        clock.attach(self._advance)

    # Clients.

    def connect(self, path: str = "", **options: Any) -> SocketClient:
        """A new client; ``path`` is what follows the URL, such as ``?user=ada``.

        ``options`` are those of ``websockets``, such as ``subprotocols`` and
        ``additional_headers``.

        Raises:
            HandshakeRefused: $connect, or the gateway, has refused it.
        """
        client = SocketClient.connect(
            self._open,
            f"{self.ws_url}{path}",
            timeout=self.timeout_seconds,
            settle=self.settle,
            wait_until_left=self._wait_until_left,
            **options,
        )
        self._clients.append(client)
        return client

    def connection_id(self, client: SocketClient) -> str:
        """The id by which the app knows ``client``."""

        async def find() -> str:
            found = [
                connection_id
                for connection_id, socket in self._gateway.sockets.items()
                if socket.client_address == client.local_address
            ]
            if not found:
                raise AssertionError("the client is not connected")
            return found[0]

        return self._run(find)

    def _wait_until_left(self, address: Any) -> None:
        sockets = self._gateway.sockets
        self._run(
            lambda: self._gateway.wait_until(
                lambda: all(socket.client_address != address for socket in sockets.values())
            )
        )

    @property
    def connections(self) -> Any:
        """A boto3 client for ``@connections``."""
        if self._connections_client is None:
            self._connections_client = self.boto3_client(
                "apigatewaymanagementapi", self.endpoint_url
            )
        return self._connections_client

    def boto3_client(self, service: str, endpoint_url: str) -> Any:
        """A boto3 client with the gateway's credentials, without retries."""
        import boto3  # noqa: PLC0415 - slow to import
        from botocore.config import Config  # noqa: PLC0415

        credentials = credentials_from(os.environ)
        return boto3.session.Session().client(
            service,
            endpoint_url=endpoint_url,
            region_name=os.environ["AWS_REGION"],
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    # The app.

    def invoke(self, name: str, event: Any = None) -> Any:
        """The result of a function, by Chalice's name; by default with a sample event.

        Raises:
            StartupError: There is no such function.
            FunctionFailed: It has raised.
        """
        invoked = find_function(name, self._served.lambdas.by_chalice_name)
        if event is None:
            event = sample_event(self.app, invoked, self._served.api_stage)
        return self._run(lambda: self._invoke(invoked.function, event))

    async def _invoke(self, function: LambdaFunction, event: Any) -> Any:
        failed, payload = await run_function(
            self._served.function_environments, function, event, ids.uuid()
        )
        if failed:
            raise FunctionFailed(json.loads(payload))
        return json.loads(payload)

    def settle(self) -> None:
        """Wait until every message sent so far is handled, and every post has arrived.

        Raises:
            TimeoutError: A function still runs.
        """
        for _ in range(2):
            for client in self._clients:
                client.flush()
            self._run(lambda: self._gateway.wait_until(lambda: self._gateway.is_idle))

    # Faults.

    @contextmanager
    def faults(
        self,
        *,
        seed: int = 0,
        drop_posts: float = 0.0,
        delay_posts: float = 0.0,
        reorder: float = 0.0,
        lose_disconnects: float = 0.0,
        gone: float = 0.0,
        message_order: str = MessageOrder.CONCURRENT.value,
    ) -> Iterator[None]:
        """Inject faults while the block runs: probabilities, drawn from ``seed``.

        ``message_order`` is ``concurrent`` as on AWS, ``serial``, or ``shuffled``.
        """
        faults = Faults(
            seed=seed,
            drop_posts=drop_posts,
            delay_posts=delay_posts,
            reorder=reorder,
            lose_disconnects=lose_disconnects,
            gone=gone,
        )
        self._set_faults(faults, MessageOrder(message_order))
        try:
            yield
        finally:
            self._set_faults(Faults(), MessageOrder.CONCURRENT)

    def _set_faults(self, faults: Faults, order: MessageOrder) -> None:
        async def replace() -> None:
            self._gateway.state_machine.replace_faults(faults, order)

        self._run(replace)

    # Time.

    def _advance(self, by_ms: int) -> None:
        at = self.clock.now()
        due_at = {
            name: scheduled.schedule.next_after(at)
            for name, scheduled in self._served.scheduled.items()
        }

        is_closing = self._gateway.state_machine.is_closing

        def next_due_ms() -> int | None:
            due = [_epoch_ms(each) for each in due_at.values() if each is not None]
            limits_ms = self._gateway.state_machine.next_due_ms
            return min(due if limits_ms is None else [*due, limits_ms], default=None)

        async def act() -> None:
            self._gateway.dispatch(self._gateway.state_machine.tick)
            now_ms = self.clock.now_ms()
            for name, due in due_at.items():
                if due is not None and _epoch_ms(due) <= now_ms:
                    scheduled = self._served.scheduled[name]
                    due_at[name] = scheduled.schedule.next_after(due)
                    # Named as Chalice names the rule.
                    event = scheduled_event(f"{name}-event", due)
                    await self._invoke(scheduled.function, event)
            # A client gets the real time it needs to answer a close frame.
            await self._gateway.wait_until(
                lambda: self._gateway.is_idle and not any(map(is_closing, self._gateway.sockets))
            )

        # Each step ends in time, and not all together: a day has thousands of minutes.
        advancing = self.clock.run(by_ms, next_due_ms, lambda: self._in_time(act))
        asyncio.run_coroutine_threadsafe(advancing, self._loop).result()

    # The thread.

    def _run(self, start: Callable[[], Awaitable[Result]]) -> Result:
        """Run a coroutine on the gateway's loop; its result."""
        return asyncio.run_coroutine_threadsafe(self._in_time(start), self._loop).result()

    async def _in_time(self, start: Callable[[], Awaitable[Result]]) -> Result:
        async with asyncio.timeout(self.timeout_seconds):
            return await start()

    def close_clients(self) -> None:
        self._open.close()


@contextmanager
def running_gateway(
    app: Path | str | Chalice,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    folder: Path | str | None = None,
    **options: Any,
) -> Iterator[RunningGateway]:
    """Serve ``app``, a directory or an app object, on free ports while the block runs.

    A directory's modules are loaded again for each gateway, and its working directory is
    that of the process meanwhile. An app object keeps its state; ``folder`` is where its
    ``.chalice/config.json`` is, if it has one. ``options`` are fields of ``Options``, such as
    ``stage``, ``limits`` and ``api_keys``.

    Raises:
        StartupError: The app can't be served.
    """
    all_options = Options(
        Path() if isinstance(app, Chalice) else Path(app),
        port=0,
        ws_port=0,
        schedules=False,
        **options,
    )
    clock = VirtualClock()
    ready: Future[tuple[RunningGateway, asyncio.Event]] = Future()

    def adopt(exit_stack: AsyncExitStack) -> LoadedApp:
        assert isinstance(app, Chalice)
        stage = all_options.stage
        config = StageConfig(stage) if folder is None else StageConfig.read(Path(folder), stage)
        return adopt_app(exit_stack, app, config)

    async def serve() -> None:
        async with AsyncExitStack() as exit_stack:
            served = await ServedApp.start(
                exit_stack,
                all_options,
                load=adopt if isinstance(app, Chalice) else None,
                now_ms=clock.now_ms,
            )
            stop_requested = asyncio.Event()
            gateway = RunningGateway(served, clock, timeout_seconds, served.app)
            ready.set_result((gateway, stop_requested))
            await stop_requested.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    with _own_modules():
        thread = threading.Thread(target=run, name="chalice-gateway", daemon=True)
        thread.start()
        gateway, stop_requested = ready.result(START_SECONDS)
        try:
            yield gateway
        finally:
            gateway.close_clients()
            gateway._loop.call_soon_threadsafe(stop_requested.set)
            thread.join()


@contextmanager
def _own_modules() -> Iterator[None]:
    """Restore the modules of a loaded app, and where modules are looked for."""
    path = list(sys.path)

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]

    before = {name: sys.modules[name] for name in loaded()}
    try:
        yield
    finally:
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(before)
        sys.path[:] = path


def _epoch_ms(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
