"""What is said to a server, over any number of connections, and when: without a socket or timer.

Owns heartbeats, claims, the commands that are not answered yet, and when to
connect again. What is held and when to ask for it is the Follower's to decide,
what time it is the ServerClock's. A command is never kept for later: it goes out
now or fails now, because a "switch" of a minute ago is nobody's wish any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final, Protocol

from .errors import CommandError
from .follower import Follower
from .place import Held
from .server_clock import SAMPLES, ServerClock
from .states import CommandName, ConnectionState, Message, SessionEvent
from .world import World

SILENT_HEARTBEATS = 3

AWAKE_WITHIN_MS = 5_000
"""Who has slept may hold a connection that died long ago, and asks it at once."""

CLAIM_SPREAD_MS = 750
LONGEST_PATIENCE_MS = 30_000

HANDSHAKES: Final[Mapping[int | None, tuple[str, str]]] = {
    401: ("UNAUTHENTICATED", "A token that holds is needed"),
    403: ("FORBIDDEN", "This token does not allow this"),
}
"""What a refused handshake says that is no matter of trying again; as REST says it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a client is.

    ``heartbeat_ms`` counts until CONNECTED has told another. ``samples`` PINGs in a row begin
    each connection, so that the clock is right at once; who shows no clock needs none. The
    server is prompt, so a moment's patience (``claim_after_ms``) saves it nearly every CLAIM.
    """

    heartbeat_ms: float = 30_000
    samples: int = SAMPLES
    first_backoff_ms: float = 1_000
    longest_backoff_ms: float = 30_000
    open_within_ms: float = 10_000
    answer_within_ms: float = 10_000
    claim_after_ms: float = 250


def nobody(_: Any) -> None:
    """Who isn't told."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told: of the connection, of what is held, of what made that, of refusals."""

    connection: Callable[[ConnectionState], object] = nobody
    state: Callable[[Held | None], object] = nobody
    events: Callable[[list[SessionEvent]], object] = nobody
    refusal: Callable[[Message], object] = nobody


class Awaited(Protocol):
    """Who waits for what becomes of a command; an ``asyncio.Future`` is one."""

    def done(self) -> bool: ...
    def set_result(self, version: int, /) -> None: ...
    def set_exception(self, error: CommandError, /) -> None: ...


