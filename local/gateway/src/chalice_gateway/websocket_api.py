"""State machine of a WebSocket API, sans-I/O: inputs with a time in, outputs out.

Owns the connections' states, routing, limits, message order and faults. Must never do I/O,
read a clock or import asyncio.

Theory of operation
-------------------

Each method takes an input (a handshake or a message has arrived, a Lambda has finished,
time has passed) and returns outputs, to be performed in that order. The caller passes the
result of an ``Invoke`` to ``invoke_finished`` with the same ``Invoke``, so the state machine
keeps no table of invocations in flight.

A connection is in one of four states::

    PENDING --- $connect returns 2xx ---> OPEN --- either side closes ---> CLOSING
       |                                    |                                |
       | any other result                   | socket lost                    | socket lost,
       v                                    v                                v or timeout
    forgotten                              GONE <----------------------------+

For ``@connections`` only OPEN exists; any other state is 410. A connection leaves OPEN once,
so there is one $disconnect event, with the code and reason of the first cause. A GONE
connection is forgotten once its last Lambda has finished.

The timer queue has one item for each connection, a second for one that is CLOSING, and one
for each message or post that is delayed. Activity doesn't move a connection's item, which
would cost a heap operation per message: when the item is due, it is added again if the
connection has been active.

Time is wall-clock time in milliseconds: after a laptop has slept for an hour, its
connections are idle. A monotonic clock might not count that hour.

[?] marks a choice where AWS's behaviour is neither documented nor measured.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Any, Final

from . import ids
from .connections_api_errors import (
    BadRequestError,
    GoneError,
    LimitExceededError,
    PayloadTooLargeError,
)
from .fault_injection import FaultInjector, HeldPost, occurs
from .timer_queue import TimerQueue
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
from .websocket_integration import (
    FAILED,
    FORBIDDEN,
    TIMED_OUT,
    connect_result,
    error_message,
)
from .websocket_limits import Faults, Limits, MessageOrder, TokenBucket
from .websocket_outputs import (
    Abort,
    Accept,
    Close,
    EventType,
    Invoke,
    InvokeResult,
    Output,
    PauseReading,
    Raised,
    Reject,
    ResumeReading,
    Returned,
    Send,
)
from .websocket_routes import select_route


class State(Enum):
    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    GONE = "gone"


# Close codes and reasons, as captured from $disconnect events on AWS.
GOING_AWAY: Final = (1001, "Going away")
DELETED: Final = (1000, "Connection Closed Normally")
NO_STATUS: Final = (1005, "Client-side close frame status not set")
# [?] The reason for a lost connection. The code is that of RFC 6455, 7.1.5.
BROKEN: Final = (1006, "")
# [?] AWS documents the code for binary frames, but no reason.
BINARY: Final = (1003, "Binary is not supported")

_CONNECTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{15}=")
_JSON: Final = (("Content-Type", "application/json"),)

# [?] For a throttled handshake only the status is documented.
TOO_MANY_REQUESTS: Final = Reject(429, _JSON, b'{"message":"Too Many Requests"}')
UNAVAILABLE: Final = Reject(503, _JSON, b'{"message":"Service Unavailable"}')


@dataclass(slots=True, eq=False)
class _Connection:
    origin: ConnectionInfo
    last_active_ms: int
    state: State = State.PENDING
    closing_since_ms: int = 0
    unanswered: int = 0
    # Invocations that wait until fewer of the connection's messages are in progress.
    waiting: deque[Invoke] = field(default_factory=deque)
    reading_paused: bool = False


_Timed = _Connection | HeldPost | Send | Invoke | Abort


def _is_stale(item: _Timed) -> bool:
    return isinstance(item, _Connection) and item.state is State.GONE


class WebSocketApi:
    """One WebSocket API, with the route keys in ``routes``."""

    def __init__(
        self,
        api: Api,
        routes: Collection[str],
        *,
        limits: Limits | None = None,
        faults: Faults | None = None,
        order: MessageOrder = MessageOrder.CONCURRENT,
        new_connection_id: Callable[[], str] = ids.connection_id,
        new_request_id: Callable[[], str] = ids.extended_request_id,
        new_trace_id: Callable[[], str] = ids.trace_id,
    ) -> None:
        self.api = api
        self.limits = limits or Limits()
        self._routes = frozenset(routes)
        self._faults = faults or Faults()
        self._order = order
        self._new_connection_id = new_connection_id
        self._new_request_id = new_request_id
        self._new_trace_id = new_trace_id
        self._random = Random(self._faults.seed)
        self._connections: dict[str, _Connection] = {}
        self._timers: TimerQueue[_Timed] = TimerQueue(_is_stale)
        self._fault_injector = FaultInjector(self._faults, self._random, self._timers.add)
        self._stopping = False
        self._connect_rate = TokenBucket(
            self.limits.connects_per_second, self.limits.connects_per_second
        )
        self._post_rate = TokenBucket(self.limits.posts_per_second, self.limits.posts_burst)

    def __len__(self) -> int:
        """The number of connections in any state."""
        return len(self._connections)

    @property
    def timer_count(self) -> int:
        """The number of items in the timer queue, stale ones included."""
        return len(self._timers)

    @property
    def is_idle(self) -> bool:
        """Whether no message is in progress or waiting."""
        return not any(connection.unanswered for connection in self._connections.values())

    @property
    def next_due_ms(self) -> int | None:
        """When to call ``tick`` next."""
        return self._timers.next_ms

    def is_closing(self, connection_id: str) -> bool:
        """Whether the connection has ended, and its socket hasn't."""
        connection = self._connections.get(connection_id)
        return connection is not None and connection.state is State.CLOSING

    def replace_routes(self, routes: Collection[str]) -> None:
        """Switch to another version of the app. Connections stay open, as on AWS."""
        self._routes = frozenset(routes)

    def replace_faults(self, faults: Faults, order: MessageOrder) -> None:
        """Inject these faults from now on, drawn again from their seed."""
        self._faults = self._fault_injector.faults = faults
        self._order = order
        self._random.seed(faults.seed)

    # Handshakes.

    def open(self, handshake: Handshake, now_ms: int) -> list[Output]:
        """A handshake for this API's stage has arrived: ``Invoke``, ``Accept`` or ``Reject``."""
        if self._stopping:
            return [UNAVAILABLE]
        if not self._connect_rate.take(now_ms):
            return [TOO_MANY_REQUESTS]
        origin = ConnectionInfo(
            connection_id=self._new_connection_id(),
            connected_at_ms=now_ms,
            source_ip=handshake.source_ip,
            user_agent=handshake.header("user-agent"),
            domain_name=handshake.domain_name or handshake.header("host") or "",
        )
        connection = _Connection(origin, now_ms)
        self._connections[origin.connection_id] = connection
        if "$connect" not in self._routes:
            return self._accept(connection, None, now_ms)
        request_info = self._request_info(now_ms)
        return [
            Invoke(
                origin.connection_id,
                EventType.CONNECT,
                "$connect",
                request_info.request_id,
                connect_event(self.api, origin, request_info, handshake, self._new_trace_id()),
            )
        ]

    def invoke_finished(self, invoke: Invoke, outcome: InvokeResult, now_ms: int) -> list[Output]:
        """The Lambda of ``invoke`` has finished, or timed out."""
        connection = self._connections[invoke.connection_id]
        if invoke.event_type is EventType.CONNECT:
            return self._connect_finished(connection, invoke, outcome, now_ms)
        outputs: list[Output] = []
        # A Lambda's result for a message reaches the client only through a route response,
        # which Chalice doesn't configure; for $disconnect there is no client.
        if (
            invoke.event_type is EventType.MESSAGE
            and connection.state is State.OPEN
            and not isinstance(outcome, Returned)
        ):
            message = FAILED if isinstance(outcome, Raised) else TIMED_OUT
            outputs.append(error_message(invoke.connection_id, message, invoke.request_id))
        connection.unanswered -= 1
        if connection.waiting:
            outputs.append(connection.waiting.popleft())
        if (
            connection.reading_paused
            and not self._stopping
            and connection.unanswered <= self.limits.unanswered_messages // 2
        ):
            connection.reading_paused = False
            outputs.append(ResumeReading(invoke.connection_id))
        self._forget_if_gone(connection)
        return outputs

    def _connect_finished(
        self, connection: _Connection, invoke: Invoke, outcome: InvokeResult, now_ms: int
    ) -> list[Output]:
        answer = connect_result(outcome)
        if 200 <= answer.status < 300:
            if not self._stopping:
                return self._accept(connection, answer.subprotocol, now_ms)
            # The app considers this client connected, so its $disconnect must run.
            connection.state = State.OPEN
            outputs: list[Output] = [
                UNAVAILABLE,
                *self._start_closing(connection, *GOING_AWAY, now_ms),
            ]
            connection.state = State.GONE
            self._forget_if_gone(connection)
            return outputs
        del self._connections[invoke.connection_id]
        if answer.message is None:
            return [Reject(answer.status)]
        body = error_message(invoke.connection_id, answer.message, invoke.request_id).data
        return [Reject(answer.status, _JSON, body)]

    def _accept(
        self, connection: _Connection, subprotocol: str | None, now_ms: int
    ) -> list[Output]:
        connection.state = State.OPEN
        connection.last_active_ms = now_ms
        self._timers.add(self._deadline_ms(connection), connection)
        return [Accept(connection.origin.connection_id, subprotocol)]

    # Frames from clients.

    def text_received(self, connection_id: str, text: str, now_ms: int) -> list[Output]:
        """A complete text message has arrived."""
        connection = self._connections[connection_id]
        if connection.state is not State.OPEN:
            return []
        connection.last_active_ms = now_ms
        request_info = self._request_info(now_ms)
        route_key = select_route(text, self._routes)
        if route_key is None:
            return [error_message(connection_id, FORBIDDEN, request_info.request_id)]
        event = message_event(
            self.api,
            connection.origin,
            request_info,
            route_key=route_key,
            message_id=self._new_request_id(),
            text=text,
        )
        invoke = Invoke(connection_id, EventType.MESSAGE, route_key, request_info.request_id, event)
        outputs: list[Output] = []
        if self._order is MessageOrder.SHUFFLED:
            connection.unanswered += 1
            self._timers.add(now_ms + self._random.randint(0, self.limits.shuffle_ms), invoke)
        else:
            outputs += self._dispatch(connection, invoke)
        if (
            connection.unanswered >= self.limits.unanswered_messages
            and not connection.reading_paused
        ):
            connection.reading_paused = True
            outputs.append(PauseReading(connection_id))
        return outputs

    def binary_received(self, connection_id: str, now_ms: int) -> list[Output]:
        """A binary frame has arrived, which a WebSocket API doesn't accept."""
        return self._close(self._connections[connection_id], *BINARY, now_ms)

    def close_received(
        self, connection_id: str, code: int, reason: str, now_ms: int
    ) -> list[Output]:
        """The client has closed the connection, or violated the protocol and got this close frame.

        A code of 1005 means a close frame without a code, 1006 no close frame.
        """
        if code == NO_STATUS[0]:
            code, reason = NO_STATUS
        return self._start_closing(self._connections[connection_id], code, reason, now_ms)

    def socket_lost(self, connection_id: str, now_ms: int) -> list[Output]:
        """The socket is closed."""
        connection = self._connections[connection_id]
        outputs = self._start_closing(connection, *BROKEN, now_ms)
        connection.state = State.GONE
        self._forget_if_gone(connection)
        return outputs

    # @connections.

    def post(
        self, connection_id: str, data: bytes, buffered_bytes: int, now_ms: int
    ) -> list[Output]:
        """Send ``data`` to a client that has ``buffered_bytes`` still to read.

        Raises:
            ConnectionsApiError: One of its subclasses, as @connections documents.
        """
        if not self._post_rate.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        if len(data) > self.limits.message_bytes:
            _check_id(connection_id)
            raise PayloadTooLargeError("Message too long")
        connection = self._open_connection(connection_id)
        if occurs(self._faults.gone, self._random):
            self._break(connection, now_ms)
            raise GoneError
        if not _is_utf8(data):
            # [?] AWS doesn't document what it does with bytes that aren't UTF-8.
            raise BadRequestError("Data must be UTF-8")
        if buffered_bytes + len(data) > self.limits.buffer_bytes:
            raise LimitExceededError("The client doesn't read fast enough")
        connection.last_active_ms = now_ms
        return [*self._fault_injector.apply(Send(connection_id, data), now_ms)]

    def describe(self, connection_id: str, now_ms: int) -> Mapping[str, Any]:
        """The response body of ``GET``.

        Raises:
            ConnectionsApiError: One of its subclasses, as @connections documents.
        """
        if not self._post_rate.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        connection = self._open_connection(connection_id)
        return {
            "connectedAt": iso_time(connection.origin.connected_at_ms),
            "identity": connection.origin.identity(),
            "lastActiveAt": iso_time(connection.last_active_ms),
        }

    def delete(self, connection_id: str, now_ms: int) -> list[Output]:
        """Close the connection.

        Raises:
            ConnectionsApiError: One of its subclasses, as @connections documents.
        """
        if not self._post_rate.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        return self._close(self._open_connection(connection_id), *DELETED, now_ms)

    def _open_connection(self, connection_id: str) -> _Connection:
        connection = self._connections.get(connection_id)
        if connection is not None and connection.state is State.OPEN:
            return connection
        _check_id(connection_id)
        raise GoneError

    # Time.

    def tick(self, now_ms: int) -> list[Output]:
        """Time has passed: the outputs that are due."""
        outputs: list[Output] = []
        while (item := self._timers.pop(now_ms)) is not None:
            if isinstance(item, _Connection):
                outputs += self._check_deadline(item, now_ms)
            elif isinstance(item, Invoke | Abort):
                outputs.append(item)
            elif isinstance(item, Send):
                if self._is_open(item.connection_id):
                    outputs.append(item)
            else:
                outputs += self._fault_injector.release(item)
        return outputs

    def drain(self, now_ms: int) -> list[Output]:
        """Accept no more clients or messages; messages that have arrived are still handled."""
        self._stopping = True
        outputs: list[Output] = []
        for connection_id, connection in self._connections.items():
            if connection.state is State.OPEN and not connection.reading_paused:
                connection.reading_paused = True
                outputs.append(PauseReading(connection_id))
        return outputs

    def stop(self, now_ms: int) -> list[Output]:
        """Accept no more clients and close all connections."""
        self._stopping = True
        outputs: list[Output] = []
        for connection in tuple(self._connections.values()):
            outputs += self._close(connection, *GOING_AWAY, now_ms)
        return outputs

    def _check_deadline(self, connection: _Connection, now_ms: int) -> list[Output]:
        if connection.state is State.GONE:
            return []
        ends_at_ms = self._deadline_ms(connection)
        if ends_at_ms > now_ms:
            self._timers.add(ends_at_ms, connection)
            return []
        if connection.state is State.CLOSING:
            return [Abort(connection.origin.connection_id)]
        return self._close(connection, *GOING_AWAY, now_ms)

    def _deadline_ms(self, connection: _Connection) -> int:
        if connection.state is State.CLOSING:
            return connection.closing_since_ms + self.limits.closing_ms
        return min(
            # [?] Whether pings count isn't documented, and reports differ. Here only messages
            # count, so that an app that relies on pings fails.
            connection.last_active_ms + self.limits.idle_ms,
            connection.origin.connected_at_ms + self.limits.duration_ms,
        )

    # Closing.

    def _close(self, connection: _Connection, code: int, reason: str, now_ms: int) -> list[Output]:
        if connection.state is not State.OPEN:
            return []
        connection_id = connection.origin.connection_id
        outputs: list[Output] = [Close(connection_id, code, reason)]
        outputs += self._start_closing(connection, code, reason, now_ms)
        if connection.reading_paused:
            # To receive the client's close frame; its messages are ignored.
            connection.reading_paused = False
            outputs.append(ResumeReading(connection_id))
        return outputs

    def _start_closing(
        self, connection: _Connection, code: int, reason: str, now_ms: int
    ) -> list[Output]:
        if connection.state is not State.OPEN:
            return []
        connection.state = State.CLOSING
        connection.closing_since_ms = now_ms
        self._fault_injector.discard(connection.origin.connection_id)
        self._timers.add(now_ms + self.limits.closing_ms, connection)
        if "$disconnect" not in self._routes or occurs(self._faults.lose_disconnects, self._random):
            return []
        request_info = self._request_info(now_ms)
        event = disconnect_event(
            self.api, connection.origin, request_info, code=code, reason=reason
        )
        return self._dispatch(
            connection,
            Invoke(
                connection.origin.connection_id,
                EventType.DISCONNECT,
                "$disconnect",
                request_info.request_id,
                event,
            ),
        )

    def _forget_if_gone(self, connection: _Connection) -> None:
        if connection.state is State.GONE and not connection.unanswered:
            del self._connections[connection.origin.connection_id]
            self._timers.mark_stale(2)

    def _break(self, connection: _Connection, now_ms: int) -> None:
        outputs = self._start_closing(connection, *BROKEN, now_ms)
        # For the next tick, because the error is the output of this call.
        for output in (Abort(connection.origin.connection_id), *outputs):
            assert isinstance(output, Abort | Invoke)
            self._timers.add(now_ms, output)

    # Helpers.

    def _dispatch(self, connection: _Connection, invoke: Invoke) -> list[Output]:
        connection.unanswered += 1
        at_once = self.limits.concurrent_messages
        if self._order is MessageOrder.SERIAL:
            at_once = 1
        elif invoke.event_type is EventType.DISCONNECT:
            # At once: a client that has left must not count as connected until all its
            # messages are handled.
            at_once = connection.unanswered
        if connection.unanswered > at_once:
            connection.waiting.append(invoke)
            return []
        return [invoke]

    def _is_open(self, connection_id: str) -> bool:
        connection = self._connections.get(connection_id)
        return connection is not None and connection.state is State.OPEN

    def _request_info(self, now_ms: int) -> RequestInfo:
        return RequestInfo(self._new_request_id(), now_ms)


def _check_id(connection_id: str) -> None:
    if not _CONNECTION_ID.fullmatch(connection_id):
        raise BadRequestError(f"Invalid connectionId: {connection_id}")


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
