"""A packaged function, run as Lambda runs it: by AWS's own runtime client, over the runtime API.

The client (awslambdaric) asks for an event, calls the handler, and posts what
it returned. What Lambda's side answers is here; the client has an environment
of its own, so that all else a function needs must be in its package.

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

from .environments import VERSION, environment_of
from .packaging import BUILD, ROOT

HOST = "127.0.0.1"
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
"""The trace that every invocation belongs to: X-Ray is told of those of its subsegments."""

_API = "/2018-06-01/runtime"
_ANSWER = re.compile(rf"{_API}/invocation/([\w-]+)/(response|error)")


class FunctionFailed(Exception):
    """The handler raised, or could not be loaded; what Lambda is told of it."""


class _Invocation:
    """One event on its way to the function, and the answer on its way back."""

    def __init__(self, event: Any, within_seconds: float) -> None:
        self.id = str(uuid.uuid4())
        self.event = json.dumps(event).encode()
        self.deadline_ms = round((time.time() + within_seconds) * 1000)
        self.answer: Future[Any] = Future()


class PackagedFunction:
    """One environment of a function; a context manager. It handles one event at a time.

    ``task_root`` is where the bundle has been unpacked, ``variables`` are added to the environment
    that Lambda sets. Its output is appended to ``log``, or is this process's own.
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
        self._waiting: SimpleQueue[_Invocation | None] = SimpleQueue()
        self._under_way: dict[str, _Invocation] = {}
        self._failed: str | None = None
        self._one_at_a_time = Lock()

    def __enter__(self) -> Self:
        python = environment_of(ROOT / "requirements-runtime.txt", BUILD / "runtime-venv")
        self._server = _server_of(self)
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
        self._waiting.put(None)
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
            # Where AWS unpacks a bundle is read-only.
            "PYTHONDONTWRITEBYTECODE": "1",
            **self._variables,
        }

    def invoke(self, event: Any, within_seconds: float = 30.0) -> Any:
        """What the handler returns for ``event``, as JSON tells it.

        Raises:
            FunctionFailed: It raised, or the process could not be initialised.
            TimeoutError: There was no answer within its time.
        """
        with self._one_at_a_time:
            invocation = _Invocation(event, within_seconds)
            self._under_way[invocation.id] = invocation
            self._waiting.put(invocation)
            if self._failed is not None:
                raise FunctionFailed(self._failed)
            return invocation.answer.result(within_seconds)

    def next_invocation(self) -> _Invocation | None:
        """What to hand to the client; None once there is nothing more to come."""
        return self._waiting.get()

    def answered(self, invocation_id: str, body: bytes, *, failed: bool) -> None:
        invocation = self._under_way.pop(invocation_id)
        if failed:
            invocation.answer.set_exception(FunctionFailed(body.decode()))
        else:
            invocation.answer.set_result(json.loads(body))

    def could_not_begin(self, body: bytes) -> None:
        self._failed = body.decode()
        for invocation in self._under_way.values():
            invocation.answer.set_exception(FunctionFailed(self._failed))


def _server_of(function: PackagedFunction) -> ThreadingHTTPServer:
    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # A client that is ended leaves without a word.
            with suppress(ConnectionError):
                super().handle()

        def do_GET(self) -> None:
            invocation = function.next_invocation()
            if invocation is None:
                self.close_connection = True
                return
            # The client crashes where one of the last three is missing.
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
            match = _ANSWER.fullmatch(self.path)
            if match:
                function.answered(match[1], body, failed=match[2] == "error")
            else:
                function.could_not_begin(body)
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
