"""Hypothesis strategies: session setups, and sequences of commands.

``setups()`` and ``walks()`` are data, so a failing example prints the request and the commands;
``play()`` applies one to the other. ``sessions()`` yields sessions in any reachable state.

Two scales: *wire*, what a request can contain, and *tiny*, a few milliseconds each, with many ties,
exact deadlines and several timeouts in one gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

from hypothesis import strategies as st

from chalicelib.core import time_controls as tc
from chalicelib.core.appointments import NO_APPOINTMENTS, Appointments
from chalicelib.core.commands import (
    Adjust,
    Cancel,
    Command,
    Complete,
    Decision,
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
    Update,
    UpdateParticipant,
    Withdraw,
    apply,
)
from chalicelib.core.edits import Patch
from chalicelib.core.limits import MAX_CLOCK_MS
from chalicelib.core.participants import Joiner, ParticipantPatch
from chalicelib.core.rules import deadline_ms, due_ms
from chalicelib.core.session import ENDED, Session, Status, create
from chalicelib.core.setup import (
    BANKED,
    Group,
    MessageStyle,
    Participant,
    Permission,
    Setup,
    SoftClose,
    SyncMode,
    TimeoutAction,
    TurnTaking,
    create_setup,
)

EPOCH_MS = 1_700_000_000_000
"""The start of each walk."""


class Scale(NamedTuple):
    """Strategies for durations."""

    duration: st.SearchStrategy[int]
    stage: st.SearchStrategy[int]
    session: st.SearchStrategy[int]
    increment: st.SearchStrategy[int]
    delay: st.SearchStrategy[int]
    period: st.SearchStrategy[int]
    periods: st.SearchStrategy[int]
    wait: st.SearchStrategy[int]
    ahead: st.SearchStrategy[int]
    """How long until an appointment."""


WIRE = Scale(
    duration=st.sampled_from([1_000, 5_000, 60_000, 31 * 86_400_000])
    | st.integers(1_000, 31 * 86_400_000),
    stage=st.sampled_from([1_000, 5_000, 60_000]) | st.integers(1_000, 7 * 86_400_000),
    session=st.integers(3_600_000, 31 * 86_400_000),
    increment=st.sampled_from([0, 1_000]) | st.integers(0, 600_000),
    delay=st.sampled_from([1, 2_000]) | st.integers(1, 600_000),
    period=st.sampled_from([1_000, 5_000]) | st.integers(1_000, 3_600_000),
    periods=st.integers(1, 3) | st.integers(1, 100),
    wait=st.sampled_from([0, 5_000, 5_000, 60_000, 3_600_000, 40 * 86_400_000]).flatmap(
        lambda most: st.integers(0, most)
    ),
    ahead=st.integers(1, 5) | st.integers(1, 31 * 86_400_000),
)
TINY = Scale(
    duration=st.sampled_from([8, 40, 120]).flatmap(lambda most: st.integers(1, most)),
    stage=st.sampled_from([4, 20]).flatmap(lambda most: st.integers(1, most)),
    session=st.integers(200, 4_000),
    increment=st.integers(0, 10),
    delay=st.integers(1, 15),
    period=st.integers(1, 10),
    periods=st.integers(1, 3),
    wait=st.sampled_from([4, 4, 4, 4, 12, 12, 12, 60, 60, 3_000]).flatmap(
        lambda most: st.integers(0, most)
    ),
    ahead=st.sampled_from([6, 40, 300]).flatmap(lambda most: st.integers(1, most)),
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


TURNS = tuple(mode for mode in SyncMode if mode is not SyncMode.SIMULTANEOUS)
"""The modes in which participants take turns."""


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def controls(scale: Scale = WIRE) -> st.SearchStrategy[tc.TimeControl]:
    """Any time control; an hourglass needs two clocks."""
    return st.one_of(
        st.builds(tc.Fischer, scale.increment, st.none() | scale.duration, st.booleans()),
        st.builds(tc.Delay, scale.delay),
        st.builds(tc.Bronstein, scale.delay),
        st.builds(tc.Byoyomi, scale.period, scale.periods),
        st.builds(tc.Canadian, scale.period, scale.periods),
        st.just(tc.Hourglass()),
        stages(scale),
    )


@st.composite
def stages(draw: st.DrawFn, scale: Scale = WIRE) -> tc.Stages:
    """At most four stages, of which at most the first has an increment before its first run."""
    runs = st.integers(1, 3) | st.integers(1, 500)
    count = draw(st.integers(1, 4))
    made = []
    for number in range(1, count + 1):
        fischer = st.builds(
            tc.Fischer,
            scale.increment,
            first_increment=st.booleans() if number == 1 else st.just(False),
        )
        delay, bronstein = st.builds(tc.Delay, scale.delay), st.builds(tc.Bronstein, scale.delay)
        control = st.one_of(st.none(), fischer, delay, bronstein)
        rest = st.none() if number == count > 1 else st.nothing()
        made.append(tc.Stage(draw(scale.stage), draw(runs | rest), draw(control)))
    return tc.Stages(tuple(made))


@st.composite
def setups(
    draw: st.DrawFn,
    *,
    modes: Sequence[SyncMode] = tuple(SyncMode),
    actions: Sequence[TimeoutAction] = tuple(TimeoutAction),
    control: st.SearchStrategy[tc.TimeControl] | None = None,
    tiny: bool = False,
    max_participants: int = 5,
) -> Setup:
    """Any valid setup; ``control`` restricts the time controls."""
    scale = TINY if tiny else WIRE
    mode = draw(st.sampled_from(modes))
    chosen, increment_ms = None, 0
    if mode in BANKED:
        if control is not None:
            chosen = draw(control)
        elif draw(st.integers(0, 4)):
            chosen = draw(controls(scale))
        else:
            increment_ms = draw(scale.increment)
    two_clocks = chosen is not None and chosen.transfers
    participants = draw(_participants(scale, mode, max_participants, two_clocks))
    without_main_time = chosen is not None and not chosen.needs_main_time and draw(st.booleans())
    if without_main_time:
        participants = [one._replace(total_time_ms=0) for one in participants]
    own: dict[str, tc.TimeControl] = {}
    if mode is SyncMode.PER_PARTICIPANT and control is None and not two_clocks:
        names = st.sampled_from([participant.participant_id for participant in participants])
        one_sided = controls(scale).filter(
            lambda one: not (one.transfers or (without_main_time and one.needs_main_time))
        )
        own = draw(st.just({}) | st.dictionaries(names, one_sided, max_size=3))
    total_ms = draw(scale.duration | scale.session)
    # The first stage says how much time its owner has.
    first_ms = _first_ms(chosen)
    if first_ms is not None:
        total_ms = first_ms
    if mode is SyncMode.PER_PARTICIPANT:
        participants = [
            one._replace(
                total_time_ms=first_ms
                if (first_ms := _first_ms(own.get(one.participant_id) or chosen)) is not None
                else one.total_time_ms
            )
            for one in participants
        ]
    factors: dict[str, int] = {}
    permissions: list[Permission] = []
    if mode is SyncMode.SIMULTANEOUS:
        people = st.sampled_from([participant.participant_id for participant in participants])
        factors = draw(st.dictionaries(people, FACTORS, max_size=3))
        # Ten times as much is at most what a clock may have.
        most_ms = MAX_CLOCK_MS // 10
        participants = [
            one._replace(total_time_ms=min(one.total_time_ms, most_ms)) for one in participants
        ]
        permissions = draw(st.lists(st.sampled_from(Permission), unique=True))
    groups = None
    if mode is SyncMode.PER_GROUP and (first_ms is not None or draw(st.booleans())):
        ids = sorted({participant.group_id or "" for participant in participants})
        durations = scale.duration if first_ms is None else st.just(first_ms)
        groups = [Group(group_id, draw(durations)) for group_id in draw(st.permutations(ids))]
    return create_setup(
        session_id=uuid(0xFACE),
        sync_mode=mode,
        participants=participants,
        total_time_ms=total_ms,
        groups=groups,
        time_per_cycle_ms=draw(st.none() | scale.duration),
        increment_ms=increment_ms,
        max_time_ms=draw(st.none() | scale.duration),
        time_control=chosen,
        action_on_timeout=draw(st.sampled_from(actions)),
        action_data=draw(st.none() | JSON),
        metadata=draw(st.none() | st.dictionaries(st.text(max_size=5), JSON, max_size=2)),
        own_controls=own,
        warn_at_ms=draw(st.just([]) | st.lists(scale.duration, max_size=3, unique=True)),
        soft_close=draw(st.none() | soft_closes(scale)) if mode is SyncMode.GLOBAL else None,
        turn_taking=draw(st.sampled_from(TurnTaking)) if mode in TURNS else TurnTaking.GIVE,
        time_factors=factors,
        participants_may=permissions,
        appointments=draw(appointments(scale)),
    )


@st.composite
def appointments(draw: st.DrawFn, scale: Scale) -> Appointments:
    """Often none; those of a session created at the start of a walk."""
    if draw(st.integers(0, 2)):
        return NO_APPOINTMENTS
    starts_at_ms = draw(st.none() | scale.ahead.map(EPOCH_MS.__add__))
    ends_at_ms = draw(st.none() | scale.ahead.map((starts_at_ms or EPOCH_MS).__add__))
    if ends_at_ms is not None and ends_at_ms > EPOCH_MS + MAX_CLOCK_MS:
        ends_at_ms = None
    return Appointments(starts_at_ms, ends_at_ms)


def shifted(instants: Appointments, by_ms: int) -> Appointments:
    return Appointments(*(None if one is None else one + by_ms for one in instants))


def soft_closes(scale: Scale = WIRE) -> st.SearchStrategy[SoftClose]:
    """Often more than what is left."""
    return st.builds(SoftClose, scale.period | scale.session, st.none() | scale.duration)


def _first_ms(control: tc.TimeControl | None) -> int | None:
    return control.stages[0].time_ms if isinstance(control, tc.Stages) else None


@st.composite
def _participants(
    draw: st.DrawFn, scale: Scale, mode: SyncMode, at_most: int, two_clocks: bool
) -> list[Participant]:
    pair = two_clocks and mode is SyncMode.PER_PARTICIPANT
    count = 2 if pair else draw(st.integers(2 if two_clocks else 1, at_most))
    grouped = mode is SyncMode.PER_GROUP
    teams = st.integers(0, 1 if two_clocks else 2)
    participants = []
    for position in range(count):
        # The first two participants are of different groups, for an hourglass.
        team = position if two_clocks and position < 2 else draw(teams)
        group_id = uuid(0xA00 + team) if grouped else None
        index = draw(st.just(position) | st.integers(0, 3))
        participants.append(Participant(uuid(position), index, draw(scale.duration), group_id))
    return participants


class Joining(NamedTuple):
    """What a participant joins with; ``group`` counts through the groups, one past them is new.

    ``place`` is their index.

    Who is in the session already gives the fields that they were first given, if ``is_repeated``,
    and if ``has_id_alone`` no fields.
    """

    place: int | None
    total_ms: int
    group: int
    control: tc.TimeControl | None
    factor: int
    name: str | None
    is_repeated: bool
    has_id_alone: bool


class Step(NamedTuple):
    """A command after a wait, at an offset from the next deadline, or when the next thing is due.

    Where participants don't take turns, ``own`` is what one of them does instead of a switch.
    ``successor``, ``current`` and ``asking`` count through the rotation: a ``successor`` one past
    its end is an unknown participant, ``current`` and ``asking`` 0 are the active one.
    """

    verb: str
    wait_ms: int
    on: str = "time"
    successor: int | None = None
    current: int | None = None
    clock: int | None = None
    delta_ms: int = 0
    asking: int | None = None
    own: str = "switch"
    is_scaled: bool = False
    patch: Patch | None = None
    joining: Joining | None = None
    participant_patch: ParticipantPatch | None = None


FACTORS = st.sampled_from([1_000, 1_250, 100, 10_000]) | st.integers(100, 10_000)
NAMES = st.sampled_from([None, "Anna", "Ben"])


def joinings(scale: Scale = WIRE) -> st.SearchStrategy[Joining]:
    own = st.one_of(
        st.none(),
        st.none(),
        st.builds(tc.Fischer, scale.increment),
        st.builds(tc.Delay, scale.delay),
        st.builds(tc.Byoyomi, scale.period, scale.periods),
    )
    return st.builds(
        Joining,
        st.none() | st.integers(0, 4),
        scale.duration,
        st.integers(0, 3),
        own,
        FACTORS,
        NAMES,
        st.sampled_from([True, True, True, False]),
        st.sampled_from([False, False, True]),
    )


def participant_patches() -> st.SearchStrategy[ParticipantPatch]:
    fields = {"name": NAMES, "time_factor": st.none() | FACTORS}
    return cast(st.SearchStrategy[ParticipantPatch], st.fixed_dictionaries({}, optional=fields))


def patches(scale: Scale = WIRE) -> st.SearchStrategy[Patch]:
    """What can be changed; instants are those of a walk that starts at ``EPOCH_MS``."""
    fields: dict[str, st.SearchStrategy[object]] = {
        "metadata": st.none() | st.dictionaries(st.sampled_from("ab"), JSON, max_size=2),
        "message": st.none()
        | st.builds(
            lambda text, style: {"text": text, "style": style},
            st.sampled_from(["Tea", "Five minutes"]),
            st.sampled_from(MessageStyle),
        ),
        "warn_at_ms": st.none() | st.lists(scale.duration, max_size=3, unique=True),
        "action_on_timeout": st.none()
        | st.builds(lambda action: {"type": action}, st.sampled_from(TimeoutAction)),
        "starts_at": st.none() | scale.ahead.map(EPOCH_MS.__add__),
        "ends_at": st.none() | (scale.ahead | scale.session).map(EPOCH_MS.__add__),
        "participants_may": st.none()
        | st.just([])
        | st.lists(st.sampled_from(Permission), unique=True),
    }
    return cast(st.SearchStrategy[Patch], st.fixed_dictionaries({}, optional=fields).filter(bool))


PLAY = (
    ["switch"] * 22
    + ["pause or resume"] * 8
    + ["read"] * 4
    + ["start", "pause", "resume", "complete", "cancel"]
)
"""Commands by frequency; most sessions should still be live after a few steps."""

OWN = ["finish"] * 3 + ["start"] * 2 + ["pause"] * 3 + ["resume"] * 4 + ["switch"]
"""What a participant of a simultaneous session does, by frequency."""

VERBS = [
    *PLAY,
    *["adjust", "undo"] * 6,
    *["set_turn", "reopen", "join", "withdraw"] * 3,
    *["update", "update_participant"] * 2,
    "reset",
]
"""The same, plus an operator's commands."""


