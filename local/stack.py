"""What the local cloud consists of, and in which order it starts and stops.

Owns the composition. Everything enters one ``AsyncExitStack`` as it starts, so
it stops in reverse: first new clients are refused, last the store stops. Must
never decide how a part works.
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

from .background import RELAY, SWEEPER, BackgroundError, background
from .embedded import EmbeddedServer, embedded_server
from .figures import one_scrape
from .gateway.chalice_app import Lambdas, lambdas_of
from .gateway.chalice_config import ConfigError, StageConfig
from .gateway.compression import minimum_compression_bytes
from .gateway.events import Api
from .gateway.gateway_responses import GatewayResponse, ResponseType, read_gateway_responses
from .gateway.http_messages import Limits
from .gateway.http_server import HttpServer
from .gateway.lambdas import Environments, LambdaFunction, for_threads
from .gateway.proxy_request import ApiIdentity
from .gateway.rest import RestApi
from .gateway.sigv4 import credentials_of
from .gateway.websocket_limits import Faults
from .gateway.websocket_limits import Limits as SocketLimits
from .gateway.websocket_server import WebSocketGateway
from .supervision import Kept, supervised
from .tokens import Access, TokensError, access

# Together they stay below the five seconds that a stop may take.
REQUEST_GRACE_SECONDS: Final = 1.5
SOCKET_GRACE_SECONDS: Final = 1.0
BACKGROUND_GRACE_SECONDS: Final = 0.7
HANDLER_GRACE_SECONDS: Final = 0.5
STORE_GRACE_SECONDS: Final = 1.0


class StackError(Exception):
    """The stack can't start; the message tells a developer what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a stack is to run. Without a ``redis_url`` it brings its own server.

    ``body_limit_bytes`` is the application's own limit, which is lower than
    API Gateway's; the gateway enforces it so that the answer is the same.
    ``idle_seconds`` and ``duration_seconds`` are how long a socket lives;
    tests shorten them, and have ``faults`` happen. ``reload`` is the caller's to act on.
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
    """A stack that runs: where everything is.

    ``management_url`` is where @connections is, ``websocket_url`` where clients connect.
    ``given_up`` is done, and says why, once a part of it can't be kept running.
    ``access`` is None with AUTH=off.
    """

    rest_url: str
    websocket_url: str
    management_url: str
    redis_url: str
    stage: str
    embedded: EmbeddedServer | None
    given_up: asyncio.Task[str]
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class Customised:
    """What a template says of the API beside its routes."""

    responses: Mapping[ResponseType, GatewayResponse] = field(default_factory=dict)
    minimum_compression_bytes: int | None = None


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Stack]:
    """The stack, started; stopped in reverse order when the block is left.

    Raises:
        StackError: The app can't be loaded, or the port can't be had.
        EmbeddedServerError: The store can't be had.
    """
    async with AsyncExitStack() as parts:
        customised = customised_by(options.gateway_template)
        store = None
        if options.redis_url is None:
            store = await _start_store(parts, options)
        redis_url = options.redis_url if store is None else store.url
        assert redis_url is not None
        config = stage_config_of(Path.cwd(), options.stage)
        set_lambda_environment(redis_url, config)
        try:
            how_to_get_in = await access(options.data_dir)
        except TokensError as error:
            raise StackError(str(error)) from error
        parts.enter_context(one_scrape())
        app = for_threads(load_app())
        lambdas = lambdas_of(app, config)
        # Of their own each: whatever sockets are up to, REST is answered, and however many
        # connections are still being greeted, those that are there are heard.
        for_rest, for_sockets, for_functions = (
            Environments(options.environments) for _ in range(3)
        )
        for environments in (for_rest, for_sockets, for_functions):
            parts.push_async_callback(environments.stop, HANDLER_GRACE_SECONDS / 3)
        sockets = await _start_sockets(parts, options, lambdas, for_sockets, for_functions)
        management_url = f"{url_of(options.host, sockets.port)}/{options.stage}"
        set_socket_environment(management_url, lambdas)
        wanted = [RELAY, SWEEPER] if os.environ["BROADCAST"] == "relay" else [SWEEPER]
        modules = [module for module in wanted if module in modules_there()]
        try:
            kept: list[Kept] = [
                *await parts.enter_async_context(background(modules, BACKGROUND_GRACE_SECONDS))
            ]
        except BackgroundError as error:
            raise StackError(str(error)) from error
        if store is not None:
            kept.append(store)
        given_up = await parts.enter_async_context(supervised(kept))
        rest = await _start_rest(parts, options, app, lambdas.rest, for_rest, customised)
        # Before anything else stops, so that what sockets asked for is answered meanwhile.
        parts.callback(sockets.drain)
        yield Stack(
            rest_url=url_of(options.host, rest.port),
            websocket_url=websocket_url_of(management_url),
            management_url=management_url,
            redis_url=redis_url,
            stage=options.stage,
            embedded=store,
            given_up=given_up,
            access=how_to_get_in,
        )


