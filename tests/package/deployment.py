"""The packaged functions behind the API Gateway emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import app as tickless
from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction
from chalice_gateway.proxy_request import ApiIdentity
from chalice_gateway.rest import RestApi
from infra.lambda_runtime import PackagedFunction
from tests.gateway.http_serving import serving as serving_http
from tests.gateway.websocket_serving import CREDENTIALS, STAGE
from tests.gateway.websocket_serving import serving as serving_sockets

GREETER = "tickless-prod-Greet-1A2B3C"
HANDLERS = ("app.app", "app.connect", "app.message", "app.disconnect", "app.greet", "app.sweep")


@dataclass(frozen=True)
class Deployment:
    """Its URLs, and its functions by handler."""

    rest_url: str
    websocket_url: str
    functions: dict[str, PackagedFunction]


@contextmanager
def deployment(task_root: Path, redis_url: str) -> Iterator[Deployment]:
    functions: dict[str, PackagedFunction] = {}

    def deployed(handler: str, name: str) -> LambdaFunction:
        def invoke(event: dict[str, Any], _context: Any) -> Any:
            return functions[handler].invoke(event)

        return LambdaFunction(name, invoke)

    routes = {
        "$connect": deployed("app.connect", "connect"),
        "$default": deployed("app.message", "message"),
        "$disconnect": deployed("app.disconnect", "disconnect"),
    }
    environments = ExecutionEnvironments()
    api = RestApi(
        tickless.app,
        deployed("app.app", "rest"),
        environments,
        identity=ApiIdentity(stage=STAGE),
    )
    with ExitStack() as stack:
        stack.callback(lambda: asyncio.run(environments.stop(5)))
        greeter = {GREETER: deployed("app.greet", GREETER)}
        sockets = stack.enter_context(serving_sockets(routes, functions=greeter))
        rest = stack.enter_context(serving_http(api.handle, error_response=api.error_response))
        variables = {
            "AUTH": "off",
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{sockets.port}",
            "BROADCAST": "inline",
            "GREETER": GREETER,
            "REDIS_URL": redis_url,
            # Built from an event it would be https, as on AWS.
            "WEBSOCKET_ENDPOINT": sockets.endpoint,
        }
        for handler in HANDLERS:
            function = PackagedFunction(task_root, handler, variables)
            functions[handler] = stack.enter_context(function)
        yield Deployment(f"http://127.0.0.1:{rest.port}", sockets.url, functions)
