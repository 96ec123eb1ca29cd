"""One app behind its gateway: REST, WebSocket, @connections, Invoke and schedules.

Owns what the gateway is built from, the order in which it starts and stops, and replacing
the app by a newer version. Must never read the command line.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import Final

from .app_runtime import LoadedApp, enter_runtime, load_again
from .authorizers import Authorizers, AuthorizerSettings
from .chalice_app import Lambdas, set_websocket_api_endpoint
from .cognito import CognitoKeys
from .http_messages import HttpError, Request, Response
from .http_server import HttpServer
from .https_endpoint import https_endpoint
from .lambdas import API_ID, ExecutionEnvironments
from .options import Options
from .proxy_request import ApiIdentity
from .rest import RestApi
from .scheduler import ScheduledFunction, Scheduler, utc_now
from .schedules import parse_schedule
from .sigv4 import credentials_from
from .tls import server_context, write_certificate
from .websocket_events import Api
from .websocket_server import WebSocketGateway, wall_clock_ms

LOG = logging.getLogger(__name__)

GRACE_SECONDS: Final = 2.0


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
        loaded: LoadedApp,
        cognito_keys: CognitoKeys | None,
        certificate: Path | None,
        now_ms: Callable[[], int],
    ) -> None:
        self._options = options
        self._api_stage = loaded.config.api_stage
        self.name = loaded.lambdas.rest.name
        self._base_path = f"/{self.name}" if options.behind_router else ""
        self._api_id = api_id(self.name) if options.behind_router else API_ID
        self._certificate = certificate
        self._scheme = "http" if certificate is None else "https"
        tls = None if certificate is None else server_context(certificate, options.tls_key)
        self.environments = environments
        self.function_environments = function_environments
        self.folder = folder
        self._authorizer_settings = AuthorizerSettings(
            credentials=credentials_from(os.environ),
            api_keys=options.api_keys,
            cognito_keys=cognito_keys,
            allow_unchecked=options.allow_unchecked_authorizers,
        )
        self.app = loaded.app
        self.lambdas = loaded.lambdas
        self.scheduled = self._schedules_of(loaded.lambdas)
        self._scheduler = Scheduler(function_environments)
        self._rest_api = self._new_rest_api(loaded)
        self._rest = HttpServer(
            self._handle_rest, error_response=self._rest_error_response, tls=tls
        )
        self.gateway = WebSocketGateway(
            loaded.lambdas.routes,
            environments,
            functions=loaded.lambdas.functions,
            function_environments=function_environments,
            api=Api(self._api_stage, self._api_id, self._scheme),
            limits=options.limits,
            order=options.order,
            faults=options.faults,
            credentials=credentials_from(os.environ) if options.verify_signatures else None,
            now_ms=now_ms,
            tls=tls,
            base_path=self._base_path,
        )

    @classmethod
    async def start(
        cls,
        exit_stack: AsyncExitStack,
        options: Options,
        *,
        load: Callable[[AsyncExitStack], LoadedApp] | None = None,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> ServedApp:
        """Serve the app in ``options.folder``, or another, until the stack closes."""
        cognito_keys = CognitoKeys.read(options.cognito_jwks) if options.cognito_jwks else None
        certificate = _certificate(exit_stack, options)
        options = replace(options, tls_key=options.tls_key and options.tls_key.resolve())
        folder = options.folder.resolve()
        if load is None:
            loaded = enter_runtime(exit_stack, folder, options.stage)
        else:
            loaded = load(exit_stack)
        # Two pools, so that invoked functions never delay messages.
        environments, for_functions = (
            ExecutionEnvironments(options.environments) for _ in range(2)
        )
        exit_stack.push_async_callback(environments.stop, GRACE_SECONDS / 2)
        exit_stack.push_async_callback(for_functions.stop, GRACE_SECONDS / 2)
        served = cls(
            options, environments, for_functions, folder, loaded, cognito_keys, certificate, now_ms
        )
        await served.gateway.start(options.host, options.ws_port)
        exit_stack.push_async_callback(served.gateway.stop, GRACE_SECONDS)
        set_websocket_api_endpoint(loaded.app, served.endpoint)
        await served._rest.start(options.host, options.port)
        exit_stack.push_async_callback(served._rest.stop, GRACE_SECONDS)
        ports = served.gateway.port, served._rest.port
        exit_stack.enter_context(https_endpoint(ports, certificate))
        served._scheduler.replace(served.scheduled if options.schedules else {})
        exit_stack.callback(served._scheduler.stop)
        return served

    @property
    def endpoint(self) -> str:
        """The URL of @connections, for boto3's ``endpoint_url``."""
        authority = reachable(self._options.host, self.gateway.port)
        return f"{self._scheme}://{authority}/{self._api_stage}"

    @property
    def rest_url(self) -> str:
        return f"{self._scheme}://{reachable(self._options.host, self._rest.port)}"

    @property
    def ws_url(self) -> str:
        return self.endpoint.replace("http", "ws", 1)

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of REST and of the WebSocket API."""
        return self._rest.port, self.gateway.port

    @property
    def api_stage(self) -> str:
        return self._api_stage

    def startup_message(self) -> str:
        lines = [*url_lines(self.rest_url, self.endpoint), *self.schedule_lines()]
        if self._certificate is not None:
            lines.insert(4, f"Certificate  {self._certificate}")
        return "\n".join(lines)

    def schedule_lines(self) -> list[str]:
        """What runs when."""
        if not self._options.schedules:
            return []
        lines = []
        for name, scheduled in self.scheduled.items():
            due = scheduled.schedule.next_after(utc_now())
            when = "never" if due is None else f"next at {due:%Y-%m-%d %H:%M:%S} UTC"
            lines.append(f"Schedule     {name}: {scheduled.expression}, {when}")
        return lines

    def reload(self) -> None:
        """Switch to the app as it is on disk, if it can be loaded."""
        try:
            loaded = load_again(self.folder, self._options.stage)
            set_websocket_api_endpoint(loaded.app, self.endpoint)
            lambdas = loaded.lambdas
            scheduled = self._schedules_of(lambdas)
            rest_api = self._new_rest_api(loaded)
        except (Exception, SystemExit):
            LOG.exception("The app can't be loaded; the previous version still runs")
            return
        self.gateway.replace_functions(lambdas.routes, lambdas.functions)
        self.app = loaded.app
        self.lambdas = lambdas
        self.scheduled = scheduled
        self._scheduler.replace(scheduled if self._options.schedules else {})
        self._rest_api = rest_api
        print("Reloaded the app.", flush=True)

    def _schedules_of(self, lambdas: Lambdas) -> dict[str, ScheduledFunction]:
        # An invalid expression is an error even where nothing is run.
        now = utc_now()
        return {
            name: ScheduledFunction(
                lambdas.functions[name], expression, parse_schedule(expression, now)
            )
            for name, expression in lambdas.schedules.items()
        }

    async def _handle_rest(self, request: Request) -> Response:
        if self._base_path:
            # As on AWS the stage is part of the URL, and not of the resource's path.
            request = request.below(f"{self._base_path}/{self._api_stage}")
        return await self._rest_api.handle(request)

    def _rest_error_response(self, error: HttpError) -> Response:
        return self._rest_api.error_response(error)

    def _new_rest_api(self, loaded: LoadedApp) -> RestApi:
        return RestApi(
            loaded.app,
            loaded.lambdas.rest,
            self.environments,
            identity=ApiIdentity(self._api_stage, self._api_id, self._scheme),
            authorizers=Authorizers(
                loaded.app,
                loaded.lambdas.functions,
                self.environments,
                self._authorizer_settings,
            ),
            minimum_compression_bytes=loaded.config.minimum_compression_bytes,
            timeout_seconds=self._options.limits.integration_ms / 1000,
        )


def url_lines(rest_url: str, endpoint: str) -> list[str]:
    """What is where: REST, and the rest given the URL of @connections."""
    return [
        f"REST         {rest_url}",
        f"WebSocket    {endpoint.replace('http', 'ws', 1)}",
        f"@connections {endpoint}",
        f"Lambda       {'/'.join(endpoint.split('/')[:3])}",
    ]


def reachable(host: str, port: int) -> str:
    """Host and port at which clients on this machine reach a server that listens on ``host``."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def api_id(name: str) -> str:
    """The id of an API among several: as on AWS ten characters, and always the same."""
    return sha256(name.encode()).hexdigest()[:10]
