"""The socket protocol of one session, without sockets or timers (sans-I/O).

Owns heartbeats, claims, pending commands and the reconnect backoff. ``StateSync`` owns the
snapshot, ``ServerClock`` the time, ``FailureDetector`` the doubt. A command is never queued: it
is sent now or fails now, because a "switch" from a minute ago is no longer wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final, Protocol

from .environment import ConnectionFailed, Environment
from .errors import CommandError
from .failure_detector import PROBE_INTERVAL_MS, FailureDetector
from .server_clock import BURST_SAMPLES, ServerClock
from .state_sync import StateSync, is_session_missing
from .state_version import Snapshot
from .wire_types import CommandName, ConnectionState, Ending, Message, SessionEvent

MISSED_HEARTBEATS = 3
"""The server has closed a connection that was silent for so many heartbeats."""

CLAIM_SPREAD_MS = 750
MAX_CLAIM_DELAY_MS = 30_000

HANDSHAKE_ERRORS: Final[Mapping[int | None, tuple[str | None, str]]] = {
    401: ("UNAUTHENTICATED", "The server requires a valid token"),
    403: ("FORBIDDEN", "The token does not give access to this session"),
}
"""The statuses that a retry alone does not help, with REST's codes for them."""


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """The client's timeouts and intervals.

    ``heartbeat_ms`` applies until CONNECTED says otherwise. ``clock_samples`` PINGs at the start
    of each connection synchronise the clock; a client that shows no clock needs none. The server
    reports timeouts promptly, so a short ``claim_delay_ms`` makes nearly every CLAIM unnecessary.
    An answer is overdue after twice the usual round trip, but not before ``min_answer_ms``; then
    the connection has ``probe_timeout_ms`` to answer.
    """

    heartbeat_ms: float = 30_000
    clock_samples: int = BURST_SAMPLES
    initial_backoff_ms: float = 1_000
    max_backoff_ms: float = 30_000
    open_timeout_ms: float = 10_000
    command_timeout_ms: float = 10_000
    claim_delay_ms: float = 250
    min_answer_ms: float = 1_500
    probe_timeout_ms: float = 5_000


def ignore(_: Any) -> None:
    """A callback that does nothing."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What to call when the connection, the snapshot or events change, and on errors."""

    on_connection: Callable[[ConnectionState], object] = ignore
    on_state: Callable[[Snapshot | None], object] = ignore
    on_events: Callable[[list[SessionEvent]], object] = ignore
    on_error: Callable[[Message], object] = ignore


class PendingCommand(Protocol):
    """Receives the result of a command; an ``asyncio.Future`` is one."""

    def done(self) -> bool: ...
    def set_result(self, version: int, /) -> None: ...
    def set_exception(self, error: CommandError, /) -> None: ...


