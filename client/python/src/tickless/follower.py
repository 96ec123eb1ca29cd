"""What a client makes of what it hears: the contract's rules, without a socket or a clock.

Owns what is held, when to ask for it, and what for. Messages and instants come
in, messages to send go out; "Following a session" in docs/protocol.md says why
each rule is there.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from operator import itemgetter
from typing import Any

from .merging import applied, as_held, in_one
from .place import NOWHERE, Held, Place, place_of
from .states import Message, SessionEvent

ANSWER_WITHIN_MS = 2_000
DOUBT_FOR_MS = 1_000

KEPT = 4_096
"""So many updates are kept for the answer to a RECONNECT; nobody waits that long."""


class Follower:
    """Follows one session over any number of connections.

    ``held`` is ``None`` while there is nothing to show. ``live`` says whether this
    connection has been greeted, or what was asked when it was opened answered.
    ``on_shown`` is called with what is new, and the events that made it.
    """

    def __init__(self, on_shown: Callable[[Held | None, list[SessionEvent]], object]) -> None:
        self.held: Held | None = None
        self.live = False
        self._on_shown = on_shown
        self._greeted = False
        self._asked = False
        self._greeting_until_ms = -inf
        self._ask_again_at_ms = inf
        self._doubted_until_ms = inf
        self._doubted = NOWHERE
        self._kept: list[Message] = []
        self._pages: dict[tuple[Any, ...], dict[int, Message]] = {}
        self._told_version = 0
        self._told_timestamp = -inf

    @property
    def place(self) -> Place:
        """Which state is held."""
        return place_of(self.held)

    @property
    def due_at_ms(self) -> float:
        """When ``tick`` is wanted next."""
        return min(self._doubted_until_ms, self._ask_again_at_ms)

    def opened(self, now_ms: float) -> list[Message]:
        """There is a connection, and its greeting is on its way."""
        self.live = self._greeted = self._asked = False
        self._greeting_until_ms = self._ask_again_at_ms = now_ms + ANSWER_WITHIN_MS
        self._kept, self._pages = [], {}
        self._trust()
        return self._ask(now_ms) if self.held else []

    def lost(self) -> None:
        """The connection is gone."""
        self.live = False
        self._ask_again_at_ms = inf
        self._trust()

    def tick(self, now_ms: float) -> list[Message]:
        """Time has passed."""
        sent = self._ask(now_ms) if now_ms >= self._doubted_until_ms else []
        if now_ms >= self._ask_again_at_ms:
            self._ask_again_at_ms = inf
            if self._asked or not self._greeted:
                self._asked = False
                sent += self._ask(now_ms)
        return sent

    def take(self, message: Message, now_ms: float) -> list[Message]:
        """A message has come."""
        match message["type"]:
            case "CONNECTED":
                self._greeted = True
                if not self._asked:
                    self._ask_again_at_ms = inf
                    self.live = True
            case "STATE_SYNC":
                self._sync(message, now_ms)
            case "STATE_UPDATE":
                awaits_a_sync = self._asked or now_ms < self._greeting_until_ms
                if awaits_a_sync and len(self._kept) < KEPT:
                    self._kept.append(message)
                return self._update(message, now_ms)
            case "SESSION_DELETED":
                self._trust()
                self._answered()
                self._show(None)
            case "CURRENT":
                self._answered()
                self._compare(Place.told(message), now_ms)
            case "PONG":
                self._compare(Place.told(message), now_ms)
        return []

    # States

    def _update(self, update: Message, now_ms: float) -> list[Message]:
        held = self.held
        if held is None:
            if not update.get("partial"):
                self._show(as_held(update), update["events"])
            elif now_ms < self._greeting_until_ms:
                # The greeting will bring what it is to be merged into.
                self._doubt(as_held(update).place, now_ms)
            else:
                return self._ask(now_ms)
            return []
        if update["epoch"] != held.epoch:
            return self._ask(now_ms)
        if update["version"] <= held.version:
            # Later versions come later, unless a store that had fallen behind
            # has taken over and counts some of them once more.
            is_later = update["timestamp"] > held.timestamp
            return self._ask(now_ms, snapshot=True) if is_later else []
        shown = applied(held, update)
        if shown is None:
            return self._ask(now_ms)
        self._show(shown, update["events"])
        return []

    def _sync(self, message: Message, now_ms: float) -> None:
        synced = self._whole(message)
        if synced is None:
            return
        is_greeting = not self._asked and now_ms < self._greeting_until_ms
        # An update may have overtaken the greeting.
        is_ours = self.place.epoch == synced.epoch
        overtaken = is_greeting and is_ours and (self.place.version or 0) > synced.version
        if is_greeting:
            self._greeting_until_ms = -inf
        kept = self._kept
        self._answered()
        if not overtaken:
            self._show(synced)
        for update in sorted(kept, key=itemgetter("version")):
            base = self.held
            if base is None or update["epoch"] != base.epoch or update["version"] <= base.version:
                continue
            shown = applied(base, update)
            if shown is not None:
                self._show(shown, update["events"])

    def _whole(self, message: Message) -> Held | None:
        """What a message, or the page that was still missing, brings."""
        pages = message.get("pages", 1)
        if pages == 1:
            return as_held(message)
        answer = (message["epoch"], message["version"], message["timestamp"], pages)
        had = self._pages.setdefault(answer, {})
        had[message["page"]] = message
        if len(had) < pages:
            return None
        del self._pages[answer]
        return as_held(message, in_one([had[number]["state"] for number in sorted(had)]))

    def _show(self, held: Held | None, events: list[SessionEvent] | None = None) -> None:
        self.held = held
        if self._doubted.is_no_news_to(place_of(held)):
            self._trust()
        # What is applied once more, to the answer to a RECONNECT, is no news.
        is_news = held is not None and (
            held.version > self._told_version or held.timestamp > self._told_timestamp
        )
        if held is not None and is_news and events:
            self._told_version, self._told_timestamp = held.version, held.timestamp
        self._on_shown(held, events if events and is_news else [])

    # Doubts

    def _compare(self, told: Place, now_ms: float) -> None:
        if told == self.place:
            self._trust()
        else:
            self._doubt(told, now_ms)

    def _doubt(self, told: Place, now_ms: float) -> None:
        self._doubted_until_ms = min(self._doubted_until_ms, now_ms + DOUBT_FOR_MS)
        self._doubted = told

    def _trust(self) -> None:
        self._doubted, self._doubted_until_ms = NOWHERE, inf

    def _ask(self, now_ms: float, *, snapshot: bool = False) -> list[Message]:
        """RECONNECT, unless its answer is still awaited; for a snapshot naming nothing."""
        self._trust()
        if self._asked:
            return []
        self._asked, self._ask_again_at_ms = True, now_ms + ANSWER_WITHIN_MS
        self._kept = []
        named = {} if snapshot or self.held is None else self.held.place.named()
        return [{"type": "RECONNECT", **named}]

    def _answered(self) -> None:
        """Whether or not CONNECTED got lost: whatever answers is there."""
        self.live = self._greeted = True
        self._asked, self._kept = False, []
        self._ask_again_at_ms = inf
