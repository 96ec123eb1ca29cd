"""``python -m local.gateway``: any Chalice app behind an API Gateway of its own.

Owns arguments, signals, what is printed, and reloading. Must never know how a
part works.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from chalice.app import Chalice

from .chalice_app import (
    AppError,
    Lambdas,
    lambdas_of,
    load_app,
    point_websocket_api,
)
from .chalice_config import ConfigError, StageConfig
from .events import Api
from .http_server import HttpServer
from .lambdas import Environments, for_threads
from .proxy_request import ApiIdentity
from .rest import RestApi
from .sigv4 import credentials_of
from .watch_app import watch_app
from .websocket_limits import Faults, Limits, Order
from .websocket_server import WebSocketGateway

LOG = logging.getLogger(__name__)

GRACE_SECONDS: Final = 2.0
_DEFAULTS: Final = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    app: Path
    host: str = "127.0.0.1"
    port: int = 8000
    ws_port: int = 8001
    stage: str = "dev"
    environments: int = 32
    verify_signatures: bool = True
    reload: bool = False
    order: Order = Order.CONCURRENT
    limits: Limits = field(default_factory=Limits)
    faults: Faults = field(default_factory=Faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    options = read_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(options))
    except (AppError, ConfigError, OSError) as error:
        print(f"local.gateway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def read_arguments(arguments: Sequence[str] | None) -> Options:
    limits, faults = Limits(), Faults()
    parser = argparse.ArgumentParser(
        prog="python -m local.gateway",
        description="Serves a Chalice app as API Gateway would: REST, WebSocket, @connections,"
        " and Lambda's Invoke.",
    )
    parser.add_argument("--app", type=Path, required=True, help="the folder with app.py")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="REST; 0 takes a free one")
    parser.add_argument(
        "--ws-port", type=int, default=8001, help="WebSocket, @connections and Invoke"
    )
    parser.add_argument("--stage", default="dev")
    parser.add_argument(
        "--environments", type=int, default=32, help="how many Lambdas run at once, at most"
    )
    parser.add_argument(
        "--no-signatures",
        dest="verify_signatures",
        action="store_false",
        help="take unsigned calls to @connections and Invoke",
    )
    parser.add_argument("--reload", action="store_true", help="load the app anew when it changes")
    parser.add_argument(
        "--message-order",
        dest="order",
        type=Order,
        choices=list(Order),
        metavar="{" + ",".join(order.value for order in Order) + "}",
        default=Order.CONCURRENT,
        help="in which order the messages of one connection reach the app",
    )
    parser.add_argument("--idle-seconds", type=float, default=limits.idle_ms / 1000)
    parser.add_argument("--duration-seconds", type=float, default=limits.duration_ms / 1000)
    parser.add_argument("--integration-seconds", type=float, default=limits.integration_ms / 1000)
    chaos = parser.add_argument_group("faults", "probabilities, from 0 to 1")
    chaos.add_argument("--drop-posts", type=float, default=faults.drop_posts)
    chaos.add_argument("--delay-posts", type=float, default=faults.delay_posts)
    chaos.add_argument("--reorder-posts", type=float, default=faults.reorder_posts)
    chaos.add_argument("--lose-disconnects", type=float, default=faults.lose_disconnects)
    chaos.add_argument("--seed", type=int, default=faults.seed, help="makes faults repeatable")
    given = vars(parser.parse_args(arguments))
    for name in ("idle", "duration", "integration"):
        seconds = given.pop(f"{name}_seconds")
        limits = replace(limits, **{f"{name}_ms": int(seconds * 1000)})
    for name in ("drop_posts", "delay_posts", "reorder_posts", "lose_disconnects", "seed"):
        faults = replace(faults, **{name: given.pop(name)})
    return Options(**given, limits=limits, faults=faults)


async def serve(options: Options) -> None:
    """Start, say where everything is, and stop at the first signal; leave at the second.

    Raises:
        AppError: There is no app to serve.
        ConfigError: Its configuration can't be understood.
        OSError: A port can't be had.
    """
    loop = asyncio.get_running_loop()
    told_to_stop = asyncio.Event()

    def on_signal() -> None:
        if told_to_stop.is_set():
            os._exit(130)
        told_to_stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl-C cancels instead
            loop.add_signal_handler(number, on_signal)
    async with AsyncExitStack() as parts:
        served = await Served.start(parts, options)
        print(served.describe(), flush=True)
        if options.reload:
            # A group, so that a watcher that fails ends the gateway instead of going unnoticed.
            watchers = await parts.enter_async_context(asyncio.TaskGroup())
            watcher = watchers.create_task(served.reload_on_change())
            parts.callback(watcher.cancel)
        await told_to_stop.wait()


class Served:
    """An app that is served, and can be exchanged for a newer one."""

    def __init__(
        self,
        options: Options,
        environments: Environments,
        function_environments: Environments,
        folder: Path,
        app: Chalice,
        lambdas: Lambdas,
    ) -> None:
        self._options = options
        self._environments = environments
        self._folder = folder
        self._rest_api = self._new_rest_api(app, lambdas)
        self._rest = HttpServer(self._rest_api.handle, refuse=self._rest_api.refuse)
        self._gateway = WebSocketGateway(
            lambdas.routes,
            environments,
            functions=lambdas.functions,
            function_environments=function_environments,
            api=Api(stage=options.stage),
            limits=options.limits,
            order=options.order,
            faults=options.faults,
            credentials=credentials_of(os.environ) if options.verify_signatures else None,
        )

    @classmethod
    async def start(cls, parts: AsyncExitStack, options: Options) -> Served:
        folder = options.app.resolve()
        config = StageConfig.read(folder, options.stage)
        environ = {**_DEFAULTS, **config.environment()}
        for name, value in environ.items():
            os.environ.setdefault(name, value)
        app = for_threads(load_app(folder))
        # Of their own: functions that wait keep no message waiting.
        environments, for_functions = (Environments(options.environments) for _ in range(2))
        parts.push_async_callback(environments.stop, GRACE_SECONDS / 2)
        parts.push_async_callback(for_functions.stop, GRACE_SECONDS / 2)
        lambdas = lambdas_of(app, config)
        served = cls(options, environments, for_functions, folder, app, lambdas)
        await served._gateway.start(options.host, options.ws_port)
        parts.push_async_callback(served._gateway.stop, GRACE_SECONDS)
        point_websocket_api(app, served.endpoint)
        await served._rest.start(options.host, options.port)
        parts.push_async_callback(served._rest.stop, GRACE_SECONDS)
        return served

    @property
    def endpoint(self) -> str:
        """Where @connections is, for ``endpoint_url``."""
        return f"http://{self._authority(self._gateway.port)}/{self._options.stage}"

    def describe(self) -> str:
        rest, sockets = self._authority(self._rest.port), self._authority(self._gateway.port)
        return "\n".join(
            (
                f"REST         http://{rest}",
                f"WebSocket    ws://{sockets}/{self._options.stage}",
                f"@connections {self.endpoint}",
                f"Lambda       http://{sockets}",
            )
        )

    async def reload_on_change(self) -> None:
        """Load the app again after each change; connections stay open."""
        await watch_app(self._folder, self.reload)

    def reload(self) -> None:
        """Go on with the app as it is on disk now, if it can be loaded."""
        try:
            app = for_threads(load_app(self._folder))
            point_websocket_api(app, self.endpoint)
            config = StageConfig.read(self._folder, self._options.stage)
            lambdas = lambdas_of(app, config)
            rest_api = self._new_rest_api(app, lambdas)
        except (Exception, SystemExit):
            LOG.exception("The app can't be loaded; the one before stays")
            return
        self._gateway.use(lambdas.routes, lambdas.functions)
        self._rest_api = rest_api
        self._rest.handler = self._rest_api.handle
        self._rest.refuse = self._rest_api.refuse
        print("Loaded the app anew.", flush=True)

    def _new_rest_api(self, app: Chalice, lambdas: Lambdas) -> RestApi:
        return RestApi(
            app,
            lambdas.rest,
            self._environments,
            identity=ApiIdentity(stage=self._options.stage),
        )

    def _authority(self, port: int) -> str:
        host = self._options.host
        reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"[{reachable}]:{port}" if ":" in reachable else f"{reachable}:{port}"


if __name__ == "__main__":
    sys.exit(main())
