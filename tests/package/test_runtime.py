"""The packaged functions in AWS's runtime client, called through the emulator."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from bench.package import proxy_event
from bench.secrets_manager import Asked, keeping, secrets_manager
from chalicelib.auth import jwt as tokens
from chalicelib.auth.jwks import new_key
from infra.lambda_runtime import TRACE, FunctionError, PackagedFunction
from infra.virtualenvs import find_python
from tests.auth.bearers import KEYS, SECRET, SESSION, a_bearer, a_curve_key, a_key_set
from tests.servers import RedisProcess, eventually, running, valkey_binary
from tests.telemetry.daemon import daemon

from .deployment import Deployment, deployment

WITHIN_S = 30
KEYS_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keys-AbCdEf"
EVENTS = Path(__file__).parents[1] / "events"
SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/tickless-prod-SweepSweepEvent"],
    "detail": {},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """A server for these tests alone, because they sweep it."""
    with running(valkey_binary(), tmp_path_factory.mktemp("package-valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def deployed(task_root: Path, store: RedisProcess) -> Iterator[Deployment]:
    with deployment(task_root, store.url) as deployed:
        yield deployed


@pytest.fixture
def rest(deployed: Deployment) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=deployed.rest_url, timeout=WITHIN_S) as client:
        yield client


def create(rest: httpx.Client, total_time_ms: int = 60_000) -> str:
    participants = [
        {"participant_id": str(uuid4()), "total_time_ms": total_time_ms} for _ in range(2)
    ]
    session = {
        "session_id": str(uuid4()),
        "sync_mode": "per_participant",
        "total_time_ms": 60_000,
        "participants": participants,
    }
    assert rest.post("/v1/sessions", json=session).status_code == 201
    return session["session_id"]  # type: ignore[return-value]


def watching(deployed: Deployment, session_id: str) -> ClientConnection:
    return connect(f"{deployed.websocket_url}?sessionId={session_id}", open_timeout=WITHIN_S)


def receive(client: ClientConnection, kind: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(timeout=WITHIN_S))
    assert message["type"] == kind
    return message


def test_client_is_served_from_handshake_to_close(
    deployed: Deployment, rest: httpx.Client, store: RedisProcess
) -> None:
    session_id = create(rest)
    with watching(deployed, session_id) as client:
        connection_id = receive(client, "CONNECTED")["connectionId"]
        assert receive(client, "STATE_SYNC")["version"] == 1

        assert rest.post(f"/v1/sessions/{session_id}/start").status_code == 200
        assert receive(client, "STATE_UPDATE")["version"] == 2

        client.send('{"type": "PING", "clientTime": 7}')
        pong = receive(client, "PONG")
        assert (pong["clientTime"], pong["version"]) == (7, 2)

        client.send('{"type": "COMMAND", "id": "1", "command": "switch"}')
        received = {
            message["type"]: message for message in (json.loads(client.recv()) for _ in "12")
        }
        assert received["ACK"]["version"] == received["STATE_UPDATE"]["version"] == 3

        with store.admin() as admin:
            assert admin.exists(f"connection:{connection_id}")
    with store.admin() as admin:
        eventually(lambda: not admin.exists(f"connection:{connection_id}"))


def test_schedule_announces_a_clock_that_runs_out(deployed: Deployment, rest: httpx.Client) -> None:
    session_id = create(rest, total_time_ms=1_000)
    rest.post(f"/v1/sessions/{session_id}/start")
    with watching(deployed, session_id) as client:
        receive(client, "CONNECTED")
        receive(client, "STATE_SYNC")

        # It stops 8 s before its timeout, so it stays for 2 s at most.
        deployed.functions["app.sweep"].invoke(SCHEDULED, timeout_seconds=10.0)

        (event,) = receive(client, "STATE_UPDATE")["events"]
        assert event["type"] == "participant_expired"


def test_page_and_its_files_are_served(rest: httpx.Client) -> None:
    page = rest.get("/")
    assert page.status_code == 200

    for address in re.findall(r'"(page/[^"]+)"', page.text):
        assert rest.get(f"/{address}").status_code == 200, address


def test_errors_are_answered(rest: httpx.Client) -> None:
    assert rest.get(f"/v1/sessions/{uuid4()}").json()["error"]["code"] == "SESSION_NOT_FOUND"
    assert rest.put("/v1/sessions", json={}).status_code == 405
    assert rest.get("/ready").json() == {"status": "ready"}


def test_tracing_sends_the_invocation_and_its_calls_to_x_ray(
    task_root: Path, store: RedisProcess
) -> None:
    with daemon() as listening:
        variables = {
            "AUTH": "off",
            "AWS_XRAY_DAEMON_ADDRESS": listening.address,
            "REDIS_URL": store.url,
            "TRACING": "on",
        }
        session = {"session_id": str(uuid4())}
        read = proxy_event("/v1/sessions/{session_id}", session)
        with PackagedFunction(task_root, "app.app", variables) as function:
            assert function.invoke(read)["statusCode"] == 404
        spans = {span["name"]: span for span in listening.subsegments()}

    (route,) = (name for name in spans if "sessions" in name)
    (redis,) = (name for name in spans if "redis" in name)
    assert f"Root={spans[route]['trace_id']};Parent={spans[route]['parent_id']};Sampled=1" == TRACE
    assert spans[redis]["parent_id"] == spans[route]["id"]
    assert spans[route]["annotations"]["session_id"] == session["session_id"]


IMPORT = """
import sys
sys.path.insert(0, sys.argv[1])
import app
from chalicelib.core.errors import KeysUnavailable
import app
app.container.engine
try:
    app.container.authenticator.authenticate("x")
