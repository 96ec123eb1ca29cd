"""The WebSocket API state machine with a manual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from chalice_gateway.websocket_api import WebSocketApi
from chalice_gateway.websocket_events import Api, Handshake
from chalice_gateway.websocket_limits import (
    Faults,
    Limits,
    MessageOrder,
)
from chalice_gateway.websocket_outputs import (
    Accept,
    Invoke,
    InvokeResult,
    Output,
    Reject,
    Returned,
)

ALL = ("$connect", "$default", "$disconnect")
OK = Returned({"statusCode": 200})
T0 = 1_707_502_303_419  # 09/Feb/2024:18:11:43 +0000

HANDSHAKE = Handshake(
    headers=(
        ("Host", "abcd1234.execute-api.us-east-1.amazonaws.com"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Key", "O3X4MLN3vS6SNJSqOpLZWA=="),
        ("Sec-WebSocket-Version", "13"),
        ("user-agent", "wscat/5"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
    ),
    query="",
    source_ip="192.0.2.1",
    server_port=8001,
)


def connection_ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"connection-{next(numbers):04}="


@dataclass
class ApiHarness:
    """The state machine and its clock; ``connected`` opens a connection."""

    api: WebSocketApi
    now_ms: int = T0
    outputs: list[Output] = field(default_factory=list)

    def open(self, handshake: Handshake = HANDSHAKE) -> Output:
        (output,) = self.api.open(handshake, self.now_ms)
        return output

    def connected(self) -> str:
        output = self.open()
        if isinstance(output, Invoke):
            (output,) = self.api.invoke_finished(output, OK, self.now_ms)
        assert isinstance(output, Accept)
        return output.connection_id

    def refused(self, outcome: InvokeResult) -> Reject:
        invoke = self.open()
        assert isinstance(invoke, Invoke)
        (output,) = self.api.invoke_finished(invoke, outcome, self.now_ms)
        assert isinstance(output, Reject)
        return output

    def advance(self, by_ms: int) -> list[Output]:
        """Advance the clock, and call ``tick`` whenever it is due."""
        ends_ms = self.now_ms + by_ms
        outputs: list[Output] = []
        while (due_ms := self.api.next_due_ms) is not None and due_ms <= ends_ms:
            self.now_ms = max(self.now_ms, due_ms)
            outputs += self.api.tick(self.now_ms)
        self.now_ms = ends_ms
        return outputs

    def text(self, connection_id: str, text: str = "{}") -> list[Output]:
        return self.api.text_received(connection_id, text, self.now_ms)

    def post(self, connection_id: str, data: bytes = b"x", buffered_bytes: int = 0) -> list[Output]:
        return self.api.post(connection_id, data, buffered_bytes, self.now_ms)


def api_harness(
    routes: Iterable[str] = ALL,
    *,
    limits: Limits | None = None,
    faults: Faults | None = None,
    order: MessageOrder = MessageOrder.CONCURRENT,
) -> ApiHarness:
    requests = count(1)
    return ApiHarness(
        WebSocketApi(
            Api("prod", "abcd1234"),
            tuple(routes),
            limits=limits,
            faults=faults,
            order=order,
            new_connection_id=connection_ids(),
            new_request_id=lambda: f"request-{next(requests)}",
            new_trace_id=lambda: "Root=1-65c667df-0123456789abcdef01234567",
        )
    )


def invocations(outputs: Iterable[Output]) -> list[Invoke]:
    return [output for output in outputs if isinstance(output, Invoke)]


def context(invoke: Invoke) -> dict[str, Any]:
    found: dict[str, Any] = invoke.event["requestContext"]
    return found
