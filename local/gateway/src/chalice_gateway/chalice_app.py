"""The Lambda functions as which a Chalice app is deployed.

Owns their names, as Chalice makes them, and loading an app from its directory. Must never
run a handler.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from chalice.app import (
    BuiltinAuthConfig,
    Chalice,
    CloudWatchEventConfig,
    DynamoDBEventConfig,
    KinesisEventConfig,
    S3EventConfig,
    ScheduledEventConfig,
    SNSEventConfig,
    SQSEventConfig,
    WebsocketConnectConfig,
    WebsocketDisconnectConfig,
    WebsocketMessageConfig,
)

from .chalice_config import REST, StageConfig
from .errors import StartupError
from .lambdas import LOG_STREAM_NAME, LambdaFunction, current_function
from .schedules import expression_of

# Chalice's name for the Lambda function of a route key, in its configuration and on AWS.
_ROUTE_RESOURCES = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}


class FunctionKind(StrEnum):
    """What invokes a function, and so the shape of its events."""

    REST = "REST API"
    CONNECT = "WebSocket $connect"
    MESSAGE = "WebSocket message"
    DISCONNECT = "WebSocket $disconnect"
    AUTHORIZER = "authorizer"
    SCHEDULE = "schedule"
    EVENT_BRIDGE = "EventBridge"
    S3 = "S3"
    SNS = "SNS"
    SQS = "SQS"
    KINESIS = "Kinesis"
    DYNAMODB = "DynamoDB"
    PLAIN = "plain function"


_KINDS: Mapping[type[Any], FunctionKind] = {
    BuiltinAuthConfig: FunctionKind.AUTHORIZER,
    CloudWatchEventConfig: FunctionKind.EVENT_BRIDGE,
    DynamoDBEventConfig: FunctionKind.DYNAMODB,
    KinesisEventConfig: FunctionKind.KINESIS,
    S3EventConfig: FunctionKind.S3,
    ScheduledEventConfig: FunctionKind.SCHEDULE,
    SNSEventConfig: FunctionKind.SNS,
    SQSEventConfig: FunctionKind.SQS,
    WebsocketConnectConfig: FunctionKind.CONNECT,
    WebsocketDisconnectConfig: FunctionKind.DISCONNECT,
    WebsocketMessageConfig: FunctionKind.MESSAGE,
}


class AppError(StartupError):
    """There is no app to run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class AppFunction:
    """A function under Chalice's name for it, such as ``api_handler`` or ``websocket_message``.

    ``source`` is Chalice's description of the event source: its queue, topic or bucket.
    """

    name: str
    kind: FunctionKind
    function: LambdaFunction
    source: Any = None


@dataclass(frozen=True, slots=True)
class Lambdas:
    """The Lambda functions of one app: REST's, each WebSocket route's, and the others by name.

    ``functions`` has all of them, those of authorizers, schedules and other event sources
    included, under their deployed names (``app-stage-name``). ``schedules`` has the expressions
    of those that run on a schedule, by name. ``by_chalice_name`` has all of them once more.
    """

    rest: LambdaFunction
    routes: Mapping[str, LambdaFunction]
    functions: Mapping[str, LambdaFunction]
    schedules: Mapping[str, str] = field(default_factory=dict)
    by_chalice_name: Mapping[str, AppFunction] = field(default_factory=dict)


def lambdas_of(app: Chalice, config: StageConfig) -> Lambdas:
    """The app's functions, with the names and settings with which Chalice deploys them."""
    prefix = f"{config.app_name or app.app_name}-{config.stage}"
    handlers: Mapping[str, Any] = app.handler_map

    def function(name: str, handler: Any, source: Any = None) -> AppFunction:
        settings = config.function_settings(name)
        deployed = LambdaFunction(
            prefix if name == REST else f"{prefix}-{name}",
            handler,
            memory_mb=settings.memory_mb,
            timeout_seconds=settings.timeout_seconds,
        )
        kind = FunctionKind.REST if name == REST else FunctionKind.PLAIN
        return AppFunction(name, _KINDS.get(type(source), kind), deployed, source)

    routes = {
        route_key: function(
            _ROUTE_RESOURCES.get(route_key, route.name), handlers[route.name], route
        )
        for route_key, route in app.websocket_handlers.items()
    }
    sources: list[Any] = [
        *app.pure_lambda_functions,
        *app.event_sources,
        *app.builtin_auth_handlers,
    ]
    functions = [function(source.name, handlers[source.name], source) for source in sources]
    rest = function(REST, app)
    everything = (rest, *routes.values(), *functions)
    return Lambdas(
        rest.function,
        {route_key: each.function for route_key, each in routes.items()},
        {each.function.name: each.function for each in everything},
        {
            each.function.name: expression_of(each.source)
            for each in functions
            if each.kind is FunctionKind.SCHEDULE
        },
        {each.name: each for each in everything},
    )


