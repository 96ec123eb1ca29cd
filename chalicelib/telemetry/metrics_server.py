"""The port of a process that stands alone: whether it is ready, and its figures.

``/ready`` is for whoever keeps it running, ``/metrics`` for Prometheus. The facts of
the fleet are not here: every instance's own /metrics has those.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from .prometheus import CONTENT_TYPE, PrometheusSink, page


def answer_scrapes(sink: PrometheusSink, port: int, is_ready: Callable[[], bool]) -> None:
    """Answer on a port of this process's own, in threads that end with it.

    Raises:
        OSError: The port can't be had.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match self.path.partition("?")[0]:
                case "/ready" if is_ready():
                    self._answer(HTTPStatus.OK, b'{"status":"ready"}')
                case "/ready":
                    self._answer(HTTPStatus.SERVICE_UNAVAILABLE, b'{"status":"not_ready"}')
                case "/metrics":
                    self._answer(HTTPStatus.OK, page(sink.collectors()), CONTENT_TYPE)
                case _:
                    self._answer(HTTPStatus.NOT_FOUND, b'{"error":"There is nothing here"}')

        def _answer(
            self, status: HTTPStatus, body: bytes, content_type: str = "application/json"
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Every few seconds the same two requests come."""

    server = ThreadingHTTPServer(("", port), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, name="scrapes", daemon=True).start()
