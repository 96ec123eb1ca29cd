"""docs/clocks.md: its requests work, and its pictures show what the rules make of them."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import pytest

from chalicelib.core.commands import Adjust, Start, Switch, apply
from chalicelib.core.session import create
from chalicelib.core.setup import SyncMode, TimeoutAction
from chalicelib.core.time_controls import TimeControl
from chalicelib.schemas.requests import AdjustTime, CreateSession, read
from pictures.examples import DOCUMENT, FOLDER, Shown, pictures, requests
from pictures.figures import digest, timeouts
from pictures.film import shoot
from pictures.stories import STORIES

TEXT = DOCUMENT.read_text()
REQUESTS = requests(TEXT)
PICTURES = pictures(TEXT)

LARGEST_BYTES = 25_000


def session_id(body: bytes) -> str:
    return str(json.loads(body)["session_id"])


@pytest.mark.parametrize("body", REQUESTS, ids=session_id)
def test_each_request_makes_a_session_that_can_be_started_and_switched(body: bytes) -> None:
    session = create(read(CreateSession, body).setup(), "epoch", 0)

    for at_ms, command in ((0, Start()), (1_000, Switch())):
        decision = apply(session, command, at_ms)
        assert decision.refusal is None
        session = decision.session

    assert session.active is not None
    assert session.active.position == 1 % len(session.setup.participants)


def test_all_requests_can_be_tried_on_one_server() -> None:
    ids = [session_id(body) for body in REQUESTS]

    assert len(set(ids)) == len(ids)


def test_every_block_of_json_is_a_tested_request() -> None:
    assert TEXT.count("```json") == len(REQUESTS) >= len(PICTURES)


def test_every_mode_control_and_action_is_shown() -> None:
    shown = {one.name for one in PICTURES}
    controls = {control.type for control in TimeControl.__subclasses__()}

    assert len(controls) == 6
    assert {*SyncMode, *TimeoutAction, *controls} <= shown


def test_every_picture_exists_and_is_shown_once() -> None:
    shown = [one.name for one in PICTURES]

    assert len(set(shown)) == len(shown)
    assert set(shown) == {path.stem for path in FOLDER.glob("*.svg")} == set(STORIES)


@pytest.mark.parametrize("shown", PICTURES, ids=lambda one: one.name)
def test_each_picture_is_current(shown: Shown) -> None:
    film = shoot(shown.setup(), STORIES[shown.name])

    assert digest(film) in shown.path.read_text(), "docs/clocks.md is stale: run make pictures"


@pytest.mark.parametrize("shown", PICTURES, ids=lambda one: one.name)
def test_each_alternative_text_names_the_expired_participant_and_instant(shown: Shown) -> None:
    said = [text for _, text in timeouts(shoot(shown.setup(), STORIES[shown.name]))]

    assert said or shown.name == "undo"
    assert [text for text in said if text.lower() not in shown.alt.lower()] == []


@pytest.mark.parametrize("shown", PICTURES, ids=lambda one: one.name)
def test_each_picture_is_a_small_svg_with_text_as_text(shown: Shown) -> None:
    assert shown.path.stat().st_size <= LARGEST_BYTES
    texts = [
        element.text
        for element in ElementTree.fromstring(shown.path.read_text()).iter()
        if element.tag == "{http://www.w3.org/2000/svg}text"
    ]
    assert "seconds since the start" in texts


def test_documented_adjustment_is_the_one_in_the_picture() -> None:
    (asked,) = re.findall(
        r"^```http\nPOST /v1/sessions/(\S+)/adjust\n\n(.*?)^```$", TEXT, re.M | re.S
    )
    (shown,) = (one for one in PICTURES if one.name == "adjust")
    adjusted = read(AdjustTime, asked[1].encode())
    (drawn,) = (step for _, step in STORIES["adjust"].steps if isinstance(step, Adjust))

    setup = shown.setup()
    assert asked[0] == setup.session_id
    assert adjusted.participant_id == setup.participants[0].participant_id
    assert drawn == Adjust(adjusted.delta_ms, "A")
