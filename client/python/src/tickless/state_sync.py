"""Keeps the snapshot of one session in sync with the server: a state machine without I/O.

Owns the snapshot, detects missed and superseded versions, and decides when to send RECONNECT.
Messages and instants come in, messages to send go out. The rules are in docs/protocol.md,
"Following a session".
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from operator import itemgetter
from typing import Any

from .state_merge import apply_update, join_pages, snapshot_from
from .state_version import NO_SESSION, Snapshot, StateVersion, state_version_of
from .wire_types import Ending, Message, SessionEvent

RESPONSE_TIMEOUT_MS = 2_000

MISMATCH_GRACE_MS = 1_000
"""How long a PONG may differ from the snapshot: the update may still arrive."""

MAX_BUFFERED_UPDATES = 4_096
"""Bounds the updates that are buffered until a RECONNECT is answered."""


class StateSync:
    """Follows one session over any number of connections.

    ``snapshot`` is ``None`` while there is no session; ``ending`` is then why there is none any
    more, ``deleted`` or ``expired``, if that is known. ``is_live`` says whether this connection
    has been welcomed, or the RECONNECT that opened it answered. ``on_snapshot`` is called with
    each new snapshot and the events that led to it.
    """

    def __init__(
        self, on_snapshot: Callable[[Snapshot | None, list[SessionEvent]], object]
    ) -> None:
        self.snapshot: Snapshot | None = None
        self.ending: Ending | None = None
        self.is_live = False
        self._on_snapshot = on_snapshot
        self._is_welcomed = False
        self._awaits_response = False
        self._initial_sync_until_ms = -inf
        self._retry_at_ms = inf
        self._mismatch_until_ms = inf
        self._mismatch = NO_SESSION
        self._buffered: list[Message] = []
        self._pages: dict[tuple[Any, ...], dict[int, Message]] = {}
        self._reported_version = 0
        self._reported_timestamp = -inf

    @property
    def state_version(self) -> StateVersion:
        """The version of the snapshot."""
        return state_version_of(self.snapshot)

    @property
    def due_at_ms(self) -> float:
        """When to call ``tick`` next."""
        return min(self._mismatch_until_ms, self._retry_at_ms)

    def connection_opened(self, now_ms: float) -> list[Message]:
        """A connection is open; CONNECTED and the initial STATE_SYNC are on their way."""
        self.is_live = self._is_welcomed = self._awaits_response = False
        self._initial_sync_until_ms = self._retry_at_ms = now_ms + RESPONSE_TIMEOUT_MS
        self._buffered, self._pages = [], {}
        self._clear_mismatch()
        return self._reconnect(now_ms) if self.snapshot else []

    def connection_lost(self) -> None:
        """The connection has ended."""
        self.is_live = False
        self._retry_at_ms = inf
        self._clear_mismatch()

    def tick(self, now_ms: float) -> list[Message]:
        """Send what is due at this instant."""
        to_send = self._reconnect(now_ms) if now_ms >= self._mismatch_until_ms else []
        if now_ms >= self._retry_at_ms:
            self._retry_at_ms = inf
            if self._awaits_response or not self._is_welcomed:
                self._awaits_response = False
                to_send += self._reconnect(now_ms)
        return to_send

    def receive(self, message: Message, now_ms: float) -> list[Message]:
        """Process a message from the server."""
        match message["type"]:
            case "CONNECTED":
                self._is_welcomed = True
                if not self._awaits_response:
                    self._retry_at_ms = inf
                    self.is_live = True
            case "STATE_SYNC":
                self._receive_sync(message, now_ms)
            case "STATE_UPDATE":
                sync_is_pending = self._awaits_response or now_ms < self._initial_sync_until_ms
                if sync_is_pending and len(self._buffered) < MAX_BUFFERED_UPDATES:
                    self._buffered.append(message)
                return self._receive_update(message, now_ms)
            case "SESSION_DELETED":
                self._session_missing(message.get("reason"))
            case "ERROR" if is_session_missing(message):
                self._session_missing(None)
            case "CURRENT":
                self._response_received()
                self._compare(StateVersion.from_message(message), now_ms)
            case "PONG":
                self._compare(StateVersion.from_message(message), now_ms)
        return []

    # Snapshots

    def _session_missing(self, ending: Ending | None) -> None:
        self._clear_mismatch()
        self._response_received()
        self.ending = ending
        self._set_snapshot(None)

    def _receive_update(self, update: Message, now_ms: float) -> list[Message]:
        snapshot = self.snapshot
        if snapshot is None:
            if not update.get("partial"):
                self._set_snapshot(snapshot_from(update), update["events"])
            elif now_ms < self._initial_sync_until_ms:
                # The initial STATE_SYNC will bring the state to merge it into.
                self._note_mismatch(snapshot_from(update).state_version, now_ms)
            else:
                return self._reconnect(now_ms)
            return []
        if update["epoch"] != snapshot.epoch:
            return self._reconnect(now_ms)
        if update["version"] <= snapshot.version:
            # An old version has an old timestamp, unless a replica that had fallen behind took
            # over and counts the same versions again.
            is_later = update["timestamp"] > snapshot.timestamp
            return self._reconnect(now_ms, whole=True) if is_later else []
        updated = apply_update(snapshot, update)
        if updated is None:
            return self._reconnect(now_ms)
        self._set_snapshot(updated, update["events"])
        return []

    def _receive_sync(self, message: Message, now_ms: float) -> None:
        synced = self._complete_snapshot(message)
        if synced is None:
            return
        is_initial = not self._awaits_response and now_ms < self._initial_sync_until_ms
        # An update may have overtaken the initial STATE_SYNC.
        same_epoch = self.state_version.epoch == synced.epoch
        is_overtaken = (
            is_initial and same_epoch and (self.state_version.version or 0) > synced.version
        )
        if is_initial:
            self._initial_sync_until_ms = -inf
        buffered = self._buffered
        self._response_received()
        if not is_overtaken:
            self._set_snapshot(synced)
        for update in sorted(buffered, key=itemgetter("version")):
            base = self.snapshot
            if base is None or update["epoch"] != base.epoch or update["version"] <= base.version:
                continue
            updated = apply_update(base, update)
            if updated is not None:
                self._set_snapshot(updated, update["events"])

    def _complete_snapshot(self, message: Message) -> Snapshot | None:
        """The snapshot of a STATE_SYNC; ``None`` while pages of it are missing."""
        pages = message.get("pages", 1)
        if pages == 1:
            return snapshot_from(message)
        sync_id = (message["epoch"], message["version"], message["timestamp"], pages)
        received = self._pages.setdefault(sync_id, {})
        received[message["page"]] = message
        if len(received) < pages:
            return None
        del self._pages[sync_id]
        states = [received[number]["state"] for number in sorted(received)]
        return snapshot_from(message, join_pages(states))

    def _set_snapshot(
        self, snapshot: Snapshot | None, events: list[SessionEvent] | None = None
    ) -> None:
        self.snapshot = snapshot
        if snapshot is not None:
            self.ending = None
        if self._mismatch.is_covered_by(state_version_of(snapshot)):
            self._clear_mismatch()
        # An update that is applied again, to the answer to a RECONNECT, is not reported again.
        is_new = snapshot is not None and (
            snapshot.version > self._reported_version
            or snapshot.timestamp > self._reported_timestamp
        )
        if snapshot is not None and is_new and events:
            self._reported_version = snapshot.version
            self._reported_timestamp = snapshot.timestamp
        self._on_snapshot(snapshot, events if events and is_new else [])

    # Mismatches and RECONNECT

    def _compare(self, reported: StateVersion, now_ms: float) -> None:
        if reported == self.state_version:
            self._clear_mismatch()
        else:
            self._note_mismatch(reported, now_ms)

    def _note_mismatch(self, reported: StateVersion, now_ms: float) -> None:
        self._mismatch_until_ms = min(self._mismatch_until_ms, now_ms + MISMATCH_GRACE_MS)
        self._mismatch = reported

    def _clear_mismatch(self) -> None:
        self._mismatch, self._mismatch_until_ms = NO_SESSION, inf

    def _reconnect(self, now_ms: float, *, whole: bool = False) -> list[Message]:
        """RECONNECT, unless one is pending; ``whole`` asks for the state whatever the snapshot."""
        self._clear_mismatch()
        if self._awaits_response:
            return []
        self._awaits_response, self._retry_at_ms = True, now_ms + RESPONSE_TIMEOUT_MS
        self._buffered = []
        named = {} if whole or self.snapshot is None else self.state_version.to_message()
        return [{"type": "RECONNECT", **named}]

    def _response_received(self) -> None:
        """A response proves that the connection works, even if CONNECTED was lost."""
        self.is_live = self._is_welcomed = True
        self._awaits_response, self._buffered = False, []
        self._retry_at_ms = inf


def is_session_missing(error: Message) -> bool:
    """Whether an ERROR says that there is no session; one with an id answers a command."""
    return error["code"] == "SESSION_NOT_FOUND" and "id" not in error
