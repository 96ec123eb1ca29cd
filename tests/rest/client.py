"""REST without a socket: requests become the events API Gateway sends, answers come back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from chalice.app import Chalice

from chalice_gateway.http_messages import Request
from chalice_gateway.lambdas import LambdaContext, LambdaFunction
from chalice_gateway.proxy_request import ApiIdentity, proxy_event
from chalice_gateway.proxy_response import http_response
from chalice_gateway.resources import RouteTable
from chalicelib.container import Container
from chalicelib.rest import register
from chalicelib.schemas.commands import COMMANDS, CommandName
from tests.api_docs.conformance import check_answer

SESSION = "00000000-0000-4000-8000-000000000000"
ANNE = "00000000-0000-4000-8000-00000000000a"
BEN = "00000000-0000-4000-8000-00000000000b"


def command_path(name: CommandName) -> str:
    """Where the command is sent for the session, and for Anne if it is about a participant."""
    path = COMMANDS[name].path
    below = f"/{name}" if path is None else path.format(participant_id=ANNE)
    return f"/v1/sessions/{SESSION}{below}"


def creation(**changes: Any) -> dict[str, Any]:
    """A request for a session of two, ten seconds each."""
    return {
        "session_id": SESSION,
        "sync_mode": "per_participant",
        "total_time_ms": 20_000,
        "participants": [
            {"participant_id": ANNE, "total_time_ms": 10_000},
            {"participant_id": BEN, "total_time_ms": 10_000},
        ],
        **changes,
    }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def is_json(self) -> bool:
        return bool(self.text) and self.headers["Content-Type"] == "application/json"

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def error(self) -> Any:
        return self.json["error"]


def rest_client(container: Container) -> RestClient:
    """A client of an application with these services, of REST alone."""
    app = Chalice(app_name="tickless", configure_logs=False)
    register(app, container)
    return RestClient(app)


class RestClient:
    """Calls the app as its Lambda function is called; each answer has to keep the contract."""

    def __init__(self, app: Chalice) -> None:
        self._app = app
        self._routes = RouteTable(app.routes)
        self._context = LambdaContext(LambdaFunction("rest", app))

    def start_session(self) -> Answer:
        """Create and start a session."""
        self.post("/v1/sessions", creation())
        return self.command("start")

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Answer:
        given = {"Content-Type": "application/json"} if body is not None or raw else {}
        payload = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        request = Request(
            method=method,
            target=path,
            headers=tuple({**given, **(headers or {})}.items()),
            body=payload,
            peer_ip=address,
            server_port=8000,
        )
        matched = self._routes.match(path.partition("?")[0])
        assert matched is not None, f"{path} never reaches the Lambda"
        event = proxy_event(
            request,
            matched,
            api=ApiIdentity(),
            binary_types=self._app.api.binary_types,
            request_id="request-1",
            extended_request_id="extended-1",
            trace_id="trace-1",
            now_ms=1_700_000_000_000,
        )
        response = http_response(
            self._app(event, self._context),
            accept=request.header("accept"),
            binary_types=self._app.api.binary_types,
        )
        answer = Answer(response.status, dict(response.headers), response.body.decode())
        check_answer(
            method,
            matched.resource.path,
            answer.status,
            answer.headers,
            answer.json if answer.is_json and method != "HEAD" else answer.text,
        )
        return answer

    def post(self, path: str, body: object = None, **more: Any) -> Answer:
        return self.call("POST", path, body, **more)

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def command(self, name: str, body: object = None, **more: Any) -> Answer:
        return self.post(f"/v1/sessions/{SESSION}/{name}", body, **more)
