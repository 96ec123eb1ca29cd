"""The page is accessible: keyboard, screen readers, scripts, screen sizes, many participants."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.instances import Instance

from .accessibility import Axe
from .screens import Screens
from .session_api import SessionApi
from .session_page import (
    HOST,
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

ARABIC = "عبد الرحمن بن محمد"
LONG = "Hubert Blaine Wolfeschlegelsteinhausenbergerdorff Sr. of Wolfeschlegelsteinhaus"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violations_on_any_screen(
    screens: Screens, stack: Instance, axe: Axe, scheme: str
) -> None:
    context = {"color_scheme": scheme, "reduced_motion": "reduce"}
    form = screens.open(f"{stack.rest_url}/", **context)
    expect(form.get_by_role("radio", name="Blitz")).to_be_checked()
    assert axe.violations(form) == []

    host = create_session(screens, stack.rest_url, "Quiz", context=context, warnings="29s")
    press(host, "Start")
    expect(card(host, "Participant 1")).to_have_attribute("data-phase", "warning")
    viewer = screens.open(link_for(host, VIEWER), **context)
    participant = screens.open(link_for(host, "Participant 1"), **PHONE, **context)
    for page in (viewer, participant):
        wait_until_live(page)
        expect(page.get_by_text("▲ Low").first).to_be_visible()
    for page in (host, viewer, participant):
        assert not axe.violations(page), "\n".join(axe.violations(page))
    press(host, "Delete")
    assert axe.violations(host) == []
    screens.open(f"{stack.rest_url}/#s=1", **context)


def test_everything_can_be_done_with_the_keyboard(screens: Screens, stack: Instance) -> None:
    page = screens.open(f"{stack.rest_url}/")
    expect(page.get_by_role("radio", name="Blitz")).to_be_checked()
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Debate")).to_be_checked()
    page.get_by_label("Title").press("Enter")
    wait_until_live(page)

    page.keyboard.press("Space")
    expect(page.locator(".header .status")).to_have_text("Running")
    page.wait_for_timeout(PRESS_MS)
    page.keyboard.press("Space")
    expect(card(page, "Against")).to_have_attribute("data-active", "true")
    page.keyboard.press("u")
    expect(card(page, "For")).to_have_attribute("data-active", "true")
    page.keyboard.press("p")
    expect(page.locator(".header .status")).to_have_text("Paused")
    before = clock(page, "For").inner_text()
    page.keyboard.press("+")
    expect(clock(page, "For")).not_to_have_text(before)
    page.get_by_text("Keyboard shortcuts", exact=True).click()
    expect(page.get_by_text("Undo the last switch")).to_be_visible()

    # The focused element is visible as such.
    page.get_by_role("button", name="Add time to For").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    # Escape cancels the confirmation dialog.
    page.get_by_role("button", name="Delete").press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(clock(page, "For")).to_be_visible()


def test_events_are_announced_to_screen_readers_and_digits_are_not(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Debate", names="Ada\nBen")
    region = host.get_by_role("status")
    host.evaluate(
        """() => {
            window.announced = [];
            const region = document.querySelector('[role=status]');
            new MutationObserver(() => window.announced.push(region.textContent.trim()))
                .observe(region, { subtree: true, childList: true, characterData: true });
        }"""
    )
    press(host, "Start")
    expect(region).to_have_text("Session started. Ada\u2019s turn")
    for _ in range(3):
        active = host.locator(".clock[data-active=true] h2").inner_text()
        press(host, "Pass turn")
        expect(host.locator(".clock[data-active=true] h2")).not_to_have_text(active)
    expect(region).to_have_text("Ben\u2019s turn")

    # Of several turns in quick succession only the last is announced.
    announced = host.evaluate("window.announced")
    assert len(announced) <= 3, announced
    assert not any(re.search(r"\d:\d\d", one) for one in announced)
    assert host.locator("[aria-live]").count() == 0


def test_a_flag_that_ends_the_session_is_announced_with_its_name(
    screens: Screens, stack: Instance, session_api: SessionApi
) -> None:
    session_id = session_api.create(
        1_500, metadata={"names": ["Ada", "Ben"]}, action_on_timeout={"type": "end_session"}
    )
    viewer = screens.open(f"{stack.rest_url}/#s={session_id}")
    wait_until_live(viewer)
    session_api.command(session_id, "start")
    expect(viewer.get_by_role("status")).to_have_text("Ada is out of time. Time is up")


def test_active_clock_is_recognizable_without_colour(screens: Screens, stack: Instance) -> None:
    host = create_session(
        screens, stack.rest_url, "Blitz", context={"forced_colors": "active"}, names="Ada\nBen"
    )
    press(host, "Start")

    expect(card(host, "Ada")).to_have_attribute("aria-current", "true")
    expect(card(host, "Ben")).to_have_attribute("aria-current", "false")
    expect(card(host, "Ada")).to_have_css("border-block-start-width", "4px")
    expect(card(host, "Ben")).to_have_css("border-block-start-width", "1px")


def test_names_in_any_script_and_of_any_length_fit(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", names=f"{ARABIC}\n{LONG}", title=ARABIC)
    all_pages = [
        host,
        screens.open(link_for(host, VIEWER)),
        screens.open(link_for(host, ARABIC), **PHONE),
        screens.open(link_for(host, LONG), **PHONE),
    ]
    for page in all_pages:
        wait_until_live(page)
        width, window_width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= window_width
    name = card(host, ARABIC).locator(".name")
    assert name.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    long = card(host, LONG).locator(".name")
    assert long.evaluate("(one) => getComputedStyle(one).direction") == "ltr"


def test_layout_is_mirrored_for_right_to_left_text(screens: Screens, stack: Instance) -> None:
    script = "addEventListener('DOMContentLoaded', () => { document.documentElement.dir = 'rtl'; })"
    host = create_session(screens, stack.rest_url, "Blitz")
    mirrored = screens.open(link_for(host, HOST), script=script)
    wait_until_live(mirrored)

    brand, sound = (
        mirrored.locator(one).bounding_box() for one in (".header .brand", ".header .actions")
    )
    assert brand is not None
    assert sound is not None
    assert brand["x"] > sound["x"]
    assert mirrored.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_page_fits_on_a_phone_with_buttons_large_enough_to_tap(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Teams", context=PHONE)
    press(host, "Start")
    participant = screens.open(link_for(host, "Ada"), **PHONE)
    wait_until_live(participant)
    for page in (host, participant):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = page.evaluate(
            """() => [...document.querySelectorAll('button')]
                .map((one) => [one.textContent, one.getBoundingClientRect()])
                .filter(([, box]) => box.width && (box.height < 38 || box.width < 38))
                .map(([text]) => text)"""
        )
        assert small == []
    button = participant.locator(".action-button").bounding_box()
    assert button is not None
    # The lower half without its margins.
    assert button["height"] > 844 * 0.4
    assert 844 - (button["y"] + button["height"]) < 30

    # In landscape, the half next to the clock.
    participant.set_viewport_size({"width": 740, "height": 340})
    button = participant.locator(".action-button").bounding_box()
    assert button is not None
    assert button["width"] > 740 * 0.4
    assert button["y"] + button["height"] <= 340
    digits = participant.get_by_role("timer").bounding_box()
    assert digits is not None
    assert digits["x"] + digits["width"] <= button["x"]


def test_reduced_motion_turns_off_all_motion(screens: Screens, stack: Instance) -> None:
    host = create_session(screens, stack.rest_url, "Blitz", context={"reduced_motion": "reduce"})
    moving = host.evaluate(
        """() => [...document.querySelectorAll('*')].filter((one) =>
            getComputedStyle(one).transitionDuration !== '0s'
            || getComputedStyle(one).animationName !== 'none').length"""
    )
    assert moving == 0


def test_host_page_is_usable_with_a_thousand_participants(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, "Quiz", count="1000")

    # Only visible rows are drawn.
    assert host.locator(".participant-list .clock").count() < 40
    host.get_by_role("searchbox").fill("participant 987")
    expect(host.locator(".participant-list .clock")).to_have_count(1)
    press(host, "Start")
    press(host, "Give turn to Participant 987")
    expect(card(host, "Participant 987")).to_have_attribute("data-active", "true")
    viewer = screens.open(link_for(host, VIEWER))
    expect(clock(viewer, "Participant 987")).to_be_visible()
    expect(viewer.get_by_text("and 991 more")).to_be_visible()
    assert viewer.locator(".clock").count() == 9

    host.get_by_role("searchbox").fill("")
    host.locator(".participant-list").evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(clock(host, "Participant 1000")).to_be_visible()
    participant = screens.open(link_for(host, "Participant 987"), **PHONE)
    participant.get_by_role("button", name=re.compile("Pass turn")).tap()
    expect(card(host, "Participant 988")).to_have_attribute("data-active", "true")
