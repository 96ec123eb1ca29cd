"""Lambda's runtime API, which runs a packaged function in AWS's own runtime client.

The client (awslambdaric) requests an event, calls the handler and posts its result. This is
Lambda's side. The client has its own virtual environment, so a function must have everything
else in its package.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Self

from .packaging import BUILD, ROOT
from .virtualenvs import VERSION, virtualenv

HOST = "127.0.0.1"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
"""The trace of every invocation, of which the function sends subsegments to X-Ray."""

_API = "/2018-06-01/runtime"
_RESULT_PATH = re.compile(rf"{_API}/invocation/([\w-]+)/(response|error)")


class FunctionError(Exception):
    """The handler raised or could not be loaded; the message is the error sent to Lambda."""


class _Invocation:
    """An event for the function, and the future of its result."""

    def __init__(self, event: Any, timeout_seconds: float) -> None:
        self.id = str(uuid.uuid4())
        self.event = json.dumps(event).encode()
        self.deadline_ms = round((time.time() + timeout_seconds) * 1000)
        self.answer: Future[Any] = Future()


class PackagedFunction:
    """One execution environment of a function, as a context manager. One event at a time.

    ``task_root`` is the directory of the unpacked bundle. ``variables`` are set in addition
    to those that Lambda sets.
    The output is appended to ``log``; without one it is this process's own.
    """

    def __init__(
        self,
        task_root: Path,
        handler: str,
        variables: Mapping[str, str],
        log: Path | None = None,
    ) -> None:
        self._task_root = task_root
        self._handler = handler
        self._variables = variables
        self._log = log
        self._queue: SimpleQueue[_Invocation | None] = SimpleQueue()
        self._in_flight: dict[str, _Invocation] = {}
        self._init_error: str | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        python = virtualenv(ROOT / "requirements-runtime.txt", BUILD / "runtime-venv")
        self._server = _runtime_api(self)
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        with ExitStack() as files:
            output = files.enter_context(self._log.open("ab")) if self._log else None
            self._process = subprocess.Popen(
                [python / "python", "-m", "awslambdaric", self._handler],
                cwd=self._task_root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        return self

    def __exit__(self, *raised: object) -> None:
        self._process.kill()
        self._process.wait()
        self._queue.put(None)
        self._server.shutdown()
        self._server.server_close()

    def _environment(self) -> dict[str, str]:
        name = self._handler.replace(".", "-")
        return {
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{VERSION}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "here",
            "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{self._server.server_port}",
            "AWS_REGION": "us-east-1",
            "LAMBDA_TASK_ROOT": str(self._task_root),
            # On AWS the directory of the bundle is read-only.
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._variables,
        }

    def invoke(self, event: Any, timeout_seconds: float = 30.0) -> Any:
        """Invoke the handler; its result, parsed from JSON.

        Raises:
            FunctionError: It raised, or its initialisation failed.
            TimeoutError: There was no result within ``timeout_seconds``.
        """
        with self._lock:
            invocation = _Invocation(event, timeout_seconds)
            self._in_flight[invocation.id] = invocation
            self._queue.put(invocation)
            if self._init_error is not None:
                raise FunctionError(self._init_error)
            return invocation.answer.result(timeout_seconds)

    def next_invocation(self) -> _Invocation | None:
        """The next invocation for the client; None after the last."""
        return self._queue.get()

    def invocation_finished(self, invocation_id: str, body: bytes, *, failed: bool) -> None:
        invocation = self._in_flight.pop(invocation_id)
        if failed:
            invocation.answer.set_exception(FunctionError(body.decode()))
        else:
            invocation.answer.set_result(json.loads(body))

    def init_failed(self, body: bytes) -> None:
        self._init_error = body.decode()
        for invocation in self._in_flight.values():
            invocation.answer.set_exception(FunctionError(self._init_error))


def _runtime_api(function: PackagedFunction) -> ThreadingHTTPServer:
    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # The client is killed while it waits for an event.
            with suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            invocation = function.next_invocation()
            if invocation is None:
                self.close_connection = True
                return
            # The client crashes without the last three of these headers.
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invocation.id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:"
                "function:packaged",
                "Lambda-Runtime-Trace-Id": TRACE,
                "Lambda-Runtime-Client-Context": "",
                "Lambda-Runtime-Cognito-Identity": "",
                "Content-Type": "application/json",
            }
            self._answer(200, invocation.event, headers)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            match = _RESULT_PATH.fullmatch(self.path)
            if match:
                function.invocation_finished(match[1], body, failed=match[2] == "error")
            else:
                function.init_failed(body)
            self._answer(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), RuntimeApi)
    server.daemon_threads = True
    return server
