"""What a client makes of what it hears: the contract's rules, without a socket or a clock.

Owns what a client holds, when it asks and what for. Messages and instants come
in, messages to send go out; ``docs/protocol.md`` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, NamedTuple

Message = dict[str, Any]
State = dict[str, Any]

KEPT = 4_096
"""So many updates are kept for the answer to a RECONNECT; nobody waits that long."""

OF_A_BANK = (
    "time_remaining_ms",
    "delay_remaining_ms",
    "main_remaining_ms",
    "period_remaining_ms",
    "periods_left",
    "cycles_left",
    "is_running",
    "has_expired",
)
"""What all members of a group show alike."""


class Place(NamedTuple):
    """Which state of a session: numbers alone can be given twice, after a failover."""

    epoch: str | None
    version: int | None
    updated_at: str | None

    @classmethod
    def told(cls, message: Message) -> Place:
        """The one that a PONG or a CURRENT tells; nowhere, where there is no session."""
        return cls(message.get("epoch"), message.get("version"), message.get("updatedAt"))

    def named(self) -> Message:
        """As a message names it."""
        return {"epoch": self.epoch, "version": self.version, "updatedAt": self.updated_at}

    def is_no_news_to(self, other: Place) -> bool:
        if self.epoch != other.epoch:
            return False
        return self == other or (self.version or 0) < (other.version or 0)


NOWHERE = Place(None, None, None)


@dataclass(frozen=True)
class Held:
    """What a client shows: a state as of ``timestamp``."""

    epoch: str
    version: int
    timestamp: int
    state: State

    @property
    def place(self) -> Place:
        return Place(self.epoch, self.version, self.state["updated_at"])


@dataclass(frozen=True)
class Pace:
    """How patient a client is, in seconds; the heartbeat is what CONNECTED tells."""

    heartbeat_s: float = 30.0
    doubt_s: float = 1.0
    answer_s: float = 2.0


@dataclass
class Follower:
    """Follows one session over any number of connections.

    ``held`` is ``None`` while there is nothing to show; ``answers`` counts whole
    answers to RECONNECT, greetings included. Every method takes the instant and
    returns what to send.
    """

    pace: Pace
    on_shown: Callable[[Held], None] | None = None
    held: Held | None = None
    reconnects: int = 0
    answers: int = 0
    _greeted: bool = False
    _greeting_until: float = -inf
    _asked: bool = False
    _ask_again_at: float = inf
    _ping_at: float = inf
    _doubted: Place | None = None
    _doubted_until: float = inf
    _kept: list[Message] = field(default_factory=list)
    _pages: dict[tuple[str, int, int, int], dict[int, Message]] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Which state is held."""
        return self.held.place if self.held else NOWHERE

    def opened(self, now_s: float) -> list[Message]:
        """There is a connection, and its greeting is on its way."""
        self._greeted, self._asked = False, False
        self._greeting_until = now_s + self.pace.answer_s
        self._kept, self._pages = [], {}
        self._trust()
        self._ping_at = now_s + self.pace.heartbeat_s
        self._ask_again_at = now_s + self.pace.answer_s
        return self._ask(now_s) if self.held else []

    @property
    def due_at_s(self) -> float:
        """When ``tick`` is wanted next."""
        return min(self._ping_at, self._doubted_until, self._ask_again_at)

    def tick(self, now_s: float) -> list[Message]:
        """Time has passed."""
        sent: list[Message] = []
        if now_s >= self._ping_at:
            self._ping_at = now_s + self.pace.heartbeat_s
            sent.append({"type": "PING", "clientTime": round(now_s * 1000)})
        if now_s >= self._doubted_until:
            sent += self._ask(now_s)
        if now_s >= self._ask_again_at:
            self._ask_again_at = inf
            if self._asked or not self._greeted:
                self._asked = False
                sent += self._ask(now_s)
        return sent

    def take(self, message: Message, now_s: float) -> list[Message]:
        """A message has come."""
        match message["type"]:
            case "CONNECTED":
                self._greeted = True
                self._beat(message["heartbeatIntervalMs"] / 1000, now_s)
                if not self._asked:
                    self._ask_again_at = inf
            case "STATE_SYNC":
                self._sync(message, now_s)
            case "STATE_UPDATE":
                if (self._asked or now_s < self._greeting_until) and len(self._kept) < KEPT:
                    self._kept.append(message)
                return self._update(message, now_s)
            case "SESSION_DELETED":
                self.held = None
                self._trust()
                self._answered()
            case "PONG":
                self._compare(message, now_s)
            case "CURRENT":
                self._answered()
                self._compare(message, now_s)
        return []

    def _beat(self, heartbeat_s: float, now_s: float) -> None:
        self.pace = replace(self.pace, heartbeat_s=heartbeat_s)
        self._ping_at = min(self._ping_at, now_s + heartbeat_s)

    # States

    def _update(self, update: Message, now_s: float) -> list[Message]:
        held = self.held
        if held is None:
            if not update.get("partial"):
                self._show(_held(update, update["state"]))
            elif now_s < self._greeting_until:
                # The greeting will bring what it is to be merged into.
                self._doubt(_held(update, update["state"]).place, now_s)
            else:
                return self._ask(now_s)
            return []
        if update["epoch"] != held.epoch:
            return self._ask(now_s)
        if update["version"] <= held.version:
            # Later versions come later, unless a store that had fallen behind
            # has taken over and counts some of them once more.
            if update["timestamp"] > held.timestamp:
                return self._ask(now_s, snapshot=True)
            return []
        shown = applied(held, update)
        if shown is None:
            return self._ask(now_s)
        self._show(shown)
        return []

    def _sync(self, message: Message, now_s: float) -> None:
        whole = self._whole(message)
        if whole is None:
            return
        synced = _held(whole, whole["state"])
        if self._asked or now_s >= self._greeting_until:
            self._show(synced)
        else:
            self._greeting_until = -inf
            # An update may have overtaken the greeting.
            held = self.held
            if held is None or held.epoch != synced.epoch or held.version <= synced.version:
                self._show(synced)
        for update in sorted(self._kept, key=lambda one: int(one["version"])):
            assert self.held is not None
            if update["epoch"] == self.held.epoch and update["version"] > self.held.version:
                shown = applied(self.held, update)
                if shown is not None:
                    self._show(shown)
        self._answered()

    def _whole(self, message: Message) -> Message | None:
        """The message itself, or what its page completes."""
        pages = message.get("pages", 1)
        if pages == 1:
            return message
        key = (message["epoch"], message["version"], message["timestamp"], pages)
        had = self._pages.setdefault(key, {})
        had[message["page"]] = message
        if len(had) < pages:
            return None
        del self._pages[key]
        return {**message, "state": in_one([had[number]["state"] for number in sorted(had)])}

    def _show(self, held: Held) -> None:
        self.held = held
        if self._doubted is not None and self._doubted.is_no_news_to(held.place):
            self._trust()
        if self.on_shown is not None:
            self.on_shown(held)

    # Doubts

    def _compare(self, message: Message, now_s: float) -> None:
        told = Place.told(message)
        if told == self.place:
            self._trust()
        else:
            self._doubt(told, now_s)

    def _doubt(self, told: Place, now_s: float) -> None:
        if self._doubted is None:
            self._doubted_until = now_s + self.pace.doubt_s
        self._doubted = told

    def _trust(self) -> None:
        self._doubted, self._doubted_until = None, inf

    def _ask(self, now_s: float, *, snapshot: bool = False) -> list[Message]:
        """RECONNECT, unless its answer is still awaited."""
        self._trust()
        if self._asked:
            return []
        self._asked, self._ask_again_at = True, now_s + self.pace.answer_s
        self._kept = []
        self.reconnects += 1
        message: Message = {"type": "RECONNECT"}
        if self.held is not None and not snapshot:
            message |= self.held.place.named()
        return [message]

    def _answered(self) -> None:
        """Whether or not CONNECTED got lost: whatever answers is there."""
        self._greeted, self._asked, self._kept = True, False, []
        self._ask_again_at = inf
        self.answers += 1


