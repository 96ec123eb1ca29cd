"""Sample events have AWS's shapes: Powertools' models accept them, and so do Chalice's classes."""

from __future__ import annotations

from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser import models
from chalice.app import Chalice

from chalice_gateway.chalice_app import AppFunction, FunctionKind, lambdas_of
from chalice_gateway.chalice_config import StageConfig
from chalice_gateway.sample_events import sample_event

STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/things/stream/2026-01-01T00:00:00.000"
QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:orders"
TOPIC_ARN = "arn:aws:sns:eu-west-1:123456789012:news"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Chalice:  # noqa: C901 - one function of each kind
    """An app with a function of each kind, which returns what Chalice has read of the event."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # Chalice makes a client for WebSockets
    app = Chalice("every", configure_logs=False)

    @app.route("/things", methods=["POST"])
    def create() -> Any: ...

    @app.route("/things/{thing}/{proxy+}")
    def read(thing: str) -> Any:
        assert app.current_request is not None
        return app.current_request.uri_params

    @app.on_ws_connect()
    def connect(event: Any) -> Any:
        return {"statusCode": 200}

    @app.on_ws_message()
    def message(event: Any) -> Any:
        return event.json_body

    @app.on_ws_disconnect()
    def disconnect(event: Any) -> Any:
        return event.connection_id

    @app.authorizer()
    def guard(request: Any) -> Any:
        return {"token": request.token, "method_arn": request.method_arn}

    @app.schedule("rate(1 minute)")
    def every_minute(event: Any) -> Any:
        return event.detail_type

    @app.on_cw_event({"source": ["aws.ec2"], "detail": {"state": ["stopped"], "free": [{}]}})
    def stopped(event: Any) -> Any:
        return [event.source, event.detail]

    @app.on_s3_event("pictures", events=["s3:ObjectRemoved:*"], prefix="in/", suffix=".png")
    def removed(event: Any) -> Any:
        return [event.bucket, event.key]

    @app.on_sns_message("news")
    def news(event: Any) -> Any:
        return event.message

    @app.on_sns_message(TOPIC_ARN)
    def foreign_news(event: Any) -> Any:
        return event.message

    @app.on_sqs_message("orders")
    def order(event: Any) -> Any:
        return [record.body for record in event]

    @app.on_sqs_message(queue_arn=QUEUE_ARN)
    def foreign_order(event: Any) -> Any:
        return [record.body for record in event]

    @app.on_kinesis_record("stream")
    def record(event: Any) -> Any:
        return [record.data.decode() for record in event]

    @app.on_dynamodb_record(STREAM)
    def row(event: Any) -> Any:
        return [[row.table_name, row.new_image] for row in event]

    @app.lambda_function()
    def plain(event: Any, context: Any) -> Any:
        return event

    return app


def functions_of(app: Chalice) -> dict[str, AppFunction]:
    return dict(lambdas_of(app, StageConfig("dev")).by_chalice_name)


def sample(app: Chalice, name: str) -> Any:
    return sample_event(app, functions_of(app)[name], "api")


def test_kinds_are_those_of_the_decorators(app: Chalice) -> None:
    kinds = {name: function.kind for name, function in functions_of(app).items()}

    assert kinds == {
        "api_handler": FunctionKind.REST,
        "websocket_connect": FunctionKind.CONNECT,
        "websocket_message": FunctionKind.MESSAGE,
        "websocket_disconnect": FunctionKind.DISCONNECT,
        "guard": FunctionKind.AUTHORIZER,
        "every_minute": FunctionKind.SCHEDULE,
        "stopped": FunctionKind.EVENT_BRIDGE,
        "removed": FunctionKind.S3,
        "news": FunctionKind.SNS,
        "foreign_news": FunctionKind.SNS,
        "order": FunctionKind.SQS,
        "foreign_order": FunctionKind.SQS,
        "record": FunctionKind.KINESIS,
        "row": FunctionKind.DYNAMODB,
        "plain": FunctionKind.PLAIN,
    }


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("api_handler", models.APIGatewayProxyEventModel),
        ("websocket_connect", models.APIGatewayWebSocketConnectEventModel),
        ("websocket_message", models.APIGatewayWebSocketMessageEventModel),
        ("websocket_disconnect", models.APIGatewayWebSocketDisconnectEventModel),
        ("guard", models.ApiGatewayAuthorizerToken),
        ("every_minute", models.EventBridgeModel),
        ("stopped", models.EventBridgeModel),
        ("removed", models.S3Model),
        ("news", models.SnsModel),
        ("order", models.SqsModel),
        ("record", models.KinesisDataStreamModel),
        ("row", models.DynamoDBStreamModel),
    ],
)
def test_sample_passes_the_model_of_powertools(app: Chalice, name: str, model: Any) -> None:
    model.model_validate(sample(app, name))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("websocket_message", {"statusCode": 200}),
        ("guard", {"token": "token", "method_arn": None}),
        ("every_minute", "Scheduled Event"),
        ("stopped", ["aws.ec2", {"state": "stopped", "free": {}}]),
        ("removed", ["pictures", "in/hello.png"]),
        ("news", "Hello"),
        ("order", ["Hello"]),
        ("record", ["Hello"]),
        ("row", [["things", {"Id": {"N": "101"}, "Message": {"S": "Hello"}}]]),
        ("plain", {}),
    ],
)
def test_chalice_reads_the_sample(app: Chalice, name: str, answer: Any) -> None:
    event = sample(app, name)
    if name == "guard":
        answer = {**answer, "method_arn": event["methodArn"]}

    assert functions_of(app)[name].function.handler(event, None) == answer


def test_samples_name_the_source_of_their_function(app: Chalice) -> None:
    (order,), (foreign_order,) = (
        sample(app, name)["Records"] for name in ("order", "foreign_order")
    )
    (news,), (foreign_news,) = (sample(app, name)["Records"] for name in ("news", "foreign_news"))
    (removed,) = sample(app, "removed")["Records"]
    (record,) = sample(app, "record")["Records"]

    assert order["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:orders"
    assert (foreign_order["eventSourceARN"], foreign_order["awsRegion"]) == (QUEUE_ARN, "eu-west-1")
    assert news["Sns"]["TopicArn"] == "arn:aws:sns:us-east-1:123456789012:news"
    assert foreign_news["Sns"]["TopicArn"] == TOPIC_ARN
    assert foreign_news["EventSubscriptionArn"].startswith(f"{TOPIC_ARN}:")
    assert removed["eventName"] == "ObjectRemoved:Put"
    assert record["eventSourceARN"] == "arn:aws:kinesis:us-east-1:123456789012:stream/stream"


def test_rest_sample_is_for_a_route_that_can_be_read(app: Chalice) -> None:
    event = sample(app, "api_handler")

    assert (event["httpMethod"], event["resource"]) == ("GET", "/things/{thing}/{proxy+}")
    assert event["path"] == "/things/thing/proxy"
    assert app(event, None)["body"] == '{"thing":"thing","proxy":"proxy"}'


def test_rest_sample_of_an_app_without_routes_is_for_its_root() -> None:
    event = sample(Chalice("none", configure_logs=False), "api_handler")

    assert (event["httpMethod"], event["path"]) == ("GET", "/")
