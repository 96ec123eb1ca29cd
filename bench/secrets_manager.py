"""AWS Secrets Manager as far as it is asked here: what it answers, its caller says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as it came over the wire; names of ``headers`` in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked], tuple[int, bytes]]


def keeping(arn: str, secret: str) -> Answer:
    """Answers of one that has a single secret, and checks no signature."""

    def answer(asked: Asked) -> tuple[int, bytes]:
        wanted = (asked.headers["x-amz-target"], json.loads(asked.body))
        if wanted != ("secretsmanager.GetSecretValue", {"SecretId": arn}):
            return 400, b'{"__type": "ResourceNotFoundException"}'
        return 200, json.dumps({"ARN": arn, "SecretString": secret}).encode()

    return answer


@contextmanager
def secrets_manager(answer: Answer) -> Iterator[str]:
    """The endpoint of one, over plain HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            status, answered = answer(Asked(self.path, headers, body))
            # Who has waited long enough is gone by now.
            with suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(answered)))
                self.end_headers()
                self.wfile.write(answered)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
