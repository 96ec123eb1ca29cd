"""Lambda's ``Invoke``, called by an unmodified boto3."""

from __future__ import annotations

import json
import threading
from queue import SimpleQueue
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from chalice.app import Chalice, Rate

from chalice_gateway.chalice_app import lambdas_of
from chalice_gateway.chalice_config import StageConfig
from chalice_gateway.lambdas import REQUEST_BYTES, RESPONSE_BYTES, LambdaFunction, make_thread_safe

from .test_proxy_request import event_of
from .websocket_serving import WITHIN_S, Served, serving

ARN = "arn:aws:lambda:us-east-1:123456789012:function:tasks-dev-add"


class Tasks:
    """A Chalice app with pure Lambda functions."""

    def __init__(self) -> None:
        app = Chalice("tasks", configure_logs=False)
        self.seen: SimpleQueue[Any] = SimpleQueue()
        self.release = threading.Event()

        @app.route("/health")
        def health() -> Any:
            return {"healthy": True}

        @app.lambda_function(name="add")
        def add(event: Any, context: Any) -> Any:
            self.seen.put((event, context.function_name))
            return {"sum": sum(event.get("numbers", []))}

        @app.lambda_function()
        def fails(event: Any, context: Any) -> Any:
            raise ValueError("für nichts")

        @app.lambda_function()
        def returns_a_set(event: Any, context: Any) -> Any:
            return {1}

        @app.lambda_function()
        def returns_much(event: Any, context: Any) -> Any:
            return "x" * (RESPONSE_BYTES - 1)

        @app.lambda_function()
        def hangs(event: Any, context: Any) -> Any:
            self.release.wait(WITHIN_S)

        @app.schedule(Rate(1, unit=Rate.MINUTES))
        def every_minute(event: Any) -> Any:
            return "swept"

        functions = dict(lambdas_of(make_thread_safe(app), StageConfig("dev")).functions)
        hanging = functions["tasks-dev-hangs"]
        functions["tasks-dev-hangs"] = LambdaFunction(
            hanging.name, hanging.handler, timeout_seconds=0.05
        )
        self.functions = functions


def client_of(served: Served, secret: str = "local") -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{served.port}",
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    "name",
    [
        "tasks-dev-add",
        ARN,
        f"{ARN}:$LATEST",
        "123456789012:function:tasks-dev-add",
        "function:tasks-dev-add",
    ],
)
def test_function_is_invoked_by_name_or_arn(name: str) -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        answer = client_of(served).invoke(FunctionName=name, Payload=b'{"numbers": [1, 2]}')

    assert answer["StatusCode"] == 200
    assert answer["ExecutedVersion"] == "$LATEST"
    assert "FunctionError" not in answer
    assert json.load(answer["Payload"]) == {"sum": 3}
    assert tasks.seen.get(timeout=WITHIN_S) == ({"numbers": [1, 2]}, "tasks-dev-add")


def test_functions_of_the_apis_are_invoked_by_name() -> None:
    event = json.dumps(event_of("/health"))
    with serving({}, functions=Tasks().functions) as served:
        answer = client_of(served).invoke(FunctionName="tasks-dev", Payload=event)

    result = json.load(answer["Payload"])
    assert (result["statusCode"], json.loads(result["body"])) == (200, {"healthy": True})


def test_asynchronous_invocation_returns_at_once() -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        client = client_of(served)
        answer = client.invoke(
            FunctionName="tasks-dev-add", InvocationType="Event", Payload=b'{"numbers": []}'
        )
        failed = client.invoke(FunctionName="tasks-dev-fails", InvocationType="Event")

        assert (answer["StatusCode"], failed["StatusCode"]) == (202, 202)
        assert answer["Payload"].read() == b""
        assert tasks.seen.get(timeout=WITHIN_S)[0] == {"numbers": []}
        served.wait_until_quiet()


def test_dry_run_runs_nothing() -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        answer = client_of(served).invoke(FunctionName="tasks-dev-add", InvocationType="DryRun")

    assert answer["StatusCode"] == 204
    assert tasks.seen.empty()


