"""The helpers of browser tests notice the errors of pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.instances import Instance

from .accessibility import Axe
from .screens import Screens, checked_screens

IMAGE = "<img alt='' src='http://127.0.0.1:9/a.png'>"
NO_IMAGES = "<meta http-equiv=Content-Security-Policy content=\"img-src 'none'\">"
PAGE = "<!doctype html><html lang=en><title>t</title><main><h1>h</h1>"
ERRORS = {
    "uncaught": "<script>throw new Error('uncaught')</script>",
    "logged as an error": "<script>console.error('logged as an error')</script>",
    "rejected": "<script>Promise.reject(new Error('rejected'))</script>",
    "Content Security Policy": NO_IMAGES + IMAGE,
    "ERR_UNSAFE_PORT": IMAGE,
}


def load(page: Page, html: str) -> None:
    page.set_content(html)
    # Returns after the errors of loading have been reported.
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")


@pytest.mark.parametrize("error", ERRORS)
def test_error_of_a_page_fails_its_test(chromium: Browser, error: str) -> None:
    with (
        pytest.raises(AssertionError, match=error),
        checked_screens(chromium) as screens,
    ):
        load(screens.open(), ERRORS[error])


def test_expected_error_passes(screens: Screens) -> None:
    screens.expect("logged as")
    load(screens.open(), ERRORS["logged as an error"])


def test_pages_do_not_share_storage(screens: Screens, stack: Instance) -> None:
    screens.expect("favicon")  # browsers request it by themselves
    one, other = (screens.open(f"{stack.rest_url}/health") for _ in range(2))
    one.evaluate("localStorage.setItem('a', '1')")
    assert one.evaluate("localStorage.getItem('a')") == "1"
    assert other.evaluate("localStorage.getItem('a')") is None


def test_axe_finds_violations(screens: Screens, axe: Axe) -> None:
    page = screens.open()
    load(page, PAGE)
    assert axe.violations(page) == []
    load(page, f"{PAGE}<button></button>")
    assert [one.split()[:2] for one in axe.violations(page)] == [["critical", "button-name:"]]
