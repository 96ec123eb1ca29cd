"""Whatever is lost, late or out of order, one heartbeat that gets through puts it right.

The service in memory, a client that keeps to ``docs/protocol.md``, and between
them a network of which Hypothesis disposes. Time passes only when a test says so, so
this says exactly how long it may take: until the client's next heartbeat, and
the second for which the contract lets a difference stand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from math import ceil, inf
from operator import methodcaller

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tickless
from chalicelib.core.commands import (
    Adjust,
    Command,
    Complete,
    Finish,
    Join,
    Pause,
    Reopen,
    Reset,
    Resume,
    SetTurn,
    Start,
    Switch,
    Undo,
    UpdateParticipant,
    Withdraw,
)
from chalicelib.core.errors import RuleError, SessionExists, SessionNotFound
from chalicelib.core.participants import Joiner
from chalicelib.core.setup import Group, Participant, Setup, SyncMode, TimeoutAction, create_setup
from chalicelib.ports import HeartbeatPolicy
from tests.e2e.instances import Answer
from tests.e2e.sessions import agrees
from tests.fakes import FakeRegistry
from tests.strategies import uuid
from tickless import ClientTimeouts
from tickless.session_protocol import Callbacks, SessionProtocol
from tickless.state_sync import MISMATCH_GRACE_MS
from tickless.wire_types import Message

from .conftest import Room, a_room

SESSION = uuid(0)
PACE = ClientTimeouts(
    heartbeat_ms=HeartbeatPolicy().heartbeat_ms, clock_samples=0, claim_delay_ms=inf
)
"""Only heartbeats trigger a settle."""

TOO_MANY_FOR_ONE_MESSAGE = 170


def a_setup(mode: SyncMode, participants: int, bank_ms: int) -> Setup:
    grouped = mode is SyncMode.PER_GROUP
    groups = [Group(uuid(900 + number), bank_ms) for number in range(2)] if grouped else []
    return create_setup(
        session_id=SESSION,
        sync_mode=mode,
        participants=[
            Participant(uuid(1 + at), at, bank_ms, groups[at % 2].group_id if grouped else None)
            for at in range(participants)
        ],
        groups=groups or None,
        total_time_ms=bank_ms * participants,
        time_per_cycle_ms=bank_ms if mode in (SyncMode.PER_CYCLE, SyncMode.GLOBAL) else None,
        action_on_timeout=TimeoutAction.SKIP_CYCLE,
    )


class Fate(Enum):
    ARRIVES = "in its order"
    BACKWARDS = "the last one first"
    NEXT_TO_LAST_LOST = "all but one"
    LOST = "nothing arrives"
    STILL_UNDER_WAY = "later"


class World:
    """A service, a client, and what is on its way from the one to the other."""

    def __init__(self, setup: Setup) -> None:
        self._room: Room = a_room()
        self._setup = setup
        clock = self._room.store
        here = tickless.Environment(
            now=lambda: clock.clock_ms, wall_clock=lambda: clock.clock_ms, random=lambda: 0.5
        )
        self._talk = SessionProtocol(here, PACE, Callbacks())
        self._connections = 0
        self._loses_nothing = False
        self.replicate()
        self.create()
        self.command(Start())
        self.connect()

    # The service

    def create(self) -> None:
        with suppress(SessionExists):
            self._room.engine.create_session(self._setup)

    def command(self, command: Command) -> None:
        with suppress(RuleError, SessionNotFound):
            self._room.engine.execute(SESSION, command)

    def delete(self) -> None:
        self._room.engine.delete_session(SESSION)

    def replicate(self) -> None:
        """The replica gets as far as the primary is."""
        self._replica = self._room.store.copied(), FakeRegistry(self._room.store)
        self._replica[1].become(self._room.registry)

    def fail_over(self) -> None:
        """The replica takes over, however far behind it is."""
        store, registry = self._replica
        self._room.store.become(store)
        self._room.registry.become(registry)
        # Not even a failover is over at the instant at which it began.
        self.wait(1)

    def make_in_vain(self, command: Command) -> None:
        """A version that is broadcast but on no replica."""
        self.suffer(Fate.ARRIVES)
        self.replicate()
        self.command(command)
        self.suffer(Fate.ARRIVES)
        self.fail_over()

    def get(self) -> Answer:
        try:
            outcome = self._room.engine.get_current_state(SESSION)
        except SessionNotFound:
            return Answer(404, None)
        return Answer(200, {"data": outcome.state, "timestamp": outcome.now_ms})

    # The network

    @property
    def under_way(self) -> list[bytes]:
        return self._room.api.sent.setdefault(self._name, [])

    def suffer(self, fate: Fate) -> None:
        """The fate of all messages in flight, and of the responses to them."""
        while self.under_way and fate is not Fate.STILL_UNDER_WAY:
            if fate is Fate.LOST:
                self.under_way.clear()
            elif fate is Fate.NEXT_TO_LAST_LOST and len(self.under_way) == 2:
                self.under_way.pop(0)
            else:
                message = self.under_way.pop(-1 if fate is Fate.BACKWARDS else 0)
                self._say(self._talk.receive(message))

    # The client

    def connect(self) -> None:
        """Open a connection; one that was there has broken."""
        if self._connections:
            self._talk.connection_lost()
        self._connections += 1
        assert self._room.connect(self._name, SESSION) == 200
        self._room.send_welcome()
        self._say(self._talk.connection_opened())

    def wait(self, ms: int) -> None:
        """Let time pass, in which the client does what falls due."""
        until_ms = self._room.store.clock_ms + ms
        while self._talk.due_at_ms <= until_ms:
            self._room.store.clock_ms = max(self._room.store.clock_ms, ceil(self._talk.due_at_ms))
            if self._talk.is_dead:
                self.connect()
            else:
                self._say(self._talk.tick())
            if self._loses_nothing:
                self.suffer(Fate.ARRIVES)
        self._room.store.clock_ms = until_ms

    def a_heartbeat(self) -> None:
        """All that is said gets through, until a heartbeat has had its effect."""
        self._loses_nothing = True
        self.suffer(Fate.ARRIVES)
        self.wait(round(PACE.heartbeat_ms) + MISMATCH_GRACE_MS)

    def shows_what_get_does(self) -> bool:
        answer = self.get()
        # A timeout that was due is broadcast when it is settled.
        self.suffer(Fate.ARRIVES)
        return agrees(self._talk.snapshot, answer)

    @property
    def _name(self) -> str:
        return f"c{self._connections}"

    def _say(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._room.sockets.message(self._room.event(self._name, body=json.dumps(message)))
        if self._name in self._room.api.closed:
            self.connect()


COMMANDS: list[Command] = [
    Start(),
    Switch(),
    Switch(),
    Pause(),
    Resume(),
    Undo(),
    Finish(uuid(1)),
    Start(uuid(2)),
    Pause(participant_id=uuid(2)),
    Resume(uuid(2)),
    SetTurn(uuid(1)),
    Complete(),
    Reopen(),
    Reset(),
    Adjust(-300, participant_id=uuid(1)),
    Join(Joiner(uuid(0xBEEF), 0, 5_000, name="Zoe")),
    Join(Joiner(uuid(0xFEED), None, 5_000)),
    UpdateParticipant(uuid(1), {"name": "Anna"}),
    Withdraw(uuid(1)),
    Withdraw(uuid(0xBEEF)),
]
WAITS_MS = (1, 300, 1_000, 2_500, 31_000)

Event = Callable[[World], object]

EVENTS: list[Event] = [
    *(methodcaller("command", command) for command in COMMANDS),
    *(methodcaller("make_in_vain", command) for command in COMMANDS),
    *(methodcaller("wait", ms) for ms in WAITS_MS),
    *map(methodcaller, ("create", "delete", "connect", "replicate", "fail_over")),
]


@pytest.mark.parametrize("participants", [2, TOO_MANY_FOR_ONE_MESSAGE])
@given(
    mode=st.sampled_from(SyncMode),
    bank_ms=st.sampled_from([1_000, 3_600_000]),
    story=st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from(Fate)), max_size=25),
    end=st.sampled_from(Fate),
)
@settings(max_examples=400)
def test_one_successful_heartbeat_shows_what_get_returns(
    participants: int,
    mode: SyncMode,
    bank_ms: int,
    story: Sequence[tuple[Event, Fate]],
    end: Fate,
) -> None:
    world = World(a_setup(mode, participants, bank_ms))
    for event, fate in story:
        event(world)
        world.suffer(fate)
    world.suffer(end)
    world.a_heartbeat()
    assert world.shows_what_get_does()


@pytest.mark.parametrize(
    ("participants", "fates"),
    [
        # The other version 3 is not broadcast.
        (2, [Fate.LOST]),
        # It is not broadcast, and later changes are.
        (TOO_MANY_FOR_ONE_MESSAGE, [Fate.LOST, Fate.ARRIVES]),
    ],
)
def test_lost_and_recreated_version_is_told_apart(participants: int, fates: Sequence[Fate]) -> None:
    world = World(a_setup(SyncMode.PER_PARTICIPANT, participants, 3_600_000))
    world.make_in_vain(Switch())
    for fate in fates:
        world.wait(300)
        world.command(Switch())
        world.suffer(fate)
    world.a_heartbeat()
    assert world.shows_what_get_does()
