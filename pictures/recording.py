"""Plays a scenario, and records the clocks of its session over time.

Commands go through the core's ``apply``, values come from its ``clocks``. An instant at
which something changes has two frames: before and after the change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from string import ascii_uppercase
from typing import NamedTuple

from chalicelib.core.appointments import Appointments
from chalicelib.core.commands import apply
from chalicelib.core.events import Event
from chalicelib.core.rules import clocks, deadline_ms
from chalicelib.core.session import Session, Status, create
from chalicelib.core.setup import Setup
from chalicelib.core.view import Clocks, ParticipantView

from .scenarios import Scenario

GRID_MS = 500
"""Clocks are recorded twice a second, and whenever something happens."""


class Phase(StrEnum):
    """The state of the session in a frame, as a viewer sees it."""

    PENDING = "pending"
    RUNNING = "running"
    OVERTIME = "overtime"
    PAUSED = "paused"
    ENDED = "ended"


class Frame(NamedTuple):
    """The clocks at ``at_ms``, and the participants who take no part then."""

    at_ms: int
    status: Status
    clocks: Clocks
    withdrawn: frozenset[str]

    def participant(self, participant_id: str) -> ParticipantView | None:
        """A participant who takes part."""
        if participant_id in self.withdrawn:
            return None
        return next(
            (view for view in self.clocks.participants if view["participant_id"] == participant_id),
            None,
        )

    @property
    def active(self) -> ParticipantView | None:
        return next((view for view in self.clocks.participants if view["is_active"]), None)

    @property
    def phase(self) -> Phase:
        active = self.active
        if active is None:
            return Phase.PENDING if self.status is Status.PENDING else Phase.ENDED
        if self.status is Status.PAUSED:
            return Phase.PAUSED
        # Where all clocks run at once, the first one that is active may be in overtime.
        is_running = any(view["is_running"] for view in self.clocks.participants)
        return Phase.RUNNING if is_running else Phase.OVERTIME


@dataclass(frozen=True)
class Recording:
    """The frames and events of a session; ``setup`` is the last one, with all who have joined."""

    setup: Setup
    scenario: Scenario
    frames: tuple[Frame, ...]
    events: tuple[Event, ...]


def with_letter_ids(setup: Setup) -> Setup:
    """The setup with letters as ids: participants A, B, C in rotation order, groups X, Y, Z."""
    letters = {one.group_id: "XYZ"[position] for position, one in enumerate(setup.groups)}
    return replace(
        setup,
        participants=tuple(
            one._replace(
                participant_id=ascii_uppercase[position],
                group_id=letters.get(one.group_id or ""),
            )
            for position, one in enumerate(setup.participants)
        ),
        groups=tuple(one._replace(group_id=letters[one.group_id]) for one in setup.groups),
    )


def starting_at(setup: Setup, start_ms: int) -> Setup:
    """The setup with its appointments moved, so that it starts by itself at ``start_ms``."""
    starts_at_ms, ends_at_ms = setup.appointments
    if starts_at_ms is None:
        return setup
    ends_at_ms = None if ends_at_ms is None else ends_at_ms - starts_at_ms + start_ms
    return replace(setup, appointments=Appointments(start_ms, ends_at_ms))


def record(setup: Setup, scenario: Scenario) -> Recording:
    """Play ``scenario`` with a session of this setup.

    Raises:
        RuleError: A command of the scenario is rejected.
    """
    session = create(starting_at(with_letter_ids(setup), 0), "", scenario.since_ms)
    frames: list[Frame] = []
    events: list[Event] = []
    at_ms: int | None = scenario.since_ms
    while at_ms is not None:
        frames.append(_frame(session, at_ms))
        due = [command for when_ms, command in scenario.steps if when_ms == at_ms]
        for command in (None, *due):
            decision = apply(session, command, at_ms)
            if decision.refusal is not None:
                raise decision.refusal
            if decision.session is not session:
                session = decision.session
                frames.append(_frame(session, at_ms))
            events += decision.events
        at_ms = _next_instant(session, scenario, at_ms)
    return Recording(session.setup, scenario, tuple(frames), tuple(events))


def _next_instant(session: Session, scenario: Scenario, at_ms: int) -> int | None:
    coming = [
        at_ms - at_ms % GRID_MS + GRID_MS,
        deadline_ms(session),
        *(when_ms for when_ms, _ in scenario.steps),
    ]
    ahead = (one for one in coming if one is not None and at_ms < one <= scenario.until_ms)
    return min(ahead, default=None)


def _frame(session: Session, at_ms: int) -> Frame:
    return Frame(at_ms, session.status, clocks(session, at_ms), session.setup.withdrawn)
