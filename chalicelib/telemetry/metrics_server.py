"""The HTTP port of a standalone process: ``/ready`` and ``/metrics``.

``/ready`` is for the supervisor that restarts the process. ``/metrics`` is for Prometheus, and
prometheus_client answers it. Metrics of the whole deployment are not here: each instance serves
those at its own /metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Thread
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from .prometheus import PrometheusSink, registry_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing: every few seconds the same two requests come."""


def start_metrics_server(sink: PrometheusSink, port: int, is_ready: Callable[[], bool]) -> None:
    """Answer on a port of this process's own, in threads that end with it.

    Raises:
        OSError: The port can't be had.
    """
    metrics = make_wsgi_app(registry_of(sink.collectors()))

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                body: Iterable[bytes] = metrics(environ, start_response)
                return body
            case "/ready" if is_ready():
                status, text = "200 OK", b'{"status":"ready"}'
            case "/ready":
                status, text = "503 Service Unavailable", b'{"status":"not_ready"}'
            case _:
                status, text = "404 Not Found", b'{"error":"There is nothing here"}'
        start_response(status, [("Content-Type", "application/json")])
        return [text]

    server = make_server("", port, answer, ThreadingWSGIServer, _Handler)
    Thread(target=server.serve_forever, name="scrapes", daemon=True).start()
