"""The events of a WebSocket API, compared with captured ones, in key order."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayWebSocketConnectEventModel,
    APIGatewayWebSocketDisconnectEventModel,
    APIGatewayWebSocketMessageEventModel,
)
from chalice.app import WebsocketEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from chalice_gateway import ids
from chalice_gateway.websocket_events import iso_time
from chalice_gateway.websocket_outputs import Invoke

from .api_harness import HANDSHAKE, OK, ApiHarness, api_harness, context, invocations

CAPTURED = Path(__file__).parent.parent / "events"
WITHOUT_AGENT = dataclasses.replace(
    HANDSHAKE, headers=tuple(item for item in HANDSHAKE.headers if item[0] != "user-agent")
)
WITH_QUERY = dataclasses.replace(HANDSHAKE, query="sessionId=1&sessionId=2&name=f%C3%BCr")


def connect(harness: ApiHarness) -> Invoke:
    output = harness.open(WITHOUT_AGENT)
    assert isinstance(output, Invoke)
    return output


def connect_with_query(harness: ApiHarness) -> Invoke:
    output = harness.open(WITH_QUERY)
    assert isinstance(output, Invoke)
    return output


def message(harness: ApiHarness) -> Invoke:
    connection_id = harness.connected()
    harness.now_ms += 2_000
    (invoke,) = invocations(harness.text(connection_id, '{"action": "hello"}'))
    return invoke


def disconnect(harness: ApiHarness) -> Invoke:
    connection_id = harness.connected()
    harness.now_ms += 2_000
    (invoke,) = invocations(harness.api.close_received(connection_id, 1005, "", harness.now_ms))
    return invoke


EVENTS: dict[str, tuple[Callable[[ApiHarness], Invoke], type[BaseModel]]] = {
    "websocket_connect": (connect, APIGatewayWebSocketConnectEventModel),
    "websocket_connect_with_query": (connect_with_query, APIGatewayWebSocketConnectEventModel),
    "websocket_message": (message, APIGatewayWebSocketMessageEventModel),
    "websocket_disconnect": (disconnect, APIGatewayWebSocketDisconnectEventModel),
}


@pytest.mark.parametrize("name", EVENTS)
def test_event_equals_the_captured_one_in_order(name: str) -> None:
    make, _ = EVENTS[name]

    event = make(api_harness()).event

    # Compared as text, because dict equality ignores order.
    captured = json.loads((CAPTURED / f"{name}.json").read_text())
    assert json.dumps(event, indent=1) == json.dumps(captured, indent=1)


@pytest.mark.parametrize("name", EVENTS)
def test_event_is_valid_for_powertools(name: str) -> None:
    make, model = EVENTS[name]

    parsed = model.model_validate(make(api_harness()).event)

    dumped: Any = parsed.model_dump(by_alias=True, mode="json")
    assert dumped["requestContext"]["connectionId"] == "connection-0001="


NAMES = st.text("abcXYZ019-_", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)


@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    query=st.lists(st.tuples(NAMES, st.text(max_size=8)), max_size=4).map(urlencode),
    text=st.text(max_size=20),
    code=st.integers(1000, 4999),
    reason=st.text(max_size=20),
)
def test_every_event_is_valid_for_powertools(
    headers: list[tuple[str, str]], query: str, text: str, code: int, reason: str
) -> None:
    harness = api_harness()
    handshake = dataclasses.replace(HANDSHAKE, headers=(("Host", "h"), *headers), query=query)
    begun = harness.open(handshake)
    assert isinstance(begun, Invoke)
    harness.api.invoke_finished(begun, OK, harness.now_ms)
    (said,) = invocations(harness.text(begun.connection_id, text))
    (ended,) = invocations(
        harness.api.close_received(begun.connection_id, code, reason, harness.now_ms)
    )

    APIGatewayWebSocketConnectEventModel.model_validate(begun.event)
    APIGatewayWebSocketMessageEventModel.model_validate(said.event)
    APIGatewayWebSocketDisconnectEventModel.model_validate(ended.event)


@pytest.mark.parametrize("name", EVENTS)
def test_event_has_one_request_id_and_chalice_reads_it(name: str) -> None:
    make, _ = EVENTS[name]
    invoke = make(api_harness())

    assert context(invoke)["requestId"] == context(invoke)["extendedRequestId"]
    assert context(invoke)["requestId"] == invoke.request_id
    assert "accountId" not in context(invoke)
    event = WebsocketEvent(invoke.event, None)
    assert (event.stage, event.connection_id) == ("prod", "connection-0001=")


def test_message_body_is_unchanged() -> None:
    harness = api_harness()
    connection_id = harness.connected()

    (invoke,) = invocations(harness.text(connection_id, "  no JSON, für sich\n"))

    assert invoke.event["body"] == "  no JSON, für sich\n"


def test_headers_keep_case_and_all_values() -> None:
    headers = (("HOST", "h"), ("cookie", "a=1"), ("Cookie", "b=2"), ("x-forwarded-for", "10.0.0.1"))
    output = api_harness().open(dataclasses.replace(HANDSHAKE, headers=headers))
    assert isinstance(output, Invoke)

    assert output.event["multiValueHeaders"] == {
        "HOST": ["h"],
        "cookie": ["a=1", "b=2"],
        "X-Amzn-Trace-Id": ["Root=1-65c667df-0123456789abcdef01234567"],
        "X-Forwarded-For": ["10.0.0.1, 192.0.2.1"],
        "X-Forwarded-Port": ["8001"],
        "X-Forwarded-Proto": ["http"],
    }
    assert output.event["headers"]["cookie"] == "b=2"


def test_connection_ids_are_16_url_safe_characters() -> None:
    made = {ids.connection_id() for _ in range(1_000)}

    assert len(made) == 1_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{15}=", one) for one in made)
    assert {"-", "_"} < set("".join(made))


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1_643_136_604_673, "2022-01-25T18:50:04.673Z")],
)
def test_times_are_utc_with_milliseconds(at_ms: int, text: str) -> None:
    assert iso_time(at_ms) == text
