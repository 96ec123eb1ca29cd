"""Sessions on the page: created, shown on other screens, played and ended."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.instances import Instance

from .accessibility import Axe
from .screens import Screens
from .session_api import SessionApi
from .session_page import (
    OVERLAY,
    PHONE,
    PRESS_MS,
    VIEWER,
    card,
    clock,
    create_session,
    link_for,
    press,
    wait_until_live,
)

PRESETS = [
    "Blitz",
    "Classical 40/90",
    "US delay",
    "Byo-yomi",
    "Debate",
    "Quiz",
    "Exam",
    "Exam with extra time",
    "Race",
    "Auction",
    "Silent auction",
    "Teams",
    "Stopwatch",
    "Custom",
]


@pytest.mark.parametrize("preset", PRESETS)
def test_each_preset_creates_a_session_that_can_be_started_and_completed(
    screens: Screens, stack: Instance, preset: str
) -> None:
    host = create_session(screens, stack.rest_url, preset)

    press(host, "Start")
    expect(host.locator(".header .status")).to_have_text("Running")
    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(host.locator(".header .status")).to_have_text("Completed")
    expect(host.locator(".activity li")).to_have_count(3)


def test_moves_to_go_are_shown_below_the_digits(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Classical 40/90")
    white, black = card(host, "White"), card(host, "Black")
    expect(white.locator(".note")).to_have_text("40 moves: 40 to go")

    press(host, "Start")
    press(host, "Pass turn")
    expect(white.locator(".note")).to_have_text("40 moves: 39 to go")
    expect(black.locator(".note")).to_have_text("40 moves: 40 to go")


def test_game_on_two_phones_with_a_viewer(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", names="Ada\nBen", title="Final")
    viewer = screens.open(link_for(host, VIEWER))
    ada = screens.open(link_for(host, "Ada"), **PHONE)
    ben = screens.open(link_for(host, "Ben"), **PHONE)
    for page in (viewer, ada, ben):
        wait_until_live(page)
        expect(page.get_by_role("heading", name="Final")).to_be_visible()
    expect(ada.get_by_role("button", name="Not started yet")).to_have_attribute(
        "aria-disabled", "true"
    )

    press(host, "Start")
    expect(card(viewer, "Ada")).to_have_attribute("data-active", "true")
    expect(ben.get_by_role("button", name="Not your turn")).to_have_attribute(
        "aria-disabled", "true"
    )

    ada.get_by_role("button", name=re.compile("Pass turn")).tap()
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    # Two seconds were added, and the first move took some time.
    expect(clock(viewer, "Ada")).to_have_text(re.compile(r"^3:0[0-2]$|^2:5\d$"))
    expect(ada.get_by_text("Ben")).to_be_visible()

    # The space bar works wherever the focus is.
    ben.locator("body").press("Space")
    expect(card(host, "Ada")).to_have_attribute("data-active", "true")

    press(host, "Undo")
    expect(card(viewer, "Ben")).to_have_attribute("data-active", "true")
    press(host, "Pause")
    expect(viewer.locator(".header .status")).to_have_text("Paused")
    expect(ben.get_by_role("button", name="Paused")).to_have_attribute("aria-disabled", "true")
    paused = clock(viewer, "Ben").inner_text()
    assert paused == clock(ben, "Ben").inner_text() == clock(host, "Ben").inner_text()


def test_late_press_shows_an_error(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    # Ignores updates once isDeaf is set; sending still works.
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
    button = ada.get_by_role("button", name=re.compile("Pass turn"))
    expect(button).to_be_visible()
    ada.evaluate("window.isDeaf = true")
    press(host, "Pass turn")
    expect(card(host, "Ben")).to_have_attribute("data-active", "true")

    button.click()

    expect(ada.get_by_role("alert")).to_have_text("The turn has already changed.")


def test_time_is_added_and_removed(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Debate", names="For\nAgainst")

    host.get_by_role("combobox", name=re.compile("^Time added or removed")).select_option(
        label="± 1 min"
    )
    press(host, "Add time to Against")
    expect(clock(host, "Against")).to_have_text("5:00")
    press(host, "Remove time from For")
    expect(clock(host, "For")).to_have_text("3:00")
    log = host.get_by_role("group", name="Activity log")
    expect(log.get_by_text("1 minute added for Against")).to_be_visible()


def test_message_of_the_host_is_on_every_screen(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Debate", names="For\nAgainst")
    viewer = screens.open(link_for(host, VIEWER))
    press(host, "Start")
    host.get_by_role("textbox", name="Message to every screen").fill("Five minutes")
    press(host, "Show")
    for page in (host, viewer):
        expect(page.locator(".message")).to_have_text("Five minutes")
        expect(page.locator(".message")).to_have_attribute("role", "status")
    host.get_by_role("checkbox", name="Alert").check()
    press(host, "Show")
    expect(viewer.get_by_role("alert").filter(has_text="Five minutes")).to_be_visible()
    press(host, "Clear")
    expect(viewer.locator(".message")).to_be_hidden()


def test_host_sets_the_turn_reopens_and_starts_over(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Debate", names="For\nAgainst")
    press(host, "Start")
    press(host, "Pause")
    press(host, "Give turn to Against")
    expect(card(host, "Against")).to_have_attribute("data-active", "true")
    expect(host.locator(".header .status")).to_have_text("Paused")

    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(host.locator(".header .status")).to_have_text("Completed")
    press(host, "Reopen")
    expect(host.locator(".header .status")).to_have_text("Paused")
    expect(card(host, "Against")).to_have_attribute("data-active", "true")

    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    press(host, "Start over")
    host.get_by_role("dialog").get_by_role("button", name="Start over").click()
    expect(host.locator(".header .status")).to_have_text("Ready")
    expect(clock(host, "For")).to_have_text("4:00")


def test_bidder_leads_the_auction(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Auction")
    ada = screens.open(link_for(host, "Ada"), **PHONE)
    viewer = screens.open(link_for(host, VIEWER))
    press(host, "Start")

    # The house leads, so that each of the bidders can place the first bid.
    ada.get_by_role("button", name=re.compile("Bid")).tap()

    expect(ada.get_by_role("button", name="You lead")).to_be_visible()
    expect(clock(viewer, "Ada")).to_be_visible()


def test_every_screen_says_who_has_won_the_auction(
    screens: Screens, stack: Instance, axe: Axe
) -> None:
    host = create_session(screens, stack.rest_url, "Silent auction", names="Ada\nBen\nCleo")
    ada, ben = (screens.open(link_for(host, name), **PHONE) for name in ("Ada", "Ben"))
    viewer = screens.open(link_for(host, VIEWER))
    press(host, "Start")
    expect(ada.get_by_role("button", name="No bids yet")).to_be_visible()
    for bidder in (ben, ada, ben):
        bidder.get_by_role("button", name=re.compile("^Bid")).tap()
        expect(bidder.get_by_role("button", name="You lead")).to_be_visible()
        bidder.wait_for_timeout(PRESS_MS)

    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()

    for page in (host, ada, viewer):
        expect(page.get_by_text("Ben has won the auction.")).to_be_visible()
    expect(ben.get_by_text("You have won the auction.")).to_be_visible()
    for page in (host, ben):
        page.reload()
        wait_until_live(page)
        assert not axe.violations(page), "\n".join(axe.violations(page))
    expect(host.get_by_text("Ben has won the auction.")).to_be_visible()
    expect(ben.get_by_text("You have won the auction.")).to_be_visible()
    press(host, "Reopen")
    expect(host.get_by_text("has won")).to_be_hidden()
    expect(ada.get_by_role("button", name=re.compile("^Bid|^Paused"))).to_be_visible()


def test_overlay_shows_digits_alone_on_a_transparent_ground(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    link = link_for(host, OVERLAY)
    overlay = screens.open(link, color_scheme="dark")
    expect(clock(overlay, "Ada")).to_have_text("3:00")
    assert overlay.locator("body").inner_text().split() == ["3:00", "3:00"]
    grounds = overlay.evaluate(
        """() => [document.documentElement, document.body, document.querySelector('.clock')]
            .map((one) => getComputedStyle(one).backgroundColor)"""
    )
    assert grounds == ["rgba(0, 0, 0, 0)"] * 3

    style = "clean&clock=2&color=0a0&size=90&background=00000080"
    ben = screens.open(link.replace("clean", style))
    expect(clock(ben, "Ben")).to_have_css("color", "rgb(0, 170, 0)")
    expect(clock(ben, "Ben")).to_have_css("font-size", "90px")
    expect(ben.locator("body")).to_have_css("background-color", "rgba(0, 0, 0, 0.5)")
    assert ben.get_by_role("timer").count() == 1
    # The same tab can show another screen.
    ben.evaluate("location.hash = location.hash.replace('as=viewer', 'as=host')")
    wait_until_live(ben)
    expect(ben.locator("html")).not_to_have_attribute("data-overlay", re.compile(".*"))


def test_missing_and_deleted_sessions_show_a_notice(screens: Screens, stack: Instance) -> None:
    unknown = "#s=00000000-0000-4000-8000-000000000000&as=viewer"
    missing = screens.open(f"{stack.rest_url}/{unknown}")
    expect(missing.get_by_role("heading", name="Session not found")).to_be_visible()
    broken = screens.open(f"{stack.rest_url}/#s=1")
    expect(broken.get_by_role("heading", name="This link is incomplete")).to_be_visible()

    host = create_session(screens, stack.rest_url, "Stopwatch")
    viewer = screens.open(link_for(host, VIEWER))
    wait_until_live(viewer)
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(clock(host, "Stopwatch")).to_be_visible()
    press(host, "Delete")
    host.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (host, viewer):
        expect(page.get_by_role("heading", name="This session no longer exists")).to_be_visible()


def test_lost_connection_is_shown_and_disables_the_button(
    screens: Screens, stack: Instance
) -> None:
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
    host = create_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    ada = screens.open(link_for(host, "Ada"), script=cut)
    press(host, "Start")
    expect(ada.get_by_role("button", name=re.compile("Pass turn"))).to_be_visible()

    ada.evaluate("window.cut()")

    expect(ada.get_by_text("Reconnecting")).to_be_visible()
    expect(ada.get_by_role("button", name="Not connected")).to_have_attribute(
        "aria-disabled", "true"
    )
    # The clock keeps running, as it does on the server.
    shown = clock(ada, "Ada").inner_text()
    expect(clock(ada, "Ada")).not_to_have_text(shown)


def test_invalid_value_is_explained_at_its_field(screens: Screens, stack: Instance) -> None:
    page = screens.open(f"{stack.rest_url}/")
    control = page.get_by_label("Time control")
    expect(page.get_by_role("status")).to_have_text("3 minutes each, plus 2 seconds per move")
    for text in ("15 | 10", "G/15;+10", "१५+१०"):
        control.fill(text)
        expect(page.get_by_role("status")).to_have_text("15 minutes each, plus 10 seconds per move")
    control.fill("quick")
    expect(page.get_by_role("status")).to_be_empty()
    page.get_by_role("button", name="Create session").click()

    expect(control).to_be_focused()
    expect(control).to_have_attribute("aria-invalid", "true")
    expect(control).to_have_accessible_description(re.compile("^Invalid time control"))
    control.fill("5+601")
    expect(page.get_by_role("status")).to_be_empty()
    page.get_by_role("button", name="Create session").click()
    expect(control).to_have_accessible_description(
        "The increment must be 0, or 1 millisecond to 10 minutes"
    )


def test_what_was_understood_is_created(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", control="२ | १०")
    expect(clock(host, "White")).to_have_text("2:00")


def test_paused_clock_shows_the_rest_of_its_delay(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "US delay", control="25 d60")
    note = card(host, "White").locator(".note")
    press(host, "Start")
    expect(note).to_have_text(re.compile(r"^Starts in (1:00|0:\d\d)$"))
    press(host, "Pause")
    expect(note).to_have_text(re.compile(r"^Delay (1:00|0:\d\d) left$"))
    expect(card(host, "Black").locator(".note")).to_be_empty()
    press(host, "Complete")
    host.get_by_role("dialog").get_by_role("button", name="Complete").click()
    expect(host.locator(".header .status")).to_have_text("Completed")
    expect(note).to_be_empty()


COUNT_TONES = """
    window.pitches = [];
    const { start } = AudioScheduledSourceNode.prototype;
    AudioScheduledSourceNode.prototype.start = function (...when) {
        window.pitches.push(Math.round(this.frequency.value));
        return start.apply(this, when);
    };