def runtime_environment(folder: Path, config: StageConfig) -> dict[str, str]:
    """The variables that Lambda's runtime sets. Those of one function are REST's.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    # Chalice requires app_name; without one the directory has to do, before the app is loaded.
    name = f"{config.app_name or folder.name}-{config.stage}"
    major, minor = sys.version_info[:2]
    settings = config.function_settings(REST)
    return {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{major}.{minor}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": LOG_STREAM_NAME,
        "LAMBDA_TASK_ROOT": str(folder),
        "TZ": ":UTC",
        "_HANDLER": "app.app",
        # X-Ray's SDK takes LAMBDA_TASK_ROOT for AWS, where there is a daemon.
        "AWS_XRAY_SDK_ENABLED": "false",
    }


def set_websocket_api_endpoint(app: Chalice, endpoint: str) -> None:
    """Make ``app.websocket_api`` post to ``endpoint`` in functions that have configured it.

    Chalice builds the endpoint from the API's id and has no setting for it. It configures the
    functions of WebSocket routes; on AWS each of the others is a process of its own, in which
    ``send`` fails unless the app calls ``configure``. As in ``make_thread_safe``, this changes
    the class of the object, because handlers refer to that object.

    The client is created here too, because two handlers might create it concurrently, and a
    boto3 session is not thread-safe.
    """
    api = app.websocket_api
    kind: Any = api.__class__
    if not issubclass(kind, _EndpointPerFunction):
        at_import = api.__dict__.pop("_endpoint", None) is not None
        attributes = {"_configured_at_import": {None} if at_import else set()}
        kind = type(f"Local{kind.__name__}", (_EndpointPerFunction, kind), attributes)
        api.__class__ = kind
    kind._configured = set(kind._configured_at_import)
    kind._local_endpoint = endpoint
    if api.session is not None:
        api._client = api.session.client("apigatewaymanagementapi", endpoint_url=endpoint)


class _EndpointPerFunction:
    _configured_at_import: set[str | None]
    _configured: set[str | None]
    _local_endpoint: str

    @property
    def _endpoint(self) -> str | None:
        function = current_function()
        if function is None:  # a thread that a handler has started, whichever it was
            configured = bool(self._configured)
        else:
            configured = not self._configured.isdisjoint((None, function.name))
        return self._local_endpoint if configured else None

    @_endpoint.setter
    def _endpoint(self, _: str) -> None:
        function = current_function()
        self._configured.add(None if function is None else function.name)


def load_app(folder: Path) -> Chalice:
    """``app.app`` of ``folder``, with all modules of the app imported again.

    Raises:
        AppError: There is none.
    """
    folder = folder.resolve()
    if not (folder / "app.py").is_file():
        raise AppError(f"There is no app.py in {folder}.")
    # Chalice deploys the contents of vendor/ next to app.py.
    paths = [str(folder), str(folder / "vendor")]
    if sys.path[:2] != paths:
        sys.path[:0] = paths
    previous = {name: sys.modules.pop(name) for name in _app_modules()}
    importlib.invalidate_caches()
    try:
        app = importlib.import_module("app").app
    except BaseException as error:
        for name in _app_modules():
            del sys.modules[name]
        sys.modules.update(previous)
        if isinstance(error, AttributeError) and str(error).endswith("has no attribute 'app'"):
            raise AppError(f"{folder}/app.py must define a Chalice app named app.") from error
        raise
    if not isinstance(app, Chalice):
        raise AppError(f"app in {folder}/app.py must be a Chalice app, not {type(app).__name__}.")
    return app


def _app_modules() -> list[str]:
    # By name rather than by file, because imports find loaded modules by name.
    return [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]
