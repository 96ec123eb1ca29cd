"""The app that the conformance tests talk to, on AWS and behind the gateway.

A function reports to a WebSocket what it has seen: to the one in the ``User-Agent`` of the
client, because that is all that a $disconnect event still has of the handshake. Variables have no
annotations: `chalice deploy` fails to read them.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
from chalice.app import (
    AuthRequest,
    AuthResponse,
    AuthRoute,
    BadRequestError,
    Chalice,
    CORSConfig,
    NotFoundError,
    Request,
    Response,
    WebsocketEvent,
)

REPORT_TO = "report-to/"

app = Chalice("gateway-conformance")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
app.api.binary_types.append("application/binary")


def current_request() -> Request:
    request = app.current_request
    assert request is not None
    return request


def raw_body() -> bytes:
    body = current_request().raw_body
    return body.encode() if isinstance(body, str) else body


# REST: what a request becomes


@app.route("/")
def index() -> Any:
    return {"hello": "world"}


@app.route("/event", methods=["GET", "POST"])
def event_of_request() -> Any:
    return current_request().to_original_event()


@app.route("/request")
def request_as_dict() -> Any:
    return current_request().to_dict()


@app.route("/one/two/three/four/five/six")
def nested() -> Any:
    return {"nested": True}


@app.route("/things/{name}")
def thing(name: str) -> Any:
    return {"name": name}


@app.route("/things/special")
def special_thing() -> Any:
    return {"special": True}


@app.route("/files/{proxy+}")
def file() -> Any:
    return current_request().uri_params


@app.route("/post-only", methods=["POST"])
def post_only() -> Any:
    return {"method": "POST"}


@app.route("/put-only", methods=["PUT"])
def put_only() -> Any:
    return {"method": "PUT"}


@app.route("/both", methods=["GET", "POST"])
def one_view_for_both() -> Any:
    return {"method": current_request().method}


@app.route("/each", methods=["GET"])
def view_of_get() -> Any:
    return {"view": "get"}


@app.route("/each", methods=["POST"])
def view_of_post() -> Any:
    return {"view": "post"}


@app.route("/json", methods=["POST"])
def json_body() -> Any:
    return {"json": current_request().json_body}


@app.route("/json-only", content_types=["application/json"])
def json_only() -> Any:
    return {"accepted": True}


@app.route("/form", methods=["POST"], content_types=["application/x-www-form-urlencoded"])
def form() -> Any:
    return parse_qs(raw_body().decode())


@app.route("/body", methods=["POST"])
def body() -> Any:
    return {"body": raw_body().decode()}


@app.route("/multifile")
def multifile() -> Any:
    from chalicelib.greetings import (  # type: ignore[import-not-found] # noqa: PLC0415
        GREETING,
    )

    return {"greeting": GREETING}


# REST: what an answer becomes


@app.route("/bad-request")
def bad_request() -> Any:
    raise BadRequestError("Not like this.")


@app.route("/not-found")
def not_found() -> Any:
    raise NotFoundError("Not here.")


@app.route("/error")
def error() -> Any:
    raise TypeError("a secret")


@app.route("/malformed")
def malformed() -> Any:
    return Response("a secret", status_code="no status")  # type: ignore[arg-type]


@app.route("/sleep/{seconds}")
def sleep(seconds: str) -> Any:
    time.sleep(min(float(seconds), 40))
    return {}


@app.route("/no-content")
def no_content() -> Any:
    return Response(
        "",
        headers={"Content-Type": "text/plain", "Set-Cookie": ["a=1", "b=2"]},
        status_code=204,
    )


@app.route("/text/{length}")
def text(length: str) -> Any:
    return Response("x" * int(length), headers={"Content-Type": "text/plain"})


@app.route("/binary", methods=["POST"], content_types=["application/octet-stream"])
def binary() -> Any:
    return Response(raw_body(), headers={"Content-Type": "application/octet-stream"})


@app.route("/own-binary", methods=["POST"], content_types=["application/binary"])
def own_binary() -> Any:
    return Response(raw_body(), headers={"Content-Type": "application/binary"})


@app.route("/image")
def image() -> Any:
    return Response(b"\x89PNG", headers={"Content-Type": "application/octet-stream"})


@app.route("/cors", methods=["GET", "POST", "PUT"], cors=True)
def cors() -> Any:
    return {}


@app.route(
    "/own-cors",
    methods=["GET", "POST", "PUT"],
    cors=CORSConfig(
        allow_origin="https://example.test",
        allow_headers=["X-Own"],
        expose_headers=["X-Exposed"],
        max_age=600,
        allow_credentials=True,
    ),
)
def own_cors() -> Any:
    return {}


# REST: who may call


@app.authorizer(ttl_seconds=300)
def guard(request: AuthRequest) -> AuthResponse:
    """Allows ``allow`` on these routes alone."""
    if request.token == "unauthorized":
        raise Exception("Unauthorized")  # noqa: TRY002 - the exception that API Gateway knows
    if request.token == "fail":
        raise TypeError("a secret")
    if request.token != "allow":
        return AuthResponse(routes=[], principal_id="someone")
    return AuthResponse(
        routes=["/guarded", AuthRoute("/profile", methods=["POST"])],
        principal_id="someone",
        context={"colour": "blue"},
    )


@app.route("/guarded", authorizer=guard)
def guarded() -> Any:
    return current_request().context["authorizer"]


@app.route("/guarded-too", authorizer=guard)
def guarded_too() -> Any:
    return {}


@app.route("/profile", methods=["GET"])
def read_profile() -> Any:
    return {"read": True}


@app.route("/profile", methods=["POST"], authorizer=guard)
def write_profile() -> Any:
    return current_request().context["authorizer"]


@app.route("/key-only", api_key_required=True)
def key_only() -> Any:
    return {}


@app.route("/guarded-key-only", authorizer=guard, api_key_required=True)
def guarded_key_only() -> Any:
    return {}


@app.route("/runtime")
def runtime() -> Any:
    root = Path(os.environ["LAMBDA_TASK_ROOT"])
    return {"utc_offset": time.strftime("%z"), "is_in_task_root": Path.cwd() == root}


@app.route("/send-unconfigured")
def send_unconfigured() -> Any:
    try:
        app.websocket_api.send("PJqB0fHsqRcCHlw=", "x")
    except Exception as error:
        return {"error": str(error)}
    return {"error": None}


# WebSocket


@app.on_ws_connect()
def connect(event: WebsocketEvent) -> Any:
    raw = event.to_dict()
    query = raw.get("queryStringParameters", {})
    note = None
    if "probe" in query:
        note = outcome_of_sending_to(event.connection_id)
    report(raw, note)
    time.sleep(min(float(query.get("sleep", "0")), 40))
    if "fail" in query:
        raise TypeError("a secret")
    headers = {"X-Own": "1"}
    if "protocol" in query:
        headers["Sec-WebSocket-Protocol"] = query["protocol"]
    return {"statusCode": int(query.get("status", "200")), "headers": headers, "body": "why"}


@app.on_ws_message()
def message(event: WebsocketEvent) -> Any:
    command, _, rest = event.body.partition(" ")
    if command == "fail":
        raise TypeError("a secret")
    if command == "event":
        app.websocket_api.send(event.connection_id, json.dumps(event.to_dict()))
    elif command == "close":
        app.websocket_api.close(event.connection_id)
    elif command == "length":
        app.websocket_api.send(event.connection_id, str(len(event.body)))
    elif command == "sleep":
        time.sleep(min(float(rest), 40))
    elif command == "return":
        app.websocket_api.send(event.connection_id, "sent")
    else:
        app.websocket_api.send(event.connection_id, event.body)
    return {"statusCode": 400, "body": "returned"}


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    report(event.to_dict(), None)


def report(event: dict[str, Any], note: str | None) -> None:
    """Send the event to the connection that the client has named, if it has."""
    agent = event["requestContext"]["identity"].get("userAgent") or ""
    if agent.startswith(REPORT_TO):
        text = json.dumps({"event": event, "note": note})
        app.websocket_api.send(agent.removeprefix(REPORT_TO), text)


def outcome_of_sending_to(connection_id: str) -> str:
    try:
        app.websocket_api.send(connection_id, "too early")
    except Exception as error:
        return type(error).__name__
    return "sent"
