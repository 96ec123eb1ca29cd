"""The page's whole way: a session is made, shown on other screens, played and ended."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.instances import Instance

from .page import PHONE, VIEWER, card, clock, is_live, link_for, make_session, press
from .screens import Screens

PRESETS = [
    "Blitz",
    "US delay",
    "Byo-yomi",
    "Debate",
    "Quiz",
    "Exam",
    "Auction",
    "Teams",
    "Stopwatch",
    "Your own",
]


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_makes_a_session_that_can_be_started_and_ended(
    screens: Screens, stack: Instance, preset: str
) -> None:
    host = make_session(screens, stack.rest_url, preset)

    press(host, "Start")
    expect(host.locator(".bar .status")).to_have_text("Running")
    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(host.locator(".bar .status")).to_have_text("Completed")
    expect(host.locator(".log li")).to_have_count(3)


def test_a_game_is_played_on_two_phones_while_a_screen_shows_it(
    screens: Screens, stack: Instance
) -> None:
    host = make_session(screens, stack.rest_url, "Blitz", names="Ada\nBen", title="Final")
    viewer = screens.open(link_for(host, VIEWER))
    ada = screens.open(link_for(host, "Ada"), **PHONE)
    ben = screens.open(link_for(host, "Ben"), **PHONE)
    for page in (viewer, ada, ben):
        is_live(page)
        expect(page.get_by_role("heading", name="Final")).to_be_visible()
    expect(ada.get_by_role("button", name="Not started yet")).to_have_attribute(
        "aria-disabled", "true"
    )

    press(host, "Start")
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")
    expect(ben.get_by_role("button", name="Wait")).to_have_attribute("aria-disabled", "true")

    ada.get_by_role("button", name=re.compile("Done")).tap()
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    # Two seconds were added, less what the first move took.
    expect(clock(viewer, "Ada")).to_have_text(re.compile(r"^3:0[0-2]$|^2:5\d$"))
    expect(ada.get_by_text("Ben")).to_be_visible()

    # The space bar, wherever the focus is.
    ben.locator("body").press("Space")
    expect(card(host, "Ada")).to_have_attribute("data-active", "true")

    press(host, "Undo")
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    press(host, "Pause")
    expect(viewer.locator(".bar .status")).to_have_text("Paused")
    expect(ben.get_by_role("button", name="Paused")).to_have_attribute("aria-disabled", "true")
    standing = clock(viewer, "Ben").inner_text()
    assert standing == clock(ben, "Ben").inner_text() == clock(host, "Ben").inner_text()


def test_a_press_that_comes_too_late_is_told_so_in_place(screens: Screens, stack: Instance) -> None:
    host = make_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    # Nothing more is heard, but what is sent goes through.
    deaf = """
        window.WebSocket = class extends WebSocket {
            set onmessage(listen) {
                super.onmessage = (event) => {
                    const { type } = JSON.parse(event.data);
                    if (window.isDeaf && type === 'STATE_UPDATE') return;
                    listen?.(event);
                };
            }
        };
    """
    ada = screens.open(link_for(host, "Ada"), script=deaf)
    press(host, "Start")
    done = ada.get_by_role("button", name=re.compile("Done"))
    expect(done).to_be_visible()
    ada.evaluate("window.isDeaf = true")
    press(host, "Next")
    expect(card(host, "Ben")).to_have_attribute("data-active", "true")

    done.click()

    expect(ada.get_by_role("alert")).to_have_text("Somebody else was faster.")
    # And a heartbeat, or the answer to it, will show whose turn it is.


def test_time_is_given_and_taken(screens: Screens, stack: Instance) -> None:
    host = make_session(screens, stack.rest_url, "Debate", names="For\nAgainst")

    host.get_by_role("combobox", name=re.compile("How much time")).select_option(label="± 1 min")
    press(host, "Give time to Against")
    expect(clock(host, "Against")).to_have_text("5:00")
    press(host, "Take time from For")
    expect(clock(host, "For")).to_have_text("3:00")
    log = host.get_by_role("group", name="Event log")
    expect(log.get_by_text("1 minute more for Against")).to_be_visible()


def test_at_an_auction_whoever_bids_leads(screens: Screens, stack: Instance) -> None:
    host = make_session(screens, stack.rest_url, "Auction", names="Ada\nBen\nCleo")
    cleo = screens.open(link_for(host, "Cleo"), **PHONE)
    viewer = screens.open(link_for(host, VIEWER))
    press(host, "Start")

    cleo.get_by_role("button", name=re.compile("Bid")).tap()

    expect(cleo.get_by_role("button", name="You lead")).to_be_visible()
    expect(clock(viewer, "Cleo")).to_be_visible()


def test_what_is_the_matter_is_said_plainly(screens: Screens, stack: Instance) -> None:
    nowhere = "#s=00000000-0000-4000-8000-000000000000&as=viewer"
    lost = screens.open(f"{stack.rest_url}/{nowhere}")
    expect(lost.get_by_role("heading", name="There is no such session")).to_be_visible()
    broken = screens.open(f"{stack.rest_url}/#s=1")
    expect(broken.get_by_role("heading", name="This link is incomplete")).to_be_visible()

    host = make_session(screens, stack.rest_url, "Stopwatch")
    viewer = screens.open(link_for(host, VIEWER))
    is_live(viewer)
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Keep it").click()
    expect(clock(host, "Stopwatch")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (host, viewer):
        expect(page.get_by_role("heading", name="This session is gone")).to_be_visible()


def test_who_is_cut_off_is_told_so_and_can_press_nothing(screens: Screens, stack: Instance) -> None:
    cut = """
        const sockets = [];
        window.WebSocket = class extends WebSocket {
            constructor(...address) {
                super(...address);
                sockets.push(this);
            }
        };
        window.cut = () => {
            window.WebSocket = class {
                constructor() { setTimeout(() => this.onclose?.(), 5); }
                close() {}
            };
            for (const socket of sockets) socket.close();
        };
    """
    host = make_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    ada = screens.open(link_for(host, "Ada"), script=cut)
    press(host, "Start")
    expect(ada.get_by_role("button", name=re.compile("Done"))).to_be_visible()

    ada.evaluate("window.cut()")

    expect(ada.get_by_text("Reconnecting")).to_be_visible()
    expect(ada.get_by_role("button", name="Not connected")).to_have_attribute(
        "aria-disabled", "true"
    )
    # The clock that was shown runs on, as it does on the server.
    shown = clock(ada, "Ada").inner_text()
    expect(clock(ada, "Ada")).not_to_have_text(shown)


def test_what_can_not_be_understood_is_said_at_its_field(screens: Screens, stack: Instance) -> None:
    page = screens.open(f"{stack.rest_url}/")
    control = page.get_by_label("Time control")
    expect(page.get_by_text("3 minutes each, 2 seconds added after every turn")).to_be_visible()
    control.fill("quick")
    page.get_by_role("button", name="Make the session").click()

    expect(control).to_be_focused()
    expect(control).to_have_attribute("aria-invalid", "true")
    expect(control).to_have_accessible_description(re.compile("^Write it as"))


def test_a_zero_sounds_where_sound_was_switched_on_and_that_is_remembered(
    screens: Screens, stack: Instance
) -> None:
    count = """
        window.tones = 0;
        const { start } = AudioScheduledSourceNode.prototype;
        AudioScheduledSourceNode.prototype.start = function (...when) {
            window.tones += 1;
            return start.apply(this, when);
        };
    """
    host = make_session(screens, stack.rest_url, "Quiz", cycle="2s", warnings="")
    viewer = screens.open(link_for(host, VIEWER), script=count)
    viewer.get_by_role("button", name="Sound off").click()
    expect(viewer.get_by_role("button", name="Sound on")).to_be_visible()
    before = viewer.evaluate("window.tones")
    press(host, "Start")
    expect(card(viewer, "Participant 2")).to_have_attribute("data-active", "true")

    assert viewer.evaluate("window.tones") > before
    viewer.reload()
    expect(viewer.get_by_role("button", name="Sound on")).to_be_visible()


def test_a_page_that_another_device_opens_finds_the_sockets_where_it_found_the_page(
    screens: Screens, stack: Instance
) -> None:
    # Not the name that the stack knows itself by, as a phone's would not be.
    here = stack.rest_url.replace("127.0.0.1", "localhost")
    host = make_session(screens, here, "Blitz")

    assert link_for(host, VIEWER).startswith(here)
