"""The worked examples in vectors/clocks.json, from request body to readings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.core.commands import Command, Complete, Pause, Resume, Start, Switch, apply
from chalicelib.core.rules import clocks
from chalicelib.core.session import Session, create
from chalicelib.schemas.requests import CreateSession

CASES = json.loads((Path(__file__).parent / "vectors" / "clocks.json").read_bytes())
COMMANDS: dict[str, type[Command]] = {
    "start": Start,
    "switch": Switch,
    "pause": Pause,
    "resume": Resume,
    "complete": Complete,
}


def test_every_mode_occurs_among_the_examples() -> None:
    assert len(CASES) == 80
    assert len({case["create"]["sync_mode"] for case in CASES}) == 5


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_worked_example(case: dict[str, Any]) -> None:
    setup = CreateSession.model_validate_json(json.dumps(case["create"])).setup()
    session = create(setup, "epoch", case["steps"][0]["at"])
    for step in case["steps"]:
        name, at_ms = step["command"], step["at"]
        command = None if name == "get" else COMMANDS[name](**step.get("args", {}))
        decision = apply(session, command, at_ms)
        session = decision.session
        where = f"{name} at {at_ms}"
        refused = decision.refusal.code if decision.refusal else None
        assert refused == step.get("refused"), where
        assert decision.expired_participant_id == step.get("expired_participant_id"), where
        assert _shown(session, at_ms, step["view"]["participants"]) == step["view"], where


def _shown(session: Session, at_ms: int, wanted: dict[str, dict[str, object]]) -> dict[str, Any]:
    """What a read shows, as far as the example says what it wants to see."""
    active = session.active_cycle
    participants = session.setup.participants
    views: dict[str, dict[str, Any]] = {
        view["participant_id"]: dict(view) for view in clocks(session, at_ms).participants
    }
    return {
        "status": session.status.value,
        "active_participant_id": participants[active.position].participant_id if active else None,
        "session_completed_at": session.completed_at_ms,
        "participants": {
            participant_id: {name: view[name] for name in wanted[participant_id]}
            for participant_id, view in views.items()
        },
    }