@st.composite
def steps(
    draw: st.DrawFn,
    *,
    tiny: bool = False,
    verbs: Sequence[str] = VERBS,
    wait: st.SearchStrategy[int] | None = None,
) -> Step:
    scale = TINY if tiny else WIRE
    verb = draw(st.sampled_from(verbs))
    on = draw(st.sampled_from(["deadline"] * 4 + ["due"] + ["time"] * 11))
    waits = scale.wait if wait is None else wait
    wait_ms = draw(waits if on == "time" else st.integers(-1, 1))
    successor = current = asking = None
    if verb == "switch":
        successor = draw(st.none() | st.integers(0, 5))
        asking = draw(st.none() | st.none() | st.integers(0, 2))
    if verb == "set_turn":
        successor = draw(st.integers(0, 5))
    if verb in ("switch", "pause", "pause or resume"):
        current = draw(st.none() | st.none() | st.integers(0, 1))
    patch = draw(patches(scale)) if verb == "update" else None
    clock, delta_ms, own, is_scaled = None, 0, "switch", False
    if verb == "switch":
        clock, own = draw(st.integers(0, 5)), draw(st.sampled_from(OWN))
    if verb == "adjust":
        is_scaled = draw(st.integers(0, 3)) == 0
        clock = draw(st.just(0) | st.integers(0, 5) | st.none())
        delta_ms = draw(st.sampled_from([1, 1, -1])) * draw(scale.duration)
    joining = participant_patch = None
    if verb in ("join", "withdraw", "update_participant"):
        clock = draw(st.integers(0, 7))
        joining = draw(joinings(scale)) if verb == "join" else None
        participant_patch = draw(participant_patches()) if verb == "update_participant" else None
    return Step(
        verb,
        wait_ms,
        on,
        successor,
        current,
        clock,
        delta_ms,
        asking,
        own,
        is_scaled,
        patch,
        joining,
        participant_patch,
    )