"""
BELL, CHIME = 587, 880


def test_clocks_sound_if_turned_on_and_the_preference_is_saved(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Quiz", cycle="3s", warnings="2s")
    viewer = screens.open(link_for(host, VIEWER), script=COUNT_TONES)
    viewer.get_by_role("button", name="Sound off").click()
    expect(viewer.get_by_role("button", name="Sound on")).to_be_visible()
    viewer.evaluate("window.pitches = []")
    press(host, "Start")
    expect(card(viewer, "Participant 2")).to_have_attribute("data-active", "true")

    pitches = viewer.evaluate("window.pitches")
    assert pitches.index(BELL) < pitches.index(CHIME)
    viewer.reload()
    # Browsers refuse sound before a gesture, which turns nothing off.
    viewer.get_by_role("button", name="Tap for sound").click()
    viewer.get_by_role("button", name="Sound on").click()
    expect(viewer.get_by_role("button", name="Sound off")).to_be_visible()
    viewer.reload()
    expect(viewer.get_by_role("button", name="Sound off")).to_be_visible()


def test_participant_hears_only_their_own_of_clocks_that_all_run(
    screens: Screens, stack: Instance, session_api: SessionApi
) -> None:
    session_id = session_api.create(
        600_000, mode="simultaneous", warn_at_ms=[595_000], metadata={"names": ["Ada", "Ben"]}
    )
    ids = [one["participant_id"] for one in session_api.state(session_id)["participants"]]
    page = f"{stack.rest_url}/#s={session_id}"
    ben = screens.open(f"{page}&as=participant&p={ids[1]}", script=COUNT_TONES)
    wait_until_live(ben)
    ben.get_by_role("button", name="Sound off").click()
    expect(ben.get_by_role("button", name="Sound on")).to_be_visible()
    ben.evaluate("window.pitches = []")
    session_api.command(session_id, "start", participant_id=ids[0])
    viewer = screens.open(f"{page}&as=viewer")
    expect(card(viewer, "Ada")).to_have_attribute("data-phase", "warning")
    session_api.command(session_id, "start", participant_id=ids[1])
    expect(card(viewer, "Ben")).to_have_attribute("data-phase", "warning")

    expect(ben.locator(".own-clock .clock")).to_have_attribute("data-phase", "warning")
    assert ben.evaluate("window.pitches").count(BELL) == 1


def test_digits_survive_an_extension_that_splits_or_wraps_their_text(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", names="Ada\nBen")
    for meddle in (
        "(one) => one.firstChild.splitText(1)",
        "(one) => one.append(document.createTextNode('57'))",
        "(one) => { one.innerHTML = `<font>${one.textContent}</font>`; }",
        "(one) => one.replaceChildren()",
    ):
        clock(host, "Ben").evaluate(meddle)
        press(host, "Add time to Ben")
        expect(clock(host, "Ben")).to_have_text(re.compile(r"^\d:\d\d$"))
    expect(clock(host, "Ben")).to_have_text("3:40")


def test_page_opened_by_another_host_name_connects_to_that_host(
    screens: Screens, stack: Instance
) -> None:
    # Another name than the stack's own, as on a phone.
    rest_url = stack.rest_url.replace("127.0.0.1", "localhost")
    host = create_session(screens, rest_url, "Blitz")

    assert link_for(host, VIEWER).startswith(rest_url)


def local_time(page: Page, in_ms: int) -> str:
    """A local time for an input, ``in_ms`` from now, in whole minutes."""
    written: str = page.evaluate(
        """(inMs) => {
            const at = new Date(Date.now() + inMs);
            return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
        }""",
        in_ms,
    )
    return written


def test_session_starts_and_ends_at_times_of_day(
    screens: Screens, stack: Instance, axe: Axe
) -> None:
    page = screens.open(f"{stack.rest_url}/")
    tomorrow = local_time(page, 86_400_000)
    reduced = {"reduced_motion": "reduce"}
    host = create_session(screens, stack.rest_url, "Exam", context=reduced, starts=tomorrow)
    viewer = screens.open(link_for(host, VIEWER))
    room = screens.open(link_for(host, "Room"), **PHONE)
    status = host.locator(".header .status")
    expect(status).to_have_text(re.compile(r"^Starts at \w{3}.*\d:\d\d"))
    expect(viewer.locator(".header .status")).to_have_text(status.inner_text())

    host.get_by_text("Start and end times").click()
    form = host.locator(".side-form").filter(has_text="Ends at")
    expect(form.get_by_label("Starts at")).to_have_value(tomorrow)
    form.get_by_label("Ends at").fill(tomorrow)
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_have_text("End: Must be after the start")
    assert not axe.violations(host), "\n".join(axe.violations(host))
    # The minute that has begun: at once.
    form.get_by_label("Starts at").fill(local_time(page, 0))
    form.get_by_role("button", name="Save").click()
    expect(status).to_have_text(re.compile("^Running until .*\\d:\\d\\d"))
    expect(form.get_by_label("Starts at")).to_be_hidden()
    expect(room.get_by_role("button", name=re.compile("^Pause"))).to_be_visible()
    form.get_by_label("Ends at").fill("")
    form.get_by_role("button", name="Save").click()
    expect(status).to_have_text("Running")
