"""The local stack's components: store, Lambdas, API Gateway, relay and sweeper.

Owns what they are built from and the order in which they start. Each enters one
``AsyncExitStack``, so they stop in reverse: first the gateway accepts no more clients,
last the store stops. Must never decide how a component works.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chalice.app import Chalice

from chalice_gateway.chalice_app import Lambdas, lambdas_of
from chalice_gateway.chalice_config import ConfigError, StageConfig
from chalice_gateway.compression import minimum_compression_bytes
from chalice_gateway.gateway_responses import GatewayResponse, ResponseType, read_gateway_responses
from chalice_gateway.http_messages import Limits
from chalice_gateway.http_server import HttpServer
from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction, make_thread_safe
from chalice_gateway.proxy_request import ApiIdentity
from chalice_gateway.rest import RestApi
from chalice_gateway.sigv4 import credentials_from
from chalice_gateway.websocket_events import Api
from chalice_gateway.websocket_limits import Faults
from chalice_gateway.websocket_limits import Limits as SocketLimits
from chalice_gateway.websocket_server import WebSocketGateway

from .dev_auth import AuthKeysError, DevToken, prepare_auth
from .embedded_valkey import EmbeddedValkey, embedded_valkey
from .metrics_dir import shared_metrics_dir
from .supervision import Supervised, supervised
from .worker_processes import RELAY, SWEEPER, WorkerError, worker_processes

# Their sum stays below five seconds, the maximum for a shutdown.
REQUEST_GRACE_SECONDS: Final = 1.5
SOCKET_GRACE_SECONDS: Final = 1.0
WORKER_GRACE_SECONDS: Final = 0.7
HANDLER_GRACE_SECONDS: Final = 0.5
STORE_GRACE_SECONDS: Final = 1.0


class StackError(Exception):
    """The stack can't start or keep running; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a stack. Without a ``redis_url`` it starts the embedded server.

    ``body_limit_bytes`` is the app's own limit, lower than API Gateway's; the gateway
    enforces it, so that the response is the same. ``idle_seconds`` and ``duration_seconds``
    are the limits of a WebSocket connection; tests shorten them, and inject ``faults``.
    ``reload`` is for the caller: the stack itself ignores it.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    ws_port: int = 8001
    redis_url: str | None = None
    stage: str = "dev"
    data_dir: Path = Path(".data")
    gateway_template: Path = Path("infra/templates/gateway_responses.json")
    body_limit_bytes: int = 1024 * 1024
    environments: int = 32
    faults: Faults = field(default_factory=Faults)
    idle_seconds: float = 600
    duration_seconds: float = 7200
    reload: bool = False


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack and its URLs.

    ``management_url`` is the endpoint of @connections, ``websocket_url`` that of clients.
    ``failure`` is done once one of its processes exits too often; its result is the message.
    ``dev_token`` is None with AUTH=off.
    """

    rest_url: str
    websocket_url: str
    management_url: str
    redis_url: str
    stage: str
    embedded: EmbeddedValkey | None
    failure: asyncio.Task[str]
    dev_token: DevToken | None = None


@dataclass(frozen=True, slots=True)
class ApiDefinition:
    """The API settings in a CloudFormation template."""

    responses: Mapping[ResponseType, GatewayResponse] = field(default_factory=dict)
    minimum_compression_bytes: int | None = None


@asynccontextmanager
async def running_stack(options: Options) -> AsyncIterator[Stack]:
    """Run the stack while the block runs; it stops in reverse order.

    Raises:
        StackError: The app can't be loaded, or a port is taken.
        EmbeddedValkeyError: The store can't be started.
    """
    async with AsyncExitStack() as exit_stack:
        definition = read_api_definition(options.gateway_template)
        store = None
        if options.redis_url is None:
            store = await _start_store(exit_stack, options)
        redis_url = options.redis_url if store is None else store.url
        assert redis_url is not None
        config = read_stage_config(Path.cwd(), options.stage)
        set_lambda_environment(redis_url, config)
        try:
            dev_token = await prepare_auth(options.data_dir)
        except AuthKeysError as error:
            raise StackError(str(error)) from error
        exit_stack.enter_context(shared_metrics_dir())
        app = make_thread_safe(load_app())
        lambdas = lambdas_of(app, config)
        # Three pools, so that WebSocket messages never delay REST, and invoked functions,
        # which send welcome messages, delay neither.
        for_rest, for_sockets, for_functions = (
            ExecutionEnvironments(options.environments) for _ in range(3)
        )
        for environments in (for_rest, for_sockets, for_functions):
            exit_stack.push_async_callback(environments.stop, HANDLER_GRACE_SECONDS / 3)
        sockets = await _start_sockets(
            exit_stack, options, config.api_stage, lambdas, for_sockets, for_functions
        )
        management_url = f"{http_url(options.host, sockets.port)}/{config.api_stage}"
        set_gateway_environment(management_url, lambdas)
        wanted = [RELAY, SWEEPER] if os.environ["BROADCAST"] == "relay" else [SWEEPER]
        modules = [module for module in wanted if module in app_modules()]
        try:
            workers = await exit_stack.enter_async_context(
                worker_processes(modules, WORKER_GRACE_SECONDS)
            )
        except WorkerError as error:
            raise StackError(str(error)) from error
        services: list[Supervised] = [*workers, *([] if store is None else [store])]
        failure = await exit_stack.enter_async_context(supervised(services))
        rest = await _start_rest(
            exit_stack, options, config.api_stage, app, lambdas.rest, for_rest, definition
        )
        # Stopped first, so that messages that have arrived are answered while the rest stops.
        exit_stack.callback(sockets.drain)
        yield Stack(
            rest_url=http_url(options.host, rest.port),
            websocket_url=to_websocket_url(management_url),
            management_url=management_url,
            redis_url=redis_url,
            stage=options.stage,
            embedded=store,
            failure=failure,
            dev_token=dev_token,
        )


async def _start_store(exit_stack: AsyncExitStack, options: Options) -> EmbeddedValkey:
    server = embedded_valkey(options.data_dir / "valkey", stop_seconds=STORE_GRACE_SECONDS)
    # In a thread, so that signals are handled while the server loads its data.
    starting = asyncio.create_task(asyncio.to_thread(exit_stack.enter_context, server))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread continues: wait for it, so that the exit stack stops what it starts.
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def _start_sockets(
    exit_stack: AsyncExitStack,
    options: Options,
    api_stage: str,
    lambdas: Lambdas,
    environments: ExecutionEnvironments,
    function_environments: ExecutionEnvironments,
) -> WebSocketGateway:
    gateway = WebSocketGateway(
        lambdas.routes,
        environments,
        functions=lambdas.functions,
        function_environments=function_environments,
        api=Api(stage=api_stage),
        limits=SocketLimits(
            idle_ms=round(options.idle_seconds * 1000),
            duration_ms=round(options.duration_seconds * 1000),
        ),
        faults=options.faults,
        credentials=credentials_from(os.environ),
    )
    try:
        await gateway.start(options.host, options.ws_port)
    except OSError as error:
        raise StackError(
            f"Can't listen on {options.host}, port {options.ws_port}: {error.strerror}."
            " Set another port; --ws-port 0 takes a free one."
        ) from error
    exit_stack.push_async_callback(gateway.stop, SOCKET_GRACE_SECONDS)
    return gateway


async def _start_rest(
    exit_stack: AsyncExitStack,
    options: Options,
    api_stage: str,
    app: Chalice,
    function: LambdaFunction,
    environments: ExecutionEnvironments,
    definition: ApiDefinition,
) -> HttpServer:
    api = RestApi(
        app,
        function,
        environments,
        identity=ApiIdentity(stage=api_stage),
        responses=definition.responses,
        minimum_compression_bytes=definition.minimum_compression_bytes,
    )
    server = HttpServer(
        api.handle,
        limits=Limits(body_bytes=options.body_limit_bytes),
        error_response=api.error_response,
    )
    try:
        await server.start(options.host, options.port)
    except OSError as error:
        raise StackError(
            f"Can't listen on {options.host}, port {options.port}: {error.strerror}."
            " Set another port; --port 0 takes a free one."
        ) from error
    exit_stack.push_async_callback(server.stop, REQUEST_GRACE_SECONDS)
    return server


def read_api_definition(template: Path) -> ApiDefinition:
    """The API settings in ``template``; the defaults if there is no such file.

    Raises:
        StackError: The file is not a template, or has what the emulator doesn't support.
    """
    try:
        parsed = json.loads(template.read_bytes())
        return ApiDefinition(read_gateway_responses(parsed), minimum_compression_bytes(parsed))
    except FileNotFoundError:
        return ApiDefinition()
    except ValueError as error:
        raise StackError(f"{template}: {error}") from error


def read_stage_config(folder: Path, stage: str) -> StageConfig:
    """Chalice's configuration of ``stage`` for the app in ``folder``.

    Raises:
        StackError: The configuration is invalid.
    """
    try:
        return StageConfig.read(folder, stage)
    except ConfigError as error:
        raise StackError(str(error)) from error


def set_lambda_environment(redis_url: str, config: StageConfig) -> None:
    """Set the environment variables of a Lambda function, before the app is imported.

    Variables that are set take precedence, so that a local app can use real AWS credentials.
    """
    os.environ["REDIS_URL"] = redis_url
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        **config.environment(),
    }.items():
        os.environ.setdefault(name, value)


def set_gateway_environment(management_url: str, lambdas: Lambdas) -> None:
    """Set the URLs with which the app reaches @connections and Invoke, and browsers the WebSocket.

    They are known once the gateway listens. The app reads its settings on its first call.
    """
    os.environ["WEBSOCKET_ENDPOINT"] = management_url
    os.environ["WEBSOCKET_URL"] = to_websocket_url(management_url)
    os.environ["AWS_ENDPOINT_URL_LAMBDA"] = management_url.rpartition("/")[0]
    os.environ["GREETER"] = f"{lambdas.rest.name}-greet"
    os.environ.setdefault("BROADCAST", "relay")


def app_modules() -> list[str]:
    """The modules that a stack imports or runs, of those that the working directory has."""
    modules = ["app", RELAY, SWEEPER]
    return [name for name in modules if Path(*name.split(".")).with_suffix(".py").exists()]


def load_app() -> Chalice:
    """``app.app`` in the working directory, imported as on Lambda.

    Raises:
        StackError: There is none.
    """
    here = Path.cwd()
    if not (here / "app.py").exists():
        raise StackError(f"There is no app.py in {here}.")
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    app = getattr(importlib.import_module("app"), "app", None)
    if not isinstance(app, Chalice):
        raise StackError(f"{here / 'app.py'} must define a Chalice app named app.")
    return app


def to_websocket_url(management_url: str) -> str:
    """The URL at which clients connect: that of @connections, with the scheme ws."""
    return management_url.replace("http", "ws", 1)


def http_url(host: str, port: int) -> str:
    """The URL, for clients on this machine, of a server that listens on ``host``."""
    reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