except KeysUnavailable:
    pass  # No client is there to be asked for them.
for module in list(sys.modules.values()):
    file, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
    if file and file.startswith(sys.argv[1]) and file.endswith(".py"):
        print(file.removeprefix(sys.argv[1]), cached)
"""


def test_cold_start_imports_only_bytecode(task_root: Path) -> None:
    done = subprocess.run(
        # Without site-packages: only the bundle can be imported.
        [find_python(), "-S", "-B", "-c", IMPORT, task_root],
        env={
            "AUTH": "on",
            "AUTH_KEYS_SECRET": KEYS_ARN,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1",
            "AWS_LAMBDA_FUNCTION_NAME": "tickless-dev",
            "AWS_REGION": "us-east-1",
            "AWS_SECRET_ACCESS_KEY": "local",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    imported = dict(line.split() for line in done.stdout.splitlines())

    assert {"/jwt/api_jwt.py", "/boto3/session.py", "/botocore/session.py"} <= imported.keys()
    assert [file for file, cached in imported.items() if not Path(cached).exists()] == []


def test_missing_handler_is_reported_to_lambda(task_root: Path) -> None:
    with (
        PackagedFunction(task_root, "app.nothing", {}) as function,
        pytest.raises(FunctionError, match="HandlerNotFound"),
    ):
        function.invoke({})


def test_handler_that_raises_is_reported_to_lambda(task_root: Path) -> None:
    with (
        PackagedFunction(task_root, "app.greet", {"REDIS_URL": "nowhere"}) as function,
        pytest.raises(FunctionError, match="REDIS_URL must be"),
    ):
        function.invoke({})


def connect_with(function: PackagedFunction, token: str | None) -> Any:
    event = json.loads((EVENTS / "websocket_connect_with_query.json").read_text())
    query = {"sessionId": SESSION, **({} if token is None else {"token": token})}
    return function.invoke({**event, "queryStringParameters": query})


def asking_for_tokens(store: RedisProcess, key: dict[str, Any]) -> dict[str, str]:
    return {
        "AUTH": "on",
        "AUTH_KEYS": json.dumps(key),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        # No client needs a welcome message.
        "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:1",
        "REDIS_URL": store.url,
    }


def test_tokens_signed_with_a_secret_are_accepted(task_root: Path, store: RedisProcess) -> None:
    variables = asking_for_tokens(store, SECRET)
    stranger = tokens.sign(a_bearer(), a_key_set(new_key("first")))
    with PackagedFunction(task_root, "app.connect", variables) as function:
        assert connect_with(function, None) == {"statusCode": 401}
        assert connect_with(function, stranger) == {"statusCode": 401}
        assert connect_with(function, a_token_that_holds()) == {"statusCode": 200}


IMPORTED_BY_AN_ANSWER = """
import sys
sys.path.insert(0, sys.argv[1])
import app, json
event = json.load(sys.stdin)
context = type("Context", (), {"function_name": "app", "aws_request_id": "1"})()
print(app.app(event, context)["statusCode"])
print(*sys.modules)
"""


def bearing(token: str) -> dict[str, Any]:
    """A read of a session, with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return proxy_event("/v1/sessions/{session_id}", {"session_id": SESSION}, headers)


