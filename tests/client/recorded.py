"""What the server shows of the sessions of docs/clocks.md, for the clients' own tests.

Every example is played as its picture tells it. ``python -m tests.client.recorded``
prints, as JSON, two things a client must come to by itself: each view of one
version beside the first view of it, and each whole view beside the one before
and the partial update between them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic_core import to_json

from chalicelib.core.commands import apply
from chalicelib.core.cycles import deadline_ms
from chalicelib.core.session import Session, create
from chalicelib.core.setup import Setup
from chalicelib.core.view import changed_positions
from chalicelib.schemas.states import SessionState, session_state
from pictures.examples import DOCUMENT, pictures
from pictures.stories import STORIES, Story

EPOCH_MS = 1_767_225_600_000
GRID_MS = 700
WARN_AT_MS = (5_000, 2_000)


def recorded() -> dict[str, list[dict[str, Any]]]:
    """``later`` has views of one version, ``partials`` what changed between two."""
    later: list[dict[str, Any]] = []
    partials: list[dict[str, Any]] = []
    for shown in pictures(DOCUMENT.read_text()):
        held: tuple[Session, int, SessionState] | None = None
        setup = replace(shown.setup(), warn_at_ms=WARN_AT_MS)
        for session, now_ms in _played(setup, STORIES[shown.name]):
            state, name = session_state(session, now_ms), f"{shown.name} at {now_ms - EPOCH_MS}"
            if held is not None and held[0].version == session.version:
                _, since_ms, first = held
                later.append({"name": name, "state": first, "after": now_ms - since_ms})
                later[-1]["shows"] = state
                continue
            if held is not None:
                changed = changed_positions(held[0], session)
                partial = _of_changed(session_state(session, now_ms, changed))
                partials.append({"name": name, "held": held[2], "partial": partial, "is": state})
            held = session, now_ms, state
    return {"later": later, "partials": partials}


def _played(setup: Setup, story: Story) -> Iterator[tuple[Session, int]]:
    """The session whenever something happens, and often in between."""
    session, at_ms = create(setup, "", EPOCH_MS), 0
    while at_ms <= story.until_ms:
        now_ms = EPOCH_MS + at_ms
        yield session, now_ms
        for command in (None, *(one for when_ms, one in story.steps if when_ms == at_ms)):
            after = apply(session, command, now_ms).session
            if after is not session:
                session = after
                yield session, now_ms
        due_ms = (deadline_ms(session) or 0) - EPOCH_MS
        coming = [at_ms - at_ms % GRID_MS + GRID_MS, due_ms, *(when for when, _ in story.steps)]
        at_ms = min(one for one in coming if one > at_ms)


def _of_changed(state: SessionState) -> SessionState:
    """As a push leaves out the groups of those it leaves out."""
    if "groups" in state:
        shown = {one["group_id"] for one in state["participants"]}
        state["groups"] = [one for one in state["groups"] if one["group_id"] in shown]
    return state


if __name__ == "__main__":
    sys.stdout.buffer.write(to_json(recorded()))
