"""The examples, served as their comments say, and used as people would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.e2e.instances import ROOT, Instance

from .accessibility import Axe
from .screens import Screens, checked_screens, running_chromium
from .session_api import SessionApi
from .session_page import PRESS_MS, press

EXAMPLES = sorted((ROOT / "examples").glob("*.html"))
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
}


@pytest.fixture(scope="module")
def mapped_browser(playwright: Playwright, stack: Instance, files_url: str) -> Iterator[Browser]:
    """A browser that maps the addresses in the examples to the ports of this test run."""
    addresses = {
        "localhost:8000": stack.rest_url,
        "localhost:8001": stack.websocket_url,
        "localhost:9000": files_url,
    }
    rules = ", ".join(f"MAP {name} {urlsplit(url).netloc}" for name, url in addresses.items())
    with running_chromium(playwright, f"--host-resolver-rules={rules}") as browser:
        yield browser


@pytest.fixture
def example_screens(mapped_browser: Browser) -> Iterator[Screens]:
    with checked_screens(mapped_browser) as screens:
        yield screens


def open_example(example_screens: Screens, name: str, **context: Any) -> Page:
    """A page of an example with a new session, once it shows the session's clocks."""
    page = example_screens.open(f"http://localhost:9000/examples/{name}.html", **context)
    expect(page).to_have_url(re.compile("#[0-9a-f-]{36}$"))
    expect(page.locator("[data-participant]").first).to_have_text(re.compile(r"\d"))
    return page


