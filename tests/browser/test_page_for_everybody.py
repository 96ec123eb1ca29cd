"""The page without a mouse, without sight, in any script, on any screen, and with very many."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.instances import Instance

from .accessibility import Axe
from .page import PHONE, VIEWER, card, clock, is_live, link_for, make_session, press
from .screens import Screens

ARABIC = "عبد الرحمن بن محمد"
LONG = "Hubert Blaine Wolfeschlegelsteinhausenbergerdorff Sr. " * 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_fault_on_any_screen(
    screens: Screens, stack: Instance, axe: Axe, scheme: str
) -> None:
    context = {"color_scheme": scheme, "reduced_motion": "reduce"}
    form = screens.open(f"{stack.rest_url}/", **context)
    expect(form.get_by_role("radio", name="Blitz")).to_be_checked()
    assert axe.faults(form) == []

    host = make_session(screens, stack.rest_url, "Quiz", context=context, warnings="29s")
    press(host, "Start")
    expect(card(host, "Participant 1")).to_have_attribute("data-phase", "warning")
    viewer = screens.open(link_for(host, VIEWER), **context)
    mine = screens.open(link_for(host, "Participant 1"), **PHONE, **context)
    for page in (viewer, mine):
        is_live(page)
        expect(page.get_by_text("▲ Low").first).to_be_visible()
    for page in (host, viewer, mine):
        assert not axe.faults(page), "\n".join(axe.faults(page))
    press(host, "Delete")
    assert axe.faults(host) == []
    screens.open(f"{stack.rest_url}/#s=1", **context)


def test_all_of_it_can_be_done_with_the_keyboard(screens: Screens, stack: Instance) -> None:
    page = screens.open(f"{stack.rest_url}/")
    expect(page.get_by_role("radio", name="Blitz")).to_be_checked()
    page.keyboard.press("Tab")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Debate")).to_be_checked()
    page.get_by_label("Title").press("Enter")
    is_live(page)

    page.keyboard.press("Space")
    expect(page.locator(".bar .status")).to_have_text("Running")
    page.keyboard.press("Space")
    expect(card(page, "Against")).to_have_attribute("data-active", "true")
    page.keyboard.press("u")
    expect(card(page, "For")).to_have_attribute("data-active", "true")
    page.keyboard.press("p")
    expect(page.locator(".bar .status")).to_have_text("Paused")
    before = clock(page, "For").inner_text()
    page.keyboard.press("+")
    expect(clock(page, "For")).not_to_have_text(before)
    page.get_by_text("Keyboard", exact=True).click()
    expect(page.get_by_text("Undo the last switch")).to_be_visible()

    # What has the focus is told from what has not.
    page.get_by_role("button", name="Give time to For").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    # A question is put before what can't be undone, and Escape means no.
    page.get_by_role("button", name="Delete").press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(clock(page, "For")).to_be_visible()


def test_what_happens_is_announced_politely_and_digits_are_not(
    screens: Screens, stack: Instance
) -> None:
    host = make_session(screens, stack.rest_url, "Debate", names="Ada\nBen")
    region = host.get_by_role("status")
    host.evaluate(
        """() => {
            window.said = [];
            const region = document.querySelector('[role=status]');
            new MutationObserver(() => window.said.push(region.textContent.trim()))
                .observe(region, { subtree: true, childList: true, characterData: true });
        }"""
    )
    press(host, "Start")
    expect(region).to_have_text("Started. Ada begins")
    for _ in range(3):
        active = host.locator(".clock[data-active=true] h2").inner_text()
        press(host, "Next")
        expect(host.locator(".clock[data-active=true] h2")).not_to_have_text(active)
    expect(region).to_have_text("Ben\u2019s turn")

    # Of three turns in a moment only what came last is worth being read aloud.
    said = host.evaluate("window.said")
    assert len(said) <= 3, said
    assert not any(re.search(r"\d:\d\d", one) for one in said)
    assert host.locator("[aria-live]").count() == 0


def test_whose_turn_it_is_needs_no_colour(screens: Screens, stack: Instance) -> None:
    host = make_session(
        screens, stack.rest_url, "Blitz", context={"forced_colors": "active"}, names="Ada\nBen"
    )
    press(host, "Start")

    expect(card(host, "Ada")).to_have_attribute("aria-current", "true")
    expect(card(host, "Ben")).to_have_attribute("aria-current", "false")
    expect(card(host, "Ada")).to_have_css("border-block-start-width", "4px")
    expect(card(host, "Ben")).to_have_css("border-block-start-width", "1px")


def test_names_in_any_script_and_of_any_length_stay_where_they_belong(
    screens: Screens, stack: Instance
) -> None:
    host = make_session(
        screens, stack.rest_url, "Blitz", names=f"{ARABIC}\n{LONG.strip()}", title=ARABIC
    )
    screens_of_all = [
        host,
        screens.open(link_for(host, VIEWER)),
        screens.open(link_for(host, ARABIC), **PHONE),
        screens.open(link_for(host, LONG.strip()), **PHONE),
    ]
    for page in screens_of_all:
        is_live(page)
        width, seen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= seen
    name = card(host, ARABIC).locator(".name")
    assert name.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    long = card(host, LONG.strip()).locator(".name")
    assert long.evaluate("(one) => getComputedStyle(one).direction") == "ltr"


def test_a_page_that_is_read_from_right_to_left_is_laid_out_so(
    screens: Screens, stack: Instance
) -> None:
    script = "addEventListener('DOMContentLoaded', () => { document.documentElement.dir = 'rtl'; })"
    host = make_session(screens, stack.rest_url, "Blitz")
    mirrored = screens.open(link_for(host, "Host: these controls"), script=script)
    is_live(mirrored)

    brand, sound = (
        mirrored.locator(one).bounding_box() for one in (".bar .brand", ".bar .actions")
    )
    assert brand is not None
    assert sound is not None
    assert brand["x"] > sound["x"]
    assert mirrored.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_everything_fits_on_a_phone_and_can_be_hit_with_a_thumb(
    screens: Screens, stack: Instance
) -> None:
    host = make_session(screens, stack.rest_url, "Teams", context=PHONE)
    press(host, "Start")
    mine = screens.open(link_for(host, "Ada"), **PHONE)
    is_live(mine)
    for page in (host, mine):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small = page.evaluate(
            """() => [...document.querySelectorAll('button')]
                .map((one) => [one.textContent, one.getBoundingClientRect()])
                .filter(([, box]) => box.width && (box.height < 38 || box.width < 38))
                .map(([text]) => text)"""
        )
        assert small == []
    button = mine.locator(".press").bounding_box()
    assert button is not None
    # The whole lower half but for its margins.
    assert button["height"] > 844 * 0.4
    assert 844 - (button["y"] + button["height"]) < 30

    # And half of a phone that lies on its side, beside the clock.
    mine.set_viewport_size({"width": 740, "height": 340})
    button = mine.locator(".press").bounding_box()
    assert button is not None
    assert button["width"] > 740 * 0.4
    assert button["y"] + button["height"] <= 340
    digits = mine.get_by_role("timer").bounding_box()
    assert digits is not None
    assert digits["x"] + digits["width"] <= button["x"]


def test_who_wants_no_motion_sees_none(screens: Screens, stack: Instance) -> None:
    host = make_session(screens, stack.rest_url, "Blitz", context={"reduced_motion": "reduce"})
    moving = host.evaluate(
        """() => [...document.querySelectorAll('*')].filter((one) =>
            getComputedStyle(one).transitionDuration !== '0s'
            || getComputedStyle(one).animationName !== 'none').length"""
    )
    assert moving == 0


def test_a_thousand_participants_stay_usable(screens: Screens, stack: Instance) -> None:
    host = make_session(screens, stack.rest_url, "Quiz", count="1000")

    # Only what is in sight is drawn.
    assert host.locator(".roster .clock").count() < 40
    host.get_by_role("searchbox").fill("participant 987")
    expect(host.locator(".roster .clock")).to_have_count(1)
    press(host, "Start")
    press(host, "Give turn to Participant 987")
    expect(card(host, "Participant 987")).to_have_attribute("data-active", "true")
    viewer = screens.open(link_for(host, VIEWER))
    expect(clock(viewer, "Participant 987")).to_be_visible()
    expect(viewer.get_by_text("and 991 more")).to_be_visible()
    assert viewer.locator(".clock").count() == 9

    host.get_by_role("searchbox").fill("")
    host.locator(".roster").evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(clock(host, "Participant 1000")).to_be_visible()
    mine = screens.open(link_for(host, "Participant 987"), **PHONE)
    mine.get_by_role("button", name=re.compile("Done")).tap()
    expect(card(host, "Participant 988")).to_have_attribute("data-active", "true")
