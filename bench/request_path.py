"""``python -m bench.request_path``: the way of one POST /switch through the code, by file.

Runs one request in this process, from the Lambda handler to the posts of an inline broadcast to
two connections, under a profiler, and counts the files of the project that its thread runs through
and how often it goes from one to another. The same request is made once before, so that imports
and first uses are not counted. Not counted either is the thread that sends the posts.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from chalice.app import Chalice

from chalice_gateway.http_messages import Request
from chalice_gateway.lambdas import LambdaContext, LambdaFunction
from chalice_gateway.proxy_request import ApiIdentity, proxy_event
from chalice_gateway.resources import RouteTable
from chalicelib.container import Container
from chalicelib.core.setup import SyncMode
from chalicelib.rest import register
from chalicelib.settings import Settings

from .lab import ROOT, Lab
from .poster import CREDENTIALS, REGION
from .sessions import creation, session_id_of
from .stub_server import stub_server

OURS = (f"{ROOT}/chalicelib/", f"{ROOT}/app.py")


class RequestPath:
    """Calls of our functions in one thread, and changes of file from one call to the next."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.changes = 0
        self._last = ""

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(OURS):
            return
        self.calls[name] += 1
        self.changes += self._last not in ("", name)
        self._last = name


def _application(redis_url: str) -> tuple[Chalice, Container]:
    container = Container(
        Settings(
            redis_url=redis_url,
            aws_region=REGION,
            aws_access_key_id=CREDENTIALS.access_key_id,
            aws_secret_access_key=CREDENTIALS.secret_access_key,
            metrics="off",
        )
    )
    app = Chalice(app_name="tickless", configure_logs=False)
    register(app, container)
    return app, container


def _call(app: Chalice, method: str, path: str, body: bytes = b"{}") -> Any:
    request = Request(
        method=method,
        target=path,
        headers=(("Content-Type", "application/json"),),
        body=body,
        peer_ip="127.0.0.1",
        server_port=443,
    )
    matched = RouteTable(app.routes).match(path)
    assert matched is not None
    event = proxy_event(
        request,
        matched,
        api=ApiIdentity(),
        binary_types=app.api.binary_types,
        request_id="request-1",
        extended_request_id="extended-1",
        trace_id="trace-1",
        now_ms=1_700_000_000_000,
    )
    return app(event, LambdaContext(LambdaFunction("rest", app)))


def measure() -> RequestPath:
    """The path of a switch that is broadcast to two connections."""
    path = RequestPath()
    with Lab() as lab, stub_server() as endpoint:
        app, container = _application(lab.valkey.url)
        session = creation(2, SyncMode.PER_PARTICIPANT)
        session_id = session_id_of(session)
        _call(app, "POST", "/v1/sessions", session)
        _call(app, "POST", f"/v1/sessions/{session_id}/start")
        for connection_id in ("one", "two"):
            container.connections.register(session_id, connection_id, endpoint)
        switch = f"/v1/sessions/{session_id}/switch"
        _call(app, "POST", switch)
        sys.setprofile(path.profile)
        response = _call(app, "POST", switch)
        sys.setprofile(None)
        assert response["statusCode"] == 200, json.dumps(response)
        container.close(1.0)
    return path


def main() -> None:
    path = measure()
    ours = {str(Path(name).relative_to(ROOT)): count for name, count in path.calls.items()}
    print(f"{len(ours)} files, {path.changes} changes of file")
    for name, count in sorted(ours.items()):
        print(f"{count:6} {name}")


if __name__ == "__main__":
    main()
