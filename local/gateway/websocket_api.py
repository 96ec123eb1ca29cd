"""The rules of a WebSocket API: what happens to whom, and when.

Owns every connection's life, the choice of routes, limits, order and faults.
Must never do I/O, look at a clock or import asyncio: what happened and when it
happened come in, what is to be done about it goes out.

Theory of operation
-------------------

Every method is told something (a handshake came, a text came, a Lambda has
answered, time has passed) and returns effects, in the order in which they are
to be carried out. Whoever carries them out decides nothing. One effect comes
back: the outcome of an ``Invoke`` is handed to ``answered`` together with that
very ``Invoke``, so nobody keeps a table of what is under way.

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

There is one heap of what falls due: for each connection an entry, for one that
closes a second, and one for each message or post that is being held back. A
connection's entry isn't moved when the connection is active, which would cost a
heap operation per message; when it comes up, it is looked at again and put back
if there was activity. Entries of connections that have gone are swept out once
they are the larger part, or a storm of short connections would be remembered
for ten minutes.

Time is the wall clock's, in milliseconds. A laptop that slept for an hour has
idle connections when it wakes up, and its monotonic clock wouldn't know.

Where nobody has documented or measured what AWS does, [?] marks the choice.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, Final

from . import ids
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
from .http import Headers
from .lambdas import Event


class Order(Enum):
    """In which order the messages of one connection reach the Lambda.

    CONCURRENT is AWS: each at once, whatever became of the one before. SERIAL
    waits for the answer to the one before. SHUFFLED holds every message back
    for a moment of random length.
    """

    CONCURRENT = "concurrent"
    SERIAL = "serial"
    SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Limits:
    """AWS's quotas, and those of ours that it doesn't document.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
    """

    idle_ms: int = 10 * 60 * 1000
    duration_ms: int = 2 * 60 * 60 * 1000
    integration_ms: int = 29_000
    connects_per_second: float = 500.0
    # The account's throttle, which callbacks count into.
    posts_per_second: float = 10_000.0
    posts_burst: float = 5_000.0
    message_bytes: int = 128 * 1024
    frame_bytes: int = 32 * 1024
    # [?] How much AWS keeps for a client that doesn't read: four of the largest messages here.
    buffer_bytes: int = 512 * 1024
    # [?] How long AWS waits for a client to take part in the closing.
    closing_ms: int = 10_000
    # [?] From how many unanswered messages of one connection on AWS stops reading it.
    unanswered: int = 100
    # [?] How many messages of one connection AWS has handled at once. Here, where
    # environments are few, one client must not be able to take them all.
    at_once: int = 8
    shuffle_ms: int = 20


@dataclass(frozen=True, slots=True)
class Faults:
    """What AWS may do and seldom does; probabilities from 0 to 1, drawn from ``seed``.

    A dropped post is answered 200 and never arrives. A delayed one arrives up
    to ``delay_ms`` later. A reordered one arrives after the next one to the same
    connection, or after ``delay_ms`` if there is none.
    """

    seed: int = 0
    drop_posts: float = 0.0
    delay_posts: float = 0.0
    reorder_posts: float = 0.0
    delay_ms: int = 100
    lose_disconnects: float = 0.0


class State(Enum):
    PENDING = "pending"
    OPEN = "open"
    CLOSING = "closing"
    GONE = "gone"


# Effects


class Cause(Enum):
    CONNECT = "$connect"
    MESSAGE = "message"
    DISCONNECT = "$disconnect"


@dataclass(frozen=True, slots=True)
class Invoke:
    """Run the Lambda of ``route_key`` and tell ``answered`` what came of it."""

    connection_id: str
    cause: Cause
    route_key: str
    request_id: str
    event: Event = field(repr=False)


@dataclass(frozen=True, slots=True)
class Accept:
    """Answer the handshake 101, naming ``subprotocol`` if there is one."""

    connection_id: str
    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the handshake with this; there is no connection."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Send:
    """Write ``data``, which is UTF-8, as a text message."""

    connection_id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Begin the closing handshake."""

    connection_id: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Abort:
    """Cut the socket: its client had its chance."""

    connection_id: str


@dataclass(frozen=True, slots=True)
class PauseReading:
    connection_id: str


@dataclass(frozen=True, slots=True)
class ResumeReading:
    connection_id: str


Effect = Invoke | Accept | Refuse | Send | Close | Abort | PauseReading | ResumeReading


# Outcomes of an Invoke


@dataclass(frozen=True, slots=True)
class Returned:
    result: Any


@dataclass(frozen=True, slots=True)
class Raised:
    pass


@dataclass(frozen=True, slots=True)
class TimedOut:
    pass


Outcome = Returned | Raised | TimedOut


# What @connections refuses


class CallbackError(Exception):
    """A call to @connections that isn't carried out, in the terms of its model."""

    status: int
    error_type: str

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class GoneError(CallbackError):
    """There is no such connection, any more or yet."""

    status = 410
    error_type = "GoneException"