def _held(message: Message, state: State) -> Held:
    return Held(message["epoch"], message["version"], message["timestamp"], state)


def applied(held: Held, update: Message) -> Held | None:
    """What is held after a newer update of the same epoch; ``None`` where it doesn't fit."""
    if not update.get("partial"):
        return _held(update, update["state"])
    base = Place(update["epoch"], update["baseVersion"], update["baseUpdatedAt"])
    if base != held.place:
        return None
    return _held(update, merged(held.state, update["state"]))


def in_one(parts: Iterable[State]) -> State:
    """The state whose participants and groups come in parts."""
    parts = list(parts)
    whole = {**parts[-1], "participants": [one for part in parts for one in part["participants"]]}
    if "groups" in whole:
        groups = {one["group_id"]: one for part in parts for one in part["groups"]}
        whole["groups"] = list(groups.values())
    return whole


def merged(held: State, partial: State) -> State:
    """The whole state at the instant of ``partial``, which follows ``held``.

    Only a clock of somebody active moves, and whoever was or is active is in
    the message, as is one of those who share a clock: what others hold stands.
    """
    news = {one["participant_id"]: one for one in partial["participants"]}
    participants = [news.get(one["participant_id"], one) for one in held["participants"]]
    if news and partial["sync_mode"] == "global":
        shared = partial["participants"][0]
        alike = {name: shared[name] for name in ("time_remaining_ms", "is_running")}
        participants = [
            one if one["participant_id"] in news else {**one, **alike, "has_expired": False}
            for one in participants
        ]
    whole = {**partial, "participants": participants}
    if partial["sync_mode"] == "per_group":
        groups = {one["group_id"]: one for one in partial.get("groups", ())}
        whole["groups"] = [groups.get(one["group_id"], one) for one in held["groups"]]
        speakers = {one["group_id"]: one for one in partial["participants"]}
        whole["participants"] = [
            one if one["participant_id"] in news else {**one, **_of_its_bank(one, speakers)}
            for one in participants
        ]
    return whole


