"""A sample event for each kind of function, in AWS's shape, for ``chalice-gateway invoke``.

Owns the shapes of the event sources that the gateway itself doesn't emulate, with one record
each; an event names the queue, topic, bucket or stream of its function. Must never run
anything.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-services.html
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import md5
from typing import Any, Final

from chalice.app import Chalice

from . import ids
from .chalice_app import AppFunction, FunctionKind
from .http_messages import Request
from .lambdas import ACCOUNT_ID, REGION, Event
from .proxy_request import ApiIdentity, proxy_event
from .resources import RouteTable
from .schedules import scheduled_event
from .websocket_events import (
    Api,
    ConnectionInfo,
    Handshake,
    RequestInfo,
    connect_event,
    disconnect_event,
    iso_time,
    message_event,
)

TEXT: Final = "Hello"
HOST: Final = f"local.execute-api.{REGION}.amazonaws.com"
_HEADERS: Final = (("Host", HOST), ("Accept", "*/*"), ("User-Agent", "chalice-gateway"))
_SOURCE_IP: Final = "127.0.0.1"


def sample_event(app: Chalice, invoked: AppFunction, api_stage: str) -> Any:
    """An event of the kind that ``invoked`` gets, which happens now."""
    now_ms = time.time_ns() // 1_000_000
    if invoked.kind is FunctionKind.REST:
        return _rest_event(app, api_stage, now_ms)
    if invoked.kind in _WEBSOCKET_KINDS:
        return _websocket_event(invoked.kind, Api(stage=api_stage), now_ms)
    if invoked.kind is FunctionKind.AUTHORIZER:
        arn = ApiIdentity(stage=api_stage).method_arn("GET", "/")
        return {"type": "TOKEN", "methodArn": arn, "authorizationToken": "token"}
    if invoked.kind is FunctionKind.SCHEDULE:
        due = datetime.fromtimestamp(now_ms // 1000, UTC)
        return scheduled_event(f"{invoked.function.name}-event", due)
    if invoked.kind is FunctionKind.PLAIN:
        return {}
    return _SOURCES[invoked.kind](invoked.source, now_ms)


# API Gateway


_WEBSOCKET_KINDS: Final = (FunctionKind.CONNECT, FunctionKind.MESSAGE, FunctionKind.DISCONNECT)


def _rest_event(app: Chalice, stage: str, now_ms: int) -> Event:
    # The first route that can be read, or else the first.
    routes = [(path, method) for path, methods in app.routes.items() for method in methods]
    readable = [route for route in routes if route[1] == "GET"]
    path, method = [*readable, *routes, ("/", "GET")][0]
    target = path.replace("{", "").replace("+}", "").replace("}", "")
    matched = RouteTable(app.routes or {"/": {}}).match(target)
    assert matched is not None
    return proxy_event(
        Request(method, target, _HEADERS, b"", _SOURCE_IP, 443),
        matched,
        api=ApiIdentity(stage=stage, scheme="https"),
        binary_types=app.api.binary_types,
        request_id=ids.uuid(),
        extended_request_id=ids.extended_request_id(),
        trace_id=ids.trace_id(),
        now_ms=now_ms,
    )


def _websocket_event(kind: FunctionKind, api: Api, now_ms: int) -> Event:
    connection = ConnectionInfo(
        connection_id=ids.connection_id(),
        connected_at_ms=now_ms,
        source_ip=_SOURCE_IP,
        user_agent="chalice-gateway",
        domain_name=HOST,
    )
    request_id = ids.extended_request_id()
    info = RequestInfo(request_id, now_ms)
    if kind is FunctionKind.CONNECT:
        handshake = Handshake(_HEADERS, "", _SOURCE_IP, 443)
        return connect_event(api, connection, info, handshake, ids.trace_id())
    if kind is FunctionKind.DISCONNECT:
        return disconnect_event(api, connection, info, code=1001, reason="")
    return message_event(
        api, connection, info, route_key="$default", message_id=request_id, text="{}"
    )


# Event sources


def _sqs_event(source: Any, now_ms: int) -> Event:
    arn = source.queue_arn or f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{source.queue}"
    return _one_record(
        {
            "messageId": ids.uuid(),
            "receiptHandle": "MessageReceiptHandle",
            "body": TEXT,
            "attributes": {
                "ApproximateReceiveCount": "1",
                "SentTimestamp": str(now_ms),
                "SenderId": ACCOUNT_ID,
                "ApproximateFirstReceiveTimestamp": str(now_ms),
            },
            "messageAttributes": {},
            "md5OfBody": md5(TEXT.encode(), usedforsecurity=False).hexdigest(),
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": _region_of(arn),
        }
    )


def _sns_event(source: Any, now_ms: int) -> Event:
    topic = source.topic
    arn = topic if topic.startswith("arn:") else f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:{topic}"
    subscription = f"{arn}:{ids.uuid()}"
    host = f"https://sns.{_region_of(arn)}.amazonaws.com"
    return _one_record(
        {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "EventSubscriptionArn": subscription,
            "Sns": {
                "Type": "Notification",
                "MessageId": ids.uuid(),
                "TopicArn": arn,
                "Subject": None,
                "Message": TEXT,
                "Timestamp": iso_time(now_ms),
                "SignatureVersion": "1",
                "Signature": "EXAMPLE",
                "SigningCertUrl": f"{host}/SimpleNotificationService.pem",
                "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription}",
                "MessageAttributes": {},
            },
        }
    )


def _s3_event(source: Any, now_ms: int) -> Event:
    key = f"{source.prefix or ''}hello{source.suffix or '.txt'}"
    # Chalice has "s3:ObjectCreated:*", events "ObjectCreated:Put".
    name = source.events[0].removeprefix("s3:").replace("*", "Put")
    return _one_record(
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": REGION,
            "eventTime": iso_time(now_ms),
            "eventName": name,
            "userIdentity": {"principalId": "EXAMPLE"},
            "requestParameters": {"sourceIPAddress": _SOURCE_IP},
            "responseElements": {
                "x-amz-request-id": "EXAMPLE123456789",
                "x-amz-id-2": "EXAMPLE123/abcdefghijklambdaisawesome",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": source.name,
                "bucket": {
                    "name": source.bucket,
                    "ownerIdentity": {"principalId": "EXAMPLE"},
                    "arn": f"arn:aws:s3:::{source.bucket}",
                },
                "object": {
                    "key": key,
                    "size": len(TEXT),
                    "eTag": md5(TEXT.encode(), usedforsecurity=False).hexdigest(),
                    "sequencer": f"{now_ms:018X}",
                },
            },
        }
    )


def _event_bridge_event(source: Any, now_ms: int) -> Event:
    """An event that the pattern lets through, as far as it lists plain values."""
    pattern: Mapping[str, Any] = source.event_pattern
    return {
        "version": "0",
        "id": ids.uuid(),
        "detail-type": _first(pattern, "detail-type", "Sample"),
        "source": _first(pattern, "source", "sample"),
        "account": ACCOUNT_ID,
        "time": f"{iso_time(now_ms)[:19]}Z",
        "region": REGION,
        "resources": [],
        "detail": {name: _first(pattern["detail"], name, "") for name in pattern.get("detail", {})},
    }


def _first(pattern: Mapping[str, Any], name: str, default: str) -> Any:
    values = pattern.get(name)
    return values[0] if isinstance(values, list) and values else default


def _kinesis_event(source: Any, now_ms: int) -> Event:
    sequence = "49590338271490256608559692538361571095921575989136588898"
    return _one_record(
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "1",
                "sequenceNumber": sequence,
                "data": b64encode(TEXT.encode()).decode(),
                "approximateArrivalTimestamp": now_ms / 1000,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{sequence}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/lambda-role",
            "awsRegion": REGION,
            "eventSourceARN": f"arn:aws:kinesis:{REGION}:{ACCOUNT_ID}:stream/{source.stream}",
        }
    )


def _dynamodb_event(source: Any, now_ms: int) -> Event:
    return _one_record(
        {
            "eventID": ids.uuid().replace("-", ""),
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": _region_of(source.stream_arn),
            "dynamodb": {
                "ApproximateCreationDateTime": now_ms // 1000,
                "Keys": {"Id": {"N": "101"}},
                "NewImage": {"Id": {"N": "101"}, "Message": {"S": TEXT}},
                "SequenceNumber": "111",
                "SizeBytes": 26,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": source.stream_arn,
        }
    )


_SOURCES: Final[Mapping[FunctionKind, Callable[[Any, int], Event]]] = {
    FunctionKind.SQS: _sqs_event,
    FunctionKind.SNS: _sns_event,
    FunctionKind.S3: _s3_event,
    FunctionKind.EVENT_BRIDGE: _event_bridge_event,
    FunctionKind.KINESIS: _kinesis_event,
    FunctionKind.DYNAMODB: _dynamodb_event,
}


def _one_record(record: Event) -> Event:
    return {"Records": [record]}


def _region_of(arn: str) -> str:
    return arn.split(":")[3]
