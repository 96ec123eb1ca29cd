"""A Chalice app, taken apart into the Lambdas it would be deployed as.

Owns names and registration, as Chalice does them, and loading an app from its
folder. Must never run a handler.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.app import Chalice

from .chalice_config import REST, StageConfig
from .lambdas import LambdaFunction

# What Chalice calls the Lambda of a route key, in configuration and in AWS.
_ROUTE_RESOURCES = {
    "$connect": "websocket_connect",
    "$default": "websocket_message",
    "$disconnect": "websocket_disconnect",
}


class AppError(Exception):
    """There is no app to run; the message tells a developer what to do."""


@dataclass(frozen=True, slots=True)
class Lambdas:
    """The functions of one app: REST's, each WebSocket route's, and the others by name.

    ``functions`` are the plain ones and those of schedules and other event
    sources, under their deployed names (``app-stage-name``).
    """

    rest: LambdaFunction
    routes: Mapping[str, LambdaFunction]
    functions: Mapping[str, LambdaFunction]


def lambdas_of(app: Chalice, config: StageConfig) -> Lambdas:
    """Under the names and with the settings that Chalice would deploy them with."""
    prefix = f"{config.app_name or app.app_name}-{config.stage}"
    handlers: Mapping[str, Any] = app.handler_map

    def function(name: str, handler: Any) -> LambdaFunction:
        settings = config.of(name)
        return LambdaFunction(
            prefix if name == REST else f"{prefix}-{name}",
            handler,
            memory_mb=settings.memory_mb,
            timeout_seconds=settings.timeout_seconds,
        )

    routes = {
        route_key: function(_ROUTE_RESOURCES.get(route_key, one.name), handlers[one.name])
        for route_key, one in app.websocket_handlers.items()
    }
    named: list[Any] = [*app.pure_lambda_functions, *app.event_sources]
    others = [function(one.name, handlers[one.name]) for one in named]
    return Lambdas(function(REST, app), routes, {one.name: one for one in others})


def point_websocket_api(app: Chalice, endpoint: str) -> None:
    """Have ``app.websocket_api`` post to ``endpoint``; it would post to AWS otherwise.

    Chalice makes the endpoint up from the API's id and heeds no setting. What
    it has once it keeps, so it is given one. Its client is made here as well,
    because two handlers might make it at once, which boto3 doesn't take.
    """
    api = app.websocket_api
    api._endpoint = endpoint
    if api.session is not None:
        api._client = api.session.client("apigatewaymanagementapi", endpoint_url=endpoint)


def load_app(folder: Path) -> Chalice:
    """``app.app`` of ``folder``, reloaded: all modules loaded from there are dropped.

    Raises:
        AppError: There is none.
    """
    folder = folder.resolve()
    if not (folder / "app.py").is_file():
        raise AppError(f"There is no app.py in {folder}.")
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
    before = {name: sys.modules.pop(name) for name in _apps_modules()}
    importlib.invalidate_caches()
    try:
        app = importlib.import_module("app").app
    except BaseException as error:
        for name in _apps_modules():
            del sys.modules[name]
        sys.modules.update(before)
        if isinstance(error, AttributeError) and str(error).endswith("has no attribute 'app'"):
            raise AppError(f"{folder}/app.py has no app.") from error
        raise
    if not isinstance(app, Chalice):
        raise AppError(f"The app in {folder}/app.py is no Chalice app.")
    return app


def _apps_modules() -> list[str]:
    # By name, for that is all that an import goes by.
    return [name for name in sys.modules if name.partition(".")[0] in ("app", "chalicelib")]
