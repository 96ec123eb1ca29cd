"""The tests' own eyes: what goes wrong in a page is noticed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.instances import Instance

from .accessibility import Axe
from .screens import Screens, watched

IMAGE = "<img alt='' src='http://127.0.0.1:9/a.png'>"
NO_IMAGES = "<meta http-equiv=Content-Security-Policy content=\"img-src 'none'\">"
PAGE = "<!doctype html><html lang=en><title>t</title><main><h1>h</h1>"
COMPLAINTS = {
    "uncaught": "<script>throw new Error('uncaught')</script>",
    "logged as an error": "<script>console.error('logged as an error')</script>",
    "rejected": "<script>Promise.reject(new Error('rejected'))</script>",
    "Content Security Policy": NO_IMAGES + IMAGE,
    "ERR_UNSAFE_PORT": IMAGE,
}


def loaded(page: Page, html: str) -> None:
    page.set_content(html)
    # Whatever the page did while it was loaded has been reported before this is answered.
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_what_a_page_complains_about_fails_its_test(chromium: Browser, complaint: str) -> None:
    with (
        pytest.raises(AssertionError, match=complaint),
        watched(chromium) as screens,
    ):
        loaded(screens.open(), COMPLAINTS[complaint])


def test_what_is_expected_is_let_pass(screens: Screens) -> None:
    screens.expect("logged as")
    loaded(screens.open(), COMPLAINTS["logged as an error"])


def test_each_page_is_a_machine_of_its_own(screens: Screens, stack: Instance) -> None:
    screens.expect("favicon")  # a browser asks for one of its own accord
    one, other = (screens.open(f"{stack.rest_url}/health") for _ in range(2))
    one.evaluate("localStorage.setItem('a', '1')")
    assert one.evaluate("localStorage.getItem('a')") == "1"
    assert other.evaluate("localStorage.getItem('a')") is None


def test_axe_finds_what_is_wrong_with_a_page(screens: Screens, axe: Axe) -> None:
    page = screens.open()
    loaded(page, PAGE)
    assert axe.faults(page) == []
    loaded(page, f"{PAGE}<button></button>")
    assert [fault.split()[:2] for fault in axe.faults(page)] == [["critical", "button-name:"]]