def fetching(store: RedisProcess, endpoint: str) -> dict[str, str]:
    return {
        **asking_for_tokens(store, SECRET),
        "AUTH_KEYS": "",
        "AUTH_KEYS_SECRET": KEYS_ARN,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": endpoint,
    }


def a_token_that_holds() -> str:
    now_s = int(time.time())
    return tokens.sign(a_bearer(valid_from_s=now_s - 60, valid_until_s=now_s + 600), KEYS)


def test_keys_are_fetched_from_secrets_manager(task_root: Path, store: RedisProcess) -> None:
    with (
        secrets_manager(keeping(KEYS_ARN, json.dumps(SECRET))) as endpoint,
        PackagedFunction(task_root, "app.app", fetching(store, endpoint)) as function,
    ):
        assert function.invoke(bearing(a_token_that_holds()))["statusCode"] == 404
        assert function.invoke(bearing("x"))["statusCode"] == 401


def test_keys_in_a_variable_avoid_boto3_and_botocore(task_root: Path, store: RedisProcess) -> None:
    done = subprocess.run(
        [find_python(), "-S", "-B", "-c", IMPORTED_BY_AN_ANSWER, task_root],
        env={
            **asking_for_tokens(store, SECRET),
            "AWS_LAMBDA_FUNCTION_NAME": "tickless-dev",
            "AWS_REGION": "us-east-1",
        },
        input=json.dumps(bearing(a_token_that_holds())),
        capture_output=True,
        text=True,
        check=True,
    )
    # Metrics and log lines come first.
    status, imported = done.stdout.splitlines()[-2:]

    assert status == "404"
    modules = imported.split()
    assert "jwt" in modules
    # Powertools imports botocore's __init__, which imports nothing, to see if it is installed.
    of_boto3 = [name for name in modules if name.partition(".")[0] in ("boto3", "botocore")]
    assert of_boto3 == ["botocore"]


def test_unavailable_keys_are_fetched_later(task_root: Path, store: RedisProcess) -> None:
    stored = ["nonsense"]

    def answer(asked: Asked) -> tuple[int, bytes]:
        return keeping(KEYS_ARN, stored[-1])(asked)

    with (
        secrets_manager(answer) as endpoint,
        PackagedFunction(task_root, "app.app", fetching(store, endpoint)) as function,
    ):
        event = bearing(a_token_that_holds())
        refused = function.invoke(event)
        assert (refused["statusCode"], refused["headers"]["Retry-After"]) == (503, "1")
        assert json.loads(refused["body"])["error"]["code"] == "KEYS_UNAVAILABLE"

        stored.append(json.dumps(SECRET))
        eventually(lambda: function.invoke(event)["statusCode"] == 404)


def test_elliptic_curve_key_fails_with_what_to_do(
    task_root: Path, store: RedisProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    variables = asking_for_tokens(store, a_curve_key("curve"))
    with PackagedFunction(task_root, "app.connect", variables) as function:
        assert connect_with(function, "x") == {"statusCode": 503}

    assert "needs the cryptography package" in "".join(capfd.readouterr())
