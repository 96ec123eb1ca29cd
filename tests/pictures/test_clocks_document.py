"""docs/clocks.md: its requests work, and its pictures are up to date."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from chalicelib.core.commands import (
    Adjust,
    Command,
    Finish,
    Join,
    Start,
    Switch,
    UpdateParticipant,
    Withdraw,
    apply,
)
from chalicelib.core.session import create
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.core.time_controls import TimeControl
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.requests import AdjustTime, JoinSession, PatchParticipant, read
from pictures.chart import digest, timeouts
from pictures.examples import DOCUMENT, FOLDER, Picture, pictures, requests
from pictures.recording import record
from pictures.scenarios import SCENARIOS

TEXT = DOCUMENT.read_text()
REQUESTS = requests(TEXT)
PICTURES = pictures(TEXT)

LARGEST_BYTES = 25_000
HOUR_MS = 3_600_000


def session_id(body: bytes) -> str:
    return str(json.loads(body)["session_id"])


@pytest.mark.parametrize("body", REQUESTS, ids=session_id)
def test_each_request_creates_a_session_that_can_be_started_and_switched(body: bytes) -> None:
    setup = read(CreateSession, body).setup()
    # Some have an appointment: they are created an hour before.
    now_ms = (setup.appointments.starts_at_ms or HOUR_MS) - HOUR_MS
    session = create(setup, "epoch", now_ms)
    is_simultaneous = session.setup.sync_mode is SyncMode.SIMULTANEOUS
    first = session.setup.participants[0].participant_id

    for at_ms, command in ((0, Start()), (1_000, Finish(first) if is_simultaneous else Switch())):
        decision = apply(session, command, now_ms + at_ms)
        assert decision.refusal is None
        session = decision.session

    if is_simultaneous:
        return
    assert session.active_cycle is not None
    assert session.active_cycle.position == 1 % len(session.setup.participants)


def test_requests_have_distinct_session_ids() -> None:
    ids = [session_id(body) for body in REQUESTS]

    assert len(set(ids)) == len(ids)


def test_every_json_block_is_a_tested_request() -> None:
    assert TEXT.count("```json") == len(REQUESTS) >= len(PICTURES)


def test_every_mode_control_and_action_has_an_example() -> None:
    names = {picture.name for picture in PICTURES}
    controls = {control.type for control in TimeControl.__subclasses__()}

    assert len(controls) == 7
    assert {*SyncMode, *TimeoutAction, *controls} <= names


def test_every_picture_exists_and_is_shown_once() -> None:
    names = [picture.name for picture in PICTURES]

    assert len(set(names)) == len(names)
    assert set(names) == {path.stem for path in FOLDER.glob("*.svg")} == set(SCENARIOS)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_picture_is_up_to_date(picture: Picture) -> None:
    recording = record(picture.setup(), SCENARIOS[picture.name])

    assert digest(recording) in picture.path.read_text(), (
        "docs/clocks.md is stale: run make pictures"
    )


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_alt_text_names_the_timeouts(picture: Picture) -> None:
    said = [text for _, text in timeouts(record(picture.setup(), SCENARIOS[picture.name]))]

    assert said or picture.name == "undo"
    assert [text for text in said if text.lower() not in picture.alt.lower()] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_each_picture_is_a_small_svg_with_text(picture: Picture) -> None:
    assert picture.path.stat().st_size <= LARGEST_BYTES
    texts = [
        element.text
        for element in ElementTree.fromstring(picture.path.read_text()).iter()
        if element.tag == "{http://www.w3.org/2000/svg}text"
    ]
    assert "seconds since the start" in texts


def documented(picture: str) -> list[tuple[str, str, bytes]]:
    """Method, path below the session, and body of each request about a picture's session."""
    (setup,) = (one.setup() for one in PICTURES if one.name == picture)
    asked = re.findall(
        rf"^```http\n([A-Z]+) /v1/sessions/{setup.session_id}/(\S+)\n(.*?)^```$", TEXT, re.M | re.S
    )
    return [(method, path, body.strip().encode()) for method, path, body in asked]


def drawn(picture: str, kind: type[Command]) -> list[Command]:
    return [step for _, step in SCENARIOS[picture].steps if isinstance(step, kind)]


def letter(participant_id: str) -> str:
    """What a picture calls the participant with this id."""
    return participant_id[-1].upper()


def test_documented_adjustment_is_the_drawn_one() -> None:
    ((method, path, body),) = documented("adjust")
    command = read(AdjustTime, body).command()

    assert (method, path) == ("POST", "adjust")
    named = replace(command, participant_id=letter(command.participant_id or ""), reason=None)
    assert drawn("adjust", Adjust) == [named]


def test_documented_joining_and_withdrawing_are_the_drawn_ones() -> None:
    asked = documented("who_takes_part")
    joiners = [read(JoinSession, body).command().joiner for _, _, body in (asked[0], asked[2])]
    participant = f"participants/{joiners[0].participant_id}"

    assert [one[:2] for one in asked] == [
        ("POST", "participants"),
        ("DELETE", participant),
        ("POST", "participants"),
    ]
    assert drawn("who_takes_part", Join) == [
        Join(one._replace(participant_id=letter(one.participant_id))) for one in joiners
    ]
    assert drawn("who_takes_part", Withdraw) == [Withdraw(letter(participant))]


def test_documented_time_factor_is_the_drawn_one() -> None:
    ((method, path, body),) = documented("who_takes_part_in_an_exam")
    patched = PatchParticipant.model_validate_json(body)

    assert (method, path[:-1].split("/")[0]) == ("PATCH", "participants")
    (one,) = drawn("who_takes_part_in_an_exam", UpdateParticipant)
    assert patched.time_factor is not None
    assert one == UpdateParticipant(
        letter(path), {"time_factor": round(patched.time_factor * 1_000)}
    )
