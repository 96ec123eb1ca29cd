"""Middleware around every function: its figures, its one line in the log, its span in the trace.

Nothing else knows that it is observed. What only the inside of a function
knows, it notes as it goes, and it is said here.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from chalice.app import Chalice, Request, Response

from ..container import container
from ..schemas.errors import InvalidRequest
from ..schemas.requests import read_session_id
from ..telemetry.log_context import LogValue, log_context

LOG = logging.getLogger("tickless")

PROBES = {"/health", "/ready", "/metrics"}
"""Asked every few seconds by machines, and so worth a line only while debugging."""

REFUSED_FROM = 400


def observe(app: Chalice) -> None:
    """Put the middleware around everything that is registered from now on."""
    app.register_middleware(_request, "http")
    app.register_middleware(_message, "websocket")
    app.register_middleware(_invocation, "pure_lambda")
    app.register_middleware(_invocation, "scheduled")


def _request(request: Request, get_response: Callable[[Request], Response]) -> Response:
    began_s = time.perf_counter()
    context = request.context
    method, route = str(request.method), str(context.get("resourcePath", ""))
    with log_context(request_id=str(context.get("requestId", ""))) as log_keys:
        telemetry, tracing = container().telemetry, container().tracing
        # Only an id that may be one: a path can hold anything.
        with suppress(InvalidRequest, KeyError):
            log_keys["session_id"] = read_session_id((request.uri_params or {})["session_id"])
        with tracing.span(f"{method} {route}"):
            response = get_response(request)
        seconds = time.perf_counter() - began_s
        status = response.status_code
        telemetry.answered(method, route, status, seconds)
        if route.endswith("/switch") and status < REFUSED_FROM and "repeated" not in log_keys:
            telemetry.switched("rest", seconds)
        telemetry.flush()
        LOG.log(
            logging.DEBUG if route in PROBES else logging.INFO,
            "request",
            extra={
                "method": method,
                "route": route,
                "status": status,
                "duration_ms": _ms(seconds),
            },
        )
    return response


def _message(event: Any, get_response: Callable[[Any], Any]) -> Any:
    began_s = time.perf_counter()
    context = event.to_dict()["requestContext"]
    route = context["routeKey"]
    # Until its text has been read it may be of any type.
    kind = "INVALID" if route == "$default" else route.removeprefix("$").upper()
    facts: dict[str, LogValue] = {
        "request_id": context["requestId"],
        "connection_id": context["connectionId"],
        "type": kind,
    }
    with log_context(**facts) as log_keys:
        tracing = container().tracing
        try:
            with tracing.span(route):
                answer = get_response(event)
                refused = (answer or {}).get("statusCode", 200)
                # Not before: a line from its midst would say so, too.
                log_keys.setdefault("code", str(refused) if refused >= REFUSED_FROM else "OK")
        except Exception:
            log_keys["code"] = "INTERNAL_ERROR"
            raise
        else:
            return answer
        finally:
            _tell_of_message(log_keys, time.perf_counter() - began_s)


def _tell_of_message(log_keys: Mapping[str, LogValue], seconds: float) -> None:
    telemetry = container().telemetry
    kind, code = str(log_keys["type"]), str(log_keys["code"])
    telemetry.heard(kind, code, seconds)
    if log_keys.get("command") == "switch" and code == "OK" and "repeated" not in log_keys:
        telemetry.switched("websocket", seconds)
    telemetry.flush()
    LOG.log(
        # Everybody sends one every half a minute.
        logging.DEBUG if kind == "PING" else logging.INFO,
        "message",
        extra={"duration_ms": _ms(seconds)},
    )


def _invocation(event: Any, get_response: Callable[[Any], Any]) -> Any:
    context = event.context
    with log_context(request_id=context.aws_request_id):
        telemetry, tracing = container().telemetry, container().tracing
        try:
            with tracing.span(context.function_name):
                return get_response(event)
        finally:
            telemetry.flush()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
