"""The page at /docs in a real browser: under its policy, without a network, and at work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Route, expect

from chalicelib.api_docs import asyncapi, examples
from chalicelib.api_docs.operations import OPERATIONS
from tests.e2e.instances import Instance

PATIENCE_MS = 20_000
OPERATION = "#operations-{0.tag}-{0.view}"

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (violation) =>
  console.error("policy", violation.violatedDirective, violation.blockedURI));
"""


@dataclass
class ConnectionContext:
    """A page, which reaches nothing but the stack; what it complains of, and asks elsewhere for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def catch(self, error: Error) -> None:
        self.complaints.append(str(error))

    def operation(self, view: str) -> Locator:
        """An operation, opened up."""
        (found,) = (one for one in OPERATIONS if one.view == view)
        block = self.page.locator(OPERATION.format(found))
        block.locator(".opblock-summary-control").click()
        return block


def answered(block: Locator) -> tuple[str, Any]:
    """What an operation is answered with when it is tried: status and body."""
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table .response").first
    status = live.locator(".response-col_status").inner_text()
    return status.strip(), json.loads(live.locator("pre code").first.inner_text())


@pytest.fixture(params=["/docs", "/docs/"])
def visit(
    request: pytest.FixtureRequest, chromium: Browser, stack: Instance
) -> Iterator[ConnectionContext]:
    context = chromium.new_context()
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(REPORT_VIOLATIONS)
    visit = ConnectionContext(context.new_page())
    visit.page.on("console", visit.hear)
    visit.page.on("pageerror", visit.catch)
    here = urlsplit(stack.rest_url).netloc

    def within_the_stack(route: Route) -> None:
        if urlsplit(route.request.url).netloc == here:
            route.continue_()
        else:
            visit.elsewhere.append(route.request.url)
            route.abort()

    context.route("**/*", within_the_stack)
    visit.page.goto(f"{stack.rest_url}{request.param}")
    yield visit
    context.close()
    assert (visit.complaints, visit.elsewhere) == ([], [])


def test_every_operation_and_every_message_is_laid_out(visit: ConnectionContext) -> None:
    for one in OPERATIONS:
        expect(visit.page.locator(OPERATION.format(one))).to_be_visible(timeout=PATIENCE_MS)
    messages = asyncapi.document()["components"]["messages"]
    expect(visit.page.locator("#socket article")).to_have_count(len(messages))
    styled = visit.page.locator(".opblock").first.evaluate("one => getComputedStyle(one).display")
    assert styled == "block"


def test_what_is_tried_is_answered_by_the_stack(visit: ConnectionContext) -> None:
    status, time = answered(visit.operation("get_time"))
    assert (status, time["drift_tolerance_ms"]) == ("200", 50)

    # The body that is proposed is the example's; under its id one session can be created.
    status, created = answered(visit.operation("create_session"))
    assert status in ("200", "201")
    assert created["data"]["session_id"] == examples.SESSION_ID

    asked = visit.operation("get_session")
    asked.get_by_placeholder("session_id").fill(examples.SESSION_ID)
    status, found = answered(asked)
    assert (status, found["data"]["version"]) == ("200", created["data"]["version"])


def test_what_is_refused_is_shown_as_it_was_answered(visit: ConnectionContext) -> None:
    asked = visit.operation("get_session")
    asked.get_by_placeholder("session_id").fill("6f0e1d9c-5a2b-4c7d-8e3f-0000000000ff")

    status, refused = answered(asked)

    assert (status, refused["error"]["code"]) == ("404", "SESSION_NOT_FOUND")
    # The browser itself says in its console what was answered with an error.
    visit.complaints = [one for one in visit.complaints if "404" not in one]


def test_a_breach_of_the_policy_would_be_heard(visit: ConnectionContext) -> None:
    with visit.page.expect_console_message(lambda said: said.text.startswith("policy img-src")):
        visit.page.evaluate("new Image().src = 'https://example.com/picture.png'")

    assert any("Content Security Policy" in one for one in visit.complaints)
    visit.complaints.clear()
