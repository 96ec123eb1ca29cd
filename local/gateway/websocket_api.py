"""The rules of a WebSocket API: what happens to whom, and when.

Owns every connection's life, the choice of routes, limits, order and faults.
Must never do I/O, look at a clock or import asyncio: what happened and when it
happened come in, what is to be done about it goes out.

Theory of operation
-------------------

Every method is told something (a handshake came, a text came, a Lambda has
answered, time has passed) and returns effects, in the order in which they are
to be carried out. Carrying them out decides nothing. One effect comes
back: the outcome of an ``Invoke`` is handed to ``answered`` together with that
very ``Invoke``, so no table of what is in flight is needed.

A connection is in one of four states::

    PENDING --- $connect answered 2xx ---> OPEN --- anybody closes ---> CLOSING
       |                                     |                             |
       | any other answer                    | the socket is lost          | the socket is lost,
       v                                     v                             v or its time is up
    forgotten                               GONE <-------------------------+

For ``@connections`` only OPEN exists; everything else is 410. The $disconnect
event is made on leaving OPEN, which happens once, so it is made once, with the
code and the reason of whatever happened first. A GONE connection is remembered
only until its last Lambda has answered.

There is one agenda of what falls due: for each connection an entry, for one that
closes a second, and one for each message or post that is being held back. A
connection's entry isn't moved when the connection is active, which would cost a
heap operation per message; when it comes up, it is looked at again and put back
if there was activity.

Time is the wall clock's, in milliseconds. A laptop that slept for an hour has
idle connections when it wakes up, and its monotonic clock wouldn't know.

[?] marks a choice where what AWS does is neither documented nor measured.
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
from .agenda import Agenda
from .callback_errors import (
    BadRequestError,
    GoneError,
    LimitExceededError,
    PayloadTooLargeError,
)
from .deliveries import Deliveries, Held, happens
from .events import (
    Api,
    Handshake,
    Occasion,
    Origin,
    connect_event,
    disconnect_event,
    iso_time,
    message_event,
)
from .websocket_effects import (
    Abort,
    Accept,
    Cause,
    Close,
    Effect,
    Invoke,
    Outcome,
    PauseReading,
    Raised,
    Refuse,
    ResumeReading,
    Returned,
    Send,
)
from .websocket_integration import (
    FAILED,
    FORBIDDEN,
    TIMED_OUT,
    connect_answer,
    error_message,
    selected_route,
)
from .websocket_limits import Faults, Limits, Order, TokenBucket


class State(Enum):
    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    GONE = "gone"


# Closing codes with their reasons, as $disconnect events were seen to have them.
GOING_AWAY: Final = (1001, "Going away")
DELETED: Final = (1000, "Connection Closed Normally")
NO_STATUS: Final = (1005, "Client-side close frame status not set")
# [?] The reason of a connection that broke. The code is RFC 6455's, 7.1.5.
BROKEN: Final = (1006, "")
# [?] AWS documents the code for binary frames and no reason.
BINARY: Final = (1003, "Binary is not supported")

_CONNECTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{15}=")
_JSON: Final = (("Content-Type", "application/json"),)

# [?] Of a throttled handshake only the status is documented.
TOO_MANY: Final = Refuse(429, _JSON, b'{"message":"Too Many Requests"}')
UNAVAILABLE: Final = Refuse(503, _JSON, b'{"message":"Service Unavailable"}')


@dataclass(slots=True, eq=False)
class _Connection:
    origin: Origin
    last_active_ms: int
    state: State = State.PENDING
    closing_since_ms: int = 0
    unanswered: int = 0
    # What waits until fewer of its messages are being handled.
    waiting: deque[Invoke] = field(default_factory=deque)
    reading_paused: bool = False


_Due = _Connection | Held | Send | Invoke


def _is_over(due: _Due) -> bool:
    return isinstance(due, _Connection) and due.state is State.GONE


class WebSocketApi:
    """One WebSocket API, with the route keys in ``routes``."""

    def __init__(
        self,
        api: Api,
        routes: Collection[str],
        *,
        limits: Limits | None = None,
        faults: Faults | None = None,
        order: Order = Order.CONCURRENT,
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
        self._agenda: Agenda[_Due] = Agenda(_is_over)
        self._deliveries = Deliveries(self._faults, self._random, self._agenda.add)
        self._stopping = False
        self._connects = TokenBucket(
            self.limits.connects_per_second, self.limits.connects_per_second
        )
        self._posts = TokenBucket(self.limits.posts_per_second, self.limits.posts_burst)

    def __len__(self) -> int:
        """How many connections are known, in whatever state."""
        return len(self._connections)

    @property
    def is_idle(self) -> bool:
        """Whether no message is being handled, nor waits for its turn."""
        return not any(connection.unanswered for connection in self._connections.values())

    @property
    def next_due_ms(self) -> int | None:
        """When ``tick`` is wanted next."""
        return self._agenda.next_ms

    def use_routes(self, routes: Collection[str]) -> None:
        """Another version of the app is there. Connections stay, as over a deployment on AWS."""
        self._routes = frozenset(routes)

    # Handshakes.

    def open(self, handshake: Handshake, now_ms: int) -> list[Effect]:
        """A handshake for this API's stage: an ``Invoke``, an ``Accept`` or a ``Refuse``."""
        if self._stopping:
            return [UNAVAILABLE]
        if not self._connects.take(now_ms):
            return [TOO_MANY]
        origin = Origin(
            connection_id=self._new_connection_id(),
            connected_at_ms=now_ms,
            source_ip=handshake.source_ip,
            user_agent=handshake.header("user-agent"),
            domain_name=handshake.header("host") or "",
        )
        connection = _Connection(origin, now_ms)
        self._connections[origin.connection_id] = connection
        if "$connect" not in self._routes:
            return self._accept(connection, None, now_ms)
        occasion = self._occasion(now_ms)
        return [
            Invoke(
                origin.connection_id,
                Cause.CONNECT,
                "$connect",
                occasion.request_id,
                connect_event(self.api, origin, occasion, handshake, self._new_trace_id()),
            )
        ]

    def answered(self, invoke: Invoke, outcome: Outcome, now_ms: int) -> list[Effect]:
        """What the Lambda made of ``invoke``."""
        connection = self._connections[invoke.connection_id]
        if invoke.cause is Cause.CONNECT:
            return self._connect_answered(connection, invoke, outcome, now_ms)
        effects: list[Effect] = []
        # What a Lambda returns for a message would be echoed only through a
        # route response; for $disconnect there is no client.
        if (
            invoke.cause is Cause.MESSAGE
            and connection.state is State.OPEN
            and not isinstance(outcome, Returned)
        ):
            message = FAILED if isinstance(outcome, Raised) else TIMED_OUT
            effects.append(error_message(invoke.connection_id, message, invoke.request_id))
        connection.unanswered -= 1
        if connection.waiting:
            effects.append(connection.waiting.popleft())
        if (
            connection.reading_paused
            and not self._stopping
            and connection.unanswered <= self.limits.unanswered // 2
        ):
            connection.reading_paused = False
            effects.append(ResumeReading(invoke.connection_id))
        self._forget_if_over(connection)
        return effects

    def _connect_answered(
        self, connection: _Connection, invoke: Invoke, outcome: Outcome, now_ms: int
    ) -> list[Effect]:
        answer = connect_answer(outcome)
        if 200 <= answer.status < 300:
            if not self._stopping:
                return self._accept(connection, answer.subprotocol, now_ms)
            # The app takes this client for connected and must learn otherwise.
            connection.state = State.OPEN
            effects: list[Effect] = [UNAVAILABLE, *self._end(connection, *GOING_AWAY, now_ms)]
            connection.state = State.GONE
            self._forget_if_over(connection)
            return effects
        del self._connections[invoke.connection_id]
        if answer.message is None:
            return [Refuse(answer.status)]
        body = error_message(invoke.connection_id, answer.message, invoke.request_id).data
        return [Refuse(answer.status, _JSON, body)]

    def _accept(
        self, connection: _Connection, subprotocol: str | None, now_ms: int
    ) -> list[Effect]:
        connection.state = State.OPEN
        connection.last_active_ms = now_ms
        self._agenda.add(self._ends_at_ms(connection), connection)
        return [Accept(connection.origin.connection_id, subprotocol)]

    # What clients do.

    def text(self, connection_id: str, text: str, now_ms: int) -> list[Effect]:
        """A whole message has come."""
        connection = self._connections[connection_id]
        if connection.state is not State.OPEN:
            return []
        connection.last_active_ms = now_ms
        occasion = self._occasion(now_ms)
        route_key = selected_route(text, self._routes)
        if route_key is None:
            return [error_message(connection_id, FORBIDDEN, occasion.request_id)]
        event = message_event(
            self.api,
            connection.origin,
            occasion,
            route_key=route_key,
            message_id=self._new_request_id(),
            text=text,
        )
        invoke = Invoke(connection_id, Cause.MESSAGE, route_key, occasion.request_id, event)
        effects: list[Effect] = []
        if self._order is Order.SHUFFLED:
            connection.unanswered += 1
            self._agenda.add(now_ms + self._random.randint(0, self.limits.shuffle_ms), invoke)
        else:
            effects += self._dispatch(connection, invoke)
        if connection.unanswered >= self.limits.unanswered and not connection.reading_paused:
            connection.reading_paused = True
            effects.append(PauseReading(connection_id))
        return effects

    def binary(self, connection_id: str, now_ms: int) -> list[Effect]:
        """A binary frame has come, which a WebSocket API doesn't take."""
        return self._close(self._connections[connection_id], *BINARY, now_ms)

    def closed(self, connection_id: str, code: int, reason: str, now_ms: int) -> list[Effect]:
        """The other side has ended it, or broken the protocol and been told so.

        A code of 1005 stands for a close frame without one, 1006 for no close
        frame at all.
        """
        if code == NO_STATUS[0]:
            code, reason = NO_STATUS
        return self._end(self._connections[connection_id], code, reason, now_ms)

    def lost(self, connection_id: str, now_ms: int) -> list[Effect]:
        """The socket is no more."""
        connection = self._connections[connection_id]
        effects = self._end(connection, *BROKEN, now_ms)
        connection.state = State.GONE
        self._forget_if_over(connection)
        return effects

    # @connections.

    def post(
        self, connection_id: str, data: bytes, buffered_bytes: int, now_ms: int
    ) -> list[Effect]:
        """Send ``data`` to a client for which ``buffered_bytes`` wait already.

        Raises:
            CallbackError: One of its subclasses, as @connections documents.
        """
        if not self._posts.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        if len(data) > self.limits.message_bytes:
            _check_id(connection_id)
            raise PayloadTooLargeError("Message too long")
        connection = self._open_one(connection_id)
        if not _is_utf8(data):
            # [?] What AWS makes of bytes that are no text isn't documented.
            raise BadRequestError("Data must be UTF-8")
        if buffered_bytes + len(data) > self.limits.buffer_bytes:
            raise LimitExceededError("The client doesn't read fast enough")
        connection.last_active_ms = now_ms
        return [*self._deliveries.deliver(Send(connection_id, data), now_ms)]

    def describe(self, connection_id: str, now_ms: int) -> Mapping[str, Any]:
        """What ``GET`` answers.

        Raises:
            CallbackError: One of its subclasses, as @connections documents.
        """
        if not self._posts.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        connection = self._open_one(connection_id)
        return {
            "connectedAt": iso_time(connection.origin.connected_at_ms),
            "identity": connection.origin.identity(),
            "lastActiveAt": iso_time(connection.last_active_ms),
        }

    def delete(self, connection_id: str, now_ms: int) -> list[Effect]:
        """Close it.

        Raises:
            CallbackError: One of its subclasses, as @connections documents.
        """
        if not self._posts.take(now_ms):
            raise LimitExceededError("Rate exceeded")
        return self._close(self._open_one(connection_id), *DELETED, now_ms)

    def _open_one(self, connection_id: str) -> _Connection:
        connection = self._connections.get(connection_id)
        if connection is not None and connection.state is State.OPEN:
            return connection
        _check_id(connection_id)
        raise GoneError

    # Time.

    def tick(self, now_ms: int) -> list[Effect]:
        """Everything that has fallen due."""
        effects: list[Effect] = []
        while (what := self._agenda.pop(now_ms)) is not None:
            if isinstance(what, _Connection):
                effects += self._look_at(what, now_ms)
            elif isinstance(what, Invoke):
                effects.append(what)
            elif isinstance(what, Send):
                if self._is_open(what.connection_id):
                    effects.append(what)
            else:
                effects += self._deliveries.due(what)
        return effects

    def drain(self, now_ms: int) -> list[Effect]:
        """Accept no more clients and no more messages; those that have come are still handled."""
        self._stopping = True
        effects: list[Effect] = []
        for connection_id, connection in self._connections.items():
            if connection.state is State.OPEN and not connection.reading_paused:
                connection.reading_paused = True
                effects.append(PauseReading(connection_id))
        return effects

    def stop(self, now_ms: int) -> list[Effect]:
        """Accept no more clients and close everything."""
        self._stopping = True
        effects: list[Effect] = []
        for connection in tuple(self._connections.values()):
            effects += self._close(connection, *GOING_AWAY, now_ms)
        return effects

    def _look_at(self, connection: _Connection, now_ms: int) -> list[Effect]:
        if connection.state is State.GONE:
            return []
        ends_at_ms = self._ends_at_ms(connection)
        if ends_at_ms > now_ms:
            self._agenda.add(ends_at_ms, connection)
            return []
        if connection.state is State.CLOSING:
            return [Abort(connection.origin.connection_id)]
        return self._close(connection, *GOING_AWAY, now_ms)

    def _ends_at_ms(self, connection: _Connection) -> int:
        if connection.state is State.CLOSING:
            return connection.closing_since_ms + self.limits.closing_ms
        return min(
            # [?] Whether pings count isn't documented, and reports differ.
            # Only messages count here, so an app that relies on pings notices.
            connection.last_active_ms + self.limits.idle_ms,
            connection.origin.connected_at_ms + self.limits.duration_ms,
        )

    # Endings.

    def _close(self, connection: _Connection, code: int, reason: str, now_ms: int) -> list[Effect]:
        if connection.state is not State.OPEN:
            return []
        connection_id = connection.origin.connection_id
        effects: list[Effect] = [Close(connection_id, code, reason)]
        effects += self._end(connection, code, reason, now_ms)
        if connection.reading_paused:
            # What the client says of the closing is to be heard; messages are too late.
            connection.reading_paused = False
            effects.append(ResumeReading(connection_id))
        return effects

    def _end(self, connection: _Connection, code: int, reason: str, now_ms: int) -> list[Effect]:
        if connection.state is not State.OPEN:
            return []
        connection.state = State.CLOSING
        connection.closing_since_ms = now_ms
        self._deliveries.forget(connection.origin.connection_id)
        self._agenda.add(now_ms + self.limits.closing_ms, connection)
        if "$disconnect" not in self._routes or happens(
            self._faults.lose_disconnects, self._random
        ):
            return []
        occasion = self._occasion(now_ms)
        event = disconnect_event(self.api, connection.origin, occasion, code=code, reason=reason)
        return self._dispatch(
            connection,
            Invoke(
                connection.origin.connection_id,
                Cause.DISCONNECT,
                "$disconnect",
                occasion.request_id,
                event,
            ),
        )

    def _forget_if_over(self, connection: _Connection) -> None:
        if connection.state is State.GONE and not connection.unanswered:
            del self._connections[connection.origin.connection_id]
            self._agenda.has_lost(2)

    # Odds and ends.

    def _dispatch(self, connection: _Connection, invoke: Invoke) -> list[Effect]:
        connection.unanswered += 1
        at_once = self.limits.at_once
        if self._order is Order.SERIAL:
            at_once = 1
        elif invoke.cause is Cause.DISCONNECT:
            # Who has left must not be taken for present until all it said is handled.
            at_once = connection.unanswered
        if connection.unanswered > at_once:
            connection.waiting.append(invoke)
            return []
        return [invoke]

    def _is_open(self, connection_id: str) -> bool:
        connection = self._connections.get(connection_id)
        return connection is not None and connection.state is State.OPEN

    def _occasion(self, now_ms: int) -> Occasion:
        return Occasion(self._new_request_id(), now_ms)


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