class BadRequestError(CallbackError):
    status = 400
    error_type = "BadRequestException"


class PayloadTooLargeError(CallbackError):
    status = 413
    error_type = "PayloadTooLargeException"


class LimitExceededError(CallbackError):
    status = 429
    error_type = "LimitExceededException"


# Closing codes with their reasons, as $disconnect events were seen to have them.
GOING_AWAY: Final = (1001, "Going away")
DELETED: Final = (1000, "Connection Closed Normally")
NO_STATUS: Final = (1005, "Client-side close frame status not set")
# [?] The reason of a connection that broke. The code is RFC 6455's, 7.1.5.
BROKEN: Final = (1006, "")
# [?] AWS documents the code for binary frames and no reason.
BINARY: Final = (1003, "Binary is not supported")

_STALE_ENTRIES: Final = 64
_CONNECTION_ID: Final = re.compile(r"[A-Za-z0-9_-]{15}=")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_JSON: Final = (("Content-Type", "application/json"),)

FAILED: Final = "Internal server error"
TIMED_OUT: Final = "Endpoint request timed out"
FORBIDDEN: Final = "Forbidden"
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
    held_post: bytes | None = None
    reading_paused: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _HeldPost:
    connection: _Connection


_Due = tuple[int, int, _Connection | _HeldPost | Send | Invoke]


