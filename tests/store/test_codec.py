"""Encoding round trips, and invalid data is rejected by name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.core.clock_blocks import BLOCK_SIZE, Clock, ClockState
from chalicelib.core.commands import (
    Adjust,
    Command,
    Complete,
    Finish,
    Pause,
    Reopen,
    Reset,
    Resume,
    Start,
    Switch,
    Undo,
    Update,
    apply,
)
from chalicelib.core.errors import InvalidSetup
from chalicelib.core.events import (
    CycleSwitched,
    ParticipantExpired,
    SessionCompleted,
    SessionCreated,
    SessionStarted,
    TimeoutsSkipped,
)
from chalicelib.core.session import Rotation, Session, Simultaneous, Tally, create
from chalicelib.core.setup import (
    Group,
    Participant,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
    create_setup,
)
from chalicelib.core.time_controls import (
    Bank,
    Bronstein,
    Byoyomi,
    Canadian,
    Delay,
    Fischer,
    Hourglass,
    Stage,
    Stages,
    TimeControl,
)
from chalicelib.store import codec
from tests.core import build
from tests.strategies import patches, sessions

from .sessions import a_setup

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
lengths_ms = st.integers(1_000, 31 * 86_400_000)
jsons = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(texts, children, max_size=3),
    max_leaves=10,
)
delays_ms = st.integers(1, 600_000)
controls: st.SearchStrategy[TimeControl] = st.one_of(
    st.builds(Fischer, st.integers(0, 60_000), st.none() | lengths_ms),
    st.builds(Delay, delays_ms),
    st.builds(Bronstein, delays_ms),
    st.builds(Byoyomi, st.integers(1_000, 3_600_000), st.integers(1, 100)),
    st.builds(Canadian, st.integers(1_000, 3_600_000), st.integers(1, 500)),
    st.just(Hourglass()),
)
commands: st.SearchStrategy[Command | None] = st.one_of(
    st.sampled_from([Start(), Switch(), Switch(), Switch(), Pause(), Resume(), None]),
    st.just(Complete()),
    st.just(Finish("")),
    st.builds(Adjust, lengths_ms),
    st.sampled_from([Undo(), Reopen(), Reset()]),
    st.builds(Update, patches()),
)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    mode = draw(st.sampled_from(SyncMode))
    ids = draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    group_ids = draw(st.lists(texts, min_size=1, max_size=2, unique=True))
    participants = [
        Participant(
            participant_id,
            draw(st.integers(0, 9)),
            draw(lengths_ms),
            draw(st.sampled_from(group_ids)) if mode is SyncMode.PER_GROUP else None,
        )
        for participant_id in ids
    ]
    used_ids = sorted({participant.group_id or "" for participant in participants})
    groups = None
    if mode is SyncMode.PER_GROUP and draw(st.booleans()):
        groups = [Group(group_id, draw(lengths_ms)) for group_id in used_ids]
    control = None
    if mode in (SyncMode.PER_GROUP, SyncMode.PER_PARTICIPANT):
        control = draw(st.none() | controls)
    try:
        return create_setup(
            session_id=draw(texts),
            sync_mode=mode,
            participants=participants,
            total_time_ms=draw(lengths_ms),
            groups=groups,
            time_per_cycle_ms=draw(st.none() | lengths_ms),
            max_time_ms=draw(st.none() | lengths_ms),
            time_control=control,
            action_on_timeout=draw(st.none() | st.sampled_from(TimeoutAction)),
            action_data=draw(jsons),
            metadata=draw(st.none() | st.dictionaries(texts, jsons, max_size=3)),
            own_controls=draw(st.dictionaries(st.sampled_from(ids), controls, max_size=2))
            if mode is SyncMode.PER_PARTICIPANT
            else None,
            warn_at_ms=draw(st.lists(lengths_ms, max_size=3, unique=True)),
        )
    except InvalidSetup:
        # An hourglass that did not find exactly two banks, or not both.
        return a_setup(participants=1)


@st.composite
def walks(draw: st.DrawFn) -> Session:
    """A session as a few commands, at any pace, have left it."""
    now_ms = draw(st.integers(0, 2**42))
    session = create(draw(setups()), draw(texts), now_ms)
    for command in draw(st.lists(commands, max_size=12)):
        now_ms += draw(st.integers(0, 100_000_000))
        session = apply(session, command, now_ms).session
    return session


def through(session: Session) -> Session:
    setup, facts = codec.encode_setup(session.setup), codec.encode_facts(session)
    return codec.decode(session.epoch, session.version, setup, facts)


@settings(deadline=None)
@given(walks() | sessions(tiny=True))
def test_session_survives_encoding(session: Session) -> None:
    decoded = through(session)
    assert decoded == session
    assert type(decoded.setup.time_control) is type(session.setup.time_control)
    assert type(decoded.status) is type(session.status)
    rows: list[object] = [*decoded.setup.participants]
    match decoded:
        case Rotation():
            rows += [*decoded.tallies, *decoded.banks]
        case Simultaneous():
            clocks = [clock for block in decoded.blocks for clock in block.clocks]
            assert {type(clock.state) for clock in clocks} == {ClockState}
            rows += clocks
    assert {type(row) for row in rows} <= {Participant, Tally, Bank, Clock}


@pytest.mark.parametrize("position", [0, 40, 99])
def test_only_the_changed_block_of_clocks_is_encoded_again(position: int) -> None:
    session = create(a_setup(participants=100, sync_mode=SyncMode.SIMULTANEOUS), "epoch", 0)
    before = through(apply(session, Start(), 5).session)
    after = apply(before, Finish(f"p{position}"), 1_000).session
    lines = [codec.encode_facts(one).split(b"\n") for one in (before, after)]
    changed = [number for number, (old, new) in enumerate(zip(*lines, strict=True)) if old != new]
    assert changed == [0, 1 + position // BLOCK_SIZE]
    # Reading them was not needed either.
    assert isinstance(after, Simultaneous)
    read = [number for number, block in enumerate(after.blocks) if "clocks" in vars(block)]
    assert read == [position // BLOCK_SIZE]


def test_damaged_block_of_clocks_is_reported_when_it_is_needed() -> None:
    session = create(a_setup(participants=40, sync_mode=SyncMode.SIMULTANEOUS), "epoch", 0)
    facts = codec.encode_facts(session).rsplit(b"\n", 1)[0] + b"\n[8,1]"
    damaged = codec.decode("epoch", 1, codec.encode_setup(session.setup), facts)
    with pytest.raises(codec.UnreadableSession):
        apply(damaged, Start(), 5)
    with pytest.raises(codec.UnreadableSession):
        codec.decode("epoch", 1, codec.encode_setup(session.setup), facts.split(b"\n")[0])


@settings(deadline=None)
@given(walks())
def test_decoded_session_behaves_like_the_original(session: Session) -> None:
    now_ms = session.updated_at_ms + 1_000_000
    original, decoded = (apply(it, Switch(), now_ms) for it in (session, through(session)))
    assert (decoded.session, decoded.events) == (original.session, original.events)
    assert repr(decoded.refusal) == repr(original.refusal)


@settings(deadline=None)
@given(walks(), walks())
def test_facts_fit_the_setup_of_their_session(session: Session, other: Session) -> None:
    setup = codec.encode_setup(session.setup)
    assert codec.encode_setup(through(session).setup) == setup
    assert codec.encode_setup(replace(other, setup=session.setup).setup) == setup


@pytest.mark.parametrize("part", ["setup", "facts"])
@pytest.mark.parametrize("found", [0, 2, "1", None])
def test_unknown_format_is_rejected_by_its_number(part: str, found: object) -> None:
    session = create(a_setup(), "epoch", 0)
    parts = {"setup": codec.encode_setup(session.setup), "facts": codec.encode_facts(session)}
    written = json.loads(parts[part])
    written["format"] = found
    parts[part] = json.dumps(written).encode()
    with pytest.raises(codec.UnknownFormat, match=repr(found)) as failure:
        codec.decode("epoch", 1, **parts)
    assert (failure.value.part, failure.value.found) == (part, found)


def test_format_without_earlier_overtime_is_read() -> None:
    session = apply(create(a_setup(), "epoch", 0), Start(), 5).session
    facts = codec.encode_facts(session)
    assert b'"cycle":[0,5,0,null,null]' in facts
    assert through(session) == session
    assert isinstance(session, Rotation)
    assert session.cycle is not None
    over = replace(session, cycle=session.cycle._replace(earlier_overtime_ms=7))
    assert b'"cycle":[0,5,0,null,null,7]' in codec.encode_facts(over)
    assert through(over) == over


def test_undo_data_is_stored_only_after_a_switch() -> None:
    session = apply(create(a_setup(), "epoch", 0), Start(), 5).session
    assert b"undo_record" not in codec.encode_facts(session)
    switched = apply(session, Switch(), 9).session
    assert b'"undo_record":[[0,5,0,null,null],[300000,300000,0,false,0,0,0]]' in codec.encode_facts(
        switched
    )
    assert through(switched) == switched
    undone = apply(through(switched), Undo(), 10).session
    assert replace(undone, version=2, updated_at_ms=5) == session


def test_banks_have_a_column_of_stages_only_if_there_are_stages() -> None:
    control = Stages((Stage(5_000, 2, Delay(300)), Stage(4_000)))
    plain, staged = (
        create(replace(a_setup(), time_control=control), "epoch", 0)
        for control in (Fischer(0), control)
    )
    assert b'"banks":[2,300000,300000,0,false,0,0,0]' in codec.encode_facts(plain)
    assert b'"banks":[2,300000,300000,0,false,0,0,2,1]' in codec.encode_facts(staged)
    assert through(staged) == staged
    assert (
        b'"time_control":{"type":"stages","stages":'
        b'[[5000,2,{"type":"delay","delay_ms":300}],[4000,null,null]]}'
    ) in codec.encode_setup(staged.setup)
    switched = apply(apply(staged, Start(), 5).session, Switch(), 9).session
    assert b"[300000,300000,0,false,0,0,2,1]]" in codec.encode_facts(switched)
    assert through(switched) == switched


def test_soft_close_and_turn_taking_are_stored_only_if_given() -> None:
    plain = build.setup(SyncMode.GLOBAL, total_time_ms=10_000)
    assert not {b"soft_close", b"turn_taking"} & set(codec.encode_setup(plain).split(b'"'))
    setup = replace(plain, soft_close=SoftClose(20_000, 15_000), turn_taking=TurnTaking.TAKE)
    assert b'"soft_close":[20000,15000],"turn_taking":"take"' in codec.encode_setup(setup)
    started = apply(create(setup, "epoch", 0), Start(), 5).session
    assert through(started) == started
    assert b"extended_ms" not in codec.encode_facts(started)
    switched = apply(started, Switch(), 9).session
    assert b'"undo_record":[[0,5,0,null,null],null,10004]' in codec.encode_facts(switched)
    assert b'"extended_ms":10004' in codec.encode_facts(switched)
    assert through(switched) == switched


def damaged(part: bytes, field: str) -> bytes:
    fields = json.loads(part)
    del fields[field]
    return json.dumps(fields).encode()


def test_damaged_data_is_rejected() -> None:
    session = create(a_setup(), "epoch", 0)
    setup, facts = codec.encode_setup(session.setup), codec.encode_facts(session)
    wrongs = [
        (b"", facts),
        (setup, b'{"format":1'),
        (setup, b"[1]"),
        (damaged(setup, "participants"), facts),
        (setup, damaged(facts, "status")),
        (setup, facts.replace(b"pending", b"perhaps")),
        (setup, facts.replace(b'"tallies":[2,0,', b'"tallies":[2,')),
        (setup, facts.replace(b'"tallies":[2,0,', b'"tallies":[2,[0],')),
    ]
    for wrong in wrongs:
        assert wrong != (setup, facts)
        with pytest.raises(codec.UnreadableSession):
            codec.decode("epoch", 1, *wrong)


def test_encoded_event_has_type_instant_and_fields() -> None:
    events = [
        SessionCreated(1),
        SessionStarted(2, "ann"),
        CycleSwitched(3, "ann", "bob", 1, 0),
        ParticipantExpired(4, "bob", None, TimeoutAction.SKIP_CYCLE, {"é": [1.5]}),
        TimeoutsSkipped(5, 7, "ann"),
        SessionCompleted(6, "ann", 5, 6),
    ]
    assert [json.loads(codec.encode_event(event)) for event in events] == [
        {"type": "session_created", "at_ms": 1},
        {"type": "session_started", "at_ms": 2, "active_participant_id": "ann"},
        {
            "type": "cycle_switched",
            "at_ms": 3,
            "previous_participant_id": "ann",
            "active_participant_id": "bob",
            "time_used_ms": 1,
            "overtime_ms": 0,
        },
        {
            "type": "participant_expired",
            "at_ms": 4,
            "participant_id": "bob",
            "group_id": None,
            "action": "skip_cycle",
            "data": {"é": [1.5]},
        },
        {"type": "timeouts_skipped", "at_ms": 5, "count": 7, "active_participant_id": "ann"},
        {
            "type": "session_completed",
            "at_ms": 6,
            "previous_participant_id": "ann",
            "time_used_ms": 5,
            "overtime_ms": 6,
        },
    ]


@pytest.mark.parametrize(
    "stored",
    [b"", b"7", b"{}", b'{"type":"of_tomorrow","at_ms":1}', b'{"type":"session_paused"}'],
)
def test_unknown_event_is_reported_as_unreadable(stored: bytes) -> None:
    with pytest.raises(codec.UnreadableSession):
        codec.decode_event(stored)


def test_setup_of_participants_who_came_and_went_is_read_back() -> None:
    game = build.game(SyncMode.SIMULTANEOUS, "ab").join(1, "c", name="Cleo", time_factor=1_500)
    game.update_participant(2, "a", name="Anna", time_factor=333).withdraw(3, "b")
    setup = game.session.setup
    read = codec.decode("epoch", 1, codec.encode_setup(setup), codec.encode_facts(game.session))

    assert read.setup == setup
    # What is not compared counts all the same.
    assert read.setup.unscaled_ms == setup.unscaled_ms == (10_000, 10_000, 10_000)
    assert read.setup.withdrawn == {"b"}
    assert codec.encode_facts(read) == codec.encode_facts(game.session)


def test_setup_without_participants_who_came_and_went_is_what_older_releases_wrote() -> None:
    game = build.game(SyncMode.SIMULTANEOUS, "ab")
    stored = json.loads(codec.encode_setup(game.session.setup))

    new = {"names", "withdrawn", "originals", "unscaled_ms", "gives_main_time"}
    assert new.isdisjoint(stored)


def test_older_record_with_time_factors_has_the_times_before_them() -> None:
    game = build.game(SyncMode.SIMULTANEOUS, "ab", time_factors={"a": 1_500})
    stored = json.loads(codec.encode_setup(game.session.setup))
    del stored["unscaled_ms"]
    setup = json.dumps(stored).encode()
    read = codec.decode("epoch", 1, setup, codec.encode_facts(game.session))

    game.session = read
    assert game.update_participant(1, "a", time_factor=1_000).remaining(1)["a"] == 10_000


@pytest.mark.parametrize("control", [None, Fischer(2_000)])
def test_event_of_a_join_is_read_back(control: TimeControl | None) -> None:
    game = build.game(SyncMode.PER_PARTICIPANT, "ab").join(1, "c", time_control=control)
    (event,) = game.events

    assert codec.decode_event(codec.encode_event(event)) == event
