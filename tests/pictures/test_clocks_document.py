"""docs/clocks.md: its requests work, and its pictures are up to date."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from chalicelib.core.commands import Adjust, Finish, Start, Switch, apply
from chalicelib.core.session import create
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.core.time_controls import TimeControl
from chalicelib.schemas.creation import CreateSession
from chalicelib.schemas.requests import AdjustTime, read
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


def test_documented_adjustment_is_the_drawn_one() -> None:
    (asked,) = re.findall(
        r"^```http\nPOST /v1/sessions/(\S+)/adjust\n\n(.*?)^```$", TEXT, re.M | re.S
    )
    (picture,) = (one for one in PICTURES if one.name == "adjust")
    adjusted = read(AdjustTime, asked[1].encode())
    (drawn,) = (step for _, step in SCENARIOS["adjust"].steps if isinstance(step, Adjust))

    setup = picture.setup()
    assert asked[0] == setup.session_id
    assert adjusted.participant_id == setup.participants[0].participant_id
    assert drawn == Adjust(adjusted.delta_ms, "A")
