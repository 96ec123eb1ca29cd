"""The core matches the millisecond model for any commands and delays."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given, settings

from chalicelib.core.commands import Decision
from chalicelib.core.events import Event, SessionUpdated, TimeoutsSkipped
from chalicelib.core.rules import clocks, due_ms
from chalicelib.core.session import Session, create
from chalicelib.core.setup import Setup, SyncMode, TimeoutAction
from chalicelib.core.timeouts import MAX_LISTED_TIMEOUTS
from tests.core.model import Model
from tests.core.simultaneous_model import SimultaneousModel
from tests.strategies import EPOCH_MS, TURNS, Step, play, setups, walks

LOOKAHEAD_MS = 150
ROUNDS = [SyncMode.PER_CYCLE, SyncMode.GLOBAL]


def model_of(setup: Setup) -> Model | SimultaneousModel:
    is_simultaneous = setup.sync_mode is SyncMode.SIMULTANEOUS
    return (SimultaneousModel if is_simultaneous else Model)(setup, EPOCH_MS)


@settings(max_examples=3 * settings().max_examples)
@given(setups(modes=TURNS, tiny=True), walks(tiny=True))
def test_rotation_matches_a_millisecond_model(setup: Setup, walk: list[Step]) -> None:
    same_as_the_model(setup, walk)


@settings(max_examples=2 * settings().max_examples)
@given(setups(modes=[SyncMode.SIMULTANEOUS], tiny=True), walks(tiny=True))
def test_simultaneous_clocks_match_a_millisecond_model(setup: Setup, walk: list[Step]) -> None:
    same_as_the_model(setup, walk)


def same_as_the_model(setup: Setup, walk: list[Step]) -> None:
    model = model_of(setup)
    for played in play(setup, walk):
        logged = len(model.log)
        model.advance(played.now_ms)
        refused, expired_id = model.carry_out(played.command)
        _same_answer(played.decision, refused, expired_id)
        _same_clocks(played.after, played.now_ms, model)
        _same_events(played.decision.events, model.log[logged:])


@given(setups(tiny=True), walks(tiny=True, max_steps=6))
def test_events_are_at_the_exact_millisecond(setup: Setup, walk: list[Step]) -> None:
    session, now_ms = create(setup, "epoch", EPOCH_MS), EPOCH_MS
    model = model_of(setup)
    for played in play(setup, walk):
        session, now_ms = played.after, played.now_ms
        model.advance(now_ms)
        model.carry_out(played.command)
    future, logged = deepcopy(model), len(model.log)
    while future.now < now_ms + LOOKAHEAD_MS and len(future.log) == logged:
        future.advance(future.now + 1)
    due = due_ms(session)
    if len(future.log) > logged:
        assert due == future.log[logged][0]
    else:
        assert due is None or due > future.now


def _same_answer(decision: Decision, refused: str | None, expired_id: str | None) -> None:
    assert (decision.refusal.code if decision.refusal else None) == refused
    assert decision.expired_participant_id == expired_id


def _same_clocks(session: Session, now_ms: int, model: Model | SimultaneousModel) -> None:
    assert session.status == model.status
    assert session.completed_at_ms == model.completed_at
    shown = clocks(session, now_ms)
    assert [view["participant_id"] for view in shown.participants] == list(model.shown())
    for view in shown.participants:
        readings = {
            k: v for k, v in view.items() if k not in ("participant_id", "participant_index")
        }
        assert readings == model.shown()[view["participant_id"]]
    assert shown.groups == model.groups()
    setup = session.setup
    assert setup.withdrawn == model.withdrawn
    ids = [one.participant_id for one in setup.participants]
    assert {one: name for one, name in zip(ids, setup.names, strict=False) if name} == model.names
    has_session_clock = isinstance(model, Model) and model.mode is SyncMode.GLOBAL
    assert (shown.session_remaining_ms is not None) == has_session_clock
    if isinstance(model, Model) and has_session_clock:
        assert shown.session_remaining_ms == model.session_left


def _same_events(events: tuple[Event, ...], log: list[tuple[int, str, str | None]]) -> None:
    # An update by itself is of no clock.
    events = tuple(event for event in events if not isinstance(event, SessionUpdated))
    operated = [at for at, event in enumerate(events) if event.type in OPERATED]
    if operated and events[operated[0]] is not events[-1]:
        # What the command makes due is settled by itself.
        (at,) = [at for at, (_, kind, _) in enumerate(log) if kind in OPERATED]
        _same_events(events[operated[0] + 1 :], log[at + 1 :])
        events, log = events[: operated[0] + 1], log[: at + 1]
    emitted = [
        (event.at_ms, event.type, _who(event))
        for event in events
        if not isinstance(event, TimeoutsSkipped)
    ]
    log = _in_time(log)
    if not any(isinstance(event, TimeoutsSkipped) for event in events):
        assert emitted == log
        return
    assert [one for one in emitted if _warns(one)] == [one for one in log if _warns(one)]
    emitted, log = ([one for one in lines if not _warns(one)] for lines in (emitted, log))
    skipped = [event for event in events if isinstance(event, TimeoutsSkipped)]
    timeouts = sum(kind == "participant_expired" for _, kind, _ in log)
    assert sum(event.count for event in skipped) == max(0, timeouts - MAX_LISTED_TIMEOUTS)
    assert len(skipped) == 1
    listed = [kind for _, kind, _ in emitted].index("participant_expired")
    assert emitted[: listed + 2 * MAX_LISTED_TIMEOUTS] == log[: listed + 2 * MAX_LISTED_TIMEOUTS]
    last_skip = max(at for at, kind, _ in log if kind == "participant_expired")
    assert skipped[0].at_ms == last_skip


OPERATED = ("time_adjusted", "switch_undone", "participant_updated")


def _in_time(log: list[tuple[int, str, str | None]]) -> list[tuple[int, str, str | None]]:
    """Without the warnings of cycles that both began and ran out within the log."""
    skips = [
        at
        for at, (instant, kind, _) in enumerate(log)
        if kind == "cycle_switched" and log[at - 1][:2] == (instant, "participant_expired")
    ]
    if not skips:
        return log
    ran_out = ("participant_expired", "session_expired")
    last = max([skips[-1], *(at for at, (_, kind, _) in enumerate(log) if kind in ran_out)])
    return [
        line
        for at, line in enumerate(log)
        if not _warns(line) or line[2] is None or at < skips[0] or at > last
    ]


def _warns(line: tuple[int, str, str | None]) -> bool:
    return line[1] == "time_warning"


def _who(event: Event) -> str | None:
    for name in ("active_participant_id", "participant_id", "previous_participant_id"):
        if (participant_id := getattr(event, name, None)) is not None:
            return str(participant_id)
    return None


@given(setups(modes=ROUNDS, actions=[TimeoutAction.SKIP_CYCLE], tiny=True))
def test_long_gaps_of_skipped_cycles_match_the_model(setup: Setup) -> None:
    model = model_of(setup)
    for played in play(setup, [Step("start", 0), Step("read", 4_321), Step("read", 1_234)]):
        logged = len(model.log)
        model.advance(played.now_ms)
        model.carry_out(played.command)
        _same_clocks(played.after, played.now_ms, model)
        _same_events(played.decision.events, model.log[logged:])
