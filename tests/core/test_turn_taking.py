"""Whose turn a participant may end or begin, as ``turn_taking`` says; hosts may do both."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.core.commands import Switch
from chalicelib.core.errors import StaleCycle, TurnForbidden, TurnTaken
from chalicelib.core.setup import SyncMode, TurnTaking
from tests.core.build import COUNT_UP, GLOBAL, PER_CYCLE, PER_GROUP, PER_PARTICIPANT, Game, started

MODES = [PER_PARTICIPANT, PER_GROUP, PER_CYCLE, GLOBAL, COUNT_UP]
TRIO = ["x.a", "y.b", "z.c"]


def a_game(turn_taking: TurnTaking, mode: SyncMode = PER_PARTICIPANT, **fields: Any) -> Game:
    """A game in which a is active at 0."""
    return started(mode, TRIO, turn_taking=turn_taking, **fields)


def ask(
    game: Game, at_ms: int, name: str, to: str | None = None, current: str | None = None
) -> Any:
    """What participant ``name`` gets: the error, or None."""
    return game.apply_command(at_ms, Switch(to, current, name)).refusal


def test_turns_are_given_by_default() -> None:
    assert started(PER_PARTICIPANT).session.setup.turn_taking is TurnTaking.GIVE


@pytest.mark.parametrize("mode", MODES)
def test_taking_makes_the_turn_their_own_whoever_has_it(mode: SyncMode) -> None:
    game = a_game(TurnTaking.TAKE, mode)
    assert ask(game, 1_000, "c") is None
    assert (game.active, [event.type for event in game.events]) == ("c", ["cycle_switched"])
    assert ask(game, 2_000, "b", to="b") is None
    assert game.active == "b"
    assert ask(game, 3_000, "a", current="b") is None
    assert game.active == "a"
    assert game.used(3_000) == {"a": 1_000, "b": 1_000, "c": 1_000}


def test_taking_the_own_turn_is_stale() -> None:
    game = a_game(TurnTaking.TAKE)
    for to, current in ((None, None), ("a", None), (None, "a"), ("a", "a")):
        refusal = ask(game, 1_000, "a", to, current)
        assert isinstance(refusal, TurnTaken)
        assert (refusal.code, str(refusal)) == (
            "STALE_CYCLE",
            "The turn is already that of participant a",
        )
    assert game.session.version == 2


def test_taking_from_another_than_the_active_one_is_stale() -> None:
    game = a_game(TurnTaking.TAKE)
    refusal = ask(game, 1_000, "c", current="b")
    assert isinstance(refusal, StaleCycle)
    assert (refusal.expected_id, refusal.active_id) == ("b", "a")
    # Before whether it is their own.
    refusal = ask(game, 1_000, "a", current="b")
    assert (refusal.expected_id, refusal.active_id) == ("b", "a")
    assert not isinstance(refusal, TurnTaken)


@pytest.mark.parametrize("name", "abc")
def test_taking_for_another_is_forbidden(name: str) -> None:
    game = a_game(TurnTaking.TAKE)
    for to in set("abc") - {name}:
        refusal = ask(game, 1_000, name, to)
        assert isinstance(refusal, TurnForbidden)
        assert (refusal.code, str(refusal)) == (
            "FORBIDDEN",
            "The token does not allow this request",
        )


def test_a_turn_cannot_be_taken_without_time_or_while_nothing_runs() -> None:
    game = a_game(TurnTaking.TAKE)
    game.switch(10_000)
    assert ask(game, 11_000, "a").code == "PARTICIPANT_EXPIRED"
    assert ask(game, 11_000, "stranger").code == "VALIDATION_ERROR"
    game.pause(12_000)
    assert ask(game, 12_000, "c").code == "INVALID_STATE_TRANSITION"
    assert ask(game, 12_000, "b").code == "INVALID_STATE_TRANSITION"
    assert ask(game, 12_000, "b", to="c").code == "FORBIDDEN"


def test_taken_turn_can_be_undone() -> None:
    game = a_game(TurnTaking.TAKE)
    assert ask(game, 1_000, "c") is None
    assert game.undo(2_000).active == "a"
    assert game.used(2_000) == {"a": 2_000, "b": 0, "c": 0}


def test_giving_ends_their_own_turn_only() -> None:
    game = a_game(TurnTaking.GIVE)
    assert ask(game, 1_000, "b").code == "STALE_CYCLE"
    assert ask(game, 1_000, "b", to="b").code == "STALE_CYCLE"
    assert ask(game, 1_000, "b", current="b").code == "STALE_CYCLE"
    assert ask(game, 1_000, "b", current="a").code == "FORBIDDEN"
    assert ask(game, 1_000, "a", to="c", current="a") is None
    assert game.active == "c"
    assert ask(game, 2_000, "c") is None
    assert game.active == "a"


@pytest.mark.parametrize("turn_taking", TurnTaking)
def test_hosts_switch_as_they_like(turn_taking: TurnTaking) -> None:
    game = (
        a_game(turn_taking).switch(1_000).switch(2_000, to="a", current="b").switch(3_000, to="a")
    )
    assert game.active == "a"
    assert game.switch(4_000).active == "b"
