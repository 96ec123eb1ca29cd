"""No input causes a 500, an undocumented response or a partial change."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.schemas.commands import COMMANDS, CommandName
from chalicelib.schemas.errors import STATUS
from tests.fakes import FakeStore

from .client import ANNE, BEN, SESSION, Answer, RestClient, below, creation, rest_client
from .conftest import FakeContainer

PATH = f"/v1/sessions/{SESSION}"
RED = SESSION[:-1] + "1"
BLUE = SESSION[:-1] + "2"
CLEO = SESSION[:-1] + "c"

EVERYTHING = creation(
    sync_mode="per_group",
    participants=[
        {"participant_id": ANNE, "participant_index": 0, "total_time_ms": 10_000, "group_id": RED},
        {"participant_id": BEN, "participant_index": 1, "total_time_ms": 10_000, "group_id": BLUE},
    ],
    groups=[
        {"group_id": RED, "total_time_ms": 5_000},
        {"group_id": BLUE, "total_time_ms": 5_000},
    ],
    time_per_cycle_ms=4_000,
    increment_ms=0,
    max_time_ms=9_000,
    time_control={"type": "byoyomi", "period_ms": 1_000, "periods": 3},
    action_on_timeout={"type": "skip_cycle", "data": [1, {"a": None}]},
    warn_at_ms=[4_000, 3_999, 1],
    turn_taking="take",
    metadata={"a": [1.5, "é", {}]},
)
ODDS = creation(
    participants=[
        {"participant_id": ANNE, "time_control": "1m+2x10s"},
        {"participant_id": BEN, "time_control": {"type": "delay", "delay_ms": 2_000}},
    ],
    total_time_ms=None,
    time_control="300+3",
    warn_at_ms=[60_000],
)
STAGED = creation(
    participants=[
        {"participant_id": ANNE},
        {"participant_id": BEN, "time_control": "40/90m+30!:30m b5"},
    ],
    total_time_ms=None,
    time_control={
        "type": "stages",
        "stages": [
            {
                "time_ms": 5_000,
                "cycles": 2,
                "control": {"type": "fischer", "increment_ms": 9, "first_increment": True},
            },
            {"time_ms": 4_000, "control": {"type": "delay", "delay_ms": 300}},
        ],
    },
)
EXAM = creation(
    sync_mode="simultaneous",
    participants=[
        {"participant_id": ANNE, "time_factor": 1.25},
        {"participant_id": BEN, "total_time_ms": 9_000, "group_id": RED},
    ],
    participants_may=["start", "pause"],
    action_on_timeout={"type": "skip_cycle"},
)
AUCTION = creation(
    sync_mode="global",
    time_per_cycle_ms=3_000,
    soft_close={"extend_to_ms": 5_000, "max_extension_ms": 9_000},
)
"""What can't be asked for together with the rest."""

CREATIONS = st.sampled_from([EVERYTHING, ODDS, STAGED, EXAM, AUCTION])

numbers = (
    st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, 999, 1_000, 2_678_400_000, 2_678_400_001, 2**31, 2**53, 2**63, 2**64])
    | st.floats(allow_nan=False, allow_infinity=False)
)
words = st.text(max_size=20) | st.sampled_from(
    [ANNE, BEN, RED, SESSION.upper(), "", "global", "count_up", "per_cycle", "fischer", "\x00"]
)
written = (
    st.sampled_from(
        ["300+3", "25m+5x30s", "10m+20/15m", "60m d5", "1h30m b10", "*90", "5", "40/90:30"]
    )
    | st.from_regex(r"[0-9hms]{1,7}([+*x/ bd][0-9hms]{0,5}){0,2}", fullmatch=True)
    | st.text("0123456789hmsbdx+/* -.٣", max_size=12)
)
marks = st.lists(st.integers(1, 90_000_000), max_size=11) | st.lists(numbers, max_size=3)
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, as the keys that lead to it."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


FITTING: dict[Any, st.SearchStrategy[Any]] = {"time_control": written, "warn_at_ms": marks}
"""What is right, or nearly so, at places where hardly anything else is."""


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """A creation that asks for much, with a few places changed or taken away."""
    body = copy.deepcopy(draw(CREATIONS))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(list(places(body))))
        inner = body
        for key in way:
            inner = inner[key]
        if isinstance(inner, dict) and draw(st.integers(0, 3)) == 0:
            del inner[last]
        else:
            inner[last] = draw(FITTING.get(last, values) | values)
        if not body:
            break
    return body


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """The text of a creation with a stretch of it overwritten."""
    text = bytearray(json.dumps(draw(CREATIONS)).encode())
    start = draw(st.integers(0, len(text)))
    text[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=12))
    return bytes(text)


