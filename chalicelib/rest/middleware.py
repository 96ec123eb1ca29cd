"""Middleware: errors in our shape, and around every function metrics, one log line and a span.

Code inside a function adds to the log line by ``append_keys``, and knows nothing else of this.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice, Request, Response

from ..schemas.errors import CODES, Problem, internal_error
from ..settings import InvalidSetting
from ..telemetry.log_context import LogValue, log_context
from .responses import CORS, refuse

if TYPE_CHECKING:
    from ..container import Container

LOG = logging.getLogger("tickless")

PROBES = {"/health", "/ready", "/metrics"}
"""Requested every few seconds by machines, so logged at DEBUG only."""

REFUSED_FROM = 400


def register_middleware(app: Chalice, container: Container) -> None:
    """Register from the outermost to the innermost: what is observed has its final shape."""
    observer = _Observer(container)
    app.register_middleware(_answer_failures, "http")
    app.register_middleware(observer.request, "http")
    app.register_middleware(observer.message, "websocket")
    app.register_middleware(observer.invocation, "pure_lambda")
    app.register_middleware(observer.invocation, "scheduled")
    app.register_middleware(_convert_chalice_error, "http")


class _Observer:
    def __init__(self, container: Container) -> None:
        self._container = container

    def request(self, request: Request, get_response: Callable[[Request], Response]) -> Response:
        began_s = time.perf_counter()
        context = request.context
        method, route = str(request.method), str(context.get("resourcePath", ""))
        with log_context(request_id=str(context.get("requestId", ""))) as log_keys:
            telemetry, tracing = self._container.telemetry, self._container.tracing
            with tracing.span(f"{method} {route}"):
                response = get_response(request)
            seconds = time.perf_counter() - began_s
            status, duration_ms = response.status_code, round(seconds * 1000, 3)
            telemetry.record_request(method, route, status, seconds)
            if route.endswith("/switch") and status < REFUSED_FROM and "repeated" not in log_keys:
                telemetry.record_switch("rest", seconds)
            telemetry.flush()
            LOG.log(
                logging.DEBUG if route in PROBES else logging.INFO,
                "request",
                extra={
                    "method": method,
                    "route": route,
                    "status": status,
                    "duration_ms": duration_ms,
                },
            )
        return response

    def message(self, event: Any, get_response: Callable[[Any], Any]) -> Any:
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
            tracing = self._container.tracing
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
                self._record_message(log_keys, time.perf_counter() - began_s)

    def _record_message(self, log_keys: Mapping[str, LogValue], seconds: float) -> None:
        telemetry = self._container.telemetry
        kind, code = str(log_keys["type"]), str(log_keys["code"])
        telemetry.record_message(kind, code, seconds)
        if log_keys.get("command") == "switch" and code == "OK" and "repeated" not in log_keys:
            telemetry.record_switch("websocket", seconds)
        telemetry.flush()
        LOG.log(
            # Each client sends one every half minute.
            logging.DEBUG if kind == "PING" else logging.INFO,
            "message",
            extra={"duration_ms": round(seconds * 1000, 3)},
        )

    def invocation(self, event: Any, get_response: Callable[[Any], Any]) -> Any:
        context = event.context
        with log_context(request_id=context.aws_request_id):
            telemetry, tracing = self._container.telemetry, self._container.tracing
            try:
                with tracing.span(context.function_name):
                    return get_response(event)
            finally:
                telemetry.flush()


def _answer_failures(request: Request, get_response: Callable[[Request], Response]) -> Response:
    """Outermost: answers what another middleware raises, such as an invalid setting."""
    request_id = request.context.get("requestId", "")
    try:
        return get_response(request)
    except InvalidSetting:
        # The container has logged it.
        return refuse(internal_error(request_id), CORS.get_access_control_headers())
    except Exception as error:
        LOG.error("request %s: %s", request_id, error, exc_info=True)
        return refuse(internal_error(request_id), CORS.get_access_control_headers())


def _convert_chalice_error(
    request: Request, get_response: Callable[[Request], Response]
) -> Response:
    """Innermost: puts Chalice's own error responses into our shape, CORS headers included."""
    response = get_response(request)
    body = response.body
    if not isinstance(body, dict) or "Code" not in body:
        return response
    code = CODES.get(response.status_code)
    if code is None:
        found = internal_error(request.context.get("requestId", ""))
    else:
        found = Problem(code, body["Message"])
    return refuse(found, {**CORS.get_access_control_headers(), **response.headers})
