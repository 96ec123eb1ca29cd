"""A WebSocket API on a clock that stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from local.gateway.events import Api, Handshake
from local.gateway.websocket_api import WebSocketApi
from local.gateway.websocket_effects import (
    Accept,
    Effect,
    Invoke,
    Outcome,
    Refuse,
    Returned,
)
from local.gateway.websocket_limits import (
    Faults,
    Limits,
    Order,
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
class Played:
    """The rules, with what they last said; ``connected`` skips to an open connection."""

    api: WebSocketApi
    now_ms: int = T0
    effects: list[Effect] = field(default_factory=list)

    def open(self, handshake: Handshake = HANDSHAKE) -> Effect:
        (effect,) = self.api.open(handshake, self.now_ms)
        return effect

    def connected(self) -> str:
        effect = self.open()
        if isinstance(effect, Invoke):
            (effect,) = self.api.answered(effect, OK, self.now_ms)
        assert isinstance(effect, Accept)
        return effect.connection_id

    def refused(self, outcome: Outcome) -> Refuse:
        invoke = self.open()
        assert isinstance(invoke, Invoke)
        (effect,) = self.api.answered(invoke, outcome, self.now_ms)
        assert isinstance(effect, Refuse)
        return effect

    def later(self, by_ms: int) -> list[Effect]:
        """Time passes, in the steps in which ``tick`` is asked for."""
        ends_ms = self.now_ms + by_ms
        effects: list[Effect] = []
        while (due_ms := self.api.next_due_ms) is not None and due_ms <= ends_ms:
            self.now_ms = max(self.now_ms, due_ms)
            effects += self.api.tick(self.now_ms)
        self.now_ms = ends_ms
        return effects

    def text(self, connection_id: str, text: str = "{}") -> list[Effect]:
        return self.api.text(connection_id, text, self.now_ms)

    def post(self, connection_id: str, data: bytes = b"x", buffered_bytes: int = 0) -> list[Effect]:
        return self.api.post(connection_id, data, buffered_bytes, self.now_ms)


def played(
    routes: Iterable[str] = ALL,
    *,
    limits: Limits | None = None,
    faults: Faults | None = None,
    order: Order = Order.CONCURRENT,
) -> Played:
    requests = count(1)
    return Played(
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


def invocations(effects: Iterable[Effect]) -> list[Invoke]:
    return [effect for effect in effects if isinstance(effect, Invoke)]


def context(invoke: Invoke) -> dict[str, Any]:
    found: dict[str, Any] = invoke.event["requestContext"]
    return found