def sound(answer: Answer) -> None:
    """An answer that is none of our faults, in the shape every answer has."""
    assert answer.status < 500, answer.text
    if answer.status == 204:
        assert answer.text == ""
        return
    if answer.status < 400:
        assert set(answer.json) <= {"data", "timestamp", "events"}
        return
    assert set(answer.json) == {"error"}
    assert STATUS[answer.error["code"]] == answer.status
    assert "Traceback" not in answer.text


CONTAINER = FakeContainer(FakeStore())


@pytest.fixture(scope="module")
def rest() -> RestClient:
    return rest_client(CONTAINER)


def fresh() -> FakeStore:
    """Another store for each example, and so another engine."""
    store = FakeStore()
    CONTAINER.__dict__["store"] = store
    CONTAINER.__dict__.pop("engine", None)
    return store


bounded = settings(
    max_examples=max(250, settings().max_examples),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
sequences = settings(bounded, max_examples=max(100, settings().max_examples))
"""Of several requests, each of which counts as one."""


def created_or_untouched(rest: RestClient, store: FakeStore, answer: Answer) -> None:
    sound(answer)
    if answer.status >= 400:
        assert store.commits == []
        return
    assert answer.status == 201
    session_id = answer.data["session_id"]
    assert rest.get(f"/v1/sessions/{session_id}").data == answer.data
    turns = () if answer.data["sync_mode"] == "simultaneous" else ("switch",)
    for name in ("start", *turns, "pause", "resume", "complete"):
        assert rest.post(f"/v1/sessions/{session_id}/{name}").status == 200


@bounded
@given(body=bent() | values)
def test_arbitrary_json_creates_a_working_session_or_none(rest: RestClient, body: Any) -> None:
    store = fresh()
    created_or_untouched(rest, store, rest.post("/v1/sessions", raw=json.dumps(body).encode()))


@bounded
@given(raw=garbled() | st.binary(max_size=60))
def test_arbitrary_bytes_create_a_working_session_or_none(rest: RestClient, raw: bytes) -> None:
    store = fresh()
    created_or_untouched(rest, store, rest.post("/v1/sessions", raw=raw or b" "))


@st.composite
def mostly(
    draw: st.DrawFn, likely: st.SearchStrategy[Any], otherwise: st.SearchStrategy[Any] = values
) -> Any:
    """What is right, or nearly so; once in four times anything."""
    return draw(otherwise if draw(st.integers(0, 3)) == 3 else likely)


def fields(
    required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


people = st.sampled_from([ANNE, BEN, CLEO])
teams = st.sampled_from([RED, BLUE, CLEO])
one = fields({"participant_id": people})
deltas_ms = {"delta_ms": st.integers(-20_000, 20_000)}
OWN_ARGUMENTS: dict[CommandName, st.SearchStrategy[Any]] = {
    "start": st.none() | one,
    "switch": fields({}, next_participant_id=people, current_participant_id=people),
    "pause": one | fields({}, current_participant_id=people),
    "resume": st.none() | one,
    "finish": one,
    "set_turn": one,
    "adjust": st.one_of(
        fields(deltas_ms, scaled=st.booleans()),
        fields({**deltas_ms, "participant_id": people}, reason=words, scaled=st.booleans()),
        fields({**deltas_ms, "group_id": teams}),
    ),
}


@st.composite
def steps_of_a_session(draw: st.DrawFn) -> tuple[CommandName, Any, int]:
    """A command with its arguments, and the milliseconds before it."""
    name: CommandName = draw(st.sampled_from(list(COMMANDS)))
    given_arguments = draw(mostly(OWN_ARGUMENTS.get(name, st.none())))
    return name, given_arguments, draw(st.integers(0, 4_000))


@sequences
@given(
    body=CREATIONS,
    starts=st.booleans(),
    steps=st.lists(steps_of_a_session(), min_size=1, max_size=12),
)
def test_arbitrary_commands_leave_a_consistent_session(
    rest: RestClient, body: Any, starts: bool, steps: list[tuple[CommandName, Any, int]]
) -> None:
    store = fresh()
    assert rest.post("/v1/sessions", body).status == 201
    if starts:
        assert rest.command("start").status == 200
    after = rest.get(PATH).data
    for name, given_arguments, gap_ms in steps:
        before = after
        store.advance(gap_ms)
        settled = rest.get(PATH).data
        raw = json.dumps(given_arguments).encode() if given_arguments else None
        answer = rest.command(name, raw=raw)
        sound(answer)
        after = rest.get(PATH).data
        if answer.status >= 400:
            assert after == settled
        assert before["version"] <= settled["version"] <= after["version"]


patched = st.fixed_dictionaries(
    {},
    optional={
        "metadata": values,
        "message": st.fixed_dictionaries({}, optional={"text": words, "style": words}) | values,
        "warn_at_ms": marks | values,
        "action_on_timeout": st.fixed_dictionaries({}, optional={"type": words, "data": values})
        | values,
        "soft_close": st.fixed_dictionaries({}, optional={"extend_to_ms": numbers}) | values,
    },
)


joiner = {"participant_id": people, "group_id": teams}
joining = mostly(
    fields(joiner, participant_index=st.integers(0, 3), total_time_ms=st.just(10_000), name=words),
    fields(joiner, total_time_ms=numbers, time_control=words | values, time_factor=numbers)
    | values,
)
changed = fields({}, name=words, time_factor=numbers)
comings_and_goings: st.SearchStrategy[tuple[str, str, Any]] = st.one_of(
    st.tuples(st.just("POST"), st.just("participants"), joining),
    st.tuples(
        st.sampled_from(["PATCH", "DELETE"]),
        st.sampled_from([f"participants/{one}" for one in (ANNE, BEN, CLEO, "cleo")]),
        mostly(changed),
    ),
    st.tuples(
        st.just("POST"), st.sampled_from(["start", "switch", "reset", "reopen"]), st.just({})
    ),
)


@sequences
@given(steps=st.lists(comings_and_goings, min_size=1, max_size=8))
def test_arbitrary_changes_of_participants_leave_a_consistent_session(
    rest: RestClient, steps: list[tuple[str, str, Any]]
) -> None:
    store = fresh()
    rest.post("/v1/sessions", EVERYTHING)
    for method, path, body in steps:
        before = rest.get(PATH).data
        answer = rest.call(method, f"{PATH}/{path}", raw=json.dumps(body).encode())
        sound(answer)
        after = rest.get(PATH).data
        if answer.status >= 400:
            assert after == before
        store.advance(700)


@sequences
@given(patches=st.lists(patched | values, max_size=4), ends=st.booleans())
def test_arbitrary_updates_leave_a_consistent_session(
    rest: RestClient, patches: list[Any], ends: bool
) -> None:
    fresh()
    rest.post("/v1/sessions", EVERYTHING)
    if ends:
        rest.command("cancel")
    after = rest.get(PATH).data
    for body in patches:
        before = after
        answer = rest.call("PATCH", PATH, raw=json.dumps(body).encode())
        sound(answer)
        after = rest.get(PATH).data
        if answer.status >= 400:
            assert after == before
        else:
            assert after == answer.data
        assert rest.post("/v1/sessions", EVERYTHING).data == after


@bounded
@given(text=written, marks_ms=marks, own=st.none() | written)
def test_arbitrary_notation_and_warnings_create_a_working_session_or_none(
    rest: RestClient, text: str, marks_ms: list[Any], own: str | None
) -> None:
    store = fresh()
    body = {**ODDS, "time_control": text, "warn_at_ms": marks_ms}
    body["participants"] = [{"participant_id": ANNE, "time_control": own}, {"participant_id": BEN}]
    created_or_untouched(rest, store, rest.post("/v1/sessions", body))


event_ids = (
    st.builds("{}-{}".format, st.integers(0, 2**70), st.integers(-1, 2**70))
    | st.sampled_from(["0-1", "0-2", "-", "+", "$", "(0-1", "0", "٣-٣", "0-1\n", "0-1-1"])
    | words
)
limits = st.integers(-2, 1_002).map(str) | numbers.map(str) | words


queries = st.lists(
    st.tuples(st.just("after"), event_ids)
    | st.tuples(st.just("limit"), limits)
    | st.tuples(words, words),
    max_size=4,
)


def test_arbitrary_page_of_the_event_log_is_returned_or_rejected(rest: RestClient) -> None:
    fresh()
    rest.post("/v1/sessions", EVERYTHING)
    rest.command("start")

    @bounded
    @given(queries)
    def shown_or_refused(query: list[tuple[str, str]]) -> None:
        answer = rest.get(f"{PATH}/events?{urlencode(query)}")
        sound(answer)
        assert answer.status in (200, 400)
        if answer.status == 200:
            assert len(answer.data["events"]) <= int(dict(query).get("limit", 100))

    shown_or_refused()


segments = st.text(
    st.characters(codec="utf-8", exclude_characters="/?#", exclude_categories=["Cs"]), max_size=40
)


@bounded
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    segment=segments | st.just(SESSION),
    tail=st.sampled_from(["", "/events", *map(below, COMMANDS)]),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "Accept", "If-Match", "Idempotency-Key", "X-Y"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
    ),
)
def test_arbitrary_path_method_and_header_get_a_response(
    rest: RestClient, method: str, segment: str, tail: str, headers: dict[str, str]
) -> None:
    fresh()
    if not segment:
        return
    sound(rest.call(method, f"/v1/sessions/{segment}{tail}", headers=headers))
