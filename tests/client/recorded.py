"""Recordings of what the server shows, which the tests of both clients compare their results with.

Plays every example of docs/clocks.md as its picture does. ``python -m tests.client.recorded``
prints as JSON: ``later``, pairs of states of one version at two instants; ``partials``, pairs of
successive whole states and the partial update between them; and ``changes``, of simultaneous, a
snapshot, the update that tells only what changed, and the whole state after it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from chalicelib.core.commands import Join, UpdateParticipant, Withdraw, apply
from chalicelib.core.participants import Joiner
from chalicelib.core.rules import changed_positions, deadline_ms
from chalicelib.core.session import Session, create
from chalicelib.core.setup import Setup, SyncMode
from chalicelib.schemas.participant_changes import participant_changes
from chalicelib.schemas.states import SessionState, iso, session_state
from pictures.examples import DOCUMENT, pictures
from pictures.recording import starting_at, with_letter_ids
from pictures.scenarios import SCENARIOS, Scenario

EPOCH_MS = 1_767_225_600_000
GRID_MS = 700
JOINS = "6f0e1d9c-5a2b-4c7d-8e3f-0000000000ff"
WARN_AT_MS = (5_000, 2_000)


def recorded() -> dict[str, list[dict[str, Any]]]:
    """The recordings; see the module's docstring."""
    later: list[dict[str, Any]] = []
    partials: list[dict[str, Any]] = []
    changes: list[dict[str, Any]] = []
    for name_of_one, setup, scenario in _examples():
        first: tuple[Session, int, SessionState] | None = None
        for session, now_ms in _played(setup, scenario):
            state, name = session_state(session, now_ms), f"{name_of_one} at {now_ms - EPOCH_MS}"
            if first is not None and first[0].version == session.version:
                _, since_ms, state_before = first
                elapsed_ms = now_ms - since_ms
                later.append({"name": name, "state": state_before, "elapsed_ms": elapsed_ms})
                later[-1]["expected"] = state
                continue
            if first is not None:
                changed, before = changed_positions(first[0], session), first[2]
                update = update_of_changes(first[0], session, now_ms)
                if update is not None:
                    snapshot = {"epoch": "", "version": first[0].version, "timestamp": first[1]}
                    changes.append({"name": name, "update": update, "after": state})
                    changes[-1]["snapshot"] = {**snapshot, "state": before}
                if setup.sync_mode is SyncMode.SIMULTANEOUS:
                    # Those who are not in the update go on from when they were sent.
                    before = session_state(first[0], now_ms)
                partial = _without_other_groups(session_state(session, now_ms, changed))
                partials.append(
                    {"name": name, "before": before, "partial": partial, "after": state}
                )
            first = session, now_ms, state
    return {"later": later, "partials": partials, "changes": changes}


def update_of_changes(before: Session, after: Session, now_ms: int) -> dict[str, Any] | None:
    """An update that tells only what changed; ``None`` in modes that have none."""
    changed = changed_positions(before, after)
    shown = session_state(after, now_ms, changed)["participants"]
    changes = participant_changes(before, after, now_ms, changed, shown)
    if changes is None:
        return None
    return {
        "type": "STATE_UPDATE",
        "timestamp": now_ms,
        "epoch": "",
        "version": after.version,
        "state": session_state(after, now_ms, ()),
        "partial": True,
        "baseVersion": before.version,
        "baseUpdatedAt": iso(before.updated_at_ms),
        "participantChanges": changes,
    }


def _examples() -> Iterator[tuple[str, Setup, Scenario]]:
    """Every picture's session, as it is and with participants who come and go."""
    for shown in pictures(DOCUMENT.read_text()):
        setup = replace(with_letter_ids(shown.setup()), warn_at_ms=WARN_AT_MS)
        setup, scenario = starting_at(setup, EPOCH_MS), SCENARIOS[shown.name]
        yield shown.name, setup, scenario
        first, *_, last = setup.participants
        joiner = Joiner(JOINS, 0, 5_000, first.group_id, name="Joins")
        more = (
            (1_000, Join(joiner)),
            (3_000, Withdraw(first.participant_id)),
            (4_000, UpdateParticipant(last.participant_id, {"name": "Last"})),
            (6_000, Withdraw(JOINS)),
        )
        steps = tuple(sorted([*scenario.steps, *more], key=lambda step: step[0]))
        yield f"{shown.name} with joins", setup, replace(scenario, steps=steps)


def _played(setup: Setup, scenario: Scenario) -> Iterator[tuple[Session, int]]:
    """The session at every change, and at short intervals in between."""
    at_ms = scenario.since_ms
    session = create(setup, "", EPOCH_MS + at_ms)
    while at_ms <= scenario.until_ms:
        now_ms = EPOCH_MS + at_ms
        yield session, now_ms
        for command in (None, *(one for when_ms, one in scenario.steps if when_ms == at_ms)):
            after = apply(session, command, now_ms).session
            if after is not session:
                session = after
                yield session, now_ms
        due_ms = (deadline_ms(session) or 0) - EPOCH_MS
        coming = [at_ms - at_ms % GRID_MS + GRID_MS, due_ms, *(when for when, _ in scenario.steps)]
        at_ms = min(one for one in coming if one > at_ms)


def _without_other_groups(state: SessionState) -> SessionState:
    """The state as a partial update has it: without the groups of participants it leaves out."""
    if "groups" in state:
        shown = {one.get("group_id") for one in state["participants"]}
        state["groups"] = [one for one in state["groups"] if one["group_id"] in shown]
    return state


if __name__ == "__main__":
    sys.stdout.buffer.write(to_json(recorded()))
