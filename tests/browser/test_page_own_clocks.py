"""Sessions on the page whose clocks all run at once: exams with extra time, and races."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.instances import Instance

from .accessibility import Axe
from .screens import Screens
from .session_page import (
    PHONE,
    PRESS_MS,
    VIEWER,
    card,
    choose_preset,
    clock,
    create_session,
    link_for,
    press,
    wait_until_live,
)

EXAM = "Exam with extra time"
TABLE = "Name\tFactor\nAda\t1\nBen\t+25 %\nCleo\t1,5"


def names_in_order(page: Page) -> list[str]:
    return page.locator(".participant-list .name").all_inner_texts()


def test_invigilator_and_candidates_of_an_exam_with_extra_time(
    screens: Screens, stack: Instance
) -> None:
    host = create_session(screens, stack.rest_url, EXAM, names=TABLE, total="60", title="Maths")
    ben = screens.open(link_for(host, "Ben"), **PHONE)
    viewer = screens.open(link_for(host, VIEWER))
    for page in (ben, viewer):
        wait_until_live(page)
    expect(clock(host, "Ben")).to_have_text("1:15:00")
    press(host, "Start")
    assert names_in_order(host) == ["Ada", "Ben", "Cleo"]
    # The end is the same time of day on every screen.
    detail = card(host, "Ben").locator(".detail")
    expect(detail).to_have_text(re.compile(r"^until \d.* · \+25 %$"))
    until = detail.inner_text().partition(" ·")[0]
    expect(ben.locator(".detail")).to_have_text(until)
    expect(viewer.get_by_text(until.capitalize())).to_be_visible()
    expect(viewer.get_by_text("Ben")).to_have_count(0)

    # Five minutes for one, then for all; by factor, with the keyboard.
    press(host, "Add time to Ada")
    expect(clock(host, "Ada")).to_have_text(re.compile("^1:04:5"))
    press(host, "+ for all")
    expect(clock(host, "Ben")).to_have_text(re.compile("^1:19:5"))
    host.get_by_role("checkbox", name="by factor").check()
    host.get_by_role("heading", name="Share").click()
    host.wait_for_timeout(PRESS_MS)
    host.keyboard.press("+")
    expect(clock(ben, "Ben")).to_have_text(re.compile("^1:2[56]:"))
    expect(clock(host, "Cleo")).to_have_text(re.compile("^1:42:"))
    host.keyboard.press("-")
    expect(clock(host, "Cleo")).to_have_text(re.compile("^1:3[45]:"))

    press(host, "Pause Ada")
    expect(card(host, "Ada").locator(".note")).to_have_text("Paused")
    press(host, "Resume Ada")
    expect(card(host, "Ada").locator(".note")).to_be_empty()

    # A candidate hands in; only a host can take it back.
    ben.get_by_role("button", name="Hand in").tap()
    ben.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    ben.wait_for_timeout(PRESS_MS)
    ben.get_by_role("button", name="Hand in").tap()
    ben.get_by_role("dialog").get_by_role("button", name="Hand in").click()
    expect(ben.get_by_role("button", name="Handed in")).to_have_attribute("aria-disabled", "true")
    expect(host.get_by_text("Handed in: 1 of 3")).to_be_visible()
    press(host, "Resume Ben")
    expect(ben.get_by_role("button", name=re.compile("^Hand in"))).to_be_visible()
    for name in ("Ada", "Ben", "Cleo"):
        press(host, f"Hand in {name}")
    expect(host.locator(".header .status")).to_have_text("Completed")
    # The rows stay where they were.
    assert names_in_order(host) == ["Ada", "Ben", "Cleo"]


def test_race_with_a_mass_start_and_places(screens: Screens, stack: Instance) -> None:
    names = "3 Ada\n10 Ben\n17 Cleo\n31 Dan"
    host = create_session(screens, stack.rest_url, "Race", names=names, count="4")
    viewer = screens.open(link_for(host, VIEWER))
    ben = screens.open(link_for(host, "10 Ben"), **PHONE)
    for page in (viewer, ben):
        wait_until_live(page)
    expect(ben.get_by_role("button", name="Not started yet")).to_be_visible()
    press(host, "Start")
    # Clocks of a race count up.
    expect(clock(viewer, "Race time")).to_have_text("0:01")
    expect(clock(host, "Race time")).to_have_text(re.compile(r"^0:0\d$"))
    host.keyboard.press("Space")

    press(host, "Finish 17 Cleo")
    ben.get_by_role("button", name=re.compile("^Finish")).tap()
    expect(ben.locator(".detail")).to_have_text(re.compile(r"^2nd · 0:\d\d\.\d$"))
    search = host.get_by_role("searchbox")
    # Both 3 and 31 contain it, and only one is it.
    search.fill("3")
    search.press("Enter")
    expect(search).to_have_value("")
    places = viewer.locator(".race-results li")
    expect(places).to_have_text([re.compile("1st17 Cleo"), re.compile("2nd10"), re.compile("3rd3")])
    expect(host.locator(".race-results li")).to_have_count(3)
    # The tiles stay where they were.
    assert names_in_order(host) == names.split("\n")

    press(host, "Resume 3 Ada")
    expect(places).to_have_count(2)
    press(host, "Finish 31 Dan")
    press(host, "Finish 3 Ada")
    expect(host.locator(".header .status")).to_have_text("Completed")
    expect(places).to_have_text([re.compile(name) for name in ("Cleo", "Ben", "Dan", "Ada")])


def test_bad_line_of_a_pasted_table_is_named(screens: Screens, stack: Instance) -> None:
    page = screens.open(f"{stack.rest_url}/")
    choose_preset(page, EXAM)
    names = page.get_by_label("Names")
    names.fill("Ada\t1\nBen\t12")
    page.get_by_role("button", name="Create session").click()
    expect(names).to_be_focused()
    expect(names).to_have_accessible_description(
        "Line 2: the time factor must be 0.1 to 10, not 12"
    )
    names.fill("Ada\t1\nBen\t1.2")
    expect(page.get_by_role("status")).to_have_text(
        re.compile("^2 participants: 1 . 1 hour 30 minutes, 1 . 1 hour 48 minutes$")
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("preset", "finish"), [(EXAM, "Hand in Ben"), ("Race", "Finish Ben")], ids=["exam", "race"]
)
def test_axe_finds_no_violations_where_all_clocks_run(
    screens: Screens, stack: Instance, axe: Axe, scheme: str, preset: str, finish: str
) -> None:
    context = {"color_scheme": scheme, "reduced_motion": "reduce"}
    host = create_session(
        screens, stack.rest_url, preset, context=context, names="Ada\nBen\nCleo; 1.5", count="3"
    )
    press(host, "Start")
    press(host, finish)
    pages = [
        host,
        screens.open(host.url, **PHONE, **context),
        screens.open(link_for(host, VIEWER), **context),
        screens.open(link_for(host, "Ben"), **PHONE, **context),
    ]
    for page in pages:
        wait_until_live(page)
        expect(page.get_by_text(re.compile("^(✓ |1st|1 candidate)")).first).to_be_visible()
        assert not axe.violations(page), "\n".join(axe.violations(page))
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_participants_are_added_changed_withdrawn_and_brought_back(
    screens: Screens, stack: Instance, axe: Axe
) -> None:
    host = create_session(
        screens, stack.rest_url, EXAM, names="Ada\nBen", context={"reduced_motion": "reduce"}
    )
    ben = screens.open(link_for(host, "Ben"), **PHONE)
    wait_until_live(ben)
    press(host, "Start")

    host.get_by_text("Add a participant").click()
    form = host.locator(".join-form")
    form.get_by_label("Name").fill("Eve")
    form.get_by_label("Time factor").fill("25 %")
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_role("alert")).to_contain_text("may be meant as +25 %")
    form.get_by_label("Time factor").fill("+25 %")
    form.get_by_role("button", name="Add").click()
    expect(clock(host, "Eve")).to_have_text("1:52:30")
    assert not axe.violations(host), "\n".join(axe.violations(host))
    eve = screens.open(link_for(host, "Eve"), **PHONE)
    wait_until_live(eve)
    press(host, "Start Eve")
    expect(eve.get_by_role("button", name=re.compile("^Hand in"))).to_be_visible()

    press(host, "More for Ben")
    dialog = host.get_by_role("dialog")
    assert not axe.violations(host), "\n".join(axe.violations(host))
    dialog.get_by_label("Name").fill("Benjamin")
    dialog.get_by_label("Time factor").fill("1,5")
    dialog.get_by_role("button", name="Save").click()
    expect(ben.get_by_role("timer", name="Benjamin")).to_have_text(re.compile("^2:14:"))
    expect(card(host, "Benjamin").locator(".detail")).to_have_text(re.compile(r"\+50 %$"))

    press(host, "More for Benjamin")
    dialog.get_by_role("button", name="Withdraw").click()
    expect(ben.get_by_role("button", name="Withdrawn")).to_have_attribute("aria-disabled", "true")
    expect(host.get_by_text("Handed in: 0 of 2")).to_be_visible()
    press(host, "Return Benjamin")
    expect(card(host, "Benjamin").locator(".note")).to_have_text("Paused")
    press(host, "Resume Benjamin")
    expect(ben.get_by_role("button", name=re.compile("^Hand in"))).to_be_visible()

    press(host, "More for Ada")
    dialog.get_by_role("button", name="Show link").click()
    expect(host.get_by_label("Link for", exact=True)).to_be_focused()
    log = host.get_by_role("group", name="Activity log")
    expect(log.get_by_text("Eve joined")).to_be_visible()
    expect(log.get_by_text("Benjamin withdrew")).to_be_visible()
