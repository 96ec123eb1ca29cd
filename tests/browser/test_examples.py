"""The examples, served as each of them says, and used as people would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.e2e.instances import ROOT, Instance

from .accessibility import Axe
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


def state_of(page: Page, stack: Instance) -> dict[str, Any]:
    session_id = urlsplit(page.url).fragment
    state: dict[str, Any] = httpx.get(f"{stack.rest_url}/v1/sessions/{session_id}").json()["data"]
    return state


def left_with(page: Page, stack: Instance, remaining_ms: int) -> None:
    """What an arbiter does, elsewhere: so much is left on the clock that runs."""
    state = state_of(page, stack)
    [active] = [one for one in state["participants"] if one["is_active"]]
    left = state.get("session_remaining_ms", active["time_remaining_ms"])
    whose = {"participant_id": active["participant_id"]}
    httpx.post(
        f"{stack.rest_url}/v1/sessions/{state['session_id']}/adjust",
        json={
            "delta_ms": remaining_ms - left,
            **(whose if state["sync_mode"] == "per_participant" else {}),
        },
    ).raise_for_status()


def button(page: Page, name: str) -> Callable[[], None]:
    return page.get_by_role("button", name=name, exact=True).click


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


def test_a_game_on_the_chess_clock(desk: Screens, stack: Instance) -> None:
    board = opened(desk, "chess-clock")
    white, black = (
        board.locator(".side", has_text="White"),
        board.locator(".side", has_text="Black"),
    )
    status = board.get_by_role("status")
    expect(white).to_contain_text("3:00")

    black.click()
    expect(status).to_have_text("White to move")
    expect(white).to_contain_text("2:59")

    black.click()
    expect(status).to_have_text("White to move")
    white.click()
    expect(status).to_have_text("Black to move")
    expect(white).to_contain_text("3:0")
    board.keyboard.press("Space")
    expect(status).to_have_text("White to move")
    expect(black).to_contain_text("Moves: 1")
    button(board, "Take back")()
    expect(status).to_have_text("Black to move")
    expect(black).to_contain_text("Moves: 0")

    button(board, "Pause")()
    expect(status).to_have_text("Paused")
    standing = black.inner_text()
    spectator = desk.open(board.url)
    expect(spectator.get_by_role("status")).to_have_text("Paused")
    assert spectator.locator(".side", has_text="Black").inner_text() == standing
    button(spectator, "Resume")()
    expect(status).to_have_text("Black to move")

    left_with(board, stack, 2_000)
    for screen in (board, spectator):
        expect(screen.get_by_role("status")).to_have_text("Time is up: White wins")
        expect(screen.locator(".side.expired b")).to_have_text("0:00")
    button(board, "New game")()
    expect(board.get_by_role("status")).to_have_text(
        "Press either side to start White\N{RIGHT SINGLE QUOTATION MARK}s clock"
    )
    assert board.url != spectator.url


def test_a_quiz(desk: Screens, stack: Instance) -> None:
    host = opened(desk, "quiz")
    audience = desk.open(host.url)
    question, teams = host.get_by_role("heading", level=2), host.get_by_role("listitem")
    button(host, "Start")()
    expect(question).to_have_text("Which planet has the shortest day?")
    expect(teams.nth(0)).to_have_class("plain active")
    button(host, "Jupiter")()
    expect(host.get_by_role("status")).to_have_text("Jupiter is right!")
    expect(teams.nth(1)).to_have_class("plain active")
    for screen in (host, audience):
        expect(screen.get_by_role("heading", level=2)).to_have_text("What does a horologist study?")

    button(audience, "Pause")()
    expect(host.get_by_role("button", name="Clocks")).to_be_hidden()
    button(audience, "Resume")()
    left_with(host, stack, 1_500)
    # Nobody answers, and it goes on by itself.
    expect(question).to_have_text("How many minutes has a week?")
    expect(teams.nth(2)).to_have_class("plain active")

    for answer in ("12,000", "Harrison", "Water", "Caesium"):
        button(host, answer)()
    expect(host.get_by_role("status")).to_have_text("Caesium is right!")
    for screen in (host, audience):
        expect(screen.get_by_role("heading", level=2)).to_have_text("The quiz is over.")
    assert state_of(host, stack)["status"] == "completed"


def test_an_exam(desk: Screens, stack: Instance) -> None:
    room = opened(desk, "exam")
    left, log = room.get_by_role("timer"), room.get_by_role("listitem")
    expect(left).to_have_text("1:30:00")
    button(room, "Start")()
    expect(log.first).to_contain_text("You may begin.")
    expect(left).to_have_text(re.compile("1:29:5"))
    expect(room.get_by_text(re.compile(r"^until \d+"))).to_be_visible()
    button(room, "Pause")()
    expect(log.first).to_contain_text("the clock stands")
    button(room, "Resume")()
    button(room, "Give 5 minutes")()
    expect(log.first).to_contain_text("+5 minutes for everybody.")
    expect(left).to_have_text(re.compile("1:34:5"))

    other_room = desk.open(room.url)
    left_with(room, stack, 15 * 60_000 + 1_000)
    expect(log.first).to_contain_text("15 minutes are left.")
    expect(left).to_have_class("warning")
    left_with(room, stack, 2_000)
    expect(log.first).to_contain_text("Time is up.")
    for screen in (room, other_room):
        expect(screen.get_by_role("timer")).to_have_text("0:00")
        expect(screen.get_by_role("timer")).to_have_class("expired")
    assert state_of(room, stack)["status"] == "expired"


def test_a_speakers_timer(desk: Screens, stack: Instance) -> None:
    chair = opened(desk, "speaker")
    lectern = desk.open(chair.url)
    button(chair, "Start")()
    face = lectern.locator("#face")
    expect(face).to_have_class("green")
    expect(face).to_contain_text("Ada")
    button(chair, "One minute more")()
    expect(face).to_contain_text("20:5")
    button(chair, "Pause")()
    expect(chair.get_by_role("button", name="Resume")).to_be_visible()
    button(chair, "Resume")()
    left_with(chair, stack, 3 * 60_000 + 1_000)
    expect(face).to_have_class("amber")
    left_with(chair, stack, 1_500)
    expect(face).to_have_class("red")
    expect(face).to_contain_text("0:00")
    expect(face).to_contain_text("0:01 over")

    button(chair, "Next speaker")()
    expect(face).to_have_class("green")
    expect(face).to_contain_text("Grace")
    button(chair, "Next speaker")()
    button(chair, "Finish")()
    expect(face).to_have_text("Thank you")
    expect(chair.get_by_role("listitem").first).to_contain_text("Ada +0:0")