@st.composite
def walks(
    draw: st.DrawFn,
    *,
    tiny: bool = False,
    verbs: Sequence[str] = VERBS,
    max_steps: int = 14,
    wait: st.SearchStrategy[int] | None = None,
) -> list[Step]:
    """A sequence of steps, mostly beginning with a start."""
    # By default, Hypothesis generates lists that are too short.
    at_least = draw(st.sampled_from([0, max_steps // 2, max_steps]))
    step = steps(tiny=tiny, verbs=verbs, wait=wait)
    walk = draw(st.lists(step, min_size=at_least, max_size=max_steps))
    if draw(st.integers(0, 9)):
        walk.insert(0, Step("start", draw(st.integers(0, 5))))
    return walk


class Played(NamedTuple):
    """One applied step: the session before it, the instant, the command and the decision."""

    before: Session
    now_ms: int
    command: Command | None
    decision: Decision

    @property
    def after(self) -> Session:
        return self.decision.session


def play(setup: Setup, walk: Sequence[Step], at_ms: int = EPOCH_MS) -> Iterator[Played]:
    """Apply the steps to a session created at ``at_ms``, at most three after its end."""
    later_ms = at_ms - EPOCH_MS
    setup = replace(setup, appointments=shifted(setup.appointments, later_ms))
    session, now_ms, after_end = create(setup, "epoch", at_ms), at_ms, 0
    for step in walk:
        after_end += session.status in ENDED
        if after_end > 3:
            return
        now_ms = instant_of(step, session, now_ms)
        command = command_of(step, session, later_ms)
        decision = apply(session, command, now_ms)
        yield Played(session, now_ms, command, decision)
        session = decision.session


def instant_of(step: Step, session: Session, now_ms: int) -> int:
    base_ms = {"deadline": deadline_ms(session), "due": due_ms(session)}.get(step.on)
    return max(now_ms, (base_ms or now_ms) + step.wait_ms)


PLAIN: dict[str, Command] = {
    "start": Start(),
    "complete": Complete(),
    "cancel": Cancel(),
    "undo": Undo(),
}


def command_of(step: Step, session: Session, later_ms: int = 0) -> Command | None:
    """The command of a step; its instants are put off by ``later_ms``."""
    is_simultaneous = session.setup.sync_mode is SyncMode.SIMULTANEOUS
    if is_simultaneous and step.verb == "switch" and step.own != "switch":
        return _own_command(step, session)
    match step.verb:
        case "start" | "complete" | "cancel" | "undo":
            return PLAIN[step.verb]
        case "switch":
            return Switch(
                _successor_id(step, session),
                _named_id(step.current, session),
                _named_id(step.asking, session),
            )
        case "pause":
            return Pause(_named_id(step.current, session))
        case "pause or resume" if session.status is not Status.PAUSED:
            return Pause(_named_id(step.current, session))
        case "resume" | "pause or resume":
            return Resume()
        case "update":
            return Update(_put_off(step.patch or {}, later_ms))
    return _operators_command(step, session)


def _put_off(patch: Patch, by_ms: int) -> Patch:
    given = Appointments(patch.get("starts_at"), patch.get("ends_at"))
    instants = shifted(given, by_ms)
    patch = patch.copy()
    if "starts_at" in patch:
        patch["starts_at"] = instants.starts_at_ms
    if "ends_at" in patch:
        patch["ends_at"] = instants.ends_at_ms
    return patch


def _operators_command(step: Step, session: Session) -> Command | None:
    match step.verb:
        case "set_turn":
            return SetTurn(_successor_id(step, session) or "")
        case "reopen":
            return Reopen()
        case "reset":
            return Reset()
        case "adjust":
            return _adjustment(step, session)
        case "join":
            return None if step.joining is None else Join(_joiner(step, step.joining, session))
        case "withdraw":
            return Withdraw(_participant_id(step, session))
        case "update_participant":
            return UpdateParticipant(_participant_id(step, session), step.participant_patch or {})
    return None


def _participant_id(step: Step, session: Session) -> str:
    participants = session.setup.participants
    position = (step.clock or 0) % (len(participants) + 1)
    return uuid(0xDEAD) if position == len(participants) else participants[position].participant_id


def _joiner(step: Step, joining: Joining, session: Session) -> Joiner:
    """A new participant, one who is in the session, or one who has withdrawn."""
    setup, clock = session.setup, step.clock or 0
    if clock < 5 and (setup.withdrawn or clock == 0):
        ids = sorted(setup.withdrawn) or [one.participant_id for one in setup.participants]
        return _first_given(setup, ids[clock % len(ids)], joining)
    group_ids = [*(group.group_id for group in setup.groups), uuid(0xA09)]
    group_id = group_ids[joining.group % len(group_ids)] if setup.groups else None
    is_simultaneous = setup.sync_mode is SyncMode.SIMULTANEOUS
    control = joining.control if setup.sync_mode is SyncMode.PER_PARTICIPANT else None
    total_ms = joining.total_ms
    if is_simultaneous:
        total_ms = min(total_ms, MAX_CLOCK_MS // 10)
    elif control is None and (first_ms := _first_ms(setup.time_control)) is not None:
        total_ms = first_ms
    return Joiner(
        uuid(0x500 + clock),
        joining.place,
        total_ms,
        group_id,
        control,
        joining.factor if is_simultaneous else None,
        joining.name,
    )


def _first_given(setup: Setup, participant_id: str, joining: Joining) -> Joiner:
    if joining.has_id_alone:
        return Joiner(participant_id)
    position = setup.position_of(participant_id) or 0
    one, (name, factor) = setup.participants[position], first_given(setup, position)
    total_ms = setup.unscaled_ms[position] if setup.unscaled_ms else one.total_time_ms
    return Joiner(
        participant_id,
        None if joining.place is None else one.participant_index,
        total_ms + (not joining.is_repeated),
        one.group_id,
        setup.own_controls[position] if setup.own_controls else None,
        factor,
        name,
    )


def first_given(setup: Setup, position: int) -> tuple[str | None, int | None]:
    """The name and the time factor that a participant had before every change."""
    participant_id = setup.participants[position].participant_id
    for one in setup.originals:
        if one.participant_id == participant_id:
            return one.name, one.time_factor
    return (
        setup.names[position] if setup.names else None,
        setup.time_factors[position] if setup.time_factors else None,
    )


def _own_command(step: Step, session: Session) -> Command:
    named = _participant_id(step, session)
    match step.own:
        case "start":
            return Start(named)
        case "pause":
            return Pause(participant_id=named)
        case "resume":
            return Resume(named)
    return Finish(named)


def _adjustment(step: Step, session: Session) -> Adjust:
    """Adjust one of the clocks, counted from the active one; sometimes of another mode."""
    setup, participant_id, group_id = session.setup, None, None
    mode = setup.sync_mode
    if mode is SyncMode.SIMULTANEOUS and step.clock is not None:
        participant_id = setup.participants[step.clock % len(setup.participants)].participant_id
    elif (step.clock is not None and mode in BANKED) or step.clock == 5:
        first = session.active_cycle.position if session.active_cycle else 0
        position = (first + (step.clock or 0)) % len(setup.participants)
        participant = setup.participants[position]
        if (mode is SyncMode.PER_GROUP) != (step.clock == 5):
            group_id = participant.group_id or uuid(0xDEAD)
        else:
            participant_id = participant.participant_id
    scaled = step.is_scaled and mode is SyncMode.SIMULTANEOUS
    return Adjust(step.delta_ms, participant_id, group_id, "why", scaled)


def _successor_id(step: Step, session: Session) -> str | None:
    if step.successor is None:
        return None
    participants = session.setup.participants
    position = step.successor % (len(participants) + 1)
    return uuid(0xDEAD) if position == len(participants) else participants[position].participant_id


def _named_id(offset: int | None, session: Session) -> str | None:
    if offset is None or session.active_cycle is None:
        return None
    participants = session.setup.participants
    position = (session.active_cycle.position + offset) % len(participants)
    return participants[position].participant_id


@st.composite
def sessions(draw: st.DrawFn, *, tiny: bool = False) -> Session:
    """A session in any reachable state."""
    session = create(draw(setups(tiny=tiny)), "epoch", EPOCH_MS)
    for played in play(session.setup, draw(walks(tiny=tiny))):
        session = played.after
    return session
