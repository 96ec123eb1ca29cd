"""Properties of the core that hold for any setup, commands and delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.core.commands import Complete, Pause, Resume, apply
from chalicelib.core.events import (
    Event,
    ParticipantExpired,
    SessionEnded,
    SessionPaused,
    SessionReset,
    SessionResumed,
    SessionStarted,
    TimeoutsSkipped,
    TimeWarning,
)
from chalicelib.core.rules import changed_positions, clocks, deadline_ms, due_ms, settle
from chalicelib.core.session import ENDED, Session, Status, create
from chalicelib.core.setup import Setup, SyncMode, TimeoutAction, create_setup
from chalicelib.core.timeouts import MAX_LISTED_TIMEOUTS
from chalicelib.core.view import Clocks, ParticipantView
from tests.core.build import counted_on, stopped_views, without_appointments
from tests.core.scenarios import scenario_of
from tests.strategies import (
    EPOCH_MS,
    PLAY,
    TINY,
    TURNS,
    WIRE,
    Step,
    command_of,
    play,
    sessions,
    setups,
    steps,
    walks,
)

# A few milliseconds each, with many ties and exact deadlines; up to a day each; and gaps in which
# more cycles are skipped than are listed.
SMALL = st.tuples(setups(tiny=True), walks(tiny=True))
LARGE = st.tuples(setups(), walks())
ROUNDS = st.tuples(
    setups(
        modes=[SyncMode.PER_CYCLE, SyncMode.GLOBAL], actions=[TimeoutAction.SKIP_CYCLE], tiny=True
    ),
    walks(tiny=True, max_steps=4, wait=st.integers(2_000, 20_000)),
)
CASES = st.one_of(SMALL, SMALL, LARGE, ROUNDS)
TURN_CASES = st.one_of(
    st.tuples(setups(modes=TURNS, tiny=True), walks(tiny=True)),
    st.tuples(setups(modes=TURNS), walks()),
)
ANY = st.one_of(sessions(tiny=True), sessions())
GAPS = TINY.wait | WIRE.wait
Case = tuple[Setup, list[Step]]


def shown(session: Session, now_ms: int) -> list[ParticipantView]:
    return clocks(session, now_ms).participants


def readings(session: Session, now_ms: int) -> Clocks:
    """What the clocks show, without the instant at which the cycle began."""
    return clocks(session, now_ms)._replace(active_cycle=None)


def facts(session: Session) -> Session:
    """A session without version and ``updated_at_ms``."""
    return replace(session, version=0, updated_at_ms=0)


# What is shown


@given(CASES, GAPS)
def test_no_value_is_negative(case: Case, gap_ms: int) -> None:
    for played in play(*case):
        for now_ms in (played.now_ms, played.now_ms + gap_ms):
            settled, _ = settle(played.after, now_ms)
            view = clocks(settled, now_ms)
            for participant in view.participants:
                values = {k: v for k, v in participant.items() if type(v) is int}
                assert min(values.values()) >= 0, values
            assert all(group["time_remaining_ms"] >= 0 for group in view.groups)
            assert (view.session_remaining_ms or 0) >= 0


@given(CASES, GAPS, GAPS)
def test_running_clocks_fall_and_others_stand_still(
    case: Case, first_ms: int, second_ms: int
) -> None:
    for played in play(*case):
        session, earlier_ms = played.after, played.now_ms
        ends_ms = deadline_ms(session) or played.now_ms + first_ms + second_ms
        earlier_ms = min(played.now_ms + first_ms, ends_ms)
        later_ms = min(earlier_ms + second_ms, ends_ms)
        for before, after in zip(shown(session, earlier_ms), shown(session, later_ms), strict=True):
            if before["is_running"]:
                assert after["time_remaining_ms"] <= before["time_remaining_ms"]
            else:
                assert after["time_remaining_ms"] == before["time_remaining_ms"]


@given(CASES, GAPS, GAPS)
def test_client_countdown_matches_the_next_view(case: Case, first_ms: int, second_ms: int) -> None:
    for played in play(*case):
        session, mode = played.after, played.after.setup.sync_mode
        from_ms, since_ms = played.now_ms + first_ms, second_ms
        ends_ms = deadline_ms(session)
        if ends_ms is not None:
            from_ms = min(from_ms, ends_ms - 1)
            since_ms = min(since_ms, ends_ms - from_ms)
        later_ms, left_ms = from_ms + since_ms, list[int]()
        for view, later in zip(shown(session, from_ms), shown(session, later_ms), strict=True):
            expected = counted_on(dict(view), since_ms, mode)
            assert later["time_remaining_ms"] == expected["time_remaining_ms"]
            if mode is SyncMode.COUNT_UP:
                assert later["time_used_ms"] == expected["time_used_ms"]
            if view["is_running"]:
                left_ms.append(expected["time_remaining_ms"])
        if later_ms == deadline_ms(without_appointments(session)) and left_ms:
            # The others of a simultaneous session run out later.
            assert (min if mode is SyncMode.SIMULTANEOUS else max)(left_ms) == 0


# Settling


@given(ANY, GAPS)
def test_settle_is_idempotent(session: Session, gap_ms: int) -> None:
    now_ms = session.updated_at_ms + gap_ms
    settled, _ = settle(session, now_ms)
    again, events = settle(settled, now_ms)
    assert again is settled
    assert events == ()


@given(ANY, GAPS, GAPS)
def test_settling_in_between_does_not_matter(
    session: Session, first_ms: int, second_ms: int
) -> None:
    middle_ms = session.updated_at_ms + first_ms
    on_the_way, earlier = settle(session, middle_ms)
    twice, later = settle(on_the_way, middle_ms + second_ms)
    once, events = settle(session, middle_ms + second_ms)
    assert facts(twice) == facts(once)
    assert_equivalent(earlier + later, events)


@given(ANY, GAPS)
def test_settling_at_every_deadline_does_not_matter(session: Session, gap_ms: int) -> None:
    now_ms, stepwise = session.updated_at_ms + gap_ms, session
    stepwise_events: list[Event] = []
    for _ in range(MAX_LISTED_TIMEOUTS):
        next_ms = due_ms(stepwise)
        if next_ms is None or next_ms > now_ms:
            break
        stepwise, events = settle(stepwise, next_ms)
        assert {event.at_ms for event in events} == {next_ms}
        stepwise_events += events
    assume((due_ms(stepwise) or now_ms + 1) > now_ms)
    settled, events = settle(session, now_ms)
    assert facts(stepwise) == facts(settled)
    assert_equivalent(stepwise_events, events)


def assert_equivalent(some: Sequence[Event], others: Sequence[Event]) -> None:
    """Assert equality, except for how many timeouts are listed and how many counted.

    Cycles that began and ran out within one settling emit no warnings; the session clock emits all.
    """
    warned, others_warned = (
        {event for event in events if isinstance(event, TimeWarning)} for events in (some, others)
    )
    assert warned >= others_warned
    for event in warned - others_warned:
        assert timeouts_in(some) >= 2
        assert event.participant_id is not None
    assert timeouts_in(some) == timeouts_in(others)
    some, others = (
        [event for event in events if not isinstance(event, TimeWarning)]
        for events in (some, others)
    )
    for one, other in zip(some, others, strict=False):
        if isinstance(one, TimeoutsSkipped) or isinstance(other, TimeoutsSkipped):
            break
        assert one == other
    assert some[-1:] == others[-1:] or isinstance([*some, *others][-1], TimeoutsSkipped)


def timeouts_in(events: Sequence[Event]) -> int:
    listed = sum(isinstance(event, ParticipantExpired) for event in events)
    return listed + sum(event.count for event in events if isinstance(event, TimeoutsSkipped))


@given(CASES, st.lists(st.integers(0, 10), min_size=20, max_size=20))
def test_reads_do_not_affect_later_results(case: Case, tenths: list[int]) -> None:
    setup, walk = case
    session, before_ms = create(setup, "epoch", EPOCH_MS), EPOCH_MS
    for played, tenth in zip(play(setup, walk), tenths, strict=False):
        # A read in between, at any instant up to the command.
        look_ms = before_ms + (played.now_ms - before_ms) * tenth // 10
        session = apply(session, None, look_ms).session
        clocks(session, look_ms)
        decision = apply(session, played.command, played.now_ms)
        assert facts(decision.session) == facts(played.after)
        assert decision.expired_participant_id == played.decision.expired_participant_id
        assert type(decision.refusal) is type(played.decision.refusal)
        session, before_ms = decision.session, played.now_ms


@given(ANY, GAPS)
def test_settled_session_is_not_due_and_deadlines_advance(session: Session, gap_ms: int) -> None:
    now_ms = session.updated_at_ms + gap_ms
    settled, events = settle(session, now_ms)
    assert (due_ms(settled) or now_ms + 1) > now_ms
    assert (deadline_ms(settled) or now_ms + 1) > now_ms
    assert (settled is session) == (events == ())
    assert settled.updated_at_ms == (now_ms if events else session.updated_at_ms)
    assert (settled is session) == ((due_ms(session) or now_ms + 1) > now_ms)


@given(ANY, GAPS)
def test_events_are_ordered_and_the_end_is_last(session: Session, gap_ms: int) -> None:
    now_ms = session.updated_at_ms + gap_ms
    settled, events = settle(session, now_ms)
    instants = [event.at_ms for event in events]
    assert instants == sorted(instants)
    assert all(session.updated_at_ms < at_ms <= now_ms for at_ms in instants)
    if settled.status in ENDED and session.status not in ENDED:
        assert events[-1].type == "session_expired"
        assert events[-1].at_ms == settled.completed_at_ms


# Versions


@given(CASES)
def test_version_increments_exactly_when_facts_change(case: Case) -> None:
    for played in play(*case):
        if played.after is played.before:
            assert played.decision.events == ()
        else:
            assert played.after.version == played.before.version + 1
            assert played.after.updated_at_ms == played.now_ms
            assert played.decision.events != ()


@given(CASES)
def test_rejected_command_equals_a_read(case: Case) -> None:
    for played in play(*case):
        if played.decision.refusal is not None:
            read = apply(played.before, None, played.now_ms)
            assert (read.session, read.events) == (played.after, played.decision.events)


# Time


@given(CASES, GAPS, GAPS)
def test_pause_of_any_length_changes_no_value(case: Case, gap_ms: int, length_ms: int) -> None:
    for played in play(*case):
        paused_ms = played.now_ms + gap_ms
        resumed_ms = paused_ms + length_ms
        # An appointed end comes in a pause, too.
        running = without_appointments(settle(played.after, paused_ms)[0])
        if running.status is not Status.RUNNING:
            continue
        paused = apply(running, Pause(), paused_ms).session
        resumed = apply(paused, Resume(), resumed_ms).session
        assert readings(resumed, resumed_ms) == readings(running, paused_ms)
        assert stopped_views(shown(paused, resumed_ms)) == stopped_views(shown(running, paused_ms))
        ends_ms = deadline_ms(running)
        assert deadline_ms(resumed) == (None if ends_ms is None else ends_ms + length_ms)


@given(TURN_CASES)
def test_used_time_and_overtime_sum_to_running_time(case: Case) -> None:
    before_ms, since_ms = 0, None
    for played in play(*case):
        for event in played.decision.events:
            match event:
                case SessionStarted(at_ms) | SessionResumed(at_ms):
                    since_ms = at_ms
                case SessionPaused(at_ms) | SessionEnded(at_ms) if since_ms is not None:
                    before_ms, since_ms = before_ms + at_ms - since_ms, None
                case SessionReset():
                    before_ms, since_ms = 0, None
        elapsed_ms = before_ms + (0 if since_ms is None else played.now_ms - since_ms)
        views = shown(played.after, played.now_ms)
        assert sum(view["time_used_ms"] + view["overtime_ms"] for view in views) == elapsed_ms
        remaining_ms = clocks(played.after, played.now_ms).session_remaining_ms
        if remaining_ms is not None:
            assert remaining_ms == played.after.total_time_ms - elapsed_ms


@given(CASES, st.integers(-EPOCH_MS, EPOCH_MS))
def test_results_are_invariant_under_time_shift(case: Case, shift_ms: int) -> None:
    for now, then in zip(play(*case), play(*case, at_ms=EPOCH_MS + shift_ms), strict=True):
        assert then.now_ms == now.now_ms + shift_ms
        assert readings(then.after, then.now_ms) == readings(now.after, now.now_ms)
        assert [replace(event, at_ms=event.at_ms - shift_ms) for event in then.decision.events] == [
            *now.decision.events
        ]


# The end


@given(st.one_of(TURN_CASES, ROUNDS), GAPS)
def test_ended_session_keeps_its_last_readings(case: Case, later_ms: int) -> None:
    for played in play(*case):
        session = played.after
        ended_ms = session.completed_at_ms
        if ended_ms is None or played.before.status in ENDED:
            continue
        if any(event.type in OPERATED for event in played.decision.events):
            # The command changed the readings before it made the end due.
            continue
        last, _ = settle(played.before, played.now_ms)
        if last.status in ENDED:
            # A clock ended it: these are the readings in that millisecond.
            last, _ = settle(played.before, ended_ms - 1)
        assert last.status not in ENDED
        active = last.active_cycle.position if last.active_cycle else None
        at_the_end = shown(session, played.now_ms + later_ms)
        for position, (before, after) in enumerate(
            zip(shown(last, ended_ms), at_the_end, strict=True)
        ):
            expected = dict(stopped_views([before])[0])
            expected["cycle_count"] += position == active
            if after["has_expired"] and case[0].has_banks:
                expected = {k: 0 if k in FIGURES else v for k, v in expected.items()}
            assert {**expected, "has_expired": after["has_expired"]} == dict(after)
            assert after["has_expired"] or not before["has_expired"]
        assert clocks(session, ended_ms) == clocks(session, played.now_ms + later_ms)


OPERATED = {"time_adjusted", "switch_undone"}

FIGURES = {
    "time_remaining_ms",
    "delay_remaining_ms",
    "main_remaining_ms",
    "period_remaining_ms",
    "periods_left",
    "cycles_left",
}


@given(CASES, steps(verbs=[*PLAY, "adjust", "undo", "set_turn"]))
def test_ended_session_changes_only_by_reopen_and_reset(case: Case, step: Step) -> None:
    for played in play(*case):
        now_ms = played.now_ms + step.wait_ms
        ended = apply(played.after, Complete(), now_ms).session
        assert ended.status in ENDED
        assert apply(ended, command_of(step, ended), now_ms + 1).session is ended


# Events


@given(CASES)
def test_events_determine_status_active_and_times(case: Case) -> None:
    scenario = scenario_of(case[0])
    for played in play(*case):
        scenario.replay(played.decision.events)
        session = played.after
        assert scenario.status == session.status
        assert scenario.ended_at == session.completed_at_ms
        active = session.active_cycle
        assert scenario.active == (
            None if active is None else session.setup.participants[active.position].participant_id
        )
        assert scenario.used_at(played.now_ms) == {
            view["participant_id"]: (
                view["time_used_ms"],
                view["overtime_ms"],
                view["cycle_count"],
            )
            for view in shown(session, played.now_ms)
        }


@given(SMALL)
def test_every_timeout_event_has_participant_and_action(case: Case) -> None:
    for played in play(*case):
        # A command that makes a timeout due changes no action.
        setup = played.before.setup
        groups = {one.participant_id: one.group_id for one in setup.participants}
        for event in played.decision.events:
            if isinstance(event, ParticipantExpired):
                assert event.group_id == groups[event.participant_id]
                assert (event.action, event.data) == (setup.action_on_timeout, setup.action_data)


# Size


@given(
    setups(modes=[SyncMode.PER_CYCLE, SyncMode.GLOBAL], actions=[TimeoutAction.SKIP_CYCLE]),
    st.integers(0, 10**12),
)
def test_gap_of_any_length_yields_bounded_events(setup: Setup, gap_ms: int) -> None:
    *_, last = play(setup, [Step("start", 0), Step("read", gap_ms)])
    # The warnings of the session clock, the first cycle and the last one.
    warnings = 3 * len(setup.warn_at_ms)
    assert len(last.decision.events) <= 2 * MAX_LISTED_TIMEOUTS + 2 + warnings


# Order


@given(st.data(), CASES)
def test_request_order_does_not_matter_with_distinct_indexes(
    data: st.DataObject, case: Case
) -> None:
    setup, walk = case
    participants = [
        participant._replace(participant_index=position, bank_index=None)
        for position, participant in enumerate(setup.participants)
    ]
    groups = list(setup.groups) if setup.sync_mode is SyncMode.PER_GROUP else None
    straight = again(setup, participants, groups)
    shuffled = again(
        setup,
        data.draw(st.permutations(participants)),
        None if groups is None else data.draw(st.permutations(groups)),
    )
    for one, other in zip(play(straight, walk), play(shuffled, walk), strict=True):
        assert shown(one.after, one.now_ms) == shown(other.after, other.now_ms)
        assert one.decision.events == other.decision.events


def again(setup: Setup, participants: Any, groups: Any) -> Setup:
    return create_setup(
        session_id=setup.session_id,
        sync_mode=setup.sync_mode,
        participants=participants,
        total_time_ms=setup.total_time_ms,
        groups=groups,
        time_per_cycle_ms=setup.time_per_cycle_ms,
        increment_ms=setup.increment_ms,
        max_time_ms=setup.max_time_ms,
        time_control=setup.time_control,
        action_on_timeout=setup.action_on_timeout,
        action_data=setup.action_data,
        metadata=setup.metadata,
        own_controls={
            participant.participant_id: control
            for participant, control in zip(setup.participants, setup.own_controls, strict=False)
            if control is not None
        },
    )


# Differences between versions


@given(TURN_CASES)
def test_unchanged_participants_show_the_same_or_their_shared_clock(case: Case) -> None:
    before_ms = EPOCH_MS
    for played in play(*case):
        changed, setup = set(changed_positions(played.before, played.after)), played.after.setup
        old = {view["participant_id"]: view for view in shown(played.before, before_ms)}
        new = shown(played.after, played.now_ms)
        for position, has in enumerate(new):
            if position not in changed:
                had = old[has["participant_id"]]
                assert without_shared(has) == without_shared(had)
                like = [new[other] for other in sorted(changed) if shares(setup, position, other)]
                assert shared(has, setup) == shared(like[0] if like else had, setup)
        before_ms = played.now_ms


def shares(setup: Setup, position: int, other: int) -> bool:
    if setup.sync_mode is SyncMode.GLOBAL:
        return True
    bank = setup.participants[position].bank_index
    return bank is not None and bank == setup.participants[other].bank_index


SHARED = {*FIGURES, "is_running", "has_expired"}


def without_shared(view: ParticipantView) -> dict[str, Any]:
    return {k: v for k, v in view.items() if k not in SHARED}


def shared(view: ParticipantView, setup: Setup) -> dict[str, Any]:
    # In global all participants share the clock, but only the active one expires.
    own = {"has_expired"} if setup.sync_mode is SyncMode.GLOBAL else set()
    return {k: v for k, v in view.items() if k in SHARED - own}