async def _start_store(parts: AsyncExitStack, options: Options) -> EmbeddedServer:
    server = embedded_server(options.data_dir / "valkey", stop_seconds=STORE_GRACE_SECONDS)
    # In a thread, so that signals are heard while much data is loaded.
    starting = asyncio.create_task(asyncio.to_thread(parts.enter_context, server))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread goes on, and what it starts is to be among what is stopped.
        await asyncio.gather(starting, return_exceptions=True)
        raise


async def _start_sockets(
    parts: AsyncExitStack,
    options: Options,
    lambdas: Lambdas,
    environments: Environments,
    function_environments: Environments,
) -> WebSocketGateway:
    gateway = WebSocketGateway(
        lambdas.routes,
        environments,
        functions=lambdas.functions,
        function_environments=function_environments,
        api=Api(stage=options.stage),
        limits=SocketLimits(
            idle_ms=round(options.idle_seconds * 1000),
            duration_ms=round(options.duration_seconds * 1000),
        ),
        faults=options.faults,
        credentials=credentials_of(os.environ),
    )
    try:
        await gateway.start(options.host, options.ws_port)
    except OSError as error:
        raise StackError(
            f"Can't listen on {options.host}, port {options.ws_port}: {error.strerror}."
            " Another port: --ws-port 0 takes any that is free."
        ) from error
    parts.push_async_callback(gateway.stop, SOCKET_GRACE_SECONDS)
    return gateway


async def _start_rest(
    parts: AsyncExitStack,
    options: Options,
    app: Chalice,
    function: LambdaFunction,
    environments: Environments,
    customised: Customised,
) -> HttpServer:
    api = RestApi(
        app,
        function,
        environments,
        identity=ApiIdentity(stage=options.stage),
        responses=customised.responses,
        minimum_compression_bytes=customised.minimum_compression_bytes,
    )
    server = HttpServer(
        api.handle, limits=Limits(body_bytes=options.body_limit_bytes), refuse=api.refuse
    )
    try:
        await server.start(options.host, options.port)
    except OSError as error:
        raise StackError(
            f"Can't listen on {options.host}, port {options.port}: {error.strerror}."
            " Another port: --port 0 takes any that is free."
        ) from error
    parts.push_async_callback(server.stop, REQUEST_GRACE_SECONDS)
    return server


def customised_by(template: Path) -> Customised:
    """How the API is customised; not at all if there is no such file.

    Raises:
        StackError: The file is no template, or one that can't be carried out here.
    """
    try:
        read = json.loads(template.read_bytes())
        return Customised(read_gateway_responses(read), minimum_compression_bytes(read))
    except FileNotFoundError:
        return Customised()
    except ValueError as error:
        raise StackError(f"{template}: {error}") from error


def stage_config_of(folder: Path, stage: str) -> StageConfig:
    """What the app would be deployed with.

    Raises:
        StackError: Its configuration can't be understood.
    """
    try:
        return StageConfig.read(folder, stage)
    except ConfigError as error:
        raise StackError(str(error)) from error


def set_lambda_environment(redis_url: str, config: StageConfig) -> None:
    """The variables a Lambda would find, before the app is imported.

    What is set already stays, credentials and region above all: a developer may
    want to reach real AWS services from a local app.
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


def set_socket_environment(management_url: str, lambdas: Lambdas) -> None:
    """What the app needs to post to connections, to tell browsers, and to invoke its own functions.

    Known only once the gateway listens, and in time: an app reads its settings
    when it is first called.
    """
    os.environ["WEBSOCKET_ENDPOINT"] = management_url
    os.environ["WEBSOCKET_URL"] = websocket_url_of(management_url)
    os.environ["AWS_ENDPOINT_URL_LAMBDA"] = management_url.rpartition("/")[0]
    os.environ["GREETER"] = f"{lambdas.rest.name}-greet"
    os.environ.setdefault("BROADCAST", "relay")


def modules_there() -> list[str]:
    """The modules that a stack starts with, as far as the app of the working directory has them."""
    modules = ["app", RELAY, SWEEPER]
    return [one for one in modules if Path(*one.split(".")).with_suffix(".py").exists()]


def load_app() -> Chalice:
    """``app.app`` of the working directory, as on Lambda.

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
        raise StackError(f"{here / 'app.py'} has no Chalice app that is named app.")
    return app


def websocket_url_of(management_url: str) -> str:
    """Where clients connect: it is where @connections is, too."""
    return management_url.replace("http", "ws", 1)


def url_of(host: str, port: int) -> str:
    """How to reach, from this machine, a server that listens on ``host``."""
    reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