def test_empty_payload_is_an_empty_event_and_schedules_can_be_invoked() -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        client = client_of(served)
        client.invoke(FunctionName="tasks-dev-add")
        event = dict.fromkeys(("version", "account", "region", "source", "time", "id"), "")
        answer = client.invoke(
            FunctionName="tasks-dev-every_minute",
            Payload=json.dumps(
                {**event, "detail": {}, "detail-type": "", "resources": []}
            ).encode(),
        )

    assert tasks.seen.get(timeout=WITHIN_S)[0] == {}
    assert json.load(answer["Payload"]) == "swept"


@pytest.mark.parametrize(
    ("name", "error_type", "message"),
    [
        ("fails", "ValueError", "für nichts"),
        ("returns_a_set", "Runtime.MarshalError", "Unable to marshal response: Object of type set"),
        ("returns_much", "Function.ResponseSizeTooLarge", "Response payload size exceeded"),
        ("hangs", None, "Task timed out after 0.05 seconds"),
    ],
)
def test_failed_function_returns_its_error(name: str, error_type: str | None, message: str) -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        answer = client_of(served).invoke(FunctionName=f"tasks-dev-{name}")
        tasks.release.set()

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    payload = json.load(answer["Payload"])
    assert payload.get("errorType") == error_type
    assert message in payload["errorMessage"]
    if name == "fails":
        assert "in fails" in "".join(payload["stackTrace"])
        assert "lambdas.py" not in payload["stackTrace"][0]


@pytest.mark.parametrize(
    ("options", "error", "status"),
    [
        ({"FunctionName": "unknown"}, "ResourceNotFoundException", 404),
        ({"FunctionName": "tasks-dev-add:7"}, "ResourceNotFoundException", 404),
        (
            {"FunctionName": "tasks-dev-add", "Qualifier": "live"},
            "ResourceNotFoundException",
            404,
        ),
        ({"FunctionName": "no name!"}, "InvalidParameterValueException", 400),
        (
            {"FunctionName": "tasks-dev-add", "InvocationType": "Sideways"},
            "InvalidParameterValueException",
            400,
        ),
        (
            {"FunctionName": "tasks-dev-add", "Payload": b"no JSON"},
            "InvalidRequestContentException",
            400,
        ),
        (
            {"FunctionName": "tasks-dev-add", "Payload": b"[" * 100_000},
            "InvalidRequestContentException",
            400,
        ),
        (
            {"FunctionName": "tasks-dev-add", "Payload": b" " * (REQUEST_BYTES + 1)},
            "RequestTooLargeException",
            413,
        ),
        (
            {
                "FunctionName": "tasks-dev-add",
                "InvocationType": "Event",
                "Payload": b" " * (1024 * 1024 + 1),
            },
            "RequestTooLargeException",
            413,
        ),
    ],
)
def test_invalid_invocations_raise_lambda_s_exceptions(
    options: dict[str, Any], error: str, status: int
) -> None:
    tasks = Tasks()
    with serving({}, functions=tasks.functions) as served:
        client = client_of(served)
        with pytest.raises(getattr(client.exceptions, error)) as raised:
            client.invoke(**options)

    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert raised.value.response["Error"]["Message"]
    assert tasks.seen.empty()


def test_wrong_signature_is_rejected() -> None:
    with (
        serving({}, functions=Tasks().functions) as served,
        pytest.raises(ClientError) as raised,
    ):
        client_of(served, "another").invoke(FunctionName="tasks-dev-add")

    assert raised.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_signatures_are_not_checked_without_credentials() -> None:
    with serving({}, functions=Tasks().functions, credentials=None) as served:
        answer = client_of(served, "another").invoke(FunctionName="tasks-dev-add")

    assert answer["StatusCode"] == 200


def test_other_operations_of_lambda_are_404() -> None:
    with (
        serving({}, functions=Tasks().functions) as served,
        pytest.raises(ClientError) as raised,
    ):
        client_of(served).get_function(FunctionName="tasks-dev-add")

    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