def _of_its_bank(participant: Message, speakers: dict[str, Message]) -> Message:
    speaker = speakers.get(participant["group_id"], {})
    return {name: speaker[name] for name in OF_A_BANK if name in speaker}


def shown_at(state: State, timestamp: int, now: int) -> State:
    """Every figure of a state of ``timestamp`` at ``now``, which is no earlier.

    Nothing may have run out in between: that would be another version.
    """
    elapsed = max(0, now - timestamp)
    if state["status"] != "running" or not elapsed:
        return state
    participants = [_participant_at(one, state, elapsed) for one in state["participants"]]
    later = {**state, "participants": participants}
    if "session_remaining_ms" in state:
        later["session_remaining_ms"] = max(0, state["session_remaining_ms"] - elapsed)
    if "groups" in state:
        shown = {one["group_id"]: one["time_remaining_ms"] for one in participants}
        later["groups"] = [
            {**one, "time_remaining_ms": shown[one["group_id"]]} for one in state["groups"]
        ]
    return later


def _participant_at(participant: Message, state: State, elapsed: int) -> Message:
    later = dict(participant)
    if participant["is_active"]:
        later["time_used_ms" if participant["is_running"] else "overtime_ms"] += elapsed
    if not participant["is_running"]:
        return later
    delay = participant.get("delay_remaining_ms", 0)
    later["time_remaining_ms"] = max(0, participant["time_remaining_ms"] - max(0, elapsed - delay))
    if "delay_remaining_ms" in participant:
        later["delay_remaining_ms"] = max(0, delay - elapsed)
    if "main_remaining_ms" in participant:
        main = participant["main_remaining_ms"]
        later["main_remaining_ms"] = max(0, main - elapsed)
        beyond = max(0, elapsed - main)
        rest = participant["period_remaining_ms"] - beyond
        if participant.get("periods_left"):
            # A period begins when the one before it ends.
            control = participant.get("time_control") or state["time_control"]
            period = control["period_ms"]
            spent, into = divmod(beyond + period - participant["period_remaining_ms"], period)
            later["periods_left"] -= spent
            rest = period - into if later["periods_left"] else 0
        later["period_remaining_ms"] = rest
    return later