class Conversation:
    """One session's. Methods return what to send; ``due_at_ms`` is when ``tick`` is wanted next."""

    def __init__(self, world: World, pace: Pace, listener: Listener) -> None:
        self.connection: ConnectionState = "closed"
        self.clock = ServerClock(world.now, world.wall, on_wake=self._wake, samples=pace.samples)
        self._world = world
        self._pace = pace
        self._listener = listener
        self._follower = Follower(self._shown)
        self._heartbeat_ms = pace.heartbeat_ms
        self._is_open = False
        self._failures = 0
        self._ids = 0
        self._claims = 0
        self._may_claim = True
        self._awaited: dict[str, Awaited] = {}
        self._ping_at_ms = inf
        self._silent_at_ms = inf
        self._claim_at_ms = inf

    @property
    def held(self) -> Held | None:
        return self._follower.held

    @property
    def is_silent(self) -> bool:
        """Whether nothing has been heard for so long that the connection must be dead."""
        return self._world.now() >= self._silent_at_ms

    @property
    def due_at_ms(self) -> float:
        return min(
            self._ping_at_ms, self._silent_at_ms, self._claim_at_ms, self._follower.due_at_ms
        )

    # Connections

    def begin(self) -> None:
        """Somebody wants to connect, and to stay connected."""
        self._become("connecting")

    def opened(self) -> list[Message]:
        """There is a connection."""
        now_ms = self._world.now()
        self._is_open = self._may_claim = True
        self._ping_at_ms = now_ms
        self._silent_at_ms = now_ms + SILENT_HEARTBEATS * self._heartbeat_ms
        self.clock.resync()
        return [*self._follower.opened(now_ms), *self.tick()]

    def refused(self, status: int | None) -> None:
        """A handshake was answered something else; of what may pass nobody is told."""
        if status in HANDSHAKES:
            code, reason = HANDSHAKES[status]
            self._listener.refusal({"type": "ERROR", "code": code, "message": reason})

    def lost(self) -> float:
        """The connection has ended, or could not be opened; in how many ms to try again."""
        self._drop()
        pace = self._pace
        longest_ms = min(pace.longest_backoff_ms, pace.first_backoff_ms * 2.0**self._failures)
        # Beyond that nothing changes, and powers would grow without end.
        self._failures = min(self._failures + 1, 64)
        # Who has never been live is still connecting.
        if self.connection == "live":
            self._become("reconnecting")
        return self._world.random() * longest_ms

    def ended(self) -> None:
        """Nobody wants a connection any more."""
        self._drop()
        self._failures = 0
        if self.connection != "closed":
            self._become("closed")

    def _drop(self) -> None:
        self._is_open = False
        self._ping_at_ms = self._silent_at_ms = self._claim_at_ms = inf
        self._claims = 0
        self._follower.lost()
        for name in list(self._awaited):
            self._settle(name, nobody_knows("CONNECTION_LOST"))

    def _wake(self) -> None:
        """The machine has slept."""
        now_ms = self._world.now()
        self.clock.resync()
        if self._is_open:
            self._ping_at_ms = now_ms
            self._silent_at_ms = min(self._silent_at_ms, now_ms + AWAKE_WITHIN_MS)

    # Messages

    def heard(self, data: str | bytes) -> list[Message]:
        """A message has come."""
        message = _parsed(data)
        # The gateway's own failures have no type, and who has left hears nothing any more.
        if message is None or not self._is_open:
            return []
        now_ms = self._world.now()
        kind = message["type"]
        if kind == "CONNECTED":
            self._heartbeat_ms = message["heartbeatIntervalMs"]
            self._ping_at_ms = min(self._ping_at_ms, now_ms + self._heartbeat_ms)
        self._silent_at_ms = now_ms + SILENT_HEARTBEATS * self._heartbeat_ms
        if kind == "PONG":
            self.clock.sample(message)
        self.clock.heard(message["timestamp"])
        # Now that it is known better what time it is.
        if kind == "PONG" and not self._claims:
            self._claim_when_due()
        if kind in ("ACK", "ERROR"):
            self._answered(message)
        sent = self._follower.take(message, now_ms)
        if self._follower.live and self.connection != "live":
            self._failures = 0
            self._become("live")
        return [*sent, *self.tick()] if self.due_at_ms <= now_ms else sent

    def tick(self) -> list[Message]:
        """Time has passed."""
        now_ms = self._world.now()
        if not self._is_open:
            return []
        sent = self._follower.tick(now_ms)
        if now_ms >= self._ping_at_ms:
            sent.append(self.clock.ping())
            self._ping_at_ms = now_ms + self.clock.ping_every_ms(self._heartbeat_ms)
        if now_ms >= self._claim_at_ms:
            self._claims += 1
            sent.append({"type": "CLAIM"})
            self._claim_when_due()
        return sent

    def _shown(self, held: Held | None, events: list[SessionEvent]) -> None:
        self._claims = 0
        self._claim_when_due()
        self._listener.state(held)
        if events:
            self._listener.events(events)

    def _claim_when_due(self) -> None:
        """The deadline is when the first of the clocks on the screen comes to zero."""
        self._claim_at_ms = inf
        pace, held = self._pace, self.held
        deadline_at = held.state["deadline_at"] if held else None
        may_claim = self._is_open and self._may_claim and pace.claim_after_ms < inf
        if deadline_at is None or not may_claim:
            return
        left_ms = max(0.0, _epoch_ms(deadline_at) - self.clock.now())
        spread_ms = self._world.random() * CLAIM_SPREAD_MS
        patience_ms = (pace.claim_after_ms + spread_ms) * 2 ** min(self._claims, 16)
        self._claim_at_ms = self._world.now() + left_ms + min(patience_ms, LONGEST_PATIENCE_MS)

    # Commands

    def command(
        self,
        awaited: Awaited,
        command: CommandName,
        args: Mapping[str, Any] | None,
        expected_version: int | None,
    ) -> Message:
        """The message to send now, and in which ``awaited`` is told the version it made.

        Raises:
            CommandError: There is no live session to send it to.
        """
        held = self.held
        if self.connection != "live" or held is None:
            raise not_live()
        current = held.state["active_participant_id"]
        names_cycle = command in ("switch", "pause") and current is not None
        self._ids += 1
        name = f"c{self._ids}"
        self._awaited[name] = awaited
        return {
            "type": "COMMAND",
            "id": name,
            "command": command,
            "args": {
                **({"current_participant_id": current} if names_cycle else {}),
                **(args or {}),
            },
            **({} if expected_version is None else {"expectedVersion": expected_version}),
        }

    def forget(self, command_id: str) -> None:
        """Nobody waits for this command's answer any more."""
        self._awaited.pop(command_id, None)

    def _answered(self, message: Message) -> None:
        name = message.get("id", "")
        if message["type"] == "ACK":
            self._settle(name, message["version"])
        elif name in self._awaited:
            self._settle(name, CommandError(message["code"], message["message"], "refused"))
        elif message["code"] == "FORBIDDEN":
            # Of what has no id only CLAIM is not for everybody, and whoever may not need not know.
            self._may_claim = False
            self._claim_when_due()
        else:
            self._listener.refusal(message)

    def _settle(self, name: str, outcome: int | CommandError) -> None:
        awaited = self._awaited.pop(name, None)
        # Who has just given up waiting can't be told any more.
        if awaited is None or awaited.done():
            return
        if isinstance(outcome, CommandError):
            awaited.set_exception(outcome)
        else:
            awaited.set_result(outcome)

    def _become(self, connection: ConnectionState) -> None:
        self.connection = connection
        self._listener.connection(connection)


def not_live() -> CommandError:
    """That a command was not even sent."""
    return CommandError("NOT_LIVE", "There is no live session, so nothing was sent", "unsent")


def nobody_knows(code: str) -> CommandError:
    """That a command was left without an answer."""
    return CommandError(
        code, "No answer came: the command may have been carried out, or not", "unknown"
    )


def _parsed(data: str | bytes) -> Message | None:
    try:
        message = json.loads(data)
    except ValueError:
        return None
    return message if isinstance(message, dict) and message.get("type") else None


def _epoch_ms(at: str) -> float:
    return datetime.fromisoformat(at).timestamp() * 1000