def session_of(page: Page) -> str:
    return urlsplit(page.url).fragment


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accessible_before_and_after_start(
    path: Path, screen: str, example_screens: Screens, axe: Axe
) -> None:
    page = open_example(example_screens, path.stem, reduced_motion="reduce", **SCREENS[screen])
    assert axe.violations(page) == []
    page.get_by_role("button", name=re.compile("Start|White")).first.click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert axe.violations(page) == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "the page scrolls horizontally"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_one_short_file(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_without_a_stack_explains_what_to_do(
    path: Path, screens: Screens, files_url: str
) -> None:
    screens.expect("ERR_CONNECTION_REFUSED|ERR_FAILED")
    page = screens.open()
    page.route("**/v1/sessions", lambda route: route.abort("connectionrefused"))
    page.goto(f"{files_url}/examples/{path.name}")
    expect(page.get_by_role("status")).to_contain_text("Is the local stack running?")


def test_readme_lists_every_example() -> None:
    listed = re.findall(r"\]\(([\w-]+\.html)\)", (ROOT / "examples/README.md").read_text())
    assert sorted(listed) == [path.name for path in EXAMPLES]


def test_chess_clock(example_screens: Screens, session_api: SessionApi) -> None:
    board = open_example(example_screens, "chess-clock")
    white, black = (board.locator(".side", has_text=name) for name in ("White", "Black"))
    status = board.get_by_role("status")
    expect(white).to_contain_text("3:00")

    black.click()
    expect(status).to_have_text("White to move")
    expect(white).to_contain_text("2:59")

    # The side whose turn it is not does nothing.
    black.dblclick()
    white.click()
    expect(status).to_have_text("Black to move")
    expect(white).to_contain_text("Moves: 1")
    expect(white).to_contain_text("3:0")
    board.wait_for_timeout(PRESS_MS)
    board.keyboard.press("Space")
    expect(status).to_have_text("White to move")
    expect(black).to_contain_text("Moves: 1")
    press(board, "Undo")
    expect(status).to_have_text("Black to move")
    expect(black).to_contain_text("Moves: 0")

    press(board, "Pause")
    expect(status).to_have_text("Paused")
    paused = black.inner_text()
    spectator = example_screens.open(board.url)
    expect(spectator.get_by_role("status")).to_have_text("Paused")
    assert spectator.locator(".side", has_text="Black").inner_text() == paused
    press(spectator, "Resume")
    expect(status).to_have_text("Black to move")

    session_api.set_remaining(session_of(board), 2_000)
    for screen in (board, spectator):
        expect(screen.get_by_role("status")).to_have_text("Time is up: White wins")
        expect(screen.locator(".side.expired b")).to_have_text("0:00")
    press(board, "New game")
    expect(board.get_by_role("status")).to_contain_text("Press either side to start")
    assert board.url != spectator.url


def test_quiz(example_screens: Screens, session_api: SessionApi) -> None:
    host = open_example(example_screens, "quiz")
    audience = example_screens.open(host.url)
    question, teams = host.get_by_role("heading", level=2), host.get_by_role("listitem")
    press(host, "Start")
    expect(question).to_have_text("Which planet has the shortest day?")
    expect(teams.nth(0)).to_have_class("plain active")
    press(host, "Jupiter")
    expect(host.get_by_role("status")).to_have_text("Jupiter is right!")
    expect(teams.nth(1)).to_have_class("plain active")
    for screen in (host, audience):
        expect(screen.get_by_role("heading", level=2)).to_have_text("What does a horologist study?")

    press(audience, "Pause")
    expect(host.get_by_role("button", name="Clocks")).to_be_hidden()
    press(audience, "Resume")
    session_api.set_remaining(session_of(host), 1_500)
    # No team answers; the next turn starts when the time is up.
    expect(question).to_have_text("How many minutes has a week?")
    expect(teams.nth(2)).to_have_class("plain active")

    for answer in ("12,000", "Harrison", "Water", "Caesium"):
        press(host, answer)
    expect(host.get_by_role("status")).to_have_text("Caesium is right!")
    for screen in (host, audience):
        expect(screen.get_by_role("heading", level=2)).to_have_text("The quiz is over.")
    assert session_api.state(session_of(host))["status"] == "completed"


def test_exam(example_screens: Screens, session_api: SessionApi) -> None:
    room = open_example(example_screens, "exam")
    left, log = room.get_by_role("timer"), room.get_by_role("listitem")
    expect(left).to_have_text("1:30:00")
    press(room, "Start")
    expect(log.first).to_contain_text("You may begin.")
    expect(left).to_have_text(re.compile("1:29:5"))
    expect(room.get_by_text(re.compile(r"^until \d+"))).to_be_visible()
    press(room, "Pause")
    expect(log.first).to_contain_text("Paused")
    press(room, "Resume")
    press(room, "Add 5 minutes")
    expect(log.first).to_contain_text("5 minutes added.")
    expect(left).to_have_text(re.compile("1:34:5"))

    other_room = example_screens.open(room.url)
    session_api.set_remaining(session_of(room), 15 * 60_000 + 1_000)
    expect(log.first).to_contain_text("15 minutes left.")
    expect(left).to_have_class("warning")
    session_api.set_remaining(session_of(room), 2_000)
    expect(log.first).to_contain_text("Time is up.")
    for screen in (room, other_room):
        expect(screen.get_by_role("timer")).to_have_text("0:00")
        expect(screen.get_by_role("timer")).to_have_class("expired")
    assert session_api.state(session_of(room))["status"] == "expired"


def test_exam_hall(example_screens: Screens, session_api: SessionApi) -> None:
    hall = open_example(example_screens, "exam-hall")
    rows = hall.get_by_role("listitem")
    expect(rows).to_contain_text(["Ada", "Cleo", "Ben", "Dan"])
    press(hall, "Start")
    expect(rows.filter(has_text="Ben")).to_contain_text(re.compile("1:52:2.*until", re.DOTALL))
    ben = example_screens.open(hall.get_by_role("link", name="Ben").evaluate("(one) => one.href"))

    press(hall, "+ 5 min for Ben")
    expect(ben.get_by_role("timer")).to_have_text(re.compile("^1:57:"))
    press(hall, "Add 5 minutes for all")
    expect(ben.get_by_role("timer")).to_have_text(re.compile("^2:02:"))
    expect(rows.filter(has_text="Ada")).to_contain_text("1:34:")
    press(hall, "Pause")
    expect(hall.get_by_role("button", name="Resume")).to_be_visible()
    press(hall, "Resume")
    press(ben, "Hand in for Ben")
    for screen in (hall, ben):
        expect(screen.get_by_role("listitem").filter(has_text="Ben")).to_contain_text(
            "handed in at"
        )
    for name in ("Ada", "Cleo", "Dan"):
        press(hall, f"Hand in for {name}")
    expect(hall.get_by_role("status")).to_have_text("All have handed in.")
    assert session_api.state(session_of(hall))["status"] == "completed"


def test_auction(example_screens: Screens, session_api: SessionApi) -> None:
    room = open_example(example_screens, "auction")
    links = room.get_by_role("link")
    ada, ben = (
        example_screens.open(links.filter(has_text=name).evaluate("(one) => one.href"))
        for name in ("Ada", "Ben")
    )
    press(room, "Start")
    expect(room.get_by_text("Reserve € 200")).to_be_visible()
    press(ada, "Bid € 200")
    expect(ada.get_by_role("button", name="You lead")).to_be_disabled()
    expect(room.get_by_text("Ada leads")).to_be_visible()
    press(room, "Pause")
    press(room, "Resume")

    # A late bid leaves a minute.
    session_api.set_remaining(session_of(room), 30_000)
    expect(room.get_by_role("timer")).to_have_text(re.compile(r"^0:[23]\d$"))
    press(ben, "Bid € 210")
    expect(room.get_by_role("timer")).to_have_text(re.compile(r"^1:00$|^0:5\d$"))
    session_api.set_remaining(session_of(room), 1_500)
    for screen in (room, ada, ben):
        expect(screen.get_by_text("Ben wins")).to_be_visible()
        expect(screen.get_by_text("€ 210", exact=True)).to_be_visible()
    assert session_api.state(session_of(room))["status"] == "expired"


def test_speaker_timer(example_screens: Screens, session_api: SessionApi) -> None:
    chair = open_example(example_screens, "speaker")
    lectern = example_screens.open(chair.url)
    press(chair, "Start")
    face = lectern.locator("#face")
    expect(face).to_have_class("green")
    expect(face).to_contain_text("Ada")
    press(chair, "Add 1 minute")
    expect(face).to_contain_text("20:5")
    press(chair, "Pause")
    expect(chair.get_by_role("button", name="Resume")).to_be_visible()
    press(chair, "Resume")
    session_api.set_remaining(session_of(chair), 3 * 60_000 + 1_000)
    expect(face).to_have_class("amber")
    session_api.set_remaining(session_of(chair), 1_500)
    expect(face).to_have_class("red")
    expect(face).to_contain_text("0:00")
    expect(face).to_contain_text("0:01 over")

    press(chair, "Next speaker")
    expect(face).to_have_class("green")
    expect(face).to_contain_text("Grace")
    press(chair, "Next speaker")
    press(chair, "Finish")
    expect(face).to_have_text("Thank you")
    expect(chair.get_by_role("listitem").first).to_contain_text("Ada +0:0")