class TokenBucket:
    """So many a second, and a burst of so many at once."""

    __slots__ = ("_burst", "_last_ms", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._last_ms = 0

    def take(self, now_ms: int) -> bool:
        passed_ms = max(0, now_ms - self._last_ms)
        self._last_ms = now_ms
        self._tokens = min(self._burst, self._tokens + passed_ms * self._per_second / 1000)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


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
        self._due: list[_Due] = []
        self._number = 0
        self._stale = 0
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
        return self._due[0][0] if self._due else None

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
        # route response; for $disconnect nobody listens.
        if (
            invoke.cause is Cause.MESSAGE
            and connection.state is State.OPEN
            and not isinstance(outcome, Returned)
        ):
            message = FAILED if isinstance(outcome, Raised) else TIMED_OUT
            effects.append(_error(invoke.connection_id, message, invoke.request_id))
        connection.unanswered -= 1
        if connection.waiting:
            effects.append(connection.waiting.popleft())
        if (
            connection.reading_paused
            and not self._stopping
            and connection.unanswered <= self.limits.unanswered // 2
        ):
            connection.reading_paused = False
            if connection.state is State.OPEN:
                effects.append(ResumeReading(invoke.connection_id))
        self._forget_if_over(connection)
        return effects

    def _connect_answered(
        self, connection: _Connection, invoke: Invoke, outcome: Outcome, now_ms: int
    ) -> list[Effect]:
        answer = _connect_answer(outcome)
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
        body = _error(invoke.connection_id, answer.message, invoke.request_id).data
        return [Refuse(answer.status, _JSON, body)]

    def _accept(
        self, connection: _Connection, subprotocol: str | None, now_ms: int
    ) -> list[Effect]:
        connection.state = State.OPEN
        connection.last_active_ms = now_ms
        self._at(self._ends_at_ms(connection), connection)
        return [Accept(connection.origin.connection_id, subprotocol)]

    # What clients do.

    def text(self, connection_id: str, text: str, now_ms: int) -> list[Effect]:
        """A whole message has come."""
        connection = self._connections[connection_id]
        if connection.state is not State.OPEN:
            return []
        connection.last_active_ms = now_ms
        occasion = self._occasion(now_ms)
        route_key = self._route_of(text)
        if route_key is None:
            return [_error(connection_id, FORBIDDEN, occasion.request_id)]
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
            self._at(now_ms + self._random.randint(0, self.limits.shuffle_ms), invoke)
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
        return self._deliver(connection, data, now_ms)

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

    def _deliver(self, connection: _Connection, data: bytes, now_ms: int) -> list[Effect]:
        faults = self._faults
        connection_id = connection.origin.connection_id
        if self._happens(faults.drop_posts):
            return []
        if self._happens(faults.delay_posts):
            self._at(now_ms + self._random.randint(1, faults.delay_ms), Send(connection_id, data))
            return []
        held = connection.held_post
        if held is not None:
            connection.held_post = None
            return [Send(connection_id, data), Send(connection_id, held)]
        if self._happens(faults.reorder_posts):
            connection.held_post = data
            self._at(now_ms + faults.delay_ms, _HeldPost(connection))
            return []
        return [Send(connection_id, data)]

    # Time.

    def tick(self, now_ms: int) -> list[Effect]:
        """Everything that has fallen due."""
        effects: list[Effect] = []
        while self._due and self._due[0][0] <= now_ms:
            what = heappop(self._due)[2]
            if isinstance(what, _Connection):
                effects += self._look_at(what, now_ms)
            elif isinstance(what, Invoke):
                effects.append(what)
            elif isinstance(what, Send):
                if self._is_open(what.connection_id):
                    effects.append(what)
            elif (data := what.connection.held_post) is not None:
                what.connection.held_post = None
                connection_id = what.connection.origin.connection_id
                if self._is_open(connection_id):
                    effects.append(Send(connection_id, data))
        return effects

    def drain(self, now_ms: int) -> list[Effect]:
        """Accept nobody any more, and no more messages; those that have come are still handled."""
        self._stopping = True
        effects: list[Effect] = []
        for connection_id, connection in self._connections.items():
            if connection.state is State.OPEN and not connection.reading_paused:
                connection.reading_paused = True
                effects.append(PauseReading(connection_id))
        return effects

    def stop(self, now_ms: int) -> list[Effect]:
        """Accept nobody any more and close everything."""
        self._stopping = True
        effects: list[Effect] = []
        for connection_id, connection in tuple(self._connections.items()):
            effects += self._close(connection, *GOING_AWAY, now_ms)
            if connection.reading_paused:
                # What the client says of the closing is to be heard; messages are too late.
                connection.reading_paused = False
                effects.append(ResumeReading(connection_id))
        return effects

    def _look_at(self, connection: _Connection, now_ms: int) -> list[Effect]:
        if connection.state is State.GONE:
            return []
        ends_at_ms = self._ends_at_ms(connection)
        if ends_at_ms > now_ms:
            self._at(ends_at_ms, connection)
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
        close = Close(connection.origin.connection_id, code, reason)
        return [close, *self._end(connection, code, reason, now_ms)]

    def _end(self, connection: _Connection, code: int, reason: str, now_ms: int) -> list[Effect]:
        if connection.state is not State.OPEN:
            return []
        connection.state = State.CLOSING
        connection.closing_since_ms = now_ms
        connection.held_post = None
        self._at(now_ms + self.limits.closing_ms, connection)
        if "$disconnect" not in self._routes or self._happens(self._faults.lose_disconnects):
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
            self._stale += 2
            if self._stale > max(_STALE_ENTRIES, len(self._due) // 2):
                self._sweep()

    def _sweep(self) -> None:
        self._due = [
            entry
            for entry in self._due
            if not (isinstance(entry[2], _Connection) and entry[2].state is State.GONE)
        ]
        heapify(self._due)
        self._stale = 0

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

    def _route_of(self, text: str) -> str | None:
        """The route that ``$request.body.action`` selects."""
        default = "$default" if "$default" in self._routes else None
        if self._routes <= {"$connect", "$default", "$disconnect"}:
            return default
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return default
        action = body.get("action") if isinstance(body, dict) else None
        # [?] A client that names one of AWS's own routes: it must not be able
        # to make up a $connect. Neither is it documented what becomes of an
        # action that is no string.
        if isinstance(action, str) and action in self._routes and not action.startswith("$"):
            return action
        return default

    def _is_open(self, connection_id: str) -> bool:
        connection = self._connections.get(connection_id)
        return connection is not None and connection.state is State.OPEN

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _occasion(self, now_ms: int) -> Occasion:
        return Occasion(self._new_request_id(), now_ms)

    def _at(self, due_ms: int, what: _Connection | _HeldPost | Send | Invoke) -> None:
        # The number keeps what falls due together in order, and heapq from
        # comparing the rest.
        self._number += 1
        heappush(self._due, (due_ms, self._number, what))


def _error(connection_id: str, message: str, request_id: str) -> Send:
    # Spaced exactly like this on AWS.
    return Send(
        connection_id,
        f'{{"message": "{message}", "connectionId":"{connection_id}",'
        f' "requestId":"{request_id}"}}'.encode(),
    )


@dataclass(frozen=True, slots=True)
class _ConnectAnswer:
    """What becomes of a handshake; a ``message`` only where the gateway is the one to speak."""

    status: int
    subprotocol: str | None = None
    message: str | None = None


def _connect_answer(outcome: Outcome) -> _ConnectAnswer:
    if isinstance(outcome, TimedOut):
        # [?] Not documented for handshakes; REST answers so.
        return _ConnectAnswer(504, message=TIMED_OUT)
    if isinstance(outcome, Returned) and isinstance(outcome.result, dict):
        status = outcome.result.get("statusCode")
        subprotocol = _header_of(outcome.result, "sec-websocket-protocol")
        if (
            isinstance(status, int)
            and not isinstance(status, bool)
            and 200 <= status <= 599
            and (subprotocol is None or _is_token(subprotocol))
        ):
            # [?] Whether anything of a refusal but its status reaches the
            # client isn't documented. Here nothing does.
            return _ConnectAnswer(status, subprotocol)
    # What is no proxy result counts as an exception, as it does in REST.
    return _ConnectAnswer(502, message=FAILED)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _header_of(result: Mapping[str, Any], wanted: str) -> Any:
    for key in ("headers", "multiValueHeaders"):
        headers = result.get(key)
        if isinstance(headers, dict):
            for name, value in headers.items():
                if str(name).lower() == wanted:
                    return value[0] if isinstance(value, list) and value else value
    return None


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
