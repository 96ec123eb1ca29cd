"""``python -m local.gateway``: any Chalice app behind the API Gateway emulator.

Owns the arguments, signals, output and reloading. Must never know how a component works.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, chdir, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Final

from chalice.app import Chalice

from .authorizers import Authorizers, AuthorizerSettings, UncheckedAuthorizers
from .chalice_app import (
    AppError,
    Lambdas,
    lambdas_of,
    load_app,
    runtime_environment,
    set_websocket_api_endpoint,
)
from .chalice_config import ConfigError, StageConfig
from .cognito import CognitoKeys, CognitoKeysError
from .http_server import HttpServer
from .https_endpoint import https_endpoint
from .lambdas import ExecutionEnvironments, make_thread_safe
from .proxy_request import ApiIdentity
from .rest import RestApi
from .scheduler import ScheduledFunction, Scheduler, utc_now
from .schedules import InvalidSchedule, parse_schedule
from .sigv4 import credentials_from
from .tls import TlsError, server_context, write_certificate
from .watch_app import watch_app
from .websocket_events import Api
from .websocket_limits import Faults, Limits, MessageOrder
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
    """The command line's options."""

    app: Path
    host: str = "127.0.0.1"
    port: int = 8000
    ws_port: int = 8001
    stage: str = "dev"
    environments: int = 32
    verify_signatures: bool = True
    api_keys: tuple[str, ...] = ()
    cognito_jwks: tuple[Path, ...] = ()
    allow_unchecked_authorizers: bool = False
    tls: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    schedules: bool = True
    reload: bool = False
    order: MessageOrder = MessageOrder.CONCURRENT
    limits: Limits = field(default_factory=Limits)
    faults: Faults = field(default_factory=Faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped; the exit code."""
    options = read_arguments(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(options))
    except (
        AppError,
        CognitoKeysError,
        ConfigError,
        InvalidSchedule,
        OSError,
        TlsError,
        UncheckedAuthorizers,
    ) as error:
        print(f"local.gateway: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def read_arguments(arguments: Sequence[str] | None) -> Options:
    limits, faults = Limits(), Faults()
    parser = argparse.ArgumentParser(
        prog="python -m local.gateway",
        description="Serve a Chalice app as API Gateway would: REST, WebSocket, @connections"
        " and Lambda's Invoke.",
    )
    parser.add_argument("--app", type=Path, required=True, help="the directory with app.py")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="REST; 0 takes a free port")
    parser.add_argument(
        "--ws-port",
        type=int,
        default=8001,
        help="WebSocket, @connections and Invoke; 0 takes a free port",
    )
    parser.add_argument(
        "--stage", default="dev", help="Chalice's stage: the one in .chalice/config.json"
    )
    parser.add_argument(
        "--environments",
        type=int,
        default=32,
        help="maximum number of concurrent Lambda environments",
    )
    parser.add_argument(
        "--no-signatures",
        dest="verify_signatures",
        action="store_false",
        help="accept unsigned calls to @connections and Invoke",
    )
    parser.add_argument(
        "--api-key",
        dest="api_keys",
        action="append",
        default=[],
        metavar="KEY",
        help="a valid API key, for routes with api_key_required; repeatable",
    )
    parser.add_argument(
        "--cognito-jwks",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a user pool's keys, its .well-known/jwks.json; repeatable",
    )
    parser.add_argument(
        "--allow-unchecked-authorizers",
        action="store_true",
        help="let any caller in where an authorizer can't be checked, instead of refusing to start",
    )
    parser.add_argument(
        "--tls",
        action="store_true",
        help="serve https and wss, with a certificate made at start unless one is given",
    )
    parser.add_argument("--tls-certificate", type=Path, metavar="FILE", help="PEM; implies --tls")
    parser.add_argument(
        "--tls-key",
        type=Path,
        metavar="FILE",
        help="PEM; needed if the certificate's file does not contain the key",
    )
    parser.add_argument(
        "--no-schedules",
        dest="schedules",
        action="store_false",
        help="don't run scheduled functions when they are due",
    )
    parser.add_argument("--reload", action="store_true", help="reload the app when it changes")
    parser.add_argument(
        "--message-order",
        dest="order",
        type=MessageOrder,
        choices=list(MessageOrder),
        metavar="{" + ",".join(order.value for order in MessageOrder) + "}",
        default=MessageOrder.CONCURRENT,
        help="the order in which the messages of one connection reach the app",
    )
    parser.add_argument("--idle-seconds", type=float, default=limits.idle_ms / 1000)
    parser.add_argument("--duration-seconds", type=float, default=limits.duration_ms / 1000)
    parser.add_argument("--integration-seconds", type=float, default=limits.integration_ms / 1000)
    fault_group = parser.add_argument_group("faults", "probabilities from 0 to 1")
    fault_group.add_argument("--drop-posts", type=float, default=faults.drop_posts)
    fault_group.add_argument("--delay-posts", type=float, default=faults.delay_posts)
    fault_group.add_argument("--reorder-posts", type=float, default=faults.reorder_posts)
    fault_group.add_argument("--lose-disconnects", type=float, default=faults.lose_disconnects)
    fault_group.add_argument("--seed", type=int, default=faults.seed, help="repeats the faults")
    parsed = vars(parser.parse_args(arguments))
    for name in ("idle", "duration", "integration"):
        seconds = parsed.pop(f"{name}_seconds")
        limits = replace(limits, **{f"{name}_ms": int(seconds * 1000)})
    for name in ("drop_posts", "delay_posts", "reorder_posts", "lose_disconnects", "seed"):
        faults = replace(faults, **{name: parsed.pop(name)})
    parsed["tls"] = parsed["tls"] or parsed["tls_certificate"] is not None
    for name in ("api_keys", "cognito_jwks"):
        parsed[name] = tuple(parsed[name])
    return Options(**parsed, limits=limits, faults=faults)


async def serve(options: Options) -> None:
    """Start, print the URLs, and stop on the first signal; exit on the second.

    Raises:
        AppError: There is no app to serve.
        CognitoKeysError: The keys of Cognito can't be read.
        UncheckedAuthorizers: The app has authorizers that can't be checked.
        ConfigError: Its configuration is invalid, or Chalice would not deploy it.
        InvalidSchedule: EventBridge would refuse a schedule.
        OSError: A port is taken.
        TlsError: The certificate can't be used or made.
    """
    loop = asyncio.get_running_loop()
    stop_requested = asyncio.Event()

    def on_signal() -> None:
        if stop_requested.is_set():
            os._exit(130)
        stop_requested.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows, where Ctrl-C cancels instead
            loop.add_signal_handler(number, on_signal)
    async with AsyncExitStack() as exit_stack:
        served = await ServedApp.start(exit_stack, options)
        print(served.startup_message(), flush=True)
        if options.reload:
            # In a task group, so that an error of the watcher stops the gateway.
            watchers = await exit_stack.enter_async_context(asyncio.TaskGroup())
            watcher = watchers.create_task(served.reload_on_change())
            exit_stack.callback(watcher.cancel)
        await stop_requested.wait()


def _set_environment(exit_stack: AsyncExitStack, variables: Mapping[str, str]) -> None:
    """Set the variables that are not set; restore all of them when the stack closes."""

    def restore(name: str, previous: str | None) -> None:
        if previous is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = previous

    for name, value in variables.items():
        # Also one that was set: each Chalice app appends to AWS_EXECUTION_ENV.
        exit_stack.callback(restore, name, os.environ.get(name))
        os.environ.setdefault(name, value)


def _certificate(exit_stack: AsyncExitStack, options: Options) -> Path | None:
    """The file of the certificate, made now unless it is given; None without TLS."""
    if not options.tls:
        return None
    if options.tls_certificate is not None:
        return options.tls_certificate.resolve()
    path = Path(exit_stack.enter_context(TemporaryDirectory(prefix="gateway-tls-"))) / "cert.pem"
    hosts = ["localhost", "127.0.0.1", "::1", gethostname(), options.host]
    write_certificate(path, [host for host in hosts if host not in ("", "0.0.0.0", "::")])
    return path


class ServedApp:
    """A served app, which can be replaced by a newer version."""

    def __init__(
        self,
        options: Options,
        environments: ExecutionEnvironments,
        function_environments: ExecutionEnvironments,
        folder: Path,
        app: Chalice,
        lambdas: Lambdas,
        config: StageConfig,
        cognito_keys: CognitoKeys | None,
        certificate: Path | None,
    ) -> None:
        self._options = options
        self._api_stage = config.api_stage
        self._certificate = certificate
        self._scheme = "http" if certificate is None else "https"
        tls = None if certificate is None else server_context(certificate, options.tls_key)
        self._environments = environments
        self._folder = folder
        self._authorizer_settings = AuthorizerSettings(
            credentials=credentials_from(os.environ),
            api_keys=options.api_keys,
            cognito_keys=cognito_keys,
            allow_unchecked=options.allow_unchecked_authorizers,
        )
        self._scheduled = self._schedules_of(lambdas)
        self._scheduler = Scheduler(function_environments)
        self._rest_api = self._new_rest_api(app, lambdas, config)
        self._rest = HttpServer(
            self._rest_api.handle, error_response=self._rest_api.error_response, tls=tls
        )
        self._gateway = WebSocketGateway(
            lambdas.routes,
            environments,
            functions=lambdas.functions,
            function_environments=function_environments,
            api=Api(stage=self._api_stage, scheme=self._scheme),
            limits=options.limits,
            order=options.order,
            faults=options.faults,
            credentials=credentials_from(os.environ) if options.verify_signatures else None,
            tls=tls,
        )

    @classmethod
    async def start(cls, exit_stack: AsyncExitStack, options: Options) -> ServedApp:
        cognito_keys = CognitoKeys.read(options.cognito_jwks) if options.cognito_jwks else None
        certificate = _certificate(exit_stack, options)
        options = replace(options, tls_key=options.tls_key and options.tls_key.resolve())
        folder = options.app.resolve()
        config = StageConfig.read(folder, options.stage)
        _set_environment(exit_stack, {**_DEFAULTS, **config.environment()})
        _set_environment(exit_stack, runtime_environment(folder, config))
        if folder.is_dir():
            exit_stack.enter_context(chdir(folder))
        app = make_thread_safe(load_app(folder))
        config.validate(app)
        # Two pools, so that invoked functions never delay messages.
        environments, for_functions = (
            ExecutionEnvironments(options.environments) for _ in range(2)
        )
        exit_stack.push_async_callback(environments.stop, GRACE_SECONDS / 2)
        exit_stack.push_async_callback(for_functions.stop, GRACE_SECONDS / 2)
        lambdas = lambdas_of(app, config)
        served = cls(
            options,
            environments,
            for_functions,
            folder,
            app,
            lambdas,
            config,
            cognito_keys,
            certificate,
        )
        await served._gateway.start(options.host, options.ws_port)
        exit_stack.push_async_callback(served._gateway.stop, GRACE_SECONDS)
        set_websocket_api_endpoint(app, served.endpoint)
        await served._rest.start(options.host, options.port)
        exit_stack.push_async_callback(served._rest.stop, GRACE_SECONDS)
        ports = served._gateway.port, served._rest.port
        exit_stack.enter_context(https_endpoint(ports, certificate))
        served._scheduler.replace(served._scheduled)
        exit_stack.callback(served._scheduler.stop)
        return served

    @property
    def endpoint(self) -> str:
        """The URL of @connections, for boto3's ``endpoint_url``."""
        return f"{self._scheme}://{self._authority(self._gateway.port)}/{self._api_stage}"

    def startup_message(self) -> str:
        rest, sockets = self._authority(self._rest.port), self._authority(self._gateway.port)
        websocket_scheme = self._scheme.replace("http", "ws")
        lines = [
            f"REST         {self._scheme}://{rest}",
            f"WebSocket    {websocket_scheme}://{sockets}/{self._api_stage}",
            f"@connections {self.endpoint}",
            f"Lambda       {self._scheme}://{sockets}",
        ]
        if self._certificate is not None:
            lines.append(f"Certificate  {self._certificate}")
        for name, scheduled in self._scheduled.items():
            due = scheduled.schedule.next_after(utc_now())
            when = "never" if due is None else f"next at {due:%Y-%m-%d %H:%M:%S} UTC"
            lines.append(f"Schedule     {name}: {scheduled.expression}, {when}")
        return "\n".join(lines)

    async def reload_on_change(self) -> None:
        """Reload the app after each change; connections stay open."""
        await watch_app(self._folder, self.reload)

    def reload(self) -> None:
        """Switch to the app as it is on disk, if it can be loaded."""
        try:
            app = make_thread_safe(load_app(self._folder))
            set_websocket_api_endpoint(app, self.endpoint)
            config = StageConfig.read(self._folder, self._options.stage)
            config.validate(app)
            lambdas = lambdas_of(app, config)
            scheduled = self._schedules_of(lambdas)
            rest_api = self._new_rest_api(app, lambdas, config)
        except (Exception, SystemExit):
            LOG.exception("The app can't be loaded; the previous version still runs")
            return
        self._gateway.replace_functions(lambdas.routes, lambdas.functions)
        self._scheduled = scheduled
        self._scheduler.replace(scheduled)
        self._rest_api = rest_api
        self._rest.handler = self._rest_api.handle
        self._rest.error_response = self._rest_api.error_response
        print("Reloaded the app.", flush=True)

    def _schedules_of(self, lambdas: Lambdas) -> dict[str, ScheduledFunction]:
        # An invalid expression is an error even where nothing is run.
        now = utc_now()
        scheduled = {
            name: ScheduledFunction(
                lambdas.functions[name], expression, parse_schedule(expression, now)
            )
            for name, expression in lambdas.schedules.items()
        }
        return scheduled if self._options.schedules else {}

    def _new_rest_api(self, app: Chalice, lambdas: Lambdas, config: StageConfig) -> RestApi:
        return RestApi(
            app,
            lambdas.rest,
            self._environments,
            identity=ApiIdentity(stage=self._api_stage, scheme=self._scheme),
            authorizers=Authorizers(
                app, lambdas.functions, self._environments, self._authorizer_settings
            ),
            minimum_compression_bytes=config.minimum_compression_bytes,
            timeout_seconds=self._options.limits.integration_ms / 1000,
        )

    def _authority(self, port: int) -> str:
        host = self._options.host
        reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"[{reachable}]:{port}" if ":" in reachable else f"{reachable}:{port}"


if __name__ == "__main__":
    sys.exit(main())
