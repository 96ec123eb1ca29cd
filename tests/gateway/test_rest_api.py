"""A Chalice app behind the REST API, over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventModel

from chalice_gateway.gateway_responses import GatewayResponse, ResponseType
from chalice_gateway.http_messages import Limits
from chalice_gateway.lambdas import ExecutionEnvironments, LambdaFunction
from chalice_gateway.proxy_request import ApiIdentity
from chalice_gateway.rest import RestApi

from .http_serving import WITHIN_S, Answer, LoopFactory, Served, Wire, serving
from .rest_app import CORS, make_app, raising


@contextmanager
def gateway(
    handler: Any = None,
    *,
    loop_factory: LoopFactory | None = None,
    lambda_seconds: float = 60,
    body_bytes: int = 1000,
    **settings: Any,
) -> Iterator[Served]:
    app = make_app()
    environments = ExecutionEnvironments()
    api = RestApi(
        app,
        LambdaFunction("echo-dev", handler or app, timeout_seconds=lambda_seconds),
        environments,
        identity=ApiIdentity(stage="dev"),
        **settings,
    )
    limits = Limits(body_bytes=body_bytes)
    with serving(
        api.handle, limits=limits, error_response=api.error_response, loop_factory=loop_factory
    ) as served:
        yield served
    assert asyncio.run(environments.stop(WITHIN_S))


@pytest.fixture
def wire(loop_factory: LoopFactory) -> Iterator[Wire]:
    with gateway(loop_factory=loop_factory) as served, Wire(served.port) as wire:
        yield wire


def body_of(answer: Answer) -> Any:
    return json.loads(answer.body)


def test_view_gets_the_event_of_the_request(wire: Wire) -> None:
    wire.send(
        b"POST /event?a=1 HTTP/1.1\r\nHost: here:99\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    answer = wire.answer()
    event = body_of(answer)
    APIGatewayProxyEventModel.model_validate(event)
    port = wire.socket.getpeername()[1]
    assert event["body"] == "{}"
    assert event["headers"]["X-Forwarded-Port"] == str(port)
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["domainName"] == "here:99"
    assert answer.header("x-amzn-requestid") == event["requestContext"]["requestId"]
    assert answer.header("x-amz-apigw-id") == event["requestContext"]["extendedRequestId"]
    assert answer.header("content-type") == "application/json"


def test_literal_segment_wins_over_a_parameter(wire: Wire) -> None:
    assert body_of(wire.get("/things/special")) == {"special": True}
    assert body_of(wire.get("/things/spec%69al")) == {"special": True}


def test_head_reaches_the_view(wire: Wire) -> None:
    assert wire.get("/event", method="HEAD").status == 200
    assert wire.get("/things/special").status == 200


def test_preflight_is_answered_without_a_lambda() -> None:
    with gateway(raising) as served, Wire(served.port) as wire:
        answer = wire.get("/things/x", "Origin: https://example.test", method="OPTIONS")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.header("access-control-allow-methods") == "GET,PUT,OPTIONS"
        for name, value in CORS.get_access_control_headers().items():
            assert answer.header(name) == value


def test_options_view_is_called(wire: Wire) -> None:
    assert wire.get("/custom-preflight", method="OPTIONS").body == b"mine"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("DELETE", "/things/x"),
        ("OPTIONS", "/event"),
        ("OPTIONS", "*"),
        ("GET", "/things//"),
    ],
)
def test_unknown_path_or_method_never_reaches_the_lambda(method: str, path: str) -> None:
    with gateway(raising) as served, Wire(served.port) as wire:
        answer = wire.get(path, method=method)
        assert answer.status == 403
        assert body_of(answer) == {"message": "Missing Authentication Token"}
        assert answer.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
        assert answer.header("x-amzn-requestid")


def test_authorization_on_an_unknown_path_is_an_incomplete_signature() -> None:
    with gateway(raising) as served, Wire(served.port) as wire:
        answer = wire.get("/nowhere", "Authorization: Bearer secret")
        assert answer.status == 403
        assert answer.header("x-amzn-errortype") == "IncompleteSignatureException"
        assert "secret" not in body_of(answer)["message"]


def test_customised_response_shows_request_values() -> None:
    shape = GatewayResponse(
        status=404,
        body='{"id":"$context.requestId","path":"$context.path","ip":"$context.identity.sourceIp"}',
        headers={"X-Request": "$context.requestId"},
    )
    responses = {ResponseType.MISSING_AUTHENTICATION_TOKEN: shape}
    with gateway(responses=responses) as served, Wire(served.port) as wire:
        answer = wire.get("/nowhere?query")
        request_id = answer.header("x-amzn-requestid")
        assert answer.status == 404
        assert body_of(answer) == {"id": request_id, "path": "/dev/nowhere", "ip": "127.0.0.1"}
        assert answer.header("x-request") == request_id


def test_body_over_the_limit_is_a_413_of_the_gateway(wire: Wire) -> None:
    wire.send(b"POST /event HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n")
    answer = wire.answer()
    assert (answer.status, body_of(answer)) == (413, {"message": "Request Too Long"})
    assert answer.header("x-amzn-requestid")


def test_invalid_http_gets_a_gateway_response(wire: Wire) -> None:
    wire.send(b"NONSENSE\r\n\r\n")
    answer = wire.answer()
    assert answer.status == 400
    assert "HTTP" in body_of(answer)["message"]


def test_lambda_that_raises_is_a_502_without_details(caplog: pytest.LogCaptureFixture) -> None:
    with gateway(raising) as served, Wire(served.port) as wire:
        answer = wire.get("/event")
        assert (answer.status, body_of(answer)) == (502, {"message": "Internal server error"})
        assert wire.get("/event").status == 502  # and the connection stays open
    assert "a secret" in caplog.text


def test_malformed_result_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    with gateway(lambda _event, _context: {"body": 1}) as served, Wire(served.port) as wire:
        assert wire.get("/event").status == 502
    assert "malformed Lambda proxy response" in caplog.text


def posted(wire: Wire, body: bytes) -> Answer:
    wire.send(b"POST /event HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" % len(body))
    wire.send(body)
    return wire.answer()


@pytest.mark.parametrize("character", [b"x", b'"', "é".encode()])
def test_event_over_six_megabytes_is_413(
    character: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    lengths: list[int] = []

    def measure(event: Any, _context: Any) -> Any:
        lengths.append(len(json.dumps(event, ensure_ascii=False).encode()))
        return {}

    with gateway(measure, body_bytes=10 * 1024 * 1024) as served, Wire(served.port) as wire:
        assert posted(wire, b"").status == 200
        # The same event with this body, in quotes instead of null, is exactly at the limit.
        spare_bytes = 6 * 1024 * 1024 - lengths[0] + len("null") - len('""')
        most = spare_bytes // len(json.dumps(character.decode(), ensure_ascii=False).encode()[1:-1])
        assert posted(wire, character * (most - 100)).status == 200
        answer = posted(wire, character * (most + 100))
        assert (answer.status, body_of(answer)) == (413, {"message": "Request Too Long"})
        assert answer.header("x-amzn-errortype") == "BadRequestException"
    assert len(lengths) == 2
    assert "larger than Lambda's 6291456 bytes" in caplog.text


def test_result_over_six_megabytes_is_502(caplog: pytest.LogCaptureFixture) -> None:
    frame_bytes = len(json.dumps({"body": ""}))

    def large(event: Any, _context: Any) -> Any:
        return {"body": "x" * (6 * 1024 * 1024 + 100 - frame_bytes + int(event["body"]))}

    with gateway(large) as served, Wire(served.port) as wire:
        assert posted(wire, b"0").status == 200
        assert posted(wire, b"1").status == 502
    assert "larger than Lambda's 6291556 bytes" in caplog.text


def test_function_timeout_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()

    def slow(_event: Any, _context: Any) -> None:
        release.wait(WITHIN_S)

    with gateway(slow, lambda_seconds=0.05) as served, Wire(served.port) as wire:
        answer = wire.get("/event")
        assert (answer.status, body_of(answer)) == (502, {"message": "Internal server error"})
        release.set()
    assert "Task timed out after 0.05 seconds" in caplog.text


def test_fault_of_the_emulator_is_a_gateway_response(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("chalice_gateway.rest.http_response", fail)
    monkeypatch.setattr("chalice_gateway.rest.proxy_event", fail)
    with gateway() as served, Wire(served.port) as wire:
        answer = wire.get("/event")
        assert (answer.status, body_of(answer)) == (500, {"message": "Internal server error"})
    assert "a bug" in caplog.text or "TypeError" in caplog.text


def test_concurrent_requests_each_see_their_own(loop_factory: LoopFactory) -> None:
    def meet(name: str) -> Any:
        with Wire(served.port) as wire:
            return body_of(wire.get(f"/meet/{name}"))

    with gateway(loop_factory=loop_factory) as served, ThreadPoolExecutor(2) as clients:
        one, two = clients.map(meet, ["one", "two"])
    assert one["before"] == one["after"] == {"name": "one"}
    assert two["before"] == two["after"] == {"name": "two"}
    assert one["request"] != two["request"]


def test_app_has_no_current_request_outside_a_request() -> None:
    app = make_app()
    assert app.current_request is None
    assert app.lambda_context is None
