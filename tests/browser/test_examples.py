"""The examples, served as each of them says, and used as people would."""

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
from .arbiter import Arbiter
from .screens import Screens, chromium_running, watched

EXAMPLES = sorted((ROOT / "examples").glob("*.html"))
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
}


@pytest.fixture(scope="module")
def newcomer(playwright: Playwright, stack: Instance, files_url: str) -> Iterator[Browser]:
    """A browser in which everything has the addresses that the examples name, wherever it is."""
    here = {
        "localhost:8000": stack.rest_url,
        "localhost:8001": stack.websocket_url,
        "localhost:9000": files_url,
    }
    rules = ", ".join(f"MAP {name} {urlsplit(url).netloc}" for name, url in here.items())
    with chromium_running(playwright, f"--host-resolver-rules={rules}") as browser:
        yield browser


@pytest.fixture
def desk(newcomer: Browser) -> Iterator[Screens]:
    with watched(newcomer) as screens:
        yield screens


def opened(desk: Screens, name: str, **context: Any) -> Page:
    """A page of a session of its own, which the server has told of."""
    page = desk.open(f"http://localhost:9000/examples/{name}.html", **context)
    expect(page).to_have_url(re.compile("#[0-9a-f-]{36}$"))
    expect(page.locator("[data-participant]").first).to_have_text(re.compile(r"\d"))
    return page


def session_of(page: Page) -> str:
    return urlsplit(page.url).fragment


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_accessible_before_and_after_its_start(
    path: Path, screen: str, desk: Screens, axe: Axe
) -> None:
    page = opened(desk, path.stem, reduced_motion="reduce", **SCREENS[screen])
    assert axe.faults(page) == []
    page.get_by_role("button", name=re.compile("Start|White")).first.click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert axe.faults(page) == []
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "it has to be moved sideways"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_one_short_file(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) < 150
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_without_a_stack_an_example_says_what_is_missing(
    path: Path, screens: Screens, files_url: str
) -> None:
    screens.expect("ERR_CONNECTION_REFUSED|ERR_FAILED")
    page = screens.open()
    page.route("**/v1/sessions", lambda route: route.abort("connectionrefused"))
    page.goto(f"{files_url}/examples/{path.name}")
    expect(page.get_by_role("status")).to_contain_text("Is the local stack running?")


def test_the_readme_tells_of_each_example() -> None:
    told = re.findall(r"\]\(([\w-]+\.html)\)", (ROOT / "examples/README.md").read_text())
    assert sorted(told) == [path.name for path in EXAMPLES]


def test_a_game_on_the_chess_clock(desk: Screens, arbiter: Arbiter) -> None:
    board = opened(desk, "chess-clock")
    white, black = (board.locator(".side", has_text=name) for name in ("White", "Black"))
    status = board.get_by_role("status")
    expect(white).to_contain_text("3:00")

    black.click()
    expect(status).to_have_text("White to move")
    expect(white).to_contain_text("2:59")

    # Whose turn it isn't presses in vain.
    black.dblclick()
    white.click()
    expect(status).to_have_text("Black to move")
    expect(white).to_contain_text("Moves: 1")
    expect(white).to_contain_text("3:0")
    board.keyboard.press("Space")
    expect(status).to_have_text("White to move")
    expect(black).to_contain_text("Moves: 1")
    press(board, "Take back")
    expect(status).to_have_text("Black to move")
    expect(black).to_contain_text("Moves: 0")

    press(board, "Pause")
    expect(status).to_have_text("Paused")
    standing = black.inner_text()
    spectator = desk.open(board.url)
    expect(spectator.get_by_role("status")).to_have_text("Paused")
    assert spectator.locator(".side", has_text="Black").inner_text() == standing
    press(spectator, "Resume")
    expect(status).to_have_text("Black to move")

    arbiter.leave(session_of(board), 2_000)
    for screen in (board, spectator):
        expect(screen.get_by_role("status")).to_have_text("Time is up: White wins")
        expect(screen.locator(".side.expired b")).to_have_text("0:00")
    press(board, "New game")
    expect(board.get_by_role("status")).to_contain_text("Press either side to start")
    assert board.url != spectator.url


def test_a_quiz(desk: Screens, arbiter: Arbiter) -> None:
    host = opened(desk, "quiz")
    audience = desk.open(host.url)
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
    arbiter.leave(session_of(host), 1_500)
    # Nobody answers, and it goes on by itself.
    expect(question).to_have_text("How many minutes has a week?")
    expect(teams.nth(2)).to_have_class("plain active")

    for answer in ("12,000", "Harrison", "Water", "Caesium"):
        press(host, answer)
    expect(host.get_by_role("status")).to_have_text("Caesium is right!")
    for screen in (host, audience):
        expect(screen.get_by_role("heading", level=2)).to_have_text("The quiz is over.")
    assert arbiter.state(session_of(host))["status"] == "completed"


def test_an_exam(desk: Screens, arbiter: Arbiter) -> None:
    room = opened(desk, "exam")
    left, log = room.get_by_role("timer"), room.get_by_role("listitem")
    expect(left).to_have_text("1:30:00")
    press(room, "Start")
    expect(log.first).to_contain_text("You may begin.")
    expect(left).to_have_text(re.compile("1:29:5"))
    expect(room.get_by_text(re.compile(r"^until \d+"))).to_be_visible()
    press(room, "Pause")
    expect(log.first).to_contain_text("the clock stands")
    press(room, "Resume")
    press(room, "Give 5 minutes")
    expect(log.first).to_contain_text("The end moves by 5 minutes.")
    expect(left).to_have_text(re.compile("1:34:5"))

    other_room = desk.open(room.url)
    arbiter.leave(session_of(room), 15 * 60_000 + 1_000)
    expect(log.first).to_contain_text("15 minutes are left.")
    expect(left).to_have_class("warning")
    arbiter.leave(session_of(room), 2_000)
    expect(log.first).to_contain_text("Time is up.")
    for screen in (room, other_room):
        expect(screen.get_by_role("timer")).to_have_text("0:00")
        expect(screen.get_by_role("timer")).to_have_class("expired")
    assert arbiter.state(session_of(room))["status"] == "expired"


def test_a_speakers_timer(desk: Screens, arbiter: Arbiter) -> None:
    chair = opened(desk, "speaker")
    lectern = desk.open(chair.url)
    press(chair, "Start")
    face = lectern.locator("#face")
    expect(face).to_have_class("green")
    expect(face).to_contain_text("Ada")
    press(chair, "One minute more")
    expect(face).to_contain_text("20:5")
    press(chair, "Pause")
    expect(chair.get_by_role("button", name="Resume")).to_be_visible()
    press(chair, "Resume")
    arbiter.leave(session_of(chair), 3 * 60_000 + 1_000)
    expect(face).to_have_class("amber")
    arbiter.leave(session_of(chair), 1_500)
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