class SessionProtocol:
    """One session. Methods return the messages to send; call ``tick`` at ``due_at_ms``."""

    def __init__(
        self, environment: Environment, timeouts: ClientTimeouts, callbacks: Callbacks
    ) -> None:
        self.connection: ConnectionState = "closed"
        self.clock = ServerClock(
            environment.now,
            environment.wall_clock,
            on_wake=self._on_wake,
            burst_samples=timeouts.clock_samples,
        )
        self._environment = environment
        self._timeouts = timeouts
        self._callbacks = callbacks
        self._sync = StateSync(self._on_snapshot)
        self._heartbeat_ms = timeouts.heartbeat_ms
        self._is_open = False
        self._failures = 0
        self._command_count = 0
        self._claims_sent = 0
        self._may_claim = True
        self._detector = FailureDetector(timeouts.min_answer_ms, timeouts.probe_timeout_ms)
        self._is_in_doubt = False
        self._claimed_at_ms: float | None = None
        self._pending: dict[str, tuple[PendingCommand, float]] = {}
        self._ping_at_ms = inf
        self._dead_at_ms = inf
        self._claim_at_ms = inf

    @property
    def snapshot(self) -> Snapshot | None:
        return self._sync.snapshot

    @property
    def ending(self) -> Ending | None:
        return self._sync.ending

    @property
    def error_bound_ms(self) -> float:
        """How far off what is displayed may be.

        The error of the clock and, unless the connection is live, the time since the state was
        confirmed. A pause since then would make the digits wrong by that much.
        """
        if self.connection == "live":
            return self.clock.error_bound_ms
        unconfirmed_ms = self._environment.now() - self._detector.confirmed_at_ms
        return self.clock.error_bound_ms + unconfirmed_ms

    @property
    def is_dead(self) -> bool:
        """Whether the connection has been silent for too long."""
        return self._environment.now() >= min(self._dead_at_ms, self._detector.lost_at_ms)

    @property
    def due_at_ms(self) -> float:
        """When to call ``tick`` next, or to give the connection up."""
        detector = self._detector
        return min(
            self._ping_at_ms,
            self._dead_at_ms,
            detector.lost_at_ms if self._is_in_doubt else detector.doubt_at_ms,
            self._claim_at_ms,
            self._sync.due_at_ms,
        )

    # Connections

    def start(self) -> None:
        """The client wants to connect."""
        self._set_connection("connecting")

    def stop(self) -> None:
        """The client does not want to be connected any more."""
        self._reset_connection()
        self._failures = 0
        if self.connection != "closed":
            self._set_connection("closed")

    def connection_opened(self) -> list[Message]:
        """A connection is open."""
        now_ms = self._environment.now()
        self._is_open = self._may_claim = True
        self._ping_at_ms = now_ms
        self._dead_at_ms = now_ms + MISSED_HEARTBEATS * self._heartbeat_ms
        self.clock.resync()
        return [*self._sync.connection_opened(now_ms), *self.tick()]

    def connection_failed(self, failed: ConnectionFailed) -> None:
        """An attempt failed; reported unless the reason may just be the network."""
        code, message = HANDSHAKE_ERRORS.get(failed.status, (failed.code, str(failed)))
        if code:
            self._callbacks.on_error({"type": "ERROR", "code": code, "message": message})

    def connection_lost(self) -> float:
        """The connection ended or could not be opened; the backoff before the next attempt."""
        self._reset_connection()
        timeouts = self._timeouts
        backoff_ms = timeouts.initial_backoff_ms * 2.0**self._failures
        # The maximum is reached long before; without the limit the power would overflow.
        self._failures = min(self._failures + 1, 64)
        # A client that was never live is still connecting.
        if self.connection in ("live", "unconfirmed"):
            self._set_connection("reconnecting")
        return self._environment.random() * min(timeouts.max_backoff_ms, backoff_ms)

    def _reset_connection(self) -> None:
        self._is_open = self._is_in_doubt = False
        self._detector.reset()
        self._claimed_at_ms = None
        self._ping_at_ms = self._dead_at_ms = self._claim_at_ms = inf
        self._claims_sent = 0
        self._sync.connection_lost()
        for command_id in list(self._pending):
            self._resolve(command_id, outcome_unknown("CONNECTION_LOST"))

    def _on_wake(self) -> None:
        """The machine has slept."""
        now_ms = self._environment.now()
        self.clock.resync()
        self._detector.suspended(now_ms)
        if self._is_open:
            self._ping_at_ms = now_ms
            self._dead_at_ms = min(self._dead_at_ms, now_ms + self._timeouts.probe_timeout_ms)

    # Messages

    def receive(self, data: str | bytes) -> list[Message]:
        """Process a message from the server."""
        message = _parse(data)
        # API Gateway's own errors have no type. A closed client ignores everything.
        if message is None or not self._is_open:
            return []
        now_ms = self._environment.now()
        kind = message["type"]
        if kind == "CONNECTED":
            self._heartbeat_ms = message["heartbeatIntervalMs"]
            self._ping_at_ms = min(self._ping_at_ms, now_ms + self._heartbeat_ms)
        self._dead_at_ms = now_ms + MISSED_HEARTBEATS * self._heartbeat_ms
        if kind == "PONG":
            # The clock notices a sleep, after which this round trip is unknown.
            self.clock.receive_pong(message)
        self._confirm(message, now_ms)
        self.clock.receive_timestamp(message["timestamp"])
        # The server's time is known more precisely now.
        if kind == "PONG" and not self._claims_sent:
            self._schedule_claim()
        if kind in ("ACK", "ERROR"):
            self._receive_answer(message)
        to_send = self._sync.receive(message, now_ms)
        if self._sync.is_live and self.connection != "live" and not self._is_in_doubt:
            self._set_connection("live")
        return [*to_send, *self.tick()] if self.due_at_ms <= now_ms else to_send

    def _confirm(self, message: Message, now_ms: float) -> None:
        """Tell the failure detector what this message answers."""
        kind, detector = message["type"], self._detector
        if kind == "PONG":
            # Not before: a server too slow to answer must not be asked ever faster.
            self._failures = 0
            # A PING of another sender on this connection may have had no time.
            if message["clientTime"] is not None:
                detector.answered(message["clientTime"], now_ms)
        elif kind == "ACK" or (kind == "ERROR" and "id" in message):
            if message["id"] in self._pending:
                detector.answered(self._pending[message["id"]][1])
        elif kind != "CONNECTED" and self._claimed_at_ms is not None:
            # CURRENT, or the update that was due.
            detector.answered(self._claimed_at_ms)
            self._claimed_at_ms = None
        self._is_in_doubt = self._is_in_doubt and now_ms >= detector.doubt_at_ms

    def tick(self) -> list[Message]:
        """Send what is due."""
        now_ms = self._environment.now()
        if not self._is_open:
            return []
        to_send = self._sync.tick(now_ms)
        if not self._is_in_doubt and now_ms >= self._detector.doubt_at_ms:
            self._is_in_doubt = True
            self._ping_at_ms = now_ms
            if self.connection == "live":
                self._set_connection("unconfirmed")
        if now_ms >= self._ping_at_ms:
            to_send.append(self.clock.ping())
            self._detector.sent(now_ms)
            interval_ms = self.clock.ping_interval_ms(self._heartbeat_ms)
            probe_ms = min(interval_ms, PROBE_INTERVAL_MS)
            self._ping_at_ms = now_ms + (probe_ms if self._is_in_doubt else interval_ms)
        if now_ms >= self._claim_at_ms:
            self._claims_sent += 1
            self._claimed_at_ms = now_ms
            self._detector.sent(now_ms)
            to_send.append({"type": "CLAIM"})
            self._schedule_claim()
        return to_send

    def _on_snapshot(self, snapshot: Snapshot | None, events: list[SessionEvent]) -> None:
        self._claims_sent = 0
        self._schedule_claim()
        self._callbacks.on_state(snapshot)
        if events:
            self._callbacks.on_events(events)

    def _schedule_claim(self) -> None:
        """Claim shortly after the deadline, which is when the first clock reaches zero."""
        self._claim_at_ms = inf
        timeouts, snapshot = self._timeouts, self.snapshot
        deadline_at = snapshot.state.get("deadline_at") if snapshot else None
        may_claim = self._is_open and self._may_claim and timeouts.claim_delay_ms < inf
        if deadline_at is None or not may_claim:
            return
        left_ms = max(0.0, _epoch_ms(deadline_at) - self.clock.now())
        spread_ms = self._environment.random() * CLAIM_SPREAD_MS
        delay_ms = (timeouts.claim_delay_ms + spread_ms) * 2 ** min(self._claims_sent, 16)
        self._claim_at_ms = self._environment.now() + left_ms + min(delay_ms, MAX_CLAIM_DELAY_MS)

    # Commands

    def send_command(
        self,
        pending: PendingCommand,
        command: CommandName,
        args: Mapping[str, Any] | None,
        expected_version: int | None,
    ) -> Message:
        """The message to send; ``pending`` receives the version that the command made.

        Raises:
            CommandError: There is no live session.
        """
        snapshot = self.snapshot
        if self.connection != "live" or snapshot is None:
            raise not_live()
        current = snapshot.state.get("active_participant_id")
        names_cycle = command in ("switch", "pause") and current is not None
        self._command_count += 1
        command_id = f"c{self._command_count}"
        sent_at_ms = self._environment.now()
        self._pending[command_id] = pending, sent_at_ms
        self._detector.sent(sent_at_ms)
        return {
            "type": "COMMAND",
            "id": command_id,
            "command": command,
            "args": {
                **({"current_participant_id": current} if names_cycle else {}),
                **(args or {}),
            },
            **({} if expected_version is None else {"expectedVersion": expected_version}),
        }

    def forget_command(self, command_id: str) -> None:
        """The caller no longer waits for this command."""
        self._pending.pop(command_id, None)

    def _receive_answer(self, message: Message) -> None:
        command_id = message.get("id", "")
        if message["type"] == "ACK":
            self._resolve(command_id, message["version"])
        elif command_id in self._pending:
            error = CommandError(message["code"], message["message"], "refused")
            self._resolve(command_id, error)
        elif message["code"] == "FORBIDDEN":
            # Of the messages without an id, only CLAIM needs a permission. It is not reported:
            # a viewer's client claims without being told to.
            self._may_claim = False
            self._schedule_claim()
        elif not is_session_missing(message):
            self._callbacks.on_error(message)

    def _resolve(self, command_id: str, result: int | CommandError) -> None:
        pending, _ = self._pending.pop(command_id, (None, 0.0))
        # A caller that has just stopped waiting can't receive a result.
        if pending is None or pending.done():
            return
        if isinstance(result, CommandError):
            pending.set_exception(result)
        else:
            pending.set_result(result)

    def _set_connection(self, connection: ConnectionState) -> None:
        self.connection = connection
        self._callbacks.on_connection(connection)


def not_live() -> CommandError:
    """The error of a command that was not sent."""
    return CommandError("NOT_LIVE", "There is no live session; the command was not sent", "unsent")


def outcome_unknown(code: str) -> CommandError:
    """The error of a command that got no answer."""
    return CommandError(
        code, "No answer arrived; the command may or may not have been carried out", "unknown"
    )


def _parse(data: str | bytes) -> Message | None:
    try:
        message = json.loads(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.get("type") else None


def _epoch_ms(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() * 1000
